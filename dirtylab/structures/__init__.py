"""How dirty pages are tracked: one structure a file, all through one contract.

Adding a structure is one file here and one line in :data:`STRUCTURES`, also at run time; tests,
sweeps, figures, views and commands iterate over it.  What they need to know the class declares:
``sorted_output``, ``unique_output``, ``posted``, ``grows``, ``options_for``.  Laws of its memory
and work are registered in :mod:`dirtylab.theory`; what has none is measured only.
"""

from collections.abc import Iterable
from typing import Any

from dirtylab import _check
from dirtylab.structures.base import Operations, Structure
from dirtylab.structures.bitmap import Bitmap
from dirtylab.structures.hybrid import Hybrid
from dirtylab.structures.pagelist import PageList
from dirtylab.structures.posted_bitmap import PostedBitmap
from dirtylab.structures.posted_list import PostedList
from dirtylab.structures.posted_tree import PostedCrashError, PostedTree
from dirtylab.structures.ring import Ring, RingFull
from dirtylab.structures.tree import Tree, Tree8, Tree64

STRUCTURES: dict[str, type[Structure]] = {
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
"""Name to class, made as ``class(pages, **options)``."""


def names() -> tuple[str, ...]:
    """Return what can be measured: those of the registry, and ``tree`` of any radix."""
    return tuple(dict.fromkeys((*STRUCTURES, Tree.name)))


def kind_of(name: str) -> type[Structure]:
    """Return the class of one of :func:`names`; a ValueError lists the names there are."""
    _check.choice("structure", name, names())
    return STRUCTURES.get(name, Tree)


def require_operation(operation: str, chosen: Iterable[str]) -> None:
    """Raise a ValueError where a collect is asked of structures that can harvest only."""
    lacking = [name for name in chosen if not kind_of(name).collects]
    if operation == "collect" and lacking:
        raise ValueError(
            f"operation='collect': {', '.join(lacking)} can harvest only, as native trackers do: "
            "take harvest or epoch"
        )


def make(name: str, pages: int, **options: Any) -> Structure:
    """Return a new structure, one of :func:`names`; errors as its class raises."""
    return kind_of(name)(pages, **options)


def same_job() -> tuple[str, ...]:
    """Return those that do the same job: not posted, each frame once and in ascending order."""
    return tuple(
        name
        for name, kind in STRUCTURES.items()
        if kind.sorted_output and kind.unique_output and not kind.posted
    )


def tuned() -> tuple[str, ...]:
    """Return those of :func:`same_job` that can collect: what is measured when none are named.

    A native tracker, which can harvest only, is measured where it is named.
    """
    return tuple(name for name in same_job() if STRUCTURES[name].collects)


def posted() -> tuple[str, ...]:
    """Return those that are as posted in 2016."""
    return tuple(name for name, kind in STRUCTURES.items() if kind.posted)


def is_posted(name: str) -> bool:
    """Return whether a structure is registered, and as posted in 2016."""
    return name in posted()


def known_first(found: Iterable[str]) -> list[str]:
    """Return names, such as a table has, in the registry's order, then those not registered."""
    given = list(found)
    return [
        *(one for one in STRUCTURES if one in given),
        *(n for n in given if n not in STRUCTURES),
    ]


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
    "is_posted",
    "kind_of",
    "known_first",
    "make",
    "names",
    "posted",
    "require_operation",
    "same_job",
    "tuned",
]
