"""``dirtylab compare``: every structure against copying its own result, and against its peers.

All as ratios of medians taken in one run, candidates interleaved, new frames for each round.  An
epoch of few frames is timed as a burst of epochs, each with frames of its own: caches are warm, as
in a hypervisor that harvests repeatedly, but the branch predictor has not seen the frames.

Our structures, the copy and the mask are timed in compiled code (:mod:`dirtylab.measure.driver`).
The peers are Python's libraries; their times include calls from Python, one to three an epoch, for
that is how they are used.  Each record says which it was.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dirtylab._check import Frames
from dirtylab._jit import kernel
from dirtylab._progress import Step
from dirtylab.datasets import DATASETS, parsed, studied
from dirtylab.measure.apart import Call, beat, direct
from dirtylab.measure.clock import Stopwatch, elapsed, start, stopwatch
from dirtylab.measure.driver import COMPILED, PYTHON, Driver
from dirtylab.measure.timing import Sampler, interleave
from dirtylab.native.contestants import native
from dirtylab.structures import STRUCTURES, tuned
from dirtylab.studies.peers.libraries import PEERS, available

PAGES = 10_000_000
BURST_FRAMES = 200_000
"""Frames of a burst of epochs together."""
MOST_EPOCHS = 64
DENSITIES = (0.00001, 0.0001, 0.001, 0.01, 0.1, 0.3, 0.6, 1.0)
BATCHES = (100, 10_000, 1_000_000)
DIRTY = (100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000)
COPY, SCATTER = "copy", "byte mask"
NATIVE = "native"
"""Kind of a contestant that is a native tracker; of others the kind is not told."""

Record = dict[str, Any]


@kernel
def time_copy(source: Frames, out: Frames, watch: Stopwatch) -> int:
    """Return the ns of copying frames: the least that giving them can take."""
    start(watch)
    for place in range(source.size):
        out[place] = source[place]
    return elapsed(watch)


@kernel
def time_mask(mask: npt.NDArray[np.bool_], frames: Frames, watch: Stopwatch) -> int:
    """Return the ns of marking frames in a byte a page."""
    start(watch)
    for frame in frames:
        mask[frame] = True
    return elapsed(watch)


class ComparisonCell(NamedTuple):
    """One cell of the comparison."""

    operation: str
    """``collect``, ``insert`` or ``epoch``."""
    pattern: str
    """With its options, as in ``clustered:length=64``."""
    dirty: int


def cells(patterns: Sequence[str] | None = None) -> list[ComparisonCell]:
    """Return all cells; epochs on the studies' usual patterns when none are given."""
    shown = tuple(studied()) if patterns is None else patterns
    collect = [ComparisonCell("collect", "random", round(PAGES * share)) for share in DENSITIES]
    insert = [ComparisonCell("insert", "random", dirty) for dirty in BATCHES]
    epoch = [ComparisonCell("epoch", pattern, dirty) for pattern in shown for dirty in DIRTY]
    return collect + insert + epoch


def compare(
    repeats: int, records: list[Record], seed: int = 2016, patterns: Sequence[str] | None = None,
    structures: Sequence[str] | None = None, call: Call = direct,
) -> Iterator[Step]:  # fmt: skip
    """Yield label and action of each cell; an action appends its samples to `records`.

    `structures` are the tuned ones when omitted; `call` measures, in a process of its own where one
    is native (:func:`dirtylab.measure.apart.measuring`).
    """
    chosen = () if structures is None else (tuple(structures),)
    for number, cell in enumerate(cells(patterns)):
        rng = np.random.default_rng([seed, number])
        label = f"{cell.operation} {cell.pattern} {cell.dirty:,}"
        yield label, lambda c=cell, r=rng: records.extend(call(measure, c, repeats, r, *chosen))  # type: ignore[misc]


def measure(
    cell: ComparisonCell,
    repeats: int,
    rng: np.random.Generator,
    structures: Sequence[str] | None = None,
) -> list[Record]:
    """Return the samples of one cell."""
    names = tuned() if structures is None else structures
    kind = {"collect": _Collect, "insert": _Insert, "epoch": _Epoch}[cell.operation]
    benchmark = kind(cell, names)
    benchmark.prepare(0)
    benchmark.require_agreement()
    found = interleave(benchmark.samplers(), repeats, rng, prepare=benchmark.prepare, floor_ns=0)
    return [
        {
            **cell._asdict(), "pages": PAGES, "contestant": name, "repeat": repeat,
            "through": benchmark.through(name), "ns": float(ns),
            **({"kind": NATIVE} if native([name]) else {}),
        }
        for name, samples in found.items()
        for repeat, ns in enumerate(samples.ns)
    ]  # fmt: skip


