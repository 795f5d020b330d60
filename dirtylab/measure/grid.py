"""The grid of a sweep: structures × operations × datasets × pages × dirty frames × options."""

import itertools
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dirtylab import _check
from dirtylab._caches import CACHES
from dirtylab._units import frames_of, parse_amounts, parse_count, parse_pages_list
from dirtylab.datasets import DATASETS, declared
from dirtylab.measure.apart import ApartError, Call, beat, measuring
from dirtylab.measure.cell import (
    ANY_PAGES,
    BenchmarkPlan,
    Candidate,
    Cell,
    Options,
    label,
    make,
)
from dirtylab.measure.driver import OPERATIONS
from dirtylab.native.contestants import entered, native
from dirtylab.native.paths import is_path
from dirtylab.structures import kind_of, names, require_operation

BYTES_A_PAGE = 16
"""Most memory that a cell needs for each page and frame: a list, its copy, a mask."""

_TRIED_FRAMES = 2**16
_SHOWN = 5
USUAL = ("insert", "collect", "harvest", "epoch")
"""What is timed where nothing else is asked for."""

Option = str | int | float
Choice = str | tuple[str, Mapping[str, Any]]
"""A name, or a name and options."""


class Grid(NamedTuple):
    """A sweep's cells and what is measured in each."""

    cells: tuple[Cell, ...]
    plan: BenchmarkPlan
    skipped: tuple[str, ...]
    """Cells that can't be measured, each with the reason."""

    def as_dict(self) -> dict[str, Any]:
        """Return everything that determines a sweep's rows, ready for JSON."""
        own = native([one.structure for one in self.plan.candidates])
        trackers = {name: origin.identity for name, origin in own.items()}
        return {
            "contestants": [
                [one.structure, dict(one.options), one.control] for one in self.plan.candidates
            ],
            "operations": list(self.plan.operations),
            "seed": self.plan.seed,
            "cache": self.plan.cache,
            **({"trackers": trackers} if trackers else {}),
        }

    def names(self) -> tuple[list[str], list[str]]:
        """Return the patterns and the structures."""
        patterns = dict.fromkeys(cell.dataset for cell in self.cells)
        return list(patterns), [one.structure for one in self.plan.candidates]


def build(
    structures: Sequence[Choice],
    operations: Sequence[str] | None,
    datasets: Sequence[Choice],
    pages: Iterable[int | str],
    dirty: Iterable[float | str],
    seed: int | str,
    cache: str,
) -> Grid:
    """Return the grid; parameters and errors as :func:`dirtylab.sweep`."""
    given = {"structures": structures, "datasets": datasets, "pages": pages, "dirty": dirty}
    listed = {name: _listed(name, values) for name, values in given.items()}
    candidates = _candidates(listed["structures"])
    wanted = _operations(operations, candidates)
    patterns = [_choice("datasets", one, tuple(DATASETS)) for one in listed["datasets"]]
    sizes = [size for one in listed["pages"] for size in parse_pages_list("pages", one)]
    numbers = [number for one in listed["dirty"] for number in parse_amounts("dirty", one)]
    control = candidates[0]._replace(control=True)
    plan = BenchmarkPlan(
        (*candidates, control),
        wanted,
        parse_count("seed", seed, 0, 2**63),
        _check.choice("cache", cache, CACHES),
    )
    with measuring([name for name, _ in patterns], (one.structure for one in candidates)) as call:
        for candidate in candidates:
            call(_require_options, candidate)
        cells, skipped = _cells(candidates, patterns, sizes, numbers, call)
    if not cells:
        more = f"; and {len(skipped) - _SHOWN} more" if len(skipped) > _SHOWN else ""
        shown = "; ".join(skipped[:_SHOWN])
        raise ValueError(f"the grid has no cell that can be measured: {shown}{more}")
    return Grid(cells, plan, skipped)


def _candidates(given: Sequence[Any]) -> list[Candidate]:
    """Return structures with their options; native trackers, given by path, are read."""
    found = [Candidate(*_choice("structures", _entered(one), names())) for one in given]
    if len(set(found)) < len(found):
        raise ValueError(f"structures={given!r}: names one twice")
    return found


def _entered(given: Any) -> Any:
    if isinstance(given, os.PathLike) or (isinstance(given, str) and is_path(given)):
        return entered(given)
    if isinstance(given, tuple | list) and given and isinstance(given[0], str | os.PathLike):
        return (_entered(given[0]), *given[1:])
    return given


