"""Write the table of the documentation's sliders: ``python -m dirtylab._answers``.

A page of the documentation answers without Python: its script interpolates times that are
tabulated here from the shipped cost models, by guest size, run length, structure and operation,
each as a curve over the dirty frames.

A law has jumps (where a list changes its sort, a bitmap its scan) and bends (where a cache is
full), each at its own number of frames.  So the numbers of frames of a curve are chosen: intervals
in which a straight line on log-log axes is off are divided again and again, down to single frames;
then the fewest points are kept whose lines hold the tolerance.

Cost: some minutes; the file is committed, and a test tells when it is out of date.
"""

import base64
import colorsys
import gzip
import hashlib
import json
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.colors import to_hex, to_rgb

from dirtylab._caches import CACHE_TEXTS, CACHES
from dirtylab._check import Array
from dirtylab._progress import work_bar
from dirtylab.advice.answer import CALIBRATED, lead_of
from dirtylab.advice.calibration import shipped_model
from dirtylab.advice.machines import recorded, reference
from dirtylab.advice.model import MEASURED, Model
from dirtylab.figures.style import look_of
from dirtylab.measure.files import write_whole
from dirtylab.measure.machine import caption
from dirtylab.structures import STRUCTURES, tuned
from dirtylab.theory.memory import known_bytes
from dirtylab.theory.operations import Pattern

