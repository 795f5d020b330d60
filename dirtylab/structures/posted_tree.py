"""The packed radix-8 tree as posted in 2016: all levels preallocated, a node is a byte.

Bit ``s`` of a node says whether anything is dirty below its child ``s``.  All levels lie one after
the other in one array, the root first, so a node is found by arithmetic alone::

    child s of node n   is  8 n + 1 + s
    parent of node n    is  (n - 1) / 8,  in whose byte it is bit  (n - 1) mod 8

A slot of 72 pages with frames 1, 10 and 11 dirty (bit 0 is written left)::

    packed[0]                root      1.......                 node 0
    packed[1] ... packed[8]  level 1   11...... ........  ...   nodes 1 … 8
    packed[9] ... packed[17] bottom    .1...... ..11....  ...   nodes 9 … 17 = the bitmap

A frame is a "leaf", a node one level below the bottom that has a number but no storage: frame
``f`` is node ``f + inner_bits + 1``, where ``inner_bits`` (8 + 64 = 72 here) counts the bits above
the bottom level.  That level starts at byte ``inner_bits / 8`` and is, bit for bit, the bitmap.

The walk goes down along first set bits to a leaf; from there it climbs until a node has a later
bit set, and goes down again.

Invariant: a bit above the bottom level is set if and only if the node it stands for is not zero.

What is wrong with it, kept here on purpose
-------------------------------------------
1. Up to 8 pages the root is the bottom, ``inner_bits`` is 0, and the walk takes the root for a
   leaf: it returns a frame that does not exist and then reads far outside the array.
2. The walk compares a node with ``inner_bits``, which is itself the number of the last bottom
   node, and takes that node for a leaf.  When the size reaches its bits (7 below a power of 8, up
   to it) its frames are lost and one impossible frame, 2^64 - 1, is returned instead.
3. The allocation rounds bits down to bytes: a size that is no multiple of 8 writes past the end.

Sizes with defects 1 and 3 are refused unless ``as_posted=True``, and even then no memory is
harmed: the byte past the end exists and is watched, and the fatal walk raises
:class:`PostedCrashError`.

Cost: insert log8(pages) byte or-s; collect the nodes on paths to dirty frames; clear fills with
zeros.

Source: Radim Krčmář's mail to the KVM list of 4 May 2016 (the algorithm; the code is new).
"""

from typing import Any, NamedTuple

import numpy as np

from dirtylab import _check
from dirtylab._check import Bytes, Frames
from dirtylab._jit import inlined, kernel
from dirtylab._words import ONE, ZERO
from dirtylab.structures.base import Operations, require
from dirtylab.structures.driven import driven
from dirtylab.structures.posted_bitmap import PostedBits, count_bits, refuse_size

RADIX = 8
NO_NODE = np.uint64(0xFFFFFFFFFFFFFFFF)
IMPOSSIBLE_FRAME = NO_NODE
"""What the posted walk returns for the last bottom node, 0 - 1 in 64-bit arithmetic."""

_SHIFT = np.uint64(3)
_LAST_SLOT = np.uint64(7)
_NO_SLOT = np.uint64(8)


class PostedCrashError(RuntimeError):
    """The posted program would have crashed here."""


class PackedTree(NamedTuple):
    """The posted tree's state."""

    packed: Bytes  # one byte a node, root first; the bottom level is the bitmap
    inner_bits: np.uint64  # bits above the bottom level
    pages: np.uint64


def inner_bits_of(pages: int) -> int:
    """Return the number of bits that the posted tree keeps above its bitmap."""
    level, total = RADIX, 0
    while level < pages:
        total += level
        level *= RADIX
    return total


@inlined
def parent_of(node: np.uint64) -> np.uint64:
    """Return the node above `node`."""
    return (node - ONE) >> _SHIFT


@inlined
def slot_of(node: np.uint64) -> np.uint64:
    """Return which of its parent's eight bits stands for `node`."""
    return (node - ONE) & _LAST_SLOT


@inlined
def child_of(node: np.uint64, slot: np.uint64) -> np.uint64:
    """Return the node below `node` that its bit `slot` stands for."""
    return (node << _SHIFT) + ONE + slot


@inlined
def next_slot(bits: np.uint8, slot: np.uint64) -> np.uint64:
    """Return the first set bit at `slot` or later, or 8: one bit at a time, as posted."""
    while slot < _NO_SLOT and not bits & (ONE << slot):
        slot += ONE
    return slot


@kernel
def insert_into_tree(tree: PackedTree, frames: Frames) -> None:
    """Set all bits on the path from each frame up to the root, as posted."""
    for frame in frames:
        node = frame + tree.inner_bits + ONE
        while node:
            slot = slot_of(node)
            node = parent_of(node)
            tree.packed[node] |= np.uint8(ONE << slot)


@inlined
def first_leaf_below(tree: PackedTree, node: np.uint64) -> np.uint64:
    """Go down along first set bits; return the leaf, or NO_NODE where nothing is dirty."""
    while node < tree.inner_bits:  # defect 2: the last bottom node *is* number inner_bits
        slot = next_slot(tree.packed[node], ZERO)
        if slot == _NO_SLOT:
            return NO_NODE
        node = child_of(node, slot)
    return node


@inlined
def next_leaf(tree: PackedTree, leaf: np.uint64) -> np.uint64:
    """Climb until a node has a later bit set, go down again; return that leaf or NO_NODE."""
    node = leaf
    slot = _NO_SLOT
    while node and slot == _NO_SLOT:
        slot = slot_of(node) + ONE
        node = parent_of(node)
        slot = next_slot(tree.packed[node], slot)
    if slot == _NO_SLOT:
        return NO_NODE
    return first_leaf_below(tree, child_of(node, slot))


