"""How much memory this process holds: by the allocator's own account, and mappings beside it."""

import ctypes
import pathlib

SLACK = 64 * 2**10
"""Bytes within which nothing is said: the allocator's own, page rounding."""

_FIELDS = (
    "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks",
    "keepcost",
)  # fmt: skip


class _Mallinfo2(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_size_t) for name in _FIELDS)


def held() -> int:
    """Return the bytes allocated by malloc and mapped privately beside it.

    Where the C library does not tell (no ``mallinfo2``), the private memory mapped.
    """
    mapped = _data_bytes()
    mallinfo = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if mallinfo is None:
        return mapped
    mallinfo.restype = _Mallinfo2
    told = mallinfo()
    beside = mapped - int(told.arena) - int(told.hblkhd)  # constant unless a tracker maps itself
    return int(told.uordblks) + int(told.hblkhd) + beside


def _data_bytes() -> int:
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return 1024 * int(line.split()[1])
    return 0
