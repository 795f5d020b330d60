"""The mailing-list view: the nine runs, 2016 beside a recorded machine, each to be run again."""

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
from dirtylab.theory.intervals import Interval

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
        The recorded one.
    worker : callable
        Makes the worker that runs it again.
    """

    function = "mailing_list"
    title = "The nine runs of 2016: posted, recorded, and run again here"
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
        """Return the samples of the runs that were run again here."""
        count = self._session.samples_taken
        if self._indexed is None or self._indexed[0] != count:
            again = self._run_again().items()
            records = [one for run, results in again for one in _records(_row(run), results)]
            self._indexed = count, SamplesIndex(records)
        return self._indexed[1]

    def _run_again(self) -> dict[int, Results]:
        """Return the results of runs that were run again, by run."""
        found = self._session.results
        return {results.key: results for results in found.values() if _is_whole(results)}

    def content(self) -> MailContent:
        """Return the chosen run and the samples of all."""
        return MailContent(_row(self.state.run), self._study.samples_index, self.samples_index())

    def sentence(self, content: MailContent) -> str:
        """Return the finding."""
        row, index, again = content
        pair = ("posted-bitmap", "posted-tree")
        then, now = (index.ratio(method, row, *pair) for method in (POSTED, CAREFUL))
        told = f"{three_digits(now)} as recorded"
        if content.is_again:
            found = again.ratio_interval(row, *pair)
            now = found.at
            told += f" and {three_digits(now)}{_between(found)} here"
        who = {True: "the tree beats the bitmap", False: "the bitmap beats the tree"}
        both = who[then > 1] if (then > 1) == (now > 1) else f"in 2016 {who[then > 1]}, now not"
        same = sum(index.winner(POSTED, one) == index.winner(CAREFUL, one)
                   for one in posted_rows())  # fmt: skip
        return (
            f"{row.label.capitalize()} dirty frames: bitmap over tree was {three_digits(then)} in "
            f"2016, {told}: {both}. In {same} of the nine recorded runs the same of the two wins "
            "as in 2016."
        )

    def alt(self, content: MailContent, sentence: str) -> str:
        """Return the picture in words."""
        row, index, _ = content
        times = "; ".join(
            f"{SHORT[name]} {ns_text(index.median(POSTED, row, name))} in 2016, "
            f"{ns_text(index.median(CAREFUL, row, name))} as recorded"
            for name in STRUCTURES
        )
        return (
            "Two log-log plots of time against dirty frames, random and sequential, of 2016, "
            f"recorded, and run again here, and the ratios of run {row.label}. {sentence} {times}."
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
        row, sources = content.row, _sources(content)
        rows = [
            [label]
            + [ns_text(index.median(method, row, name)) for name in STRUCTURES]
            + [three_digits(index.ratio(method, row, *pair)) for pair in RATIOS]
            for label, index, method in sources
            if index.has(method, row)
        ]
        ratios = [f"{SHORT[a]}/{SHORT[b]}" for a, b in RATIOS]
        return table_html(rows, [row.label, *(SHORT[name] for name in STRUCTURES), *ratios])

    def table(self) -> "pd.DataFrame":
        """Return median times of all runs, structures and methods."""
        import pandas as pd

        return pd.DataFrame.from_records(
            [
                {"run": run, "order": _row(run).order, "pages": _row(run).pages,
                 "dirty": _row(run).dirty, "method": label, "structure": SHORT[name],
                 "ns": index.median(method, _row(run), name)}
                for run in RUNS for label, index, method in _sources(self.content())
                for name in STRUCTURES if index.has(method, _row(run))
            ]
        )  # fmt: skip

    def provenance(self) -> dict[str, Any]:
        """Return the parameters, the recorded machine, and which runs were run again."""
        return {
            **super().provenance(),
            "recorded on": self._study.machine,
            "run again": list(self._session.results),
            "run again on": describe_machine(),
            "units": {"ns": "nanoseconds a collect, median"},
        }


def _between(found: Interval) -> str:
    """Return the ends of an interval in brackets, nothing where there are too few samples."""
    if found.low is None or found.high is None:
        return ""
    return f" ({three_digits(found.low)} … {three_digits(found.high)})"


def _sources(content: MailContent) -> list[tuple[str, SamplesIndex, str]]:
    """Return what there are times of: label, samples and method."""
    recorded = [(style.label, content.samples_index, one) for one, style in METHODS.items()]
    again = [
        ("here, as posted", content.again, AS_POSTED), ("here, carefully", content.again, CAREFUL)
    ]  # fmt: skip
    return [*recorded, *again]


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
