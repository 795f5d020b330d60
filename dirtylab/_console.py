"""What is said to a person who waits."""

import contextlib
import sys
import threading
from collections.abc import Iterator

PATIENCE = 1.0
"""Seconds after which a wait is explained."""


@contextlib.contextmanager
def announced_compilation() -> Iterator[None]:
    """Say on stderr what is going on when compiling takes longer than a second."""
    text = "dirtylab: compiling for the first time on this machine, about 15 s ..."
    timer = threading.Timer(PATIENCE, lambda: print(text, file=sys.stderr, flush=True))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
