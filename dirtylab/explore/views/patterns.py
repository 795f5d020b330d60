"""The patterns view: the page map, the lengths of runs, and what tracking has to touch."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dirtylab import _check
from dirtylab._format import count_text, share_text
from dirtylab._options import one_two_five
from dirtylab._units import parse_count
from dirtylab.datasets import DATASETS
from dirtylab.datasets.describe import Description, describe
from dirtylab.explore.kit.controls import Choice, Control, Options, Slider
from dirtylab.explore.kit.figure_view import FigureView
from dirtylab.explore.kit.slider_steps import pages_read, powers_of_two, with_value
from dirtylab.explore.views import dataset_controls
from dirtylab.explore.views.clamp import clamped
from dirtylab.explore.views.model_curves import CachedPattern, has_law
from dirtylab.explore.views.pattern_figure import (
    MAP,
    RUN_LENGTHS,
    SIZE,
    TOUCHED,
    UNITS,
    PatternArtists,
    PatternContent,
    page_map,
)

if TYPE_CHECKING:
    import pandas as pd

PAGES = powers_of_two(2**12, 2**24)
DIRTY = one_two_five(1, 1_000_000)
MOST_DIRTY = 4_000_000
"""More take longer to draw than a slider can wait."""
SEEDS = tuple(range(10))
_BLOCKS = {"pages": 1, "words": 64, "lines": 512}


@dataclasses.dataclass(frozen=True, kw_only=True)
class PatternState:
    """What the view shows: the parameters of :func:`dirtylab.explore.patterns`, checked."""

    dataset: str
    options: Options = ()
    pages: int
    dirty: int
    seed: int

    def __post_init__(self) -> None:
        _check.pages(self.pages, low=2)
        _check.integer("dirty", self.dirty, 1, MOST_DIRTY)
        _check.integer("seed", self.seed, 0, 2**32)


@functools.lru_cache(32)
def content_of(state: PatternState) -> PatternContent:
    """Draw the frames of a state and describe them.

    Raises
    ------
    ValueError, IndexError, MemoryError
        The generator refuses; the message says what it allows.
    """
    dataset_controls.refuse(state.dataset, state.pages, state.dirty, state.options)
    pattern = dataset_controls.tracked(state.dataset, state.options)
    generator = DATASETS[pattern.generator]
    frames = generator(state.pages, state.dirty, seed=state.seed, **pattern.options)
    facts = describe(frames, state.pages)
    return PatternContent(
        state.dataset, dataset_controls.label(state.dataset, state.options), state.pages,
        page_map(frames, state.pages), facts, _counted(facts), _expected(state),
    )  # fmt: skip


def _counted(facts: Description) -> dict[str, int]:
    return {
        "pages": facts.distinct,
        "words": facts.words,
        "lines": facts.lines,
        "nodes8": sum(facts.nodes[8]),
        "nodes64": sum(facts.nodes[64]),
    }


def _expected(state: PatternState) -> dict[str, float]:
    """Return the units touched by the closed forms, nothing where there is none."""
    if not has_law(state.dataset, state.options):
        return {}
    tracked = dataset_controls.tracked(state.dataset, state.options)
    number = np.array([float(state.dirty)])
    pattern = CachedPattern(tracked.generator, state.pages, number, tracked.theory)
    expected = {
        name: float(pattern.occupied(min(block, state.pages))[0]) for name, block in _BLOCKS.items()
    }
    for radix in (8, 64):
        blocks = [radix**level for level in range(1, 60) if radix ** (level - 1) < state.pages]
        expected[f"nodes{radix}"] = float(
            sum(pattern.occupied(min(block, state.pages))[0] for block in blocks)
        )
    return expected


class PatternView(FigureView[PatternState, PatternContent]):
    """The patterns view.

    Parameters
    ----------
    state, usual : PatternState
        What is shown, and what Reset goes back to.
    """

    function = "patterns"
    title = "Which pages get dirty, and what does tracking them have to touch?"
    size = SIZE
    rectangles = (MAP, RUN_LENGTHS, TOUCHED)
    artists = PatternArtists

    def controls(self) -> Sequence[Control]:
        """Return the controls; the pattern brings its own sliders."""
        return self._controls(self.state)

    @staticmethod
    def _controls(state: PatternState) -> Sequence[Control]:
        return [
            Choice("dataset", "pattern", dataset_controls.names(), state.dataset),
            *dataset_controls.controls(state.dataset, state.options),
            Slider("pages", "guest memory", with_value(PAGES, state.pages), state.pages,
                   pages_read),
            Slider("dirty", "writes", with_value(DIRTY, state.dirty), state.dirty,
                   lambda n: f"{count_text(n)} writes"),
            Slider("seed", "seed", with_value(SEEDS, state.seed), state.seed, seed_text, read_seed,
                   folded=True),
        ]  # fmt: skip

    def change(self, name: str, value: Any) -> None:
        """Set a field of the state to a control's value; what it contradicts follows."""
        state = dataset_controls.changed_state(self.state, name, value)
        self.state, self.said = clamped(
            self.state, state, name, self._controls, dataset_controls.changed_state
        )

    def content(self) -> PatternContent:
        """Return the frames of the state, described; errors say what is allowed."""
        return content_of(self.state)

    def sentence(self, content: PatternContent) -> str:
        """Return the finding."""
        facts, counted = content.facts, content.counted
        words = -(-content.pages // 64)
        mean = f"{facts.run_mean:,.0f}" if facts.run_mean >= 10 else f"{facts.run_mean:.2g}"
        return (
            f"{count_text(facts.frames)} writes touch {count_text(facts.distinct)} pages "
            f"({share_text(facts.density)} of the slot) in {count_text(facts.runs)} runs of {mean} "
            f"pages on average. A bitmap scan reads all {count_text(words)} words, of which "
            f"{count_text(counted['words'])} are not 0; a tree of radix 64 visits "
            f"{count_text(counted['nodes64'])} nodes, one of radix 8 "
            f"{count_text(counted['nodes8'])}."
        )

    def alt(self, content: PatternContent, sentence: str) -> str:
        """Return the picture in words."""
        touched = "; ".join(
            f"{name} {content.counted[name]:,} counted"
            + (f", {content.expected[name]:,.0f} by closed form" if content.expected else "")
            for name in UNITS
        )
        return (
            "Page map, histogram of run lengths, and bars of units touched, for the pattern "
            f"{content.pattern}. {sentence} {touched}."
        )

    def note(self, content: PatternContent) -> str:
        """Return the small print."""
        dashes = "Dashes: closed form, without drawing frames."
        if not content.expected:
            dashes = f"The pattern {content.dataset} has no closed form: measured only."
        return (
            "Bars: counted in the frames drawn, the same on any machine and for the same seed. "
            f"{dashes} Map: row by row from page 0; the darker a dot, the more of its pages are "
            "dirty."
        )

    def table(self) -> "pd.DataFrame":
        """Return units touched, and the histogram of run lengths."""
        import pandas as pd

        content = self.content()
        rows: list[dict[str, Any]] = [
            {"what": name, "counted": content.counted[name],
             "closed_form": content.expected.get(name)}
            for name in UNITS
        ]  # fmt: skip
        rows += [
            {"what": f"runs of {_run_label(power)} pages", "counted": count, "closed_form": None}
            for power, count in enumerate(content.facts.run_histogram)
        ]
        return pd.DataFrame.from_records(rows)

    def provenance(self) -> dict[str, Any]:
        """Return the parameters and the facts of the frames."""
        return {
            **super().provenance(),
            "frames": self.content().facts.as_dict(),
            "method": "counted in the frames drawn; closed form beside, where there is one",
        }


def _run_label(power: int) -> str:
    return "1" if power == 0 else f"{2**power:,}–{2 ** (power + 1) - 1:,}"


def seed_text(seed: int) -> str:
    """Return a seed as its slider says it."""
    return f"seed {seed}"


def read_seed(text: str) -> int:
    """Return a seed from what is typed."""
    return parse_count("seed", text.lower().replace("seed", "").strip(), 0, 2**32)
