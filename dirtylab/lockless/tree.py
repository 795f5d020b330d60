"""The lockless tree: bits set on the way up, words taken on the way down.

::

    insert of f                              harvest
      1. or the leaf bit                       1. exchange the root for zero
      2. look at the parent's bit;             2. for each bit that was set: exchange the word below
         or it unless it is set                ...
      ... up to the root, never stopping       n. a leaf word: its bits are the dirty frames

**Nothing is lost or late.** When an insert returns, its leaf bit has been set and after that each
bit above was seen set or set by itself. Take any of those bits that a harvest has cleared since.
The harvest cleared it after the insert had set the leaf bit, and it goes down from there
afterwards: it takes the leaf word later and finds the frame. If no harvest has cleared any, the
path from the root is whole and the next harvest follows it.

**Do not stop early.** A bit that is set already was set by another vCPU, which may not have climbed
further yet. Stopping there leaves the frame late until that vCPU has gone on; this is offered as
``tree…-early``. Nor may the parent be taken after the child: what is inserted in between is lost.

**Twice.**  A page may be reported again when it was written before a harvest took its bit (which an
earlier write had set) and marked after.

==========  ======================  ===============================================================
step        order                   why it is enough; docs/lockless.md says what is needed
==========  ======================  ===============================================================
leaf or     sequentially consistent publishes the page; and no later look may be done before it.
                                    With release alone it may look first: the bit above is still
                                    set, a harvest takes all, then the leaf bit is set under a
                                    cleared path: lost
look        sequentially consistent as above; on x86-64 a plain ``mov``
or above    sequentially consistent publishes the bit below, precedes the looks further up
exchange    sequentially consistent parent before child, and against the looks
==========  ======================  ===============================================================

With no look the ors need release only and the exchanges acquire; but then every insert writes the
root, and vCPUs whose frames are far apart wait for each other's cache line.

Any radix: a level is taken by whole words.  The bits above the nodes of one word lie in one node
(radix 8: eight nodes, eight bits), which has been taken before.
"""

from collections.abc import Sequence
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
    lowest_bit,
    stack_words,
)
from dirtylab.lockless.atomics import aligned_zeros, exchange, fetch_or, load, or_fully
from dirtylab.lockless.base import Lockless
from dirtylab.lockless.dispatch import register
from dirtylab.structures.bitmap import ALL, LAST, RUN, is_run
from dirtylab.structures.bits import words_for
from dirtylab.structures.levels import level_bits, radix_of
from dirtylab.structures.tree import as_radices

_LINE_WORDS = 16


class TreeState(NamedTuple):
    """All levels, each beginning on a cache line of its own."""

    words: Words  # the bitmap first, the root last
    starts: Words  # where each level begins in `words`, and the end
    shifts: Words  # log2 of the radix by which a level's bits are grouped


class EarlyTreeState(TreeState):
    """The same arrays under the early exit."""


# --- insert -------------------------------------------------------------------------------------


@inlined
def insert_up(state: TreeState, vcpu: int, frame: np.uint64) -> bool:
    """Set the leaf bit, then every bit above that is not set."""
    or_fully(state.words, frame >> WORD_SHIFT, ONE << (frame & BIT_MASK))
    return climb_up(state, frame)


@inlined
def climb_up(state: TreeState, frame: np.uint64) -> bool:
    """Set every bit above a leaf that is not set."""
    bit = frame
    for level in range(state.shifts.size - 1):
        bit >>= state.shifts[level]
        place, mask = state.starts[level + 1] + (bit >> WORD_SHIFT), ONE << (bit & BIT_MASK)
        if load(state.words, place) & mask == ZERO:
            or_fully(state.words, place, mask)
    return True


@inlined
def insert_runs(state: TreeState, vcpu: int, frames: Frames) -> int:
    """Insert frames; eight in a row within a word by one or and one climb."""
    whole_words, place = state.shifts[0] == WORD_SHIFT, 0
    while place + RUN <= frames.size:
        first = frames[place]
        if whole_words and frames[place + RUN - 1] == first + LAST and is_run(frames, place):
            or_fully(state.words, first >> WORD_SHIFT, ALL << (first & BIT_MASK))
            climb_up(state, first)
        else:
            for step in range(RUN):
                insert_up(state, vcpu, frames[place + step])
        place += RUN
    while place < frames.size:
        insert_up(state, vcpu, frames[place])
        place += 1
    return frames.size


