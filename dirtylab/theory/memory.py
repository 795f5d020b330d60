"""Exact memory of the structures, as functions of the number of pages."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from dirtylab import _check

RADIX = 8
WORD_BITS = 64
BLOCK_PAGES = 512
"""Pages that a summary bit of the hybrid stands for."""
ENTRY_BYTES = 16
"""A dirty ring's entry."""
DEFAULT_ENTRIES = 4096
TREES = {f"tree{radix}": radix for radix in (8, 16, 32, 64)}
"""Trees whose name has their radix."""

LawT = TypeVar("LawT")


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


def words_for(bits: int) -> int:
    """Return how many 64-bit words hold so many bits."""
    return -(-bits // WORD_BITS)


def entry_bytes(pages: int) -> int:
    """Return the bytes of an entry of the list: 4 where every frame fits, 8 beyond 2^32 pages."""
    return 4 if pages <= 2**32 else 8


def radices_of(radix: int | Sequence[int], leaf_radix: int | None = None) -> tuple[int, ...]:
    """Return the radix of level 0, 1, …; the last one counts for all further levels."""
    given = tuple(radix) if isinstance(radix, Sequence) else (radix,)
    return given if leaf_radix is None else (leaf_radix, *given)


def level_lengths(pages: int, radices: Sequence[int]) -> list[int]:
    """Return the bits of each level of a trimmed tree, the bitmap first."""
    lengths = [pages]
    while lengths[-1] > radices[min(len(lengths) - 1, len(radices) - 1)]:
        lengths.append(-(-lengths[-1] // radices[min(len(lengths) - 1, len(radices) - 1)]))
    return lengths


def structure_bytes(structure: str, pages: int, **options: Any) -> int:
    """Return the bytes that a structure allocates, exact.

    Parameters
    ----------
    structure : str
        Name in ``dirtylab.STRUCTURES``, or ``"tree"``.
    pages : int
        Size of the slot, 0 … 2^52.
    **options
        The structure's own, such as ``radix`` or ``capacity``.

    Returns
    -------
    int
        Equal to the structure's ``nbytes`` when it is new.

    Raises
    ------
    ValueError, TypeError
        An unknown structure, or pages out of range.

    Examples
    --------
    >>> structure_bytes("tree64", 10_000_000) / structure_bytes("bitmap", 10_000_000)
    1.0158848
    """
    law, own = law_of("structure", structure, options, MEMORY_LAWS)
    return law(_check.pages(pages), **own)


def known_bytes(structure: str, pages: int, **options: Any) -> int | None:
    """Return :func:`structure_bytes`; None for a structure without a law, which is measured only.

    Raises
    ------
    ValueError, TypeError
        Pages out of range.
    """
    known = structure in TREES or structure in MEMORY_LAWS
    return structure_bytes(structure, pages, **options) if known else None


def law_of(
    name: str, structure: str, options: Mapping[str, Any], laws: Mapping[str, LawT]
) -> tuple[LawT, dict[str, Any]]:
    """Return a structure's law and the options to ask it with; ``tree16`` is a tree of radix 16.

    Raises
    ------
    ValueError
        There is none; the argument `name` and what has one are named.
    """
    _check.choice(name, structure, (*laws, *TREES))
    if structure in TREES:
        return laws["tree"], {**options, "radix": TREES[structure]}
    return laws[structure], dict(options)


def break_even(pages: int, entry: int, structure: str = "bitmap", **options: Any) -> float:
    """Return the number of dirty frames at which a list takes as many bytes as a structure.

    Parameters
    ----------
    pages : int
        Size of the slot.
    entry : int
        Bytes of a list's entry: 4, 8, or 16 as KVM's dirty ring has.
    structure : str, optional
        What the list is compared with.
    **options
        The structure's own.

    Examples
    --------
    >>> [break_even(10_000_000, entry) for entry in (4, 8, 16)]
    [312500.0, 156250.0, 78125.0]
    """
    return structure_bytes(structure, pages, **options) / _check.integer("entry", entry, 1, 64)


def _bitmap_bytes(pages: int, **_: Any) -> int:
    return 8 * words_for(pages)


def _tree_bytes(
    pages: int, *, radix: int | Sequence[int] = 64, leaf_radix: int | None = None, **_: Any
) -> int:
    lengths = level_lengths(pages, radices_of(radix, leaf_radix))
    return 8 * sum(words_for(length) for length in lengths)


def _hybrid_bytes(pages: int, **_: Any) -> int:
    return 8 * (words_for(pages) + words_for(-(-pages // BLOCK_PAGES)))


def _list_bytes(pages: int, *, capacity: int | None = None, **_: Any) -> int:
    return entry_bytes(pages) * (pages if capacity is None else capacity)


def _posted_list_bytes(pages: int, *, capacity: int | None = None, **_: Any) -> int:
    return 8 * (pages if capacity is None else capacity)


def _ring_bytes(pages: int, *, entries: int = DEFAULT_ENTRIES, **_: Any) -> int:
    return ENTRY_BYTES * entries + 8 * words_for(pages)


def _posted_tree_bytes(pages: int, **_: Any) -> int:
    level, inner = RADIX, 0
    while level < pages:
        inner += level
        level *= RADIX
    return (pages + inner) // 8


MEMORY_LAWS: dict[str, Callable[..., int]] = {
    "list": _list_bytes,
    "bitmap": _bitmap_bytes,
    "tree": _tree_bytes,
    "hybrid": _hybrid_bytes,
    "ring": _ring_bytes,
    "posted-list": _posted_list_bytes,
    "posted-tree": _posted_tree_bytes,
    "posted-bitmap": lambda pages, **_: pages // 8,
}
"""Bytes of a structure, ``law(pages, **options)``; may get more at run time."""
