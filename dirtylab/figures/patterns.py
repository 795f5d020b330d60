"""Figures of patterns: dirty pages, run lengths, and reads of a collect."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullLocator

from dirtylab._check import Frames
from dirtylab._format import count_text
from dirtylab.datasets import DATASETS, drawn
from dirtylab.datasets.describe import describe
from dirtylab.figures._rc import under_own_rc
from dirtylab.figures.style import (
    FAINT,
    INK,
    Picture,
    finished,
    label_ticks,
    look_of,
    new_figure,
    style_axes,
)
from dirtylab.structures import STRUCTURES, PageList, Tree, is_posted

MAP_PAGES, MAP_SIDE, MAP_DIRTY = 2**18, 128, 8_000
MATRIX_PAGES = 2**20
MATRIX_DIRTY = (10, 100, 1_000, 10_000, 100_000, 500_000)


def draw_page_map(ax: Axes, frames: Frames, pages: int) -> list[Artist]:
    """Draw the slot as a square, read like a text; a dot is darker the more of it is dirty."""
    dirty = np.zeros(pages, np.float32)
    dirty[frames] = 1
    share = dirty.reshape(MAP_SIDE, MAP_SIDE, -1).mean(axis=2)
    image = ax.imshow(np.sqrt(share), cmap="Greys", vmin=0, vmax=1, interpolation="nearest")
    ax.set_xticks([])
    ax.set_yticks([])
    return [image]


def draw_run_lengths(ax: Axes, frames: Frames, pages: int) -> list[Artist]:
    """Draw how many dirty pages lie in runs of 1, 2–3, 4–7, … pages."""
    histogram = np.array(describe(frames, pages).run_histogram)
    bars = ax.bar(range(histogram.size), histogram, color="#555555", width=0.8)
    ax.set_yscale("log")
    ax.set_ylim(0.7, 3e4)
    ax.set_xlim(-0.6, 14.6)
    ax.set_xticks([0, 5, 10])
    ax.xaxis.set_major_formatter(FuncFormatter(lambda power, _: f"{2 ** int(power):,}"))
    ax.yaxis.set_minor_locator(NullLocator())
    style_axes(ax, title="", xlabel="", ylabel="")
    return list(bars)


@under_own_rc
def patterns_picture(
    patterns: Mapping[str, Mapping[str, Any]] | None = None, dirty: int = MAP_DIRTY
) -> Picture:
    """Draw page map and run lengths of each pattern.

    Parameters
    ----------
    patterns : mapping of str to mapping, optional
        Name in ``dirtylab.DATASETS`` to options; when omitted, all that need no file.
    dirty : int, optional
        Frames drawn of each.
    """
    chosen = drawn() if patterns is None else patterns
    figure = new_figure(1.6 * len(chosen) + 0.4, 4.3)
    axes = figure.subplots(2, len(chosen), height_ratios=[1.25, 1], squeeze=False)
    told = []
    for (name, options), (top, bottom) in zip(chosen.items(), axes.T, strict=True):
        frames = DATASETS[name](MAP_PAGES, dirty, **options)
        draw_page_map(top, frames, MAP_PAGES)
        top.set_title(name, fontsize=11, fontweight="bold", color=INK)
        draw_run_lengths(bottom, frames, MAP_PAGES)
        bottom.tick_params(labelleft=bottom is axes[1, 0])
        facts = describe(frames, MAP_PAGES)
        told.append(f"{name} touches {facts.distinct:,} pages in {facts.runs:,} runs")
    axes[1, 0].set_ylabel("runs", fontsize=10, color=INK)
    axes[0, 0].set_ylabel("page map", fontsize=10, color=INK)
    figure.supxlabel("pages in a run, at least", fontsize=10, color=INK)
    figure.suptitle(
        f"{dirty:,} writes to {MAP_PAGES:,} pages", x=0.01, ha="left", fontsize=12,
        fontweight="bold", color=INK,
    )  # fmt: skip
    alt = (
        f"For each pattern a square map of {MAP_PAGES:,} pages, darker where more are dirty, and "
        f"below it a histogram of run lengths: {'; '.join(told)}."
    )
    return finished(figure, alt)


def reads_of(structure: str, pattern: str, dirty: Sequence[int], pages: int) -> list[int]:
    """Return the reads that a collect counts, for each number of dirty frames."""
    counted = []
    for writes in dirty:
        made = STRUCTURES[structure](pages)
        made.insert(DATASETS[pattern](pages, writes, **drawn().get(pattern, {})))
        counted.append(made.operations().words)
    return counted


def draw_reads(
    ax: Axes, structure: str, pattern: str, dirty: Sequence[int] = MATRIX_DIRTY
) -> list[Artist]:
    """Draw reads against writes for one structure and pattern, the bitmap's as a grey line."""
    look = look_of(structure)
    flat = ax.axhline(MATRIX_PAGES / 64, color=FAINT, linestyle=":", linewidth=1)
    reads = reads_of(structure, pattern, dirty, MATRIX_PAGES)
    line = ax.plot(dirty, reads, color=look.color, marker=look.marker, markersize=4, linewidth=1.3)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlim(5, 1e6)
    ax.set_ylim(1, 3e6)
    ax.set_xticks([10, 1e5])
    ax.set_yticks([1, 1e3, 1e6])
    for axis in (ax.xaxis, ax.yaxis):
        label_ticks(axis, count_text)
        axis.set_minor_locator(NullLocator())
    style_axes(ax, title="", xlabel="", ylabel="")
    return [flat, *line]


def matrix_structures() -> list[str]:
    """Return the structures of the matrix: tuned ones without the list, which reads every entry."""

    def kind(name: str) -> tuple[bool, bool]:
        return not STRUCTURES[name].sorted_output, issubclass(STRUCTURES[name], Tree)

    names = [name for name in STRUCTURES if not is_posted(name)]
    return sorted((one for one in names if STRUCTURES[one] is not PageList), key=kind)


def matrix_picture(patterns: Sequence[str] | None = None) -> Picture:
    """Draw a matrix: structures across, patterns down (all that need no file)."""
    patterns = tuple(drawn()) if patterns is None else patterns
    structures = matrix_structures()
    figure = new_figure(max(9, 1.8 * len(structures)), 1.25 * len(patterns) + 1.0)
    axes = figure.subplots(len(patterns), len(structures), sharex=True, sharey=True, squeeze=False)
    for line, pattern in zip(axes, patterns, strict=True):
        for ax, structure in zip(line, structures, strict=True):
            draw_reads(ax, structure, pattern)
        line[0].set_ylabel(pattern, fontsize=10, fontweight="bold", color=INK)
    for ax, structure in zip(axes[0], structures, strict=True):
        ax.set_title(look_of(structure).label, fontsize=10, fontweight="bold", color=INK)
    for ax in axes[:-1].flat:
        ax.tick_params(labelbottom=False)
    figure.supxlabel(f"writes, to {MATRIX_PAGES:,} pages", fontsize=10, color=INK)
    figure.supylabel("reads of a collect (counted)", fontsize=10, color=INK)
    alt = (
        f"Matrix of log-log plots, reads of a collect against writes to {MATRIX_PAGES:,} pages; "
        f"structures across: {', '.join(look_of(name).label for name in structures)}; "
        f"patterns down: {', '.join(patterns)}. The bitmap's {MATRIX_PAGES // 64:,} reads never "
        "change and stand in every panel as a dotted line; the others grow with the writes, "
        "slowest where the pattern is sequential."
    )
    return finished(figure, alt)
