"""ptrace, and system calls made in another process.

Only a process itself can make the userfaultfd through which its memory is registered for write
protection, and an exec ends it.  So a process is stopped right after its exec, in no system call,
and made to call ``userfaultfd``; the descriptor is then copied out of it, and its memory registered
from outside.  No instruction is changed (the vDSO has one that enters the kernel); registers and
signal mask are restored.

Source: Linux's ptrace(2), pidfd_getfd(2); the technique is CRIU's ("parasite").
"""

import ctypes
import errno
import os
import signal
from typing import Any

from dirtylab.live import _scan
from dirtylab.live._system import ioctl, libc, system_error

_CONT, _STEP, _GET, _SET, _DETACH = 7, 9, 12, 13, 17
_SET_OPTIONS, _MESSAGE, _SEIZE, _INTERRUPT, _LISTEN = 0x4200, 0x4201, 0x4206, 0x4207, 0x4208
_GET_MASK, _SET_MASK = 0x420A, 0x420B
TRACE_FORK, TRACE_VFORK, TRACE_CLONE, TRACE_EXEC, TRACE_EXIT = (1 << n for n in (1, 2, 3, 4, 6))
EXIT_KILL, SUSPEND_SECCOMP = 1 << 20, 1 << 21
EVENT_CLONE, EVENT_EXEC, EVENT_EXIT, EVENT_STOP = 3, 4, 6, 128
GROUP_STOPS = (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
EVERY_THREAD, OWN_ONLY = 0x40000000, 0x20000000
"""Options of waitpid that :mod:`os` does not name: __WALL, __WNOTHREAD."""

_PIDFD_GETFD, _KCMP, _KCMP_VM = 438, 312, 1
_REGISTERS = 27
_RBX, _R10, _R9, _R8, _RAX, _RCX, _RDX, _RSI, _RDI = 5, 7, 8, 9, 10, 11, 12, 13, 14
_ORIG_RAX, _RIP, _CS = 15, 16, 17
_LONG_MODE = 0x33
_ENTER = {64: b"\x0f\x05", 32: b"\xcd\x80"}
_PLACES = {64: (_RDI, _RSI, _RDX, _R10, _R8, _R9), 32: (_RBX, _RCX, _RDX, _RSI, _RDI)}
_NUMBERS = {64: {"close": 3, "userfaultfd": 323}, 32: {"close": 6, "userfaultfd": 374}}


class Gone(Exception):  # noqa: N818 - what happened to the process
    """A thread has ended; `status` is as waitpid has it."""

    def __init__(self, status: int) -> None:
        super().__init__(f"ended with status {status}")
        self.status = status


def _ptrace(request: int, tid: int, address: int = 0, data: int = 0) -> int:
    function: Any = libc().ptrace
    function.restype = ctypes.c_long
    function.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    ctypes.set_errno(0)
    found: int = function(request, tid, address, data)
    if found == -1 and ctypes.get_errno():
        raise system_error(f"ptrace {request:#x} of process {tid}")
    return found


def seize(tid: int, options: int) -> None:
    """Trace a thread without stopping it."""
    _ptrace(_SEIZE, tid, 0, options)


def set_options(tid: int, options: int) -> None:
    """Set the events at which a stopped thread stops again."""
    _ptrace(_SET_OPTIONS, tid, 0, options)


def go_on(tid: int, number: int = 0) -> None:
    """Continue a stopped thread, delivering a signal."""
    _ptrace(_CONT, tid, 0, number)


def stay_stopped(tid: int) -> None:
    """Leave a thread in the stop that the command itself, or its terminal, asked for."""
    _ptrace(_LISTEN, tid)


def let_go(tid: int) -> None:
    """Detach from a stopped thread."""
    _ptrace(_DETACH, tid)


def message_of(tid: int) -> int:
    """Return the message of the event at which a thread is stopped."""
    found = ctypes.c_ulong()
    _ptrace(_MESSAGE, tid, 0, ctypes.addressof(found))
    return found.value


def finish_exec(tid: int) -> None:
    """Go on from the event of an exec to where execve has returned, before the first step.

    Raises
    ------
    Gone
        The thread has ended.
    """
    _ptrace(_INTERRUPT, tid)
    _ptrace(_CONT, tid)
    while True:
        number, event = _wait(tid)
        if event == EVENT_STOP and number not in GROUP_STOPS:
            return
        _ptrace(_CONT, tid, 0, 0 if event else number)


def share_memory(one: int, other: int) -> bool:
    """Return whether two processes share their memory, as after vfork; False where unknown."""
    return bool(libc().syscall(_KCMP, one, other, _KCMP_VM, 0, 0) == 0)


def make_userfaultfd(pid: int) -> int:
    """Return a userfaultfd of a stopped process's memory; the process does not keep it.

    Raises
    ------
    OSError
        The process may not call userfaultfd, or its descriptor may not be taken.
    Gone
        It has ended.
    """
    theirs = _call(pid, "userfaultfd", _scan.USER_FLAGS)
    try:
        fault = _taken(pid, theirs)
    finally:
        _call(pid, "close", theirs)
    try:
        ioctl(fault, _scan.API, _scan.api_request())
    except OSError:
        os.close(fault)
        raise
    return fault


def _taken(pid: int, fd: int) -> int:
    process = os.pidfd_open(pid)
    try:
        found: int = libc().syscall(_PIDFD_GETFD, process, fd, 0)
        if found < 0:
            raise system_error("pidfd_getfd")
        return found
    finally:
        os.close(process)


def _call(tid: int, name: str, argument: int) -> int:
    """Make a stopped thread do a system call; return what it returned."""
    saved, mask = (ctypes.c_ulonglong * _REGISTERS)(), ctypes.c_ulonglong()
    _ptrace(_GET, tid, 0, ctypes.addressof(saved))
    _ptrace(_GET_MASK, tid, 8, ctypes.addressof(mask))
    width = 64 if saved[_CS] == _LONG_MODE else 32
    changed = (ctypes.c_ulonglong * _REGISTERS)(*saved)
    changed[_RAX], changed[_ORIG_RAX] = _NUMBERS[width][name], 2**64 - 1
    changed[_RIP] = _entry(tid, _ENTER[width])
    changed[_PLACES[width][0]] = argument
    blocked = ctypes.c_ulonglong(2**64 - 1)  # signals wait in the kernel meanwhile
    _ptrace(_SET_MASK, tid, 8, ctypes.addressof(blocked))
    _ptrace(_SET, tid, 0, ctypes.addressof(changed))
    late = _step(tid)
    _ptrace(_GET, tid, 0, ctypes.addressof(changed))
    _ptrace(_SET, tid, 0, ctypes.addressof(saved))
    _ptrace(_SET_MASK, tid, 8, ctypes.addressof(mask))
    for one in late:
        os.kill(tid, one)
    found = ctypes.c_int(changed[_RAX] & 0xFFFFFFFF).value
    if -4096 < found < 0:
        raise OSError(-found, f"{name}: {os.strerror(-found)}")
    return found


def _step(tid: int) -> list[int]:
    """Let a thread do one instruction; return the signals that can't be blocked and came first."""
    late: list[int] = []
    while True:
        _ptrace(_STEP, tid)
        number, event = _wait(tid)
        if number == signal.SIGTRAP and not event:
            return late
        if not event:
            late.append(number)


def _wait(tid: int) -> tuple[int, int]:
    """Return signal and event of a thread's next stop."""
    status = os.waitpid(tid, EVERY_THREAD)[1]
    if not os.WIFSTOPPED(status):
        raise Gone(status)
    return os.WSTOPSIG(status), status >> 16


def _entry(tid: int, instruction: bytes) -> int:
    """Return the address of an instruction in a process's vDSO."""
    with open(f"/proc/{tid}/maps", encoding="utf-8", errors="replace") as lines:
        spans = [line.split(maxsplit=1)[0] for line in lines if line.rstrip().endswith("[vdso]")]
    for span in spans:
        start, end = (int(part, 16) for part in span.split("-"))
        with open(f"/proc/{tid}/mem", "rb", buffering=0) as memory:
            memory.seek(start)
            place = memory.read(end - start).find(instruction)
        if place >= 0:
            return start + place
    raise OSError(errno.ENOEXEC, "it has no vDSO")