def _operations(given: Sequence[str] | None, candidates: Sequence[Candidate]) -> tuple[str, ...]:
    """Return what is timed, in the usual order."""
    lacking = [one.structure for one in candidates if not kind_of(one.structure).collects]
    if given is None:
        return tuple(one for one in USUAL if one != "collect" or not lacking)
    listed = _listed("operations", given)
    for one in listed:
        _check.choice("operations", one, OPERATIONS)
        require_operation(one, lacking)
    return tuple(one for one in OPERATIONS if one in listed)


def _listed(name: str, values: Any) -> list[Any]:
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise TypeError(f"{name}={values!r}: must be a list, of one or more")
    listed = list(values)
    if not listed:
        raise ValueError(f"{name}={values!r}: must name at least one")
    return listed


def _choice(name: str, given: Choice, allowed: tuple[str, ...]) -> tuple[str, Options]:
    pair = (given, {}) if isinstance(given, str) else given
    if not (isinstance(pair, Sequence) and len(pair) == 2 and isinstance(pair[1], Mapping)):
        raise TypeError(f"{name}: {given!r}: must be a name, or a name and a dict of options")
    chosen, options = pair
    _check.choice(name, chosen, allowed)
    found = sorted((str(key), _plain(name, key, value)) for key, value in options.items())
    return chosen, tuple((key, value) for key, value in found if value is not None)


def _plain(name: str, option: str, value: Any) -> Option | None:
    """Return an option's value as it is written to disk and read again."""
    number = value.item() if isinstance(value, np.generic) else value
    if isinstance(number, os.PathLike):
        number = os.fspath(number)
    if number is not None and not isinstance(number, str | int | float):
        raise TypeError(f"{name}: {option}={value!r}: must be a number, a word or a path")
    return number


def _require_options(candidate: Candidate) -> None:
    """Refuse options that a structure does not take at any size."""
    try:
        make(candidate, ANY_PAGES)
    except (TypeError, ValueError) as error:
        raise type(error)(f"structures: {candidate.structure}: {error}") from None


def _cells(
    candidates: Sequence[Candidate],
    patterns: Sequence[tuple[str, Options]],
    sizes: Sequence[int],
    numbers: Sequence[float],
    call: Call,
) -> tuple[tuple[Cell, ...], tuple[str, ...]]:
    cells: list[Cell] = []
    skipped: list[str] = []
    refused = {pages: _refused_by(call, candidates, pages) for pages in sizes}
    for (dataset, options), pages, number in itertools.product(patterns, sizes, numbers):
        cell = Cell(dataset, options, pages, frames_of(number, pages))
        if cell in cells:
            continue
        if trouble := refused[pages] or _trouble(cell):
            skipped.append(f"{label(cell)}: {trouble}")
        else:
            cells.append(cell)
    return tuple(cells), tuple(dict.fromkeys(skipped))


def _refused_by(call: Call, candidates: Sequence[Candidate], pages: int) -> str:
    try:
        return str(call(_refused, candidates, pages))
    except ApartError as error:  # a native tracker's create
        return str(error)


def _refused(candidates: Sequence[Candidate], pages: int) -> str:
    """Return why a structure can't be compared at a size, or nothing."""
    try:
        _check.memory("pages", pages, BYTES_A_PAGE * pages)
        for candidate in candidates:
            beat(candidate.structure)
            if getattr(make(candidate, pages), "lost", ()):
                return f"{candidate.structure} loses frames at this size"
    except (ValueError, TypeError, MemoryError) as error:
        return str(error)
    return ""


def _trouble(cell: Cell) -> str:
    """Return why a pattern can't be measured, or nothing."""
    if cell.dirty > cell.pages:
        return "more dirty frames than pages"
    try:
        _check.memory("pages", cell.pages, BYTES_A_PAGE * (cell.pages + cell.dirty))
        few = min(cell.dirty, _TRIED_FRAMES)
        tried = few if declared(cell.dataset).free else cell.dirty
        DATASETS[cell.dataset](cell.pages, tried, **dict(cell.options))
    except TypeError as error:  # at any size
        raise TypeError(f"datasets: {cell.dataset}: {error}") from None
    except (ValueError, IndexError, MemoryError) as error:
        return str(error)
    return ""
