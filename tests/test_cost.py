"""Coefficients fitted to times made up of known ones; the values of the features."""

import json

import numpy as np
import pytest

from dirtylab.datasets import DATASETS
from dirtylab.structures import STRUCTURES, Tree
from dirtylab.theory.cost_fit import Error, Law, fit
from dirtylab.theory.features import WORK_LAWS, Features, Subject, features
from dirtylab.theory.hinges import CACHES, spilled, with_caches
from dirtylab.theory.locality import comes_in_order
from dirtylab.theory.operations import Pattern

OPERATIONS = ("insert", "collect", "harvest", "clear")
MODELLED = (*WORK_LAWS, "tree8", "tree64")
PATTERNS = {
    "random": {}, "sequential": {}, "strided": {"stride": 65}, "clustered": {"length": 16},
    "zipf": {}, "hotset": {},
}  # fmt: skip


def cell(words, frames, hinges=None):
    always = {"call": np.array(1.0), "words": np.array(words), "frames": np.array(frames)}
    return Features(always, {name: np.array(value) for name, value in (hinges or {}).items()})


def design(rng, number):
    """Return words and frames of cells that range over orders of magnitude, independently."""
    return 10 ** rng.uniform(1, 6, number), 10 ** rng.uniform(1, 6, number)


def times(words, frames, call=2000.0, word=0.2, frame=1.5):
    return call + word * words + frame * frames


def noisy(rng, ns, noise):
    return ns * np.exp(noise * rng.standard_normal(np.shape(ns)))


@pytest.fixture
def rng():
    return np.random.default_rng(2016)


# --- the fit -------------------------------------------------------------------------------------


def test_known_prices_are_found_exactly_without_noise(rng):
    words, frames = design(rng, 60)
    law = fit([cell(*one) for one in zip(words, frames, strict=True)], times(words, frames))
    assert law.coefficients == pytest.approx({"call": 2000, "words": 0.2, "frames": 1.5}, rel=1e-6)
    assert law.training.high < 1e-6
    assert law.held_out.high < 1e-6
    assert law.cells == 60


@pytest.mark.parametrize("noise", [0.02, 0.1])
def test_known_prices_are_found_under_noise(rng, noise):
    words, frames = design(rng, 200)
    cells = [cell(*one) for one in zip(words, frames, strict=True)]
    law = fit(cells, noisy(rng, times(words, frames), noise))
    assert law.coefficients == pytest.approx({"call": 2000, "words": 0.2, "frames": 1.5}, rel=noise)
    usual = 0.6745 * noise
    assert law.held_out.median == pytest.approx(usual, rel=0.35)


def test_small_and_large_cells_are_explained_alike(rng):
    """Least squares on ns would say that 47 µs are nothing beside the largest cells."""
    frames = np.geomspace(10, 10**8, 60)
    cells = [cell(0.0, one) for one in frames]
    law = fit(cells, noisy(rng, 47_000 + 1.5 * frames, 0.03))
    for one, true in ((100.0, 47_150), (1e8, 150_047_000)):
        assert law.predict(cell(0.0, one)) == pytest.approx(true, rel=0.05)


def test_no_price_is_negative(rng):
    words, frames = design(rng, 80)
    cells = [cell(*one) for one in zip(words, frames, strict=True)]
    falling = noisy(rng, 5000 * words**-0.2 + frames, 0.05)  # dearer where there are fewer words
    law = fit(cells, falling)
    assert min(law.coefficients.values()) > 0
    assert "words" not in law.coefficients
    # and what is left was fitted without it, not merely left out
    own = Error.of(np.array([float(law.predict(one)) for one in cells]), falling)
    assert own == pytest.approx(law.training)


def test_a_few_busy_cells_do_not_move_the_prices(rng):
    words, frames = design(rng, 200)
    ns = noisy(rng, times(words, frames), 0.03)
    ns[rng.random(200) < 0.1] *= 30
    law = fit([cell(*one) for one in zip(words, frames, strict=True)], ns)
    assert law.coefficients == pytest.approx({"call": 2000, "words": 0.2, "frames": 1.5}, rel=0.15)


def cells_with_step(rng, number, name="words beyond L2"):
    words, frames = design(rng, number)
    hinges = words * spilled(8 * words, 2**20)
    made = [cell(w, f, {name: s}) for w, f, s in zip(words, frames, hinges, strict=True)]
    return made, words, frames, hinges


