"""Figures of ours and the peers that are built: a hue a structure, the same in every panel."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from dirtylab.figures._rc import under_own_rc
from dirtylab.figures.style import (
    FAINT,
    LOOKS,
    Look,
    Picture,
    finished,
    new_figure,
    small_print,
    style_axes,
)
from dirtylab.studies.peers.native_report import medians, run_ratios
from dirtylab.studies.peers.natives import LARGE_PAGES, OURS, PATTERNS, PLAIN

PEER_LOOKS = {
    "plain-c": Look("plain C", "#555555", "v"),
    "plain-c-avx512": Look("plain C, AVX-512", "#111111", "^"),
    "plain-c-tree64": Look("plain C, tree of 64", "#8A8A8A", "D"),
    "std-bitset": Look("std::bitset", "#B07AA1", "P"),
    "std-sort": Look("std::sort", "#9C755F", "X"),
    "kvm-log-ctz": Look("KVM's log, ctz (transcribed)", "#E15759", "<"),
    "kvm-log-find-bit": Look("KVM's log, find_next_bit", "#A33B3D", ">"),
    "qemu-hbitmap": Look("QEMU HBitmap", "#F28E2B", "h"),
    "qemu-ram-bitmap": Look("QEMU RAM bitmap", "#C46A12", "p"),
    "croaring": Look("CRoaring", "#2F7F86", "*"),
    "judy1": Look("Judy1", "#6B4C9A", "8"),
    "rust-vmm": Look("rust-vmm AtomicBitmap", "#8C6D1F", "d"),
    "rust-vmm-skipping": Look("rust-vmm, skipping", "#C9A227", "H"),
}
"""Fixed, as those of our own structures are."""
_NAMES = {"random": "Random", "clustered:length=64": "Clusters of 64", "sequential": "Sequential"}


def look_of(contestant: str) -> Look:
    """Return a contestant's look; a lockless one of ours looks like the plain one."""
    return PEER_LOOKS.get(contestant) or LOOKS[contestant.removeprefix("lockless ")]


@under_own_rc
def epochs_picture(table: pd.DataFrame, told: Mapping[str, Any], kind: str = PLAIN) -> Picture:
    """Draw the time of an epoch against its frames, a panel a pattern.

    Parameters
    ----------
    table : pandas.DataFrame
        As :func:`dirtylab.studies.peers.native_report.load` returns it.
    told : mapping
        What was measured, on which machine; likewise.
    kind : {"plain", "atomic"}, optional
        Which contestants.
    """
    found = pd.DataFrame(medians(table[table["pages"] != LARGE_PAGES], kind) / 1000)
    figure = new_figure(11, 6.4)
    axes = figure.subplots(1, len(PATTERNS), sharey=True)
    for ax, pattern in zip(axes, PATTERNS, strict=True):
        _draw(ax, pd.DataFrame(found.xs(pattern, axis=1, level="pattern")))
        style_axes(ax, title=_NAMES[pattern], xlabel="frames an epoch", ylabel="")
    axes[0].set_ylabel("µs an epoch: insert and harvest", fontsize=10)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4, frameon=False, fontsize=9)
    pages = found.columns.get_level_values("pages").max()
    small_print(
        figure, told["machine"],
        f"{pages:,} pages, one thread, {kind} inserts; medians of {told['plan']['repeats']} "
        "rounds, in turns, fresh frames, caches warm. Full lines ours, dashed the others'.",
    )  # fmt: skip
    random = pd.DataFrame(found.xs("random", axis=1, level="pattern"))
    words = ", ".join(f"{look_of(str(name)).label} {row.iloc[-1]:,.0f}" for name, row in
                      random.iterrows())  # fmt: skip
    return finished(
        figure, f"Time of an epoch against its frames. Most random frames, in µs: {words}."
    )


def _draw(ax: Axes, found: pd.DataFrame) -> None:
    dirty = found.columns.get_level_values("dirty")
    ours = {*OURS[PLAIN], *(name for name in found.index if name.startswith("lockless"))}
    for name, row in found.iterrows():
        look, own = look_of(str(name)), name in ours
        ax.plot(
            dirty, row, color=look.color, marker=look.marker, markersize=5, label=look.label,
            linewidth=2.2 if own else 1.1, linestyle="-" if own else "--", zorder=3 if own else 2,
        )  # fmt: skip
    ax.set_xscale("log")
    ax.set_yscale("log")


@under_own_rc
def runs_picture(table: pd.DataFrame, told: Mapping[str, Any]) -> Picture:
    """Draw the time of a harvest as runs over one as frames, against the length of clusters."""
    ratios = run_ratios(table)
    amounts = sorted(set(ratios.columns.get_level_values("dirty")))
    figure = new_figure(9, 4.4)
    axes = figure.subplots(1, len(amounts), sharey=True)
    for ax, dirty in zip(axes, amounts, strict=True):
        found = pd.DataFrame(ratios.xs(dirty, axis=1, level="dirty"))
        lengths = [int(one.partition("=")[2]) for one in found.columns.get_level_values("pattern")]
        ax.axhline(1, color=FAINT, linewidth=1, linestyle=":")
        for name, row in found.iterrows():
            look = look_of(str(name))
            ax.plot(lengths, row, color=look.color, marker=look.marker, label=look.label)
        ax.set_xscale("log", base=2)
        ax.set_yscale("log")
        ax.set_xticks(lengths, list(map(str, lengths)))
        style_axes(ax, title=f"{dirty:,} frames", xlabel="pages a cluster", ylabel="")
    axes[0].set_ylabel("harvest as runs over as frames", fontsize=10)
    figure.legend(
        *axes[0].get_legend_handles_labels(), loc="outside upper right", ncols=3, frameon=False,
        fontsize=9,
    )  # fmt: skip
    pages = ratios.columns.get_level_values("pages").max()
    small_print(
        figure, told["machine"],
        f"{pages:,} pages; medians of {told['plan']['repeats']} rounds, in turns. Below the dotted "
        "line runs are quicker.",
    )  # fmt: skip
    words = "; ".join(
        f"{name} " + ", ".join(f"{one:.2f}" for one in row) for name, row in ratios.iterrows()
    )
    return finished(figure, f"Time of a harvest as runs over one as frames, by length: {words}.")
