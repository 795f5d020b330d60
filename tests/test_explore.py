"""The explorers without a browser: what states, lines, sentences and widgets do."""

import dataclasses
import json
import re
import threading
import time
from contextlib import nullcontext
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dirtylab import DATASETS, STRUCTURES, explore
from dirtylab._format import share_text
from dirtylab.advice.model import Model
from dirtylab.explore.kit import kernel_loop, slider_steps, widget
from dirtylab.explore.kit.canvas import png_of
from dirtylab.explore.kit.controls import Action, Choice, Pad, Several, Slider
from dirtylab.explore.kit.export import export
from dirtylab.explore.kit.kernel_loop import Coalesced
from dirtylab.explore.process.mail_job import MailJob
from dirtylab.explore.process.messages import Event
from dirtylab.explore.process.worker_client import Worker
from dirtylab.explore.views import (
    cheapest,
    dataset_controls,
    measured_cells,
    model_curves,
    resources,
)
from dirtylab.explore.views.anatomy import AnatomyState, AnatomyView
from dirtylab.explore.views.crossover_text import interval_label
from dirtylab.explore.views.crossovers import CrossoverState, CrossoverView
from dirtylab.explore.views.mailing_list import MailView
from dirtylab.explore.views.memory import BUILT, MemoryState, MemoryView
from dirtylab.explore.views.memory import content_of as memory_of
from dirtylab.explore.views.pattern_figure import page_map
from dirtylab.explore.views.patterns import PatternState
from dirtylab.explore.views.patterns import content_of as pattern_of
from dirtylab.explore.views.small_example import small_example
from dirtylab.structures import Tree
from dirtylab.studies.mailing_list.runs import CAREFUL
from dirtylab.theory.cost_fit import Error, Law

MACHINE = {
    "cpu": "a made-up CPU", "cores": 2, "memory_gib": 8.0, "virtual_machine": False,
    "caches": {}, "system": "Linux", "python": "3.11", "packages": {"numpy": "2", "numba": "0"},
    "dirtylab": "0", "git_revision": None, "date": "2026-01-01",
}  # fmt: skip
SMALL_ERROR = Error(0.05, 0.2)


class FakeWorker:
    """Measures nothing: gives made-up times, a cell at each :meth:`step`."""

    def __init__(self):
        self.jobs, self.closed = [], False
        self._tell, self._cells = None, None

    def measure(self, job, on_event):
        self.jobs.append(job)
        self._tell, self._cells = on_event, iter(enumerate(getattr(job, "cells", ())))
        on_event(Event("progress", 0, 1, message="measuring …"))

    def step(self):
        """Give one cell, or the end; return whether there was one."""
        job, found = self.jobs[-1], next(self._cells, None)
        if found is None:
            self._tell(Event("done", len(job.cells), len(job.cells)))
            return False
        index, cell = found
        rows = [
            (name, self.ns(name, cell.dirty) * (1 + 0.01 * number))
            for number in range(job.rounds) for name, _ in job.structures
        ]  # fmt: skip
        self._tell(Event("cell", index + 1, len(job.cells), index, tuple(rows)))
        return True

    @staticmethod
    def ns(structure, dirty):
        """The list meets all others at 10,000 dirty frames."""
        return {"list": 10.0 * dirty}.get(structure, 100_000.0)

    def finish(self):
        while self.step():
            pass

    def cancel(self):
        self._tell(Event("cancelled", 1, len(self.jobs[-1].cells), message="cancelled: 1 kept"))

    def close(self):
        self.closed = True


def law(**coefficients):
    return Law(coefficients, SMALL_ERROR, SMALL_ERROR, 100)


@pytest.fixture
def model():
    """Return a model whose list meets bitmap and tree where a test can tell."""
    coefficients = {
        "list": {"frames": 10.0}, "bitmap": {"words": 1.0},
        "tree64": {"leaves": 20.0, "call": 50.0}, "tree8": {"leaves": 30.0, "call": 50.0},
    }  # fmt: skip
    laws = {
        (name, operation): law(**each)
        for name, each in coefficients.items() for operation in ("insert", "collect", "harvest")
    }  # fmt: skip
    for name in ("bitmap", "tree64", "tree8"):
        laws[name, "insert"] = law(frames=1.0)
    return Model(laws, MACHINE)


@pytest.fixture
def worker(monkeypatch):
    made = FakeWorker()
    monkeypatch.setattr(resources, "worker", lambda: made)
    return made


@pytest.fixture
def crossovers(model, worker, monkeypatch):
    """Return a function that makes the view with the made-up model and worker."""
    monkeypatch.setattr(resources, "model", lambda cache: model)
    return lambda **parameters: explore.crossovers(**parameters)


