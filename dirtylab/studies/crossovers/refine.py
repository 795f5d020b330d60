"""Crossovers by going there: more numbers of frames where two curves meet.

::

    coarse grid     o       o       o       o       o       o
    interval                |-- where they meet --|
    next                         +    +    +                    until the interval is short enough

Sizes of several pairs that are nearly equal are measured once, for all structures of the slot.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dirtylab.studies.crossovers.judge import find_crossovers, pairs_shown

if TYPE_CHECKING:
    import pandas as pd

ENOUGH = 1.1 / 0.9
"""Upper end of an interval over its lower end that is short enough: ±10 %."""
POINTS = 3
"""Sizes that are measured in an interval at a time."""
PASSES = 4
"""Times that intervals are looked at again."""
APART = 1.04
"""Sizes that differ by less are one."""


class Goal(NamedTuple):
    """Numbers of frames to measure, of one pattern in one slot."""

    pattern: str
    pages: int
    dirty: tuple[int, ...]


def goals(
    rounds: "pd.DataFrame", families: Iterable[Sequence[str]], operations: Sequence[str]
) -> list[Goal]:
    """Return what to measure next, the least certain crossovers first.

    Parameters
    ----------
    rounds : pandas.DataFrame
        What was measured, as :func:`dirtylab.studies.crossovers.record.load` gives it.
    families : iterable of sequence of str
        Structures that are compared with each other.
    operations : sequence of str
        Those whose crossovers matter.

    Returns
    -------
    list of Goal
        Empty where all intervals are within ±10 %, or nothing lies between sizes measured.
    """
    asked: dict[tuple[str, int], list[float]] = {}
    doubt: dict[tuple[str, int], float] = {}
    for names in families:
        for row in _open(find_crossovers(rounds, names, operations)):
            key = str(row["pattern"]), int(row["pages"])
            asked.setdefault(key, []).extend(_inside(row))
            doubt[key] = doubt.get(key, 0.0) + float(np.log(row["high"] / row["low"]))
    measured = rounds[rounds["set"] == "find"].groupby(["pattern", "pages"])["dirty"].unique()
    found = [
        Goal(*key, new)
        for key in sorted(asked, key=lambda one: -doubt[one])
        if (new := _new(asked[key], measured[key]))
    ]
    return found


def _open(found: "pd.DataFrame") -> list[dict[Any, Any]]:
    """Return crossovers with long intervals, none of them beyond what was tried."""
    if found.empty:
        return []
    shown = pairs_shown(found)
    real = found[found["at"].notna()]
    rows = [
        {**row, "low": max(row["low"], row["least"]), "high": min(row["high"], row["most"])}
        for row in real.to_dict("records")
        if (row["one"], row["other"]) in shown or (row["other"], row["one"]) in shown
    ]
    return [row for row in rows if row["high"] > row["low"] * ENOUGH]


def _inside(row: dict[Any, Any]) -> list[float]:
    """Return sizes that divide an interval evenly, by their logarithms."""
    within: list[float] = np.geomspace(row["low"], row["high"], POINTS + 2)[1:-1].tolist()
    return within


def _new(asked: Sequence[float], measured: Sequence[int]) -> tuple[int, ...]:
    """Return sizes, ascending, that are neither measured nor nearly one another."""
    known = [float(one) for one in measured]
    new = []
    for size in sorted(round(one) for one in asked):
        if all(max(size / one, one / size) >= APART for one in known):
            known.append(float(size))
            new.append(size)
    return tuple(new)
