"""The patterns as the explorers offer them: each with its own sliders, recorded traces included."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from dirtylab import _check
from dirtylab.datasets import DATASETS
from dirtylab.datasets.clusters import require_room
from dirtylab.datasets.traces import recordings
from dirtylab.explore.controls import Choice, Control, Options, Slider
from dirtylab.explore.scale import one_two_five, percent, powers_of_two, short

TRACE = "trace: "
"""Begins the name of a recorded trace, as in ``"trace: idle guest"``."""
MOST_RECORDED = 200_000
"""Frames of a trace that lines are drawn for: more take longer to count than a slider can wait."""
_YES_NO = ("yes", "no")
_AUTO = 0
"""Step of a slider for an option that the generator works out itself."""


class Knob(NamedTuple):
    """One option of a pattern and the slider or choice for it."""

    name: str
    label: str
    steps: tuple[Any, ...]
    usual: Any
    shown: Callable[[Any], str] = str


def _pages(count: int) -> str:
    return f"{short(count)} page{'' if count == 1 else 's'}" if count else "as it comes"


def _number(count: int) -> str:
    return short(count) if count else "as it comes"


_SHARES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_STRIDES = (1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 63, 64, 65, 127, 128, 255, 256, 511, 512, 513,
            1_000, 4_096, 4_097, 32_768)  # fmt: skip
_EXPONENTS = tuple(round(0.1 * tenth, 1) for tenth in range(1, 21))

KNOBS: Mapping[str, tuple[Knob, ...]] = {
    "mailing-list": (),
    "random": (Knob("replacement", "repeats", _YES_NO, "yes"),),
    "sequential": (
        Knob("start", "first frame", (0, *one_two_five(1, 10**9)), 0, lambda n: f"frame {n:,}"),
    ),
    "strided": (Knob("stride", "stride", _STRIDES, 64, _pages),),
    "clustered": (
        Knob("length", "cluster length", (_AUTO, *powers_of_two(1, 2**20)), _AUTO, _pages),
        Knob("clusters", "clusters", (_AUTO, *one_two_five(1, 10**7)), _AUTO, _number),
        Knob("lengths", "their lengths", ("geometric", "fixed"), "geometric"),
        Knob("spread", "within the first", _SHARES, 1.0, lambda s: f"{percent(s)} of the slot"),
        Knob("overlap", "overlap", _YES_NO, "no"),
    ),
    "zipf": (
        Knob("exponent", "exponent", _EXPONENTS, 1.0, lambda value: f"{value:g}"),
        Knob("scattered", "ranks scattered", _YES_NO, "yes"),
    ),
    "hotset": (
        Knob("hot", "hot pages", _SHARES, 0.1, lambda share: f"{percent(share)} of the slot"),
        Knob("writes", "writes to them", (0.0, 0.1, 0.2, 0.5, 0.8, 0.9, 0.95, 0.99, 1.0), 0.9,
             lambda share: f"{100 * share:g} % of all"),
        Knob("place", "where they lie", ("start", "spread"), "start"),
    ),
    "phases": (
        Knob("number", "phases", powers_of_two(1, 256), 8, lambda n: f"{n} phases"),
        Knob("hot", "hot at a time", _SHARES, 0.1, lambda share: f"{percent(share)} of the slot"),
        Knob("overlap", "stays hot", (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0), 0.5,
             lambda share: f"{100 * share:g} % of them"),
    ),
}  # fmt: skip
"""Pattern to its options."""


class Tracked(NamedTuple):
    """A pattern as the generators and as the theory take it."""

    generator: str
    """Name in ``dirtylab.DATASETS``."""
    options: dict[str, Any]
    """As the generator takes them."""
    theory: dict[str, Any]
    """As the theory takes them."""


def names() -> tuple[str, ...]:
    """Return the patterns that an explorer offers, recorded traces last."""
    return (*(name for name in DATASETS if name in KNOBS), *(TRACE + name for name in traces()))


def traces() -> tuple[str, ...]:
    """Return the names of the recorded traces that come with the package, if any."""
    return tuple(recordings())


def usual_options(dataset: str) -> dict[str, Any]:
    """Return the options of a pattern as its sliders stand at first."""
    return {knob.name: knob.usual for knob in KNOBS.get(dataset, ())}


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
    knobs = {knob.name: knob for knob in KNOBS.get(dataset, ())}
    _check.options(dataset, given, tuple(knobs))
    kept = {name: _clean(knobs[name], value) for name, value in given.items()}
    return tuple(sorted((n, value) for n, value in kept.items() if value != _told(knobs[n])))


def _clean(knob: Knob, value: Any) -> Any:
    """Return an option as the generator takes it."""
    if knob.steps == _YES_NO:
        return _check.truth(knob.name, value)
    if isinstance(knob.usual, str):
        return _check.choice(knob.name, value, knob.steps)
    if value is None:
        return None
    if isinstance(knob.usual, float):
        return _check.real(knob.name, value, min(*knob.steps, 0.0), max(*knob.steps, 20.0))
    return _check.integer(knob.name, value, min(knob.steps) or 1 if knob.usual else 0)


def _told(knob: Knob) -> Any:
    """Return the usual value as the generator takes it."""
    if knob.steps == _YES_NO:
        return knob.usual == "yes"
    return None if knob.usual == _AUTO and knob.name != "start" else knob.usual


def controls(dataset: str, options: Options) -> list[Control]:
    """Return the sliders of a pattern, as they stand."""
    given = dict(options)
    return [_control(knob, given.get(knob.name, _told(knob))) for knob in KNOBS.get(dataset, ())]


def _control(knob: Knob, value: Any) -> Control:
    if knob.steps == _YES_NO:
        return Choice(knob.name, knob.label, _YES_NO, "yes" if value else "no")
    if isinstance(knob.usual, str):
        return Choice(knob.name, knob.label, knob.steps, value)
    at = _AUTO if value is None else value
    steps = tuple(sorted({*knob.steps, at}))
    return Slider(knob.name, knob.label, steps, at, knob.shown)


def changed(dataset: str, options: Options, name: str, value: Any) -> Options:
    """Return the options after one control has moved."""
    knob = next(knob for knob in KNOBS[dataset] if knob.name == name)
    if knob.steps == _YES_NO:
        value = value == "yes"
    elif value == _AUTO and _told(knob) is None:
        value = None
    return checked_options(dataset, {**dict(options), name: value})


def is_option(dataset: str, name: str) -> bool:
    """Return whether a pattern has an option of that name."""
    return any(knob.name == name for knob in KNOBS.get(dataset, ()))


def tracked(dataset: str, options: Options) -> Tracked:
    """Return a pattern as generators and theory take it."""
    if dataset.startswith(TRACE):
        replay = {"path": dataset.removeprefix(TRACE), "fit": "tile"}
        return Tracked("trace", replay, replay)
    given = {name: value for name, value in options if value is not None}
    return Tracked(dataset, given, given)


def most_dirty(dataset: str, pages: int, options: Options) -> int:
    """Return the most frames that a pattern can give in a slot, as the explorers draw it."""
    if dataset.startswith(TRACE):
        return min(pages, MOST_RECORDED)
    given = dict(options)
    if dataset == "clustered" and not given.get("overlap", False):
        return max(1, round(given.get("spread", 1.0) * pages))
    return pages


def refuse(dataset: str, pages: int, dirty: int, options: Options) -> None:
    """Refuse sliders that contradict each other, in the words of the generator.

    Raises
    ------
    ValueError, IndexError
        Such frames can't be; what could be is said.
    """
    if dirty > pages:
        raise ValueError(f"dirty={dirty:,}: must be 1 … {pages:,}, the pages of the slot")
    given = dict(options)
    if dataset == "clustered":
        _check.real("spread", given.get("spread", 1.0), 0, 1)
        span = max(1, round(given.get("spread", 1.0) * pages))
        require_room(
            given.get("clusters"), given.get("length"), dirty, span, given.get("overlap", False)
        )
    for name in ("stride", "start"):
        _below(name, given.get(name), pages)


def _below(name: str, value: int | None, pages: int) -> None:
    if value is not None and value >= pages:
        raise ValueError(f"{name}={value:,}: must be below {pages:,}, the pages of the slot")


def label(dataset: str, options: Options) -> str:
    """Return a pattern in words.

    Examples
    --------
    >>> label("clustered", (("length", 64),))
    'clustered (length 64)'
    """
    if not options:
        return dataset
    told = ", ".join(f"{name} {_word(value)}" for name, value in options)
    return f"{dataset} ({told})"


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else f"{value}"
