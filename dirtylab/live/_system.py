"""System calls: ioctls, mappings, and errors of one line where something is missing.

Plain system calls through ctypes: Python's own :func:`fcntl.ioctl` takes no argument beyond 31 bits
and its mmap objects can't be closed while an array refers to them.
"""

import contextlib
import ctypes
import errno
import mmap
import os
import platform
import signal
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from dirtylab.live._unshared import Unshared

PAGE_BYTES = 4096
LARGE_PAGE = 2**21
REST = "structures, patterns and recorded traces work everywhere"
"""What still works where an interface is missing."""

_SHARED, _PRIVATE = mmap.MAP_SHARED, mmap.MAP_PRIVATE
_ANONYMOUS_PRIVATE_UNRESERVED = 0x4022
_HUGE_PAGES, _NO_HUGE_PAGES, _DONT_NEED = 14, 15, 4
_SET_BYTES = 128  # of a sigset_t
_ALL_SIGNALS = b"\xff" * _SET_BYTES


class Unavailable(OSError):  # noqa: N818 - a state of the machine more than an error
    """An interface of the system is missing; one line names it and what works without it."""

    def __init__(self, what: str, why: str, rest: str = REST) -> None:
        super().__init__(f"{what}: {why}; {rest}")


class Number:
    """Request numbers of ioctls, as Linux's ``asm-generic/ioctl.h`` makes them."""

    def __init__(self, family: int) -> None:
        self._family = family << 8

    def none(self, number: int) -> int:
        """Return ``_IO(family, number)``."""
        return self._family | number

    def write(self, number: int, size: int) -> int:
        """Return ``_IOW(family, number, size)``: user space writes the argument."""
        return 1 << 30 | size << 16 | self._family | number

    def read(self, number: int, size: int) -> int:
        """Return ``_IOR(family, number, size)``."""
        return 2 << 30 | size << 16 | self._family | number

    def both(self, number: int, size: int) -> int:
        """Return ``_IOWR(family, number, size)``."""
        return 3 << 30 | size << 16 | self._family | number


_libc: Any = None


def libc() -> Any:
    """Return the C library with typed ioctl, mmap, munmap, madvise and syscall."""
    global _libc
    if _libc is None:
        loaded = ctypes.CDLL(None, use_errno=True)
        loaded.ioctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p]
        address, size = ctypes.c_void_p, ctypes.c_size_t
        number = ctypes.c_int
        loaded.mmap.argtypes = [address, size, number, number, number, ctypes.c_long]
        loaded.mmap.restype = ctypes.c_void_p
        loaded.munmap.argtypes = [address, size]
        loaded.madvise.argtypes = [address, size, number]
        loaded.syscall.restype = ctypes.c_long
        _libc = loaded
    return _libc


def require_linux(what: str, architectures: tuple[str, ...] = ()) -> None:
    """Refuse another system, another page size and, where given, another architecture.

    Raises
    ------
    Unavailable
        Names what is missing.
    """
    system, machine = platform.system(), platform.machine()
    if system != "Linux":
        raise Unavailable(what, f"needs Linux, this is {system or 'unknown'}")
    if architectures and machine not in architectures:
        raise Unavailable(what, f"needs {' or '.join(architectures)}, this is {machine}")
    if mmap.PAGESIZE != PAGE_BYTES:
        raise Unavailable(what, f"needs pages of {PAGE_BYTES} bytes, here are {mmap.PAGESIZE}")


def ioctl(fd: int, request: int, argument: int | bytearray | ctypes.Structure = 0) -> int:
    """Call ioctl and return what it returned.

    Raises
    ------
    OSError
        With the number of the error.
    """
    found: int = libc().ioctl(fd, request, address_of(argument))
    if found < 0:
        raise system_error(f"ioctl {request:#x}")
    return found


def address_of(argument: int | bytearray | ctypes.Structure) -> int:
    """Return where an argument of ioctl is; a number is one already."""
    if isinstance(argument, bytearray):
        return ctypes.addressof((ctypes.c_char * len(argument)).from_buffer(argument))
    if isinstance(argument, ctypes.Structure):
        return ctypes.addressof(argument)
    return argument


