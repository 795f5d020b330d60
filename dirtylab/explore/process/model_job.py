"""Jobs about the cost model: a quick probe of whether it fits this machine, and a calibration."""

import dataclasses
from typing import ClassVar, Self

from dirtylab import _check
from dirtylab._caches import CACHES, GUEST_RAN
from dirtylab._units import parse_seconds
from dirtylab.advice.calibration import LEAST_SECONDS, MOST_SECONDS, SECONDS
from dirtylab.explore.process.messages import Event, Reporter


class _CancelledError(Exception):
    """Leaves a calibration between two cells."""


@dataclasses.dataclass(frozen=True)
class ProbeJob:
    """A quick probe of this machine's present model; its rows are the fields of a ``Probe``.

    Attributes
    ----------
    cache : {"guest-ran", "warm"}
        Which model.
    """

    unit: ClassVar[str] = "cells"
    new_process: ClassVar[bool] = False

    cache: str = GUEST_RAN

    @property
    def total(self) -> int:
        """One probe."""
        return 1

    def checked(self) -> Self:
        """Return this job; a ValueError where there are no such caches."""
        _check.choice("cache", self.cache, CACHES)
        return self

    def measure(self, reporter: Reporter) -> Event:
        """Measure whole epochs of a few small cells."""
        from dirtylab.advice.calibration import current_model
        from dirtylab.advice.probe import probe

        found = probe(current_model(self.cache)[0])
        reporter.cell(0, 1, tuple(found._asdict().items()))
        return Event("done", 1, 1, message=str(found))


@dataclasses.dataclass(frozen=True)
class CalibrateJob:
    """A calibration, kept in the user's cache folder, where every model of this machine is found.

    Attributes
    ----------
    seconds : float
        Measuring time.
    cache : {"guest-ran", "warm"}
        What the caches hold.
    """

    unit: ClassVar[str] = "per cent"
    new_process: ClassVar[bool] = False

    seconds: float = SECONDS
    cache: str = GUEST_RAN

    @property
    def total(self) -> int:
        """Progress is told in per cent."""
        return 100

    def checked(self) -> Self:
        """Return this job; errors are those of :class:`.messages.Job`."""
        parse_seconds("seconds", self.seconds, LEAST_SECONDS, MOST_SECONDS)
        _check.choice("cache", self.cache, CACHES)
        return self

    def measure(self, reporter: Reporter) -> Event:
        """Measure, fit, try and keep the model; a cancelled one leaves the old one in place."""
        from dirtylab.advice.calibration import calibrate, model_path
        from dirtylab.measure.files import prepare_file

        def report(share: float, cell: str) -> None:
            reporter.progress(round(100 * share), f"calibrating, {100 * share:.0f} %: {cell}")
            if reporter.cancelled():
                raise _CancelledError

        path = model_path(self.cache)
        prepare_file(path)
        reporter.progress(0, "calibrating: compiling on first use …", at_once=True)
        try:
            found = calibrate(self.seconds, cache=self.cache, report=report)
        except _CancelledError:
            return Event("cancelled", 0, 100, message="calibration cancelled; nothing was kept")
        found.model.save(path)
        reporter.cell(0, 100, ())
        return Event("done", 100, 100, message=f"calibrated on this machine: {found.model.trial}")
