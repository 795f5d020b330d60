"""Measure periodic checkpoints of a real guest: run, pause, harvest, copy the dirty pages, go on.

::

    |---- period: the guest writes to its working set ----|-- pause: harvest, copy --|---- …

The guest writes to the frames of its working set, in order, again and again.  What it has written
when the period is over is harvested and copied to memory of the host.  The rate without tracking is
that of a guest whose log is never read.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dirtylab._check import Frames
from dirtylab._jit import kernel
from dirtylab._progress import Step
from dirtylab.live._system import PAGE_BYTES
from dirtylab.measure.clock import Stopwatch, elapsed, start, stopwatch
from dirtylab.studies.live.guest_costs import LOG, Tracked, distinct, ring_name, trackers

PAGES = 2**20
WORKING_SETS = (300, 3_000, 30_000)
PERIODS_MS = (5, 20, 50, 100, 200)
TRACKERS = (LOG, ring_name(4_096), ring_name(65_536))
NONE = "none"
"""The tracker of a guest whose log is never read."""
LEAST_S, LEAST_LOOPS = 0.6, 4
"""What each loop lasts at least."""
_BATCH = 4_096
"""Writes between two looks at the clock."""
COLUMNS = (
    "tracker", "pages", "working_set", "period_ms", "checkpoint", "ran_ns", "writes", "dirty",
    "harvest_ns", "copy_ns",
)  # fmt: skip

Row = dict[str, Any]
Pages = npt.NDArray[np.uint64]


@kernel
def copy_pages(memory: Pages, frames: Frames, out: Pages, watch: Stopwatch) -> int:
    """Copy pages of 512 words each; return the ns that took."""
    start(watch)
    for place in range(frames.size):
        page = frames[place]
        for word in range(memory.shape[1]):
            out[place, word] = memory[page, word]
    return elapsed(watch)


def steps(
    rows: list[Row],
    *,
    pages: int = PAGES,
    working_sets: Sequence[int] = WORKING_SETS,
    periods_ms: Sequence[int] = PERIODS_MS,
    least_s: float = LEAST_S,
) -> Iterator[Step]:
    """Yield label and action of each working set; an action appends its rows.

    Parameters
    ----------
    rows : list of dict
        One a checkpoint, with :data:`COLUMNS`.
    pages : int, optional
        Size of the slot.
    working_sets, periods_ms : sequence of int, optional
        Frames that the guest writes to, at random places, and milliseconds between harvests.
    least_s : float, optional
        Seconds that each loop lasts at least.
    """
    for size in working_sets:
        if size <= pages // 2:
            yield (
                f"checkpoints, {size:,} of {pages:,} pages",
                lambda s=size: rows.extend(_measure(pages, s, periods_ms, least_s)),  # type: ignore[misc]
            )


def _measure(pages: int, size: int, periods_ms: Sequence[int], least_s: float) -> list[Row]:
    frames = distinct("random", pages, size, 2016)
    known = trackers()
    rows: list[Row] = []
    with contextlib.ExitStack() as keep:
        made = {
            name: keep.enter_context(contextlib.closing(Tracked(name, known[name](pages), size)))
            for name in TRACKERS
            if name in known
        }
        for one in made.values():
            one.write(frames)  # faults its memory in
            one.harvest()
        if LOG in made:
            rows += _untracked(made[LOG], frames, pages, size, least_s)
        for period in periods_ms:
            for name, one in made.items():
                common = {
                    "tracker": name, "pages": pages, "working_set": size, "period_ms": period,
                }  # fmt: skip
                rows += [{**common, **row} for row in _loop(one, frames, period, least_s)]
    return rows


def _untracked(one: Tracked, frames: Frames, pages: int, size: int, least_s: float) -> list[Row]:
    """Return the guest's rate while nothing is protected."""
    one.write(frames)
    ran, writes = _run(one, frames, round(1e9 * least_s / 2))
    one.harvest()
    return [
        {"tracker": NONE, "pages": pages, "working_set": size, "period_ms": 0,
         "checkpoint": 0, "ran_ns": ran, "writes": writes, "dirty": 0, "harvest_ns": 0,
         "copy_ns": 0}
    ]  # fmt: skip


def _loop(one: Tracked, frames: Frames, period_ms: int, least_s: float) -> Iterator[Row]:
    """Yield a row a checkpoint, the first left out."""
    memory = one.guest.machine.memory.array(np.uint64).reshape(-1, PAGE_BYTES // 8)
    out = np.zeros((frames.size, memory.shape[1]), np.uint64)
    watch = stopwatch()
    loops = max(LEAST_LOOPS, round(1000 * least_s / period_ms))
    for number in range(-1, loops):
        ran, writes = _run(one, frames, 1_000_000 * period_ms)
        full = one.harvested_ns
        found, spent = one.harvest()
        taken = np.unique(found)
        copied = copy_pages(memory, taken, out, watch)
        if number >= 0:
            yield {
                "checkpoint": number, "ran_ns": ran, "writes": writes, "dirty": taken.size,
                "harvest_ns": sum(spent) - full, "copy_ns": copied,
            }  # fmt: skip


def _run(one: Tracked, frames: Frames, ns: int) -> tuple[int, int]:
    """Let the guest write for some time; return its own time, in ns, and how many writes.

    Of a ring's guest, full rings and their harvests are part of its time.
    """
    several = np.resize(frames, -(-_BATCH // frames.size) * frames.size)
    ran, writes, place = 0, 0, 0
    while ran < ns:
        batch = several[place : place + _BATCH]
        before = one.harvested_ns
        ran += one.write(batch) + one.harvested_ns - before
        writes += batch.size
        place = (place + batch.size) % several.size
    return ran, writes
