"""A sweep on disk: its grid, and a line for each sample, appended as cells are finished.

::

    sweep.json    format, what is measured in each cell, machines
    samples.csv   one row a sample; only whole rounds of a cell are ever added, in one write

Of a truncated or edited file the valid rows are used; bad ones are named, and the rounds they
belong to are measured again.  The file as it was found is kept under another name.
"""

import json
import os
import pathlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Self

from dirtylab._reading import (
    Each,
    Lacking,
    Number,
    Whole,
    read_bytes,
    read_object,
    require_shape,
    shown,
)
from dirtylab._tables import MOST_TABLE
from dirtylab.measure.cell import Cell, Row
from dirtylab.measure.files import OutputError, prepare_folder, write_json, write_text, write_whole
from dirtylab.measure.grid import Grid
from dirtylab.measure.locks import hold_folder
from dirtylab.measure.samples import (
    Key,
    SamplesError,
    columns_of,
    key_of,
    key_of_row,
    lines,
    load,
    name_of,
    owner_of,
    owners,
)

FORMAT = 2
"""2: times by the compiled loop, and what drove each structure."""
SHAPE = {
    "grid": dict,
    "machines": Each(dict, {"clock_step_ns": Lacking(Number(0))}),
}
"""Of ``sweep.json``, beside its format."""
_SHOWN = 5


class SampleStoreError(ValueError):
    """A results folder that this sweep can't continue; it is left unchanged."""


class SampleStore:
    """The rows of a sweep, in a folder or, without one, in memory.

    Parameters
    ----------
    grid : Grid
        What is measured.
    out : path, optional
        The folder; made when missing.  It is this store's alone until :meth:`close`.

    Raises
    ------
    OutputError
        The folder can't be written.
    SampleStoreError
        It holds another sweep, one of another format, or one that runs; nothing is changed.
    """

    def __init__(self, grid: Grid, out: str | os.PathLike[str] | None) -> None:
        self._grid = grid
        self._columns = columns_of(grid)
        self.rows: list[Row] = []
        self.bad: list[str] = []
        self.machines: dict[str, Any] = {}
        self._cells: dict[Key, list[Row]] = defaultdict(list)
        self._lock: int | None = None
        self._folder = None if out is None else prepare_folder(out)
        if self._folder is None:
            return
        try:
            self._lock = hold_folder(self._folder)
        except BlockingIOError:
            raise SampleStoreError(f"{out}: another sweep is writing there; wait for it") from None
        try:
            self._open(self._folder)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the folder for other sweeps."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def rounds(self, cell: Cell) -> set[int]:
        """Return the numbers of a cell's rounds; all are whole."""
        return {row["repeat"] for row in self.rows_of(cell)}

    def rows_of(self, cell: Cell) -> Sequence[Row]:
        """Return a cell's rows."""
        return self._cells[key_of(cell)]

    def add(self, cell: Cell, rows: Sequence[Row], machine: Mapping[str, Any]) -> None:
        """Add whole rounds of a cell, measured on a machine; they are on disk when this returns."""
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
            self._append(self._folder / "samples.csv", lines(self._columns, whole))
        self._take(whole)

    def _take(self, rows: Sequence[Row]) -> None:
        self.rows.extend(rows)
        for row in rows:
            self._cells[key_of_row(row)].append(row)

    def _open(self, folder: pathlib.Path) -> None:
        header, samples = folder / "sweep.json", folder / "samples.csv"
        if header.exists():
            self.machines = _same_sweep(header, self._grid)["machines"]
        elif samples.exists():
            raise SampleStoreError(
                f"{samples}: samples without a sweep.json; choose another folder"
            )
        if samples.exists():
            self._read(samples)
        else:
            self._write_header()
            write_text(samples, lines(self._columns, [], header=True))

    def _read(self, samples: pathlib.Path) -> None:
        try:
            loaded = load(samples, self._require_own)
        except SamplesError as error:
            raise SampleStoreError(str(error)) from None
        self._columns = columns_of(self._grid, loaded.columns)
        rows, broken = _whole_rounds(loaded.rows, self._grid)
        self.bad = [*loaded.bad, *broken]
        self._take([{name: row.get(name, "") for name in self._columns} for row in rows])
        if self.bad:
            _keep_beside(samples)
        if self.bad or loaded.columns != self._columns or not loaded.terminated:
            write_text(samples, lines(self._columns, self.rows, header=True))

    def _require_own(self, row: Row) -> None:
        """Refuse a row that this sweep can't have written."""
        plan = self._grid.plan
        for name, known in (("seed", [plan.seed]), ("cache", [plan.cache])):
            if row[name] not in known:
                raise ValueError(f"{name}={shown(row[name])} is not this sweep's")
        if row["machine"] not in self.machines:
            raise ValueError(f"machine={shown(row['machine'])} is not in sweep.json")

    def _write_header(self) -> None:
        if self._folder is None:
            return
        facts = {"format": FORMAT, "grid": self._grid.as_dict(), "machines": self.machines}
        write_json(self._folder / "sweep.json", facts)

    def _append(self, path: pathlib.Path, text: str) -> None:
        """Add lines to a file: all of them, or none."""
        before = path.stat().st_size
        try:
            with path.open("a", encoding="utf-8", newline="") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except BaseException as error:
            os.truncate(path, before)
            if isinstance(error, OSError):
                raise OutputError(
                    f"{path}: not written: {error.strerror or error}; all cells before are kept"
                ) from None
            raise


