"""``dirtylab crossovers``: its arguments, and what it prints."""

import argparse
import pathlib

from dirtylab._console import tell
from dirtylab._units import parse_pages_list, parse_seconds
from dirtylab.cli.arguments import add_cache, add_structures, dataset, read_by


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
        help="slots, such as 1M or 4GiB; default: 100 k … 100 M, 12 minutes",
    )
    command.add_argument(
        "--datasets", nargs="+", type=dataset, metavar="NAME",
        help="patterns, such as zipf:exponent=0.9; default: those made for studies",
    )  # fmt: skip
    command.add_argument(
        "--refine", type=read_by(parse_seconds), default="4m", metavar="TIME",
        help="time for more sizes where two curves meet, until intervals are within 10 %% "
        "(default: %(default)s)",
    )  # fmt: skip
    add_cache(command)
    add_structures(command, "which ones, two or more (default: the posted and the tuned)")
    command.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from dirtylab.advice.calibration import current_model
    from dirtylab.measure.apart import ApartError
    from dirtylab.native.contestants import named
    from dirtylab.studies.crossovers import record, report

    names = None if arguments.structures is None else named(arguments.structures)
    if names is not None and len(names) < 2:
        raise ValueError(f"--structures {names[0]}: must be two or more, to cross")
    given = arguments.pages or [record.PAGES]
    sizes = tuple(dict.fromkeys(size for several in given for size in several))
    out = pathlib.Path(arguments.out)
    try:
        record.record(
            out,
            out / "sweeps",
            sizes,
            report=tell,
            datasets=arguments.datasets,
            structures=names,
            cache=arguments.cache,
            refine_s=arguments.refine,
        )
    except ApartError as error:
        tell(f"dirtylab crossovers: {error}; finished cells are in {out / 'sweeps'}")
        return 1
    except KeyboardInterrupt:
        tell(f"dirtylab crossovers: interrupted; finished cells are in {out / 'sweeps'}, the same")
        tell("command goes on from there")
        return 130
    study = record.load(out)
    print(report.markdown(study, report.all_crossovers(study), current_model(study.cache)[0]))
    return 0
