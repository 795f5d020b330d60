"""Which cells a Measure button measures: points along the axis, dense near the crossovers."""

from collections.abc import Sequence

import numpy as np

from dirtylab.explore.kit.slider_steps import PAGES
from dirtylab.explore.views.dataset_controls import most_dirty, possible, refuse, tracked
from dirtylab.explore.views.model_curves import LENGTHS, Setting, dirty_in, with_length
from dirtylab.measure.cell import Cell

POINTS = 13
"""Points of a measurement, about half of them near the crossovers."""
NEAR = 6.0
"""Points near a crossover lie within this factor of it."""
MOST_DIRTY = 2_000_000
MOST_PAGES = 200_000_000
"""Larger cells are left out along an axis: seconds a round."""
LEAST_DIRTY = 10


def measured_cells(setting: Setting, near: Sequence[float]) -> tuple[list[float], list[Cell]]:
    """Return places on the axis and the cells to measure there.

    Parameters
    ----------
    setting : Setting
        What is tracked, along which axis.
    near : sequence of float
        Crossovers by the model: half of the points lie near them.

    Raises
    ------
    ValueError, IndexError
        No cell along this axis is possible.
    """
    refuse(setting.dataset, setting.pages, dirty_in(setting, setting.pages), setting.options)
    if setting.axis == "dirty":
        found = _dirty_places(setting, near)
    elif setting.axis == "pages":
        found = [_cell_at(setting, pages, pages) for pages in _thinned(_possible_pages(setting))]
    else:
        dirty = dirty_in(setting, setting.pages)
        fits = [one for one in LENGTHS if one <= dirty]
        found = [_cell_at(setting, one, setting.pages, one) for one in _thinned(fits)]
    if len(found) < 2:
        raise ValueError("no points to measure along this axis; move a slider")
    return [float(x) for x, _ in found], [cell for _, cell in found]


def _cell_at(
    setting: Setting, x: float, pages: int, length: int | None = None
) -> tuple[float, Cell]:
    options = setting.options if length is None else with_length(setting.options, length)
    pattern = tracked(setting.dataset, options)
    given = tuple(sorted(pattern.options.items()))
    return x, Cell(pattern.generator, given, pages, dirty_in(setting, pages))


def _dirty_places(setting: Setting, near: Sequence[float]) -> list[tuple[float, Cell]]:
    most = min(most_dirty(setting.dataset, setting.pages, setting.options), MOST_DIRTY)
    low = min(LEAST_DIRTY, most)
    inside = [one for one in near if low <= one <= most]
    about = [
        place for one in inside
        for place in one * np.geomspace(1 / NEAR, NEAR, max(POINTS // 2 // len(inside), 3))
    ]  # fmt: skip
    spread = np.geomspace(low, most, max(POINTS - len(about), 5))
    x = np.unique(np.round([one for one in [*about, *spread] if low <= one <= most])).astype(int)
    pattern = tracked(setting.dataset, setting.options)
    given = tuple(sorted(pattern.options.items()))
    return [
        (float(dirty), Cell(pattern.generator, given, setting.pages, int(dirty))) for dirty in x
    ]


def _possible_pages(setting: Setting) -> list[int]:
    fits = []
    for pages in PAGES:
        dirty = dirty_in(setting, pages)
        small = pages <= MOST_PAGES and dirty <= MOST_DIRTY
        if small and possible(setting.dataset, pages, dirty, setting.options):
            fits.append(pages)
    return fits


def _thinned(places: Sequence[int]) -> list[int]:
    """Return at most :data:`POINTS` places, evenly chosen."""
    if len(places) <= POINTS:
        return list(places)
    return [
        places[index] for index in np.unique(np.linspace(0, len(places) - 1, POINTS).astype(int))
    ]
