"""The one file that names Numba's flags.

Every compiled function of the package is made by :func:`kernel` or :func:`inlined`.  The flags
and why:

``cache=True``
    Compile once a machine, not once a process (a NamedTuple of arrays caches; ``jitclass``
    does not).  The cache does not notice a change in a helper of *another* file: after editing
    a helper, run ``make clean-cache``.
``nogil=True``
    A kernel touches arrays only, so other threads may run meanwhile.
``error_model="numpy"``
    No hidden test for division by zero in the loops.
``_nrt=False``
    In :func:`uncounted` alone: no counting of references to arrays.  Numba drops it where it can
    prove it needless; where it can't, a loop whose body takes 6 ns takes 90, and all threads meet
    on the counters.  Such a kernel must allocate nothing.
``forceinline=True``
    For the small steps of a loop.  Left alone, LLVM calls them: the posted tree's walk of 100
    dirty frames then takes 2.7 times as long, its bitmap's scan of 10 million 1.3 times.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., object])


def kernel(function: Function) -> Function:
    """Compile `function` on first use; keep its Python form where the JIT is switched off."""
    return cast(Function, numba.njit(cache=True, nogil=True, error_model="numpy")(function))


def uncounted(function: Function) -> Function:
    """Compile `function`, which allocates nothing, as :func:`kernel` does; count no references."""
    flags: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "_nrt": False}
    return cast(Function, numba.njit(**flags)(function))


def inlined(function: Function) -> Function:
    """Compile `function` as :func:`kernel` does, into the body of each kernel that calls it."""
    compile_into = numba.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
    return cast(Function, compile_into(function))
