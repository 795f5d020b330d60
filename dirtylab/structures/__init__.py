"""How dirty pages are tracked: one structure a file, all through one contract.

Adding a structure is one file here and one line in :data:`STRUCTURES`; tests, sweeps, figures
and commands iterate over it.
"""

from collections.abc import Callable

from dirtylab.structures.base import Operations, Structure
from dirtylab.structures.bitmap import Bitmap
from dirtylab.structures.posted_bitmap import PostedBitmap
from dirtylab.structures.posted_list import PostedList
from dirtylab.structures.posted_tree import PostedCrashError, PostedTree

STRUCTURES: dict[str, Callable[..., Structure]] = {
    "bitmap": Bitmap,
    "posted-list": PostedList,
    "posted-tree": PostedTree,
    "posted-bitmap": PostedBitmap,
}
"""Name to factory, called as ``factory(pages, **options)``."""

__all__ = [
    "STRUCTURES",
    "Bitmap",
    "Operations",
    "PostedBitmap",
    "PostedCrashError",
    "PostedList",
    "PostedTree",
    "Structure",
]
