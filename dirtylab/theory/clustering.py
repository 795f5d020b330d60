"""Blocks touched by clusters of pages that lie anywhere.

Clusters that may not overlap are points between free pages: each falls into one of the gaps before,
between and behind them, every gap as likely as any other.  A block is free when its first page is
free and none of the gaps between its pages has a cluster::

    F F F [5 6] F F [9 10 11] F     6 free pages, 7 gaps; clusters in gaps 3 and 5

At the slot's first and last pages that is all there is to it.  A block in between has its first
page free when so many clusters lie before it that they and the free pages before it make up its
place: a sum over both numbers, which is added up where there are few clusters and blocks.  Where
there are many it is replaced by the mean over all places, which is exact; what is lost is how
the slot's ends are felt a few clusters away from them, less than a block in all.

Where clusters may overlap each misses a block by itself, and longer ones more rarely: the mean of
the product over all choices of lengths is a coefficient of a power series, by whole numbers for few
clusters and by Cauchy's integral along a circle through the saddle point for many.

Cost: microseconds; up to a millisecond a number of frames where few blocks or clusters are counted
exactly, or where clusters overlap.

Source: Flajolet and Sedgewick, Analytic Combinatorics, 2009, VIII, for the saddle point.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import betaln, gammaln

from dirtylab._check import Array
from dirtylab.theory.skewed import legendre

EXACT = 5_000
"""Terms of a sum over blocks, clusters and places that are added up for a number of frames."""
NODES = 128
"""Places among which a sum over more of them is taken."""
PLAIN = 2**24
"""Numbers below which logarithms of factorials are exact enough, and 8 times as quick."""
RARE = 1e-4
"""Chance below which no block is taken to be touched by three overlapping clusters."""
FEW = 20
"""Overlapping clusters that are counted by whole numbers."""
_WIDE, _STEP = 9.0, 0.25
"""How far an integral goes, and in which steps, in standard deviations."""
_STEEP, _NEAR = 600.0, 1e-3


class Clusters(NamedTuple):
    """Clusters in their share of a slot."""

    span: int
    """Pages in which they lie."""
    number: int
    total: int
    """Pages in all of them."""
    fixed: bool
    """Whether their lengths are fixed, or any that add up to the total."""
    length: int | None
    """Of all but the last, where it is given and fixed."""

    @property
    def free(self) -> int:
        """Return the pages that no cluster lies on."""
        return self.span - self.total

    def lengths(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return number and length of the first clusters, and of those behind them."""
        if self.length is not None:
            before = self.number - 1
            return (before, self.length), (1, self.total - before * self.length)
        short, longer = divmod(self.total, self.number)
        return (longer, short + 1), (self.number - longer, short)


def blocks_touched(clusters: Clusters, block: int, overlap: bool) -> float:
    """Return the expected number of blocks that clusters touch.

    Parameters
    ----------
    clusters : Clusters
        One or more.
    block : int
        Pages of a block, 1 … ``clusters.span``.
    overlap : bool
        Whether they may overlap; they then go round at the end of their share of the slot.
    """
    whole, rest = divmod(clusters.span, block)
    if overlap:
        return whole * _overlapped(clusters, block) + (_overlapped(clusters, rest) if rest else 0.0)
    ends = [block, rest or block] if clusters.span > block else [block]
    found = sum(_end_touched(clusters, size) for size in ends)
    between = whole + bool(rest) - len(ends)
    return found + (_between_touched(clusters, block, between) if between else 0.0)


def _end_touched(clusters: Clusters, size: int) -> float:
    """Return the probability that the first, or last, `size` pages are touched."""
    if size > clusters.free:
        return 1.0
    return -math.expm1(clusters.number * math.log1p(-size / (clusters.free + 1)))


def _between_touched(clusters: Clusters, block: int, blocks: int) -> float:
    """Return how many of the blocks from the second on are touched, the last one left out."""
    if block > clusters.free:
        return float(blocks)
    places = 1 if clusters.fixed else min(clusters.free, _nodes(clusters.number))
    if blocks * (clusters.number + 1) * places > EXACT:
        return blocks * _mean_touched(clusters, block)
    starts = block * np.arange(1.0, blocks + 1)
    untouched = _fixed_untouched if clusters.fixed else _geometric_untouched
    return blocks - untouched(clusters, starts, block)


