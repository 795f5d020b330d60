"""One cell of a sweep: structures that track the same frames, side by side, in one process.

In each round every structure has its turn, in a new random order, on frames that it has not seen
before.  The compiled loop drives it (:mod:`dirtylab.measure.driver`).  What the caches hold is an
axis.  ``"warm"``: a turn begins with an untimed epoch, which brings the structure's own memory into
them; then follow::

    insert (timed), collect (timed)  ·  insert, harvest (timed)  ·  insert, clear (timed)  ·  epoch

With few frames a burst of epochs is timed, each with frames of its own, and its time is divided:
one epoch of 100 frames would be a few steps of the clock.

``"guest-ran"``: a round has steps, and before each of them other memory is streamed through the
caches, as a guest does that runs between harvests (:mod:`dirtylab.measure.caches`)::

    other memory, insert of each (timed)  ·  other memory, harvest of each (timed)
    insert of others, other memory, collect of each (timed)

and where a clear is asked for, it follows another insert, too.  Of a small cell each structure is
there several times, each with memory and frames of its own, so that one pass of other memory serves
several samples; their median counts.  Just before, a structure of a few pages does the same: the
code is in the caches, else the first of the copies alone would fetch it, 2 µs.  An epoch is an
insert and a harvest; the guest runs between the two.  The frames themselves are read before each
insert, for the first to insert them would bring them into the caches for all others.

A reference kernel that never changes is timed before and after each turn; its time shows the
machine's speed at that moment.
"""

import itertools
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dirtylab import structures
from dirtylab._caches import GUEST_RAN
from dirtylab._check import Frames
from dirtylab._jit import kernel
from dirtylab.datasets import DATASETS
from dirtylab.measure.apart import beat
from dirtylab.measure.caches import other_memory, stream
from dirtylab.measure.driver import PYTHON, Bursts, Driver, call_costs
from dirtylab.measure.experiment import take_turns
from dirtylab.measure.growth import growth_of
from dirtylab.structures import Structure

Row = dict[str, Any]
Options = tuple[tuple[str, Any], ...]
"""Names and values, in a form that can be hashed and sent."""
Spent = dict[int, tuple[float, float]]
"""Of each structure, in order of turns, its ns and those of the reference kernel beside it."""

_DRAWS = ("insert", "harvest", "clear", "epoch")
"""Operations that have frames of their own; a collect follows the insert."""
_TAKES = ("collect", "harvest")
BURST_FRAMES = 20_000
"""Most frames in a burst, counting the bitmap's words too, several to a frame ..."""
WORDS_A_FRAME = 64 * 4
MOST_EPOCHS = 16
"""... and most epochs in a burst."""
COPY_FRAMES = 100_000
"""Most frames of all copies of a structure, counted as in a burst ..."""
MOST_COPIES = 8
"""... and most copies, where a guest ran.  With one, half of the regrets above 20 % in a
calibration were in cells that take 2 µs, and in others the next time."""
_FEW = 64
"""Frames of the structure of a few pages."""
SEED_STEP = 1000
"""Number of seeds reserved for a round."""
_REFERENCE_WORDS = 2**15
_CALLS = 25
ANY_PAGES = 4104
"""A size that every structure accepts; a call from Python costs the same at all sizes, and can be
told only where the work beside it is small."""
_STEP = np.uint64(6364136223846793005)
_MASK = np.uint64(_REFERENCE_WORDS - 1)
_HIGH = np.uint64(40)


class Candidate(NamedTuple):
    """A structure with its options."""

    structure: str
    options: Options = ()
    control: bool = False
    """Whether this is the control: a second entry, to be compared with an equal first one."""


class Cell(NamedTuple):
    """What is measured together."""

    dataset: str
    options: Options
    pages: int
    dirty: int


class BenchmarkPlan(NamedTuple):
    """What is measured in each cell."""

    candidates: tuple[Candidate, ...]
    operations: tuple[str, ...]
    seed: int
    cache: str = GUEST_RAN


@kernel
def reference(memory: Frames, loops: int) -> np.uint64:
    """Multiply, and read 256 KiB at random: the same work each time."""
    state = np.uint64(1)
    total = np.uint64(0)
    for _ in range(loops):
        state = state * _STEP + _MASK
        total += memory[(state >> _HIGH) & _MASK]
    return total


def label(cell: Cell) -> str:
    """Return a cell in words."""
    options = "".join(f" {name}={value}" for name, value in cell.options)
    return f"{cell.dataset}{options}, {cell.dirty:,} of {cell.pages:,} pages"


def make(candidate: Candidate, pages: int) -> Structure:
    """Return a new structure."""
    return structures.make(candidate.structure, pages, **dict(candidate.options))


def draw(cell: Cell, seed: int) -> Frames:
    """Return the frames of one epoch."""
    return DATASETS[cell.dataset](cell.pages, cell.dirty, seed=seed, **dict(cell.options))


