"""The whole contract, put to a native tracker in a process of its own.

A tracker that crashes or hangs takes that process down, not the caller's; the property at which it
happened is reported, and the others are checked in a new process.
"""

import json
import os
import pathlib
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from dirtylab.native.errors import TrackerError

TIME_LIMIT_S = 30.0
"""Seconds that one property may take."""
ALLOWED_CRASHES = 20


class Finding(NamedTuple):
    """One property of one tracker."""

    tracker: str
    property: str
    broken: str
    """Empty where it holds, else how that was seen."""

    def __str__(self) -> str:
        return f"{'FAILED' if self.broken else 'ok':8}{self.property}" + (
            f": {self.broken}" if self.broken else ""
        )


def trackers_of(library: pathlib.Path, time_limit: float = TIME_LIMIT_S) -> list[str]:
    """Return the names of a library's trackers, asked in a process of its own.

    Raises
    ------
    TrackerError
        It can't be loaded, or its table is wrong.
    """
    script = (
        "import json, pathlib, sys\n"
        "from dirtylab.native.errors import TrackerError\n"
        "from dirtylab.native.table import read_tables\n"
        "try:\n"
        "    told = [one.name for one in read_tables(pathlib.Path(sys.argv[1]))]\n"
        "except TrackerError as error:\n"
        "    told = str(error)\n"
        "print('\\n' + json.dumps(told))\n"
    )
    words = [sys.executable, "-c", script, str(library)]
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=time_limit, env=_environment()
        )
    except subprocess.TimeoutExpired:
        raise TrackerError(f"{library.name}: loading took over {time_limit:g} s") from None
    if done.returncode:
        raise TrackerError(f"{library.name}: loading ended {_how(done.returncode)}")
    told = json.loads(done.stdout.splitlines()[-1])
    if isinstance(told, str):
        raise TrackerError(told)
    return list(told)


def check_library(
    library: pathlib.Path, *, seed: int = 2016, time_limit: float = TIME_LIMIT_S
) -> Iterator[Finding]:
    """Check every tracker of a library; yield a finding a property.

    Parameters
    ----------
    library : pathlib.Path
        As :func:`~dirtylab.native.compiler.library_of` returns it.
    seed : int, optional
        Of the frames that are tried.
    time_limit : float, optional
        Seconds that one property may take.

    Raises
    ------
    TrackerError
        It can't be loaded, or its table is wrong.
    """
    for tracker in trackers_of(library, time_limit):
        skip = 0
        for _ in range(ALLOWED_CRASHES):
            lived = True
            for finding, crashed in _run(library, tracker, seed, skip, time_limit):
                skip += 1
                lived = not crashed
                yield finding
            if lived:
                break


def _run(
    library: pathlib.Path, tracker: str, seed: int, skip: int, time_limit: float
) -> Iterator[tuple[Finding, bool]]:
    """Check from property `skip` on; yield each finding, and whether the process died of it."""
    ours, theirs = os.pipe()
    words = [sys.executable, "-m", "dirtylab.native._child", str(library), tracker]
    child = subprocess.Popen(
        [*words, str(theirs), str(seed), str(skip)],
        pass_fds=[theirs],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=_environment(),
    )
    os.close(theirs)
    begun = ""
    try:
        with os.fdopen(ours, "rb") as pipe:
            for told in _lines(pipe, time_limit):
                if "end" in told:
                    yield Finding(tracker, told["end"], told["broken"]), False
                begun = told.get("begin", "")
            if begun:
                yield Finding(tracker, begun, _ended(child, time_limit)), True
    finally:
        child.kill()
        child.wait()


def _lines(pipe: Any, time_limit: float) -> Iterator[dict[str, str]]:
    """Yield what the child tells, until it ends or says nothing for so long."""
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while selector.select(time_limit):
            part = os.read(pipe.fileno(), 65536)
            if not part:
                return
            *whole, rest = (rest + part).split(b"\n")
            yield from map(json.loads, whole)


def _ended(child: "subprocess.Popen[bytes]", time_limit: float) -> str:
    """Return how a child ended that had begun a property: by itself, or it hangs."""
    end = time.monotonic() + 1.0
    while child.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    if child.returncode is None:
        return f"hangs: not done after {time_limit:g} s"
    return f"the process ended {_how(child.returncode)}"


def _how(status: int) -> str:
    if status < 0:
        return f"by {signal.Signals(-status).name}"
    return f"with status {status}"


def _environment() -> dict[str, str]:
    """Return an environment in which freed and fresh memory is filled with junk."""
    return {**os.environ, "MALLOC_PERTURB_": "165"}
