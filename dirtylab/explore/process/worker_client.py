"""One persistent process that measures, seen from the notebook's kernel.

::

    kernel, any thread      Worker.measure(job, on_event) ── Request ─▶ ┐
                            Worker.cancel()               ── Cancel ──▶ │ worker_main
    kernel's event loop     on_event(event)  ◀── reader ◀── Reply ───── ┘

The process is a new interpreter, not a fork: a fork of a threaded kernel may hang.  It begins with
the first job, keeps its compiled code warm and is replaced by the next job when it has died, or
where a job wants a new process.
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
from dirtylab.explore.process.messages import Cancel, Event, Job, Reply, Request, kept

CANCEL_SECONDS = 0.3
"""Time that a cancel waits for the end of a round; the process is killed then."""
_JOIN_SECONDS = 0.5
_PROGRAM = "dirtylab.explore.process.worker_main"

_log = logging.getLogger(__name__)

OnEvent = Callable[[Event], None]


class _Running(NamedTuple):
    """A job under way."""

    number: int
    job: Job
    on_event: OnEvent


class Worker:
    """Measures jobs one after the other in a process of its own.

    All methods may be called from any thread.  Events come on the kernel's event loop; outside a
    kernel those of the process come from a thread of this object.

    Examples
    --------
    >>> from dirtylab.explore.process.cell_job import CellJob
    >>> worker = Worker()
    >>> cells = (("random", {}, 1_000_000, 1000),)
    >>> job = CellJob((("bitmap", {}), ("tree64", {})), "collect", cells, rounds=5)
    >>> worker.measure(job, print)  # doctest: +SKIP
    >>> worker.close()
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._process: _Process | None = None
        self._running: _Running | None = None
        self._number = 0
        self._done = 0
        self._cancelled = False
        self._closed = False
        atexit.register(self.close)

    def measure(self, job: Job, on_event: OnEvent) -> None:
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
                self._require_free()
                job = job.checked()
                process = self._process_for(job)
            except (ValueError, TypeError, MemoryError, RuntimeError, OSError) as error:
                _deliver(on_event, Event("failed", 0, job.total, message=str(error)))
                return
            try:
                self._begin(job, process, on_event)
            except BaseException:  # an interrupt: nobody knows how much of the request was sent
                self._running = self._process = None
                process.kill()
                raise

    def _begin(self, job: Job, process: "_Process", on_event: OnEvent) -> None:
        self._number += 1
        self._done, self._cancelled = 0, False
        self._running = _Running(self._number, job, on_event)
        words = "measuring …" if process.ready else "starting the process that measures …"
        _deliver(on_event, Event("progress", 0, job.total, message=words))
        process.send(Request(self._number, job))

    def cancel(self) -> None:
        """Stop the job within 0.5 s: at the end of a round, or else by ending the process.

        Events already delivered stay true.  Without a job this does nothing.
        """
        with self._lock:
            if self._running is None or self._process is None or self._cancelled:
                return
            self._cancelled = True
            process, number = self._process, self._running.number
            process.send(Cancel(number))
            timer = threading.Timer(CANCEL_SECONDS, self._kill, (process, number))
            timer.daemon = True
            timer.start()

    def close(self) -> None:
        """End the process; a job under way is cancelled.  More jobs are refused."""
        with self._lock:
            self._closed = self._cancelled = True
            process, self._process = self._process, None
        atexit.unregister(self.close)
        if process is not None:
            process.end()

    @property
    def pid(self) -> int | None:
        """Process id of the process that measures; None when there is none."""
        process = self._process
        return None if process is None or not process.alive else process.pid

    def _require_free(self) -> None:
        if self._closed:
            raise RuntimeError("the worker is closed; make a new one")
        if self._running is not None:
            raise RuntimeError("another measurement is running; wait for its end or cancel it")

    def _process_for(self, job: Job) -> "_Process":
        """Return the process, a new one where there is none or the job wants one."""
        if self._process is None or not self._process.alive or job.new_process:
            old, self._process = self._process, None
            if old is not None:
                old.kill()
            self._process = _Process(self._take_reply, self._take_end)
        return self._process

    def _take_reply(self, process: "_Process", reply: Reply) -> None:
        with self._lock:
            running = self._running
            if running is None or reply.number != running.number:
                return
            self._done = reply.event.done
            if reply.event.last:
                self._running = None
                if running.job.new_process:  # it has served; its memory goes back at once
                    self._process = None
                    process.kill()
        _deliver(running.on_event, reply.event)

    def _take_end(self, process: "_Process", why: str) -> None:
        """Report that the process is gone; one that has been replaced is not reported."""
        with self._lock:
            if self._process is not process and not self._closed:
                return
            self._process = None
            running, self._running = self._running, None
            cancelled = self._cancelled
        if running is not None:
            left = kept(self._done, running.job)
            total = running.job.total
            event = (
                Event("cancelled", self._done, total, message=f"cancelled: {left}")
                if cancelled
                else Event("failed", self._done, total, message=f"{why}: {left}")
            )
            _deliver(running.on_event, event)

    def _kill(self, process: "_Process", number: int) -> None:
        with self._lock:
            if self._running is not None and self._running.number == number:
                process.kill()


