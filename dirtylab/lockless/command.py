"""``dirtylab lockless`` and ``dirtylab soak``: measure, check, soak; keep what came out."""

import argparse
import csv
import dataclasses
import io
import json
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dirtylab._arguments import count
from dirtylab._console import run_steps, tell
from dirtylab._reading import read_object
from dirtylab._tables import read_rows
from dirtylab.measure.files import prepare_folder, write_text

if TYPE_CHECKING:
    from dirtylab.lockless.soak import Tally

SAMPLES, SOAK, CHECKER = "samples.csv", "soak.csv", "checker.csv"
WORDS = (
    "experiment", "structure", "form", "regime", "placement", "pattern", "name", "group", "worst",
)  # fmt: skip
"""Columns of any of them that hold texts."""
INTERRUPTED = 130
BILLION = 10**9


def add_parsers(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add both commands."""
    lockless = commands.add_parser(
        "lockless",
        help="what atomic inserts cost, alone, at once and while harvested; every small schedule",
        description="Measure atomic against plain inserts, 1 … 8 vCPUs at once, and inserts while "
        "harvesting; put every protocol, ours and weakened ones, to the exhaustive checker.",
    )
    lockless.add_argument("--out", default="lockless", metavar="DIR", help="folder (lockless)")
    lockless.add_argument(
        "--rounds", type=count(2, 10**6), default=15, metavar="N", help="rounds (15)"
    )
    lockless.set_defaults(run=lambda arguments: measure_into(arguments.out, arguments.rounds))
    soak = commands.add_parser(
        "soak",
        help="real threads insert and harvest; every insert is accounted for",
        description="2 … 8 threads insert while one harvests, every structure and pattern; every "
        "insert is accounted for. Then the weakened structures are caught.",
    )
    soak.add_argument("--out", default="lockless", metavar="DIR", help="folder (lockless)")
    soak.add_argument(
        "--inserts",
        type=count(1, 10**12),
        default=BILLION,
        metavar="N",
        help="inserts in total (10^9)",
    )
    soak.set_defaults(run=lambda arguments: soak_into(arguments.out, arguments.inserts))


def measure_into(out: str, rounds: int) -> int:
    """Measure and check, print, and write to the folder `out`; return the exit status."""
    from dirtylab.lockless.cost import COLUMNS, cost_steps
    from dirtylab.lockless.trials import examine, suspects
    from dirtylab.measure.machine import caption, describe_machine

    if rounds < 2:
        raise ValueError(f"--rounds={rounds}: must be 2 or more")
    folder = prepare_folder(out)
    records: list[dict[str, Any]] = []
    findings: list[dict[str, Any]] = []

    def check() -> None:
        findings.extend(
            {**(found := examine(one, group))._asdict(), "worst": found.worst}
            for group, one in suspects()
        )

    for _ in run_steps([*cost_steps(rounds, records), ("every schedule", check)]):
        pass
    write_csv(folder / SAMPLES, COLUMNS, records)
    write_csv(folder / CHECKER, list(findings[0]), findings)
    machine = json.dumps(describe_machine(), indent=1, ensure_ascii=False)
    write_text(folder / "machine.json", machine + "\n")
    print(f"Measured on {caption(describe_machine())}")
    return sum_up(folder)


def soak_into(out: str, inserts: int) -> int:
    """Soak, print, and write to the folder `out`; return 1 when an insert was lost or late."""
    from dirtylab.lockless.soak import catch, run_cell, soak_cells
    from dirtylab.lockless.weakened import WEAKENED

    if inserts < 1:
        raise ValueError(f"--inserts={inserts}: must be 1 or more")
    folder = prepare_folder(out)
    tallies: list[Tally] = []
    steps = [
        (f"{cell.structure}, {cell.pattern}, {cell.vcpus} vCPUs",
         lambda cell=cell: tallies.append(run_cell(cell)))
        for cell in soak_cells(inserts)
    ]  # fmt: skip
    status = 0
    try:
        for _ in run_steps(steps):
            pass
    except KeyboardInterrupt:
        status = INTERRUPTED
    rows = [{**dataclasses.asdict(one), "weakened": False, "runs": 1} for one in tallies]
    for name, weak in {} if status else WEAKENED.items():
        caught = catch(name, weak.make, weak.crime, seconds=20)
        rows.append({**added(caught), "weakened": True, "runs": len(caught)})
    if rows:
        write_csv(folder / SOAK, list(rows[0]), rows)
        print(soak_report(rows))
        sum_up(folder)
    guilty = [one for one in rows if not one["weakened"] and is_guilty(one)]
    return status or int(bool(guilty))


def added(tallies: "Sequence[Tally]") -> dict[str, Any]:
    """Return several runs as one: counts added, the rest of the last."""
    last = dataclasses.asdict(tallies[-1])
    counts = ("inserts", "harvests", "reports", "duplicates", "late", "lost", "ghosts", "seconds")
    return {**last, **{name: sum(getattr(one, name) for one in tallies) for name in counts}}


def is_guilty(row: dict[str, Any]) -> bool:
    """Return whether a structure lost an insert, or was late though it must not be."""
    from dirtylab.lockless import LATE

    return bool(row["lost"] or row["ghosts"] or (row["late"] and row["structure"] not in LATE))


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


def soak_report(rows: Sequence[dict[str, Any]]) -> str:
    """Return the soak for the terminal."""
    summary = soak_summary(rows)
    lines = [f"{'':28}{'inserts':>15}{'harvests':>13}{'again':>12}{'late':>9}{'lost':>9}"]
    for name, one in {**summary["structures"], "all": summary["total"]}.items():
        lines.append(
            f"{name:28}{one['inserts']:15,}{one['harvests']:13,}{one['duplicates']:12,}"
            f"{one['late']:9,}{one['lost']:9,}"
        )
    for name, one in summary["weakened"].items():
        lines.append(
            f"{name:28}{one['inserts']:15,}{'':25}{one['late']:9,}{one['lost']:9,}"
            f"   caught in run {one['runs']}, {one['seconds']:.2f} s"
        )
    return "\n".join(lines)


def sum_up(folder: pathlib.Path) -> int:
    """Write ``summary.json`` anew from what is in the folder, once all of it is there."""
    from dirtylab.lockless.cost import COLUMNS
    from dirtylab.lockless.soak import Tally
    from dirtylab.lockless.summary import SUMMARY, summarise
    from dirtylab.lockless.trials import Finding

    if not all((folder / name).exists() for name in (SAMPLES, SOAK, CHECKER)):
        tell(f"{folder}: no summary before both commands have run")
        return 0
    tallied = [*Tally.__dataclass_fields__, "weakened", "runs"]
    machine = read_object(folder / "machine.json", {})
    summary = summarise(
        read_csv(folder / SAMPLES, COLUMNS), machine,
        soak_summary(read_csv(folder / SOAK, tallied)),
        read_csv(folder / CHECKER, [*Finding._fields, "worst"]),
    )  # fmt: skip
    write_text(folder / SUMMARY, json.dumps(summary, indent=1, ensure_ascii=False) + "\n")
    return 0


def write_csv(path: pathlib.Path, columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    """Write rows, whole or not at all."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def read_csv(path: pathlib.Path, columns: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Read what :func:`write_csv` wrote; `columns` must be there."""
    rows = read_rows(path, columns, WORDS)
    if not rows:
        raise ValueError(f"{path}: has no rows")
    return rows
