"""The study on disk: samples as tidy CSV, everything else as JSON."""

import pathlib
from typing import Any, TypeVar

from dirtylab._reading import Each, Lacking, Number, Whole, printable, read_object, require_shape
from dirtylab._tables import read_rows
from dirtylab.measure.files import write_json
from dirtylab.measure.recording import save_table
from dirtylab.studies.mailing_list.claims import Verdict
from dirtylab.studies.mailing_list.experiments import Experiment
from dirtylab.studies.mailing_list.rows import BETWEEN, FULL, INSERTION, STRUCTURES, posted_rows
from dirtylab.studies.mailing_list.runs import CAREFUL, METHODS, Record
from dirtylab.studies.mailing_list.samples_index import SamplesIndex
from dirtylab.studies.mailing_list.study import Plan, Study

SAMPLES, FACTS, PARTIAL = "samples.csv", "study.json", "partial-"
COLUMNS = (
    "method", "operation", "order", "pages", "dirty", "structure", "repeat", "ns", "loops",
)  # fmt: skip
Fields = TypeVar("Fields", Experiment, Verdict)
WORDS = ("method", "operation", "order", "structure")
SHAPE: dict[str, Any] = {
    "machine": dict,
    "plan": {
        **{name: Whole(0) for name in ("repeats", "runs", "between", "order_seed")},
        "most": Lacking(Whole(1)),
    },
    "experiments": Each(dict, {"title": str, "finding": str, "shown": bool, "numbers": dict}),
    "verdicts": Each(
        list, {"number": Whole(1), "claim": str, "measured": str, "verdict": str, "why": str}
    ),
}
"""Of ``study.json``."""
TOLD = {
    "single-cold-runs": {
        "numbers": {
            "dirty": Whole(1), "ns": {name: Each(list, Number(1e-3)) for name in STRUCTURES},
        }
    },
    "sawtooth": {
        "numbers": {"lowest": Number(0), "highest": Number(0), "allocated": {"10000000": Number(0)}}
    },
}  # fmt: skip
"""What figures and claims take from the experiments of a whole study."""
_SAMPLE = {
    "pages": Whole(1), "dirty": Whole(1), "repeat": Whole(0), "loops": Whole(1),
    "ns": Number(1e-3, 1e18),
}  # fmt: skip


def save_samples(records: list[Record], folder: pathlib.Path, name: str = SAMPLES) -> None:
    """Write the samples so far, whole or not at all."""
    import pandas as pd

    save_table(folder / name, pd.DataFrame(records, columns=list(COLUMNS)), "%.10g")


def save(study: Study, folder: pathlib.Path) -> list[str]:
    """Write ``samples.csv`` and ``study.json``; return the names of the files.

    A study cut short goes to ``partial-samples.csv`` and ``partial-study.json`` and leaves an
    earlier whole one as it is; a whole one removes those of an earlier attempt.
    """
    prefix = "" if study.complete else PARTIAL
    save_samples(study.samples_index.records, folder, prefix + SAMPLES)
    write_json(folder / f"{prefix}{FACTS}", study.as_dict())
    if study.complete:
        for name in (SAMPLES, FACTS):
            (folder / f"{PARTIAL}{name}").unlink(missing_ok=True)
    return [prefix + SAMPLES, prefix + FACTS]


def load(folder: pathlib.Path) -> Study:
    """Read back what :func:`save` wrote.

    Raises
    ------
    OSError
        A file is missing, unreadable or no regular file.
    ValueError
        A file is not what :func:`save` writes; it is named, and what is wrong with it.
    """
    try:
        return _loaded(folder)
    except ValueError as error:
        where = printable(folder)
        raise ValueError(f"{where}: no study by this version of dirtylab: {error}") from None


def _loaded(folder: pathlib.Path) -> Study:
    facts = read_object(folder / FACTS, SHAPE)
    records = [
        _record(folder / SAMPLES, number, row)
        for number, row in enumerate(read_rows(folder / SAMPLES, COLUMNS, WORDS), start=1)
    ]
    if facts["verdicts"]:
        try:
            require_shape(facts["experiments"], TOLD, "experiments")
        except ValueError as error:
            raise ValueError(f"{folder / FACTS}: {error}") from None
        _require_whole(folder / SAMPLES, records)
    experiments = {name: _taken(Experiment, one) for name, one in facts["experiments"].items()}
    return Study(
        SamplesIndex(records, experiments),
        [_taken(Verdict, one) for one in facts["verdicts"]],
        facts["machine"],
        Plan(**{name: facts["plan"][name] for name in SHAPE["plan"] if name in facts["plan"]}),
    )


def _taken(kind: type[Fields], given: dict[str, Any]) -> Fields:
    """Return a named tuple of what is known of it, whatever else is there."""
    return kind(**{name: given[name] for name in kind._fields})


def _record(path: pathlib.Path, number: int, row: dict[str, Any]) -> Record:
    try:
        require_shape(row, _SAMPLE)
    except ValueError as error:
        raise ValueError(f"{path}: row {number}: {error}") from None
    return {**{name: row[name] for name in COLUMNS}, "ns": float(row["ns"])}


def _require_whole(path: pathlib.Path, records: list[Record]) -> None:
    """Refuse samples that lack what a judged study has measured."""
    keys = ("method", "operation", "order", "dirty", "structure")
    found = {tuple(one[key] for key in keys) for one in records}
    cells = [(method, "collect", row) for method in METHODS for row in posted_rows()]
    cells += [(CAREFUL, "insert", INSERTION), (CAREFUL, "collect", FULL)]
    cells += [(CAREFUL, "collect", row) for row in BETWEEN]
    for method, operation, row in cells:
        for structure in STRUCTURES:
            if (method, operation, row.order, row.dirty, structure) not in found:
                what = f"{method}, {operation}, {row.label}, {structure}"
                raise ValueError(f"{path}: no sample of {what}")
