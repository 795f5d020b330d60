"""Sweeps: every structure × operation × pattern × size, one row a sample.

Whole rounds of a cell are measured, and stored before the next begins.  On several machines each
measures one cell at a time; the executor distributes the cells.
"""

import concurrent.futures
import hashlib
import itertools
import os
import platform
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dirtylab._caches import GUEST_RAN
from dirtylab._progress import time_bar, work_bar
from dirtylab._units import parse_count, parse_seconds
from dirtylab.measure.additions import packed, register
from dirtylab.measure.apart import Call, measuring
from dirtylab.measure.cell import BenchmarkPlan, Cell, CellBenchmark, Row, label
from dirtylab.measure.clock import scratch, shortest_step
from dirtylab.measure.grid import Choice, Grid, build
from dirtylab.measure.locks import alone_on_machine
from dirtylab.measure.machine import describe_machine, kind_of
from dirtylab.measure.sample_store import SampleStore, describe_bad
from dirtylab.measure.samples import owner_of
from dirtylab.native.contestants import native
from dirtylab.structures import tuned

if TYPE_CHECKING:
    import pandas as pd

LEAST_ROUNDS = 3
"""Rounds of a cell at a time, where a budget decides: making its structures anew takes one or two.
"""
MOST_ATTEMPTS = 3
_CLOCK_TRIALS = 1000
HOPELESS = (ValueError, TypeError, AssertionError, MemoryError, concurrent.futures.BrokenExecutor)
"""Errors that a retry would raise again."""


class Task(NamedTuple):
    """Rounds of a cell, to be measured on one machine."""

    cell: Cell
    plan: BenchmarkPlan
    first: int
    rounds: int


class Done(NamedTuple):
    """The result of a task, and the machine that measured it."""

    rows: list[Row]
    machine: dict[str, Any]
    seconds: float = 0.0
    """Without the wait for another measurement to end."""


