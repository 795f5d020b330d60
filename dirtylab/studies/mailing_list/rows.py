"""The nine runs that the mail posted."""

import csv
import functools
from typing import NamedTuple

from dirtylab._data import data_file

STRUCTURES = ("posted-list", "posted-tree", "posted-bitmap")
"""In the order in which the posted program times them."""

SHORT = {"posted-list": "list", "posted-tree": "tree", "posted-bitmap": "bitmap"}


class Row(NamedTuple):
    """One posted run."""

    order: str
    """``random`` or ``sequential``."""
    pages: int
    dirty: int
    posted_ns: dict[str, int]
    """Structure to nanoseconds, as printed in the mail."""

    @property
    def label(self) -> str:
        """Name of the run in tables and progress bars."""
        return f"{self.order} {self.dirty:,}"


INSERTION = Row("random", 10_000_000, 1_000_000, {})
BETWEEN = tuple(Row("random", 10_000_000, 100_000 * hundreds, {}) for hundreds in range(2, 9))
"""Where tree and bitmap cross: the posted rows leave a gap from 100,000 to 1,000,000."""
FULL = Row("full", 10_000_000, 10_000_000, {})
"""Every page dirty: claim 5 speaks of it, no posted run has it."""


@functools.cache
def posted_rows() -> tuple[Row, ...]:
    """Return the nine runs, in the mail's order."""
    with data_file("posted_2016.csv").open(newline="", encoding="utf-8") as file:
        return tuple(_row(record) for record in csv.DictReader(file))


def _row(record: dict[str, str]) -> Row:
    posted = {name: int(record[f"{SHORT[name]}_ns"]) for name in STRUCTURES}
    return Row(record["order"], int(record["pages"]), int(record["dirty"]), posted)
