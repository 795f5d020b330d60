"""The list as an engineer would write it: append-only, with a capacity, and no overflow.

A slot of 24 pages after inserting 10, 1, 11 and 10 again, with a capacity of 6::

    entries   10  1 11 10  .  .          output "arrival":  10  1 11 10
                          ^ count = 4    output "sorted":    1 10 11

When an insert would not fit, the list first drops its repeats; a list whose capacity is the number
of pages therefore never overflows.

Invariants: the first ``count`` entries are frames; ``distinct`` of them differ, or -1 says that
nobody has counted since.

==========  =====================================================================================
insert      one append a frame; where the list is full, a sort and one pass more
collect     "arrival": a copy; "sorted": a radix sort of only the bits that can differ, 8 at a time,
            repeats dropped in the last pass
clear       forget the count
==========  =====================================================================================

Sources: the posted list of 2016; least-significant-digit radix sort, as in Knuth, volume 3.
"""

from typing import ClassVar

import numpy as np

from dirtylab import _check
from dirtylab._jit import kernel
from dirtylab.structures.base import Frames, Operations, Structure, require
from dirtylab.structures.posted_list import copy_list

OUTPUTS = ("sorted", "arrival")
DIGIT_BITS = 11
"""Bits a pass sorts by: 2048 counters fit the L1 cache, and 10 million pages take three passes,
where 8 bits take as many and 16 bits, two, miss it."""
FEW = 64
"""Entries up to which insertion takes less time than clearing the counters."""

_UNCOUNTED = -1


@kernel
def sort_few(entries: Frames) -> None:
    """Sort in place by insertion."""
    for end in range(1, entries.size):
        frame, place = entries[end], end
        while place > 0 and entries[place - 1] > frame:
            entries[place] = entries[place - 1]
            place -= 1
        entries[place] = frame


@kernel
def sort_by_digit(source: Frames, target: Frames, shift: np.uint64) -> None:
    """Distribute `source` into `target` by `DIGIT_BITS` bits from `shift` on, keeping order."""
    digit = np.uint64((1 << DIGIT_BITS) - 1)
    starts = np.zeros((1 << DIGIT_BITS) + 1, np.int64)
    for frame in source:
        starts[np.int64((frame >> shift) & digit) + 1] += 1
    for value in range(1 << DIGIT_BITS):
        starts[value + 1] += starts[value]
    for frame in source:
        place = np.int64((frame >> shift) & digit)
        target[starts[place]] = frame
        starts[place] += 1


@kernel
def sort_entries(entries: Frames, spare: Frames, bits: int) -> Frames:
    """Sort frames of at most `bits` bits; return whichever of the two arrays holds the result."""
    if entries.size <= FEW:
        sort_few(entries)
        return entries
    source, target = entries, spare
    for shift in range(0, bits, DIGIT_BITS):
        sort_by_digit(source, target, np.uint64(shift))
        source, target = target, source
    return source


@kernel
def drop_repeats(ordered: Frames, out: Frames) -> int:
    """Copy a sorted array without repeats to `out`, which may be the same; return how many."""
    if ordered.size == 0:
        return 0
    out[0] = ordered[0]
    count = 1
    for place in range(1, ordered.size):
        frame = ordered[place]
        out[count] = frame  # overwritten by the next unless it is new: no branch to mispredict
        count += frame != out[count - 1]
    return count


class PageList(Structure):
    """An append-only list of dirty frames.

    Parameters
    ----------
    pages : int
        Size of the slot, 0 … 2^52.
    capacity : int, optional
        Number of entries there is room for; `pages` when omitted.
    output : {"sorted", "arrival"}, optional
        Whether a collect returns the distinct frames in ascending order, the same job as a
        bitmap's or tree's, or the entries as they came, repeats included.

    Raises
    ------
    ValueError, TypeError
        An argument is out of range or of the wrong kind.
    MemoryError
        The entries would not fit in this machine's memory.

    Notes
    -----
    Cost: insert O(1) a frame; collect O(entries); clear O(1); ``in`` O(entries); ``len`` O(entries)
    after an insert, then O(1); memory 8 bytes an entry of capacity, and as much again for a while
    whenever the list is sorted.  An insert of which even the distinct frames do not fit raises
    OverflowError and marks nothing.
    """

    name = "list"
    sorted_output: ClassVar[bool] = True
    unique_output: ClassVar[bool] = True

    def __init__(self, pages: int, *, capacity: int | None = None, output: str = "sorted") -> None:
        super().__init__(pages)
        room = self._pages if capacity is None else _check.integer("capacity", capacity, 0, 2**56)
        _check.memory("pages" if capacity is None else "capacity", room, 8 * room)
        self._in_order = _check.choice("output", output, OUTPUTS) == "sorted"
        self.sorted_output = self.unique_output = self._in_order  # type: ignore[misc]
        self._bits = max(self._pages - 1, 1).bit_length()
        self._entries = np.empty(room, np.uint64)
        self._count = 0
        self._distinct = 0

    @property
    def nbytes(self) -> int:
        return self._entries.nbytes

    @property
    def entries(self) -> int:
        """Number of entries in use."""
        return self._count

    def clear(self) -> None:
        self._count = self._distinct = 0

    def __len__(self) -> int:
        if self._distinct == _UNCOUNTED:
            self._settle()
        return self._distinct

    def check(self) -> None:
        used = self._entries[: self._count]
        require(0 <= self._count <= self._entries.size, "no more entries than capacity")
        require(bool((used < np.uint64(self._pages)).all()), "every entry is a frame")
        counted = np.unique(used).size
        require(self._distinct in (_UNCOUNTED, counted), "the number of distinct frames is kept")

    def operations(self) -> Operations:
        passes = 1 if not self._in_order else 1 + -(-self._bits // DIGIT_BITS)
        return Operations(words=passes * self._count, nodes=0, bytes=8 * self._count)

    def _insert(self, frames: Frames) -> None:
        if self._count + frames.size > self._entries.size:
            frames = self._make_room(frames)
        copy_list(frames, frames.size, self._entries[self._count :])
        self._count += frames.size
        if frames.size:
            self._distinct = _UNCOUNTED

    def _make_room(self, frames: Frames) -> Frames:
        """Drop repeats until `frames` fit; return those of them that are new."""
        known = self._ordered()
        fresh = np.setdiff1d(frames, known)
        if known.size + fresh.size > self._entries.size:
            raise OverflowError(
                f"frames: {fresh.size} new ones, room for {self._entries.size - known.size} of "
                f"capacity {self._entries.size}; nothing was marked"
            )
        self._entries[: known.size] = known
        self._count = known.size
        return fresh

    def _ordered(self) -> Frames:
        """Return the distinct frames in ascending order, in memory of their own."""
        copied = self._entries[: self._count].copy()
        ordered = sort_entries(copied, np.empty_like(copied), self._bits)
        return ordered[: drop_repeats(ordered, ordered)]

    def _settle(self) -> None:
        """Count the distinct frames; where order of arrival does not matter, keep only those."""
        ordered = self._ordered()
        self._distinct = ordered.size
        if self._in_order:
            self._entries[: ordered.size] = ordered
            self._count = ordered.size

    def _output_size(self) -> int:
        return len(self) if self._in_order else self._count

    def _collect(self, out: Frames) -> int:
        return copy_list(self._entries, self._count, out)

    def _contains(self, frame: int) -> bool:
        return bool((self._entries[: self._count] == np.uint64(frame)).any())
