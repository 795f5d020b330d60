"""The worker process: measures one job after the other, away from the kernel's threads.

Measured beside a slider being dragged, a kernel of 5 ms takes 47 % longer in a thread of the
notebook's kernel and 4 % longer here.  Started as ``python -m dirtylab.explore.process.worker_main FD``, where
FD is one end of a socket; :mod:`.worker` holds the other.

A thread listens, so that a cancel is heard during a job, and ends the process when the other end is
gone, however that came about.  The main thread measures; it heeds a cancel between rounds.
"""

import contextlib
import gc
import os
import pathlib
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection

from dirtylab.explore.process.messages import Cancel, Event, Job, Order, Rows, Told
from dirtylab.measure.additions import register
from dirtylab.measure.contest import Cell, Contest, Contestant, Plan, Row, label

LEAST_ROUNDS = 3
"""Rounds from which on an unfinished cell is kept."""
BETWEEN_PROGRESS = 0.1
"""Seconds: tiny rounds would flood the kernel's loop."""
_WARM_PAGES, _WARM_DIRTY = 4096, 64


class _Contest(Contest):
    """A contest whose clock stands still while the system runs another program here.

    On two cores a browser that draws and a kernel that calculates take the processor away from
    every sample of some milliseconds: the median of a sort of 4.4 ms was anything from 4.5 to 13.8.
    Nothing changes where that does not happen: the processor time is read outside of the wall
    clock, so that it is the longer one.
    """

    def _time(self, action: Callable[[], object]) -> int:
        begin = time.thread_time_ns()
        wall = super()._time(action)
        return min(wall, time.thread_time_ns() - begin)


class Measurer:
    """Measures jobs and tells of them.

    Parameters
    ----------
    connection : Connection
        Where orders come from and events go to.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._orders: queue.SimpleQueue[Order] = queue.SimpleQueue()
        self._cancelled = 0
        self._told = 0.0
        self._warm: set[tuple[str, str]] = set()

    def listen(self) -> None:
        """Take orders until the other end is gone; end the process then."""
        with contextlib.suppress(EOFError, OSError):
            while True:
                heard = self._connection.recv()
                if isinstance(heard, Cancel):
                    self._cancelled = heard.number
                else:
                    self._orders.put(heard)
        os._exit(0)

    def serve(self) -> None:
        """Measure for ever."""
        while True:
            order = self._orders.get()
            try:
                last = self._measure(order)
            except Exception as error:
                last = Event("failed", 0, len(order.job.cells), message=_one_line(error))
            self._connection.send(Told(order.number, last))

    def _measure(self, order: Order) -> Event:
        """Measure each cell; return how the job ended."""
        job, total = order.job, len(order.job.cells)
        register(job.additions)
        self._compile(order)
        for index in range(total):
            try:
                rows, rounds = self._cell(order, index)
            except (ValueError, TypeError, AssertionError, MemoryError, ArithmeticError) as error:
                where = "{0}, {3:,} of {2:,} pages".format(*job.cells[index])
                return Event("failed", index, total, index, (), f"{where}: {_one_line(error)}")
            whole = rounds == job.rounds
            if whole or rounds >= LEAST_ROUNDS:
                self._tell(order, Event("cell", index + whole, total, index, rows))
            if not whole:
                return Event("cancelled", index, total, message=_kept(index, total))
        return Event("done", total, total, message=f"measured {total} of {total} cells")

    def _cell(self, order: Order, index: int) -> tuple[Rows, int]:
        """Return the samples of a cell, and of how many rounds; fewer than asked when cancelled."""
        job = order.job
        cell = job.cells[index]
        self._progress(order, index, f"checking that all structures agree: {label(cell)}")
        if self._stopped(order):
            return (), 0
        contest = _Contest(cell, _plan(job))
        rows: list[Row] = []
        done = 0
        with _without_collector():
            while done < job.rounds and not self._stopped(order):
                rows += contest.round(done)
                done += 1
                self._progress(order, index, f"{label(cell)}: round {done} of {job.rounds}")
        return _samples(rows, job), done

    def _compile(self, order: Order) -> None:
        """Run each structure that is new here once on a few frames, and say which."""
        job = order.job
        for contestant in _plan(job).contestants:
            known = (contestant.structure, job.operation)
            if known in self._warm or self._stopped(order):
                continue
            self._told = 0.0
            self._progress(order, 0, f"preparing {contestant.structure}; compiled on first use …")
            cell = Cell("random", (), _WARM_PAGES, _WARM_DIRTY)
            # A structure whose options do not suit these few frames is compiled by its own cell.
            with contextlib.suppress(ValueError, AssertionError):
                Contest(cell, Plan((contestant,), (job.operation,), job.seed, "warm")).round(0)
            self._warm.add(known)

    def _stopped(self, order: Order) -> bool:
        return order.number <= self._cancelled

    def _progress(self, order: Order, done: int, message: str) -> None:
        if time.monotonic() - self._told >= BETWEEN_PROGRESS:
            total = len(order.job.cells)
            self._tell(order, Event("progress", done, total, done, message=message))

    def _tell(self, order: Order, event: Event) -> None:
        self._told = time.monotonic()
        self._connection.send(Told(order.number, event))


def _plan(job: Job) -> Plan:
    contestants = tuple(
        Contestant(name, tuple(sorted(options.items()))) for name, options in job.structures
    )
    return Plan(contestants, (job.operation,), job.seed, "warm")


def _samples(rows: list[Row], job: Job) -> Rows:
    """Return label and nanoseconds of each row."""
    labels = dict(zip(_plan(job).contestants, job.labels(), strict=True))
    return tuple((labels[_contestant(row)], float(row["ns"])) for row in rows)


def _contestant(row: Row) -> Contestant:
    prefix = "structure_"
    options = {k.removeprefix(prefix): v for k, v in row.items() if k.startswith(prefix)}
    return Contestant(row["structure"], tuple(sorted(options.items())))


@contextlib.contextmanager
def _without_collector() -> Iterator[None]:
    """Keep Python's garbage collector off the clock."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _kept(done: int, total: int) -> str:
    return f"cancelled: {done} of {total} cells are measured and kept"


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text or type(error).__name__


def _die_first() -> None:
    """Where memory runs out let the system end this process, not the notebook's kernel."""
    with contextlib.suppress(OSError):
        pathlib.Path("/proc/self/oom_score_adj").write_text("800")


def main() -> None:
    """Serve the socket whose number is the first argument."""
    _die_first()
    measurer = Measurer(Connection(int(sys.argv[1])))
    threading.Thread(target=measurer.listen, daemon=True).start()
    measurer.serve()


if __name__ == "__main__":
    main()
