"""The measuring process: runs one job after the other, away from the kernel's threads.

Measured beside a slider being dragged, a kernel of 5 ms takes 47 % longer in a thread of the
notebook's kernel and 4 % longer here.  Started as
``python -m dirtylab.explore.process.worker_main FD``, where FD is one end of a socket;
:mod:`.worker_client` holds the other.

A thread listens, so that a cancel is received during a job; it ends the process when the other end
is gone, for whatever reason.  The main thread measures, and stops for a cancel between rounds.
"""

import contextlib
import importlib
import os
import pathlib
import queue
import sys
import threading
import traceback
from multiprocessing.connection import Connection

from dirtylab.explore.process.messages import Cancel, Event, Job, Reply, Reporter, Request, one_line

_HEAVY = "dirtylab.explore.process.cell_job"
"""Imported before the thread listens, which would import it on the first job and hear no cancel."""


class Server:
    """Receives requests, measures them one at a time, and sends replies.

    Parameters
    ----------
    connection : Connection
        Where requests come from and replies go to.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._requests: queue.SimpleQueue[Request] = queue.SimpleQueue()
        self._cancelled = 0

    def listen(self) -> None:
        """Take requests until the other end is gone; end the process then."""
        try:
            while True:
                self._take(self._connection.recv())
        except (EOFError, OSError):
            os._exit(0)
        except BaseException:  # such as a job that can't be unpickled: the other end must know
            traceback.print_exc()
            os._exit(1)

    def _take(self, message: Request | Cancel) -> None:
        if isinstance(message, Cancel):
            self._cancelled = message.number
        else:
            self._requests.put(message)

    def serve(self) -> None:
        """Measure for ever."""
        while True:
            self._measure(*self._requests.get())

    def _measure(self, number: int, job: Job) -> None:
        def send(event: Event) -> None:
            self._connection.send(Reply(number, event))

        try:
            last = job.measure(Reporter(send, lambda: number <= self._cancelled, job.total))
        except Exception as error:
            last = Event("failed", 0, job.total, message=one_line(error))
        send(last)


def _be_killed_first() -> None:
    """Where memory runs out let the system end this process, not the notebook's kernel."""
    with contextlib.suppress(OSError):
        pathlib.Path("/proc/self/oom_score_adj").write_text("800")


def main() -> None:
    """Serve the socket whose number is the first argument."""
    _be_killed_first()
    importlib.import_module(_HEAVY)
    server = Server(Connection(int(sys.argv[1])))
    threading.Thread(target=server.listen, daemon=True).start()
    server.serve()


if __name__ == "__main__":
    main()
