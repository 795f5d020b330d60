"""Recorded migrations on disk: ``runs.csv``, ``rounds.csv`` and ``machine.json``."""

import pathlib
from typing import TYPE_CHECKING, Any, NamedTuple

from dirtylab.advice.machines import machine_id
from dirtylab.measure import recording
from dirtylab.migration.costs import SHIPPED, recorded_costs

if TYPE_CHECKING:
    import pandas as pd

    from dirtylab.migration.real import RealMigration
    from dirtylab.studies.migrations.plan import Planned

RUNS, ROUNDS = "runs.csv", "rounds.csv"
PLANNED = (
    "id", "tracker", "ring_level", "memory_mib", "pattern", "working_set", "hot", "hot_writes",
    "length", "vcpus", "rate",
)  # fmt: skip
GIVEN = ("fill", "bandwidth_mb_s", "downtime_limit_ms", "prealloc", "extra", "limit_s", "compared")
REPORTED = (
    "completed", "total_ms", "downtime_ms", "syncs", "sent_bytes", "writes", "throttle",
    "differing", "postcopied",
)  # fmt: skip
RUN_COLUMNS = (*PLANNED, "speed", *GIVEN, *REPORTED)
ROUND_COLUMNS = (
    "id", "seconds", "pending", "sent_bytes", "sync_ms", "dirty", "reaped", "reap_ms",
)  # fmt: skip
WORDS = ("id", "tracker", "pattern", "extra")
FIRST, LAST = 24, 6
"""Rounds that are kept of a run, so that all stay below 300 kB."""


class Recorded(NamedTuple):
    """What was recorded."""

    runs: "pd.DataFrame"
    rounds: "pd.DataFrame"
    machine: dict[str, Any]


def known_costs(machine: dict[str, Any] | None) -> str:
    """Return the name of the costs that were fitted to a machine's runs, else of the shipped."""
    own = machine_id(machine) if machine else ""
    return own if own in recorded_costs() else SHIPPED


def planned_row(one: "Planned") -> dict[str, Any]:
    """Return the columns of a run that the plan tells."""
    options, written = one.options, one.working_set
    hot = max(1, round(options["hot"] * written)) if "hot" in options else 0
    return {
        "id": one.id, "tracker": one.tracker, "ring_level": 0 if one.pattern == "idle" else 3,
        "memory_mib": one.memory_mib, "pattern": one.pattern, "working_set": written, "hot": hot,
        "hot_writes": options.get("writes", 0.0), "length": options.get("length", 0),
        "vcpus": one.vcpus, "rate": one.rate, "fill": max(one.filled, written),
        "bandwidth_mb_s": one.bandwidth_mb_s, "downtime_limit_ms": one.downtime_ms,
        "prealloc": int(one.prealloc), "extra": one.extra, "limit_s": one.limit_s,
        "compared": int(one.compare),
    }  # fmt: skip


def run_row(one: "Planned", found: "RealMigration") -> dict[str, Any]:
    """Return a row of ``runs.csv``; of a run that did not converge, syncs and bytes until then."""
    done = found.converges
    return {
        **planned_row(one), "speed": round(found.speed), "completed": int(done),
        "total_ms": round(1000 * found.seconds) if done else None,
        "downtime_ms": round(1000 * found.downtime) if done else None, "syncs": found.syncs,
        "sent_bytes": found.sent_bytes, "writes": round(found.writes),
        "throttle": found.throttle, "differing": found.differing,
        "postcopied": int(found.postcopied),
    }  # fmt: skip


def round_rows(one: "Planned", found: "RealMigration") -> "pd.DataFrame":
    """Return rows of ``rounds.csv``: the first and the last rounds of a run."""
    import pandas as pd

    table = found.rounds
    if len(table) > FIRST + LAST:
        table = pd.concat([table.head(FIRST), table.tail(LAST)])
    table = table.assign(id=one.id, pending=table["pending"].astype("Int64"))
    rounded = table.round({"seconds": 4, "sync_ms": 3, "reap_ms": 3})
    return rounded[list(ROUND_COLUMNS)]


def save(folder: pathlib.Path, found: Recorded) -> None:
    """Write tables and machine."""
    runs = found.runs.convert_dtypes()
    tables = {RUNS: runs[list(RUN_COLUMNS)], ROUNDS: found.rounds[list(ROUND_COLUMNS)]}
    recording.save(folder, tables, found.machine)


def load(folder: pathlib.Path) -> Recorded:
    """Read what :func:`save` wrote; OSError or ValueError names an unreadable file."""
    columns = {RUNS: RUN_COLUMNS, ROUNDS: ROUND_COLUMNS}
    (runs, rounds), machine = recording.load(folder, columns, WORDS)
    runs["extra"] = runs["extra"].astype(object).where(runs["extra"].notna(), "")
    return Recorded(runs, rounds, machine)