class _Contest:
    """Structures of one size and the frames of the round."""

    def __init__(self, cell: ComparisonCell, names: Sequence[str]) -> None:
        self.cell = cell
        self.ours = {name: _made(name, cell.dirty) for name in names}
        self.frames = np.empty(0, np.uint64)
        self.out = np.zeros(cell.dirty, np.uint64)
        self.watch = stopwatch()

    def through(self, name: str) -> str:
        """Return what drives a candidate: compiled code, or Python."""
        return self.ours[name].through if name in self.ours else COMPILED

    def prepare(self, repeat: int) -> None:
        """Draw the frames of a round and bring all candidates into the state it begins with."""
        self.frames = draw(self.cell, repeat)

    def require_agreement(self) -> None:
        """Raise unless all candidates return the same frames."""

    def samplers(self) -> dict[str, Sampler]:
        """Return the candidates."""
        raise NotImplementedError


class _Collect(_Contest):
    def prepare(self, repeat: int) -> None:
        super().prepare(repeat)
        for driver in self.ours.values():
            driver.structure.clear()
            driver.structure.insert(self.frames)
            len(driver.structure)  # a list sorts itself when asked for its number
        self.expected = np.unique(self.frames)
        self.room = self.out[: self.expected.size]
        self.room[:] = 0

    def require_agreement(self) -> None:
        for name, driver in self.ours.items():
            _require(name, driver.structure.collect(), self.expected)

    def samplers(self) -> dict[str, Sampler]:
        ours = {
            name: repeated(driver.collect_ns)
            for name, driver in self.ours.items()
            # A list, sorted beforehand, would only copy; a native tracker has no collect.
            if name != "list" and driver.structure.collects
        }
        copied = repeated(lambda: time_copy(self.expected, self.room, self.watch))
        return {COPY: copied, **ours}


class _Insert(_Contest):
    def __init__(self, cell: ComparisonCell, names: Sequence[str]) -> None:
        super().__init__(cell, names)
        self.mask = np.zeros(PAGES, bool)

    def prepare(self, repeat: int) -> None:
        super().prepare(repeat)
        self.mask[:] = False
        for driver in self.ours.values():
            driver.structure.clear()

    def require_agreement(self) -> None:
        expected = np.unique(self.frames)
        self._scatter()
        _require(SCATTER, np.flatnonzero(self.mask), expected)
        for name, driver in self.ours.items():
            _told(driver).insert_ns(self.frames)
            _require(name, driver.structure.harvest(), expected)

    def samplers(self) -> dict[str, Sampler]:
        ours = {
            name: repeated(lambda d=driver: _told(d).insert_ns(self.frames))  # type: ignore[misc]
            for name, driver in self.ours.items()
        }
        return {SCATTER: repeated(self._scatter), **ours}

    def _scatter(self) -> int:
        return time_mask(self.mask, self.frames, self.watch)


class _Epoch(_Contest):
    def __init__(self, cell: ComparisonCell, names: Sequence[str]) -> None:
        super().__init__(cell, names)
        self.peers = {name: PEERS[name](PAGES) for name in available()}
        self.epochs = min(max(BURST_FRAMES // cell.dirty, 1), MOST_EPOCHS)
        self.burst = np.empty((0, cell.dirty), np.uint64)

    def through(self, name: str) -> str:
        return PYTHON if name in self.peers else super().through(name)

    def prepare(self, repeat: int) -> None:
        seeds = range(repeat * self.epochs, (repeat + 1) * self.epochs)
        self.burst = np.stack([draw(self.cell, seed) for seed in seeds])

    def require_agreement(self) -> None:
        for frames in self.burst[:2]:
            expected = np.unique(frames)
            for name, driver in self.ours.items():
                _require(name, _told(driver).taken(frames, "harvest", driver.through), expected)
            for name, epoch in self.peers.items():
                _require(name, epoch(frames), expected)

    def samplers(self) -> dict[str, Sampler]:
        ours = {
            name: repeated(lambda d=driver: _told(d).spend({"epoch": self.burst})["epoch"])  # type: ignore[misc]
            for name, driver in self.ours.items()
        }
        peers = {name: self._called(epoch) for name, epoch in self.peers.items()}
        return ours | peers

    def _called(self, epoch: Callable[[Frames], object]) -> Sampler:
        """Return a sampler that reads Python's clock around a burst: calls are part of the job."""

        def sampler(loops: int) -> int:
            begin = time.perf_counter_ns()
            for frames in self.burst:
                epoch(frames)
            return (time.perf_counter_ns() - begin) * loops // len(self.burst)

        return sampler


def _made(name: str, dirty: int) -> Driver:
    beat(name)
    return Driver(STRUCTURES[name](PAGES), dirty)


def _told(driver: Driver) -> Driver:
    """Tell whose turn it is, off the clock."""
    beat(driver.structure.name)
    return driver


def repeated(spent: Callable[[], float]) -> Sampler:
    """Return a sampler of what returns its own time."""
    return lambda loops: round(sum(spent() for _ in range(loops)))


def draw(cell: ComparisonCell, repeat: int) -> Frames:
    """Return the frames of a round: each has its own where the pattern has a seed."""
    name, options = parsed(cell.pattern)
    return DATASETS[name](PAGES, cell.dirty, seed=repeat, **options)


def _require(name: str, found: npt.NDArray[Any], expected: Frames) -> None:
    if not np.array_equal(found.astype(np.uint64), expected):
        raise AssertionError(f"{name} returned other frames than were inserted")
