"""Recording traces: of a command, of a KVM guest.

A command's pages are those of its virtual memory.  Their numbers are made small: memory is taken
in chunks of 512 pages (2 MiB, aligned), only chunks that were written at all count, and they keep
their order.  So neighbours stay neighbours, and what lies apart stays apart, though less far.

Huge pages are off for the command (one write would count as 512), and so is nothing else.  Only the
command's own process is followed, with all its threads; not its children.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dirtylab import _check
from dirtylab._units import parse_count, parse_frames, parse_pages, parse_seconds
from dirtylab.datasets import DATASETS
from dirtylab.datasets.tracefile import Trace
from dirtylab.live import _scan
from dirtylab.live._inject import Exited, Tracee
from dirtylab.live._system import Unavailable, require_linux, translated
from dirtylab.live.kvm import Guest, KvmLog, KvmManualLog, KvmRing
from dirtylab.live.watcher import LEFT_OUT, Watcher
from dirtylab.measure.machine import describe_machine

CHUNK = 512
"""Pages of a chunk: 2 MiB."""
MOST_EPOCHS = 100_000

_PAUSE = (
    "import ctypes, os, sys\n"
    "ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)\n"  # PR_SET_THP_DISABLE
    "os.write(int(sys.argv[1]), b'.')\n"
    "os.read(int(sys.argv[1]), 1)\n"
    "os.execvp(sys.argv[2], sys.argv[2:])\n"
)
GUESTS: dict[str, type[Guest]] = {"log": KvmLog, "manual": KvmManualLog, "ring": KvmRing}
Pages = npt.NDArray[np.uint64]


def record_command(
    command: Sequence[str],
    *,
    interval: float | str = 0.1,
    epochs: int | str | None = None,
    name: str | None = None,
    **process: Any,
) -> tuple[Trace, int]:
    """Run a command and record the pages it writes, epoch by epoch, until it ends.

    Parameters
    ----------
    command : sequence of str
        Program and arguments.
    interval : float or str, optional
        Length of an epoch, 0.001 … 3600 seconds, also as ``"50ms"``.
    epochs : int or str, optional
        Stop the command after so many, 1 … 100,000; until it ends when omitted.
    name : str, optional
        Name of the recording; the program's when omitted.
    **process
        Handed to :class:`subprocess.Popen`, such as ``cwd`` or ``stdout``.

    Returns
    -------
    trace : Trace
        The last epoch, which the end of the command cuts short, is not in.
    status : int
        The command's exit status, negative for a signal: that of Ctrl-C (-2) and of `epochs` (-9)
        among them, which end command and recording, not the caller.

    Raises
    ------
    Unavailable
        One line says what this machine lacks.
    FileNotFoundError
        There is no such program.
    ValueError
        It ended before the first epoch was over, or an argument is out of range.
    """
    words = _command(command)
    length = parse_seconds("interval", interval, 0.001, 3600.0)
    most = MOST_EPOCHS if epochs is None else parse_count("epochs", epochs, 1, MOST_EPOCHS)
    require_linux(_scan.WHAT + " of a command", ("x86_64",))
    _require_scanner()
    harvests, ends, status = _follow(words, length, most, process)
    if not harvests:
        raise ValueError(
            f"interval={length:g}: {words[0]} ended, with status {status}, before the first epoch "
            "was over; take a shorter one"
        )
    facts = {
        "name": name or os.path.basename(words[0]),
        "command": words,
        "mechanism": "PAGEMAP_SCAN with asynchronous userfaultfd write protection",
        "numbering": f"virtual pages, in chunks of {CHUNK} that were written at all",
        "interval_s": length,
        "left_out": LEFT_OUT,
        "order": "ascending",
        "machine": describe_machine(),
    }
    numbered, size = compact(harvests)
    return Trace(size, tuple(numbered), tuple(ends), facts), status


def compact(harvests: Sequence[Pages]) -> tuple[list[Pages], int]:
    """Return page numbers made small, and the size of the slot that holds them.

    Parameters
    ----------
    harvests : sequence of numpy.ndarray
        Page numbers of each epoch, of any size.
    """
    size = np.uint64(CHUNK)
    everything = np.concatenate(harvests) if harvests else np.empty(0, np.uint64)
    chunks = np.unique(everything // size)
    numbered = [
        np.searchsorted(chunks, pages // size).astype(np.uint64) * size + pages % size
        for pages in harvests
    ]
    return numbered, CHUNK * chunks.size


def record_guest(
    pages: int | str,
    dirty: float | str,
    *,
    dataset: str = "phases",
    epochs: int | str = 16,
    tracking: str = "ring",
    vcpus: int = 1,
    seed: int = 2016,
    time_limit: float = 60.0,
    report: Callable[[int], object] | None = None,
    **options: Any,
) -> Trace:
    """Let a KVM guest write to the frames of a dataset and record what the kernel tells.

    Parameters
    ----------
    pages : int or str
        Size of the slot, also as ``"10M"`` or ``"4GiB"``.
    dirty : int, float or str
        Frames of each epoch; a float up to 1 is a share of the pages, and so are ``"1%"`` and
        ``"0.01"``.
    dataset : str, optional
        A name in ``dirtylab.DATASETS``; one draw is cut into the epochs.
    epochs : int, optional
        1 … 100,000.
    tracking : {"ring", "log", "manual"}, optional
        A ring tells the order of arrival, a log does not.
    vcpus, seed, time_limit
        As for :class:`~dirtylab.live.kvm.Guest` and the generators.
    report : callable, optional
        Called with the number of each epoch that is done.
    **options
        Of the generator.

    Returns
    -------
    Trace

    Raises
    ------
    Unavailable
        One line says what this machine lacks.
    TypeError, ValueError
        An argument is of the wrong kind or out of range.
    """
    _check.choice("dataset", dataset, DATASETS)
    _check.choice("tracking", tracking, GUESTS)
    count = parse_count("epochs", epochs, 1, MOST_EPOCHS)
    size = parse_pages("pages", pages, 0)
    each = _check.integer("dirty", parse_frames("dirty", dirty, size, low=0), 0, 2**40)
    frames = DATASETS[dataset](size, count * each, seed=seed, **options)
    found: list[Pages] = []
    ends: list[int] = []
    with GUESTS[tracking](size, vcpus=vcpus, time_limit=time_limit) as guest:
        begin = time.monotonic_ns()
        for number in range(count):
            guest.insert(frames[number * each : (number + 1) * each])
            found.append(guest.harvest())
            ends.append(time.monotonic_ns() - begin)
            if report:
                report(number)
        statistics = guest.statistics()
    facts = {
        "name": f"kvm-{dataset}",
        "dataset": dataset,
        "options": options,
        "seed": seed,
        "mechanism": guest.name,
        "vcpus": vcpus,
        "order": "arrival" if tracking == "ring" else "ascending",
        "instructions_emulated": statistics.get("insn_emulation"),
        "machine": describe_machine(),
    }
    return Trace(size, tuple(found), tuple(ends), facts)


def _command(command: Sequence[str]) -> list[str]:
    if isinstance(command, str) or not all(isinstance(word, str) for word in command):
        raise TypeError(f"command={command!r}: must be a sequence of words")
    if not command:
        raise ValueError("command: must name a program")
    return list(command)


def _require_scanner() -> None:
    why = _scan.missing()
    if why:
        raise Unavailable(_scan.WHAT, why.split(": ", 1)[-1].rsplit("; ", 1)[0])


def _follow(
    command: list[str], interval: float, epochs: int, process: dict[str, Any]
) -> tuple[list[Pages], list[int], int]:
    """Run the command; return its pages epoch by epoch, the ends of the epochs, its status."""
    if shutil.which(command[0]) is None:
        raise FileNotFoundError(f"command: no program {command[0]!r} found")
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            child = subprocess.Popen(
                [sys.executable, "-S", "-E", "-c", _PAUSE, str(theirs.fileno()), *command],
                pass_fds=[theirs.fileno()],
                **process,
            )
        try:
            return _watch(child, ours, interval, epochs)
        finally:
            _end(child)


def _watch(
    child: "subprocess.Popen[bytes]", pause: socket.socket, interval: float, epochs: int
) -> tuple[list[Pages], list[int], int]:
    harvests: list[Pages] = []
    ends: list[int] = []
    try:
        pause.recv(1)
        tracee = Tracee(child.pid)
        pause.send(b".")
        tracee.wait_for_exec()
        watcher = Watcher(child.pid)
        try:
            _epochs(tracee, watcher, interval, epochs, harvests, ends)
        finally:
            watcher.close()
    except Exited as ended:
        child.returncode = ended.status
        return harvests, ends, ended.status
    except KeyboardInterrupt:
        if not harvests:
            raise
        return harvests, ends, -signal.SIGINT
    return harvests, ends, -signal.SIGKILL


def _epochs(
    tracee: Tracee,
    watcher: Watcher,
    interval: float,
    epochs: int,
    harvests: list[Pages],
    ends: list[int],
) -> None:
    with translated(_scan.WHAT, _scan.REASONS):
        tracee.prepare(watcher)
    watcher.harvest()  # what exec wrote is the kernel's doing
    begin = time.monotonic()
    for _ in range(epochs):
        tracee.go_on()
        tracee.run_until(time.monotonic() + interval)
        tracee.stop()
        tracee.register(watcher)
        harvests.append(watcher.harvest())
        ends.append(int(1e9 * (time.monotonic() - begin)))


def _end(child: "subprocess.Popen[bytes]") -> None:
    """Let no command outlive its recording."""
    if child.returncode is None:
        child.kill()
        child.wait()
