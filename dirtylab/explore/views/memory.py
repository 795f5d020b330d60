"""The memory view: bytes against pages and against dirty frames, with break-even points."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dirtylab import _check
from dirtylab._format import count_text, nbytes_text, share_text
from dirtylab.datasets import DATASETS
from dirtylab.explore.kit.axes import table_html
from dirtylab.explore.kit.controls import Action, Choice, Control, Slider, named
from dirtylab.explore.kit.figure_view import FigureView
from dirtylab.explore.kit.slider_steps import (
    DIRTY,
    GUESTS,
    frames_label,
    pages_label,
    pages_read,
    powers_of_two,
    with_value,
)
from dirtylab.explore.views.looks import look
from dirtylab.explore.views.memory_figure import (
    ENTRIES,
    LEFT,
    RIGHT,
    SIZE,
    UNITS,
    MemoryArtists,
    MemoryContent,
    bytes_by_pages,
    lines,
    measured_only,
    sizes,
)
from dirtylab.structures import STRUCTURES, is_posted, make
from dirtylab.theory.memory import break_even, known_bytes

if TYPE_CHECKING:
    import pandas as pd

RADICES = powers_of_two(2, 512)
BUILT = (8, 16, 32, 64)
"""Radices of trees that can be built; the bytes of others are by the same formula."""
_NOTE = (
    "Lines: exact bytes by formula, the same on any machine; 4 KiB pages. Posted tree: every level "
    "above the bitmap a full power of 8. List: entries for the frames that it holds, without spare "
    "capacity."
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class MemoryState:
    """What the view shows: the parameters of :func:`dirtylab.explore.memory`, checked."""

    pages: int
    dirty: int
    radix: int
    entry: int
    show: str

    def __post_init__(self) -> None:
        _check.integer("pages", self.pages, 9, _check.MAX_PAGES)
        _check.integer("dirty", self.dirty, 1)
        _check.integer("radix", self.radix, 2, 4096)
        _check.integer("entry", self.entry, 1, 64)
        _check.choice("show", self.show, UNITS)


class MemoryView(FigureView[MemoryState, MemoryContent]):
    """The memory view.

    Parameters
    ----------
    state, usual : MemoryState
        What is shown, and what Reset goes back to.
    """

    function = "memory"
    title = "What does it cost in memory?"
    size = SIZE
    rectangles = (LEFT, RIGHT)
    artists = MemoryArtists

    def __init__(self, state: MemoryState, usual: MemoryState) -> None:
        super().__init__(state, usual)
        self._allocated = ""

    def controls(self) -> Sequence[Control]:
        """Return the controls."""
        state = self.state
        return [
            Slider("pages", "guest memory", with_value(GUESTS, state.pages), state.pages,
                   pages_read),
            Slider("dirty", "dirty", with_value(DIRTY, state.dirty), state.dirty, frames_label),
            Slider("radix", "radix of tree", with_value(RADICES, state.radix), state.radix,
                   lambda r: f"{r} bits"),
            Slider("entry", "entry of list", with_value(ENTRIES, state.entry), state.entry,
                   lambda n: f"{n} bytes"),
            Choice("show", "left figure in", UNITS, state.show, folded=True),
        ]  # fmt: skip

    def change(self, name: str, value: Any) -> None:
        """Set a field of the state to a control's value; dirty frames stay within the slot."""
        self.said = ""
        state = dataclasses.replace(self.state, **{name: value})
        if state.dirty > state.pages:
            state = dataclasses.replace(state, dirty=state.pages)
            self.said = f"Dirty frames follow: the slot has {count_text(state.pages)} pages."
        self.state = state

    def actions(self) -> Sequence[Action]:
        """Return Allocate."""
        return [Action("allocate", "Allocate", "Build these structures here and count their bytes")]

    def act(self, name: str) -> None:
        """Build the structures and compare their bytes with the formulas."""
        state = self.state
        names = [one for one in lines() if one != "tree" or state.radix in BUILT]
        formula = {one: known_bytes(one, state.pages, **_options(one, state)) for one in names}
        _check.memory("pages", state.pages, sum(one or 0 for one in formula.values()))
        built = {one: _built_bytes(one, state) for one in names}
        numbers = ", ".join(f"{_label(one, state)} {nbytes:,}" for one, nbytes in built.items())
        wrong = [one for one in names if formula[one] not in (None, built[one])]
        agrees = "as the formulas say" if not wrong else f"unlike the formula: {', '.join(wrong)}"
        self._allocated = (
            f"Allocated at {count_text(state.pages)} pages, in bytes: {numbers}; {agrees}."
        )

    def content(self) -> MemoryContent:
        """Return the bytes of each structure; errors say what is allowed."""
        state = self.state
        if state.dirty > state.pages:
            raise ValueError(
                f"dirty={state.dirty:,}: must be 1 … {state.pages:,}, the pages of the slot"
            )
        return content_of(state)

    def sentence(self, content: MemoryContent) -> str:
        """Return the finding."""
        bitmap = content.nbytes["bitmap"]
        tree, posted = (content.nbytes[name] / (content.pages / 8)
                        for name in ("tree", "posted-tree"))  # fmt: skip
        built = "" if content.radix in BUILT else " (by formula; not built here)"
        return (
            f"At {pages_label(content.pages)} a list of {content.entry}-byte entries takes less "
            f"than the bitmap ({nbytes_text(bitmap)}) below "
            f"{frames_label(round(content.meets_bitmap))} "
            f"({share_text(content.meets_bitmap / content.pages)} dirty), less than the tree below "
            f"{frames_label(round(content.meets_tree))}. The tree of radix {content.radix}{built} "
            f"takes {tree:.3f} bitmaps; the posted tree {posted:.3f}, a sawtooth from 1.143 to "
            "2.143."
        )

    def alt(self, content: MemoryContent, sentence: str) -> str:
        """Return the picture in words."""
        words = {"tree": f"tree of radix {content.radix}", "posted-tree": "posted tree"}
        drawn = named([words.get(name, name) for name in content.nbytes])
        return (
            f"Two panels. Left: memory of {drawn} against guest memory, in "
            f"{content.show}; the posted tree's line is a sawtooth "
            "that jumps just above each power of 8. Right: bytes against dirty frames; the lists "
            f"rise in proportion, the others are level. {sentence}"
        )

    def note(self, content: MemoryContent) -> str:
        """Return the small print."""
        lawless = measured_only()
        measured = f"No law of the memory of {', '.join(lawless)}: measured only, by Allocate."
        return " ".join(filter(None, (_NOTE, measured if lawless else "", self._allocated)))

    def extra(self, content: MemoryContent) -> str:
        """Return a table of the bytes of all structures at the chosen size."""
        bitmap = content.nbytes["bitmap"]
        return table_html(
            [
                (name, f"{nbytes:,} bytes", nbytes_text(nbytes), f"{nbytes / bitmap:.4g} × bitmap")
                for name, nbytes in self._weights(content).items()
            ]
        )

    def _weights(self, content: MemoryContent) -> dict[str, int]:
        """Return bytes by label: of all structures, of the slider's tree and of its list."""
        found = {_label(name, self.state): nbytes for name, nbytes in content.nbytes.items()}
        for name, kind in STRUCTURES.items():
            nbytes = known_bytes(name, content.pages, **kind.options_for(content.dirty))
            if nbytes is not None:
                full = kind.options_for(content.dirty) != kind.options_for(content.dirty + 1)
                room = f", room for {frames_label(content.dirty)}" if full else ""
                found.setdefault(_label(name, self.state) + room, nbytes)
        entries = f"list of {frames_label(content.dirty)}, {content.entry} bytes each"
        found.setdefault(entries, content.entry * content.dirty)
        return found

    def table(self) -> "pd.DataFrame":
        """Return bytes against pages for each structure."""
        import pandas as pd

        radix = self.state.radix
        columns = {
            f"tree{radix}" if name == "tree" else name: bytes_by_pages(name, radix).astype(np.int64)
            for name in lines()
            if name not in measured_only()
        }
        return pd.DataFrame({"pages": sizes(radix), **columns})

    def provenance(self) -> dict[str, Any]:
        """Return the parameters and the bytes at the chosen size."""
        content = content_of(self.state)
        return {
            **super().provenance(),
            "at this size": {
                **content.nbytes,
                "list": content.entry * content.dirty,
                "list meets bitmap": content.meets_bitmap,
                "list meets tree": content.meets_tree,
            },
            "units": {"pages": "4 KiB", "all others": "bytes"},
            "method": "closed form, exact",
        }


def content_of(state: MemoryState) -> MemoryContent:
    """Return the bytes of each structure at the size of a state."""
    found = {name: known_bytes(name, state.pages, **_options(name, state)) for name in lines()}
    nbytes = {name: size for name, size in found.items() if size is not None}
    return MemoryContent(
        state.pages, state.dirty, state.radix, state.entry, state.show, nbytes,
        break_even(state.pages, state.entry),
        break_even(state.pages, state.entry, "tree", radix=state.radix),
    )  # fmt: skip


def _label(name: str, state: MemoryState) -> str:
    return look(name, state.radix).label


def _options(name: str, state: MemoryState) -> dict[str, Any]:
    return {"radix": state.radix} if name == "tree" else {}


def _built_bytes(name: str, state: MemoryState) -> int:
    """Build a structure and return the bytes it has; of one that grows, with the dirty frames."""
    given = {"as_posted": True} if is_posted(name) else _options(name, state)
    built = make(name, state.pages, **given)
    if built.grows:
        built.insert(DATASETS["random"](state.pages, state.dirty))
    return built.nbytes
