"""Will a live migration converge?  The question, the answer, and its text."""

import dataclasses
import json
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dirtylab import _check
from dirtylab._format import nbytes_text, ns_text
from dirtylab._units import parse_pages, parse_rate, parse_seconds
from dirtylab.datasets import DATASETS, require, written
from dirtylab.migration.costs import Costs, costs_of
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
from dirtylab.migration.tracking import Tracking, kind_of, parse_writes, tracking

if TYPE_CHECKING:
    import pandas as pd

RULES = ("qemu-7.2", "later")
SYNC_EVERY = 5.0
"""Seconds of a tick of the later rules, after which a sync may be due."""
MOST_WRITES = 4_000_000
"""Writes that are drawn; a guest that writes more begins anew with them."""
MOST_ROUNDS = 100_000
MOST_PAGES = 2**28
"""Pages of a working set that is simulated page by page: 1 TiB."""
SPREAD = ((0.97, 1.02), (1.03, 0.98))
"""Factors of rate and bandwidth at the ends of the band: they covered 32 of 35 recorded runs."""


class Question(NamedTuple):
    """What is asked, in pages, seconds and bytes."""

    pages: int
    dataset: str
    options: dict[str, Any]
    working_set: int
    rate: float | None
    speed: float
    bandwidth: float
    downtime: float
    tracker: str
    nonzero: int
    prealloc: bool
    limit: float
    seed: int
    rules: str
    switchover: float | None


class _Run(NamedTuple):
    converges: bool
    seconds: float
    downtime: float
    syncs: int
    sent_bytes: float
    rounds: Any
    writes: float
    """That the guest did, per second."""
    noticed: float


