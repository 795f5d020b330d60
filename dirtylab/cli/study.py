"""``dirtylab study`` and ``dirtylab machines``: their arguments, and what they print."""

import argparse
import pathlib

from dirtylab._console import tell
from dirtylab.cli.arguments import word

INTERRUPTED = 130


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add both commands."""
    study = commands.add_parser(
        "study",
        help="record what this machine is like: crossovers, cost models, structures of others",
        description="Measure crossovers, both cost models and the structures of others on this "
        "machine, in a quarter of an hour, and check the result. The same command goes on where it "
        "stopped. CONTRIBUTING.md says how to contribute one.",
    )
    study.add_argument(
        "--out", default="study", type=word, metavar="DIR", help="folder (default: %(default)s)"
    )
    study.set_defaults(run=_study)
    machines = commands.add_parser(
        "machines",
        help="list the recorded machines, and what carries over from one to another",
        description="List the machines whose studies come with dirtylab, and those of folders that "
        "are given; tell what carries over from one machine to another.",
    )
    machines.add_argument(
        "folders", nargs="*", type=word, metavar="DIR", help="studies of your own, checked too"
    )
    machines.set_defaults(run=_machines)


def _study(arguments: argparse.Namespace) -> int:
    from dirtylab._console import announced_compilation
    from dirtylab.advice.machines import machine_id
    from dirtylab.measure.files import prepare_folder
    from dirtylab.measure.machine import describe_machine
    from dirtylab.studies.machines.record import Plan, steps

    out = prepare_folder(arguments.out)
    try:
        with announced_compilation():
            for label, action in steps(out, Plan(), tell):
                tell(f"{label} ...")
                action()
    except KeyboardInterrupt:
        tell(
            f"dirtylab study: interrupted; what was measured is in {out}, the same command goes on"
        )
        return INTERRUPTED
    print(f"{machine_id(describe_machine())}: {out}")
    return _tell_findings([out])


def _machines(arguments: argparse.Namespace) -> int:
    from dirtylab.advice.machines import read_machine, recorded
    from dirtylab.studies.machines import report

    own = [pathlib.Path(one) for one in arguments.folders]
    machines = [*recorded(), *map(read_machine, own)]
    print(report.machines_table(machines))
    for line in report.carried_lines(machines):
        print(f"* {line}")
    return _tell_findings(own)


def _tell_findings(folders: list[pathlib.Path]) -> int:
    """Print what is wrong with studies; return 1 where something is."""
    from dirtylab.studies.machines.judge import findings

    wrong = [f"{folder}: {line}" for folder in folders for line in findings(folder)]
    for line in wrong:
        tell(line)
    if folders and not wrong:
        tell("sound: all parts there, of one machine, as good as they should be")
    return 1 if wrong else 0
