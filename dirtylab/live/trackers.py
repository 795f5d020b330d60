"""The trackers by name, and what is missing where one is unavailable."""

from collections.abc import Callable

from dirtylab import _check
from dirtylab.live import _device, pagemap
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
    """Return one line on why tracker `name` is unavailable here, None when it is available.

    Raises
    ------
    ValueError
        There is no such tracker.
    """
    _check.choice("name", name, TRACKERS)
    return pagemap.missing() if name == "pagemap" else _device.missing(_TRACKINGS[name])
