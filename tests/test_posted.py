"""What is particular to the posted structures: the packed levels, the three defects."""

import numpy as np
import pytest
from contracts import IMPOSSIBLE
from hypothesis import given
from hypothesis import strategies as st

from dirtylab.structures import PostedBitmap, PostedCrashError, PostedList, PostedTree
from dirtylab.structures.posted_tree import child_of, inner_bits_of, parent_of, slot_of


@pytest.mark.parametrize("node", [0, 1, 8, 9, 72, 73, 584, 10**6, 2**40])
@pytest.mark.parametrize("slot", range(8))
def test_a_child_knows_its_parent_and_its_slot(node, slot):
    child = child_of(np.uint64(node), np.uint64(slot))
    assert (parent_of(child), slot_of(child)) == (node, slot)


@pytest.mark.parametrize(
    ("pages", "bits"), [(9, 8), (64, 8), (65, 72), (512, 72), (513, 584), (10_000_000, 2396744)]
)
def test_bits_above_the_bitmap(pages, bits):
    assert inner_bits_of(pages) == bits


def levels_by_hand(pages, frames):
    """Return the tree's bytes made level by level, from the bitmap up."""
    size = 8
    while size < pages:
        size *= 8
    bits = np.zeros(size, bool)
    bits[frames] = True
    levels = [np.packbits(bits[: -(-pages // 8) * 8], bitorder="little")]
    while bits.size > 8:
        bits = bits.reshape(-1, 8).any(axis=1)
        levels.append(np.packbits(bits, bitorder="little"))
    return np.concatenate(levels[::-1])


@given(st.sampled_from([16, 64, 72, 504, 512, 520, 4096, 4104, 9000]), st.data())
def test_the_packed_levels_are_the_summaries_of_the_bitmap(pages, data):
    frames = data.draw(st.lists(st.integers(0, pages - 1), min_size=1, max_size=50))
    tree = PostedTree(pages)
    tree.insert(frames)
    assert tree.state.packed.tobytes() == levels_by_hand(pages, frames).tobytes()


@pytest.mark.parametrize(
    "pages", [16, 64, 72, 512, 520, 4096, 4104, pytest.param(10_000_000, marks=pytest.mark.large)]
)
def test_the_bottom_level_is_the_bitmap_byte_for_byte(pages):
    frames = np.random.default_rng(1).integers(0, pages, pages // 3)
    tree, bitmap = PostedTree(pages), PostedBitmap(pages)
    tree.insert(frames)
    bitmap.insert(frames)
    dirty = np.zeros(pages, bool)
    dirty[frames] = True
    legacy = np.packbits(dirty, bitorder="little").tobytes()
    assert tree.bitmap_view().tobytes() == bitmap.bitmap_view().tobytes() == legacy
    assert np.shares_memory(tree.bitmap_view(), tree.state.packed)


@pytest.mark.parametrize("structure", [PostedTree, PostedBitmap, PostedList])
def test_insert_order_makes_no_difference_to_the_bits(structure):
    frames = np.random.default_rng(2).permutation(520)[:200]
    one, other = structure(520), structure(520)
    one.insert(frames)
    for frame in frames[::-1]:
        other.insert([frame])
    assert sorted(one.collect().tolist()) == sorted(other.collect().tolist())


# --- defect 1 -----------------------------------------------------------------------------------


@pytest.mark.parametrize("pages", range(9))
def test_up_to_eight_pages_the_walk_would_crash_and_says_so(pages):
    with pytest.raises(ValueError, match=f"pages={pages}: the posted tree walks outside"):
        PostedTree(pages)
    tree = PostedTree(pages, as_posted=True)
    tree.insert(range(pages))
    with pytest.raises(PostedCrashError, match="takes the root for a leaf"):
        tree.collect()
    with pytest.raises(PostedCrashError, match="takes the root for a leaf"):
        tree.harvest()
    assert len(tree) == pages


# --- defect 2 -----------------------------------------------------------------------------------

POWERS = [64, 512, 4096, pytest.param(8**5, marks=pytest.mark.large),
          pytest.param(8**8, marks=pytest.mark.large)]  # fmt: skip


@pytest.mark.parametrize("pages", POWERS)
def test_at_a_power_of_eight_the_last_node_is_lost(pages):
    tree = PostedTree(pages)
    tree.insert(np.arange(pages))
    found = tree.collect()
    assert tree.lost == range(pages - 8, pages)
    assert found.size == pages - 7
    assert found[-1] == IMPOSSIBLE
    assert (found[:-1] == np.arange(pages - 8)).all()


@pytest.mark.parametrize("pages", POWERS)
@pytest.mark.parametrize("beside", [-8, 8])
def test_eight_pages_beside_a_power_of_eight_nothing_is_lost(pages, beside):
    tree = PostedTree(pages + beside)
    tree.insert(np.arange(pages + beside))
    assert tree.lost == range(0, 0) or not tree.lost
    assert (tree.collect() == np.arange(pages + beside)).all()


@pytest.mark.parametrize("pages", range(57, 65))
def test_the_loss_begins_seven_below_the_power(pages):
    tree = PostedTree(pages, as_posted=True)
    tree.insert(range(pages))
    assert tree.collect().tolist() == [*range(56), IMPOSSIBLE]
    assert PostedTree(56).lost == range(56, 56)


def test_lost_frames_are_lost_only_when_dirty():
    tree = PostedTree(64)
    tree.insert([0, 55])
    assert tree.collect().tolist() == [0, 55]
    tree.insert([60])
    assert tree.collect().tolist() == [0, 55, IMPOSSIBLE]
    assert 60 in tree


# --- defect 3 -----------------------------------------------------------------------------------


@pytest.mark.parametrize("structure", [PostedTree, PostedBitmap])
@pytest.mark.parametrize("pages", [17, 20, 63, 65, 4095, 4097])
def test_a_size_that_is_no_multiple_of_eight_writes_past_the_end(structure, pages):
    with pytest.raises(ValueError, match=f"pages={pages}: .* writes past its end"):
        structure(pages)
    watched = structure(pages, as_posted=True)
    watched.insert([0])
    assert watched.written_past_the_end == 0
    watched.insert([pages - 1])
    assert watched.written_past_the_end == 1
    watched.check()
    assert watched.nbytes == (pages + (inner_bits_of(pages) if structure is PostedTree else 0)) // 8
    if pages not in range(57, 65) and pages not in range(4089, 4097):
        assert watched.collect().tolist() == [0, pages - 1]
    watched.clear()
    assert watched.written_past_the_end == 0


# --- the rest -----------------------------------------------------------------------------------


def test_the_posted_list_keeps_repeats_and_never_overflows():
    structure = PostedList(100, capacity=4)
    structure.insert([7, 7, 3])
    assert (structure.entries, len(structure)) == (3, 2)
    with pytest.raises(OverflowError, match=r"2 given, room for 1 of capacity 4; nothing was"):
        structure.insert([1, 2])
    structure.insert([7])
    assert structure.collect().tolist() == [7, 7, 3, 7]
    assert structure.harvest().tolist() == [7, 7, 3, 7]
    structure.insert([1, 2, 3, 4])


@pytest.mark.parametrize("capacity", [-1, 1.5, "4"])
def test_a_bad_capacity_is_named(capacity):
    with pytest.raises((TypeError, ValueError), match="capacity="):
        PostedList(100, capacity=capacity)


def test_operations_of_small_contents_by_hand():
    tree, bitmap, entries = PostedTree(72), PostedBitmap(72), PostedList(72)
    for structure in (tree, bitmap, entries):
        structure.insert([1, 10, 11])
    # Root, one node below, two bottom nodes: each is read on the way down and again after each
    # of its children, 2 + 3 + 2 + 3 times.
    assert tree.operations() == (10, 4, 4)
    assert bitmap.operations() == (72, 0, 9)
    assert entries.operations() == (3, 0, 24)


def test_operations_of_an_empty_tree_read_the_root():
    assert PostedTree(72).operations() == (1, 1, 1)


@given(st.sets(st.integers(0, 519), min_size=1))
def test_nodes_visited_are_the_nodes_that_are_not_zero(frames):
    tree = PostedTree(520)
    tree.insert(sorted(frames))
    assert tree.operations().nodes == np.count_nonzero(tree.state.packed)


@pytest.mark.parametrize(("corrupt", "message"), [
    (lambda tree: tree.state.packed.__setitem__(0, 0), "dirty below"),
    (lambda tree: tree.state.packed.__setitem__(1, 255), "dirty below"),
])  # fmt: skip
def test_check_finds_a_broken_tree(corrupt, message):
    tree = PostedTree(72)
    tree.insert([1])
    corrupt(tree)
    with pytest.raises(AssertionError, match=message):
        tree.check()


def test_check_finds_ghost_pages():
    bitmap = PostedBitmap(20, as_posted=True)
    bitmap.bitmap_view()[2] = 0b10000
    with pytest.raises(AssertionError, match="beyond the last page"):
        bitmap.check()
