"""Real dirty pages: a KVM guest's, a running process's, behind the same contract.

``TRACKERS``
    Name to factory of a structure whose frames are really written and found by the kernel:
    ``kvm-log``, ``kvm-log-manual``, ``kvm-ring`` and ``pagemap``.
``missing(name)``
    One line on why a tracker can't be had here, None when it can.

Where an interface is missing, :class:`Unavailable` says which in one line; recorded traces then
stand in.
"""

from collections.abc import Callable

from dirtylab.live import _machine, pagemap
from dirtylab.live._machine import GuestError
from dirtylab.live._system import Unavailable
from dirtylab.live.kvm import KvmLog, KvmManualLog, KvmRing
from dirtylab.live.pagemap import Pagemap
from dirtylab.structures.base import Structure

TRACKERS: dict[str, Callable[..., Structure]] = {
    "kvm-log": KvmLog,
    "kvm-log-manual": KvmManualLog,
    "kvm-ring": KvmRing,
    "pagemap": Pagemap,
}
"""Name to factory, called as ``factory(pages, **options)``; to be closed after use."""

_TRACKINGS = {"kvm-log": "log", "kvm-log-manual": "manual", "kvm-ring": "ring"}


def missing(name: str) -> str | None:
    """Return one line on why tracker `name` can't be had here, None when it can.

    Raises
    ------
    KeyError
        There is no such tracker.
    """
    if name == "pagemap":
        return pagemap.missing()
    return _machine.missing(_TRACKINGS[name])


__all__ = [
    "TRACKERS",
    "GuestError",
    "KvmLog",
    "KvmManualLog",
    "KvmRing",
    "Pagemap",
    "Unavailable",
    "missing",
]
