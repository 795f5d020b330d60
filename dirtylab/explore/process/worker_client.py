"""One persistent process that measures, seen from the notebook's kernel.

::

    kernel, any thread      Worker.measure(job, on_event) ── Order ──▶ ┐
                            Worker.cancel()               ── Cancel ─▶ │ measurer process
    kernel's event loop     on_event(event)  ◀── reader ◀── Told ───── ┘

The process is a new interpreter, not a fork: a fork of a threaded kernel may hang.  It begins with
the first job, keeps its compiled code warm and is replaced by the next job when it has died.
"""

import atexit
import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection, Pipe
from typing import NamedTuple

from dirtylab.explore.kit.kernel_loop import main_loop
from dirtylab.explore.process.messages import Cancel, Event, Job, Order, Told, checked
from dirtylab.measure.contest import Cell

__all__ = ["Cell", "Event", "Job", "Worker"]

PATIENCE = 0.3
"""Seconds that a cancel waits for the end of a round; the process is killed then."""
_GOODBYE = 0.5

_log = logging.getLogger(__name__)

OnEvent = Callable[[Event], None]


class _Running(NamedTuple):
    """A job under way."""

    number: int
    total: int
    on_event: OnEvent


class Worker:
    """Measures jobs one after the other in a process of its own.

    All methods may be called from any thread.  Events come on the kernel's event loop; outside a
    kernel those of the process come from a thread of this object.

    Examples
    --------
    >>> worker = Worker()
    >>> cells = (("random", {}, 1_000_000, 1000),)
    >>> job = Job((("bitmap", {}), ("tree64", {})), "collect", cells, rounds=5)
    >>> worker.measure(job, print)  # doctest: +SKIP
    >>> worker.close()
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._child: _Child | None = None
        self._running: _Running | None = None
        self._number = 0
        self._done = 0
        self._cancelled = False
        self._closed = False
        atexit.register(self.close)

    def measure(self, job: Job, on_event: Callable[[Event], None]) -> None:
        """Begin to measure; return at once.

        Parameters
        ----------
        job : Job
            What to measure.
        on_event : callable
            Called with each :class:`Event`: at first "progress", at last one of "done",
            "cancelled" and "failed".  A job that can't be measured, needs more memory than there
            is, or comes while another one runs is "failed" at once, with the reason.
        """
        with self._lock:
            try:
                self._refuse_now()
                order = Order(self._number + 1, checked(job))
                child = self._alive()
            except (ValueError, TypeError, MemoryError, RuntimeError, OSError) as error:
                _deliver(on_event, Event("failed", 0, len(job.cells), message=str(error)))
                return
            self._number, self._done, self._cancelled = order.number, 0, False
            self._running = _Running(order.number, len(job.cells), on_event)
            words = "measuring …" if child.ready else "starting the process that measures …"
            _deliver(on_event, Event("progress", 0, len(job.cells), message=words))
            child.send(order)

    def cancel(self) -> None:
        """Stop the job within 0.5 s: at the end of a round, or else by ending the process.

        Events already delivered stay true.  Without a job this does nothing.
        """
        with self._lock:
            if self._running is None or self._child is None or self._cancelled:
                return
            self._cancelled = True
            child, number = self._child, self._running.number
            child.send(Cancel(number))
            timer = threading.Timer(PATIENCE, self._kill, (child, number))
            timer.daemon = True
            timer.start()

    def close(self) -> None:
        """End the process; a job under way is cancelled.  More jobs are refused."""
        with self._lock:
            self._closed = self._cancelled = True
            child, self._child = self._child, None
        atexit.unregister(self.close)
        if child is not None:
            child.end()

    @property
    def pid(self) -> int | None:
        """Process id of the process that measures; None when there is none."""
        child = self._child
        return None if child is None or not child.alive else child.process.pid

    def _refuse_now(self) -> None:
        if self._closed:
            raise RuntimeError("the worker is closed; make a new one")
        if self._running is not None:
            raise RuntimeError("another measurement is running; wait for its end or cancel it")

    def _alive(self) -> "_Child":
        """Return the process, a new one where there is none."""
        if self._child is None or not self._child.alive:
            self._child = _Child(self._heard, self._lost)
        return self._child

    def _heard(self, told: Told) -> None:
        with self._lock:
            running = self._running
            if running is None or told.number != running.number:
                return
            self._done = told.event.done
            if told.event.last:
                self._running = None
        _deliver(running.on_event, told.event)

    def _lost(self, child: "_Child", why: str) -> None:
        """Tell that the process is gone; no word about one that has been replaced."""
        with self._lock:
            if self._child is not child and not self._closed:
                return
            self._child = None
            running, self._running = self._running, None
            cancelled = self._cancelled
        if running is not None:
            kept = f"{self._done} of {running.total} cells are measured and kept"
            kind, words = ("cancelled", "cancelled") if cancelled else ("failed", why)
            event = Event(kind, self._done, running.total, message=f"{words}: {kept}")  # type: ignore[arg-type]
            _deliver(running.on_event, event)

    def _kill(self, child: "_Child", number: int) -> None:
        with self._lock:
            if self._running is not None and self._running.number == number:
                child.process.kill()


class _Child:
    """The process, the pipe to it, and a thread that reads what it tells.

    Parameters
    ----------
    heard : callable
        Called with each message, from the thread.
    lost : callable
        Called once, from the thread, when the process is gone.
    """

    def __init__(
        self, heard: Callable[[Told], None], lost: Callable[["_Child", str], None]
    ) -> None:
        self._heard, self._lost = heard, lost
        self._pipe, theirs = Pipe()
        try:
            self.process = _start(theirs)
        except BaseException:
            self._pipe.close()
            raise
        finally:
            theirs.close()
        self.ready = False
        self._reader = threading.Thread(target=self._read, name="dirtylab-worker", daemon=True)
        self._reader.start()

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process.poll() is None

    def send(self, message: Order | Cancel) -> None:
        """Send; where the process is gone the reader finds out."""
        with contextlib.suppress(OSError, ValueError):
            self._pipe.send(message)

    def end(self) -> None:
        """End the process and wait for it, and for the last word of the thread that reads."""
        self._reap()
        if threading.current_thread() is not self._reader:
            self._reader.join(_GOODBYE)

    def _read(self) -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                told = self._pipe.recv()
                self.ready = True
                self._hear(told)
        self._pipe.close()
        self._lost(self, _why(self._reap()))

    def _hear(self, told: Told) -> None:
        try:
            self._heard(told)
        except Exception:  # of the callback: the next event may fare better
            _log.exception("a callback failed on an event of the measuring process")

    def _reap(self) -> int:
        """Kill the process, which may have ended; leave no zombie; return its status."""
        self.process.kill()
        return self.process.wait()


def _start(theirs: Connection) -> subprocess.Popen[bytes]:
    """Start a new interpreter that finds the same modules as this one.

    It has a session of its own: an interrupt of the notebook's kernel goes to the kernel's whole
    process group, and must not end a measurement that nobody cancelled.
    """
    command = [
        sys.executable,
        "-P",
        "-m",
        "dirtylab.explore.process.worker_main",
        str(theirs.fileno()),
    ]
    path = os.pathsep.join(one for one in sys.path if one)
    return subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        pass_fds=[theirs.fileno()],
        start_new_session=True,
    )


def _why(status: int) -> str:
    """Return how a process ended, in words."""
    if status >= 0:
        return f"the measuring process ended with status {status}; Measure starts it again"
    name = signal.Signals(-status).name
    hint = ", perhaps for want of memory" if -status == signal.SIGKILL else ""
    return f"the measuring process was killed by {name}{hint}; Measure starts it again"


def _deliver(on_event: OnEvent, event: Event) -> None:
    """Call on the kernel's event loop where there is one, else here."""
    loop = main_loop()
    if loop is not None:
        with contextlib.suppress(RuntimeError):  # closed meanwhile: the kernel is ending
            loop.call_soon_threadsafe(on_event, event)
    else:
        on_event(event)