def state_of(kind, **parameters):
    """Return a state: the defaults of the function that shows it, and what differs."""
    shows = {
        AnatomyState: explore.anatomy, CrossoverState: explore.crossovers,
        MemoryState: explore.memory, PatternState: explore.patterns,
    }  # fmt: skip
    return kind(**{**shows[kind].__kwdefaults__, **parameters})


def view_of(model, worker, **parameters):
    given = {"pages": 10_000_000, **parameters}
    state, usual = state_of(CrossoverState, **given), state_of(CrossoverState)
    return CrossoverView(state, usual, lambda cache: model, lambda: worker)


def anatomy_of(**parameters):
    return AnatomyView(state_of(AnatomyState, **parameters), state_of(AnatomyState))


SIMPLE = {
    "memory": explore.memory,
    "anatomy": explore.anatomy,
    "patterns": explore.patterns,
    "mailing_list": explore.mailing_list,
}


@pytest.fixture(params=["crossovers", *SIMPLE])
def shown(request, crossovers):
    """Return each view in its frame."""
    return crossovers() if request.param == "crossovers" else SIMPLE[request.param]()


# --- every view alike -----------------------------------------------------------------------------


def test_every_view_tells_its_finding_at_once(shown):
    drawn = shown.view.draw()
    assert drawn.png.startswith(b"\x89PNG")
    assert len(drawn.alt) > 100
    assert any(digit in drawn.sentence for digit in "0123456789")
    assert drawn.sentence in shown._shown.value.replace("&#x27;", "'")
    assert f'alt="{drawn.alt[:20]}' in shown._shown.value


def test_every_slider_has_a_label_and_a_unit(shown):
    unitless = {"seed", "exponent", "run"}
    for control in shown.view.controls():
        assert control.label
        if isinstance(control, Slider) and control.name not in unitless:
            text = control.shown(control.value)
            assert any(letter.isalpha() or letter == "%" for letter in text), (control.name, text)


def test_every_control_can_be_set_to_everything_it_offers(shown):
    view = shown.view
    for control in view.controls():
        if isinstance(control, Slider | Choice):
            for value in getattr(control, "steps", None) or control.words:
                view.change(control.name, value)
                try:
                    view.draw()
                except (ValueError, IndexError) as error:
                    assert "must be" in str(error) or "choose" in str(error), error  # noqa: PT017
        view.reset()


def test_reset_goes_back_to_the_usual_state(shown):
    view = shown.view
    usual = view.state
    slider = next(c for c in view.controls() if isinstance(c, Slider))
    following = (slider.steps.index(slider.value) + 1) % len(slider.steps)
    shown.panel.widgets[slider.name].index = following
    assert view.state != usual
    before = shown._shown.value
    shown._reset()
    assert view.state == usual
    assert shown.panel.widgets[slider.name].value == slider.value
    assert shown._shown.value != before


def test_the_line_of_python_recreates_the_state(shown, crossovers):
    import dirtylab

    view = shown.view
    for control in view.controls():
        if isinstance(control, Slider) and control.name in {
            "pages", "radix", "run", "seed", "step", "entry",
        }:  # fmt: skip
            view.change(control.name, control.steps[0])
    again = eval(view.line, {"dirtylab": dirtylab})
    assert again.view.state == view.state
    assert view.line != f"dirtylab.explore.{view.function}()"


def test_a_view_writes_csv_pictures_and_provenance(shown, tmp_path):
    first = export(shown.view, tmp_path)
    assert [file.suffix for file in first] == [".csv", ".json", ".png", ".svg", ".pdf"]
    assert all(file.stat().st_size > 50 for file in first)
    facts = json.loads(first[1].read_text())
    assert facts["call"] == shown.view.line
    assert "cpu" in facts["drawn on"]
    second = export(shown.view, tmp_path)
    assert not set(first) & set(second)


def test_a_view_goes_along_as_a_picture_for_pages_without_a_kernel(shown):
    bundle = shown._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert "application/vnd.jupyter.widget-view+json" in data
    assert data["text/html"].startswith('<figure><img alt="')
    assert len(data["image/png"]) > 1000


def test_no_text_of_a_figure_overlaps_another_or_leaves_it(shown):
    figure = shown.view.picture().figure
    found = list(boxes(figure))
    assert len(found) > 8
    width, height = figure.bbox.size
    for text, box in found:
        inside = box.x0 > -1 and box.y0 > -1 and box.x1 < width + 1 and box.y1 < height + 1
        assert inside, text.get_text()
    for (one, box), (other, its) in combinations(found, 2):
        apart = box.x1 <= its.x0 + 1 or its.x1 <= box.x0 + 1 \
            or box.y1 <= its.y0 + 1 or its.y1 <= box.y0 + 1  # fmt: skip
        assert apart, (one.get_text(), other.get_text())


