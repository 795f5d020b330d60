"""Pre-copy by the rules of QEMU 7.2, page by page, in compiled code.

::

    all pages are pending
    each window of 100 ms:  send until a tenth of the bandwidth is used, then sleep
    fewer bytes pending than the last window's bandwidth x the downtime limit:
        sync: pages written since join those pending
        still fewer: stop the guest, send the rest; else go on

Zero pages count as whole ones in that comparison.  The guest is advanced only when its protection
changes or its log is read; between, sending does not touch it.

Cost: some 40 ns a page sent and a write simulated; 2 … 40 ms for a guest of 1 GiB.  Without counts
of references, which took four times as long.

Source: the rules were read off traces of QEMU 7.2 and its documentation; the code is our own.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dirtylab._jit import uncounted

LOG, RING, OTHER = 0, 1, 2
CHUNK = 2**18
"""Pages that KVM protects again at once when the first of them is sent: 1 GiB."""
_ITERATION = 0.05
"""Seconds after which sending looks at what is pending, whatever the quota."""
_UPDATE = 0.1

Flags = npt.NDArray[np.uint8]


class Guest(NamedTuple):
    """Which pages a guest writes, and how fast."""

    stream: npt.NDArray[np.uint64]
    """Frames in order of writing, taken round and round."""
    due: npt.NDArray[np.float64]
    """When each is written, in seconds from the first of a round; empty where a period says it."""
    protected: Flags
    """1 where the next write is noticed, and costs `first`."""
    dirty: Flags
    """1 where a write was noticed since the last sync."""
    clock: npt.NDArray[np.float64]
    """Seconds that the guest has lived, when its next paced write is due, and when the round of
    recorded writes began."""
    place: npt.NDArray[np.int64]
    """Next of the stream; writes done; entries in the ring; writes noticed."""
    ring: npt.NDArray[np.int64]
    """Pages noticed since the ring was emptied."""


class Rules(NamedTuple):
    """What a migration is told, and what it costs, in bytes and seconds."""

    bandwidth: float
    downtime: float
    limit: float
    period: float
    """Between paced writes; 0 for a guest as fast as it can be."""
    round: float
    """Seconds of a round of recorded writes, over `faster`."""
    faster: float
    """By which recorded writes are quicker than they were."""
    step: float
    """A write that nobody notices."""
    first: float
    """What notice adds to it."""
    full: float
    kind: int
    sync: float
    sync_page: float
    window: float
    page_bytes: float
    zero_bytes: float
    page: float
    new_page: float
    zero: float
    stop: float
    down_page: float
    every: float
    """Seconds of a tick, after which a sync may be due; infinite by the rules of QEMU 7.2."""
    switchover: float
    """Bandwidth while the guest stands still; 0 where it is not told."""


@uncounted
def run_guest(guest: Guest, rules: Rules, until: float) -> None:
    """Let the guest write until a time."""
    length, idle = guest.stream.size, 0
    while length and guest.clock[0] < until:
        if (
            idle > length and rules.period == 0.0 and not guest.due.size
        ):  # all that it writes is unprotected: no notice
            guest.place[1] += np.int64((until - guest.clock[0]) / rules.step)
            guest.clock[0] = until
            return
        start = max(guest.clock[0], guest.clock[1])
        if start >= until:
            guest.clock[0] = until
            return
        page = np.int64(guest.stream[guest.place[0]])
        guest.clock[0] = start + rules.step
        next_write(guest, rules)
        idle += 1
        if guest.protected[page]:
            idle = 0
            notice(guest, rules, page)


@uncounted
def next_write(guest: Guest, rules: Rules) -> None:
    """Go on to the next write, and when it is due."""
    place = guest.place[0] + 1
    guest.place[1] += 1
    if place == guest.stream.size:
        place = 0
        guest.clock[2] += rules.round
    guest.place[0] = place
    if guest.due.size:
        guest.clock[1] = guest.clock[2] + guest.due[place] / rules.faster
    else:
        guest.clock[1] += rules.period


@uncounted
def notice(guest: Guest, rules: Rules, page: int | np.int64) -> None:
    """Note a write, and empty the ring where it is full."""
    guest.protected[page] = 0
    guest.dirty[page] = 1
    guest.clock[0] += rules.first
    guest.place[3] += 1
    if rules.kind == RING:
        guest.ring[guest.place[2]] = page
        guest.place[2] += 1
        if guest.place[2] == guest.ring.size:
            guest.clock[0] += rules.full
            empty_ring(guest)


@uncounted
def empty_ring(guest: Guest) -> None:
    """Protect again the pages in the ring."""
    for entry in range(guest.place[2]):
        guest.protected[guest.ring[entry]] = 1
    guest.place[2] = 0


@uncounted
def synced(guest: Guest, rules: Rules, pending: Flags, entered: Flags) -> int:
    """Let the pages written since join those pending; return how many are new there."""
    new = 0
    for page in range(pending.size):
        if guest.dirty[page]:
            new += 1 - pending[page]
            pending[page] = 1
            guest.dirty[page] = 0
            if rules.kind == OTHER:
                guest.protected[page] = 1
    if rules.kind == RING:
        empty_ring(guest)
    entered[:] = 0
    return new


@uncounted
def enter(guest: Guest, pending: Flags, chunk: int) -> None:
    """Protect again the pending pages of a chunk of which the first is sent."""
    for page in range(chunk * CHUNK, min(pending.size, (chunk + 1) * CHUNK)):
        if pending[page]:
            guest.protected[page] = 1
            guest.dirty[page] = 0


class Sender(NamedTuple):
    """How far the source is."""

    pending: Flags
    seen: Flags
    """1 where a page has been sent before."""
    entered: Flags
    """1 where a chunk was protected again since the last sync."""
    clock: npt.NDArray[np.float64]
    """Now, begin of the window, bytes used in it, threshold, bytes sent in all, next tick."""
    counts: npt.NDArray[np.int64]
    """Next page; pages pending, other pages, zero pages left; syncs; rounds written; syncs at
    the last tick."""
    rounds: npt.NDArray[np.float64]
    """Seconds, pages pending and bytes sent, one row a sync."""


NOW, BEGIN, USED, THRESHOLD, SENT, TICK = range(6)
PLACE, LEFT, OTHERS, ZEROS, SYNCS, WRITTEN, SEEN = range(7)


@uncounted
def simulate(guest: Guest, rules: Rules, source: Sender) -> float:
    """Migrate; return the downtime, or -1 where it does not converge in time."""
    clock = source.clock
    while clock[NOW] < rules.limit:
        begin_window(rules, source)
        if below(source) or due(rules, source):
            sync(guest, rules, source)
            note_round(source)
        if waiting(source) == 0.0 or below(source):
            return stopped(guest, rules, source)
        until = clock[NOW] + _ITERATION
        while (
            clock[USED] <= rules.bandwidth / 10.0 and clock[NOW] < until and waiting(source) > 0.0
        ):
            send(guest, rules, source, until)
    return -1.0


@uncounted
def due(rules: Rules, source: Sender) -> bool:
    """Return whether a tick has passed since which nothing was synced; not in the first round.

    Source: QEMU's periodic sync of the dirty bitmap, posted to qemu-devel on 30 October 2024.
    """
    clock, counts = source.clock, source.counts
    if clock[NOW] < clock[TICK]:
        return False
    while clock[TICK] <= clock[NOW]:
        clock[TICK] += rules.every
    still = counts[SYNCS] > 1 and counts[SYNCS] == counts[SEEN]
    counts[SEEN] = counts[SYNCS] + int(still)
    return still


@uncounted
def waiting(source: Sender) -> float:
    """Return the bytes pending, zero pages counted whole."""
    return 4096.0 * (source.counts[LEFT] + source.counts[OTHERS] + source.counts[ZEROS])


@uncounted
def below(source: Sender) -> bool:
    """Return whether what is pending would go in the downtime allowed."""
    return waiting(source) < source.clock[THRESHOLD]


@uncounted
def begin_window(rules: Rules, source: Sender) -> None:
    """Sleep where the quota is used; look at the bandwidth where 100 ms are over."""
    clock = source.clock
    if clock[USED] > rules.bandwidth / 10.0:
        clock[NOW] = max(clock[NOW], clock[BEGIN] + rules.window)
    # With a little less, for sums of seconds are not exact: a window that never ends would hang.
    if clock[NOW] - clock[BEGIN] >= min(_UPDATE, rules.window) * (1.0 - 1e-9):
        seen = clock[USED] / (clock[NOW] - clock[BEGIN])
        clock[THRESHOLD] = (rules.switchover if rules.switchover > 0.0 else seen) * rules.downtime
        clock[BEGIN], clock[USED] = clock[NOW], 0.0


@uncounted
def sync(guest: Guest, rules: Rules, source: Sender) -> None:
    """Let the pages written until now join those pending."""
    run_guest(guest, rules, source.clock[NOW])
    found = guest.dirty.sum() if rules.sync_page > 0.0 else 0
    source.counts[LEFT] += synced(guest, rules, source.pending, source.entered)
    source.clock[NOW] += rules.sync + rules.sync_page * found
    source.counts[SYNCS] += 1


@uncounted
def note_round(source: Sender) -> None:
    """Write a row."""
    row = source.counts[WRITTEN]
    if row < source.rounds.shape[0]:
        source.rounds[row, 0] = source.clock[NOW]
        source.rounds[row, 1] = waiting(source) / 4096.0
        source.rounds[row, 2] = source.clock[SENT]
        source.counts[WRITTEN] += 1


@uncounted
def stopped(guest: Guest, rules: Rules, source: Sender) -> float:
    """Stop the guest, send the rest, and return how long that takes."""
    run_guest(guest, rules, source.clock[NOW])
    source.counts[LEFT] += synced(guest, rules, source.pending, source.entered)
    source.counts[SYNCS] += 1
    pages, zeros = source.counts[LEFT] + source.counts[OTHERS], source.counts[ZEROS]
    source.clock[SENT] += pages * rules.page_bytes + zeros * rules.zero_bytes
    down = rules.stop + pages * rules.down_page + zeros * rules.zero
    source.clock[NOW] += down
    return down


@uncounted
def send(guest: Guest, rules: Rules, source: Sender, until: float) -> None:
    """Send the next page, or a number of those that the guest never writes."""
    counts, size = source.counts, source.pending.size
    if counts[LEFT] == 0 or (counts[PLACE] == size and counts[OTHERS] + counts[ZEROS] > 0):
        whole = counts[OTHERS] > 0
        send_others(rules, source, whole, until)
        return
    if counts[PLACE] >= size:
        counts[PLACE] = 0
    while counts[PLACE] < size and not source.pending[counts[PLACE]]:
        counts[PLACE] += 1
    if counts[PLACE] < size:
        send_written(guest, rules, source, counts[PLACE])
        counts[PLACE] += 1


@uncounted
def send_others(rules: Rules, source: Sender, whole: bool, until: float) -> None:
    """Send pages that are never written, in one step as many as quota and time allow."""
    kind = OTHERS if whole else ZEROS
    nbytes = rules.page_bytes if whole else rules.zero_bytes
    seconds = rules.new_page if whole else rules.zero
    by_quota = np.floor((rules.bandwidth / 10.0 - source.clock[USED]) / nbytes) + 1.0
    by_time = np.ceil((until - source.clock[NOW]) / seconds)
    number = min(float(source.counts[kind]), max(1.0, min(by_quota, by_time)))
    source.counts[kind] -= np.int64(number)
    account(source, number * nbytes, number * seconds)


@uncounted
def send_written(guest: Guest, rules: Rules, source: Sender, page: int) -> None:
    """Send a page of the working set."""
    if rules.kind == LOG and not source.entered[page // CHUNK]:
        run_guest(guest, rules, source.clock[NOW])
        enter(guest, source.pending, page // CHUNK)
        source.entered[page // CHUNK] = 1
    source.pending[page] = 0
    source.counts[LEFT] -= 1
    account(source, rules.page_bytes, rules.page if source.seen[page] else rules.new_page)
    source.seen[page] = 1


@uncounted
def account(source: Sender, nbytes: float, seconds: float) -> None:
    """Count what was sent."""
    source.clock[NOW] += seconds
    source.clock[USED] += nbytes
    source.clock[SENT] += nbytes
