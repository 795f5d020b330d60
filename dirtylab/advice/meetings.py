"""Where structures meet: the crossovers of a study with intervals, and whether they hold."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dirtylab.theory.crossover import LEAST_POINTS, Crossover, crossovers
from dirtylab.theory.occupancy import Array

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
        As :func:`dirtylab.measure.duel.load` gives them.
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
    for key, group in chosen.groupby(CURVE, sort=False):
        operation, pattern, pages = map(str, key)
        present = [name for name in structures if name in group and group[name].notna().all()]
        for one, other in pairs(present):
            curve = Curve(one, other, operation, pattern, int(pages))
            for found in _of(group, one, other):
                yield curve, found


def _of(group: "pd.DataFrame", one: str, other: str) -> Iterator[dict[str, Any]]:
    x, ratio = ratios(group, one, other)
    found = crossovers(x, ratio) if x.size >= LEAST_POINTS else []
    if not found:
        below = float(np.mean(np.median(ratio, axis=1) < 1))
        throughout = one if below >= MOSTLY else other if below <= 1 - MOSTLY else EVEN
        yield {"at": np.nan, "low": np.nan, "high": np.nan, "rising": None, "cheaper": throughout}
    for meeting in found:
        yield {**meeting._asdict(), "cheaper": one if meeting.rising else other}


def ratios(group: "pd.DataFrame", one: str, other: str) -> tuple[Array, Array]:
    """Return numbers of frames, and the ratio of two structures' times for each and each round."""
    table = group.assign(ratio=group[one] / group[other])
    grid = table.pivot_table(index="dirty", columns="round", values="ratio").sort_index()
    whole = grid.dropna()
    return whole.index.to_numpy(float), whole.to_numpy(float)


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

    tried = rounds[rounds["set"] == "try"]
    medians = tried.groupby([*CURVE, "dirty"])[list(structures)].median()
    by_cell = dict(iter(tried.groupby([*CURVE, "dirty"], sort=False)))
    rows, between, undecided = [], 0, 0
    for key, group in found.groupby([*Curve._fields], sort=False):
        one, other, operation, pattern, pages = map(str, key)
        curve = Curve(one, other, operation, pattern, int(pages))
        cells = medians.xs((curve.operation, curve.pattern, curve.pages)).reset_index()
        for row in cells.to_dict("records"):
            dirty = row["dirty"]
            foretold = winner(group, curve, float(dirty))
            if foretold is None:
                between += 1
                continue
            own = by_cell[curve.operation, curve.pattern, curve.pages, dirty]
            if not agreed(own[curve.one], own[curve.other]):
                undecided += 1
                continue
            ratio = float(row[curve.one] / row[curve.other])
            rows.append({**curve._asdict(), "dirty": dirty, "foretold": foretold, "ratio": ratio})
    table = pd.DataFrame.from_records(rows)
    table["winner"] = np.where(table["ratio"] < 1, table["one"], table["other"])
    even = np.abs(np.log(table["ratio"])) < TIE
    right = (table["winner"] == table["foretold"]) | even
    return Check(len(table), int(right.sum()), between, undecided), table.assign(right=right)


def agreed(one: "pd.Series[float]", other: "pd.Series[float]") -> bool:
    """Return whether all rounds say the same of who is the faster, or that neither is."""
    logs = np.log(np.asarray(one, float) / np.asarray(other, float))
    return bool(abs(np.median(logs)) < TIE or (logs > 0).all() or (logs < 0).all())


def winner(group: "pd.DataFrame", curve: Curve, dirty: float) -> str | None:
    """Return the cheaper structure by a curve's crossovers, or None where nothing is foretold."""
    real = group[group["at"].notna()].sort_values("at")
    if real.empty:
        throughout = str(group["cheaper"].iloc[0])
        return None if throughout == EVEN else throughout
    if ((real["low"] <= dirty) & (dirty <= real["high"])).any():
        return None
    before = real[real["at"] > dirty]
    if not before.empty:
        return str(before["cheaper"].iloc[0])
    last = real.iloc[-1]
    return curve.other if last["cheaper"] == curve.one else curve.one


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
    share = 100 * meeting.at / pages
    return (
        f"{before} beats {after} below {_round(meeting.at)} dirty frames "
        f"({_round(meeting.low)}–{_round(meeting.high)}), {share:.2g} % of the pages"
    )


def _round(value: float) -> str:
    if not np.isfinite(value):
        return "more than were tried"
    digits = 2 - int(np.floor(np.log10(max(value, 1.0))))
    return f"{round(value, digits):,.0f}" if value >= 1 else "fewer than were tried"
