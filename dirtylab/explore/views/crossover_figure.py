"""The picture of the crossovers view: model curves, measured points, where they cross."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.ticker import LogLocator
from matplotlib.transforms import ScaledTranslation

from dirtylab._format import count_text, share_text
from dirtylab.explore.kit.axes import label_text, no_minor_ticks, title_text
from dirtylab.explore.kit.end_labels import End, EndLabels
from dirtylab.explore.kit.sheet import offset_below
from dirtylab.explore.kit.slider_steps import frames_label, guest_memory, pages_label
from dirtylab.explore.process.session import Results
from dirtylab.explore.views.cheapest import CrossoverPoint, Region
from dirtylab.explore.views.model_curves import Curves, time_at
from dirtylab.figures.style import FAINT, INK, Look, label_ticks, style_axes, time_label

SIZE = (7.4, 5.0)
RECTANGLE = (0.115, 0.165, 0.735, 0.77)
MOST_STRUCTURES = 16
MOST_CROSSOVERS = 5
_MODEL_COLOR, _MEASURED_COLOR = INK, "#000000"
_EXTRAPOLATED: Any = (0, (2, 2))
"""Finer than the dashes of posted structures."""
_XLABELS = {"dirty": "dirty frames", "pages": "pages of the slot", "length": "pages in a cluster"}

Points = Mapping[str, tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]
"""Structure to places and to 10th, 50th and 90th percentile."""


class CrossoverContent(NamedTuple):
    """What is drawn and said."""

    curves: Curves
    looks: Mapping[str, Look]
    """Structures shown; a model has curves of some of them."""
    regions: list[Region]
    crossovers: list[CrossoverPoint]
    """By the model."""
    here: float
    """The value of the axis at which the sliders stand."""
    axis: str
    pages: int
    operation: str
    pattern: str
    results: Results | None
    """Measured with these sliders."""
    points: Points
    """Measured, with these sliders or others."""
    measured: list[CrossoverPoint]
    has_law: bool = True
    """Whether there is a closed form of the pattern."""

    @property
    def current(self) -> bool:
        """Whether the points were measured with these sliders."""
        return self.results is not None


class CrossoverArtists:
    """The artists on one axes, made once and moved."""

    def __init__(self, ax: Axes) -> None:
        self._ax = ax
        ax.set_xscale("log")
        ax.set_yscale("log")
        style_axes(ax, title="", xlabel="", ylabel="time")
        no_minor_ticks(ax)
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(LogLocator(numticks=12))
        label_ticks(ax.xaxis, count_text)
        label_ticks(ax.yaxis, time_label)
        self._title = title_text(ax, 1.025)
        self._xlabel = label_text(ax, 0.5, -0.085, ha="center")
        self._here = ax.axvline(1, color=FAINT, linestyle=":", linewidth=1.2, zorder=1.5)
        structures, crossovers = range(MOST_STRUCTURES), range(MOST_CROSSOVERS)
        self._lines = [ax.plot([], [], linewidth=2, zorder=3)[0] for _ in structures]
        self._beyond = [ax.plot([], [], linewidth=1.3, zorder=3, linestyle=_EXTRAPOLATED)[0]
                        for _ in structures]  # fmt: skip
        self._markers = [_markers(ax, 7, zorder=5, markeredgewidth=0.5) for _ in structures]
        self._bars = [_bars(ax) for _ in structures]
        self._model_spans = [_span(ax, _MODEL_COLOR, 0.12) for _ in crossovers]
        self._measured_spans = [_span(ax, _MEASURED_COLOR, 0.25) for _ in crossovers]
        self._stars = [_markers(ax, 14, marker="*", color=_MODEL_COLOR, zorder=6)
                       for _ in crossovers]  # fmt: skip
        self._rules = [ax.axvline(1, color=_MODEL_COLOR, linewidth=1, zorder=2) for _ in crossovers]
        self._texts = [_crossover_text(ax, number) for number in crossovers]
        self._ends = EndLabels(ax, MOST_STRUCTURES)
        _explain(ax)
        self.moving = [
            self._title, self._xlabel, self._here, *self._lines, *self._beyond,
            *self._markers, *self._bars,
            *self._model_spans, *self._measured_spans, *self._stars, *self._rules, *self._texts,
            *self._ends.texts,
        ]  # fmt: skip

    def set(self, content: CrossoverContent) -> tuple[Any, ...]:
        """Move all artists; return what the resting parts depend on."""
        limits = _limits(content)
        self._ax.set_xlim(*limits[0])
        self._ax.set_ylim(*limits[1])
        self._label(content)
        self._set_lines(content)
        self._set_points(content)
        self._set_crossovers(content, limits)
        self._ends.set(_ends(content))
        return limits

    def _label(self, content: CrossoverContent) -> None:
        self._title.set_text(f"Time of {content.operation}, {content.pattern}")
        slot = f", of {pages_label(content.pages)}" if content.axis == "dirty" else ""
        if content.axis == "length":
            slot = f", slot of {pages_label(content.pages)}"
        self._xlabel.set_text(_XLABELS[content.axis] + slot)
        self._here.set_xdata([content.here, content.here])

    def _set_lines(self, content: CrossoverContent) -> None:
        for line, name in _padded(self._lines, list(content.curves.ns)):
            line.set_visible(name is not None)
            if name is not None:
                known = np.where(content.curves.calibrated, content.curves.ns[name], np.nan)
                line.set_data(content.curves.x, known)
                line.set_color(content.looks[name].color)
                line.set_linestyle(content.looks[name].dashes)
        for line, name in _padded(self._beyond, list(content.curves.ns)):
            line.set_visible(name is not None)
            if name is not None:
                line.set_data(
                    content.curves.x,
                    np.where(_outer(content.curves.calibrated), content.curves.ns[name], np.nan),
                )
                line.set_color(content.looks[name].color)

    def _set_points(self, content: CrossoverContent) -> None:
        names = list(content.points)
        alpha = 1.0 if content.current else 0.25
        for mark, name in _padded(self._markers, names):
            mark.set_visible(name is not None)
            if name is not None:
                x, ns = content.points[name]
                mark.set_data(x, ns[:, 1])
                mark.set_color(content.looks[name].color)
                mark.set_markerfacecolor(content.looks[name].face)
                hollow = content.looks[name].face != content.looks[name].color
                mark.set_markeredgecolor(content.looks[name].color if hollow else "white")
                mark.set_marker(content.looks[name].marker)
                mark.set_alpha(alpha)
        for bars, name in _padded(self._bars, names):
            bars.set_visible(name is not None)
            if name is not None:
                x, ns = content.points[name]
                bars.set_segments(
                    [[(p, lo), (p, hi)] for p, (lo, _, hi) in zip(x, ns, strict=True)]
                )
                bars.set_color(content.looks[name].color)
                bars.set_alpha(alpha)

    def _set_crossovers(self, content: CrossoverContent, limits: tuple[Any, Any]) -> None:
        shown = content.measured or content.crossovers
        (left, right), _ = limits
        for span, one in _padded(
            self._model_spans, content.crossovers if not content.measured else []
        ):
            _set_span(span, one, limits)
        for span, one in _padded(self._measured_spans, content.measured):
            _set_span(span, one, limits)
        for number, (rule, one) in enumerate(_padded(self._rules, shown)):
            star, text = self._stars[number], self._texts[number]
            for artist in (rule, star, text):
                artist.set_visible(one is not None)
            if one is None:
                continue
            rule.set_xdata([one.at, one.at])
            star.set_data([one.at], [_height(content, one)])
            text.set_text(_place_lines(content, one.at))
            inside = min(max(one.at, left * 2.5), right / 2.5)
            text.set_position((inside, 0.99))


def _explain(ax: Axes) -> None:
    """Say below the axes what lines and markers are; which is whose stands at their ends."""
    handles = [
        Line2D([], [], color=FAINT, label="line: model", linewidth=2),
        Line2D([], [], color=FAINT, label="fine dashes: extrapolated", linewidth=1.3,
               linestyle=_EXTRAPOLATED),
        Line2D([], [], color=FAINT, label="marker: measured", linestyle="", marker="o"),
    ]  # fmt: skip
    ax.legend(
        handles=handles, fontsize=9, loc="upper left", ncols=3, frameon=False,
        bbox_to_anchor=(-0.1, 0), bbox_transform=offset_below(ax, 0.138), borderaxespad=0,
        columnspacing=1.4, handletextpad=0.5,
    )  # fmt: skip


def _ends(content: CrossoverContent) -> list[End]:
    """Return where the line of each structure ends, or else its measured points."""
    found = []
    for name, look in content.looks.items():
        if name in content.curves.ns:
            x, y = content.curves.x[-1], content.curves.ns[name][-1]
        elif name in content.points and content.points[name][0].size:
            x, y = content.points[name][0][-1], content.points[name][1][-1, 1]
        else:
            continue
        found.append(End(float(x), float(y), look.label, look.color))
    return found


def _outer(calibrated: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return where a curve is extrapolated, with the calibrated points next to it: no gaps."""
    outer = ~calibrated
    joined: npt.NDArray[np.bool_] = outer.copy()
    joined[1:] |= outer[:-1]
    joined[:-1] |= outer[1:]
    return joined


