"""The whole study: nine rows measured two ways, experiments, verdicts, and the machine."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from dirtylab._progress import Step, run_steps
from dirtylab.measure.machine import describe_machine
from dirtylab.studies.mailing_list.claims import Verdict, judge
from dirtylab.studies.mailing_list.doubts import MOST
from dirtylab.studies.mailing_list.experiments import Experiment, all_experiments
from dirtylab.studies.mailing_list.extras import (
    between_records,
    compile_insertion,
    full_records,
    insertion_records,
)
from dirtylab.studies.mailing_list.program import compile_loops
from dirtylab.studies.mailing_list.rows import STRUCTURES, Row, posted_rows
from dirtylab.studies.mailing_list.runs import (
    AS_POSTED,
    CAREFUL,
    METHODS,
    Record,
    measured_records,
    posted_records,
)
from dirtylab.studies.mailing_list.samples_index import SamplesIndex

SEED_RULE = "srand(pages + dirty), frames are rand() % pages of glibc"


@dataclasses.dataclass(frozen=True)
class Plan:
    """How much is measured."""

    repeats: int
    """Careful samples of each structure and row."""
    runs: int
    """Cold runs in the experiments that repeat them."""
    between: int = 25
    """Careful samples of each structure in the rows between the posted ones."""
    order_seed: int = 2016
    """Seeds the order of the candidates; the data set has the posted seed."""
    most: int = MOST
    """Multiple of the samples that a row in doubt may get."""


FULL_PLAN = Plan(repeats=25, runs=25)
QUICK_PLAN = Plan(repeats=9, runs=9, between=6, most=1)


@dataclasses.dataclass(frozen=True)
class Study:
    """The result."""

    samples_index: SamplesIndex
    verdicts: list[Verdict]
    """One a claim; empty while rows are missing."""
    machine: dict[str, Any]
    plan: Plan

    @property
    def complete(self) -> bool:
        """Whether all rows and experiments were measured, so that the claims are judged."""
        return bool(self.verdicts)

    def as_dict(self) -> dict[str, Any]:
        """Return everything but the samples, ready for JSON."""
        return {
            "machine": self.machine,
            "plan": dataclasses.asdict(self.plan),
            "seed_rule": SEED_RULE,
            "complete": self.complete,
            "rows": [self._row(row) for row in self.samples_index.rows],
            "crossover": self._crossover(),
            "verdicts": [verdict._asdict() for verdict in self.verdicts],
            "experiments": {
                name: one._asdict() for name, one in self.samples_index.experiments.items()
            },
        }

    def _row(self, row: Row) -> dict[str, Any]:
        ns = {
            method: {
                name: self.samples_index.estimate(method, row, name)._asdict()
                for name in STRUCTURES
            }
            for method in METHODS
        }
        facts = {"order": row.order, "pages": row.pages, "dirty": row.dirty, "ns": ns}
        return {**facts, "doubts": self.samples_index.doubts(row)}

    def _crossover(self) -> dict[str, Any] | None:
        """Return where the bitmap overtakes the tree, once all rows have been measured."""
        if not self.complete:
            return None
        interval = self.samples_index.crossover_interval(CAREFUL)
        return {
            "dirty": self.samples_index.crossover(CAREFUL),
            "interval_95": interval and list(interval),
            "posted_between": list(self.samples_index.posted_bracket()),
        }


class Reproduction:
    """The study under way: a list of steps, each of which keeps what it measured.

    Parameters
    ----------
    plan : Plan
        How much to measure.

    Notes
    -----
    The caller goes through :meth:`steps`, shows progress, and may stop at any time, by Ctrl-C
    say: :meth:`study` then holds what has been measured.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.records: list[Record] = []
        self.experiments: dict[str, Experiment] = {}
        self._rng = np.random.default_rng(plan.order_seed)

    def steps(self) -> Iterator[Step]:
        """Yield label and action of each step, in order."""
        yield "compiling, once a machine", compile_all
        for row in posted_rows():
            yield row.label, lambda row=row: self._measure(row)  # type: ignore[misc]
        yield "insertion", lambda: self.records.extend(self._extra(insertion_records))
        yield (
            "rows in between",
            lambda: self.records.extend(between_records(self.plan.between, self._rng)),
        )
        yield "every page dirty", lambda: self.records.extend(self._extra(full_records))
        for name in EXPERIMENTS:
            yield name, lambda name=name: self._try(name)  # type: ignore[misc]

    def study(self) -> Study:
        """Return the study as far as it has come."""
        index = SamplesIndex(self.records, self.experiments)
        done = index.complete and len(self.experiments) == len(EXPERIMENTS)
        verdicts = judge(index) if done else []
        return Study(index, verdicts, describe_machine(), self.plan)

    def _measure(self, row: Row) -> None:
        measured = measured_records(row, self.plan.repeats, self._rng, self.plan.most)
        self.records.extend(posted_records(row) + measured)

    def _extra(self, measure: Callable[[int, np.random.Generator], list[Record]]) -> list[Record]:
        return measure(self.plan.repeats, self._rng)

    def _try(self, name: str) -> None:
        cold: dict[int, dict[str, float]] = {}
        for one in self.records:
            if (one["method"], one["order"]) == (AS_POSTED, "random"):
                cold.setdefault(one["dirty"], {})[one["structure"]] = one["ns"]
        self.experiments[name] = all_experiments(self.plan.runs, cold)[name]()


EXPERIMENTS = tuple(all_experiments(1, {}))


def compile_all() -> None:
    """Compile, or load from the cache, everything that the study times."""
    compile_loops()
    compile_insertion()


def reproduce(*, quick: bool = False, progress: bool = True) -> Study:
    """Run the whole study here.

    Parameters
    ----------
    quick : bool, optional
        9 samples instead of 25.
    progress : bool, optional
        Show a progress bar.

    Returns
    -------
    Study
    """
    reproduction = Reproduction(QUICK_PLAN if quick else FULL_PLAN)
    for _ in run_steps(list(reproduction.steps()), shown=progress):
        pass
    return reproduction.study()
