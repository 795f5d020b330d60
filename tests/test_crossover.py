"""Crossovers on synthetic ratios of known truth: what is found, how often intervals cover it."""

import numpy as np
import pytest
from slow import crossed, slow

from dirtylab.theory.crossover import Crossover, crossings, crossovers

TRIALS = 200
FIRST, LAST = 10, 10**6
LOG10 = np.log(10)


def power(slope, at):
    return lambda x: slope * np.log(x / at)


def costs(one, other):
    """Return the log ratio of two costs of the form fixed + each · x."""
    return lambda x: np.log((one[0] + one[1] * x) / (other[0] + other[1] * x))


def dip(x):
    """Cheaper only in the middle."""
    return 0.8 - 1.6 * np.exp(-((np.log10(x / 3000)) ** 2) / 0.8)


def wave(x):
    return 0.6 * np.sin(2 * np.log10(x / 3000)) + 0.1 * np.log10(x / 3000)


def roots(curve):
    """Return where a curve passes 0, by looking closely."""
    x = np.geomspace(FIRST * 1.2, LAST / 1.2, 400_001)
    found = curve(x)
    return x[1:][found[:-1] * found[1:] < 0]


CURVES = {
    "one, steep": power(-1.0, 3000),
    "one, flat": power(0.2, 3000),
    "one, early": power(0.7, 60),
    "one, late": power(0.7, 200_000),
    "list and bitmap": costs((50, 3.0), (70_000, 1.2)),
    "levelling off": costs((2000, 1.0), (200, 1.25)),
    "two": dip,
    "three": wave,
}
NOISES = {
    # points, rounds, noise of a round, of a point, whether a tenth of the rounds is disturbed
    "few rounds": (25, 5, 0.1, 0.05, False),
    "quiet": (25, 9, 0.03, 0.02, False),
    "disturbed": (25, 15, 0.1, 0.05, True),
    "fine grid": (41, 7, 0.08, 0.04, False),
    "points alone": (25, 7, 0.005, 0.08, False),
    "rounds alone": (25, 7, 0.1, 0.0, False),
}


def ratios(curve, noise, rng):
    """Return frames and measured ratios, as a sweep would give them."""
    points, rounds, of_round, of_point, disturbed = noise
    x = np.geomspace(FIRST, LAST, points)
    logs = curve(x)[:, None] + of_point * rng.standard_normal((points, 1))
    logs = logs + of_round * rng.standard_normal((points, rounds))
    if disturbed:
        hit = rng.random((points, rounds)) < 0.1
        logs += hit * rng.exponential(0.5, logs.shape) * rng.choice([-1, 1], logs.shape)
    return x, np.exp(logs)


def trials(curve, noise, number=TRIALS):
    """Return the crossovers found in each trial."""
    rng = np.random.default_rng(2016)
    return [crossovers(*ratios(curve, noise, rng), seed=seed) for seed in range(number)]


@slow
def test_intervals_are_no_longer_than_they_need_be():
    rng = np.random.default_rng(5)
    covered = [
        one.low <= truth <= one.high
        for name, curve in CURVES.items()
        for noise in NOISES.values()
        for seed in range(20)
        for found in [crossovers(*ratios(curve, noise, rng), seed=seed)]
        for truth, one in zip(roots(curve), found, strict=False)
        if len(found) == {"two": 2, "three": 3}.get(name, 1)
    ]
    assert np.mean(covered) <= 0.99


@pytest.mark.parametrize(("name", "noise"), crossed(CURVES, NOISES))
def test_intervals_cover_the_truth_as_often_as_they_say(name, noise):
    curve = CURVES[name]
    truths = roots(curve)
    assert truths.size == {"two": 2, "three": 3}.get(name, 1)
    found = trials(curve, NOISES[noise])
    whole = [one for one in found if len(one) == truths.size]
    assert len(whole) >= 0.95 * TRIALS
    assert not any(len(one) > truths.size for one in found)
    covered = [
        crossover.low <= truth <= crossover.high
        for one in whole
        for crossover, truth in zip(one, truths, strict=True)
    ]
    assert np.mean(covered) >= 0.90, np.mean(covered)
    rises = curve(truths * 1.01) > 0
    assert all([crossover.rising for crossover in one] == rises.tolist() for one in whole)


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("level", [0.5, -0.5])
def test_curves_that_stay_apart_have_no_crossover(level, noise):
    found = trials(lambda x: level + 0.1 * np.sin(np.log10(x)), NOISES[noise])
    assert found == [[]] * TRIALS


@pytest.mark.parametrize("noise", NOISES)
def test_two_alike_seldom_have_a_crossover(noise):
    found = trials(lambda x: 0 * x, NOISES[noise])
    assert np.mean([bool(one) for one in found]) <= 0.08


