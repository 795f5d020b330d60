"""The contract that every structure keeps.

Words of the field: a *frame* is a guest frame number, *pages* the size of the slot in 4 KiB
pages; to *insert* is to mark frames dirty, to *collect* is to compact them into a list, to
*harvest* is to collect and clear.

A public method checks its arguments, calls one kernel and returns; a subclass supplies the
steps whose names begin with an underscore and never sees bad input.

Interrupts
----------
A ``KeyboardInterrupt`` comes between two steps of the interpreter, never inside a kernel, so a
verb that changes a structure in one kernel, its counts included, is done or not begun when the
interrupt arrives.  A harvest has one danger more: the frames have left the structure and have not
reached the caller.  What it has taken is therefore kept in ``_taken`` from before the kernel until
the caller is certain to get it, and put back when anything is raised in between.  A second
interrupt that comes while it is put back leaves the rest to the next verb.  CPython looks for
signals when a function begins, after a call of compiled code and where a loop begins again, so
nothing comes between the last two statements of :meth:`Structure.harvest` and the caller's next
step.  What the caller loses after that, as in ``f(s.harvest())``, is lost.

All this is so while kernels are compiled.  Where the JIT is switched off they are Python, and an
interrupt can stop them in the middle.

Threads
-------
A plain structure is for one thread at a time.  Several at once harm no memory, for no kernel
writes beyond an array whatever the counts say, but frames may be lost or come twice and
:meth:`Structure.check` may fail.  :mod:`dirtylab.lockless` has structures for several threads.
"""

import abc
import copy
import html
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from dirtylab import _check
from dirtylab._check import Frames


class Operations(NamedTuple):
    """What a collect touches, counted."""

    words: int
    """Units of storage read, as many as the loop reads: a byte of the posted tree and bitmap, an
    entry of a list, a 64-bit word elsewhere."""
    nodes: int
    """Distinct tree nodes visited; 0 where there is no tree."""
    bytes: int
    """Distinct bytes of the structure read."""


