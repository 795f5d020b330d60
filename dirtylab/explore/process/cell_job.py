"""Cells to measure: structures on a pattern, checked in the kernel, measured in the process."""

import contextlib
import dataclasses
import gc
import pathlib
import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from dirtylab import _check
from dirtylab._caches import CACHES, GUEST_RAN
from dirtylab._format import nbytes_text
from dirtylab._memory import tightest
from dirtylab.datasets import DATASETS, declared, require
from dirtylab.explore.process.messages import Event, Reporter, Rows, kept, one_line
from dirtylab.measure import caches
from dirtylab.measure.additions import packed, register
from dirtylab.measure.cell import (
    BenchmarkPlan,
    Candidate,
    Cell,
    CellBenchmark,
    Row,
    label,
)
from dirtylab.measure.driver import OPERATIONS
from dirtylab.measure.grid import BYTES_A_PAGE
from dirtylab.structures import kind_of, names, require_operation
from dirtylab.theory.memory import known_bytes

MOST_ROUNDS = 10_000
LEAST_ROUNDS = 3
"""Rounds from which on an unfinished cell is kept."""
_ARRAYS_OF_FRAMES = 8
"""Arrays as long as the dirty frames, alive at once: draws, sorted copies, the output."""
_PROCESS_BYTES = 2**28
"""The measuring process itself: interpreter and compiled code."""
_WARM_PAGES, _WARM_DIRTY = 4096, 64
_compiled: set[tuple[str, str]] = set()
"""Structures and operations that this process has compiled."""


@dataclasses.dataclass(frozen=True)
class CellJob:
    """Cells to measure.

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
    cache : {"guest-ran", "warm"}
        What the caches hold.
    additions : bytes
        Patterns and structures registered at run time, for the process to register too.
    """

    unit: ClassVar[str] = "cells"
    new_process: ClassVar[bool] = False

    structures: tuple[tuple[str, dict[str, Any]], ...]
    operation: str
    cells: tuple[Cell, ...]
    rounds: int = 7
    seed: int = 0
    cache: str = GUEST_RAN
    additions: bytes = b""

    @property
    def total(self) -> int:
        """The number of cells."""
        return len(self.cells)

    def labels(self) -> tuple[str, ...]:
        """Return a label for each structure: its name, with options where names repeat."""
        names = [name for name, _ in self.structures]
        return tuple(
            name if names.count(name) == 1 or not options else f"{name}({_options_text(options)})"
            for name, options in self.structures
        )

    def checked(self) -> "CellJob":
        """Return this job with its cells in one form.

        Raises
        ------
        ValueError, TypeError
            It can't be measured; the argument, the value and what is allowed are named.
        MemoryError
            It needs more memory than this machine has left; nothing has been allocated.
        """
        if not self.structures or not self.cells:
            raise ValueError("nothing to measure: structures and cells must name at least one each")
        for name, _ in self.structures:
            _check.choice("structures", name, names())
        labels = self.labels()
        if len(set(labels)) < len(labels):
            raise ValueError(f"structures={list(labels)}: names one twice")
        _check.choice("operation", self.operation, OPERATIONS)
        require_operation(self.operation, [name for name, _ in self.structures])
        _check.integer("rounds", self.rounds, 1, MOST_ROUNDS)
        _check.integer("seed", self.seed, 0, 2**62)
        _check.choice("cache", self.cache, CACHES)
        cells = tuple(_checked_cell(*cell) for cell in self.cells)
        free = free_memory()
        for cell in cells:
            _require_memory(self, cell, free)
        added = packed((cell.dataset for cell in cells), (name for name, _ in self.structures))
        return dataclasses.replace(self, cells=cells, additions=added)

    def measure(self, reporter: Reporter) -> Event:
        """Measure each cell; return how the job ended."""
        register(self.additions)
        _compile(self, reporter)
        for index in range(self.total):
            try:
                rows, rounds = _measure_cell(self, index, reporter)
            except (ValueError, TypeError, AssertionError, MemoryError, ArithmeticError) as error:
                where = "{0}, {3:,} of {2:,} pages".format(*self.cells[index])
                why = f"{where}: {one_line(error)}"
                return Event("failed", index, self.total, index, (), why)
            whole = rounds == self.rounds
            if whole or rounds >= LEAST_ROUNDS:
                reporter.cell(index, index + whole, rows)
            if not whole:
                words = f"cancelled: {kept(index, self)}"
                return Event("cancelled", index, self.total, message=words)
        words = f"measured {self.total} of {self.total} cells"
        return Event("done", self.total, self.total, message=words)


# --- checks, in the notebook's kernel -------------------------------------------------------------


