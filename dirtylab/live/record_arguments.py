"""``dirtylab record``: its arguments, and what it prints."""

import argparse
import sys
from typing import TYPE_CHECKING

from dirtylab.measure.sweep_command import dataset, numbers_of

if TYPE_CHECKING:
    from dirtylab.datasets.tracefile import Trace

INTERRUPTED, _SIGINT = 130, 2


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    command = commands.add_parser(
        "record",
        help="record which pages a command, or a KVM guest, writes",
        usage="dirtylab record [-h] [--out FILE] [--interval S] [--epochs N] [--name NAME] "
        "-- COMMAND ...\n       dirtylab record --kvm [--out FILE] [--epochs N] [--pages N] "
        "[--dirty N] [--dataset NAME]\n                       [--tracking HOW] [--vcpus N]",
        description="Write a trace: the pages that a command writes, epoch by epoch, or those that "
        "a KVM guest writes after a pattern.  Ctrl-C ends the recording and keeps its epochs.",
    )
    command.add_argument(
        "--out",
        default="trace.npz",
        metavar="FILE",
        help="ends in .npz, .txt or .bitmap (default: %(default)s)",
    )
    command.add_argument("--epochs", type=int, metavar="N", help="default: all; of a guest 16")
    command.add_argument("--name", metavar="NAME", help="of the recording")
    command.add_argument(
        "--interval", type=float, default=0.1, metavar="S", help="seconds of an epoch (0.1)"
    )
    _add_guest(command)
    command.add_argument("words", nargs=argparse.REMAINDER, metavar="-- COMMAND ...")
    command.set_defaults(run=run)


def _add_guest(command: argparse.ArgumentParser) -> None:
    guest = command.add_argument_group("a KVM guest")
    guest.add_argument("--kvm", action="store_true", help="record a guest, not a command")
    number = {"type": numbers_of, "metavar": "N"}
    guest.add_argument("--pages", default="2^18", **number, help="of its slot (2^18)")  # type: ignore[arg-type]
    guest.add_argument("--dirty", default="1k", **number, help="writes an epoch (1k)")  # type: ignore[arg-type]
    guest.add_argument(
        "--dataset",
        type=dataset,
        default="phases",
        metavar="NAME",
        help="such as zipf:exponent=0.9",
    )
    guest.add_argument("--tracking", choices=["ring", "log", "manual"], default="ring")
    guest.add_argument("--vcpus", type=int, default=1, metavar="N", help="processors (1)")
    guest.add_argument("--seed", type=int, default=2016, metavar="N", help="of the pattern (2016)")


def run(arguments: argparse.Namespace) -> int:
    """Do what the arguments ask for; return the exit status."""
    from dirtylab.live.store import require_suffix, write_trace
    from dirtylab.live.trace_arguments import summary
    from dirtylab.measure.files import prepare_folder

    prepare_folder(require_suffix(arguments.out).parent)
    words = arguments.words[1:] if arguments.words[:1] == ["--"] else arguments.words
    if arguments.kvm == bool(words):
        raise ValueError("give either --kvm or, after --, a command")
    trace, status = _guest(arguments) if arguments.kvm else _command(arguments, words)
    write_trace(arguments.out, trace)
    print(summary(trace))
    print(f"written to {arguments.out}")
    if status:
        how = f"by signal {-status}" if status < 0 else f"with status {status}"
        print(f"dirtylab record: note: the command was ended {how}", file=sys.stderr)
    return INTERRUPTED if status == -_SIGINT else 0


def _command(arguments: argparse.Namespace, words: list[str]) -> "tuple[Trace, int]":
    from dirtylab.live.record import record_command

    return record_command(
        words, interval=arguments.interval, epochs=arguments.epochs, name=arguments.name
    )


def _guest(arguments: argparse.Namespace) -> "tuple[Trace, int]":
    from dirtylab.live.record import record_guest

    name, options = arguments.dataset
    trace = record_guest(
        int(arguments.pages[0]),
        int(arguments.dirty[0]),
        dataset=name,
        epochs=arguments.epochs or 16,
        tracking=arguments.tracking,
        vcpus=arguments.vcpus,
        seed=arguments.seed,
        **options,
    )
    if arguments.name:
        trace.facts["name"] = arguments.name
    return trace, 0
