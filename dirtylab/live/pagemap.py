"""The pages that a process writes: its own memory, or another process epoch by epoch.

:class:`Pagemap` keeps the contract of every structure: an insert really writes to pages of this
process, and a collect asks the kernel which were written.

:class:`Watcher` follows all memory of a process that takes part (:func:`take_part`), or that
:mod:`dirtylab.live.record` has started.

Source: Linux's Documentation/admin-guide/mm/pagemap.rst.
"""

import contextlib
import errno
import os
import weakref
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from dirtylab import _check
from dirtylab._jit import kernel
from dirtylab._words import WORD_BITS
from dirtylab.live import _scan
from dirtylab.live._areas import Area, File, Span, areas_of, is_device, overlapping, without
from dirtylab.live._scan import FILE, GUARD, HUGE, PRESENT, REGISTERED, SWAPPED, WRITTEN, ZERO_PAGE
from dirtylab.live._system import PAGE_BYTES, Descriptor, Mapping, Unavailable, ioctl, translated
from dirtylab.live._unshared import Unshared, require_process
from dirtylab.live.tracker import Tracker
from dirtylab.structures.base import Frames, Operations, require
from dirtylab.structures.bitmap import mark, scan
from dirtylab.structures.bits import count_set, wants_vector, words_for

missing = _scan.missing
LEFT_OUT = (
    "pages that were unmapped or given back (munmap, madvise) before their epoch ended; memory of "
    "character devices; writes of devices into pinned pages"
)
"""What a watcher can't tell."""

_SHIFT = np.uint64(12)
_MOST_MARKED = 2**34
"""Bytes of shared memory whose untouched pages are protected; 16 GiB take 32 MiB of page tables,
0.1 s once and, for 25 ms, each harvest."""


@kernel
def touch(memory: npt.NDArray[np.uint8], frames: Frames) -> None:
    """Add one to the first byte of each frame."""
    for frame in frames:
        memory[frame << _SHIFT] += np.uint8(1)


def held(regions: _scan.Regions) -> npt.NDArray[np.bool_]:
    """Return which ranges are there, as pages that have been written and not as empty ones."""
    kinds = regions[:, 2]
    found = (kinds & np.uint64(PRESENT)) > 0
    swapped = np.uint64(SWAPPED | WRITTEN)  # a page that is swapped and not written may be a mark
    found |= (kinds & swapped) == swapped
    return found & ((kinds & np.uint64(ZERO_PAGE | GUARD)) == 0)


