"""Crossovers of KVM's dirty log, whose cost grows with the slot, and its dirty ring."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dirtylab._format import whole_text
from dirtylab.theory.crossover import Crossover, crossovers
from dirtylab.theory.intervals import interval

if TYPE_CHECKING:
    import pandas as pd

LOG, RING = "kvm-log", "kvm-ring"
_EMULATED = 2.5
"""Emulated instructions a write, of the guest's three, above which it counts as emulated."""


class LogRingCrossover(NamedTuple):
    """Where log and ring cost the same, in a slot of that size."""

    log: str
    ring: str
    pages: int
    at: Crossover | None
    """None where they do not cross."""
    cheaper: str | None
    """The cheaper one at the fewest dirty frames; where they do not cross, wherever one is."""
    close: tuple[float, float] | None = None
    """Dirty frames between which, at one end of those measured, they are too close to call."""

    def __str__(self) -> str:
        if self.at is None:
            return f"{self.pages:,} pages: {self._uncrossed()}"
        other = self.log if self.cheaper == self.ring else self.ring
        return (
            f"{self.pages:,} pages: {self.cheaper} is cheaper up to {_count(self.at.at)} dirty "
            f"frames (95 %: {_count(self.at.low)} … {_count(self.at.high)}), then {other}"
        )

    def _uncrossed(self) -> str:
        if self.cheaper is None:
            return "too close to call"
        if self.close is None:
            return f"{self.cheaper} is the cheaper one throughout"
        first, last = (_count(end) for end in self.close)
        return (
            f"too close to call from {first} to {last} dirty frames, else {self.cheaper} is cheaper"
        )


def log_ring_crossovers(
    table: "pd.DataFrame", log: str = LOG, ring: str = RING
) -> list[LogRingCrossover]:
    """Return the crossovers of a log and a ring, for each size of the slot.

    Parameters
    ----------
    table : pandas.DataFrame
        Rows of :func:`dirtylab.studies.live.record.harvests`.
    log, ring : str, optional
        The candidates compared.

    Returns
    -------
    list of LogRingCrossover
        Empty where they were not measured.
    """
    found = []
    chosen = table[table["contestant"].isin([log, ring])]
    for pages in sorted(set(chosen["pages"].tolist())):
        group = chosen[chosen["pages"] == pages]
        times = group.pivot_table(index=["dirty", "repeat"], columns="contestant", values="ns")
        if {log, ring} <= set(times):
            ratio = (times[log] / times[ring]).unstack("repeat").dropna(axis=1)
            met = crossovers(np.asarray(ratio.index, float), ratio.to_numpy())
            if met:
                cheaper = ring if float(np.median(ratio.iloc[0])) > 1 else log
                found.append(LogRingCrossover(log, ring, pages, met[0], cheaper))
            else:
                side, close = _uncrossed(ratio)
                names = {1: ring, -1: log}
                found.append(LogRingCrossover(log, ring, pages, None, names.get(side), close))
    return found


def _uncrossed(ratio: "pd.DataFrame") -> tuple[int, tuple[float, float] | None]:
    """Return which side of 1 the ratios are on, 0 for neither, and where that can't be told.

    A row is on a side where the interval of its median is.
    """
    told = [interval(row) for row in ratio.to_numpy()]
    sides = np.array([0 if one.holds(1) else int(np.sign(one.at - 1)) for one in told])
    dirty = ratio.index.to_numpy(float)
    side = int(sides[-1] or sides[0])
    unlike = dirty[sides != side]
    return side, (unlike[0], unlike[-1]) if side and unlike.size else None


def nesting(machine: dict[str, Any]) -> str:
    """Return the effect of nested virtualisation on the times of KVM, in words; may be empty.

    Parameters
    ----------
    machine : dict
        As ``machine.json`` has it.
    """
    count = machine.get("instructions_emulated_per_write")
    if count is None or count < _EMULATED:
        return ""
    return (
        f"Nested VM: KVM emulated {count:.1f} of the guest's 3 instructions a write. Guest pages "
        "are never mapped, so no page is write-protected again after a harvest, nor flushed from "
        "a TLB. Harvest times include the bookkeeping and copying of log and ring, but not that "
        "work, which on bare metal adds to both for each dirty page; and the time of the guest's "
        "writes says nothing about a "
        "real one."
    )


def _count(value: float) -> str:
    return whole_text(value, 2) if np.isfinite(value) else "more"
