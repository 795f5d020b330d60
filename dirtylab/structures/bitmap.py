"""The bitmap as an engineer would write it: 64-bit words, empty words skipped.

Frame ``f`` is bit ``f % 64`` of word ``f // 64``; on a little-endian machine its bytes are the
legacy bitmap's.  A slot of 200 pages with frames 1, 10 and 130 dirty (bit 0 is written left)::

    word 0  .1........1.............…   frames   0 …  63
    word 1  ........................…   frames  64 … 127   skipped
    word 2  ..1.....................…   frames 128 … 191
    word 3  ........                    frames 192 … 199

Invariants: no bit is set beyond the last page; the header has the number of set bits, or says that
it is to be counted.

==========  =====================================================================================
insert      one word or-ed a frame; eight frames in a row at once
collect     every word of the slot once, then the dirty ones (see :mod:`dirtylab._words`)
harvest     the same, the dirty words zeroed on the way
clear       fill with zeros
==========  =====================================================================================

Sources: the layout is that of KVM's dirty log; lowest-set-bit decoding and decoding by vector
compression are folklore, as in CRoaring's bitset containers.
"""

from typing import NamedTuple

import numpy as np

from dirtylab import _check
from dirtylab._check import Frames
from dirtylab._jit import inlined, kernel, uncounted
from dirtylab._words import (
    BIT_MASK,
    ONE,
    WORD_BITS,
    WORD_SHIFT,
    ZERO,
    Words,
    decode,
    decode_listed,
    find_nonzero,
    popcount,
    stack_words,
)
from dirtylab.structures.base import Operations
from dirtylab.structures.bits import (
    DIRTY,
    STALE,
    VECTOR,
    BitStructure,
    Header,
    counted,
    words_for,
)
from dirtylab.structures.driven import driven
from dirtylab.structures.runs import take_from_bitmap

BLOCK = 512
"""Words of which the dirty ones are listed at a time, so that the list stays in the L1 cache."""
DENSE = 3
"""Dirty frames a word from which on every word is decoded, dirty or not: at 10 % dirty that takes
0.8 times as long as listing the dirty words first, at 1 % 1.6 times."""
LONELY = 10
"""Words a dirty frame from which on most dirty words have a single bit."""

RUN = 8
LAST = np.uint64(RUN - 1)
ALL = np.uint64(0xFF)


class BitmapState(NamedTuple):
    """The bitmap's state."""

    words: Words  # frame f is bit f % 64 of word f // 64
    header: Header  # see dirtylab.structures.bits


@uncounted
def mark(words: Words, frames: Frames) -> int:
    """Set the bit of each frame; return how many were clear before."""
    new = 0
    place = 0
    while place + RUN <= frames.size:
        first = frames[place]
        if frames[place + RUN - 1] == first + LAST and is_run(frames, place):
            # Eight in a row within a word: 10 million frames in sequence take 0.3 times as long.
            run = ALL << (first & BIT_MASK)
            old = words[first >> WORD_SHIFT]
            words[first >> WORD_SHIFT] = old | run
            new += popcount(run & ~old)
        else:
            for step in range(RUN):
                new += mark_one(words, frames[place + step])
        place += RUN
    while place < frames.size:
        new += mark_one(words, frames[place])
        place += 1
    return new


@uncounted
def mark_uncounted(words: Words, frames: Frames) -> None:
    """Set the bit of each frame: half the time of :func:`mark` for random frames, 1.0 for 1.9 ns.

    To count the bits afterwards takes 0.3 ns a word.
    """
    place = 0
    while place + RUN <= frames.size:
        first = frames[place]
        if frames[place + RUN - 1] == first + LAST and is_run(frames, place):
            words[first >> WORD_SHIFT] |= ALL << (first & BIT_MASK)
        else:
            for step in range(RUN):
                frame = frames[place + step]
                words[frame >> WORD_SHIFT] |= ONE << (frame & BIT_MASK)
        place += RUN
    while place < frames.size:
        words[frames[place] >> WORD_SHIFT] |= ONE << (frames[place] & BIT_MASK)
        place += 1


