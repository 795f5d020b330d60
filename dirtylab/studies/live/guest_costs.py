"""Measure what a dirty page costs a guest: first writes, harvests, and the ways out of it.

In each round every tracker, in a new random order, has its turn with the same frames, which were
written before, so that their memory is there::

    harvested   first write of each frame (timed in the guest: entering and leaving it, a page
                fault for each page that is protected, the ways out for full rings)
                second write of each (timed: nothing is protected now)
                harvest (timed: the kernel's answer, the way to frames, the protection anew)

Harvests of full rings count as harvest, not as first writes; a ring that the frames do not fit in
protects them again on the way, and so has no second write.  What tracking costs is the first writes
less the second ones of the log's guest, and the harvest.  Entering the guest is timed by compiled
code (:mod:`dirtylab.live.timed`).  A guest whose log is read has its pages protected by the
harvest; one with a ring by KVM_RESET_DIRTY_RINGS.
"""

import contextlib
import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dirtylab._check import Frames
from dirtylab._progress import Step
from dirtylab.datasets import DATASETS, parsed
from dirtylab.live.kvm import Guest, KvmLog, KvmManualLog, KvmRing
from dirtylab.live.timed import Clock
from dirtylab.live.trackers import missing
from dirtylab.measure.experiment import take_turns
from dirtylab.studies.live.record import instructions_per_write

if TYPE_CHECKING:
    import pandas as pd

PAGES = (2**16, 2**20, 2**24)
"""Slots of 256 MiB, 4 GiB and 64 GiB."""
DIRTY = (10, 30, 100, 300, 1_000, 3_000, 10_000)
PATTERNS = ("random", "sequential", "clustered:length=64")
ENTRIES = (1_024, 4_096, 16_384, 65_536)
ROUNDS = 7
LOG, MANUAL = "kvm-log", "kvm-log-manual"
COLUMNS = (
    "tracker", "pattern", "pages", "dirty", "repeat", "first_ns", "second_ns", "harvest_ns",
    "fetch_ns", "decode_ns", "release_ns", "exits",
)  # fmt: skip

MOST_EMULATED = 0.5
"""Instructions a write, of three, that KVM may emulate for a guest that runs on the processor."""
RESERVED = 64
"""Entries that KVM keeps free for what is written before it stops a vCPU."""

Row = dict[str, Any]


def ring_name(entries: int) -> str:
    """Return what a ring is called in the rows."""
    return f"kvm-ring:{entries}"


def trackers() -> dict[str, Callable[[int], Guest]]:
    """Return what can be measured here, by name."""
    found: dict[str, Callable[[int], Guest]] = {}
    if missing("kvm-log") is None:
        found[LOG] = KvmLog
    if missing("kvm-log-manual") is None:
        found[MANUAL] = KvmManualLog
    if missing("kvm-ring") is None:
        for entries in ENTRIES:
            found[ring_name(entries)] = functools.partial(_ring, entries=entries)
    return found


def _ring(pages: int, *, entries: int) -> KvmRing:
    """Return a guest with a ring; one that is interpreted must be kept from overrunning it."""
    return KvmRing(pages, entries=entries, guarded=not runs_natively())


@functools.cache
def runs_natively() -> bool:
    """Return whether guests run on the processor here, as KVM's own counters tell."""
    emulated = instructions_per_write()
    return emulated is not None and emulated < MOST_EMULATED


