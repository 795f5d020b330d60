"""What a study measured, on disk: a CSV file for each table, and ``machine.json``."""

import pathlib
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dirtylab._reading import read_object
from dirtylab._tables import read_table
from dirtylab.measure.files import write_json, write_text

if TYPE_CHECKING:
    import pandas as pd

MACHINE = "machine.json"


def save(
    folder: pathlib.Path,
    tables: "Mapping[str, pd.DataFrame]",
    machine: Mapping[str, Any],
    float_format: str | None = None,
) -> None:
    """Write tables, by file names, and what they were measured on; each whole or not at all."""
    for name, table in tables.items():
        save_table(folder / name, table, float_format)
    write_json(folder / MACHINE, machine)


def save_table(path: pathlib.Path, table: "pd.DataFrame", float_format: str | None = None) -> None:
    """Write a table as CSV, whole or not at all."""
    write_text(path, table.to_csv(index=False, float_format=float_format, lineterminator="\n"))


def load(
    folder: pathlib.Path,
    columns: Mapping[str, Sequence[str]],
    words: Collection[str],
    shape: Mapping[str, Any] | None = None,
) -> "tuple[list[pd.DataFrame], dict[str, Any]]":
    """Read back what :func:`save` wrote.

    Parameters
    ----------
    folder : pathlib.Path
        Where it is.
    columns : mapping of str to sequence of str
        Names of files, and the columns that each must have.
    words : collection of str
        Columns that hold texts.
    shape : mapping, optional
        What the machine must have.

    Raises
    ------
    OSError, ValueError
        A file is missing, unreadable, or not what was asked for; it is named.
    """
    machine = read_object(folder / MACHINE, dict(shape or {}))
    tables = [read_table(folder / name, own, words) for name, own in columns.items()]
    return tables, machine
