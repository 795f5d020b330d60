"""A list, a bitmap and a tree small enough to be drawn whole, used one step at a time.

The tree is read level by level, as ``dirtylab.structures.tree`` does, and an insert climbs until it
meets a node that was not empty; words and nodes have a few bits each::

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


class Touched(NamedTuple):
    """What an operation reads or writes in each structure, in order."""

    entries: tuple[int, ...]
    """Places in the list."""
    words: tuple[int, ...]
    """Words of the bitmap."""
    nodes: tuple[Visit, ...]
    """Nodes of the tree."""

    @property
    def steps(self) -> int:
        """Steps of the structure that needs most of them."""
        return max(map(len, self))


NOTHING = Touched((), (), ())


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

    @property
    def words(self) -> int:
        """Words of the bitmap."""
        return -(-self.pages // self.word)

    def harvest(self) -> Touched:
        """Return what a harvest reads: entries, all words, and nodes whose bit above is set."""
        nodes = _walk(self.levels, self.radix)
        return Touched(tuple(range(len(self.entries))), tuple(range(self.words)), nodes)

    def last_insert(self) -> Touched:
        """Return what the last insert wrote; nothing before the first."""
        if not self.entries:
            return NOTHING
        frame, before = self.entries[-1], self._before()
        nodes = []
        for level, bits in enumerate(before.levels):
            node = frame // self.radix ** (level + 1)
            nodes.append(Visit(level, node))
            if bits[node * self.radix : (node + 1) * self.radix].any():
                break
        return Touched((len(self.entries) - 1,), (frame // self.word,), tuple(nodes))

    def part_way(self, step: int) -> "SmallExample":
        """Return the structures after that many writes of the last insert, in each of them."""
        if not self.entries or step >= self.last_insert().steps:
            return self
        before = self._before()
        levels = [bits.copy() for bits in before.levels]
        for level, _ in self.last_insert().nodes[:step]:
            levels[level][self.entries[-1] // self.radix**level] = True
        entries = self.entries if step else before.entries
        return self._replace(entries=entries, levels=tuple(levels))

    def _before(self) -> "SmallExample":
        return small_example(self.pages, self.radix, self.word, self.entries[:-1])


def small_example(pages: int, radix: int, word: int, frames: Sequence[int]) -> SmallExample:
    """Return the structures after inserting `frames`, in that order."""
    bitmap = np.zeros(pages, bool)
    bitmap[list(frames)] = True
    levels = [bitmap]
    while levels[-1].size > radix:
        levels.append(np.logical_or.reduceat(levels[-1], range(0, levels[-1].size, radix)))
    return SmallExample(pages, radix, word, tuple(frames), tuple(levels))


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
