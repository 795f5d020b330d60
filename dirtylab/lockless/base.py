"""What a lockless structure offers: insert from many threads, harvest from one, at the same time.

There is no collect without taking and no length: neither means anything while others insert.

A ``KeyboardInterrupt`` loses nothing, as in :mod:`dirtylab.structures.base`: what an interrupted
harvest has taken is kept aside and given by the next one, before whichever thread calls it.  It is
not inserted again, for vCPUs own what an insert writes.  In :meth:`Lockless.harvest` whatever
follows the kernel calls nothing, or is covered by the ``except``.
"""

import abc
import copy
import functools
import threading
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from dirtylab import _check
from dirtylab._check import Frames
from dirtylab.lockless.atomics import aligned_zeros, require_lock_free
from dirtylab.lockless.dispatch import harvest_counted, insert_frames

MOST_VCPUS = 64
_BY = "harvested by"

_require_once = functools.cache(require_lock_free)


class Full(RuntimeError):  # noqa: N818 - the field's word for the exit
    """There is no room until a harvest; `accepted` frames of the call are in, nothing is lost."""

    def __init__(self, name: str, accepted: int) -> None:
        super().__init__(
            f"{name}: no room until it is harvested; {accepted} frames of this call were taken, "
            "harvest and insert the rest"
        )
        self.accepted = accepted


