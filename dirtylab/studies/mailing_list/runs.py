"""The nine runs on this machine, twice over: as posted, and carefully."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from dirtylab.measure.cell import reference
from dirtylab.measure.experiment import take_turns
from dirtylab.measure.timing import interleave
from dirtylab.structures.posted_tree import IMPOSSIBLE_FRAME, PostedTree
from dirtylab.studies.mailing_list.doubts import CONTROL, MOST, MOST_SECONDS, REFERENCE, doubts
from dirtylab.studies.mailing_list.program import Arena, run_once
from dirtylab.studies.mailing_list.rows import Row

POSTED, AS_POSTED, CAREFUL = "posted", "as posted", "careful"
METHODS = (POSTED, AS_POSTED, CAREFUL)

_TWIN = 10**6
"""Added to a variant, for frames of the control's own."""
_MEMORY = np.zeros(2**15, np.uint64)
_WORK = 50_000
"""Steps of the reference kernel: some 100 µs."""

Record = dict[str, Any]
"""One sample: a row of the tidy CSV."""


def posted_records(row: Row) -> list[Record]:
    """Return what the mail printed for `row`."""
    return [record(row, POSTED, name, 0, ns, 1) for name, ns in row.posted_ns.items()]


def measured_records(
    row: Row, repeats: int, rng: np.random.Generator, most: int = MOST
) -> list[Record]:
    """Measure one row both ways.

    Parameters
    ----------
    row : Row
        What to run.
    repeats : int
        Samples of each structure in the careful run.
    rng : numpy.random.Generator
        Draws the order of the candidates.
    most : int, optional
        Multiple of the samples that a row in doubt may get.

    Returns
    -------
    list of dict
        One cold sample of each structure, list first; then `repeats` careful ones: interleaved,
        the destination touched, the structures filled anew before each round; and beside them the
        tree once more, and the reference kernel.  A row in doubt gets up to `most` times as many,
        while it has not taken 8 s.
        A round has frames of its own (the first those of the cold run), for a branch predictor that
        sees the same 100 frames again makes the tree 6 times faster than it is.  Nothing is looped,
        not even the copy of 100 entries: looped it runs from the L1 cache, 10 times faster.
    """
    arena = Arena.build(row.pages, row.dirty, row.order)
    twin = PostedTree(row.pages)
    cold = run_once(arena)
    require_agreement(arena)
    records = [record(row, AS_POSTED, name, 0, ns, 1) for name, ns in cold.items()]

    samplers = arena.samplers()
    samplers[CONTROL] = arena.walker(twin.state)
    samplers[REFERENCE] = time_reference
    begun, start = 0, time.perf_counter()

    def refill(repeat: int) -> None:
        fills: list[Callable[[], object]] = [
            lambda: arena.fill(row.order, begun + repeat),
            lambda: arena.fill_tree(twin.state, row.order, begun + repeat + _TWIN),
        ]
        take_turns(fills, rng, lambda fill: fill())  # the later one is the warmer, by a third

    found: dict[str, list[float]] = {name: [] for name in samplers}
    while True:
        for name, one in interleave(samplers, repeats, rng, prepare=refill, floor_ns=0).items():
            found[name] += [float(ns) for ns in one.ns]
        begun += repeats
        late = time.perf_counter() - start > MOST_SECONDS
        if begun >= most * repeats or late or not any(doubts(found)):
            break
    return records + [
        record(row, CAREFUL, name, repeat, ns, 1)
        for name, samples in found.items()
        for repeat, ns in enumerate(samples)
    ]


def time_reference(loops: int) -> int:
    """Time a piece of work that never changes."""
    reference(_MEMORY, _WORK)  # its memory is in the caches then, whoever had the turn before
    begin = time.perf_counter_ns()
    reference(_MEMORY, loops * _WORK)
    return time.perf_counter_ns() - begin


def require_agreement(arena: Arena) -> None:
    """Raise unless each structure returns exactly the inserted frames.

    Raises
    ------
    AssertionError
        They do not; the structure is named.
    """
    dirty = np.zeros(int(arena.tree.pages), bool)
    dirty[arena.frames] = True
    in_order = np.flatnonzero(dirty).astype(np.uint64)
    for name, sampler in arena.samplers().items():
        expected = arena.frames if name == "posted-list" else in_order
        arena.out[:] = IMPOSSIBLE_FRAME  # or a structure could pass with another's output
        sampler(1)
        if not np.array_equal(arena.out[: expected.size], expected):
            raise AssertionError(f"{name} returned other frames than were inserted")


def record(
    row: Row,
    method: str,
    structure: str,
    repeat: int,
    ns: float,
    loops: int,
    operation: str = "collect",
) -> Record:
    """Return one sample as a row of the tidy CSV; `ns` is for one loop."""
    return {
        "method": method,
        "operation": operation,
        "order": row.order,
        "pages": row.pages,
        "dirty": row.dirty,
        "structure": structure,
        "repeat": repeat,
        "ns": ns,
        "loops": loops,
    }
