"""What a dirty page costs a guest, in words and tables, by code."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from dirtylab._format import nbytes_text, ns_text, share_text
from dirtylab._tables import markdown_table
from dirtylab.studies.live.checkpoint_loop import NONE, PERIODS_MS
from dirtylab.studies.live.guest_costs import LOG, PATTERNS, ring_name, totals
from dirtylab.studies.live.judge import LogRingCrossover, log_ring_crossovers
from dirtylab.theory.intervals import interval

if TYPE_CHECKING:
    import pandas as pd

RING = ring_name(4_096)
SHOWN_DIRTY = (100, 1_000, 10_000)


def guest_crossovers(table: "pd.DataFrame", pattern: str) -> list[LogRingCrossover]:
    """Return where log and ring meet in the guest's total cost, for each slot.

    Parameters
    ----------
    table : pandas.DataFrame
        Rows of :mod:`dirtylab.studies.live.guest_costs`.
    pattern : str
        One of those measured.
    """
    own = totals(table[table["pattern"] == pattern])
    renamed = own.rename(columns={"tracker": "contestant", "total_ns": "ns"})
    return log_ring_crossovers(renamed, LOG, RING)


def guest_lines(table: "pd.DataFrame") -> Iterator[str]:
    """Yield what first and second writes cost, and where log and ring meet, a sentence each."""
    if table.empty:
        return
    many = table[(table["dirty"] >= SHOWN_DIRTY[1]) & (table["tracker"] == LOG)]
    for what, column in (("first", "first_ns"), ("second", "second_ns")):
        found = interval(many[column] / many["dirty"])
        ends = "" if found.low is None else f" ({ns_text(found.low)} … {ns_text(found.high or 0)})"
        at = ns_text(found.at)
        yield f"the {what} write to a page after a harvest takes the guest {at}{ends}"
    log = totals(table[(table["tracker"] == LOG) & (table["dirty"] >= SHOWN_DIRTY[1])])
    share = float((1 - log["harvest_ns"] / log["total_ns"]).clip(0, 1).median())
    yield (
        f"of what tracking by the log costs at {SHOWN_DIRTY[1]:,} dirty frames and more, "
        f"{share_text(share, 2)} are the guest's first writes, not the harvest"
    )
    full = table[(table["exits"] > 0)]
    if not full.empty:
        each = (full["release_ns"] + full["decode_ns"]) / full["exits"]
        yield f"a full ring takes its host {ns_text(float(each.median()))} in the median"
    for pattern in PATTERNS:
        if (table["pattern"] == pattern).any():
            met = "; ".join(map(str, guest_crossovers(table, pattern)))
            yield f"log and ring of 4,096 entries in the guest's total cost, {pattern}: {met}"


def guest_table(table: "pd.DataFrame", pattern: str = "random") -> str:
    """Return what tracking costs by slot and dirty frames as a Markdown table: total, and parts."""
    own = totals(table[(table["pattern"] == pattern) & table["dirty"].isin(SHOWN_DIRTY)])
    rows = []
    names = list(dict.fromkeys(own["tracker"]))
    for (pages, dirty), group in own.groupby(["pages", "dirty"]):
        cells = [_cell(group[group["tracker"] == name]) for name in names]
        rows.append([_slot(int(str(pages))), f"{int(str(dirty)):,}", *cells])
    heads = ["slot", "dirty", *(f"`{name}`" for name in names)]
    return markdown_table(heads, rows, ":-- --: " + "--: " * len(names))


def period_table(table: "pd.DataFrame", pattern: str = "random") -> str:
    """Return the share of a period that tracking takes, log and ring, as a Markdown table.

    Where the two meet is a number of dirty frames, whatever the period: both pay once a harvest.
    What a period changes is how much of the time that is.
    """
    own = totals(table[(table["pattern"] == pattern) & table["dirty"].isin(SHOWN_DIRTY[1:])])
    rows = []
    for (pages, dirty), group in own.groupby(["pages", "dirty"]):
        cells = []
        for period in PERIODS_MS:
            shares = [
                share_text(
                    interval(group[group["tracker"] == name]["total_ns"]).at / period / 1e6, 2
                )
                for name in (LOG, RING)
            ]
            cells.append(" / ".join(shares))
        rows.append([_slot(int(str(pages))), f"{int(str(dirty)):,}", *cells])
    heads = ["slot", "dirty a period", *(f"{period} ms: log / ring" for period in PERIODS_MS)]
    return markdown_table(heads, rows, ":-- --: " + "--: " * len(PERIODS_MS))


def _slot(pages: int) -> str:
    return nbytes_text(4096 * pages)


def _cell(rows: "pd.DataFrame") -> str:
    """Return the median total with its interval, and the harvest."""
    found = interval(rows["total_ns"])
    ends = "" if found.low is None else f" ({ns_text(found.low)}–{ns_text(found.high or 0)})"
    harvest = ns_text(float(rows["harvest_ns"].median()))
    return f"{ns_text(found.at)}{ends}; harvest {harvest}"


def loops(table: "pd.DataFrame") -> "pd.DataFrame":
    """Return one row a loop of checkpoints.

    With ``tracker``, ``working_set``, ``period_ms``, ``pause_ns``, ``dirty``; ``lost`` is the share
    of the time that the guest is paused, ``rate`` its writes a second, pauses counted, over those
    of a guest that nobody tracks.
    """
    import pandas as pd

    plain = {
        row["working_set"]: row["writes"] / row["ran_ns"]
        for row in table[table["tracker"] == NONE].to_dict("records")
    }
    rows = []
    keys = ["tracker", "working_set", "period_ms"]
    for _, group in table[table["tracker"] != NONE].groupby(keys, sort=False):
        name, size, period = (group[key].iloc[0] for key in keys)
        pause = group["harvest_ns"] + group["copy_ns"]
        whole = float((group["ran_ns"] + pause).sum())
        rate = float(group["writes"].sum()) / whole
        rows.append(
            {
                "tracker": name, "working_set": size, "period_ms": period,
                "pause_ns": float(np.median(pause)), "lost": float(pause.sum()) / whole,
                "rate": rate / plain[size], "dirty": float(group["dirty"].median()),
            }
        )  # fmt: skip
    return pd.DataFrame.from_records(rows)


def checkpoint_lines(table: "pd.DataFrame") -> Iterator[str]:
    """Yield what checkpoints cost, for each working set: which tracker slows the guest least."""
    if table.empty:
        return
    found = loops(table)
    for size, group in found.groupby("working_set"):
        short = group[group["period_ms"] == group["period_ms"].min()]
        best = short.loc[short["rate"].idxmax()]
        worst = short.loc[short["rate"].idxmin()]
        yield (
            f"{int(str(size)):,} pages written, a checkpoint every {best['period_ms']:.0f} ms: the "
            f"guest keeps {share_text(best['rate'], 2)} of its writes with {best['tracker']} "
            f"(pauses of {ns_text(best['pause_ns'])}), {share_text(worst['rate'], 2)} with "
            f"{worst['tracker']}"
        )
