"""KVM's dirty ring as a model: bounded entries, a soft limit, exits when it is full.

Hardware or the kernel pushes an entry for each page that becomes dirty; user space harvests the
entries and resets them, which makes their pages write-protected again.  A page whose entry has not
been reset pushes no second one.  With 8 entries, a soft limit of 6, after frames 3, 9 and 3 again::

    index     0  1  2  3  4  5 |6  7
    entry     3  9  .  .  .  . |.  .       head = 0, used = 2; the second 3 pushed nothing

An insert that would pass the soft limit makes the vCPU exit: here user space then harvests into a
backlog, as QEMU's reaper does, the ring is reset, and the insert goes on.  Nothing is lost, the
exits are counted.  With ``when_full="raise"`` the insert stops instead and :class:`RingFull` says
how many frames went in, like a vCPU that stays stopped.

Invariants: no more entries in use than the soft limit; no frame is twice in ring and backlog
together; a page is unprotected (its bit set) while its entry is in use or in the backlog.

==========  =====================================================================================
insert      one bit tested and an entry written a frame
collect     backlog and entries copied
harvest     the same, and the pages' bits cleared; neighbours share a word (reset coalescing)
clear       the same as harvest without the copy
==========  =====================================================================================

Source: Linux's Documentation/virt/kvm/api.rst on KVM_CAP_DIRTY_LOG_RING and Peter Xu's series of
2020 (behaviour only).
"""

from typing import Any, NamedTuple

import numpy as np

from dirtylab import _check
from dirtylab._check import Counts, Frames
from dirtylab._jit import inlined, kernel
from dirtylab._words import BIT_MASK, ONE, WORD_BITS, WORD_SHIFT, ZERO, Words
from dirtylab.structures.base import Operations, Structure, require
from dirtylab.structures.bits import count_set, words_for
from dirtylab.structures.driven import driven

ENTRY_BYTES = 16
"""Size of a struct kvm_dirty_gfn: flags, slot, offset."""
RESERVED = 64
"""Entries that KVM keeps free beyond the soft limit, for PML's buffer and the vCPU's own writes."""
DEFAULT_ENTRIES = 4096
WHEN_FULL = ("drain", "raise")

USED, BACKLOG, EXITS, RESET_WRITES, DRAINS = range(5)
"""Places in the counts: entries in use in ring and backlog, exits, words written to protect pages
again, and 1 where an exit drains the ring."""


class RingFull(RuntimeError):  # noqa: N818 - the field's word for the exit
    """The ring reached its soft limit; `accepted` frames of the call are in, nothing is lost."""

    def __init__(self, accepted: int, limit: int) -> None:
        super().__init__(
            f"the ring is full at its soft limit of {limit}; {accepted} frames of this call were "
            "taken, harvest and insert the rest"
        )
        self.accepted = accepted


class RingState(NamedTuple):
    """The ring's state."""

    entries: Frames  # as many as the soft limit allows
    backlog: Frames  # what user space has harvested at exits; replaced by a larger one when full
    written: Words  # a bit a page: set while it is not protected
    counts: Counts


@inlined
def within(count: int, room: Frames) -> int:
    """Return `count`, or the nearest number of entries that `room` can have in use."""
    return min(max(count, 0), room.size)


@inlined
def drain(state: RingState, used: int) -> bool:
    """Harvest the ring into the backlog; False where that has no room."""
    kept = within(state.counts[BACKLOG], state.backlog)
    if used > state.backlog.size - kept:
        return False
    for place in range(used):
        state.backlog[kept + place] = state.entries[place]
    state.counts[BACKLOG] = kept + used
    state.counts[USED] = 0
    state.counts[EXITS] += 1
    return True


