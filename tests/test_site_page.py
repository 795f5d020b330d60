"""The documentation's page of sliders, in a browser: its answers are the package's."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from labs import chromium_page, chromium_path

from dirtylab import _answers, advise
from dirtylab.advice.answer import CALIBRATED, lead_of
from dirtylab.structures import STRUCTURES, tuned
from dirtylab.theory.memory import known_bytes
from dirtylab.theory.operations import Pattern

ROOT = Path(__file__).parent.parent
STATIC = ROOT / "docs/_static"
MOST_BYTES = 2_000_000
STATES, SHARED = 1000, 8
"""States that are compared; so many share guest and run length, which Python answers at once."""
ANSWERS = """states => window.dirtylabAnswers.ready.then(() => states.map(state => {
  const { times, bytes, pick, ties, extrapolated } = window.dirtylabAnswers.answer(state);
  return { times, bytes, pick, ties, extrapolated };
}))"""
CHANGES = """states => states.map(state => {
  const { pick, lead } = window.dirtylabAnswers.answer(state);
  return window.dirtylabAnswers.changesFrom(state, pick, lead);
})"""


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Return the page's address, as a file, without the rest of the site."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(STATIC, folder / "_static")
    inner = (ROOT / "docs/answers-page.html").read_text(encoding="utf-8")
    head = '<!doctype html><html lang="en"><meta charset="utf-8"><title>sliders</title>'
    (folder / "answers.html").write_text(f"{head}<body>{inner}", encoding="utf-8")
    return (folder / "answers.html").as_uri()


@pytest.fixture(scope="module")
def page():
    """Yield a page of a Chromium without a network."""
    path = chromium_path() or pytest.skip("no Chromium here: apt-get install chromium")
    with chromium_page(path) as page:
        page.context.set_offline(True)
        yield page


def drawn_states():
    """Return random states: all sizes, run lengths, shares, operations and models."""
    rng = np.random.default_rng(2026)
    models = _answers.models()
    states = []
    while len(states) < STATES:
        pages = int(rng.choice(_answers.PAGES))
        length = int(rng.choice(_answers.LENGTHS))
        for _ in range(SHARED):
            name, model = models[rng.integers(len(models))]
            dirty = round(np.exp(rng.uniform(0, np.log(pages))))
            states.append(
                {"pages": pages, "length": length, "dirty": dirty, "machine": name,
                 "cache": model.cache,
                 "operation": str(rng.choice(["epoch", "insert", "harvest", "collect"]))}
            )  # fmt: skip
    return states


def times_of(states):
    """Return the package's times: for each state a structure's nanoseconds by its name."""
    known = {(name, model.cache): model for name, model in _answers.models()}
    told = []
    for start in range(0, len(states), SHARED):
        group = states[start : start + SHARED]
        dirty = np.array([float(one["dirty"]) for one in group])
        pattern = Pattern("clustered", group[0]["pages"], dirty, {"length": group[0]["length"]})
        for place, one in enumerate(group):
            model = known[one["machine"], one["cache"]]
            told.append(
                {name: model.times(name, one["operation"], pattern)[place] for name in tuned()}
            )
    return told


def test_the_page_is_small():
    files = [*STATIC.glob("answers*"), ROOT / "docs/answers-page.html"]
    assert len(files) == 5
    assert sum(path.stat().st_size for path in files) <= MOST_BYTES


def test_the_table_is_that_of_the_shipped_models():
    table = _answers.read_table(ROOT / _answers.TABLE)
    told = json.loads(json.dumps(_answers.facts(_answers.models())))
    assert {name: value for name, value in table.items() if name != "curves"} == told


def test_a_curve_is_kept_within_the_tolerance_by_few_points():
    dirty = np.unique(np.round(np.geomspace(1, 1e6, 400)))
    height = np.log(1000 + dirty) + (dirty > 2048)
    knots = _answers.fewest(dirty, height)
    assert (knots.dirty[0], knots.dirty[-1]) == (1, 1_000_000)
    line = np.interp(np.log(dirty), np.log(knots.dirty), knots.height * _answers.STEP)
    assert np.abs(line - height).max() <= _answers.TOLERANCE + _answers.STEP
    assert knots.dirty.size < 40


@pytest.mark.browser
def test_a_thousand_answers_are_those_of_the_package(page, address):
    page.goto(address)
    states = drawn_states()
    found = page.evaluate(ANSWERS, states)
    leads = {(name, model.cache): lead_of(model) for name, model in _answers.models()}
    off, clear = [], 0
    for state, own, times in zip(states, found, times_of(states), strict=True):
        assert set(own["times"]) == set(times)
        off += [abs(own["times"][name] / times[name] - 1) for name in times]
        best = min(times, key=times.get)
        lead = leads[state["machine"], state["cache"]]
        ties = {name for name in times if times[name] < times[best] * (1 + lead)}
        clear += len(ties) == 1
        assert own["pick"] in ties, state
        for name, nbytes in own["bytes"].items():
            room = STRUCTURES[name].options_for(state["dirty"])
            assert nbytes == known_bytes(name, state["pages"], **room), (name, state)
        inside = all(
            low <= state[axis] <= high for axis, (low, high) in CALIBRATED.items()
        )  # fmt: skip
        assert own["extrapolated"] is not inside
    assert max(off) < 0.02
    assert np.median(off) < 0.005
    assert clear > 300


@pytest.mark.browser
def test_it_picks_what_advise_picks(page, address):
    page.goto(address)
    states = [{**one, "operation": "epoch"} for one in drawn_states()[:: 40 * SHARED]]
    known = {(name, model.cache): model for name, model in _answers.models()}
    for state, own in zip(states, page.evaluate(ANSWERS, states), strict=True):
        advice = advise(
            state["pages"], state["dirty"], "clustered", length=state["length"],
            model=known[state["machine"], state["cache"]],
        )  # fmt: skip
        assert own["pick"] in (advice.pick, *advice.ties)


@pytest.mark.browser
def test_where_it_flips_both_cost_the_same(page, address):
    page.goto(address)
    states = [{**one, "operation": "epoch"} for one in drawn_states()[::SHARED]][:40]
    page.evaluate(ANSWERS, states)
    known = {(name, model.cache): model for name, model in _answers.models()}
    flips = 0
    for state, changes in zip(states, page.evaluate(CHANGES, states), strict=True):
        pick = page.evaluate(ANSWERS, [state])[0]["pick"]
        for one in (change for change in changes if change["axis"] == "dirty"):
            # At a jump the two cross between two whole numbers of frames.
            near = np.array([np.floor(one["at"] / 1.01), np.ceil(one["at"] * 1.01)])
            pattern = Pattern("clustered", state["pages"], near, {"length": state["length"]})
            model = known[state["machine"], state["cache"]]
            ratio = model.times(pick, "epoch", pattern) / model.times(
                one["other"], "epoch", pattern
            )
            flips += 1
            assert ratio.min() < 1.02, (state, one)
            assert ratio.max() > 0.98, (state, one)
    assert flips > 20


@pytest.mark.browser
def test_a_guess_reveals_the_sliders_and_a_link_shows_the_same(page, address):
    crashes = []
    page.on("pageerror", lambda error: crashes.append(str(error)))
    page.goto(address)
    page.wait_for_selector("#dirtylab-answers[data-ready]")
    assert not page.is_visible("[data-part=sentence]")
    page.click("[data-guess=list]")
    page.wait_for_selector("[data-part=memory] svg")
    assert "takes" in page.inner_text("[data-part=verdict]")
    slider = page.locator("[data-part=share]")
    before = slider.get_attribute("aria-valuetext")
    slider.press("ArrowRight")
    assert before.startswith("1 %, 168 k pages")
    assert slider.get_attribute("aria-valuetext").startswith("1.2 %, 201 k pages")
    page.select_option("[data-part=operation]", "harvest")
    page.locator("[data-part=pages]").press("End")
    page.locator("[data-part=length]").press("Home")
    page.wait_for_function("() => location.hash.includes('run=1&')")
    page.wait_for_timeout(100)  # a frame, for the sentence
    link, sentence = page.url, page.inner_text("[data-part=sentence]")
    assert "Extrapolated" in sentence
    page.goto("about:blank")
    page.goto(link)
    page.wait_for_selector("[data-part=memory] svg")
    assert page.inner_text("[data-part=sentence]") == sentence
    assert page.locator("[data-part=pages]").get_attribute("aria-valuetext") == "2 TiB, 537 M pages"
    assert page.locator("figure svg[aria-label]").count() == 3
    assert crashes == []


@pytest.mark.browser
def test_words_of_an_address_that_are_not_in_the_table_are_told(page, address):
    page.goto("about:blank")
    page.goto(f"{address}#guest=3GB&dirty=200%25&run=16&machine=none")
    page.wait_for_selector("[data-part=memory] svg")
    told = page.inner_text("[data-part=refused]")
    assert "guest=3GB, dirty=200%, machine=none" in told
    assert "64 GiB" in page.locator("[data-part=pages]").get_attribute("aria-valuetext")
