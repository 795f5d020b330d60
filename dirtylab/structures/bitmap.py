"""The bitmap as an engineer would write it: 64-bit words, empty words skipped.

Frame ``f`` is bit ``f % 64`` of word ``f // 64``; on a little-endian machine its bytes are the
legacy bitmap's.  A slot of 200 pages with frames 1, 10 and 130 dirty (bit 0 is written left)::

    word 0  .1........1.............…   frames   0 …  63
    word 1  ........................…   frames  64 … 127   skipped
    word 2  ..1.....................…   frames 128 … 191
    word 3  ........                    frames 192 … 199

Invariants: no bit is set beyond the last page; ``dirty`` is the number of set bits.

==========  =====================================================================================
insert      one word or-ed a frame; eight frames in a row at once
collect     every word of the slot once, then the dirty ones (see :mod:`dirtylab._words`)
harvest     the same, the dirty words zeroed on the way
clear       fill with zeros
==========  =====================================================================================

Sources: the layout is that of KVM's dirty log; lowest-set-bit decoding and decoding by vector
compression are folklore, as in CRoaring's bitset containers.
"""

import numpy as np

from dirtylab import _check
from dirtylab._jit import inlined, kernel
from dirtylab._words import (
    BIT_MASK,
    ONE,
    SLACK,
    WORD_BITS,
    WORD_SHIFT,
    ZERO,
    Words,
    decode,
    decode_listed,
    find_nonzero,
    popcount,
)
from dirtylab.structures.base import Frames, Operations
from dirtylab.structures.bits import BitStructure, words_for

BLOCK = 512
"""Words of which the dirty ones are listed at a time, so that the list stays in the L1 cache."""
DENSE = 3
"""Dirty frames a word from which on every word is decoded, dirty or not: at 10 % dirty that takes
0.8 times as long as listing the dirty words first, at 1 % 1.6 times."""
LONELY = 10
"""Words a dirty frame from which on most dirty words have a single bit."""

_RUN = 8
_LAST = np.uint64(_RUN - 1)
_ALL = np.uint64(0xFF)


@kernel
def mark(words: Words, frames: Frames) -> int:
    """Set the bit of each frame; return how many were clear before."""
    new = 0
    place = 0
    while place + _RUN <= frames.size:
        first = frames[place]
        if frames[place + _RUN - 1] == first + _LAST and is_run(frames, place):
            # Eight in a row within a word: 10 million frames in sequence take 0.3 times as long.
            run = _ALL << (first & BIT_MASK)
            old = words[first >> WORD_SHIFT]
            words[first >> WORD_SHIFT] = old | run
            new += popcount(run & ~old)
        else:
            for step in range(_RUN):
                new += mark_one(words, frames[place + step])
        place += _RUN
    while place < frames.size:
        new += mark_one(words, frames[place])
        place += 1
    return new


@inlined
def is_run(frames: Frames, place: int) -> bool:
    """Return whether the eight frames from `place` on follow each other within a word."""
    first = frames[place]
    apart = ZERO
    for step in range(_RUN):
        apart |= frames[place + step] ^ (first + np.uint64(step))
    return apart == ZERO and (first & BIT_MASK) <= WORD_BITS - _RUN


@inlined
def mark_one(words: Words, frame: np.uint64) -> int:
    """Set the bit of `frame`; return 1 when it was clear before, otherwise 0."""
    old = words[frame >> WORD_SHIFT]
    words[frame >> WORD_SHIFT] = old | (ONE << (frame & BIT_MASK))
    return int((~old >> (frame & BIT_MASK)) & ONE)


@inlined
def take_listed(
    words: Words, listed: Words, count: int, out: Frames, pos: int, lonely: bool, clearing: bool,
    vector: bool,
) -> int:  # fmt: skip
    """Decode the words numbered ``listed[:count]``, zero them when `clearing`; return how many."""
    found = decode_listed(words, listed, count, out, pos, lonely, vector)
    if clearing:
        for place in range(count):
            words[listed[place]] = ZERO
    return found


@kernel
def scan(words: Words, dirty: int, out: Frames, clearing: bool, vector: bool) -> int:
    """Write the frames of the `dirty` set bits to `out`; zero the words when `clearing`."""
    if dirty >= DENSE * words.size:
        return scan_all(words, out, clearing, vector)
    lonely = dirty * LONELY < words.size
    listed = np.empty(BLOCK + SLACK, np.uint64)
    pos = 0
    for first in range(0, words.size, BLOCK):
        count = find_nonzero(words, first, min(first + BLOCK, words.size), listed, 0, vector)
        pos += take_listed(words, listed, count, out, pos, lonely, clearing, vector)
    return pos


@kernel
def scan_all(words: Words, out: Frames, clearing: bool, vector: bool) -> int:
    """Decode word after word, whether dirty or not."""
    pos = 0
    for number in range(words.size):
        base = np.uint64(number) << WORD_SHIFT
        pos += decode(words[number], base, ZERO, out, pos, vector)
        if clearing:
            words[number] = ZERO
    return pos


class Bitmap(BitStructure):
    """A bitmap of 64-bit words.

    Parameters
    ----------
    pages : int
        Size of the slot, 0 … 2^52.
    decoder : {"auto", "vector", "plain"}, optional
        How set bits become frames: by AVX-512 where the CPU has it, always, or never.

    Raises
    ------
    ValueError
        `decoder` is none of these, or "vector" on a CPU without it.

    Notes
    -----
    Cost: insert O(1) a frame; collect and harvest O(pages / 64 + dirty); clear O(pages / 64);
    ``in`` and ``len`` O(1); memory 1 bit a page, rounded up to 8 bytes.
    """

    name = "bitmap"

    def __init__(self, pages: int, *, decoder: str = "auto") -> None:
        super().__init__(pages, decoder)
        count = words_for(self._pages)
        _check.memory("pages", self._pages, 8 * count)
        self._bottom = np.zeros(count, np.uint64)

    @property
    def nbytes(self) -> int:
        return self._bottom.nbytes

    def clear(self) -> None:
        self._bottom[:] = 0
        self._dirty = 0

    def operations(self) -> Operations:
        return Operations(words=self._bottom.size, nodes=0, bytes=self._bottom.nbytes)

    def _insert(self, frames: Frames) -> None:
        self._dirty += mark(self._bottom, frames)

    def _scan(self, out: Frames, clearing: bool) -> int:
        return scan(self._bottom, self._dirty, out, clearing, self._vector)
