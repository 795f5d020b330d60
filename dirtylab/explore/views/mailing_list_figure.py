"""The picture of the mailing-list view: times posted in 2016 and measured here, and ratios."""

from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator

from dirtylab._format import count_text
from dirtylab.explore.kit.axes import no_minor_ticks, title_text
from dirtylab.explore.kit.sheet import offset_below
from dirtylab.figures.style import FAINT, INK, LOOKS, label_ticks, style_axes, time_label
from dirtylab.studies.mailing_list.rows import SHORT, STRUCTURES, Row, posted_rows
from dirtylab.studies.mailing_list.runs import AS_POSTED, CAREFUL, POSTED
from dirtylab.studies.mailing_list.samples_index import SamplesIndex

SIZE = (7.4, 4.7)
RANDOM, SEQUENTIAL = (0.11, 0.265, 0.345, 0.65), (0.475, 0.265, 0.185, 0.65)
RATIO_RECTANGLE = (0.765, 0.265, 0.205, 0.65)
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
    AS_POSTED: MethodStyle("here, as posted", "+", "", hollow=False),
    CAREFUL: MethodStyle("here, carefully", "s", "-", hollow=False),
}


class MailContent(NamedTuple):
    """What is drawn and said: a run picked out, and the samples of all."""

    row: Row
    samples_index: SamplesIndex


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
        _prepare_ratios(ratios)
        self._ratio_marks = {
            method: ratios.plot(
                [], [], linestyle="", marker=style.marker, markersize=8, color=INK, zorder=4,
                markerfacecolor="white" if style.hollow else INK, markeredgewidth=1.5,
            )[0]
            for method, style in METHODS.items()
        }  # fmt: skip
        self._title = title_text(ratios, 1.03, ha="right")
        self._title.set_x(1)
        self.moving = [
            *self._bands.values(), *self._marks.values(), *self._ratio_marks.values(), self._title,
        ]  # fmt: skip

    def set(self, content: MailContent) -> None:
        """Move all marks; pick out a run."""
        row, index = content.row, content.samples_index
        for (order, name, method), mark in self._marks.items():
            rows = [one for one in posted_rows() if one.order == order]
            mark.set_data(
                [one.dirty for one in rows], [index.median(method, one, name) for one in rows]
            )
        for order, band in self._bands.items():
            band.set_visible(order == row.order)
            band.set_x(row.dirty / 1.7)
            band.set_width(row.dirty * 1.7 - row.dirty / 1.7)
        for method, mark in self._ratio_marks.items():
            ratios = [index.ratio(method, row, *pair) for pair in RATIOS]
            mark.set_data(np.clip(ratios, 0.12, 9e5), range(len(RATIOS)))
        self._title.set_text(f"{row.order}, {count_text(row.dirty)}")


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
    style_axes(ax, title="", xlabel="ratio of times", ylabel="")
    ax.set_xlim(0.1, 1e6)
    ax.set_ylim(len(RATIOS) - 0.5, -0.5)
    _set_ticks(ax)
    ax.set_xticks([1, 1e3, 1e6])
    ax.set_yticks(range(len(RATIOS)), [f"{SHORT[a]} /\n{SHORT[b]}" for a, b in RATIOS])
    ax.axvline(1, color=INK, linewidth=1)


def _set_ticks(ax: Axes) -> None:
    for axis in (ax.xaxis, ax.yaxis):
        if axis.get_scale() == "log":
            axis.set_major_locator(LogLocator(numticks=8))
    no_minor_ticks(ax)
    label_ticks(ax.xaxis, count_text)


def _mark(ax: Axes, name: str, method: str, style: MethodStyle) -> Any:
    color = LOOKS[name].color
    return ax.plot(
        [], [], marker=style.marker, color=color, markersize=6 if method != AS_POSTED else 8,
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
        for style in METHODS.values()
    ]  # fmt: skip
    return [*colors, *marks]
