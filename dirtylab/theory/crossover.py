"""Crossovers of two structures' costs, each with an interval.

::

    log ratio   +  o o                     left of the crossover the one costs more,
                0 --------o--x-o-------    right of it less; x is where the fitted curve
                -               o  o  o    passes 0, and its interval is a bootstrap's

A measured ratio is noisy twice: its samples differ from round to round, and each point lies off a
smooth curve by what its frames and their place in memory happen to be.  Both are in the residuals
of a curve fitted to the medians of the nearest points.  They are resampled, which gives the
distribution of the fitted curve's error in units of its standard error; the interval is where the
curve is not further from 0 than that: all crossovers that a test would not reject.

Sources: Davison and Hinkley, Bootstrap Methods and their Application, 1997, chapters 5 and 6 (the
studentised bootstrap of residuals); Fieller's theorem (inverting the test).  On synthetic curves of
known truth, nine shapes by nine kinds of noise, 95 % intervals covered it in 94.9 % of trials: in
91 … 98 % for 79 of the 81, in all for two crossovers among 13 points, which have few to spare.
Percentiles of resampled rounds covered it in 79 … 96 % (each point's own error is missing), of
rounds and residuals together in 77 … 100 % (the rounds' noise counts twice).
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dirtylab._check import Array

LEAST_POINTS = 5
"""Fewest points for a crossover."""
FEW_POINTS, MANY_POINTS = 7, 9
"""Points that a crossover is fitted to: those nearest to it.  With 13 instead of 9 a curve that
bends on both sides was off by more than its interval in 13 % of trials, and no surer elsewhere."""
MOST_DEGREE = 3
ENOUGH_POINTS = 8
"""Points from which on no straight line is fitted: where a curve levels off, the line that noise
made look best kept the interval from the truth in 12 % of trials, not 8, and is 2 % shorter."""
LEVEL = 95
CERTAIN = 3.3
"""Standard errors by which the ratio must differ from 1 on either side, in a point or in ..."""
RUNS = (3, 5, 7)
"""... the mean of so many neighbours.  With 2, and the first and last point always believed, two
structures alike had a crossover in 70 % of trials, in 30 % with both ends; now in 3 … 6 %."""
_LEAST_NOISE = 1e-9
_FREE = 2
"""Points more than coefficients that a fit needs, to know its own error."""
_FINE = 400
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
    x: npt.ArrayLike, ratios: npt.ArrayLike, *, resamples: int = 400, seed: int = 2016
) -> list[Crossover]:
    """Return where a measured ratio of two costs passes 1, each with a 95 % bootstrap interval.

    Parameters
    ----------
    x : array_like of float
        Shape ``(points,)``, positive, ascending; dirty frames, say.  5 points or more.
    ratios : array_like of float
        Shape ``(points, rounds)``, positive: cost of the one over cost of the other, both measured
        in the same round; 2 rounds or more.
    resamples : int, optional
        Bootstrap samples.
    seed : int, optional
        Seeds the bootstrap.

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
    Cost: about 2 ms a crossover.
    """
    place, height = _clean(x, ratios)
    rng = np.random.default_rng(seed)
    middle = np.median(height, axis=1)
    groups = _sign_changes(middle, _noise(height, middle))
    found = []
    for number, (left, right, rising) in enumerate(groups):
        first = groups[number - 1][1] if number else 0
        last = groups[number + 1][0] if number + 1 < len(groups) else place.size - 1
        near = _nearest(place, left, right, first, last)
        curve = middle[near] if rising else -middle[near]
        ends = _passing(place[near], curve, (place[left], place[right]), resamples, rng)
        low, at, high = np.exp(ends)
        found.append(Crossover(float(at), float(low), float(high), rising))
    return found


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
    own: Array = height.std(axis=1, ddof=1) * 1.2533 / np.sqrt(height.shape[1])
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


def _nearest(place: Array, left: int, right: int, first: int, last: int) -> npt.NDArray[np.intp]:
    """Return the points to fit: those between, and the nearest others within ``first … last``."""
    middle = (place[left] + place[right]) / 2
    allowed = np.arange(min(first, left), max(last, right) + 1)
    wanted = max(FEW_POINTS, right - left + 3, min(MANY_POINTS, allowed.size // 2))
    order = np.argsort(np.abs(place[allowed] - middle), kind="stable")
    chosen = set(allowed[order[:wanted]].tolist()) | set(range(left, right + 1))
    return np.array(sorted(chosen), np.intp)


class _Fit(NamedTuple):
    """A polynomial through points, on a fine grid between them."""

    place: Array
    curve: Array
    """Its height at each place of the grid."""
    weights: Array
    """Shape ``(grid, points)``: what the points' heights are multiplied by to give the curve's."""
    hat: Array
    """The same for the curve's height at the points."""
    residual: Array
    free: int
    """Points more than coefficients."""

    def errors(self, residuals: Array) -> Array:
        """Return the standard error of one point, by each row of residuals."""
        squares: Array = np.sqrt((residuals**2).sum(axis=-1) / self.free)
        return squares

    def spread(self) -> Array:
        """Return the standard error of the curve at each place, in units of one point's."""
        squares: Array = np.sqrt((self.weights**2).sum(axis=1))
        return squares


