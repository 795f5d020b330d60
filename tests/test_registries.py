"""What is registered at run time is everywhere: tables, commands, figures, views, documents.

Each test takes :class:`Additions`, patterns that the package does not know, or ``runs``, a
structure that it does not know, and looks for them in one place.
"""

import argparse
import concurrent.futures
import importlib
import inspect
import json
import multiprocessing
import pkgutil
import time
from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from slow import further
from sweeping import pretend
from toys import RunList

import dirtylab
from dirtylab import (
    DATASETS,
    STRUCTURES,
    _readme,
    _words,
    advise,
    cli,
    datasets,
    describe,
    explore,
    structures,
)
from dirtylab._options import Option, options_of
from dirtylab.advice import calibration
from dirtylab.advice.calibration import shipped_model
from dirtylab.advice.model import cells_of, errors_on, fit_model
from dirtylab.datasets.tracefile import Trace
from dirtylab.explore.views import memory_figure
from dirtylab.figures import patterns, style, visits
from dirtylab.figures.patterns import matrix_picture, patterns_picture
from dirtylab.live.store import write_trace
from dirtylab.measure import sweep as sweeping
from dirtylab.structures import (
    Bitmap,
    PageList,
    Tree64,
    bitmap,
    hybrid,
    levels,
    posted_tree,
    ring,
    tree,
)
from dirtylab.studies.crossovers import figures as crossovers
from dirtylab.studies.crossovers import maps, report
from dirtylab.studies.crossovers import record as crossovers_record
from dirtylab.studies.crossovers.figures import curves_picture
from dirtylab.studies.live import experiments, replay
from dirtylab.studies.live import figures as live_figures
from dirtylab.studies.live import record as cost
from dirtylab.studies.live import report as live_report
from dirtylab.studies.memory.figures import dirty_picture
from dirtylab.studies.memory.record import weigh
from dirtylab.studies.peers import record as peers_record
from dirtylab.studies.peers import report as peers_report
from dirtylab.theory import features, memory, operations
from dirtylab.theory.memory import structure_bytes
from dirtylab.theory.occupancy import LAWS, Law, occupied

ONLY = "measured only"
PAGES, DIRTY = 4096, 100
OPTIONS = {"walk": {"step": 3}}
"""Options of patterns added that are not the usual ones."""


class Additions(NamedTuple):
    """Patterns that are registered beside the package's own."""

    datasets: Mapping[str, Callable[..., Any]]

    def patterns(self) -> list[tuple[str, dict[str, Any], str]]:
        """Return name, options, and both as a command takes them."""
        return [
            (name, OPTIONS[name], datasets.written(name, OPTIONS[name])) for name in self.datasets
        ]


def walk(pages: int, dirty: int, *, seed: int = 0, step: int = 1) -> np.ndarray:
    """Go up to `step` pages up or down from each frame to the next."""
    moves = np.random.default_rng(seed).integers(-step, step, dirty, endpoint=True)
    return (np.cumsum(moves) % pages).astype(np.uint64)


@datasets.pattern()
def declared_walk(
    pages: int,
    dirty: int,
    *,
    seed: int = 0,
    step: Annotated[int, Option("Pages of a step, at most.", low=1, high=9, unit="page")] = 1,
) -> np.ndarray:
    """Go up to `step` pages up or down from each frame to the next.

    Parameters
    ----------
    pages, dirty, seed : int
        As of any pattern.

    Returns
    -------
    numpy.ndarray
    """
    return walk(pages, dirty, seed=seed, step=step)


@pytest.fixture(
    params=[Additions({"walk": declared_walk}), *further(Additions({"walk": walk}))],
    ids=["a declared one", "a plain function"],
)
def added(request, monkeypatch):
    """Register what is added."""
    for name, made in request.param.datasets.items():
        monkeypatch.setitem(DATASETS, name, made)
    return request.param


@pytest.fixture
def pretended(monkeypatch):
    """Let sweeps pretend to measure; each structure takes longer than the one before it."""

    def measure(task):
        done = pretend(task)
        order = {one.structure: place for place, one in enumerate(task.plan.candidates)}
        for row in done.rows:
            row["ns"] *= 1 + order[row["structure"]]
        return done

    monkeypatch.setattr(sweeping, "measure", measure)


