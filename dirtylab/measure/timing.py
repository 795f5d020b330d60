"""Timing: candidates interleaved, samples well above the clock's resolution, raw samples kept.

A candidate is a *sampler*: a function that does its work ``loops`` times and returns the
nanoseconds that took, by a clock as close to the work as it can be (:mod:`.clock`).  Nothing
here knows what is measured.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dirtylab.measure.experiment import experiment

Sampler = Callable[[int], int]
"""Called with the number of loops; returns nanoseconds for all of them."""

FLOOR_NS = 200
"""Shortest sample that counts: ten steps of a clock that takes 20 ns to read.

No longer than needed, as looping distorts: caches and branch predictor adapt to repeated work.  The
posted tree's walk of 100 random frames takes 11 µs the first time and 1.9 µs when looped, the copy
of a list of 1,000 entries 290 ns and 60 ns.
"""

MAX_LOOPS = 10**7


class Samples(NamedTuple):
    """The raw result of one candidate."""

    ns: npt.NDArray[np.float64]
    """Nanoseconds for one loop, a value a repeat."""
    loops: int
    """Loops in each sample."""


class Estimate(NamedTuple):
    """Summary statistics of samples."""

    median: float
    low: float
    """10th percentile."""
    high: float
    """90th percentile."""
    minimum: float


def estimate(ns: npt.ArrayLike) -> Estimate:
    """Summarise samples by median, 10th and 90th percentile and minimum."""
    values = np.asarray(ns, dtype=float)
    low, median, high = np.percentile(values, [10, 50, 90])
    return Estimate(float(median), float(low), float(high), float(values.min()))


def loops_for(sampler: Sampler, floor_ns: int = FLOOR_NS) -> int:
    """Return how many loops make a sample of at least `floor_ns`, once warmed up."""
    sampler(1)
    loops = 1
    while loops < MAX_LOOPS:
        elapsed = sampler(loops)
        if elapsed >= floor_ns:
            return loops
        needed = int(1.5 * loops * floor_ns / max(elapsed, 1)) + 1
        loops = min(needed, 10 * loops, MAX_LOOPS)
    return loops


def interleave(
    samplers: Mapping[str, Sampler],
    repeats: int,
    rng: np.random.Generator,
    *,
    prepare: Callable[[int], object] | None = None,
    floor_ns: int = FLOOR_NS,
) -> dict[str, Samples]:
    """Measure candidates in turn, in a new random order each round.

    Slow phases of the machine and cache contents left by others then affect all candidates alike.

    Parameters
    ----------
    samplers : mapping of str to callable
        The candidates.
    repeats : int
        Rounds, hence samples of each candidate.
    rng : numpy.random.Generator
        Draws the orders.
    prepare : callable, optional
        Called before each round with its number: makes a fresh state, untimed.
    floor_ns : int, optional
        Shortest sample, in ns; short work is looped up to it.

    Returns
    -------
    dict of str to Samples
        In the order of `samplers`.
    """
    loops = {name: loops_for(sampler, floor_ns) for name, sampler in samplers.items()}
    found = experiment(
        list(samplers), repeats, rng,
        lambda name, _: [(name, samplers[name](loops[name]) / loops[name])], prepare=prepare,
    )  # fmt: skip
    return {
        name: Samples(np.array([ns for one, ns in found if one == name], float), loops[name])
        for name in samplers
    }
