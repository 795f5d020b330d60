"""System calls made in another process: how a foreign command is registered for watching.

Only a process itself can register its memory for write protection, and a registration does not
outlive an exec.  So a command is held by ptrace, right after its exec and at each harvest, and made
to call ``userfaultfd`` and ``ioctl`` itself, with arguments in a page of memory that it maps for
that and that no trace counts.  Its registers are put back afterwards; a system call in which it
waited goes on.

Source: Linux's ptrace(2); the technique is CRIU's ("parasite").
"""

import contextlib
import ctypes
import os
import signal
import struct
import time
from typing import Any

from dirtylab.live import _scan
from dirtylab.live._system import PAGE_BYTES, libc, system_error
from dirtylab.live.watcher import Watcher

_PEEK, _POKE, _CONT, _STEP, _GET, _SET = 1, 4, 7, 9, 12, 13
_SEIZE, _INTERRUPT, _LISTEN = 0x4206, 0x4207, 0x4208
_TRACE_EXEC, _EXIT_KILL = 1 << 4, 1 << 20
_EVENT_EXEC, _EVENT_STOP = 4, 128
_GROUP_STOPS = (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
_MMAP, _IOCTL, _USERFAULTFD = 9, 16, 323
_SYSCALL, _REGISTERS = 0x050F, 27
_R10, _R9, _R8, _RAX, _RDX, _RSI, _RDI, _ORIG_RAX, _RIP = 7, 8, 9, 10, 12, 13, 14, 15, 16
_REQUEST = 2048
"""Where in the page arguments lie; code is at its beginning."""


class Exited(Exception):  # noqa: N818 - what happened to the process
    """The process has ended; `status` is as subprocess has it."""

    def __init__(self, status: int) -> None:
        super().__init__(f"ended with status {status}")
        self.status = status


def _ptrace(request: int, pid: int, address: int = 0, data: int = 0) -> int:
    function: Any = libc().ptrace
    function.restype = ctypes.c_long
    function.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    ctypes.set_errno(0)
    found: int = function(request, pid, address, data)
    if found == -1 and ctypes.get_errno():
        raise system_error(f"ptrace {request:#x} of process {pid}")
    return found


class Tracee:
    """A process held by ptrace, by the thread that makes this object and no other.

    Parameters
    ----------
    pid : int
        A child that is about to exec.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        _ptrace(_SEIZE, pid, 0, _TRACE_EXEC | _EXIT_KILL)
        self._page = 0
        self._fault = -1

    def wait_for_exec(self) -> None:
        """Wait until the program has been loaded; it is stopped then, before its first step.

        Raises
        ------
        Exited
            There was no exec.
        """
        while self._wait() != (signal.SIGTRAP, _EVENT_EXEC):
            _ptrace(_CONT, self.pid)
        _ptrace(_INTERRUPT, self.pid)  # here execve has not returned yet, and would set registers
        _ptrace(_CONT, self.pid)
        self._wait_for_stop()

    def prepare(self, watcher: Watcher) -> None:
        """Make the stopped process ready to be watched.

        Raises
        ------
        OSError
            It may not call userfaultfd.
        """
        self._page = self._call(_MMAP, 0, PAGE_BYTES, 7, 0x22, 2**64 - 1, 0)
        watcher.excluded.add(self._page)
        with open(f"/proc/{self.pid}/mem", "r+b", buffering=0) as memory:
            memory.seek(self._page)
            memory.write(struct.pack("<H", _SYSCALL))
        self._fault = self._call(_USERFAULTFD, _scan.USER_FLAGS)
        self._control(_scan.API, _scan.api_request())
        self.register(watcher)

    def register(self, watcher: Watcher) -> None:
        """Make the stopped process register what the kernel says is not registered."""
        for area in watcher.unwatched():
            with contextlib.suppress(OSError):  # what can't be written, say
                self._control(_scan.REGISTER, _scan.register_request(area.start, area.end))
                self._control(_scan.FORGET, _scan.forget_request(area.start, area.end))

    def go_on(self) -> None:
        """Let the stopped process run."""
        _ptrace(_CONT, self.pid)

    def run_until(self, end: float) -> None:
        """Wait until the monotonic clock shows `end`, passing signals on.

        Raises
        ------
        Exited
            The process has ended.
        """
        pause = 0.0002
        while (rest := end - time.monotonic()) > 0:
            found, status = os.waitpid(self.pid, os.WNOHANG)
            if found:
                self._pass_on(*self._taken(status))
            else:
                time.sleep(min(rest, pause))
                pause = min(2 * pause, 0.005)

    def stop(self) -> None:
        """Stop the running process.

        Raises
        ------
        Exited
            The process has ended.
        """
        _ptrace(_INTERRUPT, self.pid)
        self._wait_for_stop()

    def _wait_for_stop(self) -> None:
        while True:
            number, event = self._wait()
            if event == _EVENT_STOP and number not in _GROUP_STOPS:
                return
            self._pass_on(number, event)

    def _pass_on(self, number: int, event: int) -> None:
        if event == _EVENT_STOP and number in _GROUP_STOPS:
            _ptrace(_LISTEN, self.pid)
        else:
            _ptrace(_CONT, self.pid, 0, 0 if event else number)

    def _wait(self) -> tuple[int, int]:
        return self._taken(os.waitpid(self.pid, 0)[1])

    def _taken(self, status: int) -> tuple[int, int]:
        """Return signal and event of a stop."""
        if os.WIFEXITED(status):
            raise Exited(os.WEXITSTATUS(status))
        if os.WIFSIGNALED(status):
            raise Exited(-os.WTERMSIG(status))
        return os.WSTOPSIG(status), status >> 16

    def _control(self, request: int, argument: bytearray) -> None:
        with open(f"/proc/{self.pid}/mem", "r+b", buffering=0) as memory:
            memory.seek(self._page + _REQUEST)
            memory.write(argument)
        self._call(_IOCTL, self._fault, request, self._page + _REQUEST)

    def _call(self, number: int, *arguments: int) -> int:
        """Make the stopped process do a system call; return what it returned."""
        saved = (ctypes.c_ulonglong * _REGISTERS)()
        _ptrace(_GET, self.pid, 0, ctypes.addressof(saved))
        changed = (ctypes.c_ulonglong * _REGISTERS)(*saved)
        code = self._page or saved[_RIP]
        text = _ptrace(_PEEK, self.pid, code)
        if not self._page:
            _ptrace(_POKE, self.pid, code, text & ~0xFFFF | _SYSCALL)
        changed[_RAX], changed[_ORIG_RAX], changed[_RIP] = number, 2**64 - 1, code
        for place, value in zip((_RDI, _RSI, _RDX, _R10, _R8, _R9), arguments, strict=False):
            changed[place] = value
        _ptrace(_SET, self.pid, 0, ctypes.addressof(changed))
        _ptrace(_STEP, self.pid)
        late = self._step_signals()
        _ptrace(_GET, self.pid, 0, ctypes.addressof(changed))
        if not self._page:
            _ptrace(_POKE, self.pid, code, text & (2**64 - 1))
        _ptrace(_SET, self.pid, 0, ctypes.addressof(saved))
        for one in late:
            os.kill(self.pid, one)
        found: int = ctypes.c_longlong(changed[_RAX]).value
        if -4096 < found < 0:
            raise OSError(-found, f"system call {number} in process {self.pid}")
        return found

    def _step_signals(self) -> list[int]:
        """Wait for the step's end; return the signals that came before it."""
        late: list[int] = []
        while True:
            number, event = self._wait()
            if number == signal.SIGTRAP and not event:
                return late
            if not event:
                late.append(number)
            _ptrace(_STEP, self.pid)
