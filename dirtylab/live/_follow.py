"""Follow a command by ptrace, to watch its memory over every exec and, if asked, fork.

One thread does nothing but trace: ptrace accepts requests only from the tracing thread, which must
answer at once, as signals wait for it.  The recording thread reads the pages from outside.

The command stops at its signals, each exec and each new thread; with children also at each new
process and each exit.  No system call in which it waits is interrupted.  Without children, its
child processes are never traced.
"""

import contextlib
import errno
import os
import subprocess
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dirtylab.live import _inject, _scan
from dirtylab.live._areas import Area
from dirtylab.live._memory import Memory, has_userfaultfd
from dirtylab.live._process import Pipes, Process, kill, loses_rights, number_of, program_of
from dirtylab.live._system import Unavailable, translated
from dirtylab.live.numbering import MOST_MEMORIES

_WHAT = "written pages of a command"
_MOST_NOTES = 20
_FILTERED = "it filters its system calls (seccomp), and only root can suspend that"
_FORBIDDEN = {errno.EPERM: "ptrace is forbidden here, or a debugger has the command"}
Pages = npt.NDArray[np.uint64]

_ALWAYS = _inject.TRACE_EXEC | _inject.TRACE_CLONE | _inject.EXIT_KILL
_CHILDREN = _inject.TRACE_FORK | _inject.TRACE_VFORK
_OWN_USERFAULTFD = (
    "uses userfaultfd itself: memory that it has registered is not recorded, and what is recorded "
    "the kernel refuses it (EBUSY)"
)


