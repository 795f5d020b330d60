"""``dirtylab crossovers``: its arguments, and what it prints."""

import argparse
import pathlib

from dirtylab._console import tell
from dirtylab._units import parse_pages_list
from dirtylab.cli.arguments import dataset, read_by


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    command = commands.add_parser(
        "crossovers",
        help="measure where every two structures cost the same, with intervals",
        description="Measure posted and tuned structures on a fine grid of dirty frames, find "
        "where every two cost the same, and check the predicted winners on held-out cells. The "
        "same command goes on where it stopped.",
    )
    command.add_argument(
        "--out", default="crossovers", metavar="DIR", help="folder (default: %(default)s)"
    )
    command.add_argument(
        "--pages",
        nargs="+",
        type=read_by(parse_pages_list, 1000, 10**9),
        metavar="N",
        help="slots, such as 1M or 4GiB; default: 100 k … 100 M, 10 minutes",
    )
    command.add_argument(
        "--datasets", nargs="+", type=dataset, metavar="NAME",
        help="patterns, such as zipf:exponent=0.9; default: those made for studies",
    )  # fmt: skip
    command.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from dirtylab.advice.calibration import current_model
    from dirtylab.studies.crossovers import record, report

    given = arguments.pages or [record.PAGES]
    sizes = tuple(dict.fromkeys(size for several in given for size in several))
    out = pathlib.Path(arguments.out)
    try:
        record.record(out, out / "sweeps", sizes, report=tell, datasets=arguments.datasets)
    except KeyboardInterrupt:
        tell(f"dirtylab crossovers: interrupted; finished cells are in {out / 'sweeps'}, the same")
        tell("command goes on from there")
        return 130
    study = record.load(out)
    print(report.markdown(study, report.all_crossovers(study), current_model()[0]))
    return 0
