"""A native tracker under threads: inserted into by vCPUs while one thread harvests.

Only where its flags say so, by ``DIRTYLAB_CONCURRENT``.  A vCPU inserts one frame a call, by
address, as the other structures do one frame at a time; its frame lies on a cache line of its own.
The state is arrays as everywhere in this room; what owns the addresses lives as long as they do.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from dirtylab import _check
from dirtylab._check import Frames
from dirtylab._jit import inlined
from dirtylab._words import Words
from dirtylab.lockless.atomics import aligned_zeros
from dirtylab.lockless.base import Lockless
from dirtylab.lockless.dispatch import register
from dirtylab.lockless.registry import LATE, LOCKLESS
from dirtylab.native.calls import call_harvest, call_insert
from dirtylab.native.contestants import entered
from dirtylab.native.errors import TrackerError
from dirtylab.native.paths import is_path
from dirtylab.native.structure import NativeTracker
from dirtylab.native.table import Flags
from dirtylab.structures import STRUCTURES

LINE = 8
"""Words of a cache line."""
TRACKER, INSERT, HARVEST = range(3)


class NativeSharedState(NamedTuple):
    """Addresses, and a frame of each vCPU."""

    at: Words  # of the tracker, its insert, its harvest
    cells: Words  # the frame that a vCPU inserts, a line each


@inlined
def insert_shared(state: NativeSharedState, vcpu: int, frame: np.uint64) -> bool:
    """Insert one frame."""
    cell = state.cells[vcpu * LINE : vcpu * LINE + 1]
    cell[0] = frame
    call_insert(state.at[INSERT], state.at[TRACKER], cell, np.uint64(1))
    return True


@inlined
def take_shared(state: NativeSharedState, out: Frames) -> int:
    """Harvest."""
    told = call_harvest(state.at[HARVEST], state.at[TRACKER], out, np.uint64(out.size))
    return int(min(np.int64(told), np.int64(out.size)))


register(NativeSharedState, insert_shared, take_shared)


class _Owned:
    """Words that keep a tracker alive as long as an array of them is."""

    def __init__(self, tracker: NativeTracker) -> None:
        self._tracker = tracker
        known = tracker.table.addresses
        address = int(tracker._state.tracker)
        self._words = np.array([address, known["insert"], known["harvest"]], np.uint64)

    @property
    def __array_interface__(self) -> dict[str, Any]:
        return self._words.__array_interface__


class LocklessNative(Lockless):
    """A native tracker that threads share; parameters and errors as for :class:`Lockless`.

    Parameters
    ----------
    pages : int
        Size of the slot, 0 … 2^52.
    kind : type
        As :func:`require_concurrent` gives it.
    vcpus : int, optional
        Threads that insert, 1 … 64.

    Notes
    -----
    Cost: as the library has it, and a call a frame.
    """

    name = "native"

    def __init__(self, pages: int, *, kind: type[NativeTracker], vcpus: int = 1) -> None:
        super().__init__(pages, vcpus=vcpus)
        self.name = kind.name  # type: ignore[misc]
        self.sorted_output = kind.sorted_output  # type: ignore[misc]
        self._tracker = kind(self._pages)
        at = np.asarray(_Owned(self._tracker))
        self._state = NativeSharedState(at, aligned_zeros(self._vcpus * LINE))

    @property
    def nbytes(self) -> int:
        """Bytes that the tracker says it holds, and the vCPUs' lines."""
        return self._tracker.nbytes + self._state.cells.nbytes

    def __getstate__(self) -> dict[str, Any]:
        raise TypeError(f"{self.name}: a native tracker under threads can't be copied")


def require_concurrent(given: str) -> type[NativeTracker]:
    """Return the class of a tracker, by its path or name, into which threads may insert.

    Raises
    ------
    TrackerError
        Its flags don't allow that, or it may give a frame more than once: then no room is enough.
    """
    name = given if given in STRUCTURES else entered(given)
    kind = STRUCTURES[name]
    if not issubclass(kind, NativeTracker):
        raise TrackerError(f"{given}: is no native tracker")
    for flag in (Flags.CONCURRENT, Flags.UNIQUE):
        if flag not in kind.table.flags:
            raise TrackerError(
                f"{given}: {name} lacks the flag DIRTYLAB_{flag.name}: threads can't share it"
            )
    return kind


def concurrent() -> dict[str, type[NativeTracker]]:
    """Return the native trackers among the structures that threads can share."""
    wanted = Flags.CONCURRENT | Flags.UNIQUE
    return {
        name: kind
        for name, kind in STRUCTURES.items()
        if issubclass(kind, NativeTracker) and wanted in kind.table.flags
    }


def maker_of(name: str) -> Callable[..., Lockless]:
    """Return how a structure for threads is made: one of the registry, or a native tracker."""
    known = {**LOCKLESS, **LATE}
    return known[name] if name in known else partial(LocklessNative, kind=require_concurrent(name))


def chosen(given: Sequence[str]) -> tuple[str, ...]:
    """Return names from names and paths; errors as of :func:`require_concurrent`, or ValueError."""
    known = (*LOCKLESS, *LATE)
    names = tuple(require_concurrent(one).name if is_path(one) else one for one in given)
    for name, one in zip(names, given, strict=True):
        _check.choice("structures", name, (*known, name) if is_path(one) else known)
    if len(set(names)) < len(names):
        raise ValueError(f"structures={', '.join(given)}: names one twice")
    return names
