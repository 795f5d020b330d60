"""Validation: errors of a model, and regrets of its advice, on held-out cells."""

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dirtylab._format import share_text
from dirtylab._reading import Lacking, Maybe, Number, Whole
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
    "lead": Lacking(Maybe(Number(0))),
}
"""What :meth:`Trial.as_dict` gives, as JSON."""
_DOUBT = 3.0
_TWO_OF_THREE = 2 / 3
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
    lead: float | None = None
    """Share by which the predicted ratio of two structures is off, in two of three cells: a smaller
    lead is a tie.  Pairs predicted more than a factor of 3 apart are not in doubt, and left out.
    None where it was not told."""

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
            None if given.get("lead") is None else float(given["lead"]),
        )


def trial_of(tried: "pd.DataFrame") -> Trial:
    """Return the trial of those cells of :func:`dirtylab.advice.model.errors_on` that have laws."""
    tried = tried[tried["predicted"].notna()]
    found = regrets(tried)["regret"]
    error = Error(float(tried["error"].median()), float(tried["error"].quantile(0.9)))
    sizes = (int(tried["pages"].min()), int(tried["pages"].max()))
    lead = _lead(tried)
    return Trial(len(found), error, float(found.median()), float(found.max()), sizes, lead)


def _lead(tried: "pd.DataFrame") -> float | None:
    """Return the error of ratios of two structures' epochs."""
    off = []
    for group in _by_cell(tried):
        for one, other in itertools.combinations(group, 2):
            ratio = one["predicted"] / other["predicted"]
            if 1 / _DOUBT < ratio < _DOUBT:
                off.append(abs(math.log(ratio * other["ns"] / one["ns"])))
    return float(np.expm1(np.quantile(off, _TWO_OF_THREE))) if off else None


def _by_cell(tried: "pd.DataFrame") -> Iterator[list[dict[Any, Any]]]:
    """Yield the rows of whole epochs of each cell."""
    own = [str(name) for name in tried if str(name).startswith("dataset")]
    epochs = tried[tried["operation"] == "epoch"]
    for _, group in epochs.groupby([*own, "pages", "dirty"], dropna=False, sort=False):
        yield group.to_dict("records")


def regrets(tried: "pd.DataFrame") -> "pd.DataFrame":
    """Return for each cell the structure picked, the best one, and the regret as a share."""
    import pandas as pd

    own = [str(name) for name in tried if str(name).startswith("dataset")]
    cell = [*own, "pages", "dirty"]
    rows = []
    for records in _by_cell(tried):
        picked = min(records, key=lambda row: row["predicted"])
        best = min(records, key=lambda row: row["ns"])
        facts = {name: picked[name] for name in cell}
        regret = picked["ns"] / best["ns"] - 1.0
        rows.append(
            {**facts, "picked": picked["structure"], "best": best["structure"], "regret": regret}
        )
    return pd.DataFrame.from_records(rows)
