"""Controls without a browser: sliders, choices, buttons, and the line of Python of a state.

A view is a function of a *state*, a frozen dataclass; a control sets one of its fields.  States
and controls know nothing of widgets, so that views can be tested without a browser.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Options = tuple[tuple[str, Any], ...]
"""Names and values, in a form that can be compared and sent."""


@dataclasses.dataclass(frozen=True)
class Slider:
    """A slider over steps; each is shown with its unit."""

    name: str
    label: str
    steps: tuple[Any, ...]
    value: Any
    shown: Callable[[Any], str]
    read: Callable[[str], Any] | None = None
    """Reads what is typed beside it, where that is no count, share or number of pages."""
    folded: bool = False
    """Whether it is seldom wanted, and out of sight until asked for; likewise below."""


@dataclasses.dataclass(frozen=True)
class Choice:
    """One of a few words."""

    name: str
    label: str
    words: tuple[str, ...]
    value: str
    shown: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Labels of words that are not their own."""
    folded: bool = False


@dataclasses.dataclass(frozen=True)
class Several:
    """Any of a few words, each with the colour it has in the figure."""

    name: str
    label: str
    words: tuple[str, ...]
    value: tuple[str, ...]
    shown: Mapping[str, str]
    colors: Mapping[str, str]
    folded: bool = False


@dataclasses.dataclass(frozen=True)
class Pad:
    """A grid of small toggle buttons, one for each number."""

    name: str
    label: str
    size: int
    """Numbers below it are enabled."""
    value: tuple[int, ...]
    most: int
    """Number of buttons."""


@dataclasses.dataclass(frozen=True)
class Action:
    """A button."""

    name: str
    label: str
    tip: str
    enabled: bool = True


Control = Slider | Choice | Several | Pad | Action


def call_line(function: str, state: "DataclassInstance", usual: "DataclassInstance") -> str:
    """Return the line of Python that recreates a state: what differs from the usual one.

    Parameters
    ----------
    function : str
        Name in ``dirtylab.explore``.
    state, usual : dataclass
        The state, and that of a call without arguments.
    """
    changed = [
        (field.name, getattr(state, field.name))
        for field in dataclasses.fields(state)
        if getattr(state, field.name) != getattr(usual, field.name)
    ]
    named: list[tuple[str, Any]] = []
    for name, value in changed:
        named.extend(value if name == "options" else [(name, value)])
    given = ", ".join(f"{name}={literal(value)}" for name, value in named)
    return f"dirtylab.explore.{function}({given})"


def literal(value: Any) -> str:
    """Return a value as it is written in Python, large integers in groups of three.

    Examples
    --------
    >>> literal(10_000_000), literal("zipf"), literal((1, 2)), literal(0.5)
    ('10_000_000', '"zipf"', '(1, 2)', '0.5')
    """
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, bool) or not isinstance(value, int | tuple):
        return repr(value)
    if isinstance(value, int):
        return f"{value:_}"
    inner = ", ".join(map(literal, value))
    return f"({inner},)" if len(value) == 1 else f"({inner})"


def named(words: Sequence[str]) -> str:
    """Return words as a list in English.

    Examples
    --------
    >>> named(["list"]), named(["list", "bitmap", "tree"])
    ('list', 'list, bitmap and tree')
    """
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"
