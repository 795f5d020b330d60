"""Insert while harvesting: structures with atomic kernels, checked never to lose a page.

``LOCKLESS``, ``LATE``
    Name to structure: vCPUs insert, one thread harvests, none waits for another.
:mod:`dirtylab.verify`
    The exhaustive checker of small cases, and the soak: real threads, every insert accounted for;
    both also run broken mutants of each protocol, and must catch them.
:mod:`dirtylab.studies.lockless`
    What atomic inserts cost.

The protocol is written down in ``docs/lockless.md`` and, structure by structure, at the head of
:mod:`.bitmap`, :mod:`.tree`, :mod:`.pagelist` and :mod:`.ring`.  Importing this loads nothing.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dirtylab.lockless.base import Full, Lockless
    from dirtylab.lockless.bitmap import LocklessBitmap
    from dirtylab.lockless.pagelist import LocklessList
    from dirtylab.lockless.registry import LATE, LOCKLESS
    from dirtylab.lockless.ring import LocklessRing
    from dirtylab.lockless.tree import LocklessTree

__all__ = [
    "LATE",
    "LOCKLESS",
    "Full",
    "Lockless",
    "LocklessBitmap",
    "LocklessList",
    "LocklessRing",
    "LocklessTree",
]

_HOME = {
    "LATE": "registry",
    "LOCKLESS": "registry",
    "Full": "base",
    "Lockless": "base",
    "LocklessBitmap": "bitmap",
    "LocklessList": "pagelist",
    "LocklessRing": "ring",
    "LocklessTree": "tree",
}


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(importlib.import_module(f"dirtylab.lockless.{_HOME[name]}"), name)
    raise AttributeError(f"module 'dirtylab.lockless' has no attribute {name!r}")
