"""The view "What should I use?" without a browser: answers, flips, measured cells, gestures."""

import math
import re

import numpy as np
import pytest

from dirtylab import explore
from dirtylab.advice.advisor import advise, ranked
from dirtylab.advice.answer import Question, lead_of, sureness
from dirtylab.advice.calibration import shipped_model
from dirtylab.advice.probe import Probe
from dirtylab.explore.process.messages import Event
from dirtylab.explore.process.model_job import CalibrateJob
from dirtylab.explore.process.session import Results
from dirtylab.explore.views.decide import NONE, DecideView
from dirtylab.explore.views.decide_map import (
    GUEST,
    LENGTH,
    LENGTHS,
    SHARES,
    Flip,
    WinnerMap,
    fine,
    flips,
)
from dirtylab.explore.views.decide_measured import Found, found_now, judged
from dirtylab.explore.views.decide_state import DecideState
from dirtylab.explore.views.decide_text import plain, sure_text
from dirtylab.explore.views.programs import programs
from dirtylab.structures import tuned

ASKED = {"pages": 2**24, "dirty": 0.01, "length": 16}


class Worker:
    """Keeps jobs, and tells what it is told to."""

    def __init__(self):
        self.jobs, self.tell, self.cancelled = [], None, 0

    def measure(self, job, on_event):
        self.jobs.append(job)
        self.tell = on_event

    def cancel(self):
        self.cancelled += 1

    def close(self):
        pass


class Fits:
    """A probe that has been made, and notes."""

    def __init__(self, probe=None):
        self.found, self.begun, self.calibrated = probe, [], []

    def begin(self, cache, changed):
        self.begun.append(cache)

    def probe(self, cache):
        return self.found

    def learnt(self, cache):
        self.calibrated.append(cache)


@pytest.fixture(scope="module")
def model():
    return shipped_model()


@pytest.fixture(scope="module")
def known(model):
    found = WinnerMap(model, [one for one in tuned() if one in model.structures], LENGTH, 2**24)
    found.finish()
    return found


def view_of(model, *, worker=None, fits=None, **parameters):
    usual = DecideState(**explore.decide.__kwdefaults__)
    given = {**explore.decide.__kwdefaults__, **ASKED, **parameters}
    worker = worker or Worker()
    return DecideView(DecideState(**given), usual, lambda cache: model, lambda: worker, fits)


def answer_of(view):
    return view.content().answer


def test_the_answer_is_the_command_lines(model):
    view = view_of(model)
    advice = advise(2**24, 0.01, "clustered", length=16, model=model)
    found = answer_of(view)
    assert found.pick == advice.pick
    assert set(found.ties) == {one for one in advice.ties if one in tuned()}
    times = {one.structure: one.epoch_ns for one in advice.ranking}
    assert {one.structure: one.ns for one in found.lines} == {
        name: times[name] for name in tuned() if name in times
    }


def test_it_is_said_in_one_sentence_with_its_numbers_to_drag(model):
    shown = view_of(model).draw()
    told = re.sub("<[^>]*>", "", shown.lead)
    assert "64 GiB guest, 1 % dirty each 100 ms in runs of 16:" in told
    assert "% sure that" in told
    for name in ("pages", "dirty", "period", "length"):
        assert f'class="dirtylab-scrub" data-name="{name}" tabindex="0"' in shown.lead


