"""Maps of the cheapest structure around a guest, computed row by row and kept.

Measured: a row of 31 shares for five structures takes 10 … 15 ms, as the law of clusters is
evaluated for each number of frames.  So a view draws what there is, and computes the rest while
nobody moves a slider.
"""

import collections
import functools
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dirtylab._check import Array
from dirtylab.advice.answer import outside
from dirtylab.advice.model import Model
from dirtylab.explore.kit.slider_steps import powers_of_two
from dirtylab.structures import kind_of
from dirtylab.theory.memory import known_bytes
from dirtylab.theory.operations import Pattern

SHARES = np.geomspace(1e-5, 1.0, 31)
LENGTHS = powers_of_two(1, 4096)
PAGES = powers_of_two(2**15, 2**32)
LENGTH, GUEST = AXES = ("run length", "guest memory")
"""What the map's other axis is."""
MOST_MAPS = 200
"""Maps that are kept, some 20 kB each."""
_ABOVE = 60.0
"""Logarithm that stands for a time that does not count: above the memory limit."""


class Flip(NamedTuple):
    """Where another structure becomes the cheapest, on the way from the guest along one axis."""

    other: str
    axis: str
    """``share``, ``length`` or ``pages``."""
    at: float
    below: bool
    """Whether `other` is cheaper below `at`."""
    extrapolated: bool


class WinnerMap:
    """Predicted times over dirty share and run length, or dirty share and guest memory.

    Parameters
    ----------
    model : Model
        Predicts the times of an epoch.
    names : sequence of str
        Structures in the model.
    axis : {"run length", "guest memory"}
        The rows.
    fixed : int
        Pages of the slot where rows are run lengths, and a run length where they are pages.
    """

    def __init__(self, model: Model, names: Sequence[str], axis: str, fixed: int) -> None:
        self._model, self.names, self.axis, self._fixed = model, tuple(names), axis, fixed
        self.rows = np.array(LENGTHS if axis == LENGTH else PAGES, float)
        shape = (len(self.names), self.rows.size, SHARES.size)
        self.times = np.full(shape, np.nan)
        self.nbytes = np.zeros(shape)
        self.done = 0

    @property
    def complete(self) -> bool:
        """Whether all rows are known."""
        return self.done == self.rows.size

    def step(self) -> None:
        """Compute one more row."""
        row = self.done
        pages, length = self._place(row)
        dirty = np.maximum(np.round(SHARES * pages), 1.0)
        few = dirty < length
        known = Pattern("clustered", pages, np.maximum(dirty, length), {"length": length})
        for place, name in enumerate(self.names):
            times = self._model.times(name, "epoch", known)
            if few.any():  # fewer frames than a run has: one run of them
                alone = [Pattern("clustered", pages, np.array(one), {"length": int(one)})
                         for one in dirty[few]]  # fmt: skip
                times[few] = [float(self._model.times(name, "epoch", one)) for one in alone]
            self.times[place, row] = times
            self.nbytes[place, row] = _nbytes(name, pages, dirty)
        self.done += 1

    def finish(self) -> None:
        """Compute all rows."""
        while not self.complete:
            self.step()

    def _place(self, row: int) -> tuple[int, int]:
        value = int(self.rows[row])
        return (self._fixed, value) if self.axis == LENGTH else (value, self._fixed)

    @functools.cached_property
    def beyond(self) -> npt.NDArray[np.bool_]:
        """Return for each row and column whether it lies outside of what was calibrated."""
        pages = np.full(self.rows.shape, self._fixed) if self.axis == LENGTH else self.rows
        dirty = np.maximum(np.round(pages[:, None] * SHARES), 1.0)
        found: npt.NDArray[np.bool_] = np.zeros(dirty.shape, bool)
        for row, size in enumerate(pages):
            found[row] = [outside("pages", size) or outside("dirty", one) for one in dirty[row]]
        return found

    def heights(self, limit: int | None) -> Array:
        """Return logarithms of the times; infinite where a structure is above the memory limit."""
        heights: Array = np.log(self.times)
        if limit is not None:
            heights = np.where(self.nbytes > limit, np.inf, heights)
        return heights


def _nbytes(name: str, pages: int, dirty: Array) -> Array:
    """Return bytes for each number of dirty frames; infinite where no law is known."""
    kind = kind_of(name)
    asked = dirty if kind.options_for(1) != kind.options_for(2) else dirty[:1]
    found = [known_bytes(name, pages, **kind.options_for(int(one))) for one in asked]
    return np.array([np.inf if one is None else float(one) for one in found])


class MapStore:
    """Keeps maps by what they depend on."""

    def __init__(self) -> None:
        self._maps: collections.OrderedDict[Hashable, WinnerMap] = collections.OrderedDict()

    def get(self, model: Model, names: Sequence[str], axis: str, fixed: int) -> WinnerMap:
        """Return a map, which may have no rows yet."""
        key = (id(model), tuple(names), axis, fixed)
        found = self._maps.pop(key, None) or WinnerMap(model, names, axis, fixed)
        self._maps[key] = found
        if len(self._maps) > MOST_MAPS:
            self._maps.popitem(last=False)
        return found


