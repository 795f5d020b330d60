"""Blocks touched by patterns with favourites, from their laws of probability.

A page that each of ``k`` draws hits with probability ``p`` stays untouched with ``(1 - p)^k``;
pages of like probability are treated together: ranks by quadrature, parts and windows as a whole.
"""

import functools
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dirtylab._check import Array

EXACT = 4096
"""Ranks or blocks that are summed one by one; the rest by quadrature over their logarithm."""
NODES = 6
"""Numbers that are looked at for a factor of e."""


class Part(NamedTuple):
    """Pages that are alike."""

    pages: int
    writes: float
    """Share of all draws that go to them."""


def parts_touched(parts: Sequence[Part], dirty: Array, block: int) -> Array:
    """Return the expected number of blocks touched where the parts lie one after the other."""
    borders = np.cumsum([0, *(part.pages for part in parts)])
    pages = int(borders[-1])
    total = np.zeros_like(dirty)
    straddling = sorted({int(border) // block for border in [*borders[1:-1], pages - 1]})
    for number in straddling:
        begin, stop = number * block, min((number + 1) * block, pages)
        inside = np.maximum(np.minimum(stop, borders[1:]) - np.maximum(begin, borders[:-1]), 0)
        hit = sum(_chance(part, size) for part, size in zip(parts, inside, strict=True))
        total += _touched(dirty, hit)
    for index, part in enumerate(parts):
        first, last = -(-int(borders[index]) // block), int(borders[index + 1]) // block
        whole = max(last - first - sum(first <= number < last for number in straddling), 0)
        total += whole * _touched(dirty, _chance(part, block))
    return total


def windows_touched(
    pages: int, size: int, step: int, number: int, dirty: Array, block: int
) -> Array:
    """Return the expected number of blocks touched by draws from a window that moves on."""
    starts = np.arange(number, dtype=np.int64) * step % pages
    edges = np.unique(np.concatenate([[0, pages], starts, (starts + size) % pages]))
    drawn = np.floor(dirty[..., None] * np.arange(1, number + 1) / number)
    each = np.diff(drawn, prepend=0.0, axis=-1)  # draws of each phase
    total = np.zeros_like(dirty)
    borders = np.unique(np.concatenate([edges[:-1] // block, [(pages - 1) // block]]))
    for begin, stop in _pieces(edges, borders, block, pages):
        covered = _covered(starts, size, pages, int(begin), int(min(begin + block, stop)))
        missed = _log_missed(each, covered / size).sum(axis=-1)
        total -= -(-(stop - begin) // block) * np.expm1(missed)
    return total


def _pieces(
    edges: npt.NDArray[np.int64], borders: npt.NDArray[np.int64], block: int, pages: int
) -> list[tuple[int, int]]:
    """Return ranges of pages: single blocks that hold an edge, and whole blocks between edges."""
    single = [(int(one) * block, min((int(one) + 1) * block, pages)) for one in borders]
    between = [
        (int(before + 1) * block, int(after) * block)
        for before, after in pairwise(borders)
        if after > before + 1
    ]
    return single + between


def _covered(starts: npt.NDArray[np.int64], size: int, pages: int, begin: int, stop: int) -> Array:
    """Return how many pages of ``begin … stop - 1`` each window holds, at the end it goes round."""
    inside = [
        np.maximum(np.minimum(stop, starts + shift + size) - np.maximum(begin, starts + shift), 0)
        for shift in (0, -pages)
    ]
    return np.sum(inside, axis=0, dtype=float)


def ordered_touched(pages: int, exponent: float, dirty: Array, block: int) -> Array:
    """Return the expected number of blocks touched by Zipf's law where page 0 has the first rank.

    Rank ``r`` of `pages` is drawn in proportion to ``r ** -exponent``.
    """
    powers = np.arange(1.0, min(pages, EXACT) + 1) ** -exponent
    first = np.concatenate([[0.0], np.cumsum(powers)])

    def mass(edges: Array, size: float) -> Array:
        """Return the sum over so many ranks from each edge on; an integral behind the first."""
        begin, end = edges, np.minimum(edges + size, pages)
        known = np.minimum(end, first.size - 1.0), np.minimum(begin, first.size - 1.0)
        begin, end = (np.maximum(one, first.size - 1.0) + 0.5 for one in (begin, end))
        return np.interp(known[0], np.arange(first.size), first) - np.interp(
            known[1], np.arange(first.size), first
        ) + _area(begin, end, exponent)  # fmt: skip

    whole, rest = divmod(pages, block)
    numbers, weights = spaced(whole)
    each = mass((numbers - 1) * block, block) / mass(np.zeros(1), pages)
    total: Array = _touched(dirty[..., None], each) @ weights
    if rest:
        last = mass(np.array([float(whole * block)]), rest) / mass(np.zeros(1), pages)
        total = total + _touched(dirty, float(last[0]))
    return total


def _area(begin: Array, end: Array, exponent: float) -> Array:
    """Return the area below ``x ** -exponent``."""
    width = np.log1p((end - begin) / begin)
    power = (1.0 - exponent) * width
    slope = np.divide(np.expm1(power), power, out=np.ones_like(power), where=power != 0)
    return begin ** (1.0 - exponent) * width * slope


def spaced(count: int, exact: int = EXACT) -> tuple[Array, Array]:
    """Return numbers of ``1 … count`` and how many each stands for: the first ones all."""
    first = np.arange(1.0, min(count, exact) + 1)
    if count <= exact:
        return first, np.ones_like(first)
    begin, end = np.log(exact + 0.5), np.log(count + 0.5)
    panels = int(np.ceil(end - begin))
    nodes, weights = legendre(NODES)
    width = (end - begin) / panels
    places = np.exp(begin + width * (np.arange(panels)[:, None] + (nodes + 1) / 2).ravel())
    many = places * np.tile(weights, panels) * width / 2
    return np.concatenate([first, places]), np.concatenate([np.ones_like(first), many])


@functools.cache
def legendre(count: int) -> tuple[Array, Array]:
    """Return nodes and weights of an integral from -1 to 1."""
    return np.polynomial.legendre.leggauss(count)


def _chance(part: Part, pages: float) -> float:
    """Return the probability that a draw hits one of so many pages of a part."""
    return part.writes * pages / part.pages if part.pages else 0.0


def _touched(draws: Array, chance: float | Array) -> Array:
    """Return the probability that a draw hits what each hits with `chance`."""
    return -np.expm1(_log_missed(draws, chance))


def _log_missed(draws: Array, chance: float | Array) -> Array:
    """Return the logarithm of the probability that none does."""
    with np.errstate(divide="ignore", invalid="ignore"):
        missed = draws * np.log1p(-np.minimum(chance, 1.0))
    return np.where(draws > 0, missed, 0.0)
