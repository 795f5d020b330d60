"""``dirtylab trace``: the content of a trace, and conversion between formats."""

import argparse
from typing import TYPE_CHECKING

from dirtylab.cli.arguments import pages

if TYPE_CHECKING:
    from dirtylab.datasets.tracefile import Trace

MOST_SHOWN = 2000
"""Characters of a fact that are shown."""


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    command = commands.add_parser(
        "trace",
        help="list recordings, describe one, convert between formats",
        description="The end of the name tells the format: .npz (compact, everything "
        "kept), .txt (a frame a line), .bitmap (KVM's dirty bitmaps, one after the other).",
    )
    verbs = command.add_subparsers(dest="verb", required=True, metavar="VERB")
    verbs.add_parser("list", help="the recordings shipped with dirtylab").set_defaults(run=_list)
    info = verbs.add_parser("info", help="what is in a trace")
    info.add_argument("path", metavar="FILE", help="a file, or the name of a recording")
    info.set_defaults(run=_info)
    convert = verbs.add_parser("convert", help="read one format, write another")
    convert.add_argument("path", metavar="FROM", help="a file, or the name of a recording")
    convert.add_argument("out", metavar="TO")
    convert.set_defaults(run=_convert)
    recover = verbs.add_parser(
        "recover", help="make a trace of the journal that a killed recording left"
    )
    recover.add_argument("path", metavar="JOURNAL")
    recover.add_argument("out", metavar="TO")
    recover.set_defaults(run=_recover)
    for verb in (info, convert):
        verb.add_argument("--pages", type=pages, metavar="N", help="of a .bitmap, which tells none")


def _list(_: argparse.Namespace) -> int:
    from dirtylab._reading import printable
    from dirtylab.datasets.traces import recording, recordings

    for name in recordings():
        print(f"{name:16} {printable(recording(name).facts.get('what', ''))}")
    return 0


def _info(arguments: argparse.Namespace) -> int:
    print(summary(_read(arguments)))
    return 0


def _convert(arguments: argparse.Namespace) -> int:
    from dirtylab._reading import printable
    from dirtylab.live.store import require_suffix, write_trace
    from dirtylab.measure.files import prepare_file

    prepare_file(require_suffix(arguments.out))
    trace = _read(arguments)
    write_trace(arguments.out, trace)
    print(f"{trace!r} written to {printable(arguments.out)}")
    return 0


def _recover(arguments: argparse.Namespace) -> int:
    from dirtylab.live.journal import recovered
    from dirtylab.live.store import write_trace

    trace = recovered(arguments.path)
    write_trace(arguments.out, trace)
    print(f"{trace!r} written to {arguments.out}")
    return 0


def _read(arguments: argparse.Namespace) -> "Trace":
    from dirtylab.datasets.tracefile import read_trace
    from dirtylab.datasets.traces import located

    return read_trace(located(arguments.path), arguments.pages)


def summary(trace: "Trace") -> str:
    """Return what is in a trace, for the terminal."""
    from dirtylab._reading import printable
    from dirtylab.datasets.describe import describe
    from dirtylab.measure.machine import caption

    sizes = sorted(epoch.size for epoch in trace.epochs) or [0]
    lines = [
        repr(trace)[1:-1],
        f"frames an epoch: {sizes[0]:,} … {sizes[-1]:,}, median {sizes[len(sizes) // 2]:,}",
        repr(describe(trace.frames, trace.pages))[1:-1].replace("; ", "\n  "),
    ]
    machine = trace.facts.get("machine")
    known = ("name", "machine") if isinstance(machine, dict) else ("name",)
    shown = {key: value for key, value in trace.facts.items() if key not in known}
    lines += [_line(f"{printable(key)}: {printable(value)}") for key, value in shown.items()]
    if isinstance(machine, dict):
        lines.append(f"Recorded on {caption(machine)}")
    return "\n".join(lines)


def _line(text: str) -> str:
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"
