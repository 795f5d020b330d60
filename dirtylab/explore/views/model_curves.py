"""Curves of a cost model: the predicted time of each structure along an axis.

Measured: 4 structures along 61 numbers of dirty frames take 1 … 5 ms for most patterns, once the
blocks that a pattern touches are cached between structures and operations; without that up to
18 ms (sequential) and 65 ms (zipf).
"""

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dirtylab._check import Array
from dirtylab.advice.answer import CALIBRATED
from dirtylab.advice.model import Model
from dirtylab.datasets import DATASETS
from dirtylab.explore.kit.controls import Options
from dirtylab.explore.kit.slider_steps import PAGES, powers_of_two
from dirtylab.explore.views.dataset_controls import most_dirty, possible, tracked
from dirtylab.theory.occupancy import has_occupancy_law, occupied
from dirtylab.theory.operations import Pattern

POINTS = 61
"""Points of a curve over dirty frames; it is interpolated between them on log-log axes."""
AXES = ("dirty", "pages", "length")
LENGTHS = powers_of_two(1, 2**16)
"""Cluster lengths along that axis."""


class Setting(NamedTuple):
    """What is tracked, and which part of it the axis varies."""

    dataset: str
    options: Options
    pages: int
    dirty: int
    """Frames; ignored where a density is given."""
    density: float | None
    """Share of each slot that is dirty."""
    axis: str


class Curves(NamedTuple):
    """Predicted times along an axis."""

    x: Array
    dirty: Array
    """Frames at each `x`."""
    pages: Array
    """Pages at each `x`."""
    ns: Mapping[str, Array]
    """Structure to nanoseconds at each `x`."""

    @property
    def calibrated(self) -> npt.NDArray[np.bool_]:
        """Whether each place lies within what a calibration measures; beyond it is extrapolated."""
        inside = np.ones(self.x.shape, bool)
        for axis, values in (("pages", self.pages), ("dirty", self.dirty)):
            low, high = CALIBRATED[axis]
            inside &= (values >= low) & (values <= high)
        return inside


class Place(NamedTuple):
    """One or more points of an axis that share the slot and the pattern's options."""

    pages: int
    dirty: Array
    options: Mapping[str, Any]


class CachedPattern(Pattern):
    """A pattern whose counts of blocks are cached."""

    def occupied(self, block: int) -> Array:
        """Return the expected number of blocks touched."""
        if self.dataset == "trace":
            most = int(self.dirty.max(initial=1))
            first = _first_touches(self.options["path"], self.pages, most, min(block, self.pages))
            touched: Array = np.searchsorted(first, self.dirty, side="left").astype(float)
            return touched
        options = tuple(self.options.items())
        return _occupied(
            self.dataset, self.pages, self.dirty.tobytes(), self.dirty.shape, block, options
        )


@functools.lru_cache(256)
def _first_touches(path: str, pages: int, most: int, block: int) -> npt.NDArray[np.intp]:
    """Return the indices in a replayed trace at which a block is touched for the first time."""
    places, frames = _distinct(path, pages, most)
    _, first = np.unique(frames // np.uint64(block), return_index=True)
    return np.sort(places[first])


@functools.lru_cache(8)
def _distinct(
    path: str, pages: int, most: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.uint64]]:
    """Return the index of each distinct frame's first write in a replayed trace, and the frames."""
    frames = DATASETS["trace"](pages, most, path=path, fit="tile")
    _, first = np.unique(frames, return_index=True)
    first.sort()
    return first, frames[first]


@functools.lru_cache(4096)
def _occupied(
    dataset: str, pages: int, dirty: bytes, shape: tuple[int, ...], block: int, options: Options
) -> Array:
    numbers = np.frombuffer(dirty).reshape(shape)
    return occupied(dataset, pages, numbers, block, **dict(options))


