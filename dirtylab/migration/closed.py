"""The closed form: rounds by the rules of QEMU 7.2 over a curve of unique pages, no page by page.

Between textbook rounds and the simulation: it knows the quota, the sync before the end, the merging
of new pages with those pending and the guest's first writes; not the order of pages, nor chunks.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dirtylab._check import Array
from dirtylab.migration.costs import Costs
from dirtylab.migration.question import IDLE, TRACE
from dirtylab.migration.tracking import Tracking
from dirtylab.theory.occupancy import LAWS, has_occupancy_law, occupied

MOST_SYNCS = 10_000
Unique = Callable[[npt.ArrayLike], Array]
"""Distinct pages after so many writes."""
_STEPS = 50
"""Halvings in which the writes of a slowed guest are found."""


class ClosedForm(NamedTuple):
    """What the closed form expects."""

    converges: bool
    seconds: float
    downtime: float
    """NaN where it does not converge."""
    syncs: int
    sent_bytes: float
    rounds: tuple[tuple[float, float, float], ...]
    """Seconds, pages pending after and bytes sent before each sync."""


def unique_pages(dataset: str, pages: int, options: Mapping[str, Any]) -> Unique:
    """Return the expected number of distinct pages as a function of the number of writes."""
    if dataset == IDLE:
        return lambda writes: np.zeros(np.shape(writes))
    if dataset == TRACE or not has_occupancy_law(dataset, options):
        raise ValueError(f"dataset={dataset!r}: has no closed form with these options")
    return lambda writes: np.where(
        np.asarray(writes) >= 1, occupied(dataset, pages, np.maximum(writes, 1), **options), 0.0
    )


def is_scattered(dataset: str) -> bool:
    """Return whether a pattern's writes lie as if by chance, not in a row."""
    return dataset not in LAWS or not LAWS[dataset].regular


def writes_within(
    seconds: npt.ArrayLike, rate: float, speed: float, cost: Tracking, unique: Unique
) -> Array:
    """Return the writes of a guest in times: a write takes 1/speed, a first one more."""
    times = np.asarray(seconds, float)
    low, high = np.zeros(times.shape), min(rate, speed) * times
    # A guest that keeps its pace sleeps less; the exits of a full ring come on top.
    keeps = high / speed + cost.first_write_s * unique(high) <= times
    if keeps.all():
        return high
    most = high.copy()
    for _ in range(_STEPS):
        middle = (low + high) / 2
        dirty = unique(middle)
        full = dirty / cost.entries * cost.full_s if cost.full_s else 0.0
        within = middle / speed + cost.first_write_s * dirty + full < times
        low, high = np.where(within, middle, low), np.where(within, high, middle)
    return np.where(keeps, most, low)


class Line(NamedTuple):
    """What a migration is told."""

    pages: int
    zeros: int
    working_set: int
    bandwidth: float
    downtime: float
    limit: float
    prealloc: bool = True
    scattered: bool = True
    """Whether pages written meet those pending as if by chance; writes in a row do not."""


def closed_form(
    line: Line, costs: Costs, written: Callable[[float], float], sync_s: float = 0.0,
    most_syncs: int = MOST_SYNCS,
) -> ClosedForm:  # fmt: skip
    """Migrate by rounds.

    Parameters
    ----------
    line : Line
        Guest and link.
    costs : Costs
        Of the VMM.
    written : callable
        Distinct pages of the working set that are written in a time in seconds.
    sync_s : float, optional
        Seconds of a sync.
    most_syncs : int, optional
        After which it is given up.
    """
    speed = line.bandwidth * 0.1 / costs.window_s
    quota = 0.1 * line.bandwidth / costs.page_bytes
    threshold = speed * line.downtime / 4096
    whole = line.pages - line.zeros
    fresh = costs.page_s if line.prealloc else costs.new_page_s
    first = min(float(whole), _windows(line.pages - threshold, quota))
    since = max(first / quota * costs.window_s, first * fresh) + line.zeros * costs.zero_s
    sent = first * costs.page_bytes + line.zeros * costs.zero_bytes
    now, rest, syncs = since, whole - first, 1
    rounds = [(sync_s, float(line.pages), 0.0)]
    while now < line.limit and syncs < most_syncs:
        met = min(1.0, rest / max(line.working_set, 1)) if line.scattered else 0.0
        new = min(written(since) * (1 - met), line.working_set - min(rest, line.working_set))
        pending, syncs, now = rest + new, syncs + 1, now + sync_s
        rounds.append((now, pending, sent))
        if pending < threshold or pending == 0:
            down = costs.stop_s + pending * costs.down_page_s
            sent += pending * costs.page_bytes + costs.fixed_bytes
            return ClosedForm(True, now + down, down, syncs + 1, sent, tuple(rounds))
        some = min(pending, _windows(pending - threshold, quota))
        since = max(some / quota * costs.window_s, some * costs.page_s, 1e-4)
        rest, sent, now = pending - some, sent + some * costs.page_bytes, now + since
    return ClosedForm(False, line.limit, float("nan"), syncs, sent, tuple(rounds))


def _windows(pages: float, quota: float) -> float:
    """Return the pages that go where so many must: whole windows, as QEMU looks between them."""
    return max(1.0, np.ceil(pages / quota)) * quota


def curve_of(
    dataset: str, line: Line, options: Mapping[str, Any], cost: Tracking, rate: float, speed: float
) -> Callable[[float], float]:
    """Return the distinct pages that a tracked guest writes in a time."""
    unique = unique_pages(dataset, line.working_set, options)
    return lambda t: float(np.minimum(line.working_set, unique(
        writes_within(t, rate, speed, cost, unique))))  # fmt: skip
