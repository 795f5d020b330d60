"""What a view is: controls, a picture, a sentence and a table, all functions of a state."""

import dataclasses
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar

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
    lead: str = ""
    """The finding as HTML, in place of the first sentence."""
    banner: str = ""
    """A warning above it, as HTML."""


class Page(NamedTuple):
    """What a page has room for, in its pixels."""

    width: int
    height: int
    """At which a figure is seen together with its sliders."""
    scale: float = 1.0
    """Pixels of the screen along one of the page."""


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
        self.plays = False
        """Whether :meth:`tick` is to be called again, a moment after the picture."""

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

    def tick(self) -> None:
        """Take the next step of what plays."""

    def gesture(self, words: Sequence[str]) -> None:
        """Follow a drag or a key that the page tells: see :mod:`.gestures`."""

    def draw(self) -> Shown:
        """Draw the state.

        Raises
        ------
        ValueError, IndexError, MemoryError
            There is no such picture; the message says what is allowed.
        """
        raise NotImplementedError

    def fit(self, page: Page) -> bool:
        """Take the size and the sharpness of the page; return whether anything changed."""
        return False

    pick_label: ClassVar[str] = ""
    """What keys and clicks on the picture do, for a screen reader; nothing where it is empty."""

    def pick(self, x: float, y: float) -> None:
        """Take a click on the picture, at a place in shares of it, from its lower left."""

    def press(self, key: str) -> None:
        """Take a key pressed on the picture: ``"ArrowLeft"``, ``"Enter"`` …."""

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


def headline(sentence: str) -> tuple[str, str]:
    """Return the first sentence of a finding, which is the title, and the rest.

    Examples
    --------
    >>> headline("The bitmap wins. The list takes 1.5 times as long.")
    ('The bitmap wins.', 'The list takes 1.5 times as long.')
    """
    found = re.match(r"(.+?[.!?])\s+(?=[A-Z\d])(.*)", sentence, re.DOTALL)
    return (found[1], found[2]) if found else (sentence, "")


def _do_nothing() -> None:
    """No-op until shown: the view is not on a page."""
