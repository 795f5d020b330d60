"""``dirtylab compare``: its arguments, and what it writes and prints."""

import argparse
import os
from collections.abc import Sequence
from typing import Any

from dirtylab._console import tell
from dirtylab._progress import run_all
from dirtylab.cli.arguments import add_structures, count, dataset

INTERRUPTED = 130


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    command = commands.add_parser(
        "compare",
        help="every structure against a copy of its result, and against other libraries",
        description="Compare the structures at 10,000,000 pages: collect against copying, insert "
        "against setting a byte a page, whole epochs against NumPy, pyroaring and bitarray (those "
        "that are installed; extra 'peers'); write samples and machine.",
    )
    command.add_argument(
        "--out",
        default="comparison",
        metavar="DIR",
        help="folder for samples.csv and machine.json (default: %(default)s)",
    )
    command.add_argument(
        "--repeats", type=count(1, 10**6), default=7, metavar="N", help="rounds (7)"
    )
    command.add_argument(
        "--datasets", nargs="+", type=dataset, metavar="NAME",
        help="patterns of the epochs, such as zipf:exponent=0.9; default: those made for studies",
    )  # fmt: skip
    add_structures(command, "which of ours, and trackers of your own (default: the tuned ones)")
    command.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    return compare_into(arguments.out, arguments.repeats, arguments.datasets, arguments.structures)


def compare_into(
    out: str | os.PathLike[str],
    repeats: int,
    datasets: Sequence[tuple[str, dict[str, Any]]] | None = None,
    structures: Sequence[str] | None = None,
) -> int:
    """Compare, print the ratios, write ``samples.csv`` and ``machine.json`` to the folder `out`.

    Parameters
    ----------
    out : str or path
        Made when missing; checked to be writeable before anything is measured.
    repeats : int
        Rounds of each cell.
    datasets : sequence of (str, dict), optional
        Patterns of the epochs; those that studies measure when omitted.
    structures : sequence of str, optional
        Names, and paths of native trackers; the tuned ones when omitted.

    Returns
    -------
    int
        0; 130 after Ctrl-C, 1 where a native tracker crashed: the cells measured until then are
        printed and written.

    Raises
    ------
    OutputError
        `out` can't be written.
    """
    from dirtylab.datasets import written
    from dirtylab.measure.apart import ApartError, measuring
    from dirtylab.measure.files import prepare_folder
    from dirtylab.native.contestants import named
    from dirtylab.studies.peers.libraries import PEERS, available
    from dirtylab.studies.peers.record import Record, compare
    from dirtylab.studies.peers.report import save, text_report

    patterns = None if datasets is None else [written(*one) for one in datasets]
    names = None if structures is None else named(structures)
    folder = prepare_folder(out)
    records: list[Record] = []
    status, notes = 0, []
    try:
        with measuring([], names or ()) as call:
            given = {"patterns": patterns, "structures": names, "call": call}
            run_all(list(compare(repeats, records, **given)))  # type: ignore[arg-type]
    except KeyboardInterrupt:
        status = INTERRUPTED
        notes.append("dirtylab compare: interrupted; the cells measured are kept")
    except ApartError as error:
        status = 1
        notes.append(f"dirtylab compare: {error}; the cells measured are kept")
    if records:
        save(records, folder)
        print(text_report(records))
    missing = sorted(set(PEERS) - set(available()))
    if missing:
        notes.insert(0, f"not installed, so not compared: {', '.join(missing)}")
    for note in notes:
        tell(note)
    return status
