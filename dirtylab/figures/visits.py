"""What a collect reads: every unit of storage of a small slot, level by level."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.patches import Patch, Rectangle

from dirtylab.figures._rc import under_own_rc
from dirtylab.figures.style import FAINT, INK, Picture, finished, look_of, new_figure
from dirtylab.structures import (
    STRUCTURES,
    Bitmap,
    Hybrid,
    PageList,
    Ring,
    Structure,
    Tree,
    is_posted,
)

PAGES = 1536
FRAMES = (10, 1, 700, 11, 10)

_WIDTH = 192.0
_GAP = 0.12
_ENTRIES = 24

Flags = npt.NDArray[np.bool_]


class Row(NamedTuple):
    """One level of a structure, drawn as a row of cells."""

    label: str
    filled: Flags
    """Which units hold anything."""
    read: Flags
    """Which units a collect reads."""


def shown() -> list[str]:
    """Return the structures to draw, without the posted ones: entries, bits, trees."""

    def kind(name: str) -> tuple[bool, bool]:
        made = STRUCTURES[name]
        return not issubclass(made, PageList | Ring), issubclass(made, Tree)

    return sorted((name for name in STRUCTURES if not is_posted(name)), key=kind)


def rows_of(structure: Structure) -> list[Row]:
    """Return the levels of a structure, the topmost first; what it reads where it has none."""
    if isinstance(structure, Tree):
        return _tree_rows(structure)
    if isinstance(structure, Hybrid):
        return _hybrid_rows(structure)
    if isinstance(structure, Bitmap):
        filled = structure.bitmap_view() != 0
        return [Row("words", filled, np.ones(filled.size, bool))]
    return _entry_rows(structure)


def draw_rows(ax: Axes, rows: Sequence[Row], color: str) -> list[Artist]:
    """Draw the rows of one structure, the topmost level above."""
    artists: list[Artist] = []
    for depth, row in enumerate(rows):
        width = min(_WIDTH / row.filled.size, 8.0)
        left = (_WIDTH - width * row.filled.size) / 2
        for place, (filled, read) in enumerate(zip(row.filled, row.read, strict=True)):
            face = color if filled else "#D9D9D9" if read else "white"
            box = Rectangle(
                (left + place * width, -depth - 0.8), width * (1 - _GAP), 0.6, facecolor=face,
                edgecolor=color if read else "#BBBBBB", linewidth=0.8 if width > 2 else 0.4,
            )  # fmt: skip
            artists.append(ax.add_patch(box))
        counted = f"{int(row.read.sum())} of {row.filled.size} {row.label}"
        artists.append(
            ax.text(_WIDTH + 3, -depth - 0.5, counted, fontsize=9, color=INK, va="center")
        )
    ax.set_xlim(-1, _WIDTH + 62)
    ax.set_ylim(-len(rows) - 0.1, 0.05)
    ax.set_axis_off()
    return artists


@under_own_rc
def visits_picture(pages: int = PAGES, frames: Sequence[int] = FRAMES) -> Picture:
    """Draw every structure after the same inserts, with the units that its collect reads.

    Parameters
    ----------
    pages : int, optional
        Size of the slot; more than a few thousand are not legible.
    frames : sequence of int, optional
        Frames in order of arrival.
    """
    names = shown()
    made = [STRUCTURES[name](pages) for name in names]
    for structure in made:
        structure.insert(frames)
    rows = [rows_of(structure) for structure in made]
    figure = new_figure(9, 0.36 * sum(len(some) + 1.4 for some in rows) + 0.5)
    heights = [len(some) + 0.6 for some in rows]
    axes = figure.subplots(len(made), height_ratios=heights, squeeze=False)[:, 0]
    for ax, name, structure, some in zip(axes, names, made, rows, strict=True):
        draw_rows(ax, some, look_of(name).color)
        reads = structure.operations().words
        ax.set_title(
            f"{look_of(name).label}: {reads} reads", loc="left", fontsize=10, color=INK, pad=2
        )
    told = named(frames)
    figure.suptitle(
        f"What a collect reads: {pages:,} pages, frames {told} dirty", fontsize=11,
        fontweight="bold", color=INK, x=0.01, ha="left",
    )  # fmt: skip
    figure.legend(handles=_legend(), fontsize=9, frameon=False, ncols=3, loc="outside lower left")
    parts = [
        f"{look_of(name).label} {one.operations().words}"
        for name, one in zip(names, made, strict=True)
    ]
    alt = (
        f"Rows of cells, one for each unit of storage of a slot of {pages:,} pages in which frames "
        f"{told} are dirty; filled cells hold something, grey ones were read although empty, white "
        f"ones not read. Reads: {', '.join(parts)}."
    )
    return finished(figure, alt)


def named(frames: Sequence[int]) -> str:
    """Return a few frames one by one, many by the first, the last and their number."""
    if len(frames) <= 8:
        return ", ".join(map(str, frames))
    return f"{min(frames)} … {max(frames)} ({len(frames)} writes)"


def _tree_rows(tree: Tree) -> list[Row]:
    rows = []
    for level in reversed(range(len(tree.radices))):
        radix = tree.radices[level]
        words = tree.level_view(level).astype("<u8")
        bits = np.unpackbits(words.view(np.uint8), bitorder="little")
        groups: Flags = bits.reshape(-1, radix).max(axis=1) > 0
        nodes = groups[: _nodes(tree, level)]
        rows.append(Row(f"nodes of level {level}", nodes, nodes.copy()))
    return rows


def _nodes(tree: Tree, level: int) -> int:
    pages = tree.pages
    for radix in tree.radices[: level + 1]:
        pages = -(-pages // radix)
    return pages


def _hybrid_rows(hybrid: Hybrid) -> list[Row]:
    filled = hybrid.bitmap_view() != 0
    blocks = np.add.reduceat(filled, range(0, filled.size, 8)) > 0
    by_summary = hybrid.operations().nodes > 0  # else it reads the bitmap as if there were none
    summary = Row("summary bits", blocks, np.full(blocks.size, by_summary))
    read = np.repeat(blocks, 8)[: filled.size] if by_summary else np.ones(filled.size, bool)
    return [summary, Row("words", filled, read)]


def _entry_rows(structure: Structure) -> list[Row]:
    reads_an_entry = 2 if isinstance(structure, Ring) else 1
    label = "first entries" if isinstance(structure, PageList | Ring) else "first units of storage"
    entries = np.arange(_ENTRIES) < structure.operations().words // reads_an_entry
    return [Row(label, entries, entries.copy())]


def _legend() -> list[Patch]:
    return [
        Patch(facecolor="#555555", label="holds something"),
        Patch(facecolor="#D9D9D9", edgecolor="#555555", label="looked at, empty"),
        Patch(facecolor="white", edgecolor=FAINT, label="never looked at"),
    ]
