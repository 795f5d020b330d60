"""Native trackers have no law, so no prediction: for an advice they are measured, beside the pick.

One cell, whole epochs, in turns with the structures that they are compared with.
"""

from collections.abc import Sequence
from typing import Any

from dirtylab._format import ns_text
from dirtylab.measure.sweep import sweep
from dirtylab.native.contestants import native
from dirtylab.structures import STRUCTURES

ROUNDS = 9


def measured_beside(
    pick: str,
    trackers: Sequence[str],
    dataset: str,
    options: dict[str, Any],
    pages: int,
    dirty: int,
    cache: str,
) -> dict[str, float]:
    """Return median ns of an epoch: of the pick, with room as advised, and of trackers.

    Raises
    ------
    ValueError
        The cell can't be measured; the message says why.
    ApartError
        A tracker crashed or hung.
    """
    beside = [(pick, STRUCTURES[pick].options_for(dirty))] if pick in STRUCTURES else []
    table = sweep(
        structures=[*beside, *trackers],
        operations=["epoch"],
        datasets=[(dataset, options)],
        pages=[pages],
        dirty=[dirty],
        repeats=ROUNDS,
        cache=cache,
    )
    kept = table[~table["control"]]
    medians = kept.groupby("structure", sort=False)["ns"].median()
    return {str(name): float(ns) for name, ns in medians.sort_values().items()}


def beside_text(measured: dict[str, float]) -> str:
    """Return what was measured, the quickest first, in words."""
    told = ", ".join(f"{name} {ns_text(ns)}" for name, ns in measured.items())
    own = " and ".join(native(list(measured)))
    return (
        f"measured now, {ROUNDS} epochs in turns: {told}; {own}: no law, so no prediction elsewhere"
    )
