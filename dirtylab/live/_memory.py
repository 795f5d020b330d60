"""The memory of one foreign process, watched from outside."""

import errno
import os
import threading
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from dirtylab.live import _scan
from dirtylab.live._areas import Area, areas_of
from dirtylab.live._system import PAGE_BYTES, Descriptor
from dirtylab.live.numbering import keys_of
from dirtylab.live.watcher import Watcher

_BETWEEN_LOOKS = 0.25
Pages = npt.NDArray[np.uint64]


class Memory:
    """A process's memory, until its next exec.

    Parameters
    ----------
    number : int
        That no other memory of the recording has.
    tids : set of int
        Threads of the process that are alive; may change.
    fault : int
        A userfaultfd of the memory; closed here.
    shared : callable, optional
        Returns the number of a memory for a file that processes share; when omitted, its pages are
        those of the process.

    Raises
    ------
    OSError
        The memory can't be watched; the descriptor is closed.
    """

    def __init__(
        self, number: int, tids: set[int], fault: int, shared: Callable[[Area], int] | None
    ) -> None:
        self._number, self._shared = number, shared
        self._users = [tids]
        self._fault = Descriptor(fault)
        self._lock = threading.Lock()
        self._looked = 0.0
        self.busy = self.told = False
        """Whether the process has a userfaultfd of its own, and whether that has been reported."""
        try:
            self._watcher = Watcher(self._tid())
        except BaseException:
            self._fault.close()
            raise
        try:
            self.harvest()  # what exec wrote, or what was there before a fork
        except BaseException:
            self.close()
            raise

    def add(self, tids: set[int]) -> None:
        """Add a process that uses this memory too."""
        self._users.append(tids)

    def leave(self, tids: set[int]) -> bool:
        """Remove a process that no longer uses this memory; return whether none is left."""
        self._users = [one for one in self._users if one is not tids]
        return not self._users

    def harvest(self) -> Pages:
        """Return the keys of the pages written since the last harvest, ascending.

        Raises
        ------
        ProcessLookupError
            The memory has gone.
        OSError
            It can't be watched any longer.
        """
        with self._lock:
            if self._fault.fd < 0:
                raise ProcessLookupError(errno.ESRCH, "the memory has been left")
            tid = self._watcher.pid = self._tid()
            try:
                self._register()
                self._look(tid)
                objects = [area for area in areas_of(tid) if area.shared] if self._shared else []
                return self._keys(self._watcher.harvest(), objects)
            except FileNotFoundError:
                raise ProcessLookupError(errno.ESRCH, f"thread {tid} has gone") from None

    def close(self) -> None:
        """Release the descriptors; the kernel then forgets what was registered."""
        with self._lock:
            self._watcher.close()
            self._fault.close()

    @property
    def pid(self) -> int:
        """A thread of the process, where it was last alive."""
        return self._watcher.pid

    def _tid(self) -> int:
        found = [tid for tids in self._users for tid in tids.copy()]
        if not found:
            raise ProcessLookupError(errno.ESRCH, "the process has gone")
        return min(found)

    def _register(self) -> None:
        """Register what is mapped and not registered."""
        for area in self._watcher.unwatched():
            try:
                _scan.register(self._fault.fd, area.start, area.end)
            except OSError as error:  # what can't be written, or is unmapped just now
                self.busy |= error.errno == errno.EBUSY

    def _look(self, tid: int) -> None:
        """Check, not too often, whether the process has a userfaultfd of its own."""
        if not self.busy and time.monotonic() - self._looked > _BETWEEN_LOOKS:
            self._looked = time.monotonic()
            self.busy = has_userfaultfd(tid)

    def _keys(self, pages: Pages, objects: list[Area]) -> Pages:
        keys = keys_of(self._number, pages)
        for one in objects:
            first, behind = np.uint64(one.start // PAGE_BYTES), np.uint64(one.end // PAGE_BYTES)
            low, high = np.searchsorted(pages, [first, behind])
            if low < high and self._shared:
                own = pages[low:high] - np.uint64(one.file[2] // PAGE_BYTES)
                keys[low:high] = keys_of(self._shared(one), own)
        return np.unique(keys)


def has_userfaultfd(pid: int) -> bool:
    """Return whether a process holds a userfaultfd; no, where its descriptors can't be read."""
    folder = f"/proc/{pid}/fd"
    try:
        return any("[userfaultfd]" in _target(f"{folder}/{fd}") for fd in os.listdir(folder))
    except OSError:
        return False


def _target(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:  # closed just now
        return ""
