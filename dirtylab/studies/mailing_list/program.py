"""The posted program: fill the three structures, then time each being compacted into a list.

The three timed loops read the clock themselves, as the posted ones do.  ``loops`` is 1 for a run
as posted; a careful run repeats short work until the clock can resolve it.
"""

import mmap
import os
from typing import NamedTuple, Self

import numpy as np

from dirtylab import _check
from dirtylab._check import Bytes, Frames
from dirtylab._jit import kernel
from dirtylab.datasets import mailing_list as draw_frames
from dirtylab.measure.clock import Scratch, now, scratch
from dirtylab.measure.timing import Sampler
from dirtylab.structures.posted_bitmap import scan_bitmap
from dirtylab.structures.posted_list import copy_list
from dirtylab.structures.posted_tree import (
    PackedTree,
    PostedTree,
    inner_bits_of,
    insert_into_tree,
    walk_tree,
)

MMAP_THRESHOLD = 128 * 1024
"""From this many bytes on, glibc's malloc takes pages of their own from the system."""
HEAP_START = 0x2A0
"""Where in its first page glibc's heap hands out the first block."""


@kernel
def time_list(words: Scratch, frames: Frames, out: Frames, loops: int) -> int:
    """Copy the list to `out`, `loops` times; return the ns."""
    begin = now(words)
    for _ in range(loops):
        copy_list(frames, frames.size, out)
    return now(words) - begin


@kernel
def time_tree(words: Scratch, tree: PackedTree, out: Frames, loops: int) -> int:
    """Walk the tree into `out`, `loops` times; return the ns."""
    begin = now(words)
    for _ in range(loops):
        walk_tree(tree, out)
    return now(words) - begin


@kernel
def time_bitmap(words: Scratch, bitmap: Bytes, pages: np.uint64, out: Frames, loops: int) -> int:
    """Scan the bitmap into `out`, `loops` times; return the ns."""
    begin = now(words)
    for _ in range(loops):
        scan_bitmap(bitmap, pages, out)
    return now(words) - begin


class Arena(NamedTuple):
    """Memory of one run of the posted program when it starts its clock."""

    frames: Frames  # the list: as drawn, repeats kept
    tree: PackedTree
    bitmap: Bytes  # the tree's bottom level, not a copy
    out: Frames  # the destination, untouched

    @classmethod
    def build(cls, pages: int, dirty: int, order: str = "random") -> Self:
        """Allocate everything, draw the posted data set and insert it.

        Raises
        ------
        ValueError, TypeError
            A size out of range, or one at which the posted code is undefined.
        MemoryError
            Tree, list and destination would not fit in this machine's memory.
        """
        dirty = _check.integer("dirty", dirty, 1, 2**56)
        structure = PostedTree(pages)
        _check.memory("dirty", dirty, 16 * dirty + structure.nbytes)
        frames, out = list_and_destination(dirty)
        arena = cls(frames, structure.state, structure.bitmap_view(), out)
        arena.fill(order)
        return arena

    def fill(self, order: str, variant: int = 0) -> None:
        """Draw and insert another data set; variant 0 has the posted seed, each other its own."""
        self.frames[:] = self.fill_tree(self.tree, order, variant)

    def fill_tree(self, tree: PackedTree, order: str, variant: int) -> Frames:
        """Empty a tree of this size, draw a data set as :meth:`fill` does and insert it there."""
        pages, dirty = int(tree.pages), self.frames.size
        drawn = draw_frames(pages, dirty, order, seed=pages + dirty + variant)
        tree.packed[:] = 0  # written, as by memset: a page never written would fault later
        insert_into_tree(tree, drawn)
        return drawn

    def walker(self, tree: PackedTree) -> Sampler:
        """Return the timed walk of another tree into the same destination."""
        words = scratch()
        return lambda loops: time_tree(words, tree, self.out, loops)

    def samplers(self, out: Frames | None = None) -> dict[str, Sampler]:
        """Return the timed loops by structure, in the order in which the program ran them."""
        words, to = scratch(), self.out if out is None else out
        return {
            "posted-list": lambda loops: time_list(words, self.frames, to, loops),
            "posted-tree": lambda loops: time_tree(words, self.tree, to, loops),
            "posted-bitmap": lambda loops: time_bitmap(
                words, self.bitmap, self.tree.pages, to, loops
            ),
        }


def list_and_destination(entries: int) -> tuple[Frames, Frames]:
    """Return a list and a destination as the posted program's two malloc calls give them.

    Their pages are untouched, and the first writer pays a page fault for each.  Below 128 KiB
    both lie on the heap, the destination behind the list, so that the page on which the list ends
    is in use when the destination is first written.  (NumPy arrays would not do: they ask for huge
    pages, and may reuse what was freed.)
    """
    nbytes = 8 * entries
    if nbytes >= MMAP_THRESHOLD:
        return _from_system(nbytes), _from_system(nbytes)
    heap = _from_system(HEAP_START + 2 * nbytes)[HEAP_START // 8 :]
    return heap[:entries], heap[entries:]


def _from_system(nbytes: int) -> Frames:
    private = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if os.name == "posix" else {}
    return np.frombuffer(mmap.mmap(-1, nbytes, **private), np.uint64)


def compile_loops() -> None:
    """Compile, or load from the cache, everything that is timed."""
    for sampler in Arena.build(16, 4).samplers().values():
        sampler(1)


def run_once(arena: Arena) -> dict[str, int]:
    """Time each structure once, cold, the list first: the posted program's way."""
    return {name: sampler(1) for name, sampler in arena.samplers().items()}


def kibibytes(pages: int, dirty: int) -> dict[str, int]:
    """Return the sizes that the program prints: its kB have 1024 bytes, rounded down."""
    bits = pages + inner_bits_of(pages)
    sizes = (8 * dirty, bits // 8, pages // 8)
    return {name: size // 1024 for name, size in zip(("l", "t", "b"), sizes, strict=True)}


def printed(pages: int, dirty: int, elapsed: dict[str, int]) -> str:
    """Return the posted program's four lines, in its format.

    Parameters
    ----------
    pages, dirty : int
        The program's arguments.
    elapsed : dict of str to int
        Structure to nanoseconds, as :func:`run_once` returns.

    Returns
    -------
    str
        Four lines; in brackets a line's time in units of the others', as 32-bit floats divide.
    """
    sizes = kibibytes(pages, dirty)
    list_, tree, bitmap = (np.float32(ns) for ns in elapsed.values())
    one = np.float32(1)
    ratios = {
        "l": (one, tree / list_, bitmap / list_),
        "t": (list_ / tree, one, bitmap / tree),
        "b": (list_ / bitmap, tree / bitmap, one),
    }
    lines = ["kB size " + " ".join(f"{name}:{size}" for name, size in sizes.items())]
    for (name, (a, b, c)), ns in zip(ratios.items(), elapsed.values(), strict=True):
        lines.append(f"{name}: {ns:10d} ns ({a:4.2f}, {b:6.2f}, {c:8.2f})")
    return "\n".join(lines)
