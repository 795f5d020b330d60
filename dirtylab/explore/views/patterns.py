"""The pattern explorer: the page map, the lengths of runs, and what tracking has to touch."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from dirtylab import _check
from dirtylab._options import one_two_five
from dirtylab.datasets import DATASETS
from dirtylab.datasets.describe import Description, describe
from dirtylab.explore.kit.canvas import Canvas, moved, pixels_of, with_small_print
from dirtylab.explore.kit.controls import Choice, Control, Options, Slider
from dirtylab.explore.kit.slider_steps import (
    pages_label,
    pages_read,
    percent,
    powers_of_two,
    short,
    with_value,
)
from dirtylab.explore.kit.view import Shown, View
from dirtylab.explore.views import dataset_controls as datasets
from dirtylab.explore.views.model_curves import Remembered, has_law
from dirtylab.figures.style import (
    FAINT,
    INK,
    LOOKS,
    Picture,
    count_label,
    new_figure,
    style_axes,
)

if TYPE_CHECKING:
    import pandas as pd

PAGES = powers_of_two(2**12, 2**24)
DIRTY = one_two_five(1, 1_000_000)
MOST_DIRTY = 4_000_000
"""More take longer to draw than a slider can wait."""
SEEDS = tuple(range(10))
SIDE = 128
"""Cells of the page map, along and across."""
RUNS = 24
"""Bars of run lengths: 1, 2–3, 4–7 … pages."""
UNITS = ("pages", "words", "lines", "nodes8", "nodes64")
_UNIT_LABELS = {
    "pages": "pages\ndirty", "words": "words of\n64 pages", "lines": "lines of\n512 pages",
    "nodes8": "nodes of\nradix 8", "nodes64": "nodes of\nradix 64",
}  # fmt: skip
_SIZE = (7.4, 4.4)
_MAP = (0.01, 0.22, 0.38, 0.64)
_RUNS = (0.49, 0.585, 0.5, 0.305)
_UNITS = (0.49, 0.13, 0.5, 0.28)
_BLOCKS = {"pages": 1, "words": 64, "lines": 512}


@dataclasses.dataclass(frozen=True)
class PatternState:
    """What the pattern explorer shows."""

    dataset: str = "clustered"
    options: Options = ()
    pages: int = 2**18
    dirty: int = 10_000
    seed: int = 0


def checked(state: PatternState) -> PatternState:
    """Return a state whose every value could come from its control; errors say what is allowed."""
    _check.pages(state.pages, low=2)
    _check.integer("dirty", state.dirty, 1, MOST_DIRTY)
    _check.integer("seed", state.seed, 0, 2**32)
    return state


class Touched(NamedTuple):
    """How many units a pattern touches: counted in the frames drawn, and by the closed form."""

    counted: dict[str, int]
    expected: dict[str, float]
    """Nothing where theory has no law of the pattern."""


class Seen(NamedTuple):
    """What is drawn."""

    image: npt.NDArray[np.float32]
    facts: Description
    touched: Touched


@functools.lru_cache(32)
def seen(state: PatternState) -> Seen:
    """Draw the frames of a state and describe them.

    Raises
    ------
    ValueError, IndexError, MemoryError
        The generator refuses; what it allows is said.
    """
    datasets.refuse(state.dataset, state.pages, state.dirty, state.options)
    pattern = datasets.tracked(state.dataset, state.options)
    generator = DATASETS[pattern.generator]
    frames = generator(state.pages, state.dirty, seed=state.seed, **pattern.options)
    facts = describe(frames, state.pages)
    return Seen(page_map(frames, state.pages), facts, Touched(_counted(facts), _expected(state)))


def page_map(frames: npt.NDArray[np.uint64], pages: int) -> npt.NDArray[np.float32]:
    """Return the share of each cell of the map that is dirty, read like a text."""
    cells = min(SIDE * SIDE, pages)
    dirty = np.unique(frames)
    places = (dirty * np.uint64(cells) // np.uint64(pages)).astype(np.int64)
    share = np.zeros(SIDE * SIDE, np.float32)
    share[:cells] = np.bincount(places, minlength=cells) * (cells / pages)
    return share.reshape(SIDE, SIDE)


def _counted(facts: Description) -> dict[str, int]:
    return {
        "pages": facts.distinct,
        "words": facts.words,
        "lines": facts.lines,
        "nodes8": sum(facts.nodes[8]),
        "nodes64": sum(facts.nodes[64]),
    }


def _expected(state: PatternState) -> dict[str, float]:
    """Return what the closed forms say, without any frames; nothing where there is none."""
    if not has_law(state.dataset, state.options):
        return {}
    tracked = datasets.tracked(state.dataset, state.options)
    number = np.array([float(state.dirty)])
    pattern = Remembered(tracked.generator, state.pages, number, tracked.theory)
    found = {
        name: float(pattern.occupied(min(block, state.pages))[0]) for name, block in _BLOCKS.items()
    }
    for radix in (8, 64):
        blocks = [radix**level for level in range(1, 60) if radix ** (level - 1) < state.pages]
        found[f"nodes{radix}"] = float(
            sum(pattern.occupied(min(block, state.pages))[0] for block in blocks)
        )
    return found


class PatternView(View[PatternState]):
    """The pattern explorer.

    Parameters
    ----------
    state, usual : PatternState
        What is shown, and what Reset goes back to.
    """

    function = "patterns"
    title = "Which pages get dirty, and what does tracking them have to touch?"

    def __init__(self, state: PatternState, usual: PatternState) -> None:
        super().__init__(checked(state), usual)
        self._figure = new_figure(*_SIZE)
        self._figure.set_layout_engine("none")
        self._parts = _Parts(*(self._figure.add_axes(one) for one in (_MAP, _RUNS, _UNITS)))
        self._canvas = Canvas(self._figure, self._parts.moving)

    def controls(self) -> Sequence[Control]:
        """Return the controls; the pattern brings its own sliders."""
        state = self.state
        return [
            Choice("dataset", "pattern", datasets.names(), state.dataset),
            *datasets.controls(state.dataset, state.options),
            Slider("pages", "slot, pages", with_value(PAGES, state.pages), state.pages, pages_read),
            Slider("dirty", "writes", with_value(DIRTY, state.dirty), state.dirty,
                   lambda n: f"{short(n)} writes"),
            Slider("seed", "seed", with_value(SEEDS, state.seed), state.seed,
                   str),
        ]  # fmt: skip

    def change(self, name: str, value: Any) -> None:
        """Take over one control's value."""
        state = self.state
        if name == "dataset":
            self.state = dataclasses.replace(state, dataset=value, options=())
        elif datasets.is_option(state.dataset, name):
            options = datasets.changed(state.dataset, state.options, name, value)
            self.state = dataclasses.replace(state, options=options)
        else:
            super().change(name, value)

    def draw(self) -> Shown:
        """Draw map, runs and units."""
        state = self.state
        found = seen(state)
        png = self._canvas.png(self._parts.set(state, found))
        sentence = _sentence(state, found)
        alt = _alt(state, found, sentence)
        return Shown(png, pixels_of(self._figure), alt, sentence, _note(state))

    def picture(self) -> Picture:
        """Return the figure as it stands."""
        state = self.state
        found = seen(state)
        figure, place = with_small_print(_SIZE, _MAP, _note(state))
        below = float(figure.get_size_inches()[1]) - _SIZE[1]
        others = [moved(one, _SIZE[1], below) for one in (_RUNS, _UNITS)]
        _Parts(*(figure.add_axes(one) for one in (place, *others))).set(state, found)
        return Picture(figure, _alt(state, found, _sentence(state, found)))

    def table(self) -> "pd.DataFrame":
        """Return units touched, and the histogram of run lengths."""
        import pandas as pd

        found = seen(self.state)
        rows: list[dict[str, Any]] = [
            {"what": name, "counted": found.touched.counted[name],
             "closed_form": found.touched.expected.get(name)}
            for name in UNITS
        ]  # fmt: skip
        rows += [
            {"what": f"runs of {_run_label(power)} pages", "counted": count, "closed_form": None}
            for power, count in enumerate(found.facts.run_histogram)
        ]
        return pd.DataFrame.from_records(rows)

    def provenance(self) -> dict[str, Any]:
        """Return the parameters and the facts of the frames."""
        return {
            "parameters": dataclasses.asdict(self.state),
            "frames": seen(self.state).facts.as_dict(),
            "method": "counted in the frames drawn; closed form beside, where there is one",
        }


