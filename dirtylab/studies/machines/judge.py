"""What carries over from machine to machine, in numbers; and whether a study is sound."""

import itertools
import pathlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dirtylab._caches import CACHES
from dirtylab._check import Array
from dirtylab._format import share_text
from dirtylab.advice.calibration import design
from dirtylab.advice.machines import CROSSOVERS, PEERS, RecordedMachine, read_machine
from dirtylab.advice.model import Model
from dirtylab.measure.machine import kind_of
from dirtylab.structures import tuned
from dirtylab.studies.crossovers import record as crossovers_record
from dirtylab.studies.crossovers.judge import check, find_crossovers
from dirtylab.studies.peers import native_report
from dirtylab.theory.operations import Pattern

if TYPE_CHECKING:
    import pandas as pd

CELLS, CELLS_SEED = 256, 77
"""Cells on which models are compared, drawn as those of a calibration are."""
NEAR = 0.1
"""Share by which a pick may cost more and still be as good."""
LEAST_RIGHT = 0.95
LEAST_CELLS = 60
MOST_REGRET, MOST_ERROR, MOST_HIGH_ERROR = 0.5, 0.15, 0.40
"""What a calibration promises: worst regret, error of times in the median and the 90th percentile.
"""
OPERATION = "epoch"


def models_compared(machines: Sequence[RecordedMachine]) -> "pd.DataFrame":
    """Compare the cost models of every two machines on the same cells.

    Returns
    -------
    pandas.DataFrame
        A row for every two machines and state of the caches: ``cells``; ``same``, the share in
        which the pick is the same or costs at most a tenth more on the other; ``regret``, the 90th
        percentile of what a pick made with the one's model costs more on the other; ``scale``, by
        how much the other is slower in the median; ``spread``, the factor within which nine of ten
        times lie around that scale; ``order``, the share of pairs of structures whose order is the
        same, of those that are a tenth apart on both.
    """
    import pandas as pd

    rows = []
    for cache in CACHES:
        known = [(one.name, model) for one in machines if (model := one.model(cache)) is not None]
        times = {name: model_times(model) for name, model in known}
        for (one, mine), (other, yours) in itertools.combinations(times.items(), 2):
            rows.append({"one": one, "other": other, "cache": cache, **_compared(mine, yours)})
    return pd.DataFrame.from_records(rows)


def model_times(model: Model) -> Array:
    """Return ns of an epoch, shape ``(cells, structures)``, of the tuned structures."""
    names = [name for name in tuned() if name in model.structures]
    cells = design(CELLS, CELLS_SEED)
    patterns = [
        Pattern(one.dataset, one.pages, np.array(float(one.dirty)), dict(one.options))
        for one in cells
    ]
    return np.array(
        [[float(model.times(name, OPERATION, pattern)) for name in names] for pattern in patterns]
    )


def _compared(mine: Array, yours: Array) -> dict[str, Any]:
    picks = mine.argmin(axis=1)
    own = np.arange(len(mine))
    regret = yours[own, picks] / yours.min(axis=1) - 1
    logs = np.log(yours / mine)
    scale = float(np.median(logs))
    pairs = list(itertools.combinations(range(mine.shape[1]), 2))
    first, second = (np.array([pair[side] for pair in pairs]) for side in (0, 1))
    gaps = [np.log(times[:, first] / times[:, second]) for times in (mine, yours)]
    clear = (np.abs(gaps[0]) > NEAR) & (np.abs(gaps[1]) > NEAR)
    return {
        "cells": len(mine),
        "same": float((regret <= NEAR).mean()),
        "regret": float(np.percentile(regret, 90)),
        "scale": float(np.exp(scale)),
        "spread": float(np.exp(np.percentile(np.abs(logs - scale), 90))),
        "order": float((np.sign(gaps[0]) == np.sign(gaps[1]))[clear].mean()),
    }


def crossings_by_machine(machines: Sequence[RecordedMachine]) -> "pd.DataFrame":
    """Return measured crossovers of tuned structures, with ``machine``, ``cache``, ``share``."""
    import pandas as pd

    found = []
    for one in machines:
        if (one.folder / CROSSOVERS).is_dir():
            study = crossovers_record.load(one.folder / CROSSOVERS)
            table = find_crossovers(study.rounds, study.tuned, [OPERATION])
            found.append(table.assign(machine=one.name, cache=study.cache))
    if not found:
        return pd.DataFrame()
    table = pd.concat(found, ignore_index=True)
    return table.assign(share=table["at"] / table["pages"])


def findings(folder: pathlib.Path) -> Iterator[str]:
    """Yield what is missing in a study, or not as it should be; nothing where it is sound.

    Raises
    ------
    OSError, ValueError
        A file is unreadable or not what the study writes; it is named.
    """
    machine = read_machine(folder)
    parts = machine.parts
    wanted = (CROSSOVERS, PEERS, *(f"model {cache}" for cache in CACHES))
    yield from (f"{part}: is missing" for part in wanted if part not in parts)
    kinds = dict(_kinds(machine))
    if None in kinds.values():
        untold = [name for name, kind in kinds.items() if kind is None]
        yield f"{', '.join(untold)}: no processor told"
    if len({*kinds.values()}) > 1:
        yield f"{', '.join(kinds)}: were measured on different kinds of machines"
    if CROSSOVERS in parts:
        yield from _of_crossovers(folder)
    for cache in CACHES:
        if (model := machine.model(cache)) is not None:
            yield from (f"model {cache}: {line}" for line in _of_model(model))


def _kinds(machine: RecordedMachine) -> Iterator[tuple[str, str | None]]:
    if CROSSOVERS in machine.parts:
        study = crossovers_record.load(machine.folder / CROSSOVERS)
        yield CROSSOVERS, kind_of(study.machine)
    if PEERS in machine.parts:
        yield PEERS, kind_of(native_report.load(machine.folder / PEERS)[1]["machine"])
    for cache in CACHES:
        if (model := machine.model(cache)) is not None:
            yield f"model {cache}", kind_of(model.machine)


def _of_crossovers(folder: pathlib.Path) -> Iterator[str]:
    study = crossovers_record.load(folder / CROSSOVERS)
    for names in (study.posted, study.tuned):
        found = find_crossovers(study.rounds, names, crossovers_record.JUDGED)
        right = check(study.rounds, found, names)[0]
        if right.cells and right.share < LEAST_RIGHT:
            yield (
                f"{CROSSOVERS}: predicted the winner in {share_text(right.share, 3)} of held-out "
                f"cells, not {share_text(LEAST_RIGHT, 2)}: was the machine busy?"
            )


def _of_model(model: Model) -> Iterator[str]:
    trial = model.trial
    if trial is None:
        yield "was not tried"
        return
    limits = (
        ("error of times in the median", trial.error.median, MOST_ERROR),
        ("error of times at the 90th percentile", trial.error.high, MOST_HIGH_ERROR),
        ("worst regret", trial.worst_regret, MOST_REGRET),
    )
    if trial.cells < LEAST_CELLS:
        yield f"was tried on {trial.cells} cells, not {LEAST_CELLS}; give more time"
    for what, value, most in limits:
        if value > most:
            yield f"{what} is {share_text(value, 2)}, above {share_text(most, 2)}: calibrate again"
