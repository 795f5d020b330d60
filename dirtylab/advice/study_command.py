"""``dirtylab crossovers``: its arguments, and what it prints."""

import argparse
import pathlib
import sys

from dirtylab.measure.sweep_command import dataset


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    command = commands.add_parser(
        "crossovers",
        help="measure where every two structures cost the same, and tell it with intervals",
        description="Measure posted and tuned structures on a fine grid of dirty frames, find "
        "where every two cost the same, and try what that foretells on cells kept apart. The same "
        "command goes on where it stopped.",
    )
    command.add_argument(
        "--out", default="crossovers", metavar="DIR", help="folder (default: %(default)s)"
    )
    command.add_argument(
        "--pages",
        nargs="+",
        type=int,
        metavar="N",
        help="slots; default: 100 k … 100 M, 10 minutes",
    )
    command.add_argument(
        "--datasets", nargs="+", type=dataset, metavar="NAME",
        help="patterns, such as zipf:exponent=0.9; default: those made for studies",
    )  # fmt: skip
    command.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from dirtylab import _check
    from dirtylab.advice import findings
    from dirtylab.advice.calibration import current_model
    from dirtylab.measure import duel

    sizes = tuple(arguments.pages or duel.PAGES)
    for size in sizes:
        _check.integer("pages", size, 1000, 10**9)
    out = pathlib.Path(arguments.out)
    try:
        duel.record(out, out / "sweeps", sizes, report=_tell, datasets=arguments.datasets)
    except KeyboardInterrupt:
        _tell(f"dirtylab crossovers: interrupted; finished cells are in {out / 'sweeps'}, the same")
        _tell("command goes on from there")
        return 130
    study = duel.load(out)
    print(findings.markdown(study, findings.all_meetings(study), current_model()[0]))
    return 0


def _tell(text: str) -> None:
    print(text, file=sys.stderr)
