"""Peers: other libraries that do the same job, for comparison only; extra ``peers``.

Each peer makes, for slots of a given size, an *epoch*: a function that takes uint64 frames in order
of arrival, returns them sorted and unique, and leaves everything empty for the next call, by the
fastest way its library has.  Conversions to other types are timed.
"""

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from dirtylab._check import Frames

Epoch = Callable[[Frames], npt.NDArray[Any]]


def numpy_mask(pages: int) -> Epoch:
    """Keep a bool a page, scatter to it, read it by flatnonzero, clear it the faster way."""
    mask = np.zeros(pages, bool)

    def epoch(frames: Frames) -> npt.NDArray[Any]:
        mask[frames] = True
        found = np.flatnonzero(mask)
        mask[found if 64 * found.size < pages else slice(None)] = False
        return found

    return epoch


def numpy_sort(pages: int) -> Epoch:
    """Sort the frames themselves and drop repeats."""

    def epoch(frames: Frames) -> npt.NDArray[Any]:
        ordered = np.sort(frames)
        new = np.empty(ordered.size, bool)
        new[:1] = True
        np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
        return ordered[new]

    return epoch


def roaring(pages: int) -> Epoch:
    """Make a Roaring bitmap, CRoaring under Python."""
    import pyroaring

    def epoch(frames: Frames) -> npt.NDArray[Any]:
        found = pyroaring.BitMap(frames.astype(np.uint32)).to_array()
        return np.frombuffer(found, np.uint32)

    return epoch


def bit_array(pages: int) -> Epoch:
    """Set bits by a list of indices; let NumPy unpack them, which bitarray itself can't."""
    import bitarray

    bits = bitarray.bitarray(pages, endian="little")
    bits.setall(0)
    view = np.frombuffer(memoryview(bits), np.uint8)

    def epoch(frames: Frames) -> npt.NDArray[Any]:
        bits[frames.tolist()] = 1
        found = np.flatnonzero(np.unpackbits(view, count=pages, bitorder="little"))
        bits.setall(0)
        return found

    return epoch


PEERS: dict[str, Callable[[int], Epoch]] = {
    "numpy mask": numpy_mask,
    "numpy sort": numpy_sort,
    "pyroaring": roaring,
    "bitarray": bit_array,
}
_MODULES = {"pyroaring": "pyroaring", "bitarray": "bitarray"}


def available() -> list[str]:
    """Return the peers whose libraries are installed here."""
    return [
        name
        for name in PEERS
        if name not in _MODULES or importlib.util.find_spec(_MODULES[name]) is not None
    ]
