"""Which structure is the cheapest along an axis, and at which crossovers that changes."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dirtylab._check import Array
from dirtylab.explore.views.model_curves import Curves
from dirtylab.theory.crossover import Crossover, crossings, crossovers

FINE = 4
"""Points between two of a curve at which the cheapest structure is determined."""


class Region(NamedTuple):
    """An interval of the axis on which one structure is the cheapest."""

    winner: str
    begin: float
    end: float


class CrossoverPoint(NamedTuple):
    """Where two structures cost the same."""

    before: str
    """The cheaper one below `at`."""
    after: str
    """The cheaper one above."""
    at: float
    low: float
    """Lower end of the interval; 0 where nothing bounds it."""
    high: float
    """Upper end; infinite where nothing bounds it."""
    extrapolated: bool = False
    """Whether it lies beyond what was calibrated: then its ends are the place itself."""


def regions(curves: Curves, tie: float = 0.0) -> list[Region]:
    """Return the regions of the axis, each with its cheapest structure.

    Parameters
    ----------
    curves : Curves
        Costs along the axis.
    tie : float, optional
        A region whose winner is nowhere that much (0.1: 10 %) cheaper than that of a neighbouring
        region is merged with it: a model can't tell them apart.
    """
    if curves.x.size < 2 or not curves.ns:
        return []
    place = np.log(curves.x)
    fine = np.interp(
        np.linspace(0, place.size - 1, FINE * (place.size - 1) + 1), np.arange(place.size), place
    )
    heights = {name: np.interp(fine, place, np.log(ns)) for name, ns in curves.ns.items()}
    names = list(heights)
    best = [names[index] for index in np.array(list(heights.values())).argmin(axis=0)]
    stretches = _without_ties(_stretches(best), heights, np.log1p(tie))
    ends = [
        _crossing(fine, heights[one[0]], heights[two[0]], two[1])
        for one, two in pairwise(stretches)
    ]
    borders = [float(curves.x[0]), *ends, float(curves.x[-1])]
    return [
        Region(stretch[0], begin, end)
        for stretch, (begin, end) in zip(stretches, pairwise(borders), strict=True)
    ]


Stretch = tuple[str, int, int]
"""The cheapest structure, and the first and last point."""


def _stretches(best: Sequence[str]) -> list[Stretch]:
    starts = [0, *(one for one in range(1, len(best)) if best[one] != best[one - 1])]
    return [(best[start], start, stop) for start, stop in pairwise([*starts, len(best)])]


def _without_ties(
    stretches: list[Stretch], heights: Mapping[str, Array], least: float
) -> list[Stretch]:
    """Merge each stretch of less than that gain with a neighbour, the least gain first."""
    while len(stretches) > 1:
        gains = [_gain(stretches, number, heights) for number in range(len(stretches))]
        gain, number, heir = min(gains)
        if gain >= least:
            break
        _, begin, stop = stretches[number]
        given = [*stretches[:number], (heir, begin, stop), *stretches[number + 1 :]]
        stretches = _joined(given)
    return stretches


def _gain(
    stretches: Sequence[Stretch], number: int, heights: Mapping[str, Array]
) -> tuple[float, int, str]:
    """Return the greatest gain over the better neighbour, in logarithms, and that neighbour."""
    name, begin, stop = stretches[number]
    near = [stretches[one][0] for one in (number - 1, number + 1) if 0 <= one < len(stretches)]
    over = [float((heights[other] - heights[name])[begin:stop].max()) for other in near]
    least = min(over)
    return least, number, near[over.index(least)]


def _joined(stretches: Sequence[Stretch]) -> list[Stretch]:
    joined: list[Stretch] = []
    for name, begin, stop in stretches:
        if joined and joined[-1][0] == name:
            joined[-1] = (name, joined[-1][1], stop)
        else:
            joined.append((name, begin, stop))
    return joined


def _crossing(place: Array, one: Array, other: Array, index: int) -> float:
    """Return where two curves cross, nearest to the point `index`."""
    off = one - other
    changes = np.flatnonzero(off[:-1] * off[1:] <= 0)
    if not changes.size:
        return float(np.exp(place[index]))
    left = int(changes[np.abs(changes - index).argmin()])
    before, after = off[left : left + 2]
    share = before / (before - after) if before != after else 0.5
    return float(np.exp(place[left] + share * (place[left + 1] - place[left])))


def model_crossovers(
    curves: Curves, stretches: Sequence[Region], errors: Mapping[str, float]
) -> list[CrossoverPoint]:
    """Return where the cheapest structure changes, with intervals by the model's error.

    Parameters
    ----------
    curves : Curves
        A model's curves.
    stretches : sequence of Region
        The cheapest structures.
    errors : mapping of str to float
        Structure to the model's relative error: the crossover may be wherever the ratio of the two
        costs differs from 1 by no more than both errors.  Beyond what was calibrated there is none.
    """
    found = []
    for one, two in pairwise(stretches):
        slack = float(np.hypot(errors.get(one.winner, 0.0), errors.get(two.winner, 0.0)))
        at = one.end
        beyond = not curves.calibrated[np.argmin(np.abs(np.log(curves.x / at)))]
        low, high = (at, at) if beyond else _within(curves, one.winner, two.winner, at, slack)
        found.append(CrossoverPoint(one.winner, two.winner, at, low, high, bool(beyond)))
    return found


def _within(curves: Curves, one: str, two: str, at: float, slack: float) -> tuple[float, float]:
    """Return the interval about `at` in which two curves differ by no more than `slack`."""
    ratio = curves.ns[one] / curves.ns[two]
    low, high = 0.0, float("inf")
    for factor in (1 + slack, 1 / (1 + slack)):
        places = crossings(curves.x, ratio * factor)
        low = max([low, *places[places <= at]])
        high = min([high, *places[places >= at]])
    return low, high


def measured_crossovers(
    x: npt.ArrayLike, samples: Mapping[str, Array], pairs: Sequence[tuple[str, str]]
) -> list[CrossoverPoint]:
    """Return where pairs of structures cross by measurement, with 95 % intervals.

    Parameters
    ----------
    x : array_like of float
        Shape ``(points,)``, ascending.
    samples : mapping of str to numpy.ndarray
        Structure to nanoseconds, shape ``(points, rounds)``; rounds go together.
    pairs : sequence of pair of str
        The structures to compare.
    """
    places = np.asarray(x, float)
    found = []
    for one, two in pairs:
        if one not in samples or two not in samples or places.size < 5:
            continue
        found += [
            _crossover_point(one, two, c) for c in crossovers(places, samples[one] / samples[two])
        ]
    return sorted(found, key=lambda point: point.at)


def _crossover_point(one: str, two: str, crossing: Crossover) -> CrossoverPoint:
    before, after = (one, two) if crossing.rising else (two, one)
    return CrossoverPoint(before, after, crossing.at, crossing.low, crossing.high)


def pairs_of(stretches: Sequence[Region], structures: Sequence[str]) -> list[tuple[str, str]]:
    """Return the pairs to compare: winners of neighbouring regions, or the two structures shown."""
    if len(structures) == 2:
        return [(structures[0], structures[1])]
    winners = [stretch.winner for stretch in stretches]
    return list(dict.fromkeys(pairwise(winners)))
