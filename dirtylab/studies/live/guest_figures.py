"""Figures of what tracking costs a guest, and of checkpoints."""

from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator

from dirtylab._format import count_text, nbytes_text, share_text
from dirtylab.figures._rc import under_own_rc
from dirtylab.figures.style import (
    INK,
    Look,
    Picture,
    finished,
    label_ticks,
    log_log,
    new_figure,
    small_print,
    style_axes,
    time_label,
)
from dirtylab.studies.live.guest_costs import LOG, MANUAL, ring_name, totals
from dirtylab.studies.live.guest_report import checkpoint_lines, guest_crossovers, loops
from dirtylab.studies.live.looks import KERNEL

if TYPE_CHECKING:
    import pandas as pd

_LOG, _RING = KERNEL["kvm-log"], KERNEL["kvm-ring"]
LOOKS = {
    LOG: Look("dirty log", _LOG.color, _LOG.marker),
    MANUAL: Look("dirty log, cleared apart", _LOG.color, "D"),
    ring_name(1_024): Look("ring, 1,024 entries", _RING.color, "v"),
    ring_name(4_096): Look("ring, 4,096 entries", _RING.color, _RING.marker),
    ring_name(16_384): Look("ring, 16,384 entries", _RING.color, "<"),
    ring_name(65_536): Look("ring, 65,536 entries", _RING.color, "^"),
}
DASHES = {MANUAL: ":", ring_name(1_024): ":", ring_name(16_384): "-.", ring_name(65_536): "--"}


@under_own_rc
def guest_costs_picture(
    table: "pd.DataFrame", machine: dict[str, Any], pattern: str = "random"
) -> Picture:
    """Draw what tracking costs by dirty frames: guest and host together, and the harvest alone.

    Parameters
    ----------
    table : pandas.DataFrame
        Rows of :mod:`dirtylab.studies.live.guest_costs`.
    machine : dict
        What they were measured on.
    pattern : str, optional
        One of those measured.
    """
    own = totals(table[table["pattern"] == pattern])
    sizes = sorted(set(own["pages"].tolist()))
    figure = new_figure(3.3 * len(sizes) + 0.6, 6.8)
    axes = figure.subplots(2, len(sizes), sharex=True, sharey=True, squeeze=False)
    for column, pages in enumerate(sizes):
        chosen = own[own["pages"] == pages]
        for row, value in enumerate(("total_ns", "harvest_ns")):
            _draw(axes[row][column], chosen, value)
        slot = nbytes_text(4096 * pages)
        style_axes(axes[0][column], title=f"{slot}: {pages:,} pages", xlabel="", ylabel="")
        style_axes(axes[1][column], title="", xlabel=f"dirty frames, {pattern}", ylabel="")
    for row, words in enumerate(("guest and host together", "the harvest alone")):
        axes[row][0].set_ylabel(words, fontsize=10, color=INK)
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=3, fontsize=9, frameon=False)
    met = "; ".join(map(str, guest_crossovers(table, pattern)))
    note = (
        "Together: first writes less second ones, ways out for full rings, and harvests. Medians; "
        "bands 10-90 %."
    )
    small_print(figure, machine, note)
    alt = (
        "Log-log plots over dirty frames, a column a slot: above what tracking costs guest and "
        f"host together, below the harvest alone, by KVM's log and rings. Together: {met}."
    )
    return finished(figure, alt)


def _draw(ax: Axes, table: "pd.DataFrame", value: str) -> None:
    for name, look in LOOKS.items():
        times = table[table["tracker"] == name].groupby("dirty")[value]
        if not times.ngroups:
            continue
        middle, low, high = (times.quantile(share) for share in (0.5, 0.1, 0.9))
        ax.fill_between(middle.index, low, high, color=look.color, alpha=0.1, linewidth=0)
        ax.plot(
            middle.index, middle, color=look.color, marker=look.marker, markersize=5,
            linewidth=1.5, linestyle=DASHES.get(name, "-"), label=look.label,
        )  # fmt: skip
    log_log(ax)
    label_ticks(ax.yaxis, time_label)
    ax.xaxis.set_minor_locator(NullLocator())


@under_own_rc
def checkpoints_picture(table: "pd.DataFrame", machine: dict[str, Any]) -> Picture:
    """Draw the guest's rate and its lost time by period of checkpoints, for each working set.

    Parameters
    ----------
    table : pandas.DataFrame
        Rows of :mod:`dirtylab.studies.live.checkpoint_loop`.
    machine : dict
        What they were measured on.
    """
    found = loops(table)
    sizes = sorted(set(found["working_set"].tolist()))
    figure = new_figure(3.1 * len(sizes) + 0.6, 6.0)
    axes = figure.subplots(2, len(sizes), sharex=True, sharey="row", squeeze=False)
    for column, size in enumerate(sizes):
        own = found[found["working_set"] == size]
        for row, value in enumerate(("rate", "lost")):
            _by_period(axes[row][column], own, value)
        title = f"{count_text(size)} pages written"
        style_axes(axes[0][column], title=title, xlabel="", ylabel="")
        style_axes(axes[1][column], title="", xlabel="period (ms)", ylabel="")
    axes[1][0].set_ylim(0, 1.08 * found["lost"].max())
    axes[0][0].set_ylabel("writes, of an untracked guest's", fontsize=10, color=INK)
    axes[1][0].set_ylabel("time paused", fontsize=10, color=INK)
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=3, fontsize=9, frameon=False)
    slot = int(table["pages"].iloc[0])
    note = (
        f"A guest of {nbytes_text(4096 * slot)} writes to random pages, in order, again and again; "
        "a pause is a harvest and a copy of the dirty pages."
    )
    small_print(figure, machine, note)
    return finished(figure, f"Checkpoints of a guest: {'; '.join(checkpoint_lines(table))}.")


def _by_period(ax: Axes, table: "pd.DataFrame", value: str) -> None:
    for name, look in LOOKS.items():
        own = table[table["tracker"] == name].sort_values("period_ms")
        if not own.empty:
            ax.plot(
                own["period_ms"], own[value], color=look.color, marker=look.marker, markersize=5,
                linewidth=1.5, linestyle=DASHES.get(name, "-"), label=look.label,
            )  # fmt: skip
    ax.set_xscale("log")
    if value == "rate":  # a guest that faults on every write keeps less than a hundredth
        ax.set_yscale("log")
    periods = sorted(set(table["period_ms"].tolist()))
    ax.xaxis.set_major_locator(FixedLocator(periods))
    label_ticks(ax.xaxis, lambda place: f"{place:g}")
    ax.xaxis.set_minor_locator(NullLocator())
    label_ticks(ax.yaxis, share_text)
