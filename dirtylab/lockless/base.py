"""What a lockless structure offers: insert from many threads, harvest from one, at the same time.

There is no collect without taking and no length: neither means anything while others insert.
"""

import abc
import functools
import threading
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from dirtylab import _check
from dirtylab.lockless.atomics import require_lock_free
from dirtylab.lockless.dispatch import harvest_frames, insert_frames
from dirtylab.structures.base import Frames

MOST_VCPUS = 64
DECODE_SLACK = 64

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
    """

    name: ClassVar[str]
    sorted_output: ClassVar[bool] = True
    """Whether a harvest's frames ascend and are distinct."""

    _state: Any

    def __init__(self, pages: int, *, vcpus: int = 1) -> None:
        _require_once()
        self._pages = _check.pages(pages)
        self._vcpus = _check.integer("vcpus", vcpus, 1, MOST_VCPUS)
        self._harvesting = threading.Lock()

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
        accepted = int(insert_frames(self._state, number, clean))
        if accepted < clean.size:
            raise Full(self.name, accepted)

    def harvest(self, out: Frames | None = None) -> Frames:
        """Return the dirty frames and forget them, while others insert.

        Every insert that has returned before is in it, unless an earlier harvest had it.

        Parameters
        ----------
        out : numpy.ndarray, optional
            uint64, room for :attr:`most` frames, since nobody knows beforehand how many there are.

        Returns
        -------
        numpy.ndarray
            Shape ``(n,)``, uint64; a view of `out` when that was given.

        Raises
        ------
        RuntimeError
            Another thread is harvesting.
        ValueError, TypeError
            `out` is too small or no writeable uint64 array; nothing is taken.
        """
        room = np.empty(self.most, np.uint64) if out is None else _check.output(out, self.most)
        if not self._harvesting.acquire(blocking=False):
            raise RuntimeError("harvest: another thread is harvesting; one at a time")
        try:
            found = room[: int(harvest_frames(self._state, room))]
        finally:
            self._harvesting.release()
        return self._finished(found)

    def _finished(self, found: Frames) -> Frames:
        """Put what the kernel took into the order that is promised."""
        return found

    def __repr__(self) -> str:
        return f"<lockless {self.name}: {self._pages} pages, {self._vcpus} vCPUs>"
