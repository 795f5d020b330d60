"""The map of the view "What should I use?": the cheapest structure around a guest, which moves."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from dirtylab._check import Array
from dirtylab._format import share_text
from dirtylab.explore.kit.axes import label_text, no_minor_ticks, title_text
from dirtylab.explore.kit.sheet import offset_below
from dirtylab.explore.kit.slider_steps import guest_memory
from dirtylab.explore.views.decide_answer import Answer
from dirtylab.explore.views.decide_map import (
    LENGTH,
    LENGTHS,
    PAGES,
    SHARES,
    WinnerMap,
    fine,
    shades,
)
from dirtylab.explore.views.decide_measured import Mark
from dirtylab.explore.views.looks import look
from dirtylab.explore.views.programs import Program
from dirtylab.figures.style import INK, style_axes

if TYPE_CHECKING:
    from dirtylab.explore.views.decide_state import DecideState

SIZE = (7.4, 3.5)
RECTANGLE = (0.105, 0.165, 0.865, 0.745)
PAPER = (1.0, 1.0, 1.0)
_BY = (10, 10)
"""How many times finer than the map the picture is."""
_MOST_AREAS = 8
_STRIPE = 8
_LEAST_AREA = 0.02
_LENGTH_TICKS, _PAGE_TICKS = LENGTHS[::2], PAGES[::3]


class DecideContent(NamedTuple):
    """What is drawn and said."""

    state: "DecideState"
    answer: Answer
    map: WinnerMap
    limit: int | None
    marks: Sequence[Mark]
    """Recorded on the model's machine."""
    programs: Mapping[str, Program]
    lead: float
    """Share below which a lead is a tie."""
    now: Sequence[Mark] = ()
    """Measured here, on this map."""


_Shaded = tuple[int, int, int | None, float]
"""A map, its rows, the memory limit and the share of a tie."""


