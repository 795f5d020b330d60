"""A shuffled slot: page number in, page number out, one to one, without a table of the slot.

The pages are laid out in a rectangle, about as wide as high.  A round moves each column, as a
whole, round by a random distance of its own; the next does the same with the rows.  Each round
can be undone, so no two pages meet.

::

    10 pages          columns move     rows move        ... and so on
    0 1 2 3           4 1 x 7          7 4 1 x
    4 5 6 7           8 5 2 x          5 2 x 8
    8 9 x x           0 9 6 3          0 9 6 3   ->  page 7 went to place 0

A page that lands on a spare place (x; never more than a row of them) walks on through the same
rounds until it lands inside.

Few rounds shuffle a small rectangle badly.  By chi-square over where a pair of pages goes, for
millions of seeds, four rounds fail at 4097 pages (27 standard deviations off); six pass there and
down to 1000, and fail at 300.  So a slot of up to 4096 pages is shuffled in a table instead, each
order as likely as any other.

Invariant: ``permute`` maps 0 … size - 1 onto itself.

Cost: 2 multiplications a round, 6 rounds a page; at most 32 KiB, no memory that grows with the
slot.

Source: Luby and Rackoff 1988 for the rounds; Black and Rogaway, "Ciphers with arbitrary finite
domains", 2002, for rectangle and walk; Fisher and Yates for the table.
"""

from typing import NamedTuple

import numpy as np

from dirtylab._check import Frames
from dirtylab._jit import inlined, kernel
from dirtylab.datasets import draws
from dirtylab.datasets.draws import below, word

ROUNDS = 6
"""Even: columns and rows take turns."""
TABLE_PAGES = 4096
"""The largest slot that is shuffled in a table, which then fits the first-level cache."""

_ONE = np.uint64(1)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_S26 = np.uint64(26)
_S32 = np.uint64(32)
_S38 = np.uint64(38)


class Bijection(NamedTuple):
    """One shuffling of a slot."""

    size: np.uint64
    """Pages that are shuffled, 1 … 2^52."""
    rows: np.uint64
    """Height of the rectangle, at most 2^26."""
    width_bits: np.uint64
    """The rectangle is two to this power wide, at most 2^26."""
    keys: Frames
    """A key for each round, shape ``(6,)``."""
    table: Frames
    """Where each page of a small slot goes; empty for a large one."""


@inlined
def distance(key: np.uint64, line: np.uint64, size: np.uint64) -> np.uint64:
    """Return how far, below `size`, the round of that key moves a line."""
    # Half of draws.word, for only the upper bits count; and 38 bits by 26 stay below 2^64, one
    # product where draws.below needs four.
    mixed = (line + key) * _FIRST
    mixed = (mixed ^ (mixed >> _S32)) * _SECOND
    return (mixed >> _S26) * size >> _S38


@inlined
def permute(bijection: Bijection, page: np.uint64) -> np.uint64:
    """Return where `page`, below the size, goes."""
    if bijection.table.size:
        return np.uint64(bijection.table[page])
    width = _ONE << bijection.width_bits
    while True:
        row, column = page >> bijection.width_bits, page & (width - _ONE)
        for i in range(0, ROUNDS, 2):
            row += distance(bijection.keys[i], column, bijection.rows)
            row = row - bijection.rows if row >= bijection.rows else row
            column = (column + distance(bijection.keys[i + 1], row, width)) & (width - _ONE)
        page = (row << bijection.width_bits) + column
        if page < bijection.size:
            return page


@kernel
def fill_distinct(bijection: Bijection, out: Frames) -> None:
    """Write where the first ``out.size`` pages go."""
    for i in range(out.size):
        out[i] = permute(bijection, np.uint64(i))


@kernel
def scatter(bijection: Bijection, frames: Frames) -> None:
    """Replace each frame by where it goes, in place."""
    for i in range(frames.size):
        frames[i] = permute(bijection, frames[i])


@kernel
def fill_words(key: np.uint64, out: Frames) -> None:
    """Write the first words of a stream."""
    for i in range(out.size):
        out[i] = word(key, np.uint64(i))


@kernel
def shuffle(key: np.uint64, table: Frames) -> None:
    """Fill `table` with 0, 1, 2, … in random order."""
    for i in range(table.size):
        other = below(word(key, np.uint64(i)), np.uint64(i + 1))
        table[i] = table[other]
        table[other] = np.uint64(i)


def bijection(size: int, seed: int) -> Bijection:
    """Return the shuffling of `size` pages, 1 … 2^52, that `seed` chooses."""
    width_bits = ((size - 1).bit_length() + 1) // 2
    rows = -(-size // 2**width_bits)
    keys = np.empty(ROUNDS, np.uint64)
    table = np.empty(size if size <= TABLE_PAGES else 0, np.uint64)
    stream = draws.key(seed, draws.SCATTER)
    with draws.wrapping():
        fill_words(stream, keys)
        shuffle(stream, table)
    return Bijection(np.uint64(size), np.uint64(rows), np.uint64(width_bits), keys, table)
