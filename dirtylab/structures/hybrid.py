"""A bitmap with one coarse summary: a bit for each cache line, and none above it.

Frame ``f`` is bit ``f % 64`` of word ``f // 64``, as in the bitmap; bit ``f // 512`` of the summary
says whether any word of its block of 8 is not zero.  1,200 pages, frames 1 and 1,100 dirty (bit 0
is written left)::

    summary   1.1                     3 bits: blocks 0 … 2
    block 0   words  0 …  7           word 0 has bit 1 set
    block 1   words  8 … 15           zero, never looked at
    block 2   words 16 … 18           word 17 has bit 12 set

The summary of 10 million pages is 2.4 kB, so an insert sets its bit without leaving the L1 cache
and without asking first, and a harvest reads it whole.  A block is read in one piece.  Where so
much is dirty that nearly every block is, the bitmap is read as if there were no summary.

Invariants: a bit of the summary is set if and only if its block is not zero; no bit is set beyond
the last page; the header has the number of set bits of the bitmap.

==========  =====================================================================================
insert      two words or-ed a frame
collect     the summary, the words of dirty blocks, the dirty words
harvest     the same, dirty words and the summary zeroed
clear       fill with zeros
==========  =====================================================================================

Source: own; the idea of one coarse level is old (Linux's bootmem, card tables of collectors).
"""

from typing import NamedTuple

import numpy as np

from dirtylab import _check
from dirtylab._check import Frames
from dirtylab._jit import kernel, uncounted
from dirtylab._words import (
    BIT_MASK,
    ONE,
    WORD_BITS,
    WORD_SHIFT,
    ZERO,
    Words,
    decode,
    find_nonzero,
    stack_words,
)
from dirtylab.structures.base import Operations, require
from dirtylab.structures.bitmap import (
    BLOCK,
    DENSE,
    LONELY,
    mark_and_count,
    scan_all,
    take_listed,
)
from dirtylab.structures.bits import (
    DIRTY,
    VECTOR,
    BitStructure,
    Header,
    count_set,
    counted,
    words_for,
)
from dirtylab.structures.driven import driven
from dirtylab.structures.runs import take_from_hybrid

BLOCK_WORDS = 8
"""A cache line."""
BLOCK_PAGES = BLOCK_WORDS * WORD_BITS

_BLOCK_SHIFT = np.uint64(9)


class HybridState(NamedTuple):
    """The hybrid's state."""

    words: Words  # the bitmap
    summary: Words  # bit b says whether block b is not zero
    header: Header  # see dirtylab.structures.bits


@uncounted
def mark_blocks(summary: Words, frames: Frames) -> None:
    """Set the summary bit of each frame's block."""
    for frame in frames:
        block = frame >> _BLOCK_SHIFT
        summary[block >> WORD_SHIFT] |= ONE << (block & BIT_MASK)