@inlined
def node_mask(bit: np.uint64, shift: np.uint64) -> np.uint64:
    """Return the bits, within their word, of the node that `bit` lies in."""
    if shift == WORD_SHIFT:
        return ~ZERO
    radix = ONE << shift
    return ((ONE << radix) - ONE) << (bit & BIT_MASK & ~(radix - ONE))


@inlined
def insert_early(state: TreeState, vcpu: int, frame: np.uint64) -> bool:
    """Climb while the node was empty: whoever set its first bit goes on."""
    bit = frame
    for level in range(state.shifts.size):
        place = state.starts[level] + (bit >> WORD_SHIFT)
        old = fetch_or(state.words, place, ONE << (bit & BIT_MASK))
        if old & node_mask(bit, state.shifts[level]) != ZERO:
            return True
        bit >>= state.shifts[level]
    return True


# --- harvest ------------------------------------------------------------------------------------


@inlined
def siblings(bit: np.uint64, shift: np.uint64) -> np.uint64:
    """Return the bits above the nodes that share a word with node `bit` of the level below."""
    nodes = ONE << (WORD_SHIFT - shift)
    return ((ONE << nodes) - ONE) << (bit & ~(nodes - ONE))


@inlined
def take_down(state: TreeState, out: Frames) -> int:
    """Take each word after the one above it, depth first; so the frames ascend."""
    top = state.shifts.size - 1
    left, base = stack_words(), stack_words()
    for level in range(top + 1):
        left[level] = base[level] = ZERO
    if state.words.size > 0:
        left[top] = exchange(state.words, state.starts[top], ZERO)
    level, found = top, 0
    while level <= top:
        if left[level] == ZERO:
            level += 1
        elif level == 0:
            found += decode(left[0], base[0] << WORD_SHIFT, ZERO, out, found, HAS_VECTOR)
            left[0] = ZERO
        else:
            bit = lowest_bit(left[level])
            shift = state.shifts[level - 1]
            left[level] &= ~siblings(bit, shift)
            place = (((base[level] << WORD_SHIFT) + bit) << shift) >> WORD_SHIFT
            level -= 1
            base[level] = place
            left[level] = exchange(state.words, state.starts[level] + place, ZERO)
    return found


register(TreeState, insert_up, take_down, insert_runs)
register(EarlyTreeState, insert_early, take_down)


# --- the structures -----------------------------------------------------------------------------


class LocklessTree(Lockless):
    """A summary tree of any radix.

    Parameters
    ----------
    pages : int
        Size of the slot, 0 … 2^52.
    radix : {8, 16, 32, 64} or sequence of these, optional
        Bits a node; a sequence gives the radix of the bitmap, of the level above, ….
    vcpus : int, optional
        Threads that insert.
    early : bool, optional
        Stop climbing at the first node that was not empty.  Faster where nodes are mostly empty,
        and a frame may then be late: missed by a harvest that began after its insert had returned,
        while the vCPU that was there first has not climbed on yet.  With a single vCPU never late.

    Raises
    ------
    TypeError, ValueError, MemoryError, NotLockFreeError
        As for :class:`~dirtylab.lockless.base.Lockless`.

    Notes
    -----
    Cost: insert one atomic or and a look a level, an or more for each level whose bit was clear, a
    frame or, at radix 64, for eight in a row; harvest an exchange a word on paths to dirty frames;
    both however large the slot is.
    """

    name = "tree"

    def __init__(
        self,
        pages: int,
        *,
        radix: int | Sequence[int] = 64,
        vcpus: int = 1,
        early: bool = False,
    ) -> None:
        super().__init__(pages, vcpus=vcpus)
        radices = as_radices(radix, None)
        lengths = level_bits(self._pages, radices)
        sizes = [-(-words_for(length) // _LINE_WORDS) * _LINE_WORDS for length in lengths]
        _check.memory("pages", self._pages, 8 * sum(sizes))
        shifts = [radix_of(radices, level).bit_length() - 1 for level in range(len(sizes))]
        kind = EarlyTreeState if _check.truth("early", early) else TreeState
        self._state = kind(
            aligned_zeros(sum(sizes)),
            np.array([0, *np.cumsum(sizes)], np.uint64),
            np.array(shifts, np.uint64),
        )

    @property
    def radices(self) -> tuple[int, ...]:
        """Radix of each level, the bitmap first."""
        return tuple(1 << int(shift) for shift in self._state.shifts)
