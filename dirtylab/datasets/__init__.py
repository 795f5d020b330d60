"""Which pages get dirty: generators of frames in arrival order.

Adding a pattern is one function, its options declared in its signature, and one line in
:data:`DATASETS`, which may also come at run time.  Studies, figures, views and commands ask the
registry when they need it, and the pattern for what it declares; none keeps a list of names.
"""

from collections.abc import Mapping
from typing import Any

from dirtylab import _check
from dirtylab.datasets.clusters import clustered
from dirtylab.datasets.declare import (
    Calibrated,
    Declaration,
    Generator,
    declaration,
    pattern,
    size,
)
from dirtylab.datasets.glibc import ORDERS, mailing_list
from dirtylab.datasets.patterns import random, sequential, strided
from dirtylab.datasets.skewed import hotset, phases, zipf
from dirtylab.datasets.traces import trace

DATASETS: dict[str, Generator] = {
    "mailing-list": mailing_list,
    "random": random,
    "sequential": sequential,
    "clustered": clustered,
    "strided": strided,
    "zipf": zipf,
    "hotset": hotset,
    "phases": phases,
    "trace": trace,
}
"""Name to generator, called as ``generator(pages, dirty, *, seed=0, **options)``.

All but ``trace``, which needs its ``path``, have defaults that work for any `pages` of 1 or more
and any `dirty` up to `pages`.
"""

__test__ = DATASETS
"""Examples in the documentation of generators are tested, those of patterns added later too."""


def declared(name: str) -> Declaration:
    """Return what a pattern of the registry declares; a ValueError lists the names there are."""
    return declaration(DATASETS[_check.choice("dataset", name, DATASETS)])


def free() -> list[str]:
    """Return the patterns that can be drawn as they are: those that need no file, say."""
    return [name for name in DATASETS if declared(name).free]


def studied() -> dict[str, Mapping[str, Any]]:
    """Return the patterns that studies measure unless told otherwise, and their options."""
    found = {name: declared(name).studied for name in free()}
    return {name: options for name, options in found.items() if options is not None}


def drawn() -> dict[str, Mapping[str, Any]]:
    """Return the patterns that figures of all patterns draw, in their order, and their options."""
    found = {name: declared(name).drawn for name in free()}
    shown = {name: options for name, options in found.items() if options is not None}
    return dict(sorted(shown.items(), key=lambda one: declared(one[0]).place))


def calibrated() -> dict[str, Calibrated]:
    """Return the patterns of which calibrations draw cells, and how; the most drawn first."""
    found = {name: declared(name).calibrated for name in free()}
    shown = {name: how for name, how in found.items() if how is not None}
    return dict(sorted(shown.items(), key=lambda one: -one[1].share))


def require(dataset: str, pages: int, dirty: int, options: Mapping[str, Any]) -> None:
    """Refuse frames that a pattern can't give, as its generator would; nothing is drawn.

    Raises
    ------
    TypeError, ValueError
        As the generator's; a pattern that declares nothing is known by its options' names alone.
    """
    declared(dataset).clean(*size(pages, dirty), options)


def read(dataset: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return options of a pattern from text, as a command or a table has it.

    Values that are no text are kept, but for a whole number that came as a float.

    Raises
    ------
    ValueError, TypeError
        An unknown pattern or option, or text that is none of its values.

    Examples
    --------
    >>> read("clustered", {"length": "64", "overlap": "yes"})
    {'length': 64, 'overlap': True}
    """
    options = {option.name: option for option in declared(dataset).options}
    _check.options(dataset, given, tuple(options))
    return {name: options[name].read(value) for name, value in given.items()}


def written(dataset: str, options: Mapping[str, Any]) -> str:
    """Return a pattern as the commands take it.

    Examples
    --------
    >>> written("clustered", {"length": 64, "overlap": True})
    'clustered:length=64,overlap=True'
    """
    told = ",".join(f"{name}={value}" for name, value in options.items())
    return f"{dataset}:{told}" if told else dataset


def parsed(text: str) -> tuple[str, dict[str, Any]]:
    """Return a pattern and its options from what :func:`written` gives; errors as :func:`read`.

    Examples
    --------
    >>> parsed("clustered:length=64,overlap=yes")
    ('clustered', {'length': 64, 'overlap': True})
    """
    dataset, _, rest = text.partition(":")
    options = {}
    for part in filter(None, rest.split(",")):
        name, sign, value = part.partition("=")
        if not sign or name in options:
            raise ValueError(f"{text!r}: options are written name:key=value,…, each once")
        options[name] = value
    return dataset, read(dataset, options)


__all__ = [
    "DATASETS",
    "ORDERS",
    "Calibrated",
    "calibrated",
    "clustered",
    "declared",
    "drawn",
    "free",
    "hotset",
    "mailing_list",
    "parsed",
    "pattern",
    "phases",
    "random",
    "read",
    "require",
    "sequential",
    "strided",
    "studied",
    "trace",
    "written",
    "zipf",
]
