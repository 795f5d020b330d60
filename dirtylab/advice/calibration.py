"""Calibrate the cost model on this machine: measure a space-filling design for a minute."""

import contextlib
import pathlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dirtylab import _check, datasets
from dirtylab._caches import CACHES, GUEST_RAN
from dirtylab._check import Array
from dirtylab._data import user_cache
from dirtylab._units import parse_seconds
from dirtylab.advice.machines import held_out_file, model_file, nearest, reference
from dirtylab.advice.model import MEASURED, Model, cells_of, errors_on, fit_model
from dirtylab.advice.validation import LEAST_PAGES, trial_of
from dirtylab.datasets import Calibrated
from dirtylab.measure.cell import BenchmarkPlan, Candidate, Cell
from dirtylab.measure.files import write_text
from dirtylab.measure.sweep import Task, measure, this_machine
from dirtylab.structures import tuned
from dirtylab.theory.occupancy import has_occupancy_law

if TYPE_CHECKING:
    import pandas as pd

RADICES = (16, 32)
"""Radices of trees that are measured beside the structures of the registry."""
SECONDS = 90.0
"""Measuring time of a calibration; compiling and fitting take some seconds more."""
LEAST_CELLS = 10
"""Cells that a fit needs."""
LEAST_SECONDS, MOST_SECONDS = 10, 3600
ROUNDS = (2, 2)
"""Rounds of a cell in its two visits.  With 3 in the first, and every cell checked through Python
too, a Xeon tried the model on 46 cells in 90 s, not 63."""
_FEW_ROUNDS_FROM = 300_000
"""Dirty frames above which a visit is one round: it takes long, and varies little."""
FIT_SEED, TRIAL_SEED = 1, 2
"""Of the cells that are fitted, and of those that the model is tried on."""
BUSY = 1.3
"""Multiple of the reference kernel's usual time above which a machine counts as busy."""
_COMPILED_PAGES, _COMPILED_DIRTY = 4096, 64
_MOST_DIRTY = 3_000_000


class _Space(NamedTuple):
    """Ranges from which cells are drawn; the ends are exponents of 10."""

    pages: tuple[float, float]
    density: tuple[float, float]


_ANY = _Space((4.5, 8.0), (-5.5, 0.0))
# Where a structure outgrows the last cache, picks cost most when they are wrong: with cells drawn
# evenly the worst of 103 regrets was 127 %.
_LARGE = _Space((7.3, 8.0), (-2.5, -1.0))
_LARGE_SHARE = 0.2


def candidates() -> tuple[Candidate, ...]:
    """Return what is measured; what has no law is measured only."""
    trees = (Candidate("tree", (("radix", radix),)) for radix in RADICES)
    return (*map(Candidate, tuned()), *trees)


def design(number: int, seed: int) -> list[Cell]:
    """Return cells that are spread evenly over sizes, densities and patterns.

    Parameters
    ----------
    number : int
        Number of cells.
    seed : int
        Another seed gives other cells, for a validation set, say.

    Notes
    -----
    A scrambled Sobol sequence over the logarithms of pages (10^4.5 … 10^8) and density
    (10^-5.5 … 1), the patterns that declare how they are calibrated and have a law, and their
    options; a fifth of it in the corner where bitmaps outgrow caches; at most 3 million dirty
    frames, so that a cell takes no more than some seconds.
    """
    from scipy.stats import qmc

    rng = np.random.default_rng(seed)
    places = qmc.Sobol(4, seed=rng).random(1 << (number - 1).bit_length())[:number]
    large = rng.random(number) < _LARGE_SHARE
    any_kind, large_kinds = _kinds(), _kinds(large=True)
    return [
        _cell(place, _LARGE, large_kinds) if one else _cell(place, _ANY, any_kind)
        for place, one in zip(places, large & bool(large_kinds), strict=True)
    ]


