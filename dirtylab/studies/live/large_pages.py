"""Measure what tracking costs a guest whose memory lies in pages of 2 MiB, beside 4 KiB.

A hypervisor begins to track when a migration begins.  Until then the host may map a guest by pages
of 2 MiB; from then on by 4 KiB, or every write would make 512 pages dirty.  So the first write to
each large page pays for splitting it::

    not tracked   the guest writes everywhere      memory is there, mapped as large as can be
    tracked       begin (timed), first write of each frame (timed), second (timed)
                  harvest, first write again (timed)
"""

import contextlib
import pathlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from dirtylab._check import Frames
from dirtylab._format import ns_text, share_text
from dirtylab._progress import Step
from dirtylab.live._machine import Machine
from dirtylab.live._ring import MEMORY_SLOT
from dirtylab.live.kvm import TIME_LIMIT
from dirtylab.live.timed import Clock
from dirtylab.live.trackers import missing
from dirtylab.measure.clock import now, scratch
from dirtylab.measure.experiment import take_turns
from dirtylab.theory.intervals import ratio_interval

if TYPE_CHECKING:
    import pandas as pd

PAGES = 2**16
LARGE_PAGES = PAGES // 512
SPREADS = ("one a large page", "all of some large pages")
"""Where the frames lie: one in each large page, or all frames of a few."""
ROUNDS = 9
SMALL, LARGE = "4 KiB", "2 MiB"
COLUMNS = ("backing", "large_share", "spread", "dirty", "repeat", "begin_ns", "first_ns",
           "second_ns", "again_ns")  # fmt: skip

Row = dict[str, Any]


def steps(rows: list[Row], *, rounds: int = ROUNDS) -> Iterator[Step]:
    """Yield label and action of the measurement, if guests run here; it appends rows.

    Parameters
    ----------
    rows : list of dict
        One a backing, spread and round, with :data:`COLUMNS`.
    rounds : int, optional
        Rounds that are kept; one before them is dropped.
    """
    if missing("kvm-log") is None:
        yield "large pages", lambda: rows.extend(_measure(rounds))


def frames_of(spread: str) -> Frames:
    """Return the frames that are written: as many, spread out or together."""
    if spread == SPREADS[0]:
        return np.arange(LARGE_PAGES, dtype=np.uint64) * np.uint64(512) + np.uint64(7)
    return np.arange(LARGE_PAGES, dtype=np.uint64)


def _measure(rounds: int) -> list[Row]:
    rng = np.random.default_rng(2016)
    rows: list[Row] = []
    with contextlib.ExitStack() as keep:
        made = {
            name: keep.enter_context(
                contextlib.closing(Machine(PAGES, 1, "log", 256, TIME_LIMIT, large=name == LARGE))
            )
            for name in (SMALL, LARGE)
        }
        for repeat in range(-1, rounds):
            for spread in SPREADS:
                found = take_turns(
                    list(made),
                    rng,
                    lambda name, s=spread, r=repeat: _turn(name, made[name], s, r),  # type: ignore[misc]
                )
                rows += [row for _, row in found if repeat >= 0]
    return rows


def _turn(name: str, machine: Machine, spread: str, repeat: int) -> Row:
    frames = frames_of(spread)
    words = np.zeros(PAGES // 64, np.uint64)
    machine.track(wanted=False)
    machine.write(np.arange(PAGES, dtype=np.uint64))
    clock = scratch()
    begun = now(clock)
    machine.track(wanted=True)
    begin = now(clock) - begun
    first, second = _timed(machine, frames), _timed(machine, frames)
    machine.get_log(MEMORY_SLOT, words)
    expected = np.zeros(PAGES // 64, np.uint64)
    np.bitwise_or.at(expected, frames >> np.uint64(6), np.uint64(1) << (frames & np.uint64(63)))
    if not np.array_equal(words & expected, expected):
        raise AssertionError(f"{name}: the log lacks pages that were written")
    return {
        "backing": name, "large_share": large_share(machine.memory.address, machine.memory.size),
        "spread": spread, "dirty": frames.size, "repeat": repeat, "begin_ns": begin,
        "first_ns": first, "second_ns": second, "again_ns": _timed(machine, frames),
    }  # fmt: skip


def _timed(machine: Machine, frames: Frames) -> int:
    machine.enter = inside = Clock()
    machine.write(frames)
    return inside.taken()


def large_share(address: int, size: int) -> float:
    """Return the share of some memory that the host holds in pages of 2 MiB; 0 where unknown."""
    try:
        text = pathlib.Path("/proc/self/smaps").read_text()
    except OSError:
        return 0.0
    large = 0
    for part in re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", text, flags=re.MULTILINE)[1:]:
        start, end = (int(one, 16) for one in part.split(" ", 1)[0].split("-"))
        told = re.search(r"^AnonHugePages: +([0-9]+) kB", part, re.MULTILINE)
        if told and start < address + size and end > address:
            large += 1024 * int(told[1])
    return min(large / size, 1.0)


def large_lines(table: "pd.DataFrame") -> Iterator[str]:
    """Yield what splitting costs, a sentence for each spread."""
    if table.empty:
        return
    share = float(table[table["backing"] == LARGE]["large_share"].median())
    if share < 0.5:
        only = share_text(share, 2)
        yield f"the host gave only {only} of the memory in pages of 2 MiB: no comparison"
        return
    for spread in SPREADS:
        own = table[table["spread"] == spread].sort_values("repeat")
        small, large = (own[own["backing"] == name] for name in (SMALL, LARGE))
        told = []
        for what, column in (("first", "first_ns"), ("first after a harvest", "again_ns")):
            dirty = large["dirty"].to_numpy()
            each = float(np.median(large[column] / dirty))
            ratio = ratio_interval(large[column].to_numpy(), small[column].to_numpy())
            ends = "" if ratio.low is None else f" ({ratio.low:.2f}–{ratio.high:.2f})"
            told.append(f"{what} write {ns_text(each)}, {ratio.at:.2f}{ends} of that with 4 KiB")
        yield f"memory in pages of 2 MiB, {spread}: {'; '.join(told)}"
