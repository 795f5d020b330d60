"""What recorded migrations say, in words."""

from typing import TYPE_CHECKING

import numpy as np

from dirtylab._format import ns_text, share_text
from dirtylab._tables import markdown_table
from dirtylab.measure.machine import caption
from dirtylab.migration.costs import Costs, costs_of, recorded_costs
from dirtylab.studies.migrations.judge import judged
from dirtylab.studies.migrations.runs import plain_runs
from dirtylab.studies.migrations.store import Recorded, known_costs

if TYPE_CHECKING:
    import pandas as pd


def text_report(found: Recorded) -> str:
    """Return how many runs there are, how right the model is, and what memory was compared."""
    runs = found.runs
    name = known_costs(found.machine)
    costs = costs_of(name)
    lines = [f"{len(runs)} migrations by QEMU {found.machine.get('qemu', '?')}, "
             f"{int(runs['completed'].sum())} converged; costs of {name}"]  # fmt: skip
    for tracker, own in runs.groupby("tracker", sort=False):
        lines.append(f"{tracker}: {_model_line(own, costs)}")
    if len(set(runs["tracker"])) > 1:
        lines.append(f"all: {_model_line(runs, costs)}")
    lines += _memory_lines(runs)
    return "\n".join([*lines, f"Measured on {caption(found.machine)}."])


def _model_line(runs: "pd.DataFrame", costs: Costs) -> str:
    told = judged(plain_runs(runs.to_dict("records")), costs)
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


# --- for documents: from what the fit wrote ------------------------------------------------------

_COST_WORDS = {
    "page_bytes": ("a page on the wire", "bytes"),
    "zero_bytes": ("a zero page", "bytes"),
    "fixed_bytes": ("devices and firmware", "bytes"),
    "page_s": ("send a page", "time"),
    "new_page_s": ("send a page that the destination never touched", "time"),
    "zero_s": ("send a zero page", "time"),
    "window_s": ("a window, in which a tenth of the bandwidth is sent", "time"),
    "sync_s": ("a sync: the guest's log or ring is read", "time"),
    "stop_s": ("stop the guest, move its devices", "time"),
    "down_page_s": ("a page while the guest stands still", "time"),
    "first_write_s": ("the guest's first write to a page", "time"),
    "ring_full_s": ("a full ring: exit, and empty it", "time"),
}
"""What each cost is of, and its unit."""


def costs_table() -> str:
    """Return the costs of each recorded machine."""
    known = recorded_costs()
    rows = [
        [words, *(_cost_text(entry["costs"][name], unit) for entry in known.values())]
        for name, (words, unit) in _COST_WORDS.items()
    ]
    rows.append(["fitted on", *(f"{one['runs']} runs, `{one['fitted_on']}`"
                                for one in known.values())])  # fmt: skip
    return markdown_table(["what it costs", *known], rows, ":--" + " --:" * len(known))


def _cost_text(value: float, unit: str) -> str:
    return f"{value:,.0f} bytes" if unit == "bytes" else ns_text(1e9 * value)


def right_table() -> str:
    """Return how right each fidelity is, by recorded machine."""
    rows = []
    for name, entry in recorded_costs().items():
        for fidelity, one in entry.get("judged", {}).items():
            rows.append([
                name, fidelity, f"{one['right']} of {one['runs']}", *(
                    "–" if one[field] is None else share_text(one[field])
                    for field in ("median", "most", "bytes_median")
                ),
            ])  # fmt: skip
    heads = ["runs", "fidelity", "verdict right", "time off, median", "90th percentile",
             "bytes off, median"]  # fmt: skip
    return markdown_table(heads, rows, ":-- :-- --: --: --: --:")


def tracking_lines(found: Recorded) -> list[str]:
    """Return what tracking cost in recorded migrations: what a dashboard sees, and what not."""
    lines = []
    rounds = found.rounds.merge(found.runs[["id", "tracker", "extra"]], on="id")
    for tracker, own in rounds[rounds["extra"] == ""].groupby("tracker", sort=False):
        low, middle, high = np.percentile(own["sync_ms"], [10, 50, 90])
        lines.append(
            f"{tracker}: a sync took {_ms(middle)} in the median ({_ms(low)} … {_ms(high)}), of "
            f"{len(own)}"
        )
    ring = rounds[rounds["reaped"] > 0]
    if len(ring):
        each = 1e6 * ring["reap_ms"].sum() / ring["reaped"].sum()
        lines.append(
            f"between syncs the ring was emptied too: {ns_text(each)} an entry, of "
            f"{int(ring['reaped'].sum()):,} entries"
        )
    paced = found.runs[(found.runs["extra"] == "") & found.runs["rate"].notna()]
    for tracker, own in paced[paced["rate"] > 0].groupby("tracker", sort=False):
        kept = float(np.median(own["writes"] / own["speed"]))
        lines.append(f"{tracker}: a paced guest kept {share_text(kept)} of its writes meanwhile")
    fast = found.runs[(found.runs["extra"] == "") & found.runs["rate"].isna()]
    for tracker, own in fast[fast["speed"] > 0].groupby("tracker", sort=False):
        kept = float(np.median(own["writes"] / own["speed"]))
        lines.append(
            f"{tracker}: a guest as fast as it can kept {share_text(kept)} of its writes meanwhile"
        )
    return lines


def _ms(value: float) -> str:
    return ns_text(1e6 * value)
