"""One cell of a sweep: structures that track the same frames, side by side, in one process.

In each round every structure has its turn, in a new random order.  A turn is one epoch off the
clock, which brings the structure's own memory into the caches (or, where a cold cache is asked for,
a walk over other memory that throws it out), and then, on frames that it has not seen before:

    insert (timed), collect (timed)  ·  insert, harvest (timed)  ·  insert, clear (timed)  ·  epoch

Few frames come as a burst of epochs, each with frames of its own, and the burst's time is divided:
one epoch of 100 frames would be a few readings of the clock.  Calls from Python are part of the
times, a µs or so each.  A reference kernel that never changes is timed before and after each turn;
what it takes tells how fast the machine was just then.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dirtylab._check import Frames
from dirtylab._jit import kernel
from dirtylab.datasets import DATASETS
from dirtylab.measure.growth import growth_of
from dirtylab.measure.machine import last_cache_bytes
from dirtylab.structures import STRUCTURES, Structure, Tree

Drawn = Mapping[str, Frames]
"""The frames of one epoch, for each operation."""
Row = dict[str, Any]
Options = tuple[tuple[str, Any], ...]
"""Names and values, in a form that can be hashed and sent."""

OPERATIONS = ("insert", "collect", "harvest", "clear", "epoch")
_DRAWS = ("insert", "harvest", "clear", "epoch")
"""Operations that have frames of their own; a collect follows the insert."""
CACHES = ("warm", "cold")
BURST_FRAMES = 20_000
"""Frames of a burst together, the words of a bitmap counted too, some to a frame ..."""
WORDS_A_FRAME = 64 * 4
MOST_EPOCHS = 16
"""... and the most epochs of it."""
SEED_STEP = 1000
"""Seeds that a round has for itself."""
_REFERENCE_WORDS = 2**15
_COLD_TIMES = 2
"""Memory walked over to throw all else out of the caches, in units of the last of them."""
_STEP = np.uint64(6364136223846793005)
_MASK = np.uint64(_REFERENCE_WORDS - 1)
_HIGH = np.uint64(40)
_NO_FRAME = np.uint64(2**64 - 1)


class Contestant(NamedTuple):
    """A structure with its options."""

    structure: str
    options: Options = ()
    control: bool = False
    """Whether this is the second of two alike, there to be compared with the first."""


class Cell(NamedTuple):
    """What is measured together."""

    dataset: str
    options: Options
    pages: int
    dirty: int


class Plan(NamedTuple):
    """What is measured in each cell."""

    contestants: tuple[Contestant, ...]
    operations: tuple[str, ...]
    seed: int
    cache: str


@kernel
def reference(memory: Frames, loops: int) -> np.uint64:
    """Multiply, and read 256 KiB at random: work that is the same whenever it is timed."""
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


def make(contestant: Contestant, pages: int) -> Structure:
    """Return a new structure."""
    options = dict(contestant.options)
    if contestant.structure == "tree":
        return Tree(pages, **options)
    return STRUCTURES[contestant.structure](pages, **options)


def draw(cell: Cell, seed: int) -> Frames:
    """Return the frames of one epoch."""
    return DATASETS[cell.dataset](cell.pages, cell.dirty, seed=seed, **dict(cell.options))


class Contest:
    """The structures of a cell, ready for rounds.

    Parameters
    ----------
    cell : Cell
        What is tracked.
    plan : Plan
        Which structures and operations.

    Raises
    ------
    AssertionError
        A structure returns other frames than went in; nothing has been timed then.
    ValueError
        A structure can't take the cell's frames, for lack of capacity say.
    """

    def __init__(self, cell: Cell, plan: Plan) -> None:
        self._cell, self._plan = cell, plan
        work = max(cell.dirty + cell.pages // WORDS_A_FRAME, 1)
        self._epochs = min(max(BURST_FRAMES // work, 1), MOST_EPOCHS)
        self._out = np.zeros(cell.dirty, np.uint64)
        self._memory = np.arange(_REFERENCE_WORDS, dtype=np.uint64)
        cold = _COLD_TIMES * last_cache_bytes() // 8 if plan.cache == "cold" else 0
        self._others = np.zeros(cold, np.uint64)
        self._rng = np.random.default_rng([plan.seed, cell.pages, cell.dirty])
        self._made: list[Structure] = []
        self._facts: list[Row] = []
        frames = draw(cell, plan.seed)
        expected = _distinct(frames)
        for contestant in plan.contestants:
            try:
                self._require_agreement(contestant, frames, expected)
                self._made.append(self._fresh(contestant, frames))
            except (OverflowError, RuntimeError) as error:
                raise ValueError(f"{contestant.structure}: {label(cell)}: {error}") from None
        self._reference_ns()  # compiles it, or loads it: 45 ms on the clock of the first turn

    def _require_agreement(self, contestant: Contestant, frames: Frames, expected: Frames) -> None:
        """Let nothing count unless a structure gives the frames that went in, and forgets them."""
        structure = make(contestant, self._cell.pages)
        name = f"{contestant.structure}, {label(self._cell)}:"
        for operation in ("collect", "harvest"):
            structure.insert(frames)
            self._out.fill(_NO_FRAME)  # else it would still hold the right answer of the last one
            found = getattr(structure, operation)(self._out)
            in_order = found if structure.sorted_output else _distinct(found)
            if not np.array_equal(in_order, expected):
                raise AssertionError(f"{name} {operation} returned other frames than went in")
            if structure.unique_output and found.size != expected.size:
                raise AssertionError(f"{name} {operation} returned a frame twice")
            if operation == "collect":
                structure.clear()
            if len(structure):
                raise AssertionError(f"{name} keeps frames after a clear or harvest")

    def _fresh(self, contestant: Contestant, frames: Frames) -> Structure:
        """Return a structure to be timed; note how much memory it takes and what a collect touches.

        It is the second of its kind: the first has compiled all that there is to compile, which
        made the process grow by 8 MB where the structure has 0.1.
        """

        def filled() -> Structure:
            structure = make(contestant, self._cell.pages)
            structure.insert(frames)
            return structure

        structure, grown = growth_of(filled)
        counted = structure.operations()
        self._facts.append(
            {
                "bytes": structure.nbytes,
                "growth": grown,
                "words": counted.words,
                "nodes": counted.nodes,
            }
        )
        # Writes all memory: else each round's frames would meet pages that nobody has touched,
        # and an insert of 588 frames into 60 million pages took 186 µs of faults, not 4 µs.
        structure.harvest(self._out)
        structure.clear()
        return structure

    def round(self, number: int) -> list[Row]:
        """Measure each structure once; return a row for each of its operations."""
        first = self._plan.seed + (number + 1) * SEED_STEP
        warming = draw(self._cell, first - 1)
        burst = [self._draw_all(first + epoch * len(_DRAWS)) for epoch in range(self._epochs)]
        rows: list[Row] = []
        for index in self._rng.permutation(len(self._made)):
            rows.extend(self._turn(int(index), number, warming, burst))
        return rows

    def _draw_all(self, seed: int) -> Drawn:
        """Return frames for each operation: those of its own.

        An epoch over frames that the insert before it had brought into the caches took 49 µs where
        its insert and harvest alone take 89 (tree64, 31,000 of 13 million pages in clusters).
        """
        wanted = self._plan.operations
        return {
            operation: draw(self._cell, seed + place)
            for place, operation in enumerate(_DRAWS)
            if operation in wanted or (operation == "insert" and "collect" in wanted)
        }

    def _turn(self, index: int, number: int, warming: Frames, burst: Sequence[Drawn]) -> list[Row]:
        structure, contestant = self._made[index], self._plan.contestants[index]
        before = self._reference_ns()
        structure.insert(warming)
        structure.harvest(self._out)
        common = {
            "structure": contestant.structure,
            **{f"structure_{name}": value for name, value in contestant.options},
            "control": contestant.control,
            "seed": self._plan.seed,
            "repeat": number,
            "cache": self._plan.cache,
            **self._facts[index],
        }
        spent = self._spend(structure, burst)
        slow = (before + self._reference_ns()) / 2
        return [
            {**common, "operation": name, "ns": ns / len(burst), "reference_ns": slow}
            for name, ns in spent.items()
        ]

    def _spend(self, structure: Structure, burst: Sequence[Drawn]) -> Mapping[str, int]:
        """Return the nanoseconds of each operation asked for, over the whole burst."""
        spent = dict.fromkeys(self._plan.operations, 0)
        out = self._out
        for drawn in burst:
            if "insert" in drawn:
                spent_insert = self._time(lambda f=drawn["insert"]: structure.insert(f))  # type: ignore[misc]
                spent_collect = self._time(lambda: structure.collect(out))
                structure.harvest(out)
                for name, ns in (("insert", spent_insert), ("collect", spent_collect)):
                    if name in spent:
                        spent[name] += ns
            if "harvest" in drawn:
                structure.insert(drawn["harvest"])
                spent["harvest"] += self._time(lambda: structure.harvest(out))
            if "clear" in drawn:
                structure.insert(drawn["clear"])
                spent["clear"] += self._time(structure.clear)
            if "epoch" in drawn:
                spent["epoch"] += self._time(lambda f=drawn["epoch"]: _epoch(structure, f, out))  # type: ignore[misc]
        return spent

    def _time(self, action: Callable[[], object]) -> int:
        if self._others.size:
            self._others += np.uint64(1)
        begin = time.perf_counter_ns()
        action()
        return time.perf_counter_ns() - begin

    def _reference_ns(self) -> int:
        """Return what the reference kernel takes, its memory in the caches: the lesser of two."""
        reference(self._memory, _REFERENCE_WORDS)  # else 63 µs after large cells, 32 after small
        return min(self._time_reference() for _ in range(2))

    def _time_reference(self) -> int:
        begin = time.perf_counter_ns()
        reference(self._memory, _REFERENCE_WORDS)
        return time.perf_counter_ns() - begin


def _epoch(structure: Structure, frames: Frames, out: Frames) -> None:
    structure.insert(frames)
    structure.harvest(out)


def _distinct(frames: Frames) -> Frames:
    """Return distinct frames in order; NumPy's own unique, by hashing, takes 20 times as long."""
    ordered = np.sort(frames)
    return ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])]
