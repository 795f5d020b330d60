"""The picture of the mailing-list view: times of 2016, as recorded, and run again here."""

from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator

from dirtylab._format import count_text, three_digits
from dirtylab.explore.kit.axes import no_minor_ticks, title_text
from dirtylab.explore.kit.sheet import offset_below
from dirtylab.figures.style import FAINT, INK, LOOKS, label_ticks, style_axes, time_label
from dirtylab.studies.mailing_list.rows import SHORT, STRUCTURES, Row, posted_rows
from dirtylab.studies.mailing_list.runs import AS_POSTED, CAREFUL, POSTED
from dirtylab.studies.mailing_list.samples_index import SamplesIndex

SIZE = (7.4, 4.7)
RANDOM, SEQUENTIAL = (0.11, 0.265, 0.345, 0.65), (0.475, 0.265, 0.185, 0.65)
RATIO_RECTANGLE = (0.7, 0.265, 0.28, 0.65)
RATIOS = (
    ("posted-tree", "posted-list"), ("posted-bitmap", "posted-list"),
    ("posted-bitmap", "posted-tree"),
)  # fmt: skip


class MethodStyle(NamedTuple):
    """How the samples of a method are drawn."""

    label: str
    marker: str
    line: Any
    hollow: bool


METHODS = {
    POSTED: MethodStyle("2016", "o", ":", hollow=True),
    AS_POSTED: MethodStyle("recorded, as posted", "+", "", hollow=False),
    CAREFUL: MethodStyle("recorded, carefully", "s", "-", hollow=False),
}
AGAIN = MethodStyle("run again here, 95 %", "D", "", hollow=True)
"""Careful samples of this machine: no line joins them to those of another."""


class MailContent(NamedTuple):
    """What is drawn and said: a run picked out, and the samples of all."""

    row: Row
    samples_index: SamplesIndex
    """As posted and as recorded."""
    again: SamplesIndex
    """What was run again on this machine."""

    @property
    def is_again(self) -> bool:
        """Whether the run that is picked out was run again."""
        return self.again.has(CAREFUL, self.row)


class MailArtists:
    """The artists, made once and moved: all marks, for any run may be run again."""

    def __init__(self, random: Axes, sequential: Axes, ratios: Axes) -> None:
        self._marks: dict[tuple[str, str, str], Any] = {}
        self._bands: dict[str, Any] = {}
        for order, ax in (("random", random), ("sequential", sequential)):
            _prepare_times(ax, order)
            self._bands[order] = ax.axvspan(
                1, 2, color="#F0E442", alpha=0.45, linewidth=0, zorder=1
            )
            for name in STRUCTURES:
                for method, style in METHODS.items():
                    self._marks[order, name, method] = _mark(ax, name, method, style)
                self._marks[order, name, _AGAIN] = _mark(ax, name, _AGAIN, AGAIN, size=9)
        _prepare_ratios(ratios)
        self._ratio_marks = {
            method: ratios.plot(
                [], [], linestyle="", marker=style.marker, markersize=8, color=INK, zorder=4,
                markerfacecolor="white" if style.hollow else INK, markeredgewidth=1.5,
            )[0]
            for method, style in (*METHODS.items(), (_AGAIN, AGAIN))
        }  # fmt: skip
        (self._interval,) = ratios.plot([], [], color=INK, linewidth=2, zorder=5)
        self._pairs = [
            ratios.text(
                1.15 * _LEAST, height - 0.16, "", fontsize=8.5, color=INK, va="bottom",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
            )
            for height in range(len(RATIOS))
        ]  # fmt: skip
        self._title = title_text(ratios, 1.03, ha="right")
        self._title.set_x(1)
        self.moving = [
            *self._bands.values(), *self._marks.values(), *self._ratio_marks.values(),
            self._interval, *self._pairs, self._title,
        ]  # fmt: skip

    def set(self, content: MailContent) -> None:
        """Move all marks; pick out a run."""
        row = content.row
        for (order, name, place), mark in self._marks.items():
            index, method = _source(content, place)
            rows = [one for one in posted_rows() if one.order == order and index.has(method, one)]
            mark.set_data(
                [one.dirty for one in rows], [index.median(method, one, name) for one in rows]
            )
        for order, band in self._bands.items():
            band.set_visible(order == row.order)
            band.set_x(row.dirty / 1.7)
            band.set_width(row.dirty * 1.7 - row.dirty / 1.7)
        for place, mark in self._ratio_marks.items():
            index, method = _source(content, place)
            pairs = RATIOS if index.has(method, row) else ()
            ratios = [index.ratio(method, row, *pair) / _then(content, pair) for pair in pairs]
            mark.set_data(np.clip(ratios, *_ENDS), range(len(pairs)))
        self._interval.set_data(*_intervals(content))
        for pair, text in zip(RATIOS, self._pairs, strict=True):
            names = "/".join(SHORT[name] for name in pair)
            text.set_text(f"{names}\n{three_digits(_then(content, pair))} in 2016")
        self._title.set_text(f"{row.order}, {count_text(row.dirty)}")


