"""The laws of chance that the patterns claim, with fixed seeds: these tests never flake."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dirtylab.datasets import bijection, clustered, hotset, phases, random, zipf
from dirtylab.datasets.clusters import Shape, random_lengths
from dirtylab.datasets.portable import exp, exp_slope, log, log_slope

pytestmark = pytest.mark.large

DRAWS = 200_000


def require_law(counts, expected):
    """Assert that chi-square is within 5 standard deviations of its mean, on either side."""
    counts, expected = np.asarray(counts, float), np.asarray(expected, float)
    assert counts.sum() == pytest.approx(expected.sum())
    assert expected.min() >= 5
    freedom = counts.size - 1
    chi_square = ((counts - expected) ** 2 / expected).sum()
    assert abs(chi_square - freedom) < 5 * math.sqrt(2 * freedom)


def counted(values, size):
    return np.bincount(np.asarray(values).astype(np.int64), minlength=size)


def require_uniform(values, size):
    require_law(counted(values, size), np.full(size, len(values) / size))


def test_the_judge_condemns_a_wrong_law():
    even = np.full(100, 1000)
    for wrong in (even, even + np.tile([200, -200], 50)):  # too good, too bad
        with pytest.raises(AssertionError):
            require_law(wrong, even)


@pytest.mark.parametrize("pages", [2, 3, 64, 1000, 4097])
@pytest.mark.parametrize("seed", [0, 1, 2**64 - 1])
def test_random_is_uniform(pages, seed):
    require_uniform(random(pages, DRAWS, seed=seed), pages)


@pytest.mark.parametrize("pages", [2**34, 2**52 - 1])
@pytest.mark.parametrize("replacement", [True, False])
def test_random_is_uniform_over_a_huge_slot(pages, replacement):
    frames = random(pages, DRAWS, replacement=replacement)
    require_uniform(frames // np.uint64(-(-pages // 1000)), 1000)
    require_uniform(frames % np.uint64(1000), 1000)


def test_a_frame_says_nothing_about_the_next():
    frames = random(30, DRAWS).astype(np.int64)
    require_uniform(frames[0::2] * 30 + frames[1::2], 900)


def test_neighbouring_seeds_say_nothing_about_each_other():
    first, second = (random(30, DRAWS, seed=seed).astype(np.int64) for seed in (8, 9))
    require_uniform(first * 30 + second, 900)


@pytest.mark.parametrize("pages", [2, 3, 5, 8, 10, 30])
def test_without_replacement_any_two_pages_may_begin(pages):
    seeds = range(50 * pages * (pages - 1))
    pairs = [random(pages, 2, seed=seed, replacement=False).tolist() for seed in seeds]
    ranked = [a * (pages - 1) + b - (b > a) for a, b in pairs]
    require_uniform(ranked, pages * (pages - 1))


def test_without_replacement_each_order_of_few_pages_comes():
    orders = {order: i for i, order in enumerate(itertools.permutations(range(5)))}
    drawn = [tuple(random(5, 5, seed=s, replacement=False).tolist()) for s in range(12_000)]
    assert len({orders[order] for order in drawn}) == 120
    require_uniform([orders[order] for order in drawn], 120)


@pytest.mark.parametrize("second", [1, 32])
def test_the_rounds_alone_move_neighbours_apart(second, monkeypatch):
    # As a large slot is shuffled, on a rectangle of 32 by 32; four rounds fail here.
    monkeypatch.setattr(bijection, "TABLE_PAGES", 0)
    apart = []
    for seed in range(60_000):
        frames = random(1024, 33, seed=seed, replacement=False).astype(np.int64)
        columns = frames[second] - frames[0]
        rows = frames[second] // 32 - frames[0] // 32
        apart.append(rows % 32 * 32 + columns % 32)
    require_law(counted(apart, 1024)[1:], np.full(1023, 60_000 / 1023))


def test_without_replacement_distances_are_those_of_a_shuffle():
    frames = random(10_007, 10_007, replacement=False).astype(np.int64)
    for lag in (1, 2, 100, 101):
        distances = (frames - np.roll(frames, lag)) % 10_007
        require_uniform((distances - 1) * 100 // 10_006, 100)


def frequencies(pages, exponent):
    weights = np.arange(1, pages + 1, dtype=float) ** -exponent
    return DRAWS * weights / weights.sum()


@pytest.mark.parametrize("exponent", [1e-9, 0.5, 0.99, 1 - 1e-12, 1, 1 + 1e-7, 1.01, 1.5, 2, 4])
@pytest.mark.parametrize("pages", [2, 10, 1000])
def test_zipf_ranks_come_by_the_law(exponent, pages):
    expected = frequencies(pages, exponent)
    counts = counted(zipf(pages, DRAWS, exponent=exponent, scattered=False), pages)
    kept = max(2, int((expected >= 5).sum()))  # the rare ranks count together
    expected, counts = (np.append(c[: kept - 1], c[kept - 1 :].sum()) for c in (expected, counts))
    require_law(counts, expected)


@pytest.mark.parametrize("pages", [2**34, 2**52])
def test_zipf_octaves_of_a_huge_slot_come_by_the_law(pages):
    ranks = zipf(pages, DRAWS, scattered=False) + np.uint64(1)
    octaves = pages.bit_length() - 1
    # The sum of 1/k over an octave is its logarithm, to better than 1e-9 from the 15th on.
    exact = [sum(1 / k for k in range(2**o, 2 ** (o + 1))) for o in range(15)]
    weights = np.array(exact + [math.log(2)] * (octaves - 15))
    counts = counted(np.log2(ranks.astype(float)), octaves)[:octaves]
    require_law(counts, counts.sum() * weights / weights.sum())


@pytest.mark.parametrize("exponent", [40, 1e3, 1e300])
def test_zipf_of_a_steep_law_writes_one_page(exponent):
    assert (zipf(2**34, 1000, exponent=exponent, scattered=False) == 0).all()


def test_scattered_ranks_lie_anywhere():
    favourites = [
        np.bincount(zipf(16, 200, exponent=3, seed=s).astype(int)).argmax() for s in range(1600)
    ]
    require_uniform(favourites, 16)


@pytest.mark.parametrize(("writes", "hot"), [(0.9, 0.1), (0.5, 0.02), (0.05, 0.5)])
def test_the_hot_pages_get_their_share(writes, hot):
    frames = hotset(1000, DRAWS, writes=writes, hot=hot)
    size = round(1000 * hot)
    share = np.repeat([writes / size, (1 - writes) / (1000 - size)], [size, 1000 - size])
    require_law(counted(frames, 1000), DRAWS * share)


def test_a_phase_writes_its_pages_alike():
    frames = phases(1000, DRAWS, number=4, hot=0.1, overlap=0).reshape(4, -1)
    for phase, window in enumerate(frames):
        require_uniform(window - np.uint64(100 * phase), 100)


def test_geometric_lengths():
    frames = clustered(2**40, DRAWS, length=8).astype(np.int64)
    lengths = np.diff(np.flatnonzero(np.diff(frames, prepend=-5, append=-5) != 1))
    assert lengths.mean() == pytest.approx(8, rel=0.001)
    law = lengths.size * (1 / 8) * (7 / 8) ** np.arange(40)
    law = np.append(law, lengths.size - law.sum())
    require_law(counted(np.minimum(lengths, 41) - 1, 41), law)


def test_each_cut_into_geometric_lengths_is_as_likely_as_any_other():
    cuts = {cut: i for i, cut in enumerate(itertools.combinations(range(1, 6), 2))}
    drawn = []
    for seed in range(5_000):
        lengths = random_lengths(Shape(clusters=3, length=2, pages=6), seed).tolist()
        assert sum(lengths) == 6
        drawn.append(cuts[lengths[0], lengths[0] + lengths[1]])
    require_uniform(drawn, len(cuts))


@pytest.mark.parametrize("overlap", [True, False])
def test_clusters_start_anywhere(overlap):
    frames = clustered(2**40, DRAWS, length=4, lengths="fixed", overlap=overlap)
    require_uniform(frames[::4] // np.uint64(-(-(2**40) // 500)), 500)


def test_each_layout_of_clusters_is_as_likely_as_any_other():
    layouts = {
        free: i for i, free in enumerate(itertools.combinations_with_replacement(range(4), 2))
    }
    drawn = []
    for seed in range(5_000):  # two clusters of two pages; three pages stay free
        low, high = sorted(clustered(7, 4, length=2, lengths="fixed", seed=seed)[::2].tolist())
        drawn.append(layouts[low, high - 2])
    counts = counted(drawn, len(layouts))
    # Two free pages drawn apart: an unequal pair can be drawn in two orders.
    require_law(counts, [5_000 / 16 * (1 if a == b else 2) for a, b in layouts])


@given(st.floats(1e-300, 1e300) | st.floats(0.5, 2) | st.floats(1, 1 + 1e-9))
def test_log(x):
    assert log(x) == pytest.approx(math.log(x), rel=1e-14, abs=1e-300)


@given(st.floats(-690, 690) | st.floats(-1, 1))
def test_exp(x):
    assert exp(x) == pytest.approx(math.exp(x), rel=1e-14)
    assert exp(-701.0) == 0


@given(st.floats(-0.9, 30) | st.floats(-0.02, 0.02))
def test_slopes(x):
    assert exp_slope(x) == pytest.approx(math.expm1(x) / x if x else 1, rel=1e-13)
    assert log_slope(x) == pytest.approx(math.log1p(x) / x if x else 1, rel=1e-13)