def _kinds(*, large: bool = False) -> list[tuple[str, Calibrated]]:
    """Return patterns and how they are drawn, each as often as its share says."""
    return [
        (name, how)
        for name, how in datasets.calibrated().items()
        if has_occupancy_law(name, how.values) and (how.large or not large)
        for _ in range(how.share)
    ]


def _cell(place: Array, space: "_Space", kinds: Sequence[tuple[str, Calibrated]]) -> Cell:
    pages = round(10 ** _between(space.pages, place[0]))
    dirty = max(10, round(pages * 10 ** _between(space.density, place[1])))
    name, how = kinds[int(place[2] * len(kinds))]
    options = tuple((option, _value(values, place[3])) for option, values in how.values.items())
    return Cell(name, options, pages, min(dirty, _MOST_DIRTY, pages))


class Calibration(NamedTuple):
    """The result of a calibration."""

    model: Model
    held_out: "pd.DataFrame"
    """Cells held out from the fit: measured medians, and predictions."""
    table: "pd.DataFrame"
    """All samples, as those of a sweep."""


def planned(number: int) -> list[tuple[Cell, bool]]:
    """Return cells in the order in which they are measured, and whether each is held out.

    Cells for the fit and for the trial take turns, so that the trial has as many.  They are drawn
    apart: held-out cells taken from the fit's own sequence lie evenly between its cells, and
    a trial on them flatters.
    """
    drawn = zip(design(number, FIT_SEED), design(number, TRIAL_SEED), strict=True)
    return [
        (cell, held_out)
        for both in drawn
        for cell, held_out in zip(both, (False, True), strict=True)
    ]


def calibrate(
    seconds: float | str = SECONDS,
    *,
    cache: str = GUEST_RAN,
    report: Callable[[float, str], object] | None = None,
) -> Calibration:
    """Measure this machine and return its cost model, validated on held-out cells.

    Parameters
    ----------
    seconds : float or str, optional
        Measuring time, 10 … 3600 seconds, also as ``"5m"``.
    cache : {"guest-ran", "warm"}, optional
        What the caches hold: other memory, as a guest leaves, or what the structure just used.
    report : callable, optional
        Called with the share of the time that has passed, and the cell just measured.

    Returns
    -------
    Calibration
        The model carries its own trial: error and regret on the held-out cells.

    Notes
    -----
    Each cell is visited twice, the second time when half of the time has passed: a machine is busy
    for seconds, and medians over both visits differ from another calibration's by 4 % where those
    of one visit differed by 5 % (90th percentile: 26 % and 33 %).
    """
    import pandas as pd

    seconds = parse_seconds("seconds", seconds, LEAST_SECONDS, MOST_SECONDS)
    _check.choice("cache", cache, CACHES)
    rows: list[dict[str, Any]] = []
    begun = time.monotonic()
    for cell, found in measured(planned(1024), seconds, cache):
        rows.extend(found)
        if report:
            share = min((time.monotonic() - begun) / seconds, 1.0)
            report(share, f"{cell.dataset}, {cell.dirty:,} of {cell.pages:,} pages")
    table = pd.DataFrame.from_records(rows)
    cells = table[["pages", "dirty", "held_out"]].drop_duplicates()["held_out"]
    if (~cells).sum() < LEAST_CELLS or not cells.any():
        raise ValueError(f"seconds={seconds}: only {cells.size} cells were measured; give more")
    return calibrated(table, {**this_machine()["facts"], "cache": cache})


def calibrated(table: "pd.DataFrame", machine: dict[str, Any]) -> Calibration:
    """Return the model fitted to some of the cells and validated on the others.

    Samples taken while the machine was busy, as the reference kernel shows, are left out: their
    times include that other work.
    """
    table = table[table["reference_ns"] < BUSY * table["reference_ns"].median()]
    model = fit_model(table[~table["held_out"]], machine)
    kept = cells_of(table[table["held_out"]], model.reference_ns)
    tried = errors_on(model, kept[kept["pages"] >= LEAST_PAGES])
    return Calibration(model.with_trial(trial_of(tried)), tried, table)


