"""Levels of summary bits over a bitmap: how long they are, and how they are kept true.

::

    level 1    bit i says whether group i of level 0 is not zero
    level 0    the bitmap, in groups of `radix` bits

A node *opens* when it was zero and a bit of it is set: only then the bit above it changes.  While
frames are marked, the nodes that they open are listed, and the summaries climbed from those alone.
100,000 frames in sequence, of 10 million, open 1,563 words: their epoch takes 0.23 times as long at
radix 8, 0.7 at radix 64, as where their number decided between climbing and making anew.

See :mod:`dirtylab.structures.tree`, which walks them.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dirtylab._check import Frames
from dirtylab._jit import inlined, uncounted
from dirtylab._words import (
    BIT_MASK,
    ONE,
    SLACK,
    STACK_WORDS,
    WORD_BITS,
    WORD_SHIFT,
    ZERO,
    Words,
    popcount,
    stack_words,
)
from dirtylab.structures.bitmap import is_run, mark, mark_and_count
from dirtylab.structures.bits import DIRTY, STALE, Header

REBUILD, REBUILD_WORDS = 1, 12
"""Words of the bitmap, for each of its nodes that opens, below which making the summaries anew is
less work than climbing from those; the second where a node is a word: of 10 million pages that
takes 17 µs, 10,000 climbs 20 µs."""
CHUNK, FIRST_CHUNK = STACK_WORDS - SLACK, 128
"""Frames after which the nodes that they opened are climbed from, and at first."""

RUN = 8
LAST = np.uint64(RUN - 1)
ALL = np.uint64(0xFF)


class Levels(NamedTuple):
    """The tree's state."""

    words: Words  # all levels, the bitmap first
    starts: Words  # where each level begins in `words`, and the end
    shifts: Words  # log2 of the radix by which a level's bits are grouped
    header: Header  # see dirtylab.structures.bits