def model_name(structure: str, radix: int) -> str:
    """Return a structure's name in a model; ``tree`` has the radix of the slider."""
    return f"tree{radix}" if structure == "tree" else structure


def curves(model: Model, structures: tuple[str, ...], operation: str, setting: Setting) -> Curves:
    """Return the predicted time of each structure along the axis of a setting.

    Parameters
    ----------
    model : Model
        The cost model.
    structures : tuple of str
        Names in the model; those that it does not have are left out.
    operation : {"insert", "collect", "harvest", "epoch"}
        What is timed.
    setting : Setting
        What is tracked, and along which axis.

    Returns
    -------
    Curves
        Arrays of shape ``(points,)``; empty where no point of the axis is possible.
    """
    axis = places(setting)
    known = [name for name in structures if name in model.structures]
    if not has_law(setting.dataset, setting.options):
        known = []
    dataset = tracked(setting.dataset, setting.options).generator
    patterns = [CachedPattern(dataset, one.pages, one.dirty, one.options) for one in axis.places]
    ns = {
        name: np.concatenate([model.times(name, operation, one) for one in patterns])
        for name in known
        if patterns
    }
    return Curves(axis.x, axis.dirty, axis.pages, ns)


def has_law(dataset: str, options: Options) -> bool:
    """Return whether the blocks that a pattern touches are known without measuring."""
    pattern = tracked(dataset, options)
    return pattern.generator == "trace" or has_occupancy_law(pattern.generator, pattern.theory)


class Axis(NamedTuple):
    """The points of an axis."""

    x: Array
    dirty: Array
    pages: Array
    places: list[Place]


def places(setting: Setting) -> Axis:
    """Return the points of a setting's axis at which the pattern is possible."""
    if setting.axis == "dirty":
        options = _theory(setting.dataset, setting.options)
        most = most_dirty(setting.dataset, setting.pages, setting.options)
        here = dirty_in(setting, setting.pages)
        if here > most and possible(setting.dataset, setting.pages, here, setting.options):
            most = here  # writes, with repeats: more than pages
        x = np.unique(np.round(np.geomspace(1, most, POINTS)))
        return Axis(x, x, np.full_like(x, setting.pages), [Place(setting.pages, x, options)])
    found = [one for one in _candidates(setting) if possible(setting.dataset, *one[1:])]
    if not found:
        nothing = np.empty(0)
        return Axis(nothing, nothing, nothing, [])
    dirty = np.array([float(one[2]) for one in found])
    each = [
        Place(pages, np.array([float(number)]), _theory(setting.dataset, options))
        for _, pages, number, options in found
    ]
    x = np.array([float(one[0]) for one in found])
    return Axis(x, dirty, np.array([float(one[1]) for one in found]), each)


def dirty_in(setting: Setting, pages: int) -> int:
    """Return a setting's dirty frames in a slot of that many pages."""
    if setting.density is None:
        return setting.dirty
    return max(1, round(setting.density * pages))


def _candidates(setting: Setting) -> list[tuple[int, int, int, Options]]:
    if setting.axis == "pages":
        return [(p, p, dirty_in(setting, p), setting.options) for p in PAGES]
    dirty = dirty_in(setting, setting.pages)
    return [
        (one, setting.pages, dirty, with_length(setting.options, one))
        for one in LENGTHS
        if one <= dirty
    ]


def with_length(options: Options, length: int) -> Options:
    """Return the options with clusters of that length; their number follows from the frames."""
    kept = {name: value for name, value in options if name not in ("length", "clusters")}
    return tuple(sorted({**kept, "length": length}.items()))


def _theory(dataset: str, options: Options) -> Mapping[str, Any]:
    return tracked(dataset, options).theory


def time_at(curve: Curves, structure: str, x: float) -> float:
    """Return a structure's predicted time at `x`, interpolated on log-log axes."""
    return float(np.exp(np.interp(np.log(x), np.log(curve.x), np.log(curve.ns[structure]))))