def boxes(figure):
    """Yield each text that is drawn, and its place."""
    renderer = figure.canvas.get_renderer()
    figure.draw(renderer)
    for ax in figure.axes:
        texts = [*ax.texts, ax._left_title]
        if ax.axison:
            texts += [ax.xaxis.label, ax.yaxis.label]
            for axis in (ax.xaxis, ax.yaxis):
                low, high = sorted(axis.get_view_interval())
                texts += [tick.label1 for tick in axis.get_major_ticks()
                          if low <= tick.get_loc() <= high]  # fmt: skip
        for text in [*texts, *(ax.get_legend().get_texts() if ax.get_legend() else [])]:
            if text.get_visible() and text.get_text():
                yield text, text.get_window_extent(renderer)
    for text in figure.texts:
        yield text, text.get_window_extent(renderer)


def test_what_goes_wrong_is_said_and_the_view_lives(shown, monkeypatch):
    def broken():
        raise ZeroDivisionError("oh dear")

    with monkeypatch.context() as patch:
        patch.setattr(shown.view, "draw", broken)
        shown._draw()
    assert "ZeroDivisionError: oh dear" in shown._message.value
    assert "opacity" in shown._shown.value
    shown._draw()
    assert "oh dear" not in shown._message.value
    assert "opacity:.25" not in shown._shown.value


def test_a_control_that_the_view_moves_is_moved_on_the_page(shown):
    slider = next(c for c in shown.view.controls() if isinstance(c, Slider))
    other = slider.steps[0] if slider.value != slider.steps[0] else slider.steps[1]
    shown.view.change(slider.name, other)
    shown._draw()
    assert shown.panel.widgets[slider.name].value == other


def test_the_numbers_are_a_table(shown):
    assert len(shown.view.table()) >= 3
    assert "<table" in shown._table.value


# --- the crossover explorer -----------------------------------------------------------------------


def test_the_crossover_is_where_the_prices_put_it(model, worker):
    """List: 10 ns a frame; bitmap: 1 ns a word of 156,250: they meet at 15,625 frames."""
    view = view_of(model, worker, structures=("list", "bitmap"))
    drawn = view.content()
    assert [one.winner for one in drawn.regions] == ["list", "bitmap"]
    assert drawn.crossovers[0].at == pytest.approx(15_625, rel=1e-3)
    assert drawn.crossovers[0].low < 15_625 < drawn.crossovers[0].high
    assert "list beats bitmap below 0.16 % dirty" in view.draw().sentence


@pytest.mark.parametrize(
    ("axis", "low", "high", "words"),
    [
        ("dirty", 8.9e5, 1.01e6, "8.9–10.1 %"),
        ("dirty", 0.0, 1e6, "…–10 %"),
        ("pages", 1e6, 1e7, "3.81–38.1 GiB"),
        ("pages", 1e5, 1e7, "391 MiB–38.1 GiB"),
        ("length", 3.0, float("inf"), "3–…"),
    ],
)
def test_an_interval_names_its_unit_once(model, worker, axis, low, high, words):
    view = view_of(model, worker, dataset="clustered", x=axis)
    assert interval_label(view.content(), low, high) == words


def test_lines_are_the_models_own(model, worker):
    setting = model_curves.Setting("clustered", (("length", 64),), 10**6, 1000, None, "dirty")
    found = model_curves.curves(model, ("list", "tree64"), "epoch", setting)
    for name in ("list", "tree64"):
        own = model.predict(name, "epoch", "clustered", 10**6, found.x, length=64)
        np.testing.assert_allclose(found.ns[name], own)


@pytest.mark.parametrize("dataset", [name for name in DATASETS if name != "trace"])
@pytest.mark.parametrize("axis", ["dirty", "pages"])
def test_every_pattern_has_lines_along_every_axis(model, dataset, axis):
    setting = model_curves.Setting(dataset, (), 10**6, 1000, None, axis)
    found = model_curves.curves(model, ("list", "bitmap", "tree8"), "collect", setting)
    assert found.x.size > 10
    assert all(np.isfinite(ns).all() and (ns > 0).all() for ns in found.ns.values())
    assert (np.diff(found.x) > 0).all()


def test_blocks_of_a_strided_pattern_are_counted_exactly():
    from dirtylab.theory.occupancy import occupied

    dirty = np.array([10.0, 1e3, 1e5, 1e6, 9e6, 1e7])
    for block in (1, 64, 512, 8**6):
        drawn = model_curves.CachedPattern("strided", 10**7, dirty, {"stride": 63}).occupied(block)
        np.testing.assert_array_equal(drawn, occupied("strided", 10**7, dirty, block, stride=63))


