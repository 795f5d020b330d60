"""Soak test: threads insert as vCPUs, one thread harvests, and every insert is accounted for.

Each vCPU has a byte of its own in each *page*. It writes the number of its lap there, and then
marks the page. The harvester reads the page of each reported frame and keeps the content, as a
migration does. Each vCPU also publishes the number of its inserts that have returned.
The harvester reads those counts before a harvest, and after it looks up every insert that
they newly cover: if the page it has read for it does not have that lap yet, the insert was
*missed*. After the last harvest, which begins when all inserts have returned, each missed insert
whose write has still not been seen is *lost*; the others were *late*. Every insert is checked.

A *duplicate* is a frame reported again by a later harvest although nothing new was in the page.
"""

import dataclasses
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dirtylab import _check
from dirtylab._check import Frames
from dirtylab._jit import inlined, kernel, uncounted
from dirtylab._words import ONE, Words
from dirtylab.lockless.atomics import (
    add_relaxed,
    aligned_zeros,
    give_way,
    load_acquire,
    load_relaxed,
    require_threads,
    store_relaxed,
    store_release,
)
from dirtylab.lockless.dispatch import State, harvest_into, insert_one
from dirtylab.lockless.native import LocklessNative, concurrent
from dirtylab.lockless.pagelist import LINE
from dirtylab.lockless.registry import LATE, LOCKLESS
from dirtylab.measure.apart import beat
from dirtylab.verify.threads import in_threads

MOST_VCPUS = 8
"""Most vCPUs: a page is one word, with a byte for each."""
MOST_LAPS = 255
PAGES = 2**18
SCATTER = 0x9E3779B97F4A7C15 | 1
"""An odd factor, which puts the frames of a power of two in another order."""

PATTERNS = ("same", "word", "apart", "random", "sparse")
"""Every vCPU the same frames in the same order; neighbours in one word; each a range of its own;
every vCPU all frames, in scattered order; one frame a word, so that no other insert of the lap
mends what one has broken."""

WAIT, GO, STOP = (np.uint64(value) for value in range(3))
_BYTE = np.uint64(0xFF)
_EIGHT, _THREE = np.uint64(8), np.uint64(3)

HARVESTS, REPORTS, DUPLICATES, MISSED, LOST, GHOSTS, CHECKED = range(7)


class SoakJob(NamedTuple):
    """What the threads of a run share."""

    content: npt.NDArray[np.uint8]  # a byte of each vCPU in each page
    written: Words  # the same, a word a page
    progress: Words  # inserts of each vCPU that have returned, on lines of their own
    gate: Words  # WAIT, GO, STOP; and how many vCPUs stand there
    plan: Words  # inserts of a lap, laps, step, offset, factor, mask


@inlined
def frame_of(job: SoakJob, vcpu: int, number: int) -> np.uint64:
    """Return the frame of a vCPU's insert, by its number in the lap."""
    count = np.uint64(number) * job.plan[2] + np.uint64(vcpu) * job.plan[3]
    return (count * job.plan[4]) & job.plan[5]


@uncounted
def drive(state: State, vcpu: int, job: SoakJob) -> None:
    """Write and insert, lap after lap."""
    add_relaxed(job.gate, 1, ONE)
    while load_acquire(job.gate, 0) == WAIT:
        give_way()
    done = 0
    for lap in range(job.plan[1]):
        for number in range(job.plan[0]):
            frame = frame_of(job, vcpu, number)
            job.content[(frame << _THREE) + np.uint64(vcpu)] = lap + 1
            while not insert_one(state, vcpu, frame):
                if load_relaxed(job.gate, 0) == STOP:
                    return
                give_way()
            done += 1
            store_release(job.progress, vcpu * LINE, done)
        if load_relaxed(job.gate, 0) == STOP:
            return