@kernel
def insert(state: RingState, frames: Frames, begin: int) -> int:
    """Push frames from ``frames[begin]`` on, draining a full ring; return where it stopped.

    That is before the end where the ring is full and may not be drained, which is an exit, or the
    backlog has no room.
    """
    used = within(state.counts[USED], state.entries)
    stop = frames.size
    for place in range(begin, frames.size):
        frame = frames[place]
        bit = ONE << (frame & BIT_MASK)
        if state.written[frame >> WORD_SHIFT] & bit:
            continue
        if used >= state.entries.size:
            if not state.counts[DRAINS] or not drain(state, used):
                stop = place
                break
            used = 0
        state.written[frame >> WORD_SHIFT] |= bit
        state.entries[used] = frame
        used += 1
    state.counts[USED] = used
    if stop < frames.size and not state.counts[DRAINS]:
        state.counts[EXITS] += 1
    return stop


@kernel
def put_back(state: RingState, frames: Frames, exits: int) -> None:
    """Push what a harvest took, which had room, without counting its exits again."""
    insert(state, frames, 0)
    state.counts[EXITS] = exits


@kernel
def collect(state: RingState, out: Frames) -> int:
    """Write backlog and entries to `out` as far as there is room; return how many."""
    kept = min(within(state.counts[BACKLOG], state.backlog), out.size)
    for place in range(kept):
        out[place] = state.backlog[place]
    used = min(within(state.counts[USED], state.entries), out.size - kept)
    for place in range(used):
        out[kept + place] = state.entries[place]
    return kept + used


@kernel
def reset(written: Words, frames: Frames) -> int:
    """Protect the pages again; return the words written, one for neighbours in a row.

    What is no frame, because a count said too much, is passed over.
    """
    writes = 0
    word, mask = ZERO, ZERO
    for frame in frames:
        if frame >> WORD_SHIFT >= np.uint64(written.size):
            continue
        if mask and frame >> WORD_SHIFT != word:
            written[word] &= ~mask
            writes += 1
            mask = ZERO
        word = frame >> WORD_SHIFT
        mask |= ONE << (frame & BIT_MASK)
    if mask:
        written[word] &= ~mask
        writes += 1
    return writes


@kernel
def clear(state: RingState) -> None:
    """Protect all pages again and forget the entries."""
    kept = within(state.counts[BACKLOG], state.backlog)
    used = within(state.counts[USED], state.entries)
    writes = reset(state.written, state.backlog[:kept]) + reset(state.written, state.entries[:used])
    state.counts[RESET_WRITES] += writes
    state.counts[BACKLOG] = state.counts[USED] = 0


@kernel
def harvest(state: RingState, out: Frames) -> int:
    """Collect and forget."""
    count = collect(state, out)
    clear(state)
    return count


@kernel
def insert_all(state: RingState, frames: Frames) -> bool:
    """Push all frames, where the backlog has room; return whether they are in."""
    return insert(state, frames, 0) == frames.size


# As in the bitmap: from Python the arrays one by one.


@kernel
def _insert(
    entries: Frames, backlog: Frames, written: Words, counts: Counts, frames: Frames, begin: int
) -> int:
    return insert(RingState(entries, backlog, written, counts), frames, begin)


@kernel
def _collect(entries: Frames, backlog: Frames, written: Words, counts: Counts, out: Frames) -> int:
    return collect(RingState(entries, backlog, written, counts), out)


@kernel
def _harvest(entries: Frames, backlog: Frames, written: Words, counts: Counts, out: Frames) -> int:
    return harvest(RingState(entries, backlog, written, counts), out)


@kernel
def _clear(entries: Frames, backlog: Frames, written: Words, counts: Counts) -> None:
    clear(RingState(entries, backlog, written, counts))


