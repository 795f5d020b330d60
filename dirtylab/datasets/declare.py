"""What a pattern declares beside its generator, and the checks that are made from it.

A generator is any function ``(pages, dirty, *, seed=0, **options)``.  :func:`pattern` checks its
arguments by what its signature declares (see :mod:`dirtylab._options`) before each call, and writes
the options into its documentation.  A function without it is a pattern too: its options are those
of its signature, and it checks them itself.
"""

import dataclasses
import functools
import inspect
import re
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, ParamSpec

from dirtylab import _check
from dirtylab._check import Frames
from dirtylab._options import REQUIRED, Option, options_of

P = ParamSpec("P")
Generator = Callable[..., Frames]
Require = Callable[..., None]
"""``require(pages, dirty, **options)`` raises where options, each fine by itself, do not fit."""

COMMON = ("pages", "dirty", "seed")
"""Arguments of every generator."""
_SEED = Option(low=0, high=2**64 - 1, name="seed", kind="int", default=0)
_GIVEN = """Parameters
----------
pages : int
    Size of the slot in 4 KiB pages, 1 … 2^52.
dirty : int
    Number of frames, 0 or more.
seed : int, optional
    {}; where something is random, another seed draws other frames."""
_GIVES = """Returns
-------
numpy.ndarray
    Shape ``(dirty,)``, uint64, frames in arrival order.

Raises
------
TypeError, ValueError
    An argument is of the wrong kind or out of range; they do not fit together.
MemoryError
    The frames would not fit in this machine's memory."""
_RAISES = "Raises\n------\n"
_AS_IS: Mapping[str, Any] = types.MappingProxyType({})


class Calibrated(NamedTuple):
    """How a calibration of the cost model draws cells of a pattern."""

    share: int = 1
    """Its share of the cells, in units of the others'."""
    values: Mapping[str, range | tuple[Any, ...]] = types.MappingProxyType({})
    """Option to its values: all numbers of a range, evenly on a log scale, or one of a tuple."""
    large: bool = False
    """Whether the corner where bitmaps outgrow the caches is drawn with it, too."""


@dataclasses.dataclass(frozen=True)
class Declaration:
    """What is known of a pattern."""

    name: str
    options: tuple[Option, ...]
    seed: Option = _SEED
    require: Require | None = None
    studied: Mapping[str, Any] | None = dataclasses.field(default_factory=dict)
    """Options with which studies measure it unless told otherwise; None: they do not."""
    drawn: Mapping[str, Any] | None = dataclasses.field(default_factory=dict)
    """Options with which figures of all patterns draw it; None: it looks like another."""
    place: float = float("inf")
    """Where it stands in such figures: in ascending order, then in that of the registry."""

    calibrated: Calibrated | None = None
    """None: calibrations leave it out, as they do what has no law."""

    @property
    def free(self) -> bool:
        """Whether it can be drawn without an option, such as a file to read."""
        return not any(option.required for option in self.options)

    def clean(self, pages: int, dirty: int, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return all options, checked, for `dirty` frames of a slot.

        Raises
        ------
        TypeError, ValueError
            One is unknown, missing, of the wrong kind or out of range; they do not fit together.
        """
        _check.options(self.name, given, [option.name for option in self.options])
        options = {one.name: self._value(one, given, pages) for one in self.options}
        if self.require is not None:
            self.require(pages, dirty, **options)
        return options

    def _value(self, option: Option, given: Mapping[str, Any], pages: int) -> Any:
        value = given.get(option.name, option.default)
        if value is REQUIRED:
            raise TypeError(f"{option.name}: must be given to {self.name}, {option.allowed()}")
        return option.check(value, pages)


def size(pages: object, dirty: object) -> tuple[int, int]:
    """Return pages of a slot and a number of frames, or refuse them."""
    return _check.pages(pages, low=1), _check.integer("dirty", dirty, 0, 2**56)


def pattern(
    require: Require | None = None,
    *,
    studied: Mapping[str, Any] | None = _AS_IS,
    drawn: Mapping[str, Any] | None = _AS_IS,
    place: float = float("inf"),
    calibrated: Calibrated | None = None,
) -> Callable[[Callable[P, Frames]], Callable[P, Frames]]:
    """Let a generator's arguments be checked by its signature, and its documentation list them.

    Parameters
    ----------
    require : callable, optional
        Raises where options, each fine by itself, do not fit together, the slot or the frames.
    studied, drawn, place, calibrated : optional
        See :class:`Declaration`.
    """

    def decorate(function: Callable[P, Frames]) -> Callable[P, Frames]:
        options = {option.name: option for option in options_of(function, COMMON[:2])}
        seed = options.pop("seed")
        declared = Declaration(
            function.__name__.replace("_", "-"), tuple(options.values()),
            _SEED if seed.low is None else seed, require, studied, drawn, place,
            calibrated,
        )  # fmt: skip
        signature = inspect.signature(function)

        @functools.wraps(function)
        def generator(pages: Any, dirty: Any, *given: Any, **named: Any) -> Frames:
            _check.options(declared.name, named, ("seed", *options))
            told = signature.bind_partial(pages, dirty, *given, **named).arguments
            slot, count = size(told.pop("pages"), told.pop("dirty"))
            start = declared.seed.check(told.pop("seed", seed.default))
            _check.memory("dirty", count, 8 * count)
            clean = declared.clean(slot, count, told)
            return function(slot, count, seed=start, **clean)  # type: ignore[arg-type]

        generator.declared = declared  # type: ignore[attr-defined]
        generator.__doc__ = documented(function.__doc__ or "", declared)
        generator.__signature__ = plain(signature, function)  # type: ignore[attr-defined]
        return generator  # type: ignore[return-value]

    return decorate


def documented(text: str, declared: Declaration) -> str:
    """Return a generator's documentation with its options and what is true of all generators.

    Errors that it names itself are kept; parameters and what is returned are made anew.
    """
    head, *sections = re.split(r"\n\n(?=\w+\n---+\n)", inspect.cleandoc(text))
    given = _GIVEN.format(declared.seed.allowed())
    given = "\n".join([given, *(option.paragraph() for option in declared.options)])
    raised = [one.removeprefix(_RAISES) for one in sections if one.startswith(_RAISES)]
    rest = [one for one in sections if not one.startswith((_RAISES, "Parameters", "Returns"))]
    return "\n\n".join([head, given, "\n".join([_GIVES, *raised]), *rest]) + "\n"


def plain(signature: inspect.Signature, function: Callable[..., Any]) -> inspect.Signature:
    """Return a function's signature as a reader wants it: types without their options."""
    hints = typing.get_type_hints(function)
    parameters = [one.replace(annotation=hints[one.name]) for one in signature.parameters.values()]
    return signature.replace(parameters=parameters)


def declaration(generator: Generator) -> Declaration:
    """Return what a generator declares, or what its signature tells where it declares nothing."""
    found: Declaration | None = getattr(generator, "declared", None)
    if found is not None:
        return found
    name = getattr(generator, "__name__", type(generator).__name__)
    return Declaration(name.replace("_", "-"), options_of(generator, COMMON))
