"""The base of views that rest on a cost model: a probe of it, a banner, and a calibration."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from dirtylab.advice.answer import lead_of
from dirtylab.advice.model import Model
from dirtylab.advice.probe import Probe
from dirtylab.explore.kit.controls import Action
from dirtylab.explore.kit.gestures import link
from dirtylab.explore.kit.view import Progress
from dirtylab.explore.process.measuring_view import MeasuringView
from dirtylab.explore.process.session import Session, WorkerLike

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

S = TypeVar("S", bound="DataclassInstance")
C = TypeVar("C")
OFF = 1.5
"""Factor beyond which a measured time contradicts the model where its trial says less."""
_WARNING = '<div role="alert" class="dirtylab-warning">{}</div>'


class FitsLike(Protocol):
    """What is known of the models on this machine: see ``views.resources.Fits``."""

    def begin(self, cache: str, changed: Callable[[], None]) -> None:
        """Probe the model for a state of the caches, unless that has been done."""

    def probe(self, cache: str) -> Probe | None:
        """Return the probe, None where there is none."""

    def learnt(self, cache: str) -> None:
        """Note that this machine was calibrated."""


class FittedView(MeasuringView[S, C], Generic[S, C]):
    """A view with lines of a cost model beside what is measured.

    Parameters
    ----------
    state, usual : S
        As for :class:`dirtylab.explore.kit.view.View`; with ``cache``.
    models : callable
        Returns the model for what the caches hold.
    worker : callable
        Makes the worker when it is first needed.
    fits : FitsLike, optional
        Knows whether the model fits this machine; nothing is probed when omitted.
    """

    def __init__(
        self,
        state: S,
        usual: S,
        models: Callable[[str], Model],
        worker: Callable[[], WorkerLike],
        fits: FitsLike | None = None,
    ) -> None:
        super().__init__(state, usual, worker)
        self._models, self._fits = models, fits
        self._learning = Session(worker, self._learnt)

    @property
    def cache(self) -> str:
        """What the caches hold."""
        return str(self.state.cache)  # type: ignore[attr-defined]

    @property
    def _model(self) -> Model:
        return self._models(self.cache)

    @property
    def probe(self) -> Probe | None:
        """The probe of the model, None where there is none."""
        return self._fits.probe(self.cache) if self._fits else None

    @property
    def spread(self) -> float:
        """The factor by which ratios of the model were off in the probe, 1 where there is none."""
        return self.probe.spread if self.probe else 1.0

    def actions(self) -> Sequence[Action]:
        """Return Measure, Cancel and Calibrate."""
        tip = "Learn this machine's own cost model, in two minutes; Cancel keeps the present one"
        measure, cancel = super().actions()
        return [measure, cancel, Action("calibrate", "Calibrate", tip, measure.enabled)]

    def act(self, name: str) -> None:
        """Measure, cancel or calibrate."""
        from dirtylab.explore.process.model_job import CalibrateJob

        if name == "calibrate":
            self._session.clear_message()
            self._learning.start("calibration", [0.0], CalibrateJob(cache=self.cache))
        else:
            if name == "measure":
                self._learning.clear_message()
            super().act(name)  # a cancel stops a calibration too: it runs on the same worker

    def progress(self) -> Progress:
        """Return how far the measurement or the calibration is."""
        learning = self._learning.progress
        return learning if learning.running or learning.message else super().progress()

    def gesture(self, words: Sequence[str]) -> None:
        """Probe the model when a page shows the view."""
        if words[0] == "ready" and self._fits:
            self._fits.begin(self.cache, lambda: self.redraw())

    def warning(self, measured: tuple[str, float, float] | None = None) -> str:
        """Return a warning where the model does not fit this machine, as HTML; empty where it does.

        Parameters
        ----------
        measured : tuple of (str, float, float), optional
            A structure, its measured ns and the model's, the farthest apart.
        """
        calibrate = link("calibrate", "Calibrate")
        if measured is not None and factor_of(measured) > tolerance(self._model):
            name, ns, predicted = measured
            words = "slower" if ns > predicted else "quicker"
            return _WARNING.format(
                f"The model does not fit here: {name} was measured {factor_of(measured):.2g} times "
                f"{words} than it says. Measured times decide. {calibrate} learns this machine."
            )
        probe = self.probe
        if probe is None or probe.fits:
            return ""
        trust = "its picks may be wrong" if probe.spread > OFF else "its picks should hold"
        return _WARNING.format(
            f"A quick probe: times here are {probe.least:.2g} to {probe.most:.2g} times the "
            f"model's; {trust}. {calibrate} learns this machine."
        )

    def reset(self) -> None:
        """Go back to how the view began; what was measured is kept, its message goes."""
        super().reset()
        self._learning.clear_message()

    def close(self) -> None:
        """End the worker."""
        self._learning.close()
        super().close()

    def _learnt(self) -> None:
        """Take the model of a calibration that has ended."""
        if self._learning.latest is not None and not self._learning.progress.running:
            self._learning.latest = None
            if self._fits:
                self._fits.learnt(self.cache)
        self.redraw()


def factor_of(measured: tuple[str, float, float]) -> float:
    """Return by which factor a measured time and the model's differ."""
    _, ns, predicted = measured
    return max(ns / predicted, predicted / ns)


def tolerance(model: Model) -> float:
    """Return the factor by which measured times may differ from the model's."""
    high = lead_of(model) if model.trial is None else model.trial.error.high
    return max(OFF, 1 / (1 - min(high, 0.9)))
