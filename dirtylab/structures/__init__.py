"""How dirty pages are tracked: one structure a file, all through one contract.

Adding a structure is one file here and one line in :data:`STRUCTURES`; tests, sweeps, figures
and commands iterate over it.
"""

from collections.abc import Callable

from dirtylab.structures.base import Operations, Structure
from dirtylab.structures.bitmap import Bitmap
from dirtylab.structures.hybrid import Hybrid
from dirtylab.structures.pagelist import PageList
from dirtylab.structures.posted_bitmap import PostedBitmap
from dirtylab.structures.posted_list import PostedList
from dirtylab.structures.posted_tree import PostedCrashError, PostedTree
from dirtylab.structures.ring import Ring, RingFull
from dirtylab.structures.tree import Tree, Tree8, Tree64

STRUCTURES: dict[str, Callable[..., Structure]] = {
    "list": PageList,
    "bitmap": Bitmap,
    "tree8": Tree8,
    "tree64": Tree64,
    "hybrid": Hybrid,
    "ring": Ring,
    "posted-list": PostedList,
    "posted-tree": PostedTree,
    "posted-bitmap": PostedBitmap,
}
"""Name to factory, called as ``factory(pages, **options)``."""

__all__ = [
    "STRUCTURES",
    "Bitmap",
    "Hybrid",
    "Operations",
    "PageList",
    "PostedBitmap",
    "PostedCrashError",
    "PostedList",
    "PostedTree",
    "Ring",
    "RingFull",
    "Structure",
    "Tree",
    "Tree8",
    "Tree64",
]
