"""Write figures and tables of README and docs from the data: ``python -m dirtylab._readme``."""

import pathlib
import re
from typing import TYPE_CHECKING

from dirtylab._caches import WARM
from dirtylab._data import data_file
from dirtylab._options import options_of
from dirtylab._tables import markdown_table
from dirtylab.advice.calibration import shipped_model
from dirtylab.advice.machines import recorded, reference
from dirtylab.advice.model import Model
from dirtylab.datasets import DATASETS, declared
from dirtylab.figures.style import Picture, save_picture
from dirtylab.measure.machine import caption
from dirtylab.structures import STRUCTURES
from dirtylab.studies import mailing_list
from dirtylab.studies.crossovers import record as crossovers_record
from dirtylab.studies.crossovers import report as crossovers_report
from dirtylab.studies.crossovers.figures import crossovers_picture, curves_picture
from dirtylab.studies.crossovers.maps import winner_map_picture
from dirtylab.studies.live.experiments import measured
from dirtylab.studies.live.figures import harvests_picture, maps_picture
from dirtylab.studies.live.guest_figures import checkpoints_picture, guest_costs_picture
from dirtylab.studies.live.guest_report import (
    checkpoint_lines,
    guest_lines,
    guest_table,
    period_table,
)
from dirtylab.studies.live.large_pages import large_lines
from dirtylab.studies.live.report import crossovers_list, recordings_table
from dirtylab.studies.live.store import Measured
from dirtylab.studies.lockless import report as lockless_report
from dirtylab.studies.lockless import summary as lockless_summary
from dirtylab.studies.machines import report as machines_report
from dirtylab.studies.machines.conclusions import conclusions
from dirtylab.studies.machines.figures import carried_picture
from dirtylab.studies.machines.known import known_lines, programs_line
from dirtylab.studies.mailing_list import Study
from dirtylab.studies.mailing_list.figures import PICTURES
from dirtylab.studies.migrations import report as migrations_report
from dirtylab.studies.migrations.courses import recorded as migrations_recorded
from dirtylab.studies.migrations.figures import verdict_lines, verdict_map_picture
from dirtylab.studies.peers import report as peers_report
from dirtylab.studies.peers.record import COPY, SCATTER

if TYPE_CHECKING:
    import pandas as pd

PAGES = (pathlib.Path("README.md"), *sorted(pathlib.Path("docs").glob("*.md")))
"""What has generated parts."""
FIGURES = "data/measured/mailing_list"
CROSSOVERS = "data/measured/crossovers"
"""Of the pictures; the data are the reference machine's."""
LIVE = "data/measured/live"
MIGRATIONS = "data/measured/migrations"
SHOWN = ("times-random", "ratios")


def blocks(study: Study) -> dict[str, str]:
    """Return the generated text between each pair of marks."""
    images = [f"![{PICTURES[name](study).alt}]({FIGURES}/{name}.png)" for name in SHOWN]
    machine = f"*Measured on {caption(study.machine)}.*"
    return {
        "answer": answer_block(),
        "figure": "\n\n".join(images),
        "runs": f"{mailing_list.markdown_table(study.samples_index)}\n\n{machine}",
        "verdicts": f"{mailing_list.markdown_verdicts(study)}\n\n{machine}",
        "structures": structures_block(),
        "patterns": patterns_block(),
        **comparison_blocks(),
        **crossover_blocks(),
        "known": known_block(),
        "conclusions": conclusions_block(),
        "conclusions-map": map_block(),
        "machines": machines_block(),
        **live_blocks(),
        "lockless": lockless_block(),
        **migration_blocks(),
        "experiments": f"{mailing_list.markdown_experiments(study)}\n\n{machine}",
    }


def answer_block() -> str:
    """Return the winner map and a rule of thumb in three rows."""
    study = crossovers_record.load()
    return (
        f"{map_block()}\n\n{crossovers_report.rule_of_thumb(study)}"
        f"\n\nFor {programs_line()}. *Measured on {caption(study.machine)}.*"
    )