def _note(state: PatternState) -> str:
    dashes = "Dashes: closed form, without any frames."
    if not has_law(state.dataset, state.options):
        dashes = f"The pattern {state.dataset} has no closed form: measured only."
    return (
        "Bars: counted in the frames drawn, the same on any machine and for the same seed. "
        f"{dashes} Map: read like a text from page 0; a dot is darker the more of it is dirty."
    )


class _Parts:
    """The artists of the three panels."""

    def __init__(self, page_map: Axes, runs: Axes, units: Axes) -> None:
        self._image = page_map.imshow(
            np.zeros((SIDE, SIDE)), cmap="Greys", vmin=0, vmax=1, interpolation="nearest"
        )
        page_map.set_xticks([])
        page_map.set_yticks([])
        self._runs, self._units = runs, units
        style_axes(
            runs, title="Runs of neighbouring dirty pages", xlabel="pages in a run, at least",
            ylabel="runs",
        )  # fmt: skip
        style_axes(units, title="Touched", xlabel="", ylabel="")
        for ax in (runs, units):
            ax.set_yscale("log")
            ax.yaxis.set_minor_locator(NullLocator())
            ax.yaxis.set_major_locator(LogLocator(numticks=5))
            ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: count_label(value)))
            ax.grid(visible=False, axis="x")
        runs.set_xlim(-0.6, RUNS - 0.4)
        runs.set_xticks(range(0, RUNS, 4))
        runs.xaxis.set_major_formatter(
            FuncFormatter(lambda power, _: short(2 ** max(int(power), 0)))
        )
        self._run_bars = _bars(runs, "#555555")
        colors = ["#555555", *(LOOKS[n].color for n in ("bitmap", "hybrid", "tree8", "tree64"))]
        places = range(len(UNITS))
        self._unit_bars = _bars(units, colors)
        self._dashes = units.plot([], [], linestyle="", marker="_", markersize=40, color="#E69F00",
                                  markeredgewidth=2.5, zorder=5)[0]  # fmt: skip
        units.set_xlim(-0.6, len(UNITS) - 0.4)
        units.set_xticks(places, [_UNIT_LABELS[name] for name in UNITS])
        self._values = [
            units.text(
                place,
                1,
                "",
                fontsize=9,
                color=INK,
                ha="center",
                va="bottom",
                zorder=6,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
            )
            for place in places
        ]
        units.legend(
            handles=[Patch(color=FAINT, label="bar: counted"),
                     Patch(color="#E69F00", label="dash: closed form")],
            fontsize=9, frameon=False, ncols=2, loc="lower right", bbox_to_anchor=(1.02, 0.98),
            handlelength=1.2, columnspacing=1.2,
        )  # fmt: skip
        self._title = page_map.text(0, 1.03, "", transform=page_map.transAxes, fontsize=11,
                                    color=INK, fontweight="bold", va="bottom")  # fmt: skip
        self._slot = page_map.text(0, -0.02, "", transform=page_map.transAxes, fontsize=10,
                                   color=INK, va="top")  # fmt: skip
        self.moving = [
            self._image, self._run_bars, self._unit_bars, self._dashes, *self._values,
            self._title, self._slot,
        ]  # fmt: skip

    def set(self, state: PatternState, found: Seen) -> tuple[Any, ...]:
        """Move all artists; return what the resting parts depend on."""
        self._image.set_data(np.sqrt(found.image))
        histogram = [*found.facts.run_histogram, *[0] * RUNS][:RUNS]
        self._run_bars.set_verts(_boxes(histogram, 0.8))
        counted = [found.touched.counted[name] for name in UNITS]
        self._unit_bars.set_verts(_boxes(counted, 0.6))
        for text, count in zip(self._values, counted, strict=True):
            text.set_text(short(count))
            text.set_y(max(count, 1) * 1.4)
        expected = [found.touched.expected[name] for name in UNITS if found.touched.expected]
        self._dashes.set_data(range(len(expected)), expected)
        self._title.set_text(datasets.label(state.dataset, ()))
        self._slot.set_text(pages_label(state.pages))
        top = float(10.0 ** np.ceil(np.log10(2.2 * max([*counted, *expected]))))
        high = float(10.0 ** np.ceil(np.log10(2 * max([*histogram, 1]))))
        self._units.set_ylim(0.5, top)
        self._runs.set_ylim(0.5, high)
        return top, high