def test_a_stretch_that_hardly_differs_is_none_of_its_own():
    x = np.geomspace(1, 1e6, 61)
    curves = model_curves.Curves(
        x, x, x, {"a": x, "b": np.full_like(x, 1000.0), "c": 0.97 * x + 20}
    )
    assert [one.winner for one in cheapest.regions(curves)] == ["a", "c", "b"]
    kept = cheapest.regions(curves, tie=0.1)
    assert [one.winner for one in kept] == ["a", "b"]
    assert kept[0].end == pytest.approx(1000, rel=0.05)


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=30), st.floats(0, 1))
def test_stretches_cover_the_axis_once(heights, tie):
    x = np.geomspace(1, 1e4, len(heights))
    curves = model_curves.Curves(x, x, x, {"a": np.ones_like(x), "b": np.exp(heights)})
    found = cheapest.regions(curves, tie)
    assert found[0].begin == x[0]
    assert found[-1].end == x[-1]
    for before, after in pairwise(found):
        assert before.end == after.begin
        assert before.winner != after.winner


def test_a_slider_that_contradicts_another_goes_as_far_as_it_can_and_says_so(crossovers):
    shown = crossovers(dataset="clustered", pages=1_000_000)
    shown.panel.widgets["length"].value = 4096
    shown.panel.widgets["clusters"].value = 1000
    assert shown.view.state.options == (("clusters", 200), ("length", 4096))
    assert "clusters goes to 200" in shown._shown.value
    assert shown.panel.widgets["clusters"].value == 200
    assert "alert" not in shown._message.value
    shown.panel.widgets["clusters"].value = 100
    assert "goes to" not in shown._shown.value


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"pages": 1}, "pages=1: must be 2"),
        ({"radix": 7}, "radix=7: must be one of 8, 16, 32, 64"),
        ({"structures": ("lisst",)}, "structures='lisst'"),
        ({"operation": "sing"}, "operation='sing'"),
        ({"x": "y"}, "x='y'"),
        ({"dataset": "rand"}, "dataset='rand'"),
        ({"stride": 3}, "stride: unknown option of random"),
        ({"density": 2.0}, "density=2.0: must be"),
        ({"dirty": 0}, "dirty=0"),
    ],
)
def test_a_parameter_out_of_range_is_named(crossovers, parameters, words):
    with pytest.raises((ValueError, TypeError)) as caught:
        crossovers(**parameters)
    assert words in str(caught.value)


def test_dirty_frames_follow_a_smaller_slot_and_stay_within_it(crossovers):
    shown = crossovers(dataset="clustered", pages=4096, dirty=1000)
    shown.panel.widgets["dirty"].value = 10_000
    assert shown.view.state.dirty == 4096
    assert "dirty goes to 4.1 k frames" in shown._shown.value
    shown.panel.widgets["pages"].value = 1024
    assert shown.view.state.dirty == 1024
    assert "Dirty frames follow" in shown._shown.value
    assert not shown._message.value


@pytest.mark.parametrize("dataset", ["zipf", "hotset", "phases"])
def test_patterns_with_repeats_take_more_writes_than_pages(crossovers, dataset):
    shown = crossovers(dataset=dataset, pages=4096, dirty=1000)
    shown.panel.widgets["dirty"].value = 10_000
    assert shown.view.state.dirty == 10_000
    assert not shown._message.value
    assert not shown.view.said
    assert "At 10 k frames" in shown._shown.value
    shown.panel.widgets["measure"].click()
    assert shown.view.progress().running


def test_an_axis_of_clusters_wants_clusters(crossovers):
    shown = crossovers(x="length")
    assert "clustered" in shown._message.value
    shown.panel.widgets["dataset"].value = "clustered"
    assert "alert" not in shown._message.value
    assert "pages a cluster" in shown._shown.value


def test_frames_become_a_density_and_back(model, worker):
    view = view_of(model, worker)
    view.change("given", "density")
    assert view.state.density == 0.01
    view.change("density", 0.1)
    view.change("given", "frames")
    assert (view.state.density, view.state.dirty) == (None, 1_000_000)


def test_measuring_lays_markers_over_the_lines_and_says_where_they_meet(model, worker):
    view = view_of(model, worker, structures=("list", "tree"))
    view.act("measure")
    assert view.progress().running
    job = worker.jobs[0]
    assert job.structures == (("list", {}), ("tree", {"radix": 64}))
    assert (job.operation, job.rounds) == ("collect", 7)
    worker.finish()
    assert not view.progress().running
    assert "measured" in view.progress().message
    drawn = view.content()
    assert set(drawn.points) == {"list", "tree64"}
    assert drawn.current
    assert drawn.measured[0].at == pytest.approx(10_000, rel=0.05)
    assert drawn.measured[0].low < 10_000 < drawn.measured[0].high
    told = view.draw().sentence
    assert "Measured: list beats tree, radix 64 below 0.1 % dirty (95 %:" in told
    kinds = set(view.table()["kind"])
    assert kinds == {"model", "measured"}


def test_markers_of_other_sliders_are_faint_and_come_back(model, worker):
    view = view_of(model, worker, structures=("list", "tree"))
    view.act("measure")
    worker.finish()
    view.change("pages", 5_000_000)
    drawn = view.content()
    assert drawn.points
    assert not drawn.current
    assert not drawn.measured
    view.change("pages", 10_000_000)
    assert view.content().current


