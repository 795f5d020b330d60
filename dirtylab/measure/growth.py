"""Growth of the process's resident memory (RSS)."""

import ctypes
import functools
import mmap
import pathlib
import resource
import sys
from collections.abc import Callable
from typing import TypeVar

Made = TypeVar("Made")

_STATM = pathlib.Path("/proc/self/statm")


def resident_bytes() -> int:
    """Return the process's resident memory in bytes.

    From ``/proc/self/statm`` where the system has it; elsewhere the peak RSS, which shows growth
    but no shrinking.
    """
    try:
        return int(_STATM.read_text().split()[1]) * mmap.PAGESIZE
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def growth_of(make: Callable[[], Made]) -> tuple[Made, int]:
    """Make something; return it, and by how many bytes the process has grown.

    Freed memory that the C library keeps is returned to the system before and after, where that is
    possible: else a bitmap of 1.25 MB that reused another's memory came out as 0.  The count is in
    whole pages and includes other allocations meanwhile: below some 100 kB it is unreliable.
    """
    give_back()
    before = resident_bytes()
    made = make()
    give_back()
    return made, resident_bytes() - before


def give_back() -> None:
    """Return freed memory to the system, where the C library can."""
    trim = _trimmer()
    if trim is not None:
        trim(0)


@functools.cache
def _trimmer() -> Callable[[int], int] | None:
    """Return glibc's malloc_trim; nothing elsewhere."""
    try:
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None
    return trim