def system_error(what: str) -> OSError:
    """Return the error of the last system call."""
    number = ctypes.get_errno()
    return OSError(number, f"{what}: {os.strerror(number)}")


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Hold back all signals of this thread: 5 µs, 68 by :func:`signal.pthread_sigmask`."""
    before = ctypes.create_string_buffer(_SET_BYTES)
    libc().pthread_sigmask(signal.SIG_BLOCK.value, None, before)
    try:
        libc().pthread_sigmask(signal.SIG_BLOCK.value, _ALL_SIGNALS, None)
        yield
    finally:
        libc().pthread_sigmask(signal.SIG_SETMASK.value, before, None)


class Mapping(Unshared):
    """Some mapped memory, unmapped once by :meth:`close`.

    Parameters
    ----------
    size : int
        Bytes; above 0.
    fd, offset : int, optional
        What is mapped, shared; fresh private memory in small pages when omitted.
    large : bool, optional
        Whether fresh memory begins at a multiple of 2 MiB, and is asked for in pages of that size.
    """

    def __init__(self, size: int, fd: int = -1, offset: int = 0, *, large: bool = False) -> None:
        flags = _ANONYMOUS_PRIVATE_UNRESERVED if fd < 0 else _SHARED
        room = size + LARGE_PAGE if large else size
        found = libc().mmap(None, room, mmap.PROT_READ | mmap.PROT_WRITE, flags, fd, offset)
        if found in (None, ctypes.c_void_p(-1).value):
            raise system_error(f"mapping {room:,} bytes")
        self.address: int = -(-found // LARGE_PAGE) * LARGE_PAGE if large else found
        self.size = size
        self._mapped = found, room
        if fd < 0:  # in large pages one write would make 2 MiB resident
            libc().madvise(self.address, size, _HUGE_PAGES if large else _NO_HUGE_PAGES)

    def array(self, dtype: npt.DTypeLike = np.uint8) -> npt.NDArray[Any]:
        """Return the memory as an array, which must not outlive it.

        Raises
        ------
        ValueError
            It is unmapped already.
        """
        if not self.address:
            raise ValueError("mapped memory: is closed")
        return np.ctypeslib.as_array((ctypes.c_uint8 * self.size).from_address(self.address)).view(
            dtype
        )

    def discard(self) -> None:
        """Discard the memory's contents, keep the mapping."""
        libc().madvise(self.address, self.size, _DONT_NEED)

    def close(self) -> None:
        """Unmap; a second call does nothing."""
        unmap = libc().munmap
        address, self.address = self.address, 0  # first: an interrupt must not unmap it twice
        if address:
            unmap(*self._mapped)

    def __del__(self) -> None:
        if getattr(self, "address", 0):
            self.close()


class Descriptor(Unshared):
    """A file descriptor, closed once by :meth:`close`."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def close(self) -> None:
        """Close; a second call does nothing."""
        fd, self.fd = self.fd, -1  # first: an interrupt must not close it twice
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        self.close()


@contextlib.contextmanager
def translated(what: str, reasons: dict[int, str]) -> Iterator[None]:
    """Turn an OSError whose number is among `reasons` into :class:`Unavailable`."""
    try:
        yield
    except OSError as error:
        if isinstance(error, Unavailable) or error.errno not in reasons:
            raise
        raise Unavailable(what, reasons[error.errno]) from None


def statistics(fd: int) -> dict[str, int]:
    """Return KVM's counters of a virtual machine or a vCPU, those of one value.

    Empty where the kernel has none (before 5.14).
    """
    try:
        stream = ioctl(fd, 0xAECE)
    except OSError as error:
        if error.errno in (errno.ENOTTY, errno.EINVAL):
            return {}
        raise
    try:
        _, room, count, _, first, values = struct.unpack("<6I", os.pread(stream, 24, 0))
        found = {}
        for number in range(count):
            entry = os.pread(stream, 16 + room, first + number * (16 + room))
            _, _, size, offset, _ = struct.unpack_from("<IhHII", entry)
            if size == 1:
                name = entry[16:].split(b"\0")[0].decode()
                found[name] = struct.unpack("<Q", os.pread(stream, 8, values + offset))[0]
        return found
    finally:
        os.close(stream)
