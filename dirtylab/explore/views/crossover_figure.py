"""The crossover explorer's picture: model lines, measured markers, where they meet."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from dirtylab.explore.kit.canvas import Canvas, pixels_of, with_small_print
from dirtylab.explore.kit.slider_steps import (
    frames_label,
    guest_memory,
    pages_label,
    percent,
    short,
)
from dirtylab.explore.views.cheapest import Meeting, Region
from dirtylab.explore.views.model_curves import Curves
from dirtylab.figures.style import (
    FAINT,
    INK,
    Look,
    Picture,
    count_label,
    new_figure,
    style_axes,
    time_label,
)

SLIDER_COLOR = "#117733"
"""Of the tree whose radix has a slider."""
MOST_STRUCTURES = 16
MOST_MEETINGS = 5
_WIDTH, _HEIGHT = 7.4, 5.0
_AXES_RECTANGLE = (0.115, 0.245, 0.86, 0.69)
_XLABELS = {"dirty": "dirty frames", "pages": "pages of the slot", "length": "pages in a cluster"}

Points = Mapping[str, tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]
"""Structure to places and to 10th, 50th and 90th percentile."""


class Drawn(NamedTuple):
    """What is drawn."""

    lines: Curves
    looks: Mapping[str, Look]
    """Structures shown; a model knows some of them."""
    stretches: list[Region]
    meetings: list[Meeting]
    here: float
    """Where the sliders stand on the axis."""
    axis: str
    pages: int
    operation: str
    pattern: str
    points: Points
    current: bool
    """Whether the points were measured with these sliders."""
    measured: list[Meeting]
    has_law: bool = True
    """Whether theory has a law of the pattern."""


class CrossoverFigure:
    """Artists made once and moved."""

    def __init__(self) -> None:
        self.figure = new_figure(_WIDTH, _HEIGHT)
        self._ax = self.figure.add_axes(_AXES_RECTANGLE)
        self.figure.set_layout_engine("none")
        self._parts = _Parts(self._ax)
        self._canvas = Canvas(self.figure, self._parts.moving)
        self.size = pixels_of(self.figure)

    def png(self, drawn: Drawn) -> bytes:
        """Return the picture as PNG."""
        return self._canvas.png(self._place(drawn))

    def still(self, drawn: Drawn, alt: str, note: str) -> Picture:
        """Return the picture as a figure of its own, with the small print below."""
        figure, rectangle = with_small_print((_WIDTH, _HEIGHT), _AXES_RECTANGLE, note)
        parts = _Parts(figure.add_axes(rectangle))
        parts.set(drawn)
        return Picture(figure, alt)

    def _place(self, drawn: Drawn) -> tuple[Any, ...]:
        return self._parts.set(drawn)


class _Parts:
    """The artists on one axes."""

    def __init__(self, ax: Axes) -> None:
        self._ax = ax
        ax.set_xscale("log")
        ax.set_yscale("log")
        style_axes(ax, title="", xlabel="", ylabel="time")
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_minor_locator(NullLocator())
            axis.set_major_locator(LogLocator(numticks=12))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: count_label(value)))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: time_label(value)))
        self._title = ax.text(0, 1.025, "", transform=ax.transAxes, fontsize=11, color=INK,
                              fontweight="bold")  # fmt: skip
        self._xlabel = ax.text(0.5, -0.115, "", transform=ax.transAxes, fontsize=10, color=INK,
                               ha="center", va="top")  # fmt: skip
        self._here = ax.axvline(1, color=FAINT, linestyle=":", linewidth=1.2, zorder=1.5)
        self._lines = [ax.plot([], [], linewidth=2, zorder=3)[0] for _ in range(MOST_STRUCTURES)]
        self._marks = [
            ax.plot(
                [],
                [],
                linestyle="",
                markersize=7,
                markeredgecolor="white",
                markeredgewidth=0.5,
                zorder=5,
            )[0]
            for _ in range(MOST_STRUCTURES)
        ]  # fmt: skip
        self._bars = [LineCollection([], linewidths=1.4, zorder=4) for _ in range(MOST_STRUCTURES)]
        for bars in self._bars:
            ax.add_collection(bars, autolim=False)
        self._spans = [_span(ax, "#882255", 0.12) for _ in range(MOST_MEETINGS)]
        self._found_spans = [_span(ax, "#000000", 0.25) for _ in range(MOST_MEETINGS)]
        self._stars = [_mark(ax, "*", "#882255", 14) for _ in range(MOST_MEETINGS)]
        self._rules = [ax.axvline(1, color="#882255", linewidth=1, zorder=2)
                       for _ in range(MOST_MEETINGS)]  # fmt: skip
        self._texts = [
            ax.text(
                1, 0.99, "", transform=ax.get_xaxis_transform(), fontsize=9, color="#882255",
                ha="center", va="top", zorder=6,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
            )
            for _ in range(MOST_MEETINGS)
        ]  # fmt: skip
        self._shown: tuple[Any, ...] = ()
        self.moving = [
            self._title, self._xlabel, self._here, *self._lines, *self._marks, *self._bars,
            *self._spans, *self._found_spans, *self._stars, *self._rules, *self._texts,
        ]  # fmt: skip

    def set(self, drawn: Drawn) -> tuple[Any, ...]:
        """Move all artists; return what the resting parts depend on."""
        limits = _limits(drawn)
        self._ax.set_xlim(*limits[0])
        self._ax.set_ylim(*limits[1])
        self._label(drawn)
        self._set_lines(drawn)
        self._set_points(drawn)
        self._set_meetings(drawn, limits)
        key = (limits, tuple(_legend_entries(drawn)))
        if key[1:] != self._shown[1:]:
            self._legend(drawn)
        self._shown = key
        return key

    def _label(self, drawn: Drawn) -> None:
        radix = "".join(f"; tree: {look.label[6:]}" for look in drawn.looks.values()
                        if look.color == SLIDER_COLOR)  # fmt: skip
        self._title.set_text(f"Time of {drawn.operation}, {drawn.pattern}{radix}")
        slot = f", of {pages_label(drawn.pages)}" if drawn.axis == "dirty" else ""
        if drawn.axis == "length":
            slot = f", slot of {pages_label(drawn.pages)}"
        self._xlabel.set_text(_XLABELS[drawn.axis] + slot)
        self._here.set_xdata([drawn.here, drawn.here])

    def _set_lines(self, drawn: Drawn) -> None:
        for line, name in _padded(self._lines, list(drawn.lines.ns)):
            line.set_visible(name is not None)
            if name is not None:
                line.set_data(drawn.lines.x, drawn.lines.ns[name])
                line.set_color(drawn.looks[name].color)

    def _set_points(self, drawn: Drawn) -> None:
        names = list(drawn.points)
        alpha = 1.0 if drawn.current else 0.25
        for mark, name in _padded(self._marks, names):
            mark.set_visible(name is not None)
            if name is not None:
                x, ns = drawn.points[name]
                mark.set_data(x, ns[:, 1])
                mark.set_color(drawn.looks[name].color)
                mark.set_marker(drawn.looks[name].marker)
                mark.set_alpha(alpha)
        for bars, name in _padded(self._bars, names):
            bars.set_visible(name is not None)
            if name is not None:
                x, ns = drawn.points[name]
                bars.set_segments(
                    [[(p, lo), (p, hi)] for p, (lo, _, hi) in zip(x, ns, strict=True)]
                )
                bars.set_color(drawn.looks[name].color)
                bars.set_alpha(alpha)

    def _set_meetings(self, drawn: Drawn, limits: tuple[Any, Any]) -> None:
        shown = drawn.measured or drawn.meetings
        (left, right), _ = limits
        for span, one in _padded(self._spans, drawn.meetings if not drawn.measured else []):
            _set_span(span, one, limits)
        for span, one in _padded(self._found_spans, drawn.measured):
            _set_span(span, one, limits)
        for number, (rule, one) in enumerate(_padded(self._rules, shown)):
            star, text = self._stars[number], self._texts[number]
            for artist in (rule, star, text):
                artist.set_visible(one is not None)
            if one is None:
                continue
            rule.set_xdata([one.at, one.at])
            star.set_data([one.at], [_height(drawn, one)])
            text.set_text(_short_place(drawn, one.at))
            inside = min(max(one.at, left * 2.5), right / 2.5)
            text.set_position((inside, 0.99 - 0.095 * (number % 3)))

    def _legend(self, drawn: Drawn) -> None:
        handles = [
            Line2D([], [], label=label, color=color, linewidth=2, markersize=6,
                   linestyle="-" if has_line else "", marker=marker if has_marker else "")
            for label, color, marker, has_line, has_marker in _legend_entries(drawn)
        ]  # fmt: skip
        handles.append(Line2D([], [], color=FAINT, label="line: model", linewidth=2))
        handles.append(Line2D([], [], color=FAINT, label="marker: measured", linestyle="",
                              marker="o"))  # fmt: skip
        self._ax.legend(
            handles=handles, fontsize=9, loc="upper left", ncols=4, frameon=False,
            bbox_to_anchor=(-0.02, -0.16), borderaxespad=0,
        )  # fmt: skip


def _legend_entries(drawn: Drawn) -> list[tuple[str, str, str, bool, bool]]:
    """Return label, colour, marker, and whether there are a line and markers.

    The tree of the slider is just a tree: its radix stands in the title, which is quick to draw.
    """
    return [
        ("tree" if look.color == SLIDER_COLOR else look.label, look.color, look.marker,
         name in drawn.lines.ns, name in drawn.points or name not in drawn.lines.ns)
        for name, look in drawn.looks.items()
    ]  # fmt: skip


def _padded(artists: list[Any], values: Any) -> list[tuple[Any, Any]]:
    """Return each artist with a value, or None when there are fewer values."""
    some = list(values)[: len(artists)]
    return list(zip(artists, [*some, *[None] * (len(artists) - len(some))], strict=True))


def _span(ax: Axes, color: str, alpha: float) -> Rectangle:
    span = Rectangle((1, 1), 1, 1, facecolor=color, alpha=alpha, linewidth=0, zorder=1)
    ax.add_patch(span)
    return span


def _mark(ax: Axes, marker: str, color: str, size: float) -> Line2D:
    made: Line2D = ax.plot([], [], linestyle="", marker=marker, color=color, markersize=size,
                           markeredgecolor="white", zorder=6)[0]  # fmt: skip
    return made


def _set_span(span: Rectangle, meeting: Meeting | None, limits: tuple[Any, Any]) -> None:
    span.set_visible(meeting is not None)
    if meeting is not None:
        (left, right), (bottom, top) = limits
        low, high = max(meeting.low, left), min(meeting.high, right)
        span.set_bounds(low, bottom, high - low, top - bottom)


def _height(drawn: Drawn, meeting: Meeting) -> float:
    """Return where on the lines, or between the points, a meeting is."""
    lines = drawn.lines
    for name in (meeting.before, meeting.after):
        if name in lines.ns:
            return float(np.exp(np.interp(np.log(meeting.at), np.log(lines.x),
                                          np.log(lines.ns[name]))))  # fmt: skip
    x, ns = drawn.points[meeting.before]
    return float(np.interp(meeting.at, x, ns[:, 1]))


def _short_place(drawn: Drawn, x: float) -> str:
    if drawn.axis == "dirty":
        return f"{percent(x / drawn.pages)}\n{frames_label(round(x))}"
    if drawn.axis == "pages":
        return f"{guest_memory(x)}\n{short(x)} pages"
    return f"{short(x)} pages"


def _limits(drawn: Drawn) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return limits at whole decades: few, so that backgrounds can be kept."""
    heights = list(drawn.lines.ns.values())
    heights += [ns[:, 1] for _, ns in drawn.points.values()]
    every = np.concatenate(heights) if heights else np.array([1.0, 1e6])
    low, high = float(every.min()), float(every.max())
    x = drawn.lines.x if drawn.lines.x.size else np.array([1.0, 1e6])
    return (
        (_floor(float(x[0])) * 0.95, _beyond(float(x[-1]))),
        (_floor(low), max(_ceiling(high), 100 * _floor(low))),
    )


def _floor(value: float) -> float:
    return float(10.0 ** math.floor(math.log10(value) + 1e-9))


def _beyond(value: float) -> float:
    """Return the next of 1, 3 and 10 …, a little beyond."""
    below = _floor(value)
    return next(1.05 * below * step for step in (1, 3, 10) if below * step >= 0.999 * value)


def _ceiling(value: float) -> float:
    return float(10.0 ** math.ceil(math.log10(value) - 1e-9))
