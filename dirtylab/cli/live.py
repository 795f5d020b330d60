"""``dirtylab live``: what real harvests cost, and every structure over every recording."""

import argparse
from typing import Any

from dirtylab._console import tell
from dirtylab._progress import run_all
from dirtylab.cli.arguments import count, word

INTERRUPTED = 130
_QUICK: dict[str, Any] = {
    "pages": (2**16,), "dirty": (100, 1_000), "patterns": ("random",), "rounds": 3
}  # fmt: skip
"""What is measured of the guest's own costs with ``--quick``."""
_QUICK_LOOPS: dict[str, Any] = {"working_sets": (300,), "periods_ms": (5,)}


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    command = commands.add_parser(
        "live",
        help="harvest real dirty pages of KVM guests and processes; replay every recording",
        description="Measure KVM's dirty log and dirty ring, PAGEMAP_SCAN and the structures on "
        "the same frames, as far as this machine has them; what tracking costs the guest itself, "
        "and checkpoints of it; then replay every recording on every structure.  Writes "
        "harvests.csv, guest.csv, checkpoints.csv, large.csv, replays.csv, machine.json "
        "and experiments.json.",
    )
    command.add_argument("--out", default="live", metavar="DIR", help="default: %(default)s")
    command.add_argument("--rounds", type=count(2, 1000), default=7, metavar="N", help="rounds (7)")
    command.add_argument("--quick", action="store_true", help="one small slot, up to 2,000 frames")
    command.add_argument(
        "--trackers", nargs="+", type=word, metavar="PATH", default=[],
        help="trackers of your own that replay the recordings too, such as ./mine.c",
    )  # fmt: skip
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Do what the arguments ask for; return the exit status."""
    from dirtylab import _check
    from dirtylab.live.trackers import TRACKERS, missing
    from dirtylab.measure.apart import ApartError, measuring
    from dirtylab.measure.files import prepare_folder
    from dirtylab.native.contestants import entered
    from dirtylab.studies.live import checkpoint_loop, guest_costs, large_pages
    from dirtylab.studies.live.experiments import write_experiments
    from dirtylab.studies.live.record import DIRTY, PAGES, harvests
    from dirtylab.studies.live.replay import replays
    from dirtylab.studies.live.report import text_report
    from dirtylab.studies.live.store import FILES, OPTIONAL, load, save

    rounds = _check.integer("rounds", arguments.rounds, 2, 1000)
    trackers = [entered(path) for path in arguments.trackers]
    folder = prepare_folder(arguments.out)
    for why in sorted({why for name in TRACKERS if (why := missing(name))}):
        tell(f"note: not measured: {why}")
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in FILES}
    pages, dirty = (PAGES[:1], DIRTY[:8]) if arguments.quick else (PAGES, DIRTY)
    own = _QUICK if arguments.quick else {"rounds": rounds}
    loops: dict[str, Any] = _QUICK_LOOPS if arguments.quick else {}
    status = 0
    try:
        with measuring([], trackers) as call:
            steps = [
                *harvests(found["harvests"], pages=pages, dirty=dirty, rounds=rounds),
                *guest_costs.steps(found["guest"], **own),
                *checkpoint_loop.steps(found["checkpoints"], **loops),
                *large_pages.steps(found["large"]),
                *replays(found["replays"], rounds=rounds, call=call),
            ]
            run_all(steps)
    except KeyboardInterrupt:
        status = INTERRUPTED
        tell("dirtylab live: interrupted; what is measured is kept")
    except ApartError as error:
        status = 1
        tell(f"dirtylab live: {error}; what is measured is kept")
    if all(rows for name, rows in found.items() if name not in OPTIONAL):
        save(found, folder)
        write_experiments(folder)
        print(text_report(load(folder)))
    return status
