"""What is known now that the mailing list of 2016 did not say: ten lines, written by code."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dirtylab._format import count_text, share_text
from dirtylab.advice.machines import RecordedMachine, reference
from dirtylab.studies.crossovers import record as crossovers_record
from dirtylab.studies.crossovers.judge import EVEN, find_crossovers, is_pair
from dirtylab.studies.live.experiments import measured
from dirtylab.studies.live.replay import winners
from dirtylab.studies.machines.judge import OPERATION, crossings_by_machine

if TYPE_CHECKING:
    import pandas as pd

PAIRS = (("list", "bitmap"), ("list", "tree64"), ("tree64", "bitmap"))
PATTERNS = (("random", "random frames"), ("clustered:length=64", "runs of 64"),
            ("sequential", "frames in order"))  # fmt: skip


def known_lines(machines: Sequence[RecordedMachine]) -> Iterator[str]:
    """Yield ten sentences: three pairs of structures by three patterns, and recorded programs.

    Parameters
    ----------
    machines : sequence of RecordedMachine
        The reference machine among them; what others say is told beside it.
    """
    shown = reference()
    study = crossovers_record.load(shown.folder / "crossovers")
    found = find_crossovers(study.rounds, study.tuned, [OPERATION])
    others = crossings_by_machine([one for one in machines if one.name != shown.name])
    for one, other in PAIRS:
        for pattern, words in PATTERNS:
            own = found[is_pair(found, one, other) & (found["pattern"] == pattern)]
            told = "; ".join([*_by_size(own, one, other), *_elsewhere(others, one, other, pattern)])
            yield f"`{one}` and `{other}`, {words}: {told}"
    yield programs_line()


def _by_size(own: "pd.DataFrame", one: str, other: str) -> Iterator[str]:
    """Yield where two structures meet in one slot after the other; equal findings together."""
    told: dict[str, list[str]] = {}
    for pages, rows in own.groupby("pages"):
        words = " and ".join(_met(row, one, other) for row in rows.to_dict("records"))
        told.setdefault(words, []).append(count_text(float(str(pages))))
    for words, sizes in told.items():
        yield f"{words} of {', '.join(sizes)} pages"


def _met(row: dict[Any, Any], one: str, other: str) -> str:
    if row["cheaper"] == EVEN:
        return "too close to call"
    if not np.isfinite(row["at"]):
        return f"`{row['cheaper']}` throughout"
    if row["low"] <= 0 or not np.isfinite(row["high"]):
        ends = max(row["low"], row["least"]), min(row["high"], row["most"])
        shares = " to ".join(share_text(end / row["pages"], 2) for end in ends)
        return f"too close to call from {shares}"
    share = share_text(row["at"] / row["pages"], 2)
    low, high = (share_text(row[end] / row["pages"], 2) for end in ("low", "high"))
    after = other if row["cheaper"] == one else one
    return f"`{row['cheaper']}` up to {share} ({low}–{high}), then `{after}`,"


def _elsewhere(others: "pd.DataFrame", one: str, other: str, pattern: str) -> Iterator[str]:
    """Yield between which shares other machines have measured crossovers."""
    if others.empty:
        return
    own = others[is_pair(others, one, other) & (others["pattern"] == pattern)]
    met = own[own["share"].notna()]
    count = own["machine"].nunique()
    if count and met.empty:
        yield f"on {count} other {'machine' if count == 1 else 'machines'} no crossover either"
    elif count:
        low, high = (share_text(end, 2) for end in (met["share"].min(), met["share"].max()))
        caches = " and ".join(sorted(met["cache"].unique()))
        yield f"on {met['machine'].nunique()} other, caches {caches}: at {low} … {high}"


def programs_line() -> str:
    """Return on how many recordings of real programs a bitmap is best or tied."""
    best = winners(measured().replays)
    good = [
        row["best"] == "bitmap" or (row["even"] and row["next"] == "bitmap")
        for row in best.to_dict("records")
    ]
    return (
        f"recorded programs: a bitmap is best or tied on {sum(good)} of {len(good)}, of the "
        "structures that give each frame once, in order"
    )
