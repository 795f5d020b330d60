"""The ``dirtylab`` command: arguments in, one call into the package, one clear line on trouble.

Exit status: 0 done, 1 failed, 2 wrong arguments, 130 interrupted.
"""

import argparse
import io
import struct
import sys
import zipfile
import zlib
from collections.abc import Sequence

from dirtylab import __version__
from dirtylab._arguments import Parser, UsageError, amount, count, dataset, pages
from dirtylab._console import (
    announced_compilation,
    described,
    flushed,
    require_streams,
    tell,
)
from dirtylab._units import frames_of
from dirtylab.advice import command as advise_command
from dirtylab.advice import study_command
from dirtylab.live import live_arguments, record_arguments, trace_arguments
from dirtylab.lockless import command as lockless_command
from dirtylab.measure import sweep_command

FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130
WRONG = (UsageError, ValueError, TypeError, LookupError, ArithmeticError)
"""What arguments and files lead to that can't be used."""
FAILURES = (
    OSError, MemoryError, EOFError, RuntimeError, ImportError, AssertionError, BufferError,
    zipfile.BadZipFile, zlib.error, struct.error,
)  # fmt: skip
"""What happens on the way."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with `argv` (the process's own when omitted); return its exit status."""
    require_streams()
    if sys.stdout is None:
        tell("dirtylab: standard output is closed")
        return FAILED
    for stream in (sys.stdout, sys.stderr):  # µ and × where the terminal has them, else ?
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    name = "dirtylab"
    try:
        arguments = build_parser().parse_args(argv)
        name = f"dirtylab {arguments.command}"
        status: int = arguments.run(arguments)
    except SystemExit as stop:  # after --help and --version
        raise SystemExit(_ended(name, "", int(stop.code or 0))) from None
    except (Exception, KeyboardInterrupt) as error:
        return _ended(getattr(error, "program", name), *_judged(error))
    return _ended(name, "", status)


def _judged(error: BaseException) -> tuple[object, int]:
    """Return what is said of an error, and the exit status."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", INTERRUPTED
    if isinstance(error, WRONG):
        return error, WRONG_USAGE
    if isinstance(error, FAILURES):
        return error, FAILED
    if sys.flags.dev_mode:
        raise error
    where = "a mistake of dirtylab's own; python -X dev -m dirtylab shows where"
    return f"{type(error).__name__}: {error} ({where})", FAILED


def _ended(name: str, trouble: object, status: int) -> int:
    """Say what went wrong, if anything; return the exit status."""
    lost = flushed(sys.stdout)
    if isinstance(trouble, BrokenPipeError):  # the reader, `head` say, has gone
        return status or FAILED
    if lost and not (isinstance(lost, BrokenPipeError)):
        trouble = f"standard output: {lost.strerror}"
    if trouble:
        tell(f"{name}: {described(trouble)}")
    flushed(sys.stderr)
    return status or (FAILED if lost else 0)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser: argparse.ArgumentParser = Parser(
        prog="dirtylab", description="The laboratory for dirty-page tracking."
    )
    parser.add_argument("--version", action="version", version=f"dirtylab {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_radix_tree(commands)
    _add_reproduce(commands)
    _add_compare(commands)
    sweep_command.add_parser(commands)
    study_command.add_parser(commands)
    advise_command.add_parsers(commands)
    live_arguments.add_parser(commands)
    record_arguments.add_parser(commands)
    trace_arguments.add_parser(commands)
    lockless_command.add_parsers(commands)
    return parser


def _add_radix_tree(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "radix-tree",
        help="the posted program: four lines for one size and count",
        description="Run the program posted in 2016 as it ran: each structure timed once, cold, "
        "the list first; then its four lines: sizes, and for [l]ist, [t]ree and [b]itmap the time "
        "to compact them into a list. In brackets: the three times in units of the line's own.",
    )
    command.add_argument("pages", type=_size, metavar="SIZE", help="pages of the slot")
    command.add_argument("dirty", type=amount, metavar="COUNT", help="frames to mark dirty")
    command.add_argument(
        "order", nargs="?", choices=["seq"], metavar="seq", help="mark 0, 1, 2, … not random frames"
    )
    command.set_defaults(run=_radix_tree)


def _add_reproduce(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "reproduce",
        help="the nine runs of 2016 beside this machine's, with verdicts and figures",
        description="Run the nine rows of the mail as posted and carefully, judge its seven "
        "claims, show its defects; write samples, provenance and figures.",
    )
    command.add_argument(
        "--out",
        default="reproduction",
        metavar="DIR",
        help="folder for samples.csv, study.json and figures (default: %(default)s)",
    )
    command.add_argument("--quick", action="store_true", help="9 samples instead of 25")
    command.add_argument("--json", action="store_true", help="print JSON instead of a table")
    command.set_defaults(run=_reproduce)


def _add_compare(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "compare",
        help="every structure against a copy of its result, and against its peers",
        description="Compare the structures at 10,000,000 pages: collect against np.copyto, insert "
        "against a NumPy scatter, whole epochs against NumPy, pyroaring and bitarray (those that "
        "are installed; extra 'peers'); write samples and machine.",
    )
    command.add_argument(
        "--out",
        default="comparison",
        metavar="DIR",
        help="folder for samples.csv and machine.json (default: %(default)s)",
    )
    command.add_argument(
        "--repeats", type=count(1, 10**6), default=7, metavar="N", help="rounds (7)"
    )
    command.add_argument(
        "--datasets", nargs="+", type=dataset, metavar="NAME",
        help="patterns of the epochs, such as zipf:exponent=0.9; default: those made for studies",
    )  # fmt: skip
    command.set_defaults(run=_compare)


def _size(text: str) -> int:
    number = pages(text)
    if number <= 8 or number % 8:
        trouble = "crashes" if number <= 8 else "writes past the end of its memory"
        raise argparse.ArgumentTypeError(
            f"{text}: the posted program {trouble} here; give a multiple of 8 above 8"
        )
    return number


def _radix_tree(arguments: argparse.Namespace) -> int:
    from dirtylab.mailing_list.program import Arena, compile_loops, printed, run_once
    from dirtylab.structures import PostedTree

    order = "sequential" if arguments.order else "random"
    with announced_compilation():
        compile_loops()
    dirty = frames_of(arguments.dirty, arguments.pages)
    arena = Arena.build(arguments.pages, dirty, order)
    if lost := PostedTree(arguments.pages).lost:
        tell(f"note: at this SIZE the posted tree loses frames {lost.start} … {lost.stop - 1}")
    print(printed(arguments.pages, dirty, run_once(arena)))
    return 0


def _reproduce(arguments: argparse.Namespace) -> int:
    from dirtylab.mailing_list.command import reproduce_into

    return reproduce_into(arguments.out, quick=arguments.quick, as_json=arguments.json)


def _compare(arguments: argparse.Namespace) -> int:
    from dirtylab.measure.comparison import compare_into

    return compare_into(arguments.out, arguments.repeats, arguments.datasets)