# --- tables and commands --------------------------------------------------------------------------


def test_every_command_that_takes_a_pattern_takes_it(added):
    found = [one for one in arguments(cli.build_parser()) if one.dest in ("dataset", "datasets")]
    assert len(found) >= 5  # sweep, peers_record, crossovers, advise, record
    for name, options, text in added.patterns():
        for argument in found:
            assert argument.type(text) == (name, options)
            with pytest.raises(argparse.ArgumentTypeError, match="stride: unknown option of"):
                argument.type(f"{name}:stride=2")
            with pytest.raises(argparse.ArgumentTypeError, match="step='x': must be"):
                argument.type(f"{name}:step=x")


def arguments(parser):
    """Yield all arguments of a parser and of its commands."""
    for action in parser._actions:
        yield action
        if isinstance(action.choices, Mapping):
            for command in action.choices.values():
                yield from arguments(command)


def test_a_sweep_measures_it(added, tmp_path, capsys):
    for name, options, text in added.patterns():
        command = ["sweep", "--structures", "list", "bitmap", "--datasets", text, "--pages", "4096"]
        end = ["--dirty", "64", "--repeats", "2", "--out", str(tmp_path / name)]
        assert cli.main([*command, *end]) == 0
        table = pd.read_csv(tmp_path / name / "samples.csv")
        assert set(table["dataset"]) == {name}
        for option, value in options.items():
            assert set(table[f"dataset_{option}"]) == {value}
        assert name in capsys.readouterr().out


def test_a_sweep_on_other_machines_measures_it(added):
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=spawn) as executor:
        for name, options, _ in added.patterns():
            table = dirtylab.sweep(
                structures=["bitmap"], operations=["epoch"], datasets=[(name, options)],
                pages=[PAGES], dirty=[DIRTY], repeats=2, executor=executor,
            )  # fmt: skip
            assert set(table["dataset"]) == {name}


def test_the_comparison_has_it(added, monkeypatch, tmp_path, capsys):
    for name, small in {"PAGES": 4097, "DENSITIES": (0.5,), "BATCHES": (9,), "DIRTY": (9,)}.items():
        monkeypatch.setattr(peers_record, name, small)
    assert {cell.pattern for cell in peers_record.cells()} >= set(added.datasets)
    for _, _, text in added.patterns():
        command = ["compare", "--repeats", "2", "--out", str(tmp_path), "--datasets", text]
        assert cli.main(command) == 0
        records, _ = peers_report.load(tmp_path)
        assert {one["pattern"] for one in records if one["operation"] == "epoch"} == {text}
        assert text in capsys.readouterr().out


def small_study(monkeypatch):
    for name, small in {
        "PER_DECADE": 2, "ROUNDS": {"find": 3, "try": 2}, "MAP_PAGES": 10_000,
        "MAP_LENGTHS": (1, 16), "MAP_DENSITIES": (0.01, 0.1),
    }.items():  # fmt: skip
        monkeypatch.setattr(crossovers_record, name, small)


def test_the_crossover_study_has_it_and_says_that_no_line_is_drawn(
    added, pretended, monkeypatch, tmp_path, capsys
):
    small_study(monkeypatch)
    command = ["crossovers", "--pages", "10000", "--out"]
    assert cli.main([*command, str(tmp_path / "usual")]) == 0
    study = crossovers_record.load(tmp_path / "usual")
    assert set(study.rounds["pattern"]) >= {"random", *added.datasets}
    for name, _, text in added.patterns():
        assert cli.main([*command, str(tmp_path / name), "--datasets", text]) == 0
        study = crossovers_record.load(tmp_path / name)
        assert set(study.rounds["pattern"]) == {text}
        assert text in capsys.readouterr().out
        model = shipped_model()
        study = study._replace(machine=model.machine)
        drawn = curves_picture(study, pattern=text, pages=10_000, model=model)
        assert ONLY in " ".join(one.get_text() for one in drawn.figure.texts)


