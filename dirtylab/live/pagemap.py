"""The pages that a process writes: its own memory, or another process epoch by epoch.

:class:`Pagemap` keeps the contract of every structure: an insert really writes to pages of this
process, and a collect asks the kernel which were written.

:class:`Watcher` follows all writeable memory of a process that takes part (:func:`take_part`), or
that :mod:`dirtylab.live.record` has started.

Source: Linux's Documentation/admin-guide/mm/pagemap.rst.
"""

import contextlib
import errno
import os
import re
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from dirtylab import _check
from dirtylab._jit import kernel
from dirtylab._words import WORD_BITS
from dirtylab.live import _scan
from dirtylab.live._system import PAGE_BYTES, Descriptor, Mapping, Unavailable, ioctl, translated
from dirtylab.structures.base import Frames, Operations, Structure, require
from dirtylab.structures.bitmap import mark, scan
from dirtylab.structures.bits import count_set, wants_vector, words_for

missing = _scan.missing
_SHIFT = np.uint64(12)
_DEVICES = re.compile(r"/dev/(?!zero|shm/)|\[v")
"""Mappings that are no memory; /dev/zero is shared anonymous memory, /dev/shm/ files in memory."""


@kernel
def touch(memory: npt.NDArray[np.uint8], frames: Frames) -> None:
    """Add one to the first byte of each frame."""
    for frame in frames:
        memory[frame << _SHIFT] += np.uint8(1)


