"""Measure harvests: the kernel's mechanisms beside our structures, on the same frames.

In each round every harvester, in a new random order, tracks the same random frames, new ones in
each round and none twice, and then returns the list of them:

=====================  ============================================================================
``kvm-log``            KVM_GET_DIRTY_LOG, then bits to frames as our bitmap does it
``kvm-log-manual``     KVM_GET_DIRTY_LOG, bits to frames, KVM_CLEAR_DIRTY_LOG
``kvm-ring``           entries to frames and KVM_RESET_DIRTY_RINGS, at every full ring and at the
                       end; not the way out of the guest and back, which ``exits`` counts
``pagemap``            PAGEMAP_SCAN of this process, ranges to frames
a structure            its harvest
=====================  ============================================================================

All is timed by compiled code: system calls, the way from bits, entries or ranges to frames, and our
structures.  Nothing of Python is in a time (:mod:`dirtylab.live.timed`).
Frames come sorted, from a ring in order of arrival; nothing is sorted afterwards.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dirtylab._check import Frames
from dirtylab._progress import Step
from dirtylab.datasets import DATASETS
from dirtylab.live._machine import VCpu
from dirtylab.live.kvm import Guest, KvmLog, KvmManualLog, KvmRing
from dirtylab.live.pagemap import Pagemap
from dirtylab.live.timed import Clock
from dirtylab.live.trackers import missing
from dirtylab.measure.driver import Driver
from dirtylab.measure.experiment import take_turns
from dirtylab.native.contestants import native
from dirtylab.structures import STRUCTURES, Structure, Tree8

if TYPE_CHECKING:
    import pandas as pd

PAGES = (2**16, 2**20, 10_000_000)
"""Slots of 256 MiB, 4 GiB and 38 GiB."""
DIRTY = (10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000)
ROUNDS = 9
GUESTS: dict[str, Callable[[int], Guest]] = {
    "kvm-log": KvmLog,
    "kvm-log-manual": KvmManualLog,
    "kvm-ring": lambda pages: KvmRing(pages, entries=4096),
    "kvm-ring-64k": lambda pages: KvmRing(pages, entries=65536),
}
"""The guests that are measured; rings of 4,096 and 65,536 entries."""

Record = dict[str, Any]


class Spent(NamedTuple):
    """The times of one harvest, in ns, and its frames."""

    frames: Frames
    fetch: int
    """The kernel's answer; for a structure the whole harvest."""
    decode: int = 0
    """Conversion to frames."""
    release: int = 0
    """Making the kernel track the pages again."""

    @property
    def total(self) -> int:
        """The whole harvest."""
        return self.fetch + self.decode + self.release


class Harvester:
    """Tracks frames and harvests them.

    Parameters
    ----------
    name : str
        Its name in the rows.
    pages : int
        Size of the slot.
    """

    exits = 0

    def __init__(self, name: str, pages: int) -> None:
        self.name, self.out = name, np.zeros(max(DIRTY) + 64, np.uint64)

    def write(self, frames: Frames) -> None:
        """Make them dirty."""
        raise NotImplementedError

    def harvest(self) -> Spent:
        """Return them, timed."""
        raise NotImplementedError

    def rest(self) -> None:
        """Release what the next round does not need."""

    def close(self) -> None:
        """Release all."""


class Ours(Harvester):
    """A structure."""

    def __init__(self, name: str, pages: int) -> None:
        super().__init__(name, pages)
        self._made: Structure = STRUCTURES[name](pages)
        self._driver = Driver(self._made, max(DIRTY))

    def write(self, frames: Frames) -> None:
        self._made.insert(frames)

    def harvest(self) -> Spent:
        ns, found = self._driver.harvested()
        return Spent(found, ns)