def test_advice_lists_every_structure_and_says_why_there_are_no_times(added, capsys):
    for name, options, text in added.patterns():
        advice = advise(10**6, 1000, name, **options)
        usual = advise(10**6, 1000)
        assert advice.pick is None
        assert {one.structure for one in advice.ranking} == {one.structure for one in usual.ranking}
        assert {one.structure: one.nbytes for one in advice.ranking} == {
            one.structure: one.nbytes for one in usual.ranking
        }
        assert ONLY in str(advice)
        command = ["advise", "--pages", "1000000", "--dirty", "1000", "--dataset", text]
        assert cli.main(command) == 0
        assert f"--datasets {text}" in capsys.readouterr().out
        assert cli.main([*command, "--json", "--period", "1s"]) == 0
        found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
        assert found["pick"] is None
        assert any(ONLY in note for note in found["notes"])


def test_a_calibration_leaves_what_has_no_closed_form_to_measurement(added, pretended):
    for name, options, _ in added.patterns():
        table = dirtylab.sweep(
            structures=["list", "bitmap"], operations=["insert", "harvest"], pages=[30_000],
            datasets=["random", (name, options)], dirty=np.geomspace(10, 9000, 12).astype(int),
            repeats=3,
        )  # fmt: skip
        alone = fit_model(table[table["dataset"] == "random"], shipped_model().machine)
        model = fit_model(table, shipped_model().machine)
        assert model.predict("list", "insert", "random", 10**6, [99]) == alone.predict(
            "list", "insert", "random", 10**6, [99]
        )
        errors = errors_on(model, cells_of(table))
        assert set(errors[errors["predicted"].isna()]["dataset"]) == {name}
        assert not errors[errors["dataset"] == "random"]["error"].isna().any()


def test_a_calibration_draws_what_declares_how_and_has_a_law(monkeypatch):
    steps = datasets.Calibrated(share=3, values={"step": (2, 5)}, large=True)

    @datasets.pattern(calibrated=steps)
    def jumps(pages: int, dirty: int, *, seed: int = 0, step: int = 2) -> np.ndarray:
        """Go up to `step` pages up or down."""
        return walk(pages, dirty, seed=seed, step=step)

    usual = calibration.design(128, seed=1)
    monkeypatch.setitem(DATASETS, "jumps", jumps)
    assert calibration.design(128, seed=1) == usual, "it has no law"

    def blocks(pages, dirty, block, *, step=2):
        return np.asarray(dirty, float)

    monkeypatch.setitem(LAWS, "jumps", Law(blocks=blocks))
    drawn = [cell for cell in calibration.design(128, seed=1) if cell.dataset == "jumps"]
    assert {cell.options for cell in drawn} == {(("step", 2),), (("step", 5),)}
    assert len(drawn) > 128 / 4
    assert any(cell.pages >= 10**7.3 for cell in drawn)
    assert {cell.dataset for cell in calibration.design(128, seed=1)} > {"jumps", "random"}


def test_it_is_recorded_and_described_like_any(added, tmp_path, capsys):
    for name, options, _ in added.patterns():
        frames = DATASETS[name](PAGES, DIRTY, seed=1, **options)
        assert describe(frames, PAGES).distinct == np.unique(frames).size
        write_trace(tmp_path / "its.npz", Trace(PAGES, (frames,), (1,), {"name": name}))
        assert cli.main(["trace", "info", str(tmp_path / "its.npz")]) == 0
        assert name in capsys.readouterr().out


# --- figures and documents ------------------------------------------------------------------------


def test_the_figures_of_patterns_draw_it(added):
    for picture in (patterns_picture(dirty=500), matrix_picture()):
        assert all(name in picture.alt for name in added.datasets)


def test_the_readme_lists_it_with_its_options(added):
    block = _readme.patterns_block()
    for name, options, _ in added.patterns():
        row = next(line for line in block.splitlines() if line.startswith(f"| `{name}` |"))
        assert all(f"`{option}`" in row for option in options)


def test_studies_of_real_dirty_pages_take_it(added):
    assert set(added.datasets) <= set(datasets.free())


# --- views ----------------------------------------------------------------------------------------


def view_of(function, **parameters):
    view = function(**parameters).view
    view.redraw = lambda: None
    return view


@pytest.mark.parametrize("axis", ["dirty", "pages"])
def test_the_crossover_explorer_offers_it_without_lines(added, axis):
    for name, options, _ in added.patterns():
        view = view_of(explore.crossovers, dataset=name, x=axis, **options)
        shown = view.draw()
        assert name in choices(view)["dataset"]
        assert set(options) <= set(choices(view))
        assert ONLY in shown.sentence
        assert ONLY in shown.note
        assert ONLY in view.picture().alt
        assert not len(view.table())
        view.change("dataset", "random")
        assert ONLY not in view.draw().sentence