def test_the_slider_of_the_axis_itself_leaves_markers_valid(model, worker):
    view = view_of(model, worker, structures=("list", "tree"))
    view.act("measure")
    worker.finish()
    view.change("dirty", 50_000)
    assert view.content().current


def test_cancel_keeps_what_has_come_in(model, worker):
    view = view_of(model, worker, structures=("list", "tree"))
    view.act("measure")
    worker.step()
    view.act("cancel")
    assert not view.progress().running
    assert "kept" in view.progress().message
    drawn = view.content()
    assert len(drawn.points["list"][0]) == 1
    view.draw()


def test_a_second_measurement_waits_for_the_first(crossovers, worker):
    shown = crossovers()
    shown.panel.widgets["measure"].click()
    assert shown.panel.widgets["measure"].disabled
    assert not shown.panel.widgets["cancel"].disabled
    assert shown._bar.layout.visibility == "visible"
    with pytest.raises(ValueError, match="is running"):
        shown.view.act("measure")
    worker.finish()
    assert not shown.panel.widgets["measure"].disabled
    assert shown._bar.layout.visibility == "hidden"


def test_a_worker_that_died_is_reported_and_the_view_lives(crossovers, worker):
    shown = crossovers()
    shown.panel.widgets["measure"].click()
    worker._tell(Event("failed", 0, 13, message="the worker ended; it starts again"))
    assert "not measured: the worker ended" in shown._message.value
    shown.panel.widgets["measure"].click()
    worker.finish()
    assert "alert" not in shown._message.value


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError("too many open files"), RuntimeError])
def test_whatever_ends_a_start_leaves_the_view_idle_and_says_why(crossovers, worker, error):
    def broken(job, on_event):
        on_event(Event("progress", 0, 1, message="starting …"))
        raise error

    shown = crossovers()
    start, worker.measure = worker.measure, broken
    worker.cancel = lambda: None
    with pytest.raises(KeyboardInterrupt) if error is KeyboardInterrupt else nullcontext():
        shown.panel.widgets["measure"].click()
    assert not shown.view.progress().running
    assert 'role="alert"' in shown._message.value
    words = {KeyboardInterrupt: "interrupted", RuntimeError: "RuntimeError"}
    assert f"not measured: {words.get(error, error)}" in shown.view.progress().message
    assert not shown.panel.widgets["measure"].disabled
    worker.measure = start
    shown.panel.widgets["measure"].click()
    worker.finish()
    assert "alert" not in shown._message.value
    assert shown.view.content().current


def test_a_failure_is_shown_as_an_alert_until_the_next_measurement_or_reset(crossovers, worker):
    shown = crossovers()
    shown.panel.widgets["measure"].click()
    worker._tell(Event("failed", 0, 13, message="the worker ended"))
    shown.panel.widgets["dirty"].index = 3
    assert 'role="alert"' in shown._message.value
    assert "the worker ended" in shown._message.value
    shown._reset()
    assert shown._message.value == ""


def test_reset_says_nothing_of_an_earlier_measurement(crossovers, worker):
    shown = crossovers()
    shown.panel.widgets["measure"].click()
    worker.finish()
    assert "measured" in shown._message.value
    shown._reset()
    assert shown._message.value == ""
    assert shown.view.content().current, "the points are kept"


def test_a_measurement_too_large_for_the_machine_is_refused_in_a_line(crossovers, worker):
    shown = crossovers(pages=2**34, dirty=1000, structures=("list", "posted-list"))
    shown.panel.widgets["measure"].click()
    assert "GiB" in shown._message.value
    assert not worker.jobs
    assert not shown.view.progress().running


def test_a_late_event_of_a_cancelled_job_changes_nothing(model, worker):
    view = view_of(model, worker, structures=("list", "tree"))
    view.act("measure")
    late = worker._tell
    view.act("cancel")
    view.act("measure")
    late(Event("cell", 1, 13, 0, (("list", 1.0),)))
    assert view._session.latest is None


@pytest.mark.parametrize("axis", ["dirty", "pages", "length"])
def test_cells_lie_on_the_axis_and_can_be_drawn(axis):
    setting = model_curves.Setting("clustered", (), 1_000_000, 2_000, None, axis)
    x, wanted = measured_cells.measured_cells(setting, [3000.0])
    assert 5 <= len(x) == len(wanted) <= 2 * measured_cells.POINTS
    assert x == sorted(set(x))
    for place, cell in zip(x, wanted, strict=True):
        if axis == "dirty":
            assert cell.dirty == place
        elif axis == "pages":
            assert cell.pages == place
        else:
            assert dict(cell.options)["length"] == place
        drawn = DATASETS[cell.dataset](cell.pages, cell.dirty, **dict(cell.options))
        assert drawn.size == cell.dirty