def test_a_step_that_is_there_is_found_with_its_price(rng):
    cells, words, frames, hinges = cells_with_step(rng, 300)
    ns = noisy(rng, times(words, frames) + 0.8 * hinges, 0.05)
    law = fit(cells, ns)
    assert law.coefficients["+ words beyond L2"] == pytest.approx(0.8, rel=0.25)
    without = fit([one._replace(hinges={}) for one in cells], ns)
    assert law.held_out.high < 0.9 * without.held_out.high


def test_a_step_that_is_not_there_is_seldom_taken(rng):
    taken = 0
    for _ in range(30):
        cells, words, frames, _ = cells_with_step(rng, 120)
        law = fit(cells, noisy(rng, times(words, frames), 0.05))
        taken += any(name.startswith("+") for name in law.coefficients)
    assert taken <= 3


def test_the_held_out_error_tells_what_the_training_error_hides(rng):
    words, frames = design(rng, 24)
    noise = {f"step {number}": 10 ** rng.uniform(1, 6, 24) for number in range(15)}
    cells = [
        cell(words[i], frames[i], {name: value[i] for name, value in noise.items()})
        for i in range(24)
    ]
    law = fit(cells, noisy(rng, times(words, frames), 0.5))
    assert law.held_out.median > law.training.median
    assert law.held_out.high > law.training.high


def test_what_no_term_explains_stays_in_the_errors(rng):
    words, frames = design(rng, 100)
    cells = [cell(*one) for one in zip(words, frames, strict=True)]
    law = fit(cells, times(words, frames) * np.where(rng.random(100) < 0.5, 1, 3))
    assert law.training.high > 0.4
    assert law.held_out.high > 0.4


def test_the_same_seed_gives_the_same_law(rng):
    cells, words, frames, _ = cells_with_step(rng, 60)
    ns = noisy(rng, times(words, frames), 0.1)
    assert fit(cells, ns) == fit(cells, ns)
    assert fit(cells, ns, seed=1).coefficients == fit(cells, ns, seed=2).coefficients


def test_a_law_survives_json_and_predicts_whole_arrays(rng):
    cells, words, frames, hinges = cells_with_step(rng, 300)
    law = fit(cells, noisy(rng, times(words, frames) + 0.8 * hinges, 0.05))
    again = Law.from_dict(json.loads(json.dumps(law.as_dict())))
    assert again == law
    many = Features(
        {"call": np.ones(300), "words": words, "frames": frames}, {"words beyond L2": hinges}
    )
    assert law.predict(many) == pytest.approx([float(law.predict(one)) for one in cells])


def test_a_prediction_is_never_below_a_nanosecond():
    law = Law({"frames": 0.001}, Error(0, 0), Error(0, 0), 10)
    assert law.predict(cell(0.0, 1.0)) == 1


def test_an_error_is_relative():
    error = Error.of(np.array([1.1, 2.0, 0.5]), np.array([1.0, 2.0, 1.0]))
    assert error.median == pytest.approx(0.1)
    assert error.high == pytest.approx(0.42)


@pytest.mark.parametrize(
    ("number", "ns", "message"),
    [
        (9, np.ones(9), "cells: 9; must be 10 or more"),
        (12, np.ones(11), "cells: 12; must be 10 or more, with as many times"),
        (12, np.zeros(12), "ns: must be above 0"),
        (12, -np.ones(12), "ns: must be above 0"),
        (12, np.full(12, np.nan), "ns: must be above 0"),
        (12, np.full(12, np.inf), "ns: must be above 0"),
    ],
)
def test_bad_input_is_named(number, ns, message):
    with pytest.raises(ValueError, match=message):
        fit([cell(1.0, 1.0)] * number, ns)


# --- the features -------------------------------------------------------------------------------


def subject(structure, caches=CACHES):
    return Subject(structure, {"radix": 16} if structure == "tree" else {}, caches)


@pytest.mark.parametrize("dataset", PATTERNS)
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("structure", MODELLED)
def test_features_count_something(structure, operation, dataset):
    dirty = np.array([1.0, 10, 1000, 50_000])
    found = features(
        subject(structure), operation, Pattern(dataset, 100_000, dirty, PATTERNS[dataset])
    )
    assert (found.always["call"] == 1).all()
    for name, amount in {**found.always, **found.hinges}.items():
        assert np.shape(amount) == dirty.shape, name
        assert np.isfinite(amount).all(), name
        assert (amount >= 0).all(), name


