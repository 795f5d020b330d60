"""A native tracker as a structure: every verb goes to the shared library.

A library's contract has insert, harvest and clear.  What a structure is asked beyond that is made
of these: to collect, to count or to look a frame up, the frames are harvested into memory of the
structure's own, and inserted again before the next verb that changes anything.  Such a collect is
not timed (:attr:`Structure.collects`).

Its state for compiled loops is addresses; the kernels call them, so that a native tracker is timed
by the same loop as every other structure, without Python.
"""

import pathlib
import weakref
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from dirtylab import _check
from dirtylab._check import Frames
from dirtylab._jit import uncounted
from dirtylab.native.calls import call_clear, call_harvest, call_insert
from dirtylab.native.table import Flags, Table
from dirtylab.structures.base import Operations, Structure, require
from dirtylab.structures.driven import driven

GIVEN, PULLED, TAKEN = range(3)
"""Places of counts: frames inserted since it was empty; frames held by the structure, and frames
that the last harvest took, each -1 where there is no such thing."""
_NOTHING = -1
_PROBED_PAGES = 2**24
"""A size that the check has tried; memory of larger ones is judged by that of this one."""


class NativeState(NamedTuple):
    """Addresses of the tracker and of its functions, and counts."""

    tracker: np.uint64
    insert: np.uint64
    harvest: np.uint64
    clear: np.uint64
    counts: npt.NDArray[np.int64]  # see GIVEN


@uncounted
def insert(state: NativeState, frames: Frames) -> None:
    """Mark the frames, all below the slot's size."""
    state.counts[GIVEN] += frames.size
    call_insert(state.insert, state.tracker, frames, np.uint64(frames.size))


@uncounted
def harvest(state: NativeState, out: Frames) -> int:
    """Write dirty frames to `out`, as far as there is room, and forget these; return how many."""
    told = call_harvest(state.harvest, state.tracker, out, np.uint64(out.size))
    found = int(min(np.int64(told), np.int64(out.size)))
    left = state.counts[GIVEN] - found if found == out.size else 0
    state.counts[GIVEN] = max(left, 0)
    return found


@uncounted
def collect(state: NativeState, out: Frames) -> int:
    """Harvest, and insert again."""
    found = harvest(state, out)
    insert(state, out[:found])
    return found


@uncounted
def clear(state: NativeState) -> None:
    """Forget all."""
    call_clear(state.clear, state.tracker)
    state.counts[GIVEN] = 0
    state.counts[PULLED] = _NOTHING


# A count is written by the kernel that moves the frames: an interrupt comes before or after both.


@uncounted
def _pull(state: NativeState, own: Frames) -> None:
    state.counts[PULLED] = harvest(state, own)


@uncounted
def _push(state: NativeState, own: Frames) -> None:
    insert(state, own[: state.counts[PULLED]])
    state.counts[PULLED] = _NOTHING


@uncounted
def _take(state: NativeState, out: Frames) -> None:
    state.counts[TAKEN] = harvest(state, out)


@uncounted
def _give(state: NativeState, own: Frames, out: Frames) -> None:
    count = state.counts[PULLED]
    for place in range(count):
        out[place] = own[place]
    state.counts[TAKEN] = count
    state.counts[PULLED] = _NOTHING


class Origin(NamedTuple):
    """Where a tracker comes from."""

    path: pathlib.Path
    """Source or library, absolute."""
    identity: str
    """Digest of the source, or of the library where there is none."""


