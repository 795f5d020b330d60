"""Will a live migration converge?  By the rules of a VMM, simulated page by page."""

import math
from typing import Any, NamedTuple

import numpy as np

from dirtylab.migration.answer import Migration
from dirtylab.migration.border import unmet
from dirtylab.migration.closed import ClosedForm, Line, closed_form
from dirtylab.migration.costs import Costs, costs_of
from dirtylab.migration.question import CURVE, Question, Writes, ask, writes_of
from dirtylab.migration.simulation import (
    CHUNK,
    LOG,
    NOW,
    SENT,
    SYNCS,
    WRITTEN,
    Guest,
    Rules,
    Sender,
    simulate,
)
from dirtylab.migration.textbook import Curve
from dirtylab.migration.tracking import Tracking, tracking

SYNC_EVERY = 5.0
"""Seconds of a tick of the later rules, after which a sync may be due."""
MOST_ROUNDS = 100_000
SPREAD = ((0.97, 1.02), (1.03, 0.98))
"""Factors of rate and bandwidth at the ends of the band: they covered 32 of 35 recorded runs."""


class Run(NamedTuple):
    """One simulated migration."""

    converges: bool
    seconds: float
    downtime: float
    syncs: int
    sent_bytes: float
    rounds: Any
    """Shape ``(syncs, 3)``: seconds, pages pending after, bytes sent before each sync."""
    writes: float
    """That the guest did, per second."""
    noticed: float
    """Share of them that were noticed."""


def migrate(
    pages: int | str,
    dataset: str | Curve = "random",
    *,
    working_set: int | str | None = None,
    rate: float | str | None = None,
    speed: float | str | None = None,
    bandwidth: float | str,
    downtime: float | str = "300ms",
    tracker: str = "kvm-log",
    nonzero: int | str = 0,
    prealloc: bool = True,
    limit: float | str = "30s",
    costs: str | None = None,
    seed: int = 0,
    rules: str = "qemu-7.2",
    switchover: float | str | None = None,
    **options: Any,
) -> Migration:
    """Tell how a live migration by pre-copy goes: a simulation by the rules of QEMU 7.2.

    Parameters
    ----------
    pages : int or str
        Memory of the guest, also as ``"8GiB"``.
    dataset : str or Curve, optional
        Pattern of its writes, a name in ``dirtylab.DATASETS``; ``"idle"``: it writes nothing;
        ``"trace"`` with `path`, a recording, written at its own pace where `rate` is omitted; or a
        curve of unique pages over time (:func:`dirtylab.migration.textbook.curve`, as QEMU's
        calc-dirty-rate gives it), which is answered by the closed form.
    working_set : int or str, optional
        Pages from the first on that it writes to, and that are not zero; all when omitted.
    rate : float or str, optional
        Writes a second; as fast as `speed` and tracking allow when omitted.
    speed : float or str, optional
        Writes a second of the untracked guest; 100 million when omitted.
    bandwidth : float or str
        Bytes a second, or ``"150MB/s"``.
    downtime, limit : float or str, optional
        Seconds, or ``"300ms"``: the longest pause, and the time allowed.
    tracker : str, optional
        ``"kvm-log"``, ``"kvm-ring:4096"`` or another power of two, ``"tcg"``, ``"none"``;
        or a name in ``dirtylab.STRUCTURES``, by this machine's cost model, or the path of a native
        tracker, measured now.
    nonzero : int or str, optional
        Pages that are not zero; those written to count, too.
    prealloc : bool, optional
        Whether the destination's memory has been touched before.
    costs : str, optional
        A recorded machine; ``"qemu-runs"`` when omitted: recorded runs of QEMU 7.2.
    seed : int, optional
        Of the writes.
    rules : {"qemu-7.2", "later"}, optional
        Later versions may be told `switchover` (QEMU 8.2) and, where auto-converge is on, sync
        where a round after the first has gone on for 5 s (QEMU 9.2); the throttling of the guest
        that goes with it is not modelled.
    switchover : float or str, optional
        Bandwidth while the guest stands still, for the later rules: what is pending is compared
        with it in place of the last window's.
    **options
        Of the pattern, such as ``hot=0.1`` of ``hotset``.

    Returns
    -------
    Migration
        Which prints as text.

    Raises
    ------
    ValueError, TypeError
        An argument out of range, or sizes that contradict each other.

    Notes
    -----
    Cost: tens of ms for a guest of 1 GiB; 3 bytes a page of the working set, and up to 32 MB.

    Examples
    --------
    >>> migrate("256MiB", "idle", bandwidth="100MB/s").converges
    True
    """
    asked = ask(
        pages, dataset, working_set=working_set, rate=rate, speed=speed, bandwidth=bandwidth,
        downtime=downtime, tracker=tracker, nonzero=nonzero, prealloc=prealloc, limit=limit,
        costs=costs, seed=seed, rules=rules, switchover=switchover, **options,
    )  # fmt: skip
    return migrated(asked, costs_of(costs))


def migrated(asked: Question, costs: Costs) -> Migration:
    """Return the answer to a question, with a band around it, by the costs given."""
    if asked.curve is not None:
        return _by_curve(asked, asked.curve, costs)
    cost = tracking(asked.tracker, asked.dataset, asked.options, asked.working_set, costs)
    writes = writes_of(asked)
    run = simulated(asked, costs, cost, writes)
    around = [simulated(asked, costs, cost, writes, *factors).seconds for factors in SPREAD]
    return _answer(
        asked, run, [*around, run.seconds], round(run.sent_bytes) + costs.fixed_bytes,
        rho(asked, costs, cost, writes), _slowdown(asked, cost, writes, run),
    )  # fmt: skip


