"""Recorded migrations with their rounds, by name: what is laid over the model's."""

import functools
from typing import NamedTuple

from dirtylab._check import Array
from dirtylab._data import data_file
from dirtylab._format import nbytes_text
from dirtylab.migration.question import Question
from dirtylab.studies.migrations.runs import RecordedRun, plain_runs
from dirtylab.studies.migrations.store import Recorded, load

FOLDER = "measured/migrations"


class RecordedCourse(NamedTuple):
    """A recorded run of one vCPU, and its syncs."""

    label: str
    run: RecordedRun
    seconds: Array
    """Of each sync but the last, in which the guest stands still."""
    pending: Array
    """Pages after it."""

    @property
    def asked(self) -> Question:
        """What was asked."""
        return self.run.asked


@functools.cache
def recorded() -> Recorded | None:
    """Return the migrations that are shipped; None where there are none."""
    try:
        folder = data_file(FOLDER)
        return load(folder)
    except FileNotFoundError:
        return None


@functools.cache
def courses() -> dict[str, RecordedCourse]:
    """Return the runs of writing guests that have rounds, by name."""
    found = recorded()
    if found is None:
        return {}
    runs = plain_runs(found.runs.to_dict("records"))
    rounds = dict(list(found.rounds.dropna(subset=["pending"]).groupby("id")))
    return {
        run.name: RecordedCourse(
            _label(run), run, rounds[run.name]["seconds"].to_numpy(float),
            rounds[run.name]["pending"].to_numpy(float),
        )
        for run in runs
        if run.vcpus == 1 and run.asked.working_set and run.name in rounds
    }  # fmt: skip


def _label(run: RecordedRun) -> str:
    asked = run.asked
    rate = "as fast as it can" if asked.rate is None else f"{asked.rate:,.0f}/s"
    return (
        f"{run.name}: {asked.tracker}, {asked.dataset} {rate} over "
        f"{nbytes_text(4096 * asked.working_set)}, {asked.bandwidth / 1e6:,.0f} MB/s"
    )
