"""Figures of real dirty pages: maps of traces over time, replays, KVM's log and ring."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter, NullLocator

from dirtylab._format import count_text, nbytes_text
from dirtylab.datasets.tracefile import Trace
from dirtylab.datasets.traces import recording, recordings
from dirtylab.figures._rc import under_own_rc
from dirtylab.figures.style import (
    FAINT,
    INK,
    Picture,
    finished,
    label_ticks,
    log_log,
    look_of,
    new_figure,
    small_print,
    style_axes,
    time_label,
)
from dirtylab.structures import STRUCTURES, Hybrid, PageList, Tree8, is_posted, tuned
from dirtylab.studies.live.judge import LogRingCrossover, log_ring_crossovers, nesting
from dirtylab.studies.live.looks import KERNEL
from dirtylab.studies.live.replay import epochs, replay_cache, same_job
from dirtylab.studies.live.store import Measured
from dirtylab.studies.live.trace_statistics import trace_statistics

if TYPE_CHECKING:
    import pandas as pd

HEIGHT, WIDTH = 128, 64
"""Cells of a map over time: bands of pages, and epochs."""


def ours() -> list[str]:
    """Return the structures that are drawn: one of each kind, the hybrid's line is the tree's."""
    kinds = [name for name in tuned() if STRUCTURES[name] not in (Hybrid, Tree8)]
    return sorted(kinds, key=lambda name: STRUCTURES[name] is PageList)


def map_of(trace: Trace, height: int = HEIGHT, width: int = WIDTH) -> npt.NDArray[np.float64]:
    """Return the share of dirty pages in each band of pages and each group of epochs.

    Returns
    -------
    numpy.ndarray
        Shape ``(height, at most width)``; the first row is the lowest band of pages.
    """
    columns = min(width, max(len(trace.epochs), 1))
    group = [number * columns // len(trace.epochs) for number in range(len(trace.epochs))]
    found = np.zeros((height, columns))
    for epoch, column in zip(trace.epochs, group, strict=True):
        bands = np.unique(epoch) * np.uint64(height) // np.uint64(max(trace.pages, 1))
        found[:, column] += np.bincount(bands.astype(np.int64), minlength=height)
    per_group = np.bincount(group, minlength=columns)
    share: npt.NDArray[np.float64] = found / (max(trace.pages, 1) / height * per_group)
    return share


def draw_map(ax: Axes, trace: Trace) -> list[Artist]:
    """Draw a trace: time to the right, pages upwards, darker where more of them are dirty."""
    seconds = trace.times[-1] / 1e9 if trace.times else len(trace.epochs)
    image = ax.imshow(
        np.sqrt(map_of(trace)), cmap="Greys", vmin=0, vmax=1, aspect="auto", origin="lower",
        interpolation="nearest", extent=(0, seconds, 0, trace.pages / 256),
    )  # fmt: skip
    ax.tick_params(labelsize=9, colors=INK)
    return [image]


@under_own_rc
def maps_picture(names: Sequence[str] | None = None) -> Picture:
    """Return the page map over time of each recording.

    Parameters
    ----------
    names : sequence of str, optional
        Of recordings; all when omitted.
    """
    chosen = recordings() if names is None else list(names)
    across = min(4, len(chosen))
    down = -(-len(chosen) // across)
    figure = new_figure(2.6 * across + 0.4, 2.3 * down + 0.7)
    axes = figure.subplots(down, across, squeeze=False)
    for ax in axes.flat[len(chosen) :]:
        ax.set_visible(False)
    told = []
    for name, ax in zip(chosen, axes.flat, strict=False):
        trace = recording(name)
        draw_map(ax, trace)
        ax.set_title(name, fontsize=11, fontweight="bold", color=INK)
        dirty = int(np.median([epoch.size for epoch in trace.epochs]))
        told.append(f"{name}, {dirty:,} of {trace.pages:,} pages an epoch")
    figure.supxlabel("time (s)", fontsize=10, color=INK)
    figure.supylabel("pages (MiB of the recorded memory)", fontsize=10, color=INK)
    alt = (
        "A map for each recording, time to the right and memory upwards, darker where more pages "
        f"are dirty: {'; '.join(told)}. Programs write to bands and sweeps, not to scattered pages:"
        " only the guests that follow a random pattern look grey all over."
    )
    return finished(figure, alt)


@under_own_rc
def trace_statistics_picture(names: Sequence[str] | None = None) -> Picture:
    """Return run lengths and words touched of each recording beside random pages."""
    table = trace_statistics(names)
    figure = new_figure(9, 0.42 * len(table) + 1.6)
    left, right = figure.subplots(1, 2, sharey=True)
    place = np.arange(len(table))[::-1]
    _pairs(left, place, table["run"], table["run at random"])
    _pairs(right, place, table["dirty"] / table["words"], table["dirty"] / table["words at random"])
    left.set_yticks(place, list(table.index))
    style_axes(left, title="Pages in a run, mean", xlabel="pages", ylabel="")
    style_axes(right, title="Dirty pages in a touched word", xlabel="pages of 64", ylabel="")
    left.set_ylim(-0.6, len(table) - 0.4)
    left.set_xscale("log")
    label_ticks(left.xaxis, count_text)
    left.xaxis.set_minor_formatter(NullFormatter())
    right.set_xlim(0, 64)
    right.set_xticks(range(0, 65, 16))
    handles, labels = right.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower right", ncols=2, fontsize=9, frameon=False)
    ratio = (table["run"] / table["run at random"]).sort_values()
    alt = (
        "Dumbbells for each recording's median epoch beside as many random pages, mean run length "
        f"and dirty pages in each touched 64-bit word. Runs are {ratio.iloc[0]:.1f} times "
        f"({ratio.index[0]}) to {ratio.iloc[-1]:,.0f} times ({ratio.index[-1]}) as long as at "
        "random."
    )
    return finished(figure, alt)


def _pairs(ax: Axes, place: Any, real: "pd.Series[float]", drawn: "pd.Series[float]") -> None:
    ax.hlines(place, np.minimum(real, drawn), np.maximum(real, drawn), color="#BBBBBB", linewidth=2)
    ax.plot(drawn, place, "o", color="white", markeredgecolor=FAINT, label="random pages")
    ax.plot(real, place, "o", color="#882255", label="recording")


@under_own_rc
def replays_picture(measured: Measured) -> Picture:
    """Return the time of an epoch of each structure on each recording, over the bitmap's."""
    table = epochs(measured.replays)
    ratio = table.div(table["bitmap"], axis=0)
    figure = new_figure(9, 0.5 * len(ratio) + 1.9)
    ax = figure.subplots()
    place = np.arange(len(ratio))[::-1]
    for name in ratio:
        look, solid = look_of(str(name)), not is_posted(str(name))
        ax.plot(
            ratio[name], place, linestyle="none", marker=look.marker, markersize=8,
            color=look.color if solid else "white", markeredgecolor=look.color,
            label=look.label,
        )  # fmt: skip
    ax.axvline(1, color=FAINT, linewidth=1, linestyle=":")
    ax.set_xscale("log")
    ax.set_yticks(place, list(ratio.index))
    ax.set_ylim(-0.6, len(ratio) - 0.4)
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    label_ticks(ax.xaxis, lambda value: f"{value:g}×")
    ax.xaxis.set_minor_locator(NullLocator())
    title = "An epoch of each recording: insert and harvest"
    style_axes(ax, title=title, xlabel="time over the bitmap's", ylabel="")
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=9, frameon=False)
    note = (
        "The posted list and the ring return frames in order of arrival, unsorted: less work than "
        "the others do."
    )
    small_print(figure, {**measured.machine, "cache": replay_cache(measured.replays)}, note)
    best = same_job(table).idxmin(axis=1)
    told = "; ".join(f"{trace} {look_of(str(name)).label}" for trace, name in best.items())
    alt = (
        "Dots on a log axis: for each recording the time of each structure's epoch over the "
        f"bitmap's. Best of those with sorted output: {told}."
    )
    return finished(figure, alt)