@inlined
def has_seen(seen: Words, job: SoakJob, vcpu: int, insert: int) -> bool:
    """Return whether the page of an insert has been read since it was written."""
    in_a_lap = int(job.plan[0])
    frame = frame_of(job, vcpu, insert % in_a_lap)
    lap = np.uint64(insert // in_a_lap + 1)
    return (seen[frame] >> (np.uint64(vcpu) * _EIGHT)) & _BYTE >= lap


@inlined
def read_pages(
    job: SoakJob, seen: Words, last: Words, out: Frames, found: int, tally: npt.NDArray[np.int64]
) -> None:
    """Read each page reported."""
    harvest = np.uint64(tally[HARVESTS] + 1)
    for place in range(found):
        frame = out[place]
        if frame >= seen.size:
            tally[GHOSTS] += 1
            continue
        content = load_relaxed(job.written, frame)
        if content == seen[frame] and last[frame] != harvest:
            tally[DUPLICATES] += 1
        seen[frame] = content
        last[frame] = harvest


@kernel
def watch(state: State, job: SoakJob, out: Frames, tally: npt.NDArray[np.int64]) -> None:
    """Harvest until all inserts have returned, then one last time; check every insert."""
    vcpus = job.progress.size // LINE
    total = np.int64(job.plan[0] * job.plan[1])
    seen, last = np.zeros(job.written.size, np.uint64), np.zeros(job.written.size, np.uint64)
    returned, checked = np.zeros(vcpus, np.int64), np.zeros(vcpus, np.int64)
    while load_relaxed(job.gate, 1) < np.uint64(vcpus):
        if load_relaxed(job.gate, 0) == STOP:
            return
        give_way()
    store_release(job.gate, 0, GO)
    running = True
    while running:
        running = False
        for vcpu in range(vcpus):
            returned[vcpu] = np.int64(load_acquire(job.progress, vcpu * LINE))
            running |= returned[vcpu] < total
        if load_relaxed(job.gate, 0) == STOP:
            return
        found = harvest_into(state, out)
        read_pages(job, seen, last, out, found, tally)
        tally[HARVESTS] += 1
        tally[REPORTS] += found
        for vcpu in range(vcpus):
            for insert in range(checked[vcpu], returned[vcpu]):
                tally[MISSED] += not has_seen(seen, job, vcpu, insert)
            tally[CHECKED] += returned[vcpu] - checked[vcpu]
            checked[vcpu] = returned[vcpu]
    for vcpu in range(vcpus):
        for insert in range(total):
            tally[LOST] += not has_seen(seen, job, vcpu, insert)


# --- a run --------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Tally:
    """The outcomes of the inserts of one run."""

    structure: str
    pattern: str
    vcpus: int
    pages: int
    inserts: int
    """All of them accounted for."""
    harvests: int
    reports: int
    duplicates: int
    """Frames reported again by a later harvest though nothing new was in the page."""
    late: int
    lost: int
    ghosts: int
    """Reports of frames that the slot does not have."""
    seconds: float

    @property
    def clean(self) -> bool:
        """Whether nothing was lost and no frame invented."""
        return self.lost == self.ghosts == 0


Maker = Callable[[int, int], State]
"""``(pages, vcpus)`` gives an empty state."""


def makers() -> dict[str, Maker]:
    """Return how to make the state of each structure, the ones that may be late included.

    And of the native trackers among the structures into which threads may insert.
    """
    options: dict[str, dict[str, Any]] = {"list": {"capacity": 2**16}}
    return {
        name: lambda pages, vcpus, name=name, make=make: (
            make(  # type: ignore[misc]
                pages, vcpus=vcpus, **options.get(name, {})
            ).state
        )
        for name, make in {**LOCKLESS, **LATE, **_brought()}.items()
    }


def _brought() -> dict[str, Callable[..., Any]]:
    return {name: partial(LocklessNative, kind=kind) for name, kind in concurrent().items()}


def job_for(pages: int, vcpus: int, pattern: str, laps: int) -> SoakJob:
    """Return a job in which each vCPU inserts each of its frames once a lap.

    Parameters
    ----------
    pages : int
        A power of two, 64 or more.
    vcpus : int
        1 … 8.
    pattern : {"same", "word", "apart", "random"}
        Which frames they insert.
    laps : int
        1 … 255.

    Raises
    ------
    ValueError, TypeError
        An argument is out of range.
    """
    _check.integer("pages", pages, 64, 2**28)
    if pages & (pages - 1):
        raise ValueError(f"pages={pages}: must be a power of two")
    _check.integer("vcpus", vcpus, 1, MOST_VCPUS)
    _check.choice("pattern", pattern, PATTERNS)
    _check.integer("laps", laps, 1, MOST_LAPS)
    parts = 1 << (vcpus - 1).bit_length()
    count, step, offset, factor = {
        "same": (pages, 1, 0, 1),
        "word": (pages // parts, parts, 1, 1),
        "apart": (pages // parts, 1, pages // parts, 1),
        "random": (pages, 1, 7, SCATTER),
        "sparse": (-(-pages // 64 // parts), 64 * parts, 64, 1),
    }[pattern]
    written = aligned_zeros(pages)
    plan = np.array([count, laps, step, offset, factor, pages - 1], np.uint64)
    return SoakJob(
        written.view(np.uint8), written, aligned_zeros(vcpus * LINE), aligned_zeros(LINE), plan
    )


def room_for(state: State, pages: int) -> Frames:
    """Return an output for any harvest of a state."""
    entries = getattr(state, "entries", None)
    return np.empty(max(pages, 0 if entries is None else entries.size) + 64, np.uint64)


def run(
    name: str,
    make: Maker,
    *,
    vcpus: int = 2,
    pattern: str = "word",
    pages: int = PAGES,
    laps: int = 1,
) -> Tally:
    """Let vCPUs insert while one thread harvests, and account for every insert.

    Parameters
    ----------
    name : str
        The structure's name in the tally.
    make : callable
        Makes its state, see :data:`Maker`.
    vcpus, pattern, pages, laps
        As for :func:`job_for`.

    Returns
    -------
    Tally

    Raises
    ------
    RuntimeError
        The JIT is switched off.
    """
    require_threads()
    job = job_for(pages, vcpus, pattern, laps)
    state = make(pages, vcpus)
    tally = np.zeros(7, np.int64)
    out = room_for(state, pages)
    begin = time.perf_counter()
    in_threads(
        [
            *(lambda vcpu=vcpu: drive(state, vcpu, job) for vcpu in range(vcpus)),
            lambda: watch(state, job, out, tally),
        ],
        lambda: store_relaxed(job.gate, 0, STOP),
    )
    inserts = int(job.plan[0] * job.plan[1]) * vcpus
    if tally[CHECKED] != inserts:
        raise AssertionError(f"{tally[CHECKED]} of {inserts} inserts were looked up")
    return Tally(
        structure=name, pattern=pattern, vcpus=vcpus, pages=pages, inserts=inserts,
        harvests=int(tally[HARVESTS]), reports=int(tally[REPORTS]),
        duplicates=int(tally[DUPLICATES]), late=int(tally[MISSED] - tally[LOST]),
        lost=int(tally[LOST]), ghosts=int(tally[GHOSTS]), seconds=time.perf_counter() - begin,
    )  # fmt: skip


def run_until_failure(
    name: str, make: Maker, expected_failure: str, *, seconds: float = 10.0, pages: int = PAGES
) -> list[Tally]:
    """Run a mutant until it fails as expected, or the time is up.

    Parameters
    ----------
    name : str
        Its name in the tallies.
    make : callable
        Makes its state.
    expected_failure : {"late", "lost"}
        The failure that ends the run.
    seconds : float, optional
        Time after which no further run starts.
    pages : int, optional
        As for :func:`job_for`.

    Returns
    -------
    list of Tally
        All runs; the last one has the failure, unless the time was up.
    """
    _check.choice("expected_failure", expected_failure, ("late", "lost"))
    end = time.monotonic() + _check.positive("seconds", seconds)
    tallies: list[Tally] = []
    for vcpus, pattern in itertools.cycle(itertools.product((2, 4, 3, 8), reversed(PATTERNS))):
        more = 8 if pattern == "sparse" else 1  # else a run would be over at once
        tallies.append(run(name, make, vcpus=vcpus, pattern=pattern, pages=more * pages))
        if getattr(tallies[-1], expected_failure) or time.monotonic() > end:
            break
    return tallies


# --- the soak -----------------------------------------------------------------------------------


class SoakCell(NamedTuple):
    """One run of a soak."""

    structure: str
    pattern: str
    vcpus: int
    laps: int


def soak_cells(
    inserts: int,
    *,
    pages: int = PAGES,
    vcpus: Sequence[int] = (2, 3, 4, 8),
    structures: Sequence[str] = (*LOCKLESS, *LATE),
) -> Iterator[SoakCell]:
    """Yield runs that make `inserts` inserts, or a few more, shared alike by all cells."""
    cells = [
        (structure, pattern, many)
        for structure in structures
        for pattern in PATTERNS
        for many in vcpus
    ]
    share = -(-inserts // len(cells))
    for structure, pattern, many in cells:
        in_a_lap = int(job_for(pages, many, pattern, 1).plan[0]) * many
        laps = -(-share // in_a_lap)
        while laps > 0:
            yield SoakCell(structure, pattern, many, min(laps, MOST_LAPS))
            laps -= MOST_LAPS


def run_cell(cell: SoakCell, pages: int = PAGES) -> Tally:
    """Run one cell of a soak."""
    beat(cell.structure)
    return run(
        cell.structure,
        makers()[cell.structure],
        vcpus=cell.vcpus,
        pattern=cell.pattern,
        pages=pages,
        laps=cell.laps,
    )
