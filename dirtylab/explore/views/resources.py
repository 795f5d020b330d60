"""What the views share on this machine: one cost model, one worker."""

import atexit
import functools

from dirtylab.advice.calibration import current_model
from dirtylab.advice.model import Model
from dirtylab.explore.process.session import Works


@functools.cache
def model() -> Model:
    """Return this machine's own model, or else the one that comes with the package."""
    return current_model()[0]


@functools.cache
def worker() -> Works:
    """Return the process that measures: one for all views, begun when it is first used."""
    from dirtylab.explore.process.worker_client import Worker

    made = Worker()
    atexit.register(made.close)
    return made
