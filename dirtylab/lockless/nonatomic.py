"""The same inserts with ordinary loads and stores: what atomicity costs is measured against them.

For one thread at a time.
"""

import numpy as np

from dirtylab._jit import inlined
from dirtylab._words import BIT_MASK, ONE, WORD_SHIFT, ZERO
from dirtylab.lockless.base import MOST_VCPUS
from dirtylab.lockless.bitmap import BitmapState, take_words
from dirtylab.lockless.dispatch import register
from dirtylab.lockless.pagelist import HEAD, TICKET, ListState, take_entries
from dirtylab.lockless.ring import (
    DIRTY,
    KNOWN,
    LIMIT,
    PUSH,
    RESET,
    RingState,
    first_position,
    place_of,
    take_rings,
)
from dirtylab.lockless.tree import TreeState, take_down


class PlainBitmap(BitmapState):
    """The bitmap."""


class PlainTree(TreeState):
    """The tree, looks before writes as in the atomic one."""


class PlainEarlyTree(TreeState):
    """The tree, climbing up to the first bit that is set."""


class PlainList(ListState):
    """The list."""


class PlainRing(RingState):
    """The ring."""


@inlined
def insert_bit_plain(state: BitmapState, vcpu: int, frame: np.uint64) -> bool:
    """Set the frame's bit."""
    state.words[frame >> WORD_SHIFT] |= ONE << (frame & BIT_MASK)
    return True


@inlined
def insert_up_plain(state: TreeState, vcpu: int, frame: np.uint64) -> bool:
    """Set the leaf bit, then every bit above that is not set."""
    state.words[frame >> WORD_SHIFT] |= ONE << (frame & BIT_MASK)
    bit = frame
    for level in range(state.shifts.size - 1):
        bit >>= state.shifts[level]
        place, mask = state.starts[level + 1] + (bit >> WORD_SHIFT), ONE << (bit & BIT_MASK)
        if state.words[place] & mask == ZERO:
            state.words[place] |= mask
    return True


@inlined
def insert_early_plain(state: TreeState, vcpu: int, frame: np.uint64) -> bool:
    """Climb up to the first bit that is set."""
    bit = frame
    for level in range(state.shifts.size):
        place, mask = state.starts[level] + (bit >> WORD_SHIFT), ONE << (bit & BIT_MASK)
        old = state.words[place]
        if old & mask != ZERO:
            return True
        state.words[place] = old | mask
        bit >>= state.shifts[level]
    return True


@inlined
def insert_entry_plain(state: ListState, vcpu: int, frame: np.uint64) -> bool:
    """Draw a ticket and write the entry."""
    size = np.uint64(state.entries.size)
    ticket = state.shared[TICKET]
    if ticket - state.shared[HEAD] + np.uint64(MOST_VCPUS) >= size:
        return False
    state.entries[ticket & (size - ONE)] = frame + ONE
    state.shared[TICKET] = ticket + ONE
    return True


@inlined
def push_plain(state: RingState, vcpu: int, frame: np.uint64) -> bool:
    """Write an entry."""
    own = first_position(vcpu)
    push = state.positions[own + PUSH]
    if push - state.positions[own + KNOWN] >= state.positions[LIMIT]:
        state.positions[own + KNOWN] = state.positions[own + RESET]
        if push - state.positions[own + KNOWN] >= state.positions[LIMIT]:
            return False
    place = place_of(state, vcpu, push)
    state.entries[place + 1] = frame
    state.entries[place] = DIRTY
    state.positions[own + PUSH] = push + ONE
    return True


register(PlainBitmap, insert_bit_plain, take_words)
register(PlainTree, insert_up_plain, take_down)
register(PlainEarlyTree, insert_early_plain, take_down)
register(PlainList, insert_entry_plain, take_entries)
register(PlainRing, push_plain, take_rings)
