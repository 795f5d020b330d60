"""``dirtylab lockless`` and ``dirtylab soak``: measure, check, soak, and write the results."""

import argparse
import dataclasses
import json
from typing import TYPE_CHECKING, Any

from dirtylab._console import run_steps
from dirtylab.cli.arguments import count

if TYPE_CHECKING:
    from dirtylab.verify.soak import Tally

INTERRUPTED = 130
BILLION = 10**9


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add both commands."""
    lockless = commands.add_parser(
        "lockless",
        help="cost of atomic inserts, alone, concurrent and while harvested; every small schedule",
        description="Measure atomic against plain inserts, 1 … 8 vCPUs at once, and inserts while "
        "harvesting; check all schedules of small cases of every protocol and mutant.",
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
        "insert is accounted for. Then the mutants run until they fail.",
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
    from dirtylab.measure.files import prepare_folder, write_text
    from dirtylab.measure.machine import caption, describe_machine
    from dirtylab.studies.lockless.record import COLUMNS, cost_steps
    from dirtylab.studies.lockless.store import CHECKER, SAMPLES, sum_up, write_csv
    from dirtylab.verify.exhaustive import examine, protocol_models

    if rounds < 2:
        raise ValueError(f"--rounds={rounds}: must be 2 or more")
    folder = prepare_folder(out)
    records: list[dict[str, Any]] = []
    findings: list[dict[str, Any]] = []

    def check() -> None:
        findings.extend(
            {**(found := examine(one, group))._asdict(), "worst": found.worst}
            for group, one in protocol_models()
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
    from dirtylab.measure.files import prepare_folder
    from dirtylab.studies.lockless.report import soak_report
    from dirtylab.studies.lockless.store import SOAK, added, sum_up, write_csv
    from dirtylab.verify.mutants import MUTANTS
    from dirtylab.verify.soak import run_cell, run_until_failure, soak_cells

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
    for name, mutant in {} if status else MUTANTS.items():
        caught = run_until_failure(name, mutant.make, mutant.expected_failure, seconds=20)
        rows.append({**added(caught), "weakened": True, "runs": len(caught)})
    if rows:
        write_csv(folder / SOAK, list(rows[0]), rows)
        print(soak_report(rows))
        sum_up(folder)
    failed = [one for one in rows if not one["weakened"] and has_failed(one)]
    return status or int(bool(failed))


def has_failed(row: dict[str, Any]) -> bool:
    """Return whether a structure lost an insert, or was late though it never may be."""
    from dirtylab.lockless import LATE

    return bool(row["lost"] or row["ghosts"] or (row["late"] and row["structure"] not in LATE))
