"""A KVM guest whose writes the kernel tracks, through the contract of every structure.

An insert makes the guest write to the frames; the kernel tracks them, and a collect reads them from
the kernel.  They are kept in a bitmap until a harvest or clear, as a hypervisor does.

=====================  ============================================================================
``kvm-log``            KVM_GET_DIRTY_LOG: copies the slot's bitmap out, clears it, protects the
                       dirty pages again
``kvm-log-manual``     the same in two: KVM_GET_DIRTY_LOG copies, KVM_CLEAR_DIRTY_LOG clears and
                       protects
``kvm-ring``           KVM_CAP_DIRTY_LOG_RING: entries in memory shared with the kernel; a full
                       ring stops the vCPU until it is harvested and KVM_RESET_DIRTY_RINGS has
                       protected the pages again
=====================  ============================================================================

The page of its own that the guest writes to is a slot of its own, tracked the same way
(``own_frames``); those that it only reads are not tracked.

Source: Linux's Documentation/virt/kvm/api.rst.
"""

import threading
from typing import ClassVar

import numpy as np

from dirtylab import _check
from dirtylab._check import Frames
from dirtylab._words import WORD_BITS, Words
from dirtylab.live import _guest
from dirtylab.live._machine import RING_LIMITS, Machine, VCpu
from dirtylab.live._ring import (
    ENTRIES,
    LISTED,
    MEMORY_SLOT,
    OWN_SLOT,
    REPEATS,
    TAKEN,
    drain,
    list_new,
)
from dirtylab.live.tracker import Tracker
from dirtylab.structures.base import Operations, require
from dirtylab.structures.bitmap import mark, scan
from dirtylab.structures.bits import count_set, wants_vector, words_for

TIME_LIMIT = 60.0
"""Seconds that a guest may run at a time."""


