"""Name to lockless structure."""

from collections.abc import Callable
from functools import partial

from dirtylab.lockless.base import Lockless
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
"""Never lose a page, but may report it late where two vCPUs write the same one.

:mod:`dirtylab.studies.lockless` measures what that gains.
"""
