"""Measuring in a process of its own, where native trackers are among the structures.

A tracker that crashes or hangs takes that process down, not what was measured before.  All
structures of a cell are measured in it, side by side as ever.  While it works it tells whose turn
it is, off the clock: a process that is silent for too long hangs.
"""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, Pipe
from typing import Any, Self, TypeVar

from dirtylab.measure.additions import packed
from dirtylab.native.contestants import native

SILENCE_S = 300.0
"""Seconds that one structure's turn may take."""
Value = TypeVar("Value")
Call = Callable[..., Any]

_to_parent: Connection | None = None
"""In such a process: where to tell."""


class ApartError(RuntimeError):
    """The process that measured has crashed or hangs; whose turn it was is named."""


def beat(structure: str) -> None:
    """Tell that a structure's turn begins; in the user's own process do nothing."""
    if _to_parent is not None:
        _to_parent.send(("turn", structure))


def alive() -> None:
    """Tell that this process waits for another measurement: that is no silence."""
    if _to_parent is not None:
        _to_parent.send(("waits", ""))


def direct(function: Callable[..., Value], *arguments: Any) -> Value:
    """Call a function in this process."""
    return function(*arguments)


@contextlib.contextmanager
def measuring(datasets: Iterable[str], structures: Iterable[str]) -> Iterator[Call]:
    """Give a function that calls another with arguments, apart where a structure is native.

    Parameters
    ----------
    datasets, structures : iterable of str
        Names of what is measured: where they were registered at run time they are sent along.
    """
    names = list(structures)
    if not native(names) or _to_parent is not None:
        yield direct
        return
    with Apart(packed(datasets, names)) as apart:
        yield apart.call


class Apart:
    """A process that calls functions, one at a time; it starts with the first.

    Parameters
    ----------
    additions : bytes
        What :func:`~dirtylab.measure.additions.packed` gave.
    """

    def __init__(self, additions: bytes) -> None:
        self._additions = additions
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._turn = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        if self._connection is not None:
            self._connection.close()
        self._process = self._connection = None

    def call(self, function: Callable[..., Value], *arguments: Any) -> Value:
        """Call a function there; return what it returns, raise what it raises.

        Raises
        ------
        ApartError
            The process ended, or was silent for too long; the next call begins another.
        """
        self._turn = ""
        try:
            connection = self._started()
            connection.send((function, arguments))
            kind, told = self._answer(connection)
        except (EOFError, OSError):
            raise ApartError(self._how()) from None
        except BaseException:
            self.close()
            raise
        if kind == "raised":
            raise told
        value: Value = told
        return value

    def _started(self) -> Connection:
        if self._process is None or self._connection is None:
            self._connection, theirs = Pipe()
            words = [sys.executable, "-m", "dirtylab.measure.apart_main", str(theirs.fileno())]
            nothing = subprocess.DEVNULL
            self._process = subprocess.Popen(
                words,
                stdin=nothing,
                stdout=nothing,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # a Ctrl-C is the parent's, which kills it
            )
            theirs.close()
            self._connection.send(self._additions)
        return self._connection

    def _answer(self, connection: Connection) -> tuple[str, Any]:
        while True:
            if not connection.poll(SILENCE_S):
                self.close()
                raise ApartError(f"{self._whose()}hangs: silent for {SILENCE_S:g} s")
            kind, told = connection.recv()
            if kind == "turn":
                self._turn = told
            elif kind != "waits":
                return kind, told

    def _how(self) -> str:
        status = self._process.wait() if self._process else 0
        self.close()
        how = f"by {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
        return f"{self._whose()}the process that measured ended {how}"

    def _whose(self) -> str:
        return f"{self._turn}: " if self._turn else ""
