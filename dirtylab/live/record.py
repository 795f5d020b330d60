"""Recording traces: of a command, of a KVM guest.

A command's pages are those of its virtual memory.  Their numbers are compacted: memory is divided
into chunks of 512 pages (2 MiB, aligned), and only chunks that were ever written are numbered, in
order.  So neighbours stay neighbours, and distant pages stay apart, though less far.

Huge pages are off for the command (one write would count as 512); nothing else is changed.  The
command is followed with all its threads, over every exec; an exec gives it a new memory, whose
pages follow those of the old one.  Its child processes are followed when asked, each with a memory
of its own: a copy-on-write page counts for the process that writes it.  Shared memory
(``MAP_SHARED``) is one memory, whichever process writes.

What is left out: pages that an exec or the end of the command takes away before their epoch ends,
and what an exec itself writes.  While a command is recorded, no debugger can trace it.
"""

import contextlib
import errno
import inspect
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dirtylab import _check
from dirtylab._units import parse_count, parse_frames, parse_pages, parse_seconds
from dirtylab.datasets import DATASETS
from dirtylab.datasets.tracefile import Trace
from dirtylab.live import _scan
from dirtylab.live._follow import Follower
from dirtylab.live._process import as_utf8
from dirtylab.live._system import Unavailable, require_linux
from dirtylab.live._taken import Taken
from dirtylab.live.journal import Journal
from dirtylab.live.kvm import Guest, KvmLog, KvmManualLog, KvmRing
from dirtylab.live.numbering import CHUNK, finish
from dirtylab.live.watcher import LEFT_OUT
from dirtylab.measure.machine import describe_machine

MOST_EPOCHS = 100_000
ALSO_LEFT_OUT = "what an exec has written, and what it or the end has taken away within an epoch"
_PATIENCE = 0.1
_WHAT = "written pages of a command"
GUESTS: dict[str, type[Guest]] = {"log": KvmLog, "manual": KvmManualLog, "ring": KvmRing}
_KNOWN = set(inspect.signature(subprocess.Popen).parameters) - {"args"}
Pages = npt.NDArray[np.uint64]


class Schedule(NamedTuple):
    """When epochs end."""

    interval: float
    epochs: int
    check: Callable[[], object]

    def wait(self, ended: threading.Event) -> bool:
        """Wait for the end of an epoch; return whether all has ended before."""
        end = time.monotonic() + self.interval
        while (rest := end - time.monotonic()) > 0:
            if ended.wait(min(rest, _PATIENCE)):
                return True
            self.check()
        return ended.is_set()


