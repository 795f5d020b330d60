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
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

from dirtylab.native.errors import TrackerError

TIME_LIMIT_S = 30.0
"""Seconds that one property may take."""
ALLOWED_HANGS = 2


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
        yield from check_tracker(library, tracker, seed, time_limit)


def check_tracker(
    library: pathlib.Path, tracker: str, seed: int = 2016, time_limit: float = TIME_LIMIT_S
) -> Iterator[Finding]:
    """Check one tracker of a library; as :func:`check_library`."""
    hung = 0
    done: list[str] = []
    while True:
        run = _Run(library, tracker, seed, len(done), time_limit)
        for finding in run.findings():
            done.append(finding.property)
            yield finding
        hung += run.hung
        if not run.died:
            return
        if hung == ALLOWED_HANGS:
            for name in run.names[len(done) :]:
                yield Finding(tracker, name, f"not checked: it hung {hung} times")
            return


class _Run:
    """One process that checks properties, from the one numbered `skip` on, until it dies."""

    def __init__(
        self, library: pathlib.Path, tracker: str, seed: int, skip: int, time_limit: float
    ) -> None:
        self.names: list[str] = []
        self.died = self.hung = False
        self._tracker = tracker
        self._time_limit = time_limit
        self._begun = ""
        pipe, theirs = os.pipe()
        self._pipe = os.fdopen(pipe, "rb")
        words = [sys.executable, "-m", "dirtylab.native._child", str(library), tracker]
        nothing = subprocess.DEVNULL
        self._child = subprocess.Popen(
            [*words, str(theirs), str(seed), str(skip)],
            pass_fds=[theirs],
            stdin=nothing,
            stdout=nothing,
            stderr=nothing,
            env=_environment(),
        )
        os.close(theirs)

    def findings(self) -> Iterator[Finding]:
        """Yield a finding for each property that was begun."""
        with self._pipe, self._child:
            try:
                yield from self._findings_of_child()
            except TimeoutError:
                self.hung = True
            finally:
                if self.hung or sys.exc_info()[0]:
                    self._child.kill()
            status = self._child.wait()
            if self._begun:
                self.died = True
                how = f"hangs: not done after {self._time_limit:g} s"
                how = how if self.hung else f"the process ended {_how(status)}"
                yield Finding(self._tracker, self._begun, how)

    def _findings_of_child(self) -> Iterator[Finding]:
        for told in _lines(self._pipe, self._time_limit):
            self.names = told.get("all", self.names)
            self._begun = told.get("begin", "")
            if "end" in told:
                yield Finding(self._tracker, told["end"], told["broken"])


def _lines(pipe: IO[bytes], time_limit: float) -> Iterator[dict[str, Any]]:
    """Yield what the child tells until it ends; TimeoutError where it is silent for so long."""
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            if not selector.select(time_limit):
                raise TimeoutError
            part = os.read(pipe.fileno(), 65536)
            if not part:
                return
            *whole, rest = (rest + part).split(b"\n")
            yield from map(json.loads, whole)


def _how(status: int) -> str:
    if status < 0:
        return f"by {signal.Signals(-status).name}"
    return f"with status {status}"


def _environment() -> dict[str, str]:
    """Return an environment in which freed and fresh memory is filled with junk."""
    return {**os.environ, "MALLOC_PERTURB_": "165"}
