"""Crossovers of curves that jump, as where a structure outgrows a cache, and by going there."""

import itertools

import numpy as np
import pandas as pd
import pytest
from slow import crossed, slow

from dirtylab.studies.crossovers import refine
from dirtylab.studies.crossovers.judge import find_crossovers
from dirtylab.theory.crossover import crossovers

TRIALS = 60
ROUNDS = 7
AT = 3000.0
SIZES = (1.05, 1.15, 1.4, 2.0)
PER_DECADE = (3, 5, 8)
NOISES = {
    # a round's, a point's, how both are spread
    "normal": (0.03, 0.02, "normal"),
    "loud": (0.1, 0.05, "normal"),
    "heavy-tailed": (0.05, 0.03, "heavy"),
    "slow rounds": (0.05, 0.03, "slow"),
}


def spread(kind, shape, rng):
    """Return noise of size 1: normal, or of a Student distribution with 3 degrees of freedom."""
    return rng.standard_t(3, shape) if kind == "heavy" else rng.standard_normal(shape)


def measured(curve, noise, per_decade, rng):
    """Return frames and ratios as a sweep would give them, on a grid that begins anywhere."""
    of_round, of_point, kind = noise
    points = 5 * per_decade + 1
    x = np.geomspace(10, 1e6, points) * 10 ** (rng.uniform(-0.5, 0.5) / per_decade)
    logs = curve(x)[:, None] + of_point * spread(kind, (points, 1), rng)
    logs = logs + of_round * spread(kind, (points, ROUNDS), rng)
    if kind == "slow":  # some rounds are off throughout, and some samples by far
        logs += (rng.random((1, ROUNDS)) < 0.15) * rng.normal(0, 0.15, (1, ROUNDS))
        hit = rng.random(logs.shape) < 0.1
        logs += hit * rng.exponential(0.4, logs.shape) * rng.choice([-1, 1], logs.shape)
    return x, np.exp(logs)


def at_the_crossing(size, rng):
    """The curve passes 0 in its step."""
    return lambda x: 0.4 * np.log(x / AT) + np.log(size) * np.where(x > AT, 0.5, -0.5)


def anywhere(size, rng):
    """A step within a factor of 10 of where the curve would pass 0 without one."""
    where = AT * 10 ** rng.uniform(-1, 1)
    return lambda x: 0.5 * np.log(x / AT) + np.log(size) * (x > where)


def back_and_forth(size, rng):
    """A curve that bends, and a step down in it."""
    where = AT * 10 ** rng.uniform(-1.5, -0.7)
    return lambda x: np.log((30 + x) / (0.3 * AT + 0.7 * x)) + np.log(size) * (x < where)


CURVES = {one.__name__: one for one in (at_the_crossing, anywhere, back_and_forth)}


def truths(curve):
    x = np.geomspace(12, 8e5, 20_001)
    height = curve(x)
    return x[1:][height[:-1] * height[1:] <= 0]


def coverage(curve, size, noise, per_decade, trials=TRIALS):
    """Return the share of intervals that cover the truth, and that of trials that found it."""
    rng = np.random.default_rng(2016)
    covered, found = [], 0
    for seed in range(trials):
        own = curve(size, rng)
        known = truths(own)
        met = crossovers(*measured(own, noise, per_decade, rng), seed=seed)
        if len(met) == known.size:
            found += 1
            covered += [one.low <= at <= one.high for one, at in zip(met, known, strict=True)]
    return np.mean(covered), found / trials


@pytest.mark.parametrize(("curve", "size", "noise"), crossed(CURVES, SIZES, NOISES))
def test_intervals_cover_the_truth_beside_a_step(curve, size, noise):
    shares = [coverage(CURVES[curve], size, NOISES[noise], per) for per in PER_DECADE]
    covered, found = np.mean(shares, axis=0)
    assert 0.90 <= covered <= 0.995, shares
    assert min(share for share, _ in shares) >= 0.85, shares
    assert found >= 0.9


@slow
def test_a_step_that_ends_at_zero_is_the_worst_there_is():
    """It ends so near to 0 that noise hides on which side: 70 % of trials or more."""

    def ends_at_zero(size, rng):
        return lambda x: 0.5 * np.log(x / AT) + np.log(size) * (x > 0.77 * AT)

    shares = [
        coverage(ends_at_zero, 1.15, noise, per)[0]
        for noise, per in itertools.product(NOISES.values(), PER_DECADE)
    ]
    assert min(shares) >= 0.65, shares
    assert np.mean(shares) >= 0.80, shares


def test_without_noise_the_gap_that_the_step_is_in_is_told():
    x = np.geomspace(10, 1e6, 26)
    logs = at_the_crossing(1.4, None)(x)
    (one,) = crossovers(x, np.repeat(np.exp(logs)[:, None], 5, axis=1))
    left, right = x[x < AT][-1], x[x > AT][0]
    assert left < one.low < AT < one.high < right
    assert one.high / one.low > 0.8 * right / left


# --- going there ---------------------------------------------------------------------------------


class Machine:
    """Two structures whose costs meet at a known number of frames, measured on demand."""

    def __init__(self, step: float = 1.0, noise: float = 0.03) -> None:
        self.step, self.noise = step, noise
        self.rng = np.random.default_rng(3)

    def rounds(self, sizes):
        logs = 0.5 * np.log(np.asarray(sizes) / AT) + np.log(self.step) * (np.asarray(sizes) > AT)
        return pd.DataFrame(
            [
                {
                    "set": "find", "operation": "epoch", "pattern": "random", "pages": 10**6,
                    "dirty": size, "round": number, "bitmap": 1000.0,
                    "list": 1000 * np.exp(log + self.noise * self.rng.standard_normal()),
                }
                for size, log in zip(sizes, logs, strict=True)
                for number in range(ROUNDS)
            ]
        )  # fmt: skip


def interval(rounds):
    (row,) = find_crossovers(rounds, ("list", "bitmap"), ["epoch"]).to_dict("records")
    return row["low"], row["high"]


@pytest.mark.parametrize("step", [1.2, 1.4, 2.0])
def test_going_there_makes_intervals_short(step):
    machine = Machine(step)
    rounds = machine.rounds(np.round(np.geomspace(10, 10**6, 16)).astype(int))
    low, high = interval(rounds)
    assert high / low > refine.ENOUGH
    for _ in range(refine.PASSES):
        goals = refine.goals(rounds, [("list", "bitmap")], ["epoch"])
        assert len(goals) <= 1
        for goal in goals:
            assert (goal.pattern, goal.pages) == ("random", 10**6)
            assert all(low * 0.8 <= size <= high * 1.25 for size in goal.dirty)
            assert not set(goal.dirty) & set(rounds["dirty"])
            rounds = pd.concat([rounds, machine.rounds(goal.dirty)], ignore_index=True)
        low, high = interval(rounds)
    assert high / low <= refine.ENOUGH
    assert low <= AT <= high
    assert refine.goals(rounds, [("list", "bitmap")], ["epoch"]) == []


def test_curves_that_never_meet_need_no_more():
    rounds = Machine().rounds(np.array([10, 20, 50, 100, 200, 400]))
    assert refine.goals(rounds, [("list", "bitmap")], ["epoch"]) == []


def test_sizes_nearly_equal_are_one():
    assert refine._new([99, 100, 101, 150.2, 150.4], [100, 1000]) == (150,)
