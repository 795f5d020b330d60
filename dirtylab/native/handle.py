"""One native tracker, called through ctypes: for the check, where speed does not matter.

Input lies at the end of a page that is followed by a page nobody may touch, output between guard
words, so that a tracker that reads or writes beyond what it was given is found out.
"""

import ctypes
import mmap
from typing import Any

import numpy as np

from dirtylab._check import Frames
from dirtylab.native.table import Run, Table

GUARD = np.uint64(0xA5C3_0F69_5A3C_F096)
GUARD_WORDS = 512


class Broken(Exception):  # noqa: N818 - the word of the contract
    """A property does not hold; the message says how that was seen."""


class Handle:
    """A tracker made by a table's `create`.

    Parameters
    ----------
    table : Table
    pages : int
        Size of the slot.

    Raises
    ------
    Broken
        `create` returned NULL.
    """

    def __init__(self, table: Table, pages: int) -> None:
        self._call = {name: table.call(name) for name in table.addresses}
        self.pages = pages
        self._self = self._call["create"](pages)
        if not self._self:
            raise Broken(f"create({pages}) returned NULL")

    def insert(self, frames: Frames) -> None:
        """Insert, from memory that ends where nobody may read on; it must not be written to."""
        with _Fenced(frames) as (address, seen):
            self._call["insert"](self._self, address, frames.size)
            if not np.array_equal(seen, frames):
                raise Broken("insert wrote to the frames that it was given")

    def harvest(self, room: int) -> Frames:
        """Harvest into `room` entries between guard words; return what was written."""
        return self._take("harvest", room, 1)

    def harvest_runs(self, room: int) -> Frames:
        """As :meth:`harvest`; return an array of shape ``(n, 2)``: first frame and pages."""
        words = ctypes.sizeof(Run) // 8
        return self._take("harvest_runs", room, words).reshape(-1, words)

    def insert_range(self, first: int, pages: int) -> None:
        """Mark frames in a row."""
        self._call["insert_range"](self._self, first, pages)

    def clear(self) -> None:
        """Forget all."""
        self._call["clear"](self._self)

    def count(self) -> int:
        """Return the number of dirty frames."""
        return int(self._call["count"](self._self))

    def bytes(self) -> int:
        """Return what the tracker says of its memory."""
        return int(self._call["bytes"](self._self))

    def destroy(self) -> None:
        """Give the memory back."""
        self._call["destroy"](self._self)

    def _take(self, verb: str, room: int, words: int) -> Frames:
        around = np.full(2 * GUARD_WORDS + words * room, GUARD, np.uint64)
        found = int(self._call[verb](self._self, around.ctypes.data + 8 * GUARD_WORDS, room))
        stop = GUARD_WORDS + words * room
        for part, where in ((around[:GUARD_WORDS], "before"), (around[stop:], "beyond")):
            if (part != GUARD).any():
                written = int((part != GUARD).sum())
                raise Broken(f"{verb} with room for {room} wrote {written} words {where} it")
        if found > room:
            raise Broken(f"{verb} with room for {room} returned {found}")
        return around[GUARD_WORDS : GUARD_WORDS + words * found].copy()


class _Fenced:
    """A copy of an array that ends at a page which can't be read."""

    def __init__(self, frames: Frames) -> None:
        page = mmap.PAGESIZE
        self._size = -(-frames.nbytes // page) * page
        self._memory = mmap.mmap(-1, self._size + page)
        whole: Any = np.frombuffer(self._memory, np.uint64)
        stop = self._size // 8
        self._copy = whole[stop - frames.size : stop]
        self._copy[:] = frames
        self._start = whole.ctypes.data
        self._protect(0)

    def __enter__(self) -> tuple[int, Frames]:
        return self._start + self._size - self._copy.nbytes, self._copy

    def __exit__(self, *_: object) -> None:
        self._protect(mmap.PROT_READ | mmap.PROT_WRITE)

    def _protect(self, how: int) -> None:
        place = ctypes.c_void_p(self._start + self._size)
        if ctypes.CDLL(None).mprotect(place, ctypes.c_size_t(mmap.PAGESIZE), how):
            raise OSError("mprotect refused a guard page")