def test_an_axis_that_it_does_not_have_is_refused(added):
    for name in added.datasets:
        with pytest.raises(ValueError, match=f"pattern '{name}' has no clusters; .*'clustered'"):
            view_of(explore.crossovers, dataset=name, x="length").draw()


def test_the_pattern_explorer_counts_it(added):
    for name, options, _ in added.patterns():
        view = view_of(explore.patterns, dataset=name, pages=PAGES, dirty=DIRTY, **options)
        shown = view.draw()
        assert ONLY in shown.note
        assert name in choices(view)["dataset"]
        table = view.table()
        frames = DATASETS[name](PAGES, DIRTY, **options)
        assert table.set_index("what")["counted"]["pages"] == np.unique(frames).size
        assert table["closed_form"].isna().all()
        assert view.picture().alt
        for option, values in choices(view).items():
            if option in options:
                for value in values:
                    view.change(option, value)
                    view.draw()


def choices(view):
    """Return the values that each control of a view offers."""
    return {
        one.name: getattr(one, "steps", None) or getattr(one, "words", ())
        for one in view.controls()
    }


@pytest.mark.parametrize("function", [explore.memory, explore.anatomy, explore.vcpus])
def test_other_views_are_drawn_beside_it(added, function):
    assert view_of(function).draw().png


def test_the_process_that_measures_is_sent_it(added):
    for name, options, _ in added.patterns():
        view = view_of(
            explore.crossovers, dataset=name, pages=PAGES, dirty=DIRTY, rounds=2,
            structures=("bitmap", "tree"), operation="epoch", **options,
        )  # fmt: skip
        view.act("measure")
        end = time.monotonic() + 120
        while view.progress().running and time.monotonic() < end:
            time.sleep(0.1)
        assert view.progress().message.startswith("measured ")
        assert len(view.table()) > 10
        assert view.picture().alt


# --- what theory has a law of ---------------------------------------------------------------------


def test_a_law_gives_lines_and_a_pick(added, monkeypatch):
    def blocks(pages, dirty, block, *, step=1):
        return np.minimum(np.sqrt(dirty) * step, pages) / block + 1.0

    for name, options, _ in added.patterns():
        monkeypatch.setitem(LAWS, name, Law(blocks))
        assert occupied(name, 10**6, [100, 400], 1, step=2).tolist() == [21.0, 41.0]
        assert advise(10**6, 1000, name, **options).pick
        shown = view_of(explore.crossovers, dataset=name, **options).draw()
        assert ONLY not in shown.sentence + shown.note


@pytest.mark.parametrize("name", LAWS)
def test_a_law_knows_its_patterns_options_by_the_same_defaults(name):
    law = LAWS[name]
    own = {one.name: one.default for one in options_of(law.blocks or law.count)}
    generators = {one.name: one.default for one in datasets.declared(name).options}
    for option in set(law.options) - {"frames"}:  # of a trace: what has been read
        assert own[option] == generators[option], option


def test_a_pattern_whose_option_the_law_does_not_know_is_measured_only():
    assert advise(10**6, 1000, "mailing-list").pick
    assert advise(10**6, 1000, "mailing-list", order="sequential").pick is None


# --- declarations ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DATASETS)
def test_documentation_shows_each_option_with_type_bounds_and_default(name):
    generator = DATASETS[name]
    text = " ".join(generator.__doc__.split())
    options = datasets.declared(name).options
    assert {one.name for one in options} == set(inspect.signature(generator).parameters) - {
        "pages", "dirty", "seed",
    }  # fmt: skip
    for option in options:
        assert option.meaning
        assert option.kind
        entry = " ".join(option.paragraph().split())
        assert entry in text
        assert option.usually() in entry.replace("When", "when").replace("Must", "must")
        bounds = option.in_units()
        number = option.kind in ("int", "float")
        assert not number or bounds[1:] in entry, bounds


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (0, ValueError, "step=0: must be 1 … 9"),
        (10, ValueError, "step=10: must be 1 … 9"),
        (2.0, TypeError, "step=2.0: must be an integer, not float"),
        (None, TypeError, "step=None: must be an integer"),
    ],
)
def test_what_a_pattern_declares_is_checked_before_it_draws(value, error, message, monkeypatch):
    monkeypatch.setitem(DATASETS, "walk", declared_walk)
    with pytest.raises(error, match=message):
        DATASETS["walk"](64, 5, step=value)
    with pytest.raises(error, match=message):
        explore.patterns(dataset="walk", step=value)
    with pytest.raises(error, match=message):
        advise(640, 5, "walk", step=value)


