"""Costs of a machine, fitted to recorded migrations, and tried on runs that were left out.

Bytes on the wire follow from runs of idle guests by least squares.  Seconds are those with which
the simulation comes nearest to recorded times and pauses, in their logarithms, by least squares in
which a run far off counts little; each begins at an order of magnitude and is drawn a little to it,
so that one of which the runs tell nothing stays there.  Runs that ended where the simulation can't
say when (more than `LUCKY` syncs: a guest that happened to pause) are not fitted to.

Cost: up to 550 simulations a fit and run; a quarter of an hour for a hundred runs, tried in five
parts.
"""

import functools
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dirtylab.measure.files import write_json
from dirtylab.migration.costs import BYTES, Costs, read_costs
from dirtylab.migration.question import IDLE
from dirtylab.studies.migrations.judge import (
    SIMULATION,
    Pair,
    Prepared,
    expected,
    judged_pairs,
    judged_simpler,
    prepare,
)
from dirtylab.studies.migrations.runs import RecordedRun

START = Costs(
    page_bytes=4104, zero_bytes=9, fixed_bytes=100_000, page_s=2e-6, new_page_s=1e-5, zero_s=2e-7,
    window_s=0.1, sync_s=3e-4, stop_s=3e-3, down_page_s=2e-6, first_write_s=2e-6, ring_full_s=3e-4,
)  # fmt: skip
"""Where a fit begins: orders of magnitude."""
FITTED = tuple(name for name in Costs._fields if name not in BYTES)
LUCKY = 50
_SHARE, _SECONDS, _PAUSE = 0.01, 0.01, 0.003
"""What a total time may be off by, of itself and in seconds, and a pause, to count as 1."""
_NEVER = 3.0
"""What a pause counts that never comes in the simulation."""
_PULL = 0.1
_STEP = 0.05
_ROUNDS = 20
_SWEEPS, _TRIED, _FARTHEST = 2, (-1.2, -0.6, -0.3, -0.15, 0.15, 0.3, 0.6, 1.2), 2.5
"""Passes over all costs before slopes are followed, and steps of their logarithms."""
FOLDS = 5
Parameters = npt.NDArray[np.float64]
Report = Callable[[], object]


def _silent() -> None:
    """Report nothing."""


def fit_costs(runs: Sequence[Prepared], report: Report = _silent) -> Costs:
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
    start_costs = _with_bytes(START, runs)
    residuals = functools.partial(_residuals, told, start_costs, report)
    # Steps of derivatives are relative to the place, so it begins at 1: at 0 they would be lost in
    # the simulation's own jumps.  Times jump by windows and rounds, and slopes alone lead nowhere
    # from afar: so it begins again where one cost after another was tried.  On a machine whose zero
    # pages took 2.5 times as long, runs were off by 6.4 % without.
    starts = (np.zeros(len(FITTED)), _tried_one_by_one(residuals))
    found = [
        least_squares(
            lambda place: residuals(place - 1.0), 1.0 + start, loss="soft_l1", diff_step=_STEP,
            max_nfev=_ROUNDS, bounds=(-2.0, 4.0),
        )
        for start in starts
    ]  # fmt: skip
    return _scaled(start_costs, min(found, key=lambda one: float(one.cost)).x - 1.0)


def _tried_one_by_one(residuals: Callable[[Parameters], Parameters]) -> Parameters:
    """Return steps that are better than none: each parameter moved while the others stay."""

    def badness(steps: Parameters) -> float:
        return float(np.sum(np.sqrt(1 + residuals(steps) ** 2)))

    best = np.zeros(len(FITTED))
    least = badness(best)
    for _ in range(_SWEEPS):
        for which in range(len(FITTED)):
            for step in _TRIED:
                steps = best.copy()
                steps[which] += step
                if abs(steps[which]) <= _FARTHEST and (found := badness(steps)) < least:
                    least, best = found, steps
    return best


def _scaled(start: Costs, steps: Parameters) -> Costs:
    factors = zip(FITTED, np.exp(steps), strict=True)
    return start._replace(**{name: getattr(start, name) * float(by) for name, by in factors})


def _residuals(
    told: Sequence[Prepared], start: Costs, report: Report, steps: Parameters
) -> Parameters:
    costs = _scaled(start, steps)
    found = [expected(one, costs) for one in told]
    pairs = [(one.seconds, run.run.seconds) for one, run in zip(found, told, strict=True)]
    times = [(one - seen) / (_SHARE * seen + _SECONDS) for one, seen in pairs]
    pauses = [
        0.3 * (one.downtime - run.run.downtime) / (0.2 * run.run.downtime + _PAUSE)
        if one.converges else _NEVER
        for one, run in zip(found, told, strict=True)
    ]  # fmt: skip
    report()
    return np.array([*times, *pauses, *(_PULL * steps)])


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


# --- on runs that were left out ------------------------------------------------------------------


def held_out(runs: Sequence[RecordedRun], report: Report = _silent) -> list[Pair]:
    """Return each run with what is expected of it by costs fitted to others.

    Every `FOLDS`-th run is left out of one fit.
    """
    ready = prepare(runs)
    found: list[Pair] = []
    for part in range(FOLDS):
        costs = fit_costs([one for n, one in enumerate(ready) if n % FOLDS != part], report)
        found.extend((one.run, expected(one, costs)) for one in ready[part::FOLDS])
    return found


def entry(runs: Sequence[RecordedRun], name: str, report: Report = _silent) -> dict[str, Any]:
    """Return what ``costs.json`` says of a machine: costs, and how right the model was.

    The simulation is judged on runs that its costs were not fitted to.
    """
    tried = judged_pairs(held_out(runs, report))
    costs = fit_costs(prepare(runs), report)
    rounded = {
        field: value if field in BYTES else float(f"{value:.3g}")
        for field, value in costs._asdict().items()
    }
    judged = {**judged_simpler(runs, costs), SIMULATION: tried}
    told = {
        fidelity: {field: _plain(value) for field, value in one._asdict().items()}
        for fidelity, one in judged.items()
    }
    return {"costs": rounded, "fitted_on": name, "runs": len(runs), "judged": told}


def _plain(value: Any) -> Any:
    """Return a value ready for JSON, in four digits."""
    if isinstance(value, float):
        return None if value != value else float(f"{value:.4g}")
    return list(value) if isinstance(value, tuple) else value


PASSES = (FOLDS + 1) * (2 * _ROUNDS * (len(FITTED) + 1) + _SWEEPS * len(FITTED) * len(_TRIED) + 1)
"""Passes over the runs that an entry takes, at most."""


def keep(path: pathlib.Path, name: str, made: Mapping[str, Any]) -> None:
    """Write an entry to a file of costs, beside those of other machines that it has."""
    others = read_costs(path) if path.exists() else {}
    write_json(path, {**others, name: dict(made)})
