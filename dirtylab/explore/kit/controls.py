"""What a view can be told, apart from how a browser shows it: sliders, choices, buttons.

A view is a function of a *state*, a frozen dataclass; a control names one of its fields.  States
and controls know nothing of widgets, so that what a view says can be tested without a browser.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

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


@dataclasses.dataclass(frozen=True)
class Choice:
    """One of a few words."""

    name: str
    label: str
    words: tuple[str, ...]
    value: str
    shown: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """What stands for a word where it is not itself."""


@dataclasses.dataclass(frozen=True)
class Several:
    """Any of a few words, each with the colour it has in the figure."""

    name: str
    label: str
    words: tuple[str, ...]
    value: tuple[str, ...]
    shown: Mapping[str, str]
    colors: Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class Pad:
    """A field of small buttons, one a number, each pressed or not."""

    name: str
    label: str
    size: int
    """Numbers below it can be pressed."""
    value: tuple[int, ...]
    most: int
    """Buttons there are."""


@dataclasses.dataclass(frozen=True)
class Action:
    """A button."""

    name: str
    label: str
    tip: str
    enabled: bool = True


Control = Slider | Choice | Several | Pad | Action


class State(Protocol):
    """A frozen dataclass, one for each kind of view."""

    __dataclass_fields__: Any


def call_line(function: str, state: State, usual: State) -> str:
    """Return the line of Python that recreates a state: what differs from the usual one.

    Parameters
    ----------
    function : str
        Name in ``dirtylab.explore``.
    state, usual : State
        What is shown, and what is shown when nothing is asked for.
    """
    told = [
        (field.name, getattr(state, field.name))
        for field in dataclasses.fields(state)  # type: ignore[arg-type]
        if getattr(state, field.name) != getattr(usual, field.name)
    ]
    named: list[tuple[str, Any]] = []
    for name, value in told:
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


def option(options: Options, name: str, usual: Any = None) -> Any:
    """Return the value of an option."""
    return dict(options).get(name, usual)


def sorted_options(given: Mapping[str, Any]) -> Options:
    """Return options in order of their names."""
    return tuple(sorted(given.items()))


def named(words: Sequence[str]) -> str:
    """Return words as a person lists them.

    Examples
    --------
    >>> named(["list"]), named(["list", "bitmap", "tree"])
    ('list', 'list, bitmap and tree')
    """
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"
