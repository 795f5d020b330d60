"""What is particular to the tuned structures: options, levels, views, sorting, a full ring."""

import copy
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dirtylab import STRUCTURES
from dirtylab._vectors import HAS_VECTOR
from dirtylab.structures import Bitmap, Hybrid, PageList, Ring, RingFull, Tree, Tree64
from dirtylab.structures.bits import DIRTY, STALE
from dirtylab.structures.levels import level_bits

DECODERS = ["plain", "auto", *(["vector"] if HAS_VECTOR else [])]


def random_frames(pages, count, seed=0):
    return np.random.default_rng(seed).integers(0, pages, count)


# --- decoders -----------------------------------------------------------------------------------


@pytest.mark.parametrize("structure", [Bitmap, Tree, Hybrid])
@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("dirty", [1, 40, 700, 6000, 40_000])
def test_every_decoder_gives_the_same_frames(structure, decoder, dirty):
    pages = 40_001
    made, frames = structure(pages, decoder=decoder), random_frames(pages, dirty)
    made.insert(frames)
    expected = np.unique(frames)
    assert (made.collect() == expected).all()
    assert (made.harvest() == expected).all()
    made.check()
    assert made.harvest().size == 0


@pytest.mark.parametrize("structure", [Bitmap, Tree, Hybrid])
def test_an_unknown_decoder_is_named(structure):
    with pytest.raises(ValueError, match="decoder='fast': must be one of auto, vector, plain"):
        structure(64, decoder="fast")


@pytest.mark.skipif(HAS_VECTOR, reason="this CPU has the vector form")
def test_the_vector_decoder_is_refused_where_the_cpu_has_none():
    with pytest.raises(ValueError, match="decoder='vector': needs AVX-512"):
        Bitmap(64, decoder="vector")


@pytest.mark.parametrize("structure", [Bitmap, Tree, Hybrid])
@pytest.mark.parametrize("start", [0, 1, 7, 56, 57, 60, 63, 64, 1000])
@pytest.mark.parametrize("length", [1, 7, 8, 9, 64, 65, 200])
def test_runs_are_marked_as_single_frames_are(structure, start, length):
    made = structure(4097)
    made.insert([3, start + 2])
    made.insert(range(start, start + length))
    made.check()
    assert made.collect().tolist() == sorted({3, start + 2, *range(start, start + length)})