def test_points_are_dense_near_the_crossover():
    setting = model_curves.Setting("random", (), 10**7, 1000, None, "dirty")
    x, _ = measured_cells.measured_cells(setting, [20_000.0])
    near = [one for one in x if 20_000 / 7 < one < 20_000 * 7]
    assert len(near) >= 6


# --- patterns and their options -------------------------------------------------------------------


@pytest.mark.parametrize("dataset", [name for name in DATASETS if name != "trace"])
def test_every_step_of_every_option_is_one_that_the_generator_takes(dataset):
    options = {}
    for control in dataset_controls.controls(dataset, ()):
        values = control.steps if isinstance(control, Slider) else control.words
        for value in values:
            given = dataset_controls.changed(dataset, (), control.name, value)
            try:
                dataset_controls.refuse(dataset, 100_000, 50, given)
            except ValueError:
                continue
            wanted = dataset_controls.tracked(dataset, given)
            assert DATASETS[wanted.generator](100_000, 50, **wanted.options).size == 50
            again = dataset_controls.controls(dataset, given)
            now = next(one for one in again if one.name == control.name)
            assert now.value == value
        options[control.name] = values
    usual = DATASETS[dataset](100_000, 50)
    np.testing.assert_array_equal(usual, DATASETS[dataset](100_000, 50, **dataset_controls.tracked(
        dataset, ()).options))  # fmt: skip


def test_there_may_be_no_traces(monkeypatch):
    monkeypatch.setattr(dataset_controls, "recordings", list)
    assert dataset_controls.traces() == ()
    assert "random" in dataset_controls.names()


