"""What QEMU told while it migrated: syncs, what was pending and sent, rings that were emptied.

Lines of its trace are ``process@seconds:event values``.  Of a sync it tells the pages found since
the second began that it measures rates over, not since the sync before.
"""

import pathlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("seconds", "pending", "sent_bytes", "sync_ms", "dirty", "reaped", "reap_ms")
PERIOD_S = 1.0
"""After which QEMU counts dirty pages anew, at the next sync."""
_LINE = re.compile(r"\d+@(\d+\.\d+):(\w+) ?(.*)")
_NUMBER = re.compile(r"\b\d+\b")
MOST_BYTES = 512 * 2**20


class Told(NamedTuple):
    """A line of a trace."""

    seconds: float
    event: str
    values: list[int]


def read_trace(path: pathlib.Path) -> list[Told]:
    """Return the lines of a trace; none where there is no trace."""
    if not path.exists():
        return []
    with path.open(errors="replace") as file:
        text = file.read(MOST_BYTES)
    found = []
    for line in text.splitlines():
        if match := _LINE.match(line):
            numbers = [int(one) for one in _NUMBER.findall(match[3])]
            found.append(Told(float(match[1]), match[2], numbers))
    return found


def table_of(trace: Sequence[Told], begin: float) -> "pd.DataFrame":
    """Return a row a sync.

    Parameters
    ----------
    trace : sequence of Told
        Lines of the source.
    begin : float
        When the migration was asked for.

    Returns
    -------
    pandas.DataFrame
        ``seconds`` at which it ended, since the begin; ``pending`` pages after it, NaN for the last
        one, in which the guest stands still; ``sent_bytes`` before it; ``sync_ms`` that it took;
        ``dirty`` pages that it found; ``reaped`` entries of rings since the sync before, and the
        ``reap_ms`` which that took.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    started, reaped, reap_us = None, 0, 0
    sent = [(begin, 0.0)]
    since, base = -np.inf, 0
    for line in (one for one in trace if one.seconds >= begin - 0.05):
        if line.event == "migration_bitmap_sync_start":
            started = line.seconds
            since = line.seconds if not rows else since
        elif line.event == "migration_bitmap_sync_end" and started is not None and line.values:
            count = line.values[0]
            dirty = count - base if count >= base else count
            base = count
            if line.seconds > since + PERIOD_S:
                since, base = line.seconds, 0
            rows.append({
                "seconds": line.seconds - begin, "pending": np.nan,
                "sync_ms": 1000 * (line.seconds - started), "dirty": dirty, "reaped": reaped,
                "reap_ms": reap_us / 1000,
            })  # fmt: skip
            started, reaped, reap_us = None, 0, 0
        elif line.event == "migrate_pending" and rows and np.isnan(rows[-1]["pending"]):
            rows[-1]["pending"] = round(line.values[0] / 4096)
        elif line.event == "migrate_transferred" and line.values:
            sent.append((line.seconds, sent[-1][1] + line.values[0]))
        elif line.event == "kvm_dirty_ring_reap" and len(line.values) >= 2:
            reaped, reap_us = reaped + line.values[0], reap_us + line.values[1]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    if rows:
        times, totals = zip(*sent, strict=True)
        at = np.interp(table["seconds"] + begin, times, totals)
        table["sent_bytes"] = np.round(at).astype(np.int64)
    return table