def describe_bad(bad: Sequence[str]) -> str:
    """Return one line that names bad rows, the first few of many."""
    more = f" and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
    return (
        f"bad rows are left out, kept in samples-before.csv and measured again: "
        f"{'; '.join(bad[:_SHOWN])}{more}"
    )


def _keep_beside(samples: pathlib.Path) -> None:
    """Copy the file as it was found to a free name."""
    number = 1
    kept = samples.with_name("samples-before.csv")
    while kept.exists():
        number += 1
        kept = samples.with_name(f"samples-before-{number}.csv")
    content = read_bytes(samples, MOST_TABLE)
    write_whole(kept, lambda path: path.write_bytes(content))


def _same_sweep(header: pathlib.Path, grid: Grid) -> dict[str, Any]:
    """Return a folder's header when this sweep can continue there."""
    try:
        found = read_object(header, {"format": Whole()})
        version = found["format"]
        if version == FORMAT:
            require_shape(found, SHAPE)
    except ValueError as error:
        raise SampleStoreError(
            f"{header}: is no header of a sweep; choose another folder ({error})"
        ) from None
    if version != FORMAT:
        raise SampleStoreError(
            f"{header}: has format {version}, this version of dirtylab writes {FORMAT}; "
            "choose another folder"
        )
    now = json.loads(json.dumps(grid.as_dict()))
    for name, value in now.items():
        asked = found["grid"].get(name)
        if asked != value:
            raise SampleStoreError(
                f"{header}: holds another sweep ({name} {shown(asked)}, now {shown(value)}); "
                "choose another folder"
            )
    return found


def _whole_rounds(rows: Sequence[Row], grid: Grid) -> tuple[list[Row], list[str]]:
    """Return the rows of whole rounds, and a line for each round that is not whole."""
    rounds: dict[tuple[Key, int], list[Row]] = {}
    for row in rows:
        rounds.setdefault((key_of_row(row), row["repeat"]), []).append(row)
    wanted = owners(grid.plan.candidates, grid.plan.operations)
    whole: list[Row] = []
    broken: list[str] = []
    for (key, repeat), found in rounds.items():
        if sorted(owner_of(row) for row in found) == wanted:
            whole.extend(found)
        else:
            broken.append(f"round {repeat} of {name_of(key)}: {len(found)} of {len(wanted)} rows")
    return whole, broken
