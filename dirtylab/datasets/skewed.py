"""Patterns with favourites: some pages are written far more often than others.

::

    zipf      page of rank k is written 1 / k^exponent as often as the first
    hotset    a tenth of the pages takes nine tenths of the writes
    phases    as a hot set that moves on:   [====]. . . . . .
                                            . . [====]. . . .
                                            . . . . [====]. .

Cost: 8 bytes a frame, the output and nothing else, however large the slot.

Source: for zipf, Hörmann and Derflinger, "Rejection-inversion to generate variates from monotone
discrete distributions", 1996.
"""

from typing import Annotated, NamedTuple

import numpy as np

from dirtylab._check import Frames
from dirtylab._jit import inlined, kernel
from dirtylab._options import Option
from dirtylab._words import ONE, ZERO
from dirtylab.datasets import draws
from dirtylab.datasets.bijection import bijection, scatter
from dirtylab.datasets.declare import pattern
from dirtylab.datasets.draws import below, unit, word
from dirtylab.datasets.portable import exp, exp_slope, log, log_slope

PLACES = ("start", "spread")

_TWO = np.uint64(2)
_NEARLY_MINUS_ONE = -1.0 + 2.0**-53


class Zipf(NamedTuple):
    """What a draw needs; the curve is ``x ** -exponent``."""

    exponent: float
    ranks: float
    """The last rank; the first is 1."""
    first: float
    """Area under the curve from 1 to 1.5, less the first rank's 1."""
    last: float
    """Area under the curve from 1 to ``ranks + 0.5``."""
    certain: float
    """A rank that is above its point by no more than this needs no second look."""


@inlined
def area(x: float, exponent: float) -> float:
    """Return the area under the curve from 1 to `x`."""
    log_x = log(x)
    return log_x * exp_slope((1.0 - exponent) * log_x)


@inlined
def point_of_area(y: float, exponent: float) -> float:
    """Return the x up to which the area is `y`."""
    # Rounding can carry the product to -1, whose logarithm is minus infinity.
    return exp(y * log_slope(max((1.0 - exponent) * y, _NEARLY_MINUS_ONE)))


@inlined
def height(x: float, exponent: float) -> float:
    """Return the curve at `x`."""
    return exp(-exponent * log(x))


@kernel
def zipf_law(exponent: float, ranks: float) -> Zipf:
    """Return the constants of a law."""
    second = point_of_area(area(2.5, exponent) - height(2.0, exponent), exponent)
    first, last = area(1.5, exponent) - 1.0, area(ranks + 0.5, exponent)
    return Zipf(exponent, ranks, first, last, 2.0 - second)


@kernel
def fill_zipf(key: np.uint64, law: Zipf, out: Frames) -> None:
    """Write ranks from 0 on: a point under the curve, rounded, and refused if it lies too high."""
    position = ZERO
    for i in range(out.size):
        accepted = False
        while not accepted:
            y = law.last + unit(word(key, position)) * (law.first - law.last)
            position += ONE
            x = point_of_area(y, law.exponent)
            rank = min(max(np.floor(x + 0.5), 1.0), law.ranks)
            accepted = rank - x <= law.certain or y >= area(rank + 0.5, law.exponent) - height(
                rank, law.exponent
            )
        out[i] = np.uint64(rank) - ONE


@kernel
def fill_hotset(
    key: np.uint64, writes: float, hot: np.uint64, pages: np.uint64, out: Frames
) -> None:
    """Write frames below `hot` with probability `writes`, otherwise from `hot` on."""
    for i in range(out.size):
        position = _TWO * np.uint64(i)
        place = word(key, position + ONE)
        if unit(word(key, position)) < writes:
            out[i] = below(place, hot)
        else:
            out[i] = hot + below(place, pages - hot)


