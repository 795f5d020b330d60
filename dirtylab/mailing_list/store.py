"""The study on disk: samples as tidy CSV, everything else as JSON."""

import csv
import io
import json
import pathlib

from dirtylab.mailing_list.claims import Verdict
from dirtylab.mailing_list.evidence import Evidence
from dirtylab.mailing_list.experiments import Experiment
from dirtylab.mailing_list.runs import Record
from dirtylab.mailing_list.study import Plan, Study
from dirtylab.measure.files import write_text

SAMPLES, FACTS, PARTIAL = "samples.csv", "study.json", "partial-"
COLUMNS = (
    "method", "operation", "order", "pages", "dirty", "structure", "repeat", "ns", "loops",
)  # fmt: skip


def save_samples(records: list[Record], folder: pathlib.Path, name: str = SAMPLES) -> None:
    """Write the samples so far, whole or not at all."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({**one, "ns": f"{one['ns']:.10g}"} for one in records)
    write_text(folder / name, text.getvalue())


def save(study: Study, folder: pathlib.Path) -> list[str]:
    """Write ``samples.csv`` and ``study.json``; return the names of the files.

    A study cut short goes to ``partial-samples.csv`` and ``partial-study.json`` and leaves an
    earlier whole one as it is; a whole one removes those of an earlier attempt.
    """
    prefix = "" if study.complete else PARTIAL
    save_samples(study.evidence.records, folder, prefix + SAMPLES)
    text = json.dumps(study.as_dict(), indent=1, ensure_ascii=False)
    write_text(folder / f"{prefix}{FACTS}", text + "\n")
    if study.complete:
        for name in (SAMPLES, FACTS):
            (folder / f"{PARTIAL}{name}").unlink(missing_ok=True)
    return [prefix + SAMPLES, prefix + FACTS]


def load(folder: pathlib.Path) -> Study:
    """Read back what :func:`save` wrote.

    Raises
    ------
    OSError
        A file is missing or unreadable.
    ValueError
        A file is not what :func:`save` writes; it is named.
    """
    try:
        with (folder / SAMPLES).open(newline="", encoding="utf-8") as file:
            records = [_record(one) for one in csv.DictReader(file)]
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        experiments = {name: Experiment(**one) for name, one in facts["experiments"].items()}
        return Study(
            Evidence(records, experiments),
            [Verdict(**one) for one in facts["verdicts"]],
            facts["machine"],
            Plan(**facts["plan"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{folder}: no study by this version of dirtylab: {error!r}") from None


def _record(one: dict[str, str]) -> Record:
    numbers = {name: int(one[name]) for name in ("pages", "dirty", "repeat", "loops")}
    return {**{name: one[name] for name in COLUMNS}, **numbers, "ns": float(one["ns"])}
