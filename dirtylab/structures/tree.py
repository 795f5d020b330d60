"""The preallocated summary tree, trimmed to its size, of any radix, mixed radices allowed.

Level 0 is the bitmap.  Bit ``i`` of level ``k + 1`` says whether any of the ``radix`` bits from
``i * radix`` on is set in level ``k``: one such group is a *node*.  Each level is as long as the
level below needs, and the last has a single node, the root.  With 40 pages, radix 8 and frames 1,
10 and 11 dirty (bit 0 is written left, nodes apart)::

    level 2   root        1.......                                     only 1 bit is ever used
    level 1               11...                                        5 bits, a node of 8
    level 0   the bitmap  .1...... ..11.... ........ ........ ........

All levels lie one after the other in one array of 64-bit words, each beginning on a word; a level
is a packed bitmap whatever the radix, which only says how its bits are grouped.

Invariants: a bit of level ``k + 1`` is set if and only if its group in level ``k`` is not zero; no
bit is set beyond a level's length; the header has the number of set bits of level 0.

==========  =====================================================================================
insert      the bitmap's insert; then summaries above the nodes that were zero before, level by
            level, or, where so many were that this is less work, made anew from the bitmap
collect     the nodes on paths to dirty frames, some hundreds of a level at a time
harvest     the same, each node zeroed when it has been read
clear       fill with zeros
==========  =====================================================================================

Sources: Radim Krčmář's packed tree of 2016 without its defects; QEMU's hbitmap and hibitset for
radix = word; lists of nodes instead of one walk are new here.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dirtylab import _check
from dirtylab._check import Frames
from dirtylab._jit import inlined, kernel, uncounted
from dirtylab._words import (
    BIT_MASK,
    ONE,
    SLACK,
    WORD_BITS,
    WORD_SHIFT,
    ZERO,
    Words,
    decode,
    stack_words,
)
from dirtylab.structures.base import Operations, require
from dirtylab.structures.bitmap import LONELY, take_listed
from dirtylab.structures.bits import (
    DIRTY,
    VECTOR,
    BitStructure,
    Header,
    count_set,
    counted,
    read_only,
    words_for,
)
from dirtylab.structures.driven import driven
from dirtylab.structures.levels import Levels, level_bits, mark_and_summarise, radix_of
from dirtylab.structures.runs import take_from_tree

RADICES = (8, 16, 32, 64)
FEW = 512
"""Set bits up to which a level's nodes are listed whole, without memory of their own."""
BATCH = 64
"""Nodes of a level whose children are listed at a time: lists stay in the L1 cache."""


# --- kernels ------------------------------------------------------------------------------------


@inlined
def node_of(words: Words, start: np.uint64, node: np.uint64, shift: np.uint64) -> np.uint64:
    """Return the bits of a node, lowest first."""
    bit = node << shift
    word = words[start + (bit >> WORD_SHIFT)]
    if shift == WORD_SHIFT:
        return word
    return (word >> (bit & BIT_MASK)) & ((ONE << (ONE << shift)) - ONE)


@inlined
def zero_node(words: Words, start: np.uint64, node: np.uint64, shift: np.uint64) -> None:
    """Clear the bits of a node."""
    bit = node << shift
    if shift == WORD_SHIFT:
        words[start + (bit >> WORD_SHIFT)] = ZERO
    else:
        node_bits = ((ONE << (ONE << shift)) - ONE) << (bit & BIT_MASK)
        words[start + (bit >> WORD_SHIFT)] &= ~node_bits


@inlined
def list_children(
    levels: Levels, level: int, nodes: Words, first: int, stop: int, out: Words, clearing: bool,
    vector: bool,
) -> int:  # fmt: skip
    """Write the numbers of the bits set in nodes ``first … stop - 1`` of `nodes`; return how many.

    At level 0 those are frames, above it the nodes one level down.
    """
    shift, start = levels.shifts[level], levels.starts[level]
    found = 0
    for place in range(first, stop):
        node = nodes[place]
        bits = node_of(levels.words, start, node, shift)
        found += decode(bits, node << shift, ZERO, out, found, vector)
        if clearing:
            zero_node(levels.words, start, node, shift)
    return found


@uncounted
def walk_few(levels: Levels, lonely: bool, out: Frames, clearing: bool, vector: bool) -> int:
    """Walk as :func:`walk` does where no level has more than `FEW` nodes with a bit set."""
    above, below = stack_words(), stack_words()
    above[0] = ZERO
    count = 1
    for level in range(levels.shifts.size - 1, 0, -1):
        count = list_children(levels, level, above, 0, count, below, clearing, vector)
        above, below = below, above
    if levels.shifts[0] == WORD_SHIFT:
        bottom = levels.words[: levels.starts[1]]
        return take_listed(bottom, above, count, out, 0, lonely, clearing, vector)
    return list_children(levels, 0, above, 0, count, out, clearing, vector)


