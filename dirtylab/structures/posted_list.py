"""The list as posted in 2016: an array that is appended to; repeats are kept.

A slot of 24 pages after inserting 10, 1, 11 and 10 again::

    entries   10  1 11 10  .  .  .  .
                          ^ count = 4

Invariant: the first ``count`` entries are the inserted frames in order of arrival.

Cost: insert 1 append; collect a copy of all entries; clear forgets the count.

Source: Radim Krčmář's mail to the KVM list of 4 May 2016 (the algorithm; the code is new).
"""

import numpy as np

from dirtylab import _check
from dirtylab._jit import inlined
from dirtylab.structures.base import Frames, Operations, Structure, require


@inlined
def copy_list(frames: Frames, count: int, out: Frames) -> int:
    """Write the entries to `out`, one after the other, and return how many there are."""
    for i in range(count):
        out[i] = frames[i]
    return count


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

    def __init__(self, pages: int, *, capacity: int | None = None) -> None:
        super().__init__(pages)
        room = self._pages if capacity is None else _check.integer("capacity", capacity, 0, 2**56)
        _check.memory("pages" if capacity is None else "capacity", room, 8 * room)
        self._entries = np.empty(room, np.uint64)
        self._count = 0

    @property
    def nbytes(self) -> int:
        return self._entries.nbytes

    @property
    def entries(self) -> int:
        """Number of entries in use, repeats included."""
        return self._count

    def clear(self) -> None:
        self._count = 0

    def __len__(self) -> int:
        return np.unique(self._used()).size

    def check(self) -> None:
        require(0 <= self._count <= self._entries.size, "no more entries than capacity")
        require(bool((self._used() < np.uint64(self._pages)).all()), "every entry is a frame")

    def operations(self) -> Operations:
        return Operations(words=self._count, nodes=0, bytes=8 * self._count)

    def _used(self) -> Frames:
        return self._entries[: self._count]

    def _insert(self, frames: Frames) -> None:
        room = self._entries.size - self._count
        if frames.size > room:
            raise OverflowError(
                f"frames: {frames.size} given, room for {room} of capacity {self._entries.size}; "
                "nothing was marked"
            )
        copy_list(frames, frames.size, self._entries[self._count :])
        self._count += frames.size

    def _output_size(self) -> int:
        return self._count

    def _collect(self, out: Frames) -> int:
        return copy_list(self._entries, self._count, out)

    def _contains(self, frame: int) -> bool:
        return bool((self._used() == np.uint64(frame)).any())
