"""The list as an engineer would write it: append-only, with a capacity, and no overflow.

A slot of 24 pages after inserting 10, 1, 11 and 10 again, with a capacity of 6::

    entries   10  1 11 10  .  .          output "arrival":  10  1 11 10
                          ^ count = 4    output "sorted":    1 10 11

When an insert would not fit, the list first drops its repeats; a list whose capacity is the number
of pages therefore never overflows.  An entry takes 4 bytes where every frame fits in 32 bits (in a
slot of up to 16 TiB), 8 beyond: with 4 the sort, most of the work, takes half as long.

Invariants: the first ``count`` entries are frames; ``distinct`` of them differ, or is -1 where the
number is stale.

==========  =====================================================================================
insert      one append a frame; where the list is full, a sort and one pass more
collect     "arrival": a copy; "sorted": NumPy's vectorised sort and one pass to drop repeats, once
            after an insert
clear       forget the count
==========  =====================================================================================

Sources: the posted list of 2016.  A radix sort of 11 bits a pass was tried: for a million random
frames it took 2.5 times as long as NumPy's sort where that uses AVX-512, for 10,000 twice.
"""

from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from dirtylab import _check
from dirtylab._jit import inlined, kernel, uncounted
from dirtylab._words import ZERO
from dirtylab.structures.base import Frames, Operations, Structure, require

OUTPUTS = ("sorted", "arrival")

COUNT, DISTINCT = 0, 1
"""Places in the list's counts: entries in use, and how many of them differ."""
STALE = -1

Entries = npt.NDArray[np.unsignedinteger[Any]]
Counts = npt.NDArray[np.int64]


class ListState(NamedTuple):
    """The list's state."""

    entries: Entries
    counts: Counts


@inlined
def in_use(state: ListState) -> int:
    """Return the number of entries in use, within the entries whatever the count says."""
    return min(max(state.counts[COUNT], 0), state.entries.size)


@kernel
def append(state: ListState, frames: Frames, pages: int) -> bool:
    """Append `frames` and count them; False, and nothing appended, where one can't be.

    That is where there is no room for all, or where one is not below `pages`: entries beyond the
    count are no entries.
    """
    count = in_use(state)
    if frames.size > state.entries.size - count:
        return False
    highest = ZERO
    for place in range(frames.size):
        highest = max(highest, frames[place])
        state.entries[count + place] = frames[place]
    if frames.size == 0:
        return True
    if highest >= np.uint64(pages):
        return False
    state.counts[DISTINCT] = STALE
    state.counts[COUNT] = count + frames.size
    return True


@kernel
def copy_entries(state: ListState, out: Entries) -> int:
    """Copy the entries as they came, as far as there is room; return how many."""
    count = min(in_use(state), out.size)
    for place in range(count):
        out[place] = state.entries[place]
    return count


@kernel
def drop_repeats(ordered: Entries, out: Entries) -> int:
    """Copy a sorted array without repeats to `out`, as far as there is room for all of it.

    `out` may be the same array.  Returns how many differ.
    """
    size = min(ordered.size, out.size)
    if size == 0:
        return 0
    out[0] = ordered[0]
    count = 1
    for place in range(1, size):
        frame = ordered[place]
        out[count] = frame  # overwritten by the next unless it is new: no branch to mispredict
        count += frame != out[count - 1]
    return count


@kernel
def keep(entries: Entries, counts: Counts, ordered: Entries) -> None:
    """Replace the entries by those of a sorted array, without repeats."""
    counts[COUNT] = counts[DISTINCT] = drop_repeats(ordered, entries)


@kernel
def take_entries(state: ListState, out: Frames) -> int:
    """Copy the entries to `out` and forget them."""
    count = copy_entries(state, out)
    state.counts[COUNT] = state.counts[DISTINCT] = 0
    return count


@kernel
def take_ordered(counts: Counts, ordered: Entries, out: Frames) -> int:
    """Write the entries, sorted beforehand, to `out` without repeats, and forget them."""
    count = drop_repeats(ordered, out)
    counts[COUNT] = counts[DISTINCT] = 0
    return count


# As in the bitmap: from Python the arrays one by one.


@uncounted
def _append(entries: Entries, counts: Counts, frames: Frames, pages: int) -> bool:
    return append(ListState(entries, counts), frames, pages)


@kernel
def _copy_entries(entries: Entries, counts: Counts, out: Frames) -> int:
    return copy_entries(ListState(entries, counts), out)


