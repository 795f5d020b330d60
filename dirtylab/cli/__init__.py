"""The ``dirtylab`` command: parse arguments, call the package, report errors in one line.

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
from dirtylab._console import described, flushed, require_streams, tell
from dirtylab.cli import (
    advise,
    compare,
    crossovers,
    lab,
    live,
    lockless,
    migrate,
    migrations,
    peers,
    radix_tree,
    record,
    reproduce,
    study,
    sweep,
    trace,
    tracker,
)  # fmt: skip
from dirtylab.cli.arguments import Parser, UsageError
from dirtylab.native.errors import TrackerError

COMMANDS = (
    radix_tree, reproduce, compare, sweep, crossovers, advise, migrate, migrations, live, record,
    trace, lockless, tracker, peers, study, lab,
)  # fmt: skip
"""A module each; some add two commands."""
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
    """Return the message for an error, and the exit status."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", INTERRUPTED
    if isinstance(error, TrackerError):
        return error, FAILED
    if isinstance(error, WRONG):
        return error, WRONG_USAGE
    if isinstance(error, FAILURES):
        return error, FAILED
    if sys.flags.dev_mode:
        raise error
    where = "a bug in dirtylab; python -X dev -m dirtylab shows where"
    return f"{type(error).__name__}: {error} ({where})", FAILED


def _ended(name: str, trouble: object, status: int) -> int:
    """Say what went wrong, if anything; return the exit status."""
    lost = flushed(sys.stdout)
    if isinstance(trouble, BrokenPipeError):  # the reader, `head` say, has gone
        return status or FAILED
    if lost and not (isinstance(lost, BrokenPipeError)):
        trouble = f"standard output: {lost.strerror}"
    if trouble:
        # A compiler's own words take several lines.
        whole = isinstance(trouble, TrackerError)
        for line in described(trouble).splitlines() if whole else [described(trouble)]:
            tell(f"{name}: {line}")
    flushed(sys.stderr)
    return status or (FAILED if lost else 0)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser: argparse.ArgumentParser = Parser(
        prog="dirtylab", description="The laboratory for dirty-page tracking."
    )
    parser.add_argument("--version", action="version", version=f"dirtylab {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(commands)
    return parser
