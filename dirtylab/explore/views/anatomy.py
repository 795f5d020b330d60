"""The anatomy view: a small list, bitmap and tree; insert frames and step through the harvest."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dirtylab import _check
from dirtylab.explore.kit.axes import table_html
from dirtylab.explore.kit.controls import Action, Control, Pad, Slider, named
from dirtylab.explore.kit.figure_view import FigureView
from dirtylab.explore.views.anatomy_figure import (
    MOST_ENTRIES,
    RECTANGLE,
    SIZE,
    AnatomyArtists,
    AnatomyContent,
)
from dirtylab.explore.views.small_example import SmallExample, small_example
from dirtylab.theory.operations import Pattern, radix_nodes

if TYPE_CHECKING:
    import pandas as pd

PAGES = tuple(range(16, 65, 8))
RADICES = (2, 4, 8)
WORD = 8
_NOTE = (
    f"Counted, the same on any machine. A small example: words of {WORD} bits and small nodes; the "
    "structures of the package have 64-bit words. Closed form: the average over as many random "
    "frames."
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class AnatomyState:
    """What the view shows: the parameters of :func:`dirtylab.explore.anatomy`, checked."""

    pages: int
    radix: int
    frames: tuple[int, ...]
    frame: int
    step: int

    def __post_init__(self) -> None:
        for name, value, allowed in (("pages", self.pages, PAGES), ("radix", self.radix, RADICES)):
            if value not in allowed:
                words = ", ".join(map(str, allowed))
                raise ValueError(f"{name}={value!r}: must be one of {words}")
        _check.integer("step", self.step, 0)
        if len(self.frames) > MOST_ENTRIES:
            raise ValueError(f"frames: {len(self.frames)}; must be at most {MOST_ENTRIES}, the "
                             "capacity of the list in the figure")  # fmt: skip
        for index, frame in enumerate((*self.frames, self.frame)):
            name = f"frames[{index}]" if index < len(self.frames) else "frame"
            if not 0 <= _check.integer(name, frame, -(2**63)) < self.pages:
                raise IndexError(f"{name}={frame}: must be 0 … {self.pages - 1}")

    @property
    def example(self) -> SmallExample:
        """The three structures after the inserts."""
        return small_example(self.pages, self.radix, WORD, self.frames)


class Reads(NamedTuple):
    """Reads of one structure's harvest."""

    name: str
    done: int
    needed: int
    expected: float
    """By the closed form, for as many random frames."""
    unit: str


def reads_of(example: SmallExample, step: int) -> list[Reads]:
    """Return how far the harvest of each structure is."""
    needed = (
        ("list", len(example.entries), float(len(example.entries)), "entries"),
        ("bitmap", example.words, float(example.words), "words"),
        ("tree", len(example.visits), _expected_nodes(example), "nodes"),
    )
    return [
        Reads(name, min(step, count), count, expected, unit)
        for name, count, expected, unit in needed
    ]


def _expected_nodes(example: SmallExample) -> float:
    """Return the nodes that a tree visits on average after as many random inserts."""
    if not example.entries:
        return 0.0
    pattern = Pattern("random", example.pages, np.array([float(len(example.entries))]), {})
    return float(np.sum(radix_nodes(pattern, (example.radix,))))


