"""PAGEMAP_SCAN and asynchronous write protection: the pages written since the last scan.

A range of memory is registered with a userfaultfd for write protection that the kernel lifts by
itself (UFFD_FEATURE_WP_ASYNC).  A scan then returns the pages written since the scan before and
protects them again, in one pass over the page tables: nothing written is ever lost, a page written
while the scan passes it belongs to this scan or to the next.

The registration is the mapping's, not the addresses': what is unmapped and mapped again, or moved,
is not registered.  A scan that protects skips such memory silently, unless a flag makes it fail;
``UNREGISTERED`` finds it.

Source: Linux's Documentation/admin-guide/mm/pagemap.rst and userfaultfd.rst, ``linux/fs.h``.
"""

import errno
import os
import platform
import struct
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dirtylab.live._system import (
    PAGE_BYTES,
    Number,
    Unavailable,
    ioctl,
    libc,
    require_linux,
    system_error,
    translated,
)
from dirtylab.live._unshared import Unshared

WHAT = "written pages of a process"
SYSCALLS = {"x86_64": 323, "aarch64": 282, "riscv64": 282, "loongarch64": 282}
"""Number of the system call userfaultfd."""

REGISTERED, WRITTEN, FILE, PRESENT, SWAPPED, ZERO_PAGE, HUGE, GUARD = 1, 2, 4, 8, 16, 32, 64, 256
"""Categories of pages; guards are known from Linux 6.15 on."""

_UFFD = Number(0xAA)
API, REGISTER, FORGET = _UFFD.both(0x3F, 24), _UFFD.both(0x00, 32), _UFFD.both(0x06, 24)
USER_FLAGS = 0o2000001
"""O_CLOEXEC and UFFD_USER_MODE_ONLY, which needs no privilege."""
FEATURES = 1 << 13 | 1 << 15  # WP_UNPOPULATED, WP_ASYNC
_REGISTER_PROTECTION = 2
_SCAN = 3 << 30 | 96 << 16 | ord("f") << 8 | 16
_PROTECT, _MUST_BE_ASYNC = 1, 2
_ROOM = 8192
_CATEGORIES = WRITTEN | FILE | PRESENT | SWAPPED | ZERO_PAGE | HUGE


class Query(NamedTuple):
    """A scan's query, named as in struct pm_scan_arg."""

    flags: int
    inverted: int
    """Categories that a page must not have where it is asked for them."""
    all_of: int
    any_of: int
    told: int
    """Categories that are returned for each range."""


WRITTEN_PAGES = Query(_PROTECT, 0, WRITTEN, 0, _CATEGORIES)
"""Where there is a page table, what was never touched counts as written."""
OWN_WRITTEN = WRITTEN_PAGES._replace(flags=_PROTECT | _MUST_BE_ASYNC)
"""The same; fails with EPERM where the range is not registered."""
EVERYTHING = Query(_PROTECT, 0, 0, 0, _CATEGORIES & ~SWAPPED)
"""What is there, written or not, of shared memory, which is never swapped in place.  What was never
touched is protected too: a first read then is no write."""
GONE = Query(_PROTECT, PRESENT | SWAPPED, PRESENT | SWAPPED, 0, REGISTERED | HUGE)
"""Pages without protection that are not present: after EVERYTHING, written and then evicted."""
UNREGISTERED = Query(0, REGISTERED, REGISTERED, 0, 0)
"""Memory that may be mapped but is not registered; protects nothing."""

Regions = npt.NDArray[np.uint64]
Chosen = npt.NDArray[np.bool_]

REASONS = {
    errno.EINVAL: "needs Linux 6.7 or later with CONFIG_USERFAULTFD (asynchronous protection)",
    errno.ENOTTY: "needs Linux 6.7 or later with CONFIG_PROC_PAGE_MONITOR (PAGEMAP_SCAN)",
    errno.ENOSYS: "needs CONFIG_USERFAULTFD in the kernel, or is forbidden by a sandbox",
    errno.EPERM: "userfaultfd is forbidden here",
    errno.EACCES: "/proc/PID/pagemap may not be read",
    errno.ENOENT: "/proc is not mounted, or the process has gone",
}


def open_userfaultfd() -> int:
    """Return a userfaultfd of this process, for asynchronous write protection.

    Raises
    ------
    Unavailable
        One line says what is missing.
    """
    require_linux(WHAT, tuple(SYSCALLS))
    with translated(WHAT, REASONS):
        fd: int = libc().syscall(SYSCALLS[platform.machine()], USER_FLAGS)
        if fd < 0:
            raise system_error("userfaultfd")
        try:
            ioctl(fd, API, api_request())
        except OSError:
            os.close(fd)
            raise
    return fd