def _padded(artists: list[Any], values: Any) -> list[tuple[Any, Any]]:
    """Return each artist with a value, or None when there are fewer values."""
    some = list(values)[: len(artists)]
    return list(zip(artists, [*some, *[None] * (len(artists) - len(some))], strict=True))


def _span(ax: Axes, color: str, alpha: float) -> Rectangle:
    span = Rectangle((1, 1), 1, 1, facecolor=color, alpha=alpha, linewidth=0, zorder=1)
    ax.add_patch(span)
    return span


def _markers(ax: Axes, size: float, **options: Any) -> Line2D:
    made: Line2D = ax.plot([], [], linestyle="", markersize=size, markeredgecolor="white",
                           **options)[0]  # fmt: skip
    return made


def _bars(ax: Axes) -> LineCollection:
    bars = LineCollection([], linewidths=1.4, zorder=4)
    ax.add_collection(bars, autolim=False)
    return bars


def _crossover_text(ax: Axes, number: int) -> Text:
    figure: Any = ax.figure
    below = ScaledTranslation(0, -0.33 * (number % 3), figure.dpi_scale_trans)
    return ax.text(
        1, 0.99, "", transform=ax.get_xaxis_transform() + below, fontsize=9, color=_MODEL_COLOR,
        ha="center", va="top", zorder=6,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
    )  # fmt: skip


