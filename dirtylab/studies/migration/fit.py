"""Costs of a machine, fitted to recorded migrations, and tried on runs that were left out.

Bytes on the wire follow from runs of idle guests by least squares.  Seconds are those with which
the simulation comes nearest to recorded times and pauses, in their logarithms, by least squares in
which a run far off counts little; each begins at an order of magnitude and is drawn a little to it,
so that one of which the runs tell nothing stays there.  Runs that ended where the simulation can't
say when (more than `LUCKY` syncs: a guest that happened to pause) are not fitted to.

Cost: some 300 simulations a fit and run; minutes for a hundred runs, tried in five parts.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dirtylab.migration.costs import BYTES, Costs
from dirtylab.migration.precopy import Run, simulated
from dirtylab.migration.question import IDLE, Writes, writes_of
from dirtylab.migration.tracking import tracking
from dirtylab.studies.migration.runs import RecordedRun

START = Costs(
    page_bytes=4104, zero_bytes=9, fixed_bytes=100_000, page_s=2e-6, new_page_s=1e-5, zero_s=2e-7,
    window_s=0.1, sync_s=3e-4, stop_s=3e-3, down_page_s=2e-6, first_write_s=2e-6, ring_full_s=3e-4,
)  # fmt: skip
"""Where a fit begins: orders of magnitude."""
FITTED = tuple(name for name in Costs._fields if name not in BYTES)
LUCKY = 50
_SHARE, _SECONDS, _PAUSE = 0.01, 0.01, 0.003
"""What a total time may be off by, of itself and in seconds, and a pause, to count as 1."""
_PULL = 0.1
_STEP = 0.05
_ROUNDS = 6
FOLDS = 5
Parameters = npt.NDArray[np.float64]


class Prepared(NamedTuple):
    """A recorded run, and the writes of its guest."""

    run: RecordedRun
    writes: Writes


def prepare(runs: Sequence[RecordedRun]) -> list[Prepared]:
    """Return runs with the writes of their guests."""
    return [Prepared(run, writes_of(run.asked)) for run in runs]


def replayed(one: Prepared, costs: Costs) -> Run:
    """Return what is expected of a run, without a band."""
    asked = one.run.asked
    cost = tracking(asked.tracker, asked.dataset, asked.options, asked.working_set, costs)
    return simulated(asked, costs, cost, one.writes)


def fit_costs(runs: Sequence[Prepared], report: Callable[[], object] = lambda: None) -> Costs:
    """Return the costs with which the simulation comes nearest to recorded runs.

    Parameters
    ----------
    runs : sequence of Prepared
        Plain pre-copy, idle guests among them.
    report : callable, optional
        Called after each pass over the runs.

    Raises
    ------
    ValueError
        There are too few runs of idle guests, or that converged.
    """
    from scipy.optimize import least_squares

    told = [one for one in runs if one.run.converged and one.run.syncs <= LUCKY]
    if len(told) < len(FITTED):
        raise ValueError(f"runs: {len(told)} converged; must be {len(FITTED)} or more")
    start = _with_bytes(START, runs)
    residuals = functools.partial(_residuals, told, start, report)
    found = least_squares(
        residuals, np.zeros(len(FITTED)), loss="soft_l1", diff_step=_STEP, max_nfev=_ROUNDS,
        bounds=(-3.0, 3.0),
    )  # fmt: skip
    return _scaled(start, found.x)


def _scaled(start: Costs, steps: Parameters) -> Costs:
    factors = zip(FITTED, np.exp(steps), strict=True)
    return start._replace(**{name: getattr(start, name) * float(by) for name, by in factors})


def _residuals(
    told: Sequence[Prepared], start: Costs, report: Callable[[], object], steps: Parameters
) -> Parameters:
    costs = _scaled(start, steps)
    expected = [replayed(one, costs) for one in told]
    pairs = [(one.seconds, run.run.seconds) for one, run in zip(expected, told, strict=True)]
    times = [(one - seen) / (_SHARE * seen + _SECONDS) for one, seen in pairs]
    pauses = [
        0.3 * (one.downtime - run.run.downtime) / (0.2 * run.run.downtime + _PAUSE)
        for one, run in zip(expected, told, strict=True)
        if one.converges
    ]
    missing = [0.0] * (len(told) - len(pauses))
    report()
    return np.array([*times, *pauses, *missing, *(_PULL * steps)])


def _with_bytes(start: Costs, runs: Sequence[Prepared]) -> Costs:
    """Return costs with the bytes of pages, zero pages and all else that idle guests send."""
    idle = [one.run for one in runs if one.run.asked.dataset == IDLE and one.run.converged]
    asked = [one.asked for one in idle]
    whole = np.array([one.nonzero for one in asked], float)
    zeros = np.array([one.pages for one in asked], float) - whole
    factors = np.column_stack([whole, zeros, np.ones(len(idle))])
    if len(idle) < len(BYTES) or np.linalg.matrix_rank(factors) < len(BYTES):
        raise ValueError(
            "runs: those of idle guests are too few to tell the bytes of pages from those of zero "
            "pages"
        )
    found, *_ = np.linalg.lstsq(factors, np.array([one.sent_bytes for one in idle]), rcond=None)
    return start._replace(**dict(zip(BYTES, (round(float(one)) for one in found), strict=True)))


# --- how right -----------------------------------------------------------------------------------


def held_out(
    runs: Sequence[RecordedRun], report: Callable[[], object] = lambda: None
) -> "list[tuple[Prepared, Run]]":
    """Return each run with what is expected of it by costs fitted to the others.

    Every `FOLDS`-th run is left out of one fit; runs of idle guests, which tell the bytes, are
    spread over all parts as they come.
    """
    ready = prepare(runs)
    found: list[tuple[Prepared, Run]] = []
    for part in range(FOLDS):
        costs = fit_costs([one for n, one in enumerate(ready) if n % FOLDS != part], report)
        found.extend((one, replayed_whole(one, costs)) for one in ready[part::FOLDS])
    return found


def replayed_whole(one: Prepared, costs: Costs) -> Run:
    """Return what is expected of a run, all bytes counted."""
    run = replayed(one, costs)
    return run._replace(sent_bytes=run.sent_bytes + costs.fixed_bytes)


class HowRight(NamedTuple):
    """Expected against recorded runs."""

    runs: int
    verdicts: int
    """Of which it was said rightly whether they converge."""
    wrong: tuple[str, ...]
    long: int
    """Runs over a second that converge, as was said."""
    seconds_median: float
    """Share by which the total time of those is off."""
    seconds_p90: float
    bytes_median: float


def how_right(pairs: "Sequence[tuple[Prepared, Run]]") -> HowRight:
    """Return how right the model was about runs."""
    wrong = tuple(one.run.name for one, found in pairs if found.converges != one.run.converged)
    ended = [(one.run, found) for one, found in pairs if found.converges and one.run.converged]
    off = [abs(found.seconds / run.seconds - 1) for run, found in ended if run.seconds > 1.0]
    nbytes = [abs(found.sent_bytes / run.sent_bytes - 1) for run, found in ended]
    nothing = math.nan
    return HowRight(
        len(pairs), len(pairs) - len(wrong), wrong, len(off),
        float(np.median(off)) if off else nothing,
        float(np.quantile(off, 0.9)) if off else nothing,
        float(np.median(nbytes)) if nbytes else nothing,
    )  # fmt: skip


def entry(
    runs: Sequence[RecordedRun], name: str, report: Callable[[], object] = lambda: None
) -> dict[str, Any]:
    """Return what ``costs.json`` says of a machine: costs, how right those of other runs are."""
    tried = how_right(held_out(runs, report))
    costs = fit_costs(prepare(runs), report)
    rounded = {
        field: value if field in BYTES else float(f"{value:.3g}")
        for field, value in costs._asdict().items()
    }
    return {"costs": rounded, "fitted_on": name, "runs": len(runs), "held_out": tried._asdict()}
