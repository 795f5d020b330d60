"""Mutants: kernels broken on purpose, to show that the soak detects a broken protocol.

Each has a model in :mod:`.protocol_models` that the checker rejects.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from dirtylab._check import Bytes, Frames
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
from dirtylab.lockless.atomics import (
    add_relaxed,
    fetch_and,
    fetch_or,
    load,
    load_acquire,
    load_relaxed,
    or_fully,
    store_release,
)
from dirtylab.lockless.base import MOST_VCPUS
from dirtylab.lockless.bitmap import BitmapState, LocklessBitmap, insert_bit, take_words
from dirtylab.lockless.dispatch import register
from dirtylab.lockless.pagelist import (
    HEAD,
    TICKET,
    ListState,
    LocklessList,
    take_entry,
)
from dirtylab.lockless.ring import (
    DIRTY,
    KNOWN,
    PUSH,
    RESET,
    LocklessRing,
    RingState,
    first_position,
    has_room,
    place_of,
    take_rings,
)
from dirtylab.lockless.tree import (
    LocklessTree,
    TreeState,
    insert_up,
    siblings,
    take_down,
)
from dirtylab.verify.program import LATE, LOST

_BYTE_SHIFT, _BYTE_MASK = np.uint64(3), np.uint64(7)


# --- tree ---------------------------------------------------------------------------------------


class ParentAfterChild(TreeState):
    """A harvest clears a word when everything below it has been taken."""


@inlined
def take_children_first(state: TreeState, out: Frames) -> int:
    """Load each word, descend, and clear on the way back the bits that were seen."""
    top = state.shifts.size - 1
    left, base, seen = stack_words(), stack_words(), stack_words()
    for level in range(top + 1):
        left[level] = base[level] = seen[level] = ZERO
    left[top] = load(state.words, state.starts[top])
    seen[top] = left[top]
    level, found = top, 0
    while level <= top:
        if left[level] == ZERO:
            fetch_and(state.words, state.starts[level] + base[level], ~seen[level])
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
            left[level] = load(state.words, state.starts[level] + place)
            seen[level] = left[level]
    return found


class RootFirst(TreeState):
    """An insert sets its bits from the root down."""


@inlined
def insert_root_first(state: TreeState, vcpu: int, frame: np.uint64) -> bool:
    """Set the bit of every level, the leaf's last."""
    height = ZERO
    for level in range(state.shifts.size - 1):
        height += state.shifts[level]
    for level in range(state.shifts.size - 1, -1, -1):
        bit = frame >> height
        or_fully(state.words, state.starts[level] + (bit >> WORD_SHIFT), ONE << (bit & BIT_MASK))
        if level > 0:
            height -= state.shifts[level - 1]
    return True


class EarlyBit(TreeState):
    """An insert ends where its leaf bit was set already."""


@inlined
def insert_early_bit(state: TreeState, vcpu: int, frame: np.uint64) -> bool:
    """Climb only if the frame was not marked before."""
    mask = ONE << (frame & BIT_MASK)
    if fetch_or(state.words, frame >> WORD_SHIFT, mask) & mask != ZERO:
        return True
    bit = frame
    for level in range(state.shifts.size - 1):
        bit >>= state.shifts[level]
        or_fully(
            state.words, state.starts[level + 1] + (bit >> WORD_SHIFT), ONE << (bit & BIT_MASK)
        )
    return True


class EarlyWord(TreeState):
    """An insert ends where its leaf word was not empty."""


@inlined
def insert_early_word(state: TreeState, vcpu: int, frame: np.uint64) -> bool:
    """Climb only from an empty word."""
    if fetch_or(state.words, frame >> WORD_SHIFT, ONE << (frame & BIT_MASK)) != ZERO:
        return True
    bit = frame
    for level in range(state.shifts.size - 1):
        bit >>= state.shifts[level]
        or_fully(
            state.words, state.starts[level + 1] + (bit >> WORD_SHIFT), ONE << (bit & BIT_MASK)
        )
    return True


class ByteTree(NamedTuple):
    """Bits are set byte by byte, as the posted program does, with nothing atomic."""

    words: Words
    starts: Words
    shifts: Words
    octets: Bytes  # of `words`


@inlined
def set_in_byte(octets: Bytes, bit: np.uint64) -> None:
    """Load a byte, set a bit, store it."""
    octets[bit >> _BYTE_SHIFT] |= np.uint8(ONE << (bit & _BYTE_MASK))


@inlined
def insert_bytewise(state: ByteTree, vcpu: int, frame: np.uint64) -> bool:
    """Set every bit on the way up."""
    bit = frame
    for level in range(state.shifts.size):
        set_in_byte(state.octets, (state.starts[level] << WORD_SHIFT) + bit)
        bit >>= state.shifts[level]
    return True


# --- bitmap, list, ring -------------------------------------------------------------------------


class ByteBitmap(NamedTuple):
    """The bitmap, its bits set byte by byte."""

    words: Words
    octets: Bytes