def needed_bytes(job: CellJob, cell: Cell) -> int:
    """Return the bytes that measuring a cell takes: every structure, one of them twice, frames."""
    each = [_bytes_of(name, options, cell) for name, options in job.structures]
    other = caches.MOST_BYTES if job.cache == GUEST_RAN else 0
    return sum(each) + max(each) + 8 * _ARRAYS_OF_FRAMES * cell.dirty + _PROCESS_BYTES + other


def _bytes_of(name: str, options: Mapping[str, Any], cell: Cell) -> int:
    """Return the bytes of a structure; where no law is known, the most there should be."""
    known = known_bytes(name, cell.pages, **options)
    if known is not None:
        return known
    return BYTES_A_PAGE * (cell.dirty if kind_of(name).grows else cell.pages)


def free_memory() -> int:
    """Return the bytes that can be allocated now, or all there are where the system won't say."""
    limits = [_check.physical_memory()]
    found = re.search(r"^MemAvailable:\s+(\d+) kB", _text_of("/proc/meminfo"), re.MULTILINE)
    if found:
        limits.append(int(found[1]) * 1024)
    room = tightest()
    if room is not None:
        limits.append(room.free)
    return min(limits)


def _checked_cell(dataset: str, options: Any, pages: int, dirty: int) -> Cell:
    _check.choice("dataset", dataset, tuple(DATASETS))
    given = options if isinstance(options, Mapping) else dict(options)
    size = _check.pages(pages, 1)
    if declared(dataset).free:  # of which some take more writes than there are pages
        require(dataset, size, _check.integer("dirty", dirty, 1), given)
    else:
        _check.integer("dirty", dirty, 1, size)
    return Cell(dataset, tuple(sorted(given.items())), size, dirty)


def _require_memory(job: CellJob, cell: Cell, free: int) -> None:
    needed = needed_bytes(job, cell)
    if needed > free:
        has = _check.usable_memory()
        raise MemoryError(
            f"pages={cell.pages:,}, dirty={cell.dirty:,}: measuring {', '.join(job.labels())} "
            f"needs {nbytes_text(needed)} of memory; of this machine's "
            f"{nbytes_text(has)}, {nbytes_text(free)} are free"
        )


def _options_text(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(options.items()))


def _text_of(path: str) -> str:
    try:
        return pathlib.Path(path).read_text().strip()
    except OSError:
        return ""


# --- measuring, in the measuring process ----------------------------------------------------------


def _compile(job: CellJob, reporter: Reporter) -> None:
    """Run each structure that is new in this process once on a few frames, and say which."""
    for candidate in _plan(job).candidates:
        known = (candidate.structure, job.operation)
        if known in _compiled or reporter.cancelled():
            continue
        words = f"preparing {candidate.structure}; compiled on first use …"
        reporter.progress(0, words, at_once=True)
        cell = Cell("random", (), _WARM_PAGES, _WARM_DIRTY)
        # A structure whose options do not fit these few frames is compiled by its own cell.
        with contextlib.suppress(ValueError, AssertionError):
            CellBenchmark(
                cell, BenchmarkPlan((candidate,), (job.operation,), job.seed, job.cache)
            ).round(0)
        _compiled.add(known)


def _measure_cell(job: CellJob, index: int, reporter: Reporter) -> tuple[Rows, int]:
    """Return the samples of a cell, and of how many rounds; fewer than asked when cancelled."""
    cell = job.cells[index]
    reporter.progress(index, f"checking that all structures agree: {label(cell)}")
    if reporter.cancelled():
        return (), 0
    # CPU time: on two cores a browser that draws and a kernel that calculates take the processor
    # away from every sample of some milliseconds; the median of a sort of 4.4 ms was anything from
    # 4.5 to 13.8.
    benchmark = CellBenchmark(cell, _plan(job), cpu_time=True)
    rows: list[Row] = []
    done = 0
    with _without_collector():
        while done < job.rounds and not reporter.cancelled():
            rows += benchmark.round(done)
            done += 1
            reporter.progress(index, f"{label(cell)}: round {done} of {job.rounds}")
    return _samples(rows, job), done


def _plan(job: CellJob) -> BenchmarkPlan:
    candidates = tuple(
        Candidate(name, tuple(sorted(options.items()))) for name, options in job.structures
    )
    return BenchmarkPlan(candidates, (job.operation,), job.seed, job.cache)


def _samples(rows: list[Row], job: CellJob) -> Rows:
    """Return label and nanoseconds of each row."""
    labels = dict(zip(_plan(job).candidates, job.labels(), strict=True))
    return tuple((labels[_candidate(row)], float(row["ns"])) for row in rows)


def _candidate(row: Row) -> Candidate:
    prefix = "structure_"
    options = {k.removeprefix(prefix): v for k, v in row.items() if k.startswith(prefix)}
    return Candidate(row["structure"], tuple(sorted(options.items())))


@contextlib.contextmanager
def _without_collector() -> Iterator[None]:
    """Keep Python's garbage collector off the clock."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
