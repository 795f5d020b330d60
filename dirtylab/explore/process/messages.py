"""What crosses the pipe to the measuring process: jobs, requests, replies, events; plain data."""

import dataclasses
import time
from collections.abc import Callable
from typing import ClassVar, Literal, NamedTuple, Protocol, Self

Rows = tuple[tuple[str, float], ...]
"""Label of a structure, nanoseconds."""
BETWEEN_PROGRESS = 0.1
"""Seconds: tiny rounds would flood the kernel's loop."""


@dataclasses.dataclass(frozen=True)
class Event:
    """Progress or result of a job.

    Attributes
    ----------
    kind : {"progress", "cell", "done", "cancelled", "failed"}
        The last three end a job; each job ends with exactly one of them.
    done, total : int
        Cells (or samples) measured, and asked for.
    cell : int
        Index of the cell that this is about, or -1.
    rows : tuple of (str, float)
        Label of a structure and nanoseconds an operation, one for each round; with kind "cell"
        only.  A cell left by a cancel keeps its rows from 3 rounds on.
    message : str
        One line for the reader.
    """

    kind: Literal["progress", "cell", "done", "cancelled", "failed"]
    done: int
    total: int
    cell: int = -1
    rows: Rows = ()
    message: str = ""

    @property
    def last(self) -> bool:
        """Whether this ends the job."""
        return self.kind in ("done", "cancelled", "failed")


class Reporter:
    """Reports the progress and the samples of a job, in the measuring process.

    Parameters
    ----------
    send : callable
        Sends an event.
    cancelled : callable
        Returns whether the job is to stop at the end of the round.
    total : int
        Units that the job measures.
    """

    def __init__(
        self, send: Callable[[Event], None], cancelled: Callable[[], bool], total: int
    ) -> None:
        self._send, self.cancelled, self._total = send, cancelled, total
        self._sent = -BETWEEN_PROGRESS

    def progress(self, done: int, message: str, *, at_once: bool = False) -> None:
        """Send a progress event, unless the last event was sent a moment ago."""
        if at_once or time.monotonic() - self._sent >= BETWEEN_PROGRESS:
            self._sent = time.monotonic()
            self._send(Event("progress", done, self._total, done, (), message))

    def cell(self, index: int, done: int, rows: Rows, message: str = "") -> None:
        """Send the samples of a cell."""
        self._sent = time.monotonic()
        self._send(Event("cell", done, self._total, index, rows, message))


class Job(Protocol):
    """What the measuring process can do; plain data that is sent to it."""

    unit: ClassVar[str]
    """What is counted, in the plural: "cells" or "samples"."""
    new_process: ClassVar[bool]
    """Whether it needs a process in which nothing has run before."""

    @property
    def total(self) -> int:
        """How many units it measures."""

    def checked(self) -> Self:
        """Return the job in its one form.

        Raises
        ------
        ValueError, TypeError
            It can't be measured; the argument, the value and what is allowed are named.
        MemoryError
            It needs more memory than this machine has left; nothing has been allocated.
        """

    def measure(self, reporter: Reporter) -> Event:
        """Measure, in the measuring process; return the event that ends the job."""


class Request(NamedTuple):
    """A job and its number."""

    number: int
    job: Job


class Reply(NamedTuple):
    """An event and the number of the job it belongs to."""

    number: int
    event: Event


class Cancel(NamedTuple):
    """Stop this job, and those before it."""

    number: int


def kept(done: int, job: Job) -> str:
    """Return what is left of a job that ended early."""
    return f"{done} of {job.total} {job.unit} are measured and kept"


def one_line(error: BaseException) -> str:
    """Return an error's message in one line, its type where it has none."""
    return " ".join(str(error).split()) or type(error).__name__
