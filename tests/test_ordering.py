"""The list's sort against NumPy's, for every shape of input that takes another way through it."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import config
from slow import further

from dirtylab import DATASETS
from dirtylab._lanes import HAS_LANES
from dirtylab._vectors import target_has
from dirtylab.structures import PageList, ordering
from dirtylab.structures.ordering import (
    PLACES,
    ascend,
    bounds,
    drop_repeats,
    halve,
    is_ascending,
    place_and_sort,
    sort_bits,
)

LAST = 2**52 - 1
GUARD = np.uint64(0xDEADBEEFDEADBEEF)
WAYS = [place_and_sort, halve] if HAS_LANES else [place_and_sort]


def require_sorted(values):
    """Require the distinct values in order, whatever the room, and nothing written beyond it."""
    expected, before = np.unique(values), values.copy()
    for room in (values.size, values.size + 200):
        memory = np.full(room + 300, GUARD)
        count = ascend(values, memory[100 : 100 + room])
        np.testing.assert_array_equal(memory[100 : 100 + count], expected)
        assert (memory[:100] == GUARD).all()
        assert (memory[100 + room :] == GUARD).all()
    np.testing.assert_array_equal(values, before)


def require_sorted_each_way(values):
    """Require the same of every way to split, whichever is taken here."""
    low, high = map(np.uint64, bounds(values, 0, values.size))
    for way in WAYS:
        memory = np.full(values.size + 300, GUARD)
        spare = np.empty(2 * values.size, values.dtype)
        count = way(values, low, high, spare, memory[100 : 100 + values.size], 0)
        np.testing.assert_array_equal(memory[100 : 100 + count], np.unique(values))
        assert (memory[:100] == GUARD).all()
        assert (memory[100 + values.size :] == GUARD).all()


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


SIZES = [0, 1, 2, 3, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 258,
         4095, 4096, 4097]  # fmt: skip


@pytest.mark.parametrize("kind", [np.uint32, np.uint64])
@pytest.mark.parametrize("size", SIZES)
def test_every_shape_comes_out_in_order(size, kind):
    for values in shapes(max(size, 1), np.random.default_rng(size)).values():
        require_sorted(values[:size].astype(kind))
        if size > 128:
            require_sorted_each_way(values[:size].astype(kind))


@pytest.mark.large
@pytest.mark.parametrize("size", [50 * PLACES, 2**18 + 1])
def test_every_shape_comes_out_in_order_where_parts_are_placed_twice(size):
    for values in shapes(size, np.random.default_rng(size)).values():
        require_sorted(values.astype(np.uint32))
        require_sorted_each_way(values.astype(np.uint32))


def test_values_that_halve_the_range_again_and_again_come_out_in_order():
    powers = np.repeat(np.uint64(1) << np.arange(52, dtype=np.uint64), 100)
    for values in (powers, LAST - powers, np.concatenate([powers, LAST - powers])):
        shuffled = np.random.default_rng(1).permutation(values)
        require_sorted(shuffled)
        require_sorted_each_way(shuffled)


@pytest.mark.parametrize("span", [0, 1, 63, 64, 65, 2**16 - 1])
def test_bits_sort_up_to_their_span(span):
    low = np.uint64(2**40 - 7)
    values = low + np.random.default_rng(span).integers(0, span, 300, np.uint64, endpoint=True)
    out = np.empty(300, np.uint64)
    bitmap = np.full(1024, GUARD)
    count = sort_bits(values, low, low + np.uint64(span), bitmap, out, 0)
    np.testing.assert_array_equal(out[:count], np.unique(values))


@pytest.mark.parametrize("size", [1, 2, 16, 17, 33, 300])
def test_repeats_are_left_out_of_what_is_in_order(size):
    for repeats in (1, 2, 40):
        values = (np.arange(size) // repeats).astype(np.uint32)
        out = np.empty(size, np.uint64)
        count = drop_repeats(values, out)
        np.testing.assert_array_equal(out[:count], np.unique(values))


@pytest.mark.skipif(bool(config.DISABLE_JIT), reason="nothing is compiled")
@pytest.mark.parametrize("features", ["+avx2,+avx", *further("")])
def test_a_processor_without_wide_vectors_sorts_too(features):
    code = """
import numpy as np
from dirtylab import _lanes
from dirtylab.structures.ordering import ascend
assert _lanes.BITS == BITS and not _lanes.HAS_LANES
rng = np.random.default_rng(1)
for size in (1, 7, 8, 9, 32, 33, 64, 65, 300, 5000):
    for most in (10**7, 50, 2):
        values = rng.integers(0, most, size)
        out = np.empty(size, np.uint64)
        count = ascend(values.astype(np.uint32), out)
        np.testing.assert_array_equal(out[:count], np.unique(values))
"""
    if features and not target_has("avx2"):
        pytest.skip("no AVX2 here")
    told = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": features}
    code = code.replace("== BITS", f"== {256 if features else 128}")
    found = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **told}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr


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
    assert ordering.sort_between in WAYS
