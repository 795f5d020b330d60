"""The plain patterns: anywhere, one after the other, every so many.

::

    random        . 3 . . 1 . . . 2 . . 4       the numbers give the order of arrival
    sequential    . . 1 2 3 4 . . . . . .
    strided by 5  1 4 . . . 2 5 . . . 3 .

Cost: 8 bytes a frame, the output and nothing else; 1 … 13 ns a frame.
"""

from typing import Annotated

import numpy as np

from dirtylab._check import Frames
from dirtylab._jit import kernel
from dirtylab._options import Option
from dirtylab._words import ONE, ZERO
from dirtylab.datasets import draws
from dirtylab.datasets.bijection import bijection, fill_distinct
from dirtylab.datasets.declare import Calibrated, pattern
from dirtylab.datasets.draws import below, word

USUAL_STRIDE = 64
"""One page in each 64-bit word of a bitmap, the least that a word can be worth."""
STRIDES = (1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 63, 64, 65, 127, 128, 255, 256, 511, 512, 513,
           1_000, 4_096, 4_097, 32_768)  # fmt: skip
"""Strides on both sides of the blocks of structures."""

First = Annotated[
    int, Option("The first frame.", low=0, high="pages - 1", unit="frame", label="first frame")
]


@kernel
def fill_random(key: np.uint64, pages: np.uint64, out: Frames) -> None:
    """Write frames below `pages`, each as likely as any other."""
    for i in range(out.size):
        out[i] = below(word(key, np.uint64(i)), pages)


@kernel
def fill_strided(start: np.uint64, stride: np.uint64, pages: np.uint64, out: Frames) -> None:
    """Write every `stride`-th frame from `start` on; at the end of the slot, the next offset."""
    frame, offset = start, start % stride
    for i in range(out.size):
        out[i] = frame
        frame += stride
        if frame >= pages:
            offset += ONE
            if offset == stride:
                offset = ZERO
            frame = offset


def require_enough(pages: int, dirty: int, *, replacement: bool) -> None:
    """Refuse more frames than pages where none may come again."""
    if not replacement and dirty > pages:
        raise ValueError(f"dirty={dirty}: without replacement must be 0 … {pages}, all the pages")


@pattern(require_enough, place=1, calibrated=Calibrated(share=2, large=True))
def random(
    pages: int, dirty: int, *, seed: int = 0,
    replacement: Annotated[bool, Option("Whether a frame may come again.", label="repeats")] = True,
) -> Frames:  # fmt: skip
    """Draw frames from anywhere in the slot, each page as likely as any other.

    It stands for a guest that updates a large hash table or database in memory, where a page
    says nothing about the next.

    Notes
    -----
    Cost: 8 bytes a frame; about 3 ns with and 12 ns without replacement, however large the slot.
    A page's probability is off by less than ``pages / 2^64`` of itself.

    Examples
    --------
    >>> random(10_000_000, 3)
    array([1387094, 9711020, 2778328], dtype=uint64)
    >>> sorted(random(5, 5, replacement=False).tolist())
    [0, 1, 2, 3, 4]
    """
    out = np.empty(dirty, np.uint64)
    with draws.wrapping():
        if replacement:
            fill_random(draws.key(seed, draws.DRAW), np.uint64(pages), out)
        else:
            fill_distinct(bijection(pages, seed), out)
    return out


def require_room(pages: int, dirty: int, *, start: int, wrap: bool) -> None:
    """Refuse a sequence that would go on beyond the last page and may not."""
    if not wrap and dirty > pages - start:
        raise ValueError(f"dirty={dirty}: without wrap must be 0 … {pages - start}, pages - start")


@pattern(require_room, place=0, calibrated=Calibrated())
def sequential(
    pages: int, dirty: int, *, seed: int = 0, start: First = 0,
    wrap: Annotated[bool, Option(
        "Whether page 0 follows the last page, as often as need be.  Otherwise the slot must have "
        "`dirty` pages from `start` on.",
        label="goes round",
    )] = True,
) -> Frames:  # fmt: skip
    """Give one frame after the other.

    It stands for a guest that fills a buffer, zeroes fresh memory or reads a file into its page
    cache.

    Nothing is random here: every seed gives the same frames.

    Notes
    -----
    Cost: 8 bytes and about 1 ns a frame.

    Examples
    --------
    >>> sequential(8, 4, start=6)
    array([6, 7, 0, 1], dtype=uint64)
    """
    out = np.empty(dirty, np.uint64)
    fill_strided(np.uint64(start), ONE, np.uint64(pages), out)
    return out


@pattern(
    studied=None, drawn={"stride": 63}, place=2,
    calibrated=Calibrated(values={"stride": (2, 7, 15, 63, 64, 65, 513, 4097)}),
)  # fmt: skip
def strided(
    pages: int, dirty: int, *, seed: int = 0,
    stride: Annotated[int | None, Option(
        "Pages from a frame to the next.", low=1, high="pages", unit="page", steps=STRIDES,
        omitted="64, or `pages` if that is less", usual=USUAL_STRIDE,
    )] = None,
    start: First = 0,
) -> Frames:  # fmt: skip
    """Give every `stride`-th frame; at the end of the slot go on one page after the first.

    It stands for a guest that touches one field of each large record, or that walks a matrix
    across its rows.

    Nothing is random here: every seed gives the same frames, none again before all pages have come.

    Notes
    -----
    Cost: 8 bytes and about 1 ns a frame.

    Examples
    --------
    >>> strided(12, 5, stride=5)
    array([ 0,  5, 10,  1,  6], dtype=uint64)
    """
    step = min(USUAL_STRIDE, pages) if stride is None else stride
    out = np.empty(dirty, np.uint64)
    fill_strided(np.uint64(start), np.uint64(step), np.uint64(pages), out)
    return out
