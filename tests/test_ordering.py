"""The list's sort against NumPy's, for every shape of input that takes another way through it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dirtylab import DATASETS
from dirtylab.structures import PageList, ordering
from dirtylab.structures.ordering import FEW, MANY, by_digits, insert_within, is_ascending, order

LAST = 2**52 - 1


def require_sorted(values):
    expected = np.sort(values)
    order(values, np.empty_like(values))
    np.testing.assert_array_equal(values, expected)


@given(
    st.lists(st.integers(0, LAST), max_size=300), st.sampled_from([1, 2**10, 2**31, 2**32, LAST])
)
def test_any_frames_come_out_in_order(frames, modulus):
    require_sorted(np.array(frames, np.uint64) % np.uint64(modulus))
    require_sorted((np.array(frames, np.uint64) % np.uint64(min(modulus, 2**32))).astype(np.uint32))


def shapes(size, rng):
    """Return arrays of one size that are sorted in different ways."""
    evenly = rng.integers(0, 2**24, size)
    lumps = np.where(rng.random(size) < 0.001, 2**31, rng.integers(0, 50, size))
    steps = np.arange(size)
    return {
        "random": evenly,
        "ascending": np.sort(evenly),
        "descending": np.sort(evenly)[::-1],
        "all equal": np.full(size, 7),
        "two values": rng.integers(0, 2, size) * (2**32 - 1),
        "not evenly spread": lumps,
        "ascending but for the last": np.append(steps[1:], 0),
        "ascending but for the first": np.append(size, steps[: size - 1]),
        "high digits alone": rng.integers(0, 16, size) << 28,
        "low digits alone": 2**31 + rng.integers(0, 16, size),
        "powers of two": 1 << rng.integers(0, 32, size),
    }


SIZES = [0, 1, 2, 3, 8, 63, 64, 65, 255, 256, 257, 258, 4095, 4096, 4097]


@pytest.mark.parametrize("kind", [np.uint32, np.uint64])
@pytest.mark.parametrize("size", SIZES)
def test_every_shape_comes_out_in_order(size, kind):
    for values in shapes(max(size, 1), np.random.default_rng(size)).values():
        require_sorted(values[:size].astype(kind))


@pytest.mark.large
@pytest.mark.parametrize("size", [FEW - 1, FEW, FEW + 1, MANY, MANY + 1])
def test_every_shape_comes_out_in_order_where_the_way_changes(size):
    for values in shapes(size, np.random.default_rng(size)).values():
        require_sorted(values.astype(np.uint32))


@pytest.mark.parametrize("bits", [1, 3, 8, 12])
def test_digits_of_any_width_sort(bits):
    values = np.random.default_rng(bits).integers(5, 10**6, 1000).astype(np.uint64)
    expected = np.sort(values)
    span = np.uint64(values.max() - np.uint64(5))
    by_digits(values, np.empty_like(values), np.empty(1 << bits, np.uint32), np.uint64(5), span)
    np.testing.assert_array_equal(values, expected)


def test_insertion_gives_up_where_it_would_take_long_and_loses_nothing():
    values = np.arange(1000, dtype=np.uint32)[::-1].copy()
    assert not insert_within(values)
    np.testing.assert_array_equal(np.sort(values), np.arange(1000))
    assert insert_within(np.arange(1000, dtype=np.uint32))


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 258, 512, 513, 600])
def test_one_fall_anywhere_is_noticed(size):
    values = np.arange(1, size + 1, dtype=np.uint32)
    assert is_ascending(values)
    for place in range(1, size):
        fallen = values.copy()
        fallen[place] = 0
        assert not is_ascending(fallen)


@pytest.mark.parametrize("name", ["random", "clustered", "zipf", "sequential"])
@pytest.mark.parametrize("pages", [100_000, 2**33])
def test_a_list_gives_what_numpy_gives(name, pages):
    frames = DATASETS[name](pages, 5000, seed=1)
    made = PageList(pages, capacity=5000)
    made.insert(frames)
    np.testing.assert_array_equal(made.collect(), np.unique(frames))
    np.testing.assert_array_equal(made.harvest(), np.unique(frames))


def test_the_list_asks_numpy_for_no_sort(monkeypatch):
    def refused(*_, **__):
        raise AssertionError("NumPy was asked to sort")

    made = PageList(1000, capacity=6)
    for name in ("sort", "unique", "argsort", "setdiff1d", "partition"):
        monkeypatch.setattr(np, name, refused)
    made.insert([9, 3, 3, 7])
    made.insert([7, 3, 1, 2])
    assert len(made) == 5
    assert made.collect().tolist() == [1, 2, 3, 7, 9]
    assert made.harvest().tolist() == [1, 2, 3, 7, 9]
    assert ordering.order is order
