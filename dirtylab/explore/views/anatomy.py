"""The anatomy: a small tree, bitmap and list; insert frames and step through the harvest."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.patches import Patch

from dirtylab import _check
from dirtylab.explore.kit.canvas import Canvas, pixels_of, with_small_print
from dirtylab.explore.kit.controls import Action, Control, Pad, Slider, named
from dirtylab.explore.kit.view import Shown, View
from dirtylab.explore.views.small_example import Toy, Visit, nodes_of, toy
from dirtylab.figures.style import FAINT, INK, Picture, new_figure
from dirtylab.theory.operations import Pattern, radix_nodes

if TYPE_CHECKING:
    import pandas as pd

PAGES = tuple(range(16, 65, 8))
RADICES = (2, 4, 8)
WORD = 8
MOST_ENTRIES = 32
MOST_ROWS = 8
"""The list, the bitmap and six levels of a tree of radix 2 over 64 pages."""
MOST_NUMBERS = 24
"""Frames that are all numbered; of more, every eighth."""
_PITCH, _HIGH = 1.95, 0.78
"""From a row of cells to the next, and their height."""
_SIZE = (7.4, 5.2)
_AXES = (0.01, 0.07, 0.98, 0.87)
_WIDTH, _RIGHT = 64.0, 15.0
_READ, _NOW, _PLAIN = "#FFD37F", "#E69F00", "#FFFFFF"
_FILLED = "#332288"

Colors = npt.NDArray[np.str_]


@dataclasses.dataclass(frozen=True)
class AnatomyState:
    """What the anatomy shows."""

    pages: int = 64
    radix: int = 8
    frames: tuple[int, ...] = (10, 1, 11, 10, 45)
    """In order of arrival; the list keeps repeats."""
    frame: int = 20
    """Where the Insert button would put one."""
    step: int = 6
    """Reads of the harvest that have been done."""


def checked(state: AnatomyState) -> AnatomyState:
    """Return a state that can be drawn.

    Raises
    ------
    ValueError, TypeError, IndexError
        It can't; what is allowed is said.
    """
    if state.pages not in PAGES:
        raise ValueError(f"pages={state.pages!r}: must be one of {', '.join(map(str, PAGES))}")
    if state.radix not in RADICES:
        raise ValueError(f"radix={state.radix!r}: must be one of {', '.join(map(str, RADICES))}")
    _check.integer("step", state.step, 0)
    if len(state.frames) > MOST_ENTRIES:
        raise ValueError(f"frames: {len(state.frames)}; must be at most {MOST_ENTRIES}, the room "
                         "that the list has in the figure")  # fmt: skip
    for index, frame in enumerate((*state.frames, state.frame)):
        name = f"frames[{index}]" if index < len(state.frames) else "frame"
        if not 0 <= _check.integer(name, frame, -(2**63)) < state.pages:
            raise IndexError(f"{name}={frame}: must be 0 … {state.pages - 1}")
    return state


class Reads(NamedTuple):
    """Reads done and needed, and what the closed form expects of frames drawn at random."""

    name: str
    done: int
    needed: int
    expected: float
    unit: str


def reads_of(made: Toy, step: int) -> list[Reads]:
    """Return how far the harvest of each structure is."""
    drawn = len(made.entries)
    return [
        Reads("list", min(step, drawn), drawn, float(drawn), "entries"),
        Reads("bitmap", min(step, made.words), made.words, float(made.words), "words"),
        Reads("tree", min(step, len(made.visits)), len(made.visits), _expected(made), "nodes"),
    ]


def _expected(made: Toy) -> float:
    """Return the nodes that a tree visits on average after so many inserts anywhere."""
    if not made.entries:
        return 0.0
    pattern = Pattern("random", made.pages, np.array([float(len(made.entries))]), {})
    return float(np.sum(radix_nodes(pattern, (made.radix,))))


class AnatomyView(View[AnatomyState]):
    """The anatomy of three structures.

    Parameters
    ----------
    state, usual : AnatomyState
        What is shown, and what Reset goes back to.
    """

    function = "anatomy"
    title = "What does a harvest look at?"

    def __init__(self, state: AnatomyState, usual: AnatomyState) -> None:
        super().__init__(checked(state), usual)
        self._figure = new_figure(*_SIZE)
        self._figure.set_layout_engine("none")
        self._parts = _Parts(self._figure.add_axes(_AXES))
        self._canvas = Canvas(self._figure, self._parts.moving)

    # --- controls -------------------------------------------------------------------------------

    def controls(self) -> Sequence[Control]:
        """Return the controls."""
        state = self.state
        most = toy(state.pages, state.radix, WORD, state.frames).steps
        steps = tuple(range(max(most, state.step) + 1))
        return [
            Slider("step", "harvest", steps, state.step, lambda n: f"{n} reads"),
            Slider("pages", "slot", PAGES, state.pages, lambda n: f"{n} pages"),
            Slider("radix", "radix of tree", RADICES, state.radix, lambda r: f"{r} bits"),
            Pad("pad", "dirty frames (press to insert or take away)", state.pages,
                tuple(sorted(set(state.frames))), PAGES[-1]),
            Slider("frame", "next frame", tuple(range(state.pages)), state.frame,
                   lambda n: f"frame {n}"),
        ]  # fmt: skip

    def actions(self) -> Sequence[Action]:
        """Return the buttons."""
        most = toy(self.state.pages, self.state.radix, WORD, self.state.frames).steps
        return [
            Action("insert", "Insert", "Insert the next frame, a repeat too"),
            Action("next", "Next read", "One more read of each harvest", self.state.step < most),
            Action("clear", "Clear", "Forget all dirty frames", bool(self.state.frames)),
        ]

    def change(self, name: str, value: Any) -> None:
        """Take over one control's value."""
        state = self.state
        if name == "pad":
            kept = tuple(frame for frame in state.frames if frame in value)
            new = tuple(frame for frame in value if frame not in state.frames)
            self.state = checked(dataclasses.replace(state, frames=kept + new))
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
        if name == "insert":
            new = dataclasses.replace(state, frames=(*state.frames, state.frame), step=0)
            self.state = checked(new)
        elif name == "next":
            self.state = dataclasses.replace(state, step=state.step + 1)
        else:
            self.state = dataclasses.replace(state, frames=(), step=0)

    # --- what is shown --------------------------------------------------------------------------

    def draw(self) -> Shown:
        """Draw the three structures at one step of the harvest."""
        state = self.state
        made = toy(state.pages, state.radix, WORD, state.frames)
        self._parts.set(made, state)
        reads = reads_of(made, state.step)
        sentence = _sentence(made, reads)
        png = self._canvas.png()
        return Shown(png, pixels_of(self._figure), _alt(made, state, sentence), sentence, _NOTE,
                     _table_html(reads))  # fmt: skip

    def picture(self) -> Picture:
        """Return the figure as it stands."""
        state = self.state
        made = toy(state.pages, state.radix, WORD, state.frames)
        figure, rectangle = with_small_print(_SIZE, _AXES, _NOTE)
        _Parts(figure.add_axes(rectangle)).set(made, state)
        return Picture(figure, _alt(made, state, _sentence(made, reads_of(made, state.step))))

    def table(self) -> "pd.DataFrame":
        """Return reads done, needed and expected."""
        import pandas as pd

        made = toy(self.state.pages, self.state.radix, WORD, self.state.frames)
        return pd.DataFrame([one._asdict() for one in reads_of(made, self.state.step)])

    def provenance(self) -> dict[str, Any]:
        """Return the parameters."""
        return {
            "parameters": dataclasses.asdict(self.state),
            "method": f"counted; words of {WORD} bits; expected: closed form, random frames",
        }


