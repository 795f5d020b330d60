"""A sweep on disk: what was asked, and a line for each sample, added to as cells are finished.

::

    sweep.json    format, grid, machines
    samples.csv   one row a sample; only whole rounds of a cell are ever added, in one write

A file that was cut off or edited keeps its good rows; the bad ones are named and not used, and the
rounds they belonged to are measured again.
"""

import csv
import io
import json
import os
import pathlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from dirtylab.measure.contest import Cell, Row
from dirtylab.measure.files import OutputError, prepare_folder, write_text, write_whole
from dirtylab.measure.grid import Grid

FORMAT = 1
NUMBERS = (
    "pages", "dirty", "seed", "repeat", "ns", "reference_ns", "bytes", "growth", "words", "nodes",
)  # fmt: skip
LEADING = ("structure", "operation", "dataset", "pages", "dirty")
TRAILING = (
    "seed", "repeat", "ns", "reference_ns", "bytes", "growth", "words", "nodes", "cache",
    "control", "machine",
)  # fmt: skip
_SHOWN = 5

Key = tuple[str, str, str, str]
"""Dataset, options, pages and dirty frames of a cell, as text."""


class Loaded(NamedTuple):
    """What a folder held."""

    rows: list[Row]
    bad: list[str]
    """Lines that can't be used, each with its number and the reason."""


class LedgerError(ValueError):
    """A results folder that this sweep can't go on with; it is left as it was."""


class Ledger:
    """The rows of a sweep, in a folder or, without one, in memory.

    Parameters
    ----------
    grid : Grid
        What is measured.
    out : path, optional
        The folder; made when missing.

    Raises
    ------
    OutputError
        The folder can't be written.
    LedgerError
        It holds another sweep, or one of another format; nothing is changed.
    """

    def __init__(self, grid: Grid, out: str | os.PathLike[str] | None) -> None:
        self._grid = grid
        self._columns = _columns(grid)
        self.rows: list[Row] = []
        self.bad: list[str] = []
        self.machines: dict[str, Any] = {}
        self._rounds: dict[Key, int] = {}
        self._folder = None if out is None else prepare_folder(out)
        if self._folder is not None:
            self._open(self._folder)

    def rounds(self, cell: Cell) -> int:
        """Return how many rounds of a cell there are; all are whole."""
        return self._rounds.get(key_of(cell), 0)

    def add(self, cell: Cell, rows: Sequence[Row], machine: Mapping[str, Any]) -> None:
        """Take whole rounds of a cell, measured on a machine; on disk when this returns."""
        known = {
            "dataset": cell.dataset,
            "pages": cell.pages,
            "dirty": cell.dirty,
            **{f"dataset_{name}": value for name, value in cell.options},
            "machine": machine["id"],
        }
        found = [{**row, **known} for row in rows]
        whole = [{name: row.get(name, "") for name in self._columns} for row in found]
        if machine["id"] not in self.machines:
            self.machines[machine["id"]] = machine["facts"]
            self._write_header()
        if self._folder is not None:
            self._append(_lines(self._columns, whole))
        self.rows.extend(whole)
        self._rounds[key_of(cell)] = self.rounds(cell) + len({row["repeat"] for row in rows})

    def _open(self, folder: pathlib.Path) -> None:
        header, samples = folder / "sweep.json", folder / "samples.csv"
        if header.exists():
            self.machines = _same_sweep(header, self._grid)["machines"]
        elif samples.exists():
            raise LedgerError(f"{samples}: samples without a sweep.json; choose another folder")
        if samples.exists():
            loaded = load_rows(samples, self._columns)
            self.rows, dropped = _whole_rounds(loaded.rows, self._grid)
            self.bad = [*loaded.bad, *dropped]
            if self.bad:
                self._rewrite(samples)
        else:
            self._write_header()
            write_text(samples, _lines(self._columns, [], header=True))
        self._rounds = _count_rounds(self.rows, self._grid)

    def _rewrite(self, samples: pathlib.Path) -> None:
        """Keep what was found beside the good rows, under another name."""
        kept = samples.with_name("samples-before.csv")
        write_whole(kept, lambda path: path.write_bytes(samples.read_bytes()))
        write_text(samples, _lines(self._columns, self.rows, header=True))

    def _write_header(self) -> None:
        if self._folder is None:
            return
        facts = {"format": FORMAT, "grid": self._grid.as_dict(), "machines": self.machines}
        text = json.dumps(facts, indent=1, ensure_ascii=False)
        write_text(self._folder / "sweep.json", text + "\n")

    def _append(self, text: str) -> None:
        assert self._folder is not None
        path = self._folder / "samples.csv"
        before = path.stat().st_size
        try:
            with path.open("a", encoding="utf-8", newline="") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            os.truncate(path, before)
            raise OutputError(
                f"{path}: not written: {error.strerror or error}; all cells before are kept"
            ) from None


