"""What a Measure button does: which points are measured, and what has come in so far."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from dirtylab.explore.kit.slider_steps import PAGES
from dirtylab.explore.kit.view import Progress
from dirtylab.explore.views.dataset_controls import most_dirty, refuse, tracked
from dirtylab.explore.views.model_curves import LENGTHS, Setting, dirty_in, with_length
from dirtylab.measure.contest import Cell

if TYPE_CHECKING:
    from dirtylab.explore.process.messages import Event

POINTS = 13
"""Points of a measurement, about half of them near the crossovers."""
NEAR = 6.0
"""Points near a crossover lie within this factor of it."""
MOST_DIRTY = 2_000_000
MOST_PAGES = 200_000_000
"""Larger cells are left out along an axis: seconds a round."""
LEAST_DIRTY = 10

Samples = dict[str, dict[float, list[float]]]
"""Structure to place on the axis to nanoseconds, round by round."""


class Works(Protocol):
    """A worker: see ``dirtylab.explore.process.worker_client``."""

    def measure(self, job: Any, on_event: Callable[[Any], None]) -> None:
        """Begin."""

    def cancel(self) -> None:
        """Stop."""

    def close(self) -> None:
        """End the process."""


class Asked(NamedTuple):
    """What was measured: points go with lines only where this is the same."""

    setting: Setting
    operation: str
    radix: int


@dataclasses.dataclass
class Found:
    """What a measurement has given so far."""

    asked: Any
    """What was asked for; hashable."""
    x: list[float]
    names: Mapping[str, str]
    """The worker's name of a structure to that of its line: ``tree`` to ``tree64``."""
    samples: Samples = dataclasses.field(default_factory=dict)

    def add(self, index: int, rows: Sequence[tuple[str, float]]) -> None:
        """Take in the samples of one cell."""
        for structure, ns in rows:
            name = self.names.get(structure, structure)
            self.samples.setdefault(name, {}).setdefault(self.x[index], []).append(float(ns))

    def medians(self, structure: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return places, shape ``(points,)``, and 10th, 50th, 90th percentile, ``(points, 3)``."""
        found = sorted(self.samples.get(structure, {}).items())
        x = np.array([place for place, _ in found])
        ns = [np.percentile(samples, (10, 50, 90)) for _, samples in found]
        return x, np.array(ns).reshape(-1, 3)

    def matrix(self, structures: Sequence[str]) -> tuple[Any, dict[str, Any]]:
        """Return places, and structure to samples of shape ``(points, rounds)``.

        Only places at which each structure has as many rounds as the others.
        """
        shared = [
            place for place in sorted(self.x)
            if all(place in self.samples.get(name, {}) for name in structures)
        ]  # fmt: skip
        counts = [len(self.samples[name][place]) for name in structures for place in shared]
        rounds = min(counts, default=0)
        return np.array(shared), {
            name: np.array([self.samples[name][place][:rounds] for place in shared])
            for name in structures
        }

    def rows(self) -> list[dict[str, Any]]:
        """Return the samples as rows of a table."""
        return [
            {"x": place, "structure": name, "kind": "measured", "round": number, "ns": ns}
            for name, places in self.samples.items()
            for place, samples in sorted(places.items())
            for number, ns in enumerate(samples)
        ]


class Measurement:
    """Runs one job after the other on a worker, and keeps what comes in.

    Parameters
    ----------
    worker : callable
        Makes the worker when it is first needed.
    changed : callable
        Called when there is something new to show; from any thread.
    """

    def __init__(self, worker: Callable[[], Works], changed: Callable[[], None]) -> None:
        self._make, self._changed = worker, changed
        self._worker: Works | None = None
        self._run = 0
        self._progress = Progress(False, 0, 1, "")
        self.found: dict[Any, Found] = {}
        self.latest: Found | None = None

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return self._progress

    def start(self, asked: Any, x: Sequence[float], job: Any, names: Mapping[str, str]) -> None:
        """Begin; what the last measurement found is kept."""
        if self._progress.running:
            raise ValueError("a measurement is running; cancel it first")
        self._run += 1
        self._progress = Progress(True, 0, len(x), "starting to measure …")
        self._changed()
        found = Found(asked, list(x), names)
        if self._worker is None:
            self._worker = self._make()
        self._worker.measure(job, lambda event, run=self._run: self._take(event, found, run))  # type: ignore[misc]

    def cancel(self) -> None:
        """Stop; what has come in is kept."""
        if self._worker is not None and self._progress.running:
            self._progress = self._progress._replace(message="stopping …")
            self._worker.cancel()

    def close(self) -> None:
        """Let go of the worker."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def _take(self, event: "Event", found: Found, run: int) -> None:
        if run != self._run:
            return
        if event.kind == "cell":
            found.add(event.cell, event.rows)
            self.found[found.asked], self.latest = found, found
        usual = _MESSAGES.get(event.kind, "measuring …: {done} of {total} points")
        message = event.message or usual.format(done=event.done, total=event.total)
        if event.kind == "failed":
            message = f"not measured: {event.message}"
        running = event.kind in ("progress", "cell")
        self._progress = Progress(running, event.done, max(event.total, 1), message)
        self._changed()


_MESSAGES = {
    "done": "measured {total} points",
    "cancelled": "cancelled: {done} of {total} points were measured and are kept",
}


def cells(setting: Setting, near: Sequence[float]) -> tuple[list[float], list[Cell]]:
    """Return places on the axis and the cells to measure there.

    Parameters
    ----------
    setting : Setting
        What is tracked, along which axis.
    near : sequence of float
        Crossovers by the model: half of the points lie about them.

    Raises
    ------
    ValueError, IndexError
        The sliders allow none.
    """
    refuse(setting.dataset, setting.pages, dirty_in(setting, setting.pages), setting.options)
    if setting.axis == "dirty":
        found = _dirty_places(setting, near)
    elif setting.axis == "pages":
        found = [_at(setting, pages, pages) for pages in _some(_possible_pages(setting))]
    else:
        dirty = dirty_in(setting, setting.pages)
        fits = [one for one in LENGTHS if one <= dirty]
        found = [_at(setting, one, setting.pages, one) for one in _some(fits)]
    if len(found) < 2:
        raise ValueError("no points to measure along this axis; move a slider")
    return [float(x) for x, _ in found], [cell for _, cell in found]


def _at(setting: Setting, x: float, pages: int, length: int | None = None) -> tuple[float, Cell]:
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
        try:
            refuse(setting.dataset, pages, dirty, setting.options)
        except (ValueError, IndexError):
            continue
        if pages <= MOST_PAGES and dirty <= MOST_DIRTY:
            fits.append(pages)
    return fits


def _some(places: Sequence[int]) -> list[int]:
    """Return at most so many points as are measured, evenly taken."""
    if len(places) <= POINTS:
        return list(places)
    return [
        places[index] for index in np.unique(np.linspace(0, len(places) - 1, POINTS).astype(int))
    ]
