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

from dirtylab._jit import uncounted

Scratch = npt.NDArray[np.int64]
Stopwatch = npt.NDArray[np.int64]
"""Five words: the clock's two, whether CPU time counts, and both clocks when it was started."""

HAS_POSIX_CLOCK = hasattr(time, "CLOCK_MONOTONIC")

_CLOCK = getattr(time, "CLOCK_MONOTONIC", 0)
_CPU_CLOCK = getattr(time, "CLOCK_THREAD_CPUTIME_ID", 0)
_COUNTS_CPU, _WALL, _CPU = 2, 3, 4
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


def cpu_now(words: Scratch) -> int:
    """Return the nanoseconds that this thread has run; callable from compiled code."""
    return time.thread_time_ns()


@overload(cpu_now)
def _cpu_now_compiled(words: Scratch) -> Callable[[Scratch], int]:
    def posix(words: Scratch) -> int:
        _clock_gettime(_CPU_CLOCK, words.ctypes)  # type: ignore[call-overload]
        return words[0] * _SECOND + words[1]

    def portable(words: Scratch) -> int:
        with numba.objmode(ticks="int64"):
            ticks = time.thread_time_ns()
        return ticks

    return posix if HAS_POSIX_CLOCK else portable


def stopwatch(*, cpu_time: bool = False) -> Stopwatch:
    """Return a stopwatch; with `cpu_time` it takes the CPU's time where that is less.

    So preemption is excluded: the thread's clock stands still while the system runs another one.
    """
    words = np.zeros(5, np.int64)
    words[_COUNTS_CPU] = cpu_time
    return words


@uncounted
def start(words: Stopwatch) -> None:
    """Start a stopwatch; the CPU's clock, which takes longer to read, is read first."""
    if words[_COUNTS_CPU]:
        words[_CPU] = cpu_now(words)
    words[_WALL] = now(words)


@uncounted
def elapsed(words: Stopwatch) -> int:
    """Return the nanoseconds since it was started."""
    spent = now(words) - words[_WALL]
    if words[_COUNTS_CPU]:
        spent = min(spent, cpu_now(words) - words[_CPU])
    return spent


@uncounted
def reading_ns(words: Stopwatch, trials: int) -> int:
    """Return what starting and reading a stopwatch takes itself, at least."""
    least = _SECOND
    for _ in range(trials):
        start(words)
        least = min(least, elapsed(words))
    return least


@uncounted
def shortest_step(words: Scratch, trials: int) -> int:
    """Return the smallest difference, in ns, that two successive readings ever showed."""
    shortest = _SECOND
    for _ in range(trials):
        begin = now(words)
        step = now(words) - begin
        if 0 < step < shortest:
            shortest = step
    return shortest
