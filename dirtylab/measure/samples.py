"""Samples as lines of text: a header, then one line a row, read back to the same values.

A truncated or edited line is named and left out; the others are kept.
"""

import csv
import functools
import io
import json
import math
import pathlib
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from dirtylab._reading import printable, read_bytes, shown
from dirtylab._tables import MOST_ROWS, MOST_TABLE
from dirtylab.measure.cell import Candidate, Cell, Row
from dirtylab.measure.grid import Grid

LEADING = ("structure", "operation", "dataset", "pages", "dirty")
TRAILING = (
    "seed", "repeat", "ns", "reference_ns", "bytes", "growth", "words", "nodes", "cache",
    "through", "call_ns", "control", "machine",
)  # fmt: skip
OPTION_PREFIXES = ("structure_", "dataset_")
_COUNTS = ("pages", "dirty", "seed", "repeat", "bytes", "growth", "words", "nodes", "call_ns")
_TIMES = ("ns", "reference_ns")
_MOST = 2**63 - 1
_LONGEST = 200
"""Most characters of the remark on a bad line."""
_MOST_BAD = 10**5
"""Number of bad lines above which a file is refused."""
_WHOLE = re.compile(r"-?[0-9]{1,19}", re.ASCII)
_REAL = re.compile(r"[0-9]{1,40}(?:\.[0-9]{1,40})?(?:e[+-]?[0-9]{1,3})?", re.ASCII)
_kept = functools.lru_cache(maxsize=2**12)
"""Keeps what the few texts of a column mean: rows repeat them."""

Key = tuple[str, str, str, str]
"""Dataset, options, pages and dirty frames of a cell, as text."""
Owner = tuple[str, str, str, bool]
"""Identifies a row's series: structure, its options, operation, and whether it is the control."""


class SamplesError(ValueError):
    """A file that holds no samples."""


class Loaded(NamedTuple):
    """The content of a file."""

    columns: list[str]
    rows: list[Row]
    bad: list[str]
    """Lines that can't be used, each with its number and the reason."""
    terminated: bool
    """Whether the last line has an end, so that another can follow."""


def columns_of(grid: Grid, known: Iterable[str] = ()) -> list[str]:
    """Return the columns of a grid's rows, and such options as are `known` already."""
    asked = [
        *(f"structure_{name}" for one in grid.plan.candidates for name, _ in one.options),
        *(f"dataset_{name}" for cell in grid.cells for name, _ in cell.options),
    ]
    options = dict.fromkeys(name for name in [*known, *asked] if name.startswith(OPTION_PREFIXES))
    own = [[name for name in options if name.startswith(one)] for one in OPTION_PREFIXES]
    return [*LEADING, *own[0], *own[1], *TRAILING]


def lines(columns: Sequence[str], rows: Iterable[Row], *, header: bool = False) -> str:
    """Return rows as text."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def load(path: pathlib.Path, require: Callable[[Row], object] = bool) -> Loaded:
    """Read samples; bad lines are named and left out.

    Parameters
    ----------
    path : pathlib.Path
        What to read.
    require : callable, optional
        Called with each row; raises ValueError where it can't be.

    Raises
    ------
    SamplesError
        It is too large, the first line does not name the columns, or nearly all lines are bad.
    OSError
        It can't be read, or is no regular file.
    """
    try:
        text = read_bytes(path, MOST_TABLE).decode("utf-8", "replace")
    except ValueError as error:
        raise SamplesError(f"{error}; choose another folder") from None
    lines = io.StringIO(text, newline="\n")
    columns = _columns(path, lines.readline())
    rows: list[Row] = []
    bad: list[str] = []
    for number, line in enumerate(lines, start=2):
        if line.strip():
            try:  # a line at a time: a stray quote must not swallow those that follow
                row = _parsed(columns, line.rstrip("\n"))
                require(row)
                rows.append(row)
            except (ValueError, csv.Error) as error:
                bad.append(f"line {number}: {str(error)[:_LONGEST]}")
        if len(bad) > _MOST_BAD or len(rows) > MOST_ROWS:
            found = "lines can't be used" if len(bad) > _MOST_BAD else "rows; no more are read"
            raise SamplesError(
                f"{printable(path)}: {max(len(bad), len(rows)):,} {found}; choose another folder"
            )
    return Loaded(columns, rows, bad, text.endswith("\n"))


def _columns(path: pathlib.Path, line: str) -> list[str]:
    try:
        columns = next(csv.reader([line.rstrip("\n")]), [])
        wrong = f"names a column twice: {shown(line)}" if len({*columns}) < len(columns) else ""
    except csv.Error as error:
        columns, wrong = [], str(error)
    if missing := {*LEADING, *TRAILING} - set(columns):
        wrong = wrong or f"does not name the columns {', '.join(sorted(missing))}"
    if printable("".join(columns)) != "".join(columns):
        wrong = "has control characters"
    if wrong:
        raise SamplesError(f"{printable(path)}: line 1 {wrong}; choose another folder")
    return columns


def _parsed(columns: Sequence[str], line: str) -> Row:
    """Return a line's row; 17 µs, 30 where nothing is kept of the lines before."""
    fields = next(csv.reader([line]), [])
    if len(fields) != len(columns):
        raise ValueError(f"{len(fields)} fields, {len(columns)} expected")
    row: Row = dict(zip(columns, fields, strict=True))
    if not line.isprintable():
        _refuse_control_characters(row)
    for name in _COUNTS:
        row[name] = _count(name, row[name])
    for name in _TIMES:
        row[name] = _time(name, row[name])
    if row["control"] not in ("True", "False"):
        raise ValueError(f"control={shown(row['control'])} must be True or False")
    row["control"] = row["control"] == "True"
    for prefix in OPTION_PREFIXES:
        for name in _option_columns(tuple(columns), prefix):
            row[name] = natural(row[name])
    return row


