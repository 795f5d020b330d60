"""The pages that this process writes.

:class:`Pagemap` has the interface of every structure: an insert writes to pages of this process,
and a collect asks the kernel which were written.

:func:`take_part` lets another process follow all memory of this one.

Source: Linux's Documentation/admin-guide/mm/pagemap.rst.
"""

import contextlib
import os
import weakref
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from dirtylab import _check
from dirtylab._check import Frames
from dirtylab._jit import kernel
from dirtylab._words import WORD_BITS
from dirtylab.live import _scan
from dirtylab.live._areas import areas_of, is_device
from dirtylab.live._system import PAGE_BYTES, Descriptor, Mapping, Unavailable, ioctl
from dirtylab.live.tracker import Tracker
from dirtylab.structures.base import Operations, require
from dirtylab.structures.bitmap import mark, scan
from dirtylab.structures.bits import count_set, wants_vector, words_for

missing = _scan.missing
_SHIFT = np.uint64(12)
_parts: list[Descriptor] = []


@kernel
def touch(memory: npt.NDArray[np.uint8], frames: Frames) -> None:
    """Add one to the first byte of each frame."""
    for frame in frames:
        memory[frame << _SHIFT] += np.uint8(1)


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
    def scanner(self) -> _scan.Scanner:
        """What asks the kernel."""
        return self._scanner

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
        """Forget all, and return the memory to the system."""
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
        mark(self._seen, _scan.pages_of(regions[_scan.held(regions)]) - self.first_page)

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
                _scan.register(fault.fd, area.start, area.end)
    _parts.append(fault)  # for those who never end it, and drop what is returned
    return fault.close
