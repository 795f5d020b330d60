"""The one file that names Numba's flags.

Every compiled function of the package is made by :func:`kernel` or :func:`inlined`.  The flags
and why:

``enable_caching``, which is ``cache=True``
    Compile once a machine, not once a process (a NamedTuple of arrays caches; ``jitclass``
    does not).  Numba notices a change in the kernel's own file alone; here the key of what is
    kept has a digest of all the package's files, so that no loop drives a structure's kernels as
    they were before.  The cache lies in the folder ``NUMBA_CACHE_DIR``, else beside the
    source, else in the user's cache folder; where none of them can be written, or a cached file
    can't be read, each process compiles anew.
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

import contextlib
import functools
import hashlib
import pathlib
import pickle
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

import numba

from dirtylab._console import note_once

_OWN = "dirtylab."
Function = TypeVar("Function", bound=Callable[..., object])

_UNCACHED = (
    "no folder for compiled code can be used here: each process compiles anew, some seconds "
    "(NUMBA_CACHE_DIR may name a folder)"
)


def kernel(function: Function) -> Function:
    """Compile `function` on first use; keep its Python form where the JIT is switched off."""
    return _compiled(function, _nrt=True)  # said, lest it be as in an uncounted one that calls it


def uncounted(function: Function) -> Function:
    """Compile `function`, which allocates nothing, as :func:`kernel` does; count no references."""
    return _compiled(function, _nrt=False)


def inlined(function: Function) -> Function:
    """Compile `function` as :func:`kernel` does, into the body of each kernel that calls it."""
    return _compiled(function, forceinline=True)


def _compiled(function: Function, **flags: Any) -> Function:
    made = numba.njit(nogil=True, error_model="numpy", **flags)(function)
    if made is not function:  # as it is where the JIT is switched off
        _cache(made)
        made.compile = _uninterrupted(made.compile)
    return cast(Function, made)


def _cache(dispatcher: Any) -> None:
    """Keep what `dispatcher` compiles, where that is possible."""
    try:
        dispatcher.enable_caching()
    except (RuntimeError, OSError):  # the first is Numba's word for "no folder"
        note_once(_UNCACHED)
        return
    cache = dispatcher._cache
    key_of = cache._index_key
    cache._index_key = lambda *arguments: (*key_of(*arguments), _sources())
    cache.load_overload = _or_nothing(_unless_foreign(cache.load_overload))
    cache.save_overload = _or_nothing(_unless_foreign(cache.save_overload))


@functools.cache
def _sources() -> str:
    """Return a digest of the package's files; 20 ms, once a process."""
    digest = hashlib.sha256()
    for file in sorted(pathlib.Path(__file__).parent.rglob("*.py")):
        with contextlib.suppress(OSError):
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _uninterrupted(compile_for: Callable[..., Any]) -> Callable[..., Any]:
    """Return `compile_for`, with Ctrl-C, alarms and the like heeded at its end.

    An interrupt in the middle leaves Numba with functions half known: each later compilation that
    meets them fails, for as long as the process lives.  And in LLVM's objects it can lead to one
    being freed twice, which aborts the process then or at its end: 1 of 24 processes.
    """

    def attempt(*arguments: Any) -> Any:
        if threading.current_thread() is not threading.main_thread():
            return compile_for(*arguments)
        handlers = _handled_in_python()
        if not handlers or _postpone in handlers.values():
            return compile_for(*arguments)
        _postponed.clear()
        try:
            for number in handlers:
                signal.signal(number, _postpone)
            return compile_for(*arguments)
        finally:
            for number, heed in handlers.items():
                signal.signal(number, heed)
            for number in _postponed:
                handlers[number](number, None)

    return attempt


def _handled_in_python() -> dict[int, Callable[..., Any]]:
    """Return the handlers of the signals that interrupt, where they are Python; Ctrl-C's last."""
    found = {number: signal.getsignal(number) for number in _INTERRUPTING}
    return {number: heed for number, heed in found.items() if callable(heed)}


_INTERRUPTING = [
    int(getattr(signal, name))
    for name in ("SIGALRM", "SIGHUP", "SIGPROF", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGVTALRM",
                 "SIGINT")
    if hasattr(signal, name)
]  # fmt: skip
_postponed: list[int] = []


def _postpone(number: int, _: object) -> None:
    _postponed.append(number)


def _unless_foreign(action: Callable[..., Any]) -> Callable[..., Any]:
    """Return `action`, doing nothing for arguments whose class is not this package's.

    Numba keeps the classes of all calls of a kernel in one file, which a process that can't import
    one of them, a user's own in a script, could not read.
    """

    def attempt(signature: Any, *others: Any) -> Any:
        kinds = getattr(signature, "args", signature)
        if all(one.__module__.startswith(_OWN) for one in _classes(kinds)):
            return action(signature, *others)
        return None

    return attempt


def _classes(kinds: Any) -> Iterator[type]:
    """Yield the classes of named tuples among types, and of those within them."""
    for kind in kinds:
        if (own := getattr(kind, "instance_class", None)) is not None:
            yield own
            yield from _classes(kind.types)


def _or_nothing(action: Callable[..., Any]) -> Callable[..., Any]:
    """Return `action`, going on without a result where a file of the cache can't be used."""

    def attempt(*arguments: Any) -> Any:
        try:
            return action(*arguments)
        except (OSError, EOFError, pickle.UnpicklingError):
            note_once(_UNCACHED)
            return None

    return attempt
