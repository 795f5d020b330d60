"""The closed form: rounds by the rules of QEMU 7.2 over a curve of unique pages, no page by page.

Between textbook rounds and the simulation: it knows the quota, the sync before the end, the merging
of new pages with those pending and the guest's first writes; not the order of pages, nor chunks.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from dirtylab import _check
from dirtylab._units import parse_pages, parse_rate, parse_seconds
from dirtylab.migration.costs import Costs, costs_of
from dirtylab.migration.textbook import Curve
from dirtylab.migration.tracking import Tracking
from dirtylab.theory.occupancy import has_occupancy_law, occupied

MOST_SYNCS = 10_000
Unique = Callable[[float], float]


class ClosedForm(NamedTuple):
    """What the closed form expects."""

    converges: bool
    seconds: float
    downtime: float
    """NaN where it does not converge."""
    syncs: int
    sent_bytes: float


def unique_pages(dataset: str, pages: int, options: dict[str, Any]) -> Unique:
    """Return the expected number of distinct pages as a function of the number of writes."""
    if dataset == "idle":
        return lambda writes: 0.0
    if dataset == "trace" or not has_occupancy_law(dataset, options):
        raise ValueError(f"dataset={dataset!r}: has no closed form with these options")
    return lambda writes: float(occupied(dataset, pages, writes, **options)) if writes >= 1 else 0.0


def writes_within(
    seconds: float, rate: float, speed: float, cost: Tracking, unique: Unique
) -> float:
    """Return the writes of a guest in a time: a write takes 1/speed, a first one more."""
    low, high = 0.0, min(rate, speed) * seconds
    if high / speed + cost.first_write_s * unique(high) <= seconds:
        return high
    for _ in range(50):
        middle = (low + high) / 2
        dirty = unique(middle)
        full = dirty / cost.entries * cost.full_s if cost.full_s else 0.0
        spent = middle / speed + cost.first_write_s * dirty + full
        low, high = (middle, high) if spent < seconds else (low, middle)
    return low


class Line(NamedTuple):
    """What a migration is told."""

    pages: int
    zeros: int
    working_set: int
    bandwidth: float
    downtime: float
    limit: float
    prealloc: bool = True


def closed_form(
    line: Line, costs: Costs, written: Callable[[float], float], sync_s: float = 0.0
) -> ClosedForm:
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
    while now < line.limit and syncs < MOST_SYNCS:
        new = written(since) * (1 - min(1.0, rest / max(line.working_set, 1)))
        pending, syncs, now = rest + new, syncs + 1, now + sync_s
        if pending < threshold or pending == 0:
            down = costs.stop_s + pending * costs.down_page_s
            sent += pending * costs.page_bytes + costs.fixed_bytes
            return ClosedForm(True, now + down, down, syncs + 1, sent)
        some = min(pending, _windows(pending - threshold, quota))
        since = max(some / quota * costs.window_s, some * costs.page_s, 1e-4)
        rest, sent, now = pending - some, sent + some * costs.page_bytes, now + since
    return ClosedForm(False, line.limit, float("nan"), syncs, sent)


def _windows(pages: float, quota: float) -> float:
    """Return the pages that go where so many must: whole windows, as QEMU looks between them."""
    return max(1.0, np.ceil(pages / quota)) * quota


def migrate_curve(
    pages: int | str, written: Curve, *, zeros: int | str = 0, bandwidth: float | str,
    downtime: float | str = "300ms", limit: float | str = "30s", costs: str | None = None,
) -> ClosedForm:  # fmt: skip
    """Migrate a guest of which only a curve of unique pages over time is known.

    Parameters
    ----------
    pages : int or str
        Memory of the guest.
    written : Curve
        As calc-dirty-rate gives it; see :func:`dirtylab.migration.textbook.curve`.
    zeros : int or str, optional
        Pages that are zero.
    bandwidth, downtime, limit : float or str, optional
        As in :func:`dirtylab.migrate`.
    costs : str, optional
        A recorded machine.

    Raises
    ------
    ValueError, TypeError
        An argument out of range.
    """
    size = parse_pages("pages", pages, 1, 2**40)
    empty = _check.integer("zeros", parse_pages("zeros", zeros, 0) if zeros else 0, 0, size)
    chosen = costs_of(costs)
    line = Line(
        size, empty, max(1, size - empty), parse_rate("bandwidth", bandwidth),
        parse_seconds("downtime", downtime), parse_seconds("limit", limit, 0.0, 1e6),
    )  # fmt: skip
    return closed_form(line, chosen, lambda t: written.at(t, size - empty), chosen.sync_s)


def curve_of(
    dataset: str, line: Line, options: dict[str, Any], cost: Tracking, rate: float, speed: float
) -> Callable[[float], float]:
    """Return the distinct pages that a tracked guest writes in a time."""
    unique = unique_pages(dataset, line.working_set, options)
    return lambda t: float(np.minimum(line.working_set, unique(
        writes_within(t, rate, speed, cost, unique))))  # fmt: skip
