"""How right the model is on recorded migrations."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dirtylab.migration.precopy import migrate

if TYPE_CHECKING:
    import pandas as pd

LEAST_MS = 1000
"""Runs whose times are judged last at least so long."""


class Judged(NamedTuple):
    """Of runs that the model knows."""

    runs: int
    right: int
    """Verdicts."""
    timed: int
    """Runs over a second that converged, as predicted."""
    median: float
    """Share by which their time is off ..."""
    most: float
    """... and its 90th percentile."""
    bytes_median: float
    """Share by which the bytes are off, of all that converged as predicted."""


def predicted(row: Mapping[Any, Any], **more: Any) -> Any:
    """Return the model's :class:`dirtylab.migration.precopy.Migration` of a recorded run."""
    options: dict[str, Any] = {}
    if row["hot"]:
        options = {"hot": row["hot"] / row["working_set"], "writes": row["hot_writes"]}
    if row["length"]:
        options = {"length": int(row["length"]), "lengths": "fixed", "overlap": True}
    paced = not np.isnan(row["rate"])
    idle = row["pattern"] == "idle"
    if not paced and not idle and row["speed"] > 0:
        more.setdefault("speed", float(row["speed"]))
    return migrate(
        int(row["memory_mib"]) * 256, row["pattern"], rate=float(row["rate"]) if paced else None,
        working_set=None if idle else int(row["working_set"]), nonzero=int(row["fill"]),
        bandwidth=1e6 * row["bandwidth_mb_s"], downtime=row["downtime_limit_ms"] / 1000,
        tracker=row["tracker"], prealloc=bool(row["prealloc"]), limit=float(row["limit_s"]),
        **more, **options,
    )  # fmt: skip


def known(runs: "pd.DataFrame") -> "pd.DataFrame":
    """Return the runs that the model knows: without extras."""
    return runs[runs["extra"] == ""]


def judged(runs: "pd.DataFrame") -> Judged:
    """Compare runs with the model."""
    right, off, off_bytes = 0, [], []
    rows = known(runs).to_dict("records")
    for row in rows:
        found = predicted(row)
        completed = bool(row["completed"])
        right += found.converges == completed
        if completed and found.converges:
            off_bytes.append(abs(found.sent_bytes / row["sent_bytes"] - 1))
            if row["total_ms"] >= LEAST_MS:
                off.append(abs(1000 * found.seconds / row["total_ms"] - 1))
    median, most = np.percentile(off, [50, 90]) if off else (np.nan, np.nan)
    return Judged(
        len(rows), right, len(off), float(median), float(most),
        float(np.median(off_bytes)) if off_bytes else np.nan,
    )  # fmt: skip
