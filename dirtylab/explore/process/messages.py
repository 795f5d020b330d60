"""What is asked of the worker process and what it tells: plain data that crosses the pipe."""

import dataclasses
import pathlib
import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from dirtylab import _check
from dirtylab.datasets import DATASETS
from dirtylab.measure.additions import packed
from dirtylab.measure.contest import OPERATIONS, Cell
from dirtylab.measure.grid import NAMES
from dirtylab.theory.memory import structure_bytes

MOST_ROUNDS = 10_000
_ARRAYS_OF_FRAMES = 8
"""Arrays as long as the dirty frames, alive at once: draws, sorted copies, the output."""
_OWN_BYTES = 2**28
"""The worker process itself: interpreter and compiled code."""

Rows = tuple[tuple[str, float], ...]
"""Label of a structure, nanoseconds."""


@dataclasses.dataclass(frozen=True)
class Job:
    """What to measure.

    Attributes
    ----------
    structures : tuple of (str, dict)
        Names in ``dirtylab.STRUCTURES``, or ``"tree"``, with options.
    operation : {"insert", "collect", "harvest", "clear", "epoch"}
        What is timed.
    cells : tuple of Cell
        Dataset, its options, pages, dirty frames; plain tuples with a dict of options will do.
    rounds : int
        Samples of each structure in each cell.
    seed : int
        Of frames and of the order of turns.
    additions : bytes
        Patterns and structures that the process does not know yet.
    """

    structures: tuple[tuple[str, dict[str, Any]], ...]
    operation: str
    cells: tuple[Cell, ...]
    rounds: int = 7
    seed: int = 0
    additions: bytes = b""

    def labels(self) -> tuple[str, ...]:
        """Return a label for each structure: its name, with options where names repeat."""
        names = [name for name, _ in self.structures]
        return tuple(
            name if names.count(name) == 1 or not options else f"{name}({_written(options)})"
            for name, options in self.structures
        )


@dataclasses.dataclass(frozen=True)
class Event:
    """What became of a job.

    Attributes
    ----------
    kind : {"progress", "cell", "done", "cancelled", "failed"}
        The last three end a job; each job ends with exactly one of them.
    done, total : int
        Cells measured, and cells asked for.
    cell : int
        Index of the cell that this is about, or -1.
    rows : tuple of (str, float)
        Label of a structure and nanoseconds an operation, one for each round: those of a whole
        cell, with kind "cell" only.  A cell left by a cancel keeps its rows from 3 rounds on.
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


class Order(NamedTuple):
    """A job and its number."""

    number: int
    job: Job


class Told(NamedTuple):
    """An event and the number of the job it belongs to."""

    number: int
    event: Event


class Cancel(NamedTuple):
    """Stop this job, and those before it."""

    number: int


def checked(job: Job) -> Job:
    """Return `job` with its cells in one form.

    Raises
    ------
    ValueError, TypeError
        It can't be measured; the argument, the value and what is allowed are named.
    MemoryError
        It needs more memory than this machine has left; nothing has been allocated.
    """
    if not job.structures or not job.cells:
        raise ValueError("nothing to measure: structures and cells must name at least one each")
    for name, _ in job.structures:
        _check.choice("structures", name, NAMES)
    labels = job.labels()
    if len(set(labels)) < len(labels):
        raise ValueError(f"structures={list(labels)}: names one twice")
    _check.choice("operation", job.operation, OPERATIONS)
    _check.integer("rounds", job.rounds, 1, MOST_ROUNDS)
    _check.integer("seed", job.seed, 0, 2**62)
    cells = tuple(_checked_cell(*cell) for cell in job.cells)
    free = free_memory()
    for cell in cells:
        _require_memory(job, cell, free)
    added = packed((cell.dataset for cell in cells), (name for name, _ in job.structures))
    return dataclasses.replace(job, cells=cells, additions=added)


def needed_bytes(job: Job, cell: Cell) -> int:
    """Return the bytes that measuring a cell takes: every structure, one of them twice, frames."""
    each = [structure_bytes(name, cell.pages, **options) for name, options in job.structures]
    return sum(each) + max(each) + 8 * _ARRAYS_OF_FRAMES * cell.dirty + _OWN_BYTES


def free_memory() -> int:
    """Return the bytes that can be allocated now, or all there are where that is not told."""
    told = [_check.physical_memory()]
    found = re.search(r"^MemAvailable:\s+(\d+) kB", _read("/proc/meminfo"), re.MULTILINE)
    if found:
        told.append(int(found[1]) * 1024)
    limit, used = _read("/sys/fs/cgroup/memory.max"), _read("/sys/fs/cgroup/memory.current")
    if limit.isdigit() and used.isdigit():
        told.append(max(int(limit) - int(used), 0))
    return min(told)


def _checked_cell(dataset: str, options: Any, pages: int, dirty: int) -> Cell:
    _check.choice("dataset", dataset, tuple(DATASETS))
    given = options if isinstance(options, Mapping) else dict(options)
    size = _check.pages(pages, 1)
    return Cell(
        dataset, tuple(sorted(given.items())), size, _check.integer("dirty", dirty, 1, size)
    )


def _require_memory(job: Job, cell: Cell, free: int) -> None:
    needed = needed_bytes(job, cell)
    if needed > free:
        has = _check.physical_memory()
        raise MemoryError(
            f"pages={cell.pages:,}, dirty={cell.dirty:,}: measuring {', '.join(job.labels())} "
            f"needs {needed / 2**30:,.1f} GiB of memory; of this machine's "
            f"{has / 2**30:,.1f} GiB, {free / 2**30:,.1f} are free"
        )


def _written(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(options.items()))


def _read(path: str) -> str:
    try:
        return pathlib.Path(path).read_text().strip()
    except OSError:
        return ""
