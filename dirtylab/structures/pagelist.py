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
collect     "arrival": a copy; "sorted": a sort (:mod:`dirtylab.structures.ordering`) and one pass
            to drop repeats, once after an insert
clear       forget the count
==========  =====================================================================================

Source: the posted list of 2016.
"""

from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from dirtylab import _check
from dirtylab._check import Counts, Frames
from dirtylab._jit import inlined, kernel, uncounted
from dirtylab._words import ZERO
from dirtylab.structures.base import Operations, Structure, require
from dirtylab.structures.driven import driven
from dirtylab.structures.ordering import ascend, copy

OUTPUTS = ("sorted", "arrival")

COUNT, DISTINCT, IN_ORDER, PAGES = 0, 1, 2, 3
"""Places in the list's counts: entries in use, and how many of them differ; whether they are
returned in order; the size of the slot."""
STALE = -1

Entries = npt.NDArray[np.unsignedinteger[Any]]


class ListState(NamedTuple):
    """The list's state."""

    entries: Entries
    counts: Counts


@inlined
def in_use(state: ListState) -> int:
    """Return the number of entries in use, within the entries whatever the count says."""
    return min(max(state.counts[COUNT], 0), state.entries.size)


@uncounted
def append(state: ListState, frames: Frames) -> bool:
    """Append `frames` and count them; False, and nothing appended, where one can't be.

    That is where there is no room for all, or where one is not below `pages`: entries beyond the
    count are no entries.
    """
    count = in_use(state)
    if frames.size > state.entries.size - count:
        return False
    room = state.entries[count : count + frames.size]
    highest = ZERO
    for place in range(frames.size):
        highest = max(highest, frames[place])
        room[place] = frames[place]
    if frames.size == 0:
        return True
    if highest >= np.uint64(state.counts[PAGES]):
        return False
    state.counts[DISTINCT] = STALE
    state.counts[COUNT] = count + frames.size
    return True


@uncounted
def copy_entries(state: ListState, out: Entries) -> int:
    """Copy the entries as they came, as far as there is room; return how many."""
    count = min(in_use(state), out.size)
    for place in range(count):
        out[place] = state.entries[place]
    return count


@kernel
def distinct(values: Entries) -> Frames:
    """Return the distinct values in ascending order, in memory of their own."""
    ordered = np.empty(values.size, np.uint64)
    return ordered[: ascend(values, ordered)]


@uncounted
def count_distinct(state: ListState) -> int:
    """Return how many entries differ; where they are returned in order, keep only those."""
    if state.counts[DISTINCT] == STALE:
        find_distinct(state)
    return state.counts[DISTINCT]


@kernel
def find_distinct(state: ListState) -> None:
    """Count the entries that differ; where they are returned in order, keep only those."""
    found = distinct(state.entries[: in_use(state)])
    if state.counts[IN_ORDER]:
        copy(found, state.entries)
        state.counts[COUNT] = found.size
    state.counts[DISTINCT] = found.size


@kernel
def append_new(state: ListState, frames: Frames) -> int:
    """Drop repeats and append the new ones of the frames; return 0.

    Where even these do not fit, append nothing and return how many they are.
    """
    known = distinct(state.entries[: in_use(state)])
    cast = np.empty(
        frames.size, state.entries.dtype
    )  # a sort of another dtype takes 2 s to compile
    copy(frames, cast)
    given = distinct(cast)
    new = 0
    place = 0
    for frame in given:
        while place < known.size and known[place] < frame:
            place += 1
        if place == known.size or known[place] != frame:
            given[new] = frame
            new += 1
    if new > state.entries.size - known.size:
        return new
    copy(known, state.entries)
    copy(given[:new], state.entries[known.size :])
    state.counts[COUNT] = known.size + new
    state.counts[DISTINCT] = STALE
    return 0


@uncounted
def insert(state: ListState, frames: Frames) -> int:
    """Append the frames, all below the slot's size; return 0.

    Where there is no room, as :func:`append_new` does.
    """
    return 0 if append(state, frames) else append_new(state, frames)


@uncounted
def collect(state: ListState, out: Frames) -> int:
    """Write the entries to `out`, as far as there is room; return how many."""
    if state.counts[IN_ORDER]:
        count_distinct(state)
    return copy_entries(state, out)


@uncounted
def harvest(state: ListState, out: Frames) -> int:
    """Collect and forget.

    Where there is room for all entries they are sorted into `out` at once.
    """
    used = in_use(state)  # read once: another thread may change it meanwhile
    if state.counts[IN_ORDER] and state.counts[DISTINCT] == STALE and out.size >= used:
        count = ascend(state.entries[:used], out)
    else:
        count = collect(state, out)
    state.counts[COUNT] = state.counts[DISTINCT] = 0
    return count


@uncounted
def clear(state: ListState) -> None:
    """Forget the counts of entries."""
    state.counts[COUNT] = state.counts[DISTINCT] = 0


# As in the bitmap: from Python the arrays one by one.


@uncounted
def _append(entries: Entries, counts: Counts, frames: Frames) -> bool:
    return append(ListState(entries, counts), frames)


@kernel
def _insert(entries: Entries, counts: Counts, frames: Frames) -> int:
    return insert(ListState(entries, counts), frames)


@kernel
def _count_distinct(entries: Entries, counts: Counts) -> int:
    return count_distinct(ListState(entries, counts))


@kernel
def _collect(entries: Entries, counts: Counts, out: Frames) -> int:
    return collect(ListState(entries, counts), out)


@kernel
def _harvest(entries: Entries, counts: Counts, out: Frames) -> int:
    return harvest(ListState(entries, counts), out)


@driven(ListState, insert=insert, collect=collect, harvest=harvest, clear=clear)
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
    Cost: insert O(1) a frame; collect and ``len`` O(entries) once after an insert, with as much
    memory again for a moment; clear O(1); ``in`` O(entries); memory 4 bytes an entry of capacity,
    8 where there are more than 2^32 pages.  An insert of which even the distinct frames do not fit
    raises OverflowError and marks nothing.
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
        self._state = ListState(
            np.empty(room, kind), np.array([0, 0, self._in_order, self._pages], np.int64)
        )

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
        self._state.counts[COUNT] = self._state.counts[DISTINCT] = 0
        self._taken = None

    def __len__(self) -> int:
        if self._taken is not None:
            self._settle()
        known: int = self._state.counts.item(DISTINCT)
        return _count_distinct(*self._state) if known == STALE else known

    def check(self) -> None:
        self._settle()
        count, distinct = self._state.counts[[COUNT, DISTINCT]].tolist()
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
        return _append(*self._state, frames)

    def _insert(self, frames: Frames) -> None:
        if new := _insert(*self._state, frames):
            size = self._state.entries.size
            known = np.unique(self._used()).size
            raise OverflowError(
                f"frames: {new} new ones, room for {size - known} of capacity {size}; nothing was "
                "marked"
            )

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
        return _collect(*self._state, out)

    def _take(self, out: Frames) -> int:
        self._taken = self._count
        return _harvest(*self._state, out)

    def _put_back(self, taken: int) -> None:
        self._state.counts[DISTINCT] = STALE
        self._state.counts[COUNT] = taken

    def _contains(self, frame: int) -> bool:
        return bool((self._used() == np.uint64(frame)).any())
