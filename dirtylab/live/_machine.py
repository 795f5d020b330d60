"""A virtual machine on ``/dev/kvm``: descriptors, mappings, vCPUs, a time limit.

Source: Linux's Documentation/virt/kvm/api.rst.
"""

import contextlib
import errno
import os
import struct
import time
import weakref
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from dirtylab.live import _guest
from dirtylab.live._device import KVM, WHAT, open_device, require
from dirtylab.live._ring import MEMORY_SLOT, OWN_SLOT, READ_SLOT
from dirtylab.live._system import (
    PAGE_BYTES,
    Descriptor,
    Mapping,
    held_back,
    ioctl,
    statistics,
    translated,
)
from dirtylab.live._unshared import Unshared, require_process
from dirtylab.live._workers import STOP_SIGNAL, Worker, settle, stop_all

RING_LIMITS = (256, 65536)
"""Entries of a dirty ring: a page of them at least, what KVM takes at most."""

_CREATE_VM, _RUN_SIZE = 0x01, 0x04
_GET_CPUID, _SET_CPUID = KVM.both(0x05, 8), KVM.write(0x90, 8)
_CREATE_VCPU, _SET_MEMORY = 0x41, KVM.write(0x46, 32)
_GET_LOG, _CLEAR_LOG = KVM.write(0x42, 16), KVM.both(0xC0, 24)
_RUN, _RESET_RINGS = KVM.none(0x80), KVM.none(0xC7)
_GET_REGS, _SET_REGS = KVM.read(0x81, 144), KVM.write(0x82, 144)
_GET_SREGS, _SET_SREGS = KVM.read(0x83, 312), KVM.write(0x84, 312)
_SET_SIGNAL_MASK, _ENABLE_CAP = KVM.write(0x8B, 4), KVM.write(0xA3, 104)
_LOG_DIRTY, _RING_PAGE, _CPUID_ENTRIES = 1, 64, 256

EXIT_DONE, EXIT_RING_FULL = 2, 31
"""A byte to a port, by which the guest hands back; a full ring."""
_EXITS = {8: "shut down (triple fault)", 9: "could not be entered", 17: "met an internal error"}


class GuestError(RuntimeError):
    """The guest stopped for an unexpected reason."""


class _Stop(Exception):  # noqa: N818 - it is an order
    """The vCPU has been told to stop."""


class VCpu(Unshared):
    """One processor of a guest.

    Parameters
    ----------
    machine : Machine
        Whose.
    number : int
        From 0.
    """

    def __init__(self, machine: "Machine", number: int) -> None:
        keep = machine.resources
        self._machine, self.number = machine, number
        self.fd = keep.enter_context(
            contextlib.closing(Descriptor(ioctl(machine.vm, KVM.none(_CREATE_VCPU), number)))
        ).fd
        size = ioctl(machine.system, KVM.none(_RUN_SIZE))
        self._run = keep.enter_context(contextlib.closing(Mapping(size, self.fd)))
        self._words = self._run.array(np.uint32)
        self.place = np.zeros(2, np.int64)
        """Of the ring, written by the kernel that drains it."""
        self.handed = 0
        """Writes that may be in the ring, at most."""
        self.drained = False
        """Whether the ring is empty except for entries that KVM has not reset."""
        if machine.tracking == "ring":
            ring = Mapping(16 * machine.entries, self.fd, _RING_PAGE * PAGE_BYTES)
            keep.enter_context(contextlib.closing(ring))
            self.ring = ring.array(np.uint32).reshape(-1, 4)
        ioctl(self.fd, _SET_CPUID, machine.cpuid)
        fresh = bytearray(312)
        ioctl(self.fd, _GET_SREGS, fresh)
        ioctl(self.fd, _SET_SREGS, _guest.special_registers(fresh))
        allowed = bytearray(struct.pack("<IQ", 8, 2**64 - 1 & ~(1 << (STOP_SIGNAL - 1))))
        ioctl(self.fd, _SET_SIGNAL_MASK, allowed)
        self._table = machine.own[_guest.table_address(machine.pages, number) :].view(np.uint64)

    def run(self, frames: npt.NDArray[np.uint64], code: int) -> None:
        """Write to `frames`, in this thread, until the guest hands back.

        Raises
        ------
        _Stop
            The signal came.
        GuestError
            The guest stopped otherwise.
        """
        self._machine.require_open()
        done = 0
        while done < frames.size:  # with no frame the guest's loop would not end
            batch = frames[done : done + self._room()]
            self._table[: batch.size] = _guest.addresses(batch)
            fields = _guest.registers(self._machine.pages, self.number, batch.size, code)
            ioctl(self.fd, _SET_REGS, fields)
            self.drained = False
            self.handed += batch.size + 1
            left = batch.size + 1
            while (reason := self._enter()) != EXIT_DONE:
                if reason != EXIT_RING_FULL:
                    words = _EXITS.get(reason, f"exited for reason {reason}")
                    raise GuestError(f"the guest {words}")
                self._machine.on_full(self, True)
                before, left = left, self._frames_left()
                if left == before:  # entries were overwritten: what KVM waits for never comes
                    raise GuestError("the guest is stuck at a ring that overran; frames are lost")
                self.handed = left + 1
            done += batch.size

    def _room(self) -> int:
        """Return how many frames the guest may get: no more than the ring has room for.

        KVM checks its ring between two runs of the guest and keeps 64 entries free for writes
        meanwhile.  A hypervisor that emulates the guest was seen to write hundreds of pages between
        two checks: they would overwrite entries that have not been read.
        """
        if not self._machine.guarded:
            return _guest.BATCH
        if self.handed + 1 >= self._machine.entries:
            fields = _guest.registers(self._machine.pages, self.number, 0, _guest.STOP)
            ioctl(self.fd, _SET_REGS, fields)
            full = self._enter() == EXIT_RING_FULL  # otherwise it has just handed back again
            self._machine.on_full(self, full)
            self.handed = 0
        return min(_guest.BATCH, self._machine.entries - 1 - self.handed)

    def _frames_left(self) -> int:
        """Return how many frames of the batch the guest has not written yet."""
        fields = bytearray(144)
        ioctl(self.fd, _GET_REGS, fields)
        return int(struct.unpack_from("<Q", fields, 16)[0])

    def _enter(self) -> int:
        try:
            self._machine.enter(self.fd, _RUN)
        except OSError as error:
            if error.errno == errno.EINTR:
                raise _Stop from None
            raise
        return int(self._words[2])


