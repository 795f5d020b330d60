"""Files and tables of ``dirtylab peers measure``."""

import pathlib
from typing import TYPE_CHECKING, Any

import pandas as pd

from dirtylab._caches import WARM
from dirtylab.measure import recording
from dirtylab.measure.machine import caption, describe_machine
from dirtylab.native.peers.recipes import PEERS, Peer
from dirtylab.studies.peers.natives import ATOMIC, OURS, PLAIN, RUNS, THREADS, Cell, Row, built

if TYPE_CHECKING:
    from collections.abc import Sequence

SAMPLES = "samples.csv"
COLUMNS = (
    "table", "pattern", "pages", "dirty", "threads", "contestant", "repeat", "operation", "ns",
)  # fmt: skip
WORDS = ("table", "pattern", "contestant", "operation")
TITLES = {
    PLAIN: "Plain inserts, one thread: µs an epoch (insert and harvest)",
    ATOMIC: "Atomic inserts, one thread: µs an epoch (insert and harvest)",
    RUNS: "Runs instead of frames: the time of harvest_runs over that of harvest",
    THREADS: "Atomic inserts, several threads at once: ns a frame until the last is done",
}


def facts(repeats: int, *, quick: bool) -> dict[str, Any]:
    """Return the machine, with what was measured how and which peers they were."""
    peers = {name: _said(PEERS[name]) for name in built()}
    plan = {"repeats": repeats, "quick": quick}
    return {"machine": describe_machine(), "plan": plan, "peers": peers}


def _said(one: Peer) -> dict[str, str]:
    source = f"{one.source.packages[0]} {one.source.version}" if one.source else "dirtylab"
    return {"source": source, "licence": one.licence, "code": one.code}


def save(rows: "Sequence[Row]", folder: pathlib.Path, told: dict[str, Any]) -> None:
    """Write the samples, and what they were measured on."""
    recording.save(folder, {SAMPLES: pd.DataFrame(rows, columns=list(COLUMNS))}, told, "%.6g")


def load(folder: pathlib.Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Read back what :func:`save` wrote; an error names the file."""
    [table], told = recording.load(folder, {SAMPLES: COLUMNS}, WORDS, {"machine": dict})
    return table, {**told, "machine": {"cache": WARM, **told["machine"]}}


def resumed(folder: pathlib.Path, told: dict[str, Any]) -> tuple[list[Row], list[Cell]]:
    """Return the rows and cells of a recording that was interrupted; none where there is none.

    Raises
    ------
    ValueError
        There is another recording in the folder: of another plan, machine, or other peers.
    """
    if not (folder / SAMPLES).exists():
        return [], []
    table, before = load(folder)
    for name in ("plan", "peers"):
        if before.get(name) != told[name]:
            raise ValueError(f"--out: {folder} has a recording of other {name}; name another one")
    if caption(before["machine"]) != caption({"cache": WARM, **told["machine"]}):
        raise ValueError(f"--out: {folder} has a recording of another machine; name another one")
    rows = [dict(one) for one in table.to_dict("records")]
    done = [Cell(*one) for one in table[list(Cell._fields)].drop_duplicates().itertuples(False)]
    return rows, done  # type: ignore[return-value]


def medians(table: pd.DataFrame, kind: str, operation: str = "epoch") -> pd.DataFrame:
    """Return median ns: contestants in rows, cells (pattern, pages, dirty, threads) in columns."""
    chosen = table[(table["table"] == kind) & (table["operation"] == operation)]
    grouped = chosen.groupby(["contestant", "pages", "pattern", "dirty", "threads"], sort=False)[
        "ns"
    ].median()
    found = grouped.unstack(["pages", "pattern", "dirty", "threads"])
    order = (*OURS[PLAIN], *(f"lockless {name}" for name in OURS[ATOMIC]), *PEERS)
    ours = [name for name in order if name in found.index]
    others = sorted(set(found.index) - set(ours))
    return pd.DataFrame(found.loc[ours + others])


def leads(table: pd.DataFrame, kind: str) -> "pd.Series[float]":
    """Return for each cell the time of the best peer over that of the best of ours."""
    found = medians(table, kind)
    peers = [name for name in found.index if name in PEERS]
    return pd.Series(found.loc[peers].min() / found.drop(index=peers).min())


def thread_costs(table: pd.DataFrame) -> pd.DataFrame:
    """Return median ns a frame of inserting threads: contestants in rows, threads in columns."""
    found = medians(table, THREADS, "insert")
    each = pd.DataFrame(found / found.columns.get_level_values("dirty").to_numpy(float))
    return each.droplevel(["pages", "pattern", "dirty"], axis=1)


def run_ratios(table: pd.DataFrame) -> pd.DataFrame:
    """Return the time of a harvest as runs over one as frames: cells in rows."""
    return medians(table, RUNS, "harvest runs") / medians(table, RUNS, "harvest")


def _of_runs(table: pd.DataFrame, title: str) -> list[str]:
    if not (table["table"] == RUNS).any():
        return []
    return [f"{title}\n\n{run_ratios(table).T.to_string(float_format='{:.2f}'.format)}"]


def text_report(table: pd.DataFrame, told: dict[str, Any]) -> str:
    """Return the tables for the terminal."""
    parts = []
    for kind, title in TITLES.items():
        if kind == RUNS:
            parts += _of_runs(table, title)
            continue
        operation, unit = ("insert", None) if kind == THREADS else ("epoch", 1000.0)
        found = medians(table, kind, operation)
        if not found.size:
            continue
        dirty = found.columns.get_level_values("dirty")
        shown = pd.DataFrame(found / (dirty.to_numpy(float) if unit is None else unit))
        lines = shown.T.to_string(float_format="{:,.4g}".format)
        parts.append(f"{title}\n\n{lines}")
        if kind != THREADS and any(name in PEERS for name in found.index):
            lead = leads(table, kind).to_string(float_format="{:.2f}".format)
            parts.append(f"Best peer's time over that of the best of ours\n\n{lead}")
    peers = (f"{name}: {one['source']}, {one['code']}" for name, one in told["peers"].items())
    parts.append(f"Peers: {'; '.join(peers) or 'none built'}.")
    parts.append(
        "Medians, interleaved, fresh frames each round, caches warm; threads beyond "
        f"{told['machine']['cores']} cores take turns."
    )
    parts.append(f"Measured on {caption(told['machine'])}")
    return "\n\n".join(parts)