def test_no_module_keeps_a_list_of_patterns():
    names, kept = set(DATASETS), []
    for module in pkgutil.walk_packages(dirtylab.__path__, "dirtylab."):
        if module.name == "dirtylab.__main__":
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            registry = value is DATASETS or value is LAWS or name == "__all__"
            if isinstance(value, tuple | list | set | frozenset | Mapping) and not registry:
                words = {one for one in value if isinstance(one, str)}
                if len(words & names) > 2:
                    kept.append(f"{module.name}.{name}")
    assert not kept


# --- a structure ----------------------------------------------------------------------------------


@pytest.fixture
def runs(monkeypatch):
    """Register a sorted run list that grows; nothing in theory knows it."""
    monkeypatch.setitem(STRUCTURES, "runs", RunList)
    return "runs"


def test_every_list_of_structures_has_it(runs):
    assert runs in structures.tuned()
    assert runs in structures.names()
    assert runs not in structures.posted()
    assert runs in visits.shown()
    assert runs in patterns.matrix_structures()
    assert runs in cost.ours()
    assert runs in live_figures.ours()
    assert runs in replay.playable(PAGES)
    assert runs in memory_figure.lines()
    assert runs in {one.structure for one in calibration.candidates()}
    assert all(runs in part.structures for part in crossovers_record.parts((10**5, 10**8)))


@pytest.mark.parametrize("where", ["here", "elsewhere"])
def test_a_sweep_of_structures_measures_it(runs, where, tmp_path, capsys):
    sizes = ["--datasets", "random", "--pages", "4096", "--dirty", "64", "--repeats", "2"]
    if where == "here":
        assert cli.main(["sweep", *sizes, "--out", str(tmp_path)]) == 0
        assert set(pd.read_csv(tmp_path / "samples.csv")["structure"]) == {*structures.tuned()}
        assert runs in capsys.readouterr().out
        return
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=spawn) as executor:
        table = dirtylab.sweep(
            structures=["bitmap", runs], operations=["epoch"], pages=[PAGES], dirty=[DIRTY],
            repeats=2, executor=executor,
        )  # fmt: skip
    assert set(table["structure"]) == {"bitmap", runs}


def test_the_comparison_has_the_structure(runs, monkeypatch, tmp_path, capsys):
    for name, small in {"PAGES": 4097, "DENSITIES": (0.5,), "BATCHES": (9,), "DIRTY": (9,)}.items():
        monkeypatch.setattr(peers_record, name, small)
    command = ["compare", "--repeats", "2", "--out", str(tmp_path), "--datasets", "random"]
    assert cli.main(command) == 0
    assert capsys.readouterr().out.count(runs) >= 2
    records, _ = peers_report.load(tmp_path)
    for operation in ("collect", "insert", "epoch"):
        assert runs in peers_report.medians(records, operation)
    for one in records:
        one["ns"] = 1.0 if one["contestant"] == runs else 2.0
    for _ in range(2):
        assert set(peers_report.epochs(records)[peers_report.OURS]) == {runs}
        monkeypatch.delitem(STRUCTURES, runs, raising=False)  # as where it was not registered