class CellBenchmark:
    """The structures of a cell, ready for rounds.

    Parameters
    ----------
    cell : Cell
        What is tracked.
    plan : BenchmarkPlan
        Which structures and operations.
    cpu_time : bool, optional
        Whether the thread's CPU time counts where it is less than the wall clock's.

    Raises
    ------
    AssertionError
        A structure returns other frames than were inserted; then nothing has been timed.
    ValueError
        A structure can't take the cell's frames, for lack of capacity say.
    """

    def __init__(self, cell: Cell, plan: BenchmarkPlan, *, cpu_time: bool = False) -> None:
        self._cell, self._plan, self._cpu_time = cell, plan, cpu_time
        work = max(cell.dirty + cell.pages // WORDS_A_FRAME, 1)
        self._epochs = min(max(BURST_FRAMES // work, 1), MOST_EPOCHS)
        guest_ran = plan.cache == GUEST_RAN
        self._copies = min(max(COPY_FRAMES // work, 1), MOST_COPIES) if guest_ran else 1
        self._memory = np.arange(_REFERENCE_WORDS, dtype=np.uint64)
        self._rng = np.random.default_rng([plan.seed, cell.pages, cell.dirty])
        self._drivers: list[list[Driver]] = []
        self._small: list[Driver] = []
        self._few = np.arange(min(_FEW, cell.pages), dtype=np.uint64)
        self._facts: list[Row] = []
        self._calls: list[Mapping[str, float]] = []
        frames = draw(cell, plan.seed)
        expected = _distinct(frames)
        for candidate in plan.candidates:
            beat(candidate.structure)
            try:
                self._require_agreement(candidate, frames, expected)
                first = self._fresh(candidate, frames)
                more = (self._touched(candidate, frames) for _ in range(self._copies - 1))
                self._drivers.append([first, *more])
            except (OverflowError, RuntimeError) as error:
                raise ValueError(f"{candidate.structure}: {label(cell)}: {error}") from None
        self._reference_ns()  # compiles it, or loads it: 45 ms on the clock of the first turn

    def _require_agreement(self, candidate: Candidate, frames: Frames, expected: Frames) -> None:
        """Raise unless a structure returns exactly the inserted frames and then is empty."""
        driver = Driver(make(candidate, self._cell.pages), self._cell.dirty)
        structure = driver.structure
        name = f"{candidate.structure}, {label(self._cell)}:"
        # Through Python first, which refuses frames that it has no room for.
        ways = dict.fromkeys([(PYTHON, "collect"), *((driver.through, one) for one in _TAKES)])
        for way, operation in ways:
            found = driver.taken(frames, operation, way)
            in_order = found if structure.sorted_output else _distinct(found)
            if not np.array_equal(in_order, expected):
                raise AssertionError(f"{name} {operation} returned other frames than went in")
            if structure.unique_output and found.size != expected.size:
                raise AssertionError(f"{name} {operation} returned a frame twice")
            if operation == "collect":
                structure.clear()
            if len(structure):
                raise AssertionError(f"{name} keeps frames after a clear or harvest")

    def _fresh(self, candidate: Candidate, frames: Frames) -> Driver:
        """Return a structure in the loop; note how much memory it takes and what a collect touches.

        It is the second instance: the first has triggered all compilation, by which the process
        grew by 8 MB where the structure has 0.1.
        """

        def filled() -> Structure:
            structure = make(candidate, self._cell.pages)
            structure.insert(frames)
            return structure

        structure, grown = growth_of(filled)
        counted = structure.operations()
        driver = self._emptied(structure)
        small = make(candidate, min(self._cell.pages, ANY_PAGES))
        self._calls.append(call_costs(small, _CALLS))
        self._small.append(Driver(small, _FEW))
        self._facts.append(
            {
                "bytes": structure.nbytes,
                "growth": grown,
                "words": counted.words,
                "nodes": counted.nodes,
                "through": driver.through,
            }
        )
        return driver

    def _touched(self, candidate: Candidate, frames: Frames) -> Driver:
        """Return another structure in the loop."""
        structure = make(candidate, self._cell.pages)
        structure.insert(frames)
        return self._emptied(structure)

    def _emptied(self, structure: Structure) -> Driver:
        """Return a filled structure in the loop, emptied.

        That writes all memory first: else each round's frames fault on untouched pages, and an
        insert of 588 frames into 60 million pages took 186 µs, not 4 µs.
        """
        structure.harvest()
        structure.clear()
        return Driver(structure, self._cell.dirty, cpu_time=self._cpu_time)

    def round(self, number: int) -> list[Row]:
        """Measure each structure once; return a row for each of its operations."""
        first = self._plan.seed + (number + 1) * SEED_STEP
        if self._plan.cache == GUEST_RAN:
            return self._round_of_steps(first, number)
        bursts = self._draw_all(first)
        # Of few frames every operation is done before it is timed: 383 frames in clusters went into
        # a list in 1.1 µs where only an epoch had been, 0.3 once the code itself was there.
        first_of_all = draw(self._cell, first - 1)[None]
        few = self._cell.dirty <= BURST_FRAMES
        warming = dict.fromkeys(("epoch", *bursts) if few else ("epoch",), first_of_all)
        places = range(len(self._drivers))
        found = take_turns(places, self._rng, lambda one: self._turn(one, number, warming, bursts))
        return [row for _, rows in found for row in rows]

    def _round_of_steps(self, first: int, number: int) -> list[Row]:
        """Return the rows of a round before each of whose steps the guest ran."""
        wanted = {*self._plan.operations}
        inserted = [draw(self._cell, first + place) for place in range(self._copies)]
        steps: dict[str, Spent] = {}
        steps["insert"] = self._step("insert", inserted)
        if wanted & {"harvest", "epoch"}:
            steps["harvest"] = self._step("harvest")
        # After a collect a list is sorted: a harvest that followed took a sixth of its time.
        for place, operation in enumerate(("collect", "clear")):
            if operation in wanted:
                again = draw(self._cell, first + self._copies + place)
                for drivers, frames in ((itertools.chain(*self._drivers), again),
                                        (self._small, self._few)):  # fmt: skip
                    for driver in drivers:
                        driver.clear_ns()
                        driver.insert_ns(frames)
                steps[operation] = self._step(operation)
        for driver in itertools.chain(self._small, *self._drivers):
            driver.clear_ns()
        if "epoch" in wanted:
            harvests = steps["harvest"]
            steps["epoch"] = {
                index: (ns + harvests[index][0], (slow + harvests[index][1]) / 2)
                for index, (ns, slow) in steps["insert"].items()
            }
        return [
            self._row(index, number, operation, *spent)
            for operation in self._plan.operations
            for index, spent in steps[operation].items()
        ]

    def _step(self, operation: str, frames: Sequence[Frames] = ()) -> Spent:
        """Let the guest run and each structure do one thing; return their times."""

        def turn(index: int) -> tuple[float, float]:
            beat(self._plan.candidates[index].structure)
            before = self._reference_ns()
            _timed(self._small[index], operation, self._few if len(frames) else None)
            ns = [
                _timed(driver, operation, own)
                for driver, own in itertools.zip_longest(self._drivers[index], frames)
            ]
            return float(np.median(ns)), (before + self._reference_ns()) / 2

        places = range(len(self._drivers))
        return dict(take_turns(places, self._rng, turn, prepare=lambda: stream(other_memory())))

    def _row(self, index: int, number: int, operation: str, ns: float, reference_ns: float) -> Row:
        candidate = self._plan.candidates[index]
        return {
            "structure": candidate.structure,
            **{f"structure_{name}": value for name, value in candidate.options},
            "control": candidate.control,
            "seed": self._plan.seed,
            "repeat": number,
            "cache": self._plan.cache,
            **self._facts[index],
            "operation": operation,
            "ns": ns,
            "reference_ns": reference_ns,
            "call_ns": round(max(self._calls[index].get(operation, 0), 0)),
        }

    def _draw_all(self, first: int) -> Bursts:
        """Return frames for each epoch and operation, different for each.

        An epoch over frames that the insert before it had brought into the caches took 49 µs where
        its insert and harvest alone take 89 (tree64, 31,000 of 13 million pages in clusters).
        """
        wanted = self._plan.operations
        return {
            operation: np.stack(
                [
                    draw(self._cell, first + epoch * len(_DRAWS) + place)
                    for epoch in range(self._epochs)
                ]
            )
            for place, operation in enumerate(_DRAWS)
            if operation in wanted or (operation == "insert" and "collect" in wanted)
        }

    def _turn(self, index: int, number: int, warming: Bursts, bursts: Bursts) -> list[Row]:
        driver, candidate = self._drivers[index][0], self._plan.candidates[index]
        beat(candidate.structure)
        before = self._reference_ns()
        driver.spend(warming)
        spent = driver.spend(bursts)
        slow = (before + self._reference_ns()) / 2
        return [self._row(index, number, name, spent[name], slow) for name in self._plan.operations]

    def _reference_ns(self) -> int:
        """Return the reference kernel's time with its memory cached: the lesser of two."""
        reference(self._memory, _REFERENCE_WORDS)  # else 63 µs after large cells, 32 after small
        return min(self._time_reference() for _ in range(2))

    def _time_reference(self) -> int:
        begin = time.perf_counter_ns()
        reference(self._memory, _REFERENCE_WORDS)
        return time.perf_counter_ns() - begin


def _timed(driver: Driver, operation: str, frames: Frames | None) -> int:
    """Do one thing, an insert of frames that have just been read; return the ns that took."""
    if frames is not None:
        stream(frames)
        return driver.insert_ns(frames)
    if operation == "collect":
        return driver.collect_ns()
    return driver.harvest_ns() if operation == "harvest" else driver.clear_ns()


def _distinct(frames: Frames) -> Frames:
    """Return distinct frames in order; NumPy's own unique, by hashing, takes 20 times as long."""
    ordered = np.sort(frames)
    return ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])]
