"""The lockless dirty ring: one for each vCPU, entries in the states that KVM gives them.

::

    flags    .  .  R  R  D  D  D  .         . invalid   D dirty   R harvested, to be reset
    frame          4  9  7  2  5
                   ^     ^        ^
                   reset harvest  push      positions only grow; place = position % entries

A vCPU owns its push position and turns an entry from invalid to dirty; the harvest turns it to
harvested; the reset (an ioctl in KVM, here the end of a harvest) makes it invalid again and gives
the room back.  No step is a read-modify-write: each word has one writer at a time.

Nothing is lost or late: the entry is dirty when the insert returns, and it is the harvest's turn.
Every insert pushes, so a page may stand in several entries.  ``protect=True`` adds what KVM does to
avoid that: a page has a bit, standing for its write protection or the hardware's dirty bit, and
only who sets it pushes.  Then a page that two vCPUs write may be *late*: the second finds the bit
set and returns while the first has not pushed yet.  (So QEMU kicks all vCPUs before the last
harvest.)  The bit must be cleared before the page is read, else a write in between is lost; KVM's
documentation demands it of user space.

==========  ======================  ===============================================================
step        order                   why it is enough
==========  ======================  ===============================================================
reset look  acquire                 the entry has been emptied before it is written again
frame       relaxed                 the flags publish it
flags D     release                 publishes the frame and the write of the page; flags first is
                                    the classic error: a stale frame is harvested
flags look  acquire                 the frame is read after it
flags R     release                 the frame has been read before the entry goes on
reset       release                 the entry is invalid before its room is given back
bit or,     sequentially consistent the or reads what it must not miss, and publishes the page;
bit and                             the and precedes the harvest's reading of the page
==========  ======================  ===============================================================

Source: Linux's Documentation/virt/kvm/api.rst, KVM_CAP_DIRTY_LOG_RING (behaviour only).
"""

from typing import NamedTuple

import numpy as np

from dirtylab import _check
from dirtylab._check import Frames
from dirtylab._jit import inlined
from dirtylab._words import BIT_MASK, ONE, WORD_SHIFT, ZERO, Words
from dirtylab.lockless.atomics import (
    aligned_zeros,
    fetch_and,
    fetch_or,
    load_acquire,
    load_relaxed,
    store_relaxed,
    store_release,
)
from dirtylab.lockless.base import Lockless
from dirtylab.lockless.dispatch import register
from dirtylab.lockless.pagelist import LINE
from dirtylab.structures.bits import words_for
from dirtylab.structures.ring import DEFAULT_ENTRIES, RESERVED

INVALID, DIRTY, HARVESTED = ZERO, np.uint64(1), np.uint64(2)
MOST_ENTRIES = 2**26
"""KVM allows 2^16; measurements want to insert for longer than that takes."""

PUSH, KNOWN, RESET, FETCH = 0, 1, LINE, LINE + 1
"""Positions of a ring: the vCPU's own two, then the harvest's two on lines of their own."""
POSITIONS = 2 * LINE
LIMIT, SIZE = 0, 1


class RingState(NamedTuple):
    """All vCPUs' rings."""

    entries: Words  # flags and frame of each entry, ring after ring
    positions: Words  # soft limit and entries of a ring; then the positions of each, see above


class ProtectedRingState(NamedTuple):
    """The same with a bit a page, shared by all vCPUs."""

    entries: Words
    positions: Words
    written: Words


# --- insert -------------------------------------------------------------------------------------


@inlined
def first_position(vcpu: int) -> int:
    """Return where a vCPU's positions begin."""
    return LINE + vcpu * POSITIONS


@inlined
def has_room(state: RingState | ProtectedRingState, vcpu: int) -> bool:
    """Return whether the vCPU's ring is below its soft limit."""
    own = first_position(vcpu)
    push = state.positions[own + PUSH]
    if push - state.positions[own + KNOWN] < state.positions[LIMIT]:
        return True
    # Only now: the word is the harvest's, and looking at it costs a cache miss while it harvests.
    state.positions[own + KNOWN] = load_acquire(state.positions, own + RESET)
    return push - state.positions[own + KNOWN] < state.positions[LIMIT]


@inlined
def place_of(state: RingState | ProtectedRingState, vcpu: int, position: np.uint64) -> int:
    """Return where in `entries` the flags of an entry are."""
    size = state.positions[SIZE]
    return int((np.uint64(vcpu) * size + (position & (size - ONE))) << ONE)


@inlined
def push_entry(state: RingState | ProtectedRingState, vcpu: int, frame: np.uint64) -> bool:
    """Write the frame, then the flags that publish it; False when the ring is full."""
    if not has_room(state, vcpu):
        return False
    own = first_position(vcpu)
    place = place_of(state, vcpu, state.positions[own + PUSH])
    store_relaxed(state.entries, place + 1, frame)
    store_release(state.entries, place, DIRTY)
    state.positions[own + PUSH] += ONE
    return True


