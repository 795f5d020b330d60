"""Crossovers of a study with intervals, validated on the holdout set."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dirtylab._check import Array
from dirtylab._format import share_text, whole_text
from dirtylab.structures import known_first, posted
from dirtylab.theory.crossover import LEAST_POINTS, Crossover, crossovers

if TYPE_CHECKING:
    import pandas as pd

CURVE = ["operation", "pattern", "pages"]
MOSTLY = 0.9
"""Share of points that a structure must win to be called cheaper throughout."""
EVEN = "neither"
TIE = 0.02
"""Relative difference of medians below which two structures tie."""


class Curve(NamedTuple):
    """A curve over dirty frames: two structures, an operation, a pattern and a slot."""

    one: str
    other: str
    operation: str
    pattern: str
    pages: int


def pairs(structures: Iterable[str]) -> list[tuple[str, str]]:
    """Return every two structures."""
    return list(itertools.combinations(structures, 2))


def find_crossovers(
    rounds: "pd.DataFrame", structures: Sequence[str], operations: Sequence[str]
) -> "pd.DataFrame":
    """Return all crossovers of every two structures.

    Parameters
    ----------
    rounds : pandas.DataFrame
        As :func:`dirtylab.studies.crossovers.record.load` gives them.
    structures, operations : sequence of str
        Those to compare; structures that a slot lacks are left out.

    Returns
    -------
    pandas.DataFrame
        A row for each crossover, and one without numbers where two structures have none:
        ``one, other, operation, pattern, pages, at, low, high, rising, cheaper, least, most``;
        ``rising`` says that `one` is cheaper below the crossover; ``cheaper`` is the structure that
        is cheaper below it, or throughout; ``neither`` where both win at some points without a
        significant crossover, or with one that may lie anywhere: ``low`` and ``high`` are then
        ``least`` and ``most``, the numbers of frames tried.
    """
    import pandas as pd

    rows = [
        {**curve._asdict(), **found}
        for curve, found in _crossovers_by_curve(
            rounds[rounds["set"] == "find"], structures, operations
        )
    ]
    return pd.DataFrame.from_records(rows)


def _crossovers_by_curve(
    rounds: "pd.DataFrame", structures: Sequence[str], operations: Sequence[str]
) -> Iterator[tuple[Curve, dict[str, Any]]]:
    chosen = rounds[rounds["operation"].isin(operations)]
    for (operation, pattern, pages), (x, times) in _grids(chosen, structures):
        for one, other in pairs(times):
            curve = Curve(one, other, operation, pattern, pages)
            for found in _curve_crossovers(x, times[one] / times[other], curve):
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


def _curve_crossovers(x: Array, ratio: Array, curve: Curve) -> Iterator[dict[str, Any]]:
    one, other = curve.one, curve.other
    tried = {"least": float(x[0]), "most": float(x[-1])}
    found = crossovers(x, ratio) if x.size >= LEAST_POINTS else []
    known = [crossover for crossover in found if crossover.low > 0 or np.isfinite(crossover.high)]
    if not known:
        below = float(np.mean(np.median(ratio, axis=1) < 1))
        throughout = one if below >= MOSTLY else other if below <= 1 - MOSTLY else EVEN
        even = EVEN if found else throughout
        ends = {"low": x[0], "high": x[-1]} if even == EVEN else {"low": np.nan, "high": np.nan}
        yield {"at": np.nan, **ends, "rising": None, "cheaper": even, **tried}
    for crossover in known:
        yield {**crossover._asdict(), "cheaper": one if crossover.rising else other, **tried}


def pairs_shown(found: "pd.DataFrame") -> list[tuple[str, str]]:
    """Return the pairs in the report: each structure with the bitmap, and the list with tree64.

    The tree of radix 8 is left out; the tables of all crossovers have it.  Of structures that were
    chosen, not the usual ones, all pairs.
    """
    names = known_first(sorted({*found["one"], *found["other"]}))
    if not are_usual(names):
        return [(one, other) for one, other in itertools.combinations(names, 2)
                if is_pair(found, one, other).any()]  # fmt: skip
    left_out = {"bitmap", "tree8", *posted()}
    with_bitmap = [(name, "bitmap") for name in names if name not in left_out]
    return [("posted-tree", "posted-bitmap"), *with_bitmap, ("list", "tree64")]


def are_usual(names: Iterable[str]) -> bool:
    """Return whether all are there that tell why posted and tuned crossovers differ."""
    return {"posted-tree", "posted-bitmap", "list", "bitmap", "tree64"} <= {*names}


def is_pair(table: "pd.DataFrame", one: str, other: str) -> "pd.Series[bool]":
    """Return which rows are of two structures, in either order."""
    straight = (table["one"] == one) & (table["other"] == other)
    return straight | ((table["one"] == other) & (table["other"] == one))


class Check(NamedTuple):
    """Number of winners predicted correctly, outside the intervals."""

    cells: int
    right: int
    between: int
    """Cells within an interval, or with no significant winner: there is no prediction."""
    undecided: int
    """Cells without a measured winner: their rounds disagree on the faster structure."""

    @property
    def share(self) -> float:
        """Return the share of correct predictions."""
        return self.right / self.cells if self.cells else float("nan")


def check(
    rounds: "pd.DataFrame", found: "pd.DataFrame", structures: Sequence[str]
) -> tuple[Check, "pd.DataFrame"]:
    """Check the winners that crossovers predict on the cells of the holdout set.

    Parameters
    ----------
    rounds : pandas.DataFrame
        Of a study; those of the set ``try`` are used.
    found : pandas.DataFrame
        As :func:`find_crossovers` returns them.
    structures : sequence of str
        As given there.

    Returns
    -------
    Check, pandas.DataFrame
        The count, and the cells: ``predicted``, ``winner``, ``ratio`` (one over other).  Where
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
            predicted = winner(known, curve, float(dirty))
            if predicted is None:
                between += 1
            elif not agreed(one, other):
                undecided += 1
            else:
                ratio = float(np.median(one) / np.median(other))
                cell = {"dirty": dirty, "predicted": predicted, "ratio": ratio}
                rows.append({**curve._asdict(), **cell})
    table = pd.DataFrame.from_records(rows)
    table["winner"] = np.where(table["ratio"] < 1, table["one"], table["other"])
    even = np.abs(np.log(table["ratio"])) < TIE
    right = (table["winner"] == table["predicted"]) | even
    return Check(len(table), int(right.sum()), between, undecided), table.assign(right=right)


