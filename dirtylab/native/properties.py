"""What a native tracker must do, property by property; each raises :class:`Broken` or returns.

A property gets the tracker's table and a random generator.  Order matters to a reader: what comes
first explains what fails later.
"""

import gc
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np

from dirtylab._check import Frames
from dirtylab.native import memory
from dirtylab.native.handle import Broken, Handle
from dirtylab.native.table import Flags, Table

SIZES = (
    0, 1, 2, 7, 8, 9, 63, 64, 65, 511, 512, 513, 4095, 4096, 4097, 32767, 32768, 32769,
    262143, 262144, 262145, 2**24 + 1,
)  # fmt: skip
"""Pages: around words, 8^k and 64^k."""
TRIALS = 4
LARGE = 2**24
CYCLES = 1000
BESIDE_S = 0.5

Property = Callable[[Table, np.random.Generator], None]


def some_frames(pages: int, count: int, random: np.random.Generator) -> Frames:
    """Return frames with repeats, in several orders: random, descending, and runs."""
    if not pages:
        return np.empty(0, np.uint64)
    kind = random.integers(3)
    if kind == 0:
        return random.integers(0, pages, count, dtype=np.uint64)
    if kind == 1:
        return np.sort(random.integers(0, pages, count, dtype=np.uint64))[::-1].copy()
    starts = random.integers(0, pages, max(1, count // 16), dtype=np.uint64)
    runs = starts[:, None] + np.arange(16, dtype=np.uint64)
    return np.minimum(runs, np.uint64(pages - 1)).reshape(-1)


def epochs(table: Table, random: np.random.Generator) -> Iterator[tuple[Handle, Frames]]:
    """Yield trackers of all sizes, with what was inserted into each since its last harvest."""
    for pages in SIZES:
        one = Handle(table, pages)
        for trial in range(TRIALS):
            count = (0, 1, 63, 3000)[trial]
            batches = [some_frames(pages, count, random) for _ in range(1 + trial % 2)]
            for batch in batches:
                one.insert(batch)
            yield one, np.concatenate(batches)
        one.destroy()


def room_for(one: Handle, frames: Frames, table: Table) -> int:
    """Return room that a harvest can't exceed."""
    unique = Flags.UNIQUE in table.flags
    return int(np.unique(frames).size if unique else frames.size)


def nothing_lost(table: Table, random: np.random.Generator) -> None:
    """Every frame that was inserted is harvested."""
    for one, frames in epochs(table, random):
        found = np.unique(one.harvest(frames.size))
        lost = np.setdiff1d(frames, found)
        if lost.size:
            raise Broken(
                f"{lost.size} of {np.unique(frames).size} frames lost in {one.pages} pages, "
                f"the first {lost[0]}"
            )


def nothing_invented(table: Table, random: np.random.Generator) -> None:
    """No frame is harvested that was not inserted."""
    for one, frames in epochs(table, random):
        invented = np.setdiff1d(one.harvest(frames.size), frames)
        if invented.size:
            raise Broken(
                f"{invented.size} frames were never inserted in {one.pages} pages, "
                f"the first {invented[0]}"
            )


def unique(table: Table, random: np.random.Generator) -> None:
    """No frame is harvested twice."""
    for one, frames in epochs(table, random):
        found = one.harvest(frames.size)
        if np.unique(found).size < found.size:
            values, counts = np.unique(found, return_counts=True)
            raise Broken(f"frame {values[counts > 1][0]} twice in {one.pages} pages")


def sorted_output(table: Table, random: np.random.Generator) -> None:
    """Frames are harvested in ascending order."""
    for one, frames in epochs(table, random):
        found = one.harvest(frames.size)
        falls = np.flatnonzero(found[1:] < found[:-1])
        if falls.size:
            at = int(falls[0])
            raise Broken(f"{found[at]} comes before {found[at + 1]} in {one.pages} pages")


def emptied(table: Table, random: np.random.Generator) -> None:
    """Nothing is left behind by a harvest with room for all."""
    for one, frames in epochs(table, random):
        one.harvest(room_for(one, frames, table))
        left = one.harvest(frames.size)
        if left.size:
            raise Broken(f"a second harvest gave {left.size} frames in {one.pages} pages")


def within_room(table: Table, random: np.random.Generator) -> None:
    """With less room than frames: nothing beyond it, and what did not fit comes later."""
    for one, frames in epochs(table, random):
        wanted = np.unique(frames)
        got: list[Frames] = []
        for _ in range(2 * wanted.size + 8):
            got.append(one.harvest(max(1, wanted.size // 3)))
            if not got[-1].size:
                break
        missing = np.setdiff1d(wanted, np.concatenate(got))
        if missing.size:
            raise Broken(
                f"{missing.size} of {wanted.size} frames lost in harvests of "
                f"{max(1, wanted.size // 3)} each, {one.pages} pages"
            )
        if one.harvest(0).size:
            raise Broken("harvest with room for 0 returned frames")


def cleared(table: Table, random: np.random.Generator) -> None:
    """After clear the tracker is empty, and can be used again."""
    for one, frames in epochs(table, random):
        one.clear()
        if (left := one.harvest(frames.size)).size:
            raise Broken(f"{left.size} frames after clear in {one.pages} pages")
        again = some_frames(one.pages, 100, random)
        one.insert(again)
        found = np.unique(one.harvest(again.size))
        if not np.array_equal(found, np.unique(again)):
            raise Broken(f"after clear {again.size} inserts gave {found.size} frames")


def independent(table: Table, random: np.random.Generator) -> None:
    """Two trackers at once share nothing."""
    for pages in (65, 4097, 262145):
        one, other = Handle(table, pages), Handle(table, pages)
        mine, theirs = (some_frames(pages, 500, random) for _ in range(2))
        one.insert(mine)
        other.insert(theirs)
        found = np.unique(one.harvest(mine.size))
        if not np.array_equal(found, np.unique(mine)):
            raise Broken(f"a second tracker of {pages} pages changed the first")
        one.destroy()
        if not np.array_equal(np.unique(other.harvest(theirs.size)), np.unique(theirs)):
            raise Broken(f"destroying a tracker of {pages} pages changed another")
        other.destroy()


def bytes_told(table: Table, random: np.random.Generator) -> None:
    """`bytes` is what the process has grown by, within a quarter."""
    frames = random.integers(0, LARGE, 300_000, dtype=np.uint64)
    before = memory.held()
    one = Handle(table, LARGE)
    made = memory.held() - before
    _compare_bytes(one.bytes(), made, "when made")
    one.insert(frames)
    grown = memory.held() - before
    _compare_bytes(one.bytes(), grown, f"with {frames.size} frames inserted")
    if Flags.GROWS not in table.flags and grown > 1.25 * made + memory.SLACK:
        raise Broken(f"it grew from {made} to {grown} bytes; say so by DIRTYLAB_GROWS")
    one.destroy()


def _compare_bytes(told: int, grown: int, when: str) -> None:
    if not 0.75 * grown - memory.SLACK <= told <= 1.25 * grown + memory.SLACK:
        raise Broken(f"bytes() says {told:,} {when}; the process grew by {grown:,}")


def no_leak(table: Table, random: np.random.Generator) -> None:
    """1,000 trackers made, used and destroyed leave no memory behind."""
    frames = random.integers(0, 10_000, 100, dtype=np.uint64)
    _cycle(table, frames, 10)
    # Twice: this process itself, an interpreter, may grow once, a leak grows each time.
    grown = min(_cycle(table, frames, CYCLES) for _ in range(2))
    if grown > memory.SLACK:
        raise Broken(f"{grown:,} bytes more after {CYCLES:,} trackers made and destroyed")


def _cycle(table: Table, frames: Frames, cycles: int) -> int:
    """Make, use and destroy so many trackers; return the bytes by which the process has grown."""
    gc.collect()
    before = memory.held()
    for cycle in range(cycles):
        one = Handle(table, 10_000)
        one.insert(frames)
        if cycle % 2:
            one.harvest(frames.size)
        one.destroy()
    gc.collect()
    return memory.held() - before


def counted(table: Table, random: np.random.Generator) -> None:
    """`count` is the number of distinct dirty frames."""
    for one, frames in epochs(table, random):
        wanted = np.unique(frames).size
        if (told := one.count()) != wanted:
            raise Broken(f"count() says {told}, {wanted} are dirty in {one.pages} pages")
        one.clear()
        if told := one.count():
            raise Broken(f"count() says {told} after clear")


def in_runs(table: Table, random: np.random.Generator) -> None:
    """`harvest_runs` gives what was inserted, as runs, and empties the tracker."""
    for one, frames in epochs(table, random):
        runs = one.harvest_runs(max(1, frames.size))
        if (runs[:, 1] == 0).any():
            raise Broken("a run of 0 pages")
        spread = np.repeat(runs[:, 0], runs[:, 1].astype(np.int64))
        starts = np.repeat(np.cumsum(runs[:, 1]) - runs[:, 1], runs[:, 1].astype(np.int64))
        found = spread + np.arange(spread.size, dtype=np.uint64) - starts
        if not np.array_equal(np.unique(found), np.unique(frames)):
            raise Broken(f"{runs.shape[0]} runs are not the frames inserted in {one.pages} pages")
        if one.harvest(frames.size).size:
            raise Broken("harvest_runs left frames behind")


def ranges(table: Table, random: np.random.Generator) -> None:
    """`insert_range` marks exactly its frames."""
    for pages in SIZES[1:]:
        one = Handle(table, pages)
        for _ in range(TRIALS):
            first = int(random.integers(0, pages))
            count = int(random.integers(0, min(pages - first, 5000) + 1))
            one.insert_range(first, count)
            found = np.unique(one.harvest(max(1, count)))
            if not np.array_equal(found, np.arange(first, first + count, dtype=np.uint64)):
                raise Broken(f"insert_range({first}, {count}) marked {found.size} frames")
        one.destroy()


def beside_harvest(table: Table, random: np.random.Generator) -> None:
    """Two threads insert while a third harvests: nothing is lost or invented."""
    pages = 100_000
    one = Handle(table, pages)
    parts = [np.arange(start, pages, 2, dtype=np.uint64) for start in range(2)]
    stop, rounds = threading.Event(), [0, 0]

    def insert(number: int) -> None:
        while not stop.is_set():
            one.insert(parts[number])
            rounds[number] += 1

    threads = [threading.Thread(target=insert, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + BESIDE_S
    seen = np.zeros(pages, bool)
    try:
        while time.monotonic() < end:
            seen[_checked(one.harvest(4 * pages), pages)] = True
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    for number in range(2):
        one.insert(parts[number])
    last = _checked(one.harvest(4 * pages), pages)
    if np.unique(last).size < pages or not seen.any():
        raise Broken(f"{pages - np.unique(last).size} of {pages} frames lost beside a harvest")
    one.destroy()


def _checked(found: Frames, pages: int) -> Frames:
    if found.size and int(found.max()) >= pages:
        raise Broken(f"frame {found.max()} was never inserted, beside a harvest")
    return found


ALWAYS: dict[str, Property] = {
    "no frame lost": nothing_lost,
    "no frame invented": nothing_invented,
    "harvest empties": emptied,
    "output within room": within_room,
    "usable after clear": cleared,
    "trackers independent": independent,
    "bytes right": bytes_told,
    "no leak": no_leak,
}
FLAGGED: dict[str, tuple[Flags, Property]] = {
    "unique": (Flags.UNIQUE, unique),
    "sorted": (Flags.SORTED, sorted_output),
    "insert beside harvest": (Flags.CONCURRENT, beside_harvest),
}
OFFERED: dict[str, tuple[str, Property]] = {
    "count right": ("count", counted),
    "runs right": ("harvest_runs", in_runs),
    "ranges right": ("insert_range", ranges),
}


def properties_of(table: Table) -> dict[str, Property]:
    """Return what is to be checked of a tracker: name of the property and the property."""
    flagged = {name: one for name, (flag, one) in FLAGGED.items() if flag in table.flags}
    offered = {name: one for name, (verb, one) in OFFERED.items() if verb in table.addresses}
    first = {name: ALWAYS[name] for name in list(ALWAYS)[:2]}
    return {**first, **flagged, **ALWAYS, **offered}
