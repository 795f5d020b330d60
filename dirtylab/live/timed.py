"""System calls and decoding timed by compiled code, so that no recorded time holds Python.

A call of ioctl from Python adds a few microseconds, more than a harvest of ten pages takes.  Here
compiled code reads the clock, calls ioctl by its address, and reads the clock again.
"""

import ctypes

import numpy as np
import numpy.typing as npt

from dirtylab._check import Frames
from dirtylab._jit import kernel
from dirtylab._words import Words
from dirtylab.live import _ring
from dirtylab.live._scan import Regions
from dirtylab.live._system import PAGE_BYTES, address_of, ioctl, libc
from dirtylab.measure.clock import Stopwatch, elapsed, reading_ns, start, stopwatch
from dirtylab.native.calls import call_ioctl
from dirtylab.structures.bitmap import scan

_TRIALS = 64
_PAGE = np.uint64(PAGE_BYTES)
_FAILED = 2**31
_LOW = 2**32 - 1


@kernel
def _call(
    function: np.uint64, fd: np.uint64, request: np.uint64, argument: np.uint64, watch: Stopwatch
) -> tuple[int, np.uint64]:
    start(watch)
    told = call_ioctl(function, fd, request, argument)
    return elapsed(watch), told


@kernel
def _decode(
    words: Words, dirty: int, out: Frames, vector: bool, watch: Stopwatch
) -> tuple[int, int]:
    start(watch)
    found = scan(words, dirty, out, False, vector)
    return elapsed(watch), found


@kernel
def _drain(
    entries: npt.NDArray[np.uint32],
    place: npt.NDArray[np.int64],
    out: Words,
    own: Words,
    kept: bool,
    watch: Stopwatch,
) -> tuple[int, int]:
    start(watch)
    found = _ring.drain(entries, place, out, own, kept)
    return elapsed(watch), found


@kernel
def frames_in(regions: Regions, first_page: np.uint64, out: Frames) -> int:
    """Write the frames of ranges of addresses, as far as there is room; return how many."""
    found = 0
    for place in range(regions.shape[0]):
        frame = regions[place, 0] // _PAGE - first_page
        behind = regions[place, 1] // _PAGE - first_page
        while frame < behind and found < out.size:
            out[found] = frame
            found += 1
            frame += np.uint64(1)
    return found


@kernel
def _expand(
    regions: Regions, first_page: np.uint64, out: Frames, watch: Stopwatch
) -> tuple[int, int]:
    start(watch)
    found = frames_in(regions, first_page, out)
    return elapsed(watch), found


class Clock:
    """Calls ioctl, decodes and drains; adds up how long that took.

    In place of :func:`dirtylab.live._system.ioctl` it may be called by whoever takes a ``call``.

    Attributes
    ----------
    spent : int
        Nanoseconds since :meth:`taken` was last asked, without those of reading the clock.
    """

    def __init__(self) -> None:
        self._function = np.uint64(ctypes.cast(libc().ioctl, ctypes.c_void_p).value or 0)
        self._watch = stopwatch()
        self._reading = reading_ns(self._watch, _TRIALS)
        self.spent = 0

    def __call__(
        self, fd: int, request: int, argument: int | bytearray | ctypes.Structure = 0
    ) -> int:
        """Call ioctl and return what it returned; errors as there."""
        pointer = np.uint64(address_of(argument))
        ns, told = _call(self._function, np.uint64(fd), np.uint64(request), pointer, self._watch)
        if int(told) & _FAILED:  # compiled code can't read errno
            return ioctl(fd, request, argument)
        self._add(ns)
        return int(told) & _LOW

    def decode(self, words: Words, dirty: int, out: Frames, vector: bool) -> int:
        """Write the frames of a bitmap's set bits to `out`; return how many."""
        ns, found = _decode(words, dirty, out, vector, self._watch)
        self._add(ns)
        return int(found)

    def drain(
        self,
        entries: npt.NDArray[np.uint32],
        place: npt.NDArray[np.int64],
        out: Words,
        own: Words,
        kept: bool,
    ) -> int:
        """Drain a ring, as :func:`dirtylab.live._ring.drain` does."""
        ns, found = _drain(entries, place, out, own, kept, self._watch)
        self._add(ns)
        return int(found)

    def expand(self, regions: Regions, first_page: np.uint64, out: Frames) -> int:
        """Write the frames of ranges of addresses to `out`; return how many."""
        ns, found = _expand(regions, first_page, out, self._watch)
        self._add(ns)
        return int(found)

    def taken(self) -> int:
        """Return what was spent, at least 1, and begin anew."""
        spent, self.spent = max(self.spent, 1), 0
        return spent

    def _add(self, ns: int) -> None:
        self.spent += max(int(ns) - self._reading, 0)
