"""The pictures of the 2016 study."""

import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from dirtylab._format import count_text, nbytes_text, ns_text, three_digits, whole_text
from dirtylab.figures._rc import under_own_rc
from dirtylab.figures.style import (
    FAINT,
    INK,
    LOOKS,
    Picture,
    finished,
    label_ticks,
    log_log,
    new_figure,
    save_picture,
    small_print,
    style_axes,
    time_label,
)
from dirtylab.studies.mailing_list.experiments import sawtooth_sizes
from dirtylab.studies.mailing_list.rows import SHORT, STRUCTURES, Row
from dirtylab.studies.mailing_list.runs import AS_POSTED, CAREFUL, POSTED
from dirtylab.studies.mailing_list.samples_index import SamplesIndex
from dirtylab.studies.mailing_list.study import Study
from dirtylab.theory.memory import posted_tree_bits, trimmed_tree_bits

PAGE = 4096
RATIO_LOOKS = {
    ("posted-bitmap", "posted-list"): ("#555555", "P"),
    ("posted-tree", "posted-list"): ("#AA4499", "D"),
    ("posted-bitmap", "posted-tree"): ("#882255", "v"),
}
CAREFUL_NOTE = (
    "Hollow: posted in 2016. Plus: this machine, as posted, one cold run. Solid: this machine, "
    "carefully: new frames for each sample, interleaved, destination touched; median, bar from "
    "the 10th to the 90th percentile."
)


def draw_times(ax: Axes, index: SamplesIndex, order: str) -> list[Artist]:
    """Draw time against dirty frames for the rows of one order; return the artists."""
    rows = [row for row in index.rows if row.order == order]
    dirty = [row.dirty for row in rows]
    artists: list[Artist] = []
    for name in STRUCTURES:
        look = LOOKS[name]
        posted = [index.median(POSTED, row, name) for row in rows]
        cold = [index.median(AS_POSTED, row, name) for row in rows]
        careful = [index.estimate(CAREFUL, row, name) for row in rows]
        median = np.array([one.median for one in careful])
        bars = [median - [one.low for one in careful], [one.high for one in careful] - median]
        hollow: dict[str, Any] = {
            "marker": look.marker,
            "color": look.color,
            "markerfacecolor": "white",
        }
        artists += ax.plot(dirty, posted, linestyle=":", linewidth=1, markersize=7, **hollow)
        artists += ax.plot(dirty, cold, linestyle="", marker="+", color=look.color, markersize=8)
        drawn = ax.errorbar(
            dirty,
            median,
            bars,
            color=look.color,
            marker=look.marker,
            capsize=3,
            linewidth=1.6,
            linestyle=look.dashes,
        )
        artists += drawn.get_children()
    log_log(ax)
    label_ticks(ax.yaxis, time_label)
    style_axes(
        ax,
        title=f"Time to compact dirty frames into a list, {order}",
        xlabel=f"dirty frames, of {rows[0].pages:,} pages",
        ylabel="time",
    )
    ax.legend(handles=_time_legend(), fontsize=9, frameon=False, ncols=2, loc="lower right")
    return artists


def draw_ratios(ax: Axes, index: SamplesIndex, order: str) -> list[Artist]:
    """Draw the ratios of two structures' times; above 1 the first is slower."""
    rows = [row for row in index.rows if row.order == order]
    dirty = [row.dirty for row in rows]
    artists: list[Artist] = [ax.axhline(1, color=INK, linewidth=1)]
    for (above, below), (color, marker) in RATIO_LOOKS.items():
        posted = [index.ratio(POSTED, row, above, below) for row in rows]
        finer = index.crossing_rows(CAREFUL) if order == "random" else rows
        here = [index.ratio(CAREFUL, row, above, below) for row in finer]
        both: dict[str, Any] = {"color": color, "marker": marker, "markersize": 6}
        artists += ax.plot(dirty, posted, linestyle=":", linewidth=1, markerfacecolor="w", **both)
        label = f"{SHORT[above]} / {SHORT[below]}"
        x = [row.dirty for row in finer]
        shown = [place for place, row in enumerate(finer) if row in rows]
        artists += ax.plot(x, here, linewidth=1.6, label=label, markevery=shown, **both)
    log_log(ax)
    ax.yaxis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{value:,g}" if value < 1e5 else f"{value:,.0f}")
    )
    style_axes(ax, title=order, xlabel="dirty frames", ylabel="")
    return artists


