"""Files and tables of ``dirtylab compare``."""

import pathlib
from typing import TYPE_CHECKING, Any

from dirtylab._caches import WARM
from dirtylab._tables import markdown_table
from dirtylab.measure import recording
from dirtylab.measure.machine import caption, describe_machine
from dirtylab.structures import known_first
from dirtylab.studies.peers.libraries import PEERS
from dirtylab.studies.peers.record import COPY, NATIVE, PAGES, SCATTER, Record

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("operation", "pattern", "dirty", "pages", "contestant", "repeat", "ns")
WORDS = ("operation", "pattern", "contestant", "through", "kind")
OURS, PEER = "best of ours", "best peer"


def save(records: list[Record], folder: pathlib.Path) -> None:
    """Write the samples and the machine."""
    recording.save(folder, {"samples.csv": frame(records)}, describe_machine())


def frame(records: list[Record]) -> "pd.DataFrame":
    """Return the samples as a tidy DataFrame."""
    import pandas as pd

    return pd.DataFrame.from_records(records)


def medians(records: list[Record], operation: str) -> "pd.DataFrame":
    """Return median ns by pattern and dirty frames (rows) and candidate (columns)."""
    table = frame(records)
    chosen = table[table["operation"] == operation]
    grouped = chosen.groupby(["pattern", "dirty", "contestant"], sort=False)["ns"].median()
    return grouped.unstack("contestant").sort_index()


def ratios(records: list[Record], operation: str, reference: str) -> "pd.DataFrame":
    """Return each candidate's median in units of that of `reference`."""
    table = medians(records, operation)
    return table.drop(columns=reference).div(table[reference], axis=0)


def epochs(records: list[Record]) -> "pd.DataFrame":
    """Return for each cell our best structure, the best peer, and the ratio of their times.

    Native trackers are neither: each has a column of its own.
    """
    import pandas as pd

    table = medians(records, "epoch")
    others = [str(name) for name in table if name not in PEERS]
    natives = {one["contestant"] for one in records if one.get("kind") == NATIVE}
    brought = [name for name in others if name in natives]
    ours = table[known_first(name for name in others if name not in brought)]
    peers = table[[name for name in PEERS if name in table]]
    own = {f"{name} µs": table[name] / 1000 for name in brought}
    if ours.empty or peers.empty:
        return (table / 1000).add_suffix(" µs")
    return pd.DataFrame(
        {
            OURS: ours.idxmin(axis=1),
            "ours µs": ours.min(axis=1) / 1000,
            PEER: peers.idxmin(axis=1),
            "peer µs": peers.min(axis=1) / 1000,
            "times as fast": peers.min(axis=1) / ours.min(axis=1),
            **own,
        }
    )


def load(folder: pathlib.Path) -> tuple[list[Record], dict[str, Any]]:
    """Read back what :func:`save` wrote: samples and machine; an error names the file."""
    [table], machine = recording.load(folder, {"samples.csv": COLUMNS}, WORDS)
    records: list[Record] = [dict(one) for one in table.to_dict("records")]  # type: ignore[arg-type]
    return records, {"cache": WARM, **machine}


def markdown(table: "pd.DataFrame") -> str:
    """Return a table of :func:`ratios` or :func:`epochs` as Markdown."""
    shown = table.reset_index()
    shown["dirty"] = shown["dirty"].map("{:,}".format)
    rows = [
        [f"{cell:,.2f}" if isinstance(cell, float) else str(cell) for cell in row]
        for row in shown.itertuples(index=False)
    ]
    heads = list(map(str, shown.columns))
    return markdown_table(heads, rows, ":-- " + "--: " * (len(heads) - 1))


def text_report(records: list[Record]) -> str:
    """Return the comparison for the terminal."""
    done = {record["operation"] for record in records}
    parts = [f"{PAGES:,} pages; medians, interleaved, in one run"]
    if "collect" in done:
        table = ratios(records, "collect", COPY).round(2).to_string()
        parts.append(f"Collect, as a multiple of copying the very list it returns\n\n{table}")
    if "insert" in done:
        table = ratios(records, "insert", SCATTER).round(2).to_string()
        parts.append(f"Insert, as a multiple of setting a byte a page\n\n{table}")
    if "epoch" in done:
        table = epochs(records).round(2).to_string()
        parts.append(f"Whole epoch: insert, sorted unique list, clear\n\n{table}")
        parts.append("Ours in compiled code; the peers' times include their calls from Python.")
    parts.append(f"Measured on {caption(describe_machine())}")
    return "\n\n".join(parts)