def sweep(
    *,
    structures: Sequence[Choice] | None = None,
    operations: Sequence[str] | None = None,
    datasets: Sequence[Choice] = ("random",),
    pages: Iterable[int | str] = (10_000_000,),
    dirty: Iterable[float | str] = (0.0001, 0.001, 0.01, 0.1),
    repeats: int | str | None = None,
    budget: float | str | None = None,
    seed: int = 2016,
    cache: str = GUEST_RAN,
    out: str | os.PathLike[str] | None = None,
    executor: concurrent.futures.Executor | None = None,
    report: Callable[[str], object] | None = None,
    progress: bool = False,
) -> "pd.DataFrame":
    """Measure a grid of cells; return one row a sample.

    Parameters
    ----------
    structures : sequence of str or (str, dict), optional
        Names in ``dirtylab.STRUCTURES``, or ``"tree"``, with options where wanted, or paths of
        native trackers, such as ``"./mine.c"`` (:mod:`dirtylab.native`); when omitted, the tuned
        ones: not posted, each frame once and in ascending order.
    operations : sequence of {"insert", "collect", "harvest", "clear", "epoch"}, optional
        What is timed; all but clear when omitted, and without collect where a native tracker is
        among the structures: it has none.  A collect, harvest or clear follows an insert of the
        cell's frames; an epoch is an insert and a harvest.
    datasets : sequence of str or (str, dict)
        Names in ``dirtylab.DATASETS``, with options where wanted.
    pages : iterable of int or str
        Sizes of the slot, also as ``"10M"``, ``"64GiB"`` or ``"1k..1M"``.
    dirty : iterable of int, float or str
        Numbers of frames; a float up to 1 is a share of the pages, and so are ``"1%"`` and
        ``"0.01"``.
    repeats : int or str, optional
        Rounds of each cell, 2 or more; 5 … 15 by the cell's size when omitted.
    budget : float or str, optional
        Time to spend, in seconds or as ``"90s"``, ``"5m"``, ``"1h"``: every 3 rounds go to the cell
        with the most uncertain medians, first to those not measured yet.  Rounds that have begun
        when the time is up are finished.  Excludes `repeats` and `executor`.
    seed : int, optional
        Of frames and orders.
    cache : {"guest-ran", "warm"}, optional
        What the caches hold when a structure is timed: other memory, as a guest leaves that ran
        between harvests, or what the structure just used (:mod:`dirtylab.measure.cell`).
    out : path, optional
        Folder for samples.csv and sweep.json; the same call goes on where it stopped.
    executor : concurrent.futures.Executor, optional
        Measures elsewhere: one cell at a time on each machine, many machines at once.
    report : callable, optional
        Called with a line of text about skipped cells and bad rows.
    progress : bool, optional
        Whether a bar is shown.

    Returns
    -------
    pandas.DataFrame
        Columns ``structure, operation, dataset, pages, dirty``, options as ``structure_…`` and
        ``dataset_…``, ``seed, repeat, ns, reference_ns, bytes, growth, words, nodes, cache,
        through, call_ns, control, machine``.  ``through`` says whether the compiled loop drove the
        structure, as it should, or Python did (:mod:`dirtylab.measure.driver`); ``call_ns`` is what
        a call from Python would add.  ``control`` marks
        the first structure's second entry, to be compared with the first; ``reference_ns`` is the
        time of the reference kernel beside it.
        ``attrs`` holds ``machines``, ``skipped``, ``bad_rows`` and ``trackers``, the native ones
        with their paths.

    Raises
    ------
    ValueError, TypeError
        An argument is empty, unknown, contradictory or out of range; nothing is measured.
    TrackerError
        A native tracker can't be compiled or loaded, or fails its check; nothing is measured.
    ApartError
        A native tracker crashed or hung while it was measured; cells finished before are kept.
    OutputError, SampleStoreError
        `out` can't be written, or holds something else; it is left as it was.

    Notes
    -----
    On Ctrl-C, a crash or a full disk all finished cells are on disk, when there is an `out`.  Where
    that holds cells of other grids with the same structures and operations, their rows are returned
    too.
    """
    seconds = None if budget is None else parse_budget(budget)
    rounds = None if repeats is None else parse_count("repeats", repeats, 2, 10**6)
    _require_compatible(seconds, rounds, executor)
    grid = build(
        tuned() if structures is None else structures,
        operations,
        datasets,
        pages,
        dirty,
        seed,
        cache,
    )
    say = report or (lambda _: None)
    with SampleStore(grid, out) as store:
        for line in grid.skipped:
            say(f"skipped: {line}")
        if store.bad:
            say(describe_bad(store.bad))
        if seconds is None:
            tasks = _counted(grid, store, rounds)
            work = sum(_weight(task) for task in _counted(grid, store, rounds))
            bar = work_bar(work, shown=progress)
        else:
            tasks = _budgeted(grid, store, seconds)
            bar = time_bar(seconds, shown=progress)
        with bar as step, measuring(*grid.names()) as call:
            for task, done in _run(tasks, executor, call):
                store.add(task.cell, done.rows, done.machine)
                step(label(task.cell), _weight(task))
        if unmeasured := sum(not store.rounds(cell) for cell in grid.cells):
            say(
                f"the time was up before {unmeasured} of {len(grid.cells)} cells were measured; "
                "the same call goes on with them"
            )
        return _frame(store, grid)


def _require_compatible(
    seconds: float | None, repeats: int | None, executor: concurrent.futures.Executor | None
) -> None:
    if seconds is not None and repeats is not None:
        raise ValueError(f"repeats={repeats}: can't be given together with a budget")
    if seconds is not None and executor is not None:
        raise ValueError("budget: can't be given together with an executor; give repeats")
    if executor is not None and not isinstance(executor, concurrent.futures.Executor):
        raise TypeError(
            f"executor={executor!r}: must be a concurrent.futures.Executor, such as what "
            "get_executor() of a dask client returns"
        )


def parse_budget(given: float | str) -> float:
    """Return seconds from a number, or from text such as 90s, 5m or 1h."""
    return parse_seconds("budget", given)


def usual_rounds(cell: Cell) -> int:
    """Return the number of rounds of a cell: fewer for large ones, which are slow and vary less."""
    work = cell.dirty + cell.pages / 64
    return 15 if work < 10**5 else 9 if work < 3 * 10**6 else 5


def measure(task: Task, ticket: str = "") -> Done:
    """Measure rounds of a cell while dirtylab measures nothing else on this machine.

    Parameters
    ----------
    task : Task
        What to measure.
    ticket : str, optional
        Makes each request unique: dask gives equal requests the same result, or error.
    """
    with alone_on_machine():
        begun = time.monotonic()
        benchmark = CellBenchmark(task.cell, task.plan)
        rows = [
            row
            for number in range(task.first, task.first + task.rounds)
            for row in benchmark.round(number)
        ]
        spent = time.monotonic() - begun
    return Done(rows, this_machine(), spent)


def measure_added(sent: bytes, task: Task, ticket: str) -> Done:
    """As :func:`measure`, with what was registered at run time where the sweep was asked for."""
    register(sent)
    return measure(task, ticket)


