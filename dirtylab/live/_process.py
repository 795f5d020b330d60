"""A command's process: its start is held until it is traced; facts from /proc."""

import contextlib
import fcntl
import os
import signal
import stat
from collections.abc import Callable

from dirtylab.live._memory import Memory
from dirtylab.live._system import libc

_THP_DISABLE = 41
_BEYOND_STANDARD = 3


class Process:
    """A process that is followed: its threads, and the memory they use."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.tids = {pid}
        self.memory: Memory | None = None


class Pipes:
    """Pipes between a new process and the tracing thread: it sends its id and waits."""

    def __init__(self) -> None:
        self.pid_out, self._pid_in = _pipe()
        self._go_out, self.go_in = _pipe()

    def hold(self, first: Callable[[], object] | None) -> None:
        """Run in the new process before its exec: prepare, and wait until it is traced."""
        os.close(self.go_in)
        if first:
            first()
        libc().prctl(_THP_DISABLE, 1, 0, 0, 0)
        os.write(self._pid_in, str(os.getpid()).encode())
        if not os.read(self._go_out, 1):
            raise ChildProcessError("not to be recorded")

    def close_theirs(self) -> None:
        """Close the ends of the new process, in this one."""
        os.close(self._pid_in)
        os.close(self._go_out)

    def close_ours(self) -> None:
        """Close the ends of the thread that traces."""
        os.close(self.pid_out)
        os.close(self.go_in)


def _pipe() -> list[int]:
    """Return a pipe whose descriptors are none of those that a new process gets as its own."""
    ends = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, _BEYOND_STANDARD) for end in ends]
    for end in ends:
        os.close(end)
    return high


def number_of(pid: int | str, key: str) -> int:
    """Return a number from a process's ``/proc/PID/status``, 0 where it is missing.

    Raises
    ------
    ProcessLookupError
        The process has gone.
    """
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as lines:
            found = [line.split()[1] for line in lines if line.startswith(f"{key}:")]
    except FileNotFoundError as error:
        raise ProcessLookupError(error.errno, f"process {pid} has gone") from None
    return int(found[0]) if found else 0


def program_of(pid: int) -> str:
    """Return the name of the program that a process runs, "?" where unknown."""
    try:
        return as_utf8(os.path.basename(os.readlink(f"/proc/{pid}/exe")))
    except OSError:
        return "?"


def as_utf8(text: str) -> str:
    """Return text as valid UTF-8, with invalid bytes escaped."""
    return os.fsencode(text).decode(errors="backslashreplace")


def loses_rights(pid: int) -> bool:
    """Return whether a process runs a file that would give it rights, but does not while traced."""
    file = f"/proc/{pid}/exe"
    try:
        facts = os.stat(file)
        if facts.st_mode & stat.S_ISUID and facts.st_uid != os.stat(f"/proc/{pid}").st_uid:
            return True
        return os.geteuid() != 0 and "security.capability" in os.listxattr(file)
    except OSError:
        return False


def kill(pid: int) -> None:
    """Kill a process, if it is still there."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
