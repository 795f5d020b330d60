"""The base of views that can measure: a session, its buttons, and its progress."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from dirtylab.explore.kit.controls import Action
from dirtylab.explore.kit.figure_view import FigureView
from dirtylab.explore.kit.view import Progress
from dirtylab.explore.process.session import Session, WorkerLike

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

S = TypeVar("S", bound="DataclassInstance")
C = TypeVar("C")


class MeasuringView(FigureView[S, C], Generic[S, C]):
    """A view with a button that measures and a button that cancels.

    Parameters
    ----------
    state, usual : S
        As for :class:`dirtylab.explore.kit.view.View`.
    worker : callable
        Makes the worker when it is first needed.
    """

    measure_label: ClassVar[str] = "Measure"
    measure_tip: ClassVar[str]

    def __init__(self, state: S, usual: S, worker: Callable[[], WorkerLike]) -> None:
        super().__init__(state, usual)
        self._session = Session(worker, lambda: self.redraw())

    def actions(self) -> Sequence[Action]:
        """Return the buttons Measure and Cancel."""
        running = self._session.progress.running or bool(self._session.others())
        tip = "Stop the measurement, of this view or another; what has been measured is kept"
        return [
            Action("measure", self.measure_label, self.measure_tip, not running),
            Action("cancel", "Cancel", tip, running),
        ]

    def act(self, name: str) -> None:
        """Measure, or cancel."""
        if name == "measure":
            self.measure()
        else:
            self._session.cancel()

    def measure(self) -> None:
        """Start a measurement of the present state; errors are those of :meth:`.Session.start`."""
        raise NotImplementedError

    def progress(self) -> Progress:
        """Return how far the measurement is."""
        return self._session.progress

    def reset(self) -> None:
        """Go back to how the view began; what was measured is kept, its message goes."""
        super().reset()
        self._session.clear_message()

    def close(self) -> None:
        """Stop what runs, release what is cached."""
        self._session.close()
        super().close()