def _answer(
    asked: Question, run: Run, around: list[float], sent: int, ratio: float, slowdown: float
) -> Migration:
    import pandas as pd

    rounds = pd.DataFrame(run.rounds, columns=["seconds", "pending", "sent_bytes"])
    return Migration(
        asked, run.converges, run.seconds, min(around), max(around), run.downtime, run.syncs, sent,
        ratio, slowdown, rounds,
    )  # fmt: skip


def _by_curve(asked: Question, curve: Curve, costs: Costs) -> Migration:
    """Answer by the closed form, the rules of a VMM over a curve of unique pages."""
    most = min(asked.working_set, asked.nonzero or asked.pages)

    def run(faster: float, wider: float) -> ClosedForm:
        line = Line(
            asked.pages, asked.pages - (asked.nonzero or asked.pages), most,
            asked.bandwidth * wider, asked.downtime, asked.limit, asked.prealloc,
        )  # fmt: skip
        return closed_form(line, costs, lambda t: curve.at(faster * t, most), costs.sync_s)

    found = run(1.0, 1.0)
    around = [found.seconds, *(run(*factors).seconds for factors in SPREAD)]
    rest = unmet(CURVE, most, asked.bandwidth * asked.downtime)
    dirty = curve.at(0.1, most) * costs.page_bytes
    one = Run(*found[:5], np.array(found.rounds).reshape(-1, 3), math.nan, math.nan)
    ratio = dirty * rest / (0.1 * asked.bandwidth)
    return _answer(asked, one, around, round(found.sent_bytes), ratio, math.nan)


def simulated(
    asked: Question, costs: Costs, cost: Tracking, writes: Writes, faster: float = 1.0,
    wider: float = 1.0,
) -> Run:  # fmt: skip
    """Simulate one migration.

    Parameters
    ----------
    asked : Question
        What is asked.
    costs : Costs
        Of the VMM.
    cost : Tracking
        Of the tracker.
    writes : Writes
        Of the guest.
    faster, wider : float, optional
        Factors of the guest's rate and of the bandwidth.
    """
    size = asked.working_set
    protected = np.full(size, cost.kind != LOG, np.uint8)
    guest = Guest(
        writes.frames, writes.due, protected, np.zeros(size, np.uint8), np.zeros(3),
        np.zeros(4, np.int64), np.zeros(cost.entries, np.int64),
    )  # fmt: skip
    rules = _rules(asked, costs, cost, writes, faster, wider)
    source = _sender(asked, rules.sync, rules.every)
    down = float(simulate(guest, rules, source))
    clock, counts = source.clock, source.counts
    return Run(
        down >= 0, float(clock[NOW]) if down >= 0 else asked.limit, down if down >= 0 else math.nan,
        int(counts[SYNCS]), float(clock[SENT]), source.rounds[: counts[WRITTEN]].copy(),
        float(guest.place[1]) / max(float(guest.clock[0]), 1e-9),
        float(guest.place[3]) / max(int(guest.place[1]), 1),
    )  # fmt: skip


def _sender(asked: Question, first_sync: float, every: float) -> Sender:
    """Return a source that has read the log once, at its begin."""
    size = asked.working_set
    return Sender(
        np.ones(size, np.uint8), np.zeros(size, np.uint8), np.zeros(size // CHUNK + 1, np.uint8),
        np.array([first_sync, 0.0, 0.0, 0.0, 0.0, every]),
        np.array([0, size, asked.nonzero - size, asked.pages - asked.nonzero, 1, 0, 0], np.int64),
        np.zeros((MOST_ROUNDS, 3)),
    )  # fmt: skip


def _rules(
    asked: Question, costs: Costs, cost: Tracking, writes: Writes, faster: float, wider: float
) -> Rules:
    period = 0.0 if not asked.rate else 1 / (asked.rate * faster)
    return Rules(
        asked.bandwidth * wider, asked.downtime, asked.limit, period, writes.round_s / faster,
        faster, 1 / (asked.speed * faster), cost.first_write_s, cost.full_s, cost.kind,
        cost.sync_s, cost.sync_page_s, costs.window_s, costs.page_bytes,
        costs.zero_bytes, costs.page_s, costs.page_s if asked.prealloc else costs.new_page_s,
        costs.zero_s, costs.stop_s, costs.down_page_s,
        SYNC_EVERY if asked.rules == "later" else math.inf, (asked.switchover or 0.0) * wider,
    )  # fmt: skip


def rho(asked: Question, costs: Costs, cost: Tracking, writes: Writes) -> float:
    """Return new dirty bytes by bytes sent in 100 ms, less what the downtime takes."""
    frames = writes.frames
    if not len(frames):
        return 0.0
    if writes.due.size:
        number = round(0.1 * len(frames) / max(writes.round_s, 1e-9))
    else:
        number = int(0.1 * min(asked.rate or math.inf, asked.speed))
    dirty = len(np.unique(frames[: max(1, min(len(frames), number))]))
    if cost.first_write_s and asked.rate is None:
        dirty = min(dirty, round(0.1 / cost.first_write_s))
    rest = unmet(asked.dataset, asked.working_set, asked.bandwidth * asked.downtime)
    return dirty * rest * costs.page_bytes / (0.1 * asked.bandwidth)


def _slowdown(asked: Question, cost: Tracking, writes: Writes, run: Run) -> float:
    if not run.writes:
        return 1.0
    if writes.due.size:
        return max(1.0, len(writes.frames) / writes.round_s / run.writes)
    if asked.rate is None:  # what notice adds to an average write
        return 1.0 + run.noticed * cost.first_write_s * asked.speed
    return max(1.0, min(asked.rate, asked.speed) / run.writes)
