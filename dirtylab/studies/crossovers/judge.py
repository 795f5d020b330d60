"""Where structures meet: the crossovers of a study with intervals, and whether they hold."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dirtylab._check import Array
from dirtylab._units import share_text, whole_text
from dirtylab.theory.crossover import LEAST_POINTS, Crossover, crossovers

if TYPE_CHECKING:
    import pandas as pd

CURVE = ["operation", "pattern", "pages"]
MOSTLY = 0.9
"""Share of the points that one structure wins when it is called the cheaper one throughout."""
EVEN = "neither"
TIE = 0.02
"""Medians of two structures that differ by less are no winner and no loser."""


class Curve(NamedTuple):
    """Two structures, an operation, a pattern and a slot; numbers of frames along it."""

    one: str
    other: str
    operation: str
    pattern: str
    pages: int


def pairs(structures: Iterable[str]) -> list[tuple[str, str]]:
    """Return every two structures."""
    return list(itertools.combinations(structures, 2))


def meetings(
    rounds: "pd.DataFrame", structures: Sequence[str], operations: Sequence[str]
) -> "pd.DataFrame":
    """Return all crossovers of every two structures.

    Parameters
    ----------
    rounds : pandas.DataFrame
        As :func:`dirtylab.studies.crossovers.record.load` gives them.
    structures, operations : sequence of str
        Which; structures that a slot lacks are left out.

    Returns
    -------
    pandas.DataFrame
        A row for each crossover, and one without numbers where two structures don't meet:
        ``one, other, operation, pattern, pages, at, low, high, rising, cheaper``; ``rising`` says
        that `one` is the cheaper before, ``cheaper`` which one is: before a crossover, or
        throughout; ``neither`` where both win at some points and none is sure.
    """
    import pandas as pd

    rows = [
        {**curve._asdict(), **found}
        for curve, found in _all(rounds[rounds["set"] == "find"], structures, operations)
    ]
    return pd.DataFrame.from_records(rows)


def _all(
    rounds: "pd.DataFrame", structures: Sequence[str], operations: Sequence[str]
) -> Iterator[tuple[Curve, dict[str, Any]]]:
    chosen = rounds[rounds["operation"].isin(operations)]
    for (operation, pattern, pages), (x, times) in _grids(chosen, structures):
        for one, other in pairs(times):
            curve = Curve(one, other, operation, pattern, pages)
            for found in _of(x, times[one] / times[other], curve):
                yield curve, found


def _grids(
    rounds: "pd.DataFrame", structures: Sequence[str]
) -> Iterator[tuple[tuple[str, str, int], tuple[Array, dict[str, Array]]]]:
    """Yield each operation, pattern and slot with its numbers of frames, and each one's times.

    Times have a row a number of frames and a column a round; structures that a slot lacks are left
    out.  Plain arrays: a table a pair and cell took 4 s, not 0.4, for the shipped study.
    """
    for key, group in rounds.groupby(CURVE, sort=False):
        operation, pattern, pages = map(str, key)
        present = [name for name in structures if name in group and group[name].notna().all()]
        if present:
            grid = group.pivot_table(index="dirty", columns="round", values=present).dropna()
            times = {name: grid[name].to_numpy(float) for name in present}
            yield (operation, pattern, int(pages)), (grid.index.to_numpy(float), times)


def _of(x: Array, ratio: Array, curve: Curve) -> Iterator[dict[str, Any]]:
    one, other = curve.one, curve.other
    found = crossovers(x, ratio) if x.size >= LEAST_POINTS else []
    if not found:
        below = float(np.mean(np.median(ratio, axis=1) < 1))
        throughout = one if below >= MOSTLY else other if below <= 1 - MOSTLY else EVEN
        yield {"at": np.nan, "low": np.nan, "high": np.nan, "rising": None, "cheaper": throughout}
    for meeting in found:
        yield {**meeting._asdict(), "cheaper": one if meeting.rising else other}


class Check(NamedTuple):
    """How many winners were foretold rightly, outside the intervals."""

    cells: int
    right: int
    between: int
    """Cells within an interval, or where neither is sure: of those nothing is foretold."""
    undecided: int
    """Cells without a measured winner: their rounds do not agree on who is the faster."""

    @property
    def share(self) -> float:
        """Return the share that was right."""
        return self.right / self.cells if self.cells else float("nan")


def check(
    rounds: "pd.DataFrame", found: "pd.DataFrame", structures: Sequence[str]
) -> tuple[Check, "pd.DataFrame"]:
    """Return whether the cells kept apart have the winners that crossovers foretell.

    Parameters
    ----------
    rounds : pandas.DataFrame
        Of a study; those of the set ``try`` are used.
    found : pandas.DataFrame
        As :func:`meetings` returns them.
    structures : sequence of str
        As given there.

    Returns
    -------
    Check, pandas.DataFrame
        The count, and the cells: ``foretold``, ``winner``, ``ratio`` (one over other).  Where
        medians differ by less than 2 % either is right; where rounds do not agree on a winner,
        none is measured, and the cell does not count.
    """
    import pandas as pd

    told: dict[Curve, list[dict[Any, Any]]] = {}
    for row in found.sort_values("at").to_dict("records"):
        curve = Curve(*(row[name] for name in Curve._fields))
        told.setdefault(curve, []).append(row)
    grids = dict(_grids(rounds[rounds["set"] == "try"], structures))
    rows, between, undecided = [], 0, 0
    for curve, known in told.items():
        x, times = grids[curve.operation, curve.pattern, curve.pages]
        for dirty, one, other in zip(x, times[curve.one], times[curve.other], strict=True):
            foretold = winner(known, curve, float(dirty))
            if foretold is None:
                between += 1
            elif not agreed(one, other):
                undecided += 1
            else:
                ratio = float(np.median(one) / np.median(other))
                cell = {"dirty": dirty, "foretold": foretold, "ratio": ratio}
                rows.append({**curve._asdict(), **cell})
    table = pd.DataFrame.from_records(rows)
    table["winner"] = np.where(table["ratio"] < 1, table["one"], table["other"])
    even = np.abs(np.log(table["ratio"])) < TIE
    right = (table["winner"] == table["foretold"]) | even
    return Check(len(table), int(right.sum()), between, undecided), table.assign(right=right)


def agreed(one: npt.ArrayLike, other: npt.ArrayLike) -> bool:
    """Return whether all rounds say the same of who is the faster, or that neither is."""
    logs = np.log(np.asarray(one, float) / np.asarray(other, float))
    return bool(abs(np.median(logs)) < TIE or (logs > 0).all() or (logs < 0).all())


def winner(known: Sequence[Mapping[Any, Any]], curve: Curve, dirty: float) -> str | None:
    """Return the cheaper structure by a curve's crossovers, or None where nothing is foretold.

    Parameters
    ----------
    known : sequence of mapping
        The curve's rows of :func:`meetings`, ascending.
    curve : Curve
        Which one.
    dirty : float
        Number of frames.
    """
    real = [row for row in known if np.isfinite(row["at"])]
    if not real:
        throughout = str(known[0]["cheaper"])
        return None if throughout == EVEN else throughout
    if any(row["low"] <= dirty <= row["high"] for row in real):
        return None
    for row in real:
        if row["at"] > dirty:
            return str(row["cheaper"])
    return curve.other if real[-1]["cheaper"] == curve.one else curve.one


def exponent(found: "pd.DataFrame") -> float:
    """Return how a crossover moves with the slot: `at` grows like pages to this power.

    0 is a fixed number of frames, 1 a fixed density; nan where fewer than 2 slots have one.
    """
    real = found[found["at"].notna()]
    if real["pages"].nunique() < 2:
        return float("nan")
    return float(np.polyfit(np.log(real["pages"]), np.log(real["at"]), 1)[0])


def named(meeting: Crossover, one: str, other: str, pages: int) -> str:
    """Return a crossover in words."""
    before, after = (one, other) if meeting.rising else (other, one)
    share = share_text(meeting.at / pages, 2)
    return (
        f"{before} beats {after} below {_round(meeting.at)} dirty frames "
        f"({_round(meeting.low)}–{_round(meeting.high)}), {share} of the pages"
    )


def _round(value: float) -> str:
    if not np.isfinite(value):
        return "more than were tried"
    return whole_text(value) if value >= 1 else "fewer than were tried"
