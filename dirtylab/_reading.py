"""Read untrusted files: regular files of bounded size, with errors of one line.

=================  =======================  =====================================================
what is read       at most                  then
=================  =======================  =====================================================
JSON               8 MiB, 64 levels deep    an object of the shape asked for; no key twice, no
                                            NaN, no infinity, no control characters in texts
tables (CSV)       256 MiB, 2 million rows  the columns asked for, numbers where numbers belong
                                            (:mod:`dirtylab._tables`)
recorded traces    1 GiB                    see :mod:`dirtylab.datasets.tracefile`
=================  =======================  =====================================================

A device, a pipe, a socket or a folder is refused before it is opened.  Every refusal is an OSError
or a ValueError of one line that names the file and what is wrong with it.
"""

import json
import math
import os
import re
import stat
import unicodedata
from collections import Counter
from collections.abc import Mapping
from typing import Any, BinaryIO, NamedTuple, Never

import numpy as np

MOST_JSON = 8 * 2**20
MOST_DEPTH = 64
"""Levels of objects and arrays within each other."""
_SHOWN = 60
_MOST_DIGITS = 40
_MORE = 2**16
_BRACKETS = {"[": 1, "{": 1, "]": -1, "}": -1}
_STRINGS = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\Z)', re.DOTALL)


# --- what is shown of a file ---------------------------------------------------------------------


def printable(text: object) -> str:
    r"""Return a text with control characters escaped, as in ``\x1b``."""
    found = str(text)
    if found.isprintable():
        return found
    return "".join(
        one
        if one.isprintable() or unicodedata.category(one) == "Zs"
        else one.encode("unicode_escape").decode("ascii")
        for one in found
    )


def shown(value: object, most: int = _SHOWN) -> str:
    """Return the start of a value, quoted, for a message."""
    text = printable(repr(value[: most + 1] if isinstance(value, str) else value))
    return text if len(text) <= most + 2 else f"{text[:most]}…"


# --- bytes ---------------------------------------------------------------------------------------


def read_bytes(
    path: str | os.PathLike[str], most: int, *, name: str | None = None, hint: str = ""
) -> bytes:
    """Return the content of a regular file.

    Parameters
    ----------
    path : path
        What to read.
    most : int
        Bytes that it may have.
    name : str, optional
        What to call it in a message; the path when omitted.
    hint : str, optional
        What to add where it is too large.

    Raises
    ------
    OSError
        It is missing, unreadable or no regular file.
    ValueError
        It has more than `most` bytes.
    """
    called = printable(path if name is None else name)
    try:
        _require_regular(os.stat(path), called)
        # Were it a pipe by now, opening it must not wait.
        file = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | os.O_CLOEXEC)
    except ValueError:  # a NUL in the name
        raise FileNotFoundError(f"{called}: no such file") from None
    except OSError as error:
        raise _named(error, called) from None
    with open(file, "rb") as content:
        try:
            facts = os.fstat(file)
            _require_regular(facts, called)
            _require_size(facts.st_size, most, called, hint)
            found = _read_up_to(content, most + 1, facts.st_size)
        except OSError as error:
            raise _named(error, called) from None
    _require_size(len(found), most, called, hint)
    return found


def _read_up_to(content: BinaryIO, most: int, expected: int) -> bytes:
    """Return at most so many bytes; a file may grow meanwhile, and those of /proc tell no size."""
    parts, size = [], 0
    while part := content.read(min(most - size, max(expected - size, 0) + _MORE)):
        parts.append(part)
        size += len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _named(error: OSError, called: str) -> OSError:
    if error.errno is None:
        return error
    if isinstance(error, FileNotFoundError):
        return FileNotFoundError(f"{called}: no such file")
    return type(error)(f"{called}: can't be read: {error.strerror}")


def _require_regular(facts: os.stat_result, called: str) -> None:
    if not stat.S_ISREG(facts.st_mode):
        kind = "a folder" if stat.S_ISDIR(facts.st_mode) else "a device, pipe or socket"
        raise OSError(f"{called}: must be a regular file, not {kind}")


def _require_size(size: int, most: int, called: str, hint: str) -> None:
    if size > most:
        raise ValueError(f"{called}: has more than the {most:,} bytes that are read{hint}")


# --- JSON ----------------------------------------------------------------------------------------


class Number(NamedTuple):
    """A finite number within bounds."""

    low: float = -math.inf
    high: float = math.inf


class Whole(NamedTuple):
    """A whole number within bounds."""

    low: int = -(2**63)
    high: int = 2**63 - 1


class Each(NamedTuple):
    """An object with any keys, or an array of any length; each value of a shape."""

    kind: type
    """``dict`` or ``list``."""
    shape: Any


class Maybe(NamedTuple):
    """``null``, or of a shape."""

    shape: Any


class Lacking(NamedTuple):
    """A key that may be missing; where it is there, its value is of a shape."""

    shape: Any


Shape = type | Number | Whole | Each | Maybe | Mapping[str, Any] | tuple[Any, ...]
"""What a value must be: ``str``, ``bool``, ``dict`` or ``list``; a number; an object by its keys
(others may be there); an array by its items."""