class Pagemap(Structure):
    """Memory of this process whose writes the kernel tracks.

    Parameters
    ----------
    pages : int
        Size of the memory in 4 KiB pages, 0 … 2^26; resident where it is written.

    Raises
    ------
    Unavailable
        One line says what this machine lacks.

    Notes
    -----
    Holds a descriptor or two and memory until :meth:`close`, or the end of a ``with``.
    """

    name = "pagemap"
    sorted_output = True
    unique_output = True

    def __init__(self, pages: int) -> None:
        super().__init__(pages)
        count = max(_check.integer("pages", pages, 0, 2**26), 1)
        self._seen = np.zeros(words_for(count), np.uint64)
        self._vector = wants_vector("auto")
        resources = contextlib.ExitStack()
        self._release = weakref.finalize(self, resources.close)
        try:
            self._open(resources, count)
        except OSError as error:
            self.close()
            if isinstance(error, Unavailable):
                raise
            raise _scan.refuse(error) from None

    def _open(self, keep: contextlib.ExitStack, count: int) -> None:
        fault = Descriptor(_scan.open_userfaultfd())
        keep.enter_context(contextlib.closing(fault))
        memory = keep.enter_context(contextlib.closing(Mapping(count * PAGE_BYTES)))
        self._mapping = memory
        self._start, self._end = memory.address, memory.address + memory.size
        ioctl(fault.fd, _scan.REGISTER, _scan.register_request(self._start, self._end))
        pagemap = Descriptor(os.open("/proc/self/pagemap", os.O_RDONLY | os.O_CLOEXEC))
        keep.enter_context(contextlib.closing(pagemap))
        self._scanner = _scan.Scanner(pagemap.fd)
        self._memory = memory.array()
        self._scanner.written(self._start, self._end)  # else what was never touched counts

    @property
    def nbytes(self) -> int:
        """Bytes of the tracking in user space; neither the memory nor the kernel's page tables."""
        return self._seen.nbytes

    @property
    def first_page(self) -> np.uint64:
        """Number of the virtual page that frame 0 is."""
        return np.uint64(self._start // PAGE_BYTES)

    def scan_regions(self) -> npt.NDArray[np.uint64]:
        """Ask the kernel once; return ranges of addresses (first, behind, categories).

        For those who measure the call; what it returns is no longer part of the next collect.
        """
        self._require_open()
        return self._scanner.written(self._start, self._end)

    def clear(self) -> None:
        self.scan_regions()
        self._seen[:] = 0

    def discard(self) -> None:
        """Forget all, and give the memory back to the system."""
        self._require_open()
        self._mapping.discard()
        self.clear()

    def close(self) -> None:
        """Release descriptors and memory; a second call does nothing."""
        self._release()

    def check(self) -> None:
        self._sync()
        require(all(f < self._pages for f in self.collect()[-1:]), "no frame lies beyond the slot")

    def operations(self) -> Operations:
        return Operations(words=self._pages, nodes=0, bytes=8 * self._pages)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __len__(self) -> int:
        self._sync()
        return count_set(self._seen)

    def __repr__(self) -> str:
        return super().__repr__() if self._release.alive else f"<{self.name}: closed>"

    def _require_open(self) -> None:
        if not self._release.alive:
            raise ValueError(f"{self.name}: is closed")

    def _sync(self) -> None:
        regions = self.scan_regions()
        regions[:, :2] -= np.uint64(self._start)
        mark(self._seen, _scan.pages_of(regions))

    def _insert(self, frames: Frames) -> None:
        self._require_open()
        touch(self._memory, frames)

    def _output_size(self) -> int:
        return len(self)

    def _collect(self, out: Frames) -> int:
        return scan(self._seen, out.size, out, False, self._vector) if out.size else 0

    def _contains(self, frame: int) -> bool:
        self._sync()
        return bool(int(self._seen[frame // WORD_BITS]) >> (frame % WORD_BITS) & 1)


class Area(NamedTuple):
    """A writeable mapping of a process."""

    start: int
    end: int
    shared: bool
    name: str


def areas_of(pid: int | str) -> list[Area]:
    """Return the writeable mappings of a process, in order, those of devices left out."""
    found = []
    with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as lines:
        for line in lines:
            span, rights, _, _, _, *name = line.split(maxsplit=5)
            start, end = (int(part, 16) for part in span.split("-"))
            label = name[0].strip() if name else ""
            if rights[1] == "w" and not _DEVICES.match(label):
                found.append(Area(start, end, rights[3] == "s", label))
    return found


def take_part() -> Callable[[], None]:
    """Let another process watch the writes of this one; return a function that ends it.

    To be called in the process that is to be watched, again when it has mapped more memory; what
    is mapped later is not seen.  A process that has forked must call it anew.

    Raises
    ------
    Unavailable
        One line says what this machine lacks.
    """
    fault = _scan.open_userfaultfd()
    for area in areas_of("self"):
        with contextlib.suppress(OSError):  # some memory of devices can't
            ioctl(fault, _scan.REGISTER, _scan.register_request(area.start, area.end))
    return Descriptor(fault).close


class Watcher:
    """Follows the pages that a process writes, epoch by epoch.

    Parameters
    ----------
    pid : int
        A process whose memory is registered, by itself (:func:`take_part`) or from outside.

    Raises
    ------
    Unavailable
        One line says what this machine lacks, or that the process may not be watched.

    Notes
    -----
    Which pages of a mapping were written before it was first seen can't be told from those that
    were only read where it is a shared file; they all count then.  Private memory has no such
    doubt.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.excluded: set[int] = set()
        """Starts of areas that are none of the process's own."""
        with translated(_scan.WHAT, _scan.REASONS):
            self._file = Descriptor(os.open(f"/proc/{pid}/pagemap", os.O_RDONLY | os.O_CLOEXEC))
        self._scanner = _scan.Scanner(self._file.fd)

    def harvest(self) -> npt.NDArray[np.uint64]:
        """Return the numbers of the virtual pages written since last asked, ascending.

        Raises
        ------
        ProcessLookupError
            The process has gone.
        """
        found = [self._of(area) for area in areas_of(self.pid) if area.start not in self.excluded]
        if not found:
            raise ProcessLookupError(errno.ESRCH, f"process {self.pid} has gone")
        return np.sort(np.concatenate(found))

    def close(self) -> None:
        """Release the descriptor; a second call does nothing."""
        self._file.close()

    def _of(self, area: Area) -> npt.NDArray[np.uint64]:
        try:
            regions = self._scanner.written(area.start, area.end)
        except OSError as error:
            if error.errno in (errno.EPERM, errno.ENOMEM, errno.EFAULT):  # not registered, or gone
                return np.empty(0, np.uint64)
            if error.errno == errno.ESRCH:
                raise ProcessLookupError(errno.ESRCH, f"process {self.pid} has gone") from None
            raise
        kinds = regions[:, 2]
        held = (kinds & np.uint64(_scan.PRESENT | _scan.SWAPPED)) > 0
        held &= (kinds & np.uint64(_scan.ZERO_PAGE)) == 0
        if not area.shared:  # a page of a file in private memory has been read, not written
            held &= (kinds & np.uint64(_scan.FILE)) == 0
        return _scan.pages_of(regions[held])
