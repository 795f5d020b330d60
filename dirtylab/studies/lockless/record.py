"""Measure lockless inserts and harvests: three experiments, raw samples kept.

``atomic``
    One thread, atomic against plain inserts of the same frames: 512 pages over and over, all dirty
    already (*again*), and frames at random in a slot of 2^23, clean before (*new*).
``vcpus``
    1 … 8 vCPUs insert concurrently, their frames in the same word, the same cache line, the same
    4,096 pages (a node of the radix-64 tree) or far apart; throughput of all together.
``harvest``
    One vCPU inserts 2^20 different frames while another thread harvests, without or with a pause
    between harvests; against the same work in turns, undisturbed.

Threads wait at a barrier until all have arrived; each reads the clock itself before its first and
after its last insert, and the time of all is from the first to the last reading.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from dirtylab import _check
from dirtylab._check import Counts, Frames
from dirtylab._jit import inlined, kernel, uncounted
from dirtylab._progress import Step
from dirtylab._words import ONE, Words
from dirtylab.lockless.atomics import (
    add_relaxed,
    aligned_zeros,
    give_way,
    load_acquire,
    load_relaxed,
    require_threads,
    store_release,
)
from dirtylab.lockless.dispatch import State, harvest_frames, harvest_into, insert_one
from dirtylab.lockless.nonatomic import PlainBitmap, PlainEarlyTree, PlainList, PlainRing, PlainTree
from dirtylab.lockless.registry import LATE, LOCKLESS
from dirtylab.measure.clock import Scratch, now, scratch
from dirtylab.verify.threads import in_threads

Record = dict[str, Any]

PAGES = 2**23
RING_ENTRIES = 2**16
"""Entries of a ring, the most that KVM allows; a sample ends where it is full."""
LIST_ENTRIES = 2**18
AGAIN, NEW = "again", "new"
WORD, LINE, NODE, APART = "same word", "same line", "same node", "apart"
PLACEMENTS = (WORD, LINE, NODE, APART)
VCPUS = (1, 2, 3, 4, 8)
PAUSES_US = (0, 1000)
"""Microseconds from the end of a harvest to the begin of the next."""
STRUCTURES = (*LOCKLESS, *LATE)

_INSERTS = 240_000
"""Inserts of a sample, all vCPUs together."""
_FRAMES = 4096
_MOST_TURNS = 1000
_PATIENCE = 4096
_CORES = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set[int]()


class Gate(NamedTuple):
    """The barrier of a sample's threads."""

    words: Words  # how many have come; how many are to come; inserters that are done
    times: Counts  # first and last reading of the clock of each vCPU


@inlined
def stand_at(gate: Gate) -> None:
    """Wait until all threads have arrived."""
    add_relaxed(gate.words, 0, ONE)
    looks = 0
    while load_acquire(gate.words, 0) < gate.words[1]:
        looks += 1
        if looks % _PATIENCE == 0:  # else a thread would begin a system call late
            give_way()


@uncounted
def time_inserts(
    state: State, vcpu: int, frames: Frames, inserts: int, gate: Gate, clock: Scratch
) -> int:
    """Insert `frames` over and over; return the number inserted."""
    stand_at(gate)
    gate.times[vcpu, 0] = now(clock)
    done, place = 0, 0
    while done < inserts and insert_one(state, vcpu, frames[place]):
        done += 1
        place += 1
        if place == frames.size:
            place = 0
    gate.times[vcpu, 1] = now(clock)
    add_relaxed(gate.words, 2, ONE)
    return done


@uncounted
def time_waiting_inserts(
    state: State, vcpu: int, frames: Frames, inserts: int, gate: Gate, clock: Scratch
) -> int:
    """Insert as :func:`time_inserts` does; where there is no room, wait for the harvest."""
    stand_at(gate)
    gate.times[vcpu, 0] = now(clock)
    waits, place = 0, 0
    for _ in range(inserts):
        while not insert_one(state, vcpu, frames[place]):
            waits += 1
            give_way()
        place += 1
        if place == frames.size:
            place = 0
    gate.times[vcpu, 1] = now(clock)
    add_relaxed(gate.words, 2, ONE)
    return waits


@kernel
def time_harvests(
    state: State, out: Frames, pause: int, least: int, gate: Gate, clock: Scratch, spent: Counts
) -> None:
    """Harvest `least` times and until the inserters are done.

    `spent` gets the number of harvests, of their frames, and their ns.
    """
    stand_at(gate)
    last = spent[0] + least
    while load_relaxed(gate.words, 2) + ONE < gate.words[1] or spent[0] < last:
        begin = now(clock)
        spent[1] += harvest_into(state, out)
        end = now(clock)
        spent[2] += end - begin
        spent[0] += 1
        while now(clock) - end < pause and load_relaxed(gate.words, 2) + ONE < gate.words[1]:
            pass


def stay_on_core(number: int) -> None:
    """Keep the calling thread on one core, where the system allows it.

    Left alone, threads that begin together share a core for the millisecond that a sample takes.
    """
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(_CORES)
        os.sched_setaffinity(0, {cores[number % len(cores)]})


