"""The picture of the patterns view: page map, lengths of runs, units touched."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.ticker import LogLocator

from dirtylab._format import count_text
from dirtylab.datasets.describe import Description
from dirtylab.explore.kit.axes import label_text, no_minor_ticks, title_text
from dirtylab.explore.kit.slider_steps import pages_label
from dirtylab.figures.style import INK, LOOKS, label_ticks, style_axes

SIZE = (7.4, 4.4)
MAP = (0.01, 0.22, 0.38, 0.64)
RUN_LENGTHS = (0.49, 0.585, 0.5, 0.305)
TOUCHED = (0.49, 0.13, 0.5, 0.28)
SIDE = 128
"""Cells of the page map, along and across."""
RUNS = 24
"""Bars of run lengths: 1, 2–3, 4–7 … pages."""
UNITS = {
    "pages": "pages\ndirty", "words": "words\nof 64", "lines": "lines\nof 512",
    "nodes8": "nodes,\nradix 8", "nodes64": "nodes,\nradix 64",
}  # fmt: skip
"""What a pattern touches, and its label."""
_EXPECTED_COLOR = "#E69F00"


class PatternContent(NamedTuple):
    """What is drawn and said: the frames of a state, described."""

    dataset: str
    pattern: str
    """The dataset with its options, in words."""
    pages: int
    image: npt.NDArray[np.float32]
    """The page map."""
    facts: Description
    counted: Mapping[str, int]
    """Units touched, counted in the frames drawn."""
    expected: Mapping[str, float]
    """Units touched, by the closed form; empty where there is none."""


def page_map(frames: npt.NDArray[np.uint64], pages: int) -> npt.NDArray[np.float32]:
    """Return the share of each cell of the map that is dirty, row by row from page 0."""
    cells = min(SIDE * SIDE, pages)
    dirty = np.unique(frames)
    places = (dirty * np.uint64(cells) // np.uint64(pages)).astype(np.int64)
    share = np.zeros(SIDE * SIDE, np.float32)
    share[:cells] = np.bincount(places, minlength=cells) * (cells / pages)
    return share.reshape(SIDE, SIDE)


class PatternArtists:
    """The artists of the three panels, made once and moved."""

    def __init__(self, page_map: Axes, runs: Axes, units: Axes) -> None:
        self._image = page_map.imshow(
            np.zeros((SIDE, SIDE)), cmap="Greys", vmin=0, vmax=1, interpolation="nearest"
        )
        page_map.set_xticks([])
        page_map.set_yticks([])
        self._runs, self._units = runs, units
        _prepare_bars(runs, units)
        self._run_bars = _bars(runs, "#555555")
        colors = ["#555555", *(LOOKS[n].color for n in ("bitmap", "hybrid", "tree8", "tree64"))]
        self._unit_bars = _bars(units, colors)
        self._dashes = units.plot([], [], linestyle="", marker="_", markersize=40,
                                  color=_EXPECTED_COLOR, markeredgewidth=2.5,
                                  zorder=5)[0]  # fmt: skip
        self._values = [
            units.text(
                place, 1, "", fontsize=9, color=INK, ha="center", va="bottom", zorder=6,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
            )
            for place in range(len(UNITS))
        ]  # fmt: skip
        self._title = title_text(page_map, 1.03, va="bottom")
        self._slot = label_text(page_map, 0, -0.02)
        self.moving = [
            self._image, self._run_bars, self._unit_bars, self._dashes, *self._values,
            self._title, self._slot,
        ]  # fmt: skip

    def set(self, content: PatternContent) -> tuple[Any, ...]:
        """Move all artists; return what the resting parts depend on."""
        self._image.set_data(np.sqrt(content.image))
        histogram = [*content.facts.run_histogram, *[0] * RUNS][:RUNS]
        self._run_bars.set_verts(_boxes(histogram, 0.8))
        counted = [content.counted[name] for name in UNITS]
        self._unit_bars.set_verts(_boxes(counted, 0.6))
        for text, count in zip(self._values, counted, strict=True):
            text.set_text(count_text(count))
            text.set_y(max(count, 1) * 1.4)
        expected = [content.expected[name] for name in UNITS if content.expected]
        self._dashes.set_data(range(len(expected)), expected)
        self._title.set_text(content.dataset)
        self._slot.set_text(pages_label(content.pages))
        top = float(10.0 ** np.ceil(np.log10(2.2 * max([*counted, *expected]))))
        high = float(10.0 ** np.ceil(np.log10(2 * max([*histogram, 1]))))
        self._units.set_ylim(0.5, top)
        self._runs.set_ylim(0.5, high)
        return top, high


def _prepare_bars(runs: Axes, units: Axes) -> None:
    style_axes(
        runs, title="Runs of dirty pages", xlabel="pages in a run, at least",
        ylabel="runs",
    )  # fmt: skip
    style_axes(units, title="Touched (dash: by law)", xlabel="", ylabel="")
    for ax in (runs, units):
        ax.set_yscale("log")
        no_minor_ticks(ax)
        ax.yaxis.set_major_locator(LogLocator(numticks=5))
        label_ticks(ax.yaxis, count_text)
        ax.grid(visible=False, axis="x")
    runs.set_xlim(-0.6, RUNS - 0.4)
    runs.set_xticks(range(0, RUNS, 6))
    label_ticks(runs.xaxis, lambda power: count_text(2 ** max(int(power), 0)))
    units.set_xlim(-0.6, len(UNITS) - 0.4)
    units.set_xticks(range(len(UNITS)), list(UNITS.values()))


def _bars(ax: Axes, colors: Any) -> PolyCollection:
    """Return bars in one artist, which is drawn faster than one artist each."""
    bars = PolyCollection([], facecolors=colors, linewidths=0)
    ax.add_collection(bars, autolim=False)
    return bars


def _boxes(heights: Sequence[float], width: float) -> list[list[tuple[float, float]]]:
    """Return the corners of bars from below 1 up to each height."""
    half = width / 2
    return [
        [(x - half, 0.1), (x + half, 0.1), (x + half, max(top, 0.1)), (x - half, max(top, 0.1))]
        for x, top in enumerate(heights)
    ]
