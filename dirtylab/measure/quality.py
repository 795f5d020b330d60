"""Quality of a measurement: drift, speed changes, the control, the clock's resolution.

Doubtful samples are reported, never dropped.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from dirtylab._check import Array
from dirtylab.theory.intervals import LEAST_ROUNDS, Interval, ratio_interval

if TYPE_CHECKING:
    import pandas as pd


CHANCE = 0.01
"""Probability of a false alarm on a quiet machine, over all cells of a sweep."""
SLOWS = 1.15
"""Change of the reference kernel, from 10th to 90th percentile, that is reported."""
CLOCK_STEPS = 10
"""Steps of the clock below which a sample is near its floor."""
USUAL_STEP = 50.0
"""Assumed step of the clock, in ns, where it was not measured."""
_TOO_FEW = "too few to tell drift from noise"


def rounds_needed(cells: int = 1) -> int:
    """Return the rounds below which drift can't be told from noise in so many cells.

    Rounds in order, all rising or all falling, have a probability of 2 in rounds! by chance.

    Examples
    --------
    >>> rounds_needed(), rounds_needed(30)
    (6, 8)
    """
    rounds = LEAST_ROUNDS
    while 2 * cells / math.factorial(rounds) >= CHANCE:
        rounds += 1
    return rounds


class Quality(NamedTuple):
    """Quality indicators of a measurement."""

    rounds: int
    """Samples; below 6 neither drift nor a control is judged."""
    drift: float
    """Kendall's rank correlation of time and round; 0 where it is not significant."""
    drift_chance: float
    """Probability of such a correlation by chance."""
    control: Interval | None
    """Ratio of the same candidate's times, measured twice; None where it was not."""
    control_chance: float
    """Probability of such a ratio by chance."""
    speed_range: float
    """How much slower the reference kernel was at its 90th percentile than at its 10th."""
    near_floor: float
    """Share of samples that are shorter than 10 steps of the clock."""

    @property
    def remarks(self) -> list[str]:
        """Return remarks in words; empty where nothing is notable."""
        said = []
        if self.rounds < rounds_needed():
            said.append(f"fewer than {rounds_needed()} rounds: {_TOO_FEW}")
        if self.drift_chance < CHANCE:
            way = "rose" if self.drift > 0 else "fell"
            said.append(f"times {way} with the rounds (rank correlation {self.drift:+.2f})")
        if self.control is not None and self.control_chance < CHANCE:
            _, low, high = self.control
            said.append(f"the same candidate twice differs by a ratio of {low:.2f} … {high:.2f}")
        if self.speed_range > SLOWS:
            said.append(f"the machine's speed changed by {100 * (self.speed_range - 1):.0f} %")
        if self.near_floor > 0:
            said.append(f"{100 * self.near_floor:.0f} % of samples are near the clock's floor")
        return said


def judge(
    ns: npt.ArrayLike,
    reference_ns: npt.ArrayLike,
    *,
    twice: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    clock_step: float = USUAL_STEP,
) -> Quality:
    """Judge the samples of one candidate.

    Parameters
    ----------
    ns : array_like of float
        Samples in the order of the rounds, above 0.
    reference_ns : array_like of float
        Times of the reference kernel in the same rounds.
    twice : pair of array_like, optional
        Samples of one candidate that was measured twice, round by round.
    clock_step : float, optional
        Shortest step of the clock, in ns.

    Returns
    -------
    Quality
        Of which ``remarks`` says what is notable.

    Notes
    -----
    Drift is tested by Kendall's rank correlation with its exact distribution, as rounds are few,
    and a difference from the control by a t test of the ratios' logarithms.  With fewer than 6
    rounds neither test is possible, and a remark says so.
    """
    values, speed = np.asarray(ns, float), np.asarray(reference_ns, float)
    drift, drift_chance = _drift(values / speed)
    control, control_chance = None, 1.0
    if twice is not None:
        control = ratio_interval(*twice)
        control_chance = _chance(np.log(np.asarray(twice[0], float) / np.asarray(twice[1], float)))
    floor = float(np.mean(values < CLOCK_STEPS * clock_step))
    return Quality(values.size, drift, drift_chance, control, control_chance, _range(speed), floor)


def _drift(values: Array) -> tuple[float, float]:
    from scipy.stats import kendalltau

    if values.size < LEAST_ROUNDS or np.ptp(values) == 0:
        return 0.0, 1.0
    found = kendalltau(np.arange(values.size), values)
    return float(found.statistic), float(found.pvalue)


def _chance(logs: Array) -> float:
    """Return how probable ratios so far from 1 are when both are alike."""
    from scipy.stats import ttest_1samp

    if logs.size < LEAST_ROUNDS:
        return 1.0
    if np.ptp(logs) == 0:
        return 1.0 if logs[0] == 0 else 0.0
    return float(ttest_1samp(logs, 0.0).pvalue)