class _Process:
    """The process, the pipe to it, and a thread that reads its replies.

    Parameters
    ----------
    on_reply : callable
        Called with each reply, from the thread.
    on_end : callable
        Called once, from the thread, when the process is gone, with the reason.
    """

    def __init__(
        self,
        on_reply: Callable[["_Process", Reply], None],
        on_end: Callable[["_Process", str], None],
    ) -> None:
        self._on_reply, self._on_end = on_reply, on_end
        self.ready = False
        self._pipe, theirs = Pipe()
        try:
            self._popen = _start(theirs)
        except BaseException:
            self._pipe.close()
            raise
        finally:
            theirs.close()
        self._reader = threading.Thread(target=self._read, name="dirtylab-worker", daemon=True)
        try:
            self._reader.start()
        except BaseException:
            self._pipe.close()
            self._reap()
            raise

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._popen.poll() is None

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._popen.pid

    def send(self, message: Request | Cancel) -> None:
        """Send; where the process is gone the reader finds out."""
        with contextlib.suppress(OSError, ValueError):
            self._pipe.send(message)

    def kill(self) -> None:
        """End the process; the reader finds out."""
        self._popen.kill()

    def end(self) -> None:
        """End the process and wait for it, and for the last event from the thread that reads."""
        self._reap()
        if threading.current_thread() is not self._reader:
            self._reader.join(_JOIN_SECONDS)

    def _read(self) -> None:
        try:
            while True:
                reply = self._pipe.recv()
                self.ready = True
                self._handle(reply)
        except (EOFError, OSError):
            pass
        except Exception:  # a reply that can't be read: the process is of no more use
            _log.exception("a reply of the measuring process could not be read")
        finally:
            self._pipe.close()
            self._on_end(self, _reason(self._reap()))

    def _handle(self, reply: Reply) -> None:
        try:
            self._on_reply(self, reply)
        except Exception:  # of the callback: the next event may fare better
            _log.exception("a callback failed on an event of the measuring process")

    def _reap(self) -> int:
        """Kill the process, which may have ended; leave no zombie; return its status."""
        self._popen.kill()
        return self._popen.wait()


def _start(theirs: Connection) -> subprocess.Popen[bytes]:
    """Start a new interpreter that finds the same modules as this one.

    It has a session of its own: an interrupt of the notebook's kernel goes to the kernel's whole
    process group, and must not end a measurement that nobody cancelled.
    """
    number = theirs.fileno()
    path = os.pathsep.join(one for one in sys.path if one)
    return subprocess.Popen(
        [sys.executable, "-P", "-m", _PROGRAM, str(number)],
        env={**os.environ, "PYTHONPATH": path}, stdin=subprocess.DEVNULL, pass_fds=[number],
        start_new_session=True,
    )  # fmt: skip


def _reason(status: int) -> str:
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