@kernel
def fill_phases(
    key: np.uint64, size: np.uint64, step: np.uint64, pages: np.uint64, number: int, out: Frames
) -> None:
    """Write frames of a window of `size` pages that moves on by `step`, `number` times in all."""
    start = ZERO
    for phase in range(number):
        for i in range(out.size * phase // number, out.size * (phase + 1) // number):
            frame = start + below(word(key, np.uint64(i)), size)
            out[i] = frame - pages if frame >= pages else frame
        start += step
        if start >= pages:
            start -= pages


def share_of(pages: int, share: float) -> int:
    """Return that share of the pages, rounded, at least one page."""
    return max(1, round(share * pages))


@pattern(studied=None)
def zipf(
    pages: int, dirty: int, *, seed: int = 0,
    exponent: Annotated[float, Option(
        "Near 0 all pages are alike, above 1 a few take nearly all.", above=0,
        steps=tuple(round(0.1 * tenth, 1) for tenth in range(1, 21)),
    )] = 1.0,
    scattered: Annotated[bool, Option(
        "Whether the ranks are shuffled over the slot; otherwise page 0 has the first rank.",
        label="ranks scattered",
    )] = True,
) -> Frames:  # fmt: skip
    """Draw frames by Zipf's law: rank k comes 1 / k^exponent as often as the first.

    It stands for a guest that serves many users, a cache or a key-value store, where a few
    entries are asked for all the time and most hardly ever.

    Each page of the slot has a rank.

    Notes
    -----
    Cost: 8 bytes and about 40 ns a frame, however large the slot; 30 ns where not scattered.
    A draw has 53 bits: ranks with a smaller probability than 2^-53 are drawn in clumps.

    Examples
    --------
    >>> zipf(1000, 8, scattered=False)
    array([352,   0, 123,   0,   6,  93,   0, 272], dtype=uint64)
    """
    out = np.empty(dirty, np.uint64)
    with draws.wrapping():
        fill_zipf(draws.key(seed, draws.DRAW), zipf_law(exponent, float(pages)), out)
        if scattered:
            scatter(bijection(pages, seed), out)
    return out


@pattern(studied=None)
def hotset(
    pages: int, dirty: int, *, seed: int = 0,
    hot: Annotated[float, Option(
        "Share of the pages that are hot, rounded to whole pages, at least one.",
        low=0, high=1, unit="share of the slot", label="hot pages",
    )] = 0.1,
    writes: Annotated[float, Option(
        "Share of the writes that go to the hot pages; the rest go to the others.  All of them "
        "where there are no others.",
        low=0, high=1, unit="share of all", label="writes to them",
        steps=(0.0, 0.1, 0.2, 0.5, 0.8, 0.9, 0.95, 0.99, 1.0),
    )] = 0.9,
    place: Annotated[str, Option(
        "Whether the hot pages are the first of the slot or lie anywhere.",
        words=PLACES, label="where they lie",
    )] = "start",
) -> Frames:  # fmt: skip
    """Draw most frames from a few pages: a share of the writes to a share of the pages.

    It stands for a guest whose writable working set is small against its memory, as Clark and
    others found of most servers (2005).

    Notes
    -----
    Cost: 8 bytes and about 4 ns a frame; 12 ns more where spread.

    Examples
    --------
    >>> hotset(1000, 8)
    array([97, 90, 31, 17, 64, 21, 12, 89], dtype=uint64)
    """
    hot_pages = share_of(pages, hot)
    out, key = np.empty(dirty, np.uint64), draws.key(seed, draws.DRAW)
    with draws.wrapping():
        share = writes if hot_pages < pages else 1.0
        fill_hotset(key, share, np.uint64(hot_pages), np.uint64(pages), out)
        if place == "spread":
            scatter(bijection(pages, seed), out)
    return out


@pattern(studied=None)
def phases(
    pages: int, dirty: int, *, seed: int = 0,
    number: Annotated[int, Option(
        "Number of phases.", low=1, high=2**20, unit="phase", label="phases",
        steps=tuple(2**power for power in range(9)),
    )] = 8,
    hot: Annotated[float, Option(
        "Share of the pages that are hot at a time, rounded to whole pages, at least one.  The "
        "first phase begins at page 0; after the last page comes page 0 again.",
        low=0, high=1, unit="share of the slot", label="hot at a time",
    )] = 0.1,
    overlap: Annotated[float, Option(
        "Share of the hot pages that stay hot in the next phase, rounded to whole pages.",
        low=0, high=1, unit="share of them", label="stays hot",
        steps=(0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0),
    )] = 0.5,
) -> Frames:  # fmt: skip
    """Draw frames from a hot set that moves on through the slot, phase by phase.

    It stands for a guest that works through its data in passes, a garbage collector or a batch
    job, where what is hot now is cold a moment later.

    The frames are evenly divided among the phases.

    Notes
    -----
    Cost: 8 bytes and about 3 ns a frame.

    Examples
    --------
    >>> phases(1000, 8, number=4, overlap=0)
    array([ 13,  97, 127, 190, 265, 231, 386, 317], dtype=uint64)
    """
    size = share_of(pages, hot)
    step = round(size * (1 - overlap)) % pages
    out, key = np.empty(dirty, np.uint64), draws.key(seed, draws.DRAW)
    with draws.wrapping():
        fill_phases(key, np.uint64(size), np.uint64(step), np.uint64(pages), number, out)
    return out
