"""The picture of the migration view: pending memory over time, the downtime, where it converges."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from dirtylab._check import Array
from dirtylab._format import count_text, nbytes_text, ns_text
from dirtylab._units import PAGE_BYTES
from dirtylab.explore.kit.axes import label_text, no_minor_ticks, title_text
from dirtylab.figures.style import INK, label_ticks, style_axes
from dirtylab.studies.migrations.courses import RecordedCourse
from dirtylab.studies.migrations.figures import AREAS, ENDS, NEVER, SLOWED

if TYPE_CHECKING:
    from dirtylab.explore.views.migration_state import MigrationState

SIZE = (7.4, 4.3)
LEFT, BAR, RIGHT = (
    (0.095, 0.345, 0.42, 0.565), (0.095, 0.105, 0.42, 0.055), (0.62, 0.135, 0.36, 0.775),
)  # fmt: skip
RATES = np.geomspace(1e2, 1e8, 61)
"""Writes a second along the map."""
LEAST_SET = 2**6
"""Pages of the smallest working set on the map, whose largest is the guest."""
_WORDS = {ENDS: "converges", SLOWED: "only slowed\nby tracking", NEVER: "never ends"}
_SPANS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 1e5)
_FREE = "#595959"
_BELOW = 40
"""How far below the threshold the axis goes, in times: the key stands there."""
_LEAST, _LEAST_WIDE = 0.03, 0.25
_EDGE = 0.2
"""Share of the map, and of its width, that an area needs for its name."""
_NOTHING = np.empty(0)


def sizes(pages: int) -> npt.NDArray[np.int64]:
    """Return the working sets along the map of a guest."""
    return np.round(np.geomspace(LEAST_SET, pages, 41)).astype(np.int64)


class Course(NamedTuple):
    """Pending pages over time: a line that falls while pages are sent and jumps at each sync."""

    seconds: Array
    pages: Array
    syncs: Array
    """Seconds of syncs; the pages pending after them are `after`."""
    after: Array


class MigrationContent(NamedTuple):
    """What is drawn and said."""

    state: "MigrationState"
    tracked: Course
    free: Course
    converges: bool
    seconds: float
    downtime: float
    threshold: float
    """Pages that go in the downtime allowed."""
    color: str
    tracker: str
    areas: npt.NDArray[np.int8]
    """Of the map, a row a working set of :func:`sizes`, a column a rate of `RATES`."""
    recorded: RecordedCourse | None
    """A recorded run of the same guest."""
    simulated: Any
    """The answer by simulation, once it is there."""
    closed: Any
    """That by the closed form."""
    without: Any
    """That of a guest that nothing tracks, by the closed form."""
    rho: float
    fastest: float
    """Writes a second up to which this guest's migration converges."""


def course(rounds: Any, threshold: float, end: float, converges: bool) -> Course:
    """Return pending pages over time from a row a sync: seconds, pages pending, bytes sent."""
    table = np.asarray(rounds, float).reshape(-1, 3)
    times, pages, _ = table.T
    falls = np.minimum(pages, max(threshold, 1.0))
    later = np.r_[times[1:], end]
    seconds = np.column_stack([times, later]).ravel()
    lines = np.column_stack([pages, falls]).ravel()
    if converges and lines.size:
        lines[-1] = 1.0
    return Course(seconds, np.maximum(lines, 1.0), times, np.maximum(pages, 1.0))


