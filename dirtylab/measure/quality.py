"""Whether a measurement can be trusted: what happened to the machine while it ran.

Nothing is hidden or thrown away because of it; it is said.
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[np.float64]

DRIFTS = 0.01
"""Probability, under no drift, below which times that rise or fall with the rounds are reported."""
SLOWS = 1.15
"""Change of the reference kernel, from 10th to 90th percentile, that is reported."""
CLOCK_STEPS = 10
"""Steps of the clock below which a sample is near its floor."""
RESAMPLES = 1000
LEAST_ROUNDS = 5
"""Rounds below which the bootstrap of a median says too little."""


class Quality(NamedTuple):
    """What is known of the machine during a measurement."""

    drift: float
    """Spearman's rank correlation of time and round; 0 where there is none to be seen."""
    drift_chance: float
    """Probability of such a correlation by chance."""
    control: tuple[float, float]
    """95 % interval of the ratio of the same contestant's times, measured twice; (1, 1) if not."""
    speed_range: float
    """How much slower the reference kernel was at its 90th percentile than at its 10th."""
    near_floor: float
    """Share of samples that are shorter than 10 steps of the clock."""

    @property
    def remarks(self) -> list[str]:
        """Return in words what should be known; empty where all was quiet."""
        said = []
        if self.drift_chance < DRIFTS:
            way = "rose" if self.drift > 0 else "fell"
            said.append(f"times {way} with the rounds (rank correlation {self.drift:+.2f})")
        low, high = self.control
        if not low <= 1.0 <= high:
            said.append(f"the same contestant twice differs by a ratio of {low:.2f} … {high:.2f}")
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
    clock_step: float = 20.0,
    seed: int = 2016,
) -> Quality:
    """Judge the samples of one contestant.

    Parameters
    ----------
    ns : array_like of float
        Samples in the order of the rounds.
    reference_ns : array_like of float
        What the reference kernel took in the same rounds.
    twice : pair of array_like, optional
        Samples of one contestant that was measured twice, round by round.
    clock_step : float, optional
        Shortest step of the clock, in ns.
    seed : int, optional
        Seeds the bootstrap.

    Returns
    -------
    Quality
        Of which ``remarks`` says what is notable.
    """
    values, speed = np.asarray(ns, float), np.asarray(reference_ns, float)
    drift, chance = _drift(values / speed)
    low, high = np.percentile(speed, [10, 90])
    control = _ratio_interval(*twice, seed) if twice is not None else (1.0, 1.0)
    floor = float(np.mean(values < CLOCK_STEPS * clock_step))
    return Quality(drift, chance, control, float(high / low), floor)


def _drift(values: Array) -> tuple[float, float]:
    if values.size < 5 or np.ptp(values) == 0:
        return 0.0, 1.0
    found = spearmanr(np.arange(values.size), values)
    return float(found.statistic), float(found.pvalue)


def _ratio_interval(one: npt.ArrayLike, two: npt.ArrayLike, seed: int) -> tuple[float, float]:
    logs = np.log(np.asarray(one, float) / np.asarray(two, float))
    if logs.size < LEAST_ROUNDS:
        return 0.0, np.inf
    drawn = np.random.default_rng(seed).integers(0, logs.size, (RESAMPLES, logs.size))
    low, high = np.exp(np.percentile(np.median(logs[drawn], axis=1), [2.5, 97.5]))
    return float(low), float(high)


def remarks(table: "pd.DataFrame") -> list[str]:
    """Return what is to be known of a sweep's quality, in a few lines.

    Parameters
    ----------
    table : pandas.DataFrame
        As :func:`dirtylab.sweep` returns it.

    Returns
    -------
    list of str
        How many cells and operations differ from their control, drifted, saw the machine's speed
        change, or are near the clock's floor; empty where none did.
    """
    cell = [
        "operation",
        *[str(name) for name in table if str(name).startswith("dataset")],
        "pages",
        "dirty",
    ]
    judged = [_judge_cell(group) for _, group in table.groupby(cell, sort=False, dropna=False)]
    counts = {
        "differ from their own repetition": sum(
            not one.control[0] <= 1.0 <= one.control[1] for one in judged
        ),
        "rose or fell with the rounds": sum(one.drift_chance < DRIFTS for one in judged),
        "saw the machine's speed change by more than 15 %": sum(
            one.speed_range > SLOWS for one in judged
        ),
        "have samples near the clock's floor": sum(one.near_floor > 0 for one in judged),
    }
    return [f"{count} of {len(judged)} cells {what}" for what, count in counts.items() if count]


def _judge_cell(group: "pd.DataFrame") -> Quality:
    control = group[group["control"]].sort_values("repeat")
    same = group[(group["structure"] == control["structure"].iloc[0]) & ~group["control"]]
    options = [str(name) for name in group if str(name).startswith("structure_")]
    for name in options:
        same = same[same[name] == control[name].iloc[0]]
    same = same.sort_values("repeat")
    return judge(same["ns"], same["reference_ns"], twice=(same["ns"], control["ns"]))
