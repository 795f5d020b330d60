// Draws the page of sliders: question, controls, answer, three figures, and the state in the address.
(() => {
  "use strict";
  const root = document.getElementById("dirtylab-answers");
  if (!root) return;
  const { table, ready, answer, timesAt, best, changesFrom, outside } = window.dirtylabAnswers;
  const SHARES = [];
  for (let power = -6; power < 0; power++) {
    for (const lead of [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8]) {
      SHARES.push(Number(`${lead}e${power}`));
    }
  }
  SHARES.push(1);
  const OPERATIONS = {
    epoch: "an epoch: insert, then harvest",
    insert: "insert: mark the frames",
    harvest: "harvest: list and clear",
    collect: "collect: list and keep",
  };
  const USUAL = {
    pages: 64 * 2 ** 18, share: 0.01, length: 16, operation: "epoch",
    ...table.usual,
  };
  const state = { ...USUAL };
  const found = (name) => root.querySelector(`[data-part="${name}"]`);

  // --- how values are written, as in the package's figures ---

  function digits(value) {
    if (value >= 99.95) return String(Math.round(value));
    return value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
  }
  const trimmed = (text) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
  function inUnits(value, units, base) {
    let unit = 0;
    let size = value;
    while (size >= base * 0.9995 && unit + 1 < units.length) {
      size /= base;
      unit += 1;
    }
    return [size, units[unit]];
  }
  function timeText(ns, trim = false) {
    const [size, unit] = inUnits(ns, ["ns", "µs", "ms", "s"], 1000);
    return `${trim ? trimmed(digits(size)) : digits(size)} ${unit}`;
  }
  function bytesText(bytes) {
    const [size, unit] = inUnits(bytes, ["B", "KiB", "MiB", "GiB", "TiB"], 1024);
    return `${trimmed(digits(size))} ${unit}`;
  }
  function countText(count) {
    const [size, unit] = inUnits(count, ["", "k", "M", "G"], 1000);
    return `${trimmed(digits(size))} ${unit}`.trim();
  }
  const shareText = (share) => `${Number((100 * share).toPrecision(2))} %`;
  const runText = (length) => (length === 1 ? "scattered pages" : `runs of ${length.toLocaleString("en")}`);
  const listed = (names) =>
    names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
  const guestText = (pages) => bytesText(4096 * pages);
  const full = () => ({ ...state, dirty: Math.max(1, Math.round(state.share * state.pages)) });
  const hue = (name) => `var(--hue-${name})`;
  const cachesText = (cache) => (cache === "warm" ? "caches warm" : "other memory in the caches");

  // --- the address ---

  function address() {
    const words = new URLSearchParams({
      guest: guestText(state.pages).replace(" ", ""), dirty: `${Number((100 * state.share).toPrecision(4))}%`,
      run: state.length, operation: state.operation, machine: state.machine, cache: state.cache,
    });
    return `#${words}`;
  }

  function pagesIn(text) {
    const parts = /^([\d.]+)\s*(MiB|GiB|TiB)?$/.exec(text);
    const units = { MiB: 2 ** 8, GiB: 2 ** 18, TiB: 2 ** 28 };
    return parts ? Number(parts[1]) * (units[parts[2]] ?? 1) : NaN;
  }
  function shareIn(text, pages) {
    const share = text.endsWith("%") ? Number(text.slice(0, -1)) / 100 : Number(text) / pages;
    return share > 0 && share <= 1 ? share : NaN;
  }

  // Take what an address says; return the words that are not in the table.
  function readAddress() {
    const words = new URLSearchParams(location.hash.slice(1));
    const refused = [];
    const take = (name, read, key) => {
      if (!words.has(name)) return;
      const value = read(words.get(name));
      if (value === undefined || Number.isNaN(value)) refused.push(`${name}=${words.get(name)}`);
      else state[key] = value;
    };
    Object.assign(state, USUAL);
    const among = (values) => (text) => values.find((one) => String(one) === text);
    take("guest", (text) => among(table.pages)(String(pagesIn(text))), "pages");
    take("dirty", (text) => shareIn(text, state.pages), "share");
    take("run", among(table.lengths), "length");
    take("operation", among(Object.keys(OPERATIONS)), "operation");
    const [machine, cache] = ["machine", "cache"].map((name) => words.get(name) ?? state[name]);
    const fits = (one) => one.machine === machine && (one.cache === cache || !words.has("cache"));
    const known = table.models.filter(fits);
    const model = known.find((one) => one.cache === cache) ?? known[0];
    if (model) Object.assign(state, { machine: model.machine, cache: model.cache });
    else refused.push(`machine=${machine} cache=${cache}`);
    return refused;
  }

  // --- drawing ---

  const escaped = (text) => String(text).replace(/[&<>"]/g, (one) => `&#${one.charCodeAt(0)};`);
  const text = (x, y, words, more = "") => `<text x="${x}" y="${y}" ${more}>${escaped(words)}</text>`;
  const line = (x1, y1, x2, y2, more = "") =>
    `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" ${more}/>`;
  function svg(width, height, label, inner, more = "") {
    return `<svg role="img" aria-label="${escaped(label)}" width="${width}" height="${height}" ` +
      `viewBox="0 0 ${width} ${height}" ${more}>${inner}</svg>`;
  }
  const widthOf = (part) => Math.max(280, Math.floor(found(part).clientWidth));
  const SHARE_TICKS = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1];
  const axis = (left, right) => (share) => left + ((Math.log10(share) + 6) / 6) * (right - left);

  // Every second share has a label where there is little room.
  function shareTicks(x, top, bottom) {
    const every = x(0.1) - x(0.01) < 60 ? 2 : 1;
    return SHARE_TICKS.map((share, i) =>
      line(x(share), top, x(share), bottom, 'class="grid"') +
      (i % every ? "" : text(x(share), bottom + 18, shareText(share), `class="tick" text-anchor="${i ? "middle" : "start"}"`))).join("");
  }

  // Keep labels at the ends of lines apart.
  function spread(labels, gap, least, most) {
    labels.sort((one, other) => one.y - other.y);
    for (let i = 1; i < labels.length; i++) labels[i].y = Math.max(labels[i].y, labels[i - 1].y + gap);
    if (labels.length) labels.at(-1).y = Math.min(labels.at(-1).y, most);
    for (let i = labels.length - 2; i >= 0; i--) labels[i].y = Math.min(labels[i].y, labels[i + 1].y - gap);
    return labels;
  }

  function drawCurves(now, result, changes) {
    const width = widthOf("curves");
    const [height, left, top] = [width < 480 ? 300 : 340, 52, 12];
    const [right, bottom] = [width - 62, height - 62];
    const x = axis(left, right);
    const least = Math.log10(Math.max(1e-6, 1 / now.pages));
    const shares = Array.from({ length: 181 }, (_, i) => 10 ** (least - (least * i) / 180));
    const rows = shares.map((share) => {
      const dirty = Math.max(1, share * now.pages);
      return { share, dirty, times: timesAt({ ...now, dirty }) };
    });
    const all = rows.flatMap((row) => Object.values(row.times));
    const low = Math.floor(Math.log10(Math.min(...all)));
    const high = Math.ceil(Math.log10(Math.max(...all)));
    const y = (ns) => bottom - ((Math.log10(ns) - low) / (high - low)) * (bottom - top);
    let inner = shareTicks(x, top, bottom);
    for (let power = low; power <= high; power++) {
      inner += line(left, y(10 ** power), right, y(10 ** power), 'class="grid"');
      inner += text(left - 6, y(10 ** power) + 4, timeText(10 ** power, true), 'class="tick" text-anchor="end"');
    }
    const labels = [];
    for (const name of table.timed) {
      for (const beyond of [false, true]) {
        let path = "";
        rows.forEach((row, i) => {
          const here = [row, rows[i + 1] ?? row].some((one) => outside("dirty", one.dirty) || outside("pages", now.pages));
          if (here !== beyond || i + 1 === rows.length) return;
          const from = `${x(row.share).toFixed(1)} ${y(row.times[name]).toFixed(1)}`;
          const to = `${x(rows[i + 1].share).toFixed(1)} ${y(rows[i + 1].times[name]).toFixed(1)}`;
          path += path.endsWith(from) ? `L${to}` : `M${from}L${to}`;
        });
        const thick = name === result.pick ? 3 : 1.8;
        inner += `<path d="${path}" fill="none" style="stroke:${hue(name)}" stroke-width="${thick}"` +
          `${beyond ? ' stroke-dasharray="5 4"' : ""}/>`;
      }
      inner += `<circle cx="${x(now.dirty / now.pages)}" cy="${y(result.times[name])}" r="4" style="fill:${hue(name)}"/>`;
      labels.push({ name, y: y(rows.at(-1).times[name]) + 4 });
    }
    for (const one of spread(labels, 14, top, bottom)) {
      inner += text(right + 6, one.y, one.name, `class="name" style="fill:${hue(one.name)}"`);
    }
    inner += line(x(state.share), top, x(state.share), bottom, 'class="here"');
    for (const one of changes.filter((change) => change.axis === "dirty")) {
      inner += line(x(one.at / now.pages), top, x(one.at / now.pages), bottom, 'class="change"');
    }
    inner += drawStrip(rows, x, bottom + 25, result.lead);
    inner += text((left + right) / 2, height - 8, "dirty between two harvests, share of the pages", 'class="axis" text-anchor="middle"');
    const finding = changes.filter((one) => one.axis === "dirty").map(changeText);
    found("curves-title").textContent = finding.length
      ? `${result.pick} is ahead here; ${listed(finding)}`
      : `${result.pick} is ahead or tied at every share of dirty pages`;
    found("curves").innerHTML = svg(width, height, `Log-log plot of the time of ${now.operation} over the share of dirty pages, for ${listed(table.timed)}. ${found("curves-title").textContent}.`, inner);
  }

  // The cheapest structure along the axis, below the lines; pale where others tie.
  function drawStrip(rows, x, y, lead) {
    let inner = "";
    rows.slice(0, -1).forEach((row, i) => {
      const { pick, ties } = best(row.times, lead);
      const begin = x(row.share);
      inner += `<rect x="${begin}" y="${y}" width="${x(rows[i + 1].share) - begin}" height="9" shape-rendering="crispEdges" style="fill:${hue(pick)}" opacity="${ties.length ? 0.3 : 0.9}"/>`;
    });
    return inner;
  }

  const MAP = { left: 52, top: 12, bottom: 46 };

  function mapScale() {
    const width = widthOf("map");
    const height = width < 480 ? 300 : 340;
    const rowHeight = Math.floor((height - MAP.bottom - MAP.top) / table.lengths.length);
    const [right, bottom] = [width - 26, MAP.top + rowHeight * table.lengths.length];
    return { width, height, right, bottom, rowHeight, x: axis(MAP.left, right),
      y: (length) => bottom - (table.lengths.indexOf(length) + 0.5) * rowHeight };
  }

  function drawMap(now, result) {
    const { width, height, right, bottom, rowHeight, x, y } = mapScale();
    const cells = table.lengths.map((length) => SHARES.map((share) => {
      const dirty = Math.max(1, Math.round(share * now.pages));
      return { share, length, dirty, ...best(timesAt({ ...now, length, dirty }), result.lead) };
    }));
    let inner = "";
    for (const row of cells) {
      const beyond = (cell) => outside("dirty", cell.dirty) || outside("pages", now.pages);
      const kind = (cell) => `${cell.pick} ${cell.ties.length > 0} ${beyond(cell)}`;
      for (let first = 0, i = 0; i < row.length; i++) {
        if (i + 1 < row.length && kind(row[i + 1]) === kind(row[first])) continue;
        const begin = first ? (x(row[first - 1].share) + x(row[first].share)) / 2 : MAP.left;
        const end = i + 1 < row.length ? (x(row[i].share) + x(row[i + 1].share)) / 2 : right;
        const cell = row[first];
        const place = `x="${begin.toFixed(1)}" y="${(y(cell.length) - rowHeight / 2).toFixed(1)}" width="${(end - begin).toFixed(1)}" height="${rowHeight.toFixed(1)}" shape-rendering="crispEdges"`;
        inner += `<rect ${place} style="fill:${hue(cell.pick)}" opacity="${cell.ties.length ? 0.25 : 0.8}"/>`;
        if (beyond(cell)) inner += `<rect ${place} fill="url(#beyond)"/>`;
        first = i + 1;
      }
    }
    for (const name of table.timed) {
      const cell = inmost(cells, name);
      if (cell) inner += text(x(cell.share), y(cell.length) + 4, name, 'class="area" text-anchor="middle"');
    }
    for (const length of table.lengths.filter((_, i) => i % 2 === 0)) {
      inner += text(MAP.left - 6, y(length) + 4, length, 'class="tick" text-anchor="end"');
    }
    inner += shareTicks(x, bottom, bottom);
    inner += text((MAP.left + right) / 2, height - 8, "dirty between two harvests, share of the pages", 'class="axis" text-anchor="middle"');
    inner += text(14, (MAP.top + bottom) / 2, "pages a run", `class="axis" text-anchor="middle" transform="rotate(-90 14 ${(MAP.top + bottom) / 2})"`);
    inner += `<circle class="point" cx="${x(state.share)}" cy="${y(state.length)}" r="8"/>`;
    const count = cells.flat().length;
    const shares = table.timed
      .map((name) => [name, cells.flat().filter((cell) => cell.pick === name).length / count])
      .filter(([, share]) => share > 0).sort((one, other) => other[1] - one[1]);
    const [first] = shares;
    found("map-title").textContent = `${first[0]} is the cheapest on ${Math.round(100 * first[1])} % of the map`;
    const areas = shares.map(([name, share]) => `${name} ${Math.round(100 * share)} %`).join(", ");
    const label = `Map of the cheapest structure over share of dirty pages and length of runs; areas: ${areas}. Your guest is at ${shareText(state.share)} in ${runText(state.length)}: ${result.pick}.`;
    found("map").innerHTML = svg(width, height, label, HATCH + inner);
  }

  const HATCH = '<defs><pattern id="beyond" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><line x1="0" y1="0" x2="0" y2="7" class="hatch"/></pattern></defs>';

  // The cell of a structure that is farthest from the edge of its area; none where that is small.
  function inmost(cells, name) {
    const own = (row, column) => cells[row]?.[column]?.pick === name;
    let chosen = null;
    let deepest = 1;
    cells.forEach((row, r) => row.forEach((cell, c) => {
      let depth = 0;
      const inside = () => [-1, 0, 1].every((up) => [-1, 0, 1].every((way) => own(r + up * depth, c + way * depth * 4)));
      while (depth < 8 && inside()) depth += 1;
      if (depth > deepest) [deepest, chosen] = [depth, cell];
    }));
    return chosen;
  }

  function drawMemory(now, result) {
    const width = widthOf("memory");
    const names = Object.keys(result.bytes).sort((one, other) => result.bytes[one] - result.bytes[other]);
    const most = Math.max(...Object.values(result.bytes));
    const [left, gap] = [104, 24];
    let inner = "";
    names.forEach((name, i) => {
      const long = Math.max(2, (result.bytes[name] / most) * (width - left - 84));
      inner += text(left - 8, i * gap + 17, name, 'class="label" text-anchor="end"');
      inner += `<rect x="${left}" y="${i * gap + 5}" width="${long}" height="16" style="fill:${hue(name)}"/>`;
      inner += text(left + long + 6, i * gap + 17, bytesText(result.bytes[name]), 'class="label"');
    });
    const told = names.map((name) => `${name} ${bytesText(result.bytes[name])}`).join(", ");
    found("memory-title").textContent = `${names[0]} takes the least: ${bytesText(result.bytes[names[0]])}`;
    found("memory").innerHTML = svg(width, names.length * gap + 6, `Memory of each structure: ${told}.`, inner);
  }

  function changeText(one) {
    if (one.axis === "length") return `${one.other} in ${one.at === 1 ? "scattered pages" : `runs of ${one.at}`}${one.at === 1 ? "" : one.way < 0 ? " or fewer" : " or more"}`;
    const where = `${one.way < 0 ? "below" : "above"} ${shareText(one.at / state.pages)} dirty`;
    return `${one.other} ${where}${one.extrapolated ? " (extrapolated)" : ""}`;
  }

  function drawSentence(now, result, changes) {
    const model = table.models.find((one) => one.machine === state.machine && one.cache === state.cache);
    const ties = result.ties.length
      ? ` ${listed(result.ties)} ${result.ties.length > 1 ? "tie" : "ties"}: within the model's error of ${Math.round(100 * result.lead)} %.`
      : "";
    const first = `<strong style="color:${hue(result.pick)}">${result.pick}</strong> takes ${timeText(result.times[result.pick])}.${ties}`;
    const flips = changes.length ? ` Flips to ${changes.map(changeText).join("; ")}.` : " No other structure is clearly ahead at any share or run length.";
    const beyond = result.extrapolated ? " <em>Extrapolated: beyond what was calibrated.</em>" : "";
    found("sentence").innerHTML = first + flips + beyond;
    found("source").textContent = `Calibrated on ${model.caption}.`;
    found("command").textContent = `dirtylab advise --pages ${guestText(state.pages).replace(" ", "")} --dirty ${now.dirty} --dataset clustered:length=${state.length} --cache ${state.cache}`;
  }

  function drawTable(result) {
    const rows = result.names.map((name) => {
      const times = result.times[name] / result.times[result.pick];
      const word = name === result.pick ? "the least" : result.ties.includes(name) ? "tie" : `${digits(times)} times`;
      return `<tr><th scope="row">${name}</th><td>${timeText(result.times[name])}</td><td>${word}</td><td>${bytesText(result.bytes[name])}</td></tr>`;
    });
    found("numbers").innerHTML = `<thead><tr><th scope="col">structure</th><th scope="col">time</th><th scope="col">against the least</th><th scope="col">memory</th></tr></thead><tbody>${rows.join("")}</tbody>`;
  }

  let asked = 0;
  function draw() {
    cancelAnimationFrame(asked);
    asked = requestAnimationFrame(() => {
      const now = full();
      const result = answer(now);
      const changes = changesFrom(now, result.pick, result.lead);
      drawSentence(now, result, changes);
      drawCurves(now, result, changes);
      drawMap(now, result);
      drawMemory(now, result);
      drawTable(result);
    });
  }

  // --- controls ---

  function nearest(values, value) {
    return values.reduce((one, other) => (Math.abs(Math.log(other / value)) < Math.abs(Math.log(one / value)) ? other : one));
  }

  function showControls() {
    const now = full();
    const show = (name, values, value, words) => {
      const slider = found(name);
      slider.max = values.length - 1;
      slider.value = values.indexOf(nearest(values, value));
      slider.setAttribute("aria-valuetext", words);
      found(`${name}-value`).textContent = words;
    };
    show("pages", table.pages, state.pages, `${guestText(state.pages)}, ${countText(state.pages)} pages`);
    show("share", SHARES, state.share, `${shareText(state.share)}, ${countText(now.dirty)} pages`);
    show("length", table.lengths, state.length, state.length === 1 ? "1 page: scattered" : `${state.length.toLocaleString("en")} pages`);
    found("operation").value = state.operation;
    found("model").value = `${state.machine} ${state.cache}`;
  }

  function changed(more) {
    Object.assign(state, more);
    showControls();
    history.replaceState(null, "", address());
    draw();
  }

  function connectControls() {
    const slide = (name, values) => found(name).addEventListener("input", (event) =>
      changed({ [name]: values[event.target.value] }));
    slide("pages", table.pages);
    slide("share", SHARES);
    slide("length", table.lengths);
    found("operation").innerHTML = Object.entries(OPERATIONS).map(([name, words]) => `<option value="${name}">${words}</option>`).join("");
    found("operation").addEventListener("change", (event) => changed({ operation: event.target.value }));
    found("model").innerHTML = table.models.map((one) => `<option value="${one.machine} ${one.cache}">${one.machine}, ${cachesText(one.cache)}</option>`).join("");
    found("model").addEventListener("change", (event) => {
      const [machine, cache] = event.target.value.split(" ");
      changed({ machine, cache });
    });
    found("reset").addEventListener("click", () => changed({ ...USUAL }));
    found("copy").addEventListener("click", copyLink);
    connectMap();
  }

  // On a page from a file the clipboard may be closed: then the address is shown, selected.
  async function copyLink() {
    const link = location.href.split("#")[0] + address();
    const field = found("link");
    try {
      await navigator.clipboard.writeText(link);
      found("copied").textContent = "copied";
    } catch {
      field.hidden = false;
      field.value = link;
      field.select();
      found("copied").textContent = "press Ctrl+C";
    }
  }

  function connectMap() {
    const map = found("map");
    const move = (event) => {
      const box = map.firstElementChild.getBoundingClientRect();
      const { right, bottom, rowHeight } = mapScale();
      const share = 10 ** (((event.clientX - box.left - MAP.left) / (right - MAP.left)) * 6 - 6);
      const row = Math.floor((bottom - (event.clientY - box.top)) / rowHeight);
      const length = table.lengths[Math.min(Math.max(row, 0), table.lengths.length - 1)];
      changed({ share: nearest(SHARES, Math.min(Math.max(share, 1e-6), 1)), length });
    };
    map.addEventListener("pointerdown", (event) => {
      map.setPointerCapture(event.pointerId);
      move(event);
    });
    map.addEventListener("pointermove", (event) => event.buttons && move(event));
  }

  // --- the question before the answer ---

  function reveal() {
    found("lab").hidden = false;
    found("skip").hidden = true;
    showControls();
    draw();
  }

  function connectQuestion() {
    const now = full();
    const result = answer(now);
    found("question").textContent = `A guest of ${guestText(now.pages)} writes ${shareText(state.share)} of its pages between two harvests, in ${runText(now.length)}. Which structure takes the least time to note them and give them back?`;
    found("guesses").innerHTML = table.timed.map((name) => `<button type="button" data-guess="${name}"><span class="dot" style="background:${hue(name)}"></span>${name}</button>`).join("");
    found("guesses").addEventListener("click", (event) => {
      const guess = event.target.closest("[data-guess]")?.dataset.guess;
      if (!guess) return;
      for (const one of found("guesses").children) one.setAttribute("aria-pressed", String(one.dataset.guess === guess));
      const times = result.times[guess] / result.times[result.pick];
      const verdict = guess === result.pick ? "Yes." : result.ties.includes(guess) ? "As good as any: a tie." : `${guess} takes ${digits(times)} times as long.`;
      found("verdict").textContent = `${verdict} By the model of a recorded machine, ${result.pick} takes ${timeText(result.times[result.pick])}. Move the sliders to see where that changes.`;
      reveal();
    });
    found("skip").addEventListener("click", reveal);
  }

  function setHues() {
    const hues = (kind) => Object.entries(table.structures).map(([name, look]) => `--hue-${name}:${look[kind]}`).join(";");
    const style = document.createElement("style");
    style.textContent = `#dirtylab-answers{${hues("light")}}html[data-theme="dark"] #dirtylab-answers{${hues("dark")}}`;
    document.head.append(style);
  }

  function fromAddress() {
    const refused = readAddress();
    found("refused").textContent = refused.length ? `Not in the table, left out: ${refused.join(", ")}` : "";
    if (location.hash.length > 1) reveal();
  }

  ready.then(() => {
    setHues();
    connectQuestion();
    connectControls();
    fromAddress();
    window.addEventListener("hashchange", fromAddress);
    new ResizeObserver(() => found("lab").hidden || draw()).observe(root);
    root.dataset.ready = "true";
  }).catch((error) => {
    found("refused").textContent = `The table could not be read: ${error.message}`;
  });
})();
