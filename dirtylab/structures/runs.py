"""Dirty frames as runs: pairs of a first frame and how many pages follow each other from it on.

What copies or sends pages wants runs.  The words of a bitmap give them without listing frames: the
zeros and the ones of a word are counted in turns, and a run goes on in the next word where that
begins with ones::

    word 0  ..111...…..11   runs (2, 3), (62, 2 …
    word 1  11......…       … goes on: (62, 4)
"""

import numpy as np

from dirtylab._check import Frames
from dirtylab._jit import inlined, kernel
from dirtylab._words import (
    ONE,
    SLACK,
    WORD_BITS,
    WORD_SHIFT,
    ZERO,
    Words,
    find_nonzero,
    lowest_bit,
)
from dirtylab.structures.bits import DIRTY, VECTOR, Header

_FULL = np.uint64(2**64 - 1)
_WORD = np.uint64(WORD_BITS)
_BLOCK = 512


def runs_of(frames: Frames) -> Frames:
    """Return the runs of frames in any order, repeats allowed.

    Returns
    -------
    numpy.ndarray
        Shape ``(n, 2)``, uint64: first frame and pages of each run, ascending.
    """
    ordered = np.unique(frames)
    new = np.ones(ordered.size, bool)
    new[1:] = ordered[1:] != ordered[:-1] + ONE
    begins = np.flatnonzero(new)
    lengths = np.diff(np.append(begins, ordered.size)).astype(np.uint64)
    return np.column_stack([ordered[begins], lengths])


def frames_of(runs: Frames) -> Frames:
    """Return the frames of runs, one after the other; a run of 0 pages gives none."""
    lengths = runs[:, 1].astype(np.int64)
    ends = np.cumsum(lengths)
    steps = np.arange(ends[-1] if ends.size else 0) - np.repeat(ends - lengths, lengths)
    return np.repeat(runs[:, 0], lengths) + steps.astype(np.uint64)


@inlined
def put_runs(word: np.uint64, base: np.uint64, out: Frames, count: int) -> int:
    """Append the runs of a word that is not zero, or go on with the last; return how many now.

    What has no room in `out` is left out.
    """
    at = ZERO
    while word != ZERO:
        zeros = lowest_bit(word)
        at += zeros
        word >>= zeros
        ones = _WORD if word == _FULL else lowest_bit(~word)
        first = base + at
        if at == ZERO and count > 0 and out[count - 1, 0] + out[count - 1, 1] == first:
            out[count - 1, 1] += ones
        elif count < out.shape[0]:
            out[count, 0] = first
            out[count, 1] = ones
            count += 1
        if ones == _WORD:
            return count
        at += ones
        word >>= ones
    return count


@inlined
def take_word(words: Words, number: int, out: Frames, count: int) -> int:
    """Append the runs of one word, if any, and zero it."""
    word = words[number]
    if word != ZERO:
        count = put_runs(word, np.uint64(number) << WORD_SHIFT, out, count)
        words[number] = ZERO
    return count


@inlined
def take_marked(words: Words, marks: Words, number: int, span: int, out: Frames, count: int) -> int:
    """Append the runs of the groups of `span` words that the bits of a mark name; zero all."""
    mark = marks[number]
    while mark != ZERO:
        first = (WORD_BITS * number + int(lowest_bit(mark))) * span
        mark &= mark - ONE
        for place in range(first, min(first + span, words.size)):
            count = take_word(words, place, out, count)
    marks[number] = ZERO
    return count


@kernel
def take_from_bitmap(words: Words, header: Header, out: Frames) -> int:
    """Take all runs of a bitmap; return how many.  The dirty words are listed first, by blocks."""
    count = 0
    vector = header[VECTOR] != 0
    listed = np.empty(_BLOCK + SLACK, np.uint64)
    for first in range(0, words.size, _BLOCK):
        stop = min(first + _BLOCK, words.size)
        for place in range(find_nonzero(words, first, stop, listed, 0, vector)):
            count = take_word(words, int(listed[place]), out, count)
    header[DIRTY] = 0
    return count


@kernel
def take_from_hybrid(words: Words, summary: Words, span: int, header: Header, out: Frames) -> int:
    """Take all runs of a bitmap with a summary bit for each group of `span` words."""
    count = 0
    for number in range(summary.size):
        count = take_marked(words, summary, number, span, out, count)
    header[DIRTY] = 0
    return count


@kernel
def take_from_tree(words: Words, starts: Words, shifts: Words, header: Header, out: Frames) -> int:
    """Take all runs of a tree: of radix 64 from level 2 down, of another from its bitmap alone."""
    count = 0
    bottom = words[: starts[1]]
    by_words = shifts.size > 2
    for shift in shifts:
        by_words = by_words and shift == WORD_SHIFT
    if not by_words:
        for number in range(bottom.size):
            count = take_word(bottom, number, out, count)
    else:
        first, second = words[starts[1] : starts[2]], words[starts[2] : starts[3]]
        for number in range(second.size):
            mark = second[number]
            while mark != ZERO:
                below = WORD_BITS * number + int(lowest_bit(mark))
                mark &= mark - ONE
                count = take_marked(bottom, first, below, 1, out, count)
    words[starts[2 if by_words else 1] :] = ZERO
    header[DIRTY] = 0
    return count
