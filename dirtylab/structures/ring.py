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

import numpy as np

from dirtylab import _check
from dirtylab._jit import kernel
from dirtylab._words import BIT_MASK, ONE, WORD_BITS, WORD_SHIFT, ZERO, Words
from dirtylab.structures.base import Frames, Operations, Structure, require
from dirtylab.structures.bits import count_set, words_for

ENTRY_BYTES = 16
"""Size of a struct kvm_dirty_gfn: flags, slot, offset."""
RESERVED = 64
"""Entries that KVM keeps free beyond the soft limit, for PML's buffer and the vCPU's own writes."""
DEFAULT_ENTRIES = 4096
WHEN_FULL = ("drain", "raise")


class RingFull(RuntimeError):  # noqa: N818 - the field's word for the exit
    """The ring reached its soft limit; `accepted` frames of the call are in, nothing is lost."""

    def __init__(self, accepted: int, limit: int) -> None:
        super().__init__(
            f"the ring is full at its soft limit of {limit}; {accepted} frames of this call were "
            "taken, harvest and insert the rest"
        )
        self.accepted = accepted


@kernel
def push(
    entries: Frames, used: int, limit: int, written: Words, frames: Frames, first: int
) -> tuple[int, int]:
    """Push frames from ``frames[first]`` on; return where it stopped and the entries in use."""
    for place in range(first, frames.size):
        frame = frames[place]
        bit = ONE << (frame & BIT_MASK)
        if written[frame >> WORD_SHIFT] & bit:
            continue
        if used == limit:
            return place, used
        written[frame >> WORD_SHIFT] |= bit
        entries[used] = frame
        used += 1
    return frames.size, used


@kernel
def reset(written: Words, frames: Frames) -> int:
    """Protect the pages again; return the words written, one for neighbours in a row."""
    writes = 0
    word, mask = ZERO, ZERO
    for frame in frames:
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
    bit of each page-table entry; the backlog, 8 bytes a frame, grows at exits and is counted.
    """

    name = "ring"
    sorted_output = False
    unique_output = True

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
        self._drains = _check.choice("when_full", when_full, WHEN_FULL) == "drain"
        words = words_for(self._pages)
        _check.memory("pages", self._pages, 8 * words)
        self._size = size
        self._entries = np.empty(self._limit, np.uint64)
        self._used = 0
        self._backlog: list[Frames] = []
        self._written = np.zeros(words, np.uint64)
        self._exits = 0
        self._reset_writes = 0

    @property
    def nbytes(self) -> int:
        backlog = sum(chunk.nbytes for chunk in self._backlog)
        return ENTRY_BYTES * self._size + self._written.nbytes + backlog

    @property
    def exits(self) -> int:
        """How often the ring was full, since it was made; survives harvest and clear."""
        return self._exits

    @property
    def reset_writes(self) -> int:
        """Words written to protect pages again, neighbours in one."""
        return self._reset_writes

    def clear(self) -> None:
        for chunk in self._chunks():
            self._reset_writes += reset(self._written, chunk)
        self._backlog = []
        self._used = 0

    def __len__(self) -> int:
        return sum(chunk.size for chunk in self._chunks())

    def check(self) -> None:
        require(0 <= self._used <= self._limit, "no more entries in use than the soft limit")
        frames = np.concatenate(self._chunks())
        require(np.unique(frames).size == frames.size, "no frame is twice in ring and backlog")
        require(count_set(self._written) == frames.size, "one bit set a frame")
        require(all(self._contains(int(frame)) for frame in frames), "each frame's bit is set")

    def operations(self) -> Operations:
        dirty = len(self)
        return Operations(words=2 * dirty, nodes=0, bytes=ENTRY_BYTES * dirty)

    def _chunks(self) -> list[Frames]:
        return [*self._backlog, self._entries[: self._used]]

    def _insert(self, frames: Frames) -> None:
        done = 0
        while True:
            done, self._used = push(
                self._entries, self._used, self._limit, self._written, frames, done
            )
            if done == frames.size:
                return
            self._exits += 1
            if not self._drains:
                raise RingFull(done, self._limit)
            self._backlog.append(self._entries[: self._used].copy())
            self._used = 0

    def _output_size(self) -> int:
        return len(self)

    def _collect(self, out: Frames) -> int:
        pos = 0
        for chunk in self._chunks():
            out[pos : pos + chunk.size] = chunk
            pos += chunk.size
        return pos

    def _contains(self, frame: int) -> bool:
        return bool(int(self._written[frame // WORD_BITS]) >> (frame % WORD_BITS) & 1)
