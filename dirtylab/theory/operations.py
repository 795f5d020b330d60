"""What a structure does to track a pattern, in closed form: words, nodes, bytes, cache lines.

Everything follows from :func:`~dirtylab.theory.occupancy.occupied`.  A tree of radix 8 over a
pattern that touches 5 blocks of 8 and 3 of 64 visits its root, 3 nodes below that and 5 at the
bottom; a bitmap reads all its words whatever the pattern.

Words, nodes and bytes mean what the structures' own ``operations()`` counts; nothing here has seen
a structure.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dirtylab import _check
from dirtylab.theory.memory import (
    BLOCK_PAGES,
    ENTRY_BYTES,
    WORD_BITS,
    entry_bytes,
    law_of,
    level_lengths,
    radices_of,
    words_for,
)
from dirtylab.theory.occupancy import LAWS, Array, Law, occupied

LINE_PAGES = 512
"""Pages whose bits share a cache line of 64 bytes."""
DENSE = 3
"""Dirty frames a word from which on bitmap and hybrid decode every word."""

Options = Mapping[str, Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Pattern:
    """What is tracked: a dataset with its options, a slot, and numbers of frames."""

    dataset: str
    pages: int
    dirty: Array
    options: Options
    _known: dict[int, Array] = dataclasses.field(default_factory=dict, repr=False)

    @property
    def law(self) -> Law:
        """Return what theory knows of the dataset."""
        return LAWS[_check.choice("dataset", self.dataset, LAWS)]

    def occupied(self, block: int) -> Array:
        """Return the expected number of blocks touched."""
        if block not in self._known:
            self._known[block] = occupied(
                self.dataset, self.pages, self.dirty, block, **self.options
            )
        return self._known[block]


class Work(NamedTuple):
    """What a collect does; each an array of the shape of `dirty`."""

    frames: Array
    """Frames that were inserted, repeats included."""
    distinct: Array
    """Distinct dirty frames."""
    words: Array
    """Units of storage read: bytes of the posted structures, entries of a list, else words."""
    nodes: Array
    """Distinct tree nodes, or blocks of the hybrid, visited."""
    bytes: Array
    """Distinct bytes of the structure read."""
    lines: Array
    """Distinct cache lines of the bitmap that an insert writes to."""


def expected(
    structure: str,
    dataset: str,
    pages: int,
    dirty: npt.ArrayLike,
    *,
    structure_options: Options | None = None,
    dataset_options: Options | None = None,
) -> Work:
    """Return the expected work of a collect after an insert into an empty structure.

    Parameters
    ----------
    structure, dataset : str
        Names in ``dirtylab.STRUCTURES`` (or ``"tree"`` with a ``radix``) and ``DATASETS``.
    pages : int
        Size of the slot.
    dirty : array_like of int
        Numbers of frames inserted.
    structure_options, dataset_options : mapping, optional
        As structure and generator take them.

    Returns
    -------
    Work
        Arrays of the shape of `dirty`.

    Raises
    ------
    ValueError
        An unknown name or option.

    Examples
    --------
    >>> work = expected("tree64", "random", 10_000_000, [100])
    >>> work.nodes.round(1)
    array([234.6])
    """
    law, own = law_of("structure", structure, structure_options or {}, COLLECTS)
    number = np.asarray(dirty, float)
    pattern = Pattern(dataset, pages, number, dict(dataset_options or {}))
    words, nodes, touched = (one + np.zeros_like(number) for one in law(pattern, **own))
    lines = pattern.occupied(LINE_PAGES)
    return Work(number, pattern.occupied(1), words, nodes, touched, lines)


def radix_nodes(pattern: Pattern, radices: Sequence[int]) -> list[Array]:
    """Return the nodes that a walk visits at each level, the bottom first."""
    depth = len(level_lengths(pattern.pages, radices))
    blocks = np.cumprod([radices[min(level, len(radices) - 1)] for level in range(depth)])
    return [pattern.occupied(int(min(block, pattern.pages))) for block in blocks]


# --- one function a structure: words, nodes, bytes ------------------------------------------------

Counted = tuple[Any, Any, Any]


def _list(pattern: Pattern, **_: Any) -> Counted:
    return pattern.dirty, 0.0, entry_bytes(pattern.pages) * pattern.dirty


def _posted_list(pattern: Pattern, **_: Any) -> Counted:
    return pattern.dirty, 0.0, 8 * pattern.dirty


def _ring(pattern: Pattern, **_: Any) -> Counted:
    distinct = pattern.occupied(1)
    return 2 * distinct, 0.0, ENTRY_BYTES * distinct


def _bitmap(pattern: Pattern, **_: Any) -> Counted:
    words = float(words_for(pattern.pages))
    return words, 0.0, 8 * words


def _posted_bitmap(pattern: Pattern, **_: Any) -> Counted:
    return float(pattern.pages), 0.0, float(-(-pattern.pages // 8))


def _hybrid(pattern: Pattern, **_: Any) -> Counted:
    words = words_for(pattern.pages)
    summary = words_for(-(-pattern.pages // BLOCK_PAGES))
    blocks = pattern.occupied(BLOCK_PAGES)
    some = np.minimum(blocks * (BLOCK_PAGES // WORD_BITS), words) + summary
    all_of_it = pattern.occupied(1) >= DENSE * words
    read = np.where(pattern.dirty > 0, np.where(all_of_it, words, some), 0.0)
    return read, np.where(all_of_it, 0.0, blocks), 8 * read


def _tree(
    pattern: Pattern, *, radix: int | Sequence[int] = 64, leaf_radix: int | None = None, **_: Any
) -> Counted:
    radices = radices_of(radix, leaf_radix)
    nodes = radix_nodes(pattern, radices)
    sizes = [radices[min(level, len(radices) - 1)] / 8 for level in range(len(nodes))]
    total = np.sum(nodes, axis=0)
    return total, total, np.sum([a * b for a, b in zip(nodes, sizes, strict=True)], axis=0)


def _posted_tree(pattern: Pattern, **_: Any) -> Counted:
    """Count a read of each node when it is entered, and one more after each bit but its last."""
    nodes = np.sum(radix_nodes(pattern, (8,)), axis=0)
    levels = len(level_lengths(pattern.pages, (8,)))
    set_bits = [pattern.occupied(8**level) for level in range(levels)]
    last_bits = [_last_bits(pattern, 8**level, bits) for level, bits in enumerate(set_bits)]
    reads = nodes + np.sum(set_bits, axis=0) - np.sum(last_bits, axis=0)
    some = pattern.dirty > 0
    return np.where(some, reads, 1.0), np.where(some, nodes, 1.0), np.where(some, nodes, 1.0)


def _last_bits(pattern: Pattern, block: int, set_bits: Array) -> Array:
    """Return how many of the set bits are the last of their node: an eighth where chance rules."""
    law = pattern.law
    if law.count is None:
        whole = -(-pattern.pages // block)
        return set_bits * (whole // 8) / whole
    return law.counted(law.count, pattern.pages, pattern.dirty, block, 8, **pattern.options)


COLLECTS: dict[str, Callable[..., Counted]] = {
    "list": _list,
    "bitmap": _bitmap,
    "tree": _tree,
    "hybrid": _hybrid,
    "ring": _ring,
    "posted-list": _posted_list,
    "posted-tree": _posted_tree,
    "posted-bitmap": _posted_bitmap,
}
"""Words, nodes and bytes of a collect, ``law(pattern, **options)``; may get more at run time."""
