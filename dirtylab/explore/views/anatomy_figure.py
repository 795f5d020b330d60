"""The picture of the anatomy view: cells of a list, a bitmap and a tree, those touched lit."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.patches import Patch

from dirtylab.explore.kit.sheet import offset_below
from dirtylab.explore.views.small_example import SmallExample, Touched, Visit, nodes_of
from dirtylab.figures.style import FAINT, INK, LOOKS

SIZE = (7.4, 5.2)
RECTANGLE = (0.01, 0.07, 0.98, 0.87)
MOST_ENTRIES = 32
MOST_ROWS = 8
"""The list, the bitmap and six levels of a tree of radix 2 over 64 pages."""
MOST_NUMBERS = 24
"""Frames that are all numbered; of more, every eighth."""
_PITCH, _HIGH = 1.95, 0.78
"""From a row of cells to the next, and their height."""
_WIDTH, _RIGHT = 64.0, 15.0
_READ, _NOW, _PLAIN = "#FBE7A1", "#E3B505", "#FFFFFF"
_LIST, _BITMAP, _TREE = (LOOKS[name].color for name in ("list", "bitmap", "tree8"))


class AnatomyContent(NamedTuple):
    """What is drawn and said."""

    example: SmallExample
    touched: Touched
    """By the operation, all of it."""
    frame: int
    """Where Insert would put one."""
    step: int
    """Steps done."""


class AnatomyArtists:
    """The artists: a collection of cells, one of outlines of words and nodes, and texts."""

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
                Patch(facecolor=FAINT, label="set: dirty"),
                Patch(facecolor=_PLAIN, edgecolor=FAINT, label="not set"),
                Patch(facecolor=_READ, label="touched"),
                Patch(facecolor=_NOW, label="touched last"),
            ],
            fontsize=9, frameon=False, ncols=4, loc="upper left", bbox_to_anchor=(0, 0),
            bbox_transform=offset_below(ax, 0.0), borderaxespad=0.2,
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
        inside: dict[str, Any] = {"fontsize": 7.5, "color": INK, "ha": "center", "va": "center"}
        self._numbers = [ax.text(0, 0, "", zorder=4, **inside) for _ in range(MOST_ENTRIES)]
        self._arrow = ax.text(0, 0, "▲", fontsize=10, color=_NOW, ha="center", va="top")
        self._built: tuple[int, int] | None = None
        self.moving = [
            self._units, self._cells, *self._names, *self._counts, *self._frames, *self._numbers,
            self._arrow,
        ]  # fmt: skip

    def set(self, content: AnatomyContent) -> None:
        """Colour cells and outlines, write the counts."""
        example = content.example
        if self._built != (example.pages, example.radix):
            self._built = (example.pages, example.radix)
            self._lay_out(example)
        filled, read, now = _flags(content, self._places)
        own = self._places.colors
        self._cells.set_facecolor(np.where(filled, own, _PLAIN).tolist())
        self._cells.set_edgecolor(np.where(filled, own, "#999999").tolist())
        unit_faces = np.where(now, _NOW, np.where(read, _READ, "#EEEEEE"))
        self._units.set_facecolor(unit_faces.tolist())
        self._units.set_edgecolor(np.where(read, _NOW, "#BBBBBB").tolist())
        for number, text in enumerate(self._numbers):
            text.set_visible(number < len(example.entries))
            if number < len(example.entries):
                text.set_text(str(example.entries[number]))
        self._arrow.set_x((content.frame + 0.45) * _WIDTH / example.pages)
        for text, count in zip(self._counts, _counts(content), strict=False):
            text.set_text(count)

    def frame_at(self, x: float, y: float) -> int | None:
        """Return the frame drawn at a place in shares of the figure: the bitmap, or level 0."""
        figure: Any = self._ax.figure
        place = figure.transFigure.transform((x, y))
        column, height = self._ax.transData.inverted().transform(place)
        if self._built is None or not 0 <= column < _WIDTH:
            return None
        rows = (1, len(self._places.cells))
        if not any(-_PITCH * row - _HIGH - 0.2 <= height <= 0.2 - _PITCH * row for row in rows):
            return None
        return int(column * self._built[0] / _WIDTH)

    def _lay_out(self, example: SmallExample) -> None:
        """Place everything for another slot or radix."""
        rows, cell = len(example.levels) + 2, _WIDTH / example.pages
        bottom = -_PITCH * (rows - 1)
        self._ax.set_ylim(-_PITCH * rows - 0.1, 0.55)
        cells, units, self._places = _geometry(example)
        self._cells.set_verts(cells)
        self._units.set_verts(units)
        for row, (name, count) in enumerate(zip(self._names, self._counts, strict=True)):
            name.set_visible(row < rows)
            count.set_visible(row < rows)
            if row < rows:
                name.set_text(_row_name(row, example))
                name.set_position((0, -_PITCH * row + 0.28))
                count.set_position((_WIDTH + 1, -_PITCH * row - 0.4))
        shown = range(0, example.pages, 1 if example.pages <= MOST_NUMBERS else 8)
        for place, text in enumerate(self._frames):
            text.set_visible(place < len(shown))
            if place < len(shown):
                text.set_text(str(shown[place]))
                text.set_position(((shown[place] + 0.45) * cell, bottom - 1.0))
        for place, text in enumerate(self._numbers):
            text.set_position(((place + 0.42) * _WIDTH / MOST_ENTRIES, -0.4))
        self._arrow.set_y(bottom - 1.5)


class _Places(NamedTuple):
    """Indices of cells and units, row by row; a unit is an entry, a word or a node."""

    entries: int
    cells: list[tuple[int, int]]
    """First and last + 1 cell of each row below the list: the bitmap, then the tree's levels."""
    units: list[tuple[int, int]]
    """The same for units."""
    colors: Any
    """Of each cell when it is set."""