def test_a_flip_lies_where_the_lead_becomes_more_than_a_tie(model, known):
    pick = ranked(model, Question("clustered", {"length": 16}, 2**24, 2**24 // 100, None, None),
                  known.names)[0].structure  # fmt: skip
    lead = lead_of(model)
    found = flips(known, None, (0.01, 16.0), pick, lead)
    assert found
    assert [abs(math.log(one.at / (0.01 if one.axis == "share" else 16))) for one in found] == (
        sorted(abs(math.log(one.at / (0.01 if one.axis == "share" else 16))) for one in found)
    )
    for one in found:
        if one.axis != "share":
            continue
        dirty = np.array([one.at * (1.5 if not one.below else 1 / 1.5) * 2**24])
        costs = [float(model.predict(name, "epoch", "clustered", 2**24, dirty, length=16)[0])
                 for name in (pick, one.other)]  # fmt: skip
        assert costs[0] > costs[1]


def test_a_made_up_map_flips_where_it_was_made_to():
    class Made:
        names = ("list", "bitmap")
        axis = LENGTH
        rows = np.array(LENGTHS, float)
        beyond = np.zeros((len(LENGTHS), SHARES.size), bool)

        def heights(self, limit):
            both = np.zeros((2, len(LENGTHS), SHARES.size))
            both[0] = np.log(SHARES / 1e-3)  # the list costs as much as the bitmap at 0.1 %
            return both

    found = flips(Made(), None, (0.01, 16.0), "bitmap", 0.25)
    assert [(one.other, one.axis, one.below) for one in found] == [("list", "share", True)]
    assert found[0].at == pytest.approx(1e-3 / 1.25, rel=1e-6)


def test_sentences_have_the_pick_ties_and_flips_in_this_order(model):
    found = answer_of(view_of(model))._replace(
        pick="bitmap",
        ties=("tree64",),
        flips=(
            Flip("list", "share", 0.003, True, False),
            Flip("list", "length", 4.0, True, False),
            Flip("hybrid", "pages", 2**30, False, True),
        ),
    )
    assert plain(found) == (
        "bitmap; tree64 ties; flips to list below 0.3 % dirty or in runs under 4"
    )


def test_extrapolation_has_no_interval_and_no_confidence(model):
    view = view_of(model, pages=2**30)
    found = answer_of(view)
    assert found.extrapolated
    assert found.sure is None
    assert {(one.low, one.high) for one in found.lines} == {(None, None)}
    assert "extrapolated" in sure_text(found)
    shown = view.draw()
    assert "dirtylab-unsure" in shown.extra
    assert "whisker" not in shown.extra
    assert "whisker" in view_of(model).draw().extra


def test_what_is_above_the_memory_limit_is_no_answer(model):
    found = answer_of(view_of(model, memory_limit=2**20))
    assert found.pick == "list"
    assert [one.structure for one in found.lines if one.allowed] == ["list"]


def test_the_sureness_grows_with_the_lead_and_shrinks_with_a_probes_spread(model):
    question = Question("clustered", {"length": 16}, 2**24, 2**24 // 100, None, None)
    options = ranked(model, question)
    slower = [options[0], *(one._replace(harvest_ns=10 * one.harvest_ns) for one in options[1:])]
    assert sureness(options, model) < sureness(slower, model) <= 1
    assert sureness(options, model, 3.0) < sureness(options, model, 1.0)
    assert sureness([one._replace(insert_ns=math.nan) for one in options], model) is None


# --- measured -------------------------------------------------------------------------------------


def measure(view, worker, times):
    view.act("measure")
    rows = tuple((name, ns * (1 + 0.01 * turn)) for turn in range(7) for name, ns in times.items())
    worker.tell(Event("cell", 1, 1, 0, rows))
    worker.tell(Event("done", 1, 1, message="measured 1 of 1 cells"))


def test_measured_times_decide_over_the_model_and_a_contradiction_is_a_warning(model):
    worker = Worker()
    view = view_of(model, worker=worker)
    before = answer_of(view)
    last = before.lines[-1].structure
    times = {one.structure: one.ns for one in before.lines} | {last: before.lines[0].ns / 20}
    measure(view, worker, times)
    found = answer_of(view)
    assert found.measured
    assert found.pick == last
    assert found.lines[0].ns == pytest.approx(1.03 * times[last])
    assert found.flips == ()
    assert "measured here, 7 rounds" in sure_text(found)
    shown = view.draw()
    assert f"{last} was measured" in shown.banner
    assert 'data-name="calibrate"' in shown.banner
    assert view.content().now[0].winner == last
    view.change("dirty", 0.02)
    assert not answer_of(view).measured


def test_agreeing_times_raise_no_warning(model):
    worker = Worker()
    view = view_of(model, worker=worker)
    measure(view, worker, {one.structure: one.ns for one in answer_of(view).lines})
    assert view.draw().banner == ""


def test_the_button_measures_this_guest_and_a_program_by_its_recording(model):
    worker = Worker()
    view = view_of(model, worker=worker)
    view.act("measure")
    job = worker.jobs[0]
    assert job.operation == "epoch"
    assert [name for name, _ in job.structures] == list(tuned())
    (cell,) = job.cells
    assert (cell.dataset, dict(cell.options)) == ("clustered", {"length": 16})
    assert (cell.pages, cell.dirty) == (2**24, round(0.01 * 2**24))
    worker.tell(Event("cancelled", 0, 1))
    view.change("program", "sqlite")
    view.act("measure")
    (cell,) = worker.jobs[1].cells
    assert (cell.dataset, dict(cell.options)["path"]) == ("trace", "sqlite")


def test_ties_of_measured_rounds_are_those_that_may_be_as_quick():
    found = Found({"a": (10.0, 11.0, 10.5, 10.2), "b": (10.1, 10.9, 10.4, 10.3),
                   "c": (20.0, 21.0, 20.5, 20.1)}, "here")  # fmt: skip
    ranking = judged(found)
    assert ranking.ties == ("a",) if next(iter(ranking.medians)) == "b" else ("b",)
    assert ranking.sure == 1.0
    assert judged(Found({"a": (10.0,), "b": (30.0,)}, "recorded")).sure is None


def test_rounds_of_a_cancelled_cell_are_as_many_for_each():
    results = Results("key", [0.0], {})
    results.add(0, [("a", 1.0), ("b", 2.0), ("a", 1.0)])
    assert found_now(results).samples == {"a": (1.0,), "b": (2.0,)}
    assert found_now(None) is None


# --- the model and this machine -------------------------------------------------------------------


def test_a_probe_begins_when_a_page_shows_the_view_and_warns_where_it_does_not_fit(model):
    fits = Fits(Probe(2.0, 1.8, 1.2, 4.0))
    view = view_of(model, fits=fits)
    assert fits.begun == []
    view.gesture(["ready"])
    assert fits.begun == ["guest-ran"]
    assert "its picks may be wrong" in view.draw().banner
    fits.found = Probe(1.1, 1.2, 0.9, 1.3)
    assert view.draw().banner == ""


def test_calibrate_runs_in_the_worker_and_its_model_is_taken(model):
    worker, fits = Worker(), Fits()
    view = view_of(model, worker=worker, fits=fits)
    view.act("calibrate")
    assert isinstance(worker.jobs[0], CalibrateJob)
    assert [one.enabled for one in view.actions()] == [False, True, False]
    view.act("cancel")
    assert worker.cancelled == 1
    worker.tell(Event("cancelled", 3, 100))
    assert fits.calibrated == []
    view.act("calibrate")
    worker.tell(Event("cell", 100, 100, 0))
    worker.tell(Event("done", 100, 100, message="calibrated on this machine"))
    assert fits.calibrated == ["guest-ran"]
    assert "calibrated" in view.progress().message


# --- the guest on the map -------------------------------------------------------------------------


def test_a_drag_takes_the_guest_along_and_keys_move_it_by_a_step(model):
    view = view_of(model)
    view.gesture(["drag", "0.4", "0.5"])
    assert (view.state.dirty, view.state.length) == (0.001, 64)
    view.press("ArrowRight")
    assert view.state.dirty == 0.002
    view.press("ArrowDown")
    assert view.state.length == 32
    view.gesture(["step", "pages", "2"])
    assert view.state.pages == 2**26
    view.gesture(["step", "pages", "-99"])
    assert view.state.pages == 2**15
    view.change("over", GUEST)
    view.gesture(["drag", "9", "-3"])
    assert (view.state.dirty, view.state.pages) == (1.0, 2**15)


def test_a_program_brings_its_share_and_runs_until_they_are_moved(model):
    view = view_of(model)
    view.change("program", "redis")
    found = programs()["redis"]
    assert view.state.dirty == pytest.approx(found.share, rel=0.05)
    assert view.state.length == round(found.length)
    assert "Like redis" in view.said
    view.change("length", 64)
    assert view.state.program == ""
    assert "No longer like redis" in view.said
    view.change("program", NONE)
    assert view.said == ""
    view.reset()
    assert (view.state.dirty, view.state.length) == (0.01, 16)


def test_runs_longer_than_what_is_dirty_are_one_shorter_run(model):
    view = view_of(model, pages=2**15, dirty=1e-3)
    view.change("length", 4096)
    assert view.state.run == view.state.frames == 33
    assert "33 dirty frames are one run" in view.said
    assert answer_of(view).pick


@pytest.mark.parametrize("axis", [LENGTH, GUEST])
def test_a_map_is_known_row_by_row_and_fine_between_its_places(model, axis):
    known = WinnerMap(model, ("list", "bitmap"), axis, 2**20 if axis == LENGTH else 16)
    known.step()
    assert (known.done, known.complete) == (1, False)
    grid = fine(known, None, (2, 2))
    assert np.isfinite(grid[:, 0]).all()
    assert np.isnan(grid[:, -1]).all()
    np.testing.assert_allclose(np.exp(grid[:, 0, ::2]), known.times[:, 0])


def test_parameters_are_text_as_on_the_command_line():
    shown = explore.decide(pages="64GiB", dirty="1%", length=16, period="50ms",
                           memory_limit="2MiB")  # fmt: skip
    state = shown.view.state
    assert (state.pages, state.dirty, state.period) == (2**24, 0.01, 0.05)
    assert state.memory_limit == 2**21
    shown.panel.widgets["dirty typed"].value = "2 %"
    shown.panel.widgets["pages typed"].value = "1 TiB"
    shown.panel.widgets["period typed"].value = "1s"
    shown.panel.widgets["memory_limit typed"].value = "no limit"
    state = shown.view.state
    assert (state.pages, state.dirty, state.period) == (2**28, 0.02, 1.0)
    assert state.memory_limit == 0
    shown.close()
