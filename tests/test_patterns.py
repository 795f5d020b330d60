"""What is exact about each pattern, against a few lines of plain Python."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dirtylab.datasets import clustered, hotset, phases, random, sequential, strided, zipf
from dirtylab.datasets.bijection import bijection, fill_distinct
from dirtylab.datasets.draws import below, key, unit, word, wrapping

STRIDES = [1, 2, 7, 15, 63, 64, 65, 4096, 12345]
M64 = 2**64 - 1


def test_words_are_those_of_splitmix64():
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    with wrapping():
        words = [int(word(np.uint64(1234567), np.uint64(i))) for i in range(3)]
    assert words == published


@given(st.integers(0, M64), st.integers(1, 2**52))
def test_a_word_is_cut_as_exact_arithmetic_cuts_it(number, size):
    with np.errstate(over="raise"):
        assert int(below(np.uint64(number), np.uint64(size))) == number * size >> 64


def test_a_word_becomes_a_number_below_one():
    assert unit(np.uint64(0)) == 0
    assert unit(np.uint64(M64)) == 1 - 2**-53


def test_streams_of_one_seed_and_of_neighbouring_seeds_differ():
    keys = {int(key(seed, purpose)) for seed in range(50) for purpose in range(3)}
    assert len(keys) == 150


@pytest.mark.parametrize("size", [*range(1, 40), 63, 64, 65, 1023, 1024, 1025, 4095, 4096, 4097])
def test_a_bijection_maps_the_slot_onto_itself(size):
    out = np.empty(size, np.uint64)
    with wrapping():
        fill_distinct(bijection(size, seed=3), out)
    assert sorted(out.tolist()) == list(range(size))


@pytest.mark.parametrize("pages", [2**34, 2**52 - 1, 2**52])
def test_without_replacement_frames_are_distinct(pages):
    frames = random(pages, 300, replacement=False)
    assert len(set(frames.tolist())) == 300
    assert frames.max() > pages // 2


@pytest.mark.parametrize(("start", "dirty"), [(0, 64), (63, 64), (5, 200), (7, 57)])
def test_sequential_goes_round(start, dirty):
    expected = [(start + i) % 64 for i in range(dirty)]
    assert sequential(64, dirty, start=start).tolist() == expected
    if dirty <= 64 - start:
        assert sequential(64, dirty, start=start, wrap=False).tolist() == expected


def strided_by_hand(pages, stride):
    return [frame for offset in range(stride) for frame in range(offset, pages, stride)]


@pytest.mark.parametrize("pages", [1, 64, 65, 4097, 12345])
@pytest.mark.parametrize("stride", STRIDES)
def test_strides_use_all_pages_before_one_comes_again(pages, stride):
    if stride > pages:
        with pytest.raises(ValueError, match=rf"stride={stride}: must be 1 … {pages}"):
            strided(pages, 1, stride=stride)
        return
    expected = strided_by_hand(pages, stride)
    assert sorted(expected) == list(range(pages))
    assert strided(pages, pages + 3, stride=stride).tolist() == (expected * 4)[: pages + 3]


@pytest.mark.parametrize("start", [0, 1, 6, 62, 64])
def test_strides_go_on_from_any_start(start):
    cycle = itertools.cycle(strided_by_hand(65, 7))
    expected = itertools.islice(itertools.dropwhile(lambda frame: frame != start, cycle), 80)
    assert strided(65, 80, stride=7, start=start).tolist() == list(expected)


def test_the_usual_stride_is_a_page_a_word_where_the_slot_has_one():
    assert strided(1000, 3).tolist() == [0, 64, 128]
    assert strided(5, 3).tolist() == [0, 1, 2]


def parts_of(frames):
    """Return the runs in order of arrival, as lengths."""
    steps = np.diff(frames.astype(np.int64), prepend=-5, append=-5)
    return np.diff(np.flatnonzero(steps != 1)).tolist()


def test_fixed_clusters_are_whole_but_the_last():
    # So few clusters in so large a slot do not touch, by this seed.
    assert sorted(parts_of(clustered(2**34, 23, length=5, lengths="fixed"))) == [3, 5, 5, 5, 5]
    assert sorted(parts_of(clustered(2**34, 23, clusters=4, lengths="fixed"))) == [5, 6, 6, 6]


def test_as_many_geometric_clusters_as_asked_for():
    parts = parts_of(clustered(2**34, 1000, clusters=50))
    assert (len(parts), sum(parts)) == (50, 1000)
    assert len(set(parts)) > 10


def test_clusters_are_visited_again_in_the_same_order():
    frames = clustered(1000, 100, clusters=3, length=10, lengths="fixed")
    assert len(set(frames.tolist())) == 30
    assert (frames[30:] == frames[:-30]).all()


@pytest.mark.parametrize("lengths", ["geometric", "fixed"])
@pytest.mark.parametrize("clusters", [1, 2, 7, 64])
def test_clusters_without_overlap_may_fill_their_share_of_the_slot(lengths, clusters):
    frames = clustered(128, 64, clusters=clusters, lengths=lengths, spread=0.5)
    assert sorted(frames.tolist()) == list(range(64))


def test_clusters_arrive_in_random_order_but_ascend_within():
    frames = clustered(2**34, 100, length=10, lengths="fixed").reshape(10, 10).astype(np.int64)
    assert (np.diff(frames, axis=1) == 1).all()
    assert 0 < (np.diff(frames[:, 0]) > 0).sum() < 9


def test_overlapping_clusters_overlap_and_wrap():
    frames = clustered(64, 640, length=10, lengths="fixed", overlap=True).reshape(64, 10)
    assert ((np.diff(frames.astype(np.int64), axis=1) % 64) == 1).all()
    assert (frames[:, 0] > frames[:, -1]).any()  # one that wraps
    assert np.unique(frames[:, 0]).size < 64


def test_a_hot_set_alone_takes_all_writes():
    assert hotset(1000, 200, writes=1).max() < 100
    assert hotset(1000, 200, writes=0).min() >= 100
    assert hotset(1, 500).tolist() == [0] * 500
    assert 500 < hotset(1000, 200, writes=0, hot=1).max() < 1000
    assert (hotset(1000, 200, hot=0, writes=1) == 0).all()


def test_a_spread_hot_set_is_the_same_set_elsewhere():
    start, spread = hotset(1000, 300), hotset(1000, 300, place="spread")
    pairs = set(zip(start.tolist(), spread.tolist(), strict=True))
    assert len({there for _, there in pairs}) == len(pairs) == len(set(start.tolist()))
    assert (start != spread).any()


def test_ranks_scattered_are_the_same_ranks_elsewhere():
    ordered, scattered = zipf(1000, 300, scattered=False), zipf(1000, 300)
    pairs = set(zip(ordered.tolist(), scattered.tolist(), strict=True))
    assert len({there for _, there in pairs}) == len(pairs) == len(set(ordered.tolist()))
    assert (ordered != scattered).any()


@pytest.mark.parametrize(("overlap", "step"), [(0, 100), (0.5, 50), (0.9, 10), (1, 0)])
def test_phases_move_on_and_round(overlap, step):
    frames = phases(1000, 1200, number=12, overlap=overlap).reshape(12, 100).astype(np.int64)
    for phase, window in enumerate(frames):
        inside = (window - phase * step) % 1000
        assert inside.max() < 100
        assert np.unique(inside).size > 50


def test_phases_share_the_writes_evenly():
    frames = phases(64, 10, number=4, hot=1 / 64, overlap=0)
    assert frames.tolist() == [0, 0, 1, 1, 1, 2, 2, 3, 3, 3]
    assert phases(64, 2, number=4, hot=1 / 64, overlap=0).tolist() == [1, 3]