class Tracked:
    """A guest, with clocks for what is spent in it and on its harvests.

    Parameters
    ----------
    name : str
        Of :func:`trackers`.
    guest : Guest
        Closed by :meth:`close`.
    most : int
        Most frames of an epoch.
    """

    def __init__(self, name: str, guest: Guest, most: int) -> None:
        self.name, self.guest = name, guest
        self._machine = guest.machine
        self._inside = self._machine.enter = Clock()
        self._clock = self._machine.call = Clock()
        self._out = np.zeros(most + 64, np.uint64)
        self._words = np.zeros(-(-self._machine.pages // 64), np.uint64)
        self._harvested = [0, 0, 0]
        self._found = self.exits = 0
        if isinstance(guest, KvmRing):
            guest.drain_by = self._clock.drain
            self._machine.on_full = lambda vcpu, exited: self._drain(vcpu, exited)

    def write(self, frames: Frames) -> int:
        """Let the guest write; return the ns in it, without those of harvests of full rings."""
        self._inside.taken()
        self._machine.write(frames)
        return self._inside.taken()

    def holds(self, frames: int) -> bool:
        """Return whether so many frames are tracked without a harvest between them."""
        return not isinstance(self.guest, KvmRing) or frames + 2 < self._machine.entries - RESERVED

    @property
    def harvested_ns(self) -> int:
        """What harvests of full rings have taken since the last harvest, in ns."""
        return sum(self._harvested)

    def harvest(self) -> tuple[Frames, list[int]]:
        """Return frames, and the ns of fetching, decoding and releasing, of full rings too."""
        if isinstance(self.guest, KvmRing):
            for vcpu in self._machine.vcpus:
                self._drain(vcpu, exited=False)
        else:
            self._read_log()
        found, spent = self._out[: self._found].copy(), self._harvested
        self._found, self._harvested = 0, [0, 0, 0]
        return found, spent

    def _read_log(self) -> None:
        self._clock.taken()
        self._machine.get_log(1, self._words)
        self._harvested[0] += self._clock.taken()
        self._found = self._clock.decode(self._words, self._out.size, self._out, self.guest.vector)
        self._harvested[1] += self._clock.taken()
        if self._machine.tracking == "manual":
            self._machine.clear_log(1, self._words, self._machine.pages)
            self._harvested[2] += self._clock.taken()

    def _drain(self, vcpu: Any, exited: bool) -> None:
        self.exits += int(exited)
        self._clock.taken()
        self._found += self.guest.drain_into(vcpu, self._out[self._found :])  # type: ignore[attr-defined]
        self._harvested[1] += self._clock.taken()
        self._machine.reset_rings()
        self._harvested[2] += self._clock.taken()

    def close(self) -> None:
        """Release the guest."""
        self.guest.close()


def steps(
    rows: list[Row],
    *,
    pages: Sequence[int] = PAGES,
    dirty: Sequence[int] = DIRTY,
    patterns: Sequence[str] = PATTERNS,
    rounds: int = ROUNDS,
    seed: int = 2016,
) -> Iterator[Step]:
    """Yield label and action of each slot and pattern; an action appends its rows.

    Parameters
    ----------
    rows : list of dict
        One a tracker, number of frames and round, with :data:`COLUMNS`.
    pages, dirty, patterns : sequence, optional
        What is measured; numbers of frames above half of a slot are left out.
    rounds : int, optional
        Rounds that are kept; one before them is dropped.
    seed : int, optional
        Of frames and orders.
    """
    for size in pages:
        for pattern in patterns:
            counts = [count for count in dirty if count <= size // 2]
            yield (
                f"guest writes, {pattern}, {size:,} pages",
                lambda s=size, p=pattern, c=counts: rows.extend(  # type: ignore[misc]
                    _measure(s, p, c, rounds, seed)
                ),
            )


def _measure(pages: int, pattern: str, counts: Sequence[int], rounds: int, seed: int) -> list[Row]:
    rng = np.random.default_rng([seed, pages, len(pattern)])
    rows: list[Row] = []
    with contextlib.ExitStack() as keep:
        made = [
            keep.enter_context(contextlib.closing(Tracked(name, make(pages), 2 * max(counts))))
            for name, make in trackers().items()
        ]
        for dirty in counts:
            frames = distinct(pattern, pages, dirty, seed)
            for repeat in range(-1, rounds):  # the first faults memory in; it is dropped
                found = take_turns(
                    made,
                    rng,
                    lambda one, f=frames, r=repeat: _turn(one, f, pattern, pages, r),  # type: ignore[misc]
                )
                rows += [row for _, row in found if repeat >= 0]
    return rows


def distinct(pattern: str, pages: int, dirty: int, seed: int) -> Frames:
    """Return distinct frames of a pattern, in order of arrival; about as many as asked for."""
    name, options = parsed(pattern)
    frames = DATASETS[name](pages, dirty, seed=seed, **options)
    _, first = np.unique(frames, return_index=True)
    return frames[np.sort(first)]


def _turn(one: Tracked, frames: Frames, pattern: str, pages: int, repeat: int) -> Row:
    exits = one.exits
    first = one.write(frames)
    exits = one.exits - exits
    second = one.write(frames) if one.holds(frames.size) else math.nan
    found, (fetch, decode, release) = one.harvest()
    if not np.array_equal(np.unique(found), np.sort(frames)):
        raise AssertionError(f"{one.name} returned other frames than were written")
    return {
        "tracker": one.name, "pattern": pattern, "pages": pages, "dirty": frames.size,
        "repeat": repeat, "first_ns": first, "second_ns": second,
        "harvest_ns": fetch + decode + release, "fetch_ns": fetch, "decode_ns": decode,
        "release_ns": release, "exits": exits,
    }  # fmt: skip


def totals(table: "pd.DataFrame") -> "pd.DataFrame":
    """Return the rows with ``total_ns``: what tracking costs, guest and host together, at least 1.

    First writes less the log's second ones of the same round, and the harvest.
    """
    keys = ["pattern", "pages", "dirty", "repeat"]
    log = table[table["tracker"] == LOG].set_index(keys)["second_ns"].rename("plain_ns")
    joined = table.join(log, on=keys)
    plain = joined["plain_ns"].fillna(joined["second_ns"])
    total = joined["first_ns"] - plain + joined["harvest_ns"]
    return table.assign(total_ns=total.clip(lower=1))
