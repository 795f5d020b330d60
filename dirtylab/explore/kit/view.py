"""What a view is: controls, a picture, a sentence and a table, all functions of a state."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar

from dirtylab.explore.kit.controls import Action, Control, call_line
from dirtylab.figures.style import Picture

if TYPE_CHECKING:
    import pandas as pd

S = TypeVar("S")


class Shown(NamedTuple):
    """What a reader gets."""

    png: bytes
    size: tuple[int, int]
    alt: str
    """The picture in words."""
    sentence: str
    """The finding."""
    note: str
    """Assumptions and machine, the small print."""
    extra: str = ""
    """More, as HTML: a small table beside the picture."""


class Progress(NamedTuple):
    """How far a measurement is."""

    running: bool
    done: int
    total: int
    message: str


IDLE = Progress(False, 0, 1, "")


class Redraw(Protocol):
    """Asks for one drawing soon; can be called from any thread."""

    def __call__(self) -> None:
        """Ask."""


class View(Generic[S]):
    """One view; a subclass gives it a state and draws it.

    Parameters
    ----------
    state : S
        A frozen dataclass, what is shown at first.
    usual : S
        What Reset goes back to, and what Copy parameters leaves out.
    """

    function = ""
    """Name in ``dirtylab.explore``."""
    title = ""

    def __init__(self, state: S, usual: S) -> None:
        self.state, self.usual = state, usual
        self.redraw: Redraw = _nobody

    def controls(self) -> Sequence[Control]:
        """Return the sliders, choices and buttons, as they stand."""
        raise NotImplementedError

    def actions(self) -> Sequence[Action]:
        """Return buttons of this view's own."""
        return ()

    def change(self, name: str, value: Any) -> None:
        """Take over what a control was set to; a state that can't be drawn is refused when drawn.

        Raises
        ------
        ValueError, TypeError
            What was asked for can't be; the state stays as it was.
        """
        self.state = dataclasses.replace(self.state, **{name: value})  # type: ignore[type-var]

    def act(self, name: str) -> None:
        """Do what a button says."""
        raise NotImplementedError

    def draw(self) -> Shown:
        """Draw the state.

        Raises
        ------
        ValueError, IndexError, MemoryError
            The state can't be; what could be is said.
        """
        raise NotImplementedError

    def table(self) -> "pd.DataFrame":
        """Return the figure's numbers."""
        raise NotImplementedError

    def picture(self) -> Picture:
        """Return the figure as it stands, for a file or a page without a kernel."""
        raise NotImplementedError

    def provenance(self) -> dict[str, Any]:
        """Return what the numbers rest on."""
        raise NotImplementedError

    def progress(self) -> Progress:
        """Return how far a measurement is."""
        return IDLE

    def reset(self) -> None:
        """Go back to the usual state; what was measured is kept."""
        self.state = self.usual

    def close(self) -> None:
        """Let go of what the view holds, such as a worker."""

    @property
    def line(self) -> str:
        """The line of Python that recreates the state."""
        return call_line(self.function, self.state, self.usual)  # type: ignore[arg-type]


def _nobody() -> None:
    """Ask nobody: the view is not on a page."""