def measured(
    cells: Sequence[tuple[Cell, bool]], seconds: float, cache: str
) -> Iterator[tuple[Cell, list[dict[str, Any]]]]:
    """Measure cells for half of the time, and then again; yield each with its rows.

    Time spent waiting for another measurement on this machine does not count.
    """
    first = cells[0][0]._replace(options=(), pages=_COMPILED_PAGES, dirty=_COMPILED_DIRTY)
    _visit(first, True, 0, cache)  # compiles
    left = seconds
    visited: list[tuple[Cell, bool]] = []
    for cell, held_out in cells:
        if left < seconds / 2:
            break
        visited.append((cell, held_out))
        rows, spent = _visit(cell, held_out, 0, cache)
        left -= spent
        yield cell, rows
    for cell, held_out in visited:
        if left < 0:
            return
        rows, spent = _visit(cell, held_out, 1, cache)
        left -= spent
        yield cell, rows


def _visit(
    cell: Cell, held_out: bool, visit: int, cache: str = GUEST_RAN
) -> tuple[list[dict[str, Any]], float]:
    """Measure a cell; return its rows, and the seconds that took."""
    operations = (*MEASURED, "epoch") if held_out else MEASURED
    rounds = ROUNDS[visit] if cell.dirty < _FEW_ROUNDS_FROM else 1
    first = sum(ROUNDS[:visit])
    done = measure(Task(cell, BenchmarkPlan(candidates(), operations, 2016, cache), first, rounds))
    own = {f"dataset_{name}": value for name, value in cell.options}
    facts = {"dataset": cell.dataset, "pages": cell.pages, "dirty": cell.dirty, **own}
    return [{**row, **facts, "held_out": held_out} for row in done.rows], done.seconds


def save(found: Calibration, folder: pathlib.Path, cache: str) -> pathlib.Path:
    """Write a model and the cells it was tried on to a folder; return the model's path."""
    rounded = found.held_out.round({"ns": 1, "predicted": 1, "error": 4})
    path = folder / model_file(cache)
    found.model.save(path)
    write_text(folder / held_out_file(cache), rounded.to_csv(index=False))
    return path


def model_path(cache: str = GUEST_RAN) -> pathlib.Path:
    """Return where this machine's own calibration is kept: the user's cache folder.

    Parameters
    ----------
    cache : {"guest-ran", "warm"}, optional
        What the caches held.

    Raises
    ------
    OSError
        The user has no home, and ``XDG_CACHE_HOME`` is not set.
    """
    folder = user_cache()
    if folder is None:
        raise OSError("no home and no XDG_CACHE_HOME: there is no cache folder")
    return folder / f"model-{cache}-{this_machine()['id']}.json"


def current_model(cache: str = GUEST_RAN) -> tuple[Model, bool]:
    """Return this machine's own model, or that of the recorded machine most like it; which.

    Parameters
    ----------
    cache : {"guest-ran", "warm"}, optional
        What the caches held when it was measured.
    """
    _check.choice("cache", cache, CACHES)
    with contextlib.suppress(OSError):  # no home, or one that can't be read
        path = model_path(cache)
        if path.exists():
            return Model.load(path), True
    return nearest(this_machine()["facts"], cache)[1], False


def shipped_model(cache: str = GUEST_RAN) -> Model:
    """Return the model of the machine that the documentation shows."""
    own = reference().model(cache)
    return nearest(reference().machine, cache)[1] if own is None else own


def _between(ends: tuple[float, float], share: float) -> float:
    return ends[0] + (ends[1] - ends[0]) * share


def _value(values: range | tuple[Any, ...], place: float) -> Any:
    if isinstance(values, range):
        ends = float(np.log2(values.start)), float(np.log2(values.stop))
        return round(2 ** _between(ends, place))
    return values[int(place * len(values))]