def mark_crossover(ax: Axes, index: SamplesIndex) -> list[Artist]:
    """Mark the crossover of tree and bitmap, with a label."""
    here = index.crossover(CAREFUL)
    if here is None:
        return []
    low, high = index.posted_bracket()
    interval = index.crossover_interval(CAREFUL)
    artists: list[Artist] = []
    if interval is not None:
        artists.append(ax.axvspan(*interval, color="#882255", alpha=0.25, linewidth=0))
    artists.append(ax.plot([here], [1], marker="*", color="#882255", markersize=14)[0])
    between = f"\n(95 %: {'–'.join(map(whole_text, interval))})" if interval else ""
    text = (
        f"tree and bitmap meet at\n{whole_text(here)} dirty frames{between}\n"
        f"(in 2016 between {count_text(low)} and {count_text(high)})"
    )
    artists.append(
        ax.annotate(
            text,
            (here, 1),
            (0.03, 0.04),
            textcoords="axes fraction",
            fontsize=9,
            color="#882255",
            arrowprops={"arrowstyle": "-", "color": "#882255", "linewidth": 0.8},
        )
    )
    return artists


def draw_memory(ax: Axes, pages: int) -> list[Artist]:
    """Draw the tree's memory over the bitmap's against the size of the slot."""
    sizes = sawtooth_sizes()
    guest = sizes * float(PAGE)
    look = LOOKS["posted-tree"]
    posted = posted_tree_bits(sizes) / sizes
    trimmed = trimmed_tree_bits(sizes) / sizes
    artists: list[Artist] = []
    artists += ax.plot(guest, posted, color=look.color, linewidth=1.6, linestyle=look.dashes,
                       label="tree as posted")  # fmt: skip
    artists += ax.plot(
        guest, trimmed, color=LOOKS["tree8"].color, linewidth=1.4, label="tree trimmed to its size"
    )
    here = float(posted_tree_bits(pages) / pages)
    artists += ax.plot(
        [pages * PAGE],
        [here],
        marker=look.marker,
        color=look.color,
        markersize=9,
        linestyle="",
        label=f"at {pages:,} pages: {here:.2f}",
    )
    ax.set_xscale("log", base=2)
    ax.set_xticks([2.0**power for power in range(24, 47, 3)])
    label_ticks(ax.xaxis, nbytes_text)
    ax.set_ylim(1, 2.3)
    style_axes(
        ax,
        title="Memory of the tree, in bitmaps",
        xlabel="guest memory (4 KiB pages)",
        ylabel="tree / bitmap",
    )
    ax.legend(fontsize=9, frameon=False, loc="upper right", ncols=3)
    return artists


def draw_cold_runs(ax: Axes, study: Study) -> list[Artist]:
    """Draw single cold runs and careful samples, each in units of the careful median."""
    import seaborn as sns

    numbers = study.samples_index.experiments["single-cold-runs"].numbers
    row = Row("random", 10_000_000, numbers["dirty"], {})
    for kind, offset in (("cold", -0.18), ("careful", 0.18)):
        for place, name in enumerate(STRUCTURES):
            careful = study.samples_index.samples(CAREFUL, row, name)
            ns = numbers["ns"][name] if kind == "cold" else careful
            relative = np.asarray(ns) / np.median(careful)
            color = LOOKS[name].color
            jitter = np.linspace(-0.1, 0.1, relative.size)
            ax.plot(
                relative,
                place + offset + jitter,
                linestyle="",
                marker="+" if kind == "cold" else LOOKS[name].marker,
                color=color,
                markersize=6 if kind == "cold" else 4,
            )
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    label_ticks(ax.xaxis, lambda value: f"{value:g}×")
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_yticks(range(len(STRUCTURES)), [LOOKS[name].label for name in STRUCTURES])
    ax.invert_yaxis()
    style_axes(
        ax,
        title=f"One cold run (plus) against careful samples (solid), random {row.dirty:,}",
        xlabel="time over the careful median",
        ylabel="",
    )
    sns.despine(ax=ax, left=True)
    return list(ax.lines)