def load_rows(path: pathlib.Path, columns: Sequence[str] | None = None) -> Loaded:
    """Read samples; bad lines are named and left out.

    Raises
    ------
    LedgerError
        The first line does not name the columns.
    """
    rows: list[Row] = []
    bad: list[str] = []
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        reader = csv.reader(file)
        names = next(reader, [])
        missing = set(columns or LEADING) - set(names)
        if missing:
            names_missing = ", ".join(sorted(missing))
            raise LedgerError(f"{path}: line 1 does not name the columns {names_missing}")
        for fields in reader:
            try:
                rows.append(_parsed(names, fields))
            except ValueError as error:
                bad.append(f"line {reader.line_num}: {error}")
    return Loaded(rows, bad)


def _parsed(names: Sequence[str], fields: Sequence[str]) -> Row:
    if len(fields) != len(names):
        raise ValueError(f"{len(fields)} fields, {len(names)} expected")
    row: Row = dict(zip(names, fields, strict=True))
    for name in NUMBERS:
        if name not in row:
            continue
        try:
            row[name] = float(row[name]) if name in ("ns", "reference_ns") else int(row[name])
        except ValueError:
            raise ValueError(f"{name}={row[name]!r} is no number") from None
        if row[name] < 0 and name != "growth":
            raise ValueError(f"{name}={row[name]!r} is negative")
    if "control" in row:
        if row["control"] not in ("True", "False"):
            raise ValueError(f"control={row['control']!r} must be True or False")
        row["control"] = row["control"] == "True"
    return row


def describe_bad(bad: Sequence[str]) -> str:
    """Return one line that names bad rows, the first few of many."""
    more = f" and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
    return f"{len(bad)} bad rows left out, to be measured again: {'; '.join(bad[:_SHOWN])}{more}"


def key_of(cell: Cell) -> Key:
    """Return what tells a cell's rows from others."""
    options = json.dumps({name: str(value) for name, value in cell.options}, sort_keys=True)
    return cell.dataset, options, str(cell.pages), str(cell.dirty)


def key_of_row(row: Row) -> Key:
    """Return the key of the cell that a row belongs to."""
    prefix = "dataset_"
    found = {name[len(prefix) :]: str(row[name]) for name in row if name.startswith(prefix)}
    options = json.dumps({name: value for name, value in found.items() if value}, sort_keys=True)
    return row["dataset"], options, str(row["pages"]), str(row["dirty"])


def _columns(grid: Grid) -> list[str]:
    own = dict.fromkeys(
        f"structure_{name}" for one in grid.plan.contestants for name, _ in one.options
    )
    patterns = dict.fromkeys(f"dataset_{name}" for cell in grid.cells for name, _ in cell.options)
    return [*LEADING, *own, *patterns, *TRAILING]


def _lines(columns: Sequence[str], rows: Iterable[Row], *, header: bool = False) -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _same_sweep(header: pathlib.Path, grid: Grid) -> dict[str, Any]:
    """Return a folder's header when this sweep can go on there."""
    try:
        found: dict[str, Any] = json.loads(header.read_text(encoding="utf-8"))
        version, asked = found["format"], found["grid"]
    except (ValueError, KeyError, TypeError):
        raise LedgerError(f"{header}: is no header of a sweep; choose another folder") from None
    if version != FORMAT:
        raise LedgerError(f"{header}: has format {version}, this version writes {FORMAT}")
    now = json.loads(json.dumps(grid.as_dict()))
    for name, value in now.items():
        if asked.get(name) != value:
            raise LedgerError(
                f"{header}: holds another sweep ({name} {asked.get(name)!r}, now {value!r}); "
                "choose another folder"
            )
    return found


def _rows_a_round(grid: Grid) -> int:
    return len(grid.plan.contestants) * len(grid.plan.operations)


def _whole_rounds(rows: list[Row], grid: Grid) -> tuple[list[Row], list[str]]:
    """Return the rows of whole rounds, and a line for each round that is not whole."""
    counted = Counter((key_of_row(row), row["repeat"]) for row in rows)
    whole = [row for row in rows if counted[key_of_row(row), row["repeat"]] == _rows_a_round(grid)]
    broken = sorted(
        f"round {repeat} of {key[0]}, {key[3]} of {key[2]} pages: {number} of "
        f"{_rows_a_round(grid)} rows"
        for (key, repeat), number in counted.items()
        if number != _rows_a_round(grid)
    )
    return whole, broken


def _count_rounds(rows: list[Row], grid: Grid) -> dict[Key, int]:
    found = Counter(key_of_row(row) for row in rows)
    return {key: number // _rows_a_round(grid) for key, number in found.items()}
