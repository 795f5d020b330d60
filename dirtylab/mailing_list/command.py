"""``dirtylab reproduce``: the study with a progress bar, kept on disk row by row."""

import json
import pathlib

from dirtylab._console import run_steps, tell
from dirtylab.mailing_list.report import text_report
from dirtylab.mailing_list.store import PARTIAL, SAMPLES, save, save_samples
from dirtylab.mailing_list.study import FULL_PLAN, QUICK_PLAN, Reproduction, Study
from dirtylab.measure.files import prepare_folder

INTERRUPTED = 130


def reproduce_into(out: str | pathlib.Path, *, quick: bool, as_json: bool) -> int:
    """Run the study, print it and write it to the folder `out`.

    Parameters
    ----------
    out : str or pathlib.Path
        Made when missing; its writeability is proved before anything is measured.
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
    folder = prepare_folder(out)
    reproduction = Reproduction(QUICK_PLAN if quick else FULL_PLAN)
    interrupted = _measure(reproduction, folder)
    study = reproduction.study()
    if not study.evidence.rows:
        tell("dirtylab reproduce: interrupted before the first row")
        return INTERRUPTED
    written = save(study, folder)
    print(json.dumps(study.as_dict(), indent=1) if as_json else text_report(study))
    tell(f"Written to {folder}: {', '.join(written)}")
    if interrupted:
        tell(f"dirtylab reproduce: interrupted; {len(study.evidence.rows)} of 9 rows kept")
        return INTERRUPTED
    return _draw(study, folder)


def _measure(reproduction: Reproduction, folder: pathlib.Path) -> bool:
    """Go through the steps; return whether Ctrl-C ended them early."""
    try:
        for _ in run_steps(list(reproduction.steps())):
            if reproduction.records:
                save_samples(reproduction.records, folder, PARTIAL + SAMPLES)
    except KeyboardInterrupt:
        return True
    return False


def _draw(study: Study, folder: pathlib.Path) -> int:
    from dirtylab.figures.mailing_list import save_all

    try:
        names = save_all(study, folder)
    except KeyboardInterrupt:
        tell("dirtylab reproduce: interrupted while drawing; samples and verdicts are written")
        return INTERRUPTED
    tell(f"Figures: {', '.join(names)}")
    return 0
