"""What a view is: controls, a picture, a sentence and a table, all functions of a state."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar

from dirtylab.explore.kit.controls import Action, Control, call_line
from dirtylab.figures._rc import under_own_rc
from dirtylab.figures.style import Picture

if TYPE_CHECKING:
    import pandas as pd
    from _typeshed import DataclassInstance

S = TypeVar("S", bound="DataclassInstance")


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
    head: str = ""
    """What stands above the picture, as HTML."""


class Progress(NamedTuple):
    """How far a measurement is."""

    running: bool
    done: int
    total: int
    message: str
    failed: bool = False
    """Whether the message says that something went wrong."""


IDLE = Progress(False, 0, 1, "")


class Redraw(Protocol):
    """Requests one drawing soon; can be called from any thread."""

    def __call__(self) -> None:
        """Request."""


class View(Generic[S]):
    """One view; a subclass gives it a state and draws it.

    Parameters
    ----------
    state : S
        A frozen dataclass, what is shown at first.
    usual : S
        What Copy parameters leaves out.
    """

    function = ""
    """Name in ``dirtylab.explore``."""
    title = ""
    touched = False
    """Whether gestures on the picture and in the sentence are followed: see :meth:`gesture`."""

    def __init_subclass__(cls) -> None:
        """Let what draws follow the package's own settings of Matplotlib, not the user's."""
        super().__init_subclass__()
        for name in {"__init__", "draw", "picture"} & vars(cls).keys():
            setattr(cls, name, under_own_rc(vars(cls)[name]))

    def __init__(self, state: S, usual: S) -> None:
        self.state, self.first, self.usual = state, state, usual
        self.said = ""
        """What a control's last move changed beside it, in one sentence."""
        self.redraw: Redraw = _do_nothing

    def controls(self) -> Sequence[Control]:
        """Return the sliders, choices and buttons with their present values."""
        raise NotImplementedError

    def actions(self) -> Sequence[Action]:
        """Return the buttons of this view."""
        return ()

    def change(self, name: str, value: Any) -> None:
        """Set a field of the state to a control's value; what can't be drawn is refused when drawn.

        Raises
        ------
        ValueError, TypeError
            The value is out of range; the state stays as it was.
        """
        self.state = dataclasses.replace(self.state, **{name: value})

    def act(self, name: str) -> None:
        """Run the action of a button."""
        raise NotImplementedError

    def gesture(self, words: Sequence[str]) -> None:
        """Follow what :mod:`.pointer` tells, such as ``["drag", "0.5", "0.25"]``."""

    def draw(self) -> Shown:
        """Draw the state.

        Raises
        ------
        ValueError, IndexError, MemoryError
            There is no such picture; the message says what is allowed.
        """
        raise NotImplementedError

    def table(self) -> "pd.DataFrame":
        """Return the figure's numbers."""
        raise NotImplementedError

    def picture(self) -> Picture:
        """Return the present figure, for a file or a page without a kernel."""
        raise NotImplementedError

    def provenance(self) -> dict[str, Any]:
        """Return parameters, method, machine and units of the numbers."""
        return {"parameters": dataclasses.asdict(self.state)}

    def progress(self) -> Progress:
        """Return how far a measurement is."""
        return IDLE

    def reset(self) -> None:
        """Go back to how the view began; what was measured is kept."""
        self.state, self.said = self.first, ""

    def close(self) -> None:
        """Release what the view holds, such as a worker."""

    @property
    def line(self) -> str:
        """The line of Python that recreates the state."""
        return call_line(self.function, self.state, self.usual)


def _do_nothing() -> None:
    """No-op until shown: the view is not on a page."""