def record_command(
    command: Sequence[str],
    *,
    interval: float | str = 0.1,
    epochs: int | str | None = None,
    name: str | None = None,
    children: bool = False,
    journal: str | os.PathLike[str] | None = None,
    check: Callable[[], object] | None = None,
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
    children : bool, optional
        Whether child processes are followed, and theirs: then the recording lasts until the last
        of them has ended, and what is left of them at its end is killed.  Otherwise they are left
        alone.
    journal : path, optional
        A file, to be made, that each epoch is added to when it is over; for
        :func:`~dirtylab.live.recovered`.
    check : callable, optional
        Called several times a second; KeyboardInterrupt that it raises ends the recording.
    **process
        As for :class:`subprocess.Popen`, such as ``cwd``, ``env`` or ``stdout``; no pipes.

    Returns
    -------
    trace : Trace
        The last epoch, which the end of the command cuts short, is not in.  Under ``notes``, its
        facts have a line for whatever was not recorded, and for an error that ended it early.
    status : int
        The command's exit status, negative for a signal: that of Ctrl-C (-2) and of `epochs` (-9)
        among them, which end command and recording, not the caller.

    Raises
    ------
    Unavailable
        One line says what this machine lacks.
    FileNotFoundError, PermissionError, OSError
        There is no such program or folder, it may not be executed, or is no program.
    TypeError
        Another keyword, or an argument of the wrong kind.
    ValueError
        It ended before the first epoch was over, or an argument is out of range.
    """
    words = _command(command)
    _require_known(process)
    length = parse_seconds("interval", interval, 0.001, 3600.0)
    most = MOST_EPOCHS if epochs is None else parse_count("epochs", epochs, 1, MOST_EPOCHS)
    require_linux(_WHAT, ("x86_64",))
    _require_scanner()
    facts = _facts(words, name, length, children)
    follower = Follower(children)
    with _opened(journal) as file:
        taken = Taken(file, facts)
        schedule = Schedule(length, most, check or (lambda: None))
        status = _follow(follower, words, process, schedule, taken)
    if not taken.epochs:
        raise ValueError(
            f"interval={length:g}: {facts['command'][0]} ended, with status {status}, before the "
            "first epoch was over; take a shorter one"
        )
    facts |= taken.facts
    return finish(taken.harvests, taken.ends, facts, follower.memories), status


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
    journal: str | os.PathLike[str] | None = None,
    **options: Any,
) -> Trace:
    """Let a KVM guest write to the frames of a dataset and record the pages the kernel reports.

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
        A ring keeps the order of arrival, a log does not.
    vcpus, seed, time_limit
        As for :class:`~dirtylab.live.kvm.Guest` and the generators.
    report : callable, optional
        Called with the number of each epoch that is done.
    journal : path, optional
        A file, to be made, that each epoch is added to when it is over; for
        :func:`~dirtylab.live.recovered`.
    **options
        Of the generator.

    Returns
    -------
    Trace
        Of fewer epochs where Ctrl-C or an error ended it early; under ``notes``, its facts say so.

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
    facts = {
        "name": f"kvm-{dataset}",
        "dataset": dataset,
        "options": {key: _storable(value) for key, value in options.items()},
        "seed": seed,
        "mechanism": GUESTS[tracking].name,
        "vcpus": vcpus,
        "order": "arrival" if tracking == "ring" else "ascending",
        "machine": describe_machine(),
    }
    with _opened(journal) as file:
        taken = Taken(file, facts, size)
        with GUESTS[tracking](size, vcpus=vcpus, time_limit=time_limit) as guest:
            _write(guest, [frames[each * k : each * (k + 1)] for k in range(count)], taken, report)
            with contextlib.suppress(OSError, ValueError):  # what was taken does not hang on it
                facts["instructions_emulated"] = guest.statistics().get("insn_emulation")
    return Trace(size, tuple(taken.harvests), tuple(taken.ends), facts | taken.facts)


def _write(
    guest: Guest,
    epochs: Sequence[Pages],
    taken: Taken,
    report: Callable[[int], object] | None,
) -> None:
    """Let a guest write, epoch by epoch; keep finished epochs whatever ends it."""
    begin = time.monotonic_ns()
    try:
        for number, frames in enumerate(epochs):
            guest.insert(frames)
            taken.add(time.monotonic_ns() - begin, guest.harvest())
            if report:
                report(number)
    except (KeyboardInterrupt, Exception) as error:
        taken.end_early(error)


def _opened(path: str | os.PathLike[str] | None) -> AbstractContextManager[Journal | None]:
    return contextlib.nullcontext() if path is None else contextlib.closing(Journal(path))


def _facts(words: Sequence[str], name: str | None, interval: float, many: bool) -> dict[str, Any]:
    return {
        "name": as_utf8(name or os.path.basename(words[0])),
        "command": [as_utf8(word) for word in words],
        "mechanism": "PAGEMAP_SCAN with asynchronous userfaultfd write protection",
        "numbering": f"virtual pages, in chunks of {CHUNK} that were written at all"
        + (", memory after memory" if many else ""),
        "children": many,
        "interval_s": interval,
        "left_out": f"{LEFT_OUT}; {ALSO_LEFT_OUT}",
        "order": "ascending",
        "machine": describe_machine(),
    }


def _storable(option: Any) -> Any:
    """Return an option as a file can hold it."""
    return as_utf8(os.fspath(option)) if isinstance(option, str | os.PathLike) else option


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


def _require_known(process: dict[str, Any]) -> None:
    """Refuse keywords that Popen does not have, and pipes: nothing would read them."""
    for name, value in process.items():
        if name not in _KNOWN:
            raise TypeError(f"{name}={value!r}: is no argument of record_command or Popen")
        if name in ("stdin", "stdout", "stderr") and value == subprocess.PIPE:
            raise ValueError(
                f"{name}=PIPE: nothing reads or writes its other end; give a file or DEVNULL"
            )


def _follow(
    follower: Follower,
    words: list[str],
    process: dict[str, Any],
    schedule: Schedule,
    taken: Taken,
) -> int:
    """Run the command and take its epochs; return its status."""
    try:
        child = follower.start(words, dict(process))
    except OSError as error:
        raise refusal(error, words, process) from None
    ended = -signal.SIGKILL
    try:
        _epochs(follower, schedule, taken)
    except KeyboardInterrupt:
        if not taken.epochs:
            raise
        ended = -signal.SIGINT
    except (OSError, MemoryError) as error:
        taken.end_early(error)
    finally:
        by_itself = follower.ended.is_set()
        follower.end(child)
        taken.note(follower.notes)
    if follower.trouble:
        taken.end_early(follower.trouble)
    return child.returncode if by_itself else ended


def _epochs(follower: Follower, schedule: Schedule, taken: Taken) -> None:
    begin = time.monotonic_ns()
    while len(taken.epochs) < schedule.epochs and not schedule.wait(follower.ended):
        pages = follower.harvest()
        if pages is not None:
            taken.note(follower.notes)
            taken.add(time.monotonic_ns() - begin, pages, follower.memories)


def refusal(error: OSError, words: Sequence[str], process: dict[str, Any]) -> OSError:
    """Return an error that says why a program can't be started, in one line."""
    if isinstance(error, Unavailable):
        return error
    file = as_utf8(os.fsdecode(process.get("executable") or words[0]))
    folder = process.get("cwd")
    if folder is not None and error.filename == folder:
        return type(error)(f"cwd={os.fspath(folder)!r}: {error.strerror}")
    if error.errno == errno.ENOENT and os.path.exists(os.path.join(folder or "", file)):
        why = f"{file!r} needs an interpreter or loader that is missing"
    elif error.errno == errno.ENOENT:
        why = f"no program {file!r} found"
    elif error.errno == errno.ENOEXEC:
        why = f"{file!r} is no program of this machine, nor a script that begins with #!"
    elif error.errno == errno.EACCES:
        why = f"{file!r} may not be executed"
    else:
        why = f"{file!r}: {error.strerror or error}"
    return type(error)(f"command: {why}")
