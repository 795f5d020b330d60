"""Validation: errors of a model, and regrets of its advice, on held-out cells."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from dirtylab._format import share_text
from dirtylab._reading import Number, Whole
from dirtylab.theory.cost_fit import Error

if TYPE_CHECKING:
    import pandas as pd

ERROR_SHAPE = (Number(0), Number(0))
SHAPE = {
    "cells": Whole(0),
    "error": ERROR_SHAPE,
    "median_regret": Number(),
    "worst_regret": Number(),
    "pages": (Whole(0), Whole(0)),
}
"""What :meth:`Trial.as_dict` gives, as JSON."""
LEAST_PAGES = 10**5
"""Smallest slot of a trial."""


class Trial(NamedTuple):
    """Errors and regrets over a grid of cells held out."""

    cells: int
    error: Error
    """Of predicted times: all structures and operations."""
    median_regret: float
    """Extra cost of the advised structure over the best one measured, as a share."""
    worst_regret: float
    pages: tuple[int, int]
    """Smallest and largest slot."""

    def __str__(self) -> str:
        median, worst = share_text(self.median_regret, 2), share_text(self.worst_regret, 2)
        off, far_off = share_text(self.error.median, 2), share_text(self.error.high, 2)
        return (
            f"on {self.cells} held-out cells, the advised structure cost {median} more than the "
            f"best in the median and {worst} at worst; times were off by {off} in the median, "
            f"{far_off} at the 90th percentile"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        return {**self._asdict(), "error": list(self.error), "pages": list(self.pages)}

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> "Trial":
        """Return what :meth:`as_dict` gave."""
        low, high = given["pages"]
        return cls(
            int(given["cells"]),
            Error(*given["error"]),
            float(given["median_regret"]),
            float(given["worst_regret"]),
            (int(low), int(high)),
        )


def trial_of(tried: "pd.DataFrame") -> Trial:
    """Return the trial of those cells of :func:`dirtylab.advice.model.errors_on` that have laws."""
    tried = tried[tried["predicted"].notna()]
    found = regrets(tried)["regret"]
    error = Error(float(tried["error"].median()), float(tried["error"].quantile(0.9)))
    sizes = (int(tried["pages"].min()), int(tried["pages"].max()))
    return Trial(len(found), error, float(found.median()), float(found.max()), sizes)


def regrets(tried: "pd.DataFrame") -> "pd.DataFrame":
    """Return for each cell the structure picked, the best one, and the regret as a share."""
    import pandas as pd

    own = [str(name) for name in tried if str(name).startswith("dataset")]
    cell = [*own, "pages", "dirty"]
    rows = []
    for _, group in tried[tried["operation"] == "epoch"].groupby(cell, dropna=False, sort=False):
        records: list[dict[Any, Any]] = group.to_dict("records")
        picked = min(records, key=lambda row: row["predicted"])
        best = min(records, key=lambda row: row["ns"])
        facts = {name: picked[name] for name in cell}
        regret = picked["ns"] / best["ns"] - 1.0
        rows.append(
            {**facts, "picked": picked["structure"], "best": best["structure"], "regret": regret}
        )
    return pd.DataFrame.from_records(rows)