@kernel
def walk_tree(tree: PackedTree, out: Frames) -> int:
    """Write the dirty frames to `out`, as far as there is room, and return how many."""
    count = 0
    leaf = first_leaf_below(tree, ZERO)
    while leaf != NO_NODE and count < out.size:
        out[count] = leaf - tree.inner_bits - ONE
        count += 1
        leaf = next_leaf(tree, leaf)
    return count


@kernel
def harvest_tree(tree: PackedTree, out: Frames) -> int:
    """Walk, then fill with zeros."""
    count = walk_tree(tree, out)
    tree.packed[:] = 0
    return count


@kernel
def count_walk(tree: PackedTree) -> tuple[int, int]:
    """Walk as :func:`walk_tree` does; return how many nodes it visits and how often it reads."""
    nodes, reads = 0, 0
    node, slot = ZERO, ZERO
    while True:
        if slot == ZERO:
            nodes += 1
        if slot < _NO_SLOT:
            reads += 1
        slot = next_slot(tree.packed[node], slot)
        if slot < _NO_SLOT:
            child = child_of(node, slot)
            is_leaf = child >= tree.inner_bits
            node, slot = (node, slot + ONE) if is_leaf else (child, ZERO)
        elif node:
            node, slot = parent_of(node), slot_of(node) + ONE
        else:
            return nodes, reads


@kernel
def clear_tree(tree: PackedTree) -> None:
    """Fill with zeros."""
    tree.packed[:] = 0


@driven(
    PackedTree, insert=insert_into_tree, collect=walk_tree, harvest=harvest_tree, clear=clear_tree
)
class PostedTree(PostedBits):
    """The posted packed radix-8 tree.

    Parameters
    ----------
    pages : int
        Size of the slot.  Refused are sizes up to 8, where the posted walk crashes, and sizes
        that are no multiple of 8, where the posted insert writes past the end.  Sizes from 7
        below a power of 8 up to it lose pages, as posted: see :attr:`lost`.
    as_posted : bool, optional
        Allow the refused sizes all the same.  :attr:`written_past_the_end` tells what was
        written outside; a walk that would crash raises :class:`PostedCrashError`.

    Notes
    -----
    Cost: insert O(log8 pages) byte writes a frame, collect O(nodes on paths to dirty frames),
    clear O(pages), memory 1.14 to 2.14 bits a page.
    """

    name = "posted-tree"

    def __init__(self, pages: int, *, as_posted: bool = False) -> None:
        number = _check.pages(pages)
        allowed = "a multiple of 8 above 8"
        if number <= 8 and not as_posted:
            refuse_size(number, "tree walks outside its memory and crashes", allowed)
        if number % 8 and not as_posted:
            refuse_size(number, "tree writes past its end", allowed)
        inner_bits = inner_bits_of(number)
        super().__init__(number, inner_bits)
        self.state = PackedTree(self._packed, np.uint64(inner_bits), np.uint64(number))

    @property
    def lost(self) -> range:
        """Frames that the posted walk can't find (defect 2); empty at most sizes."""
        last_node = 7 * int(self.state.inner_bits) // 8  # counted along the bottom level
        return range(min(RADIX * last_node, self._pages), self._pages)

    def check(self) -> None:
        super().check()
        require(self.state.packed is self._packed, "all levels lie in one array")
        inner = int(self.state.inner_bits)
        bits = np.unpackbits(self._packed, bitorder="little")[:inner].astype(bool)
        dirty_below = np.zeros(inner, bool)
        children = self._packed[1 : inner + 1]
        dirty_below[: children.size] = children != 0
        require(
            bool((bits == dirty_below).all()),
            "a bit above the bottom level says whether anything is dirty below it",
        )

    def operations(self) -> Operations:
        self._settle()
        self._refuse_crash()
        nodes, reads = count_walk(self.state)
        return Operations(words=reads, nodes=nodes, bytes=nodes)

    def _driven_state(self, dirty: int) -> PackedTree | None:
        self._settle()
        return None if self._pages <= RADIX or self.lost else self.state

    def _insert(self, frames: Frames) -> None:
        insert_into_tree(self.state, frames)

    def _output_size(self) -> int:
        if not self.lost:
            return len(self)
        lost = count_bits(self._bottom[self.lost.start // 8 :])
        return len(self) - lost + (lost > 0)

    def _collect(self, out: Frames) -> int:
        self._refuse_crash()
        with np.errstate(over="ignore"):  # without the JIT, NumPy would warn of 0 - 1
            return walk_tree(self.state, out)

    def _take(self, out: Frames) -> int:
        self._refuse_crash()
        self._taken = out, self._lost_frames()
        with np.errstate(over="ignore"):
            return harvest_tree(self.state, out)

    def _still_frames(self, taken: Any) -> Frames:
        out, lost = taken
        return np.concatenate([super()._still_frames(out), lost])

    def _lost_frames(self) -> Frames:
        """Return the dirty frames that the walk does not find, a node's at most."""
        if not self.lost:
            return np.empty(0, np.uint64)
        begin = self.lost.start // 8
        bits = np.unpackbits(self._bottom[begin:], bitorder="little")
        return np.flatnonzero(bits).astype(np.uint64) + np.uint64(8 * begin)

    def _refuse_crash(self) -> None:
        if self._pages <= 8:
            raise PostedCrashError(
                f"pages={self._pages}: the posted walk takes the root for a leaf and then reads "
                f"byte {(2**64 - 1) // 8} of a tree of {self._posted_nbytes}"
            )