class MigrationArtists:
    """The artists on all three axes, made once and moved."""

    def __init__(self, left: Axes, bar: Axes, right: Axes) -> None:
        self._left, self._bar, self._right = left, bar, right
        self._prepare()
        self._titles = [title_text(ax, y, va="bottom")
                        for ax, y in ((left, 1.03), (bar, 1.25), (right, 1.02))]  # fmt: skip
        self._labels = [label_text(left, 0.5, -0.11, ha="center"),
                        label_text(right, 0.5, -0.085, ha="center")]  # fmt: skip
        self._free = left.plot([], [], color=_FREE, linewidth=1.4, linestyle=(0, (4, 2)),
                               zorder=3)[0]  # fmt: skip
        self._tracked = left.plot([], [], linewidth=2.2, zorder=4)[0]
        self._syncs = left.plot([], [], "o", markersize=4, zorder=5)[0]
        self._recorded = left.plot([], [], "x", color=INK, markersize=7, markeredgewidth=1.6,
                                   zorder=6)[0]  # fmt: skip
        self._limit = left.axhline(1, color=INK, linewidth=1, linestyle=":", zorder=2)
        self._told = left.text(0.01, 1, "", transform=left.get_yaxis_transform(), fontsize=9,
                               color=INK, ha="left", va="top", zorder=7)  # fmt: skip
        self._keys = [
            left.text(0.01, 0.03 + 0.095 * number, "", transform=left.transAxes, fontsize=9,
                      ha="left", va="bottom", zorder=7, fontweight="bold")
            for number in range(3)
        ]  # fmt: skip
        self._down = bar.barh([0], [0], height=0.9, zorder=3)[0]
        self._allowed = bar.axvline(1, color=INK, linewidth=1.6, zorder=4)
        self._areas = [right.text(0, 0, "", fontsize=9, color=INK, ha="center", va="center",
                                  zorder=4) for _ in _WORDS]  # fmt: skip
        self._here = right.plot([], [], "o", markersize=13, markerfacecolor="#FFD54F",
                                markeredgecolor=INK, markeredgewidth=2.2, zorder=6)[0]  # fmt: skip
        self._image = right.imshow(
            np.ones((2, 2, 3)), extent=(0, 1, 0, 1), origin="lower", aspect="auto",
            interpolation="nearest", zorder=1,
        )  # fmt: skip
        self.moving = [
            self._image, *self._titles, *self._labels, self._free, self._tracked, self._syncs,
            self._recorded, self._limit, self._told, *self._keys, self._down, self._allowed,
            *self._areas, self._here,
        ]  # fmt: skip

    def _prepare(self) -> None:
        for ax in (self._left, self._bar, self._right):
            style_axes(ax, title="", xlabel="", ylabel="")
            no_minor_ticks(ax)
        self._left.set_yscale("log")
        no_minor_ticks(self._left)
        label_ticks(self._left.yaxis, lambda pages: nbytes_text(PAGE_BYTES * pages))
        self._bar.set_yticks([])
        self._bar.set_xlim(0, 1.25)
        self._bar.set_ylim(-0.5, 0.5)
        self._bar.set_xticks([0, 0.5, 1.0], ["0", "50 %", "allowed"])
        self._bar.spines["left"].set_visible(False)
        self._right.grid(visible=False)
        self._right.set_xlim(0, 1)
        self._right.set_ylim(0, 1)
        decades = range(2, 7, 2)
        self._right.set_xticks([rate_place(10.0**one) for one in decades],
                               [count_text(10**one) for one in decades])  # fmt: skip

    def set(self, content: MigrationContent) -> tuple[Any, ...]:
        """Move all artists; return what the resting parts depend on."""
        limits = self._set_limits(content)
        self._set_course(content)
        self._set_bar(content)
        self._set_map(content)
        return limits

    def _set_limits(self, content: MigrationContent) -> tuple[Any, ...]:
        shown = max(content.tracked.seconds.max(initial=0.05), content.free.seconds.max(initial=0))
        span = next((one for one in _SPANS if one >= shown), _SPANS[-1])
        top = float(2.0 ** np.ceil(np.log2(2 * content.state.pages)))
        bottom = float(2.0 ** np.floor(np.log2(max(content.threshold / _BELOW, 1.0))))
        bottom = min(bottom, top / 2**8)
        self._left.set_xlim(0, span)
        self._left.set_ylim(bottom, top)
        powers = _powers(bottom, top)
        self._left.set_yticks(2.0**powers)
        pages = content.state.pages
        rows = _powers(LEAST_SET, pages)
        self._right.set_yticks([size_place(2.0**one, pages) for one in rows],
                               [nbytes_text(PAGE_BYTES * 2.0**one) for one in rows])  # fmt: skip
        return span, bottom, top, pages

    def _set_course(self, content: MigrationContent) -> None:
        span = self._left.get_xlim()[1]
        self._tracked.set_data(content.tracked.seconds, content.tracked.pages)
        self._tracked.set_color(content.color)
        self._free.set_data(content.free.seconds, content.free.pages)
        self._syncs.set_data(content.tracked.syncs, content.tracked.after)
        self._syncs.set_color(content.color)
        seen = content.recorded
        self._recorded.set_data(*((seen.seconds, seen.pending) if seen else (_NOTHING, _NOTHING)))
        self._limit.set_ydata([content.threshold, content.threshold])
        self._told.set_y(content.threshold)
        allowed = ns_text(1e9 * content.state.downtime, trim=True)
        self._told.set_text(f"below: goes in {allowed}")
        words = ((content.tracker, content.color), ("not tracked", _FREE),
                 ("recorded syncs ×" if seen else "", INK))  # fmt: skip
        for text, (word, color) in zip(self._keys, words, strict=True):
            text.set_text(word)
            text.set_color(color)
        self._titles[0].set_text("Memory still to send; ● sync")
        self._labels[0].set_text(f"seconds, of {span:g}")

    def _set_bar(self, content: MigrationContent) -> None:
        share = content.downtime / content.state.downtime if content.converges else 0.0
        self._down.set_width(min(share, 1.25))
        self._down.set_facecolor(content.color)
        down = ns_text(1e9 * content.downtime) if content.converges else "never comes"
        self._titles[1].set_text(f"Downtime: {down}")

    def _set_map(self, content: MigrationContent) -> None:
        colors = np.array([to_rgb(AREAS[one]) for one in sorted(AREAS)])
        shaded = np.round(255 * colors[content.areas]).astype(np.uint8)
        self._image.set_data(shaded)
        for text, kind in zip(self._areas, _WORDS, strict=True):
            place = _middle(content.areas == kind)
            text.set_text(_WORDS[kind] if place else "")
            if place:
                text.set_position(place)
        rate = content.state.rate
        x = 1.0 if not np.isfinite(rate) else rate_place(max(rate, RATES[0]))
        y = size_place(content.state.working_set, content.state.pages)
        self._here.set_data([min(max(x, 0.0), 1.0)], [y])
        self._titles[2].set_text("↑ working set")
        self._labels[1].set_text("writes a second →")


