"""Recorded migrations as questions: what was asked of QEMU, and what it reported."""

import math
import os
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from dirtylab._tables import read_rows
from dirtylab.migration.question import IDLE, Question, ask

COLUMNS = (
    "id", "tracker", "memory_mib", "pattern", "working_set", "hot", "hot_writes", "rate", "speed",
    "fill", "bandwidth_mb_s", "downtime_limit_ms", "prealloc", "extra", "limit_s", "completed",
    "total_ms", "downtime_ms", "syncs", "sent_bytes",
)  # fmt: skip
"""What all tables of runs have."""
WORDS = ("id", "tracker", "pattern", "extra")


class RecordedRun(NamedTuple):
    """One migration, in seconds and bytes; NaN where it did not converge."""

    name: str
    asked: Question
    vcpus: int
    extra: str
    """Capabilities beside plain pre-copy."""
    converged: bool
    seconds: float
    downtime: float
    syncs: float
    sent_bytes: float


def read_runs(path: str | os.PathLike[str]) -> list[RecordedRun]:
    """Return the runs of a CSV file with the columns :data:`COLUMNS`, all of plain pre-copy.

    Raises
    ------
    OSError, ValueError
        It can't be read, or a row is no question.
    """
    return plain_runs(read_rows(path, COLUMNS, WORDS))


def plain_runs(rows: Iterable[Mapping[Any, Any]]) -> list[RecordedRun]:
    """Return those of a table's rows that the model knows: without capabilities beside."""
    found = [_run({name: _told(value) for name, value in row.items()}) for row in rows]
    return [run for run in found if not run.extra]


def _told(value: Any) -> Any:
    """Return a value, None where a table has none."""
    missing = value == "" or (isinstance(value, float) and math.isnan(value))
    return None if missing else value


def _run(row: dict[str, Any]) -> RecordedRun:
    told = [row[name] for name in ("total_ms", "downtime_ms", "syncs", "sent_bytes")]
    seconds, downtime, syncs, sent = (math.nan if one is None else float(one) for one in told)
    return RecordedRun(
        row["id"], _question(row), int(row.get("vcpus") or 1), row["extra"] or "",
        bool(row["completed"]), seconds / 1000, downtime / 1000, syncs, sent,
    )  # fmt: skip


def _question(row: Mapping[str, Any]) -> Question:
    pattern, size = row["pattern"], int(row["working_set"])
    paced = row["rate"] is not None and pattern != IDLE
    return ask(
        256 * int(row["memory_mib"]), pattern, working_set=size or None,
        rate=float(row["rate"]) if paced else None,
        speed=None if paced or not row["speed"] else float(row["speed"]),
        bandwidth=1e6 * row["bandwidth_mb_s"], downtime=row["downtime_limit_ms"] / 1000,
        tracker=row["tracker"], nonzero=int(row["fill"]), prealloc=bool(row["prealloc"]),
        limit=float(row["limit_s"]), **_options(row),
    )  # fmt: skip


def _options(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of the pattern: those that the guest of QEMU knows."""
    if row["hot"]:
        return {"hot": row["hot"] / row["working_set"], "writes": float(row["hot_writes"])}
    if row.get("length"):
        return {"length": int(row["length"]), "lengths": "fixed", "overlap": True}
    return {}
