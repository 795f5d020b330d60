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
``forceinline=True``
    For the small steps of a loop.  Left alone, LLVM calls them: the posted tree's walk of 100
    dirty frames then takes 2.7 times as long, its bitmap's scan of 10 million 1.3 times.
"""

from collections.abc import Callable
from typing import TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., object])


def kernel(function: Function) -> Function:
    """Compile `function` on first use; keep its Python form where the JIT is switched off."""
    return cast(Function, numba.njit(cache=True, nogil=True, error_model="numpy")(function))


def inlined(function: Function) -> Function:
    """Compile `function` as :func:`kernel` does, into the body of each kernel that calls it."""
    compile_into = numba.njit(cache=True, nogil=True, error_model="numpy", forceinline=True)
    return cast(Function, compile_into(function))
