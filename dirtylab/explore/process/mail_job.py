"""One of the nine runs of 2016, measured again in a process in which nothing has run before.

The posted program's code wants untouched memory and a cold start.
"""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np

from dirtylab import _check
from dirtylab.explore.process.messages import Event, Reporter, Rows, kept
from dirtylab.measure.experiment import take_turns
from dirtylab.studies.mailing_list.rows import Row, posted_rows

_SEED = 2016


@dataclasses.dataclass(frozen=True)
class MailJob:
    """One run: a cold one as posted, then careful samples.

    Attributes
    ----------
    run : int
        1 … 9, in the mail's order.
    repeats : int
        Careful samples.
    """

    unit: ClassVar[str] = "samples"
    new_process: ClassVar[bool] = True

    run: int
    repeats: int

    @property
    def total(self) -> int:
        """The number of careful samples."""
        return self.repeats

    @property
    def row(self) -> Row:
        """The run as the mail describes it."""
        return posted_rows()[self.run - 1]

    def checked(self) -> Self:
        """Return this job; errors are those of :class:`.messages.Job`."""
        row = self.row
        _check.memory("pages", row.pages, 4 * row.pages + 40 * row.dirty)
        return self

    def measure(self, reporter: Reporter) -> Event:
        """Measure; rows are labelled ``method/structure``."""
        from dirtylab.studies.mailing_list.program import Arena, compile_loops, run_once
        from dirtylab.studies.mailing_list.runs import AS_POSTED, CAREFUL, require_agreement

        row, repeats = self.row, self.repeats
        reporter.progress(0, "compiling, or loading what is compiled", at_once=True)
        compile_loops()
        reporter.progress(0, "one cold run, as posted", at_once=True)
        arena = Arena.build(row.pages, row.dirty, row.order)
        cold = run_once(arena)
        require_agreement(arena)
        reporter.cell(0, 0, _labelled(AS_POSTED, cold), _count(0, repeats))
        rng = np.random.default_rng(_SEED)
        samplers = arena.samplers()
        names = list(samplers)
        for number in range(repeats):
            if reporter.cancelled():
                words = f"cancelled: {kept(number, self)}"
                return Event("cancelled", number, repeats, message=words)
            # New frames: a branch predictor learns those that it has seen.
            filled = lambda number=number: arena.fill(row.order, number)  # noqa: E731
            ns = dict(take_turns(names, rng, lambda name: samplers[name](1), prepare=filled))
            reporter.cell(0, number + 1, _labelled(CAREFUL, ns), _count(number + 1, repeats))
        return Event("done", repeats, repeats, message=f"{row.label}: run again here")


def _labelled(method: str, ns: Mapping[str, float]) -> Rows:
    return tuple((f"{method}/{name}", float(value)) for name, value in ns.items())


def _count(done: int, total: int) -> str:
    return f"{done} of {total} samples"
