"""Recorded programs as places on a map: what share they dirty in a period, in runs of what length.

A program is described by its epoch of median size; its own recording is replayed only where it is
measured.
"""

import functools
from typing import NamedTuple

import numpy as np

from dirtylab.datasets.traces import recording, recordings
from dirtylab.studies.live.trace_statistics import median_epoch


class Program(NamedTuple):
    """A recorded program."""

    share: float
    """Dirty pages of an epoch, as a share of the pages that it has."""
    length: float
    """Mean length of its runs, in pages."""


@functools.cache
def programs() -> dict[str, Program]:
    """Return the recordings that come with the package, by name."""
    return {name: _described(name) for name in recordings()}


def _described(name: str) -> Program:
    trace = recording(name)
    frames = np.unique(trace.epochs[median_epoch(trace)])
    runs = 1 + int(np.count_nonzero(np.diff(frames) > 1))
    return Program(frames.size / trace.pages, frames.size / runs)
