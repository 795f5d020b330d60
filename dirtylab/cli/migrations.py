"""``dirtylab migrations``: record real migrations of QEMU, and put the model beside them."""

import argparse
import itertools

from dirtylab._console import tell
from dirtylab.cli.arguments import word

INTERRUPTED = 130


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    command = commands.add_parser(
        "migrations",
        help="record 140 real live migrations of QEMU, and how right the model is on them",
        description="Migrate real guests of QEMU on this machine: three trackers, five patterns, "
        "256 MiB to 8 GiB, rates below, near and above the border; a quarter of an hour. Writes "
        "runs.csv, rounds.csv and machine.json. The same command goes on where it stopped.",
    )
    command.add_argument(
        "--out", default="migrations", type=word, metavar="DIR",
        help="folder (default: %(default)s)",
    )  # fmt: skip
    command.add_argument(
        "--only", nargs="+", type=word, metavar="ID", help="runs, such as B0 or all of a letter: B"
    )
    command.add_argument(
        "--report", action="store_true", help="record nothing, tell what the folder holds"
    )
    command.add_argument(
        "--fit", metavar="FILE",
        type=word, nargs="?", const=True,
        help="record nothing: fit costs to the folder's runs, or to those of a CSV file, and write "
        "them to costs.json in the folder; minutes",
    )  # fmt: skip
    command.add_argument("--name", type=word, help="what --fit calls the costs (the machine's)")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Do what the arguments ask for; return the exit status."""
    import pathlib

    from dirtylab._console import announced_compilation
    from dirtylab.measure.files import prepare_folder
    from dirtylab.migration.real.process import program
    from dirtylab.studies.migrations.plan import chosen
    from dirtylab.studies.migrations.record import record
    from dirtylab.studies.migrations.report import text_report
    from dirtylab.studies.migrations.store import RUNS, load

    if arguments.fit is not None:
        return _fit(arguments)
    folder = pathlib.Path(arguments.out)
    failed, status = 0, 0
    if not arguments.report:
        wanted = chosen(arguments.only)
        program()
        folder = prepare_folder(folder)
        try:
            failed = record(folder, tell, wanted)
        except KeyboardInterrupt:
            tell(
                f"dirtylab migrations: interrupted; what was recorded is in {folder}, the same "
                "command goes on"
            )
            return INTERRUPTED
        if failed:
            status = 1
            tell(f"dirtylab migrations: {failed} runs were not made; the same command tries again")
    if arguments.report or (folder / RUNS).exists():
        with announced_compilation():
            print(text_report(load(folder)))
    return status


def _fit(arguments: argparse.Namespace) -> int:
    import pathlib

    from dirtylab._console import announced_compilation
    from dirtylab._progress import share_bar
    from dirtylab._reading import read_object
    from dirtylab.advice.machines import machine_id
    from dirtylab.measure.files import prepare_folder
    from dirtylab.measure.recording import MACHINE
    from dirtylab.studies.migrations.fit import PASSES, entry, keep
    from dirtylab.studies.migrations.runs import read_runs
    from dirtylab.studies.migrations.store import RUNS

    folder = prepare_folder(arguments.out)
    path = folder / RUNS if arguments.fit is True else pathlib.Path(arguments.fit)
    name = arguments.name or (
        machine_id(read_object(folder / MACHINE, {})) if arguments.fit is True
        else path.stem.replace("_", "-")
    )  # fmt: skip
    passes = itertools.count(1)
    with announced_compilation(), share_bar() as told_share:
        made = entry(read_runs(path), path.name, lambda: told_share(next(passes) / PASSES, "fit"))
    keep(folder / "costs.json", name, made)
    told = made["judged"]["simulation"]
    print(
        f"{name}: {folder / 'costs.json'}; on runs left out: verdict right in {told['right']} of "
        f"{told['runs']}, time off by {told['median']:.1%} in the median"
    )
    return 0