@pytest.mark.parametrize(("at", "edge"), [(16, 12), (500_000, 800_000)])
def test_near_the_edge_the_interval_covers_or_is_open(at, edge):
    found = trials(power(0.4, at), NOISES["quiet"])
    known = [one[0] for one in found if one]
    assert len(known) >= 0.95 * TRIALS
    assert 0.90 <= np.mean([one.low <= at <= one.high for one in known]) <= 0.99
    noisy = [one[0] for one in trials(power(0.4, edge), (25, 5, 0.2, 0.05, False)) if one]
    assert any(one.low == 0 or np.isinf(one.high) for one in noisy)
    assert all(0 < one.at < np.inf for one in noisy)


@pytest.mark.parametrize("at", [5.0, 2e6])
def test_a_crossing_beyond_the_points_is_not_made_up(at):
    found = trials(power(0.7, at), NOISES["quiet"])
    assert np.mean([bool(one) for one in found]) <= 0.02


def test_more_rounds_and_less_noise_make_shorter_intervals():
    def width(noise):
        found = [one[0] for one in trials(power(0.5, 3000), noise, 40)]
        return np.median([np.log(one.high / one.low) for one in found])

    assert width((25, 9, 0.02, 0.01, False)) < 0.5 * width((25, 9, 0.1, 0.05, False))
    assert width((25, 45, 0.2, 0.0, False)) < 0.6 * width((25, 5, 0.2, 0.0, False))


# --- exact cases ---------------------------------------------------------------------------------


def same_in_all_rounds(logs):
    return np.repeat(np.exp(logs)[:, None], 4, axis=1)


@pytest.mark.parametrize("at", [40, 3000, 250_000])
@pytest.mark.parametrize("slope", [1.0, -0.3])
def test_without_noise_the_crossover_is_where_it_is(at, slope):
    x = np.geomspace(FIRST, LAST, 25)
    (found,) = crossovers(x, same_in_all_rounds(power(slope, at)(x)))
    assert found.at == pytest.approx(at, rel=1e-3)
    assert found.low <= found.at * (1 + 1e-9)
    assert found.high >= found.at * (1 - 1e-9)
    assert found.high / found.low < 1.05
    assert found.rising == (slope > 0)


def test_the_same_seed_gives_the_same_interval():
    x, measured = ratios(wave, NOISES["few rounds"], np.random.default_rng(1))
    assert crossovers(x, measured) == crossovers(x, measured)
    assert crossovers(x, measured, seed=1) != crossovers(x, measured, seed=2)


def test_exchanging_the_two_turns_the_direction_round():
    x, measured = ratios(wave, NOISES["quiet"], np.random.default_rng(1))
    ahead, back = crossovers(x, measured), crossovers(x, 1 / measured)
    assert [one.rising for one in ahead] == [not one.rising for one in back]
    assert [one.at for one in ahead] == pytest.approx([one.at for one in back])


def test_between_few_points_the_interval_is_what_is_sure():
    x = np.array([10, 20, 40, 80, 160], float)
    logs = np.array([1.0, 1.0, -1.0, 1.0, 1.0])
    found = crossovers(x, same_in_all_rounds(logs) * np.exp([[0.001, -0.001, 0.001, -0.001]]))
    for one in found:
        assert isinstance(one, Crossover)
        assert 0 <= one.low <= one.at <= one.high


def test_equal_costs_everywhere_are_no_crossover():
    assert crossovers(np.geomspace(1, 100, 9), np.ones((9, 3))) == []


@pytest.mark.parametrize(
    ("x", "measured", "message"),
    [
        ([1, 2, 3, 4, 5], np.ones(5), r"shape \(5,\) for x of shape \(5,\); must be \(points, ro"),
        ([1, 2, 3, 4, 5], np.ones((4, 3)), r"shape \(4, 3\) for x of shape \(5,\)"),
        ([1, 2, 3, 4], np.ones((4, 3)), r"shape \(4, 3\); needs 5 points and 2 rounds or more"),
        ([1, 2, 3, 4, 5], np.ones((5, 1)), r"shape \(5, 1\); needs 5 points and 2 rounds or more"),
        ([1, 2, 2, 4, 5], np.ones((5, 3)), "x: must be positive and ascending"),
        ([0, 2, 3, 4, 5], np.ones((5, 3)), "x: must be positive and ascending"),
        ([1, 2, 3, 4, 5], np.zeros((5, 3)), "ratios: must be positive and finite"),
        ([1, 2, 3, 4, 5], np.full((5, 3), np.nan), "ratios: must be positive and finite"),
    ],
)
def test_bad_input_is_named(x, measured, message):
    with pytest.raises(ValueError, match=message):
        crossovers(x, measured)


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [
        ([1, 10, 100], [10.0]),
        ([2, 2, 0.5], [10**1.5]),
        ([0.5, 1, 0.5], [10.0]),
        ([1, 1, 2], [1, 10]),
    ],
)
def test_points_where_both_cost_the_same_are_crossings(ratio, expected):
    place = [1, 10, 100] if ratio != [1, 10, 100] else [10, 100, 1000]
    assert crossings(place, ratio) == pytest.approx(expected)


def test_no_points_have_no_crossing():
    assert crossings([], []).size == 0