@uncounted
def mark_and_count(words: Words, header: Header, frames: Frames) -> bool:
    """Set the bit of each frame and keep the number of set bits, or leave it to be counted.

    It is left where there are as many frames as words.  Returns whether any bit may be new.
    """
    if frames.size >= words.size and frames.size > 0:
        mark_uncounted(words, frames)
        header[DIRTY] = STALE
        return True
    new = mark(words, frames)
    if header[DIRTY] != STALE:
        header[DIRTY] += new
    return new > 0


@inlined
def is_run(frames: Frames, place: int) -> bool:
    """Return whether the eight frames from `place` on follow each other within a word."""
    first = frames[place]
    apart = ZERO
    for step in range(RUN):
        apart |= frames[place + step] ^ (first + np.uint64(step))
    return apart == ZERO and (first & BIT_MASK) <= WORD_BITS - RUN


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


@uncounted
def scan(words: Words, dirty: int, out: Frames, clearing: bool, vector: bool) -> int:
    """Write the frames of the `dirty` set bits to `out`; zero the words when `clearing`.

    `dirty` only chooses the way: what has no room in `out` is left out, whatever it says.
    """
    if dirty >= DENSE * words.size:
        return scan_all(words, out, clearing, vector)
    lonely = dirty * LONELY < words.size
    listed = stack_words()
    pos = 0
    for first in range(0, words.size, BLOCK):
        count = find_nonzero(words, first, min(first + BLOCK, words.size), listed, 0, vector)
        pos += take_listed(words, listed, count, out, pos, lonely, clearing, vector)
    return pos


@uncounted
def scan_all(words: Words, out: Frames, clearing: bool, vector: bool) -> int:
    """Decode word after word, whether dirty or not."""
    pos = 0
    for number in range(words.size):
        base = np.uint64(number) << WORD_SHIFT
        pos += decode(words[number], base, ZERO, out, pos, vector)
        if clearing:
            words[number] = ZERO
    return pos


@uncounted
def insert(state: BitmapState, frames: Frames) -> None:
    """Mark the frames, which are all below the slot's size."""
    mark_and_count(state.words, state.header, frames)


@uncounted
def collect(state: BitmapState, out: Frames) -> int:
    """Write the dirty frames to `out` as far as there is room; return how many."""
    dirty = counted(state.words, state.header)
    if dirty == 0:
        return 0
    return scan(state.words, dirty, out, False, state.header[VECTOR] != 0)


@uncounted
def harvest(state: BitmapState, out: Frames) -> int:
    """Collect and forget."""
    dirty = counted(state.words, state.header)
    if dirty == 0:
        return 0
    found = scan(state.words, dirty, out, True, state.header[VECTOR] != 0)
    state.header[DIRTY] = 0
    return found


@uncounted
def clear(state: BitmapState) -> None:
    """Zero bits and count."""
    state.words[:] = ZERO
    state.header[DIRTY] = 0


# Numba looks at a NamedTuple for 0.5 µs at each call from Python, at arrays for a tenth of that.


@uncounted
def _insert(words: Words, header: Header, frames: Frames) -> None:
    insert(BitmapState(words, header), frames)


@kernel
def _collect(words: Words, header: Header, out: Frames) -> int:
    return collect(BitmapState(words, header), out)


@kernel
def _harvest(words: Words, header: Header, out: Frames) -> int:
    return harvest(BitmapState(words, header), out)


@uncounted
def _clear(words: Words, header: Header) -> None:
    words[:] = ZERO
    header[DIRTY] = 0


@driven(BitmapState, insert=insert, collect=collect, harvest=harvest, clear=clear)
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
        self._state = BitmapState(np.zeros(count, np.uint64), self._header)

    @property
    def nbytes(self) -> int:
        return self._state.words.nbytes

    @property
    def _bottom(self) -> Words:
        return self._state.words

    def operations(self) -> Operations:
        return Operations(words=self._bottom.size, nodes=0, bytes=self._bottom.nbytes)

    def _arrays(self) -> tuple[Words, ...]:
        return (self._state.words,)

    def _insert(self, frames: Frames) -> None:
        _insert(self._state.words, self._header, frames)

    def _collect(self, out: Frames) -> int:
        return _collect(self._state.words, self._header, out)

    def _take(self, out: Frames) -> int:
        self._taken = out
        return _harvest(self._state.words, self._header, out)

    def _take_runs(self, out: Frames) -> int:
        return take_from_bitmap(self._state.words, self._header, out)

    def _clear(self) -> None:
        _clear(*self._state)
