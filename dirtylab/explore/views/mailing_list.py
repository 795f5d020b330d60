"""The mailing-list view: the nine runs, 2016 beside this machine, each to be run again."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from dirtylab import _check
from dirtylab._format import ns_text, three_digits
from dirtylab.explore.kit.axes import table_html
from dirtylab.explore.kit.controls import Control, Slider
from dirtylab.explore.kit.slider_steps import with_value
from dirtylab.explore.process.mail_job import MailJob
from dirtylab.explore.process.measuring_view import MeasuringView
from dirtylab.explore.process.session import Results, WorkerLike
from dirtylab.explore.views.mailing_list_figure import (
    METHODS,
    RANDOM,
    RATIO_RECTANGLE,
    RATIOS,
    SEQUENTIAL,
    SIZE,
    MailArtists,
    MailContent,
)
from dirtylab.measure.machine import caption, describe_machine
from dirtylab.studies.mailing_list.rows import SHORT, STRUCTURES, Row, posted_rows
from dirtylab.studies.mailing_list.runs import AS_POSTED, CAREFUL, POSTED, record
from dirtylab.studies.mailing_list.samples_index import SamplesIndex
from dirtylab.studies.mailing_list.study import Study

if TYPE_CHECKING:
    import pandas as pd

RUNS = tuple(range(1, 10))
REPEATS = (3, 5, 9, 15, 25)


@dataclasses.dataclass(frozen=True, kw_only=True)
class MailState:
    """What the view shows: the parameters of :func:`dirtylab.explore.mailing_list`, checked."""

    run: int
    repeats: int

    def __post_init__(self) -> None:
        _check.integer("run", self.run, RUNS[0], RUNS[-1])
        _check.integer("repeats", self.repeats, 1, 1000)


class MailView(MeasuringView[MailState, MailContent]):
    """The nine runs.

    Parameters
    ----------
    state, usual : MailState
        What is shown, and what Reset goes back to.
    study : Study
        The recorded one: what "here" shows until a run is run again.
    worker : callable
        Makes the worker that runs it again.
    """

    function = "mailing_list"
    title = "The nine runs of 2016: posted, and here"
    size = SIZE
    rectangles = (RANDOM, SEQUENTIAL, RATIO_RECTANGLE)
    artists = MailArtists
    measure_label = "Run it again"
    measure_tip = "Measure this run here, in a process of its own"

    def __init__(
        self, state: MailState, usual: MailState, study: Study, worker: Callable[[], WorkerLike]
    ) -> None:
        super().__init__(state, usual, worker)
        self._study = study
        self._indexed: tuple[int, SamplesIndex] | None = None

    def controls(self) -> Sequence[Control]:
        """Return the controls."""
        state = self.state
        return [
            Slider("run", "run", RUNS, state.run, lambda run: f"{run}: {_row(run).label}"),
            Slider("repeats", "run it with", with_value(REPEATS, state.repeats), state.repeats,
                   lambda n: f"{n} samples", folded=True),
        ]  # fmt: skip

    def measure(self) -> None:
        """Run the chosen run again."""
        state = self.state
        self._session.start(state.run, [0.0], MailJob(state.run, state.repeats))

    # --- what is shown --------------------------------------------------------------------------

    def samples_index(self) -> SamplesIndex:
        """Return the recorded samples, those of runs run again in place of theirs."""
        count = self._session.samples_taken
        if self._indexed is None or self._indexed[0] != count:
            self._indexed = count, self._made_index()
        return self._indexed[1]

    def _made_index(self) -> SamplesIndex:
        again = self._run_again()
        replaced = {(_row(run).order, _row(run).dirty) for run in again}
        kept = [
            one for one in self._study.samples_index.records
            if one["method"] == POSTED or (one["order"], one["dirty"]) not in replaced
        ]  # fmt: skip
        for run, results in again.items():
            kept += _records(_row(run), results)
        return SamplesIndex(kept)

    def _run_again(self) -> dict[int, Results]:
        """Return the results of runs that were run again, by run."""
        found = self._session.results
        return {results.key: results for results in found.values() if _is_whole(results)}

    def content(self) -> MailContent:
        """Return the chosen run and the samples of all."""
        return MailContent(_row(self.state.run), self.samples_index())

    def sentence(self, content: MailContent) -> str:
        """Return the finding."""
        row, index = content
        then = index.ratio(POSTED, row, "posted-bitmap", "posted-tree")
        now = index.ratio(CAREFUL, row, "posted-bitmap", "posted-tree")
        same = sum(index.winner(POSTED, one) == index.winner(CAREFUL, one)
                   for one in posted_rows())  # fmt: skip
        who = {True: "the tree beats the bitmap", False: "the bitmap beats the tree"}
        both = who[then > 1] if (then > 1) == (now > 1) else f"in 2016 {who[then > 1]}, here not"
        return (
            f"{row.label.capitalize()} dirty frames: bitmap over tree was {three_digits(then)} in "
            f"2016 and is {three_digits(now)} here: {both}. In {same} of the nine runs the same of "
            "the two wins here as in 2016."
        )

    def alt(self, content: MailContent, sentence: str) -> str:
        """Return the picture in words."""
        row, index = content
        times = "; ".join(
            f"{SHORT[name]} {ns_text(index.median(POSTED, row, name))} in 2016, "
            f"{ns_text(index.median(CAREFUL, row, name))} here"
            for name in STRUCTURES
        )
        return (
            "Two log-log plots of time against dirty frames, random and sequential, posted in 2016 "
            f"and here, and the ratios of run {row.label}. {sentence} {times}."
        )

    def note(self, content: MailContent) -> str:
        """Return the small print."""
        again = ", ".join(map(str, sorted(self._run_again())))
        note = (
            "2016: posted in the mail. As posted: one cold run, the list first. Carefully: median "
            f"of interleaved samples, new frames each. Recorded on {caption(self._study.machine)}."
        )
        if again:
            note += f" Run again here (run {again}): {caption(describe_machine())}."
        return note

    def extra(self, content: MailContent) -> str:
        """Return a table of the run's times and ratios by method."""
        row, index = content
        rows = [
            [style.label]
            + [ns_text(index.median(method, row, name)) for name in STRUCTURES]
            + [three_digits(index.ratio(method, row, *pair)) for pair in RATIOS]
            for method, style in METHODS.items()
        ]
        ratios = [f"{SHORT[a]}/{SHORT[b]}" for a, b in RATIOS]
        return table_html(rows, [row.label, *(SHORT[name] for name in STRUCTURES), *ratios])

    def table(self) -> "pd.DataFrame":
        """Return median times of all runs, structures and methods."""
        import pandas as pd

        index = self.samples_index()
        return pd.DataFrame.from_records(
            [
                {"run": run, "order": _row(run).order, "pages": _row(run).pages,
                 "dirty": _row(run).dirty, "method": method, "structure": SHORT[name],
                 "ns": index.median(method, _row(run), name)}
                for run in RUNS for method in METHODS for name in STRUCTURES
            ]
        )  # fmt: skip

    def provenance(self) -> dict[str, Any]:
        """Return the parameters, the recorded machine, and which runs were run again."""
        return {
            **super().provenance(),
            "recorded on": self._study.machine,
            "run again": list(self._session.results),
            "units": {"ns": "nanoseconds a collect, median"},
        }


def _row(run: int) -> Row:
    return posted_rows()[run - 1]


def _is_whole(results: Results) -> bool:
    """Return whether a run has both its cold run and a careful sample."""
    return all(f"{m}/{n}" in results.samples for m in (AS_POSTED, CAREFUL) for n in STRUCTURES)


def _records(row: Row, results: Results) -> list[dict[str, Any]]:
    return [
        record(row, method, structure, number, ns, 1)
        for key, places in results.samples.items()
        for method, _, structure in [key.partition("/")]
        for samples in places.values()
        for number, ns in enumerate(samples)
    ]
