"""Results of ``dirtylab live`` on disk: two tables and the machine."""

import pathlib
from typing import TYPE_CHECKING, Any, NamedTuple

from dirtylab._reading import Lacking, Maybe, Number
from dirtylab.measure import recording

if TYPE_CHECKING:
    import pandas as pd

FILES = ("harvests", "replays")


COLUMNS = {
    "harvests": ("contestant", "pages", "dirty", "repeat", "ns"),
    "replays": ("trace", "structure", "operation", "repeat", "ns", "epochs", "pages", "bytes"),
}


WORDS = ("contestant", "trace", "structure", "operation", "through")


class Measured(NamedTuple):
    """Results of ``dirtylab live``."""

    harvests: "pd.DataFrame"
    replays: "pd.DataFrame"
    machine: dict[str, Any]


def save(found: dict[str, list[dict[str, Any]]], folder: pathlib.Path) -> None:
    """Write the rows and the machine."""
    import pandas as pd

    from dirtylab.measure.machine import describe_machine
    from dirtylab.studies.live.record import instructions_per_write

    machine = {**describe_machine(), "instructions_emulated_per_write": instructions_per_write()}
    recording.save(
        folder, {f"{name}.csv": pd.DataFrame(rows) for name, rows in found.items()}, machine
    )


def load(folder: pathlib.Path) -> Measured:
    """Read what :func:`save` wrote; OSError or ValueError names an unreadable file."""
    shape = {"instructions_emulated_per_write": Lacking(Maybe(Number(0)))}
    columns = {f"{name}.csv": own for name, own in COLUMNS.items()}
    (harvests, replays), machine = recording.load(folder, columns, WORDS, shape)
    return Measured(harvests, replays, machine)
