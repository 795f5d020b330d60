"""Intervals of medians hold the truth as often as they say, whatever the rounds are like."""

import math

import numpy as np
import pytest

from dirtylab.theory.intervals import LEAST_ROUNDS, interval, ratio_interval

TRIALS = 1200
ERROR = 3 * math.sqrt(0.05 * 0.95 / TRIALS)
"""What chance may take from a coverage of 95 %: 3 standard errors."""


def correlated(rng, shape, correlation):
    """Return normal rounds of which neighbours correlate."""
    steps = rng.normal(size=shape)
    rounds = steps.copy()
    for place in range(1, shape[1]):
        rounds[:, place] = correlation * rounds[:, place - 1]
        rounds[:, place] += math.sqrt(1 - correlation**2) * steps[:, place]
    return rounds


def slow(rng, shape):
    """Return rounds of which a quarter are slow; their median is at 0."""
    return np.where(rng.random(shape) < 0.25, rng.exponential(size=shape), rng.normal(-1, 1, shape))


def median_of(make):
    return float(np.median(make(np.random.default_rng(0), (4000, 500))))


NOISE = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "heavy tails": lambda rng, shape: rng.standard_t(2, shape),
    "Cauchy": lambda rng, shape: rng.standard_cauchy(shape),
    "exponential": lambda rng, shape: rng.exponential(size=shape) - math.log(2),
    "lognormal": lambda rng, shape: np.exp(rng.normal(size=shape)) - 1,
    "two speeds": lambda rng, shape: slow(rng, shape) - median_of(slow),
    "correlated by 0.3": lambda rng, shape: correlated(rng, shape, 0.3),
    "correlated by 0.6": lambda rng, shape: correlated(rng, shape, 0.6),
    "skewed, correlated by 0.6": lambda rng, shape: np.exp(correlated(rng, shape, 0.6)) - 1,
}
"""Rounds with a median of 0."""


def covered(made, truth=0.0):
    return sum(one.low <= truth <= one.high for one in made) / len(made)


@pytest.mark.parametrize("rounds", [6, 7, 9, 15, 25])
@pytest.mark.parametrize("kind", NOISE)
def test_a_95_percent_interval_holds_the_median_in_95_percent(kind, rounds):
    values = NOISE[kind](np.random.default_rng(rounds), (TRIALS, rounds))
    found = covered([interval(one) for one in values])
    least = 0.915 if "0.6" in kind else 0.95  # few rounds don't tell how far they correlate
    assert found >= least - ERROR
    assert found >= 0.9


@pytest.mark.parametrize("correlation", [0.0, 0.6])
@pytest.mark.parametrize("rounds", [6, 7, 9, 15])
def test_an_interval_of_a_ratio_is_paired_by_round(rounds, correlation):
    rng = np.random.default_rng(rounds)
    shared = np.exp(correlated(rng, (TRIALS, rounds), 0.9))  # what disturbs a round
    above = 2 * shared * np.exp(0.1 * correlated(rng, (TRIALS, rounds), correlation))
    made = [ratio_interval(one, other) for one, other in zip(above, shared, strict=True)]
    assert covered(made, 2.0) >= (0.915 if correlation else 0.95) - ERROR
    assert np.median([one.high - one.low for one in made]) < 1.2


@pytest.mark.parametrize(("rounds", "lowest"), [(6, 1), (8, 1), (9, 2), (15, 4), (25, 8)])
def test_rounds_that_do_not_correlate_give_order_statistics(rounds, lowest):
    values = np.arange(1.0, rounds + 1)
    order = [place // 2 if place % 2 else -1 - place // 2 for place in range(rounds)]
    found = interval(values[order])  # from one end to the other and back
    assert (found.low, found.high) == (lowest, rounds + 1 - lowest)


def test_few_rounds_have_a_median_and_no_interval():
    for rounds in range(1, LEAST_ROUNDS):
        values = np.arange(1.0, rounds + 1)
        assert interval(values) == ((rounds + 1) / 2, None, None)
        assert ratio_interval(3 * values, values) == (3, None, None)
        assert interval(values).holds(99)


def test_what_holds_is_between_the_ends():
    found = interval([3.0, 1.0, 2.0, 5.0, 4.0, 6.0, 2.5])
    assert found.low < found.at < found.high
    assert [found.holds(one) for one in (found.low, found.at, found.high)] == [True] * 3
    assert not found.holds(found.low - 1)
    assert not found.holds(found.high + 1)


def test_equal_rounds_have_an_interval_of_no_length():
    assert interval([2.0] * 9) == (2, 2, 2)
    assert ratio_interval([6.0] * 9, [3.0] * 9) == (2, 2, 2)


def test_the_interval_of_the_inverse_ratio_is_the_inverse():
    rng = np.random.default_rng(3)
    above, below = np.exp(rng.normal(size=(2, 11)))
    one, other = ratio_interval(above, below), ratio_interval(below, above)
    assert [1 / other.at, 1 / other.high, 1 / other.low] == pytest.approx(list(one))


def test_no_end_of_a_time_is_negative():
    drifting = np.geomspace(1, 1000, 12)
    assert interval(drifting).low >= 0
    assert interval(drifting - 5).low < 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: interval([]), r"values: shape \(0,\); must be one value a round"),
        (lambda: interval([[1.0]]), r"values: shape \(1, 1\); must be one value a round"),
        (lambda: interval([1.0, np.nan]), "values: has nan; must be finite"),
        (lambda: ratio_interval([1, 2], [1]), "below: 1 rounds; must be 2"),
        (lambda: ratio_interval([1, 0], [1, 1]), "above: has 0; must be above 0"),
        (lambda: ratio_interval([1, 2], [1, np.inf]), "below: has inf; must be finite"),
    ],
)
def test_what_has_no_median_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
