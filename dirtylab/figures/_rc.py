"""The package's own Matplotlib settings, independent of the user's.

A figure made by :func:`dirtylab.figures.style.new_figure` looks, and is saved, the same under any
``matplotlibrc``, style or backend: its methods and those of its axes work under :func:`own_rc`.
What the package draws on axes of another figure follows that figure's settings.
"""

import contextlib
import functools
import inspect
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Kind = TypeVar("Kind", bound=type)
Function = TypeVar("Function", bound=Callable[..., Any])
_NOT_OF_FIGURES = (
    "animation.", "backend", "docstring.", "figure.hooks", "figure.max_open_warning",
    "figure.raise_window", "interactive", "keymap.", "macosx.", "tk.", "toolbar", "webagg.",
)  # fmt: skip
OWN: dict[str, Any] = {
    **{
        name: list(value) if isinstance(value, list) else value
        for name, value in dict.items(mpl.rcParamsDefault)
        if not name.startswith(_NOT_OF_FIGURES)
    },
    "svg.hashsalt": "dirtylab",
}
"""Matplotlib's defaults, and what makes the names in an SVG the same each time."""

_lock = threading.Lock()
_under: list[dict[str, Any]] = []
"""The user's settings, once for each call that works under ours now."""


@contextlib.contextmanager
def own_rc() -> Iterator[None]:
    """Work under the package's own settings; they may be entered again, and from many threads.

    Notes
    -----
    Cost: 25 µs; :func:`matplotlib.rc_context`, which checks all settings again, takes 1.3 ms.
    """
    with _lock:
        users = _under[0] if _under else _exchanged(OWN)
        _under.append(users)
    try:
        yield
    finally:
        with _lock:
            _under.pop()
            if not _under:
                _exchanged(users)


def _exchanged(settings: dict[str, Any]) -> dict[str, Any]:
    """Apply valid settings without checking them; return the previous ones."""
    raw: Any = mpl.rcParams  # whose own methods would check each value
    before = {
        name: held
        for name, value in settings.items()
        if (held := dict.__getitem__(raw, name)) is not value
    }
    dict.update(raw, {name: settings[name] for name in before})
    return before


def under_own_rc(function: Function) -> Function:
    """Return a function that works under the package's own settings."""

    @functools.wraps(function)
    def work(*args: Any, **kwargs: Any) -> Any:
        with own_rc():
            return function(*args, **kwargs)

    return work  # type: ignore[return-value]


def all_under_own_rc(kind: Kind) -> Kind:
    """Run all public methods of a class that may draw under the package's own settings."""
    for name, method in inspect.getmembers(kind, inspect.isfunction):
        if not name.startswith(("_", "get_")):
            setattr(kind, name, under_own_rc(method))
    return kind


@all_under_own_rc
class OwnAxes(Axes):
    """Axes of the package's own figures."""


@all_under_own_rc
class OwnFigure(Figure):
    """A figure that follows the package's own settings."""

    def add_subplot(self, *args: Any, **kwargs: Any) -> Any:
        """Add axes; see Matplotlib."""
        return super().add_subplot(*args, **_with_own_axes(args, kwargs))

    def add_axes(self, *args: Any, **kwargs: Any) -> Any:
        """Add axes; see Matplotlib."""
        return super().add_axes(*args, **_with_own_axes(args, kwargs))


def _with_own_axes(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    chosen = kwargs.keys() & {"projection", "polar", "axes_class"}
    if chosen or (args and isinstance(args[0], Axes)):
        return kwargs
    return {**kwargs, "axes_class": OwnAxes}
