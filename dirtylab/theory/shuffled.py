"""Blocks touched where favourites lie anywhere in the slot, as likely in one place as in another.

What the draws give is a number of distinct pages, and given that, all choices of so many pages are
alike: a block is free with the probability that none of them falls into it, which depends on their
number alone and falls, page by page, by a factor that hardly changes::

    P(a block of b of n pages is free) = mean of  C(n - D, b) / C(n, b)  over the numbers D
                                       ≈ constant · mean of s^D

A mean of powers is what generating functions give: if the number of draws were a Poisson variable,
each page would be hit or not for itself, and the mean a product over the pages.  Cauchy's integral
takes the fixed number of draws out of it.  The factor ``s`` is the one where the mean comes from.
In a slot of a few pages the same integral gives the chance of each number, and the mean is exact.

Cost: about 0.5 ms a number of frames; microseconds where blocks are tiny shares of the slot.

Source: Flajolet and Sedgewick, Analytic Combinatorics, 2009, VIII.3 for the integral; Jacquet and
Szpankowski, Analytical depoissonization, 1998.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from dirtylab._check import Array
from dirtylab.theory.skewed import legendre, spaced

ONE_BY_ONE = 48
"""First ranks, and pages of a block, that are looked at one by one."""
FEW = ONE_BY_ONE
"""Pages of a slot in which each number of distinct ones is looked at."""
TINY = 1e-5
"""Share of the slot below which a block has hardly ever two of the distinct pages: their mean is
all that counts."""
PLAIN = 2**24
"""Numbers below which logarithms of factorials are exact enough."""
_CIRCLE = 64
"""Points of a whole circle, which is gone round for as many draws or fewer."""
_WIDE, _STEP = 6.5, 0.8
"""How far the integral goes for more, and in which steps, in standard deviations."""
_BARELY = 1e-12
_NOTHING = -35.0
"""Logarithm of a chance that makes no difference."""


class Pages(NamedTuple):
    """Kinds of pages: how often a draw hits each one of a kind, and how many there are."""

    chances: Array
    counts: Array


class Contour(NamedTuple):
    """Points of a circle through the mean number of draws."""

    angles: Array
    around: npt.NDArray[np.complex128]
    logs: npt.NDArray[np.complex128]
    """Logarithms of what a mean of Poisson numbers of draws is multiplied by."""


def ranks(pages: int, exponent: float) -> Pages:
    """Return the pages of a slot by Zipf's law, few enough to calculate with."""
    numbers, counts = spaced(pages, ONE_BY_ONE)
    powers = numbers**-exponent
    return Pages(powers / float(counts @ powers), counts)


def blocks_touched(kinds: Pages, draws: float, pages: int, block: int) -> float:
    """Return the expected number of blocks that draws touch, the kinds of pages anywhere."""
    whole, rest = divmod(pages, block)
    found = whole * _touched(kinds, draws, pages, block)
    return found + (_touched(kinds, draws, pages, rest) if rest else 0.0)


def _touched(kinds: Pages, draws: float, pages: int, block: int) -> float:
    """Return the probability that a block is touched."""
    if block >= pages:
        return 1.0
    with np.errstate(divide="ignore"):
        hit = -np.expm1(draws * np.log1p(-np.minimum(kinds.chances, 1.0)))
    distinct = float(kinds.counts @ hit)
    if block == 1:
        return distinct / pages
    if block < TINY * pages:
        return -math.expm1(log_missed(pages, distinct, block))
    if pages <= FEW:
        return 1.0 - _few_untouched(kinds, draws, pages, block)
    return 1.0 - _untouched(kinds, hit, draws, pages, block)


def _few_untouched(kinds: Pages, draws: float, pages: int, block: int) -> float:
    """Return the probability that a block stays untouched, from each number of distinct pages."""
    chances = np.repeat(kinds.chances, kinds.counts.astype(int))
    contour = _contour(draws)
    misses = np.exp(-contour.around[:, None] * chances)
    numbers = np.zeros((contour.around.size, pages + 1), complex)
    numbers[:, 0] = 1.0
    for page in range(pages):
        missed = misses[:, page, None]
        numbers[:, 1:] = numbers[:, 1:] * missed + numbers[:, :-1] * (1.0 - missed)
        numbers[:, :1] *= missed
    heights = (numbers * np.exp(contour.logs)[:, None]).real
    each = np.trapezoid(heights, contour.angles, axis=0) / math.pi
    free = [math.comb(pages - distinct, block) for distinct in range(pages + 1)]
    return float(each @ np.array(free, float)) / math.comb(pages, block)


def _untouched(kinds: Pages, hit: Array, draws: float, pages: int, block: int) -> float:
    usual, factor = float(kinds.counts @ hit), 1.0
    for _ in range(4):  # where the mean comes from: fewer distinct pages than usual
        left = max(pages - usual - block, 0.0)
        factor = max(left / (left + block), _BARELY)
        usual = float(kinds.counts @ (factor * hit / (1.0 - hit + factor * hit)))
    if usual > pages - block + 0.5:
        return 0.0
    missed = log_missed(pages, min(usual, pages - block), block)
    constant = missed - usual * math.log(factor)
    contour = _contour(draws)
    least = 1.0 - factor
    top = np.log1p(least * np.expm1(-draws * kinds.chances)) @ kinds.counts
    if top + constant + contour.logs[0].real < _NOTHING:
        return 0.0
    each = np.log1p(least * np.expm1(-contour.around[:, None] * kinds.chances))
    logs = (each * kinds.counts).sum(axis=1) + constant + contour.logs
    return float(np.trapezoid(np.exp(logs).real, contour.angles)) / math.pi


def log_missed(pages: int, chosen: float, block: int) -> float:
    """Return the logarithm of the probability that so many pages, any, leave a block out."""
    if chosen > pages - block:
        return -math.inf
    if block <= ONE_BY_ONE:
        return float(np.log1p(-chosen / (pages - np.arange(block))).sum())
    if pages < PLAIN:
        ends = np.array([pages - chosen, pages - block, pages - chosen - block, pages]) + 1.0
        return float(gammaln(ends) @ [1, 1, -1, -1])
    nodes, weights = legendre(_CIRCLE // 2)  # the sum over the pages chosen, as an integral
    before = chosen * (nodes + 1) / 2 - 0.5
    return float(weights @ np.log1p(-block / (pages - before))) * chosen / 2


def _contour(draws: float) -> Contour:
    """Return the half of a circle about 0 on which the number of draws is taken out."""
    around_it = draws <= _CIRCLE
    reach = math.pi if around_it else _WIDE / math.sqrt(draws)
    steps = _CIRCLE // 2 if around_it else round(_WIDE / _STEP)
    angles = np.linspace(0.0, reach, steps + 1)
    logs = draws * (np.expm1(1j * angles) - 1j * angles) + _log_most(draws)
    return Contour(angles, draws * np.exp(1j * angles), logs)


def _log_most(draws: float) -> float:
    """Return the logarithm of one over the probability that a Poisson number is its mean."""
    if draws < PLAIN:
        return float(gammaln(draws + 1.0)) - draws * math.log(draws) + draws
    return 0.5 * math.log(2 * math.pi * draws)
