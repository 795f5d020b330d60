"""Runs of dirty pages: every structure against a naive oracle, and what an interrupt leaves."""

import numpy as np
import pytest
from contracts import EDGES, KINDS, build, expected, usable
from hypothesis import given
from hypothesis import strategies as st

from dirtylab import STRUCTURES
from dirtylab.structures import Bitmap, Hybrid, Tree, Tree64, bits
from dirtylab.structures.runs import frames_of, runs_of

LARGE = [8**5 - 1, 64**3 - 1, 64**3, 64**3 + 1, 3 * 64**3 + 70]
NATIVE = ("bitmap", "hybrid", "tree8", "tree64")


def naive(frames):
    """Return runs as pairs, the plain way."""
    found = []
    for frame in sorted(set(frames)):
        if found and found[-1][0] + found[-1][1] == frame:
            found[-1][1] += 1
        else:
            found.append([frame, 1])
    return found


def some(pages, rng):
    """Frames of several shapes: alone, in runs over words' borders, whole words, the last page."""
    starts = rng.integers(0, pages, 6)
    parts = [np.arange(one, min(one + 70 * (place % 4), pages)) for place, one in enumerate(starts)]
    return np.concatenate([rng.integers(0, pages, 9), [0, pages - 1], *parts]).astype(np.uint64)


@pytest.mark.parametrize("name", KINDS)
def test_runs_are_those_of_the_frames_and_nothing_stays(name):
    rng = np.random.default_rng(1)
    for pages in usable(name, [one for one in EDGES if one] + LARGE):
        structure = build(name, pages)
        for _ in range(2):
            frames = some(pages, rng)
            structure.insert(frames)
            found = structure.harvest_runs()
            assert found.dtype == np.uint64
            assert found.tolist() == naive(expected(name, pages, frames.tolist()))
            assert structure.harvest_runs().shape == (0, 2)
            structure.check()


@pytest.mark.parametrize("name", NATIVE)
def test_all_pages_are_one_run_and_every_other_page_is_one_each(name):
    for pages in (1, 63, 64, 65, 4095, 4096, 4097, 64**3 + 1):
        structure = STRUCTURES[name](pages)
        structure.insert(np.arange(pages, dtype=np.uint64))
        assert structure.harvest_runs().tolist() == [[0, pages]]
        structure.insert(np.arange(0, pages, 2, dtype=np.uint64))
        assert structure.harvest_runs().tolist() == [[frame, 1] for frame in range(0, pages, 2)]
        assert len(structure) == 0
        structure.check()


@pytest.mark.parametrize("radix", [8, 16, 32, 64, [64, 8], [8, 64]])
def test_trees_of_every_radix(radix):
    rng = np.random.default_rng(2)
    for pages in (65, 4097, 300_000):
        tree = Tree(pages, radix=radix)
        frames = some(pages, rng)
        tree.insert(frames)
        assert tree.harvest_runs().tolist() == naive(frames.tolist())
        tree.check()


@given(st.lists(st.integers(0, 5000), max_size=300))
def test_runs_and_frames_are_two_ways_to_say_the_same(frames):
    given_frames = np.array(frames, np.uint64)
    runs = runs_of(given_frames)
    assert runs.tolist() == naive(frames)
    assert np.array_equal(frames_of(runs), np.unique(given_frames))
    structure = Bitmap(5001)
    structure.insert(given_frames)
    assert np.array_equal(structure.harvest_runs(), runs)


def test_an_empty_slot_has_no_runs():
    for name in NATIVE:
        assert STRUCTURES[name](0).harvest_runs().shape == (0, 2)


@pytest.mark.parametrize("kind", [Bitmap, Hybrid, Tree64])
@pytest.mark.parametrize("late", [False, True])
def test_an_interrupt_loses_nothing(kind, late, monkeypatch):
    structure = kind(70_000)
    frames = np.array([3, 4, 5, 64, 69_999], np.uint64)
    structure.insert(frames)
    real = kind._take_runs

    def interrupted(self, out):
        if late:
            real(self, out)
        raise KeyboardInterrupt

    monkeypatch.setattr(kind, "_take_runs", interrupted)
    with pytest.raises(KeyboardInterrupt):
        structure.harvest_runs()
    assert np.array_equal(structure.harvest(), frames)
    structure.check()


def test_an_interrupt_of_the_general_way_loses_nothing(monkeypatch):
    structure = STRUCTURES["list"](100)
    structure.insert(np.array([7, 9], np.uint64))

    def interrupted(frames):
        raise KeyboardInterrupt

    monkeypatch.setattr("dirtylab.structures.runs.runs_of", interrupted)
    with pytest.raises(KeyboardInterrupt):
        structure.harvest_runs()
    assert structure.harvest().tolist() == [7, 9]


def test_bits_that_were_not_counted_yet_are_taken_too():
    structure = Bitmap(6400)
    structure.insert(np.arange(0, 6400, 3, dtype=np.uint64))
    assert structure._header[bits.DIRTY] == bits.STALE
    assert structure.harvest_runs().shape[0] == 2134
