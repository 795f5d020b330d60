"""Tables: CSV files with the columns asked for, numbers where numbers belong; Markdown.

What a file may be is said in :mod:`dirtylab._reading`.
"""

import csv
import io
import os
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dirtylab._reading import printable, read_bytes, shown

if TYPE_CHECKING:
    import pandas as pd

MOST_TABLE = 256 * 2**20
"""Bytes of a table."""
MOST_ROWS = 2**21
_BEYOND = 2**64
_NUMBER = re.compile(r"-?[0-9]{1,40}(\.[0-9]{0,40})?([eE][+-]?[0-9]{1,3})?", re.ASCII)


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]], rule: str) -> str:
    """Return a Markdown table; `rule` has the alignment of each column, such as ``:-- --:``."""
    return "\n".join(f"| {' | '.join(line)} |" for line in (heads, rule.split(), *rows))


def read_rows(
    path: str | os.PathLike[str], columns: Sequence[str], words: Collection[str]
) -> list[dict[str, Any]]:
    """Return the rows of a CSV file.

    Parameters
    ----------
    path : path
        What to read.
    columns : sequence of str
        Those that must be there.
    words : collection of str
        Those of them that hold texts; the others hold numbers, truth values or nothing.

    Raises
    ------
    OSError
        It is missing, unreadable or no regular file.
    ValueError
        It is too large, lacks a column, or a line can't be used; the first such is named.
    """
    content = read_bytes(path, MOST_TABLE)
    try:
        return list(_rows(content, columns, words))
    except (ValueError, csv.Error) as error:
        raise ValueError(f"{printable(path)}: {error}") from None


def _rows(
    content: bytes, columns: Sequence[str], words: Collection[str]
) -> Iterator[dict[str, Any]]:
    lines = csv.reader(io.StringIO(decoded(content), newline=""), strict=True)
    names = next(lines, [])
    require_columns(names, columns)
    for number, fields in enumerate(lines):
        if number == MOST_ROWS:
            raise ValueError(f"has more than the {MOST_ROWS:,} rows that are read")
        if len(fields) != len(names):
            where = f"line {lines.line_num}"
            raise ValueError(f"{where}: {len(fields)} fields; must be {len(names)}")
        row: dict[str, Any] = {}
        for name, text in zip(names, fields, strict=True):
            where = f"line {lines.line_num}, {shown(name)}"
            row[name] = _word(where, text) if name in words else _value(where, text)
        yield row


def read_table(
    path: str | os.PathLike[str], columns: Sequence[str], words: Collection[str]
) -> "pd.DataFrame":
    """Return a CSV file as a DataFrame; parameters and errors as :func:`read_rows`.

    Columns that are not named are numbers too; a number may be missing.
    """
    import pandas as pd

    content = read_bytes(path, MOST_TABLE)
    try:
        names = next(csv.reader(io.StringIO(decoded(content), newline="")), [])
        require_columns(names, columns)
        table = pd.read_csv(io.BytesIO(content), keep_default_na=False, na_values=[""])
        if list(table.columns) != names or not isinstance(table.index, pd.RangeIndex):
            raise ValueError("a line has more fields than line 1 names")
        for name in map(str, table.columns):
            _require_column(name, table[name], name in words)
    except (ValueError, OverflowError, csv.Error) as error:
        raise ValueError(f"{printable(path)}: {printable(str(error).strip())}") from None
    return table


def _require_column(name: str, column: "pd.Series[Any]", is_word: bool) -> None:
    if is_word:
        for number, text in enumerate(column.astype(object).unique()):
            _word(f"{shown(name)}, value {number}", str(text))
    elif column.dtype.kind not in "iufb":
        raise ValueError(f"{shown(name)}: must be numbers")
    elif column.dtype.kind == "f" and np.isinf(column.to_numpy()).any():
        raise ValueError(f"{shown(name)}: must be finite")


def decoded(content: bytes) -> str:
    """Return a table's text; ValueError where it is no UTF-8 or has a NUL."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start} is no UTF-8") from None
    if "\0" in text:
        raise ValueError(f"character {text.index(chr(0))} is a NUL: no text")
    return text


def require_columns(names: Sequence[str], wanted: Iterable[str]) -> None:
    """Refuse a first line that lacks a column, or names one twice."""
    if missing := sorted({*wanted} - {*names}):
        raise ValueError(f"line 1 does not name the columns {', '.join(missing)}")
    if len({*names}) < len(names):
        raise ValueError("line 1 names a column twice")
    for name in names:
        _word("line 1", name)


def _word(where: str, text: str) -> str:
    if printable(text) != text:
        raise ValueError(f"{where}: {shown(text)} has control characters")
    return text


def _value(where: str, text: str) -> Any:
    if text in ("True", "False", ""):
        return text == "True" if text else ""
    if number := _NUMBER.fullmatch(text):
        value = float(text) if number[1] or number[2] else int(text)
        if abs(value) < _BEYOND:
            return value
    raise ValueError(f"{where}: {shown(text)} must be a number")