@driven(RingState, insert=insert_all, collect=collect, harvest=harvest, clear=clear)
class Ring(Structure):
    """A model of one vCPU's dirty ring.

    Parameters
    ----------
    pages : int
        Size of the slot, 0 … 2^52.
    entries : int, optional
        Entries of the ring, a power of two, 2 … 65536 as in KVM.
    soft_limit : int, optional
        Entries in use at which the vCPU exits; all but 64 when omitted, half of a small ring.
    when_full : {"drain", "raise"}, optional
        Whether user space harvests at the exit, into a backlog, or :class:`RingFull` is raised.

    Raises
    ------
    ValueError, TypeError
        An argument is out of range or of the wrong kind.

    Notes
    -----
    Cost: insert O(1) a frame and an exit every `soft_limit`; collect O(dirty); ``in`` and ``len``
    O(1).  Memory: 16 bytes an entry and a bit a page for the write protection, which in KVM is a
    bit of each page-table entry; the backlog, 8 bytes a frame, doubles where an exit finds it full,
    stays allocated and is counted.
    """

    name = "ring"
    sorted_output = False
    unique_output = True
    grows = True

    def __init__(
        self,
        pages: int,
        *,
        entries: int = DEFAULT_ENTRIES,
        soft_limit: int | None = None,
        when_full: str = "drain",
    ) -> None:
        super().__init__(pages)
        size = _check.integer("entries", entries, 2, 65536)
        if size & (size - 1):
            raise ValueError(f"entries={size}: must be a power of two")
        default = size - RESERVED if size > 2 * RESERVED else size // 2
        self._limit = (
            default if soft_limit is None else _check.integer("soft_limit", soft_limit, 1, size)
        )
        drains = _check.choice("when_full", when_full, WHEN_FULL) == "drain"
        words = words_for(self._pages)
        _check.memory("pages", self._pages, 8 * words)
        self._size = size
        self._state = RingState(
            np.empty(self._limit, np.uint64),
            np.empty(0, np.uint64),
            np.zeros(words, np.uint64),
            np.array([0, 0, 0, 0, drains], np.int64),
        )

    @property
    def nbytes(self) -> int:
        return ENTRY_BYTES * self._size + self._state.written.nbytes + self._state.backlog.nbytes

    @property
    def exits(self) -> int:
        """How often the ring was full, since it was made; survives harvest and clear."""
        return self._state.counts.item(EXITS)

    @property
    def reset_writes(self) -> int:
        """Words written to protect pages again, neighbours in one."""
        return self._state.counts.item(RESET_WRITES)

    def clear(self) -> None:
        _clear(*self._state)
        self._taken = None

    def __len__(self) -> int:
        self._settle()
        return self._output_size()

    def check(self) -> None:
        self._settle()
        used, kept = self._state.counts[[USED, BACKLOG]].tolist()
        require(0 <= used <= self._limit, "no more entries in use than the soft limit")
        require(0 <= kept <= self._state.backlog.size, "no more of the backlog in use than it has")
        frames = np.concatenate([self._state.backlog[:kept], self._state.entries[:used]])
        require(np.unique(frames).size == frames.size, "no frame is twice in ring and backlog")
        require(count_set(self._state.written) == frames.size, "one bit set a frame")
        require(all(self._contains(int(frame)) for frame in frames), "each frame's bit is set")

    def operations(self) -> Operations:
        dirty = len(self)
        return Operations(words=2 * dirty, nodes=0, bytes=ENTRY_BYTES * dirty)

    def _insert(self, frames: Frames) -> None:
        done = _insert(*self._state, frames, 0)
        while done < frames.size:
            if not self._state.counts[DRAINS]:
                raise RingFull(done, self._limit)
            self._grow()
            done = _insert(*self._state, frames, done)

    def _driven_state(self, dirty: int) -> RingState | None:
        self._settle()
        while self._state.backlog.size < dirty:
            self._grow()
        return self._state if self._state.counts[DRAINS] else None

    def _grow(self) -> None:
        """Make the backlog twice as large, by one ring at least."""
        old = self._state.backlog
        larger = np.empty(old.size + max(old.size, self._limit), np.uint64)
        larger[: old.size] = old
        self._state = self._state._replace(backlog=larger)

    def _output_size(self) -> int:
        used, kept = self._state.counts[:2].tolist()
        return min(max(used, 0) + max(kept, 0), self._pages)

    def _collect(self, out: Frames) -> int:
        return _collect(*self._state, out)

    def _take(self, out: Frames) -> int:
        self._taken = out, self._state.counts.item(EXITS)
        return _harvest(*self._state, out)

    def _put_back(self, taken: Any) -> None:
        out, exits = taken
        if self._output_size() == 0:  # else the kernel that takes them has not run
            put_back(self._state, self._still_frames(out), exits)

    def _contains(self, frame: int) -> bool:
        return bool(int(self._state.written[frame // WORD_BITS]) >> (frame % WORD_BITS) & 1)
