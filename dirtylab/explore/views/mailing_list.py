"""The mailing list's nine runs as one view: choose one, see 2016 beside here, run it again."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from dirtylab import _check
from dirtylab.explore.kit.canvas import Canvas, moved, pixels_of, with_small_print
from dirtylab.explore.kit.controls import Action, Control, Slider
from dirtylab.explore.kit.view import Progress, Shown, View
from dirtylab.explore.process.mail_worker import Rerun
from dirtylab.explore.process.session import Found, Measurement, Works
from dirtylab.figures.style import (
    FAINT,
    INK,
    LOOKS,
    Picture,
    count_label,
    new_figure,
    style_axes,
    time_label,
)
from dirtylab.mailing_list.evidence import Evidence
from dirtylab.mailing_list.numbers import duration, three_digits
from dirtylab.mailing_list.rows import SHORT, STRUCTURES, Row, posted_rows
from dirtylab.mailing_list.runs import AS_POSTED, CAREFUL, POSTED, record
from dirtylab.mailing_list.study import Study
from dirtylab.measure.machine import caption, describe_machine

if TYPE_CHECKING:
    import pandas as pd

RUNS = tuple(range(1, 10))
REPEATS = (3, 5, 9, 15, 25)
RATIOS = (
    ("posted-tree", "posted-list"), ("posted-bitmap", "posted-list"),
    ("posted-bitmap", "posted-tree"),
)  # fmt: skip
_SIZE = (7.4, 4.7)
_RANDOM, _SEQUENTIAL = (0.11, 0.265, 0.345, 0.65), (0.475, 0.265, 0.185, 0.65)
_RATIOS = (0.765, 0.265, 0.205, 0.65)
_MARKS = {POSTED: ("o", "2016"), AS_POSTED: ("+", "here, as posted"),
          CAREFUL: ("s", "here, carefully")}  # fmt: skip
_HOLLOW = {POSTED: True, AS_POSTED: False, CAREFUL: False}


@dataclasses.dataclass(frozen=True)
class MailState:
    """Which of the nine runs is looked at."""

    run: int = 5
    """1 … 9, in the mail's order."""
    repeats: int = 9
    """Careful samples when it is run again."""


def checked(state: MailState) -> MailState:
    """Return a state whose every value could come from its control; errors say what is allowed."""
    _check.integer("run", state.run, 1, 9)
    _check.integer("repeats", state.repeats, 1, 1000)
    return state


class Again(NamedTuple):
    """What a measurement of a run is known by."""

    run: int


class MailView(View[MailState]):
    """The nine runs.

    Parameters
    ----------
    state, usual : MailState
        What is shown, and what Reset goes back to.
    study : Study
        The recorded one: what "here" shows until a run is run again.
    worker : callable
        Makes what runs it again.
    """

    function = "mailing_list"
    title = "The nine runs of 2016: posted, and here"

    def __init__(
        self, state: MailState, usual: MailState, study: Study, worker: Callable[[], Works]
    ) -> None:
        super().__init__(checked(state), usual)
        self._study = study
        self._measurement = Measurement(worker, lambda: self.redraw())
        self._figure = new_figure(*_SIZE)
        self._figure.set_layout_engine("none")
        axes = [self._figure.add_axes(one) for one in (_RANDOM, _SEQUENTIAL, _RATIOS)]
        self._parts = _Parts(axes, study.evidence)
        self._canvas = Canvas(self._figure, self._parts.moving)

    def controls(self) -> Sequence[Control]:
        """Return the controls."""
        state = self.state
        return [
            Slider("run", "run", RUNS, state.run,
                   lambda run: f"{run}: {_row(run).label}"),
            Slider("repeats", "run it with", tuple(sorted({*REPEATS, state.repeats})),
                   state.repeats, lambda n: f"{n} samples"),
        ]  # fmt: skip

    def actions(self) -> Sequence[Action]:
        """Return Run again and Cancel."""
        running = self._measurement.progress.running
        return [
            Action("again", "Run it again", "Measure this run here, in a process of its own",
                   not running),
            Action("cancel", "Cancel", "Stop; what has been measured is kept", running),
        ]  # fmt: skip

    def act(self, name: str) -> None:
        """Run the chosen run again, or cancel."""
        if name == "cancel":
            self._measurement.cancel()
            return
        state = self.state
        row = _row(state.run)
        _check.memory("pages", row.pages, 4 * row.pages + 40 * row.dirty)
        self._measurement.start(Again(state.run), [0.0], Rerun(state.run, state.repeats), {})

    def progress(self) -> Progress:
        """Return how far the measurement is."""
        return self._measurement.progress

    def close(self) -> None:
        """End the process that measures."""
        self._measurement.close()

    # --- what is shown --------------------------------------------------------------------------

    def evidence(self) -> Evidence:
        """Return the recorded samples, those of runs run again in place of theirs."""
        again = {key.run: found for key, found in self._measurement.found.items() if _whole(found)}
        rows = {(_row(run).order, _row(run).dirty): found for run, found in again.items()}
        kept = [
            one for one in self._study.evidence.records
            if one["method"] == POSTED or (one["order"], one["dirty"]) not in rows
        ]  # fmt: skip
        for run, found in again.items():
            kept += _records(_row(run), found)
        return Evidence(kept)

    def draw(self) -> Shown:
        """Draw the nine runs, the chosen one picked out."""
        state, evidence = self.state, self.evidence()
        self._parts.set(_row(state.run), evidence)
        sentence = _sentence(_row(state.run), evidence)
        return Shown(
            self._canvas.png(), pixels_of(self._figure), _alt(_row(state.run), evidence, sentence),
            sentence, self._note(), _table_html(_row(state.run), evidence),
        )  # fmt: skip

    def picture(self) -> Picture:
        """Return the figure as it stands."""
        evidence, row = self.evidence(), _row(self.state.run)
        figure, first = with_small_print(_SIZE, _RANDOM, self._note())
        below = float(figure.get_size_inches()[1]) - _SIZE[1]
        places = [first, *(moved(one, _SIZE[1], below) for one in (_SEQUENTIAL, _RATIOS))]
        _Parts([figure.add_axes(one) for one in places], evidence).set(row, evidence)
        return Picture(figure, _alt(row, evidence, _sentence(row, evidence)))

    def _note(self) -> str:
        again = sorted(key.run for key, found in self._measurement.found.items() if _whole(found))
        note = (
            "2016: posted in the mail. As posted: one cold run, the list first. Carefully: median "
            f"of interleaved samples, new frames each. Recorded on {caption(self._study.machine)}."
        )
        if again:
            told = ", ".join(map(str, again))
            note += f" Run again here (run {told}): {caption(describe_machine())}."
        return note

    def table(self) -> "pd.DataFrame":
        """Return median times of all runs, structures and methods."""
        import pandas as pd

        evidence = self.evidence()
        return pd.DataFrame.from_records(
            [
                {"run": run, "order": _row(run).order, "pages": _row(run).pages,
                 "dirty": _row(run).dirty, "method": method, "structure": SHORT[name],
                 "ns": evidence.median(method, _row(run), name)}
                for run in RUNS for method in _MARKS for name in STRUCTURES
            ]
        )  # fmt: skip

    def provenance(self) -> dict[str, Any]:
        """Return the parameters, the recorded machine, and which runs were run again."""
        return {
            "parameters": dataclasses.asdict(self.state),
            "recorded on": self._study.machine,
            "run again": [key.run for key in self._measurement.found],
            "units": {"ns": "nanoseconds a collect, median"},
        }