def api_request() -> bytearray:
    """Return struct uffdio_api."""
    return bytearray(struct.pack("<QQQ", 0xAA, FEATURES, 0))


def register_request(start: int, end: int) -> bytearray:
    """Return struct uffdio_register for a range of addresses."""
    return bytearray(struct.pack("<QQQQ", start, end - start, _REGISTER_PROTECTION, 0))


def forget_request(start: int, end: int) -> bytearray:
    """Return struct uffdio_writeprotect that takes all protection from a registered range.

    When the kernel merges moved memory with its neighbours it keeps the protection bits but loses
    the registration.  A page written then is writeable and looks protected: after another
    registration its write would never be reported.
    """
    return bytearray(struct.pack("<QQQ", start, end - start, 0))


def register(fd: int, start: int, end: int) -> None:
    """Register a range that is not registered with a userfaultfd of its memory.

    Raises
    ------
    OSError
        EPERM for memory that is never writeable, EBUSY where another userfaultfd has it, EINVAL or
        ENOENT where nothing is mapped, or memory of another kind.
    """
    ioctl(fd, REGISTER, register_request(start, end))
    ioctl(fd, FORGET, forget_request(start, end))


class Scanner(Unshared):
    """Scans through ``/proc/PID/pagemap``.

    Parameters
    ----------
    fd : int
        An open descriptor of that file; stays the caller's.

    Notes
    -----
    The kernel's answer stays in the buffer, which is zero otherwise, until it has been handed over:
    after an interrupt :meth:`resume` finds it there.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.call: Callable[[int, int, int], int] = ioctl
        """What makes the system call; those who measure it put their own here."""
        self._room = np.zeros((_ROOM, 3), np.uint64)
        self._request = np.zeros(12, np.uint64)
        self._to, self._address = self._room.ctypes.data, self._request.ctypes.data
        self._guard = GUARD if self._knows(GUARD) else 0

    def scan(self, start: int, end: int, query: Query, keep: Callable[[Regions], object]) -> None:
        """Scan ``start … end`` and pass on the ranges found, part by part.

        Parameters
        ----------
        start, end : int
            Addresses.
        query : Query
            The categories to look for.
        keep : callable
            Takes an array of shape ``(n, 3)``, uint64: first address, address behind, categories;
            in memory that is used again.  After an interrupt it may be given a part twice.

        Raises
        ------
        OSError
            ESRCH when the process has gone; EPERM with ``OWN_WRITTEN`` where the range is not
            registered.
        """
        self.resume(keep)
        told = query.told | (self._guard if query.told & PRESENT else 0)
        while start < end:
            self._request[:] = (
                96, query.flags, start, end, 0, self._to, _ROOM, 0,
                query.inverted, query.all_of, query.any_of, told,
            )  # fmt: skip
            self._hand_over(self.call(self._fd, _SCAN, self._address), keep)
            start = int(self._request[4])

    def resume(self, keep: Callable[[Regions], object]) -> None:
        """Pass on the result of an interrupted scan, if any."""
        if self._room[0, 1]:
            self._hand_over(int(np.count_nonzero(self._room[:, 1])), keep)

    def _hand_over(self, count: int, keep: Callable[[Regions], object]) -> None:
        found = self._room[:count]
        keep(found)
        found[:] = 0

    def _knows(self, category: int) -> bool:
        self._request[:] = (96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, category)
        try:
            ioctl(self._fd, _SCAN, self._address)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ESRCH):
                return False
            raise
        return True


def pages_of(regions: Regions) -> npt.NDArray[np.uint64]:
    """Return the page numbers in ranges of addresses, in the order of the ranges."""
    first = regions[:, 0] // np.uint64(PAGE_BYTES)
    count = (regions[:, 1] - regions[:, 0]) // np.uint64(PAGE_BYTES)
    behind = np.cumsum(count)
    shift = np.repeat(first - (behind - count), count.astype(np.int64))
    return shift + np.arange(shift.size, dtype=np.uint64)


def held(regions: Regions) -> Chosen:
    """Return which ranges are present as written pages, not as empty ones."""
    kinds = regions[:, 2]
    there = (kinds & np.uint64(PRESENT | SWAPPED)) > 0
    return there & ((kinds & np.uint64(ZERO_PAGE | GUARD)) == 0)


def missing() -> str | None:
    """Return one line on why pages can't be watched here, None when they can."""
    from dirtylab.live.pagemap import Pagemap

    try:
        Pagemap(1).close()
    except OSError as error:
        return str(error)
    return None


def refuse(error: OSError) -> Unavailable:
    """Return the line for an error of the interface."""
    reason = REASONS.get(error.errno or 0, str(error))
    return Unavailable(WHAT, reason)