class Guest(Tracker):
    """Base of the three trackers.

    Parameters
    ----------
    pages : int
        Size of the tracked slot in 4 KiB pages, 0 … 2^26; nothing is resident before it is written.
    vcpus : int, optional
        Processors, 1 … 64; an insert gives each its share of the frames.
    time_limit : float, optional
        Seconds after which an insert stops the guest, 0.001 … 86400.

    Raises
    ------
    Unavailable
        One line says what this machine lacks.
    TypeError, ValueError
        An argument is of the wrong kind or out of range.

    Notes
    -----
    Holds descriptors and memory until :meth:`close`, or the end of a ``with``.  Cost: see the
    kernel; ``in`` and ``len`` ask the kernel first.
    """

    _tracking: ClassVar[str]

    def __init__(self, pages: int, *, vcpus: int = 1, time_limit: float = TIME_LIMIT) -> None:
        super().__init__(pages)
        self._start(vcpus, time_limit, RING_LIMITS[0])

    def _start(self, vcpus: int, time_limit: float, entries: int) -> None:
        pages = _check.integer("pages", self._pages, 0, _guest.MAX_PAGES)
        count = _check.integer("vcpus", vcpus, 1, _guest.MAX_VCPUS)
        limit = _check.real("time_limit", time_limit, 0.001, 86_400.0)
        self.machine = Machine(max(pages, 1), count, self._tracking, entries, limit)
        """Descriptors, mappings and vCPUs, to measure single calls."""
        self._seen = np.zeros(words_for(max(pages, 1)), np.uint64)
        self._own = np.zeros(words_for(_guest.WRITTEN_PAGES), np.uint64)
        self.vector = wants_vector("auto")
        """Whether bits become frames by AVX-512."""

    @property
    def nbytes(self) -> int:
        """Bytes of the tracking in user space; neither the guest's memory nor the kernel's."""
        return self._seen.nbytes

    @property
    def own_frames(self) -> Frames:
        """Pages of its own slot that the guest has written since it was made or last cleared.

        Its counters' page (:data:`dirtylab.live._guest.COUNTER_FRAME`) once it has run, and no
        other.
        """
        self._sync()
        found = np.empty(count_set(self._own), np.uint64)
        if found.size:
            scan(self._own, found.size, found, False, self.vector)
        return found

    def statistics(self) -> dict[str, int]:
        """Return KVM's own counters, such as ``exits`` and ``insn_emulation``; empty before 5.14.

        ``insn_emulation`` near the number of instructions means that KVM emulates the guest, as
        under some kinds of nesting; then no page is ever write-protected.
        """
        self._require_open()
        return self.machine.statistics()

    @property
    def is_open(self) -> bool:
        return self.machine.is_open

    def close(self) -> None:
        self.machine.close()

    def __len__(self) -> int:
        self._sync()
        return count_set(self._seen)

    def check(self) -> None:
        self._sync()
        beyond = [f for f in self.collect()[-1:].tolist() if f >= self._pages]
        require(not beyond, "no frame lies beyond the slot")
        allowed = {_guest.COUNTER_FRAME}
        require(set(self.own_frames.tolist()) <= allowed, "of its own pages the guest writes one")

    def operations(self) -> Operations:
        words = words_for(self._pages)
        return Operations(words=words, nodes=0, bytes=8 * words)

    def _insert(self, frames: Frames) -> None:
        self._require_open()
        if frames.size:
            self.machine.write(frames)

    def _sync(self) -> None:
        """Fetch the dirty frames from the kernel."""
        raise NotImplementedError

    def _drop(self) -> None:
        self._sync()

    def _forget(self) -> None:
        self._seen[:] = 0
        self._own[:] = 0

    def _put_back(self, frames: Frames) -> None:
        mark(self._seen, frames)

    def _output_size(self) -> int:
        return len(self)

    def _collect(self, out: Frames) -> int:
        return scan(self._seen, out.size, out, False, self.vector) if out.size else 0

    def _contains(self, frame: int) -> bool:
        self._sync()
        return bool(int(self._seen[frame // WORD_BITS]) >> (frame % WORD_BITS) & 1)


class _Log:
    """Buffer of a slot's log; zero except between reading it and merging it."""

    def __init__(self, slot: int, words: int, pages: int) -> None:
        self.slot, self.pages = slot, pages
        self.words = np.zeros(words, np.uint64)
        self.unread = False
        """Whether the buffer may hold frames not merged yet: an interrupt came between."""

    def take_over(self, seen: Words) -> None:
        """Set the bits in `seen`."""
        if self.unread:
            seen |= self.words
            self.words[:] = 0
            self.unread = False


class KvmLog(Guest):
    """KVM_GET_DIRTY_LOG; arguments as for :class:`Guest`."""

    name = "kvm-log"
    sorted_output = True
    _tracking = "log"

    def __init__(self, pages: int, *, vcpus: int = 1, time_limit: float = TIME_LIMIT) -> None:
        super().__init__(pages, vcpus=vcpus, time_limit=time_limit)
        self._log = _Log(MEMORY_SLOT, self._seen.size, self.machine.pages)
        self._own_log = _Log(OWN_SLOT, self._own.size, _guest.WRITTEN_PAGES)

    @property
    def nbytes(self) -> int:
        return self._seen.nbytes + self._log.words.nbytes

    def _sync(self) -> None:
        self._require_open()
        for log, seen in ((self._log, self._seen), (self._own_log, self._own)):
            log.take_over(seen)
            log.unread = True
            self._fetch(log.slot, log.words, log.pages)
            log.take_over(seen)

    def _fetch(self, slot: int, words: Words, pages: int) -> None:
        self.machine.get_log(slot, words)


class KvmManualLog(KvmLog):
    """KVM_GET_DIRTY_LOG and KVM_CLEAR_DIRTY_LOG; arguments as for :class:`Guest`."""

    name = "kvm-log-manual"
    _tracking = "manual"

    def _fetch(self, slot: int, words: Words, pages: int) -> None:
        self.machine.get_log(slot, words)
        self.machine.clear_log(slot, words, pages)


class KvmRing(Guest):
    """KVM's dirty ring.

    Parameters
    ----------
    pages, vcpus, time_limit
        As for :class:`Guest`.
    entries : int, optional
        Of each vCPU's ring, a power of two, 256 … 65536.
    guarded : bool, optional
        Whether the guest gets no more frames at a time than its ring has room for.  Without it the
        kernel alone must stop a guest whose ring is full, which a hypervisor that emulates the
        guest does too late: frames are lost.

    Notes
    -----
    Frames come in the order in which a vCPU first wrote them.  KVM may push a page twice; repeats
    are dropped and counted in ``repeats``, exits for a full ring in ``exits``.
    """

    name = "kvm-ring"
    sorted_output = False
    _tracking = "ring"

    def __init__(
        self,
        pages: int,
        *,
        vcpus: int = 1,
        time_limit: float = TIME_LIMIT,
        entries: int = 4096,
        guarded: bool = True,
    ) -> None:
        Tracker.__init__(self, pages)
        size = _check.integer("entries", entries, *RING_LIMITS)
        if size & (size - 1):
            raise ValueError(f"entries={size}: must be a power of two")
        self._lock = threading.Lock()
        self._order = np.empty(0, np.uint64)
        self._counts = np.zeros(3, np.int64)
        self._start(vcpus, time_limit, size)
        self.machine.guarded = _check.truth("guarded", guarded)
        self._room = [np.zeros(size, np.uint64) for _ in range(len(self.machine.vcpus))]
        self.machine.on_full = self._on_full
        self.drain_by = drain
        """What drains a ring; those who measure it put their own here."""
        self.exits = 0
        """How often KVM stopped a vCPU for its full ring, since the guest was made."""

    @property
    def entries_taken(self) -> int:
        """Entries of the tracked slot harvested, repeats counted, since the guest was made."""
        return int(self._counts[ENTRIES])

    @property
    def repeats(self) -> int:
        """Entries for a page that was in already."""
        return int(self._counts[REPEATS])

    @property
    def nbytes(self) -> int:
        rings = 16 * self.machine.entries * len(self._room)
        return self._seen.nbytes + rings + self._order.nbytes

    def __len__(self) -> int:
        self._sync()
        return int(self._counts[LISTED])

    def operations(self) -> Operations:
        dirty = len(self)
        return Operations(words=2 * dirty, nodes=0, bytes=16 * dirty)

    def harvest_rings(self) -> list[Frames]:
        """Drain all rings once and hand the entries back to KVM; return what was in each.

        For those who measure the call; repeats are in, and what it returns is no longer part of the
        next collect.
        """
        self._require_open()
        found = []
        for vcpu in self.machine.vcpus:
            self._take_over(vcpu)
            room = self._room[vcpu.number]
            found.append(room[: self.drain_into(vcpu, room)])
        self.machine.reset_rings()
        return found

    def drain_into(self, vcpu: VCpu, out: Frames) -> int:
        """Write what is in a vCPU's ring to `out`, which has room for all of it; return how many.

        For those who measure the call; KVM has the entries back after ``machine.reset_rings()``.
        """
        if not self.machine.usable:
            self._require_open()
        return self._drain(vcpu, out, False)

    def _on_full(self, vcpu: VCpu, exited: bool) -> None:
        with self._lock:
            self.exits += int(exited)
            self._fetch(vcpu)
        self.machine.reset_rings()

    def _fetch(self, vcpu: VCpu) -> None:
        """Drain a ring and take over what was in it, and what an interrupt has left."""
        self._take_over(vcpu)
        self._drain(vcpu, self._room[vcpu.number], True)
        self._take_over(vcpu)

    def _drain(self, vcpu: VCpu, out: Frames, kept: bool) -> int:
        count = self.drain_by(vcpu.ring, vcpu.place, out, self._own, kept)
        vcpu.drained = count < out.size
        return count

    def _take_over(self, vcpu: VCpu) -> None:
        listed, fresh = int(self._counts[LISTED]), int(vcpu.place[TAKEN])
        if listed + fresh > self._order.size:
            grown = np.empty(2 * (listed + fresh), np.uint64)
            grown[:listed] = self._order[:listed]
            self._order = grown
        if fresh:
            list_new(self._seen, self._room[vcpu.number], vcpu.place, self._order, self._counts)

    def _sync(self) -> None:
        self._require_open()
        for vcpu in self.machine.vcpus:
            self._fetch(vcpu)
        self.machine.reset_rings()

    def _forget(self) -> None:
        self._seen[:] = 0
        self._own[:] = 0
        self._counts[LISTED] = 0

    def _put_back(self, frames: Frames) -> None:
        self._seen[:] = 0
        mark(self._seen, frames)
        self._order[: frames.size] = frames
        self._counts[LISTED] = frames.size

    def _output_size(self) -> int:
        return len(self)

    def _collect(self, out: Frames) -> int:
        out[:] = self._order[: out.size]
        return out.size