@inlined
def insert_bit_bytewise(state: ByteBitmap, vcpu: int, frame: np.uint64) -> bool:
    """Load a byte, set a bit, store it."""
    set_in_byte(state.octets, frame)
    return True


class TwoSteps(BitmapState):
    """A harvest loads each word and stores zero."""


@inlined
def take_in_two_steps(state: BitmapState, out: Frames) -> int:
    """Load, then store: bits set in between are overwritten."""
    found = 0
    for place in range(state.words.size):
        word = load_acquire(state.words, place)
        if word != ZERO:
            store_release(state.words, place, ZERO)
            found += decode(word, np.uint64(place) << WORD_SHIFT, ZERO, out, found, HAS_VECTOR)
    return found


class HolesForgotten(ListState):
    """A harvest never comes back to an entry that was not written yet."""


@inlined
def insert_unwatched(state: ListState, vcpu: int, frame: np.uint64) -> bool:
    """Draw a ticket and write the entry; its head may have gone past, so don't wait for it."""
    size = np.uint64(state.entries.size)
    head = load_acquire(state.shared, HEAD)
    if load_relaxed(state.shared, TICKET) - head + np.uint64(MOST_VCPUS) >= size:
        return False
    ticket = add_relaxed(state.shared, TICKET, ONE)
    store_release(state.entries, ticket & (size - ONE), frame + ONE)
    return True


@inlined
def take_past_holes(state: ListState, out: Frames) -> int:
    """Take all tickets drawn, once."""
    stop = load_acquire(state.shared, TICKET)
    ticket, found = state.own[0], 0
    while ticket != stop and found < out.size:
        found += take_entry(state, ticket, out, found)
        ticket += ONE
    state.own[0] = ticket
    store_release(state.shared, HEAD, ticket)
    return found


class FlagsFirst(RingState):
    """An entry is published before its frame is there."""


@inlined
def push_flags_first(state: RingState, vcpu: int, frame: np.uint64) -> bool:
    """Write the flags, look whether the ring is nearly full, write the frame."""
    if not has_room(state, vcpu):
        return False
    own = first_position(vcpu)
    place = place_of(state, vcpu, state.positions[own + PUSH])
    store_release(state.entries, place, DIRTY)
    # Back to back the two stores reach memory together, and the error stays hidden for hours.
    state.positions[own + KNOWN] = load_acquire(state.positions, own + RESET)
    store_release(state.entries, place + 1, frame)
    state.positions[own + PUSH] += ONE
    return True


register(ParentAfterChild, insert_up, take_children_first)
register(RootFirst, insert_root_first, take_down)
register(EarlyBit, insert_early_bit, take_down)
register(EarlyWord, insert_early_word, take_down)
register(ByteTree, insert_bytewise, take_down)
register(ByteBitmap, insert_bit_bytewise, take_words)
register(TwoSteps, insert_bit, take_in_two_steps)
register(HolesForgotten, insert_unwatched, take_past_holes)
register(FlagsFirst, push_flags_first, take_rings)


class Mutant(NamedTuple):
    """A structure broken on purpose."""

    make: Callable[[int, int], Any]
    """``(pages, vcpus)`` gives its state."""
    expected_failure: str
    """``late`` or ``lost``: what the soak must see."""


def _tree(kind: type, radix: int = 8) -> Callable[[int, int], Any]:
    return lambda pages, vcpus: kind(*LocklessTree(pages, radix=radix, vcpus=vcpus).state)


def _byte_tree(pages: int, vcpus: int) -> ByteTree:
    state = LocklessTree(pages, radix=8, vcpus=vcpus).state
    return ByteTree(state.words, state.starts, state.shifts, state.words.view(np.uint8))


def _byte_bitmap(pages: int, vcpus: int) -> ByteBitmap:
    words = LocklessBitmap(pages, vcpus=vcpus).state.words
    return ByteBitmap(words, words.view(np.uint8))


MUTANTS: dict[str, Mutant] = {
    "parent after child": Mutant(_tree(ParentAfterChild, 64), LOST),
    "byte update": Mutant(_byte_tree, LOST),
    "byte update, bitmap": Mutant(_byte_bitmap, LOST),
    "exit at a set leaf bit": Mutant(_tree(EarlyBit), LATE),
    "exit at a used leaf word": Mutant(_tree(EarlyWord), LATE),
    "root first": Mutant(_tree(RootFirst), LOST),
    "load and store, no exchange": Mutant(
        lambda pages, vcpus: TwoSteps(*LocklessBitmap(pages, vcpus=vcpus).state), LOST
    ),
    "list, holes forgotten": Mutant(
        lambda pages, vcpus: HolesForgotten(
            *LocklessList(pages, vcpus=vcpus, capacity=2**12).state
        ),
        LOST,
    ),
    "ring, flags before frame": Mutant(
        lambda pages, vcpus: FlagsFirst(*LocklessRing(pages, vcpus=vcpus).state), LOST
    ),
}
