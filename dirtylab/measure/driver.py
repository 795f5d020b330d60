"""The one loop that drives structures while they are timed.

It is compiled, gets a structure's state, and reads the clock itself, so no recorded time holds a
call from Python: an epoch of 100 random frames by tree64 takes 7.7 µs through Python and 1.7 here.
Frames are checked before, off the clock, for all structures alike.  What the clock takes itself,
about 25 ns, is subtracted.  A structure without compiled kernels is driven by its public verbs from
Python; its rows say so (:data:`PYTHON`).

In each epoch of a burst, on frames of its own::

    insert (timed), collect (timed), harvest  ·  insert, harvest (timed)  ·  insert, clear (timed)

and for whole epochs insert and harvest with one reading of the clock before all and one after.
That is the warm state of the caches.  Where other memory is to be in them, single steps are timed,
and who asks for them fills the caches before each (:mod:`dirtylab.measure.cell`).
"""

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from dirtylab._check import Frames
from dirtylab._jit import uncounted
from dirtylab.measure.clock import Stopwatch, elapsed, reading_ns, start, stopwatch
from dirtylab.structures import Structure
from dirtylab.structures.driven import Driven, clear, collect, harvest, insert, state_for

Bursts = Mapping[str, npt.NDArray[np.uint64]]
"""Operation to frames, shape ``(epochs, dirty)``; a collect follows the insert."""

COMPILED, PYTHON = "compiled", "python"
"""What drives a structure."""
OPERATIONS = ("insert", "collect", "harvest", "clear", "epoch")
_TRIALS = 64
_NO_FRAME = np.uint64(2**64 - 1)


@uncounted
def time_inserts(state: Driven, burst: Frames, out: Frames, watch: Stopwatch) -> tuple[int, int]:
    """Return the ns of all inserts, and of the collects that follow them."""
    inserts, collects = 0, 0
    for epoch in range(burst.shape[0]):
        start(watch)
        insert(state, burst[epoch])
        inserts += elapsed(watch)
        start(watch)
        collect(state, out)
        collects += elapsed(watch)
        harvest(state, out)
    return inserts, collects


@uncounted
def time_harvests(state: Driven, burst: Frames, out: Frames, watch: Stopwatch) -> int:
    """Return the ns of all harvests."""
    spent = 0
    for epoch in range(burst.shape[0]):
        insert(state, burst[epoch])
        start(watch)
        harvest(state, out)
        spent += elapsed(watch)
    return spent


@uncounted
def time_clears(state: Driven, burst: Frames, watch: Stopwatch) -> int:
    """Return the ns of all clears."""
    spent = 0
    for epoch in range(burst.shape[0]):
        insert(state, burst[epoch])
        start(watch)
        clear(state)
        spent += elapsed(watch)
    return spent


@uncounted
def time_epochs(state: Driven, burst: Frames, out: Frames, watch: Stopwatch) -> int:
    """Return the ns of all epochs, each an insert and a harvest."""
    start(watch)
    for epoch in range(burst.shape[0]):
        insert(state, burst[epoch])
        harvest(state, out)
    return elapsed(watch)


@uncounted
def time_replay(
    state: Driven, frames: Frames, ends: Frames, out: Frames, watch: Stopwatch
) -> tuple[int, int]:
    """Return the ns of all inserts and of all harvests of epochs that end where `ends` says."""
    inserts, harvests = 0, 0
    begin = np.uint64(0)
    for end in ends:
        start(watch)
        insert(state, frames[begin:end])
        inserts += elapsed(watch)
        start(watch)
        harvest(state, out)
        harvests += elapsed(watch)
        begin = end
    return inserts, harvests


@uncounted
def time_insert(state: Driven, frames: Frames, watch: Stopwatch) -> int:
    """Return the ns of one insert; what was in stays."""
    start(watch)
    insert(state, frames)
    return elapsed(watch)


@uncounted
def time_collect(state: Driven, out: Frames, watch: Stopwatch) -> int:
    """Return the ns of one collect of what is in."""
    start(watch)
    collect(state, out)
    return elapsed(watch)


