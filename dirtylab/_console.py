"""Notes and errors on stderr, and why something takes long."""

import contextlib
import os
import re
import sys
import threading
from collections.abc import Iterator
from typing import TextIO

PATIENCE = 1.0
"""Seconds after which a note explains the wait."""

_noted: list[str] = []


def tell(text: str) -> None:
    """Print a line on stderr; ignore a closed or broken stderr."""
    with contextlib.suppress(OSError, ValueError):
        print(one_line(text), file=sys.stderr)
        flushed(sys.stderr)


def note_once(text: str) -> None:
    """Print a note that something in the environment is missing; the first time only."""
    if not _noted:
        _noted.append(text)
        tell(f"dirtylab: note: {text}")


def one_line(text: str) -> str:
    r"""Return text with line breaks and terminal control characters escaped.

    Examples
    --------
    >>> one_line("two\nlines of \x1b[1m×\x1b[0m")
    'two\\nlines of \\x1b[1m×\\x1b[0m'
    """
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )


def described(trouble: object) -> str:
    """Return an error's message; its type where it has none, or only a key."""
    text = str(trouble)
    if isinstance(trouble, OSError) and trouble.strerror:
        text = re.sub(r"^\[Errno \d+\] ", "", text)
    plain = not isinstance(trouble, KeyError | RecursionError | ImportError | AssertionError)
    return text if text and plain else f"{type(trouble).__name__}: {text}".removesuffix(": ")


def require_streams() -> None:
    """Keep files opened later from taking the descriptor of a closed stdin, stdout or stderr."""
    if None not in (sys.stdin, sys.stdout, sys.stderr):
        return
    while (place := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(place)
    if sys.stderr is None:  # print would write to stdout
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


def flushed(stream: TextIO) -> OSError | None:
    """Flush stdout; on failure discard the rest and return the reason."""
    try:
        stream.flush()
    except OSError as error:
        with contextlib.suppress(OSError, ValueError):  # or Python tries again at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return error
    return None


@contextlib.contextmanager
def announced_compilation() -> Iterator[None]:
    """Print a note on stderr when compiling takes longer than a second."""
    text = "dirtylab: compiling, once a machine, some seconds ..."
    timer = threading.Timer(PATIENCE, tell, [text])
    timer.daemon = True
    if not _noted:  # that each process compiles
        timer.start()
    try:
        yield
    finally:
        timer.cancel()