@dataclasses.dataclass(frozen=True)
class Migration:
    """What is expected of a live migration."""

    question: Question
    converges: bool
    seconds: float
    """From the command to the end; the time allowed where it does not converge."""
    low: float
    high: float
    """Seconds with the rate 3 % and the bandwidth 2 % to either side."""
    downtime: float
    """Seconds that the guest stands still; NaN where it does not converge."""
    syncs: int
    sent_bytes: int
    rho: float
    """New dirty bytes by bytes sent, in 100 ms; it converges below 1."""
    guest_slowdown: float
    """Time of a write with tracking by that without; 1 for a paced guest that keeps its pace."""
    rounds: "pd.DataFrame"
    """One row a sync: seconds, pages pending after it, bytes sent before it."""

    def __str__(self) -> str:
        asked = self.question
        rate = "as fast as it can" if asked.rate is None else f"{asked.rate:,.0f} writes/s"
        pattern = written(asked.dataset, asked.options) if asked.options else asked.dataset
        lines = [
            f"{nbytes_text(4096 * asked.pages)} guest, {pattern} over {asked.working_set:,} pages, "
            f"{rate}; {asked.bandwidth / 1e6:,.4g} MB/s, {ns_text(1e9 * asked.downtime)} allowed, "
            f"{asked.tracker}",
            self._verdict(),
            f"{self.syncs} syncs, {self.sent_bytes / 1e6:,.1f} MB sent, rho {self.rho:.2f}, the "
            f"guest's writes take {self.guest_slowdown:.3g} times as long",
        ]
        if self.low <= 0.8 * self.high:
            lines.append("note: near the border; a few per cent of rate or bandwidth decide")
        return "\n".join([*lines, _TOLD[asked.rules]])

    def _verdict(self) -> str:
        if not self.converges:
            return f"does not converge within {ns_text(1e9 * self.seconds)}"
        return (
            f"converges in {ns_text(1e9 * self.seconds)} ({ns_text(1e9 * self.low)} … "
            f"{ns_text(1e9 * self.high)}), downtime {ns_text(1e9 * self.downtime)}"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return it ready for JSON; None for a downtime that never comes."""
        names = ("converges", "seconds", "low", "high", "downtime", "syncs", "sent_bytes", "rho",
                 "guest_slowdown")  # fmt: skip
        found = {name: getattr(self, name) for name in names}
        found["downtime"] = self.downtime if self.converges else None
        return {"question": self.question._asdict(), **found}

    def as_json(self) -> str:
        """Return it as JSON."""
        return json.dumps(self.as_dict(), indent=1, ensure_ascii=False)


_TOLD = {
    "qemu-7.2": "by the rules of QEMU 7.2, costs of recorded runs (qemu-runs)",
    "later": "by later rules of QEMU (a sync where a round after the first takes 5 s), costs of "
    "recorded runs (qemu-runs)",
}


def migrate(
    pages: int | str,
    dataset: str = "random",
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
    dataset : str, optional
        Pattern of its writes, a name in ``dirtylab.DATASETS``, or ``"idle"``: it writes nothing.
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
        A recorded machine, ``"qemu-runs"``.
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
    asked = _question(
        pages, dataset, options, working_set, rate, speed, bandwidth, downtime, tracker, nonzero,
        prealloc, limit, seed, rules, switchover,
    )  # fmt: skip
    chosen = costs_of(costs)
    return _migrated(asked, chosen)


def _migrated(asked: Question, chosen: Costs) -> Migration:
    cost = tracking(asked.tracker, asked.dataset, asked.options, asked.working_set, chosen)
    stream = _stream(asked)
    run = _run(asked, chosen, cost, stream)
    around = [_run(asked, chosen, cost, stream, *factors).seconds for factors in SPREAD]
    around.append(run.seconds)
    return Migration(
        asked, run.converges, run.seconds, min(around), max(around), run.downtime, run.syncs,
        round(run.sent_bytes) + chosen.fixed_bytes, _rho(asked, chosen, cost, stream),
        _slowdown(asked, cost, run), run.rounds,
    )  # fmt: skip


def _question(
    pages: Any, dataset: str, options: dict[str, Any], working_set: Any, rate: Any, speed: Any,
    bandwidth: Any, downtime: Any, tracker: str, nonzero: Any, prealloc: bool, limit: Any,
    seed: int, rules: str, switchover: Any,
) -> Question:  # fmt: skip
    size = parse_pages("pages", pages, 1, 2**40)
    _check.choice("dataset", dataset, ("idle", *DATASETS))
    written_to = size if working_set is None else parse_pages("working_set", working_set)
    if written_to > size:
        raise ValueError(f"working_set={working_set!r}: must be at most the {size} pages")
    filled = parse_pages("nonzero", nonzero, 0) if nonzero else 0
    if filled > size:
        raise ValueError(f"nonzero={nonzero!r}: must be at most the {size} pages")
    if dataset == "idle":
        _check.options("idle", options, ())
        written_to = 0
    else:
        require(dataset, written_to, 1, options)
    if written_to > MOST_PAGES:
        raise ValueError(f"working_set={written_to}: must be at most {MOST_PAGES} pages")
    kind_of(tracker)
    _check.choice("rules", rules, RULES)
    if switchover is not None and rules == "qemu-7.2":
        raise ValueError(
            f"switchover={switchover!r}: must be omitted, as QEMU 7.2 does not know it"
        )
    paced = None if rate is None else parse_writes("rate", rate, 0)
    return Question(
        size, dataset, dict(options), written_to, paced,
        1e8 if speed is None else parse_writes("speed", speed, 1),
        parse_rate("bandwidth", bandwidth),
        parse_seconds("downtime", downtime), tracker, max(filled, written_to),
        _check.truth("prealloc", prealloc), parse_seconds("limit", limit, 0.0, 1e5),
        _check.integer("seed", seed, 0, 2**63),
        rules, None if switchover is None else parse_rate("switchover", switchover),
    )  # fmt: skip


def _stream(asked: Question) -> Any:
    """Return frames in the order of writing."""
    if asked.dataset == "idle" or asked.rate == 0:
        return np.empty(0, np.uint64)
    number = 8 * asked.working_set if asked.rate is None else 1.1 * asked.rate * asked.limit
    if asked.dataset == "sequential":
        number = asked.working_set
    number = int(min(max(number, asked.working_set, 1), MOST_WRITES))
    return DATASETS[asked.dataset](asked.working_set, number, seed=asked.seed, **asked.options)


def _run(
    asked: Question, costs: Costs, cost: Tracking, stream: Any, faster: float = 1.0,
    wider: float = 1.0,
) -> _Run:  # fmt: skip
    size = asked.working_set
    protected = np.full(size, cost.kind != LOG, np.uint8)
    guest = Guest(
        stream, protected, np.zeros(size, np.uint8), np.zeros(2), np.zeros(4, np.int64),
        np.zeros(cost.entries, np.int64),
    )  # fmt: skip
    rules = _rules(asked, costs, cost, faster, wider)
    source = _sender(asked, rules.sync, rules.every)
    down = float(simulate(guest, rules, source))
    clock, counts = source.clock, source.counts
    return _Run(
        down >= 0, float(clock[NOW]) if down >= 0 else asked.limit, down if down >= 0 else math.nan,
        int(counts[SYNCS]), float(clock[SENT]), _table(source.rounds[: counts[WRITTEN]]),
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


def _table(rounds: Any) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(rounds, columns=["seconds", "pending", "sent_bytes"])


def _rules(asked: Question, costs: Costs, cost: Tracking, faster: float, wider: float) -> Rules:
    period = 0.0 if not asked.rate else 1 / (asked.rate * faster)
    return Rules(
        asked.bandwidth * wider, asked.downtime, asked.limit, period,
        1 / (asked.speed * faster), cost.first_write_s, cost.full_s, cost.kind,
        cost.sync_s, cost.sync_page_s, costs.window_s, costs.page_bytes,
        costs.zero_bytes, costs.page_s, costs.page_s if asked.prealloc else costs.new_page_s,
        costs.zero_s, costs.stop_s, costs.down_page_s,
        SYNC_EVERY if asked.rules == "later" else math.inf, (asked.switchover or 0.0) * wider,
    )  # fmt: skip


def _rho(asked: Question, costs: Costs, cost: Tracking, stream: Any) -> float:
    """Return new dirty bytes by bytes sent in 100 ms, less what the downtime takes."""
    if not len(stream):
        return 0.0
    rate = min(asked.rate or math.inf, asked.speed)
    most = stream[: max(1, min(len(stream), int(0.1 * rate)))]
    dirty = len(np.unique(most))
    if cost.first_write_s and asked.rate is None:
        dirty = min(dirty, round(0.1 / cost.first_write_s))
    rest = 1 - asked.bandwidth * asked.downtime / (4096 * asked.working_set)
    return max(0.0, dirty * rest * costs.page_bytes / (0.1 * asked.bandwidth))


def _slowdown(asked: Question, cost: Tracking, run: _Run) -> float:
    wanted = asked.speed if asked.rate is None else min(asked.rate, asked.speed)
    if not run.writes or not wanted or asked.rate is None:
        return 1.0 if asked.rate is not None or not run.writes else _unpaced(asked, cost, run)
    return max(1.0, wanted / run.writes)


def _unpaced(asked: Question, cost: Tracking, run: _Run) -> float:
    """Return the slowdown of a guest as fast as it can: what notice adds to an average write."""
    return 1.0 + run.noticed * cost.first_write_s * asked.speed
