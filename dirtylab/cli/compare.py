"""``dirtylab compare``: its arguments, and what it writes and prints."""

import argparse
import os
from collections.abc import Sequence
from typing import Any

from dirtylab._console import tell
from dirtylab._progress import run_all
from dirtylab.cli.arguments import count, dataset

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
    command.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    return compare_into(arguments.out, arguments.repeats, arguments.datasets)


def compare_into(
    out: str | os.PathLike[str],
    repeats: int,
    datasets: Sequence[tuple[str, dict[str, Any]]] | None = None,
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

    Returns
    -------
    int
        0, or 130 after Ctrl-C: the cells measured until then are printed and written.

    Raises
    ------
    OutputError
        `out` can't be written.
    """
    from dirtylab.datasets import written
    from dirtylab.measure.files import prepare_folder
    from dirtylab.studies.peers.libraries import PEERS, available
    from dirtylab.studies.peers.record import Record, compare
    from dirtylab.studies.peers.report import save, text_report

    patterns = None if datasets is None else [written(*one) for one in datasets]
    folder = prepare_folder(out)
    records: list[Record] = []
    status = 0
    try:
        run_all(list(compare(repeats, records, patterns=patterns)))
    except KeyboardInterrupt:
        status = INTERRUPTED
    if records:
        save(records, folder)
        print(text_report(records))
    missing = sorted(set(PEERS) - set(available()))
    notes = [f"not installed, so not compared: {', '.join(missing)}"] if missing else []
    notes += ["dirtylab compare: interrupted; the cells measured are kept"] if status else []
    for note in notes:
        tell(note)
    return status