# --- the tree -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pages", "radices", "lengths"),
    [
        (0, [64], [0]),
        (64, [64], [64]),
        (65, [64], [65, 2]),
        (4097, [64], [4097, 65, 2]),
        (8, [8], [8]),
        (9, [8], [9, 2]),
        (513, [8], [513, 65, 9, 2]),
        (10_000_000, [64], [10_000_000, 156_250, 2442, 39]),
        (4097, [8, 64], [4097, 513, 9]),
        (4097, [64, 8], [4097, 65, 9, 2]),
        (4097, [16, 32, 8], [4097, 257, 9, 2]),
    ],
)
def test_levels_are_trimmed_to_what_the_level_below_needs(pages, radices, lengths):
    assert level_bits(pages, radices) == lengths
    tree = Tree(pages, radix=radices)
    assert tree.nbytes == 8 * sum(-(-length // 64) for length in lengths)
    assert len(tree.radices) == len(lengths)


RADICES = [8, 16, 32, 64, (8, 64), (64, 8), (16, 32, 8), (32, 64, 8, 16)]


@pytest.mark.parametrize("radix", RADICES, ids=str)
@pytest.mark.parametrize("pages", [1, 8, 9, 63, 64, 65, 513, 4095, 4096, 4097, 33_000])
@pytest.mark.parametrize("decoder", ["plain", "auto"])
def test_any_radix_and_number_of_levels(radix, pages, decoder):
    tree = Tree(pages, radix=radix, decoder=decoder)
    for seed, count in enumerate((1, 3, 40, pages)):
        frames = random_frames(pages, count, seed)
        tree.insert(frames)
        tree.check()
        collected = tree.collect()
        assert collected.tolist() == sorted(set(frames.tolist()))
        assert tree.harvest().tolist() == collected.tolist()
        tree.check()


def test_leaf_radix_is_the_radix_of_the_bitmap():
    assert Tree(5000, radix=64, leaf_radix=8).radices == (8, 64, 64)
    assert Tree(5000, radix=8, leaf_radix=64).radices == (64, 8, 8, 8)


@pytest.mark.parametrize("radix", [7, 128, 0, -8, 8.5, "8", None, [], [64, 7], True])
def test_a_bad_radix_is_named(radix):
    with pytest.raises(ValueError, match="radix="):
        Tree(100, radix=radix)


def test_the_bottom_level_is_the_legacy_bitmap_and_no_copy():
    tree, frames = Tree64(1000), random_frames(1000, 300)
    tree.insert(frames)
    dirty = np.zeros(1000, bool)
    dirty[frames] = True
    view = tree.bitmap_view()
    legacy = np.packbits(dirty, bitorder="little").tobytes()
    assert view.astype("<u8").tobytes()[: len(legacy)] == legacy
    tree.insert([0])
    assert view[0] & np.uint64(1)
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 0


@pytest.mark.parametrize("level", [-1, 3, 1.5])
def test_a_level_that_is_not_there_is_named(level):
    with pytest.raises((ValueError, TypeError), match="level="):
        Tree(4097).level_view(level)


@pytest.mark.parametrize("batch", [1, 10, 5000])
def test_small_and_large_batches_give_the_same_summaries(batch):
    pages, frames = 100_000, random_frames(100_000, 5000)
    at_once, in_parts = Tree(pages, radix=8), Tree(pages, radix=8)
    at_once.insert(frames)
    for start in range(0, frames.size, batch):
        in_parts.insert(frames[start : start + batch])
    in_parts.check()
    for level in range(len(at_once.radices)):
        assert (at_once.level_view(level) == in_parts.level_view(level)).all()


@pytest.mark.parametrize("radix", RADICES, ids=str)
@pytest.mark.parametrize("turns", [(0,), (1,), (0, 1), (1, 0, 1), (0, 0, 2), (2, 1, 2, 0)])
def test_summaries_are_true_whatever_opens_nodes(radix, turns):
    """Random frames, runs that begin anywhere, and frames that are in already, in one insert."""
    pages, rng = 300_000, np.random.default_rng(len(turns))
    starts = rng.integers(0, pages - 40, 30)
    kinds = [
        rng.integers(0, pages, 2500),
        np.concatenate([np.arange(start, start + 40) for start in starts]),
        np.resize(rng.integers(0, pages, 9), 900),
    ]
    for before in (0, 3, 3000):
        tree, frames = Tree(pages, radix=radix), np.concatenate([kinds[turn] for turn in turns])
        first = rng.integers(0, pages, before)
        tree.insert(first)
        tree.insert(frames)
        tree.check()
        assert (tree.harvest() == np.unique(np.concatenate([first, frames]))).all()
        tree.check()


@pytest.mark.large
@pytest.mark.parametrize("structure", [Bitmap, Tree64, Hybrid])
def test_a_guest_of_64_tib(structure):
    """2^34 pages: a bitmap of 2 GiB, of which only what is touched takes memory."""
    pages = 2**34
    frames = [0, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**33 + 12_345, pages - 1]
    made = structure(pages)
    made.insert(frames[::-1])
    assert made.collect().tolist() == frames
    assert made.harvest().tolist() == frames
    assert len(made) == 0
    with pytest.raises(IndexError, match=r"frames\[0\]=17179869184"):
        made.insert([pages])


def test_operations_of_a_tree_by_hand():
    tree = Tree(4097, radix=64)
    assert tree.operations() == (0, 0, 0)
    tree.insert([1, 2, 70, 4096])
    # Root; its two nodes; of the bitmap the words 0, 1 and 64.
    assert tree.operations() == (6, 6, 48)
    assert Tree(4097, radix=8).operations() == (0, 0, 0)


def test_check_finds_a_summary_that_lies():
    tree = Tree(4097)
    tree.insert([5])
    tree._state.words[-1] = 0
    with pytest.raises(AssertionError, match="level 2 says whether"):
        tree.check()


def test_the_summary_of_a_hybrid_is_one_bit_a_cache_line():
    made = Hybrid(1200)
    made.insert([1, 1100])
    assert made.nbytes == 8 * 19 + 8
    assert made.operations() == (8 + 8 + 1, 2, 8 * 17)
    made.insert(range(1200))
    assert made.operations() == (19, 0, 8 * 19)
    made.clear()
    made.insert([1, 1100])
    made._state.summary[0] = 1
    with pytest.raises(AssertionError, match="summary says whether its block"):
        made.check()


# --- the list -----------------------------------------------------------------------------------


def test_a_list_as_it_came_keeps_order_and_repeats():
    made = PageList(100, output="arrival")
    made.insert([9, 3, 9])
    made.insert([3, 50])
    assert made.collect().tolist() == [9, 3, 9, 3, 50]
    assert (len(made), made.entries) == (3, 5)
    assert made.collect().tolist() == [9, 3, 9, 3, 50]
    assert (made.sorted_output, made.unique_output) == (False, False)


@given(st.lists(st.integers(0, 2**20 - 1), max_size=400))
def test_sorted_output_is_the_sorted_set(frames):
    made = PageList(2**20, capacity=400)
    made.insert(frames)
    assert made.collect().tolist() == sorted(set(frames))
    made.check()


@pytest.mark.parametrize("pages", [65, 2048, 2049, 2**22, 2**22 + 1, 2**34])
def test_sorting_covers_every_bit_that_can_differ(pages):
    frames = random_frames(pages, 1000)
    made = PageList(pages, capacity=1002)
    made.insert([*frames, 0, pages - 1])
    assert made.harvest().tolist() == sorted({*frames.tolist(), 0, pages - 1})


@pytest.mark.parametrize("output", ["sorted", "arrival"])
def test_a_full_list_drops_repeats_before_it_refuses(output):
    made = PageList(100, capacity=4, output=output)
    made.insert([7, 7, 3, 7])
    made.insert([3, 5, 5])
    assert sorted(set(made.collect().tolist())) == [3, 5, 7]
    with pytest.raises(OverflowError, match="2 new ones, room for 1 of capacity 4; nothing was"):
        made.insert([7, 1, 2])
    assert sorted(set(made.collect().tolist())) == [3, 5, 7]
    made.check()


def test_a_list_as_large_as_the_slot_never_overflows():
    made = PageList(64)
    for _ in range(10):
        made.insert(range(64))
        made.insert([63] * 200)
    assert made.collect().tolist() == list(range(64))


# --- the ring -----------------------------------------------------------------------------------


def test_a_full_ring_exits_and_loses_nothing():
    ring = Ring(10_000, entries=64, soft_limit=50)
    frames = np.random.default_rng(0).permutation(10_000)
    ring.insert(frames)
    assert ring.exits == 199
    assert (np.sort(ring.collect()) == np.arange(10_000)).all()
    assert ring.harvest().tolist() == frames.tolist()
    assert (ring.exits, len(ring)) == (199, 0)
    ring.check()


def test_a_page_pushes_one_entry_until_it_is_reset():
    ring = Ring(100, entries=8)
    for _ in range(100):
        ring.insert([5, 6])
    assert (ring.exits, ring.collect().tolist()) == (0, [5, 6])
    ring.harvest()
    ring.insert([5])
    assert ring.collect().tolist() == [5]


def test_a_ring_that_stays_full_says_how_far_it_came():
    ring = Ring(100, entries=8, soft_limit=5, when_full="raise")
    with pytest.raises(RingFull, match="soft limit of 5; 6 frames of this call") as full:
        ring.insert([1, 2, 1, 3, 4, 5, 6, 7])
    assert full.value.accepted == 6
    assert ring.exits == 1
    ring.check()
    assert ring.harvest().tolist() == [1, 2, 3, 4, 5]
    ring.insert([6, 7])
    assert ring.harvest().tolist() == [6, 7]


def test_reset_coalesces_neighbours():
    ring = Ring(1000)
    ring.insert([1, 2, 3, 70, 71, 5])
    ring.clear()
    assert ring.reset_writes == 3
    ring.check()


def test_memory_of_a_ring_counts_its_backlog():
    ring = Ring(1024, entries=128, soft_limit=100)
    empty = ring.nbytes
    assert empty == 128 * 16 + 1024 // 8
    ring.insert(range(250))
    assert ring.nbytes == empty + 200 * 8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"entries": 100}, "entries=100: must be a power of two"),
        ({"entries": 2**17}, "entries=131072: must be 2 … 65536"),
        ({"entries": 64, "soft_limit": 65}, "soft_limit=65: must be 1 … 64"),
        ({"soft_limit": 0}, "soft_limit=0: must be"),
        ({"when_full": "spin"}, "when_full='spin': must be one of drain, raise"),
    ],
)
def test_bad_options_of_a_ring_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        Ring(100, **options)


