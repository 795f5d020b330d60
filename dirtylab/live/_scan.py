"""PAGEMAP_SCAN and asynchronous write protection: which pages were written since last asked.

A range of memory is registered with a userfaultfd for write protection that the kernel lifts by
itself (UFFD_FEATURE_WP_ASYNC).  A scan then returns the pages written since the scan before and
protects them again, in one pass over the page tables: nothing written is ever lost, a page written
while the scan passes it belongs to this scan or to the next.

Source: Linux's Documentation/admin-guide/mm/pagemap.rst and userfaultfd.rst, ``linux/fs.h``.
"""

import errno
import os
import platform
import struct

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

WHAT = "written pages of a process"
SYSCALLS = {"x86_64": 323, "aarch64": 282, "riscv64": 282, "loongarch64": 282}
"""Number of the system call userfaultfd."""

WRITTEN, FILE, PRESENT, SWAPPED, ZERO_PAGE = 2, 4, 8, 16, 32

_UFFD = Number(0xAA)
API, REGISTER = _UFFD.both(0x3F, 24), _UFFD.both(0x00, 32)
USER_FLAGS = 0o2000001
"""O_CLOEXEC and UFFD_USER_MODE_ONLY, which needs no privilege."""
FEATURES = 1 << 13 | 1 << 15  # WP_UNPOPULATED, WP_ASYNC
_REGISTER_PROTECTION = 2
_SCAN = 3 << 30 | 96 << 16 | ord("f") << 8 | 16
_PROTECT, _MUST_BE_ASYNC = 1, 2
_ROOM = 8192
_CATEGORIES = WRITTEN | FILE | PRESENT | SWAPPED | ZERO_PAGE

Regions = npt.NDArray[np.uint64]

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


class Scanner:
    """Asks ``/proc/PID/pagemap``.

    Parameters
    ----------
    fd : int
        An open descriptor of that file; stays the caller's.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._room = np.zeros((_ROOM, 3), np.uint64)
        self._request = np.zeros(12, np.uint64)
        self._address = self._request.ctypes.data

    def written(self, start: int, end: int) -> Regions:
        """Return the ranges written in ``start … end`` since last asked, and protect them again.

        Returns
        -------
        numpy.ndarray
            Shape ``(n, 3)``, uint64: first address, address behind, categories.

        Raises
        ------
        OSError
            EPERM where the range is not registered; ESRCH when the process has gone.
        """
        found = []
        while start < end:
            self._request[:] = (
                96, _PROTECT | _MUST_BE_ASYNC, start, end, 0, self._room.ctypes.data, _ROOM, 0,
                0, WRITTEN, 0, _CATEGORIES,
            )  # fmt: skip
            count = ioctl(self._fd, _SCAN, self._address)
            found.append(self._room[:count].copy())
            start = int(self._request[4])
        return np.concatenate(found) if found else np.empty((0, 3), np.uint64)


def pages_of(regions: Regions) -> npt.NDArray[np.uint64]:
    """Return the page numbers in ranges of addresses, in the order of the ranges."""
    first = regions[:, 0] // np.uint64(PAGE_BYTES)
    count = (regions[:, 1] - regions[:, 0]) // np.uint64(PAGE_BYTES)
    behind = np.cumsum(count)
    shift = np.repeat(first - (behind - count), count.astype(np.int64))
    return shift + np.arange(shift.size, dtype=np.uint64)


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
