"""Ours and the peers that are built, in compiled time: two tables, plain inserts and atomic ones.

Like is compared with like: what several vCPUs may insert into pays for an atomic operation a frame
(ours for eight in a row, which a vCPU that inserts one at a time never has), and is measured
against :mod:`dirtylab.lockless`; what one thread owns is measured against the plain structures.  In
each round all contestants of a cell take turns, in a new random order, on the same fresh frames; a
turn begins with an untimed epoch of other frames, so caches are warm.  Insert and harvest are timed
one by one within the compiled loop, and an epoch is their sum.  Before a
contestant is timed it must return exactly the frames of an epoch.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from dirtylab._check import Frames
from dirtylab._jit import uncounted
from dirtylab._progress import Step
from dirtylab.datasets import DATASETS, parsed
from dirtylab.lockless import registry
from dirtylab.lockless.dispatch import harvest_frames, insert_frames
from dirtylab.measure.clock import Stopwatch, elapsed, now, reading_ns, scratch, start, stopwatch
from dirtylab.measure.driver import time_replay
from dirtylab.measure.experiment import experiment
from dirtylab.native.contestants import classes
from dirtylab.native.peers.build import state as state_of_peer
from dirtylab.native.peers.recipes import PEERS
from dirtylab.structures import STRUCTURES
from dirtylab.structures.bitmap import Bitmap
from dirtylab.structures.bits import counted
from dirtylab.structures.driven import Driven, clear, harvest, insert, state_for
from dirtylab.structures.hybrid import BLOCK_WORDS, Hybrid
from dirtylab.structures.runs import take_from_bitmap, take_from_hybrid, take_from_tree
from dirtylab.structures.tree import Tree64
from dirtylab.studies.lockless.gate import Gate, gate_for, stand_at, stay_on_core
from dirtylab.verify.threads import in_threads

PAGES, LARGE_PAGES = 10_000_000, 2**30
PATTERNS = ("random", "clustered:length=64", "sequential")
DIRTY = (100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000)
SPARSE = (100, 10_000, 1_000_000)
PLAIN, ATOMIC, THREADS, RUNS = "plain", "atomic", "threads", "runs"
OURS = {PLAIN: ("list", "bitmap", "tree64", "hybrid"), ATOMIC: ("bitmap", "tree64")}
THREAD_COUNTS = (1, 2, 4, 8)
THREAD_FRAMES = 1_000_000
RUN_LENGTHS, RUN_DIRTY = (1, 2, 4, 8, 16, 64, 512), (10_000, 1_000_000)
"""Lengths of clusters over which runs are compared with frames."""
_BURST_FRAMES, _MOST_EPOCHS = 20_000, 16
_WARMING = 10**6
"""Added to a seed, for the frames of the untimed epoch."""

Row = dict[str, Any]
State = Any


class Cell(NamedTuple):
    """What is measured together."""

    table: str
    pattern: str
    pages: int
    dirty: int
    threads: int


class Contestant(NamedTuple):
    """A structure in the loop."""

    state: State
    lockless: bool
    keeper: Any
    """What the state belongs to: kept alive."""


@uncounted
def time_atomic(
    state: State, frames: Frames, ends: Frames, out: Frames, watch: Stopwatch
) -> tuple[int, int]:
    """Return the ns of all inserts and of all harvests, as ``time_replay`` does, of a lockless."""
    inserts, harvests = 0, 0
    begin = np.uint64(0)
    for end in ends:
        start(watch)
        insert_frames(state, 0, frames[begin:end])
        inserts += elapsed(watch)
        start(watch)
        harvest_frames(state, out)
        harvests += elapsed(watch)
        begin = end
    return inserts, harvests


@uncounted
def time_bitmap(driven: Driven, frames: Frames, runs: Frames, watch: Stopwatch) -> int:
    """Return the ns of taking what was inserted as runs, from a bitmap."""
    insert(driven, frames)
    state = driven.state
    start(watch)
    counted(state.words, state.header)
    take_from_bitmap(state.words, state.header, runs)
    return elapsed(watch)


@uncounted
def time_hybrid(driven: Driven, frames: Frames, runs: Frames, watch: Stopwatch) -> int:
    """As :func:`time_bitmap`, from a hybrid."""
    insert(driven, frames)
    state = driven.state
    start(watch)
    counted(state.words, state.header)
    take_from_hybrid(state.words, state.summary, BLOCK_WORDS, state.header, runs)
    return elapsed(watch)


@uncounted
def time_tree(driven: Driven, frames: Frames, runs: Frames, watch: Stopwatch) -> int:
    """As :func:`time_bitmap`, from a tree."""
    insert(driven, frames)
    state = driven.state
    start(watch)
    counted(state.words[: state.starts[1]], state.header)
    take_from_tree(state.words, state.starts, state.shifts, state.header, runs)
    return elapsed(watch)


RUN_TIMERS: dict[Any, Callable[..., int]] = {
    Bitmap: time_bitmap,
    Tree64: time_tree,
    Hybrid: time_hybrid,
}
"""Those of ours that give runs from their words, and the loop that times it."""


@uncounted
def insert_native(state: State, frames: Frames, gate: Gate, thread: int, clock: Any) -> None:
    """Insert at the same time as other threads; note when it began and ended."""
    stand_at(gate)
    gate.times[thread, 0] = now(clock)
    insert(state, frames)
    gate.times[thread, 1] = now(clock)


@uncounted
def insert_lockless(state: State, frames: Frames, gate: Gate, thread: int, clock: Any) -> None:
    """As :func:`insert_native`, into one of ours."""
    stand_at(gate)
    gate.times[thread, 0] = now(clock)
    insert_frames(state, thread, frames)
    gate.times[thread, 1] = now(clock)


@uncounted
def clear_native(driven: Driven) -> None:
    """Forget all, and so write all memory."""
    clear(driven)


@uncounted
def take_native(driven: Driven, out: Frames) -> int:
    """Harvest what threads have inserted."""
    return harvest(driven, out)


def built() -> list[str]:
    """Return the peers that are built."""
    return [name for name in PEERS if state_of_peer(name).library]


def cells(*, quick: bool = False) -> list[Cell]:
    """Return what is measured, the quickest first; with `quick` up to 100,000 of 2^20 pages."""
    pages = 2**20 if quick else PAGES
    dirty = [one for one in DIRTY if one <= (100_000 if quick else PAGES)]
    tables = (PLAIN, ATOMIC)
    found = [Cell(t, p, pages, d, 1) for d in dirty for p in PATTERNS for t in tables]
    if not quick:
        sparse = PATTERNS[:2]
        found += [Cell(t, p, LARGE_PAGES, d, 1) for d in SPARSE for p in sparse for t in tables]
    found += [
        Cell(RUNS, f"clustered:length={length}", pages, min(d, dirty[-1]), 1)
        for d in RUN_DIRTY for length in RUN_LENGTHS
    ]  # fmt: skip
    most = 100_000 if quick else THREAD_FRAMES
    return found + [Cell(THREADS, "random", pages, most, n) for n in THREAD_COUNTS]


def steps(
    repeats: int, rows: list[Row], done: Sequence[Cell] = (), *, quick: bool = False
) -> Iterator[Step]:
    """Yield label and action of each cell that is not `done`; an action appends rows."""
    for cell in cells(quick=quick):
        if cell not in done:
            words = f"{cell.table} {cell.pattern} {cell.dirty:,} of {cell.pages:,}"
            yield words, lambda c=cell: rows.extend(measure(c, repeats))  # type: ignore[misc]


def measure(cell: Cell, repeats: int) -> list[Row]:
    """Return the rows of a cell.

    Raises
    ------
    AssertionError
        A contestant returns other frames than were inserted; nothing of the cell is kept.
    """
    contestants = made(cell)
    out = np.zeros(cell.dirty, np.uint64)
    rng = np.random.default_rng([cell.pages, cell.dirty, cell.threads])
    timed = {THREADS: _Threads, RUNS: _Runs}.get(cell.table, _Epochs)(cell, out)
    frames = drawn(cell, _WARMING)
    expected = distinct(frames)
    for name, one in contestants.items():
        touch(one)
        together(one, [frames])
        _require_taken(name, one, expected, out)

    def turn(name: str, repeat: int) -> list[Row]:
        common = {**cell._asdict(), "contestant": name, "repeat": repeat}
        spent = timed.turn(name, contestants[name], repeat)
        return [{**common, "operation": part, "ns": ns} for part, ns in spent.items()]

    return experiment(list(contestants), repeats, rng, turn, prepare=timed.prepare)


def made(cell: Cell) -> dict[str, Contestant]:
    """Return the contestants of a cell, new; ours first."""
    if cell.table == RUNS:
        structures = [kind(cell.pages) for kind in RUN_TIMERS]
        return {one.name: Contestant(state_for(one, cell.dirty), False, one) for one in structures}
    atomic = cell.table != PLAIN
    found: dict[str, Contestant] = {}
    for name in OURS[ATOMIC if atomic else PLAIN]:
        if atomic:
            lockless = registry.LOCKLESS[name](cell.pages, vcpus=cell.threads)
            found[f"lockless {name}"] = Contestant(lockless.state, True, lockless)
        else:
            plain = STRUCTURES[name](cell.pages)
            found[name] = Contestant(state_for(plain, cell.dirty), False, plain)
    for name in built():
        if PEERS[name].atomic == atomic:
            native = classes(f"peer:{name}")[name](cell.pages)
            found[name] = Contestant(state_for(native, cell.dirty), False, native)
    return found


def touch(one: Contestant) -> None:
    """Write all memory of a contestant.

    Else fresh frames fault on pages never touched: 100 of 2^30 frames in clusters took tree64
    567 µs to insert, whose memory NumPy gives untouched, and a peer that clears its own 2.
    """
    if not one.lockless:
        clear_native(one.state)
        return
    for array in one.state:
        array[:] = array


def drawn(cell: Cell, seed: int) -> Frames:
    """Return the frames of one epoch."""
    name, options = parsed(cell.pattern)
    return DATASETS[name](cell.pages, cell.dirty, seed=seed, **options)


class _Epochs:
    """A turn is a burst of epochs after one that warms the caches."""

    def __init__(self, cell: Cell, out: Frames) -> None:
        self.cell, self.out = cell, out
        self.epochs = min(max(_BURST_FRAMES // cell.dirty, 1), _MOST_EPOCHS)
        self.watch = stopwatch()
        self.reading = reading_ns(self.watch, 64)

    def prepare(self, repeat: int) -> None:
        """Draw the frames of a round."""
        first = 1 + repeat * _MOST_EPOCHS
        burst = [drawn(self.cell, first + epoch) for epoch in range(self.epochs)]
        self.frames = np.concatenate(burst)
        self.ends = np.cumsum([one.size for one in burst], dtype=np.uint64)
        self.warming = drawn(self.cell, _WARMING + repeat)

    def turn(self, name: str, one: Contestant, repeat: int) -> dict[str, float]:
        """Return ns an epoch."""
        timer = time_atomic if one.lockless else time_replay
        end = np.array([self.warming.size], np.uint64)
        timer(one.state, self.warming, end, self.out, self.watch)
        spent = timer(one.state, self.frames, self.ends, self.out, self.watch)
        parts = [max(ns / self.epochs - self.reading, 1) for ns in spent]
        return {"insert": parts[0], "harvest": parts[1], "epoch": sum(parts)}


class _Threads(_Epochs):
    """A turn is one insert by several threads."""

    def prepare(self, repeat: int) -> None:
        frames = drawn(self.cell, 1 + repeat)
        self.parts = np.array_split(frames, self.cell.threads)
        self.expected = distinct(frames)

    def turn(self, name: str, one: Contestant, repeat: int) -> dict[str, float]:
        ns = together(one, self.parts)
        _require_taken(name, one, self.expected, self.out)
        return {"insert": ns}


class _Runs(_Epochs):
    """A turn takes the same kind of epoch as runs and as frames, each on frames of its own."""

    def prepare(self, repeat: int) -> None:
        self.four = [drawn(self.cell, 1 + 4 * repeat + place) for place in range(4)]
        self.runs = np.zeros((self.cell.dirty, 2), np.uint64)

    def turn(self, name: str, one: Contestant, repeat: int) -> dict[str, float]:
        end = np.array([self.cell.dirty], np.uint64)
        timer = RUN_TIMERS[type(one.keeper)]
        timer(one.state, self.four[0], self.runs, self.watch)
        by_runs = timer(one.state, self.four[1], self.runs, self.watch)
        time_replay(one.state, self.four[2], end, self.out, self.watch)
        by_frames = time_replay(one.state, self.four[3], end, self.out, self.watch)[1]
        spent = {"harvest": by_frames, "harvest runs": by_runs}
        return {part: max(ns - self.reading, 1) for part, ns in spent.items()}


def together(one: Contestant, parts: Sequence[Frames]) -> int:
    """Insert each part on a thread of its own; return the ns from the first to the last."""
    gate = gate_for(len(parts))
    inserted = insert_lockless if one.lockless else insert_native

    def work(thread: int) -> None:
        stay_on_core(thread)
        inserted(one.state, parts[thread], gate, thread, scratch())

    jobs: list[Callable[[], None]] = [
        lambda thread=thread: work(thread)  # type: ignore[misc]
        for thread in range(len(parts))
    ]
    in_threads(jobs, lambda: None)
    return int(gate.times[:, 1].max() - gate.times[:, 0].min())


def distinct(frames: Frames) -> Frames:
    """Return distinct frames in order; NumPy's own unique, by hashing, takes 20 times as long."""
    ordered = np.sort(frames)
    return ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])]


def _require_taken(name: str, one: Contestant, expected: Frames, out: Frames) -> None:
    taken = harvest_frames if one.lockless else take_native
    found = out[: taken(one.state, out)]
    if not np.array_equal(found, expected):  # nearly all give them in order
        found = np.sort(found)
    if not np.array_equal(found, expected):
        raise AssertionError(f"{name} returned other frames than were inserted")
