"""``dirtylab live``: what real harvests cost, and every structure over every recording."""

import argparse
import json
import pathlib
from typing import TYPE_CHECKING, Any, NamedTuple

from dirtylab._arguments import count
from dirtylab._console import run_steps, tell

if TYPE_CHECKING:
    import pandas as pd

INTERRUPTED = 130
FILES = ("harvests", "replays")
COLUMNS = {
    "harvests": ("contestant", "pages", "dirty", "repeat", "ns"),
    "replays": ("trace", "structure", "operation", "repeat", "ns", "epochs", "pages", "bytes"),
}
WORDS = ("contestant", "trace", "structure", "operation")


class Measured(NamedTuple):
    """What ``dirtylab live`` wrote."""

    harvests: "pd.DataFrame"
    replays: "pd.DataFrame"
    machine: dict[str, Any]


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    command = commands.add_parser(
        "live",
        help="real harvests of KVM and of this process, and every structure over every recording",
        description="Measure KVM's dirty log and dirty ring, PAGEMAP_SCAN and the structures on "
        "the same frames, as far as this machine has them; then every structure over every "
        "recording.  Writes harvests.csv, replays.csv, machine.json and experiments.json.",
    )
    command.add_argument("--out", default="live", metavar="DIR", help="default: %(default)s")
    command.add_argument("--rounds", type=count(2, 1000), default=7, metavar="N", help="rounds (7)")
    command.add_argument("--quick", action="store_true", help="one small slot, up to 2,000 frames")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Do what the arguments ask for; return the exit status."""
    from dirtylab import _check
    from dirtylab.live.cost import DIRTY, PAGES, harvests
    from dirtylab.live.demonstration import write_experiments
    from dirtylab.live.replay import replays
    from dirtylab.live.trackers import TRACKERS, missing
    from dirtylab.measure.files import prepare_folder

    rounds = _check.integer("rounds", arguments.rounds, 2, 1000)
    folder = prepare_folder(arguments.out)
    for why in sorted({why for name in TRACKERS if (why := missing(name))}):
        tell(f"note: not measured: {why}")
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in FILES}
    pages, dirty = (PAGES[:1], DIRTY[:8]) if arguments.quick else (PAGES, DIRTY)
    status = 0
    try:
        steps = [
            *harvests(found["harvests"], pages=pages, dirty=dirty, rounds=rounds),
            *replays(found["replays"], rounds=rounds),
        ]
        for _ in run_steps(steps):
            pass
    except KeyboardInterrupt:
        status = INTERRUPTED
        tell("dirtylab live: interrupted; what is measured is kept")
    if all(found.values()):
        save(found, folder)
        write_experiments(folder)
        print(text_report(load(folder)))
    return status


def save(found: dict[str, list[dict[str, Any]]], folder: pathlib.Path) -> None:
    """Write the rows and what they were measured on."""
    import pandas as pd

    from dirtylab.live.cost import instructions_per_write
    from dirtylab.measure.files import write_text, write_whole
    from dirtylab.measure.machine import describe_machine

    for name, rows in found.items():
        table = pd.DataFrame(rows)
        write_whole(folder / f"{name}.csv", lambda path, t=table: t.to_csv(path, index=False))  # type: ignore[misc]
    machine = {**describe_machine(), "instructions_emulated_per_write": instructions_per_write()}
    text = json.dumps(machine, indent=1, ensure_ascii=False)
    write_text(folder / "machine.json", text + "\n")


def load(folder: pathlib.Path) -> Measured:
    """Read back what :func:`save` wrote; OSError or ValueError names a file that is none."""
    from dirtylab._reading import Lacking, Maybe, Number, read_object
    from dirtylab._tables import read_table

    harvests, replays = (read_table(folder / f"{name}.csv", COLUMNS[name], WORDS) for name in FILES)
    shape = {"instructions_emulated_per_write": Lacking(Maybe(Number(0)))}
    return Measured(harvests, replays, read_object(folder / "machine.json", shape))


def text_report(measured: Measured) -> str:
    """Return what was measured, for the terminal."""
    from dirtylab.live.cost import medians
    from dirtylab.live.meeting import meetings, nesting
    from dirtylab.live.replay import epochs, winners
    from dirtylab.measure.machine import caption

    harvests = medians(measured.harvests).div(1000).round(1)
    parts = [
        f"Harvest of random frames, median µs\n\n{harvests.to_string()}",
        *[f"log and ring: {meeting}" for meeting in meetings(measured.harvests)],
        f"Epoch of a recording, median µs\n\n{epochs(measured.replays).round(1).to_string()}",
        f"Best of those that return sorted frames\n\n{winners(measured.replays).to_string()}",
        nesting(measured.machine),
        f"Measured on {caption(measured.machine)}",
    ]
    return "\n\n".join(part for part in parts if part)