TABLE = pathlib.Path("docs/_static/answers-table.js")
HEAD = "// Written by python -m dirtylab._answers\n"
BEFORE = "window.dirtylabTable = "
FORMAT = 1
GIB_PAGES = 2**18
PAGES = tuple(
    [GIB_PAGES // 4, GIB_PAGES // 2]
    + [pages << power for power in range(10) for pages in (GIB_PAGES, 3 * GIB_PAGES // 2)]
    + [GIB_PAGES << 10, GIB_PAGES << 11]
)
"""Guests of 256 MiB … 2 TiB; from 1 GiB to 1 TiB also one and a half times a power of two."""
LENGTHS = tuple(2**power for power in range(13))
TOLERANCE = 0.006
"""Most by which a line between two points may be off, in natural logarithms."""
STEP = 1 / 512
"""Of a time, in natural logarithms."""
PROBE = np.array([1.0, 20.0, 400.0, 3000.0, 17_000.0, 50_000.0])
"""Dirty frames at which laws are tried."""
_GRID, _PARTS, _ROUNDS = 80, 4, 24

Curves = dict[tuple[int, str, str], Array]
"""Logarithms of times by number of the model, structure and operation."""


class Knots(NamedTuple):
    """A curve: straight lines between these points, on log-log axes."""

    dirty: npt.NDArray[np.int64]
    height: npt.NDArray[np.int64]
    """Logarithms of nanoseconds, in steps of :data:`STEP`."""


def models() -> list[tuple[str, Model]]:
    """Return all shipped models, each with its machine's name."""
    found = ((one.name, one.model(cache)) for one in recorded() for cache in CACHES)
    return [(name, model) for name, model in found if model is not None]


def digest() -> str:
    """Return what tells whether curves are those of the shipped models and of the laws of today."""
    known = models()
    only = [model for _, model in known]
    tried = [
        [f"{value:.6f}" for own in curves_at(only, pages, length, PROBE).values() for value in own]
        for pages, length in ((PAGES[0], LENGTHS[0]), (PAGES[12], LENGTHS[4]))
    ]
    told = [[name, model.cache] for name, model in known]
    scale = [FORMAT, PAGES, LENGTHS, TOLERANCE, STEP, tuned()]
    return hashlib.sha256(json.dumps([told, tried, scale]).encode()).hexdigest()[:16]


def curves_at(known: Sequence[Model], pages: int, length: int, dirty: Array) -> Curves:
    """Return the curves of all models at a size and a run length."""
    pattern = Pattern("clustered", pages, dirty, {"length": min(length, pages)})
    return {
        (number, structure, operation): np.log(model.times(structure, operation, pattern))
        for number, model in enumerate(known)
        for structure in tuned()
        for operation in MEASURED
    }


def knots_at(known: Sequence[Model], pages: int, length: int) -> dict[tuple[int, str, str], Knots]:
    """Return all models' curves at a size and a run length, each by its fewest points."""
    dirty = np.unique(np.round(np.geomspace(1, pages, _GRID)))
    found = curves_at(known, pages, length, dirty)
    new = _divided(dirty, np.ones(dirty.size - 1, bool))
    for _ in range(_ROUNDS):
        if not new.size:
            break
        more = curves_at(known, pages, length, new)
        bent = _bent(dirty, found, new, more)
        order = np.argsort(np.concatenate([dirty, new]), kind="stable")
        dirty = np.concatenate([dirty, new])[order]
        found = {key: np.concatenate([own, more[key]])[order] for key, own in found.items()}
        new = _divided(dirty, _intervals_with(dirty, bent))
    return {key: fewest(dirty, own) for key, own in found.items()}


def _divided(dirty: Array, intervals: npt.NDArray[np.bool_]) -> Array:
    """Return numbers of frames that divide some of the intervals, none that is there already."""
    low, high = dirty[:-1][intervals], dirty[1:][intervals]
    shares = np.arange(1, _PARTS) / _PARTS
    between = np.round(low[:, None] * (high / low)[:, None] ** shares)
    new: Array = np.setdiff1d(between, dirty)
    return new


def _bent(dirty: Array, curves: Curves, new: Array, more: Curves) -> Array:
    """Return those of the new places at which a line between the old ones is off."""
    off = np.zeros(new.size)
    for key, own in curves.items():
        line = np.interp(np.log(new), np.log(dirty), own)
        off = np.maximum(off, np.abs(more[key] - line))
    return new[off > TOLERANCE / 2]


def _intervals_with(dirty: Array, bent: Array) -> npt.NDArray[np.bool_]:
    """Return which intervals to divide: those on either side of a place that is off."""
    places = np.searchsorted(dirty, bent)
    chosen = np.zeros(dirty.size - 1, bool)
    chosen[np.maximum(places - 1, 0)] = True
    chosen[np.minimum(places, dirty.size - 2)] = True
    return chosen


def fewest(dirty: Array, height: Array) -> Knots:
    """Return the fewest of a curve's points whose lines are within the tolerance of all.

    Each line goes as far as it can: to the last point for which it passes all points before it.
    """
    place, kept = np.log(dirty), [0]
    while (first := kept[-1]) < dirty.size - 1:
        run = place[first + 1 :] - place[first]
        rise = height[first + 1 :] - height[first]
        least = np.maximum.accumulate((rise - TOLERANCE) / run)
        most = np.minimum.accumulate((rise + TOLERANCE) / run)
        passes = np.flatnonzero((rise / run >= least) & (rise / run <= most))
        kept.append(first + 1 + int(passes[-1]))
    chosen = np.array(kept)
    return Knots(dirty[chosen].astype(np.int64), np.round(height[chosen] / STEP).astype(np.int64))


def packed(places: Sequence[Sequence[Knots]]) -> bytes:
    """Return curves as bytes; `places` has those of each size and run length.

    Five parts, each behind its length in 4 bytes: the numbers of frames at which any curve of a
    place has a point, each curve's number of points, where among those numbers they are, and low
    and high byte of the differences of their heights.
    """
    pools: list[int] = []
    counts: list[int] = []
    at: list[int] = []
    heights: list[int] = []
    for curves in places:
        pool = np.unique(np.concatenate([one.dirty for one in curves]))
        pools += [pool.size, *np.diff(pool, prepend=0).tolist()]
        for one in curves:
            counts.append(one.dirty.size)
            at += np.diff(np.searchsorted(pool, one.dirty), prepend=0).tolist()
            steps = np.diff(one.height, prepend=0)
            heights += np.where(steps < 0, -2 * steps - 1, 2 * steps).tolist()
    low, high = bytes(one & 255 for one in heights), bytes(one >> 8 for one in heights)
    parts = [bytes(_sevens(pools)), bytes(_sevens(counts)), bytes(_sevens(at)), low, high]
    return b"".join(len(part).to_bytes(4, "little") + part for part in parts)


def _sevens(numbers: Sequence[int]) -> Iterator[int]:
    """Yield numbers, 7 bits a byte, the lowest first; the highest bit says that more follow."""
    for number in numbers:
        while number > 127:
            yield number & 127 | 128
            number >>= 7
        yield number


def memory_table() -> dict[str, list[list[int]]]:
    """Return for each structure and size its bytes with one frame, and those of each further one.

    Raises
    ------
    ValueError
        A structure's memory does not grow with each frame by as much.
    """
    table: dict[str, list[list[int]]] = {}
    for name, kind in STRUCTURES.items():
        rows = []
        for pages in PAGES:
            one, two, many = (known_bytes(name, pages, **kind.options_for(n)) for n in (1, 2, 1000))
            if one is None or two is None or many is None:
                break
            if many != one + 999 * (two - one):
                raise ValueError(f"{name}: memory is no straight line over the dirty frames")
            rows.append([one, two - one])
        else:
            table[name] = rows
    return table


def on_dark(color: str) -> str:
    """Return a colour of the same hue for a dark page."""
    hue, light, vivid = colorsys.rgb_to_hls(*to_rgb(color))
    return to_hex(colorsys.hls_to_rgb(hue, max(0.68, 0.92 - light), min(vivid, 0.75)))


def facts(known: Sequence[tuple[str, Model]]) -> dict[str, Any]:
    """Return all of the table but the curves."""
    looks = {name: look_of(name) for name in STRUCTURES}
    return {
        "format": FORMAT,
        "digest": digest(),
        "usual": {"machine": reference().name, "cache": shipped_model().cache},
        "pages": PAGES,
        "lengths": LENGTHS,
        "step": STEP,
        "timed": tuned(),
        "operations": MEASURED,
        "calibrated": CALIBRATED,
        "caches": CACHE_TEXTS,
        "structures": {
            name: {"label": look.label, "light": look.color, "dark": on_dark(look.color)}
            for name, look in looks.items()
        },
        "models": [
            {"machine": name, "cache": model.cache, "lead": lead_of(model),
             "caption": caption({"cache": model.cache, **model.machine})}
            for name, model in known
        ],
        "memory": memory_table(),
    }  # fmt: skip


def all_curves() -> str:
    """Return the curves of all models, packed, as text."""
    known = [model for _, model in models()]
    order = [(n, s, o) for n in range(len(known)) for s in tuned() for o in MEASURED]
    places = [(pages, length) for pages in PAGES for length in LENGTHS]
    found = []
    with work_bar(len(places), shown=True) as step:
        for place in places:
            found.append(knots_at(known, *place))
            step("curves", 1)
    curves = packed([[one[key] for key in order] for one in found])
    return base64.b64encode(gzip.compress(curves, 9, mtime=0)).decode()


def read_table(path: pathlib.Path = TABLE) -> dict[str, Any]:
    """Return the table that is there."""
    _, _, told = path.read_text(encoding="utf-8").partition(BEFORE)
    return dict(json.loads(told.removesuffix(";\n")))


def table_text(curves: str) -> str:
    """Return the table as a script, which a page finds also where it is opened from a file."""
    told = {**facts(models()), "curves": curves}
    return f"{HEAD}{BEFORE}{json.dumps(told, ensure_ascii=False, separators=(',', ':'))};\n"


def main() -> None:
    """Write the table; curves that are of today are kept."""
    before = read_table() if TABLE.exists() else {}
    kept = before["curves"] if before.get("digest") == digest() else None
    text = table_text(kept or all_curves())
    write_whole(TABLE, lambda path: path.write_text(text, encoding="utf-8"))


if __name__ == "__main__":
    main()
