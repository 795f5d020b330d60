"""Do two recordings of the same program agree?  In what tracking costs, not page by page.

A program that runs anew gets other addresses and another share of the processor; what must agree is
how many pages an epoch dirties, in what runs, and how many it shares with the epoch before.
"""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator

from dirtylab._data import data_file
from dirtylab._format import count_text, share_text
from dirtylab.datasets.describe import describe
from dirtylab.datasets.tracefile import Trace, read_trace
from dirtylab.datasets.traces import recording, recordings
from dirtylab.figures._rc import under_own_rc
from dirtylab.figures.style import (
    FAINT,
    Picture,
    finished,
    label_ticks,
    new_figure,
    small_print,
    style_axes,
)
from dirtylab.studies.live.recordings import AGAIN
from dirtylab.studies.live.trace_statistics import again, median_epoch

if TYPE_CHECKING:
    import pandas as pd

_FIRST, _SECOND = "#882255", "#332288"


def recorded_twice() -> list[str]:
    """Return the names of the recordings that were made twice."""
    try:
        folder = data_file(f"traces/{AGAIN}")
    except FileNotFoundError:
        return []
    there = {path.stem for path in folder.glob("*.npz")}
    return [name for name in recordings() if name in there]


def second_recording(name: str) -> Trace:
    """Return the second recording of a program."""
    return read_trace(data_file(f"traces/{AGAIN}/{name}.npz"))


def agreement() -> "pd.DataFrame":
    """Return a row a recording and take: what its epochs are like.

    Returns
    -------
    pandas.DataFrame
        ``trace, take`` (1, 2); ``low, dirty, high``: 10th, 50th and 90th percentile of the dirty
        pages of an epoch; ``run``: mean length of runs in the median epoch, in pages; ``again``:
        share of pages that the epoch before wrote, too.
    """
    import pandas as pd

    rows = []
    for name in recorded_twice():
        for take, trace in enumerate((recording(name), second_recording(name)), 1):
            sizes = [np.unique(epoch).size for epoch in trace.epochs if epoch.size]
            low, dirty, high = (float(one) for one in np.percentile(sizes, [10, 50, 90]))
            facts = describe(trace.epochs[median_epoch(trace)], trace.pages)
            rows.append(
                {
                    "trace": name, "take": take, "low": low, "dirty": dirty, "high": high,
                    "run": facts.run_mean, "again": again(trace),
                }
            )  # fmt: skip
    return pd.DataFrame.from_records(rows)


def agreement_line(table: "pd.DataFrame") -> str:
    """Return by how much two recordings differ, in words."""
    pairs = table.pivot_table(index="trace", columns="take", values=["dirty", "run"])
    apart = {
        what: np.exp(np.abs(np.log(pairs[what][1] / pairs[what][2]))) - 1
        for what in ("dirty", "run")
    }
    told = {
        what: f"{share_text(float(off.median()), 2)} in the median and "
        f"{share_text(float(off.max()), 2)} at most ({off.idxmax()})"
        for what, off in apart.items()
    }
    return (
        f"two recordings of the same program differ in dirty pages an epoch by {told['dirty']}, in "
        f"the length of runs by {told['run']}"
    )


@under_own_rc
def agreement_picture() -> Picture:
    """Draw the dirty pages of an epoch and the length of runs of both recordings, side by side."""
    table = agreement()
    names = list(dict.fromkeys(table["trace"]))
    figure = new_figure(9, 0.5 * len(names) + 1.8)
    left, right = figure.subplots(1, 2, sharey=True)
    for take, color, shift in ((1, _FIRST, 0.14), (2, _SECOND, -0.14)):
        own = table[table["take"] == take].set_index("trace").loc[names]
        place = np.arange(len(names))[::-1] + shift
        label = ("first recording", "second recording")[take - 1]
        left.errorbar(
            own["dirty"], place, xerr=[own["dirty"] - own["low"], own["high"] - own["dirty"]],
            marker="o", color=color, linestyle="none", linewidth=1.6, markersize=6, label=label,
        )  # fmt: skip
        right.plot(own["run"], place, "o", color=color, markersize=6)
    left.set_yticks(np.arange(len(names))[::-1], names)
    style_axes(left, title="Dirty pages of an epoch", xlabel="pages", ylabel="")
    style_axes(right, title="Runs of the median epoch", xlabel="pages in a run, mean", ylabel="")
    for ax in (left, right):
        _finish(ax)
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=2, fontsize=9, frameon=False)
    first = recording(names[0]).facts.get("machine")
    small_print(
        figure, first if isinstance(first, dict) else None,
        "Left: median, bars from the 10th to the 90th percentile.",
    )  # fmt: skip
    return finished(figure, f"Dots for two recordings of each program: {agreement_line(table)}.")


def _finish(ax: Axes) -> None:
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
    ax.minorticks_off()
    label_ticks(ax.xaxis, count_text)
    ax.tick_params(colors=FAINT)