@under_own_rc
def times_picture(study: Study, order: str) -> Picture:
    """Figure 1 (random) and 2 (sequential): time against dirty frames."""
    figure = new_figure(8, 5.4)
    draw_times(figure.add_subplot(), study.samples_index, order)
    small_print(figure, study.machine, CAREFUL_NOTE)
    rows = [row for row in study.samples_index.rows if row.order == order]
    parts = []
    for name in STRUCTURES:
        first, last = (
            study.samples_index.median(CAREFUL, row, name) for row in (rows[0], rows[-1])
        )
        parts.append(f"the {SHORT[name]} from {ns_text(first)} to {ns_text(last)}")
    alt = (
        f"Log-log plot of time against dirty frames, {order}, posted and measured. From "
        f"{rows[0].dirty:,} to {rows[-1].dirty:,} dirty frames, here, carefully: "
        f"{'; '.join(parts)}."
    )
    return finished(figure, alt)


@under_own_rc
def ratios_picture(study: Study) -> Picture:
    """Figure 3: ratios of times, a line at 1, the crossover marked."""
    figure = new_figure(8, 5)
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[2, 1])
    draw_ratios(left, study.samples_index, "random")
    draw_ratios(right, study.samples_index, "sequential")
    mark_crossover(left, study.samples_index)
    left.set_ylim(bottom=0.03)  # room for the words, below what is drawn
    left.set_ylabel("ratio of times (above 1: the first is slower)", fontsize=10)
    left.legend(fontsize=9, frameon=False, loc="upper right")
    right.tick_params(labelleft=False)
    small_print(
        figure,
        study.machine,
        "Hollow: posted in 2016. Solid: this machine, carefully; "
        "shaded: 95 % interval of the crossover.",
    )
    largest = study.samples_index.random_rows()[-1]
    ratio = study.samples_index.ratio(CAREFUL, largest, "posted-bitmap", "posted-tree")
    smallest = study.samples_index.random_rows()[0]
    start = study.samples_index.ratio(CAREFUL, smallest, "posted-bitmap", "posted-tree")
    meet = study.samples_index.crossover(CAREFUL)
    crossing = "do not meet" if meet is None else f"meet at {whole_text(meet)} dirty frames"
    alt = (
        f"Ratios of collect times. Random: bitmap over tree falls from {three_digits(start)} at "
        f"{smallest.dirty:,} dirty frames to {three_digits(ratio)} at {largest.dirty:,}; "
        f"they {crossing}. Sequential: it stays far above 1."
    )
    return finished(figure, alt)


@under_own_rc
def memory_picture(study: Study) -> Picture:
    """Draw the sawtooth of memory."""
    figure = new_figure(8, 4)
    draw_memory(figure.add_subplot(), 10_000_000)
    small_print(
        figure,
        study.machine,
        "Computed; the tests hold it against what the structure allocates. Dashed: not posted.",
    )
    numbers = study.samples_index.experiments["sawtooth"].numbers
    alt = (
        f"Memory of the posted tree over the bitmap's against guest memory: a sawtooth between "
        f"{numbers['lowest']:.2f} and {numbers['highest']:.2f}, highest just above each power of "
        "8 pages. A tree trimmed to its size stays at 1.14."
    )
    return finished(figure, alt)


@under_own_rc
def cold_runs_picture(study: Study) -> Picture:
    """Draw single cold runs beside careful samples."""
    figure = new_figure(8, 3.6)
    draw_cold_runs(figure.add_subplot(), study)
    small_print(
        figure,
        study.machine,
        "Heights within a row mean nothing. The cold list is the first to touch its destination.",
    )
    found = study.samples_index.experiments["single-cold-runs"]
    return finished(figure, f"Strip plot of single cold runs and careful samples. {found.finding}")


PICTURES: dict[str, Callable[[Study], Picture]] = {
    "times-random": lambda study: times_picture(study, "random"),
    "times-sequential": lambda study: times_picture(study, "sequential"),
    "ratios": ratios_picture,
    "memory": memory_picture,
    "cold-runs": cold_runs_picture,
}


def save_all(study: Study, folder: pathlib.Path) -> list[str]:
    """Write every picture of the study to `folder`; return the names of the files."""
    return [
        file
        for name, picture in PICTURES.items()
        for file in save_picture(picture(study), folder, name)
    ]


def _time_legend() -> list[Any]:
    looks = [LOOKS[name] for name in STRUCTURES]
    solid = [Line2D([], [], color=k.color, marker=k.marker, label=k.label) for k in looks]
    kinds = [
        Line2D([], [], color=FAINT, marker="o", markerfacecolor="w", linestyle=":", label="2016"),
        Line2D([], [], color=FAINT, marker="+", linestyle="", label="here, as posted"),
        Line2D([], [], color=FAINT, marker="o", label="here, carefully"),
    ]
    return solid + kinds
