"""The picture of the memory view: bytes against guest memory, and against dirty frames."""

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator

from dirtylab._check import Array
from dirtylab._format import count_text, nbytes_text, share_text
from dirtylab._units import PAGE_BYTES
from dirtylab.explore.kit.axes import label_text, no_minor_ticks, title_text
from dirtylab.explore.kit.end_labels import End, EndLabels
from dirtylab.explore.kit.slider_steps import (
    LEAST_PAGES,
    MOST_PAGES,
    frames_label,
    pages_label,
)
from dirtylab.explore.views.looks import look
from dirtylab.figures.style import FAINT, INK, LOOKS, label_ticks, style_axes
from dirtylab.structures import STRUCTURES, PageList, Tree8, Tree64, tuned
from dirtylab.theory.memory import known_bytes, structure_bytes

SIZE = (7.4, 4.6)
LEFT, RIGHT = (0.07, 0.135, 0.305, 0.775), (0.575, 0.135, 0.265, 0.775)
ENTRIES = (4, 8, 16)
"""Bytes of a list's entry: a frame number of 32 or 64 bits, KVM's dirty ring."""
RELATIVE, BYTES = UNITS = ("times the bitmap", "bytes")
"""Units of the left panel."""
_ENTRY_STYLES: dict[int, Any] = {4: (0, (1, 1)), 8: "-", 16: (0, (5, 2))}
_STYLES: dict[str, Any] = {"hybrid": (0, (4, 2))}
_LIST_COLOR = LOOKS["list"].color
_POINTS = 240
MOST_LINES = 16


class MemoryContent(NamedTuple):
    """What is drawn and said: a state, and the bytes at its size."""

    pages: int
    dirty: int
    radix: int
    entry: int
    show: str
    nbytes: Mapping[str, int]
    """Bytes of each of :func:`lines` that a law of memory is known of."""
    meets_bitmap: float
    """Dirty frames at which the list takes as much as the bitmap."""
    meets_tree: float


def lines() -> tuple[str, ...]:
    """Return the structures that have a line of their own.

    Those that do the same job, trees as the one of the slider and lists by the bytes of an entry;
    and the posted tree, for its sawtooth.
    """
    kinds = {name: STRUCTURES[name] for name in tuned()}
    names = ("tree" if kind in (Tree8, Tree64) else name for name, kind in kinds.items()
             if kind is not PageList)  # fmt: skip
    return (*dict.fromkeys(names), "posted-tree")


def measured_only() -> list[str]:
    """Return those of :func:`lines` without a law of memory."""
    return [name for name in lines() if known_bytes(name, LEAST_PAGES) is None]


@functools.lru_cache(64)
def sizes(radix: int) -> npt.NDArray[np.int64]:
    """Return sizes of a slot, with the powers of 8 and of `radix` and their successors.

    There the memory of a tree jumps.
    """
    even = np.round(np.geomspace(LEAST_PAGES, MOST_PAGES, _POINTS)).astype(np.int64)
    jumps = [base**power for base in {8, radix} for power in range(1, 35)]
    beside = [size for jump in jumps for size in (jump, jump + 1)]
    some = [size for size in beside if LEAST_PAGES <= size <= MOST_PAGES]
    return np.unique(np.concatenate([even, np.array(some, np.int64)]))


@functools.lru_cache(256)
def bytes_by_pages(structure: str, radix: int) -> Array:
    """Return bytes of a structure over :func:`sizes` of that radix."""
    options = {"radix": radix} if structure == "tree" else {}
    return np.array(
        [structure_bytes(structure, int(size), **options) for size in sizes(radix)], float
    )


