"""The anatomy view: a small list, bitmap and tree; an insert and a harvest step by step."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dirtylab import _check
from dirtylab.explore.kit.axes import table_html
from dirtylab.explore.kit.controls import Action, Choice, Control, Pad, Slider, named
from dirtylab.explore.kit.figure_view import FigureView
from dirtylab.explore.views.anatomy_counts import OPERATIONS, Counted, counts_of, touched_by
from dirtylab.explore.views.anatomy_figure import (
    MOST_ENTRIES,
    RECTANGLE,
    SIZE,
    AnatomyArtists,
    AnatomyContent,
)
from dirtylab.explore.views.small_example import SmallExample, small_example

if TYPE_CHECKING:
    import pandas as pd

PAGES = tuple(range(16, 65, 8))
RADICES = (2, 4, 8)
WORD = 8
_NOTE = (
    f"Counted, the same on any machine. A small example: words of {WORD} bits and small nodes; the "
    "structures of the package have 64-bit words. Closed form: the average over as many random "
    "frames. O(): n pages, k inserts."
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class AnatomyState:
    """What the view shows: the parameters of :func:`dirtylab.explore.anatomy`, checked."""

    pages: int
    radix: int
    frames: tuple[int, ...]
    frame: int
    step: int
    operation: str

    def __post_init__(self) -> None:
        for name, value, allowed in (("pages", self.pages, PAGES), ("radix", self.radix, RADICES)):
            if value not in allowed:
                words = ", ".join(map(str, allowed))
                raise ValueError(f"{name}={value!r}: must be one of {words}")
        _check.choice("operation", self.operation, OPERATIONS)
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

    @property
    def steps(self) -> int:
        """Steps of the operation, in the structure that needs most of them."""
        return touched_by(self.operation, self.example).steps

    @property
    def counts(self) -> list[Counted]:
        """What each structure touches."""
        return counts_of(self.operation, self.example, self.step)


class AnatomyView(FigureView[AnatomyState, AnatomyContent]):
    """The anatomy of three structures.

    Parameters
    ----------
    state, usual : AnatomyState
        What is shown, and what Reset goes back to.
    """

    function = "anatomy"
    title = "What do an insert and a harvest touch?"
    size = SIZE
    rectangles = (RECTANGLE,)
    artists = AnatomyArtists
    small_print = _NOTE

    # --- controls -------------------------------------------------------------------------------

    def controls(self) -> Sequence[Control]:
        """Return the controls."""
        state = self.state
        steps = tuple(range(max(state.steps, state.step) + 1))
        kind = "reads" if state.operation == "harvest" else "writes"
        return [
            Choice("operation", "operation", OPERATIONS, state.operation,
                   {"insert": "the last insert"}),
            Slider("step", "step", steps, state.step, lambda n: f"{n} {kind}"),
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
        left = self.state.step < self.state.steps
        return [
            Action("insert", "Insert", "Insert the next frame, even if it is dirty already"),
            Action("play", "Play", "Show the operation step by step", self.state.steps > 0),
            Action("next", "Next step", "One more step in each structure", left),
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
        elif name == "operation" and value != state.operation:
            self.state = dataclasses.replace(state, operation=value, step=0)
        else:
            super().change(name, value)
        self.plays = False

    def act(self, name: str) -> None:
        """Insert, play, step or clear."""
        state = self.state
        if name == "play":
            begin = 0 if state.step >= state.steps else state.step
            self.state, self.plays = dataclasses.replace(state, step=begin), True
            return
        changes: dict[str, dict[str, Any]] = {
            "insert": {"frames": (*state.frames, state.frame), "step": 0},
            "next": {"step": state.step + 1},
            "clear": {"frames": (), "step": 0},
        }
        self.state = dataclasses.replace(state, **changes[name])
        self.plays = name == "insert" and state.operation == "insert"

    def tick(self) -> None:
        """Take the next step of what plays."""
        state = self.state
        self.state = dataclasses.replace(state, step=min(state.step + 1, state.steps))
        self.plays = self.state.step < self.state.steps

    def reset(self) -> None:
        """Go back to how the view began, and stop what plays."""
        super().reset()
        self.plays = False

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
        self.state, self.plays = dataclasses.replace(self.state, frames=new), False

    # --- what is shown --------------------------------------------------------------------------

    def content(self) -> AnatomyContent:
        """Return the structures and the step of the operation."""
        state, example = self.state, self.state.example
        drawn = example.part_way(state.step) if state.operation == "insert" else example
        touched = touched_by(state.operation, example)
        return AnatomyContent(drawn, touched, state.frame, state.step)

    def sentence(self, content: AnatomyContent) -> str:
        """Return the finding."""
        if not self.state.frames:
            return "Nothing is dirty: list and tree read nothing, the bitmap reads all its words."
        return self._inserted() if self.state.operation == "insert" else self._harvested()

    def _inserted(self) -> str:
        """Return what the last insert wrote."""
        state, tree = self.state, self.state.counts[2]
        levels, known = len(state.example.levels), state.frames[-1] in state.frames[:-1]
        why = (
            "its bit was set already" if known
            else "its node was not empty, so nothing above changes" if tree.needed == 1
            else "its node was empty, and the climb ends at the root" if tree.needed == levels
            else "its node was empty, and the climb ends at one that was not"
        )  # fmt: skip
        return (
            f"Inserting frame {state.frames[-1]} writes 1 entry of the list, 1 word of the bitmap "
            f"and {tree.needed} of the {levels} levels of the tree: {why}. After "
            f"{len(state.frames) - 1} random frames another would write {tree.expected:.1f} levels "
            "on average."
        )

    def _harvested(self) -> str:
        """Return what a harvest reads."""
        entries, bitmap, tree = self.state.counts
        fewer = "fewer than" if tree.needed < bitmap.needed else "not fewer than"
        return (
            f"A harvest of these {len(self.state.frames)} inserts reads {tree.needed} nodes of the "
            f"tree, {fewer} the {bitmap.needed} words of the bitmap; {entries.needed} entries of "
            f"the list. Random frames would need {tree.expected:.1f} nodes on average."
        )

    def alt(self, content: AnatomyContent, sentence: str) -> str:
        """Return the picture in words."""
        example, operation = content.example, self.state.operation
        dirty = named([str(one) for one in example.entries]) or "none"
        return (
            f"Rows of cells for a slot of {example.pages} pages: the list, the bitmap in words of "
            f"{example.word} bits, and the {len(example.levels)} levels of a tree of radix "
            f"{example.radix}. Inserted, in this order: {dirty}. What the first {content.step} "
            f"steps of the {operation} touched is highlighted. {sentence}"
        )

    def extra(self, content: AnatomyContent) -> str:
        """Return a table of steps done and needed, beside how they grow."""
        rows = [
            (f"{one.name}, {one.unit}", one.growth, str(one.done), str(one.needed),
             f"{one.expected:.1f}")
            for one in self.state.counts
        ]  # fmt: skip
        operation = self.state.operation
        head = (operation, "grows as", "so far", f"whole {operation}", "random frames")
        return table_html(rows, head)

    def table(self) -> "pd.DataFrame":
        """Return steps done, needed and expected."""
        import pandas as pd

        return pd.DataFrame([one._asdict() for one in self.state.counts])

    def provenance(self) -> dict[str, Any]:
        """Return the parameters and the method."""
        return {
            **super().provenance(),
            "method": f"counted; words of {WORD} bits; expected: closed form, random frames",
        }
