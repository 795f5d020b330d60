"""A clock that compiled code reads itself, so that a sample holds no call from Python.

Read from Python, a clock adds 0.5 µs of call to each sample, more than the whole list copy of
the shortest posted run; read from compiled code it adds 18 ns.  The clock is POSIX's
``clock_gettime(CLOCK_MONOTONIC)``, the one the posted program used.  Where it is missing
(Windows), compiled code asks Python for the time: it works everywhere, with a higher floor.
"""

import time
from collections.abc import Callable

import numba
import numpy as np
import numpy.typing as npt
from numba import types
from numba.extending import overload

from dirtylab._jit import kernel

Scratch = npt.NDArray[np.int64]

HAS_POSIX_CLOCK = hasattr(time, "CLOCK_MONOTONIC")

_CLOCK = getattr(time, "CLOCK_MONOTONIC", 0)
_SECOND = 1_000_000_000
_clock_gettime = types.ExternalFunction("clock_gettime", types.intc(types.intc, types.voidptr))


def scratch() -> Scratch:
    """Return the two words (seconds, nanoseconds) into which the clock writes its answer."""
    return np.zeros(2, np.int64)


def now(words: Scratch) -> int:
    """Return nanoseconds from an arbitrary start; callable from compiled code."""
    return time.perf_counter_ns()


@overload(now)
def _now_compiled(words: Scratch) -> Callable[[Scratch], int]:
    def posix(words: Scratch) -> int:
        _clock_gettime(_CLOCK, words.ctypes)  # type: ignore[call-overload]
        return words[0] * _SECOND + words[1]

    def portable(words: Scratch) -> int:
        with numba.objmode(ticks="int64"):
            ticks = time.perf_counter_ns()
        return ticks

    return posix if HAS_POSIX_CLOCK else portable


@kernel
def shortest_step(words: Scratch, trials: int) -> int:
    """Return the smallest difference, in ns, that two successive readings ever showed."""
    shortest = _SECOND
    for _ in range(trials):
        begin = now(words)
        step = now(words) - begin
        if 0 < step < shortest:
            shortest = step
    return shortest


def python_step(trials: int = 1000) -> int:
    """Return the smallest difference, in ns, that two readings from Python ever show."""
    differences = (-time.perf_counter_ns() + time.perf_counter_ns() for _ in range(trials))
    return min((one for one in differences if one > 0), default=1)