@uncounted
def time_harvest(state: Driven, out: Frames, watch: Stopwatch) -> tuple[int, int]:
    """Return the ns of one harvest of what is in, and how many frames came."""
    start(watch)
    found = harvest(state, out)
    return elapsed(watch), found


@uncounted
def time_clear(state: Driven, watch: Stopwatch) -> int:
    """Return the ns of one clear of what is in."""
    start(watch)
    clear(state)
    return elapsed(watch)


@uncounted
def take(state: Driven, frames: Frames, out: Frames, clearing: bool) -> int:
    """Insert frames and collect or harvest them; return how many came."""
    insert(state, frames)
    return harvest(state, out) if clearing else collect(state, out)


class Driver:
    """A structure in the loop.

    Parameters
    ----------
    structure : Structure
        Empty, and nobody else's meanwhile.
    dirty : int
        Frames of an epoch, at most.
    cpu_time : bool, optional
        Whether the thread's CPU time counts where it is less than the wall clock's, so that
        preemption is excluded.

    Attributes
    ----------
    through : {"compiled", "python"}
        What drives it.
    """

    def __init__(self, structure: Structure, dirty: int, *, cpu_time: bool = False) -> None:
        self.structure = structure
        self._dirty = dirty
        self._out = np.zeros(dirty, np.uint64)
        self._cpu_time = cpu_time
        self._watch = stopwatch(cpu_time=cpu_time)
        self._reading = reading_ns(self._watch, _TRIALS)
        self.through = PYTHON if state_for(structure, dirty) is None else COMPILED

    def _driven(self) -> Driven:
        """Return the state as it is now, with room for an epoch."""
        state = state_for(self.structure, self._dirty)
        assert state is not None
        return state

    def taken(self, frames: Frames, operation: str, through: str) -> Frames:
        """Insert frames; return what a ``"collect"`` or ``"harvest"`` writes.

        What it writes to has no frame in it before: else it would still hold the last answer.
        """
        self._out.fill(_NO_FRAME)
        if through == COMPILED:
            state = self._driven()
            return self._out[: take(state, frames, self._out, operation == "harvest")]
        self.structure.insert(frames)
        found: Frames = getattr(self.structure, operation)(self._out)
        return found

    def replay(self, epochs: Sequence[Frames]) -> tuple[int, int]:
        """Insert and harvest epoch after epoch; return the ns of all inserts, and all harvests."""
        if self.through == COMPILED:
            ends = np.cumsum([epoch.size for epoch in epochs], dtype=np.uint64)
            frames = np.concatenate([np.empty(0, np.uint64), *epochs])
            state = self._driven()
            spent = time_replay(state, frames, ends, self._out, self._watch)
            reading = self._reading * len(epochs)
            return max(spent[0] - reading, 1), max(spent[1] - reading, 1)
        insert_ns = harvest_ns = 0
        for epoch in epochs:
            insert_ns += self._time(lambda f=epoch: self.structure.insert(f))  # type: ignore[misc]
            harvest_ns += self._time(lambda: self.structure.harvest(self._out))
        return insert_ns, harvest_ns

    def insert_ns(self, frames: Frames) -> int:
        """Insert frames; return the ns that took."""
        if self.through == COMPILED:
            state = self._driven()
            return max(time_insert(state, frames, self._watch) - self._reading, 1)
        return self._time(lambda: self.structure.insert(frames))

    def collect_ns(self) -> int:
        """Collect what is in; return the ns that took."""
        if self.through == COMPILED:
            state = self._driven()
            return max(time_collect(state, self._out, self._watch) - self._reading, 1)
        return self._time(lambda: self.structure.collect(self._out))

    def harvest_ns(self) -> int:
        """Harvest what is in; return the ns that took."""
        return self.harvested()[0]

    def harvested(self) -> tuple[int, Frames]:
        """Harvest what is in; return the ns that took, and the frames, in memory used again."""
        if self.through == COMPILED:
            state = self._driven()
            ns, found = time_harvest(state, self._out, self._watch)
            return max(ns - self._reading, 1), self._out[:found]
        taken: list[Frames] = []
        ns = self._time(lambda: taken.append(self.structure.harvest(self._out)))
        return ns, taken[0]

    def clear_ns(self) -> int:
        """Clear what is in; return the ns that took."""
        if self.through == COMPILED:
            state = self._driven()
            return max(time_clear(state, self._watch) - self._reading, 1)
        return self._time(self.structure.clear)

    def spend(self, bursts: Bursts) -> dict[str, float]:
        """Return the ns of one operation, on average over the epochs of its burst.

        Parameters
        ----------
        bursts : mapping of str to numpy.ndarray
            Of ``insert`` (and collect), ``harvest``, ``clear``, ``epoch``.
        """
        timed = self._compiled if self.through == COMPILED else self._by_python
        return {
            operation: max(ns, 1) / epochs
            for name, burst in bursts.items()
            for operation, ns, epochs in timed(name, burst)
        }

    def _compiled(self, name: str, burst: Frames) -> list[tuple[str, int, int]]:
        state, epochs = self._driven(), burst.shape[0]
        out, watch = self._out, self._watch
        readings = epochs * self._reading
        if name == "insert":
            spent = time_inserts(state, burst, out, watch)
            return [
                (operation, ns - readings, epochs)
                for operation, ns in zip(("insert", "collect"), spent, strict=True)
            ]
        if name == "harvest":
            ns = time_harvests(state, burst, out, watch)
        elif name == "clear":
            ns = time_clears(state, burst, watch)
        else:
            ns = time_epochs(state, burst, out, watch)
            readings = self._reading
        return [(name, ns - readings, epochs)]

    def _by_python(self, name: str, burst: Frames) -> list[tuple[str, int, int]]:
        structure, out = self.structure, self._out
        spent = {name: 0, **({"collect": 0} if name == "insert" else {})}
        for frames in burst:
            if name == "insert":
                spent["insert"] += self._time(lambda f=frames: structure.insert(f))  # type: ignore[misc]
                spent["collect"] += self._time(lambda: structure.collect(out))
                structure.harvest(out)
            elif name == "epoch":
                spent["epoch"] += self._time(lambda f=frames: _epoch(structure, f, out))  # type: ignore[misc]
            else:
                structure.insert(frames)
                action = structure.clear if name == "clear" else lambda: structure.harvest(out)
                spent[name] += self._time(action)
        return [(operation, ns, burst.shape[0]) for operation, ns in spent.items()]

    def _time(self, action: Callable[[], object]) -> int:
        cpu = time.thread_time_ns() if self._cpu_time else 0
        begin = time.perf_counter_ns()
        action()
        spent = time.perf_counter_ns() - begin
        return min(spent, time.thread_time_ns() - cpu) if self._cpu_time else spent


