"""The recorded machines in words: what there is, and what carries over, by code."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from dirtylab._caches import GUEST_RAN
from dirtylab._format import share_text
from dirtylab._tables import markdown_table
from dirtylab.advice.machines import RecordedMachine
from dirtylab.measure.machine import caption
from dirtylab.studies.machines.judge import crossings_by_machine, models_compared

if TYPE_CHECKING:
    import pandas as pd


def machines_table(machines: Sequence[RecordedMachine]) -> str:
    """Return the recorded machines as a Markdown table: what they are, and what was measured."""
    rows = [
        [f"`{one.name}`", caption(one.machine), ", ".join(one.parts), _trial(one)]
        for one in machines
    ]
    return markdown_table(
        ["machine", "what it is", "recorded", "its model's trial"], rows, ":-- " * 4
    )


def _trial(machine: RecordedMachine) -> str:
    model = machine.model(GUEST_RAN)
    if model is None or model.trial is None:
        return ""
    trial = model.trial
    return (
        f"{trial.cells} cells; times {share_text(trial.error.median, 2)} off in the median; the "
        f"worst pick cost {share_text(trial.worst_regret, 2)} more"
    )


def carried_table(machines: Sequence[RecordedMachine]) -> str:
    """Return what carries over between every two machines' models as a Markdown table."""
    table = models_compared(machines)
    rows = [
        [
            f"`{row['one']}`, `{row['other']}`",
            row["cache"],
            share_text(row["same"], 2),
            share_text(row["order"], 3),
            share_text(row["regret"], 2),
            f"{row['scale']:.2f}×",
            f"{row['spread']:.2f}×",
        ]
        for row in table.to_dict("records")
    ]
    heads = [
        "model of the first, times of the second", "caches", "pick as good, within 10 %",
        "order of two structures the same", "a pick costs more, 90th percentile",
        "the second is slower", "nine of ten times within",
    ]  # fmt: skip
    return markdown_table(heads, rows, ":-- :-- " + "--: " * 5)


def carried_lines(machines: Sequence[RecordedMachine]) -> Iterator[str]:
    """Yield what carries over and what does not, a sentence each."""
    table = models_compared(machines)
    if table.empty:
        return
    after_guest = table[table["cache"] == GUEST_RAN]
    table = table if after_guest.empty else after_guest
    yield (
        f"the order carries over: of two structures a tenth apart, the cheaper one is the same in "
        f"{share_text(table['order'].min(), 3)} of cells or more"
    )
    yield (
        f"the pick carries over: in {share_text(table['same'].min(), 2)} of cells or more one "
        "machine's pick costs at most a tenth more than the other's own"
    )
    scales = np.maximum(table["scale"], 1 / table["scale"])
    yield (
        f"times do not: machines differ by {scales.max():.2f}× in the median, and around that "
        f"scale nine of ten times lie within {table['spread'].max():.2f}×"
    )
    yield from _moved(crossings_by_machine(machines))


def _moved(found: "pd.DataFrame") -> Iterator[str]:
    """Yield by how much measured crossovers, as dirty share, move between machines."""
    if found.empty:
        return
    keys = ["one", "other", "pattern", "pages", "cache"]
    single = found[found["share"].notna() & ~found.duplicated([*keys, "machine"], keep=False)]
    shares = single.pivot_table(index=keys, columns="machine", values="share").dropna()
    if shares.shape[1] < 2 or shares.empty:
        return
    factors = shares.max(axis=1) / shares.min(axis=1)
    yield (
        f"measured crossovers, as dirty share, move by {factors.median():.2f}× in the median and "
        f"{factors.max():.2f}× at most, over {len(factors)} pairs, patterns and sizes"
    )
