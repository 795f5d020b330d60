"""``dirtylab lockless`` and ``dirtylab soak``: measure, check, soak, and write the results."""

import argparse
import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dirtylab._console import tell
from dirtylab._progress import run_all
from dirtylab.cli.arguments import add_structures, count

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
    add_structures(lockless, "which ones (default: all of dirtylab.lockless)")
    lockless.set_defaults(run=lambda given: measure_into(given.out, given.rounds, given.structures))
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
    add_structures(soak, "which ones (default: all of dirtylab.lockless)")
    soak.set_defaults(run=lambda given: soak_into(given.out, given.inserts, given.structures))


def measure_into(out: str, rounds: int, structures: Sequence[str] | None = None) -> int:
    """Measure and check, print, and write to the folder `out`; return the exit status."""
    import pandas as pd

    from dirtylab.lockless.native import chosen
    from dirtylab.measure import recording
    from dirtylab.measure.apart import ApartError, measuring
    from dirtylab.measure.files import prepare_folder
    from dirtylab.measure.machine import caption, describe_machine
    from dirtylab.studies.lockless.record import COLUMNS, STRUCTURES, cost_steps
    from dirtylab.studies.lockless.store import CHECKER, SAMPLES, sum_up
    from dirtylab.verify.exhaustive import examine, protocol_models

    if rounds < 2:
        raise ValueError(f"--rounds={rounds}: must be 2 or more")
    names = STRUCTURES if structures is None else chosen(structures)
    folder = prepare_folder(out)
    records: list[dict[str, Any]] = []
    findings: list[dict[str, Any]] = []

    def check() -> None:
        findings.extend(
            {**(found := examine(one, group))._asdict(), "worst": found.worst}
            for group, one in protocol_models()
        )

    status = 0
    try:
        with measuring([], names) as call:
            steps = cost_steps(rounds, records, structures=names, call=call)
            run_all([*steps, ("every schedule", check)])
    except KeyboardInterrupt:
        tell("dirtylab lockless: interrupted; what was measured is kept")
        status = INTERRUPTED
    except ApartError as error:
        tell(f"dirtylab lockless: {error}; what is measured is kept")
        status = 1
    tables = {
        SAMPLES: pd.DataFrame(records, columns=list(COLUMNS)), CHECKER: pd.DataFrame(findings)
    }  # fmt: skip
    found = {name: table for name, table in tables.items() if len(table)}
    if found:
        recording.save(folder, found, describe_machine())
        print(f"Measured on {caption(describe_machine())}")
    return status or sum_up(folder)


def soak_into(out: str, inserts: int, structures: Sequence[str] | None = None) -> int:
    """Soak, print, and write to the folder `out`; return 1 when an insert was lost or late."""
    import pandas as pd

    from dirtylab.lockless.native import chosen
    from dirtylab.lockless.registry import LATE, LOCKLESS
    from dirtylab.measure import recording
    from dirtylab.measure.apart import ApartError, measuring
    from dirtylab.measure.files import prepare_folder
    from dirtylab.studies.lockless.report import soak_report
    from dirtylab.studies.lockless.store import SOAK, added, sum_up
    from dirtylab.verify.mutants import MUTANTS
    from dirtylab.verify.soak import run_cell, run_until_failure, soak_cells

    if inserts < 1:
        raise ValueError(f"--inserts={inserts}: must be 1 or more")
    names = (*LOCKLESS, *LATE) if structures is None else chosen(structures)
    folder = prepare_folder(out)
    tallies: list[Tally] = []
    status = 0
    try:
        with measuring([], names) as call:
            steps = [
                (f"{cell.structure}, {cell.pattern}, {cell.vcpus} vCPUs",
                 lambda cell=cell: tallies.append(call(run_cell, cell)))
                for cell in soak_cells(inserts, structures=names)
            ]  # fmt: skip
            run_all(steps)
    except KeyboardInterrupt:
        status = INTERRUPTED
    except ApartError as error:
        tell(f"dirtylab soak: {error}; what is done is kept")
        status = 1
    rows = [{**dataclasses.asdict(one), "weakened": False, "runs": 1} for one in tallies]
    for name, mutant in {} if status else MUTANTS.items():
        caught = run_until_failure(name, mutant.make, mutant.expected_failure, seconds=20)
        rows.append({**added(caught), "weakened": True, "runs": len(caught)})
    if rows:
        recording.save_table(folder / SOAK, pd.DataFrame(rows))
        print(soak_report(rows))
        sum_up(folder)
    failed = [one for one in rows if not one["weakened"] and has_failed(one)]
    return status or int(bool(failed))


def has_failed(row: dict[str, Any]) -> bool:
    """Return whether a structure lost an insert, or was late though it never may be."""
    from dirtylab.lockless import LATE

    return bool(row["lost"] or row["ghosts"] or (row["late"] and row["structure"] not in LATE))
