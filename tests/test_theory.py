"""Closed forms against counting and against the structures."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dirtylab.structures import PostedTree
from dirtylab.theory.crossover import crossings
from dirtylab.theory.memory import posted_tree_bits, trimmed_tree_bits


@given(st.integers(2, 200_000).map(lambda eighth: 8 * eighth))
def test_bits_of_the_posted_tree_are_what_it_allocates(pages):
    assert posted_tree_bits(pages) == 8 * PostedTree(pages).nbytes


def trimmed_by_counting(pages):
    bits, level = pages, pages
    while level > 8:
        level = -(-level // 8)
        bits += level
    return bits


@given(st.lists(st.integers(1, 2**40), min_size=1, max_size=9))
def test_bits_of_the_trimmed_tree_are_the_levels_counted(sizes):
    assert trimmed_tree_bits(sizes).tolist() == [trimmed_by_counting(pages) for pages in sizes]


def test_the_sawtooth_of_2016():
    at = {pages: float(posted_tree_bits(pages) / pages) for pages in (10**7, 8**8, 8**8 + 8)}
    assert at[10**7] == pytest.approx(1.24, abs=0.005)
    assert at[8**8] == pytest.approx(8 / 7, abs=1e-6)
    assert at[8**8 + 8] == pytest.approx(15 / 7, abs=1e-5)


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [
        ([10, 0.1], [10.0]),
        ([10, 1], [100.0]),
        ([2, 3], []),
        ([0.5, 0.9], []),
        ([100, 0.01], [10.0]),
        ([1, 1], [1.0, 100.0]),
    ],
)
def test_crossings_between_two_points(ratio, expected):
    assert crossings([1, 100], ratio) == pytest.approx(expected)


@given(st.floats(-1.5, 1.5), st.floats(0.2, 3))
def test_a_crossing_of_a_power_law_is_found_where_it_is(log_place, slope):
    x = np.logspace(-2, 2, 9)
    ratio = (x / 10**log_place) ** -slope
    assert crossings(x, ratio) == pytest.approx([10**log_place])


def test_several_crossings_come_in_order():
    found = crossings([1, 10, 100, 1000], [2, 0.5, 2, 0.5])
    assert found == pytest.approx([10**0.5, 10**1.5, 10**2.5])