_NOTE = (
    f"Counted, the same on any machine. A toy: words of {WORD} bits and small nodes; the real "
    "structures have 64-bit words. Closed form: what as many frames drawn anywhere need on average."
)


class _Parts:
    """The artists: one collection of cells, one of frames round words and nodes, some text."""

    def __init__(self, ax: Axes) -> None:
        ax.set_axis_off()
        ax.set_xlim(-0.5, _WIDTH + _RIGHT)
        self._ax = ax
        self._cells = PolyCollection([], linewidths=0.7, zorder=2)
        self._units = PolyCollection([], linewidths=1.6, zorder=1)
        ax.add_collection(self._units, autolim=False)
        ax.add_collection(self._cells, autolim=False)
        ax.legend(
            handles=[
                Patch(facecolor=_FILLED, label="set: dirty"),
                Patch(facecolor=_PLAIN, edgecolor=FAINT, label="not set"),
                Patch(facecolor=_READ, label="read"),
                Patch(facecolor=_NOW, label="read last"),
            ],
            fontsize=9, frameon=False, ncols=4, loc="lower left", bbox_to_anchor=(0, -0.09),
        )  # fmt: skip
        bold: dict[str, Any] = {"fontsize": 9.5, "color": INK, "fontweight": "bold"}
        self._names = [ax.text(0, 0, "", va="bottom", **bold) for _ in range(MOST_ROWS)]
        self._counts = [
            ax.text(0, 0, "", fontsize=9.5, color=INK, va="center") for _ in range(MOST_ROWS)
        ]
        self._frames = [
            ax.text(0, 0, "", fontsize=9, color=FAINT, ha="center", va="top")
            for _ in range(MOST_NUMBERS)
        ]
        inside: dict[str, Any] = {"fontsize": 9, "color": "white", "ha": "center", "va": "center"}
        self._numbers = [ax.text(0, 0, "", zorder=4, **inside) for _ in range(MOST_ENTRIES)]
        self._arrow = ax.text(0, 0, "▲", fontsize=10, color=_NOW, ha="center", va="top")
        self._built: tuple[int, int] | None = None
        self.moving = [
            self._units, self._cells, *self._names, *self._counts, *self._frames, *self._numbers,
            self._arrow,
        ]  # fmt: skip

    def set(self, made: Toy, state: AnatomyState) -> None:
        """Colour cells and frames, write the counts."""
        if self._built != (made.pages, made.radix):
            self._built = (made.pages, made.radix)
            self._lay_out(made)
        filled, read, now = _flags(made, state.step, self._places)
        self._cells.set_facecolor(np.where(filled, _FILLED, _PLAIN).tolist())
        self._cells.set_edgecolor(np.where(filled, _FILLED, "#999999").tolist())
        unit_faces = np.where(now, _NOW, np.where(read, _READ, "#EEEEEE"))
        self._units.set_facecolor(unit_faces.tolist())
        self._units.set_edgecolor(np.where(read, _NOW, "#BBBBBB").tolist())
        for number, text in enumerate(self._numbers):
            text.set_visible(number < len(made.entries))
            if number < len(made.entries):
                text.set_text(str(made.entries[number]))
        self._arrow.set_x((state.frame + 0.45) * _WIDTH / made.pages)
        for text, told in zip(self._counts, _counts(made, state.step), strict=False):
            text.set_text(told)

    def _lay_out(self, made: Toy) -> None:
        """Place everything for another slot or radix."""
        rows, cell = len(made.levels) + 2, _WIDTH / made.pages
        bottom = -_PITCH * (rows - 1)
        self._ax.set_ylim(-_PITCH * rows - 0.1, 0.55)
        cells, units, self._places = _geometry(made)
        self._cells.set_verts(cells)
        self._units.set_verts(units)
        for row, (name, count) in enumerate(zip(self._names, self._counts, strict=True)):
            name.set_visible(row < rows)
            count.set_visible(row < rows)
            if row < rows:
                name.set_text(_row_name(row, made))
                name.set_position((0, -_PITCH * row + 0.28))
                count.set_position((_WIDTH + 1, -_PITCH * row - 0.4))
        shown = range(0, made.pages, 1 if made.pages <= MOST_NUMBERS else 8)
        for place, text in enumerate(self._frames):
            text.set_visible(place < len(shown))
            if place < len(shown):
                text.set_text(str(shown[place]))
                text.set_position(((shown[place] + 0.45) * cell, bottom - 1.0))
        for place, text in enumerate(self._numbers):
            text.set_position(((place + 0.42) * _WIDTH / MOST_ENTRIES, -0.4))
        self._arrow.set_y(bottom - 1.5)