@kernel
def _take_entries(entries: Entries, counts: Counts, out: Frames) -> int:
    return take_entries(ListState(entries, counts), out)


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
    Cost: insert O(1) a frame; collect and ``len`` O(entries log entries) once after an insert;
    clear O(1); ``in`` O(entries); memory 4 bytes an entry of capacity, 8 where there are more than
    2^32 pages.  An insert of which even the distinct frames do not fit raises OverflowError and
    marks nothing.
    """

    name = "list"
    sorted_output: ClassVar[bool] = True
    unique_output: ClassVar[bool] = True

    def __init__(self, pages: int, *, capacity: int | None = None, output: str = "sorted") -> None:
        super().__init__(pages)
        room = self._pages if capacity is None else _check.integer("capacity", capacity, 0, 2**56)
        kind = np.dtype(np.uint32 if self._pages <= 2**32 else np.uint64)
        _check.memory("pages" if capacity is None else "capacity", room, kind.itemsize * room)
        self._in_order = _check.choice("output", output, OUTPUTS) == "sorted"
        self.sorted_output = self.unique_output = self._in_order  # type: ignore[misc]
        self._state = ListState(np.empty(room, kind), np.zeros(2, np.int64))

    @classmethod
    def options_for(cls, dirty: int) -> dict[str, int]:
        return {"capacity": dirty}

    @property
    def nbytes(self) -> int:
        return self._state.entries.nbytes

    @property
    def entries(self) -> int:
        """Number of entries in use."""
        self._settle()
        return self._count

    def clear(self) -> None:
        self._state.counts[:] = 0
        self._taken = None

    def __len__(self) -> int:
        if self._taken is not None:
            self._settle()
        counts = self._state.counts
        if counts.item(DISTINCT) == STALE:
            self._count_distinct()
        return counts.item(DISTINCT)

    def check(self) -> None:
        self._settle()
        count, distinct = self._state.counts.tolist()
        require(0 <= count <= self._state.entries.size, "no more entries than capacity")
        used = self._used()
        require(bool((used < np.uint64(self._pages)).all()), "every entry is a frame")
        counted = np.unique(used).size
        require(distinct in (STALE, counted), "the number of distinct frames is kept")

    def operations(self) -> Operations:
        entries = self.entries
        return Operations(words=entries, nodes=0, bytes=self._state.entries.itemsize * entries)

    def insert(self, frames: npt.ArrayLike) -> None:
        # Entries beyond the count are no entries: check and append are one pass, which takes 0.6
        # times as long for 100 frames.  All other input is checked, or complained of, by the base.
        if type(frames) is np.ndarray and frames.dtype == np.uint64 and frames.flags.c_contiguous:
            if self._taken is not None:
                self._settle()
            if frames.ndim == 1 and self._append(frames):
                return
        super().insert(frames)

    @property
    def _count(self) -> int:
        """Entries in use, within the entries whatever the count says."""
        count, size = self._state.counts.item(COUNT), self._state.entries.size
        return count if 0 <= count <= size else size

    def _used(self) -> Entries:
        return self._state.entries[: self._count]

    def _append(self, frames: Frames) -> bool:
        return _append(self._state.entries, self._state.counts, frames, self._pages)

    def _insert(self, frames: Frames) -> None:
        if not self._append(frames):
            self._append(self._make_room(frames))

    def _make_room(self, frames: Frames) -> Frames:
        """Drop repeats until `frames` fit; return those of them that are new."""
        known = self._distinct()
        fresh = np.setdiff1d(frames, known)
        size = self._state.entries.size
        if known.size + fresh.size > size:
            raise OverflowError(
                f"frames: {fresh.size} new ones, room for {size - known.size} of "
                f"capacity {size}; nothing was marked"
            )
        keep(*self._state, known)
        return fresh

    def _distinct(self) -> Entries:
        """Return the distinct frames in ascending order, in memory of their own."""
        ordered = self._ordered()
        return ordered[: drop_repeats(ordered, ordered)]

    def _ordered(self) -> Entries:
        """Return the entries sorted, in memory of their own.

        Sorting them in place would take a few per cent less, but another thread that wrote to them
        meanwhile could lead NumPy's sort beyond the array.
        """
        ordered = self._used().copy()
        ordered.sort()
        return ordered

    def _count_distinct(self) -> None:
        """Count the distinct frames; where order of arrival does not matter, keep only those."""
        if self._in_order:
            keep(*self._state, self._ordered())
        else:
            self._state.counts[DISTINCT] = self._distinct().size

    @property
    def _is_unsorted(self) -> bool:
        return self._in_order and self._state.counts.item(DISTINCT) == STALE

    def _target_of_harvest(self, out: Frames | None) -> Frames:
        if self._taken is not None:
            self._settle()
        if out is None or not self._is_unsorted or _check.output(out, 0).size < self._count:
            return self._target(out)
        return out

    def _output_size(self) -> int:
        return len(self) if self._in_order else self._count

    def _collect(self, out: Frames) -> int:
        entries, counts = self._state
        return _copy_entries(entries, counts, out)

    def _take(self, out: Frames) -> int:
        self._taken = self._count
        if self._is_unsorted:
            # Room for all entries: one pass drops the repeats and writes, 0.8 times as long as two.
            return take_ordered(self._state.counts, self._ordered(), out)
        entries, counts = self._state
        return _take_entries(entries, counts, out)

    def _put_back(self, taken: int) -> None:
        self._state.counts[DISTINCT] = STALE
        self._state.counts[COUNT] = taken

    def _contains(self, frame: int) -> bool:
        return bool((self._used() == np.uint64(frame)).any())
