"""What the structures over a bitmap of 64-bit words share: bitmap, tree and hybrid.

Frame ``f`` is bit ``f % 64`` of word ``f // 64``; on a little-endian machine the bytes of the words
are the legacy bitmap's.

Each keeps its state in a NamedTuple of arrays, of which the last, the *header*, has the number of
set bits; kernels write it, so that bits and count change together whatever interrupts Python.

Invariants: no bit is set beyond the last page; the header has the number of set bits.
"""

import abc
from typing import Any

import numpy as np
import numpy.typing as npt

from dirtylab import _check
from dirtylab._check import Frames
from dirtylab._jit import uncounted
from dirtylab._vectors import HAS_VECTOR
from dirtylab._words import WORD_BITS, Words, popcount
from dirtylab.structures.base import Structure, require

DECODERS = ("auto", "vector", "plain")

DIRTY, VECTOR = 0, 1
"""Places in a header: the number of set bits, and 1 where bits become frames by AVX-512."""

STALE = -1
"""In place of the number of set bits: it is to be counted when somebody asks."""

Header = npt.NDArray[np.int64]


def wants_vector(decoder: object) -> bool:
    """Return whether `decoder` asks for the vector form, ``"auto"`` where the CPU has it.

    Raises
    ------
    ValueError
        Not one of "auto", "vector", "plain", or "vector" on a CPU without it.
    """
    _check.choice("decoder", decoder, DECODERS)
    if decoder == "vector" and not HAS_VECTOR:
        raise ValueError("decoder='vector': needs AVX-512 with VBMI2; must be 'auto' or 'plain'")
    return HAS_VECTOR and decoder != "plain"


def words_for(bits: int) -> int:
    """Return the number of 64-bit words that hold so many bits."""
    return -(-bits // WORD_BITS)


@uncounted
def count_set(words: Words) -> int:
    """Return the number of set bits."""
    count = 0
    for word in words:
        count += popcount(word)
    return count


@uncounted
def counted(words: Words, header: Header) -> int:
    """Return the number of set bits of a bitmap; count them where that is to be done."""
    if header[DIRTY] == STALE:
        header[DIRTY] = count_set(words)
    return header[DIRTY]


class BitStructure(Structure):
    """A structure whose bottom is a bitmap, and which knows how many bits are set.

    Parameters
    ----------
    pages : int
        Size of the slot.
    decoder : str
        As for :class:`~dirtylab.structures.bitmap.Bitmap`.
    """

    sorted_output = True
    unique_output = True

    _state: Any
    """A NamedTuple of arrays with the header last; a subclass allocates it."""

    def __init__(self, pages: int, decoder: str) -> None:
        super().__init__(pages)
        self._header: Header = np.array([0, wants_vector(decoder)], np.int64)

    @property
    def state(self) -> Any:
        """The arrays, for kernels of one's own."""
        self._settle()
        return self._state

    @property
    @abc.abstractmethod
    def _bottom(self) -> Words:
        """The bitmap, a view of the state: never kept, lest a copy's view be of other memory."""

    def bitmap_view(self) -> Words:
        """Return the bitmap, read-only and without a copy: frame ``f`` is bit ``f % 64``."""
        self._settle()
        return read_only(self._bottom)

    def check(self) -> None:
        self._settle()
        bottom = self._bottom
        require(self._state[-1] is self._header, "the header is the state's")
        known = self._header[DIRTY] in (STALE, count_set(bottom))
        require(known, "the number of set bits is kept, or to be counted")
        spare = WORD_BITS * bottom.size - self._pages
        ghosts = bottom[-1:] >> np.uint64(WORD_BITS - spare) if spare else bottom[:0]
        require(not ghosts.any(), "no bit is set beyond the last page")

    def __len__(self) -> int:
        if self._taken is not None:
            self._settle()
        return self._dirty

    @property
    def _dirty(self) -> int:
        """The number of set bits, as the header says."""
        known: int = self._header.item(DIRTY)
        return counted(self._bottom, self._header) if known == STALE else known

    def clear(self) -> None:
        self._clear()
        self._taken = None

    @abc.abstractmethod
    def _clear(self) -> None:
        """Zero bits, summaries and count in one kernel."""

    def _output_size(self) -> int:
        dirty = self._dirty
        return dirty if 0 <= dirty <= self._pages else self._pages

    def _put_back(self, taken: Any) -> None:
        if not self._header[DIRTY]:  # else the kernel that takes them has not run
            self._insert(self._still_frames(taken))

    def harvest_runs(self) -> Frames:
        if self._taken is not None:
            self._settle()
        most = min(self._output_size(), self._pages // 2 + 1)
        out = np.zeros((most, 2), np.uint64)  # of rows never written no memory is used
        try:
            self._taken = out
            found = out[: self._take_runs(out)].copy()
            self._taken = None
            return found
        except BaseException:
            self._settle()
            raise

    @abc.abstractmethod
    def _take_runs(self, out: Frames) -> int:
        """Write the runs to `out` and forget all, in one kernel; return how many."""

    def _still_frames(self, taken: Frames) -> Frames:
        from dirtylab.structures.runs import frames_of

        return super()._still_frames(frames_of(taken) if taken.ndim == 2 else taken)

    def _contains(self, frame: int) -> bool:
        return bool(int(self._bottom[frame // WORD_BITS]) >> (frame % WORD_BITS) & 1)


def read_only(words: Words) -> Words:
    """Return a view that can't be written to."""
    view = words.view()
    view.flags.writeable = False
    return view