class _Parts:
    """The artists: everything moves but axes and legend, for any run may be run again."""

    def __init__(self, axes: Sequence[Axes], evidence: Evidence) -> None:
        self._axes = dict(zip(("random", "sequential"), axes, strict=False))
        self._ratio_ax = axes[2]
        self._marks: dict[tuple[str, str, str], Any] = {}
        self._bands: dict[str, Any] = {}
        for order, ax in self._axes.items():
            self._times_axes(ax, order)
            self._bands[order] = ax.axvspan(
                1, 2, color="#F0E442", alpha=0.45, linewidth=0, zorder=1
            )
            for name in STRUCTURES:
                for method, (marker, _) in _MARKS.items():
                    self._marks[order, name, method] = _mark(ax, name, method, marker)
        self._ratio_axes(self._ratio_ax)
        self._ratio_marks = {
            method: self._ratio_ax.plot(
                [], [], linestyle="", marker=marker, markersize=8, color=INK, zorder=4,
                markerfacecolor="white" if _HOLLOW[method] else INK, markeredgewidth=1.5,
            )[0]
            for method, (marker, _) in _MARKS.items()
        }  # fmt: skip
        self._title = self._ratio_ax.text(0, 1.03, "", transform=self._ratio_ax.transAxes,
                                          fontsize=11, color=INK, fontweight="bold")  # fmt: skip
        self.moving = [
            *self._bands.values(), *self._marks.values(), *self._ratio_marks.values(), self._title,
        ]  # fmt: skip

    def set(self, row: Row, evidence: Evidence) -> None:
        """Move all marks; pick out a run."""
        for (order, name, method), mark in self._marks.items():
            rows = [one for one in posted_rows() if one.order == order]
            mark.set_data(
                [one.dirty for one in rows], [evidence.median(method, one, name) for one in rows]
            )
        for order, band in self._bands.items():
            band.set_visible(order == row.order)
            band.set_x(row.dirty / 1.7)
            band.set_width(row.dirty * 1.7 - row.dirty / 1.7)
        for method, mark in self._ratio_marks.items():
            ratios = [evidence.ratio(method, row, *pair) for pair in RATIOS]
            mark.set_data(np.clip(ratios, 0.12, 9e5), range(len(RATIOS)))
        self._title.set_text(row.label)

    def _times_axes(self, ax: Axes, order: str) -> None:
        ax.set_xscale("log")
        ax.set_yscale("log")
        style_axes(ax, title=f"Time, {order}", xlabel="dirty frames, of 10 M",
                   ylabel="time" if order == "random" else "")  # fmt: skip
        ax.set_xlim(*((50, 2e7) if order == "random" else (500, 2e5)))
        ax.set_ylim(30, 2e8)
        _plain(ax)
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: time_label(value)))
        ax.tick_params(labelleft=order == "random")
        if order == "random":
            ax.legend(handles=_legend(), fontsize=9, frameon=False, ncols=3, loc="upper left",
                      bbox_to_anchor=(-0.08, -0.17), borderaxespad=0, columnspacing=1.5,
                      handletextpad=0.4)  # fmt: skip

    def _ratio_axes(self, ax: Axes) -> None:
        ax.set_xscale("log")
        style_axes(ax, title="", xlabel="ratio of times", ylabel="")
        ax.set_xlim(0.1, 1e6)
        ax.set_ylim(len(RATIOS) - 0.5, -0.5)
        _plain(ax)
        ax.set_xticks([1, 1e3, 1e6])
        ax.set_yticks(range(len(RATIOS)), [f"{SHORT[a]} /\n{SHORT[b]}" for a, b in RATIOS])
        ax.axvline(1, color=INK, linewidth=1)