@driven(NativeState, insert=insert, collect=collect, harvest=harvest, clear=clear)
class NativeTracker(Structure):
    """A tracker of a shared library; its subclasses are made by :func:`dirtylab.native.load`.

    Parameters
    ----------
    pages : int
        Size of the slot, 0 … 2^52.

    Raises
    ------
    ValueError, TypeError
        `pages` is out of range or no integer.
    MemoryError
        The tracker can't be made at this size, or would be larger than this machine's memory.

    Notes
    -----
    Cost: insert, harvest and clear as the library has them; ``collect``, ``len`` and ``in`` a
    harvest and an insert of all dirty frames.  What a collect touches is not known: zeros.
    """

    collects = False
    table: ClassVar[Table]
    origin: ClassVar[Origin]
    _probed: ClassVar[int | None] = None

    def __init__(self, pages: int) -> None:
        super().__init__(pages)
        self._require_memory()
        address = self.table.call("create")(self._pages)
        if not address:
            raise MemoryError(f"pages={pages}: {self.name}: create({pages}) returned NULL")
        destroyed = weakref.finalize(self, self.table.call("destroy"), address)
        destroyed.atexit = False
        self._own = np.empty(0, np.uint64)
        at = {name: np.uint64(place) for name, place in self.table.addresses.items()}
        counts = np.array([0, _NOTHING, _NOTHING], np.int64)
        self._state = NativeState(
            np.uint64(address), at["insert"], at["harvest"], at["clear"], counts
        )

    @property
    def nbytes(self) -> int:
        self._push()
        return self._told_bytes()

    def clear(self) -> None:
        clear(self._state)
        self._taken = None

    def __len__(self) -> int:
        found = self._pulled()
        return found.size if self.unique_output else int(np.unique(found).size)

    def check(self) -> None:
        found = self._pulled()
        require(bool((found < np.uint64(self._pages)).all()), "every frame is below the size")
        ordered = not self.sorted_output or bool((found[1:] >= found[:-1]).all())
        require(ordered, "frames are in ascending order")
        distinct = not self.unique_output or np.unique(found).size == found.size
        require(distinct, "each frame is there once")

    def operations(self) -> Operations:
        return Operations(0, 0, 0)

    def _require_memory(self) -> None:
        """Refuse what would not fit: a create that fails in Rust ends the process."""
        if self.grows or self._pages <= _PROBED_PAGES:
            return
        kind = type(self)
        if kind._probed is None:
            kind._probed = kind(_PROBED_PAGES).nbytes
        _check.memory("pages", self._pages, kind._probed * self._pages // _PROBED_PAGES)

    def _told_bytes(self) -> int:
        return int(self.table.call("bytes")(int(self._state.tracker)))

    def _most(self) -> int:
        """Return how many frames a harvest can give at most."""
        given = self._state.counts.item(GIVEN)
        return min(given, self._pages) if self.unique_output else given

    def _pulled(self) -> Frames:
        """Return all dirty frames, in memory of this structure's own; the tracker is empty."""
        self._settle()
        counts = self._state.counts
        if counts.item(PULLED) == _NOTHING:
            self._own = np.empty(self._most(), np.uint64)
            _pull(self._state, self._own)
        return self._own[: counts.item(PULLED)]

    def _push(self) -> None:
        """Insert again what was pulled."""
        self._settle()
        if self._state.counts.item(PULLED) != _NOTHING:
            _push(self._state, self._own)

    def _insert(self, frames: Frames) -> None:
        self._push()
        insert(self._state, frames)

    def _output_size(self) -> int:
        return self._pulled().size

    def _collect(self, out: Frames) -> int:
        found = self._pulled()
        out[: found.size] = found
        return found.size

    def _contains(self, frame: int) -> bool:
        return bool((self._pulled() == np.uint64(frame)).any())

    def _target_of_harvest(self, out: Frames | None) -> Frames:
        self._settle()
        pulled = self._state.counts.item(PULLED) != _NOTHING
        if out is None or pulled or _check.output(out, 0).size < self._most():
            return self._target(out)
        return out  # one pass where there is room for whatever may come

    def _take(self, out: Frames) -> int:
        counts = self._state.counts
        counts[TAKEN] = _NOTHING
        self._taken = out
        if counts.item(PULLED) == _NOTHING:
            _take(self._state, out)
        else:
            _give(self._state, self._own, out)
        return counts.item(TAKEN)

    def _put_back(self, taken: Frames) -> None:
        counts = self._state.counts
        if counts.item(TAKEN) != _NOTHING and counts.item(PULLED) == _NOTHING:
            self._own = self._still_frames(taken[: counts.item(TAKEN)])
            counts[PULLED] = self._own.size

    def _driven_state(self, dirty: int) -> NativeState:
        self._push()
        return self._state

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        made = type(self)(self._pages)
        made.insert(self._pulled())
        return made

    def __reduce__(self) -> tuple[Callable[..., Structure], tuple[object, ...]]:
        from dirtylab.native.contestants import revived

        return revived, (*self.origin, self.name, self._pages, self._pulled().copy())


def kind_of(table: Table, origin: Origin) -> type[NativeTracker]:
    """Return the class of a tracker."""
    facts = {
        "name": table.name,
        "sorted_output": Flags.SORTED in table.flags,
        "unique_output": Flags.UNIQUE in table.flags,
        "grows": Flags.GROWS in table.flags,
        "table": table,
        "origin": origin,
        "__doc__": f"The tracker {table.name} of {origin.path.name}.",
        "__module__": __name__,
    }
    return type(table.name, (NativeTracker,), facts)