class DecideArtists:
    """The artists on the axes, made once and moved; the axes' coordinates are 0 … 1."""

    def __init__(self, ax: Axes) -> None:
        self._ax = ax
        style_axes(ax, title="", xlabel="", ylabel="")
        no_minor_ticks(ax)
        ax.grid(visible=False)
        ax.set_xlim(0, 1)
        ax.set_ylim(0, 1)
        ax.set_xticks(np.linspace(0, 1, 6), [share_text(10.0**power) for power in range(-5, 1)])
        self._image = ax.imshow(
            np.ones((2, 2, 3)), extent=(0, 1, 0, 1), origin="lower", aspect="auto",
            interpolation="nearest", zorder=1,
        )  # fmt: skip
        box: dict[str, Any] = {"facecolor": "white", "edgecolor": "none", "pad": 1.5, "alpha": 1}
        self._areas = [ax.text(0, 0, "", fontsize=10, color=INK, fontweight="bold", ha="center",
                               va="center", zorder=4, bbox=box)
                       for _ in range(_MOST_AREAS)]  # fmt: skip
        self._recorded = ax.scatter([], [], s=34, linewidths=1.2, zorder=3)
        self._programs = ax.plot([], [], "o", markersize=7, markerfacecolor="white",
                                 markeredgecolor=INK, markeredgewidth=1.3, zorder=3)[0]  # fmt: skip
        self._rules = [ax.plot([], [], color=INK, linewidth=1, linestyle=(0, (2, 2)), zorder=5)[0]
                       for _ in range(2)]  # fmt: skip
        self._guest = ax.plot([], [], "o", markersize=15, markerfacecolor="none",
                              markeredgecolor=INK, markeredgewidth=3, zorder=7)[0]  # fmt: skip
        self._ring = ax.plot([], [], "o", markersize=15, markerfacecolor="#FFD54F",
                             markeredgecolor="white", markeredgewidth=6, zorder=6)[0]  # fmt: skip
        self._title = title_text(ax, 1.03, va="bottom")
        self._label = label_text(ax, 0.5, -0.115, ha="center")
        self._ylabel = ax.text(1, 1, "", transform=offset_below(ax, -0.03), fontsize=10, color=INK,
                               ha="right", va="bottom")  # fmt: skip
        # Areas and marks rest: with them, a move of the guest took 100 ms where it takes 40.
        self.moving = [
            *self._rules,
            self._ring,
            self._guest,
            self._title,
            self._label,
            self._ylabel,
        ]
        self._axis = ""
        self._shaded: _Shaded = (0, 0, None, 0.0)
        self._marked: tuple[Any, ...] = ()

    @staticmethod
    def place(x: float, y: float, axis: str) -> tuple[float, float]:
        """Return dirty share, and run length or pages, at a place of the axes, each 0 … 1."""
        rows = LENGTHS if axis == LENGTH else PAGES
        share = float(SHARES[0] * (SHARES[-1] / SHARES[0]) ** x)
        return share, float(rows[0] * (rows[-1] / rows[0]) ** y)

    def set(self, content: DecideContent) -> tuple[Any, ...]:
        """Move all artists; return what the resting parts depend on."""
        axis = content.map.axis
        if axis != self._axis:
            self._axis = axis
            ticks = _LENGTH_TICKS if axis == LENGTH else _PAGE_TICKS
            words = [f"{one:,}" if axis == LENGTH else guest_memory(one) for one in ticks]
            self._ax.set_yticks([_up(one, axis) for one in ticks], words)
        key: _Shaded = (id(content.map), content.map.done, content.limit, content.lead)
        if content.map.complete and key != self._shaded:
            self._shaded = key
            self._shade(content)
        self._stand(content)
        marked = (axis, tuple(content.marks), tuple(content.now))
        if marked != self._marked:
            self._marked = marked
            self._mark(content)
        return self._shaded, marked

    def _shade(self, content: DecideContent) -> None:
        """Colour the areas; those that are not known yet stay white, extrapolated ones striped."""
        names = content.map.names
        grid = fine(content.map, content.limit, _BY)
        colors = np.array([_pale(look(name, 64).color) for name in names])
        shaded = shades(grid, colors, content.lead, PAPER)
        beyond = np.repeat(np.repeat(content.map.beyond, _BY[0], 0), _BY[1], 1)
        beyond = beyond[_BY[0] // 2 :, _BY[1] // 2 :][: shaded.shape[0], : shaded.shape[1]]
        rows, columns = np.indices(beyond.shape)
        shaded[beyond & ((rows + columns) % _STRIPE < 2)] = PAPER
        # Measured, drawn from floats 8 ms, from bytes 2.
        self._image.set_data(np.dstack([np.round(255 * shaded), np.full(shaded.shape[:2], 255)])
                             .astype(np.uint8))  # fmt: skip
        known = ~np.isnan(grid).any(axis=0)
        best = np.where(known, np.where(np.isnan(grid), np.inf, grid).argmin(axis=0), -1)
        for number, text in enumerate(self._areas):
            place = _inmost(best[::4, ::5] == number) if number < len(names) else None
            text.set_visible(place is not None)
            if place is not None:
                text.set_position((float(np.clip(place[0], 0.06, 0.94)), place[1]))
                text.set_text(names[number])

    def _mark(self, content: DecideContent) -> None:
        """Put recorded and measured cells, and programs, in their places."""
        lengths = content.map.axis == LENGTH
        marks = [*(content.marks if lengths else ()), *content.now]
        places = [(_across(one.share), _up(one.length, content.map.axis)) for one in marks]
        inside = [(place, one) for place, one in zip(places, marks, strict=True)
                  if 0 <= place[0] <= 1]  # fmt: skip
        self._recorded.set_offsets(np.array([place for place, _ in inside]).reshape(-1, 2))
        self._recorded.set_facecolor([look(one.winner, 64).color for _, one in inside])
        self._recorded.set_edgecolor("white")
        known = content.programs.values() if lengths else ()
        self._programs.set_data([_across(one.share) for one in known],
                                [_up(one.length, LENGTH) for one in known])  # fmt: skip

    def _stand(self, content: DecideContent) -> None:
        """Put the guest in its place."""
        state, axis = content.state, content.map.axis
        x = min(max(_across(state.dirty), 0.0), 1.0)
        y = min(max(_up(state.run if axis == LENGTH else state.pages, axis), 0.0), 1.0)
        self._rules[0].set_data([x, x], [0, 1])
        self._rules[1].set_data([0, 1], [y, y])
        for one in (self._guest, self._ring):
            one.set_data([x], [y])
        if axis == LENGTH:
            self._title.set_text(f"Cheapest for {guest_memory(state.pages)}")
            self._ylabel.set_text("↑ pages in a run")
        else:
            runs = "single pages" if state.run == 1 else f"runs of {state.run:,} pages"
            self._title.set_text(f"Cheapest for {runs}")
            self._ylabel.set_text("↑ guest memory")
        if not content.map.complete:  # the last map's areas stay meanwhile
            self._title.set_text(f"{self._title.get_text()}: computing the map …")
        self._label.set_text("dirty in a period, share of the guest's pages →")


def _across(share: float) -> float:
    return float(np.log(share / SHARES[0]) / np.log(SHARES[-1] / SHARES[0]))


def _up(value: float, axis: str) -> float:
    rows = LENGTHS if axis == LENGTH else PAGES
    return float(np.log(value / rows[0]) / np.log(rows[-1] / rows[0]))


def _pale(color: str) -> tuple[float, ...]:
    return tuple(0.45 + 0.55 * part for part in to_rgb(color))


def _inmost(inside: Array) -> tuple[float, float] | None:
    """Return the place, 0 … 1, that is farthest from the edge of an area; None of a small one."""
    from scipy.ndimage import distance_transform_edt

    if inside.mean() < _LEAST_AREA:
        return None
    depth = distance_transform_edt(np.pad(inside, 1), sampling=(2.0, 1.0))[1:-1, 1:-1]
    row, column = np.unravel_index(int(np.argmax(depth)), depth.shape)
    high, wide = (size - 1 for size in inside.shape)
    return float(column / wide), float(row / high)