@kernel
def walk(levels: Levels, dirty: int, out: Frames, clearing: bool, vector: bool) -> int:
    """Write the frames of the `dirty` set bits to `out`; zero the nodes when `clearing`.

    `dirty` only chooses the way: what has no room in `out` is left out, whatever it says.

    Goes down with a list of nodes for each level: takes up to `BATCH` of them, lists their
    children, goes on with those, and comes back for the next `BATCH`.
    """
    top = levels.shifts.size - 1
    lonely = dirty * LONELY < levels.starts[1]
    if dirty <= FEW:
        return walk_few(levels, lonely, out, clearing, vector)
    lists = np.empty((top + 1, BATCH * WORD_BITS + SLACK), np.uint64)
    taken, listed = np.zeros(top + 1, np.int64), np.zeros(top + 1, np.int64)
    lists[top, 0] = ZERO
    listed[top] = 1
    whole_words = levels.shifts[0] == WORD_SHIFT
    bottom = levels.words[: levels.starts[1]]
    level, pos = top, 0
    while level <= top:
        first = taken[level]
        if first == listed[level]:
            level += 1
            continue
        stop = listed[0] if level == 0 else min(first + BATCH, listed[level])
        taken[level] = stop
        if level > 0:
            listed[level - 1] = list_children(
                levels, level, lists[level], first, stop, lists[level - 1], clearing, vector
            )
            taken[level - 1] = 0
            level -= 1
        elif whole_words:
            pos += take_listed(bottom, lists[0], stop, out, pos, lonely, clearing, vector)
        else:
            pos += list_children(levels, 0, lists[0], first, stop, out[pos:], clearing, vector)
    return pos


@uncounted
def insert(levels: Levels, frames: Frames) -> None:
    """Mark the frames, which are all below the slot's size."""
    mark_and_summarise(levels, frames)


@uncounted
def collect(levels: Levels, out: Frames) -> int:
    """Write the dirty frames to `out` as far as there is room; return how many."""
    dirty = counted(levels.words[: levels.starts[1]], levels.header)
    if dirty == 0:
        return 0
    return walk(levels, dirty, out, False, levels.header[VECTOR] != 0)


@uncounted
def harvest(levels: Levels, out: Frames) -> int:
    """Collect and forget."""
    dirty = counted(levels.words[: levels.starts[1]], levels.header)
    if dirty == 0:
        return 0
    found = walk(levels, dirty, out, True, levels.header[VECTOR] != 0)
    levels.header[DIRTY] = 0
    return found


@uncounted
def clear(levels: Levels) -> None:
    """Zero all levels and the count."""
    levels.words[:] = ZERO
    levels.header[DIRTY] = 0


@kernel
def count_nodes(levels: Levels) -> npt.NDArray[np.int64]:
    """Return how many nodes of each level a walk visits: one for each bit set above it."""
    nodes = np.ones(levels.shifts.size, np.int64)
    for level in range(levels.shifts.size - 1):
        above = levels.words[levels.starts[level + 1] : levels.starts[level + 2]]
        nodes[level] = count_set(above)
    return nodes


# As in the bitmap: from Python the arrays one by one.


@kernel
def _insert(words: Words, starts: Words, shifts: Words, header: Header, frames: Frames) -> None:
    insert(Levels(words, starts, shifts, header), frames)


@kernel
def _collect(words: Words, starts: Words, shifts: Words, header: Header, out: Frames) -> int:
    return collect(Levels(words, starts, shifts, header), out)


@kernel
def _harvest(words: Words, starts: Words, shifts: Words, header: Header, out: Frames) -> int:
    return harvest(Levels(words, starts, shifts, header), out)


@uncounted
def _clear(words: Words, header: Header) -> None:
    words[:] = ZERO
    header[DIRTY] = 0


# --- the structure ------------------------------------------------------------------------------


