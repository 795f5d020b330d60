"""Record the study of a machine: crossovers, cost models, the structures of others.

::

    DIR/crossovers/            where every two structures cost the same, after a guest ran
    DIR/model-guest-ran.json   the cost model, and held_out-guest-ran.csv: what it was tried on
    DIR/model-warm.json        the same with warm caches
    DIR/peers/                 beside plain C, C++ and KVM's log, as far as a compiler is there

What is there is not measured again: the same call goes on where it stopped.
"""

import contextlib
import pathlib
import shutil
from collections.abc import Callable, Iterator
from typing import NamedTuple

from dirtylab._caches import CACHES, GUEST_RAN
from dirtylab._progress import run_steps, share_bar
from dirtylab.advice import calibration
from dirtylab.advice.machines import CROSSOVERS, PEERS, model_file
from dirtylab.measure.files import prepare_folder
from dirtylab.native.errors import TrackerError
from dirtylab.native.peers.build import build
from dirtylab.native.peers.recipes import PEERS as RECIPES
from dirtylab.studies.crossovers import record as crossovers_record
from dirtylab.studies.peers import native_report, natives

WORK = "unfinished"
"""Folder of sweeps under way; removed when all is done."""


class Plan(NamedTuple):
    """How much is measured."""

    pages: tuple[int, ...] = crossovers_record.PAGES
    refine_s: float = crossovers_record.REFINE_S
    calibration_s: float = 140.0  # 90 tried 56 cells, not 60, on an Emerald Rapids
    repeats: int = 5


def steps(
    out: pathlib.Path, plan: Plan, report: Callable[[str], object] | None = None
) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield what is to be measured, a label and an action each; finished parts are left out.

    Parameters
    ----------
    out : pathlib.Path
        Folder of the study.
    plan : Plan
        How much is measured.
    report : callable, optional
        Called with a line of text as it goes on; without, no bars are shown.
    """
    shown = report is not None
    if not (out / CROSSOVERS / "machine.json").exists():
        yield "crossovers", lambda: _crossovers(out, plan, report)
    for cache in CACHES:
        if not (out / model_file(cache)).exists():
            yield f"cost model, {cache}", lambda c=cache: _calibrate(out, plan, c, shown)  # type: ignore[misc]
    yield "structures of others", lambda: _peers(out, plan, shown)


def _crossovers(out: pathlib.Path, plan: Plan, report: Callable[[str], object] | None) -> None:
    work = prepare_folder(out / WORK)
    crossovers_record.record(
        out / CROSSOVERS, work, plan.pages, report=report, cache=GUEST_RAN, refine_s=plan.refine_s
    )
    shutil.rmtree(work)


def _calibrate(out: pathlib.Path, plan: Plan, cache: str, shown: bool) -> None:
    with share_bar() if shown else contextlib.nullcontext() as report:
        found = calibration.calibrate(plan.calibration_s, cache=cache, report=report)
    calibration.save(found, out, cache)


def _peers(out: pathlib.Path, plan: Plan, shown: bool) -> None:
    for name, recipe in RECIPES.items():
        if recipe.source is None:
            try:
                build(name)
            except (TrackerError, OSError):  # no compiler, or not this architecture
                continue
    folder = prepare_folder(out / PEERS)
    told = native_report.facts(plan.repeats, quick=True)
    rows, done = native_report.resumed(folder, told)
    for _ in run_steps(list(natives.steps(plan.repeats, rows, done, quick=True)), shown=shown):
        native_report.save(rows, folder, told)
