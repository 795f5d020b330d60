"""Options of a function, each declared once, in its signature.

::

    def strided(pages: int, dirty: int, *, seed: int = 0,
        stride: Annotated[int, Option("Pages from a frame to the next.", low=1, high="pages")] = 64,
    ) -> Frames: ...

Name, type and default are the signature's; the :class:`Option` beside the type adds bounds, unit
and meaning.  Checks of arguments, the command's grammar, the controls of views and the table of
parameters in the documentation are made from it.  A parameter without an :class:`Option` is one
that has no bounds.
"""

import dataclasses
import inspect
import os
import textwrap
import typing
from collections.abc import Callable, Sequence
from typing import Annotated, Any

from dirtylab import _check
from dirtylab._units import parse_number, parse_pages

REQUIRED = inspect.Parameter.empty
"""Default of an option that has none."""
_ANYTHING = (-(2**64), 2**64)
_KINDS = {bool: "bool", int: "int", float: "float", str: "str", os.PathLike: "path"}
_ANY_OF = {"bool": "yes or no", "int": "a whole number", "float": "a number", "path": "a path"}
_YES, _NO = ("True", "true", "yes", "on"), ("False", "false", "no", "off")


@dataclasses.dataclass(frozen=True)
class Option:
    """What a parameter means and may be."""

    meaning: str = ""
    """A sentence or more."""
    low: float | None = None
    high: float | str | None = None
    """``"pages"`` and ``"pages - 1"`` follow the size of the slot."""
    above: float | None = None
    """A bound that is itself excluded; instead of `low` and `high`."""
    words: tuple[str, ...] = ()
    """What text may be."""
    unit: str = ""
    """Of a number: ``page``, ``share of the slot`` …"""
    omitted: str = ""
    """What is taken where the default is None."""
    label: str = ""
    """Name of its slider; the option's own when empty."""
    steps: tuple[Any, ...] = ()
    """Values that a slider offers; made from the bounds when empty."""
    usual: Any = None
    """Where a slider stands at first, if the default is None."""
    name: str = ""
    kind: str = ""
    """``bool``, ``int``, ``float``, ``str``, ``path``, or nothing where any value will do."""
    default: Any = REQUIRED
    nullable: bool = False
    """Whether None is a value."""

    @property
    def required(self) -> bool:
        """Whether there is no default."""
        return self.default is REQUIRED

    def check(self, value: Any, pages: int | None = None) -> Any:
        """Return a clean value, or raise one error with name, value and what is allowed.

        Parameters
        ----------
        value : object
            As the function is given it.
        pages : int, optional
            Size of the slot; bounds that follow it are not checked when omitted.
        """
        if value is None and self.nullable:
            return None
        low, high = self.bounds(pages)
        if self.kind == "bool":
            return _check.truth(self.name, value)
        if self.kind == "int":
            return _check.integer(self.name, value, int(low), None if high is None else int(high))
        if self.kind == "float" and self.above is not None:
            return _check.positive(self.name, value)
        if self.kind == "float":
            return _check.real(self.name, value, low, _ANYTHING[1] if high is None else high)
        if self.kind == "path" and not isinstance(value, str | os.PathLike):
            kind = type(value).__name__
            raise TypeError(f"{self.name}={value!r}: must be a path, not {kind}")
        return _check.choice(self.name, value, self.words) if self.words else value

    def bounds(self, pages: int | None) -> tuple[float, float | None]:
        """Return the least and the greatest number in a slot of so many pages; None: no end."""
        high = self.high
        if isinstance(high, str):
            high = None if pages is None else pages - (1 if high.endswith("- 1") else 0)
        return (_ANYTHING[0] if self.low is None else self.low), high

    def read(self, value: Any) -> Any:
        """Return the value that text of a command or table stands for; ValueError if there is none.

        What is no text is kept, but for a whole number that came as a float.
        """
        if not isinstance(value, str):
            return int(value) if self.kind == "int" and value == value // 1 else value
        if self.kind == "bool" and value in (*_YES, *_NO):
            return value in _YES
        if self.kind in ("str", "path"):
            return value
        try:
            if self.kind not in ("int", "float"):
                return guessed(value)
            return _number(value, self.unit if self.kind == "int" else "")
        except ValueError:
            pass
        raise ValueError(f"{self.name}={value!r}: must be {self.allowed()}")

    def allowed(self) -> str:
        """Return what the option may be, in words."""
        if self.words:
            return f"one of {', '.join(self.words)}"
        if self.above is not None:
            return f"above {self.above:g}"
        if self.low is None and self.high is None:
            return _ANY_OF.get(self.kind, "any value")
        low = f"{self.low:g}"
        if self.high is None:
            return f"{low} or more"
        return f"{low} … {_bound(self.high)}"

    def in_units(self) -> str:
        """Return what a number may be with its unit, such as ``1 … 8 pages``, ``0 … 1 of all``."""
        unit = self.unit.removeprefix("share ") if " of " in self.unit else f"{self.unit}s"
        follows = isinstance(self.high, str) or not self.unit
        return self.allowed() if follows else f"{self.allowed()} {unit}"

    def usually(self) -> str:
        """Return the default, in words."""
        if self.required:
            return "must be given"
        if self.default is None:
            return f"when omitted, {self.omitted}" if self.omitted else "may be omitted"
        return f"when omitted, {self.default!r}"

    def paragraph(self) -> str:
        """Return the option's entry in a numpydoc table of parameters."""
        kind = {"path": "str or os.PathLike", "": "object"}.get(self.kind, self.kind)
        if self.words:
            kind = "{" + ", ".join(f'"{word}"' for word in self.words) + "}"
        bounded = not self.words and (self.low, self.high, self.above) != (None, None, None)
        facts = "; ".join((*((self.in_units(),) if bounded else ()), self.usually()))
        told = f"{self.meaning}  {facts[:1].upper()}{facts[1:]}.".strip()
        body = textwrap.indent("\n".join(textwrap.wrap(told, 92)), "    ")
        return f"{self.name} : {kind}{'' if self.required else ', optional'}\n{body}"