def _range(speed: Array) -> float:
    low, high = np.percentile(speed, [10, 90])
    return float(high / low)


class _Comparison(NamedTuple):
    """A candidate and its repetition, in one cell and operation."""

    ratio: float
    chance: float


def remarks(table: "pd.DataFrame") -> list[str]:
    """Return remarks on a sweep's quality, in a few lines.

    Parameters
    ----------
    table : pandas.DataFrame
        As :func:`dirtylab.sweep` returns it.

    Returns
    -------
    list of str
        How many cells drifted, saw the machine's speed change, differ from their control, have
        samples near the clock's floor or too few rounds to tell; empty where none did.

    Notes
    -----
    On a quiet machine a test raises a false alarm with a probability of 1 % over the whole sweep:
    each cell's p value is multiplied by the number of cells, so more cells need more rounds.
    """
    cells = [cell for _, cell in table.groupby(_cell_columns(table), sort=False, dropna=False)]
    drifts = [_drift(_course(cell))[1] for cell in cells]
    compared = [one for cell in cells for one in _compare(cell)]
    apart = [one for one in compared if one.chance * len(compared) < CHANCE]
    speeds = [cell["reference_ns"].to_numpy(float) for cell in cells]
    needed = rounds_needed(len(cells))
    furthest = max((max(one.ratio, 1 / one.ratio) for one in apart), default=1.0)
    counts = {
        "cells rose or fell with the rounds": sum(one * len(cells) < CHANCE for one in drifts),
        "cells saw the machine's speed change by more than 15 %": sum(
            _range(one) > SLOWS for one in speeds
        ),
        "cells have samples near the clock's floor": sum(
            _near_floor(cell, table.attrs.get("machines", {})) for cell in cells
        ),
        f"cells have fewer than {needed} rounds: {_TOO_FEW}": sum(
            cell["repeat"].nunique() < needed for cell in cells
        ),
    }
    said = [f"{count} of {len(cells)} {what}" for what, count in counts.items() if count]
    if apart:
        said.append(
            f"the same structure measured twice differs beyond noise in {len(apart)} of "
            f"{len(compared)} cells and operations, by up to {furthest:.2f} times"
        )
    return said + _between_cells(table, speeds)


def _cell_columns(table: "pd.DataFrame") -> list[str]:
    patterns = [str(name) for name in table if str(name).startswith("dataset")]
    where = [name for name in ("cache", "machine") if name in table]
    return [*patterns, "pages", "dirty", *where]


def _owner_columns(cell: "pd.DataFrame") -> list[str]:
    """Return the columns that distinguish candidates, the control counted with its double."""
    return ["operation", *[str(name) for name in cell if str(name).startswith("structure")]]


def _course(cell: "pd.DataFrame") -> Array:
    """Return the mean logarithm of all candidates' relative times, a value a round."""
    import pandas as pd

    relative = pd.Series(np.log(cell["ns"] / cell["reference_ns"]), index=cell.index)
    owners = [cell[name].astype(str) for name in [*_owner_columns(cell), "control"]]
    own = relative - relative.groupby(owners).transform("median")
    return own.groupby(cell["repeat"]).mean().sort_index().to_numpy(float)


def _compare(cell: "pd.DataFrame") -> list[_Comparison]:
    """Return each operation's comparison of the control with its double."""
    found = []
    columns = _owner_columns(cell)
    for _, own in cell.groupby(columns, sort=False, dropna=False):
        twice = own.pivot_table(index="repeat", columns="control", values="ns").dropna()
        if twice.shape[1] == 2:
            logs = np.log(np.asarray(twice[False], float) / np.asarray(twice[True], float))
            found.append(_Comparison(float(np.exp(np.median(logs))), _chance(logs)))
    return found


def _near_floor(cell: "pd.DataFrame", machines: Mapping[str, Mapping[str, float]]) -> bool:
    known = machines.get(str(cell["machine"].iloc[0]), {}) if "machine" in cell else {}
    return bool((cell["ns"] < CLOCK_STEPS * known.get("clock_step_ns", USUAL_STEP)).any())


def _between_cells(table: "pd.DataFrame", speeds: Sequence[Array]) -> list[str]:
    """Return a line when the machine was faster in some cells than in others."""
    machines = table["machine"].nunique() if "machine" in table else 1
    slowest = _range(np.array([np.median(one) for one in speeds]))
    if machines > 1 or slowest <= SLOWS:
        return []
    return [f"the machine's speed changed by {100 * (slowest - 1):.0f} % from cell to cell"]
