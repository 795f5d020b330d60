"""One view's measurements: the job that runs on a worker, and the results that have come in."""

import contextlib
import dataclasses
import functools
import weakref
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from dirtylab.explore.kit.view import IDLE, Progress
from dirtylab.explore.process.messages import Event, Job, one_line

Samples = dict[str, dict[float, list[float]]]
"""Structure to place on the axis to nanoseconds, round by round."""
_MESSAGES = {
    "done": "measured {total} points",
    "cancelled": "cancelled: {done} of {total} points were measured and are kept",
}


class WorkerLike(Protocol):
    """What a session needs of a worker: see ``dirtylab.explore.process.worker_client``."""

    def measure(self, job: Any, on_event: Callable[[Event], None]) -> None:
        """Begin."""

    def cancel(self) -> None:
        """Stop."""

    def close(self) -> None:
        """End the process."""


@dataclasses.dataclass
class Results:
    """What a measurement has given so far."""

    key: Any
    """What was measured; hashable."""
    x: list[float]
    """Places on the axis, one for each cell of the job."""
    names: Mapping[str, str]
    """The worker's name of a structure to that of its line: ``tree`` to ``tree64``."""
    samples: Samples = dataclasses.field(default_factory=dict)

    def add(self, index: int, rows: Sequence[tuple[str, float]]) -> None:
        """Take in the samples of one cell."""
        for structure, ns in rows:
            name = self.names.get(structure, structure)
            self.samples.setdefault(name, {}).setdefault(self.x[index], []).append(float(ns))

    def percentiles(
        self, structure: str
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return places, shape ``(points,)``, and 10th, 50th, 90th percentile, ``(points, 3)``."""
        measured = sorted(self.samples.get(structure, {}).items())
        x = np.array([place for place, _ in measured])
        ns = [np.percentile(samples, (10, 50, 90)) for _, samples in measured]
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


_sessions: "weakref.WeakSet[Session]" = weakref.WeakSet()
"""All of this kernel: views share a worker, and each can stop what another one began."""


class Session:
    """Runs one job after the other on a worker, and keeps the results.

    Parameters
    ----------
    worker : callable
        Makes the worker when it is first needed.
    changed : callable
        Called when there is something new to show; from any thread.
    """

    def __init__(self, worker: Callable[[], WorkerLike], changed: Callable[[], None]) -> None:
        self._make_worker, self._changed = worker, changed
        self._worker: WorkerLike | None = None
        self._run = 0
        self._progress = IDLE
        self.results: dict[Hashable, Results] = {}
        self.latest: Results | None = None
        self.samples_taken = 0
        """How many cells have come in: what is made of the results is as new as this."""
        _sessions.add(self)

    @property
    def progress(self) -> Progress:
        """How far the measurement is."""
        return self._progress

    def start(
        self, key: Hashable, x: Sequence[float], job: Job, names: Mapping[str, str] | None = None
    ) -> None:
        """Begin; the results of earlier measurements are kept.

        Whatever goes wrong here, an interrupt of the kernel included, leaves the session idle.

        Raises
        ------
        ValueError, TypeError, MemoryError
            A measurement is running, or the job can't be measured.
        """
        if self._progress.running or self.others():
            where = "" if self._progress.running else "in another view "
            raise ValueError(f"a measurement {where}is running; cancel it first")
        job = job.checked()
        self._run += 1
        results = Results(key, list(x), names or {})
        try:
            worker = self._ensured()
            self._show(Progress(True, 0, len(x), "starting to measure …"))
            worker.measure(job, functools.partial(self._take, results, self._run))
        except BaseException as error:
            self._give_up(error, len(x))
            raise

    def others(self) -> "list[Session]":
        """Return the sessions of other views that measure on this one's worker now."""
        running = [one for one in list(_sessions) if one is not self and one.progress.running]
        return [one for one in running if one._worker is self._ensured()]

    def cancel(self) -> None:
        """Stop what runs, here or in another view; what has come in is kept."""
        if self._worker is not None and self._progress.running:
            self._progress = self._progress._replace(message="stopping …")
            self._worker.cancel()
            return
        for one in self.others():
            one.cancel()
            one._changed()

    def clear_message(self) -> None:
        """Say nothing more of the last measurement."""
        if not self._progress.running:
            self._progress = IDLE

    def settle(self) -> None:
        """Say nothing more of a measurement that went well; a failure stays."""
        if not self._progress.failed:
            self.clear_message()

    def close(self) -> None:
        """Stop what was begun here; the worker serves other views."""
        self._run += 1
        if self._progress.running:
            with contextlib.suppress(Exception):
                self._ensured().cancel()
            self._show(IDLE)
        _sessions.discard(self)

    def _ensured(self) -> WorkerLike:
        """Return the worker, which is made when it is first needed; its process starts later."""
        if self._worker is None:
            self._worker = self._make_worker()
        return self._worker

    def _show(self, progress: Progress) -> None:
        """Take over a progress; other views follow where a measurement begins or ends."""
        turned = progress.running != self._progress.running
        self._progress = progress
        self._changed()
        for one in list(_sessions) if turned else ():
            if one is not self and one._ensured() is self._worker:
                one._changed()

    def _give_up(self, error: BaseException, total: int) -> None:
        """Go back to idle, say why, and take no more events of this run."""
        self._run += 1
        why = "interrupted" if isinstance(error, KeyboardInterrupt) else one_line(error)
        with contextlib.suppress(Exception):
            if self._worker is not None:
                self._worker.cancel()
        self._show(Progress(False, 0, total, f"not measured: {why}", failed=True))

    def _take(self, results: Results, run: int, event: Event) -> None:
        if run != self._run:
            return
        if event.kind == "cell":
            results.add(event.cell, event.rows)
            self.samples_taken += 1
            self.results[results.key], self.latest = results, results
        usual = _MESSAGES.get(event.kind, "measuring …: {done} of {total} points")
        message = event.message or usual.format(done=event.done, total=event.total)
        failed = event.kind == "failed"
        if failed:
            message = f"not measured: {event.message}"
        self._show(Progress(not event.last, event.done, max(event.total, 1), message, failed))
