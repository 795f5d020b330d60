"""Drawings of small structures: every bit and node."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from dirtylab import _check
from dirtylab.figures._rc import under_own_rc
from dirtylab.figures.style import FAINT, INK, LOOKS, Picture, finished, new_figure
from dirtylab.structures.posted_list import PostedList
from dirtylab.structures.posted_tree import RADIX, PostedTree

TOY_PAGES, TOY_FRAMES = 24, (10, 1, 11, 10)
MOST_PAGES = 40
"""More would not be legible."""

_CELL = 0.9
_ROOT_Y, _BOTTOM_Y, _LIST_Y = 4.2, 2.2, 0.0


def draw_posted_tree(ax: Axes, tree: PostedTree) -> list[Artist]:
    """Draw a tree of two levels: the root's byte, and below it the bitmap's."""
    bits = np.unpackbits(tree.state.packed, bitorder="little")
    color = LOOKS["posted-tree"].color
    root_x = (tree.pages - RADIX) / 2
    artists: list[Artist] = []
    for slot in range(RADIX):
        artists += _cell(ax, root_x + slot, _ROOT_Y, bool(bits[slot]), color, "")
    for frame in range(tree.pages):
        dirty = bool(bits[RADIX + frame])
        artists += _cell(ax, frame, _BOTTOM_Y, dirty, LOOKS["posted-bitmap"].color, str(frame))
    for node in range(tree.pages // RADIX):
        ends = [root_x + node + _CELL / 2, RADIX * (node + 0.5)]
        dirty = bool(bits[node])
        style: dict[str, Any] = {
            "color": color if dirty else "#BBBBBB",
            "linewidth": 2 if dirty else 0.8,
        }
        artists += ax.plot(ends, [_ROOT_Y, _BOTTOM_Y + _CELL], **style)
        artists.append(_byte_frame(ax, RADIX * node))
        artists.append(
            ax.text(
                RADIX * (node + 0.5) - 0.05,
                _BOTTOM_Y - 0.18,
                f"node {node + 1}",
                ha="center",
                va="top",
                fontsize=9,
                color=FAINT,
            )
        )
    artists.append(_label(ax, _ROOT_Y, "tree: root, node 0"))
    artists.append(_label(ax, _BOTTOM_Y, "tree: bottom level\n= the bitmap"))
    return artists


def draw_posted_list(ax: Axes, entries: Sequence[int]) -> list[Artist]:
    """Draw a list's entries in order of arrival."""
    artists: list[Artist] = [_label(ax, _LIST_Y, "list, as it came")]
    for place, frame in enumerate(entries):
        artists += _cell(ax, place, _LIST_Y, True, LOOKS["posted-list"].color, str(frame))
    return artists


@under_own_rc
def toy_picture(pages: int = TOY_PAGES, frames: Sequence[int] = TOY_FRAMES) -> Picture:
    """Draw the three posted structures after the same few inserts.

    Parameters
    ----------
    pages : int, optional
        A multiple of 8, 16 … 40.
    frames : sequence of int, optional
        Frames in order of arrival.

    Raises
    ------
    ValueError, IndexError
        `pages` is out of that range, or a frame is outside the slot.
    """
    _check.integer("pages", pages, 2 * RADIX, MOST_PAGES)
    tree, entries = PostedTree(pages), PostedList(pages, capacity=len(frames))
    tree.insert(frames)
    entries.insert(frames)
    figure = new_figure(9, 3.6)
    ax = figure.add_subplot()
    draw_posted_tree(ax, tree)
    draw_posted_list(ax, [int(frame) for frame in entries.collect()])
    ax.set_xlim(-5.4, pages + 0.2)
    ax.set_ylim(-0.3, _ROOT_Y + 1.3)
    ax.set_axis_off()
    told = ", ".join(map(str, frames))
    ax.set_title(
        f"Frames {told} marked dirty, of {pages} pages",
        loc="left",
        fontsize=11,
        color=INK,
        fontweight="bold",
    )
    nodes = [node + 1 for node in range(pages // RADIX) if tree.bitmap_view()[node]]
    alt = (
        f"Frames {told} marked dirty in a slot of {pages} pages. The tree's root has the bits for "
        f"nodes {' and '.join(map(str, nodes))} set; below it the bottom level, the bitmap, has "
        f"the bits of frames {', '.join(str(f) for f in tree.collect())} set; the list holds "
        f"{told} in order of arrival."
    )
    return finished(figure, alt)


def _cell(ax: Axes, x: float, y: float, dirty: bool, color: str, text: str) -> list[Artist]:
    face, ink = (color, "white") if dirty else ("white", FAINT)
    box = Rectangle((x, y), _CELL, _CELL, facecolor=face, edgecolor=color, linewidth=1)
    half = _CELL / 2
    shown = text or ("1" if dirty else "0")
    label = ax.text(x + half, y + half, shown, ha="center", va="center", fontsize=9, color=ink)
    return [ax.add_patch(box), label]


def _byte_frame(ax: Axes, x: float) -> Artist:
    return ax.add_patch(
        Rectangle(
            (x - 0.07, _BOTTOM_Y - 0.1),
            RADIX - 0.03,
            _CELL + 0.2,
            fill=False,
            edgecolor=FAINT,
            linewidth=1,
        )
    )


def _label(ax: Axes, y: float, text: str) -> Artist:
    return ax.text(-0.5, y + _CELL / 2, text, ha="right", va="center", fontsize=10, color=INK)