def _passing(
    place: Array, height: Array, sure: tuple[float, float], resamples: int, rng: np.random.Generator
) -> tuple[float, float, float]:
    """Return where points pass 0 upwards, between the ends of its interval.

    Where there are too few points to fit a curve to, or it does not pass 0, the interval goes from
    the one point of which the sign is `sure` to the other.
    """
    fit = _fit(place, height)
    if fit is None:
        return sure[0], sum(sure) / 2, sure[1]
    passes = np.flatnonzero((fit.curve[:-1] < 0) & (fit.curve[1:] >= 0))
    if passes.size == 0:
        return sure[0], sum(sure) / 2, sure[1]
    off = np.abs(fit.place[passes] - sum(sure) / 2)
    root = int(passes[np.argmin(off)])
    band = _quantile(fit, root, resamples, rng) * fit.errors(fit.residual) * fit.spread()
    below = np.flatnonzero(fit.curve[: root + 1] < -band[: root + 1])
    above = np.flatnonzero(fit.curve[root + 1 :] > band[root + 1 :]) + root + 1
    low = _zero(fit.place, fit.curve + band, int(below[-1])) if below.size else -np.inf
    high = _zero(fit.place, fit.curve - band, int(above[0]) - 1) if above.size else np.inf
    return low, _zero(fit.place, fit.curve, root), high


def _quantile(fit: _Fit, root: int, resamples: int, rng: np.random.Generator) -> float:
    """Return how many of its own standard errors a fitted curve may be off at a place."""
    own = fit.residual / np.sqrt(np.maximum(1 - np.diag(fit.hat), 0.1))
    drawn = rng.choice(own - own.mean(), (resamples, own.size))
    errors = fit.errors(drawn - drawn @ fit.hat.T)
    off = np.abs(drawn @ fit.weights[root])
    known = errors > 0
    if not known.any():
        return 0.0
    return float(np.percentile(off[known] / errors[known], LEVEL) / fit.spread()[root])


def _zero(place: Array, heights: Array, left: int) -> float:
    """Return where a straight line from the grid's place `left` to the next passes 0."""
    before, after = heights[left], heights[left + 1]
    share = before / (before - after) if before != after else 0.0
    return float(place[left] + np.clip(share, 0.0, 1.0) * (place[left + 1] - place[left]))


def _fit(place: Array, height: Array) -> _Fit | None:
    """Return the polynomial that generalised cross-validation chooses; None of too few points."""
    scale = (place - place.mean()) / np.ptp(place)
    fine = np.linspace(place[0], place[-1], _FINE)
    best: tuple[float, _Fit] | None = None
    least = 1 if place.size < ENOUGH_POINTS else 2
    for degree in range(least, min(MOST_DEGREE, place.size - 1 - _FREE) + 1):
        base = np.vander(scale, degree + 1)
        inverse = np.linalg.pinv(base)
        weights = np.vander((fine - place.mean()) / np.ptp(place), degree + 1) @ inverse
        hat = base @ inverse
        residual = height - hat @ height
        free = place.size - degree - 1
        score = float(residual @ residual) / free**2
        if best is None or score < best[0]:
            best = score, _Fit(fine, weights @ height, weights, hat, residual, free)
    return None if best is None else best[1]


def _roots(place: Array, heights: Array) -> Array:
    """Return where straight lines between the points pass 0."""
    before, after = heights[:-1], heights[1:]
    left = np.flatnonzero(before * after < 0)
    share = before[left] / (before[left] - after[left])
    found: Array = place[left] + share * (place[left + 1] - place[left])
    return found