@uncounted
def summarise_blocks(words: Words, summary: Words) -> None:
    """Make the summary anew from the bitmap."""
    summary[:] = ZERO
    for first in range(0, words.size, BLOCK_WORDS):
        any_bit = ZERO
        for word in words[first : first + BLOCK_WORDS]:
            any_bit |= word
        block = np.uint64(first // BLOCK_WORDS)
        summary[block >> WORD_SHIFT] |= np.uint64(any_bit != ZERO) << (block & BIT_MASK)


@uncounted
def scan_blocks(
    words: Words, summary: Words, dirty: int, out: Frames, clearing: bool, vector: bool
) -> int:
    """Write the frames of the `dirty` set bits to `out`; zero words and summary when `clearing`.

    `dirty` only chooses the way: what has no room in `out` is left out, whatever it says.
    """
    if dirty >= DENSE * words.size:
        pos = scan_all(words, out, clearing, vector)
        if clearing:
            summary[:] = ZERO
        return pos
    lonely = dirty * LONELY < words.size
    blocks, listed = stack_words(), stack_words()
    count, pos = 0, 0
    for number in range(summary.size):
        if summary[number] == ZERO:
            continue
        base = np.uint64(number) << WORD_SHIFT
        some = decode(summary[number], base, ZERO, blocks, 0, vector)
        for place in range(some):
            first = int(blocks[place]) * BLOCK_WORDS
            stop = min(first + BLOCK_WORDS, words.size)
            count += find_nonzero(words, first, stop, listed, count, vector)
            if count >= BLOCK - BLOCK_WORDS:
                pos += take_listed(words, listed, count, out, pos, lonely, clearing, vector)
                count = 0
        if clearing:
            summary[number] = ZERO
    return pos + take_listed(words, listed, count, out, pos, lonely, clearing, vector)


@uncounted
def insert(state: HybridState, frames: Frames) -> None:
    """Mark the frames, which are all below the slot's size."""
    mark_and_count(state.words, state.header, frames)
    if frames.size < state.words.size:
        mark_blocks(state.summary, frames)
    else:
        summarise_blocks(state.words, state.summary)


@uncounted
def collect(state: HybridState, out: Frames) -> int:
    """Write the dirty frames to `out` as far as there is room; return how many."""
    dirty = counted(state.words, state.header)
    if dirty == 0:
        return 0
    vector = state.header[VECTOR] != 0
    return scan_blocks(state.words, state.summary, dirty, out, False, vector)


@uncounted
def harvest(state: HybridState, out: Frames) -> int:
    """Collect and forget."""
    dirty = counted(state.words, state.header)
    if dirty == 0:
        return 0
    vector = state.header[VECTOR] != 0
    found = scan_blocks(state.words, state.summary, dirty, out, True, vector)
    state.header[DIRTY] = 0
    return found


# As in the bitmap: from Python the arrays one by one.


@uncounted
def clear(state: HybridState) -> None:
    """Zero bits, summary and count."""
    state.words[:] = ZERO
    state.summary[:] = ZERO
    state.header[DIRTY] = 0


@uncounted
def _insert(words: Words, summary: Words, header: Header, frames: Frames) -> None:
    insert(HybridState(words, summary, header), frames)


@kernel
def _collect(words: Words, summary: Words, header: Header, out: Frames) -> int:
    return collect(HybridState(words, summary, header), out)


@kernel
def _harvest(words: Words, summary: Words, header: Header, out: Frames) -> int:
    return harvest(HybridState(words, summary, header), out)


@uncounted
def _clear(words: Words, summary: Words, header: Header) -> None:
    words[:] = ZERO
    summary[:] = ZERO
    header[DIRTY] = 0


@driven(HybridState, insert=insert, collect=collect, harvest=harvest, clear=clear)
class Hybrid(BitStructure):
    """A bitmap under one summary bit for each 512 pages.

    Parameters
    ----------
    pages : int
        Size of the slot, 0 … 2^52.
    decoder : {"auto", "vector", "plain"}, optional
        As for :class:`~dirtylab.structures.bitmap.Bitmap`.

    Raises
    ------
    ValueError
        `decoder` is none of these, or "vector" on a CPU without it.

    Notes
    -----
    Cost: insert O(1) a frame; collect and harvest O(pages / 32768 + dirty blocks + dirty);
    clear O(pages / 64); ``in`` and ``len`` O(1); memory 1.002 bits a page.
    """

    name = "hybrid"

    def __init__(self, pages: int, *, decoder: str = "auto") -> None:
        super().__init__(pages, decoder)
        words = words_for(self._pages)
        summary = words_for(-(-self._pages // BLOCK_PAGES))
        _check.memory("pages", self._pages, 8 * (words + summary))
        self._state = HybridState(
            np.zeros(words, np.uint64), np.zeros(summary, np.uint64), self._header
        )

    @property
    def nbytes(self) -> int:
        return self._state.words.nbytes + self._state.summary.nbytes

    @property
    def _bottom(self) -> Words:
        return self._state.words

    def check(self) -> None:
        super().check()
        made = np.zeros_like(self._state.summary)
        summarise_blocks(self._state.words, made)
        require(
            bool((made == self._state.summary).all()),
            "a bit of the summary says whether its block is not zero",
        )

    def operations(self) -> Operations:
        dirty, words, summary = len(self), self._state.words, self._state.summary
        if not dirty:
            return Operations(words=0, nodes=0, bytes=0)
        if dirty >= DENSE * words.size:
            return Operations(words=words.size, nodes=0, bytes=words.nbytes)
        blocks = count_set(summary)
        looked = min(blocks * BLOCK_WORDS, words.size) + summary.size
        return Operations(words=looked, nodes=blocks, bytes=8 * looked)

    def _arrays(self) -> tuple[Words, ...]:
        return (self._state.words,)

    def _insert(self, frames: Frames) -> None:
        _insert(self._state.words, self._state.summary, self._header, frames)

    def _collect(self, out: Frames) -> int:
        return _collect(self._state.words, self._state.summary, self._header, out)

    def _take(self, out: Frames) -> int:
        self._taken = out
        return _harvest(self._state.words, self._state.summary, self._header, out)

    def _take_runs(self, out: Frames) -> int:
        return take_from_hybrid(
            self._state.words, self._state.summary, BLOCK_WORDS, self._header, out
        )

    def _clear(self) -> None:
        _clear(self._state.words, self._state.summary, self._header)
