"""Threads that run vCPUs while the guest writes its frames.

A guest that does not return is stopped by a signal: it is blocked in the thread, so that no
handler is needed and no other signal of the process is touched, and KVM_SET_SIGNAL_MASK lets it
through while the guest runs.
"""

import _thread
import os
import signal
import threading
import time
from collections.abc import Callable

_LOOK_UP = 0.05
"""Seconds."""
STOP_SIGNAL = getattr(signal, "SIGRTMIN", signal.SIGINT)


class Worker:
    """A thread in which a vCPU runs once; :meth:`stop` may come at any time.

    It uses :mod:`_thread`: a Ctrl-C while :mod:`threading` starts or joins a thread may lose track
    of it.  A flag, and a lock that is then free, show that it has ended.
    """

    def __init__(self, work: Callable[[], None]) -> None:
        self._work, self._lock, self._busy = work, threading.Lock(), threading.Lock()
        self._busy.acquire()
        self._begun = self._ended = self._cancelled = False
        self._ident = 0
        self.trouble: BaseException | None = None

    def start(self) -> None:
        """Begin, in a thread of its own."""
        _thread.start_new_thread(self._run, ())

    def _run(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, [STOP_SIGNAL])
        with self._lock:
            self._ident, self._begun = threading.get_ident(), not self._cancelled
        try:
            if self._begun:
                self._work()
        except BaseException as error:
            self.trouble = error
        finally:
            del self._work  # else what it holds lives as long as the list of workers
            with self._lock:
                self._ended = True
            self._busy.release()

    @property
    def runs(self) -> bool:
        """Whether it runs."""
        return self._begun and not self._ended

    def wait(self, seconds: float) -> bool:
        """Return whether it has ended, waiting so many seconds at most.

        Polls now and then: a signal that arrives just before the wait does not end it.
        """
        end = time.monotonic() + seconds
        while not self._ended and (rest := end - time.monotonic()) > 0:
            self._busy.acquire(timeout=min(rest, _LOOK_UP))
        return self._ended

    def stop(self) -> None:
        """Make the vCPU return, now or when it is entered; don't start it if it has not begun."""
        with self._lock:
            self._cancelled = True
            if self.runs:
                signal.pthread_kill(self._ident, STOP_SIGNAL)

    def finish(self) -> None:
        """Stop it, and wait until it has ended."""
        while self.runs:
            self.stop()
            self.wait(0.01)


def stop_all(workers: list[Worker]) -> None:
    """Stop workers that still run, until all have ended, also when Ctrl-C comes meanwhile.

    The list is empty then.
    """
    interrupt: KeyboardInterrupt | None = None
    while True:
        try:
            for worker in workers:
                worker.stop()
            for worker in workers:
                worker.finish()
            workers.clear()
            break
        except KeyboardInterrupt as error:
            interrupt = error
    if interrupt is not None:
        raise interrupt


def settle(workers: list[Worker], maker: int) -> None:
    """Stop what still runs before its memory goes; a forked child has no thread of these."""
    if os.getpid() == maker:
        stop_all(workers)
