"""``dirtylab record``: its arguments, and what it prints."""

import argparse
import signal
from typing import TYPE_CHECKING, Any

from dirtylab._console import tell
from dirtylab._units import parse_seconds
from dirtylab.cli.arguments import amount, count, dataset, pages, read_by, seed, word

if TYPE_CHECKING:
    from pathlib import Path

    from dirtylab.datasets.tracefile import Trace
    from dirtylab.live._output import Ending, Output

FAILED = 1
MOST_EPOCHS = 100_000
GUEST: dict[str, Any] = {
    "epochs": 16, "pages": 2**18, "dirty": 1000, "dataset": ("phases", {}), "tracking": "ring",
    "vcpus": 1, "seed": 2016,
}  # fmt: skip
"""Options of a guest, with what they are when not given; of these a command has `epochs` alone."""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    command = commands.add_parser(
        "record",
        help="record which pages a command, or a KVM guest, writes",
        usage="dirtylab record [-h] [--out FILE] [--interval TIME] [--epochs N] [--name NAME] "
        "[--children]\n                       -- COMMAND ...\n"
        "       dirtylab record --kvm [--out FILE] [--epochs N] [--pages N] [--dirty N] "
        "[--dataset NAME]\n                       [--tracking HOW] [--vcpus N]",
        description="Write a trace: the pages that a command writes, epoch by epoch, or those that "
        "a KVM guest writes after a pattern.  Ctrl-C, SIGTERM and SIGHUP end the recording and "
        "keep its epochs.  Until it is written they are in FILE.PID.journal, which dirtylab trace "
        "recover reads.",
    )
    command.add_argument(
        "--out",
        default="trace.npz",
        metavar="FILE",
        help="ends in .npz, .txt or .bitmap (default: %(default)s)",
    )
    command.add_argument(
        "--epochs", type=count(1, MOST_EPOCHS), metavar="N", help="default: all; of a guest 16"
    )
    command.add_argument("--name", type=word, metavar="NAME", help="of the recording")
    command.add_argument(
        "--interval",
        type=read_by(parse_seconds, 0.001, 3600),
        metavar="TIME",
        help="length of an epoch, such as 50ms (0.1 s)",
    )
    command.add_argument(
        "--children",
        action="store_true",
        default=None,
        help="follow child processes too, until the last ends",
    )
    _add_guest(command)
    command.add_argument("words", nargs=argparse.REMAINDER, metavar="-- COMMAND ...")
    command.set_defaults(run=run)


def _add_guest(command: argparse.ArgumentParser) -> None:
    guest = command.add_argument_group("a KVM guest")
    guest.add_argument("--kvm", action="store_true", help="record a guest, not a command")
    guest.add_argument(
        "--pages", type=pages, metavar="N", help="of its slot, such as 10M or 4GiB (2^18)"
    )
    guest.add_argument(
        "--dirty", type=amount, metavar="N",
        help="writes an epoch, such as 1k, or 1%% or 0.01 of the pages (1k)",
    )  # fmt: skip
    guest.add_argument(
        "--dataset", type=dataset, metavar="NAME", help="such as zipf:exponent=0.9 (phases)"
    )
    guest.add_argument("--tracking", choices=["ring", "log", "manual"], help="how (ring)")
    guest.add_argument("--vcpus", type=count(1, 64), metavar="N", help="processors (1)")
    guest.add_argument("--seed", type=seed, metavar="N", help="of the pattern (2016)")


def run(arguments: argparse.Namespace) -> int:
    """Do what the arguments ask for; return the exit status."""
    from dirtylab.live._output import Ending, Output

    words = arguments.words[1:] if arguments.words[:1] == ["--"] else arguments.words
    if arguments.kvm == bool(words):
        raise ValueError("give either --kvm or, after --, a command")
    _require_used(arguments)
    with Ending() as ending:
        try:
            status = _record(arguments, words, Output(arguments.out), ending)
        except KeyboardInterrupt:
            if not ending.number:
                raise
            _note(f"interrupted by {signal.strsignal(ending.number)}, nothing was recorded")
            status = 0
    return 128 + ending.number if ending.number else status


def _record(
    arguments: argparse.Namespace, words: list[str], output: "Output", ending: "Ending"
) -> int:
    from dirtylab._reading import printable

    status = 0
    try:
        if arguments.kvm:
            trace = _guest(arguments, output.journal, ending)
        else:
            trace, status = _command(arguments, words, output.journal, ending)
        ending.defer()
    except BaseException as error:  # raised again when nothing was taken
        ending.defer()
        trace = output.rescued(error)
    path, trouble = output.keep(trace)
    _tell(trace, 0 if ending.number else status)
    if trouble:
        _note(f"{trouble}; the recording is in {path}")
    else:
        print(f"written to {printable(path)}")
    return FAILED if trouble else 0


def _tell(trace: "Trace", status: int) -> None:
    from dirtylab.cli.trace import summary

    print(summary(trace))
    for line in trace.facts.get("notes", []):
        _note(line)
    if status:
        how = f"by signal {-status}" if status < 0 else f"with status {status}"
        _note(f"the command was ended {how}")


def _note(text: str) -> None:
    from dirtylab._reading import printable

    tell(f"dirtylab record: note: {printable(text)}")


def _require_used(arguments: argparse.Namespace) -> None:
    """Refuse an option that has no meaning for what is recorded."""
    of_guests = tuple(name for name in GUEST if name != "epochs")
    for name in ("interval", "children") if arguments.kvm else of_guests:
        if getattr(arguments, name) is not None:
            what = "a command; a guest's epochs end with its writes" if arguments.kvm else "--kvm"
            raise ValueError(f"--{name}: is for {what}")


def _command(
    arguments: argparse.Namespace, words: list[str], journal: "Path", ending: "Ending"
) -> "tuple[Trace, int]":
    from dirtylab.live.record import record_command

    return record_command(
        words,
        interval=0.1 if arguments.interval is None else arguments.interval,
        epochs=arguments.epochs,
        name=arguments.name,
        children=bool(arguments.children),
        journal=journal,
        check=ending.check,
    )


def _guest(arguments: argparse.Namespace, journal: "Path", ending: "Ending") -> "Trace":
    from dirtylab.live.record import record_guest

    given = {name: getattr(arguments, name) for name in GUEST}
    chosen = {name: GUEST[name] if value is None else value for name, value in given.items()}
    dataset, options = chosen.pop("dataset")
    trace = record_guest(dataset=dataset, **chosen, journal=journal, report=ending.check, **options)
    if arguments.name:
        trace.facts["name"] = arguments.name
    return trace
