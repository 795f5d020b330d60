"""``dirtylab reproduce``: the study with a progress bar, kept on disk row by row."""

import argparse
import json
import pathlib
from typing import TYPE_CHECKING

from dirtylab._console import tell
from dirtylab._progress import run_steps

if TYPE_CHECKING:
    from dirtylab.studies.mailing_list.study import Reproduction, Study

INTERRUPTED = 130


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    command = commands.add_parser(
        "reproduce",
        help="the nine runs of 2016 beside this machine's, with verdicts and figures",
        description="Run the nine rows of the mail as posted and carefully, judge its seven "
        "claims, show its defects; write samples, provenance and figures.",
    )
    command.add_argument(
        "--out",
        default="reproduction",
        metavar="DIR",
        help="folder for samples.csv, study.json and figures (default: %(default)s)",
    )
    command.add_argument(
        "--quick",
        action="store_true",
        help="9 samples instead of 25, also of rows in doubt",
    )
    command.add_argument("--json", action="store_true", help="print JSON instead of a table")
    command.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    return reproduce_into(arguments.out, quick=arguments.quick, as_json=arguments.json)


def reproduce_into(out: str | pathlib.Path, *, quick: bool, as_json: bool) -> int:
    """Run the study, print it and write it to the folder `out`.

    Parameters
    ----------
    out : str or pathlib.Path
        Made when missing; checked to be writeable before anything is measured.
    quick : bool
        Measure less.
    as_json : bool
        Print what ``study.json`` holds instead of the report.

    Returns
    -------
    int
        0, or 130 after Ctrl-C; the rows measured until then are printed and written.

    Raises
    ------
    OutputError
        `out` can't be written.
    """
    from dirtylab.measure.files import prepare_folder
    from dirtylab.studies.mailing_list.report import text_report
    from dirtylab.studies.mailing_list.store import save
    from dirtylab.studies.mailing_list.study import FULL_PLAN, QUICK_PLAN, Reproduction

    folder = prepare_folder(out)
    reproduction = Reproduction(QUICK_PLAN if quick else FULL_PLAN)
    interrupted = _measure(reproduction, folder)
    study = reproduction.study()
    if not study.samples_index.rows:
        tell("dirtylab reproduce: interrupted before the first row")
        return INTERRUPTED
    written = save(study, folder)
    print(json.dumps(study.as_dict(), indent=1) if as_json else text_report(study))
    tell(f"Written to {folder}: {', '.join(written)}")
    if interrupted:
        tell(f"dirtylab reproduce: interrupted; {len(study.samples_index.rows)} of 9 rows kept")
        return INTERRUPTED
    return _draw(study, folder)


def _measure(reproduction: "Reproduction", folder: pathlib.Path) -> bool:
    """Go through the steps; return whether Ctrl-C ended them early."""
    from dirtylab.studies.mailing_list.store import PARTIAL, SAMPLES, save_samples

    try:
        for _ in run_steps(list(reproduction.steps())):
            if reproduction.records:
                save_samples(reproduction.records, folder, PARTIAL + SAMPLES)
    except KeyboardInterrupt:
        return True
    return False


def _draw(study: "Study", folder: pathlib.Path) -> int:
    from dirtylab.studies.mailing_list.figures import save_all

    try:
        names = save_all(study, folder)
    except KeyboardInterrupt:
        tell("dirtylab reproduce: interrupted while drawing; samples and verdicts are written")
        return INTERRUPTED
    tell(f"Figures: {', '.join(names)}")
    return 0