def read_object(path: str | os.PathLike[str], shape: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON object in a regular file.

    Parameters
    ----------
    path : path
        What to read.
    shape : mapping
        Keys that must be there, and of what shape each value must be.

    Raises
    ------
    OSError
        It is missing, unreadable or no regular file.
    ValueError
        It is too large, no JSON, or of another shape; the first key that is wrong is named.
    """
    content = read_bytes(path, MOST_JSON)
    try:
        found = parse_object(content)
        require_plain(found)
        require_shape(found, shape)
    except ValueError as error:
        raise ValueError(f"{printable(path)}: {error}") from None
    return found


def parse_object(content: bytes | str) -> dict[str, Any]:
    """Return a JSON object; ValueError where it is none, too deep, or has a key twice or a NaN."""
    if len(content) > MOST_JSON:
        raise ValueError(f"must be JSON of at most {MOST_JSON:,} bytes")
    try:
        text = content if isinstance(content, str) else content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start} is no UTF-8") from None
    _require_shallow(text)
    try:
        found = json.loads(
            text,
            object_pairs_hook=_once,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_whole,
        )
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ValueError(f"must be JSON: {error.msg} at {where}") from None
    except RecursionError:
        raise ValueError(f"must be JSON of at most {MOST_DEPTH} levels") from None
    if not isinstance(found, dict):
        raise ValueError(f"must be a JSON object, not {_kind_of(found)}")
    return found


def require_shape(value: Any, shape: Shape, name: str = "") -> None:
    """Refuse a value from JSON that is not of a shape; `name` says where it is."""
    if isinstance(shape, Maybe):
        if value is not None:
            require_shape(value, shape.shape, name)
    elif isinstance(shape, Number | Whole):
        _require_number(value, shape, name)
    elif isinstance(shape, type):
        if not isinstance(value, shape):
            _refuse(name, value, _KINDS[shape])
    else:
        _require_parts(value, shape, name)


def _require_parts(
    value: Any, shape: Each | Mapping[str, Any] | tuple[Any, ...], name: str
) -> None:
    if isinstance(shape, Each):
        require_shape(value, shape.kind, name)
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, one in pairs:
            require_shape(one, shape.shape, _joined(name, key))
    elif isinstance(shape, Mapping):
        require_shape(value, dict, name)
        for key, wanted in shape.items():
            if key in value:
                own = wanted.shape if isinstance(wanted, Lacking) else wanted
                require_shape(value[key], own, _joined(name, key))
            elif not isinstance(wanted, Lacking):
                raise ValueError(f"key {_joined(name, key)} is missing")
    else:
        require_shape(value, list, name)
        if len(value) != len(shape):
            _refuse(name, value, f"an array of {len(shape)}")
        for number, wanted in enumerate(shape):
            require_shape(value[number], wanted, _joined(name, number))


def _require_number(value: Any, shape: Number | Whole, name: str) -> None:
    whole = isinstance(shape, Whole)
    fits = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    if not fits or not shape.low <= value <= shape.high:
        what = "a whole number" if whole else "a number"
        ends = [f"{one:g}" if isinstance(one, float) else str(one) for one in shape]
        bounded = math.isfinite(shape.low) or math.isfinite(shape.high)
        _refuse(name, value, f"{what}, {ends[0]} … {ends[1]}" if bounded else what)


def require_plain(value: Any, name: str = "") -> None:
    """Refuse control characters in the texts of a value from JSON, keys among them."""
    if isinstance(value, str):
        if printable(value) != value:
            _refuse(name, value, "a text without control characters")
    elif isinstance(value, dict):
        for key, one in value.items():
            require_plain(key, name)
            require_plain(one, _joined(name, key))
    elif isinstance(value, list):
        for number, one in enumerate(value):
            require_plain(one, _joined(name, number))


_KINDS = {dict: "an object", list: "an array", str: "a text", bool: "true or false"}


def _kind_of(value: Any) -> str:
    return "null" if value is None else _KINDS.get(type(value), "a number")


def _joined(name: str, key: object) -> str:
    part = printable(key)[:_SHOWN]
    return f"{name}.{part}" if name else part


def _refuse(name: str, value: Any, wanted: str) -> Never:
    plain = isinstance(value, str | int | float) or value is None
    found = shown(value) if plain else _kind_of(value)
    raise ValueError(f"{name or 'it'}: must be {wanted}, not {found}")


def _require_shallow(text: str) -> None:
    """Refuse what is nested too deeply, before the parser's own stack is used."""
    if text.count("[") + text.count("{") <= MOST_DEPTH:
        return
    brackets = np.frombuffer(_STRINGS.sub("", text).encode("utf-8", "replace"), np.uint8)
    steps = np.zeros(brackets.size, np.int8)
    for bracket, step in _BRACKETS.items():
        steps[brackets == ord(bracket)] = step
    if int(np.cumsum(steps, dtype=np.int32).max(initial=0)) > MOST_DEPTH:
        raise ValueError(f"must be JSON of at most {MOST_DEPTH} levels")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"key {shown(twice)} stands twice in one object")
    return found


def _refuse_constant(text: str) -> Never:
    raise ValueError(f"{text} is no number")


def _whole(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError(f"{text[:_MOST_DIGITS]}… is too large a number")
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:_SHOWN]} is too large a number")
    return value
