"""``dirtylab advise`` and ``dirtylab calibrate``: their arguments, and what they print."""

import argparse
import pathlib
import sys

from dirtylab._units import parse_seconds
from dirtylab.cli.arguments import add_cache, amount, dataset, nbytes, pages, read_by, seconds, word


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add both commands."""
    _add_advise(commands)
    _add_calibrate(commands)


def _add_advise(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "advise",
        help="which structure to choose, at what cost, and where the choice changes",
        description="Rank the structures for a whole epoch (insert in order of arrival, then a "
        "harvest) by this machine's cost model, or until `dirtylab calibrate` has made one by that "
        "of the recorded machine most like it, tried here by a quick probe. "
        "Numbers may be written 10M, 2^20, 64GiB (of guest memory) or, for --dirty, "
        "1%% or 0.01 (of the pages).",
    )
    command.add_argument("--pages", type=pages, required=True, metavar="N", help="size of the slot")
    command.add_argument(
        "--dirty", type=amount, required=True, metavar="N", help="frames written in an epoch"
    )
    command.add_argument(
        "--dataset",
        type=dataset,
        default=("random", {}),
        metavar="NAME",
        help="pattern, such as clustered:length=64 (default: random)",
    )
    command.add_argument(
        "--period", type=seconds, metavar="TIME", help="time between harvests, such as 100ms"
    )
    command.add_argument("--memory-limit", type=nbytes, metavar="SIZE", help="such as 2MiB")
    command.add_argument(
        "--trackers", nargs="+", type=word, metavar="PATH", default=[],
        help="trackers of your own, such as ./mine.c, measured now beside the pick",
    )  # fmt: skip
    command.add_argument(
        "--no-probe", dest="probed", action="store_false",
        help="do not measure, in 2 seconds, how far another machine's model is off here",
    )  # fmt: skip
    add_cache(command)
    command.add_argument("--json", action="store_true", help="print JSON instead of text")
    command.set_defaults(run=_advise)


def _add_calibrate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "calibrate",
        help="calibrate the cost model on this machine, in two minutes",
        description="Measure the structures on cells spread over sizes, densities and patterns, "
        "fit the cost model, validate it on held-out cells, and keep it in the user's cache "
        "folder, where `dirtylab advise` finds it.",
    )
    command.add_argument(
        "--seconds",
        type=read_by(parse_seconds, 10, 3600),
        metavar="TIME",
        help="measuring time, 10 … 3600 seconds (90)",
    )
    add_cache(command)
    command.add_argument(
        "--out",
        type=word,
        metavar="DIR",
        help="write the model and its held-out cells here instead",
    )
    command.set_defaults(run=_calibrate)


def _advise(arguments: argparse.Namespace) -> int:
    from dirtylab.advice.advisor import advise

    name, options = arguments.dataset
    advice = advise(
        arguments.pages,
        arguments.dirty,
        name,
        period=arguments.period,
        memory_limit=arguments.memory_limit,
        trackers=arguments.trackers,
        cache=arguments.cache,
        probed=arguments.probed,
        **options,
    )
    print(advice.as_json() if arguments.json else advice)
    return 0


def _calibrate(arguments: argparse.Namespace) -> int:
    from dirtylab._console import announced_compilation
    from dirtylab._progress import share_bar
    from dirtylab.advice.calibration import SECONDS, calibrate, model_path, save
    from dirtylab.advice.machines import model_file
    from dirtylab.measure.files import prepare_file

    seconds = SECONDS if arguments.seconds is None else arguments.seconds
    cache = arguments.cache
    path = pathlib.Path(arguments.out) / model_file(cache) if arguments.out else model_path(cache)
    prepare_file(path)
    with share_bar() as report, announced_compilation():
        found = calibrate(seconds, cache=cache, report=report)
    if arguments.out:
        save(found, path.parent, cache)
    else:
        found.model.save(path)
    print(f"{path}\n{found.model.trial}", file=sys.stdout)
    return 0
