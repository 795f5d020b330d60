"""``python -m dirtylab.measure.apart_main FD``: the process of :mod:`dirtylab.measure.apart`."""

import contextlib
import ctypes
import os
import pickle
import sys
from multiprocessing.connection import Connection
from typing import Any

from dirtylab.measure import apart
from dirtylab.measure.additions import register

_SET_DUMPABLE, _SET_DEATH_SIGNAL, _KILL = 4, 1, 9


def main(descriptor: int) -> None:
    """Register what is sent, then call and answer until the other end is gone."""
    with contextlib.suppress(AttributeError):  # Linux: no core files, no orphan
        ctypes.CDLL(None).prctl(_SET_DUMPABLE, 0, 0, 0, 0)
        ctypes.CDLL(None).prctl(_SET_DEATH_SIGNAL, _KILL, 0, 0, 0)
    connection = apart._to_parent = Connection(descriptor)
    additions = connection.recv()
    known = False
    while True:
        function, arguments = connection.recv()
        try:
            if not known:
                register(additions)
            known = True
            answer = ("done", function(*arguments))
        except Exception as error:
            answer = ("raised", error)
        _send(connection, answer)


def _send(connection: Connection, answer: tuple[str, Any]) -> None:
    try:
        connection.send(answer)
    except (pickle.PicklingError, TypeError, AttributeError):
        connection.send(("raised", RuntimeError(str(answer[1]))))


if __name__ == "__main__":
    with contextlib.suppress(EOFError, OSError):  # the other end is gone
        main(int(sys.argv[1]))
    os._exit(0)  # destructors of a tracker's library are not what is measured