def options_of(function: Callable[..., Any], besides: Sequence[str] = ()) -> tuple[Option, ...]:
    """Return the options of a function: its parameters, but for those named in `besides`."""
    try:
        parameters = inspect.signature(function, eval_str=True).parameters
    except (NameError, SyntaxError):  # annotations that only a type checker can read
        parameters = inspect.signature(function).parameters
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return tuple(
        _declared(one)
        for name, one in parameters.items()
        if one.kind in named and name not in besides
    )


def _declared(parameter: inspect.Parameter) -> Option:
    hint, option = parameter.annotation, Option()
    if typing.get_origin(hint) is Annotated:
        hint, *others = typing.get_args(hint)
        option = next((one for one in others if isinstance(one, Option)), option)
    kinds = [
        _KINDS.get(typing.get_origin(one) or one, "") for one in typing.get_args(hint) or [hint]
    ]
    found = [kind for kind in kinds if kind]
    if not found and parameter.default is not REQUIRED:
        found = [_KINDS.get(type(parameter.default), "")]
    nullable = parameter.default is None or type(None) in typing.get_args(hint)
    return dataclasses.replace(
        option, name=parameter.name, kind=found[-1] if found else "", default=parameter.default,
        nullable=nullable,
    )  # fmt: skip


def one_two_five(low: int, high: int) -> tuple[int, ...]:
    """Return 1, 2, 5, 10, 20, 50 … from `low` to `high`.

    Examples
    --------
    >>> one_two_five(10, 300)
    (10, 20, 50, 100, 200)
    """
    digits = len(str(high))
    steps = (leading * 10**power for power in range(digits) for leading in (1, 2, 5))
    return tuple(step for step in steps if low <= step <= high)


def guessed(text: str) -> Any:
    """Return a truth value or a number where text looks like one."""
    if text in ("True", "False"):
        return text == "True"
    try:
        return _number(text)
    except ValueError:
        return text


def _number(text: str, unit: str = "") -> int | float:
    number = parse_number(text)
    if number is None and unit == "page":  # such as 2MiB of guest memory
        return parse_pages("", text)
    if number is None:
        raise ValueError(text)
    return number


def _bound(high: float | str) -> str:
    if isinstance(high, int) and high > 2**16:
        for less, end in ((0, ""), (1, " - 1")):
            if (high + less).bit_count() == 1:
                return f"2^{(high + less).bit_length() - 1}{end}"
    return high if isinstance(high, str) else f"{high:g}"
