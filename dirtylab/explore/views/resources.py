"""One cost model and one worker, shared by all views of a kernel."""

import atexit
import functools

from dirtylab.advice.calibration import current_model
from dirtylab.advice.model import Model
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