def _set_span(span: Rectangle, point: CrossoverPoint | None, limits: tuple[Any, Any]) -> None:
    known = point is not None and not point.extrapolated
    span.set_visible(known)
    if point is not None and known:
        (left, right), (bottom, top) = limits
        low, high = max(point.low, left), min(point.high, right)
        span.set_bounds(low, bottom, high - low, top - bottom)


def _height(content: CrossoverContent, point: CrossoverPoint) -> float:
    """Return the time at a crossover: between points where it was measured, else on a curve."""
    if content.measured and point.before in content.points:
        return measured_at(content, point.before, point.at)
    for name in (point.before, point.after):
        if name in content.curves.ns:
            return time_at(content.curves, name, point.at)
    return measured_at(content, point.before, point.at)


def measured_at(content: CrossoverContent, structure: str, x: float) -> float:
    """Return a structure's measured median at `x`, interpolated on log-log axes."""
    places, ns = content.points[structure]
    return float(np.exp(np.interp(np.log(x), np.log(places), np.log(ns[:, 1]))))


def _place_lines(content: CrossoverContent, x: float) -> str:
    if content.axis == "dirty":
        return f"{share_text(x / content.pages)}\n{frames_label(round(x))}"
    if content.axis == "pages":
        return f"{guest_memory(x)}\n{count_text(x)} pages"
    return f"{count_text(x)} pages"


def _limits(content: CrossoverContent) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return limits at whole decades: few, so that backgrounds can be cached."""
    heights = list(content.curves.ns.values())
    heights += [ns[:, 1] for _, ns in content.points.values()]
    every = np.concatenate(heights) if heights else np.array([1.0, 1e6])
    low, high = float(every.min()), float(every.max())
    x = content.curves.x if content.curves.x.size else np.array([1.0, 1e6])
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
