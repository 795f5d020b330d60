"""The lockless bitmap: one atomic or an insert, one atomic exchange a dirty word of a harvest.

A frame's bit is set by one instruction and taken by one, so each of an insert's bit is taken by
exactly one harvest: nothing is lost, nothing late.  Words that are zero are passed over with a
plain look, as KVM does: an insert that returned before the harvest began is visible to it.

==========  ======================  ===============================================================
step        order                   why it is enough
==========  ======================  ===============================================================
or          release                 publishes the write of the page to whoever takes the bit; for
                                    the bit alone relaxed would do
look        relaxed                 only words that nobody has set bits in may be passed over, and
                                    of those set before the harvest began it can't see an older
                                    value
exchange    acquire                 what the bit's writer wrote to the page is read afterwards
==========  ======================  ===============================================================
"""

from typing import NamedTuple

import numpy as np

from dirtylab import _check
from dirtylab._check import Frames
from dirtylab._jit import inlined
from dirtylab._vectors import HAS_VECTOR
from dirtylab._words import (
    BIT_MASK,
    ONE,
    WORD_SHIFT,
    ZERO,
    Words,
    decode,
)
from dirtylab.lockless.atomics import (
    aligned_zeros,
    exchange_acquire,
    load_relaxed,
    or_release,
)
from dirtylab.lockless.base import Lockless
from dirtylab.lockless.dispatch import register
from dirtylab.structures.bitmap import ALL, LAST, RUN, is_run
from dirtylab.structures.bits import words_for


class BitmapState(NamedTuple):
    """The bitmap."""

    words: Words


@inlined
def insert_bit(state: BitmapState, vcpu: int, frame: np.uint64) -> bool:
    """Set the frame's bit."""
    or_release(state.words, frame >> WORD_SHIFT, ONE << (frame & BIT_MASK))
    return True


@inlined
def take_words(state: BitmapState, out: Frames) -> int:
    """Exchange each word that is not zero for zero, and decode it."""
    found = 0
    for place in range(state.words.size):
        if load_relaxed(state.words, place) != ZERO:
            word = exchange_acquire(state.words, place, ZERO)
            found += decode(word, np.uint64(place) << WORD_SHIFT, ZERO, out, found, HAS_VECTOR)
    return found


@inlined
def insert_words(state: BitmapState, vcpu: int, frames: Frames) -> int:
    """Set the frames' bits, eight in a row within a word by one or.

    10 million frames in sequence take 0.2 times as long as one by one, in clusters 0.3.
    """
    place = 0
    while place + RUN <= frames.size:
        first = frames[place]
        if frames[place + RUN - 1] == first + LAST and is_run(frames, place):
            or_release(state.words, first >> WORD_SHIFT, ALL << (first & BIT_MASK))
        else:
            for step in range(RUN):
                frame = frames[place + step]
                or_release(state.words, frame >> WORD_SHIFT, ONE << (frame & BIT_MASK))
        place += RUN
    while place < frames.size:
        frame = frames[place]
        or_release(state.words, frame >> WORD_SHIFT, ONE << (frame & BIT_MASK))
        place += 1
    return frames.size


register(BitmapState, insert_bit, take_words, insert_words)


class LocklessBitmap(Lockless):
    """A bitmap of 64-bit words; parameters and errors as for :class:`Lockless`.

    Notes
    -----
    Cost: insert one atomic or a frame, or for eight in a row; harvest O(pages / 64) looks and an
    exchange a dirty word.
    """

    name = "bitmap"

    def __init__(self, pages: int, *, vcpus: int = 1) -> None:
        super().__init__(pages, vcpus=vcpus)
        words = words_for(self._pages)
        _check.memory("pages", self._pages, 8 * words)
        self._state = BitmapState(aligned_zeros(words))
