"""A KVM guest whose writes the kernel tracks, through the contract of every structure.

An insert makes the guest write to the frames; the kernel notes them its own way, and a collect asks
the kernel.  What it has told is kept in a bitmap until a harvest or clear, as a hypervisor does.

=====================  ============================================================================
``kvm-log``            KVM_GET_DIRTY_LOG: copies the slot's bitmap out, clears it, protects the
                       dirty pages again
``kvm-log-manual``     the same in two: KVM_GET_DIRTY_LOG copies, KVM_CLEAR_DIRTY_LOG clears and
                       protects
``kvm-ring``           KVM_CAP_DIRTY_LOG_RING: entries in memory shared with the kernel; a full
                       ring stops the vCPU until it is harvested and KVM_RESET_DIRTY_RINGS has
                       protected the pages again
=====================  ============================================================================

The guest's own pages are a slot of their own, tracked the same way (``own_frames``).

Source: Linux's Documentation/virt/kvm/api.rst.
"""

import threading
from types import TracebackType
from typing import ClassVar, Self

import numpy as np

from dirtylab import _check
from dirtylab._jit import kernel
from dirtylab._words import BIT_MASK, ONE, WORD_BITS, WORD_SHIFT, Words
from dirtylab.live import _guest
from dirtylab.live._machine import MEMORY_SLOT, OWN_SLOT, RING_LIMITS, Machine, VCpu, drain
from dirtylab.live._system import PAGE_BYTES
from dirtylab.structures.base import Frames, Operations, Structure, require
from dirtylab.structures.bitmap import scan
from dirtylab.structures.bits import count_set, wants_vector, words_for

TIME_LIMIT = 60.0
"""Seconds that a guest may run at a time."""


@kernel
def list_new(seen: Words, frames: Frames, out: Frames) -> int:
    """Write the frames that are not in `seen` yet to `out`, and mark them there."""
    count = 0
    for frame in frames:
        bit = ONE << (frame & BIT_MASK)
        if not seen[frame >> WORD_SHIFT] & bit:
            seen[frame >> WORD_SHIFT] |= bit
            out[count] = frame
            count += 1
    return count