class Logged(Harvester):
    """A guest with a dirty log."""

    def __init__(self, name: str, pages: int) -> None:
        super().__init__(name, pages)
        made = GUESTS[name](pages)
        self._guest, self._machine = made, made.machine
        self._words = np.zeros(-(-pages // 64), np.uint64)
        self._dirty = 0
        self._clock = self._machine.call = Clock()

    def write(self, frames: Frames) -> None:
        self._dirty = frames.size
        self._machine.write(frames)

    def harvest(self) -> Spent:
        self._clock.taken()
        self._machine.get_log(1, self._words)
        fetched = self._clock.taken()
        count = self._clock.decode(self._words, self._dirty, self.out, self._guest.vector)
        decoded = self._clock.taken()
        released = 0
        if self._machine.tracking == "manual":
            self._machine.clear_log(1, self._words, self._machine.pages)
            released = self._clock.taken()
        return Spent(self.out[:count], fetched, decoded, released)

    def rest(self) -> None:
        self._machine.discard()

    def close(self) -> None:
        self._guest.close()


class Ringed(Harvester):
    """A guest with dirty rings."""

    def __init__(self, name: str, pages: int) -> None:
        super().__init__(name, pages)
        made = GUESTS[name](pages)
        if not isinstance(made, KvmRing):
            raise TypeError(f"{name} has no ring")
        self._guest = made
        self._guest.machine.on_full = self._on_full
        self._clock = self._guest.machine.call = Clock()
        self._guest.drain_by = self._clock.drain
        self._found, self._decode, self._release = 0, 0, 0

    def write(self, frames: Frames) -> None:
        self._found = self._decode = self._release = self.exits = 0
        self._guest.machine.write(frames)

    def _on_full(self, vcpu: VCpu, exited: bool) -> None:
        self.exits += int(exited)
        self._take(vcpu)

    def _take(self, vcpu: VCpu) -> None:
        self._clock.taken()
        self._found += self._guest.drain_into(vcpu, self.out[self._found :])
        self._decode += self._clock.taken()
        self._guest.machine.reset_rings()
        self._release += self._clock.taken()

    def harvest(self) -> Spent:
        for vcpu in self._guest.machine.vcpus:
            self._take(vcpu)
        return Spent(self.out[: self._found], 0, self._decode, self._release)

    def rest(self) -> None:
        self._guest.machine.discard()

    def close(self) -> None:
        self._guest.close()


class Scanned(Harvester):
    """Memory of this process."""

    def __init__(self, name: str, pages: int) -> None:
        super().__init__(name, pages)
        self._made = Pagemap(pages)
        self._clock = self._made.scanner.call = Clock()

    def write(self, frames: Frames) -> None:
        self._made.insert(frames)

    def harvest(self) -> Spent:
        self._clock.taken()
        regions = self._made.scan_regions()
        fetched = self._clock.taken()
        count = self._clock.expand(regions, self._made.first_page, self.out)
        return Spent(self.out[:count], fetched, self._clock.taken())

    def rest(self) -> None:
        self._made.discard()

    def close(self) -> None:
        self._made.close()


def ours() -> list[str]:
    """Return the structures: none as posted, and of the trees the one of radix 64."""
    brought = native(list(STRUCTURES))  # these are replayed only, in a process of their own
    kinds = {name: kind for name, kind in STRUCTURES.items() if name not in brought}
    return [name for name, kind in kinds.items() if not kind.posted and kind is not Tree8]


def harvesters() -> dict[str, type[Harvester]]:
    """Return what can be measured here, by name."""
    found: dict[str, type[Harvester]] = dict.fromkeys(ours(), Ours)
    kinds = {"kvm-log": Logged, "kvm-log-manual": Logged, "kvm-ring": Ringed, "pagemap": Scanned}
    found |= {name: kind for name, kind in kinds.items() if missing(name) is None}
    return found | ({"kvm-ring-64k": Ringed} if "kvm-ring" in found else {})


def harvests(
    records: list[Record],
    *,
    pages: Sequence[int] = PAGES,
    dirty: Sequence[int] = DIRTY,
    rounds: int = ROUNDS,
    seed: int = 2016,
) -> Iterator[Step]:
    """Yield label and action of each size of the slot; an action appends rows to `records`."""
    for size in pages:
        counts = [count for count in dirty if count <= size // 2]
        yield (
            f"harvests of {size:,} pages",
            lambda s=size, c=counts: records.extend(_measure(s, c, rounds, seed)),  # type: ignore[misc]
        )


def _measure(pages: int, counts: Sequence[int], rounds: int, seed: int) -> list[Record]:
    rng = np.random.default_rng([seed, pages])
    rows: list[Record] = []
    with contextlib.ExitStack() as keep:
        made = []
        for name, kind in harvesters().items():
            made.append(keep.enter_context(contextlib.closing(kind(name, pages))))
        for repeat in range(-1, rounds):  # the first compiles and faults memory in; it is dropped
            for dirty in counts:
                found = _round(made, pages, dirty, repeat, rng)
                rows.extend(found if repeat >= 0 else [])
    return rows


def _round(
    made: Sequence[Harvester], pages: int, dirty: int, repeat: int, rng: np.random.Generator
) -> list[Record]:
    seed = int(rng.integers(2**62))
    frames = DATASETS["random"](pages, dirty, seed=seed, replacement=False)
    expected = np.sort(frames)

    def turn(one: Harvester) -> Record:
        one.write(frames)
        spent = one.harvest()
        if not np.array_equal(np.unique(spent.frames), expected):
            raise AssertionError(f"{one.name} returned other frames than were written")
        return {
            "contestant": one.name, "pages": pages, "dirty": dirty, "repeat": repeat,
            "ns": spent.total, "fetch_ns": spent.fetch, "decode_ns": spent.decode,
            "release_ns": spent.release, "exits": one.exits,
            "returned": spent.frames.size,
        }  # fmt: skip

    rows = [row for _, row in take_turns(made, rng, turn)]
    for one in made:  # after all turns: the system would do its work during the next
        one.rest()
    return rows


def instructions_per_write(pages: int = 4096, dirty: int = 1000) -> float | None:
    """Return how many instructions a write KVM emulates here; None where it does not report it.

    3 of 3 mean that the hypervisor emulates every instruction of the guest, 0 that the processor
    runs them all.
    """
    if missing("kvm-log") is not None:
        return None
    with KvmLog(pages) as guest:
        guest.insert(DATASETS["sequential"](pages, dirty))
        count = guest.statistics().get("insn_emulation")
    return None if count is None else count / dirty


def medians(table: "pd.DataFrame", value: str = "ns") -> "pd.DataFrame":
    """Return the medians of `harvests`, pages and dirty down, harvesters across."""
    grouped = table.groupby(["pages", "dirty", "contestant"])[value].median()
    return grouped.unstack("contestant")