def level_bits(pages: int, radices: Sequence[int]) -> list[int]:
    """Return the length of each level in bits, the bitmap first; the last fits one node.

    Parameters
    ----------
    pages : int
        Size of the slot.
    radices : sequence of int
        Radix of level 0, 1, …; the last one counts for all further levels.
    """
    lengths = [pages]
    while lengths[-1] > radix_of(radices, len(lengths) - 1):
        lengths.append(-(-lengths[-1] // radix_of(radices, len(lengths) - 1)))
    return lengths


def radix_of(radices: Sequence[int], level: int) -> int:
    """Return the radix of a level."""
    return radices[min(level, len(radices) - 1)]


@inlined
def opens(old: np.uint64, bit: np.uint64, shift: np.uint64) -> int:
    """Return 1 where the node of `bit`, of ``2 ** shift`` bits of the word `old`, was 0, else 0."""
    if shift == WORD_SHIFT:
        return int(old == ZERO)
    node_bits = (ONE << (ONE << shift)) - ONE
    first = (bit & BIT_MASK) & ~((ONE << shift) - ONE)
    return int(((old >> first) & node_bits) == ZERO)


@inlined
def mark_old(words: Words, frame: np.uint64) -> np.uint64:
    """Set the bit of `frame`; return the word as it was before."""
    old = words[frame >> WORD_SHIFT]
    words[frame >> WORD_SHIFT] = old | (ONE << (frame & BIT_MASK))
    return old


@inlined
def mark_opening(words: Words, shift: np.uint64, frames: Frames, opened: Words) -> tuple[int, int]:
    """Set the bit of each frame; list the nodes, of ``2 ** shift`` bits, that were 0 before.

    Returns how many bits were clear before, and how many nodes are in `opened`, each once.
    """
    new, count, place = 0, 0, 0
    while place + RUN <= frames.size:
        first = frames[place]
        last = first + LAST
        if frames[place + RUN - 1] == last and is_run(frames, place):
            run = ALL << (first & BIT_MASK)
            old = words[first >> WORD_SHIFT]
            words[first >> WORD_SHIFT] = old | run
            new += popcount(run & ~old)
            opened[count] = first >> shift
            count += opens(old, first, shift)
            if shift != WORD_SHIFT:
                opened[count] = last >> shift
                count += opens(old, last, shift) & int(first >> shift != last >> shift)
        else:
            for step in range(RUN):
                frame = frames[place + step]
                old = mark_old(words, frame)
                new += int((~old >> (frame & BIT_MASK)) & ONE)
                opened[count] = frame >> shift
                count += opens(old, frame, shift)
        place += RUN
    while place < frames.size:
        frame = frames[place]
        old = mark_old(words, frame)
        new += int((~old >> (frame & BIT_MASK)) & ONE)
        opened[count] = frame >> shift
        count += opens(old, frame, shift)
        place += 1
    return new, count


@uncounted
def climb(levels: Levels, opened: Words, count: int) -> None:
    """Set the summary bits above the nodes of the bitmap that opened; `opened` is overwritten.

    Of each level only the nodes that opened with it are gone on with.
    """
    for level in range(1, levels.shifts.size):
        start, shift = levels.starts[level], levels.shifts[level]
        kept = 0
        for number in range(count):
            bit = opened[number]
            place = start + (bit >> WORD_SHIFT)
            old = levels.words[place]
            levels.words[place] = old | (ONE << (bit & BIT_MASK))
            opened[kept] = bit >> shift
            kept += opens(old, bit, shift)
        count = kept


@uncounted
def mark_and_summarise(levels: Levels, frames: Frames) -> None:
    """Set the bit of each frame and what is above it; keep the number of set bits.

    Where the frames open nodes at such a rate that it is less work, or where there are as many
    frames as words, the summaries are made anew from the bitmap.
    """
    bottom = levels.words[: levels.starts[1]]
    if frames.size >= bottom.size:
        if mark_and_count(bottom, levels.header, frames):
            summarise(levels)
        return
    shift = levels.shifts[0]
    most = bottom.size // (REBUILD_WORDS if shift == WORD_SHIFT else REBUILD)
    listed = stack_words()
    new, total, begin = 0, 0, 0
    while begin < frames.size:
        stop = min(begin + CHUNK if begin else FIRST_CHUNK, frames.size)
        if shift == WORD_SHIFT:  # as a constant: 100,000 frames in sequence take 0.7 times as long
            added, count = mark_opening(bottom, WORD_SHIFT, frames[begin:stop], listed)
        else:
            added, count = mark_opening(bottom, shift, frames[begin:stop], listed)
        new += added
        total += count
        begin = stop
        if total * frames.size > most * begin:
            new += mark(bottom, frames[begin:])
            summarise(levels)
            break
        climb(levels, listed, count)
    if levels.header[DIRTY] != STALE:
        levels.header[DIRTY] += new


@uncounted
def summarise(levels: Levels) -> None:
    """Make all summaries anew from the bitmap."""
    for level in range(levels.shifts.size - 1):
        start, stop, end = levels.starts[level : level + 3]
        below, above = levels.words[start:stop], levels.words[stop:end]
        if levels.shifts[level] == WORD_SHIFT:
            summarise_words(below, above)
        else:
            summarise_groups(below, above, levels.shifts[level])


@inlined
def summarise_words(below: Words, above: Words) -> None:
    """Set bit ``i`` of `above` where word ``i`` of `below` is not 0."""
    whole = below.size // WORD_BITS
    for place in range(whole):
        summary = ZERO
        for lane in range(WORD_BITS):  # a fixed count, which vectorises: 25 times faster
            summary |= np.uint64(below[place * WORD_BITS + lane] != ZERO) << np.uint64(lane)
        above[place] = summary
    above[whole:] = ZERO
    for place in range(whole * WORD_BITS, below.size):
        above[whole] |= np.uint64(below[place] != ZERO) << np.uint64(place - whole * WORD_BITS)


@inlined
def summarise_groups(below: Words, above: Words, shift: np.uint64) -> None:
    """Set bit ``i`` of `above` where group ``i`` of ``2 ** shift`` bits of `below` is not 0."""
    nodes_a_word = WORD_BITS >> shift
    node_bits = (ONE << (ONE << shift)) - ONE
    above[:] = ZERO
    for place in range(below.size):
        word = below[place]
        summary = ZERO
        for node in range(nodes_a_word):
            some = (word >> (np.uint64(node) << shift)) & node_bits
            summary |= np.uint64(some != ZERO) << np.uint64(node)
        bit = np.uint64(place) * np.uint64(nodes_a_word)
        above[bit >> WORD_SHIFT] |= summary << (bit & BIT_MASK)