def flips(
    known: WinnerMap, limit: int | None, place: tuple[float, float], pick: str, lead: float
) -> list[Flip]:
    """Return where the choice changes from a place on the map, the nearest first.

    Parameters
    ----------
    known : WinnerMap
        A complete one.
    limit : int or None
        Most bytes of a structure.
    place : tuple of float
        Dirty share, and run length or pages.
    pick : str
        The choice at that place.
    lead : float
        Share by which another must be cheaper than the pick, to be no tie: it is there that the
        choice changes, not where the two cost the same.
    """
    heights = np.where(np.isfinite(known.heights(limit)), known.heights(limit), _ABOVE)
    share, value = place
    across = _along(np.log(known.rows), np.moveaxis(heights, 1, 2), np.log(value))
    down = _along(np.log(SHARES), heights, np.log(share))
    other = "length" if known.axis == LENGTH else "pages"
    found: list[tuple[float, Flip]] = []
    for axis, places, line, here in (("share", SHARES, across, share),
                                     (other, known.rows, down, value)):  # fmt: skip
        off = line[known.names.index(pick)] - line - np.log1p(lead)
        for below in (True, False):
            flip = _next(places, off, here, below=below)
            if flip is not None:
                number, at = flip
                beyond = _beyond(known, axis, at, place)
                one = Flip(known.names[number], axis, at, below, beyond)
                found.append((abs(np.log(at / here)), one))
    return [flip for _, flip in sorted(found, key=lambda one: one[0])]


def _along(places: Array, heights: Array, here: float) -> Array:
    """Return heights interpolated at `here` along their last axis."""
    at = float(np.clip(np.interp(here, places, np.arange(places.size)), 0, places.size - 1))
    left = min(int(at), places.size - 2)
    part = at - left
    line: Array = (1 - part) * heights[..., left] + part * heights[..., left + 1]
    return line


def _next(places: Array, off: Array, here: float, *, below: bool) -> tuple[int, float] | None:
    """Return the first structure on the way whose line of `off` is above 0, and from where on."""
    columns = np.flatnonzero(places < here)[::-1] if below else np.flatnonzero(places > here)
    for column in columns:
        number = int(off[:, column].argmax())
        if off[number, column] > 0:
            before = min(max(column + (1 if below else -1), 0), places.size - 1)
            near, far = off[number, before], off[number, column]
            part = near / (near - far) if near < 0 else 0.0
            step = np.log(places[column] / places[before])
            at = float(places[before] * np.exp(part * step))
            return number, min(at, here) if below else max(at, here)
    return None


def _beyond(known: WinnerMap, axis: str, at: float, place: tuple[float, float]) -> bool:
    share, value = place
    if axis == "share":
        share = at
    else:
        value = at
    row = int(np.abs(np.log(known.rows / value)).argmin())
    column = int(np.abs(np.log(SHARES / share)).argmin())
    return bool(known.beyond[row, column])


def fine(known: WinnerMap, limit: int | None, by: tuple[int, int]) -> Array:
    """Return logarithms of times on a grid that is so many times finer in rows and columns."""
    heights = known.heights(limit)
    rows, columns = (_weights(size, factor) for size, factor in zip(heights.shape[1:], by,
                                                                    strict=True))  # fmt: skip
    unknown = np.isnan(heights)
    bounded = np.where(unknown, 0.0, np.where(np.isinf(heights), _ABOVE, heights))
    grid: Array = rows @ bounded @ columns.T
    grid[rows @ unknown.astype(float) @ columns.T > 0] = np.nan
    return grid


def _weights(size: int, factor: int) -> Array:
    """Return the matrix of linear interpolation from `size` places to a finer grid."""
    at = np.linspace(0, size - 1, factor * (size - 1) + 1)
    left = np.minimum(at.astype(int), size - 2)
    weights = np.zeros((at.size, size))
    weights[np.arange(at.size), left] = 1 - (at - left)
    weights[np.arange(at.size), left + 1] = at - left
    return weights


def shades(grid: Array, colors: Array, lead: float,
           paper: Sequence[float]) -> Array:  # fmt: skip
    """Return colours, shape ``(rows, columns, 3)``: ties faded, unknown places the paper's."""
    own = np.asarray(colors)[np.argmin(np.where(np.isnan(grid), np.inf, grid), axis=0)]
    paper_color = np.asarray(paper, float)
    if grid.shape[0] > 1:
        first, second = np.partition(grid, 1, axis=0)[:2]
        tied: npt.NDArray[np.bool_] = np.asarray(second - first < np.log1p(lead))[..., None]
        own = np.where(tied, paper_color + (own - paper_color) * 0.4, own)
    unknown: npt.NDArray[np.bool_] = np.asarray(np.isnan(grid).any(axis=0))[..., None]
    shaded: Array = np.where(unknown, paper_color, own)
    return shaded