def test_a_term_is_not_its_own_step():
    for structure in MODELLED:
        for operation in OPERATIONS:
            pattern = Pattern("random", 10**6, np.array(1000.0), {})
            found = features(subject(structure), operation, pattern)
            assert not set(found.always) & set(found.hinges)


def make(structure, pages):
    return Tree(pages, radix=16) if structure == "tree" else STRUCTURES[structure](pages)


@pytest.mark.parametrize("dataset", ["random", "clustered", "sequential"])
@pytest.mark.parametrize("structure", ["tree", "tree8", "tree64"])
def test_a_trees_nodes_are_those_that_it_counts(structure, dataset):
    pages, dirty, options = 200_000, 3000, PATTERNS[dataset]
    found = features(
        subject(structure), "collect", Pattern(dataset, pages, np.array(float(dirty)), options)
    )
    counted = []
    for seed in range(20):
        tree = make(structure, pages)
        tree.insert(DATASETS[dataset](pages, dirty, seed=seed, **options))
        counted.append(tree.operations().nodes)
    expected = float(found.always["leaves"] + found.always["inner nodes"])
    assert expected == pytest.approx(np.mean(counted), rel=0.01)


@pytest.mark.parametrize("structure", ["bitmap", "hybrid"])
def test_a_bitmap_reads_words_whatever_is_dirty(structure):
    dirty = np.array([1.0, 100, 10_000])
    found = features(subject(structure), "clear", Pattern("random", 64_001, dirty, {}))
    assert found.always["words"].tolist() == [1001] * 3


def test_distinct_frames_are_counted_once():
    dirty = np.array([50_000.0])
    pattern = Pattern("random", 100_000, dirty, {"replacement": True})
    found = features(subject("list"), "harvest", pattern)
    drawn = [DATASETS["random"](100_000, 50_000, seed=s, replacement=True) for s in range(10)]
    assert found.always["frames"] == dirty
    distinct = np.mean([np.unique(one).size for one in drawn])
    assert found.always["distinct"] == pytest.approx(distinct, rel=0.005)


@pytest.mark.parametrize(
    ("size", "held", "share"), [(0, 100, 0), (100, 100, 0), (200, 100, 0.5), (10**6, 100, 0.9999)]
)
def test_what_a_cache_cannot_hold_is_spilled(size, held, share):
    assert spilled(size, held) == pytest.approx(share)


def test_a_step_begins_where_the_cache_is_full():
    amount = np.full(4, 10.0)
    sizes = np.array([2**10, 2**15, 2**16, 2**30], float)
    hinges = with_caches("words", amount, sizes, (2**15, 2**20, 2**25))
    assert hinges["words beyond L1"][:3].tolist() == [0, 0, 5]
    assert hinges["words beyond L2"][:3].tolist() == [0, 0, 0]
    assert hinges["words beyond L3"][3] == pytest.approx(10 * (1 - 2**-5))


def test_larger_caches_make_smaller_steps():
    pattern = Pattern("random", 10**8, np.array(10_000.0), {})
    small = features(subject("bitmap"), "collect", pattern).hinges
    large = features(subject("bitmap", (2**17, 2**24, 2**30)), "collect", pattern).hinges
    caches = [name for name in small if " beyond L" in name]
    assert len(caches) >= 3
    assert all(float(large[name]) <= float(small[name]) for name in caches)
    assert any(float(large[name]) < float(small[name]) for name in caches)


@pytest.mark.parametrize(
    ("dataset", "options", "dirty", "low", "high"),
    [
        ("sequential", {}, 5000, 1, 1),
        ("strided", {"stride": 8}, 1000, 1, 1),
        ("strided", {"stride": 8}, 5000, 0, 0),
        ("clustered", {"length": 10**4}, 5, 0.99, 1),
        ("clustered", {"length": 64}, 2000, 0, 1e-6),
        ("random", {}, 1, 1, 1),
        ("random", {}, 3, 1 / 6, 1 / 6),
        ("random", {}, 1000, 0, 1e-9),
    ],
)
def test_how_often_frames_come_in_order(dataset, options, dirty, low, high):
    share = comes_in_order(Pattern(dataset, 10_000, np.array(float(dirty)), options))
    assert low - 1e-9 <= share <= high + 1e-9
    drawn = [DATASETS[dataset](10_000, dirty, seed=seed, **options) for seed in range(400)]
    ascending = np.mean([bool((np.diff(one.astype(np.int64)) >= 0).all()) for one in drawn])
    assert ascending == pytest.approx(float(share), abs=0.08)
