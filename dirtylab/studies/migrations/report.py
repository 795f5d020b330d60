"""What recorded migrations say, in words."""

from typing import TYPE_CHECKING

from dirtylab.measure.machine import caption
from dirtylab.studies.migrations.judge import judged
from dirtylab.studies.migrations.runs import plain_runs
from dirtylab.studies.migrations.store import Recorded

if TYPE_CHECKING:
    import pandas as pd


def text_report(found: Recorded) -> str:
    """Return how many runs there are, how right the model is, and what memory was compared."""
    runs = found.runs
    lines = [f"{len(runs)} migrations by QEMU {found.machine.get('qemu', '?')}, "
             f"{int(runs['completed'].sum())} converged"]  # fmt: skip
    for tracker, own in runs.groupby("tracker", sort=False):
        lines.append(f"{tracker}: {_model_line(own)}")
    if len(set(runs["tracker"])) > 1:
        lines.append(f"all: {_model_line(runs)}")
    lines += _memory_lines(runs)
    return "\n".join([*lines, f"Measured on {caption(found.machine)}."])


def _model_line(runs: "pd.DataFrame") -> str:
    told = judged(plain_runs(runs.to_dict("records")))
    if not told.runs:
        return "no runs that the model knows"
    text = f"verdict right in {told.right} of {told.runs} without extras"
    if told.timed:
        text += (
            f"; time of {told.timed} runs over 1 s off by {told.median:.1%} in the median, "
            f"{told.most:.1%} at the 90th percentile"
        )
    return text if told.bytes_median != told.bytes_median else (
        f"{text}; bytes off by {told.bytes_median:.1%} in the median"
    )  # fmt: skip


def _memory_lines(runs: "pd.DataFrame") -> list[str]:
    compared = runs.dropna(subset=["differing"])
    lines = []
    for tracker, own in compared.groupby("tracker", sort=False):
        worse = own[own["differing"] > 0]
        text = f"{tracker}: memory compared in {len(own)} runs, the same at both ends in "
        text += "all" if worse.empty else f"{len(own) - len(worse)}"
        if not worse.empty and tracker == "tcg":
            text += "; before version 9.0, QEMU's TCG loses writes while it migrates"
        lines.append(text)
    return lines
