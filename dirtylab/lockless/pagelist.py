"""The lockless list: an atomic ticket says which entry is whose.

::

    ticket     12   13   14   15   16   17          entries lie in a circle, ticket % size
    entry       9    .    4    7    .    .
                     hole           ^ next ticket
    head = 13: the oldest that has not been taken

An insert draws a ticket and writes its frame there, plus 1, for 0 says "nothing yet".  A harvest
takes every entry up to the newest ticket.  Where a ticket has been drawn and its entry not written
(13) it does not wait, and does not stop either, for what stands behind it may belong to inserts
that have returned: it notes the hole and looks there first next time.  Each vCPU can leave one, and
one more where it fills an old one just after that was looked at.

Nothing is lost or late: an insert that returned before the harvest began has drawn its ticket and
written its entry.  A frame inserted twice has two entries; within a harvest they are reported once.

==========  ======================  ===============================================================
step        order                   why it is enough
==========  ======================  ===============================================================
ticket      relaxed                 it only has to be nobody else's
head look   acquire                 the entry has been emptied before it is written again
entry       release                 publishes the write of the page; the entry is one word, so there
                                    is no payload to publish apart
ticket look acquire                 tickets of inserts that returned before are seen anyway
entry look  acquire                 as the exchange of a bitmap; once written an entry is the
                                    harvest's, so load and store do
==========  ======================  ===============================================================
"""

from typing import NamedTuple

import numpy as np

from dirtylab import _check
from dirtylab._check import Frames
from dirtylab._jit import inlined
from dirtylab._words import ONE, ZERO, Words
from dirtylab.lockless.atomics import (
    add_relaxed,
    aligned_zeros,
    give_way,
    load_acquire,
    load_relaxed,
    store_relaxed,
    store_release,
)
from dirtylab.lockless.base import MOST_VCPUS, Lockless
from dirtylab.lockless.dispatch import register

LINE = 16
"""Words apart that two threads write: two cache lines, since pairs are fetched together."""
TICKET, HEAD = 0, LINE
MOST_ENTRIES = 2**40


class ListState(NamedTuple):
    """Entries in a circle, and who is where."""

    entries: Words  # frame + 1, or 0; a power of two
    shared: Words  # the next ticket, and the oldest that has not been taken
    own: Words  # the harvest's: tickets looked at, number of holes, the holes


@inlined
def insert_entry(state: ListState, vcpu: int, frame: np.uint64) -> bool:
    """Draw a ticket and write the entry; False when the soft limit is reached."""
    size = np.uint64(state.entries.size)
    head = load_acquire(state.shared, HEAD)  # first: the difference must not be negative
    used = load_relaxed(state.shared, TICKET) - head
    if used + np.uint64(MOST_VCPUS) >= size:
        return False
    ticket = add_relaxed(state.shared, TICKET, ONE)
    while ticket - load_acquire(state.shared, HEAD) >= size:
        give_way()  # the look above was older than the soft limit has room for; never seen
    store_release(state.entries, ticket & (size - ONE), frame + ONE)
    return True


@inlined
def take_entry(state: ListState, ticket: np.uint64, out: Frames, found: int) -> int:
    """Take the entry of a ticket; return 1, or 0 when it has not been written yet."""
    place = ticket & (np.uint64(state.entries.size) - ONE)
    entry = load_acquire(state.entries, place)
    if entry == ZERO:
        return 0
    store_relaxed(state.entries, place, ZERO)
    out[found] = entry - ONE
    return 1


@inlined
def take_entries(state: ListState, out: Frames) -> int:
    """Take old holes that have been filled, then all tickets drawn so far.

    What has no room in `out`, or in the list of holes, stays for the next harvest.
    """
    holes = state.own[2:]
    found, kept = 0, 0
    for index in range(min(int(np.int64(state.own[1])), holes.size)):
        if found < out.size and take_entry(state, holes[index], out, found):
            found += 1
        else:
            holes[kept] = holes[index]
            kept += 1
    stop = load_acquire(state.shared, TICKET)
    ticket = state.own[0]
    while ticket != stop and found < out.size and kept < holes.size:
        if take_entry(state, ticket, out, found):
            found += 1
        else:
            holes[kept] = ticket
            kept += 1
        ticket += ONE
    state.own[0], state.own[1] = ticket, kept
    head = ticket
    if kept:
        head = holes[0]
    store_release(state.shared, HEAD, head)
    return found


register(ListState, insert_entry, take_entries)


class LocklessList(Lockless):
    """A list of frames as they come.

    Parameters
    ----------
    pages : int
        Size of the slot, 0 … 2^52.
    vcpus : int, optional
        Threads that insert.
    capacity : int, optional
        Entries that there is room for until a harvest; `pages` when omitted.  Rounded up so that
        with 64 more, the most that vCPUs can overshoot, it is a power of two.

    Raises
    ------
    TypeError, ValueError, MemoryError, NotLockFreeError
        As for :class:`~dirtylab.lockless.base.Lockless`.

    Notes
    -----
    Cost: insert one atomic add, on a word that all vCPUs share, and a store; harvest O(entries log
    entries), for they are sorted.
    """

    name = "list"

    def __init__(self, pages: int, *, vcpus: int = 1, capacity: int | None = None) -> None:
        super().__init__(pages, vcpus=vcpus)
        default = self._pages if capacity is None else capacity
        room = _check.integer("capacity", default, 0, MOST_ENTRIES)
        size = 1 << (room + MOST_VCPUS).bit_length()
        _check.memory("pages" if capacity is None else "capacity", room, 8 * size)
        self._state = ListState(
            aligned_zeros(size), aligned_zeros(2 * LINE), np.zeros(2 + 2 * MOST_VCPUS, np.uint64)
        )

    @property
    def _most(self) -> int:
        return int(self._state.entries.size)

    def _finished(self, found: Frames) -> Frames:
        distinct = np.unique(found)
        found[: distinct.size] = distinct
        return found[: distinct.size]