class AnatomyView(FigureView[AnatomyState, AnatomyContent]):
    """The anatomy of three structures.

    Parameters
    ----------
    state, usual : AnatomyState
        What is shown, and what Reset goes back to.
    """

    function = "anatomy"
    title = "What does a harvest look at?"
    size = SIZE
    rectangles = (RECTANGLE,)
    artists = AnatomyArtists
    small_print = _NOTE

    # --- controls -------------------------------------------------------------------------------

    def controls(self) -> Sequence[Control]:
        """Return the controls."""
        state = self.state
        steps = tuple(range(max(state.example.steps, state.step) + 1))
        return [
            Slider("step", "harvest", steps, state.step, lambda n: f"{n} reads"),
            Slider("frame", "next frame", tuple(range(state.pages)), state.frame,
                   lambda n: f"frame {n}"),
            Pad("pad", "dirty frames (press to insert or remove)", state.pages,
                tuple(sorted(set(state.frames))), PAGES[-1]),
            Slider("pages", "slot", PAGES, state.pages, lambda n: f"{n} pages", folded=True),
            Slider("radix", "radix of tree", RADICES, state.radix, lambda r: f"{r} bits",
                   folded=True),
        ]  # fmt: skip

    def actions(self) -> Sequence[Action]:
        """Return the buttons."""
        unread = self.state.step < self.state.example.steps
        return [
            Action("insert", "Insert", "Insert the next frame, even if it is dirty already"),
            Action("next", "Next read", "One more read of each harvest", unread),
            Action("clear", "Clear", "Remove all dirty frames", bool(self.state.frames)),
        ]

    def change(self, name: str, value: Any) -> None:
        """Set a field of the state to a control's value."""
        state = self.state
        if name == "pad":
            kept = tuple(frame for frame in state.frames if frame in value)
            new = tuple(frame for frame in value if frame not in state.frames)
            self.state = dataclasses.replace(state, frames=kept + new)
        elif name == "pages":
            inside = tuple(frame for frame in state.frames if frame < value)
            self.state = dataclasses.replace(
                state, pages=value, frames=inside, frame=min(state.frame, value - 1)
            )
        else:
            super().change(name, value)

    def act(self, name: str) -> None:
        """Insert, step or clear."""
        state = self.state
        changes: dict[str, dict[str, Any]] = {
            "insert": {"frames": (*state.frames, state.frame), "step": 0},
            "next": {"step": state.step + 1},
            "clear": {"frames": (), "step": 0},
        }
        self.state = dataclasses.replace(state, **changes[name])

    pick_label = (
        "Picture of list, bitmap and tree. Left and right arrow: next frame; up and down: by a "
        "word; Enter: insert or remove it."
    )

    def pick(self, x: float, y: float) -> None:
        """Insert the frame whose bit was clicked, or remove it."""
        drawn: Any = self._artists
        frame: int | None = drawn.frame_at(x, y)
        if frame is not None:
            self.state = dataclasses.replace(self.state, frame=frame)
            self._toggle(frame)

    def press(self, key: str) -> None:
        """Move to another frame, insert it or remove it."""
        state, last = self.state, self.state.pages - 1
        moved = {
            "ArrowLeft": state.frame - 1, "ArrowRight": state.frame + 1,
            "ArrowUp": state.frame - WORD, "ArrowDown": state.frame + WORD,
            "Home": 0, "End": last,
        }  # fmt: skip
        if key in moved:
            frame = min(max(moved[key], 0), last)
            self.state = dataclasses.replace(state, frame=frame)
        elif key in ("Enter", " "):
            self._toggle(state.frame)

    def _toggle(self, frame: int) -> None:
        frames = self.state.frames
        kept = tuple(one for one in frames if one != frame)
        new = kept if len(kept) < len(frames) else (*frames, frame)
        self.state = dataclasses.replace(self.state, frames=new)

    # --- what is shown --------------------------------------------------------------------------

    def content(self) -> AnatomyContent:
        """Return the structures and the step of the harvest."""
        state = self.state
        return AnatomyContent(state.example, state.frame, state.step)

    def sentence(self, content: AnatomyContent) -> str:
        """Return the finding."""
        example = content.example
        if not example.entries:
            return "Nothing is dirty: list and tree read nothing, the bitmap reads all its words."
        entries, bitmap, tree = reads_of(example, content.step)
        fewer = "fewer than" if tree.needed < bitmap.needed else "not fewer than"
        return (
            f"A harvest of these {len(example.entries)} inserts reads {tree.needed} nodes of the "
            f"tree, {fewer} the {bitmap.needed} words of the bitmap; {entries.needed} entries of "
            f"the list. Random frames would need {tree.expected:.1f} nodes on average."
        )

    def alt(self, content: AnatomyContent, sentence: str) -> str:
        """Return the picture in words."""
        example = content.example
        dirty = named([str(one) for one in example.entries]) or "none"
        return (
            f"Rows of cells for a slot of {example.pages} pages: the list, the bitmap in words of "
            f"{example.word} bits, and the {len(example.levels)} levels of a tree of radix "
            f"{example.radix}. Inserted, in this order: {dirty}. {content.step} reads of the "
            f"harvest are highlighted. {sentence}"
        )

    def extra(self, content: AnatomyContent) -> str:
        """Return a table of reads done and needed."""
        rows = [
            (one.name, str(one.done), f"{one.needed} {one.unit}", f"{one.expected:.1f} {one.unit}")
            for one in reads_of(content.example, content.step)
        ]
        head = ("", "read so far", "whole harvest, counted", "closed form, random frames")
        return table_html(rows, head)

    def table(self) -> "pd.DataFrame":
        """Return reads done, needed and expected."""
        import pandas as pd

        content = self.content()
        return pd.DataFrame([one._asdict() for one in reads_of(content.example, content.step)])

    def provenance(self) -> dict[str, Any]:
        """Return the parameters and the method."""
        return {
            **super().provenance(),
            "method": f"counted; words of {WORD} bits; expected: closed form, random frames",
        }
