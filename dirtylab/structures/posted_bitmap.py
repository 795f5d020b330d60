"""The bitmap as posted in 2016, "crude" by its author's word: it asks each bit in turn.

Frame ``f`` is bit ``f % 8`` of byte ``f // 8``.  A slot of 24 pages with frames 1, 10 and 11 dirty
(bit 0 is written left)::

    .1...... ..11.... ........

Invariant: no bit is set beyond the last page.

What is wrong with it, kept here on purpose: the allocation rounds bits down to bytes, so that a
size which is no multiple of 8 writes past the end (defect 3).  Such sizes are refused unless
``as_posted=True``, and even then no memory is harmed: the byte past the end exists and is watched.

Cost: insert 1 byte or; collect every bit of the slot; clear fills with zeros.

Source: Radim Krčmář's mail to the KVM list of 4 May 2016 (the algorithm; the code is new).
"""

from typing import Any, NamedTuple, Never

import numpy as np

from dirtylab import _check
from dirtylab._check import Bytes, Frames
from dirtylab._jit import inlined, kernel
from dirtylab._words import ONE, ZERO
from dirtylab.structures.base import Operations, Structure, require
from dirtylab.structures.driven import driven

_SHIFT = np.uint64(3)
_LAST_SLOT = np.uint64(7)
_NO_SLOT = np.uint64(8)


@kernel
def insert_into_bitmap(bitmap: Bytes, frames: Frames) -> None:
    """Set the bit of each frame, not atomically, as posted."""
    for frame in frames:
        bitmap[frame >> _SHIFT] |= np.uint8(ONE << (frame & _LAST_SLOT))


@inlined
def next_set_bit(bitmap: Bytes, pages: np.uint64, bit: np.uint64) -> np.uint64:
    """Return the first set bit at `bit` or later, or `pages` and above: bit by bit, as posted."""
    while bit < pages:
        slot = bit & _LAST_SLOT
        while slot < _NO_SLOT:
            if bitmap[bit >> _SHIFT] & (ONE << slot):
                return bit  # leaving by a break and a second test of slot costs 2.3 times
            bit += ONE
            slot += ONE
    return bit


@kernel
def scan_bitmap(bitmap: Bytes, pages: np.uint64, out: Frames) -> int:
    """Write the dirty frames to `out`, as far as there is room, and return how many."""
    count = 0
    bit = next_set_bit(bitmap, pages, ZERO)
    while bit < pages and count < out.size:
        out[count] = bit
        count += 1
        bit = next_set_bit(bitmap, pages, bit + ONE)
    return count


@kernel
def harvest_bitmap(bitmap: Bytes, pages: np.uint64, out: Frames) -> int:
    """Scan, then fill with zeros."""
    count = scan_bitmap(bitmap, pages, out)
    bitmap[:] = 0
    return count


@kernel
def count_bits(bitmap: Bytes) -> int:
    """Return the number of set bits."""
    count = 0
    for byte in bitmap:
        while byte:
            byte &= np.uint8(byte - np.uint8(1))
            count += 1
    return count


def refuse_size(pages: int, reason: str, allowed: str) -> Never:
    """Refuse a size at which the posted code is undefined."""
    raise ValueError(
        f"pages={pages}: the posted {reason} here; must be {allowed}, "
        "or pass as_posted=True to study the defect"
    )


