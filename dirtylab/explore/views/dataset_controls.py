"""The patterns as the views offer them: each with its own sliders, recorded traces included."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from dirtylab import _check
from dirtylab._format import count_text, share_text
from dirtylab._options import Option, one_two_five
from dirtylab.datasets import declared, free, require
from dirtylab.datasets.traces import recordings
from dirtylab.explore.kit.controls import Choice, Control, Options, Slider

TRACE = "trace: "
"""Begins the name of a recorded trace, as in ``"trace: idle guest"``."""
MOST_RECORDED = 200_000
"""Frames of a trace that curves are drawn for: more take longer to count than a slider can wait."""
_YES_NO = ("yes", "no")
_AUTO = 0
"""Step of a slider for an option that the generator works out itself."""
_SHARES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_IN_SIGHT = 2
"""Sliders of a pattern that are not folded away."""
_MOST = 10**9
"""Greatest step of an option that has no bound."""


class Tracked(NamedTuple):
    """A pattern as the generators and as the theory take it."""

    generator: str
    """Name in ``dirtylab.DATASETS``."""
    options: dict[str, Any]
    """As the generator takes them."""
    theory: dict[str, Any]
    """As the theory takes them."""


def names() -> tuple[str, ...]:
    """Return the patterns that a view offers, recorded traces last."""
    return (*free(), *(TRACE + name for name in traces()))


def traces() -> tuple[str, ...]:
    """Return the names of the recorded traces that come with the package, if any."""
    return tuple(recordings())


def options_of(dataset: str) -> dict[str, Option]:
    """Return the options of a pattern by name; a recorded trace has none here."""
    options = () if dataset.startswith(TRACE) else declared(dataset).options
    return {option.name: option for option in options}


def checked_options(dataset: str, given: Mapping[str, Any]) -> Options:
    """Return the options of a pattern, or refuse what it does not have.

    Parameters
    ----------
    dataset : str
        One of :func:`names`.
    given : mapping
        Options as the generator takes them; those that differ from the usual are kept.

    Raises
    ------
    ValueError, TypeError
        An unknown pattern or option, or a value that its slider could not have.
    """
    _check.choice("dataset", dataset, names())
    options = options_of(dataset)
    _check.options(dataset, given, tuple(options))
    kept = {name: options[name].check(value) for name, value in given.items()}
    return tuple(sorted((n, value) for n, value in kept.items() if value != _usual(options[n])))


def _usual(option: Option) -> Any:
    """Return the value that counts as not given."""
    return option.default if option.usual is None else option.usual


def controls(dataset: str, options: Options) -> list[Control]:
    """Return the sliders of a pattern with their present values; the first two are in sight."""
    given = dict(options)
    declared = options_of(dataset).values()
    made = [_control(option, given.get(option.name, _usual(option))) for option in declared]
    shown = [one for one in made if isinstance(one, Slider)][:_IN_SIGHT]
    return [one if one in shown else dataclasses.replace(one, folded=True) for one in made]


def _control(option: Option, value: Any) -> Slider | Choice:
    label = option.label or option.name.replace("_", " ")
    if option.kind == "bool":
        return Choice(option.name, label, _YES_NO, "yes" if value else "no")
    if option.kind not in ("int", "float"):
        return Choice(option.name, label, option.words or (str(value),), str(value))
    at = _AUTO if value is None else value
    steps = tuple(sorted({*_steps(option), at}))
    return Slider(option.name, label, steps, at, _shown(option))


def _steps(option: Option) -> tuple[Any, ...]:
    """Return the values that a slider offers."""
    low, high = option.bounds(None)
    auto = (_AUTO,) if option.nullable and option.usual is None else ()
    if option.steps:
        return (*auto, *option.steps)
    if option.kind == "int":
        most = _MOST if high is None else min(int(high), _MOST)
        return (*auto, *((0,) if low == 0 else ()), *one_two_five(max(int(low), 1), most))
    if (low, high) == (0, 1):
        return (*auto, *_SHARES)
    middle = _usual(option) or 1.0
    inside = (middle * factor for factor in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0))
    return (*auto, *(one for one in inside if low <= one <= (one if high is None else high)))


def _shown(option: Option) -> Callable[[Any], str]:
    """Return how a slider's value is written: with its unit."""

    def shown(value: Any) -> str:
        if value == _AUTO and option.nullable and option.usual is None:
            return "default"
        if option.unit.startswith("share "):
            return f"{share_text(value)} {option.unit.removeprefix('share ')}"
        if isinstance(option.high, str) and option.unit == "frame":  # which one, not how many
            return f"frame {value:,}"
        number = f"{value:g}" if option.kind == "float" else count_text(value)
        return f"{number} {option.unit}{'' if value == 1 else 's'}" if option.unit else number

    return shown


def changed(dataset: str, options: Options, name: str, value: Any) -> Options:
    """Return the options after one control has moved."""
    option = options_of(dataset)[name]
    if option.kind == "bool":
        value = value == "yes"
    elif value == _AUTO and _usual(option) is None:
        value = None
    return checked_options(dataset, {**dict(options), name: value})


def is_option(dataset: str, name: str) -> bool:
    """Return whether a pattern has an option of that name."""
    return name in options_of(dataset)


def tracked(dataset: str, options: Options) -> Tracked:
    """Return a pattern as generators and theory take it."""
    if dataset.startswith(TRACE):
        replay = {"path": dataset.removeprefix(TRACE), "fit": "tile"}
        return Tracked("trace", replay, replay)
    given = {name: value for name, value in options if value is not None}
    return Tracked(dataset, given, given)


def most_dirty(dataset: str, pages: int, options: Options) -> int:
    """Return the most frames that a pattern can give in a slot, as the views draw it."""
    if dataset.startswith(TRACE):
        return min(pages, MOST_RECORDED)
    low, high = 1, pages
    while low < high:  # where some are too many, more are
        middle = (low + high + 1) // 2
        if possible(dataset, pages, middle, options):
            low = middle
        else:
            high = middle - 1
    return low


def possible(dataset: str, pages: int, dirty: int, options: Options) -> bool:
    """Return whether there are such frames."""
    try:
        refuse(dataset, pages, dirty, options)
    except (ValueError, IndexError):
        return False
    return True


def refuse(dataset: str, pages: int, dirty: int, options: Options) -> None:
    """Refuse sliders that contradict each other, in the words of the generator.

    Raises
    ------
    ValueError, IndexError
        Such frames can't be; what could be is said.
    """
    if not dataset.startswith(TRACE):  # patterns with repeats take more writes than pages
        require(dataset, pages, dirty, dict(options))
    elif dirty > pages:
        raise ValueError(f"dirty={dirty:,}: must be 1 … {pages:,}, the pages of the slot")


def label(dataset: str, options: Options) -> str:
    """Return a pattern in words.

    Examples
    --------
    >>> label("clustered", (("length", 64),))
    'clustered (length 64)'
    """
    if not options:
        return dataset
    words = ", ".join(f"{name} {_word(value)}" for name, value in options)
    return f"{dataset} ({words})"


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else f"{value}"


def changed_state(state: Any, name: str, value: Any) -> Any:
    """Return a state with a dataset and options after one control has moved."""
    if name == "dataset":
        return dataclasses.replace(state, dataset=value, options=())
    if is_option(state.dataset, name):
        options = changed(state.dataset, state.options, name, value)
        return dataclasses.replace(state, options=options)
    return dataclasses.replace(state, **{name: value})