def _bars(ax: Axes, colors: Any) -> PolyCollection:
    """Return bars in one artist: each of its own would take longer to draw than all in one."""
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


def _run_label(power: int) -> str:
    return "1" if power == 0 else f"{2**power:,}–{2 ** (power + 1) - 1:,}"


def _sentence(state: PatternState, found: Seen) -> str:
    facts, counted = found.facts, found.touched.counted
    words = -(-state.pages // 64)
    mean = f"{facts.run_mean:,.0f}" if facts.run_mean >= 10 else f"{facts.run_mean:.2g}"
    return (
        f"{short(state.dirty)} writes touch {short(facts.distinct)} pages "
        f"({percent(facts.density)} of the slot) in {short(facts.runs)} runs of {mean} pages on "
        f"average. A bitmap reads all its {short(words)} words, though only "
        f"{short(counted['words'])} hold anything; a tree of radix 64 visits "
        f"{short(counted['nodes64'])} nodes, one of radix 8 {short(counted['nodes8'])}."
    )


def _alt(state: PatternState, found: Seen, sentence: str) -> str:
    expected = found.touched.expected
    touched = "; ".join(
        f"{name} {found.touched.counted[name]:,} counted"
        + (f", {expected[name]:,.0f} by closed form" if expected else "")
        for name in UNITS
    )
    return (
        f"Page map, histogram of run lengths, and bars of units touched, for the pattern "
        f"{datasets.label(state.dataset, state.options)}. {sentence} {touched}."
    )
