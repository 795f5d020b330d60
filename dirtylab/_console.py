"""What is said on stderr: notes, errors, and why something takes long."""

import contextlib
import os
import re
import sys
import threading
from collections.abc import Iterator
from typing import TextIO

PATIENCE = 1.0
"""Seconds after which a wait is explained."""

_noted: list[str] = []


def tell(text: str) -> None:
    """Say a line on stderr; where nobody can hear it, go on."""
    with contextlib.suppress(OSError, ValueError):
        print(one_line(text), file=sys.stderr)
        flushed(sys.stderr)


def note_once(text: str) -> None:
    """Say that something of the surroundings is missing; the first time only."""
    if not _noted:
        _noted.append(text)
        tell(f"dirtylab: note: {text}")


def one_line(text: str) -> str:
    r"""Return text without what would break its line or steer the terminal.

    Examples
    --------
    >>> one_line("two\nlines of \x1b[1m×\x1b[0m")
    'two\\nlines of \\x1b[1m×\\x1b[0m'
    """
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )


def described(trouble: object) -> str:
    """Return an error in words; its kind where it has no words, or a key alone."""
    text = str(trouble)
    if isinstance(trouble, OSError) and trouble.strerror:
        text = re.sub(r"^\[Errno \d+\] ", "", text)
    plain = not isinstance(trouble, KeyError | RecursionError | ImportError | AssertionError)
    return text if text and plain else f"{type(trouble).__name__}: {text}".removesuffix(": ")


def require_streams() -> None:
    """Let no file that is opened later take the place of a closed stdin, stdout or stderr."""
    if None not in (sys.stdin, sys.stdout, sys.stderr):
        return
    while (place := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(place)
    if sys.stderr is None:  # print would write to stdout
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


def flushed(stream: TextIO) -> OSError | None:
    """Write out what was printed; return why that failed, and forget the rest, if it did."""
    try:
        stream.flush()
    except OSError as error:
        with contextlib.suppress(OSError, ValueError):  # or Python tries again at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return error
    return None


@contextlib.contextmanager
def announced_compilation() -> Iterator[None]:
    """Say on stderr what is going on when compiling takes longer than a second."""
    text = "dirtylab: compiling, once a machine, some seconds ..."
    timer = threading.Timer(PATIENCE, tell, [text])
    timer.daemon = True
    if not _noted:  # that each process compiles
        timer.start()
    try:
        yield
    finally:
        timer.cancel()
