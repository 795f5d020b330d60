"""Types of command-line arguments: the grammar of quantities, and names with options."""

import argparse
import sys
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from dirtylab import _units
from dirtylab._caches import CACHES, GUEST_RAN

Value = TypeVar("Value")


class UsageError(Exception):
    """Arguments that a command does not take."""

    def __init__(self, program: str, message: str) -> None:
        super().__init__(message)
        self.program = program


class Parser(argparse.ArgumentParser):
    """A parser that says in one line what is wrong."""

    def error(self, message: str) -> NoReturn:
        """Refuse the arguments.

        Raises
        ------
        UsageError
            Always.
        """
        raise UsageError(self.prog, f"{message} (see {self.prog} --help)")

    def _print_message(self, message: str, file: Any = None) -> None:
        (file or sys.stderr).write(message)  # argparse's own says nothing of a full disk


def read_by(parse: Callable[..., Value], *limits: Any) -> Callable[[str], Value]:
    """Return an argument's type: what `parse` of :mod:`dirtylab._units` makes of its text.

    Parameters
    ----------
    parse : callable
        Takes a name, which argparse tells itself, the text and the limits.
    *limits
        Such as the least and the greatest value.
    """

    def read(text: str) -> Value:
        try:
            return parse("", text, *limits)
        except (ValueError, TypeError) as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read


def count(low: int = 0, high: int | None = _units.MAX_PAGES) -> Callable[[str], int]:
    """Return the type of a whole number within ``low … high``."""
    return read_by(_units.parse_count, low, high)


pages = read_by(_units.parse_pages)
pages_list = read_by(_units.parse_pages_list)
amount = read_by(_units.parse_amount)
amounts = read_by(_units.parse_amounts)
seconds = read_by(_units.parse_seconds)
nbytes = read_by(_units.parse_bytes)
seed = count(0, 2**63)


def dataset(text: str) -> tuple[str, dict[str, Any]]:
    """Return a pattern and its options from text such as ``clustered:length=64``."""
    from dirtylab.datasets import DATASETS, parsed

    if text.partition(":")[0] not in DATASETS:
        return choice(text)  # what measures it says which there are
    try:
        return parsed(text)
    except (ValueError, TypeError) as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def structure(text: str) -> tuple[str, dict[str, Any]]:
    """Return name and options as :func:`choice` does, or the path of a native tracker."""
    from dirtylab.native.paths import is_path

    return (text, {}) if is_path(text) else choice(text)


def add_structures(command: argparse.ArgumentParser, help_text: str) -> None:
    """Add the option that names structures, or trackers of the user's own by path."""
    command.add_argument(
        "--structures", nargs="+", type=word, metavar="NAME",
        help=f"{help_text}; a name, or a path such as ./mine.c (see dirtylab tracker)",
    )  # fmt: skip


def add_cache(command: argparse.ArgumentParser) -> None:
    """Add the option that says what the caches hold."""
    command.add_argument(
        "--cache", choices=CACHES, default=GUEST_RAN,
        help="what the processor's caches hold when a structure is timed: other memory, as after a "
        "guest ran, or what the structure just used (default: %(default)s)",
    )  # fmt: skip


def choice(text: str) -> tuple[str, dict[str, Any]]:
    """Return name and options from text such as ``tree:radix=16``."""
    from dirtylab._options import guessed

    name, _, rest = text.partition(":")
    options: dict[str, Any] = {}
    for part in filter(None, rest.split(",")):
        key, sign, value = part.partition("=")
        if not sign or key in options:
            wrong = f"names {key} twice" if sign else "options are written name:key=value,…"
            raise argparse.ArgumentTypeError(f"{text!r}: {wrong}")
        options[key] = guessed(value)
    return name, options


def word(text: str) -> str:
    """Return text that is not empty."""
    if not text.strip():
        raise argparse.ArgumentTypeError(f"{text!r}: must not be empty")
    return text
