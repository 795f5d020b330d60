"""What was measured of a guest's own cell: just now, or in a recording of this machine."""

import functools
import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from dirtylab._caches import WARM
from dirtylab._check import Array
from dirtylab.advice.machines import CROSSOVERS, recorded
from dirtylab.advice.model import Model
from dirtylab.explore.process.session import Results
from dirtylab.measure.machine import alike, describe_machine
from dirtylab.studies.crossovers.record import MAP_PAGES, load

NEAR = 1.1
"""Factor in pages, frames and run length within which a recorded cell counts as the guest's own."""
SEEN = 4.0
"""Factor in pages within which recorded cells are marks on a map."""
_RESAMPLES = 400


class Cell(NamedTuple):
    """What a guest's epoch is, for a measurement."""

    pages: int
    dirty: int
    length: int
    program: str
    cache: str


class Found(NamedTuple):
    """Measured times of one cell."""

    samples: Mapping[str, tuple[float, ...]]
    """Structure to nanoseconds of an epoch, round by round; one median where it was recorded."""
    source: str
    """In words, such as "measured here, 7 rounds"."""


class Mark(NamedTuple):
    """A recorded cell on a map: the winner."""

    share: float
    length: float
    winner: str


class Judged(NamedTuple):
    """Measured structures, ascending by median."""

    medians: Mapping[str, float]
    ranges: Mapping[str, tuple[float, float]]
    """10th and 90th percentile."""
    ties: tuple[str, ...]
    """Those whose ratio to the first may be 1 or less, at 95 %."""
    sure: float | None
    """How likely no other is quicker than the first or its ties; None from one recorded median."""


def found_now(results: Results | None) -> Found | None:
    """Return what the Measure button has given, if anything."""
    if results is None or not results.samples:
        return None
    samples = {
        name: tuple(ns for rounds in places.values() for ns in rounds)
        for name, places in results.samples.items()
    }
    rounds = min(map(len, samples.values()))
    shared = {name: ns[:rounds] for name, ns in samples.items()}
    return Found(shared, f"measured here, {rounds} rounds")


def found_recorded(cell: Cell) -> Found | None:
    """Return the recorded cell of this machine that is the guest's own, if there is one."""
    if cell.program:
        return None
    for place, medians in _cells(describe_machine(), cell.cache).items():
        pages, dirty, length = place
        pairs = ((pages, cell.pages), (dirty, cell.dirty), (length, cell.length))
        if all(max(one / other, other / one) <= NEAR for one, other in pairs):
            samples = {name: (ns,) for name, ns in medians.items()}
            return Found(samples, "recorded on a machine of this kind")
    return None


def marks(model: Model, pages: int) -> list[Mark]:
    """Return the winners recorded on the machine of a model, in slots of about that size."""
    return [
        Mark(dirty / size, length, min(medians, key=lambda name: medians[name]))
        for (size, dirty, length), medians in _cells(model.machine, model.cache).items()
        if max(size / pages, pages / size) <= SEEN
    ]


_Place = tuple[int, int, int]
"""Pages, dirty frames, run length."""


def _cells(machine: Mapping[str, Any], cache: str) -> Mapping[_Place, Mapping[str, float]]:
    """Return the cells recorded on a machine of that kind; none where there are none."""
    like = {**machine, "cache": cache}
    for one in recorded():
        if CROSSOVERS in one.parts and alike(like, {"cache": WARM, **one.machine}):
            return _read(one.folder / CROSSOVERS)
    return {}


@functools.cache
def _read(folder: pathlib.Path) -> Mapping[_Place, Mapping[str, float]]:
    study = load(folder)
    names = [str(name) for name in study.map if name not in ("length", "dirty")]
    return {
        (MAP_PAGES, int(row["dirty"]), int(row["length"])): {n: float(row[n]) for n in names}
        for row in study.map.to_dict("records")
    }


def judged(found: Found) -> Judged:
    """Return the ranking of measured structures, with ties by resampled rounds."""
    rounds = {name: np.array(ns) for name, ns in found.samples.items()}
    names = sorted(rounds, key=lambda name: float(np.median(rounds[name])))
    medians = {name: float(np.median(rounds[name])) for name in names}
    ranges = {name: (float(np.percentile(rounds[name], 10)), float(np.percentile(rounds[name], 90)))
              for name in names}  # fmt: skip
    first = rounds[names[0]]
    if first.size < 3:
        close = tuple(name for name in names[1:] if medians[name] < 1.1 * medians[names[0]])
        return Judged(medians, ranges, close, None)
    slower = {name: _slower(rounds[name] / first) for name in names[1:]}
    close = tuple(name for name, share in slower.items() if share < 0.975)
    rest = [share for name, share in slower.items() if name not in close]
    return Judged(medians, ranges, close, min(rest, default=1.0))


def _slower(ratios: Array) -> float:
    """Return in which share of resampled rounds the median ratio is above 1."""
    drawn = np.random.default_rng(0).integers(ratios.size, size=(_RESAMPLES, ratios.size))
    return float(np.mean(np.median(ratios[drawn], axis=1) > 1))
