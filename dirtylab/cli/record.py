"""``dirtylab record``: its arguments, and what it prints."""

import argparse
from typing import TYPE_CHECKING, Any

from dirtylab._console import tell
from dirtylab._units import parse_seconds
from dirtylab.cli.arguments import amount, count, dataset, pages, read_by, seed, word

if TYPE_CHECKING:
    from dirtylab.datasets.tracefile import Trace

INTERRUPTED, _SIGINT = 130, 2
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
    from dirtylab.cli.trace import summary
    from dirtylab.live.store import require_suffix, write_trace
    from dirtylab.measure.files import prepare_folder

    prepare_folder(require_suffix(arguments.out).parent)
    words = arguments.words[1:] if arguments.words[:1] == ["--"] else arguments.words
    if arguments.kvm == bool(words):
        raise ValueError("give either --kvm or, after --, a command")
    _require_used(arguments)
    trace, status = _guest(arguments) if arguments.kvm else _command(arguments, words)
    write_trace(arguments.out, trace)
    print(summary(trace))
    print(f"written to {arguments.out}")
    if status:
        how = f"by signal {-status}" if status < 0 else f"with status {status}"
        tell(f"dirtylab record: note: the command was ended {how}")
    return INTERRUPTED if status == -_SIGINT else 0


def _require_used(arguments: argparse.Namespace) -> None:
    """Refuse an option that has no meaning for what is recorded."""
    unused = ("interval",) if arguments.kvm else tuple(name for name in GUEST if name != "epochs")
    for name in unused:
        if getattr(arguments, name) is not None:
            what = "a command; a guest's epochs end with its writes" if arguments.kvm else "--kvm"
            raise ValueError(f"--{name}: is for {what}")


def _command(arguments: argparse.Namespace, words: list[str]) -> "tuple[Trace, int]":
    from dirtylab.live.record import record_command

    interval = 0.1 if arguments.interval is None else arguments.interval
    return record_command(words, interval=interval, epochs=arguments.epochs, name=arguments.name)


def _guest(arguments: argparse.Namespace) -> "tuple[Trace, int]":
    from dirtylab.live.record import record_guest

    given = {name: getattr(arguments, name) for name in GUEST}
    chosen = {name: GUEST[name] if value is None else value for name, value in given.items()}
    dataset, options = chosen.pop("dataset")
    trace = record_guest(dataset=dataset, **chosen, **options)
    if arguments.name:
        trace.facts["name"] = arguments.name
    return trace, 0