def _epoch(structure: Structure, frames: Frames, out: Frames) -> None:
    structure.insert(frames)
    structure.harvest(out)


def call_costs(structure: Structure, trials: int = 200) -> dict[str, float]:
    """Return what a call from Python adds to a verb: its check of frames, and the call itself.

    Parameters
    ----------
    structure : Structure
        Empty; one frame is inserted and taken again and again.
    trials : int, optional
        Calls of each verb; medians are returned.

    Returns
    -------
    dict of str to float
        Operation to ns, of the public verb less that of the same work in the compiled loop; of an
        ``epoch`` those of insert and harvest together.  Empty where the structure is driven through
        Python anyhow, or has no pages.
    """
    driver = Driver(structure, 1)
    if driver.through == PYTHON or structure.pages == 0:
        return {}
    frame = np.zeros((1, 1), np.uint64)
    bursts: Bursts = dict.fromkeys(("insert", "harvest", "clear"), frame)
    compiled = [driver.spend(bursts) for _ in range(trials)]
    called = [
        {name: ns for burst in bursts for name, ns, _ in driver._by_python(burst, frame)}
        for _ in range(trials)
    ]
    found = {
        verb: float(np.median([one[verb] for one in called]))
        - float(np.median([one[verb] for one in compiled]))
        for verb in called[0]
    }
    return {**found, "epoch": found["insert"] + found["harvest"]}
