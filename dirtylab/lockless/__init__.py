"""Insert while harvesting: structures with atomic kernels, and the proof that none loses a page.

``LOCKLESS``
    Name to structure: vCPUs insert, one thread harvests, nobody waits.
:mod:`.checker`
    Every schedule of small cases, each atomic step apart.
:mod:`.soak`
    Real threads, every insert accounted for.
:mod:`.cost`
    What it costs, measured.

The protocol is written down in ``docs/lockless.md`` and, structure by structure, at the head of
:mod:`.bitmap`, :mod:`.tree`, :mod:`.pagelist` and :mod:`.ring`.
"""

from collections.abc import Callable
from functools import partial

from dirtylab.lockless.base import Full, Lockless
from dirtylab.lockless.bitmap import LocklessBitmap
from dirtylab.lockless.pagelist import LocklessList
from dirtylab.lockless.ring import LocklessRing
from dirtylab.lockless.tree import LocklessTree

LOCKLESS: dict[str, Callable[..., Lockless]] = {
    "list": LocklessList,
    "bitmap": LocklessBitmap,
    "tree8": partial(LocklessTree, radix=8),
    "tree64": partial(LocklessTree, radix=64),
    "ring": LocklessRing,
}
"""Never lost, never late."""

LATE: dict[str, Callable[..., Lockless]] = {
    "tree8-early": partial(LocklessTree, radix=8, early=True),
    "tree64-early": partial(LocklessTree, radix=64, early=True),
    "ring-protect": partial(LocklessRing, protect=True),
}
"""Never lost, but late where two vCPUs meet; what that gains is measured (:mod:`.cost`)."""

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