@inlined
def push_first(state: ProtectedRingState, vcpu: int, frame: np.uint64) -> bool:
    """Push unless the page's bit is set already."""
    if not has_room(state, vcpu):
        return False
    bit = ONE << (frame & BIT_MASK)
    if fetch_or(state.written, frame >> WORD_SHIFT, bit) & bit == ZERO:
        push_entry(state, vcpu, frame)
    return True


# --- harvest ------------------------------------------------------------------------------------


@inlined
def rings_of(state: RingState | ProtectedRingState) -> int:
    """Return the number of rings."""
    return (state.positions.size - LINE) // POSITIONS


@inlined
def fetch_entries(state: RingState | ProtectedRingState, vcpu: int, out: Frames, found: int) -> int:
    """Turn dirty entries of one ring to harvested; return how many, at most the ring's size.

    What has no room in `out` stays for the next harvest.
    """
    own = first_position(vcpu)
    position = state.positions[own + FETCH]
    stop = position + min(state.positions[SIZE], np.uint64(out.size - found))
    taken = 0
    while position != stop:
        place = place_of(state, vcpu, position)
        if load_acquire(state.entries, place) != DIRTY:
            break
        out[found + taken] = load_relaxed(state.entries, place + 1)
        store_release(state.entries, place, HARVESTED)
        taken += 1
        position += ONE
    state.positions[own + FETCH] = position
    return taken


@inlined
def reset_entries(state: RingState | ProtectedRingState, vcpu: int) -> None:
    """Make harvested entries of one ring invalid, then give their room back."""
    own = first_position(vcpu)
    position = state.positions[own + RESET]
    while position != state.positions[own + FETCH]:
        store_relaxed(state.entries, place_of(state, vcpu, position), INVALID)
        position += ONE
    store_release(state.positions, own + RESET, position)


@inlined
def take_rings(state: RingState | ProtectedRingState, out: Frames) -> int:
    """Fetch and reset ring after ring."""
    found = 0
    for vcpu in range(rings_of(state)):
        found += fetch_entries(state, vcpu, out, found)
        reset_entries(state, vcpu)
    return found


@inlined
def take_protected(state: ProtectedRingState, out: Frames) -> int:
    """Fetch and reset, and protect the pages again before anybody reads them."""
    found = take_rings(state, out)
    for place in range(found):
        frame = out[place]
        fetch_and(state.written, frame >> WORD_SHIFT, ~(ONE << (frame & BIT_MASK)))
    return found


register(RingState, push_entry, take_rings)
register(ProtectedRingState, push_first, take_protected)


class LocklessRing(Lockless):
    """A dirty ring for each vCPU.

    Parameters
    ----------
    pages : int
        Size of the slot, 0 … 2^52.
    vcpus : int, optional
        Rings, one for each thread that inserts.
    entries : int, optional
        Entries of a ring, a power of two, 2 … 2^26 (KVM: 2^16).
    protect : bool, optional
        Push a page once until it has been harvested.  A frame that two vCPUs insert may then be
        late: missed by a harvest that began after the second's insert had returned, while the
        first has not pushed yet.

    Raises
    ------
    TypeError, ValueError, MemoryError, NotLockFreeError
        As for :class:`~dirtylab.lockless.base.Lockless`, and `entries` is no power of two.

    Notes
    -----
    Cost: insert two stores, nothing atomic but their order; harvest O(entries), in order of arrival
    in each ring, repeats included unless `protect`.  An insert beyond the soft limit (all but 64
    entries; half of a small ring) raises :class:`~dirtylab.lockless.base.Full`, as a vCPU exits.
    """

    name = "ring"
    sorted_output = False

    def __init__(
        self,
        pages: int,
        *,
        vcpus: int = 1,
        entries: int = DEFAULT_ENTRIES,
        protect: bool = False,
    ) -> None:
        super().__init__(pages, vcpus=vcpus)
        size = _check.integer("entries", entries, 2, MOST_ENTRIES)
        if size & (size - 1):
            raise ValueError(f"entries={size}: must be a power of two")
        bits = words_for(self._pages) if _check.truth("protect", protect) else 0
        _check.memory("entries", size, 16 * size * self._vcpus + 8 * bits)
        limit = size - RESERVED if size > 2 * RESERVED else size // 2
        entries_of_all = aligned_zeros(2 * size * self._vcpus)
        positions = aligned_zeros(first_position(self._vcpus))
        positions[LIMIT], positions[SIZE] = limit, size
        self._state: RingState | ProtectedRingState = RingState(entries_of_all, positions)
        if protect:
            self._state = ProtectedRingState(entries_of_all, positions, aligned_zeros(bits))

    @property
    def _most(self) -> int:
        return self._vcpus * int(self._state.positions[SIZE])