def this_machine() -> dict[str, Any]:
    """Return a short name of this machine, and the facts."""
    facts = {**describe_machine(), "clock_step_ns": shortest_step(scratch(), _CLOCK_TRIALS)}
    named = f"{platform.node()} {facts['cpu']} {facts['memory_gib']} {kind_of(facts)}"
    return {"id": hashlib.sha256(named.encode()).hexdigest()[:8], "facts": facts}


def _counted(grid: Grid, store: SampleStore, repeats: int | None) -> Iterator[Task]:
    """Yield what is missing of each cell."""
    for cell in grid.cells:
        wanted = usual_rounds(cell) if repeats is None else repeats
        have = store.rounds(cell)
        if len(have) < wanted:
            missing = [number for number in range(wanted) if number not in have]
            yield from _tasks(cell, grid, missing)


def _tasks(cell: Cell, grid: Grid, rounds: list[int]) -> Iterator[Task]:
    """Yield a task for each run of numbers without a gap."""
    for _, run in itertools.groupby(enumerate(rounds), lambda pair: pair[1] - pair[0]):
        numbers = [number for _, number in run]
        yield Task(cell, grid.plan, numbers[0], len(numbers))


def _budgeted(grid: Grid, store: SampleStore, seconds: float) -> Iterator[Task]:
    """Yield a few rounds of the most uncertain cell, again and again, until time is up."""
    deadline = time.monotonic() + seconds
    doubts = {cell: uncertainty(store.rows_of(cell)) for cell in grid.cells}
    while time.monotonic() < deadline:
        cell = max(doubts, key=lambda one: doubts[one])
        yield Task(cell, grid.plan, max(store.rounds(cell), default=-1) + 1, LEAST_ROUNDS)
        doubts[cell] = uncertainty(store.rows_of(cell))


def uncertainty(rows: Sequence[Row]) -> float:
    """Return the largest relative standard error, approximately, of the medians of a cell's rows.

    Infinite where there are none, or too few to estimate it.
    """
    groups: dict[object, list[float]] = {}
    for row in rows:
        groups.setdefault(owner_of(row), []).append(row["ns"])
    count = min((len(one) for one in groups.values()), default=0)
    if count < 2:
        return np.inf
    spans = [np.percentile(one, [10, 50, 90]) for one in groups.values()]
    return float(max((high - low) / middle for low, middle, high in spans) / np.sqrt(count))


def _run(
    tasks: Iterator[Task], executor: concurrent.futures.Executor | None, call: Call
) -> Iterator[tuple[Task, Done]]:
    if executor is None:
        for task in tasks:
            yield task, call(measure, task)
    else:
        yield from _run_elsewhere(list(tasks), executor)


def _run_elsewhere(
    tasks: list[Task], executor: concurrent.futures.Executor
) -> Iterator[tuple[Task, Done]]:
    """Submit all tasks; yield each result once, resubmitting where a worker was lost."""
    waiting = {_submit(executor, task): (task, 1) for task in tasks}
    trouble: Exception | None = None
    try:
        while waiting and trouble is None:
            finished, _ = concurrent.futures.wait(
                waiting, return_when=concurrent.futures.FIRST_COMPLETED
            )
            for future in finished:  # results before errors: what is measured is kept
                task, attempt = waiting.pop(future)
                try:
                    done = future.result()
                except Exception as error:
                    if attempt == MOST_ATTEMPTS or isinstance(error, HOPELESS):
                        trouble = error
                    else:
                        waiting[_submit(executor, task)] = (task, attempt + 1)
                else:
                    yield task, done
        if trouble is not None:
            raise trouble
    finally:
        for future in waiting:
            future.cancel()


def _submit(executor: concurrent.futures.Executor, task: Task) -> "concurrent.futures.Future[Done]":
    ticket = uuid.uuid4().hex
    names = (one.structure for one in task.plan.candidates)
    if sent := packed([task.cell.dataset], names):
        return executor.submit(measure_added, sent, task, ticket)
    return executor.submit(measure, task, ticket)


def _weight(task: Task) -> float:
    """Return the estimated work of a task, in frames."""
    return task.rounds * (task.cell.dirty + task.cell.pages / 64 + 20_000)


def _frame(store: SampleStore, grid: Grid) -> "pd.DataFrame":
    import pandas as pd

    table = pd.DataFrame.from_records(store.rows)
    table.attrs = {
        "machines": store.machines,
        "skipped": list(grid.skipped),
        "bad_rows": list(store.bad),
        "trackers": {name: str(one.path) for name, one in native(grid.names()[1]).items()},
    }
    return table