def _refuse_control_characters(row: Row) -> None:
    for name, text in row.items():
        if printable(text) != text:
            raise ValueError(f"{name}={shown(text)} has control characters")


@_kept
def _count(name: str, text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"{name}={shown(text)} is no whole number")
    if text.startswith("-") and name != "growth":
        raise ValueError(f"{name}={text!r} is negative")
    if abs(value := int(text)) > _MOST:
        raise ValueError(f"{name}={text!r} is above {_MOST}")
    return value


def _time(name: str, text: str) -> float:
    if not _REAL.fullmatch(text.removeprefix("-")) and text not in ("inf", "-inf", "nan"):
        raise ValueError(f"{name}={shown(text)} is no number")
    if not 0 < (value := float(text)) < math.inf:
        raise ValueError(f"{name}={text!r} must be above 0 and finite")
    return value


@_kept
def natural(text: str) -> Any:
    """Return the number or truth value that `text` is written out of, or else the text."""
    if text in ("True", "False"):
        return text == "True"
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        if str(value) == text:
            return value
    return text


def key_of(cell: Cell) -> Key:
    """Return the key of a cell's rows."""
    return cell.dataset, _as_text(dict(cell.options)), str(cell.pages), str(cell.dirty)


def key_of_row(row: Row) -> Key:
    """Return the key of the cell that a row belongs to."""
    options = _as_text(_options(row, "dataset_"))
    return row["dataset"], options, str(row["pages"]), str(row["dirty"])


def name_of(key: Key) -> str:
    """Return a cell in words."""
    options = "".join(f" {name}={value}" for name, value in json.loads(key[1]).items())
    return f"{key[0]}{options}, {int(key[3]):,} of {int(key[2]):,} pages"


def owner_of(row: Row) -> Owner:
    """Return the series that a row belongs to."""
    options = _as_text(_options(row, "structure_"))
    return row["structure"], options, row["operation"], row["control"]


def owners(candidates: Sequence[Candidate], operations: Sequence[str]) -> list[Owner]:
    """Return the series of a whole round, one row each, sorted."""
    return sorted(
        (one.structure, _as_text(dict(one.options)), operation, one.control)
        for one in candidates
        for operation in operations
    )


def _options(row: Row, prefix: str) -> dict[str, Any]:
    return {name[len(prefix) :]: row[name] for name in _option_columns(tuple(row), prefix)}


@_kept
def _option_columns(columns: tuple[str, ...], prefix: str) -> list[str]:
    return [name for name in columns if name.startswith(prefix)]


def _as_text(options: dict[str, Any]) -> str:
    return _json_of(tuple((name, str(value)) for name, value in options.items() if value != ""))


@_kept
def _json_of(options: tuple[tuple[str, str], ...]) -> str:
    return json.dumps(dict(options), sort_keys=True)