def _mean_touched(clusters: Clusters, block: int) -> float:
    """Return the mean probability over all places of a block but the two at the ends."""
    end = _end_touched(clusters, block)
    gaps = (block - 1) / (clusters.free + 1)
    between = -math.expm1(clusters.number * math.log1p(-gaps))
    touched = clusters.total - 2 * end + (clusters.free - block + 1) * between
    return touched / (clusters.span - block - 1)


def _log_choose(many: Array, few: Array) -> Array:
    """Return the logarithm of a binomial coefficient; minus infinity where it is 0."""
    known = (few >= 0) & (many >= few)
    some, rest = np.where(known, few, 0.0) + 1.0, np.where(known, many - few, 0.0) + 1.0
    if many.max() < PLAIN:
        chosen = gammaln(some + rest - 1.0) - gammaln(some) - gammaln(rest)
    else:  # differences of large logarithms would lose digits
        chosen = -np.log(some + rest - 1.0) - betaln(rest, some)
    return np.where(known, chosen, -np.inf)


def _log_gaps(clusters: Clusters, block: int, before: Array, free: Array) -> Array:
    """Return the logarithm of the probability that clusters lie in gaps on both sides of a block.

    So many lie `before` it, where so many pages are `free`, the others behind it, none between.
    """
    gaps = clusters.free + 1.0
    behind = clusters.number - before
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.where(before > 0, before * np.log((free + 1.0) / gaps), 0.0)
        right = np.where(behind > 0, behind * np.log((gaps - free - block) / gaps), 0.0)
    inside = (free >= 0) & (free <= clusters.free - block)
    ways = _log_choose(np.full(np.shape(before), float(clusters.number)), before)
    return np.where(inside, ways + left + right, -np.inf)


def _fixed_untouched(clusters: Clusters, starts: Array, block: int) -> float:
    """Return how many blocks are free between clusters of known lengths."""
    (many, length), (_, other) = clusters.lengths()
    before = np.arange(clusters.number + 1.0)
    taken = np.minimum(before, many) * length + np.maximum(before - many, 0) * other
    return float(np.exp(_log_gaps(clusters, block, before, starts[:, None] - taken)).sum())


def _geometric_untouched(clusters: Clusters, starts: Array, block: int) -> float:
    """Return how many blocks are free between clusters of any lengths."""
    number, total = clusters.number, clusters.total
    none_or_all = np.array([0.0, number])
    pages_before = starts[:, None] - none_or_all / number * total
    found = float(np.exp(_log_gaps(clusters, block, none_or_all, pages_before)).sum())
    before = np.arange(1.0, number)
    all_ways = _log_choose(np.array(total - 1.0), np.array(number - 1.0))
    for start in starts:
        first, last = max(0, start - total + 1), min(start - 1, clusters.free - block)
        free, weights = _places(int(first), int(last), _nodes(number))
        taken = start - free[:, None]
        ways = _log_choose(taken - 1.0, before - 1.0)
        ways += _log_choose(total - taken - 1.0, number - before - 1.0)
        logs = _log_gaps(clusters, block, before, free[:, None]) + ways - all_ways
        found += float(weights @ np.exp(logs).sum(axis=1))
    return found


def _nodes(number: int) -> int:
    """Return at how many places a sum of polynomials in so many clusters is looked at."""
    return NODES if number > NODES // 8 else NODES // 4


def _places(first: int, last: int, most: int) -> tuple[Array, Array]:
    """Return numbers from first to last, and how many each stands for."""
    count = last - first + 1
    if count <= NODES:
        return np.arange(first, last + 1.0), np.ones(max(count, 0))
    nodes, weights = legendre(most)
    return first - 0.5 + count * (nodes + 1) / 2, weights * count / 2


