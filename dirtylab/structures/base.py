"""The contract that every structure keeps.

Words of the field: a *frame* is a guest frame number, *pages* the size of the slot in 4 KiB
pages; to *insert* is to mark frames dirty, to *collect* is to compact them into a list, to
*harvest* is to collect and clear.

A public method checks its arguments, calls one kernel and returns; a subclass supplies the
steps whose names begin with an underscore and never sees bad input.
"""

import abc
import html
from typing import ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from dirtylab import _check

Frames = npt.NDArray[np.uint64]


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
    """A set of dirty frames of one slot.

    Parameters
    ----------
    pages : int
        Size of the slot in 4 KiB pages, 0 … 2^52.  All memory is allocated here.

    Raises
    ------
    TypeError, ValueError
        `pages` is no integer or out of range.
    MemoryError
        The structure would be larger than this machine's memory.
    """

    name: ClassVar[str]
    """Name in the registry ``dirtylab.STRUCTURES``."""
    sorted_output: ClassVar[bool]
    """Whether :meth:`collect` returns frames in ascending order."""
    unique_output: ClassVar[bool]
    """Whether :meth:`collect` returns a frame once, however often it was inserted."""

    def __init__(self, pages: int) -> None:
        self._pages = _check.pages(pages)

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
        self._insert(_check.frames("frames", frames, self._pages))

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
            `out` is no writeable uint64 array.
        """
        target = self._target(out)
        self._collect(target)
        return target

    def harvest(self, out: Frames | None = None) -> Frames:
        """Return the dirty frames and forget them; parameters and errors as :meth:`collect`."""
        collected = self.collect(out)
        self.clear()
        return collected

    @abc.abstractmethod
    def clear(self) -> None:
        """Forget all dirty frames."""

    def __contains__(self, frame: object) -> bool:
        number = _check.integer("frame", frame, -(2**64), 2**64)
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
        """Count what a collect of the present contents touches, by walking them once more."""

    def _target(self, out: Frames | None) -> Frames:
        """Return exactly the room that a collect fills, at the beginning of `out` when given."""
        needed = self._output_size()
        if out is None:
            return np.empty(needed, np.uint64)
        return _check.output(out, needed)[:needed]

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