@driven(Levels, insert=insert, collect=collect, harvest=harvest, clear=clear)
class Tree(BitStructure):
    """A summary tree over a bitmap.

    Parameters
    ----------
    pages : int
        Size of the slot, 0 … 2^52.
    radix : {8, 16, 32, 64} or sequence of these, optional
        Bits a node; a sequence gives the radix of level 0 (the bitmap), level 1, …, and its last
        member counts for all further levels.
    leaf_radix : {8, 16, 32, 64}, optional
        Radix of level 0 when it differs from `radix`.
    decoder : {"auto", "vector", "plain"}, optional
        As for :class:`~dirtylab.structures.bitmap.Bitmap`.

    Raises
    ------
    ValueError, TypeError
        A radix is none of these, or the sequence is empty.

    Notes
    -----
    Cost: insert O(levels) a frame at most; collect and harvest O(nodes on paths to dirty frames);
    clear O(memory); ``in`` and ``len`` O(1); memory pages * (1 + 1/r + 1/r^2 + …) bits: 1.143
    bitmaps at radix 8, 1.016 at radix 64.  A harvest that finds nothing dirty is O(1).
    """

    name = "tree"

    def __init__(
        self,
        pages: int,
        *,
        radix: int | Sequence[int] = 64,
        leaf_radix: int | None = None,
        decoder: str = "auto",
    ) -> None:
        super().__init__(pages, decoder)
        self._radices = as_radices(radix, leaf_radix)
        self._lengths = level_bits(self._pages, self._radices)
        sizes = [words_for(length) for length in self._lengths]
        _check.memory("pages", self._pages, 8 * sum(sizes))
        shifts = [radix_of(self._radices, level).bit_length() - 1 for level in range(len(sizes))]
        self._state = Levels(
            np.zeros(sum(sizes), np.uint64),
            np.array([0, *np.cumsum(sizes)], np.uint64),
            np.array(shifts, np.uint64),
            self._header,
        )

    @property
    def nbytes(self) -> int:
        return self._state.words.nbytes

    @property
    def radices(self) -> tuple[int, ...]:
        """Radix of each level, the bitmap first."""
        return tuple(1 << int(shift) for shift in self._state.shifts)

    @property
    def _bottom(self) -> Words:
        return self._level(0)

    def level_view(self, level: int) -> Words:
        """Return the words of a level, read-only and without a copy; level 0 is the bitmap."""
        _check.integer("level", level, 0, len(self._lengths) - 1)
        self._settle()
        return read_only(self._level(level))

    def check(self) -> None:
        super().check()
        levels = [self._unpacked(level) for level in range(len(self._lengths))]
        for level, length in enumerate(self._lengths):
            require(not levels[level][length:].any(), f"no bit of level {level} beyond its length")
        for level in range(len(levels) - 1):
            radix = 1 << int(self._state.shifts[level])
            above = np.add.reduceat(levels[level], range(0, max(self._lengths[level], 1), radix))
            require(
                bool((levels[level + 1][: above.size] == (above > 0)).all()),
                f"a bit of level {level + 1} says whether its node below is not zero",
            )

    def operations(self) -> Operations:
        if not len(self):
            return Operations(words=0, nodes=0, bytes=0)
        nodes = count_nodes(self._state)
        touched = int(nodes @ np.array(self.radices)) // 8
        return Operations(words=int(nodes.sum()), nodes=int(nodes.sum()), bytes=touched)

    def _level(self, level: int) -> Words:
        start, stop = self._state.starts[level : level + 2]
        return self._state.words[start:stop]

    def _arrays(self) -> tuple[Words, ...]:
        return (self._state.words,)

    def _insert(self, frames: Frames) -> None:
        words, starts, shifts, header = self._state
        _insert(words, starts, shifts, header, frames)

    def _collect(self, out: Frames) -> int:
        words, starts, shifts, header = self._state
        return _collect(words, starts, shifts, header, out)

    def _take(self, out: Frames) -> int:
        self._taken = out
        words, starts, shifts, header = self._state
        return _harvest(words, starts, shifts, header, out)

    def _take_runs(self, out: Frames) -> int:
        words, starts, shifts, header = self._state
        return take_from_tree(words, starts, shifts, header, out)

    def _clear(self) -> None:
        _clear(self._state.words, self._header)

    def _unpacked(self, level: int) -> npt.NDArray[np.int64]:
        """Return the bits of a level as 0 and 1."""
        words = self.level_view(level).astype("<u8")
        return np.unpackbits(words.view(np.uint8), bitorder="little").astype(np.int64)


class Tree8(Tree):
    """A :class:`Tree` of radix 8, the posted tree's shape, trimmed to its size."""

    name = "tree8"

    def __init__(self, pages: int, *, decoder: str = "auto") -> None:
        super().__init__(pages, radix=8, decoder=decoder)


class Tree64(Tree):
    """A :class:`Tree` of radix 64: a node is a word."""

    name = "tree64"

    def __init__(self, pages: int, *, decoder: str = "auto") -> None:
        super().__init__(pages, radix=64, decoder=decoder)


def as_radices(radix: int | Sequence[int], leaf_radix: int | None) -> tuple[int, ...]:
    """Return the radix of level 0, 1, …, checked; errors as for :class:`Tree`."""
    given = list(radix) if isinstance(radix, list | tuple) else [radix]
    if leaf_radix is not None:
        given.insert(0, leaf_radix)
    bad = [one for one in given if isinstance(one, bool) or one not in RADICES]
    if bad or not given:
        allowed = ", ".join(map(str, RADICES))
        raise ValueError(f"radix={radix!r}: must be one of {allowed}, or a list of these")
    return tuple(int(one) for one in given)  # type: ignore[arg-type]