def structures_block() -> str:
    """Return every structure but the posted ones, with what its class declares."""
    rows = []
    for name, kind in STRUCTURES.items():
        if not kind.posted:
            first, _, _ = (kind.__doc__ or "").strip().partition("\n")
            order = "in ascending order" if kind.sorted_output else "in order of arrival"
            gives = f"{'each frame once' if kind.unique_output else 'repeats too'}, {order}"
            options = ", ".join(f"`{option.name}`" for option in options_of(kind, ["pages"]))
            rows.append([f"`{name}`", first.replace(":class:", ""), gives, options])
    heads = ["structure", "what it is", "what a collect gives", "options"]
    return markdown_table(heads, rows, ":-- :-- :-- :--")


def patterns_block() -> str:
    """Return every pattern with what it draws and the options that it declares."""
    rows = []
    for name, generator in DATASETS.items():
        first, _, _ = (generator.__doc__ or "").strip().partition("\n")
        options = [f"`{option.name}` ({option.in_units()})" for option in declared(name).options]
        rows.append([f"`{name}`", first, "; ".join(options)])
    return markdown_table(["pattern", "what it does", "options"], rows, ":-- :-- :--")


def comparison_blocks() -> dict[str, str]:
    """Return the comparison's tables, each with its machine."""
    records, machine = peers_report.load(data_file("measured/compare"))
    note = f"*Measured on {caption(machine)}.*"
    tables = {
        "collect": peers_report.ratios(records, "collect", COPY),
        "insert": peers_report.ratios(records, "insert", SCATTER),
        "epoch": peers_report.epochs(records),
    }
    return {name: f"{peers_report.markdown(table)}\n\n{note}" for name, table in tables.items()}


def lockless_block() -> str:
    """Return the throughput of two vCPUs that insert at once."""
    summary = lockless_summary.recorded()
    lead = "Inserts of two vCPUs together, as a multiple of one's, by where their frames lie:"
    machine = f"*Measured on {caption({'cache': WARM, **summary['machine']})}.*"
    return f"{lead}\n\n{lockless_report.markdown_apart(summary)}\n\n{machine}"


def crossover_blocks() -> dict[str, str]:
    """Return what the crossover study found, and its figures."""
    study = crossovers_record.load()
    model = shipped_model(study.cache)
    found = crossovers_report.all_crossovers(study)
    machine = f"*Measured on {caption(study.machine)}.*"
    pictures = crossover_pictures(study, model, found)
    images = [f"![{pictures[name].alt}]({CROSSOVERS}/{name}.png)" for name in pictures]
    return {
        "crossovers": "\n\n".join(images),
        "findings": f"{crossovers_report.markdown(study, found, model)}\n\n{machine}",
    }


def conclusions_block() -> str:
    """Return what is known, subject by subject."""
    told = "\n".join(f"- {one}" for one in conclusions(recorded()))
    machine = caption(reference().machine)
    note = "where no other machine is named; pages linked have their own captions"
    return f"{told}\n\n*Measured on {machine}, {note}.*"


def map_block() -> str:
    """Return the winner map, and the share of it that each structure has."""
    study = crossovers_record.load()
    alt = winner_map_picture(shipped_model(study.cache), study=study).alt
    return f"![{alt}]({CROSSOVERS}/winners.png)"


def known_block() -> str:
    """Return what is known now that the thread of 2016 did not say."""
    lines = "\n".join(f"{number}. {line}" for number, line in enumerate(known_lines(recorded()), 1))
    return f"{lines}\n\n*Measured on {caption(reference().machine)}.*"


def machines_block() -> str:
    """Return the recorded machines, and what carries over from one to another."""
    machines = recorded()
    picture = carried_picture(machines)
    parts = [
        "\n".join(f"* {line}" for line in machines_report.carried_lines(machines)),
        f"![{picture.alt}]({CROSSOVERS}/machines.png)",
        machines_report.carried_table(machines),
        machines_report.machines_table(machines),
    ]
    return "\n\n".join(part for part in parts if part)


def crossover_pictures(
    study: crossovers_record.CrossoverStudy, model: Model, found: "pd.DataFrame"
) -> dict[str, Picture]:
    """Return the README's pictures of the crossover study."""
    return {
        "epoch-random": curves_picture(study, model=model),
        "winners": winner_map_picture(model, study=study),
        "crossovers": crossovers_picture(found, study.machine, "epoch"),
    }


