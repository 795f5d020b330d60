"""What a sweep goes over: structures × operations × datasets × pages × dirty frames × options."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from dirtylab import _check
from dirtylab.datasets import DATASETS
from dirtylab.measure.contest import CACHES, OPERATIONS, Cell, Contestant, Options, Plan
from dirtylab.structures import STRUCTURES

NAMES = (*STRUCTURES, "tree")
BYTES_A_PAGE = 16
"""Memory that a cell needs for each page and frame, at most: a list, its copy, a mask."""

Choice = str | tuple[str, Mapping[str, Any]]
"""A name, or a name and options."""


class Grid(NamedTuple):
    """A sweep's cells and what is measured in each."""

    cells: tuple[Cell, ...]
    plan: Plan
    skipped: tuple[str, ...]
    """Cells that can't be, each with the reason."""

    def as_dict(self) -> dict[str, Any]:
        """Return what decides which rows a sweep gives, ready for JSON."""
        return {
            "contestants": [
                [one.structure, dict(one.options), one.control] for one in self.plan.contestants
            ],
            "operations": list(self.plan.operations),
            "seed": self.plan.seed,
            "cache": self.plan.cache,
        }


def build(
    structures: Sequence[Choice],
    operations: Sequence[str],
    datasets: Sequence[Choice],
    pages: Iterable[int],
    dirty: Iterable[float],
    seed: int,
    cache: str,
) -> Grid:
    """Return the grid; parameters and errors as :func:`dirtylab.sweep`."""
    for name, values in (("structures", structures), ("operations", operations)):
        _check_names(name, values)
    contestants = [Contestant(*_choice("structures", one, NAMES)) for one in structures]
    if len(set(contestants)) < len(contestants):
        raise ValueError(f"structures={list(structures)!r}: names one twice")
    for one in operations:
        _check.choice("operations", one, OPERATIONS)
    patterns = [_choice("datasets", one, tuple(DATASETS)) for one in datasets]
    sizes = [_check.pages(one, 1) for one in pages]
    numbers = [_amount(one) for one in dirty]
    if not (patterns and sizes and numbers):
        empty = [
            name
            for name, values in (("datasets", patterns), ("pages", sizes), ("dirty", numbers))
            if not values
        ]
        raise ValueError(f"{empty[0]}=[]: must name at least one")
    control = contestants[0]._replace(control=True)
    plan = Plan(
        (*contestants, control),
        tuple(one for one in OPERATIONS if one in operations),
        _check.integer("seed", seed, 0, 2**63),
        _check.choice("cache", cache, CACHES),
    )
    cells, skipped = _cells(patterns, sizes, numbers)
    if not cells:
        raise ValueError("the grid has no cell that can be measured: " + "; ".join(skipped))
    return Grid(cells, plan, skipped)


def _check_names(name: str, values: Sequence[Any]) -> None:
    if isinstance(values, str) or not values:
        raise ValueError(f"{name}={values!r}: must be a list of names, at least one")


def _choice(name: str, given: Choice, allowed: tuple[str, ...]) -> tuple[str, Options]:
    chosen, options = (given, {}) if isinstance(given, str) else given
    _check.choice(name, chosen, allowed)
    return chosen, tuple((key, _hashable(value)) for key, value in sorted(options.items()))


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _amount(value: float) -> float:
    if isinstance(value, float) and 0 < value <= 1:
        return value
    return _check.integer("dirty", value, 1)


def _cells(
    patterns: Sequence[tuple[str, Options]], sizes: Sequence[int], numbers: Sequence[float]
) -> tuple[tuple[Cell, ...], tuple[str, ...]]:
    cells: list[Cell] = []
    skipped: list[str] = []
    for (dataset, options), pages, number in itertools.product(patterns, sizes, numbers):
        dirty = max(1, round(number * pages)) if isinstance(number, float) else int(number)
        cell = Cell(dataset, options, pages, dirty)
        if trouble := _trouble(cell):
            skipped.append(f"{label(cell)}: {trouble}")
        elif cell not in cells:
            cells.append(cell)
    return tuple(cells), tuple(skipped)


def _trouble(cell: Cell) -> str:
    """Return why a cell can't be measured, or nothing."""
    if cell.dirty > cell.pages:
        return "more dirty frames than pages"
    try:
        _check.memory("pages", cell.pages, BYTES_A_PAGE * (cell.pages + cell.dirty))
        DATASETS[cell.dataset](cell.pages, min(cell.dirty, 2**16), **dict(cell.options))
    except (ValueError, TypeError, MemoryError) as error:
        return str(error)
    return ""


def label(cell: Cell) -> str:
    """Return a cell in words."""
    options = "".join(f" {name}={value}" for name, value in cell.options)
    return f"{cell.dataset}{options}, {cell.dirty:,} of {cell.pages:,} pages"
