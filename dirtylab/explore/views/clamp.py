"""Controls that contradict each other: what was moved stays, what it contradicts follows.

Where that can't be, what was moved goes as far as it can.  Either is told in one sentence.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from dirtylab._format import count_text
from dirtylab.explore.kit.controls import Control, Slider
from dirtylab.explore.views.dataset_controls import label, most_dirty, possible

S = TypeVar("S")


def clamped(
    before: S,
    after: S,
    name: str,
    controls: Callable[[S], Sequence[Control]],
    changed: Callable[[S, str, Any], S],
) -> tuple[S, str]:
    """Return a state in which the pattern is possible, and what was done for that.

    Parameters
    ----------
    before, after : dataclass
        States before and after one control has moved: with ``dataset``, ``options``, ``pages`` and
        ``dirty``, perhaps ``density``.
    name : str
        Of that control.
    controls : callable
        Returns the controls of a state.
    changed : callable
        Returns a state after a control has been set to a value.
    """
    if fits(after):
        return after, ""
    if name != "dirty":
        fewer = with_fewer(after)
        if fewer is not None:
            return fewer, (
                f"Dirty frames follow: {count_text(_dirty(fewer))} is the most that "
                f"{_pattern(fewer)} has room for."
            )
    for value in _back(before, after, name, controls):
        state = changed(before, name, value)
        if fits(state):
            told = next(one for one in controls(state) if one.name == name)
            shown = told.shown(value) if isinstance(told, Slider) else value
            return state, f"{told.label} goes to {shown}: more do not fit {_pattern(state)}."
    return before, f"{name} stays as it was: it does not fit {_pattern(before)}."


def fits(state: Any) -> bool:
    """Return whether there are such frames."""
    return possible(state.dataset, state.pages, _dirty(state), state.options)


def with_fewer(state: Any) -> Any:
    """Return a state with as many dirty frames as there can be; None where there are none."""
    most = most_dirty(state.dataset, state.pages, state.options)
    if not possible(state.dataset, state.pages, most, state.options) or most > _dirty(state):
        return None
    if getattr(state, "density", None) is not None:
        return dataclasses.replace(state, density=most / state.pages)
    return dataclasses.replace(state, dirty=most)


def _dirty(state: Any) -> int:
    density = getattr(state, "density", None)
    return int(state.dirty if density is None else max(1, round(density * state.pages)))


def _pattern(state: Any) -> str:
    return f"{label(state.dataset, state.options)} in {count_text(state.pages)} pages"


def _back(
    before: Any, after: Any, name: str, controls: Callable[[Any], Sequence[Control]]
) -> list[Any]:
    """Return the steps of a slider from where it was moved to back to where it stood."""
    found = {}
    for state in (before, after):
        found.update({one.name: one for one in controls(state) if isinstance(one, Slider)})
    if name not in found:
        return []
    old = next((one.value for one in controls(before) if one.name == name and
                isinstance(one, Slider)), None)  # fmt: skip
    new = found[name].value
    if old is None:
        return []
    steps = [one for one in found[name].steps if min(old, new) <= one <= max(old, new)]
    if name == "dirty":
        most = most_dirty(before.dataset, before.pages, before.options)
        steps = sorted({*steps, most} if min(old, new) <= most <= max(old, new) else set(steps))
    return steps[::-1] if new > old else steps
