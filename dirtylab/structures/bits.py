"""What the structures over a bitmap of 64-bit words share: bitmap, tree and hybrid.

Frame ``f`` is bit ``f % 64`` of word ``f // 64``; on a little-endian machine the bytes of the words
are the legacy bitmap's.

Invariants: no bit is set beyond the last page; ``dirty`` is the number of set bits.
"""

import abc

import numpy as np

from dirtylab import _check
from dirtylab._jit import kernel
from dirtylab._words import HAS_VECTOR, WORD_BITS, Words, popcount
from dirtylab.structures.base import Frames, Structure, require

DECODERS = ("auto", "vector", "plain")


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


@kernel
def count_set(words: Words) -> int:
    """Return the number of set bits."""
    count = 0
    for word in words:
        count += popcount(word)
    return count


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

    _bottom: Words
    """The bitmap; a subclass allocates it."""

    def __init__(self, pages: int, decoder: str) -> None:
        super().__init__(pages)
        self._vector = wants_vector(decoder)
        self._dirty = 0

    def bitmap_view(self) -> Words:
        """Return the bitmap, read-only and without a copy: frame ``f`` is bit ``f % 64``."""
        return read_only(self._bottom)

    def harvest(self, out: Frames | None = None) -> Frames:
        target = self._target(out)
        if self._dirty:
            self._scan(target, clearing=True)
            self._dirty = 0
        return target

    def check(self) -> None:
        require(count_set(self._bottom) == self._dirty, "the number of set bits is kept")
        spare = WORD_BITS * self._bottom.size - self._pages
        ghosts = self._bottom[-1:] >> np.uint64(WORD_BITS - spare) if spare else self._bottom[:0]
        require(not ghosts.any(), "no bit is set beyond the last page")

    def __len__(self) -> int:
        return self._dirty

    @abc.abstractmethod
    def _scan(self, out: Frames, clearing: bool) -> int:
        """Write the dirty frames, of which there are some; forget them when `clearing`."""

    def _output_size(self) -> int:
        return self._dirty

    def _collect(self, out: Frames) -> int:
        return self._scan(out, clearing=False) if self._dirty else 0

    def _contains(self, frame: int) -> bool:
        return bool(int(self._bottom[frame // WORD_BITS]) >> (frame % WORD_BITS) & 1)


def read_only(words: Words) -> Words:
    """Return a view that can't be written to."""
    view = words.view()
    view.flags.writeable = False
    return view
