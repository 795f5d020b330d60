"""The memory explorer: bytes against pages and against dirty frames, break-even points named."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from dirtylab import _check
from dirtylab.explore.kit.canvas import Canvas, moved, pixels_of, with_small_print
from dirtylab.explore.kit.controls import Action, Choice, Control, Slider
from dirtylab.explore.kit.slider_steps import (
    DIRTY,
    LEAST_PAGES,
    MOST_PAGES,
    PAGE_BYTES,
    PAGES,
    bytes_label,
    frames_label,
    pages_label,
    pages_read,
    percent,
    powers_of_two,
    short,
    with_value,
)
from dirtylab.explore.kit.view import Shown, View
from dirtylab.explore.views.crossovers import look
from dirtylab.figures.style import (
    FAINT,
    INK,
    LOOKS,
    Picture,
    count_label,
    memory_label,
    new_figure,
    style_axes,
)
from dirtylab.structures import STRUCTURES, Tree
from dirtylab.theory.memory import break_even, structure_bytes

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[np.float64]

ENTRIES = (4, 8, 16)
"""Bytes of a list's entry: a frame number of 32 or 64 bits, KVM's dirty ring."""
RADICES = powers_of_two(2, 512)
BUILT = (8, 16, 32, 64)
"""Radices that ``dirtylab.STRUCTURES`` has; the others are by the same formula."""
AS = ("times the bitmap", "bytes")
ALLOCATED = ("bitmap", "tree", "hybrid", "posted-tree")
_ENTRY_LOOKS: dict[int, Any] = {4: (0, (1, 1)), 8: "-", 16: (0, (5, 2))}
_LABELS = {
    "bitmap": "bitmap",
    "tree": "tree of that radix",
    "hybrid": "hybrid",
    "posted-tree": "posted tree",
}
_POINTS = 240
_SIZE = (7.4, 4.6)
_LEFT, _RIGHT = (0.075, 0.245, 0.38, 0.665), (0.575, 0.245, 0.385, 0.665)


@dataclasses.dataclass(frozen=True)
class MemoryState:
    """What the memory explorer shows."""

    pages: int = 10_000_000
    dirty: int = 100_000
    radix: int = 8
    entry: int = 8
    show: str = "times the bitmap"


def checked(state: MemoryState) -> MemoryState:
    """Return a state whose every value could come from its control; errors say what is allowed."""
    _check.integer("pages", state.pages, 9, _check.MAX_PAGES)
    _check.integer("dirty", state.dirty, 1)
    _check.integer("radix", state.radix, 2, 4096)
    _check.integer("entry", state.entry, 1, 64)
    _check.choice("show", state.show, AS)
    return state


class Facts(NamedTuple):
    """Bytes at one size."""

    bitmap: int
    tree: int
    hybrid: int
    posted: int
    entries: int
    meets_bitmap: float
    """Dirty frames at which the list takes as much as the bitmap."""
    meets_tree: float


def facts_of(state: MemoryState) -> Facts:
    """Return the bytes of each structure at the size of a state."""
    return Facts(
        structure_bytes("bitmap", state.pages),
        structure_bytes("tree", state.pages, radix=state.radix),
        structure_bytes("hybrid", state.pages),
        structure_bytes("posted-tree", state.pages),
        state.entry * state.dirty,
        break_even(state.pages, state.entry),
        break_even(state.pages, state.entry, "tree", radix=state.radix),
    )


@functools.lru_cache(64)
def sizes(radix: int) -> npt.NDArray[np.int64]:
    """Return sizes of a slot, the powers of 8 and of `radix` and what comes right after them too.

    There the memory of a tree jumps.
    """
    even = np.round(np.geomspace(LEAST_PAGES, MOST_PAGES, _POINTS)).astype(np.int64)
    jumps = [base**power for base in {8, radix} for power in range(1, 35)]
    beside = [size for jump in jumps for size in (jump, jump + 1)]
    some = [size for size in beside if LEAST_PAGES <= size <= MOST_PAGES]
    return np.unique(np.concatenate([even, np.array(some, np.int64)]))


@functools.lru_cache(256)
def line_of(structure: str, radix: int) -> Array:
    """Return bytes of a structure over :func:`sizes` of that radix."""
    options = {"radix": radix} if structure == "tree" else {}
    return np.array(
        [structure_bytes(structure, int(size), **options) for size in sizes(radix)], float
    )


class MemoryView(View[MemoryState]):
    """The memory explorer.

    Parameters
    ----------
    state, usual : MemoryState
        What is shown, and what Reset goes back to.
    """

    function = "memory"
    title = "What does it cost in memory?"

    def __init__(self, state: MemoryState, usual: MemoryState) -> None:
        super().__init__(checked(state), usual)
        self._figure = new_figure(*_SIZE)
        self._figure.set_layout_engine("none")
        self._parts = _Parts(self._figure.add_axes(_LEFT), self._figure.add_axes(_RIGHT))
        self._canvas = Canvas(self._figure, self._parts.moving)
        self._allocated = ""

    def controls(self) -> Sequence[Control]:
        """Return the controls."""
        state = self.state
        return [
            Slider("pages", "slot, pages", with_value(PAGES, state.pages), state.pages, pages_read),
            Slider("dirty", "dirty", with_value(DIRTY, state.dirty), state.dirty, frames_label),
            Slider("radix", "radix of tree", with_value(RADICES, state.radix), state.radix,
                   lambda r: f"{r} bits"),
            Slider("entry", "entry of list", with_value(ENTRIES, state.entry), state.entry,
                   lambda n: f"{n} bytes"),
            Choice("show", "left figure in", AS, state.show),
        ]  # fmt: skip

    def actions(self) -> Sequence[Action]:
        """Return Allocate."""
        return [Action("allocate", "Allocate", "Build these structures here and count their bytes")]

    def act(self, name: str) -> None:
        """Build the structures and compare their bytes with the formulas."""
        state = self.state
        names = [one for one in ALLOCATED if one != "tree" or state.radix in BUILT]
        total = sum(structure_bytes(one, state.pages, **_options(one, state)) for one in names)
        _check.memory("pages", state.pages, total)
        made = {one: _allocated(one, state) for one in names}
        told = ", ".join(f"{_name(one, state)} {nbytes:,}" for one, nbytes in made.items())
        wrong = [one for one, nbytes in made.items() if nbytes != _formula(one, state)]
        agrees = "as the formulas say" if not wrong else f"unlike the formula: {', '.join(wrong)}"
        self._allocated = f"Allocated at {short(state.pages)} pages, in bytes: {told}; {agrees}."

    def draw(self) -> Shown:
        """Draw both panels."""
        state = self.state
        facts = self._checked_facts(state)
        png = self._canvas.png(self._parts.set(state, facts))
        sentence = _sentence(state, facts)
        return Shown(png, pixels_of(self._figure), _alt(state, sentence), sentence, self._note(),
                     _table_html(state, facts))  # fmt: skip

    def _checked_facts(self, state: MemoryState) -> Facts:
        if state.dirty > state.pages:
            raise ValueError(
                f"dirty={state.dirty:,}: must be 1 … {state.pages:,}, the pages of the slot"
            )
        return facts_of(state)

    def _note(self) -> str:
        note = (
            "Lines: exact bytes by formula, the same on any machine; 4 KiB pages. Posted tree: "
            "every level above the bitmap a full power of 8. Entries of a list for the frames that "
            "it holds, without spare room."
        )
        return f"{note} {self._allocated}".strip()

    def picture(self) -> Picture:
        """Return the figure as it stands."""
        state = self.state
        facts = self._checked_facts(state)
        note = self._note()
        figure, left = with_small_print(_SIZE, _LEFT, note)
        below = float(figure.get_size_inches()[1]) - _SIZE[1]
        parts = _Parts(figure.add_axes(left), figure.add_axes(moved(_RIGHT, _SIZE[1], below)))
        parts.set(state, facts)
        return Picture(figure, _alt(state, _sentence(state, facts)))

    def table(self) -> "pd.DataFrame":
        """Return bytes against pages for each structure."""
        import pandas as pd

        state = self.state
        found = {
            "pages": sizes(state.radix),
            **{
                _column(name, state): line_of(name, state.radix).astype(np.int64)
                for name in ALLOCATED
            },
        }
        return pd.DataFrame(found)

    def provenance(self) -> dict[str, Any]:
        """Return the parameters and the bytes at the chosen size."""
        return {
            "parameters": dataclasses.asdict(self.state),
            "at this size": facts_of(self.state)._asdict(),
            "units": {"pages": "4 KiB", "all others": "bytes"},
            "method": "closed form, exact",
        }


class _Parts:
    """The artists of both panels."""

    def __init__(self, left: Axes, right: Axes) -> None:
        self._left, self._right = left, right
        for ax in (left, right):
            ax.set_xscale("log")
            style_axes(ax, title="", xlabel="", ylabel="")
            for axis in (ax.xaxis, ax.yaxis):
                axis.set_minor_locator(NullLocator())
        right.set_yscale("log")
        right.xaxis.set_major_formatter(FuncFormatter(lambda value, _: count_label(value)))
        right.xaxis.set_major_locator(LogLocator(numticks=7))
        left.set_xticks([2.0**power for power in range(24, 47, 6)])
        left.xaxis.set_major_formatter(FuncFormatter(lambda value, _: memory_label(value)))
        left.set_xlim(LEAST_PAGES * PAGE_BYTES, MOST_PAGES * PAGE_BYTES)
        self._titles = [_text(ax, 0, 1.03, "left", bold=True) for ax in (left, right)]
        self._labels = [_text(ax, 0.5, -0.12, "center") for ax in (left, right)]
        self._over = {name: _line(left, name) for name in ALLOCATED}
        self._flat = {name: _line(right, name) for name in ALLOCATED}
        self._lists = {
            entry: right.plot([], [], color=LOOKS["list"].color, linestyle=_ENTRY_LOOKS[entry],
                              zorder=4)[0]
            for entry in ENTRIES
        }  # fmt: skip
        self._own = right.plot([], [], color=LOOKS["list"].color, linewidth=2.4, zorder=4)[0]
        self._rules = [ax.axvline(1, color=FAINT, linestyle=":", linewidth=1.2)
                       for ax in (left, right)]  # fmt: skip
        self._dots = left.plot([], [], "o", color=INK, markersize=6, zorder=6)[0]
        self._star = right.plot([], [], marker="*", linestyle="", color=LOOKS["list"].color,
                                markersize=14, markeredgecolor="white", zorder=6)[0]  # fmt: skip
        self._named = right.text(
            0.03, 0.97, "", transform=right.transAxes, fontsize=9, color=LOOKS["list"].color,
            va="top", zorder=7, bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )  # fmt: skip
        self._leader = right.plot([], [], color=LOOKS["list"].color, linewidth=0.8, zorder=5)[0]
        self.moving = [
            *self._titles, *self._labels, *self._over.values(), *self._flat.values(),
            *self._lists.values(), self._own, *self._rules, self._dots, self._star, self._named,
            self._leader,
        ]  # fmt: skip
        self._key: Any = None

    def set(self, state: MemoryState, facts: Facts) -> tuple[Any, ...]:
        """Move all artists; return what the resting parts depend on."""
        key = self._limits(state)
        self._set_left(state, facts)
        self._set_right(state, facts)
        if key != self._key:
            self._legend()
            self._key = key
        return key

    def _limits(self, state: MemoryState) -> tuple[Any, ...]:
        decades = float(10.0 ** np.ceil(np.log10(state.pages)))
        top = float(10.0 ** np.ceil(np.log10(16 * decades)))
        self._right.set_xlim(1, decades)
        self._right.set_ylim(1, top)
        powers = range(0, int(np.log2(top)), 10 if top > 2**30 else 5)
        self._right.set_yticks([2.0**power for power in powers])
        self._right.yaxis.set_major_formatter(FuncFormatter(lambda value, _: memory_label(value)))
        if state.show == AS[0]:
            self._left.set_yscale("linear")
            self._left.set_ylim(0.9, 2.3)
            self._left.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} ×"))
        else:
            self._left.set_yscale("log")
            self._left.set_ylim(64, 2**33)
            self._left.set_yticks([2.0**power for power in range(10, 34, 5)])
            self._left.yaxis.set_major_formatter(
                FuncFormatter(lambda value, _: memory_label(value))
            )
        for ax in (self._left, self._right):
            ax.yaxis.set_minor_locator(NullLocator())
        return decades, state.show

    def _set_left(self, state: MemoryState, facts: Facts) -> None:
        guest = sizes(state.radix) * float(PAGE_BYTES)
        flat = sizes(state.radix) / 8 if state.show == AS[0] else 1.0
        for name, line in self._over.items():
            line.set_data(guest, line_of(name, state.radix) / flat)
        here = np.array([facts.bitmap, facts.tree, facts.hybrid, facts.posted], float)
        unit = state.pages / 8 if state.show == AS[0] else 1.0
        x = state.pages * PAGE_BYTES
        self._dots.set_data([x] * here.size, here / unit)
        self._rules[0].set_xdata([x, x])
        what = "Bytes, as multiples of a bit a page" if state.show == AS[0] else "Bytes"
        self._titles[0].set_text(what)
        self._labels[0].set_text("guest memory")

    def _set_right(self, state: MemoryState, facts: Facts) -> None:
        ends = np.array([1.0, float(state.pages)])
        for name, value in zip(ALLOCATED, (facts.bitmap, facts.tree, facts.hybrid, facts.posted),
                               strict=True):  # fmt: skip
            self._flat[name].set_data(ends, [value, value])
        for entry, line in self._lists.items():
            line.set_data(ends, entry * ends)
            line.set_linewidth(2.4 if entry == state.entry else 1)
        self._own.set_data(ends, state.entry * ends)
        self._own.set_visible(state.entry not in ENTRIES)
        self._rules[1].set_xdata([state.dirty, state.dirty])
        self._star.set_data([facts.meets_bitmap], [facts.bitmap])
        corner = (0.25, 0.76)  # of the axes, below the words
        start = self._right.transData.inverted().transform(self._right.transAxes.transform(corner))
        self._leader.set_data([start[0], facts.meets_bitmap], [start[1], facts.bitmap])
        self._named.set_text(
            f"a list of {state.entry}-byte entries\nmeets the bitmap at\n"
            f"{frames_label(round(facts.meets_bitmap))} "
            f"({percent(facts.meets_bitmap / state.pages)})"
        )
        self._titles[1].set_text("Bytes")
        self._labels[1].set_text(f"dirty frames, of {pages_label(state.pages)}")

    def _legend(self) -> None:
        handles = [
            Line2D([], [], color=look(name, 8).color, label=_LABELS[name],
                   linestyle=_style(name), linewidth=2)
            for name in ALLOCATED
        ]  # fmt: skip
        handles += [
            Line2D([], [], color=LOOKS["list"].color, linestyle=_ENTRY_LOOKS[entry],
                   label=f"list, {entry} bytes")
            for entry in ENTRIES
        ]  # fmt: skip
        self._left.legend(handles=handles, fontsize=9, loc="upper left", ncols=4, frameon=False,
                          bbox_to_anchor=(-0.05, -0.2), borderaxespad=0)  # fmt: skip


def _text(ax: Axes, x: float, y: float, align: str, *, bold: bool = False) -> Any:
    return ax.text(x, y, "", transform=ax.transAxes, fontsize=11 if bold else 10, color=INK,
                   ha=align, va="bottom" if bold else "top",
                   fontweight="bold" if bold else "normal")  # fmt: skip


def _line(ax: Axes, name: str) -> Any:
    return ax.plot([], [], color=look(name, 8).color, linestyle=_style(name), linewidth=2,
                   zorder=3)[0]  # fmt: skip


def _style(name: str) -> Any:
    return {"hybrid": (0, (4, 2)), "posted-tree": "-", "tree": "-", "bitmap": "-"}[name]


def _name(name: str, state: MemoryState) -> str:
    return look(name, state.radix).label


def _column(name: str, state: MemoryState) -> str:
    return f"tree{state.radix}" if name == "tree" else name


def _options(name: str, state: MemoryState) -> dict[str, Any]:
    return {"radix": state.radix} if name == "tree" else {}


def _formula(name: str, state: MemoryState) -> int:
    return structure_bytes(name, state.pages, **_options(name, state))


def _allocated(name: str, state: MemoryState) -> int:
    """Build a structure and return the bytes it has."""
    if name == "tree":
        return Tree(state.pages, radix=state.radix).nbytes
    given = {"as_posted": True} if name.startswith("posted") else {}
    return STRUCTURES[name](state.pages, **given).nbytes


def _sentence(state: MemoryState, facts: Facts) -> str:
    entries = f"a list of {state.entry}-byte entries"
    times = [value / (state.pages / 8) for value in (facts.tree, facts.posted)]
    built = "" if state.radix in BUILT else " (by formula; not built here)"
    return (
        f"At {pages_label(state.pages)} {entries} takes less than the bitmap "
        f"({bytes_label(facts.bitmap)}) below {frames_label(round(facts.meets_bitmap))} "
        f"({percent(facts.meets_bitmap / state.pages)} dirty), less than the tree below "
        f"{frames_label(round(facts.meets_tree))}. The tree of radix {state.radix}{built} takes "
        f"{times[0]:.3f} bitmaps; the posted tree {times[1]:.3f}, a sawtooth from 1.143 to 2.143."
    )


def _alt(state: MemoryState, sentence: str) -> str:
    return (
        f"Two panels. Left: memory of bitmap, tree of radix {state.radix}, hybrid and posted tree "
        f"against guest memory, in {state.show}; the posted tree's line is a sawtooth that jumps "
        "just above each power of 8. Right: bytes against dirty frames; the lists rise in "
        f"proportion, the others are level. {sentence}"
    )


def _table_html(state: MemoryState, facts: Facts) -> str:
    rows = [
        (_name("bitmap", state), facts.bitmap), (_name("tree", state), facts.tree),
        (_name("hybrid", state), facts.hybrid), (_name("posted-tree", state), facts.posted),
        (f"list of {frames_label(state.dirty)}, {state.entry} bytes each", facts.entries),
    ]  # fmt: skip
    cells = "".join(
        f"<tr><td>{name}</td><td style='text-align:right'>{nbytes:,} bytes</td>"
        f"<td style='text-align:right'>{bytes_label(nbytes)}</td>"
        f"<td style='text-align:right'>{nbytes / facts.bitmap:.4g} × bitmap</td></tr>"
        for name, nbytes in rows
    )
    return f"<table style='font-size:13px;line-height:1.35'>{cells}</table>"
