"""What the structures weigh: along the pages with the sawtooth, along the dirty frames."""

import numpy as np
from matplotlib.axes import Axes

from dirtylab._format import count_text, nbytes_text, share_text
from dirtylab.figures._rc import under_own_rc
from dirtylab.figures.style import (
    INK,
    Picture,
    finished,
    label_ticks,
    log_log,
    look_of,
    new_figure,
    style_axes,
)
from dirtylab.structures import STRUCTURES, Bitmap, Hybrid, PageList, Tree8, Tree64, tuned
from dirtylab.theory.memory import (
    break_even,
    known_bytes,
    posted_tree_bits,
    structure_bytes,
    trimmed_tree_bits,
)

ENTRIES = (4, 8, 16)
_DASHES = {4: "solid", 8: "dashed", 16: "dotted"}
_KINDS = {
    4: "list, 4 bytes an entry",
    8: "list as posted, 8 bytes",
    16: "entries of KVM's ring, 16 bytes",
}


@under_own_rc
def pages_picture(least: int = 8_000, most: int = 10**9) -> Picture:
    """Draw bits a page against the size of the slot: the posted tree's sawtooth and the others.

    Parameters
    ----------
    least, most : int, optional
        Ends of the pages' axis.
    """
    pages = _fine_pages(least, most)
    figure = new_figure(8.2, 5.0)
    ax = figure.subplots()
    posted, trimmed = posted_tree_bits(pages) / pages, trimmed_tree_bits(pages) / pages
    wide = np.array([8 * structure_bytes("tree64", int(one)) for one in pages]) / pages
    ones = np.ones(pages.size)
    labels = (
        ("posted-tree", posted, "tree of radix 8, posted: each level a full power of 8"),
        ("tree8", trimmed, "tree of radix 8, trimmed: 8/7"),
        ("tree64", wide, "tree of radix 64: 64/63"),
        ("bitmap", ones, "bitmap: 1"),
    )
    for name, bits, label in labels:
        look = look_of(name)
        ax.plot(pages, bits, color=look.color, linestyle=look.dashes, linewidth=1.8, label=label)
    _finish_pages(ax, most)
    alt = (
        "Bits a page along the pages: the posted tree jumps from 8/7 to nearly 15/7 just above "
        "each power of 8; the trimmed tree of radix 8 stays at 8/7, radix 64 at 64/63, the bitmap "
        "at 1."
    )
    return finished(figure, alt)


def _fine_pages(least: int, most: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return sizes in even steps, and those on either side of each jump."""
    even = np.geomspace(least, most, 600)
    powers = 8.0 ** np.arange(1, 20)
    jumps = powers[(powers > least) & (powers < most)]
    found: np.ndarray[tuple[int], np.dtype[np.int64]] = np.unique(
        np.concatenate([even, jumps, jumps + 8]).astype(np.int64) // 8 * 8
    )
    return found


def _finish_pages(ax: Axes, most: int) -> None:
    style_axes(ax, title="Memory of the summaries", xlabel="Pages of the slot (4 KiB each)",
               ylabel="Bits a page")  # fmt: skip
    ax.set_xscale("log")
    label_ticks(ax.xaxis, count_text)
    ax.set_ylim(0.9, 2.6)
    powers = [8**level for level in range(3, 11) if 8_000 < 8**level < most]
    for power in powers:
        ax.axvline(power, color="#BBBBBB", linewidth=0.8, linestyle=":", zorder=0)
        level = round(np.log(power) / np.log(8))
        ax.text(power, 2.22, f"8$^{{{level}}}$", fontsize=9, color=INK, ha="center",
                backgroundcolor="white")  # fmt: skip
    ax.legend(frameon=False, fontsize=9.5, ncols=2, loc="upper left")


@under_own_rc
def dirty_picture(pages: int = 10_000_000) -> Picture:
    """Draw bytes against dirty frames: growing lists, constant structures, break-evens.

    Parameters
    ----------
    pages : int, optional
        Size of the slot.
    """
    dirty = np.geomspace(max(1, pages // 10**5), pages, 200)
    figure = new_figure(8.6, 5.6)
    ax = figure.subplots()
    color = look_of("list").color
    points = {entry: break_even(pages, entry) for entry in ENTRIES}
    for entry, point in points.items():
        ax.plot(dirty, entry * dirty, color=color, linestyle=_DASHES[entry], linewidth=1.8,
                label=f"{_KINDS[entry]}: the bitmap's weight at {point:,.0f} "
                f"({share_text(point / pages, 3)})")  # fmt: skip
        ax.plot([point], [entry * point], "D", color=color, markersize=7, markeredgecolor="white")
    lawless = []
    for name in ("bitmap", "tree8", "posted-tree", *_others()):
        look, nbytes = look_of(name), known_bytes(name, pages)
        if nbytes is None:
            lawless.append(name)
            continue
        more = f": {nbytes / structure_bytes('bitmap', pages):.3g} bitmaps"
        label = look.label + (more if name != "bitmap" else "")
        ax.axhline(nbytes, color=look.color, linestyle=look.dashes, linewidth=1.6, label=label)
    style_axes(ax, title=f"Memory along the dirty frames, {count_text(pages)} pages",
               xlabel="Dirty frames", ylabel="Memory")  # fmt: skip
    log_log(ax)
    ax.set_yscale("log", base=2)
    label_ticks(ax.yaxis, nbytes_text)
    ax.legend(frameon=False, fontsize=9, loc="lower right")
    words = "; ".join(
        f"{entry}-byte entries: {point:,.0f} frames ({share_text(point / pages, 3)})"
        for entry, point in points.items()
    )
    alt = f"Bytes along the dirty frames, {pages:,} pages. A list equals a bitmap at {words}."
    if lawless:
        note = f"No law of the memory of {', '.join(lawless)}: measured only."
        figure.supxlabel(note, fontsize=8, color=INK)
        alt = f"{alt} {note}"
    return finished(figure, alt)


def _others() -> list[str]:
    """Return all others but lists, drawn by entry, and those on the bitmap's line."""
    drawn = PageList, Bitmap, Hybrid, Tree8, Tree64
    return [name for name in tuned() if STRUCTURES[name] not in drawn]
