"""Exact memory of the structures, as functions of the number of pages."""

import numpy as np
import numpy.typing as npt

RADIX = 8


def posted_tree_bits(pages: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Return the bits of the posted tree: every level above the bitmap is a full power of 8.

    Parameters
    ----------
    pages : array_like of int
        Sizes of the slot, each above 8.

    Returns
    -------
    numpy.ndarray
        int64, the shape of `pages`.

    Notes
    -----
    A full level is allocated as soon as one page needs it, so that bits a page jump from 8/7 to
    nearly 15/7 just above a power of 8 and fall back to 8/7 until the next: a sawtooth.
    """
    sizes = np.asarray(pages, dtype=np.int64)
    bits = sizes.copy()
    level = RADIX
    while level < sizes.max(initial=0):
        bits += np.where(sizes > level, level, 0)
        level *= RADIX
    return bits


def trimmed_tree_bits(pages: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Return the bits of a radix-8 tree whose levels are no longer than the one below needs.

    Parameters
    ----------
    pages : array_like of int
        Sizes of the slot, each 1 or more.

    Returns
    -------
    numpy.ndarray
        int64, the shape of `pages`; about 8/7 bits a page at any size.
    """
    level = np.asarray(pages, dtype=np.int64)
    bits = level.copy()
    while (level > RADIX).any():
        level = np.where(level > RADIX, -(-level // RADIX), 0)
        bits += level
    return bits
