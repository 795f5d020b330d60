"""How right the model is on recorded migrations."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from dirtylab.migration.costs import Costs, costs_of
from dirtylab.migration.fidelities import CLOSED_FORM, SIMULATION, TEXTBOOK, Told, simpler
from dirtylab.migration.precopy import simulated
from dirtylab.migration.question import Writes, writes_of
from dirtylab.migration.tracking import tracking
from dirtylab.studies.migrations.runs import RecordedRun

LEAST_S = 1.0
"""Runs whose times are judged last at least so long."""


class Prepared(NamedTuple):
    """A recorded run, and the writes of its guest."""

    run: RecordedRun
    writes: Writes


Pair = tuple[RecordedRun, Told]

__all__ = ["CLOSED_FORM", "SIMULATION", "TEXTBOOK"]


class Judged(NamedTuple):
    """Expected against recorded runs."""

    runs: int
    right: int
    """Of which it was said rightly whether they converge."""
    wrong: tuple[str, ...]
    timed: int
    """Runs over a second that converged, as was said."""
    median: float
    """Share by which the total time of those is off ..."""
    most: float
    """... and its 90th percentile."""
    bytes_median: float
    """Share by which the bytes are off, of all that converged, as was said."""


def prepare(runs: Iterable[RecordedRun]) -> list[Prepared]:
    """Return runs with the writes of their guests."""
    return [Prepared(run, writes_of(run.asked)) for run in runs]


def expected(one: Prepared, costs: Costs) -> Told:
    """Return what is expected of a run: all bytes counted, no band."""
    asked = one.run.asked
    cost = tracking(asked.tracker, asked.dataset, asked.options, asked.working_set, costs)
    found = simulated(asked, costs, cost, one.writes)
    return Told(found.converges, found.seconds, found.downtime, found.syncs,
                found.sent_bytes + costs.fixed_bytes)  # fmt: skip


def judged(runs: Sequence[RecordedRun], costs: Costs | None = None) -> Judged:
    """Compare runs with the model, by the shipped costs where none are given."""
    chosen = costs_of(None) if costs is None else costs
    return judged_pairs([(one.run, expected(one, chosen)) for one in prepare(runs)])


def judged_simpler(runs: Sequence[RecordedRun], costs: Costs) -> dict[str, Judged]:
    """Return how right textbook rounds and the closed form are, which draw no writes."""
    pairs: dict[str, list[Pair]] = {name: [] for name in (TEXTBOOK, CLOSED_FORM)}
    for run in runs:
        for name, found in simpler(run.asked, costs).items():
            pairs[name].append((run, found))
    return {name: judged_pairs(some) for name, some in pairs.items()}


def judged_pairs(pairs: Sequence[Pair]) -> Judged:
    """Return how right the model was about runs."""
    wrong = tuple(run.name for run, found in pairs if found.converges != run.converged)
    ended = [(run, found) for run, found in pairs if found.converges and run.converged]
    off = [abs(found.seconds / run.seconds - 1) for run, found in ended if run.seconds >= LEAST_S]
    nbytes = [abs(found.sent_bytes / run.sent_bytes - 1) for run, found in ended
              if found.sent_bytes == found.sent_bytes]  # fmt: skip
    median, most = np.percentile(off, [50, 90]) if off else (math.nan, math.nan)
    return Judged(
        len(pairs), len(pairs) - len(wrong), wrong, len(off), float(median), float(most),
        float(np.median(nbytes)) if nbytes else math.nan,
    )  # fmt: skip
