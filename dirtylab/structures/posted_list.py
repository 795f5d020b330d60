"""The list as posted in 2016: an array that is appended to; repeats are kept.

A slot of 24 pages after inserting 10, 1, 11 and 10 again::

    entries   10  1 11 10  .  .  .  .
                          ^ count = 4

Invariant: the first ``count`` entries are the inserted frames in order of arrival.

Cost: insert 1 append; collect a copy of all entries; clear forgets the count.

Source: Radim Krčmář's mail to the KVM list of 4 May 2016 (the algorithm; the code is new).
"""

from typing import NamedTuple

import numpy as np

from dirtylab import _check
from dirtylab._check import Counts, Frames
from dirtylab._jit import inlined, kernel, uncounted
from dirtylab.structures.base import Operations, Structure, require
from dirtylab.structures.driven import driven


class PostedListState(NamedTuple):
    """The posted list's state."""

    entries: Frames
    counts: Counts  # entries in use


@inlined
def copy_list(frames: Frames, count: int, out: Frames) -> int:
    """Write the entries to `out`, one after the other, and return how many there are.

    What has no room in `out` is left out, whatever `count` says.
    """
    count = max(min(count, frames.size, out.size), 0)
    for i in range(count):
        out[i] = frames[i]
    return count


@kernel
def insert(state: PostedListState, frames: Frames) -> bool:
    """Append `frames` and count them; False, and nothing appended, where there is no room."""
    count = min(max(state.counts[0], 0), state.entries.size)
    if frames.size > state.entries.size - count:
        return False
    copy_list(frames, frames.size, state.entries[count:])
    state.counts[0] = count + frames.size
    return True


@kernel
def collect(state: PostedListState, out: Frames) -> int:
    """Write the entries to `out`; return how many."""
    return copy_list(state.entries, state.counts[0], out)


@kernel
def harvest(state: PostedListState, out: Frames) -> int:
    """Collect and forget."""
    count = copy_list(state.entries, state.counts[0], out)
    state.counts[0] = 0
    return count


@kernel
def clear(state: PostedListState) -> None:
    """Forget the count."""
    state.counts[0] = 0


# As in the bitmap: from Python the arrays one by one.


@uncounted
def _insert(entries: Frames, counts: Counts, frames: Frames) -> bool:
    return insert(PostedListState(entries, counts), frames)


@kernel
def _collect(entries: Frames, counts: Counts, out: Frames) -> int:
    return collect(PostedListState(entries, counts), out)


@kernel
def _harvest(entries: Frames, counts: Counts, out: Frames) -> int:
    return harvest(PostedListState(entries, counts), out)


@driven(PostedListState, insert=insert, collect=collect, harvest=harvest, clear=clear)
class PostedList(Structure):
    """The posted list: an array that is appended to and copied out; repeats are kept.

    Parameters
    ----------
    pages : int
        Size of the slot, 0 … 2^52.
    capacity : int, optional
        Number of entries there is room for; `pages` when omitted.  The posted program allocated
        as many as it was going to insert; where it would have written past the end, `insert`
        raises OverflowError and marks nothing.

    Notes
    -----
    Cost: insert O(1) a frame, collect O(entries), clear O(1), ``in`` O(entries), ``len``
    O(entries log entries), memory 8 bytes an entry of capacity.
    """

    name = "posted-list"
    sorted_output = False
    unique_output = False
    posted = True

    def __init__(self, pages: int, *, capacity: int | None = None) -> None:
        super().__init__(pages)
        room = self._pages if capacity is None else _check.integer("capacity", capacity, 0, 2**56)
        _check.memory("pages" if capacity is None else "capacity", room, 8 * room)
        self._state = PostedListState(np.empty(room, np.uint64), np.zeros(1, np.int64))

    @classmethod
    def options_for(cls, dirty: int) -> dict[str, int]:
        return {"capacity": dirty}

    @property
    def nbytes(self) -> int:
        return self._state.entries.nbytes

    @property
    def entries(self) -> int:
        """Number of entries in use, repeats included."""
        if self._taken is not None:
            self._settle()
        count = self._state.counts.item()
        size = self._state.entries.size
        return count if 0 <= count <= size else size

    def clear(self) -> None:
        self._state.counts[0] = 0
        self._taken = None

    def __len__(self) -> int:
        return np.unique(self._used()).size

    def check(self) -> None:
        used = self._used()
        require(used.size == self._state.counts.item(), "no more entries than capacity")
        require(bool((used < np.uint64(self._pages)).all()), "every entry is a frame")

    def operations(self) -> Operations:
        entries = self.entries
        return Operations(words=entries, nodes=0, bytes=8 * entries)

    def _used(self) -> Frames:
        return self._state.entries[: self.entries]

    def _insert(self, frames: Frames) -> None:
        if not _insert(self._state.entries, self._state.counts, frames):
            size = self._state.entries.size
            raise OverflowError(
                f"frames: {frames.size} given, room for {size - self.entries} of capacity {size}; "
                "nothing was marked"
            )

    def _output_size(self) -> int:
        return self.entries

    def _collect(self, out: Frames) -> int:
        return _collect(self._state.entries, self._state.counts, out)

    def _take(self, out: Frames) -> int:
        self._taken = self._state.counts.item()
        return _harvest(self._state.entries, self._state.counts, out)

    def _put_back(self, taken: int) -> None:
        self._state.counts[0] = taken

    def _contains(self, frame: int) -> bool:
        return bool((self._used() == np.uint64(frame)).any())