def test_a_recorded_trace_is_a_pattern_like_any(model, worker):
    name = "trace: sqlite"
    assert name in dataset_controls.names()
    view = view_of(model, worker, dataset=name, pages=100_000, dirty=600)
    assert name in view.draw().alt
    numbers = np.array([1.0, 30.0, 5000.0, 20_000.0])
    theory = dataset_controls.tracked(name, ()).theory
    pattern = model_curves.CachedPattern("trace", 100_000, numbers, theory)
    for block in (1, 64, 512):
        for number, counted in zip(numbers, pattern.occupied(block), strict=True):
            frames = DATASETS["trace"](100_000, int(number), path="sqlite", fit="tile")
            assert counted == len({int(frame) // block for frame in frames})
    view.act("measure")
    assert {cell.dataset for cell in worker.jobs[0].cells} == {"trace"}
    assert explore.patterns(dataset=name).view.draw().png


def test_the_pattern_explorer_counts_what_the_frames_touch():
    found = pattern_of(state_of(PatternState, dataset="random", pages=4096, dirty=500, seed=3))
    frames = set(DATASETS["random"](4096, 500, seed=3).tolist())
    counted = found.counted
    assert counted["pages"] == len(frames)
    assert counted["words"] == len({frame // 64 for frame in frames})
    assert counted["lines"] == len({frame // 512 for frame in frames})
    made = Tree(4096, radix=8)
    made.insert(list(frames))
    assert counted["nodes8"] == made.operations().nodes
    for name, expected in found.expected.items():
        assert expected == pytest.approx(counted[name], rel=0.1)


@pytest.mark.parametrize("pages", [1, 63, 64, 4097, 128 * 128, 128 * 128 + 1, 10**6])
def test_the_page_map_holds_every_dirty_page_once(pages):
    frames = np.unique(np.linspace(0, pages - 1, 500).astype(np.uint64))
    image = page_map(np.concatenate([frames, frames]), pages)
    cells = min(128 * 128, pages)
    assert image.sum() * pages / cells == pytest.approx(frames.size)
    assert image.ravel()[cells - 1] > 0


# --- memory and anatomy ---------------------------------------------------------------------------


@given(st.integers(9, 10**6), st.sampled_from(BUILT), st.sampled_from([4, 8, 16]))
def test_the_memory_explorer_states_what_structures_allocate(pages, radix, entry):
    facts = memory_of(state_of(MemoryState, pages=pages, dirty=1, radix=radix, entry=entry))
    assert facts.nbytes["bitmap"] == STRUCTURES["bitmap"](pages).nbytes
    assert facts.nbytes["tree"] == Tree(pages, radix=radix).nbytes
    assert facts.nbytes["hybrid"] == STRUCTURES["hybrid"](pages).nbytes
    assert facts.nbytes["posted-tree"] == STRUCTURES["posted-tree"](pages, as_posted=True).nbytes
    assert entry * facts.meets_bitmap == pytest.approx(facts.nbytes["bitmap"])


def test_allocate_says_that_the_formulas_hold():
    view = MemoryView(state_of(MemoryState), state_of(MemoryState))
    view.act("allocate")
    assert "as the formulas say" in view.draw().note


def test_allocating_more_than_there_is_is_refused(monkeypatch):
    shown = explore.memory(pages=2**34)
    monkeypatch.setattr("dirtylab._check.physical_memory", lambda: 2**30)
    shown.panel.widgets["allocate"].click()
    assert "needs" in shown._message.value
    assert "1.0 GiB" in shown._message.value


FRAMES = st.lists(st.integers(0, 63), max_size=32)


@given(FRAMES, st.sampled_from([2, 4, 8]))
def test_the_small_example_reads_what_the_real_walk_would(frames, radix):
    made = small_example(64, radix, 8, frames)
    assert np.flatnonzero(made.levels[0]).tolist() == sorted(set(frames))
    nodes = {(level, frame // radix ** (level + 1)) for frame in frames
             for level in range(len(made.levels))}  # fmt: skip
    visits = made.harvest().nodes
    assert {tuple(visit) for visit in visits} == nodes
    assert len(visits) == len(nodes)
    if radix == 8:
        real = Tree(64, radix=8)
        real.insert(frames)
        assert real.operations().nodes == len(nodes)


@given(FRAMES, st.integers(0, 40), st.sampled_from(["insert", "harvest"]))
def test_steps_are_counted_up_to_what_is_needed(frames, step, operation):
    state = anatomy_of(frames=tuple(frames), step=step, operation=operation).state
    for one in state.counts:
        assert one.done == min(step, one.needed)
    assert state.steps == max(one.needed for one in state.counts)


@given(FRAMES.filter(bool), st.sampled_from([2, 4, 8]))
def test_an_insert_writes_level_by_level_what_tells_the_trees_apart(frames, radix):
    before, after = (small_example(64, radix, 8, some) for some in (frames[:-1], frames))
    written = after.last_insert().nodes
    changed = sum(
        bool((old != new).any()) for old, new in zip(before.levels, after.levels, strict=True)
    )
    assert len(written) == max(changed, 1)
    for step in range(len(written) + 1):
        made = after.part_way(step)
        for level, bits in enumerate(made.levels):
            wanted = after if level < step else before
            assert bits.tolist() == wanted.levels[level].tolist()
        assert made.entries == (after if step else before).entries


@pytest.mark.parametrize("pages", [24, 64])
@pytest.mark.parametrize("radix", [2, 8])
def test_the_levels_that_an_insert_writes_are_those_of_random_frames(pages, radix):
    rng = np.random.default_rng(1)
    shape = {"pages": pages, "radix": radix, "frames": (0,)}
    state = state_of(AnatomyState, **shape, step=0, operation="insert")
    made = [
        dataclasses.replace(state, frames=tuple(map(int, rng.integers(0, pages, 5)))).counts[2]
        for _ in range(600)
    ]
    needed = np.array([one.needed for one in made], float)
    assert {one.expected for one in made} == {made[0].expected}
    assert abs(needed.mean() - made[0].expected) < 4 * needed.std() / 600**0.5


def test_what_plays_goes_on_to_the_end_and_stops_when_touched():
    view = anatomy_of(operation="insert", frames=(1, 40), step=0, radix=2)
    view.act("insert")
    assert view.plays
    while view.plays:
        before = view.state.step
        view.tick()
        assert view.state.step == before + 1
    assert view.state.step == view.state.steps > 1
    view.act("play")
    assert (view.state.step, view.plays) == (0, True)
    view.change("step", 1)
    assert not view.plays
    view.change("operation", "harvest")
    assert view.state.step == 0
    with pytest.raises(ValueError, match=r"operation='erase'.*insert, harvest"):
        anatomy_of(operation="erase")


def test_a_view_that_plays_on_a_page_draws_each_step(monkeypatch):
    shown = explore.anatomy(step=0)
    seen = []
    draw = shown.view.draw
    monkeypatch.setattr(shown.view, "draw", lambda: seen.append(shown.view.state.step) or draw())
    shown.panel.widgets["play"].click()
    assert sorted(set(seen)) == list(range(shown.view.state.steps + 1))


def test_frames_are_inserted_by_pad_and_by_button():
    view = anatomy_of(frames=(), step=0)
    view.change("pad", (3, 9))
    view.change("frame", 3)
    view.act("insert")
    assert view.state.frames == (3, 9, 3)
    view.change("pad", (9,))
    assert view.state.frames == (9,)
    view.act("next")
    assert view.state.step == 1
    view.act("clear")
    assert view.state.frames == ()
    assert "Nothing is dirty" in view.draw().sentence


def test_a_full_list_says_so():
    shown = explore.anatomy(frames=tuple(range(32)))
    shown.panel.widgets["pad 40"].value = True
    assert "at most 32" in shown._message.value


def test_a_smaller_slot_drops_the_frames_outside():
    view = anatomy_of(frames=(1, 60), frame=63)
    view.change("pages", 32)
    assert view.state.frames == (1,)
    assert view.state.frame == 31
    view.draw()


# --- the nine runs --------------------------------------------------------------------------------


def test_a_run_again_stands_beside_the_recorded_one(worker):
    view = explore.mailing_list(run=1).view
    recorded = view.content().samples_index
    fake = MailView(view.state, view.usual, view._study, lambda: worker)
    fake.act("measure")
    names = ("posted-list", "posted-tree", "posted-bitmap")
    values = dict(zip(names, (5.0, 7.0, 14.0), strict=True))
    rows = tuple(
        (f"{method}/{name}", ns)
        for method in ("as posted", "careful")
        for name, ns in values.items()
    )
    assert "here, carefully" not in set(fake.table()["method"])
    for _ in range(7):
        worker._tell(Event("cell", 1, 9, 0, rows))
    row, other = recorded.rows[:2]
    content = fake.content()
    assert content.again.median(CAREFUL, row, "posted-tree") == 7.0
    assert not content.again.has(CAREFUL, other)
    assert content.samples_index is recorded
    shown = fake.draw()
    assert "Run again here (run 1)" in shown.note
    assert re.search(
        r"as recorded and 2\.00 \(2\.00 … 2\.00\) here: the tree beats", shown.sentence
    )
    table = fake.table()
    here = table[table["method"] == "here, carefully"]
    assert set(here["run"]) == {1}
    assert set(here["ns"]) == set(values.values())


def test_a_run_is_measured_again_in_a_process_of_its_own():
    told, over = [], threading.Event()

    def hear(event):
        told.append(event)
        if event.kind in ("done", "failed", "cancelled"):
            over.set()

    again = Worker()
    again.measure(MailJob(1, 2), hear)
    assert over.wait(60)
    again.close()
    assert told[-1].kind == "done", told[-1]
    methods = {key.partition("/")[0] for event in told for key, _ in event.rows}
    assert methods == {"as posted", "careful"}
    assert sum(len(event.rows) for event in told) == 9


def test_a_run_is_cancelled_at_once():
    runner, over, told = Worker(), threading.Event(), []

    def hear(event):
        told.append(event)
        if event.kind == "cancelled":
            over.set()

    runner.measure(MailJob(6, 1000), hear)
    time.sleep(0.3)
    begin = time.monotonic()
    runner.cancel()
    assert over.wait(5)
    assert time.monotonic() - begin < 2
    assert told[-1].kind == "cancelled"


# --- small pieces ---------------------------------------------------------------------------------


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 2**32))
def test_pictures_are_valid_png(width, height, seed):
    import io

    from PIL import Image

    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 4), dtype=np.uint8)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png_of(pixels)))), pixels)