@under_own_rc
def harvests_picture(measured: Measured) -> Picture:
    """Return the harvest times of KVM's log and ring, PAGEMAP_SCAN and structures, by size."""
    table = measured.harvests
    sizes = sorted(set(table["pages"].tolist()))
    figure = new_figure(3.3 * len(sizes) + 0.6, 5.0)
    axes = figure.subplots(1, len(sizes), sharey=True, squeeze=False)[0]
    met = {crossover.pages: crossover for crossover in log_ring_crossovers(table)}
    for ax, pages in zip(axes, sizes, strict=True):
        _draw_harvests(ax, table[table["pages"] == pages])
        if pages in met:
            _mark(ax, met[pages])
        style_axes(
            ax, title=f"{_slot(pages)}: {pages:,} pages", xlabel="dirty frames, random", ylabel=""
        )
    axes[0].set_ylabel("time of a harvest", fontsize=10, color=INK)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=3, fontsize=9, frameon=False)
    small_print(figure, measured.machine, nesting(measured.machine))
    drawn = len({*ours()} & {*table["contestant"]})
    number = {3: "three"}.get(drawn, drawn)
    alt = (
        "Log-log plots, one a slot, of harvest time against random dirty frames: KVM's dirty log, "
        f"its dirty ring, PAGEMAP_SCAN, and {number} structures of user space far below them. "
        f"{'; '.join(map(str, met.values()))}. PAGEMAP_SCAN grows with the slot."
    )
    return finished(figure, alt)


def _slot(pages: int) -> str:
    return nbytes_text(4096 * pages) if pages < 2**18 else f"{pages / 2**18:.0f} GiB"


def _draw_harvests(ax: Axes, table: "pd.DataFrame") -> None:
    structures = ours()
    looks = {**KERNEL, **{name: look_of(name) for name in structures}}
    for name, look in looks.items():
        times = table[table["contestant"] == name].groupby("dirty")["ns"]
        if not times.ngroups:
            continue
        middle, low, high = (times.quantile(share) for share in (0.5, 0.1, 0.9))
        of_ours = name in structures
        ax.fill_between(middle.index, low, high, color=look.color, alpha=0.15, linewidth=0)
        ax.plot(
            middle.index, middle, color=look.color, marker=look.marker,
            markersize=4 if of_ours else 6, linewidth=1 if of_ours else 1.8,
            linestyle=look.dashes, label=look.label,
        )  # fmt: skip
    log_log(ax)
    label_ticks(ax.yaxis, time_label)
    ax.xaxis.set_minor_formatter(NullFormatter())


def _mark(ax: Axes, crossover: LogRingCrossover) -> None:
    """Mark the crossover of log and ring, with its interval."""
    if crossover.at is None:
        return
    low, high = ax.get_xlim()
    ax.axvspan(max(crossover.at.low, low), min(crossover.at.high, high), color="#BBBBBB", alpha=0.4)
    ax.axvline(crossover.at.at, color=INK, linewidth=1)
    ax.set_xlim(low, high)
    ax.annotate(
        f" {count_text(float(f'{crossover.at.at:.2g}'))}", (crossover.at.at, 0.02),
        xycoords=("data", "axes fraction"), fontsize=10, color=INK, fontweight="bold",
    )  # fmt: skip