class Guest(Structure):
    """What the three trackers share.

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

    unique_output = True
    _tracking: ClassVar[str]

    def __init__(self, pages: int, *, vcpus: int = 1, time_limit: float = TIME_LIMIT) -> None:
        super().__init__(pages)
        self._start(vcpus, time_limit, RING_LIMITS[0])

    def _start(self, vcpus: int, time_limit: float, entries: int) -> None:
        pages = _check.integer("pages", self._pages, 0, _guest.MAX_PAGES)
        count = _check.integer("vcpus", vcpus, 1, _guest.MAX_VCPUS)
        limit = _check.real("time_limit", time_limit, 0.001, 86_400.0)
        self.machine = Machine(max(pages, 1), count, self._tracking, entries, limit)
        """Descriptors, mappings and vCPUs, for those who measure single calls."""
        self._seen = np.zeros(words_for(max(pages, 1)), np.uint64)
        own_pages = _guest.own_bytes(max(pages, 1), count) // PAGE_BYTES
        self._own = np.zeros(words_for(own_pages), np.uint64)
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

        ``insn_emulation`` near the number of instructions means that the hypervisor interprets
        the guest, as under some kinds of nesting; then no page is ever write-protected.
        """
        self._require_open()
        return self.machine.statistics()

    def clear(self) -> None:
        self._sync()
        self._forget()

    def close(self) -> None:
        """Release the guest; a second call does nothing."""
        self.machine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

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

    def __repr__(self) -> str:
        if not self.machine.is_open:
            return f"<{self.name}: {self.pages} pages, closed>"
        return super().__repr__()

    def _require_open(self) -> None:
        if not self.machine.is_open:
            raise ValueError(f"{self.name}: the guest is closed")

    def _insert(self, frames: Frames) -> None:
        self._require_open()
        if frames.size:
            self.machine.write(frames)

    def _sync(self) -> None:
        """Fetch what the kernel knows."""
        raise NotImplementedError

    def _forget(self) -> None:
        self._seen[:] = 0
        self._own[:] = 0

    def _output_size(self) -> int:
        return len(self)

    def _collect(self, out: Frames) -> int:
        return scan(self._seen, out.size, out, False, self.vector) if out.size else 0

    def _contains(self, frame: int) -> bool:
        self._sync()
        return bool(int(self._seen[frame // WORD_BITS]) >> (frame % WORD_BITS) & 1)


class KvmLog(Guest):
    """KVM_GET_DIRTY_LOG; arguments as for :class:`Guest`."""

    name = "kvm-log"
    sorted_output = True
    _tracking = "log"

    def __init__(self, pages: int, *, vcpus: int = 1, time_limit: float = TIME_LIMIT) -> None:
        super().__init__(pages, vcpus=vcpus, time_limit=time_limit)
        self._fresh = np.zeros_like(self._seen)
        self._fresh_own = np.zeros_like(self._own)

    @property
    def nbytes(self) -> int:
        return self._seen.nbytes + self._fresh.nbytes

    def fetch_log(self) -> Words:
        """Ask the kernel for the log of the tracked slot, clearing it; one word for 64 pages.

        For those who measure the call; what it returns is no longer part of the next collect.
        """
        self._require_open()
        self._fetch(MEMORY_SLOT, self._fresh, self.machine.pages)
        return self._fresh

    def _sync(self) -> None:
        self._seen |= self.fetch_log()
        own_pages = self.machine.own.size // PAGE_BYTES
        self._fetch(OWN_SLOT, self._fresh_own, own_pages)
        self._own |= self._fresh_own

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
        Whether the guest is given no more frames at a time than its ring has room for.  Without it
        the kernel alone must stop a guest whose ring is full, which a hypervisor that interprets
        the guest does too late: frames are lost.

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
        Structure.__init__(self, pages)
        size = _check.integer("entries", entries, *RING_LIMITS)
        if size & (size - 1):
            raise ValueError(f"entries={size}: must be a power of two")
        self._lock = threading.Lock()
        self._chunks: list[Frames] = []
        self._start(vcpus, time_limit, size)
        self.machine.guarded = _check.truth("guarded", guarded)
        self._room = [np.empty(size, np.uint64) for _ in range(len(self.machine.vcpus))]
        self.machine.on_full = self._on_full
        self.exits = 0
        """How often KVM stopped a vCPU for its full ring, since the guest was made."""
        self.entries_taken = 0
        """Entries of the tracked slot harvested, repeats counted, since the guest was made."""
        self.repeats = 0
        """Entries for a page that was in already."""

    @property
    def nbytes(self) -> int:
        rings = 16 * self.machine.entries * len(self._room)
        return self._seen.nbytes + rings + sum(chunk.nbytes for chunk in self._chunks)

    def operations(self) -> Operations:
        dirty = len(self)
        return Operations(words=2 * dirty, nodes=0, bytes=16 * dirty)

    def harvest_rings(self) -> list[Frames]:
        """Drain all rings once and hand the entries back to KVM; return what was in each.

        For those who measure the call; repeats are in, and what it returns is no longer part of the
        next collect.
        """
        self._require_open()
        found = [self._drain(vcpu) for vcpu in self.machine.vcpus]
        self.machine.reset_rings()
        return found

    def _on_full(self, vcpu: VCpu, exited: bool) -> None:
        frames = self._drain(vcpu)
        self.machine.reset_rings()
        with self._lock:
            self.exits += int(exited)
            self._keep(frames)

    def drain_into(self, vcpu: VCpu, out: Frames) -> int:
        """Write what is in a vCPU's ring to `out`, which has room for all of it; return how many.

        For those who measure the call; KVM has the entries back after ``machine.reset_rings()``.
        """
        vcpu.fetch, count = drain(vcpu.ring, vcpu.fetch, out, self._own)
        vcpu.handed = 0
        return count

    def _drain(self, vcpu: VCpu) -> Frames:
        """Return the frames in a vCPU's ring, of the tracked slot, in memory used again."""
        room = self._room[vcpu.number]
        return room[: self.drain_into(vcpu, room)]

    def _keep(self, frames: Frames) -> None:
        fresh = np.empty_like(frames)
        count = list_new(self._seen, frames, fresh)
        self.entries_taken += frames.size
        self.repeats += frames.size - count
        if count:
            self._chunks.append(fresh[:count].copy())

    def _sync(self) -> None:
        for frames in self.harvest_rings():
            self._keep(frames)

    def _forget(self) -> None:
        super()._forget()
        self._chunks = []

    def _collect(self, out: Frames) -> int:
        if out.size:
            np.concatenate(self._chunks, out=out)
        return out.size
