"""A list, a bitmap and a tree small enough to be drawn whole, harvested one read at a time.

The tree is read level by level, as ``dirtylab.structures.tree`` does; words and nodes have a few
bits each::

    level 1   [1 1 0 0]                          one node of 4 bits
    level 0   [. x . .] [. . x x] [. . . .] ..   the bitmap, words or nodes of 4
    list      1 6 7 6                            in order of arrival, repeats included
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Bits = npt.NDArray[np.bool_]


class Visit(NamedTuple):
    """One read of a tree: a node of a level, the bitmap's being level 0."""

    level: int
    node: int


class SmallExample(NamedTuple):
    """The structures after some inserts."""

    pages: int
    radix: int
    word: int
    """Bits of a word of the bitmap."""
    entries: tuple[int, ...]
    """The list, in order of arrival."""
    levels: tuple[Bits, ...]
    """Bits of the tree's levels, the bitmap first."""
    visits: tuple[Visit, ...]
    """Reads of the tree's harvest, in order."""

    @property
    def words(self) -> int:
        """Words of the bitmap: its harvest reads them all."""
        return -(-self.pages // self.word)

    @property
    def steps(self) -> int:
        """Reads of the structure that needs most of them."""
        return max(len(self.visits), self.words, len(self.entries))


def small_example(pages: int, radix: int, word: int, frames: Sequence[int]) -> SmallExample:
    """Return the structures after inserting `frames`, in that order."""
    bitmap = np.zeros(pages, bool)
    bitmap[list(frames)] = True
    levels = [bitmap]
    while levels[-1].size > radix:
        levels.append(np.logical_or.reduceat(levels[-1], range(0, levels[-1].size, radix)))
    return SmallExample(pages, radix, word, tuple(frames), tuple(levels), _walk(levels, radix))


def _walk(levels: Sequence[Bits], radix: int) -> tuple[Visit, ...]:
    """Return the nodes that a harvest reads: the root, then those whose bit above is set."""
    top = len(levels) - 1
    visits = [Visit(top, 0)]
    for level in range(top, 0, -1):
        visits += [Visit(level - 1, int(node)) for node in np.flatnonzero(levels[level])]
    return tuple(visits) if levels[0].any() else ()


def nodes_of(level: Bits, radix: int) -> int:
    """Return the nodes of a level."""
    return -(-level.size // radix)
