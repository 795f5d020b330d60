"""Periodic checkpoints: pause, lost time, bytes a second, and whether the line keeps up.

Each period the guest stops, its dirty pages are harvested and copied aside, and it goes on while
they are sent.  Source: Cully and others, "Remus: High Availability via Asynchronous Virtual Machine
Replication", 2008.
"""

import dataclasses
import json
import math
from typing import Any

from dirtylab import _check
from dirtylab._format import ns_text, share_text
from dirtylab._units import parse_pages, parse_rate, parse_seconds
from dirtylab.datasets import DATASETS, require
from dirtylab.migration.closed import unique_pages, writes_within
from dirtylab.migration.costs import costs_of
from dirtylab.migration.tracking import parse_writes, tracking


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """What periodic checkpoints of a guest cost."""

    tracker: str
    period: float
    dirty: float
    """Pages written between two of them."""
    pause: float
    """Seconds that the guest stands still each time."""
    harvest: float
    """How much of the pause is the tracker's."""
    lost: float
    """Share of the time that the guest does not run, first writes to protected pages included."""
    bytes_per_second: float
    bandwidth: float
    keeps_up: bool
    """Whether the line sends a checkpoint before the next is taken."""

    def __str__(self) -> str:
        ends = "keeps up" if self.keeps_up else "does not keep up"
        return (
            f"a checkpoint each {ns_text(1e9 * self.period, trim=True)}, {self.tracker}: "
            f"{self.dirty:,.0f} dirty pages, pause {ns_text(1e9 * self.pause)} "
            f"({ns_text(1e9 * self.harvest)} of it the tracker's)\n"
            f"{share_text(self.lost)} of the time lost; {self.bytes_per_second / 1e6:,.1f} MB/s: "
            f"a line of {self.bandwidth / 1e6:,.4g} MB/s {ends}"
        )

    def as_json(self) -> str:
        """Return it as JSON."""
        return json.dumps(dataclasses.asdict(self), indent=1, ensure_ascii=False)


def checkpoint(
    pages: int | str,
    dataset: str = "random",
    *,
    period: float | str,
    rate: float | str | None = None,
    bandwidth: float | str,
    tracker: str = "kvm-log",
    working_set: int | str | None = None,
    speed: float | str | None = None,
    costs: str | None = None,
    **options: Any,
) -> Checkpoint:
    """Tell what periodic checkpoints cost.

    Parameters
    ----------
    pages : int or str
        Memory of the guest, also as ``"8GiB"``.
    dataset : str, optional
        Pattern of its writes, one with a closed form.
    period : float or str
        Seconds from the end of a pause to the next.
    rate, speed : float or str, optional
        Writes a second, and those of an untracked guest, as in :func:`dirtylab.migrate`.
    bandwidth : float or str
        Bytes a second, or ``"150MB/s"``.
    tracker : str, optional
        As in :func:`dirtylab.migrate`.
    working_set : int or str, optional
        Pages that it writes to; all when omitted.
    costs : str, optional
        A recorded machine, ``"qemu-runs"``.
    **options
        Of the pattern.

    Returns
    -------
    Checkpoint
        Which prints as text.

    Raises
    ------
    ValueError, TypeError
        An argument out of range.

    Notes
    -----
    Cost: below a millisecond; a second where a native tracker is measured.  Stopping the guest is
    taken as the stop of a migration, a copied page as one sent while it stands still.

    Examples
    --------
    >>> checkpoint("1GiB", period="100ms", rate=1000, bandwidth="1Gbit/s").keeps_up
    True
    """
    size = parse_pages("pages", pages, 1, 2**40)
    _check.choice("dataset", dataset, DATASETS)
    most = size if working_set is None else parse_pages("working_set", working_set)
    if most > size:
        raise ValueError(f"working_set={working_set!r}: must be at most the {size} pages")
    require(dataset, most, 1, options)
    every = parse_seconds("period", period, 0.0, 1e6)
    line = parse_rate("bandwidth", bandwidth)
    pace = math.inf if rate is None else parse_writes("rate", rate, 0)
    alone = 1e8 if speed is None else parse_writes("speed", speed, 1)
    chosen = costs_of(costs)
    cost = tracking(tracker, dataset, options, most, chosen)
    unique = unique_pages(dataset, most, options)
    dirty = float(unique(writes_within(every, pace, alone, cost, unique)))
    harvest = cost.sync_s + dirty * cost.sync_page_s
    pause = chosen.stop_s + harvest + dirty * chosen.down_page_s
    sent = dirty * chosen.page_bytes / (every + pause)
    lost = min(1.0, (pause + dirty * cost.first_write_s) / (every + pause))
    return Checkpoint(tracker, every, dirty, pause, harvest, lost, sent, line, sent <= line)
