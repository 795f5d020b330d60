"""The picture of the vCPUs view: throughput by structure and by where the frames lie."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.transforms import blended_transform_factory

from dirtylab.explore.kit.axes import no_minor_ticks, title_text
from dirtylab.explore.kit.sheet import offset_below
from dirtylab.figures.style import FAINT, INK, style_axes
from dirtylab.studies.lockless.figures import NAMES, PLACEMENTS

SIZE = (7.4, 4.6)
RECTANGLE = (0.27, 0.21, 0.7, 0.69)
_APART = 0.18
"""From one placement to the next, in rows."""


class VcpuContent(NamedTuple):
    """What is drawn and said."""

    summary: Mapping[str, Any]
    vcpus: int
    limit: int
    """Cores available to them, which bound the throughput."""


class VcpuArtists:
    """The artists, made once and moved."""

    def __init__(self, ax: Axes) -> None:
        self._ax = ax
        self._rows: list[str] = []
        style_axes(ax, title="", xlabel="throughput, as a multiple of one vCPU's", ylabel="")
        no_minor_ticks(ax)
        ax.grid(visible=False, axis="y")
        ax.axvline(1, color=FAINT, linewidth=1, linestyle=":")
        figure: Any = ax.figure
        handles = [
            Line2D([], [], color=look.color, marker=look.marker, linestyle="", label=look.label)
            for look in PLACEMENTS.values()
        ]
        ax.legend(
            handles=handles, fontsize=9, ncols=4, frameon=False, loc="upper left",
            bbox_to_anchor=(0.01, 0), borderaxespad=0,
            bbox_transform=blended_transform_factory(figure.transFigure, offset_below(ax, 0.15)),
            columnspacing=1.2, handletextpad=0.3, title="frames of the vCPUs lie",
            title_fontsize=9, alignment="left",
        )  # fmt: skip
        self._title = title_text(ax, 1.03, va="bottom")
        self._limit = ax.axvline(1, color=INK, linewidth=1, linestyle="--")
        self._told = ax.text(1, 1.005, "", transform=ax.get_xaxis_transform(), fontsize=9,
                             color=INK, ha="center", va="bottom")  # fmt: skip
        self._bars = {name: _bars(ax, look.color) for name, look in PLACEMENTS.items()}
        self._marks = {
            name: ax.plot([], [], linestyle="", marker=look.marker, color=look.color,
                          markersize=7)[0]
            for name, look in PLACEMENTS.items()
        }  # fmt: skip
        self.moving = [
            self._title, self._limit, self._told, *self._bars.values(), *self._marks.values(),
        ]  # fmt: skip

    def set(self, content: VcpuContent) -> None:
        """Move all marks to a number of vCPUs."""
        found = content.summary["vcpus"]
        names = [name for name in NAMES if name in found]
        if names != self._rows:
            self._lay_out(names, found)
        for step, placement in enumerate(PLACEMENTS):
            some = [found[name][placement][str(content.vcpus)]["times_one"] for name in names]
            places = [row + _APART * (step - 1.5) for row in range(len(names))]
            self._marks[placement].set_data([at for at, _, _ in some], places)
            self._bars[placement].set_segments([
                [(low, place), (high, place)]
                for (_, low, high), place in zip(some, places, strict=True)
                if low is not None and high is not None
            ])  # fmt: skip
        noun = "vCPU" if content.vcpus == 1 else "vCPUs"
        self._title.set_text(f"Inserts of {content.vcpus} {noun} together")
        self._limit.set_xdata([content.limit, content.limit])
        self._told.set_x(content.limit)
        self._told.set_text("a core each" if content.vcpus <= content.limit else "every core busy")

    def _lay_out(self, names: list[str], found: Mapping[str, Any]) -> None:
        """Name the rows; leave room for all numbers of vCPUs, so that the axis stands still."""
        self._rows = names
        self._ax.set_yticks(range(len(names)), [NAMES[name] for name in names])
        self._ax.set_ylim(len(names) - 0.4, -0.6)
        every = [
            end
            for name in names
            for places in found[name].values()
            for one in places.values()
            for end in one["times_one"]
            if end is not None
        ]
        self._ax.set_xlim(0, 1.06 * max(every))


def _bars(ax: Axes, color: str) -> LineCollection:
    bars = LineCollection([], linewidths=1.6, colors=color)
    ax.add_collection(bars, autolim=False)
    return bars
