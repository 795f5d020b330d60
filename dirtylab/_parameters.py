"""Parameters of the views: numbers that may be text, trackers by path, the defaults as a state."""

from typing import Any, TypeVar

_State = TypeVar("_State")


def usual_of(state: type[_State], function: Any) -> _State:
    """Return the state of a call without arguments: the defaults of the function's signature."""
    return state(**function.__kwdefaults__)


def read_sizes(pages: int | str, dirty: int | str) -> tuple[int, int]:
    """Return pages and dirty frames, read where they are text."""
    from dirtylab._units import parse_frames, parse_pages

    size = parse_pages("pages", pages) if isinstance(pages, str) else pages
    return size, parse_frames("dirty", dirty, size) if isinstance(dirty, str) else dirty


def entered_names(structures: tuple[str, ...]) -> tuple[str, ...]:
    """Return names of structures; native trackers that are given by path are registered."""
    from dirtylab.native.contestants import entered
    from dirtylab.native.paths import is_path

    return tuple(entered(one) if is_path(one) else one for one in (str(one) for one in structures))


def read_share(density: float | str | None) -> float | None:
    """Return a share, read where it is text."""
    from dirtylab._units import parse_share

    return parse_share("density", density) if isinstance(density, str) else density
