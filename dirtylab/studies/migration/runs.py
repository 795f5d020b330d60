"""Recorded migrations as questions: what was asked of QEMU, and what it reported."""

import os
from typing import Any, NamedTuple

from dirtylab._tables import read_rows
from dirtylab.migration.question import IDLE, Question, ask

COLUMNS = (
    "id", "tracker", "memory_mib", "pattern", "working_set", "hot", "hot_writes", "rate", "speed",
    "fill", "bandwidth_mb_s", "downtime_limit_ms", "prealloc", "extra", "limit_s", "completed",
    "total_ms", "downtime_ms", "syncs", "sent_bytes",
)  # fmt: skip
WORDS = ("id", "tracker", "pattern", "extra")


class RecordedRun(NamedTuple):
    """One migration, in seconds and bytes; NaN where it did not converge."""

    name: str
    asked: Question
    extra: str
    """Capabilities beside plain pre-copy."""
    converged: bool
    seconds: float
    downtime: float
    syncs: float
    sent_bytes: float


def read_runs(path: str | os.PathLike[str], plain: bool = True) -> list[RecordedRun]:
    """Return the runs of a table.

    Parameters
    ----------
    path : path
        A CSV file with the columns :data:`COLUMNS`.
    plain : bool, optional
        Whether runs with capabilities that are not modelled are left out.

    Raises
    ------
    OSError, ValueError
        It can't be read, or a row is no question.
    """
    found = [_run(row) for row in read_rows(path, COLUMNS, WORDS)]
    return [run for run in found if not (plain and run.extra)]


def _run(row: dict[str, Any]) -> RecordedRun:
    told = [row[name] for name in ("total_ms", "downtime_ms", "syncs", "sent_bytes")]
    seconds, downtime, syncs, sent = (float(one) if one != "" else float("nan") for one in told)
    return RecordedRun(
        row["id"], _question(row), row["extra"], bool(row["completed"]), seconds / 1000,
        downtime / 1000, syncs, sent,
    )  # fmt: skip


def _question(row: dict[str, Any]) -> Question:
    pattern, size = row["pattern"], row["working_set"]
    paced = row["rate"] != "" and pattern != IDLE
    hot = {"hot": row["hot"] / size, "writes": float(row["hot_writes"])}
    return ask(
        f"{row['memory_mib']}MiB", pattern, working_set=size,
        rate=float(row["rate"]) if paced else None,
        speed=None if paced or pattern == IDLE else float(row["speed"]),
        bandwidth=1e6 * row["bandwidth_mb_s"], downtime=row["downtime_limit_ms"] / 1000,
        tracker=row["tracker"], nonzero=row["fill"], prealloc=bool(row["prealloc"]),
        limit=float(row["limit_s"]), **(hot if pattern == "hotset" else {}),
    )  # fmt: skip
