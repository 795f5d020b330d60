"""One cost model, one worker and one probe of the model, shared by all views of a kernel."""

import atexit
import functools
from collections.abc import Callable

from dirtylab.advice.calibration import current_model
from dirtylab.advice.model import Model
from dirtylab.advice.probe import Probe
from dirtylab.explore.process.messages import Event
from dirtylab.explore.process.session import WorkerLike


@functools.cache
def model(cache: str) -> Model:
    """Return the model calibrated on this machine, or else the one that comes with the package."""
    return current_model(cache)[0]


@functools.cache
def worker() -> WorkerLike:
    """Return the worker: one for all views; its process starts with the first job."""
    from dirtylab.explore.process.worker_client import Worker

    made = Worker()
    atexit.register(made.close)
    return made


class Fits:
    """Whether the models fit this machine: probed once a kernel for each state of the caches."""

    def __init__(self) -> None:
        self._probes: dict[str, Probe | None] = {}

    def probe(self, cache: str) -> Probe | None:
        """Return the probe, None where there is none yet."""
        return self._probes.get(cache)

    def begin(self, cache: str, changed: Callable[[], None]) -> None:
        """Probe, unless that has been done; `changed` is called when it is.

        It has a process of its own, which ends with it, so that nobody who presses Measure
        meanwhile is refused.
        """
        if cache in self._probes:
            return
        from dirtylab.explore.process.model_job import ProbeJob
        from dirtylab.explore.process.worker_client import Worker

        self._probes[cache] = None
        own = Worker()

        def take(event: Event) -> None:
            if event.kind == "cell":
                self._probes[cache] = Probe(**dict(event.rows))
            if event.last:
                own.close()
                changed()

        own.measure(ProbeJob(cache), take)

    def learnt(self, cache: str) -> None:
        """Note that the machine was calibrated: its model is read anew, and needs no probe."""
        model.cache_clear()
        self._probes[cache] = None


@functools.cache
def fits() -> Fits:
    """Return what is known of the models, for all views."""
    return Fits()