def _overlapped(clusters: Clusters, block: int) -> float:
    """Return the probability that overlapping clusters touch a block."""
    number, starts = clusters.number, clusters.span - block
    if starts <= 0:
        return 1.0
    if not clusters.fixed:
        if clusters.total + number * (block - 1) < RARE * clusters.span:
            return _rarely_touched(clusters, block)
        return -math.expm1(_log_missed(number, clusters.total, starts, clusters.span))
    log = 0.0
    for many, length in clusters.lengths():
        if many and starts + 1 <= length:
            return 1.0
        log += many * math.log1p(-(length + block - 1) / clusters.span) if many else 0.0
    return -math.expm1(log)


def _rarely_touched(clusters: Clusters, block: int) -> float:
    """Return the probability that a block is touched, by one cluster or by two; hardly by more."""
    number, total, more = clusters.number, clusters.total, block - 1
    two_lengths = total * (total + 1) / (number * (number + 1))
    two = two_lengths + 2 * more * total / number + more**2
    pairs = number * (number - 1) / 2
    return (total + number * more) / clusters.span - pairs * two / clusters.span**2


def _log_missed(number: int, total: int, starts: int, span: int) -> float:
    """Return the logarithm of the probability that clusters of any lengths miss a block.

    One of length `l` misses it from ``starts + 1 - l`` of the `span` pages; the mean of the
    products is that of the coefficients of ``(sum of (starts + 1 - l) z**l) ** number``.
    """
    if total > number * starts:
        return -math.inf
    coefficient = _whole_coefficient if number <= FEW else _saddle_coefficient
    ways = float(_log_choose(np.array(total - 1.0), np.array(number - 1.0)))
    return coefficient(number, total, starts + 1) - ways - number * math.log(span)


def _whole_coefficient(number: int, total: int, most: int) -> float:
    """Return the logarithm of the coefficient by whole numbers.

    The sum is ``(most (1 - z) - 1 + z**most) z / (1 - z)**2``, where `most` is one more than the
    starts.
    """
    found = 0
    for longer in range(min(number, (total - number) // most) + 1):
        left = total - number - longer * most
        for other in range(number - longer + 1):
            power = 2 * number - other - 1
            term = math.comb(number, longer) * math.comb(number - longer, other)
            term *= most**other * math.comb(left + power, power)
            found += -term if (number - longer - other) % 2 else term
    return math.log(found) if found > 0 else -math.inf


def _saddle_coefficient(number: int, total: int, most: int) -> float:
    """Return the logarithm of the coefficient by an integral along a circle, ``z = exp(-fall)``."""
    if total == number:
        return number * math.log(most - 1)
    wanted = total / number
    if _mean_length(-_STEEP / most, most) <= wanted:
        return -math.inf
    fall = brentq(lambda one: _mean_length(one, most) - wanted, -_STEEP / most, _STEEP)
    apart = 1e-3 * max(abs(fall), 1 / most)
    lengths = [_mean_length(fall + step, most) for step in (-apart, apart)]
    deviation = math.sqrt(number * (lengths[0] - lengths[1]) / (2 * apart))
    reach = min(_WIDE / deviation, math.pi)
    angles = np.linspace(0.0, reach, math.ceil(reach * deviation / _STEP) + 1)
    logs = number * _log_sum(fall + 1j * angles, most) + total * (fall + 1j * angles)
    top = float(logs[0].real)
    heights = np.exp(logs - top).real
    integral = float(np.trapezoid(heights, angles)) / math.pi
    return top + math.log(integral)


def _log_sum(fall: npt.NDArray[np.complex128], most: int) -> npt.NDArray[np.complex128]:
    """Return the logarithm of the sum of ``(most - l) z**l`` over l from 1 on."""
    if abs(fall[0]) * most < _NEAR:
        fall = fall + 2 * _NEAR / most
    less = -np.expm1(-fall)
    found: npt.NDArray[np.complex128] = (
        np.log(most * less + np.expm1(-most * fall)) - 2 * np.log(less) - fall
    )
    return found


def _mean_length(fall: float, most: int) -> float:
    """Return the mean length where each page more is less likely by ``exp(-fall)``."""
    if abs(fall) * most < _NEAR:
        return (most + 1) / 3 - fall * (most + 1) * (most - 2) / 18
    less = -math.expm1(-fall)
    rise = most * (math.exp(-fall) - math.exp(-most * fall))
    return 1 + 2 * math.exp(-fall) / less - rise / (most * less + math.expm1(-most * fall))