class Lockless(abc.ABC):
    """A set of dirty frames into which vCPUs insert while it is harvested.

    Parameters
    ----------
    pages : int
        Size of the slot in 4 KiB pages, 0 … 2^52.  All memory is allocated here.
    vcpus : int, optional
        Threads that insert, 1 … 64.

    Raises
    ------
    TypeError, ValueError
        An argument is out of range or of the wrong kind.
    MemoryError
        The structure would be larger than this machine's memory.
    NotLockFreeError
        64-bit atomics are not lock-free on this platform.

    Notes
    -----
    Compiled code runs without the GIL, so Python threads do insert at the same time.  With the JIT
    switched off the same code runs interpreted, for one thread only.

    ``copy.copy``, ``copy.deepcopy`` and pickle give a structure with memory of its own.  What is
    inserted meanwhile may be missing in the copy; while a thread harvests they are refused.

    Threads that insert or harvest should have ended before the interpreter does: CPython stops
    daemon threads wherever they are, which can abort the process.
    """

    name: ClassVar[str]
    sorted_output: ClassVar[bool] = True
    """Whether a harvest's frames ascend and are distinct."""

    _state: Any

    def __init__(self, pages: int, *, vcpus: int = 1) -> None:
        _require_once()
        self._pages = _check.pages(pages)
        self._vcpus = _check.integer("vcpus", vcpus, 1, MOST_VCPUS)
        self._harvester: dict[str, int] = {}
        self._taken: tuple[Frames, npt.NDArray[np.int64]] | None = None
        self._kept: Frames | None = None

    @property
    def pages(self) -> int:
        """Size of the slot in 4 KiB pages."""
        return self._pages

    @property
    def vcpus(self) -> int:
        """How many threads may insert at the same time."""
        return self._vcpus

    @property
    def state(self) -> Any:
        """The arrays, for kernels of one's own (see :mod:`dirtylab.lockless.dispatch`)."""
        return self._state

    @property
    def nbytes(self) -> int:
        """Bytes allocated."""
        return sum(int(one.nbytes) for one in self._state)

    @property
    def most(self) -> int:
        """The most frames that one harvest can give."""
        return self._most if self._kept is None else self._most + self._kept.size

    @property
    def _most(self) -> int:
        """The most that the kernel can take."""
        return self._pages

    def insert(self, frames: npt.ArrayLike, *, vcpu: int = 0) -> None:
        """Mark `frames` dirty, one after the other, while others do and while one harvests.

        Parameters
        ----------
        frames : array_like of int
            One frame or a one-dimensional sequence, in any order, repeats allowed.
        vcpu : int, optional
            Which of the vCPUs this thread is; each one inserts from one thread at a time.

        Raises
        ------
        IndexError
            A frame is negative or not below `pages`; the first is named, nothing is marked.
        TypeError, ValueError
            Not integers, not one-dimensional, no such vCPU; nothing is marked.
        Full
            A list or ring has no room left; says how many frames went in.
        """
        number = _check.integer("vcpu", vcpu, 0, self._vcpus - 1)
        clean = _check.frames("frames", frames, self._pages)
        if clean.base is not None:
            clean = _check.apart(clean, self._state)
        accepted = int(insert_frames(self._state, number, clean))
        if accepted < clean.size:
            raise Full(self.name, accepted)

    def harvest(self, out: Frames | None = None) -> Frames:
        """Return the dirty frames and forget them, while others insert.

        Every insert that has returned before is in it, unless an earlier harvest had it.  After a
        harvest that was interrupted, the next one gives what that one had taken as well, each frame
        once; the contents of its `out` are undefined.

        Parameters
        ----------
        out : numpy.ndarray, optional
            uint64, room for :attr:`most` frames, since their number is not known beforehand.

        Returns
        -------
        numpy.ndarray
            Shape ``(n,)``, uint64; a view of `out` when that was given.

        Raises
        ------
        RuntimeError
            Another thread is harvesting.
        ValueError, TypeError
            `out` is too small or no writeable uint64 array; nothing is lost.
        """
        me = threading.get_ident()
        try:
            if self._harvester.setdefault(_BY, me) != me:  # one step, unlike a lock and a try
                raise RuntimeError("harvest: another thread is harvesting; one at a time")
            found = self._harvest(out)
            self._kept = self._taken = None
            return found
        except BaseException:
            if _BY in self._harvester and self._harvester[_BY] == me:
                self._keep()
            raise
        finally:
            if _BY in self._harvester and self._harvester[_BY] == me:
                del self._harvester[_BY]

    def _harvest(self, out: Frames | None) -> Frames:
        self._keep()
        room = np.empty(self._most, np.uint64) if out is None else _check.output(out, self._most)
        counted = np.zeros(1, np.int64)
        self._taken = room, counted
        harvest_counted(self._state, room, counted)
        found = room[: counted[0]]
        if self._kept is not None:
            return self._with_kept(found, out)
        found = self._finished(found)
        # A few frames must not hold the room for all: 40,000 harvests of a small slot held 80 GiB.
        return found.copy() if out is None and found.size < room.size // 2 else found

    def _keep(self) -> None:
        """Keep aside what a harvest has taken that did not end."""
        if self._taken is None:
            return
        room, counted = self._taken
        taken = room[: counted[0]].copy()
        taken = taken[taken < np.uint64(self._pages)]  # `out` is the caller's
        kept = taken if self._kept is None else np.concatenate([self._kept, taken])
        self._kept = kept if kept.size else None
        self._taken = None

    def _with_kept(self, found: Frames, out: Frames | None) -> Frames:
        """Return what was kept and what was found, each frame once."""
        assert self._kept is not None
        both = np.concatenate([self._kept, found])
        distinct, places = np.unique(both, return_index=True)
        merged = distinct if self.sorted_output else both[np.sort(places)]
        if out is None:
            return merged
        self._kept, self._taken = merged, None
        if merged.size > out.size:
            raise ValueError(
                f"out: has room for {out.size} frames, {merged.size} needed after a harvest that "
                "was interrupted; all are kept"
            )
        out[: merged.size] = merged
        return out[: merged.size]

    def _finished(self, found: Frames) -> Frames:
        """Put what the kernel took into the order that is promised."""
        return found

    def __copy__(self) -> Self:
        return copy.deepcopy(self)

    def __getstate__(self) -> dict[str, Any]:
        if self._harvester:
            raise RuntimeError(f"{self.name}: can't be copied while a thread is harvesting")
        self._keep()
        return vars(self).copy()

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._state = type(self._state)(*map(_aligned, self._state))

    def __repr__(self) -> str:
        return f"<lockless {self.name}: {self._pages} pages, {self._vcpus} vCPUs>"


def _aligned(words: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return a copy that begins on a cache line."""
    own = aligned_zeros(words.size)
    own[:] = words
    return own
