// Answers without Python: times of the shipped cost models, interpolated from answers-table.js.
// No page is touched here; answers-view.js draws.
(() => {
  "use strict";
  const table = window.dirtylabTable;
  const perPlace = table.models.length * table.timed.length * table.operations.length;
  const curves = { places: [], start: [], at: null, height: null };

  async function unpacked() {
    const squeezed = Uint8Array.from(atob(table.curves), (one) => one.charCodeAt(0));
    const stream = new Blob([squeezed]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  // Numbers of 7 bits a byte, the lowest first; the highest bit says that more follow.
  function* sevens(bytes) {
    let number = 0;
    let factor = 1;
    for (const one of bytes) {
      number += (one & 127) * factor;
      factor *= 128;
      if (one < 128) {
        yield number;
        number = 0;
        factor = 1;
      }
    }
  }

  function parts(bytes) {
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const found = [];
    for (let begin = 0; begin < bytes.length; ) {
      const size = view.getUint32(begin, true);
      found.push(bytes.subarray(begin + 4, begin + 4 + size));
      begin += 4 + size;
    }
    return found;
  }

  function readPools(bytes) {
    const numbers = sevens(bytes);
    for (let next = numbers.next(); !next.done; next = numbers.next()) {
      const pool = new Float64Array(next.value);
      let dirty = 0;
      for (let i = 0; i < pool.length; i++) {
        dirty += numbers.next().value;
        pool[i] = Math.log(dirty);
      }
      curves.places.push(pool);
    }
  }

  async function read() {
    const [pools, counts, at, low, high] = parts(await unpacked());
    readPools(pools);
    let point = 0;
    for (const count of sevens(counts)) {
      curves.start.push(point);
      point += count;
    }
    curves.start.push(point);
    curves.at = new Uint16Array(point);
    curves.height = new Float64Array(point);
    const steps = sevens(at);
    for (let curve = 0; curve + 1 < curves.start.length; curve++) {
      let place = 0;
      let height = 0;
      for (let i = curves.start[curve]; i < curves.start[curve + 1]; i++) {
        place += steps.next().value;
        const coded = low[i] + 256 * high[i];
        height += coded % 2 ? -(coded + 1) / 2 : coded / 2;
        curves.at[i] = place;
        curves.height[i] = height * table.step;
      }
    }
  }

  // The logarithm of a time, between the two points of a curve about a number of frames.
  function heightAt(curve, place, x) {
    const pool = curves.places[place];
    let left = curves.start[curve];
    let right = curves.start[curve + 1] - 1;
    while (right - left > 1) {
      const middle = (left + right) >> 1;
      if (pool[curves.at[middle]] <= x) left = middle;
      else right = middle;
    }
    const begin = pool[curves.at[left]];
    const end = pool[curves.at[right]];
    const share = end > begin ? (x - begin) / (end - begin) : 0;
    return curves.height[left] + share * (curves.height[right] - curves.height[left]);
  }

  function modelOf(state) {
    return table.models.findIndex(
      (one) => one.machine === state.machine && one.cache === state.cache,
    );
  }

  // Nanoseconds of one structure; an epoch is an insert and a harvest.
  function timeOf(structure, state) {
    const place =
      table.pages.indexOf(state.pages) * table.lengths.length +
      table.lengths.indexOf(state.length);
    const key = modelOf(state) * table.timed.length + table.timed.indexOf(structure);
    const wanted = state.operation === "epoch" ? ["insert", "harvest"] : [state.operation];
    let total = 0;
    for (const operation of wanted) {
      const curve =
        place * perPlace + key * table.operations.length + table.operations.indexOf(operation);
      total += Math.exp(heightAt(curve, place, Math.log(state.dirty)));
    }
    return total;
  }

  function timesAt(state) {
    return Object.fromEntries(table.timed.map((name) => [name, timeOf(name, state)]));
  }

  function bytesAt(state) {
    const row = table.pages.indexOf(state.pages);
    const bytes = ([first, each]) => first + (state.dirty - 1) * each;
    return Object.fromEntries(
      Object.entries(table.memory).map(([name, rows]) => [name, bytes(rows[row])]),
    );
  }

  function outside(axis, value) {
    const [low, high] = table.calibrated[axis];
    return value < low || value > high;
  }

  const extrapolated = (state) => outside("pages", state.pages) || outside("dirty", state.dirty);

  // The cheapest structure, and those over which its lead is within the model's error.
  function best(times, lead) {
    const names = Object.keys(times).sort((one, other) => times[one] - times[other]);
    const ties = names.slice(1).filter((name) => times[name] < times[names[0]] * (1 + lead));
    return { names, pick: names[0], ties };
  }

  // The first of some states at which the pick has clearly lost, and to whom.
  function clearlyLost(pick, states, lead) {
    for (const [number, state] of states.entries()) {
      const times = timesAt(state);
      const other = best(times, lead).pick;
      if (times[pick] > times[other] * (1 + lead)) return { number, other, state };
    }
    return null;
  }

  const FINE = 60; // places a factor of 10

  function dirtyChange(state, pick, lead, way) {
    const end = way < 0 ? 1 : state.pages;
    const steps = Math.ceil(Math.abs(Math.log10(end / state.dirty)) * FINE);
    const states = Array.from({ length: steps }, (_, number) => {
      const dirty = state.dirty * 10 ** ((way * (number + 1)) / FINE);
      return { ...state, dirty: Math.min(Math.max(dirty, 1), state.pages) };
    });
    const lost = clearlyLost(pick, states, lead);
    if (!lost) return null;
    const ahead = (one) => timeOf(pick, one) < timeOf(lost.other, one);
    let number = lost.number;
    while (number > 0 && !ahead(states[number - 1])) number--;
    let inner = number ? states[number - 1].dirty : state.dirty;
    let outer = states[number].dirty;
    for (let round = 0; round < 40; round++) {
      const middle = Math.sqrt(inner * outer);
      if (ahead({ ...state, dirty: middle })) inner = middle;
      else outer = middle;
    }
    return { axis: "dirty", way, other: lost.other, at: outer, extrapolated: outside("dirty", outer) };
  }

  function lengthChange(state, pick, lead, way) {
    const here = table.lengths.indexOf(state.length);
    const lengths = way < 0 ? table.lengths.slice(0, here).reverse() : table.lengths.slice(here + 1);
    const lost = clearlyLost(pick, lengths.map((length) => ({ ...state, length })), lead);
    return lost && { axis: "length", way, other: lost.other, at: lost.state.length };
  }

  function changesFrom(state, pick, lead) {
    return [dirtyChange, lengthChange]
      .flatMap((change) => [-1, 1].map((way) => change(state, pick, lead, way)))
      .filter(Boolean);
  }

  function answer(state) {
    const { lead } = table.models[modelOf(state)];
    const times = timesAt(state);
    return { times, bytes: bytesAt(state), lead, extrapolated: extrapolated(state), ...best(times, lead) };
  }

  window.dirtylabAnswers = {
    table, ready: read(), answer, timesAt, timeOf, best, changesFrom, extrapolated, outside, modelOf,
  };
})();