class Follower:
    """A command and its threads, and with `children` the processes it starts.

    Parameters
    ----------
    children : bool
        Whether child processes are followed.
    """

    def __init__(self, children: bool) -> None:
        self._children = children
        self._options = _ALWAYS | _inject.TRACE_EXIT | (_CHILDREN if children else 0)
        self.ended = threading.Event()
        """Set when nothing is left to follow."""
        self.status: int | None = None
        """The command's exit status, as subprocess has it."""
        self.trouble: BaseException | None = None
        """The error that ended following, if any."""
        self.notes: list[str] = []
        """A line for each thing that is not recorded."""
        self.memories: list[dict[str, Any]] = []
        """Facts on each memory, in the order of their numbers."""
        self._root = 0
        self._processes: dict[int, Process] = {}
        self._threads: dict[int, Process] = {}
        self._watched: list[Memory] = []
        self._files: dict[tuple[str, str], int] = {}
        self._late: list[Pages] = []
        self._lock = threading.Lock()
        self._ready = threading.Event()
        self._dying = False

    def start(self, words: Sequence[str], process: dict[str, Any]) -> "subprocess.Popen[Any]":
        """Start the command, as :class:`subprocess.Popen` does; return when it is watched.

        Raises
        ------
        OSError, ValueError, TypeError, subprocess.SubprocessError
            Popen's.
        Unavailable
            One line says why it can't be watched.
        """
        pipes = Pipes()
        first = process.pop("preexec_fn", None)
        self._thread = threading.Thread(target=self._run, args=(pipes,), daemon=True)
        self._thread.start()
        child: subprocess.Popen[Any] = object.__new__(subprocess.Popen)
        try:
            child.__init__(words, preexec_fn=lambda: pipes.hold(first), **process)  # type: ignore[misc]
        except BaseException:
            pipes.close_theirs()
            self.finish()
            child.returncode = 0  # it has been reaped
            if self.trouble:  # it is why the child was not let go
                raise self.trouble from None
            raise
        pipes.close_theirs()
        self._wait_until_ready(child)
        return child

    def _wait_until_ready(self, child: "subprocess.Popen[Any]") -> None:
        try:
            self._ready.wait()
            if self.trouble:
                raise self.trouble
        except BaseException:
            self.end(child)
            raise

    def harvest(self) -> Pages | None:
        """Return the keys of the pages written since the last call; None when the command ended."""
        with self._lock:
            parts, self._late = self._late, []
            watched = self._watched.copy()
        going = [one for one in watched if not self._add_pages(one, parts)]
        for one in going:  # its end or exec is about to be told
            while one in self._watched and not self.ended.wait(0.002):
                pass
        if going and self.ended.is_set():
            return None
        return np.unique(np.concatenate(parts)) if parts else np.empty(0, np.uint64)

    def end(self, child: "subprocess.Popen[Any]") -> None:
        """Kill what is still followed when the recording ends."""
        self.finish()
        if self.status is not None:
            child.returncode = self.status
        elif child.returncode is None:
            child.kill()
            child.wait()

    def finish(self) -> None:
        """Kill what is still followed, and wait until all has ended."""
        self._dying = True
        while self._thread.is_alive():
            with contextlib.suppress(KeyboardInterrupt):  # a second Ctrl-C changes nothing
                for pid in list(self._processes):
                    kill(pid)
                self._thread.join(0.05)

    def _add_pages(self, memory: Memory, parts: list[Pages]) -> bool:
        """Add the written pages; return whether the memory still exists."""
        try:
            parts.append(memory.harvest())
        except ProcessLookupError:
            return False
        except OSError as error:
            self._note(memory.pid, f"is recorded no longer: {_reason(error)}")
            self._remove(memory)
        if memory.busy and not memory.told:
            memory.told = True
            self._note(memory.pid, _OWN_USERFAULTFD)
        return True

    def _remove(self, memory: Memory) -> None:
        with self._lock:
            if memory in self._watched:
                self._watched.remove(memory)
        memory.close()

    def _note(self, pid: int, text: str) -> None:
        line = f"process {pid} ({program_of(pid)}) {text}"
        if len(self.notes) < _MOST_NOTES and line not in self.notes:
            self.notes.append(line)
        elif len(self.notes) == _MOST_NOTES:
            self.notes.append("there is more of this kind")

    # What follows runs in the thread that traces.

    def _run(self, pipes: Pipes) -> None:
        try:
            self._seize(pipes)
            while True:
                self._take(*os.waitpid(-1, _inject.EVERY_THREAD | _inject.OWN_ONLY))
        except ChildProcessError:
            pass  # nothing is left
        except BaseException as error:
            self.trouble = error
        finally:
            pipes.close_ours()
            for memory in self._watched.copy():
                self._remove(memory)
            self.ended.set()
            self._ready.set()

    def _seize(self, pipes: Pipes) -> None:
        told = os.read(pipes.pid_out, 20)
        if not told:
            raise ChildProcessError  # it failed before its exec
        self._root = int(told)
        self._add(self._root)
        with translated(_WHAT, _FORBIDDEN):
            _inject.seize(self._root, _ALWAYS)
        os.write(pipes.go_in, b".")

    def _take(self, tid: int, status: int) -> None:
        try:
            if not os.WIFSTOPPED(status):
                raise _inject.Gone(status)
            number, event = os.WSTOPSIG(status), status >> 16
            followed = self._known(tid)
            with contextlib.suppress(ProcessLookupError):  # another than this thread has gone
                self._meet(tid, event)
            with contextlib.suppress(ProcessLookupError):  # killed meanwhile; that is told next
                self._send_on(tid, number, event, followed)
        except _inject.Gone as gone:
            self._forget(tid, gone.status)

    def _send_on(self, tid: int, number: int, event: int, followed: bool) -> None:
        if not followed:
            _inject.let_go(tid)
        elif event == _inject.EVENT_STOP and number in _inject.GROUP_STOPS:
            _inject.stay_stopped(tid)
        else:
            _inject.go_on(tid, 0 if event else number)

    def _meet(self, tid: int, event: int) -> None:
        if event == _inject.EVENT_EXEC:
            self._exec(tid)
        elif event == _inject.EVENT_CLONE:
            self._add_thread(tid, _inject.message_of(tid))
        elif event == _inject.EVENT_EXIT:
            self._leave(tid)

    def _add(self, pid: int) -> Process:
        process = self._processes[pid] = self._threads[pid] = Process(pid)
        if self._dying:
            kill(pid)
        return process

    def _add_thread(self, creator: int, tid: int) -> None:
        process = self._threads[creator]
        if number_of(tid, "Tgid") == process.pid:
            process.tids.add(tid)
            self._threads[tid] = process

    def _known(self, tid: int) -> bool:
        """Take note of a thread or process that is new; return whether it is followed."""
        if tid in self._threads:
            return True
        with contextlib.suppress(ProcessLookupError):
            process = self._processes.get(number_of(tid, "Tgid"))
            if process:
                self._add_thread(process.pid, tid)
                return True
            if self._children:
                self._born(tid, number_of(tid, "PPid"))
                return True
        return False  # a process that clone has made like a thread

    def _born(self, pid: int, parent: int) -> None:
        near = self._processes.get(parent)
        others = [one for one in (near, *self._processes.values()) if one and one.memory]
        process = self._add(pid)
        source = next(
            (one for one in others if _inject.share_memory(pid, min(one.tids, default=0))), None
        )
        if source and source.memory:
            process.memory = source.memory
            process.memory.add(process.tids)
        else:
            self._watch(process, parent)

    def _exec(self, pid: int) -> None:
        process = self._processes[pid]
        self._drop(process)
        for tid in process.tids - {pid}:
            self._threads.pop(tid, None)
        process.tids = {pid}
        _inject.finish_exec(pid)
        trouble = self._watch(process, number_of(pid, "PPid"))
        if trouble and not self._ready.is_set():
            raise Unavailable(_WHAT, _reason(trouble))
        _inject.set_options(pid, self._options)
        if loses_rights(pid):
            self._note(pid, "has rights of its file's (set-user-ID) that it lacks while recorded")
        self._ready.set()

    def _watch(self, process: Process, parent: int) -> OSError | None:
        """Begin to watch a process that is stopped; return why that can't be."""
        pid, shared = process.pid, self._number_of_file if self._children else None
        try:
            fault = self._userfaultfd(pid)
            facts = {"process": pid, "program": program_of(pid), "parent": parent}
            process.memory = Memory(self._new_memory(facts), process.tids, fault, shared)
        except ProcessLookupError:
            raise
        except OSError as error:
            self._note(pid, f"is not recorded: {_reason(error)}")
            return error
        with self._lock:
            self._watched.append(process.memory)
        return None

    def _userfaultfd(self, pid: int) -> int:
        """Return a userfaultfd of a stopped process, past what filters its system calls."""
        if number_of(pid, "Seccomp_filters") == number_of("self", "Seccomp_filters"):
            return _inject.make_userfaultfd(pid)  # those are our own, and let us do the same
        try:
            _inject.set_options(pid, self._options | _inject.SUSPEND_SECCOMP)
        except OSError:
            raise OSError(_FILTERED) from None
        try:
            return _inject.make_userfaultfd(pid)
        finally:
            _inject.set_options(pid, self._options)

    def _new_memory(self, facts: dict[str, Any]) -> int:
        with self._lock:
            if len(self.memories) >= MOST_MEMORIES:
                raise OSError(f"a recording holds no more than {MOST_MEMORIES:,} memories")
            self.memories.append(facts)
            return len(self.memories) - 1

    def _number_of_file(self, one: Area) -> int:
        file = one.file[:2]
        if file not in self._files:
            self._files[file] = self._new_memory({"shared": one.name})
        return self._files[file]

    def _leave(self, tid: int) -> None:
        """Harvest a process before its memory disappears with its last thread."""
        process = self._threads[tid]
        if process.tids == {tid}:
            if process.memory and has_userfaultfd(tid):
                process.memory.busy = True
            self._drop(process, last_harvest=self._children)
        process.tids.discard(tid)

    def _drop(self, process: Process, last_harvest: bool = False) -> None:
        memory, process.memory = process.memory, None
        if memory is None:
            return
        parts: list[Pages] = []
        if last_harvest or memory.busy:
            self._add_pages(memory, parts)
        with self._lock:
            self._late += parts
        if memory.leave(process.tids):
            self._remove(memory)

    def _forget(self, tid: int, status: int) -> None:
        process = self._threads.pop(tid, None)
        if tid == self._root:
            self.status = os.waitstatus_to_exitcode(status)
        if process is None:
            return
        if tid == process.pid:
            self._drop(process)
            del self._processes[tid]
        process.tids.discard(tid)


def _reason(error: OSError) -> str:
    return _scan.REASONS.get(error.errno or 0) or error.strerror or str(error)
