"""``dirtylab migrate`` and ``dirtylab checkpoint``: their arguments, and what they print."""

import argparse
from typing import TYPE_CHECKING

from dirtylab._units import parse_rate
from dirtylab.cli.arguments import choice, count, dataset, pages, read_by, seconds, seed, word

if TYPE_CHECKING:
    from dirtylab.migration.textbook import Curve

_PATTERN: tuple[str, dict[str, object]] = ("random", {})
_TRACKER = "kvm-log, kvm-ring:4096, tcg, none, a structure such as tree64, or a path (kvm-log)"


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands."""
    _add_checkpoint(commands)
    command = commands.add_parser(
        "migrate",
        help="whether a live migration converges, how long it takes, and what downtime",
        description="Simulate a live migration by the rules of QEMU 7.2, with the cost of "
        "dirty-page tracking in it. Sizes may be written 8GiB, rates 150MB/s or 10Gbit/s.",
    )
    _add_guest(command)
    command.add_argument(
        "--nonzero", type=pages, default=0, metavar="N", help="pages that are not zero"
    )
    command.add_argument(
        "--downtime", type=seconds, default=0.3, metavar="TIME", help="most allowed (300ms)"
    )
    command.add_argument(
        "--limit", type=seconds, default=30.0, metavar="TIME", help="time allowed (30s)"
    )
    command.add_argument(
        "--no-prealloc", action="store_true", help="the destination's memory is untouched"
    )
    command.add_argument(
        "--rules",
        default="qemu-7.2",
        metavar="NAME",
        help="qemu-7.2, or later: see --switchover, and a sync each 5 s of a long round",
    )
    command.add_argument(
        "--switchover", type=read_by(parse_rate), metavar="RATE",
        help="bandwidth while the guest stands still, with --rules later",
    )  # fmt: skip
    command.add_argument(
        "--curve", type=word, metavar="FILE",
        help="unique pages over time in place of a pattern: CSV with columns seconds, pages",
    )  # fmt: skip
    command.add_argument("--seed", type=seed, default=0, metavar="N", help="of the writes (0)")
    command.add_argument("--json", action="store_true", help="print JSON instead of text")
    real = command.add_argument_group("a real migration")
    real.add_argument(
        "--real", action="store_true",
        help="migrate a guest of QEMU on this machine, and print what QEMU reported beside it",
    )  # fmt: skip
    real.add_argument("--vcpus", type=count(1, 2), default=1, metavar="N", help="1 or 2 (1)")
    real.add_argument(
        "--extras", nargs="+", default=[], metavar="NAME",
        help="auto-converge, multifd, xbzrle, postcopy; options as in auto-converge:initial=50",
    )  # fmt: skip
    real.add_argument("--compare", action="store_true", help="compare memory at both ends")
    command.set_defaults(run=_migrate)


def _add_guest(command: argparse.ArgumentParser) -> None:
    command.add_argument("--pages", type=pages, required=True, metavar="N", help="guest memory")
    command.add_argument(
        "--bandwidth", type=read_by(parse_rate), required=True, metavar="RATE", help="of the link"
    )
    command.add_argument("--tracker", default="kvm-log", metavar="NAME", help=_TRACKER)
    command.add_argument(
        "--dataset", type=_writes, default=_PATTERN, metavar="NAME",
        help="pattern of its writes, such as hotset:hot=0.05 or trace:path=redis, or idle "
        "(default: random)",
    )  # fmt: skip
    command.add_argument(
        "--working-set", type=pages, metavar="N", help="pages that it writes to (all)"
    )
    command.add_argument(
        "--rate", type=count(0, 10**12), metavar="N", help="writes a second (as fast as it can)"
    )
    command.add_argument(
        "--speed", type=count(1, 10**12), metavar="N", help="writes a second, untracked (100M)"
    )
    command.add_argument(
        "--costs", metavar="NAME", help="recorded machine that the costs are of (qemu-runs)"
    )


def _writes(text: str) -> tuple[str, dict[str, object]]:
    return choice(text) if text == "idle" else dataset(text)


def _migrate(arguments: argparse.Namespace) -> int:
    from dirtylab._console import announced_compilation
    from dirtylab.migration.precopy import migrate

    if arguments.real:
        return _migrate_really(arguments)
    given = {"--vcpus": arguments.vcpus > 1, "--extras": arguments.extras,
             "--compare": arguments.compare}  # fmt: skip
    for option in (name for name, used in given.items() if used):
        raise ValueError(f"{option}: goes with --real only")
    name, options = arguments.dataset
    if arguments.curve is not None:
        name, options = _curve(arguments), {}
    with announced_compilation():
        found = migrate(
            arguments.pages, name, working_set=arguments.working_set, rate=arguments.rate,
            speed=arguments.speed, bandwidth=arguments.bandwidth, downtime=arguments.downtime,
            tracker=arguments.tracker, nonzero=arguments.nonzero,
            prealloc=not arguments.no_prealloc, limit=arguments.limit, seed=arguments.seed,
            rules=arguments.rules, switchover=arguments.switchover, costs=arguments.costs,
            **options,
        )  # fmt: skip
    print(found.as_json() if arguments.json else found)
    return 0


def _curve(arguments: argparse.Namespace) -> "Curve":
    from dirtylab.migration.textbook import read_curve

    if arguments.dataset != _PATTERN:
        raise ValueError(f"curve={arguments.curve!r}: must be omitted where a dataset is named")
    return read_curve(arguments.curve)


def _migrate_really(arguments: argparse.Namespace) -> int:
    import json

    from dirtylab._console import announced_compilation
    from dirtylab.migration.real import run
    from dirtylab.migration.real.expected import beside, expected

    name, options = arguments.dataset
    if arguments.speed is not None:
        raise ValueError("--speed: the speed of a real guest is measured")
    if arguments.curve is not None:
        raise ValueError("--curve: a real guest needs a pattern, see --dataset")
    found = run(
        arguments.pages, name, working_set=arguments.working_set, rate=arguments.rate,
        bandwidth=arguments.bandwidth, downtime=arguments.downtime, tracker=arguments.tracker,
        nonzero=arguments.nonzero, prealloc=not arguments.no_prealloc, limit=arguments.limit,
        vcpus=arguments.vcpus, extras=arguments.extras, compare=arguments.compare, **options,
    )  # fmt: skip
    with announced_compilation():
        model = expected(
            found.question, found.speed, seed=arguments.seed, rules=arguments.rules,
            switchover=arguments.switchover, costs=arguments.costs,
        )  # fmt: skip
    if arguments.json:
        both = {"real": found.as_dict(), "model": model.as_dict()}
        print(json.dumps(both, indent=1, ensure_ascii=False))
    else:
        print(f"{found}\n\n{beside(found, model)}")
    return 0


def _add_checkpoint(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "checkpoint",
        help="what periodic checkpoints of a guest cost, and whether the line keeps up",
        description="Tell pause, lost time and bytes a second of periodic checkpoints. Sizes may "
        "be written 8GiB, rates 150MB/s or 10Gbit/s, times 100ms.",
    )
    _add_guest(command)
    command.add_argument(
        "--period", type=seconds, required=True, metavar="TIME",
        help="from the end of a pause to the next",
    )  # fmt: skip
    command.add_argument("--json", action="store_true", help="print JSON instead of text")
    command.set_defaults(run=_checkpoint)


def _checkpoint(arguments: argparse.Namespace) -> int:
    from dirtylab.migration.checkpoints import checkpoint

    name, options = arguments.dataset
    found = checkpoint(
        arguments.pages, name, period=arguments.period, rate=arguments.rate,
        bandwidth=arguments.bandwidth, tracker=arguments.tracker,
        working_set=arguments.working_set, speed=arguments.speed, costs=arguments.costs, **options,
    )  # fmt: skip
    print(found.as_json() if arguments.json else found)
    return 0