class Pagemap(Tracker):
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

    def __init__(self, pages: int) -> None:
        super().__init__(pages)
        count = max(_check.integer("pages", pages, 0, 2**26), 1)
        self._seen = np.zeros(words_for(count), np.uint64)
        self._vector = wants_vector("auto")
        self._resources = contextlib.ExitStack()
        self._release = weakref.finalize(self, self._resources.close)
        try:
            self._open(self._resources, count)
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
        self._ask(lambda _: None)  # else what was never touched counts

    @property
    def nbytes(self) -> int:
        """Bytes of the tracking in user space; neither the memory nor the kernel's page tables."""
        return self._seen.nbytes

    @property
    def first_page(self) -> np.uint64:
        """Number of the virtual page that frame 0 is."""
        return np.uint64(self._start // PAGE_BYTES)

    @property
    def is_open(self) -> bool:
        return self._release.alive

    def scan_regions(self) -> npt.NDArray[np.uint64]:
        """Ask the kernel once; return ranges of addresses (first, behind, categories).

        For those who measure the call; what it returns is no longer part of the next collect.
        """
        self._require_open()
        found: list[npt.NDArray[np.uint64]] = []
        try:
            self._ask(lambda regions: found.append(regions.copy()))
            return np.concatenate(found)
        except BaseException:
            for regions in found:
                self._mark(regions)
            raise

    def discard(self) -> None:
        """Forget all, and give the memory back to the system."""
        self._require_open()
        self._mapping.discard()
        self.clear()

    def close(self) -> None:
        self._resources.close()
        self._release()

    def check(self) -> None:
        self._sync()
        require(all(f < self._pages for f in self.collect()[-1:]), "no frame lies beyond the slot")

    def operations(self) -> Operations:
        return Operations(words=self._pages, nodes=0, bytes=8 * self._pages)

    def __len__(self) -> int:
        self._sync()
        return count_set(self._seen)

    def _sync(self) -> None:
        self._require_open()
        self._ask(self._mark)

    def _ask(self, keep: Callable[[npt.NDArray[np.uint64]], object]) -> None:
        self._scanner.scan(self._start, self._end, _scan.OWN_WRITTEN, keep)

    def _mark(self, regions: npt.NDArray[np.uint64]) -> None:
        mark(self._seen, _scan.pages_of(regions[held(regions)]) - self.first_page)

    def _drop(self) -> None:
        self._ask(lambda _: None)

    def _forget(self) -> None:
        self._seen[:] = 0

    def _put_back(self, frames: Frames) -> None:
        mark(self._seen, frames)

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


def take_part() -> Callable[[], None]:
    """Let another process watch the writes of this one; return a function that ends it.

    To be called in the process that is to be watched, again when it has mapped or moved memory:
    what is mapped later is not seen, not even at the same addresses.  A process that has forked
    must call it anew.

    Raises
    ------
    Unavailable
        One line says what this machine lacks.
    """
    fault = Descriptor(_scan.open_userfaultfd())
    for area in areas_of("self"):
        if not is_device("self", area):
            with contextlib.suppress(OSError):  # what can't be written, or takes part already
                ioctl(fault.fd, _scan.REGISTER, _scan.register_request(area.start, area.end))
    return fault.close


class Watcher(Unshared):
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
    Whatever the kernel tells as written counts, whether it can be written still or not: private
    and shared memory, files, huge pages (512 pages or more at a time), swapped pages.  Of what has
    been mapped, or moved to other addresses, since the harvest before, all that is there counts.

    It can't tell what is unmapped, or given back by ``madvise``, before the harvest, unless it is
    shared memory that stays mapped; nor what devices write into pages that are pinned.  A page of
    shared memory that was only read counts too where it was read before it was first seen, in
    huge pages of hugetlbfs, and in mappings above 16 GiB.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.excluded: set[int] = set()
        """Addresses of pages that are none of the process's own."""
        self._maker = os.getpid()
        with translated(_scan.WHAT, _scan.REASONS):
            self._file = Descriptor(os.open(f"/proc/{pid}/pagemap", os.O_RDONLY | os.O_CLOEXEC))
            self._scanner = _scan.Scanner(self._file.fd)
        self._areas: list[Area] = []
        self._fresh: list[Area] = []
        self._marked: dict[File, list[Span]] = {}
        """Spans of shared memory all of whose pages were protected, there or not."""
        self._found: list[npt.NDArray[np.uint64]] = []
        """Pages of the present epoch."""

    def unwatched(self) -> list[Area]:
        """Return what is mapped and not registered, for the process to register before a harvest.

        What can't be written by anybody is in, and can't be registered; devices are not.

        Raises
        ------
        ProcessLookupError
            The process has gone.
        """
        self._begin()
        missing: list[npt.NDArray[np.uint64]] = []
        self._scan(*self._everywhere, _scan.UNREGISTERED, lambda r: missing.append(r[:, :2].copy()))
        spans = np.concatenate(missing)
        found = [area for area in overlapping(self._areas, spans) if not is_device(self.pid, area)]
        self._fresh += found
        return found

    def harvest(self) -> npt.NDArray[np.uint64]:
        """Return the numbers of the virtual pages written since last asked, ascending.

        After an interrupt the next harvest returns what this one would have.

        Raises
        ------
        ProcessLookupError
            The process has gone.
        """
        self._begin()
        while self._fresh:
            self._adopt(self._fresh[-1])
            self._fresh.pop()
        self._ask_for_evicted()
        self._scan(*self._everywhere, _scan.WRITTEN_PAGES, self._keep)
        pages = np.unique(np.concatenate(self._found))
        if self.excluded:
            others = np.array(sorted(self.excluded), np.uint64) // np.uint64(PAGE_BYTES)
            pages = pages[~np.isin(pages, others)]
        self._found = []  # a store and no call: nothing can interrupt before the return
        return pages

    def close(self) -> None:
        """Release the descriptor; a second call does nothing."""
        self._file.close()

    def _begin(self) -> None:
        if self._file.fd < 0:
            raise ValueError("watcher: is closed")
        require_process("watcher", self._maker)
        self._scanner.resume(self._keep)
        self._areas = areas_of(self.pid)
        if not self._areas:
            raise self._gone()

    @property
    def _everywhere(self) -> Span:
        return self._areas[0].start, self._areas[-1].end

    def _gone(self) -> ProcessLookupError:
        return ProcessLookupError(errno.ESRCH, f"process {self.pid} has gone")

    def _scan(
        self,
        start: int,
        end: int,
        query: _scan.Query,
        keep: Callable[[npt.NDArray[np.uint64]], object],
    ) -> None:
        try:
            self._scanner.scan(start, end, query, keep)
        except OSError as error:
            raise self._gone() if error.errno == errno.ESRCH else error from None

    def _adopt(self, area: Area) -> None:
        """Take over memory that is new at its place: all that is there counts."""
        for file, spans in self._marked.items():
            self._marked[file] = without(spans, area.start, area.end)
        marked = sum(end - start for spans in self._marked.values() for start, end in spans)
        if not area.shared or marked + area.end - area.start > _MOST_MARKED:
            self._scan(area.start, area.end, _scan.HELD, self._keep)
        else:
            self._scan(area.start, area.end, _scan.EVERYTHING, self._keep)
            self._marked.setdefault(area.file, []).append((area.start, area.end))

    def _ask_for_evicted(self) -> None:
        """Ask for shared pages that were written and are not mapped any more; adopt what has grown.

        Private pages stay, or are swapped; a shared one may leave, its contents in the file.
        """
        kept: dict[File, list[Span]] = {}
        grown = []
        for area in self._areas:
            spans = self._marked.get(area.file, []) if area.shared else []
            here = [
                (max(start, area.start), min(end, area.end))
                for start, end in spans
                if start < area.end and area.start < end
            ]
            rest = [(area.start, area.end)] if here else []
            for start, end in here:
                kept.setdefault(area.file, []).append((start, end))
                self._scan(start, end, _scan.GONE, self._keep)
                rest = without(rest, start, end)
            grown += [area._replace(start=start, end=end) for start, end in rest]
        self._marked = kept
        for area in grown:
            self._adopt(area)

    def _keep(self, regions: npt.NDArray[np.uint64]) -> None:
        kinds = regions[:, 2]
        gone = (kinds & np.uint64(REGISTERED | HUGE)) == REGISTERED  # of huge ones none is marked
        there = held(regions)
        file = there & ((kinds & np.uint64(FILE)) > 0)
        if file.any():
            pages = _scan.pages_of(regions[file])
            self._found.append(pages[~self._is_private(pages)])
        self._found.append(_scan.pages_of(regions[gone | there & ~file]))

    def _is_private(self, pages: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        """Return which pages lie in private memory: a file's pages there were read, not written."""
        starts = np.array([area.start for area in self._areas], np.uint64)
        private = np.array([not area.shared for area in self._areas])
        ends = np.array([area.end for area in self._areas], np.uint64)
        addresses = pages * np.uint64(PAGE_BYTES)
        place = np.maximum(np.searchsorted(starts, addresses, "right"), 1) - 1
        return private[place] & (addresses >= starts[place]) & (addresses < ends[place])
