"""Pre-copy by the rules of QEMU 7.2, page by page, in compiled code.

::

    all pages are pending
    each window of 100 ms:  send until a tenth of the bandwidth is used, then sleep
    fewer bytes pending than the last window's bandwidth x the downtime limit:
        sync: pages written since join those pending
        still fewer: stop the guest, send the rest; else go on

Zero pages count as whole ones in that comparison.  The guest is advanced only when its protection
changes or its log is read; between, sending does not touch it.

Cost: a few ns a page sent and a write simulated; some ms for a guest of 1 GiB.

Source: the rules were read off traces of QEMU 7.2 and its documentation; the code is our own.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dirtylab._jit import kernel

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
    protected: Flags
    """1 where the next write is noticed, and costs `first`."""
    dirty: Flags
    """1 where a write was noticed since the last sync."""
    clock: npt.NDArray[np.float64]
    """Seconds that the guest has lived, and when its next paced write is due."""
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
    step: float
    """A write that nobody notices."""
    first: float
    """What notice adds to it."""
    full: float
    kind: int
    sync: float
    window: float
    page_bytes: float
    zero_bytes: float
    page: float
    new_page: float
    zero: float
    stop: float
    down_page: float


@kernel
def run_guest(guest: Guest, rules: Rules, until: float) -> None:
    """Let the guest write until a time."""
    length, idle = guest.stream.size, 0
    while length and guest.clock[0] < until:
        if idle > length and rules.period == 0.0:  # all that it writes is unprotected: no notice
            guest.clock[0] = until
            return
        start = max(guest.clock[0], guest.clock[1])
        if start >= until:
            guest.clock[0] = until
            return
        page = np.int64(guest.stream[guest.place[0]])
        guest.place[0] = (guest.place[0] + 1) % length
        guest.place[1] += 1
        guest.clock[0] = start + rules.step
        guest.clock[1] += rules.period
        idle += 1
        if guest.protected[page]:
            idle = 0
            notice(guest, rules, page)


@kernel
def notice(guest: Guest, rules: Rules, page: int) -> None:
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


@kernel
def empty_ring(guest: Guest) -> None:
    """Protect again the pages in the ring."""
    for entry in range(guest.place[2]):
        guest.protected[guest.ring[entry]] = 1
    guest.place[2] = 0


@kernel
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


@kernel
def enter(guest: Guest, pending: Flags, chunk: int) -> None:
    """Protect again the pending pages of a chunk of which the first is sent."""
    for page in range(chunk * CHUNK, min(pending.size, (chunk + 1) * CHUNK)):
        if pending[page]:
            guest.protected[page] = 1
            guest.dirty[page] = 0


@kernel
def simulate(
    guest: Guest, rules: Rules, pending: Flags, others: int, zeros: int,
    rounds: npt.NDArray[np.float64],
) -> tuple[bool, float, float, int, float, int]:  # fmt: skip
    """Migrate; return whether it ends, seconds, downtime, syncs, bytes, and rounds written."""
    size, quota = pending.size, rules.bandwidth / 10.0
    seen, entered = np.zeros(size, np.uint8), np.zeros(size // CHUNK + 1, np.uint8)
    now = rules.sync
    begin, used, threshold, sent = 0.0, 0.0, 0.0, 0.0
    place, left, syncs, written = 0, size, 1, 0
    while now < rules.limit:
        if used > quota:
            now = max(now, begin + rules.window)
        if now - begin >= _UPDATE:
            threshold = used / (now - begin) * rules.downtime
            begin, used = now, 0.0
        waiting = 4096.0 * (left + others + zeros)
        if waiting < threshold:
            run_guest(guest, rules, now)
            left += synced(guest, rules, pending, entered)
            now += rules.sync
            syncs += 1
            waiting = 4096.0 * (left + others + zeros)
            if written < len(rounds):
                rounds[written] = (now, left + others + zeros, sent)
                written += 1
        if waiting == 0.0 or waiting < threshold:
            run_guest(guest, rules, now)
            left += synced(guest, rules, pending, entered)
            pages = left + others
            sent += pages * rules.page_bytes + zeros * rules.zero_bytes
            down = rules.stop + pages * rules.down_page + zeros * rules.zero
            return True, now + down, down, syncs + 1, sent, written
        until = now + _ITERATION
        while used <= quota and now < until and left + others + zeros > 0:
            if left == 0 or (place == size and others + zeros > 0):
                whole = others > 0
                others, zeros = others - whole, zeros - (not whole)
                amount = rules.page_bytes if whole else rules.zero_bytes
                now += rules.new_page if whole else rules.zero
            else:
                place = 0 if place >= size else place
                while place < size and not pending[place]:
                    place += 1
                if place >= size:
                    continue
                if rules.kind == LOG and not entered[place // CHUNK]:
                    run_guest(guest, rules, now)
                    enter(guest, pending, place // CHUNK)
                    entered[place // CHUNK] = 1
                pending[place] = 0
                left -= 1
                amount = rules.page_bytes
                now += rules.page if seen[place] else rules.new_page
                seen[place] = 1
                place += 1
            used += amount
            sent += amount
    return False, rules.limit, np.nan, syncs, sent, written
