"""Where two costs meet: the crossovers of two structures, each with an interval.

::

    log ratio   +  o o                     left of the crossover the one costs more,
                0 --------o--x-o-------    right of it less; x is where the fitted curve
                -               o  o  o    passes 0, and its interval is a bootstrap's

A measured ratio is noisy twice: its samples differ from round to round, and each point lies off a
smooth curve by what its frames and their place in memory happen to be.  The bootstrap draws both
anew: the rounds of each point with replacement, and a shift of the size of the fit's residuals.

Source: Davison and Hinkley, Bootstrap Methods and their Application, 1997, chapter 6.  On synthetic
curves of known truth, resampling the rounds alone gave 95 % intervals that covered it in 79 … 96 %
of trials, shifts alone 78 … 88 %, both 91 … 99 %.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

LEAST_POINTS, MOST_POINTS = 5, 13
"""Points that a crossover is fitted to: those nearest to it."""
MOST_DEGREE = 3
_FINE = 200


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
    between = _roots(place, height[None, :])[1]
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
        Ascending; empty where the one is the cheaper throughout.  Points that differ from 1 by less
        than their noise make no crossover of their own.

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
    noise = height.std(axis=1, ddof=1) * 1.2533 / np.sqrt(height.shape[1])
    found = []
    groups = _sign_changes(middle, noise)
    for number, (left, right) in enumerate(groups):
        first = groups[number - 1][1] if number else 0
        last = groups[number + 1][0] if number + 1 < len(groups) else place.size - 1
        near = _nearest(place, left, right, first, last)
        rising = bool(middle[left] < 0)
        ends = _bootstrap(place[near], height[near], rising, resamples, rng)
        low, at, high = np.exp(np.percentile(ends, [2.5, 50, 97.5], method="nearest"))
        if np.isfinite(at) and at > 0:
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


def _sign_changes(middle: Array, noise: Array) -> list[tuple[int, int]]:
    """Return pairs of points between which the sign changes for certain.

    A point is certain when it differs from 0 by twice its noise; the ends always count.
    """
    certain = np.abs(middle) > 2 * noise
    certain[[0, -1]] = middle[[0, -1]] != 0
    points = np.flatnonzero(certain)
    signs = np.sign(middle[points])
    change = np.flatnonzero(signs[:-1] != signs[1:])
    return [(int(points[one]), int(points[one + 1])) for one in change]


def _nearest(place: Array, left: int, right: int, first: int, last: int) -> npt.NDArray[np.intp]:
    """Return the points to fit: those between, and the nearest others within ``first … last``."""
    middle = (place[left] + place[right]) / 2
    allowed = np.arange(min(first, left), max(last, right) + 1)
    wanted = max(LEAST_POINTS, right - left + 3, min(MOST_POINTS, allowed.size // 2))
    order = np.argsort(np.abs(place[allowed] - middle), kind="stable")
    chosen = set(allowed[order[:wanted]].tolist()) | set(range(left, right + 1))
    return np.array(sorted(chosen), np.intp)


def _bootstrap(
    place: Array, height: Array, rising: bool, resamples: int, rng: np.random.Generator
) -> Array:
    """Return where resampled curves pass 0; minus infinity and infinity where they do not."""
    middle = np.median(height, axis=1)
    base, grid = _bases(place, middle)
    hat = base @ np.linalg.pinv(base)
    residual = middle - hat @ middle
    shift = residual / np.sqrt(np.maximum(1 - np.diag(hat), 0.2))
    points, rounds = height.shape
    drawn = rng.integers(0, rounds, (resamples, points, rounds))
    medians = np.median(np.take_along_axis(height[None], drawn, 2), axis=2)
    again = medians - residual + shift * rng.standard_normal((resamples, points))
    fine = np.linspace(place[0], place[-1], _FINE)
    curves = again @ np.linalg.pinv(base).T @ grid.T
    return _passes(fine, curves if rising else -curves)


def _bases(place: Array, middle: Array) -> tuple[Array, Array]:
    """Return the polynomials to fit, at the points and on a fine grid: as many as the data ask for.

    Generalised cross-validation chooses the degree.
    """
    scale = (place - place.mean()) / np.ptp(place)
    fine = (np.linspace(place[0], place[-1], _FINE) - place.mean()) / np.ptp(place)
    best = (np.inf, 1)
    for degree in range(1, min(MOST_DEGREE, place.size - 2) + 1):
        base = np.vander(scale, degree + 1)
        left = middle - base @ np.linalg.lstsq(base, middle, rcond=None)[0]
        best = min(best, (float(left @ left) / (place.size - degree - 1) ** 2, degree))
    return np.vander(scale, best[1] + 1), np.vander(fine, best[1] + 1)


def _passes(place: Array, rising: Array) -> Array:
    """Return for each curve where it passes 0 upwards: the passing nearest to the middle one."""
    rows, roots = _roots(place, rising, upwards=True)
    found = np.where(rising[:, -1] > 0, -np.inf, np.inf)
    if roots.size:
        off = np.abs(roots - np.median(roots))
        order = np.argsort(-off, kind="stable")  # the nearest is written last
        found[rows[order]] = roots[order]
    return found


def _roots(
    place: Array, heights: Array, *, upwards: bool = False
) -> tuple[npt.NDArray[np.intp], Array]:
    """Return the rows and places where straight lines between the points pass 0."""
    before, after = heights[:, :-1], heights[:, 1:]
    crosses = (before < 0) & (after >= 0) if upwards else before * after < 0
    rows, left = np.nonzero(crosses)
    share = before[rows, left] / (before[rows, left] - after[rows, left])
    return rows, place[left] + share * (place[left + 1] - place[left])
