"""The view of migrations, without a browser."""

import math
import time

import numpy as np
import pytest

import dirtylab
from dirtylab import explore
from dirtylab.explore.views.migration import MigrationView
from dirtylab.explore.views.migration_figure import RATES, map_place, rate_place, size_place, sizes
from dirtylab.explore.views.migration_state import PACES, read_rate, state_of

USUAL = {
    "pages": "1GiB", "working_set": "64MiB", "rate": 10_000, "dataset": "random",
    "bandwidth": "1Gbit/s", "downtime": 0.3, "tracker": "kvm-log", "limit": 10.0,
    "costs": "qemu-runs", "run": "none",
}  # fmt: skip


def view(**given):
    state = state_of(**{**USUAL, **given})
    return MigrationView(state, state_of(**USUAL))


def simulated(shown):
    """Wait for the simulation that a drawing began."""
    shown.draw()
    for _ in range(2000):
        if shown.content().simulated is not None:
            return shown.content()
        time.sleep(0.01)
    raise AssertionError("no simulation came")


def test_the_closed_form_comes_at_once_and_the_simulation_later():
    shown = view()
    first = shown.content()
    assert first.closed.converges
    found = simulated(shown)
    one = dirtylab.migrate("1GiB", working_set="64MiB", rate=10_000, bandwidth="1Gbit/s", limit=10)
    assert found.simulated.seconds == one.seconds
    assert found.seconds == one.seconds
    assert "simulated page by page" in shown.note(found)
    assert "(" in shown.sentence(found)


def test_the_sentence_tells_verdict_border_and_what_tracking_changes():
    shown = view()
    said = shown.sentence(simulated(shown))
    assert said.startswith("It converges in ")
    assert "Rho is" in said
    assert "writes a second it converges" in said
    never = view(rate=1_000_000)
    assert never.sentence(never.content()).startswith("It does not converge within 10 s")
    fast = view(pages="4GiB", rate="as fast as it can", bandwidth="25Gbit/s", working_set="1GiB")
    told = fast.sentence(fast.content())
    assert "Without the cost of tracking it would never end" in told
    idle = view(rate=0)
    assert "it writes nothing" in idle.sentence(idle.content())


def test_sizes_that_contradict_follow_and_are_told():
    shown = view()
    shown.change("working_set", 2**20)
    assert shown.state.pages == 2**20
    assert "can't be smaller" in shown.said
    shown.change("pages", 2**16)
    assert shown.state.working_set == 2**16
    assert "can't be larger" in shown.said


def test_the_map_is_clicked_and_moved_by_keys():
    shown = view()
    box = shown._map_rectangle()
    place = (box[0] + 0.5 * box[2], box[1] + 0.5 * box[3])
    shown.pick(*place)
    rate, size = map_place(0.5, 0.5, shown.state.pages)
    assert shown.state.rate == pytest.approx(rate, rel=0.6)
    assert shown.state.working_set == pytest.approx(size, rel=0.5)
    before = shown.state
    shown.pick(0.01, 0.99)
    assert shown.state == before, "beside the map"
    for key in ("ArrowRight", "ArrowUp"):
        shown.press(key)
    assert shown.state.rate > before.rate
    assert shown.state.working_set == 2 * before.working_set
    shown.press("Tab")
    for _ in range(40):
        shown.press("ArrowLeft")
    assert shown.state.rate == PACES[0]


def test_places_of_the_map_go_both_ways():
    for x, y in ((0.0, 0.0), (0.3, 0.8), (1.0, 1.0)):
        rate, size = map_place(x, y, 2**20)
        assert (rate_place(rate), size_place(size, 2**20)) == pytest.approx((x, y), abs=1e-9)
    assert sizes(2**20)[-1] == 2**20
    assert RATES[0] > 0


@pytest.mark.parametrize("tracker", ["none", "tcg", "kvm-ring:4096", "bitmap"])
def test_every_tracker_is_drawn(tracker):
    shown = view(tracker=tracker)
    drawn = shown.draw()
    assert drawn.png
    assert "A circle" in drawn.alt or "a circle" in drawn.alt
    assert len(shown.table()) >= 1
    assert shown.provenance()["parameters"]["tracker"] == tracker


def test_the_line_recreates_the_state():
    shown = explore.migration(rate="as fast as it can", tracker="kvm-ring:4096")
    again = eval(shown.view.line, {"dirtylab": dirtylab})
    assert again.view.state == shown.view.state
    for one in (shown, again):
        one.close()


@pytest.mark.parametrize(
    ("wrong", "named"),
    [({"pages": "1KiB"}, "pages"), ({"working_set": "8GiB"}, "working_set"), ({"rate": -1}, "rate"),
     ({"rate": "much"}, "rate"), ({"bandwidth": 0}, "bandwidth"), ({"downtime": "x"}, "downtime"),
     ({"tracker": "y"}, "tracker"), ({"dataset": "idle"}, "dataset"), ({"costs": "z"}, "costs"),
     ({"run": "B999"}, "run"), ({"limit": 0}, "limit")],
)  # fmt: skip
def test_bad_parameters_are_named(wrong, named):
    with pytest.raises(ValueError, match=f"^{named}="):
        explore.migration(**wrong)


def test_rates_are_read_as_people_write_them():
    assert read_rate("20k/s") == 20_000
    assert read_rate("as fast as it can") == math.inf
    assert read_rate("none") == 0
    assert np.isinf(PACES[-1])