def gate_for(threads: int) -> Gate:
    """Return a gate that opens when so many threads have come."""
    words = aligned_zeros(16)
    words[1] = threads
    return Gate(words, np.zeros((threads, 2), np.int64))


# --- states and frames --------------------------------------------------------------------------


def state_of(structure: str, vcpus: int, pages: int = PAGES) -> State:
    """Return an empty state with room for a sample."""
    options: dict[str, Any] = {}
    if structure.startswith("ring"):
        options = {"entries": RING_ENTRIES}
    if structure == "list":
        options = {"capacity": LIST_ENTRIES}
    state = {**LOCKLESS, **LATE}[structure](pages, vcpus=vcpus, **options).state
    for array in state:
        array[:] = array  # else the first samples would fault the memory in
    return state


PLAIN: dict[str, tuple[str, type]] = {
    "list": ("list", PlainList),
    "bitmap": ("bitmap", PlainBitmap),
    "tree8": ("tree8", PlainTree),
    "tree64": ("tree64", PlainTree),
    "ring": ("ring", PlainRing),
    "tree8-early": ("tree8", PlainEarlyTree),
    "tree64-early": ("tree64", PlainEarlyTree),
}
"""Structure to its plain counterpart: whose arrays, and the plain kernel."""


def frames_for(placement: str, vcpu: int, pages: int = PAGES) -> Frames:
    """Return the frames of a vCPU, in scattered order.

    Parameters
    ----------
    placement : {"same word", "same line", "same node", "apart"}
        Where they lie: 8 bits of a word, a word of a cache line, a line of the 4,096 pages that a
        node of radix 64 stands for, or 512 pages in an eighth of the slot.
    vcpu : int
        0 … 7.
    pages : int, optional
        Size of the slot.
    """
    _check.choice("placement", placement, PLACEMENTS)
    first, count = {
        WORD: (8 * vcpu, 8),
        LINE: (64 * vcpu, 64),
        NODE: (512 * vcpu, 512),
        APART: (pages // 8 * vcpu, 512),
    }[placement]
    order = np.random.default_rng(vcpu).permutation(count)
    frames: Frames = (first + order).astype(np.uint64)
    return np.tile(frames, _FRAMES // count)


def random_frames(count: int, seed: int, pages: int = PAGES) -> Frames:
    """Return distinct frames anywhere in the slot."""
    rng = np.random.default_rng(seed)
    return rng.choice(pages, count, replace=False).astype(np.uint64)


# --- the experiments ----------------------------------------------------------------------------


def _record(experiment: str, structure: str, repeat: int, **more: Any) -> Record:
    row: Record = dict.fromkeys(COLUMNS, "")
    row.update(experiment=experiment, structure=structure, repeat=repeat, **more)
    return row


COLUMNS = (
    "experiment", "structure", "form", "regime", "placement", "vcpus", "pause_us", "repeat",
    "inserts", "insert_ns", "harvests", "frames", "harvest_ns",
)  # fmt: skip


def atomic_records(repeats: int, rng: np.random.Generator, inserts: int = 32_768) -> list[Record]:
    """Measure atomic and plain inserts in one thread; a record a sample."""
    states: dict[tuple[str, str], State] = {}
    for name, (base, kind) in PLAIN.items():
        states[name, "atomic"] = state_of(name, 1)
        states[name, "plain"] = kind(*state_of(base, 1))
    again = frames_for(APART, 0)
    out = np.empty(PAGES + 64, np.uint64)
    records = []
    for repeat in range(-1, repeats):
        fresh = random_frames(inserts, repeat + 1)
        for index in rng.permutation(len(states)):
            (name, form), state = list(states.items())[index]
            for regime, frames in ((AGAIN, again), (NEW, fresh)):
                if regime == AGAIN:
                    _insert_alone(state, frames, frames.size)
                done, ns = _insert_alone(state, frames, inserts)
                harvest_frames(state, out)
                if repeat >= 0:
                    records.append(
                        _record("atomic", name, repeat, form=form, regime=regime, vcpus=1,
                                inserts=done, insert_ns=ns)
                    )  # fmt: skip
    return records


def _insert_alone(state: State, frames: Frames, inserts: int) -> tuple[int, int]:
    gate = gate_for(1)
    done = time_inserts(state, 0, frames, inserts, gate, scratch())
    return done, int(gate.times[0, 1] - gate.times[0, 0])


def vcpus_records(
    repeats: int,
    rng: np.random.Generator,
    *,
    structures: Sequence[str] = STRUCTURES,
    vcpus: Sequence[int] = VCPUS,
    inserts: int = _INSERTS,
) -> list[Record]:
    """Measure the throughput of vCPUs that insert at once; a record a sample."""
    require_threads()
    states = {name: state_of(name, max(vcpus)) for name in structures}
    out = np.empty(PAGES + 64, np.uint64)
    cells = [(s, p, v) for s in structures for p in PLACEMENTS for v in vcpus]
    records = []
    for repeat in range(-1, repeats):
        for index in rng.permutation(len(cells)):
            structure, placement, many = cells[index]
            done, ns = insert_together(states[structure], placement, many, inserts // many)
            harvest_frames(states[structure], out)
            if repeat >= 0:
                records.append(
                    _record("vcpus", structure, repeat, form="atomic", placement=placement,
                            vcpus=many, inserts=done, insert_ns=ns)
                )  # fmt: skip
    return records


def insert_together(state: State, placement: str, vcpus: int, inserts: int) -> tuple[int, int]:
    """Let vCPUs insert at once; return how many inserts, and the ns from the first to the last."""
    gate = gate_for(vcpus)
    frames = [frames_for(placement, vcpu) for vcpu in range(vcpus)]
    done = [0] * vcpus

    def work(vcpu: int) -> None:
        stay_on_core(vcpu)
        done[vcpu] = time_inserts(state, vcpu, frames[vcpu], inserts, gate, scratch())

    in_threads([lambda vcpu=vcpu: work(vcpu) for vcpu in range(vcpus)], lambda: None)  # type: ignore[misc]
    return sum(done), int(gate.times[:, 1].max() - gate.times[:, 0].min())


def harvest_records(
    repeats: int,
    rng: np.random.Generator,
    *,
    structures: Sequence[str] = STRUCTURES,
    inserts: int = 2**20,
) -> list[Record]:
    """Measure one vCPU and one harvest at once, and in turns; records of both."""
    require_threads()
    cells = [(structure, pause) for structure in structures for pause in PAUSES_US]
    states = {name: state_of(name, 1) for name in structures}
    out = np.empty(PAGES + 64, np.uint64)
    records = []
    for repeat in range(-1, repeats):
        frames = random_frames(inserts, repeat + 1)  # each once: all are clean, in both forms
        for index in rng.permutation(len(cells)):
            structure, pause = cells[index]
            together = _together(states[structure], frames, inserts, pause, out)
            chunk = max(inserts // max(together["harvests"], 1), 1)
            if structure in ("list", "ring", "ring-protect"):
                chunk = min(chunk, 60_000)  # what there is room for
            turns = _in_turns(states[structure], frames, inserts, chunk, out)
            if repeat >= 0:
                records += [
                    _record("harvest", structure, repeat, form=form, vcpus=1, pause_us=pause, **one)
                    for form, one in (("together", together), ("in turns", turns))
                ]
    return records


def _together(state: State, frames: Frames, inserts: int, pause_us: int, out: Frames) -> Record:
    gate = gate_for(2)
    spent = np.zeros(3, np.int64)

    def insert() -> None:
        stay_on_core(0)
        time_waiting_inserts(state, 0, frames, inserts, gate, scratch())

    def harvest() -> None:
        stay_on_core(1)
        time_harvests(state, out, 1000 * pause_us, 0, gate, scratch(), spent)

    in_threads(
        [insert, harvest],
        lambda: store_release(gate.words, 2, np.uint64(99)),
    )
    harvest_frames(state, out)
    return {
        "inserts": inserts,
        "insert_ns": int(gate.times[0, 1] - gate.times[0, 0]),
        "harvests": int(spent[0]),
        "frames": int(spent[1]),
        "harvest_ns": int(spent[2]),
    }


def _in_turns(state: State, frames: Frames, inserts: int, chunk: int, out: Frames) -> Record:
    """Insert `chunk` frames, harvest, and so on, at most a thousand times."""
    spent, clock = np.zeros(3, np.int64), scratch()
    inserted = np.zeros(2, np.int64)
    turns = min(inserts // chunk, _MOST_TURNS)

    def work() -> None:
        stay_on_core(0)
        for turn in range(turns):
            some = frames.take(range(turn * chunk, (turn + 1) * chunk), mode="wrap")
            gate, alone = gate_for(1), gate_for(1)
            done = time_inserts(state, 0, some, chunk, gate, clock)
            inserted[:] += done, gate.times[0, 1] - gate.times[0, 0]
            time_harvests(state, out, 0, 1, alone, clock, spent)

    in_threads([work], lambda: None)
    return {
        "inserts": int(inserted[0]),
        "insert_ns": int(inserted[1]),
        "harvests": turns,
        "frames": int(spent[1]),
        "harvest_ns": int(spent[2]),
    }


EXPERIMENTS: dict[str, Callable[[int, np.random.Generator], list[Record]]] = {
    "atomic": atomic_records,
    "vcpus": vcpus_records,
    "harvest": harvest_records,
}


def cost_steps(repeats: int, records: list[Record], seed: int = 2016) -> Iterator[Step]:
    """Yield the experiments as steps; each adds its samples to `records`."""
    rng = np.random.default_rng(seed)
    for name, measure in EXPERIMENTS.items():
        yield name, lambda measure=measure: records.extend(measure(repeats, rng))  # type: ignore[misc]