def agreed(one: npt.ArrayLike, other: npt.ArrayLike) -> bool:
    """Return whether all rounds agree on the faster structure, or the medians tie."""
    logs = np.log(np.asarray(one, float) / np.asarray(other, float))
    return bool(abs(np.median(logs)) < TIE or (logs > 0).all() or (logs < 0).all())


def winner(known: Sequence[Mapping[Any, Any]], curve: Curve, dirty: float) -> str | None:
    """Return the cheaper structure by a curve's crossovers, or None where nothing is predicted.

    Parameters
    ----------
    known : sequence of mapping
        The curve's rows of :func:`find_crossovers`, ascending.
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
    """Return the exponent of a crossover over the slot: `at` grows like pages to this power.

    0 is a fixed number of frames, 1 a fixed density; nan where fewer than 2 slots have one.
    """
    real = found[found["at"].notna()]
    if real["pages"].nunique() < 2:
        return float("nan")
    return float(np.polyfit(np.log(real["pages"]), np.log(real["at"]), 1)[0])


def named(crossover: Crossover, one: str, other: str, pages: int) -> str:
    """Return a crossover in words."""
    before, after = (one, other) if crossover.rising else (other, one)
    share = share_text(crossover.at / pages, 2)
    return (
        f"{before} beats {after} below {whole_text(crossover.at)} dirty frames "
        f"({range_text(crossover.low, crossover.high, whole_text)}), {share} of the pages"
    )


def range_text(low: float, high: float, text: Callable[[float], str]) -> str:
    """Return an interval in words; an end that was not found is left open."""
    if low <= 0 and not np.isfinite(high):
        return "anywhere in what was tried"
    if low <= 0:
        return f"up to {text(high)}"
    return f"{text(low)}–{text(high)}" if np.isfinite(high) else f"from {text(low)}"
