"""Results of ``dirtylab live`` on disk: two tables and the machine."""

import pathlib
from typing import TYPE_CHECKING, Any, NamedTuple

from dirtylab._reading import Lacking, Maybe, Number
from dirtylab.measure import recording
from dirtylab.studies.live import checkpoint_loop, guest_costs, large_pages
from dirtylab.studies.live.record import instructions_per_write

if TYPE_CHECKING:
    import pandas as pd

FILES = ("harvests", "replays", "guest", "checkpoints", "large")
OPTIONAL = ("guest", "checkpoints", "large")
"""What a machine without KVM lacks."""


COLUMNS = {
    "harvests": ("contestant", "pages", "dirty", "repeat", "ns"),
    "replays": ("trace", "structure", "operation", "repeat", "ns", "epochs", "pages", "bytes"),
    "guest": guest_costs.COLUMNS,
    "checkpoints": checkpoint_loop.COLUMNS,
    "large": large_pages.COLUMNS,
}


WORDS = (
    "contestant", "trace", "structure", "operation", "through", "tracker", "pattern", "backing",
    "spread", "cache",
)  # fmt: skip


class Measured(NamedTuple):
    """Results of ``dirtylab live``."""

    harvests: "pd.DataFrame"
    replays: "pd.DataFrame"
    machine: dict[str, Any]
    guest: "pd.DataFrame"
    """Rows of :mod:`dirtylab.studies.live.guest_costs`; empty where KVM was missing."""
    checkpoints: "pd.DataFrame"
    """Rows of :mod:`dirtylab.studies.live.checkpoint_loop`, likewise."""
    large: "pd.DataFrame"
    """Rows of :mod:`dirtylab.studies.live.large_pages`, likewise."""


def save(found: dict[str, list[dict[str, Any]]], folder: pathlib.Path) -> None:
    """Write the rows and the machine."""
    import pandas as pd

    from dirtylab.measure.machine import describe_machine

    machine = {**describe_machine(), "instructions_emulated_per_write": instructions_per_write()}
    tables = {f"{name}.csv": pd.DataFrame(rows) for name, rows in found.items() if rows}
    recording.save(folder, tables, machine)
    for name in OPTIONAL:
        if not found[name]:  # what another machine has measured must not stand beside this
            (folder / f"{name}.csv").unlink(missing_ok=True)


def load(folder: pathlib.Path) -> Measured:
    """Read what :func:`save` wrote; OSError or ValueError names an unreadable file."""
    import pandas as pd

    shape = {"instructions_emulated_per_write": Lacking(Maybe(Number(0)))}
    there = [name for name in FILES if name not in OPTIONAL or (folder / f"{name}.csv").exists()]
    columns = {f"{name}.csv": COLUMNS[name] for name in there}
    tables, machine = recording.load(folder, columns, WORDS, shape)
    found = {name: pd.DataFrame(columns=list(COLUMNS[name])) for name in OPTIONAL}
    found |= dict(zip(there, tables, strict=True))
    return Measured(
        found["harvests"], found["replays"], machine, found["guest"], found["checkpoints"],
        found["large"],
    )  # fmt: skip
