"""Blocks touched by patterns with favourites, from their laws of probability.

A page that each of ``k`` draws hits with probability ``p`` stays untouched with ``(1 - p)^k``;
pages of like probability are treated together: ranks by quadrature, parts and windows as a whole.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

EXACT = 4096
"""Ranks or blocks that are summed one by one; the rest by quadrature over their logarithm."""
NODES = 200


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
        total += 1.0 - _missed(dirty, hit)
    for index, part in enumerate(parts):
        first, last = -(-int(borders[index]) // block), int(borders[index + 1]) // block
        whole = max(last - first - sum(first <= number < last for number in straddling), 0)
        total += whole * (1.0 - _missed(dirty, _chance(part, block)))
    return total


def mean_untouched(parts: Sequence[Part], dirty: Array) -> Array:
    """Return the probability that a page, any one, stays untouched."""
    pages = sum(part.pages for part in parts)
    shares = [part.pages / pages * _missed(dirty, _chance(part, 1)) for part in parts]
    return np.sum(shares, axis=0)


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
        chance = np.prod(_missed(each, covered / size), axis=-1)
        total += -(-(stop - begin) // block) * (1.0 - chance)
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


class Ranks:
    """Zipf's law: rank ``r`` of `pages` is drawn in proportion to ``r ** -exponent``.

    Parameters
    ----------
    pages : int
        Number of ranks.
    exponent : float
        Above 0.
    """

    def __init__(self, pages: int, exponent: float) -> None:
        self._pages, self._exponent = pages, exponent
        ranks, weights = spaced(pages)
        self._weights = weights
        powers = ranks**-exponent
        self._chances = powers / float(weights @ powers)

    def mean_untouched(self, dirty: Array) -> Array:
        """Return the probability that a page, any one, stays untouched."""
        return self._untouched(dirty, self._chances) @ self._weights / self._pages

    def blocks_touched(self, dirty: Array, block: int) -> Array:
        """Return the expected number of blocks touched where page 0 has the first rank."""
        whole = max(self._pages // block, 1)
        numbers, weights = spaced(whole)
        edges = (numbers - 1) * block
        mass = self._mass(np.minimum(edges + block, self._pages)) - self._mass(edges)
        rest = self._mass(np.array([float(self._pages)])) - self._mass(np.array([whole * block]))
        total = (1.0 - self._untouched(dirty, mass)) @ weights
        return total + (1.0 - self._untouched(dirty, rest)[..., 0])

    def _mass(self, upto: Array) -> Array:
        """Return the probability of the first `upto` ranks."""
        cumulated = np.cumsum(self._chances * self._weights)
        ends = np.cumsum(self._weights)
        mass: Array = np.interp(upto, np.concatenate([[0], ends]), np.concatenate([[0], cumulated]))
        return mass

    @staticmethod
    def _untouched(dirty: Array, chances: Array) -> Array:
        return _missed(dirty[..., None], np.minimum(chances, 1.0))


def spaced(count: int) -> tuple[Array, Array]:
    """Return numbers of ``1 … count`` and how many each stands for: the first few thousand all."""
    if count <= EXACT + NODES:
        numbers = np.arange(1, count + 1, dtype=float)
        return numbers, np.ones_like(numbers)
    edges = np.exp(np.linspace(np.log(EXACT + 0.5), np.log(count + 0.5), NODES + 1))
    numbers = np.concatenate([np.arange(1, EXACT + 1), np.sqrt(edges[:-1] * edges[1:])])
    weights = np.concatenate([np.ones(EXACT), np.diff(edges)])
    return numbers, weights


def _chance(part: Part, pages: float) -> float:
    """Return the probability that a draw hits one of so many pages of a part."""
    return part.writes * pages / part.pages if part.pages else 0.0


def _missed(draws: Array, chance: float | Array) -> Array:
    """Return the probability that no draw hits what each hits with `chance`."""
    with np.errstate(divide="ignore", invalid="ignore"):
        missed = np.exp(draws * np.log1p(-np.minimum(chance, 1.0)))
    return np.where(draws > 0, missed, 1.0)