def test_the_crossover_study_has_the_structure(runs, pretended, monkeypatch, tmp_path, capsys):
    small_study(monkeypatch)
    command = ["crossovers", "--pages", "10000", "--datasets", "random", "--out", str(tmp_path)]
    assert cli.main(command) == 0
    assert f"`{runs}`, `bitmap`" in capsys.readouterr().out
    study, model = crossovers_record.load(tmp_path), shipped_model()
    study = study._replace(machine=model.machine)
    assert runs in crossovers_record.measure_now(10_000).rounds
    monkeypatch.setattr(maps, "MAP_LENGTHS", np.array([1, 16]))
    for _ in range(2):
        assert runs in study.tuned
        found = report.all_crossovers(study)
        assert runs in {*found["one"], *found["other"]}
        assert f"`{runs}`, `bitmap`" in report.markdown(study, found, model)
        drawn = [
            crossovers.curves_picture(study, pages=10_000, model=model),
            maps.winner_map_picture(
                model, crossovers_record.MAP_PAGES, structures=study.tuned, study=study
            ),
        ]
        for picture in drawn:
            words = " ".join(one.get_text() for one in picture.figure.texts)
            assert f"No model of {runs}: measured only" in " ".join(words.split())
            assert runs in legend_of(picture)
        monkeypatch.delitem(STRUCTURES, runs, raising=False)
    found = found.assign(at=5000.0, low=4000.0, high=6000.0)
    assert runs in legend_of(crossovers.crossovers_picture(found, study.machine, "epoch"))


def legend_of(picture):
    """Return the labels of all legends of a figure."""
    kept = [*picture.figure.legends, *(ax.get_legend() for ax in picture.figure.axes)]
    return {text.get_text() for one in kept if one for text in one.get_texts()}


def test_advice_ranks_the_structure_last_and_says_measured_only(runs, capsys):
    advice = advise(10**6, 1000)
    last = advice.ranking[-1]
    assert (last.structure, last.nbytes, last.predicted) == (runs, None, False)
    assert advice.pick == advice.ranking[0].structure != runs
    assert f"note: {runs} has no closed form: {ONLY}; dirtylab sweep --structures {runs}" in str(
        advice
    )
    assert runs not in {one.other for one in advice.changes}
    command = [
        "advise",
        "--pages",
        "1000000",
        "--dirty",
        "1000",
        "--json",
        "--memory-limit",
        "2MiB",
    ]
    assert cli.main(command) == 0
    found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    row = next(one for one in found["ranking"] if one["structure"] == runs)
    assert row == {"structure": runs, "insert_ns": None, "harvest_ns": None, "nbytes": None,
                   "allowed": False, "epoch_ns": None}  # fmt: skip
    with pytest.raises(ValueError, match="no structure fits; the smallest takes"):
        advise(10**6, 1000, memory_limit=1)


def test_a_calibration_measures_the_structure_and_fits_no_law(runs, pretended, monkeypatch):
    monkeypatch.setattr(calibration, "measure", sweeping.measure)
    rows = []
    for place, cell in enumerate(calibration.design(24, seed=1)):
        taken, _ = calibration._visit(cell, True, 0)
        rows += [{**row, "held_out": place % 3 == 0} for row in taken]
    assert runs in {row["structure"] for row in rows}
    found = calibration.calibrated(pd.DataFrame(rows), shipped_model().machine)
    assert runs not in found.model.structures
    held_out = found.held_out.set_index("structure")["predicted"]
    assert held_out[runs].isna().all()
    assert held_out.drop(runs).notna().all()
    assert np.isfinite(found.model.trial.worst_regret)


def test_replays_of_recordings_have_the_structure(runs, monkeypatch, tmp_path):
    frames = np.array([3, 1, 2, 9, 1], np.uint64)
    trace = Trace(PAGES, (frames, frames[:3]), (1, 2), {"name": "its"})
    table = pd.DataFrame(replay.replay(trace, rounds=3))
    table["ns"] = np.where(table["structure"] == runs, 1, 2)
    assert replay.winners(table)["best"].tolist() == [runs]
    measured = experiments.measured()
    measured = measured._replace(replays=table)
    assert f"| {runs} |" in live_report.recordings_table(measured)
    picture = live_figures.replays_picture(measured)
    assert f"its {runs}" in picture.alt
    for _ in range(2):
        assert runs in legend_of(live_figures.replays_picture(measured))
        monkeypatch.delitem(STRUCTURES, runs, raising=False)


def test_recordings_of_before_are_told_as_before(monkeypatch):
    measured = experiments.measured()
    before = live_report.recordings_table(measured)
    monkeypatch.setitem(STRUCTURES, "runs", RunList)
    assert live_report.recordings_table(measured) == before
    assert live_figures.replays_picture(measured).alt


