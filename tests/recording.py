"""What tests of recordings share: commands that write, and a recording or a reason why none."""

import sys

import numpy as np
import pytest

from dirtylab.live import pagemap
from dirtylab.live.record import record_command

PYTHON = [sys.executable, "-S", "-E", "-c"]
WRITE = """
import mmap, sys, time
pages, seconds, status = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
memory = mmap.mmap(-1, 4096 * pages, flags=0x22)
end = time.monotonic() + seconds
while time.monotonic() < end:
    for page in range(pages): memory[4096 * page] = 1
    time.sleep(0.005)
sys.exit(status)
"""


def writer(pages, seconds, status=0):
    """Return a command that writes to so many pages all the time."""
    return [*PYTHON, WRITE, str(pages), str(seconds), str(status)]


def require():
    """Skip the test where no command can be recorded, for the reason why."""
    if why := pagemap.missing():
        pytest.skip(why)


def recorded(words, **options):
    """Return trace and status of a command."""
    require()
    return record_command(words, **{"interval": 0.03, **options})


def sizes(trace):
    return [epoch.size for epoch in trace.epochs]


def runs(pages):
    """Return how many pages lie side by side, for each such place."""
    breaks = np.flatnonzero(np.diff(pages.astype(np.int64)) != 1)
    return np.diff([-1, *breaks, pages.size - 1]).tolist() if pages.size else [0]


def longest_run(pages):
    return max(runs(pages))