@given(st.floats(1e-9, 1))
def test_percent_says_the_share(share):
    text = share_text(share)
    assert text.endswith(" %")
    assert float(text[:-2]) / 100 == pytest.approx(share, rel=0.06)


def test_slider_labels_differ_from_step_to_step():
    for steps, shown in (
        (slider_steps.PAGES, slider_steps.pages_read),
        (slider_steps.DIRTY, slider_steps.frames_label),
        (slider_steps.DENSITIES, share_text),
    ):  # fmt: skip
        assert len({shown(step) for step in steps}) == len(steps)


def test_outside_a_kernel_drawing_is_at_once():
    calls = []
    Coalesced(lambda: calls.append(1))()
    assert calls == [1]


def test_in_a_kernel_many_askings_make_one_drawing_on_the_main_loop(monkeypatch):
    import asyncio

    drawn = []

    async def kernel():
        monkeypatch.setattr(kernel_loop, "main_loop", asyncio.get_running_loop)
        own = asyncio.get_running_loop()
        monkeypatch.setattr(kernel_loop, "main_loop", lambda: own)
        once = Coalesced(lambda: drawn.append(threading.current_thread()))
        threads = [threading.Thread(target=once) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert drawn == []
        await asyncio.sleep(0.01)
        once()
        await asyncio.sleep(0.01)

    asyncio.run(kernel())
    assert drawn == [threading.main_thread()] * 2


def test_a_late_drawing_waits_until_nobody_asks(monkeypatch):
    import asyncio

    drawn = []

    async def kernel():
        own = asyncio.get_running_loop()
        monkeypatch.setattr(kernel_loop, "main_loop", lambda: own)
        once = Coalesced(lambda: drawn.append(1), delay=0.05)
        for _ in range(5):
            once()
            await asyncio.sleep(0.02)
        assert drawn == []
        await asyncio.sleep(0.2)

    asyncio.run(kernel())
    assert drawn == [1]


def test_states_are_frozen_and_controls_plain():
    with pytest.raises(dataclasses.FrozenInstanceError):
        state_of(CrossoverState).pages = 3
    kinds = {type(control) for control in anatomy_of().controls()}
    assert kinds == {Choice, Slider, Pad}
    assert Several.__dataclass_params__.frozen
    assert Action.__dataclass_params__.frozen
    assert widget.REFUSALS