def test_harvests_beside_the_kernels_have_the_structure(runs):
    assert cost.harvesters()[runs] is cost.Ours
    rows = []
    for _, action in cost.harvests(rows, pages=[PAGES], dirty=[10, 20, 30, 40, 50], rounds=2):
        action()
    assert runs in {row["contestant"] for row in rows}
    measured = experiments.measured()._replace(harvests=pd.DataFrame(rows))
    assert runs in legend_of(live_figures.harvests_picture(measured))


def test_its_memory_is_weighed_without_a_law(runs):
    table = weigh(10_000, 100)
    assert set(table.index) == set(STRUCTURES)
    assert table.isna().any(axis=1).tolist() == [name == runs for name in table.index]
    assert table.loc[runs, "nbytes"] > 0
    assert structures.names()  # and theory names what has a law
    with pytest.raises(ValueError, match="structure='runs': must be one of list, bitmap, tree"):
        structure_bytes(runs, 10_000)


def test_looks_are_distinct_however_many_are_registered(runs, monkeypatch):
    for number in range(12):
        monkeypatch.setitem(STRUCTURES, f"more-{number}", RunList)
    looks = [style.look_of(name) for name in STRUCTURES]
    others = [style.look_of(name) for name in ("tree16", "tree32")]
    # A posted structure has the hue of its successor, dashed.
    drawn = {(look.color, str(look.dashes)) for look in (*looks, *others)}
    assert len(drawn) == len(looks) + 2
    assert style.SLIDER_COLOR not in {look.color for look in (*looks, *others)}
    assert len({look.marker for look in looks}) == len(looks)
    for look in looks:
        channels = np.array(style.to_rgb(look.color))
        linear = np.where(
            channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4
        )
        assert 1.05 / (linear @ [0.2126, 0.7152, 0.0722] + 0.05) >= 3, look
    for name, look in style.LOOKS.items():
        assert style.look_of(name)[1:] == look[1:]


def test_figures_of_all_structures_draw_it(runs):
    assert f"{runs} 6" in visits.visits_picture().alt  # three runs, two reads each
    assert f", {runs}, " in patterns.matrix_picture(["random"]).alt
    picture = dirty_picture()
    assert f"{runs}: {ONLY}" in picture.alt
    assert runs not in legend_of(picture)


def test_the_readme_lists_the_structure_with_what_it_declares(runs):
    row = next(
        one for one in _readme.structures_block().splitlines() if one.startswith(f"| `{runs}`")
    )
    assert RunList.__doc__ in row
    assert "each frame once, in ascending order" in row


def test_heirs_of_the_packages_own_are_structures_of_their_own(monkeypatch):
    for kind in (Bitmap, PageList, Tree64):
        monkeypatch.setitem(STRUCTURES, "heir", type("Heir", (kind,), {"name": "heir"}))
        for names in (visits.shown(), patterns.matrix_structures(), cost.ours(),
                      live_figures.ours(), memory_figure.lines()):  # fmt: skip
            assert "heir" in names
        assert f"heir: {ONLY}" in dirty_picture().alt
        assert "heir" in visits.visits_picture().alt


@pytest.mark.parametrize("function", [explore.patterns, explore.anatomy, explore.vcpus])
def test_views_without_structures_are_drawn_beside_it(runs, function):
    assert view_of(function).draw().png


def test_the_crossover_explorer_offers_and_measures_the_structure(runs):
    view = view_of(
        explore.crossovers, pages=PAGES, dirty=DIRTY, rounds=2, structures=("bitmap", runs),
        operation="epoch",
    )  # fmt: skip
    assert runs in choices(view)["structures"]
    shown = view.draw()
    assert f"No model of {runs}: {ONLY}" in shown.note
    assert set(view.table()["structure"]) == {"bitmap"}
    view.act("measure")
    end = time.monotonic() + 120
    while view.progress().running and time.monotonic() < end:
        time.sleep(0.1)
    assert view.progress().message.startswith("measured ")
    assert set(view.table()["structure"]) == {"bitmap", runs}
    assert view.picture().alt


def test_the_memory_view_says_measured_only_and_allocates_it(runs):
    view = view_of(explore.memory, pages=PAGES, dirty=DIRTY)
    assert f"No law of the memory of {runs}: {ONLY}" in view.draw().note
    assert runs not in view.table()
    view.act("allocate")
    built = RunList(PAGES)
    built.insert(DATASETS["random"](PAGES, DIRTY))
    note = view.draw().note
    assert f"{runs} {built.nbytes:,}" in note
    assert "as the formulas say" in note


