"""The facts about a set of frames, against Python's own sets."""

import json
import pickle
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dirtylab
from dirtylab import describe
from dirtylab.datasets import clustered, random, sequential, strided

SLOTS = st.sampled_from([1, 2, 7, 8, 9, 63, 64, 65, 511, 512, 513, 4095, 4096, 4097, 2**34, 2**52])


@st.composite
def slots_and_frames(draw):
    """Draw a slot, and frames some of which are neighbours."""
    pages = draw(SLOTS)
    runs = draw(st.lists(st.tuples(st.integers(0, pages - 1), st.integers(1, 70)), max_size=12))
    frames = [frame for start, size in runs for frame in range(start, min(start + size, pages))]
    return pages, draw(st.permutations(frames))


def lengths_of(dirty):
    """Return the lengths of the runs of a set, ascending."""
    starts = sorted(frame for frame in dirty if frame - 1 not in dirty)
    return sorted(next(n for n in range(1, 2**30) if s + n not in dirty) for s in starts)


def nodes_of(dirty, pages, radix):
    levels = []
    while True:
        dirty, pages = {frame // radix for frame in dirty}, -(-pages // radix)
        levels.append(len(dirty))
        if pages <= 1:
            return tuple(levels)


@given(slots_and_frames(), st.sampled_from([2, 3, 8, 64, 1000]))
def test_facts_are_those_of_a_set(slot, radix):
    pages, frames = slot
    facts, dirty = describe(frames, pages, radices=(8, radix)), set(frames)
    lengths = lengths_of(dirty)
    assert (facts.pages, facts.frames, facts.distinct) == (pages, len(frames), len(dirty))
    assert (facts.repeats, facts.density) == (len(frames) - len(dirty), len(dirty) / pages)
    assert facts.runs == len(lengths)
    assert facts.run_mean == (sum(lengths) / len(lengths) if lengths else 0)
    touched = [len({frame // unit for frame in dirty}) for unit in (8, 64, 512)]
    assert [facts.bytes, facts.words, facts.lines] == touched
    assert facts.nodes == {r: nodes_of(dirty, pages, r) for r in (8, radix)}
    assert sum(facts.run_histogram) == len(lengths)
    for power, count in enumerate(facts.run_histogram):
        assert count == sum(2**power <= length < 2 ** (power + 1) for length in lengths)
    assert not facts.run_histogram or facts.run_histogram[-1]
    for percent, length in facts.run_percentiles.items():
        assert sum(x <= length for x in lengths) * 100 >= percent * len(lengths)
        assert sum(x < length for x in lengths) * 100 < max(percent, 1) * len(lengths)
    assert bool(facts.run_percentiles) == bool(lengths)


def test_a_full_slot():
    facts = describe(random(4096, 4096, replacement=False), 4096)
    assert (facts.density, facts.runs, facts.run_percentiles[50]) == (1, 1, 4096)
    assert facts.run_histogram == (0,) * 12 + (1,)
    assert facts.nodes == {8: (512, 64, 8, 1), 64: (64, 1)}


def test_a_page_a_word():
    facts = describe(strided(4096, 64), 4096)
    assert (facts.runs, facts.words, facts.bytes, facts.lines) == (64, 64, 64, 8)


def test_clusters_are_seen():
    facts = describe(clustered(2**34, 1000, length=10, lengths="fixed"), 2**34)
    assert (facts.runs, facts.run_mean, facts.run_percentiles[99]) == (100, 10, 10)


@pytest.mark.parametrize("pages", [0, 1, 2**52])
def test_no_frames(pages):
    facts = describe([], pages)
    assert (facts.distinct, facts.density, facts.runs, facts.run_histogram) == (0, 0, 0, ())
    assert set(facts.nodes[8]) == {0}
    assert facts.words == 0


def test_what_is_given_stays_as_it_is():
    frames = np.array([5, 1, 5], np.uint64)
    describe(frames, 8)
    assert frames.tolist() == [5, 1, 5]


def test_facts_are_frozen_and_travel():
    facts = describe([7, 1, 6, 1, 9, 5], 16)
    with pytest.raises(AttributeError, match="cannot assign"):
        facts.pages = 3
    assert pickle.loads(pickle.dumps(facts)) == facts
    assert json.loads(json.dumps(facts.as_dict()))["nodes"]["8"] == [2, 1]
    assert facts.as_dict()["run_percentiles"][100] == 3


def test_facts_are_shown():
    facts = describe([7, 1, 6, 1, 9, 5], 16)
    assert repr(facts) == (
        "<frames: dirty 5 of 16 pages (31.2500%); repeats 1 of 6; runs 3 of 1.667 pages "
        "(median 1, longest 3); bitmap 2 bytes, 1 words, 1 lines; nodes of radix 8 2 + 1; "
        "nodes of radix 64 1>"
    )
    assert "<th>nodes of radix 8</th><td>2 + 1</td>" in facts._repr_html_()
    assert "<th>runs</th><td>0</td>" in describe([], 16)._repr_html_()


@pytest.mark.parametrize(
    ("frames", "pages", "radices", "error", "message"),
    [
        ([16], 16, (8,), IndexError, r"frames\[0\]=16: must be 0 … 15"),
        ([0], 0, (8,), IndexError, r"frames\[0\]=0: a slot of 0 pages has no frames"),
        ([1.5], 16, (8,), TypeError, r"frames\[0\]=1.5: must be an integer"),
        ([[1]], 16, (8,), ValueError, r"frames: must be one-dimensional"),
        ([1], -1, (8,), ValueError, r"pages=-1: must be 0"),
        ([1], 16.0, (8,), TypeError, r"pages=16.0: must be an integer"),
        ([1], 16, (8, 1), ValueError, r"radices=1: must be 2"),
        ([1], 16, "8", TypeError, r"radices='8': must be an integer"),
        ([1], 16, 8, TypeError, r"radices=8: must be several"),
    ],
)
def test_bad_arguments_are_named(frames, pages, radices, error, message):
    with pytest.raises(error, match=message):
        describe(frames, pages, radices=radices)


@pytest.mark.parametrize("make", [random, sequential])
def test_memory_is_twice_the_frames_at_most_whatever_the_slot(make):
    frames = make(2**40, 20_000)
    describe(frames, 2**40)  # compile first
    tracemalloc.start()
    describe(frames, 2**40)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak <= 2 * frames.nbytes + 20_000


def test_describe_is_found_where_it_is_promised():
    assert dirtylab.describe is describe
    assert "describe" in dir(dirtylab)