def _geometry(example: SmallExample) -> tuple[list[Any], list[Any], _Places]:
    """Return corners of cells and of units, row by row.

    Rows from above: the list, the bitmap by words, then the tree from its root to its level 0.
    """
    cell = _WIDTH / example.pages
    entry = _WIDTH / MOST_ENTRIES
    cells = [_box(place * entry, 0, 0.84 * entry) for place in range(MOST_ENTRIES)]
    units = [_box(place * entry, 0, 0.84 * entry, 0.14) for place in range(MOST_ENTRIES)]
    rows = [(example.pages, 1, example.word)]
    rows += [
        (example.levels[level].size, example.radix**level, example.radix)
        for level in range(len(example.levels) - 1, -1, -1)
    ]
    cell_ranges, unit_ranges = [], []
    for row, (count, span, group) in enumerate(rows, start=1):
        begin, first = len(cells), len(units)
        width = span * cell
        cells += [
            _box(place * width, row, _pages_inside(place, span, example.pages) * cell - 0.1 * cell)
            for place in range(count)
        ]
        for unit in range(-(-count // group)):
            left = unit * group * width
            right = min((unit + 1) * group * width, _WIDTH)
            units.append(_box(left, row, right - left - 0.1 * cell, 0.14))
        cell_ranges.append((begin, len(cells)))
        unit_ranges.append((first, len(units)))
    counts = [MOST_ENTRIES, *(last - first for first, last in cell_ranges)]
    colors = np.repeat([_LIST, _BITMAP, *[_TREE] * (len(counts) - 2)], counts)
    return cells, units, _Places(MOST_ENTRIES, cell_ranges, unit_ranges, colors)


def _pages_inside(place: int, span: int, pages: int) -> int:
    return min(span, pages - place * span)


def _box(left: float, row: int, width: float, margin: float = 0.0) -> Any:
    top = -_PITCH * row
    return [
        (left - margin, top - _HIGH - margin), (left + width + margin, top - _HIGH - margin),
        (left + width + margin, top + margin), (left - margin, top + margin),
    ]  # fmt: skip


def _flags(content: AnatomyContent, places: _Places) -> tuple[Any, Any, Any]:
    """Return which cells are set, which units have been touched, and which were touched last."""
    example, touched, step = content.example, content.touched, content.step
    filled = np.zeros(places.cells[-1][1], bool)
    filled[: len(example.entries)] = True
    begin = places.cells[0][0]
    filled[begin : begin + example.pages] = example.levels[0]
    top = len(example.levels) - 1
    for level, bits in enumerate(example.levels):
        start = places.cells[1 + top - level][0]
        filled[start : start + bits.size] = bits
    units = (
        touched.entries,
        [places.units[0][0] + word for word in touched.words],
        [places.units[1 + top - level][0] + node for level, node in touched.nodes],
    )
    so_far, now = np.zeros((2, places.units[-1][1]), bool)
    for row in units:
        so_far[list(row[:step])] = True
        now[list(row[step - 1 : step]) if step else []] = True
    return filled, so_far, now


def _row_name(row: int, example: SmallExample) -> str:
    if row == 0:
        return "list, in order of arrival"
    if row == 1:
        return f"bitmap, words of {example.word} bits"
    level = len(example.levels) + 1 - row
    count = nodes_of(example.levels[level], example.radix)
    nodes = "the root" if level == len(example.levels) - 1 else f"{count} nodes"
    return f"tree, level {level}: {nodes}" + (", the same bits as the bitmap" if level == 0 else "")


def _counts(content: AnatomyContent) -> list[str]:
    touched, step = content.touched, content.step
    entries, words = len(touched.entries), len(touched.words)
    return [
        f"{min(step, entries)} of {entries} {'entry' if entries == 1 else 'entries'}",
        f"{min(step, words)} of {words} word{'s' * (words != 1)}",
        *(
            _level_count(touched.nodes, step, level)
            for level in range(len(content.example.levels) - 1, -1, -1)
        ),
    ]


def _level_count(nodes: Sequence[Visit], step: int, level: int) -> str:
    done = sum(one.level == level for one in nodes[:step])
    needed = sum(one.level == level for one in nodes)
    return f"{done} of {needed} node{'s' * (needed != 1)}"