def _plain(ax: Axes) -> None:
    for axis in (ax.xaxis, ax.yaxis):
        if axis.get_scale() == "log":
            axis.set_major_locator(LogLocator(numticks=8))
        axis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: count_label(value)))


def _mark(ax: Axes, name: str, method: str, marker: str) -> Any:
    color = LOOKS[name].color
    return ax.plot(
        [], [], marker=marker, color=color, markersize=6 if method != AS_POSTED else 8,
        markerfacecolor="white" if _HOLLOW[method] else color, zorder=4,
        linestyle=_STYLES[method], linewidth=1.2,
    )[0]  # fmt: skip


_STYLES: dict[str, Any] = {POSTED: ":", AS_POSTED: "", CAREFUL: "-"}


def _legend() -> list[Line2D]:
    colors = [Line2D([], [], color=LOOKS[n].color, linewidth=3, label=SHORT[n]) for n in STRUCTURES]
    marks = [
        Line2D([], [], color=FAINT, marker=marker, label=label,
               markerfacecolor="white" if _HOLLOW[method] else FAINT,
               linestyle=_STYLES[method])
        for method, (marker, label) in _MARKS.items()
    ]  # fmt: skip
    return [*colors, *marks]


def _row(run: int) -> Row:
    return posted_rows()[run - 1]


def _whole(found: Found) -> bool:
    """Return whether a run has both its cold run and a careful sample."""
    return all(f"{m}/{n}" in found.samples for m in (AS_POSTED, CAREFUL) for n in STRUCTURES)


def _records(row: Row, found: Found) -> list[dict[str, Any]]:
    return [
        record(row, method, structure, number, ns, 1)
        for key, places in found.samples.items()
        for method, _, structure in [key.partition("/")]
        for samples in places.values()
        for number, ns in enumerate(samples)
    ]


def _sentence(row: Row, evidence: Evidence) -> str:
    then = evidence.ratio(POSTED, row, "posted-bitmap", "posted-tree")
    now = evidence.ratio(CAREFUL, row, "posted-bitmap", "posted-tree")
    same = sum(evidence.winner(POSTED, one) == evidence.winner(CAREFUL, one)
               for one in posted_rows())  # fmt: skip
    who = {True: "the tree beats the bitmap", False: "the bitmap beats the tree"}
    both = who[then > 1] if (then > 1) == (now > 1) else f"in 2016 {who[then > 1]}, here not"
    return (
        f"{row.label.capitalize()} dirty frames: bitmap over tree was {three_digits(then)} in 2016 "
        f"and is {three_digits(now)} here: {both}. In {same} of the nine runs the same of the two "
        "wins here as in 2016."
    )


def _alt(row: Row, evidence: Evidence, sentence: str) -> str:
    told = "; ".join(
        f"{SHORT[name]} {duration(evidence.median(POSTED, row, name))} in 2016, "
        f"{duration(evidence.median(CAREFUL, row, name))} here"
        for name in STRUCTURES
    )
    return (
        "Two log-log plots of time against dirty frames, random and sequential, posted in 2016 and "
        f"here, and the ratios of run {row.label}. {sentence} {told}."
    )


def _table_html(row: Row, evidence: Evidence) -> str:
    head = "".join(f"<th>{SHORT[name]}</th>" for name in STRUCTURES)
    ratios = "".join(f"<th>{SHORT[a]}/{SHORT[b]}</th>" for a, b in RATIOS)
    lines = "".join(
        f"<tr><td>{label}</td>"
        + "".join(_cell(duration(evidence.median(method, row, name))) for name in STRUCTURES)
        + "".join(_cell(three_digits(evidence.ratio(method, row, *pair))) for pair in RATIOS)
        + "</tr>"
        for method, (_, label) in _MARKS.items()
    )
    return (
        "<table style='font-size:13px;line-height:1.35'>"
        f"<tr><th>{row.label}</th>{head}{ratios}</tr>{lines}</table>"
    )


def _cell(text: str) -> str:
    return f"<td style='text-align:right;padding-left:10px'>{text}</td>"