class Structure(abc.ABC):
    """A set of dirty frames of one slot, for one thread at a time.

    Parameters
    ----------
    pages : int
        Size of the slot in 4 KiB pages, 0 … 2^52.  All memory is allocated here, unless the
        structure :attr:`grows`.

    Raises
    ------
    TypeError, ValueError
        `pages` is no integer or out of range.
    MemoryError
        The structure would be larger than this machine's memory.

    Notes
    -----
    Several threads at once do no harm to memory, but lose frames; they want
    :mod:`dirtylab.lockless`.  After a ``KeyboardInterrupt`` in any verb the structure is whole and
    no frame is lost: an interrupted insert or clear is done or not begun (an insert that would not
    fit in one piece may be done in part), and what an interrupted harvest had taken is in again.
    ``copy.copy``, ``copy.deepcopy`` and pickle give a structure with memory of its own.
    """

    name: ClassVar[str]
    """Name in the registry ``dirtylab.STRUCTURES``."""
    sorted_output: ClassVar[bool]
    """Whether :meth:`collect` returns frames in ascending order."""
    unique_output: ClassVar[bool]
    """Whether :meth:`collect` returns a frame once, however often it was inserted."""
    posted: ClassVar[bool] = False
    """Whether it is as posted in 2016, defects included."""
    grows: ClassVar[bool] = False
    """Whether memory is allocated as frames come; else all of it when it is made."""

    collects: ClassVar[bool] = True
    """Whether it can collect without forgetting; else a collect is a harvest whose frames are
    inserted again, and is not timed."""

    _driven: ClassVar[dict[str, Any] | None] = None
    """The verbs that compiled loops know, see :mod:`dirtylab.structures.driven`."""
    _taken: Any = None
    """What a harvest has taken and the caller may not have got; its form is the subclass's own."""

    def __init__(self, pages: int) -> None:
        self._pages = _check.pages(pages)

    @classmethod
    def options_for(cls, dirty: int) -> dict[str, Any]:
        """Return options that make room for `dirty` frames of an epoch, such as a capacity."""
        return {}

    @property
    def pages(self) -> int:
        """Size of the slot in 4 KiB pages."""
        return self._pages

    @property
    @abc.abstractmethod
    def nbytes(self) -> int:
        """Bytes allocated, exact."""

    def insert(self, frames: npt.ArrayLike) -> None:
        """Mark `frames` dirty.

        Parameters
        ----------
        frames : array_like of int
            One frame or a one-dimensional sequence, in any order, repeats allowed.

        Raises
        ------
        IndexError
            A frame is negative or not below `pages`; the first is named, nothing is marked.
        TypeError, ValueError
            Not integers, or not one-dimensional; nothing is marked.
        """
        if self._taken is not None:
            self._settle()
        clean = _check.frames("frames", frames, self._pages)
        if clean.base is not None:  # else it is no view of another array; the check takes 0.3 µs
            clean = _check.apart(clean, self._arrays())
        self._insert(clean)

    def collect(self, out: Frames | None = None) -> Frames:
        """Return the dirty frames.

        Parameters
        ----------
        out : numpy.ndarray, optional
            One-dimensional uint64 array to write to; a new one when omitted.

        Returns
        -------
        numpy.ndarray
            Shape ``(n,)``, uint64; a view of the beginning of `out` when that was given.

        Raises
        ------
        ValueError
            `out` is too small; nothing is written.
        TypeError
            `out` is no writeable uint64 array, or one of a subclass of :class:`numpy.ndarray`.
        """
        target = self._target(out)
        count = self._collect(target)
        return target if count == target.size else target[:count]

    def harvest(self, out: Frames | None = None) -> Frames:
        """Return the dirty frames and forget them; parameters and errors as :meth:`collect`.

        When it is interrupted all frames are in the structure again, and the contents of `out` are
        undefined.
        """
        target = self._target_of_harvest(out)
        try:
            count = self._take(target)
            found = target if count == target.size else target[:count]
            self._taken = None
            return found
        except BaseException:
            self._settle()
            raise

    def harvest_runs(self) -> Frames:
        """Return the dirty frames as runs of pages that follow each other, and forget them.

        Returns
        -------
        numpy.ndarray
            Shape ``(n, 2)``, uint64: first frame and pages of each run, ascending, as long as can
            be.

        Notes
        -----
        Cost: a harvest, a sort of the frames and a pass over them; bitmap, trees and hybrid read
        runs from their words and never list frames.
        """
        from dirtylab.structures.runs import runs_of

        found = self.harvest()
        try:
            return runs_of(found)
        except BaseException:
            self._insert(self._still_frames(found))
            raise

    @abc.abstractmethod
    def clear(self) -> None:
        """Forget all dirty frames."""

    def __contains__(self, frame: object) -> bool:
        number = _check.integer("frame", frame, -(2**64), 2**64)
        self._settle()
        return 0 <= number < self._pages and self._contains(number)

    @abc.abstractmethod
    def __len__(self) -> int:
        """Return the number of distinct dirty frames."""

    @abc.abstractmethod
    def check(self) -> None:
        """Verify every invariant.

        Raises
        ------
        AssertionError
            Names the invariant that is broken.
        """

    @abc.abstractmethod
    def operations(self) -> Operations:
        """Count what a collect of the present contents touches, by traversing them again."""

    def _target(self, out: Frames | None) -> Frames:
        """Return exactly the room that a collect fills, at the beginning of `out` when given."""
        if self._taken is not None:
            self._settle()
        needed = self._output_size()
        if out is None:
            return np.empty(needed, np.uint64)
        return _check.output(out, needed)[:needed]

    def _target_of_harvest(self, out: Frames | None) -> Frames:
        """Return where a harvest writes to; may be more than it fills."""
        return self._target(out)

    def _settle(self) -> None:
        """Put back what a harvest took that was interrupted, unless that has been done."""
        if self._taken is not None:
            self._put_back(self._taken)
            self._taken = None

    def _take(self, out: Frames) -> int:
        """Write the dirty frames to `out` and forget them; return how many.

        Keeps in ``_taken`` how to put them back.  To be overridden by one kernel where that is
        possible.
        """
        count = self._collect(out)
        self._taken = out[:count]
        self.clear()
        return count

    def _put_back(self, taken: Any) -> None:
        """Make the structure what it was before ``_taken`` was taken; harmless when done twice."""
        self._insert(self._still_frames(taken))

    def _still_frames(self, taken: Frames) -> Frames:
        """Return a copy without what are no frames: the caller's `out` may have been changed."""
        own = taken.copy()
        return own[own < np.uint64(self._pages)]

    def _arrays(self) -> tuple[npt.NDArray[Any], ...]:
        """Return the arrays of which a user can have a view."""
        return ()

    def _driven_state(self, dirty: int) -> Any:
        """Return the state for compiled loops, with room for `dirty` frames.

        None where only Python can drive it.
        """
        self._settle()
        return vars(self).get("_state")

    def __copy__(self) -> Self:
        return copy.deepcopy(self)

    def __getstate__(self) -> dict[str, Any]:
        self._settle()
        return {name: value for name, value in vars(self).items() if name != "_taken"}

    @abc.abstractmethod
    def _insert(self, frames: Frames) -> None: ...

    @abc.abstractmethod
    def _output_size(self) -> int:
        """Return exactly how many frames a collect would write."""

    @abc.abstractmethod
    def _collect(self, out: Frames) -> int:
        """Write the dirty frames to `out`, which is large enough, and return their number."""

    @abc.abstractmethod
    def _contains(self, frame: int) -> bool: ...

    def __repr__(self) -> str:
        return f"<{self.name}: {len(self)} of {self.pages} pages dirty, {self.nbytes} bytes>"

    def _repr_html_(self) -> str:
        facts = {
            "pages": f"{self.pages:,}",
            "dirty": f"{len(self):,}",
            "bytes": f"{self.nbytes:,}",
            "bytes per page": f"{self.nbytes / self.pages:.4g}" if self.pages else "–",
        }
        rows = "".join(f"<tr><th>{k}</th><td>{v}</td></tr>" for k, v in facts.items())
        return f"<table><caption>{html.escape(self.name)}</caption>{rows}</table>"


def require(condition: bool, invariant: str) -> None:
    """Raise AssertionError naming the `invariant` unless `condition`, also under ``python -O``."""
    if not condition:
        raise AssertionError(f"broken invariant: {invariant}")