_AGAIN = "again"
_LEAST, _MOST = 0.05, 40.0
"""Ends of the axis of ratios, as multiples of those of 2016."""
_ENDS = 1.1 * _LEAST, _MOST / 1.1


def _source(content: MailContent, place: str) -> tuple[SamplesIndex, str]:
    """Return the samples and the method of a mark."""
    return (content.again, CAREFUL) if place == _AGAIN else (content.samples_index, place)


def _then(content: MailContent, pair: tuple[str, str]) -> float:
    """Return a ratio of 2016."""
    return content.samples_index.ratio(POSTED, content.row, *pair)


def _intervals(content: MailContent) -> tuple[list[float], list[float]]:
    """Return the intervals of the ratios that were run again, as a line with gaps."""
    x: list[float] = []
    y: list[float] = []
    for height, pair in enumerate(RATIOS if content.is_again else ()):
        _, low, high = content.again.ratio_interval(content.row, *pair)
        then = _then(content, pair)
        x += [np.nan, (low or np.nan) / then, (high or np.nan) / then]
        y += [height] * 3
    return x, y


def _prepare_times(ax: Axes, order: str) -> None:
    ax.set_xscale("log")
    ax.set_yscale("log")
    of = ", of 10 M" if order == "random" else ""
    style_axes(ax, title=f"Time, {order}", xlabel=f"dirty frames{of}",
               ylabel="time" if order == "random" else "")  # fmt: skip
    ax.set_xlim(*((50, 2e7) if order == "random" else (500, 2e5)))
    ax.set_ylim(30, 2e8)
    _set_ticks(ax)
    label_ticks(ax.yaxis, time_label)
    ax.tick_params(labelleft=order == "random")
    if order == "random":
        ax.legend(handles=_legend_handles(), fontsize=9, frameon=False, ncols=3, loc="upper left",
                  bbox_to_anchor=(-0.08, 0), bbox_transform=offset_below(ax, 0.17),
                  borderaxespad=0, columnspacing=1.5,
                  handletextpad=0.4)  # fmt: skip


def _prepare_ratios(ax: Axes) -> None:
    ax.set_xscale("log")
    style_axes(ax, title="", xlabel="ratio of times, 2016 = 1", ylabel="")
    ax.set_xlim(_LEAST, _MOST)
    ax.set_ylim(len(RATIOS) - 0.65, -0.8)
    _set_ticks(ax)
    ax.set_xticks([0.1, 1, 10], ["0.1", "1", "10"])
    ax.set_yticks([])
    ax.axvline(1, color=INK, linewidth=1)


def _set_ticks(ax: Axes) -> None:
    for axis in (ax.xaxis, ax.yaxis):
        if axis.get_scale() == "log":
            axis.set_major_locator(LogLocator(numticks=8))
    no_minor_ticks(ax)
    label_ticks(ax.xaxis, count_text)


def _mark(ax: Axes, name: str, method: str, style: MethodStyle, size: int = 6) -> Any:
    color = LOOKS[name].color
    return ax.plot(
        [], [], marker=style.marker, color=color, markersize=size if method != AS_POSTED else 8,
        markerfacecolor="white" if style.hollow else color, zorder=4,
        linestyle=LOOKS[name].dashes if style.line == "-" else style.line, linewidth=1.4,
    )[0]  # fmt: skip


def _legend_handles() -> list[Line2D]:
    colors = [
        Line2D([], [], color=LOOKS[name].color, linestyle=LOOKS[name].dashes, linewidth=2,
               label=f"posted {SHORT[name]}")
        for name in STRUCTURES
    ]  # fmt: skip
    marks = [
        Line2D([], [], color=FAINT, marker=style.marker, label=style.label,
               markerfacecolor="white" if style.hollow else FAINT, linestyle=style.line)
        for style in (*METHODS.values(), AGAIN)
    ]  # fmt: skip
    return [*colors, *marks]