class MemoryArtists:
    """The artists of both panels, made once and moved."""

    def __init__(self, left: Axes, right: Axes) -> None:
        self._left, self._right = left, right
        _prepare_axes(left, right)
        self._titles = [title_text(ax, 1.03, va="bottom") for ax in (left, right)]
        self._labels = [label_text(ax, 0.5, -0.085, ha="center") for ax in (left, right)]
        self._names = [name for name in lines() if name not in measured_only()]
        self._by_pages = {name: _line(left, name) for name in self._names}
        self._by_dirty = {name: _line(right, name) for name in self._names}
        self._lists = {
            entry: right.plot([], [], color=_LIST_COLOR, linestyle=_ENTRY_STYLES[entry],
                              zorder=4)[0]
            for entry in ENTRIES
        }  # fmt: skip
        self._other_list = right.plot([], [], color=_LIST_COLOR, linewidth=2.4, zorder=4)[0]
        self._rules = [ax.axvline(1, color=FAINT, linestyle=":", linewidth=1.2)
                       for ax in (left, right)]  # fmt: skip
        self._dots = left.plot([], [], "o", color=INK, markersize=6, zorder=6)[0]
        self._star = right.plot([], [], marker="*", linestyle="", color=_LIST_COLOR,
                                markersize=14, markeredgecolor="white", zorder=6)[0]  # fmt: skip
        self._break_even = right.text(
            0.98, 0.03, "", transform=right.transAxes, fontsize=9, color=INK,
            va="bottom", ha="right", zorder=7,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        )  # fmt: skip
        self._ends = EndLabels(left, MOST_LINES), EndLabels(right, MOST_LINES)
        self._leader = right.plot([], [], color=_LIST_COLOR, linewidth=0.8, zorder=5)[0]
        self.moving = [
            *self._titles, *self._labels, *self._by_pages.values(), *self._by_dirty.values(),
            *self._lists.values(), self._other_list, *self._rules, self._dots, self._star,
            self._break_even, self._leader, *self._ends[0].texts, *self._ends[1].texts,
        ]  # fmt: skip

    def set(self, content: MemoryContent) -> tuple[Any, ...]:
        """Move all artists; return what the resting parts depend on."""
        limits = self._set_limits(content)
        self._set_left(content)
        self._set_right(content)
        self._label_ends(content)
        return limits

    def _set_limits(self, content: MemoryContent) -> tuple[Any, ...]:
        decades = float(10.0 ** np.ceil(np.log10(content.pages)))
        top = float(10.0 ** np.ceil(np.log10(16 * decades)))
        self._right.set_xlim(1, decades)
        self._right.set_ylim(1, top)
        powers = range(0, int(np.log2(top)), 10 if top > 2**30 else 5)
        self._right.set_yticks([2.0**power for power in powers])
        label_ticks(self._right.yaxis, nbytes_text)
        if content.show == RELATIVE:
            self._left.set_yscale("linear")
            self._left.set_ylim(0.9, 2.3)
            label_ticks(self._left.yaxis, lambda value: f"{value:g} ×")
        else:
            self._left.set_yscale("log")
            self._left.set_ylim(64, 2**33)
            self._left.set_yticks([2.0**power for power in range(10, 34, 5)])
            label_ticks(self._left.yaxis, nbytes_text)
        for ax in (self._left, self._right):
            no_minor_ticks(ax)
        return decades, content.show

    def _set_left(self, content: MemoryContent) -> None:
        relative = content.show == RELATIVE
        pages = sizes(content.radix)
        unit = pages / 8 if relative else 1.0
        for name, line in self._by_pages.items():
            nbytes = bytes_by_pages(name, content.radix)
            line.set_data(pages * float(PAGE_BYTES), nbytes / unit)
        here = np.array([*content.nbytes.values()], float)
        x = content.pages * PAGE_BYTES
        self._dots.set_data([x] * here.size, here / (content.pages / 8 if relative else 1.0))
        self._rules[0].set_xdata([x, x])
        self._titles[0].set_text("Memory relative to a bitmap" if relative else "Bytes")
        self._labels[0].set_text("guest memory")

    def _set_right(self, content: MemoryContent) -> None:
        ends = np.array([1.0, float(content.pages)])
        for name, line in self._by_dirty.items():
            line.set_data(ends, [content.nbytes[name]] * 2)
        for entry, line in self._lists.items():
            line.set_data(ends, entry * ends)
            line.set_linewidth(2.4 if entry == content.entry else 1)
        self._other_list.set_data(ends, content.entry * ends)
        self._other_list.set_visible(content.entry not in ENTRIES)
        self._rules[1].set_xdata([content.dirty, content.dirty])
        self._set_break_even(content)
        self._titles[1].set_text("Bytes")
        self._labels[1].set_text(f"dirty frames, of {pages_label(content.pages)}")

    def _set_break_even(self, content: MemoryContent) -> None:
        x, y = content.meets_bitmap, content.nbytes["bitmap"]
        self._star.set_data([x], [y])
        corner = (0.75, 0.3)  # of the axes, above the words
        start = self._right.transData.inverted().transform(self._right.transAxes.transform(corner))
        self._leader.set_data([start[0], x], [start[1], y])
        self._break_even.set_text(
            f"{content.entry}-byte list\n= bitmap at\n{frames_label(round(x))}\n"
            f"({share_text(x / content.pages)})"
        )

    def _label_ends(self, content: MemoryContent) -> None:
        """Name the lines; lists by the bytes of an entry."""
        pages = float(sizes(content.radix)[-1])
        unit = pages / 8 if content.show == RELATIVE else 1.0
        by_pages, by_dirty = [], []
        for name in self._names:
            one = look(name, content.radix)
            high = float(bytes_by_pages(name, content.radix)[-1]) / unit
            by_pages.append(End(pages * PAGE_BYTES, high, one.label, one.color))
            end = float(content.pages)
            by_dirty.append(End(end, float(content.nbytes[name]), one.label, one.color))
        for entry in sorted({*ENTRIES, content.entry}):
            label = f"list, {entry} bytes"
            by_dirty.append(End(end, entry * end, label, _LIST_COLOR))
        self._ends[0].set(by_pages)
        self._ends[1].set(by_dirty)


def _prepare_axes(left: Axes, right: Axes) -> None:
    for ax in (left, right):
        ax.set_xscale("log")
        style_axes(ax, title="", xlabel="", ylabel="")
        no_minor_ticks(ax)
    right.set_yscale("log")
    label_ticks(right.xaxis, count_text)
    right.xaxis.set_major_locator(LogLocator(base=1e4, numticks=5))
    left.set_xticks([2.0**power for power in range(24, 45, 10)])
    label_ticks(left.xaxis, nbytes_text)
    left.set_xlim(LEAST_PAGES * PAGE_BYTES, MOST_PAGES * PAGE_BYTES)


def _line(ax: Axes, name: str) -> Any:
    one = look(name, 8)
    return ax.plot([], [], color=one.color, linestyle=_STYLES.get(name, one.dashes),
                   linewidth=2, zorder=3)[0]  # fmt: skip