class PostedBits(Structure):
    """What the posted tree and bitmap share: bits in whole bytes, allocated one byte short.

    Parameters
    ----------
    pages : int
        Size of the slot.
    inner_bits : int
        Bits that stand before the bitmap.
    """

    sorted_output = True
    unique_output = True
    posted = True

    def __init__(self, pages: int, inner_bits: int) -> None:
        super().__init__(pages)
        bits = self._pages + inner_bits
        _check.memory("pages", self._pages, bits // 8)
        self._posted_nbytes = bits // 8  # defect 3: rounds down ...
        self._packed = np.zeros(-(-bits // 8), np.uint8)  # ... we own the byte that it lacks
        self._inner_bytes = inner_bits // 8

    @property
    def nbytes(self) -> int:
        """Bytes that the posted program allocated."""
        return self._posted_nbytes

    @property
    def written_past_the_end(self) -> int:
        """Bytes beyond the posted allocation that have been written (defect 3)."""
        return int(np.count_nonzero(self._packed[self._posted_nbytes :]))

    @property
    def _bottom(self) -> Bytes:
        """The bitmap, a view: never kept, lest a copy's view be of other memory."""
        return self._packed[self._inner_bytes :]

    def bitmap_view(self) -> Bytes:
        """Return the legacy bitmap, a view without a copy: bit ``f % 8`` of byte ``f // 8``."""
        self._settle()
        return self._bottom

    def clear(self) -> None:
        self._packed[:] = 0
        self._taken = None

    def __len__(self) -> int:
        self._settle()
        return count_bits(self._bottom)

    def check(self) -> None:
        self._settle()
        bottom = self._bottom
        spare = 8 * bottom.size - self._pages
        ghosts = bottom[-1:] >> np.uint8(8 - spare) if spare else bottom[:0]
        require(not ghosts.any(), "no bit is set beyond the last page")

    def _arrays(self) -> tuple[Bytes, ...]:
        return (self._packed,)

    def _put_back(self, taken: Any) -> None:
        if not self._packed.any():  # else the kernel that takes them has not run
            self._insert(self._still_frames(taken))

    def _contains(self, frame: int) -> bool:
        return bool(self._bottom[frame // 8] >> (frame % 8) & 1)


class CrudeBitmap(NamedTuple):
    """The posted bitmap's state."""

    bitmap: Bytes
    pages: np.uint64


@kernel
def insert(state: CrudeBitmap, frames: Frames) -> None:
    """Mark the frames, which are all below the slot's size."""
    insert_into_bitmap(state.bitmap, frames)


@kernel
def collect(state: CrudeBitmap, out: Frames) -> int:
    """Write the dirty frames to `out` as far as there is room; return how many."""
    return scan_bitmap(state.bitmap, state.pages, out)


@kernel
def harvest(state: CrudeBitmap, out: Frames) -> int:
    """Collect and forget."""
    return harvest_bitmap(state.bitmap, state.pages, out)


@kernel
def clear(state: CrudeBitmap) -> None:
    """Fill with zeros."""
    state.bitmap[:] = 0


@driven(CrudeBitmap, insert=insert, collect=collect, harvest=harvest, clear=clear)
class PostedBitmap(PostedBits):
    """The posted bitmap with its bit-by-bit scan; pass ``as_posted=True`` for any size.

    Parameters
    ----------
    pages : int
        Size of the slot.  A size that is no multiple of 8 is refused, for the posted allocation
        is a byte short there.
    as_posted : bool, optional
        Allow it all the same; :attr:`written_past_the_end` tells what it would have done.

    Notes
    -----
    Cost: insert O(1) a frame, collect O(pages) whatever is dirty, clear O(pages), memory
    1 bit a page.
    """

    name = "posted-bitmap"

    def __init__(self, pages: int, *, as_posted: bool = False) -> None:
        number = _check.pages(pages)
        if number % 8 and not as_posted:
            refuse_size(number, "bitmap writes past its end", "a multiple of 8")
        super().__init__(number, inner_bits=0)

    def operations(self) -> Operations:
        return Operations(words=self._pages, nodes=0, bytes=self._bottom.size)

    def _driven_state(self, dirty: int) -> CrudeBitmap:
        self._settle()
        return CrudeBitmap(self._bottom, np.uint64(self._pages))

    def _insert(self, frames: Frames) -> None:
        insert_into_bitmap(self._bottom, frames)

    def _output_size(self) -> int:
        return len(self)

    def _collect(self, out: Frames) -> int:
        return scan_bitmap(self._bottom, np.uint64(self._pages), out)

    def _take(self, out: Frames) -> int:
        self._taken = out
        return harvest_bitmap(self._bottom, np.uint64(self._pages), out)