def test_laws_give_it_lines_and_advice(runs, pretended, monkeypatch):
    monkeypatch.setitem(memory.MEMORY_LAWS, runs, lambda pages, **_: pages // 2)
    monkeypatch.setitem(operations.COLLECTS, runs, lambda pattern, **_: (pattern.dirty, 0, 8))
    monkeypatch.setitem(features.WORK_LAWS, runs, features.WORK_LAWS["list"])
    assert structure_bytes(runs, 1000) == 500
    assert weigh(10_000, 100).loc[runs, "computed"] == 5000
    assert operations.expected(runs, "random", 1000, [0, 3]).words.tolist() == [0, 3]
    view = view_of(explore.memory)
    assert ONLY not in view.draw().note
    assert runs in view.table()
    assert f"hybrid, {runs} and posted tree" in view.picture().alt
    assert ONLY not in dirty_picture().alt
    note = f"{runs}: not in this model: {ONLY}, until a new calibration"
    assert note in advise(10**6, 1000).notes
    table = dirtylab.sweep(
        structures=["bitmap", runs], operations=["insert", "harvest"], pages=[30_000],
        dirty=np.geomspace(10, 9000, 12).astype(int), repeats=3,
    )  # fmt: skip
    model = fit_model(table, shipped_model().machine)
    ranked = advise(10**6, 1000, model=model).ranking
    assert {one.structure: one.nbytes for one in ranked} == {"bitmap": 125_000, runs: 500_000}
    assert all(one.predicted for one in ranked)


@pytest.mark.parametrize("name", ["DENSE", "LONELY", "REBUILD", "BLOCK_PAGES", "ENTRY_BYTES",
                                  "DEFAULT_ENTRIES", "RADIX", "WORD_BITS"])  # fmt: skip
def test_what_theory_shares_with_kernels_is_equal(name):
    kernels = {
        "DENSE": bitmap.DENSE,
        "LONELY": bitmap.LONELY,
        "REBUILD": dict.fromkeys((8, 16, 32), levels.REBUILD) | {64: levels.REBUILD_WORDS},
        "BLOCK_PAGES": hybrid.BLOCK_PAGES,
        "ENTRY_BYTES": ring.ENTRY_BYTES,
        "DEFAULT_ENTRIES": ring.DEFAULT_ENTRIES,
        "RADIX": posted_tree.RADIX,
        "WORD_BITS": _words.WORD_BITS,
    }
    found = {module: getattr(module, name) for module in (memory, operations, features)
             if hasattr(module, name)}  # fmt: skip
    assert found
    for value in found.values():
        by_radix = name == "REBUILD" and {radix: value.get(radix, 1) for radix in tree.RADICES}
        assert (by_radix or value) == kernels[name]


def test_theory_and_structures_name_the_same_trees():
    assert tuple(memory.TREES.values()) == tree.RADICES
    assert {name for name in memory.TREES if name in STRUCTURES} == {"tree8", "tree64"}


def test_more_structures_than_are_drawn_are_refused(monkeypatch):
    many = [f"more-{number}" for number in range(17)]
    for name in many:
        monkeypatch.setitem(STRUCTURES, name, RunList)
    assert view_of(explore.crossovers, structures=tuple(many[:16])).draw().png
    with pytest.raises(ValueError, match="structures: 17 are ticked; at most 16 are drawn"):
        explore.crossovers(structures=tuple(many)).view.content()


def test_no_module_keeps_a_list_of_structures():
    laws = [memory.MEMORY_LAWS, operations.COLLECTS, features.WORK_LAWS]
    registries = [STRUCTURES, style.LOOKS, *laws]
    own = ("lockless", "verify", "mailing_list", "vcpu")  # other registries, or three of 2016
    kept = []
    for module in pkgutil.walk_packages(dirtylab.__path__, "dirtylab."):
        if module.name == "dirtylab.__main__" or any(one in module.name for one in own):
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, tuple | list | set | frozenset | Mapping) and name != "__all__":
                words = {one for one in value if isinstance(one, str)}
                if len(words & {*STRUCTURES}) > 2 and not any(value is one for one in registries):
                    kept.append(f"{module.name}.{name}")
    assert not kept