class _Places(NamedTuple):
    """Which cells and units are whose."""

    entries: int
    cells: list[tuple[int, int]]
    """First and last + 1 cell of each level, the bitmap's first, then those of the bitmap alone."""
    units: list[tuple[int, int]]


def _geometry(made: Toy) -> tuple[list[Any], list[Any], _Places]:
    """Return corners of cells and of units, from the list at the top to the bitmap at the bottom.

    Rows from above: the list, the bitmap by words, then the tree from its root to its level 0.
    """
    cell = _WIDTH / made.pages
    entry = _WIDTH / MOST_ENTRIES
    cells = [_box(place * entry, 0, 0.84 * entry) for place in range(MOST_ENTRIES)]
    units = [_box(place * entry, 0, 0.84 * entry, 0.14) for place in range(MOST_ENTRIES)]
    rows = [(made.pages, 1, made.word)]
    rows += [
        (made.levels[level].size, made.radix**level, made.radix)
        for level in range(len(made.levels) - 1, -1, -1)
    ]
    cell_ranges, unit_ranges = [], []
    for row, (count, span, group) in enumerate(rows, start=1):
        begin, first = len(cells), len(units)
        width = span * cell
        cells += [
            _box(place * width, row, _inside(place, span, made.pages) * cell - 0.1 * cell)
            for place in range(count)
        ]
        for unit in range(-(-count // group)):
            left = unit * group * width
            right = min((unit + 1) * group * width, _WIDTH)
            units.append(_box(left, row, right - left - 0.1 * cell, 0.14))
        cell_ranges.append((begin, len(cells)))
        unit_ranges.append((first, len(units)))
    return cells, units, _Places(MOST_ENTRIES, cell_ranges, unit_ranges)


def _inside(place: int, span: int, pages: int) -> int:
    return min(span, pages - place * span)


def _box(left: float, row: int, width: float, margin: float = 0.0) -> Any:
    top = -_PITCH * row
    return [
        (left - margin, top - _HIGH - margin), (left + width + margin, top - _HIGH - margin),
        (left + width + margin, top + margin), (left - margin, top + margin),
    ]  # fmt: skip


def _flags(made: Toy, step: int, places: _Places) -> tuple[Any, Any, Any]:
    """Return which cells are set, which units have been read, and which were read last."""
    filled = np.zeros(places.cells[-1][1], bool)
    read = np.zeros(places.units[-1][1], bool)
    now = np.zeros_like(read)
    filled[: len(made.entries)] = True
    read[: min(step, len(made.entries))] = True
    now[min(step, len(made.entries)) - 1 if 0 < step <= len(made.entries) else []] = True
    begin, first = places.cells[0][0], places.units[0][0]
    filled[begin : begin + made.pages] = made.levels[0]
    read[first : first + min(step, made.words)] = True
    now[first + step - 1 if 0 < step <= made.words else []] = True
    top = len(made.levels) - 1
    for level, bits in enumerate(made.levels):
        start = places.cells[1 + top - level][0]
        filled[start : start + bits.size] = bits
    for number, visit in enumerate(made.visits[:step], start=1):
        unit = places.units[1 + top - visit.level][0] + visit.node
        read[unit], now[unit] = True, number == step
    return filled, read, now


def _row_name(row: int, made: Toy) -> str:
    if row == 0:
        return "list, as they came"
    if row == 1:
        return f"bitmap, words of {made.word} bits"
    level = len(made.levels) + 1 - row
    count = nodes_of(made.levels[level], made.radix)
    told = "the root" if level == len(made.levels) - 1 else f"{count} nodes"
    return f"tree, level {level}: {told}" + (", bit for bit the bitmap" if level == 0 else "")


def _counts(made: Toy, step: int) -> list[str]:
    done = made.visits[:step]
    levels = [_level_count(made, done, level) for level in range(len(made.levels) - 1, -1, -1)]
    entries, words = len(made.entries), made.words
    return [
        f"{min(step, entries)} of {entries} entries",
        f"{min(step, words)} of {words} words",
        *levels,
    ]


def _level_count(made: Toy, done: Sequence[Visit], level: int) -> str:
    read = sum(one.level == level for one in done)
    needed = sum(one.level == level for one in made.visits)
    return f"{read} of {needed} nodes"


def _sentence(made: Toy, reads: Sequence[Reads]) -> str:
    needed = {one.name: one for one in reads}
    tree, bitmap = needed["tree"], needed["bitmap"]
    if not made.entries:
        return "Nothing is dirty: the tree and the list know at once, the bitmap reads all words."
    fewer = "fewer than" if tree.needed < bitmap.needed else "not fewer than"
    return (
        f"A harvest of these {len(made.entries)} inserts reads {tree.needed} nodes of the tree, "
        f"{fewer} the {bitmap.needed} words of the bitmap; {needed['list'].needed} entries of the "
        f"list. Frames drawn anywhere would need {tree.expected:.1f} nodes on average."
    )


def _alt(made: Toy, state: AnatomyState, sentence: str) -> str:
    dirty = named([str(one) for one in made.entries]) or "none"
    return (
        f"Rows of cells for a slot of {made.pages} pages: the list, the bitmap in words of "
        f"{made.word} bits, and the {len(made.levels)} levels of a tree of radix {made.radix}. "
        f"Inserted, in this order: {dirty}. {state.step} reads of the harvest are lit. {sentence}"
    )


def _table_html(reads: Sequence[Reads]) -> str:
    cells = "".join(
        f"<tr><td>{one.name}</td><td style='text-align:right'>{one.done}</td>"
        f"<td style='text-align:right'>{one.needed} {one.unit}</td>"
        f"<td style='text-align:right'>{one.expected:.1f} {one.unit}</td></tr>"
        for one in reads
    )
    return (
        "<table style='font-size:13px;line-height:1.35'><tr><th></th><th>read so far</th>"
        f"<th>whole harvest, counted</th><th>closed form, random frames</th></tr>{cells}</table>"
    )