# --- all ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"), list(itertools.combinations([Bitmap, Tree, Hybrid, PageList, Ring], 2))
)
def test_structures_agree_with_each_other(one, other):
    frames = random_frames(5000, 3000, 7)
    a, b = one(5000), other(5000)
    a.insert(frames)
    b.insert(frames)
    assert np.sort(a.harvest()).tolist() == np.sort(b.harvest()).tolist()


@pytest.mark.parametrize("name", ["bitmap", "hybrid", "tree8", "tree64"])
def test_bits_that_came_in_large_numbers_are_counted_when_somebody_asks(name):
    many = np.arange(0, 4096, 3, dtype=np.uint64)
    few = np.array([0, 1, 4095], np.uint64)
    whole = np.union1d(many, few)
    for ask in (len, lambda one: one.collect().size, lambda one: copy.copy(one).harvest().size):
        structure = STRUCTURES[name](4096)
        structure.insert(many)
        assert structure.state.header[DIRTY] == STALE
        structure.check()
        structure.insert(few)
        assert structure.state.header[DIRTY] == STALE
        assert ask(structure) == whole.size
        assert structure.harvest().tolist() == whole.tolist()
        assert structure.state.header[DIRTY] == 0
        structure.insert(few)
        assert structure.state.header[DIRTY] == few.size
        structure.insert(many)
        structure.clear()
        assert len(structure) == 0
        structure.check()
