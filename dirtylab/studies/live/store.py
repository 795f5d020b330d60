"""Results of ``dirtylab live`` on disk: two tables and the machine."""

import json
import pathlib
from typing import TYPE_CHECKING, Any, NamedTuple

from dirtylab._reading import read_object
from dirtylab._tables import read_table

if TYPE_CHECKING:
    import pandas as pd

FILES = ("harvests", "replays")


COLUMNS = {
    "harvests": ("contestant", "pages", "dirty", "repeat", "ns"),
    "replays": ("trace", "structure", "operation", "repeat", "ns", "epochs", "pages", "bytes"),
}


WORDS = ("contestant", "trace", "structure", "operation")


class Measured(NamedTuple):
    """Results of ``dirtylab live``."""

    harvests: "pd.DataFrame"
    replays: "pd.DataFrame"
    machine: dict[str, Any]


def save(found: dict[str, list[dict[str, Any]]], folder: pathlib.Path) -> None:
    """Write the rows and the machine."""
    import pandas as pd

    from dirtylab.measure.files import write_text, write_whole
    from dirtylab.measure.machine import describe_machine
    from dirtylab.studies.live.record import instructions_per_write

    for name, rows in found.items():
        table = pd.DataFrame(rows)
        write_whole(folder / f"{name}.csv", lambda path, t=table: t.to_csv(path, index=False))  # type: ignore[misc]
    machine = {**describe_machine(), "instructions_emulated_per_write": instructions_per_write()}
    text = json.dumps(machine, indent=1, ensure_ascii=False)
    write_text(folder / "machine.json", text + "\n")


def load(folder: pathlib.Path) -> Measured:
    """Read what :func:`save` wrote; OSError or ValueError names an unreadable file."""
    from dirtylab._reading import Lacking, Maybe, Number

    harvests, replays = (read_table(folder / f"{name}.csv", COLUMNS[name], WORDS) for name in FILES)
    shape = {"instructions_emulated_per_write": Lacking(Maybe(Number(0)))}
    return Measured(harvests, replays, read_object(folder / "machine.json", shape))