def rate_place(rate: float) -> float:
    """Return where a rate is along the map, 0 … 1."""
    return float(np.log(rate / RATES[0]) / np.log(RATES[-1] / RATES[0]))


def size_place(working_set: float, pages: float) -> float:
    """Return where a working set is along the map of a guest, 0 … 1."""
    return float(np.log(working_set / LEAST_SET) / np.log(pages / LEAST_SET))


def map_place(x: float, y: float, pages: int) -> tuple[float, float]:
    """Return writes a second and pages of the working set at a place of the map of a guest."""
    return (
        float(RATES[0] * (RATES[-1] / RATES[0]) ** x),
        float(LEAST_SET * (pages / LEAST_SET) ** y),
    )


def _powers(low: float, high: float) -> npt.NDArray[np.int64]:
    """Return exponents of two for ticks, at most six."""
    first, last = int(np.ceil(np.log2(low))), int(np.floor(np.log2(high)))
    return np.arange(first, last + 1, max(1, -(-(last - first) // 5)))


def _middle(some: npt.NDArray[np.bool_]) -> tuple[float, float] | None:
    """Return a place well inside an area, in shares of the map; None where it is too small."""
    if some.mean() < _LEAST:
        return None
    rows, _ = np.nonzero(some)
    row = int(np.median(rows))
    columns = np.nonzero(some[row])[0]
    if columns.size < _LEAST_WIDE * some.shape[1]:
        return None
    x, y = float(np.median(columns) / (some.shape[1] - 1)), row / (some.shape[0] - 1)
    return min(max(x, _EDGE), 1 - _EDGE), min(max(y, 0.08), 0.92)
