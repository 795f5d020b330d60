"""Results of ``dirtylab lockless`` and ``dirtylab soak`` on disk: tables and their summary."""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dirtylab._console import tell
from dirtylab._reading import read_object
from dirtylab._tables import read_rows
from dirtylab.measure.files import write_json
from dirtylab.measure.recording import MACHINE

if TYPE_CHECKING:
    from dirtylab.verify.soak import Tally

SAMPLES, SOAK, CHECKER = "samples.csv", "soak.csv", "checker.csv"


WORDS = (
    "experiment", "structure", "form", "regime", "placement", "pattern", "name", "group", "worst",
)  # fmt: skip
"""Columns of any of them that hold texts."""


def added(tallies: "Sequence[Tally]") -> dict[str, Any]:
    """Return several runs as one: counts added, the rest of the last."""
    last = dataclasses.asdict(tallies[-1])
    counts = ("inserts", "harvests", "reports", "duplicates", "late", "lost", "ghosts", "seconds")
    return {**last, **{name: sum(getattr(one, name) for one in tallies) for name in counts}}


def soak_summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the soak in totals."""
    counts = ("inserts", "harvests", "duplicates", "late", "lost", "ghosts", "seconds")
    ours = [row for row in rows if not row["weakened"]]
    by_structure = {
        name: {key: sum(row[key] for row in ours if row["structure"] == name) for key in counts}
        for name in dict.fromkeys(row["structure"] for row in ours)
    }
    caught = {
        row["structure"]: {key: row[key] for key in ("inserts", "late", "lost", "runs", "seconds")}
        for row in rows
        if row["weakened"]
    }
    total = {key: sum(one[key] for one in by_structure.values()) for key in counts}
    vcpus = sorted({row["vcpus"] for row in ours})
    return {"total": total, "structures": by_structure, "weakened": caught, "vcpus": vcpus}


def sum_up(folder: pathlib.Path) -> int:
    """Write ``summary.json`` anew from what is in the folder, once all of it is there."""
    from dirtylab.studies.lockless.record import COLUMNS
    from dirtylab.studies.lockless.summary import SUMMARY, summarise
    from dirtylab.verify.exhaustive import Finding
    from dirtylab.verify.soak import Tally

    if not all((folder / name).exists() for name in (SAMPLES, SOAK, CHECKER)):
        tell(f"{folder}: no summary before both commands have run")
        return 0
    tallied = [*Tally.__dataclass_fields__, "weakened", "runs"]
    machine = read_object(folder / MACHINE, {})
    summary = summarise(
        read_csv(folder / SAMPLES, COLUMNS), machine,
        soak_summary(read_csv(folder / SOAK, tallied)),
        read_csv(folder / CHECKER, [*Finding._fields, "worst"]),
    )  # fmt: skip
    write_json(folder / SUMMARY, summary)
    return 0


def read_csv(path: pathlib.Path, columns: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Read the rows of a table; `columns` must be there."""
    rows = read_rows(path, columns, WORDS)
    if not rows:
        raise ValueError(f"{path}: has no rows")
    return rows
