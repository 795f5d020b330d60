"""The pages that another process writes, epoch by epoch.

:class:`Watcher` follows all memory of a process that takes part
(:func:`~dirtylab.live.pagemap.take_part`), or that :mod:`dirtylab.live.record` has started.

Source: Linux's Documentation/admin-guide/mm/pagemap.rst.
"""

import errno
import os
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from dirtylab.live import _scan
from dirtylab.live._areas import (
    Area,
    File,
    Span,
    areas_of,
    inside,
    is_device,
    outside,
    overlapping,
    without,
)
from dirtylab.live._scan import FILE, HUGE, REGISTERED
from dirtylab.live._system import PAGE_BYTES, Descriptor, translated
from dirtylab.live._unshared import Unshared, require_process

LEFT_OUT = (
    "pages that were unmapped or given back (munmap, madvise) before their epoch ended; memory of "
    "character devices; writes of devices into pinned pages"
)
"""What a watcher can't see."""

_MOST_MARKED = 2**34
"""Bytes of shared memory whose untouched pages are protected; 16 GiB take 32 MiB of page tables,
0.1 s once and, for 25 ms, each harvest."""


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
    Every page that the kernel reports as written counts, even if it is read-only by now: private
    and shared memory, files, huge pages (as many pages as they have), swapped pages.  Of memory
    mapped since the last harvest, moved, or merged by the kernel with moved memory, every present
    page counts.

    What it can't see:

    - pages that are unmapped, or discarded by ``madvise``, before the harvest; pages of shared
      memory that stays mapped are seen, if it was mapped at the last harvest,
    - what devices write into pages that are pinned, and memory of character devices,
    - whether a page of shared memory was written or only read, where it was read before the
      mapping was first seen, is a huge one of hugetlbfs, or lies in what goes beyond 16 GiB.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.excluded: set[int] = set()
        """Addresses of pages to leave out."""
        self._maker = os.getpid()
        with translated(_scan.WHAT, _scan.REASONS):
            self._file = Descriptor(os.open(f"/proc/{pid}/pagemap", os.O_RDONLY | os.O_CLOEXEC))
            self._scanner = _scan.Scanner(self._file.fd)
        self._areas: list[Area] = []
        self._fresh: list[Area] = []
        self._marked: dict[File, list[Span]] = {}
        """Spans of shared memory all of whose pages were protected, there or not."""
        self._large: dict[File, list[Span]] = {}
        """Those where only what was there was protected."""
        self._asked = False
        """Whether what is registered is known: :meth:`unwatched` is called before each harvest."""
        self._found: list[npt.NDArray[np.uint64]] = []
        """Pages of the present epoch."""

    def unwatched(self) -> list[Area]:
        """Return what is mapped and not registered, to be registered before the next harvest.

        By the process itself, or by whoever holds a userfaultfd of its memory, each with
        :func:`dirtylab.live._scan.register`: all that is there then counts as written.
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
        self._asked = True
        return found

    def harvest(self) -> npt.NDArray[np.uint64]:
        """Return the numbers of the virtual pages written since the last harvest, ascending.

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
        """Add newly mapped shared memory: every present page counts."""
        for known in (self._marked, self._large):
            for file, spans in known.items():
                known[file] = without(spans, area.start, area.end)
        if area.shared:
            marked = sum(end - start for spans in self._marked.values() for start, end in spans)
            small = marked + area.end - area.start <= _MOST_MARKED
            if small:
                self._scan(area.start, area.end, _scan.EVERYTHING, self._keep)
            known = self._marked if small else self._large
            known.setdefault(area.file, []).append((area.start, area.end))

    def _ask_for_evicted(self) -> None:
        """Scan for shared pages that were written and evicted since; add what has grown.

        Private pages stay, or are swapped; a shared one may leave, its contents in the file.
        """
        marked: dict[File, list[Span]] = {}
        large: dict[File, list[Span]] = {}
        grown = []
        for area in self._areas if self._asked else []:
            if area.shared:
                marked.setdefault(area.file, []).extend(here := inside(self._marked, area))
                large.setdefault(area.file, []).extend(there := inside(self._large, area))
                for start, end in here:
                    self._scan(start, end, _scan.GONE, self._keep)
                grown += outside(area, here + there)
        self._marked, self._large = marked, large
        for area in grown:
            self._adopt(area)

    def _keep(self, regions: npt.NDArray[np.uint64]) -> None:
        kinds = regions[:, 2]
        gone = (kinds & np.uint64(REGISTERED | HUGE)) == REGISTERED  # of huge ones none is marked
        there = _scan.held(regions)
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
