"""Learning a machine's prices: a minute of measuring, cells spread over what people ask about."""

import os
import pathlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from dirtylab import _check
from dirtylab._data import data_file
from dirtylab.advise.model import MEASURED, Model, fit_model
from dirtylab.measure.contest import Cell, Contestant, Plan
from dirtylab.measure.sweep import Task, measure, this_machine

CONTESTANTS = (
    Contestant("bitmap"),
    Contestant("list"),
    Contestant("tree8"),
    Contestant("tree", (("radix", 16),)),
    Contestant("tree", (("radix", 32),)),
    Contestant("tree64"),
    Contestant("hybrid"),
)
SECONDS = 50.0
"""Time that a calibration measures for; fitting takes some seconds more."""
ROUNDS = 5
_PAGES = (4.5, 8.0)
_DENSITY = (-5.5, 0.0)
_MOST_DIRTY = 3_000_000
_LENGTH = (1.0, 12.0)
_STRIDES = (2, 7, 15, 63, 64, 65, 513, 4097)
_KINDS = ("random", "random", "clustered", "clustered", "sequential", "strided")


def design(number: int, seed: int) -> list[Cell]:
    """Return cells that are spread evenly over sizes, densities and patterns.

    Parameters
    ----------
    number : int
        How many.
    seed : int
        Another seed gives other cells, such as those on which a model is tried.

    Notes
    -----
    A scrambled Sobol sequence over the logarithms of pages (10^4.5 … 10^8), density (10^-5.5 … 1)
    and cluster length (2 … 4,096); at most 3 million dirty frames, so that a cell takes no more
    than some seconds.
    """
    from scipy.stats import qmc

    sobol = qmc.Sobol(4, seed=np.random.default_rng(seed))
    cells = []
    for place in sobol.random(1 << (number - 1).bit_length())[:number]:
        pages = round(10 ** _between(_PAGES, place[0]))
        dirty = min(max(10, round(pages * 10 ** _between(_DENSITY, place[1]))), _MOST_DIRTY)
        kind = _KINDS[int(place[2] * len(_KINDS))]
        cells.append(Cell(kind, _options(kind, pages, place[3]), pages, min(dirty, pages)))
    return cells


def calibrate(seconds: float = SECONDS, *, report: Callable[[str], object] | None = None) -> Model:
    """Measure this machine and return its cost model.

    Parameters
    ----------
    seconds : float, optional
        How long to measure, 10 … 3600.
    report : callable, optional
        Called with the share of the time that has passed, in words.

    Returns
    -------
    Model
        Fitted to what was measured; its ``held_out`` says how well.
    """
    import pandas as pd

    _check.real("seconds", seconds, 10, 3600)
    rows: list[dict[str, Any]] = []
    for cell, found in measured(design(1024, seed=1), seconds):
        rows.extend(found)
        if report:
            report(f"{cell.dataset}, {cell.dirty:,} of {cell.pages:,} pages")
    return fit_model(pd.DataFrame.from_records(rows), this_machine()["facts"])


def measured(
    cells: list[Cell], seconds: float, operations: tuple[str, ...] = MEASURED
) -> Iterator[tuple[Cell, list[dict[str, Any]]]]:
    """Measure cells until the time is up; yield each with its rows."""
    plan = Plan(CONTESTANTS, operations, 2016, "warm")
    deadline = time.monotonic() + seconds
    for cell in cells:
        if time.monotonic() > deadline:
            return
        done = measure(Task(cell, plan, 0, ROUNDS))
        own = {f"dataset_{name}": value for name, value in cell.options}
        facts = {"dataset": cell.dataset, "pages": cell.pages, "dirty": cell.dirty, **own}
        yield cell, [{**row, **facts} for row in done.rows]


def model_path() -> pathlib.Path:
    """Return where this machine's own calibration is kept: the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(base) / "dirtylab" / f"model-{this_machine()['id']}.json"


def current_model() -> tuple[Model, bool]:
    """Return this machine's own model, or else the shipped one; and whether it is its own."""
    path = model_path()
    if path.exists():
        return Model.load(path), True
    return shipped_model(), False


def shipped_model() -> Model:
    """Return the model that comes with the package, measured on the machine it names."""
    return Model.load(data_file("measured/model.json"))


def _between(ends: tuple[float, float], share: float) -> float:
    return ends[0] + (ends[1] - ends[0]) * share


def _options(kind: str, pages: int, place: float) -> tuple[tuple[str, Any], ...]:
    if kind == "clustered":
        return (("length", min(round(2 ** _between(_LENGTH, place)), pages // 4)),)
    if kind == "strided":
        return (("stride", _STRIDES[int(place * len(_STRIDES))]),)
    return ()
