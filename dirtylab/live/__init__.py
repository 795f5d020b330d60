"""Real dirty pages: a KVM guest's, a running process's, behind the same contract.

``TRACKERS``
    Name to factory of a structure whose frames are written to memory and found by the kernel:
    ``kvm-log``, ``kvm-log-manual``, ``kvm-ring`` and ``pagemap``.
``missing(name)``
    One line on why a tracker is not available here, None when it is.
``record_command``, ``record_guest``
    Make a trace.
``recovered``
    The trace in the journal of a killed recording.
``read_trace``, ``write_trace``
    Files of traces.

Where an interface is missing, :class:`Unavailable` says which in one line; recorded traces work
everywhere.  Each name loads what it needs when it is first used.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dirtylab.datasets.tracefile import Trace, read_trace
    from dirtylab.live._machine import GuestError
    from dirtylab.live._system import Unavailable
    from dirtylab.live.journal import recovered
    from dirtylab.live.kvm import KvmLog, KvmManualLog, KvmRing
    from dirtylab.live.pagemap import Pagemap, take_part
    from dirtylab.live.record import record_command, record_guest
    from dirtylab.live.store import write_trace
    from dirtylab.live.trackers import TRACKERS, missing
    from dirtylab.live.watcher import Watcher

_HOME = {
    "GuestError": "dirtylab.live._machine",
    "KvmLog": "dirtylab.live.kvm",
    "KvmManualLog": "dirtylab.live.kvm",
    "KvmRing": "dirtylab.live.kvm",
    "Pagemap": "dirtylab.live.pagemap",
    "TRACKERS": "dirtylab.live.trackers",
    "Trace": "dirtylab.datasets.tracefile",
    "Unavailable": "dirtylab.live._system",
    "Watcher": "dirtylab.live.watcher",
    "missing": "dirtylab.live.trackers",
    "read_trace": "dirtylab.datasets.tracefile",
    "record_command": "dirtylab.live.record",
    "record_guest": "dirtylab.live.record",
    "recovered": "dirtylab.live.journal",
    "take_part": "dirtylab.live.pagemap",
    "write_trace": "dirtylab.live.store",
}

__all__ = [
    "TRACKERS",
    "GuestError",
    "KvmLog",
    "KvmManualLog",
    "KvmRing",
    "Pagemap",
    "Trace",
    "Unavailable",
    "Watcher",
    "missing",
    "read_trace",
    "record_command",
    "record_guest",
    "recovered",
    "take_part",
    "write_trace",
]


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'dirtylab.live' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