def draw_machines() -> None:
    """Draw the README's picture of the recorded machines anew."""
    save_picture(carried_picture(recorded()), pathlib.Path(CROSSOVERS), "machines")


def live_blocks() -> dict[str, str]:
    """Return what was found on real dirty pages, and its figures."""
    found = measured()
    machine = f"*Measured on {caption(found.machine)}.*"
    images = {n: f"![{picture.alt}]({LIVE}/{n}.png)" for n, picture in live_pictures().items()}
    return {
        "recordings": f"{images['recordings']}\n\n{recordings_table(found)}\n\n{machine}",
        "harvests": f"{images['harvests']}\n\n{crossovers_list(found)}\n\n{machine}",
        "guest": f"{_guest_text(found, images)}\n\n{machine}",
    }


def _guest_text(found: Measured, images: dict[str, str]) -> str:
    lines = [
        *guest_lines(found.guest),
        *large_lines(found.large),
        *checkpoint_lines(found.checkpoints),
    ]
    told = "\n".join(f"- {line}" for line in lines)
    parts = [images["guest"], told, guest_table(found.guest), period_table(found.guest)]
    return "\n\n".join([*parts, images["checkpoints"]])


def migration_blocks() -> dict[str, str]:
    """Return how right the model of migrations is, its costs, and what tracking cost."""
    found = migrations_recorded()
    machine = "" if found is None else f"\n\n*Measured on {caption(found.machine)}.*"
    lines = [] if found is None else migrations_report.tracking_lines(found)
    told = "\n".join(f"- {line}" for line in (*lines, *verdict_lines()))
    image = f"![Where a tracker changes the verdict]({MIGRATIONS}/verdicts.png)"
    return {
        "migrations-right": migrations_report.right_table(),
        "migrations-costs": migrations_report.costs_table(),
        "migrations-tracking": f"{told}\n\n{image}{machine}",
    }


def draw_migrations() -> None:
    """Draw the map of where a tracker changes the verdict anew."""
    save_picture(verdict_map_picture(), pathlib.Path(MIGRATIONS), "verdicts")


def live_pictures() -> dict[str, Picture]:
    """Return the README's pictures of real dirty pages."""
    found = measured()
    return {
        "recordings": maps_picture(),
        "harvests": harvests_picture(found),
        "guest": guest_costs_picture(found.guest, found.machine),
        "checkpoints": checkpoints_picture(found.checkpoints, found.machine),
    }


def rendered(text: str, made: dict[str, str], folder: str = "") -> str:
    """Return a page's `text` with each block made anew.

    Parameters
    ----------
    text : str
        With marks where blocks begin and end.
    made : dict of str to str
        Of :func:`blocks`.
    folder : str, optional
        From the page to the project's folder, such as ``"../"``: pictures are found from there.
    """
    for name, found in made.items():
        block = found.replace("](data/", f"]({folder}data/")
        begin, end = f"<!-- begin: {name} -->", f"<!-- end: {name} -->"
        marked = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        text = marked.sub(lambda _, b=block, m=(begin, end): f"{m[0]}\n{b}\n{m[1]}", text)  # type: ignore[misc]
    return text


def draw_crossovers() -> None:
    """Draw the README's pictures of the crossover study anew."""
    study = crossovers_record.load()
    model = shipped_model(study.cache)
    for name, picture in crossover_pictures(
        study, model, crossovers_report.all_crossovers(study)
    ).items():
        save_picture(picture, pathlib.Path(CROSSOVERS), name)


def draw_live() -> None:
    """Draw the README's pictures of real dirty pages anew."""
    for name, picture in live_pictures().items():
        save_picture(picture, pathlib.Path(LIVE), name)


if __name__ == "__main__":
    draw_crossovers()
    draw_machines()
    draw_live()
    draw_migrations()
    shown = mailing_list.load(data_file("measured/mailing_list"))
    made = blocks(shown)
    for page in PAGES:
        folder = "" if page.parent == pathlib.Path() else "../"
        text = rendered(page.read_text(encoding="utf-8"), made, folder)
        page.write_text(text, encoding="utf-8")