class Machine(Unshared):
    """A guest with one tracked slot.

    Parameters
    ----------
    pages : int
        Size of the tracked slot, 1 … 2^26.
    vcpus : int
        Processors, 1 … 64.
    tracking : {"log", "manual", "ring"}
        How KVM tracks: GET_DIRTY_LOG, the same with CLEAR_DIRTY_LOG, or dirty rings.
    entries : int
        Of each ring, a power of two, 256 … 65536.
    time_limit : float
        Seconds after which a run is stopped.
    large : bool, optional
        Whether the tracked slot lies in pages of 2 MiB of the host, as far as it has some.

    Raises
    ------
    Unavailable
        The machine can't do it; one line says why.
    """

    def __init__(
        self,
        pages: int,
        vcpus: int,
        tracking: str,
        entries: int,
        time_limit: float,
        *,
        large: bool = False,
    ) -> None:
        self.pages, self.tracking, self.entries = pages, tracking, entries
        self.time_limit = time_limit
        self.resources = contextlib.ExitStack()
        self.guarded = tracking == "ring"
        self.call: Callable[..., int] = ioctl
        """What asks KVM for logs and resets; those who measure it put their own here."""
        self.enter: Callable[[int, int], int] = ioctl
        """What enters the guest, likewise."""
        self.on_full: Callable[[VCpu, bool], None] = lambda _vcpu, _exited: None
        self._maker = os.getpid()
        self._workers: list[Worker] = []
        self._release = weakref.finalize(self, self.resources.close)
        try:
            self._build(vcpus, large)
            self.resources.callback(settle, self._workers, self._maker)
        except BaseException:
            self.close()
            raise

    def _build(self, vcpus: int, large: bool) -> None:
        keep = self.resources
        self.system = keep.enter_context(contextlib.closing(Descriptor(open_device()))).fd
        capability = require(self.system, self.tracking)
        with translated(WHAT, {errno.EBUSY: "another hypervisor holds the processor"}):
            machine = Descriptor(ioctl(self.system, KVM.none(_CREATE_VM)))
        self.vm = keep.enter_context(contextlib.closing(machine)).fd
        if capability:
            wanted = 16 * self.entries if self.tracking == "ring" else 1
            ioctl(self.vm, _ENABLE_CAP, bytearray(struct.pack("<IIQ88x", capability, 0, wanted)))
        own = keep.enter_context(contextlib.closing(Mapping(_guest.own_bytes(self.pages, vcpus))))
        self.own = own.array()
        _guest.build(self.own, self.pages)
        memory = Mapping(self.pages * PAGE_BYTES, large=large)
        self.memory = keep.enter_context(contextlib.closing(memory))
        written = _guest.WRITTEN_PAGES * PAGE_BYTES
        self._set_slot(OWN_SLOT, 0, own.address, written)
        self._set_slot(READ_SLOT, written, own.address + written, own.size - written, flags=0)
        self._set_slot(MEMORY_SLOT, _guest.MEMORY, self.memory.address, self.memory.size)
        self.cpuid = bytearray(8 + 40 * _CPUID_ENTRIES)
        struct.pack_into("<I", self.cpuid, 0, _CPUID_ENTRIES)
        ioctl(self.system, _GET_CPUID, self.cpuid)
        self.vcpus = [VCpu(self, number) for number in range(vcpus)]

    def _set_slot(
        self, slot: int, address: int, memory: int, size: int, flags: int = _LOG_DIRTY
    ) -> None:
        fields = struct.pack("<IIQQQ", slot, flags, address, size, memory)
        ioctl(self.vm, _SET_MEMORY, bytearray(fields))

    def track(self, wanted: bool) -> None:
        """Begin or end the tracking of the slot, as a hypervisor does for a migration."""
        self.require_open()
        self._set_slot(
            MEMORY_SLOT, _guest.MEMORY, self.memory.address, self.memory.size,
            flags=_LOG_DIRTY if wanted else 0,
        )  # fmt: skip

    def write(self, frames: npt.NDArray[np.uint64], code: int = _guest.CODE) -> None:
        """Let the guest write to `frames`, each vCPU to its share of them in a row.

        Raises
        ------
        TimeoutError
            The guest ran longer than its time limit and was stopped; what it wrote is in the log.
        GuestError
            It stopped otherwise.
        """
        self.require_open()
        stop_all(self._workers)  # what an interrupt has left, if any
        shares = np.array_split(frames, len(self.vcpus))
        workers = [
            Worker(lambda v=vcpu, s=share: v.run(s, code))  # type: ignore[misc]
            for vcpu, share in zip(self.vcpus, shares, strict=True)
        ]
        late = False
        self._workers[:] = workers
        try:
            for worker in workers:
                worker.start()
            late = self._wait(workers)
        finally:
            stop_all(self._workers)
        trouble = [worker.trouble for worker in workers if worker.trouble is not None]
        for error in trouble:
            if not isinstance(error, _Stop):
                raise error
        if late and trouble:
            raise TimeoutError(
                f"time_limit={self.time_limit:g}: the guest ran longer than these seconds and was "
                "stopped; what it wrote until then is tracked"
            )

    def _wait(self, workers: list[Worker]) -> bool:
        """Return whether some worker still runs when the time is up."""
        end = time.monotonic() + self.time_limit
        return not all(worker.wait(end - time.monotonic()) for worker in workers)

    def get_log(self, slot: int, words: npt.NDArray[np.uint64]) -> None:
        """Read a slot's dirty log into `words`; without manual protection this clears it."""
        self.require_open()
        self.call(self.vm, _GET_LOG, bytearray(struct.pack("<IIQ", slot, 0, words.ctypes.data)))

    def clear_log(self, slot: int, words: npt.NDArray[np.uint64], pages: int) -> None:
        """Clear the bits of a slot's log that are set in `words`."""
        self.require_open()
        fields = struct.pack("<IIQQ", slot, pages, 0, words.ctypes.data)
        self.call(self.vm, _CLEAR_LOG, bytearray(fields))

    def reset_rings(self) -> int:
        """Make KVM reset the harvested entries; return their number."""
        if not self.usable:
            self.require_open()
        count = self._reset()
        for vcpu in self.vcpus:
            if vcpu.drained:
                vcpu.drained, vcpu.handed = False, 0
        return count

    def _reset(self) -> int:
        """Reset the rings with all signals held back.

        From Linux 6.16 on a signal ends the reset, and of the entries taken by then up to 64 pages
        are not protected again: their next writes are lost, in one of 200 interrupts or more.
        """
        with held_back():
            return self.call(self.vm, _RESET_RINGS)

    def discard(self) -> None:
        """Return the memory of the tracked slot to the system; it then reads as zeros."""
        self.require_open()
        self.memory.discard()

    def statistics(self) -> dict[str, int]:
        """Return KVM's counters, of the machine and of all vCPUs together."""
        self.require_open()
        found = statistics(self.vm)
        for vcpu in self.vcpus:
            for name, value in statistics(vcpu.fd).items():
                found[name] = found.get(name, 0) + value
        return found

    @property
    def is_open(self) -> bool:
        """Whether the machine still holds descriptors and memory."""
        return self._release.alive

    @property
    def usable(self) -> bool:
        """Whether the machine is open, and this process the one that made it."""
        return self._maker == os.getpid() and self._release.alive

    def require_open(self) -> None:
        """Refuse use after :meth:`close`, and in another process than the one that made it.

        Raises
        ------
        ValueError, RuntimeError
            One line says which.
        """
        if not self.is_open:
            raise ValueError("the guest is closed")
        require_process("the guest", self._maker)

    def close(self) -> None:
        """Release all descriptors and mappings; a second call does nothing."""
        self.resources.close()
        self._release()
