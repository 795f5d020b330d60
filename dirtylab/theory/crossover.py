"""Crossovers of two structures' costs, each with an interval.

::

    log ratio   +  o o                     left of the crossover the one costs more,
                0 --------o--x-o-------    right of it less; x is where the curve passes 0,
                -               o  o  o    and its interval holds 95 % of where it may do so

A measured ratio is noisy twice: its samples differ from round to round, and each point lies off
the curve by what its frames and their place in memory happen to be.  The curve itself is smooth but
for a step, where a structure outgrows a cache, say.  Only the nearest points count, and curves are
drawn from the posterior of what fits them (:mod:`dirtylab.theory.stepped`).

How often intervals cover a known truth is tried in ``tests/test_crossover.py`` and
``tests/test_crossover_steps.py``: smooth curves and stepped ones (1.05 … 2 times, anywhere and at
the crossing), noise that is normal, heavy-tailed or slow in whole rounds, 3 … 8 points a decade.
They do so in 90 … 99 % of trials, and in 65 … 97 % where a step of 1.15 ends so near to 0 that
noise hides on which side.  A bootstrap of a fitted polynomial's residuals, before, covered the
truth as often on smooth curves, and in 10 … 88 % of trials before such a step.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dirtylab._check import Array
from dirtylab.theory.stepped import passing

LEAST_POINTS = 5
"""Fewest points for a crossover."""
MOST_POINTS = 11
"""Points that the curve is drawn through: those nearest to the crossover."""
LEVEL = 96.5
"""Share of the draws in an interval.  With 95, those beside steps of 1.15 covered the truth in 88 %
of trials with the loudest noise; smooth curves then have 96 … 99 %."""
CERTAIN = 3.3
"""Standard errors by which the ratio must differ from 1 on either side, in a point or in ..."""
RUNS = (3, 5, 7)
"""... the mean of so many neighbours.  With 2, and the first and last point always believed, two
structures alike had a crossover in 70 % of trials, in 30 % with both ends; now in 3 … 6 %."""
_LEAST_NOISE = 1e-9
_LEAST_OWN = 1e-4
_MEDIAN = 1.2533
"""Standard error of a median of normal numbers, over that of their mean."""
_NORMAL = 0.6745
"""Median of the absolute value of a standard normal number."""


class Crossover(NamedTuple):
    """Where two curves of cost meet."""

    at: float
    low: float
    """Lower end of the 95 % interval; 0 where the curves may meet before the first point."""
    high: float
    """Upper end; infinite where they may meet beyond the last point."""
    rising: bool
    """Whether the ratio passes 1 from below: the first is the cheaper one before."""


def crossings(x: npt.ArrayLike, ratio: npt.ArrayLike) -> Array:
    """Return where a ratio of two costs passes 1, straight lines between log-log points.

    Parameters
    ----------
    x : array_like of float
        Positive, ascending; dirty frames, say.
    ratio : array_like of float
        Positive; cost of the one over cost of the other at each `x`.

    Returns
    -------
    numpy.ndarray
        Ascending, empty when the curves do not cross between the points.

    Examples
    --------
    >>> crossings([1, 100], [10, 0.1])
    array([10.])
    """
    place, height = np.log(np.asarray(x, float)), np.log(np.asarray(ratio, float))
    between = _roots(place, height)
    found: Array = np.exp(np.sort(np.concatenate([between, place[height == 0]])))
    return found


def crossovers(
    x: npt.ArrayLike, ratios: npt.ArrayLike, *, draws: int = 400, seed: int = 2016
) -> list[Crossover]:
    """Return where a measured ratio of two costs passes 1, each with a 95 % interval.

    Parameters
    ----------
    x : array_like of float
        Shape ``(points,)``, positive, ascending; dirty frames, say.  5 points or more.
    ratios : array_like of float
        Shape ``(points, rounds)``, positive: cost of the one over cost of the other, both measured
        in the same round; 2 rounds or more.
    draws : int, optional
        Curves drawn for each crossover.
    seed : int, optional
        Of the draws.

    Returns
    -------
    list of Crossover
        Ascending; empty where one is cheaper throughout within the noise: points that differ from 1
        by less than their noise make no crossover of their own.

    Raises
    ------
    ValueError
        Too few points or rounds, or values that are not positive and ascending.

    Notes
    -----
    Cost: about 4 ms a crossover.
    """
    place, height = _clean(x, ratios)
    middle = np.median(height, axis=1)
    groups = _sign_changes(middle, _noise(height, middle))
    own = _own_noise(height, middle)
    found = []
    for number, (left, right, rising) in enumerate(groups):
        first = groups[number - 1][1] if number else 0
        last = groups[number + 1][0] if number + 1 < len(groups) else place.size - 1
        near = _nearest(place, left, right, first, last)
        inside = np.searchsorted(near, (left - 1, right + 1))
        ends = max(0, int(inside[0])), min(near.size - 1, int(inside[1]))
        curve = middle[near] if rising else -middle[near]
        roots = passing(place[near], curve, own, ends, draws, seed + number)
        roots = _beyond_none(roots, place, near[list(ends)])
        outside = (100 - LEVEL) / 2
        parts = [outside, 50, 100 - outside]
        low, at, high = np.exp(np.percentile(roots, parts, method="nearest"))
        found.append(Crossover(_within(at, place, left, right), float(low), float(high), rising))
    return found


def _beyond_none(roots: Array, place: Array, ends: npt.NDArray[np.intp]) -> Array:
    """Return the roots within the points at the ends, where these are not the first or the last.

    There the sign is sure on both sides; only beyond all points nothing is known.
    """
    first = -np.inf if ends[0] == 0 else place[ends[0]]
    last = np.inf if ends[1] == place.size - 1 else place[ends[1]]
    inside: Array = np.clip(roots, first, last)
    return inside


def _within(at: float, place: Array, left: int, right: int) -> float:
    """Return a crossover that lies between the points where the sign is sure, if beyond them."""
    low, high = np.exp(place[[left, right]])
    return float(np.clip(at, low, high)) if not 0 < at < np.inf else float(at)


def _clean(x: npt.ArrayLike, ratios: npt.ArrayLike) -> tuple[Array, Array]:
    given, values = np.asarray(x, float), np.asarray(ratios, float)
    if given.ndim != 1 or values.ndim != 2 or values.shape[0] != given.size:
        raise ValueError(
            f"ratios: shape {values.shape} for x of shape {given.shape}; must be (points, rounds)"
        )
    if given.size < LEAST_POINTS or values.shape[1] < 2:
        raise ValueError(
            f"ratios: shape {values.shape}; needs {LEAST_POINTS} points and 2 rounds or more"
        )
    if not (given > 0).all() or not (np.diff(given) > 0).all():
        raise ValueError("x: must be positive and ascending")
    if not (np.isfinite(values) & (values > 0)).all():
        raise ValueError("ratios: must be positive and finite")
    return np.log(given), np.log(values)


def _noise(height: Array, middle: Array) -> Array:
    """Return the standard error of each point: of its median, and of where the point lies.

    The latter is what points scatter beyond their medians' errors, by third differences, which
    parabolas do not have.
    """
    own: Array = height.std(axis=1, ddof=1) * _MEDIAN / np.sqrt(height.shape[1])
    scatter = np.median(np.abs(np.diff(middle, 3))) / np.sqrt(20) / _NORMAL
    beyond = max(0.0, scatter**2 - float(np.median(own)) ** 2)
    noise: Array = np.maximum(np.sqrt(own**2 + beyond), _LEAST_NOISE)
    return noise


def _sign_changes(middle: Array, noise: Array) -> list[tuple[int, int, bool]]:
    """Return pairs of points between which the sign changes for certain, and whether it rises."""
    clear = middle / noise
    for number in RUNS:
        if number > middle.size:
            break
        ones = np.ones(number)
        run = np.convolve(middle, ones, "same") / np.sqrt(np.convolve(noise**2, ones, "same"))
        clear = np.where(np.abs(clear) > CERTAIN, clear, run)  # the shortest that tells
    points = np.flatnonzero(np.abs(clear) > CERTAIN)
    signs = np.sign(clear[points])
    change = np.flatnonzero(signs[:-1] != signs[1:])
    return [(int(points[one]), int(points[one + 1]), bool(signs[one] < 0)) for one in change]


def _own_noise(height: Array, middle: Array) -> float:
    """Return the standard error of a point's median by how its rounds scatter."""
    off = np.median(np.abs(height - middle[:, None]), axis=1) / _NORMAL
    return max(float(np.median(off)) * _MEDIAN / np.sqrt(height.shape[1]), _LEAST_OWN)


def _nearest(place: Array, left: int, right: int, first: int, last: int) -> npt.NDArray[np.intp]:
    """Return the points to fit: those between, and the nearest others within ``first … last``."""
    middle = (place[left] + place[right]) / 2
    allowed = np.arange(min(first, left), max(last, right) + 1)
    order = np.argsort(np.abs(place[allowed] - middle), kind="stable")
    chosen = set(allowed[order[:MOST_POINTS]].tolist()) | set(range(left, right + 1))
    return np.array(sorted(chosen), np.intp)


def _roots(place: Array, heights: Array) -> Array:
    """Return where straight lines between the points pass 0."""
    before, after = heights[:-1], heights[1:]
    left = np.flatnonzero(before * after < 0)
    share = before[left] / (before[left] - after[left])
    found: Array = place[left] + share * (place[left + 1] - place[left])
    return found
