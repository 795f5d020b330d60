"""Clusters: runs of neighbouring pages, the runs anywhere in the slot.

::

    . . 4 5 6 . . . . 1 2 3 . . . . . 7 8 .     three clusters; the numbers give the arrival

How it is made: first the lengths, which add up to the pages that are to be written, then the
starts.  Clusters that may not overlap are laid out in a row, and each is pushed on by a number of
free pages; the numbers are drawn, each as likely as any other, and sorted.

Geometric lengths with a given number of clusters are what is left when each page ends its cluster
with the same probability, and exactly so many did: every choice of the ends is as likely as any
other.  A walk over the pages picks them, with integers only.

Cost: 8 bytes a frame and 16 a cluster; about 2 ns a frame and 90 ns a cluster, most of it for their
sort.

Source: Knuth, The Art of Computer Programming, volume 2, 3.4.2, algorithm S, for the ends.
"""

import math
from typing import Annotated, NamedTuple

import numpy as np

from dirtylab._check import Frames
from dirtylab._jit import inlined, kernel
from dirtylab._options import Option, one_two_five
from dirtylab._words import ONE, ZERO
from dirtylab.datasets import draws
from dirtylab.datasets.bijection import Bijection, bijection, permute
from dirtylab.datasets.declare import Calibrated, pattern
from dirtylab.datasets.draws import below, word
from dirtylab.datasets.patterns import fill_random

LENGTHS = ("geometric", "fixed")

BATCH = 32


class Shape(NamedTuple):
    """How many clusters are written, and how large they are."""

    clusters: int
    length: int
    """Length of a cluster, on average."""
    pages: int
    """Pages in all clusters, 0 … clusters * length; fewer than that where the last is cut."""


@kernel
def fill_lengths(key: np.uint64, pages: np.uint64, lengths: Frames) -> None:
    """Cut a run of `pages` into ``lengths.size`` parts, each choice of cuts equally likely."""
    ends, last, part = np.uint64(lengths.size) - ONE, ZERO, 0
    page = ONE
    while ends:  # of pages - page places that are left, so many still become ends
        if below(word(key, page), pages - page) < ends:
            lengths[part] = page - last
            last = page
            part += 1
            ends -= ONE
        page += ONE
    lengths[part] = pages - last


@kernel
def lay_out(lengths: Frames, starts: Frames) -> None:
    """Turn the free pages before each cluster, ascending, into the cluster's start, in place."""
    taken = ZERO
    for i in range(starts.size):
        starts[i] += taken
        taken += lengths[i]


@inlined
def look_up(
    order: Bijection, turn: np.uint64, starts: Frames, lengths: Frames, batch: Frames
) -> np.uint64:
    """Write start and length of the clusters whose turn it is, and return whose turn is next."""
    for i in range(batch.shape[0]):
        cluster = permute(order, turn)
        batch[i, 0], batch[i, 1] = starts[cluster], lengths[cluster]
        turn += ONE
        if turn == order.size:
            turn = ZERO
    return turn


@kernel
def visit(order: Bijection, starts: Frames, lengths: Frames, span: np.uint64, out: Frames) -> None:
    """Write the frames of one cluster after the other, round and round until `out` is full."""
    # Looking clusters up ahead lets the processor wait for several at once.
    batch = np.empty((BATCH, 2), np.uint64)
    i, turn = 0, ZERO
    while i < out.size:
        turn = look_up(order, turn, starts, lengths, batch)
        for start, length in batch:
            frame = start
            for _ in range(min(length, np.uint64(out.size - i))):
                out[i] = frame
                i += 1
                frame += ONE
                if frame == span:
                    frame = ZERO


def shape_of(dirty: int, clusters: int | None, length: int | None) -> Shape:
    """Return the clusters that `dirty` writes reach; `dirty` is 1 or more."""
    if length is None:
        number = math.isqrt(dirty) if clusters is None else min(clusters, dirty)
        return Shape(number, -(-dirty // number), dirty)
    reached = -(-dirty // length)
    number = reached if clusters is None else min(clusters, reached)
    return Shape(number, length, min(dirty, number * length))


def fixed_lengths(shape: Shape, given: bool) -> Frames:
    """Return equal lengths: all as `given` but the last, or else as even as can be."""
    if given:
        lengths = np.full(shape.clusters, shape.length, np.uint64)
        lengths[-1] = shape.pages - (shape.clusters - 1) * shape.length
        return lengths
    shortest, longer = divmod(shape.pages, shape.clusters)
    lengths = np.full(shape.clusters, shortest, np.uint64)
    lengths[:longer] += ONE
    return lengths


def random_lengths(shape: Shape, seed: int) -> Frames:
    """Return geometric lengths that add up to the pages of `shape`."""
    lengths = np.empty(shape.clusters, np.uint64)
    with draws.wrapping():
        fill_lengths(draws.key(seed, draws.LENGTH), np.uint64(shape.pages), lengths)
    return lengths


def place(seed: int, span: int, lengths: Frames, total: int, overlap: bool) -> Frames:
    """Return the first frame of each cluster of `total` pages together."""
    starts = np.empty_like(lengths)
    room = span if overlap else span - total + 1
    with draws.wrapping():
        fill_random(draws.key(seed, draws.DRAW), np.uint64(room), starts)
    if not overlap:
        starts.sort()
        lay_out(lengths, starts)
    return starts


def span_of(pages: int, spread: float) -> int:
    """Return the pages in which clusters lie."""
    return max(1, round(spread * pages))


def require_room(
    pages: int,
    dirty: int,
    *,
    clusters: int | None,
    length: int | None,
    spread: float,
    overlap: bool,
    **_: object,
) -> None:
    """Refuse clusters that do not fit into their share of the slot."""
    span = span_of(pages, spread)
    where = f"the {span} pages that spread leaves"
    if length is not None and length > span:
        raise ValueError(f"length={length}: must be 1 … {span}, {where}")
    if overlap:
        return
    if clusters is not None and length is not None:
        if clusters * length > span:
            raise ValueError(
                f"clusters={clusters}, length={length}: {clusters * length} pages without overlap; "
                f"must be at most {span}, {where}"
            )
    elif dirty > span:
        raise ValueError(f"dirty={dirty}: without overlap must be 0 … {span}, {where}")


@pattern(
    require_room, studied={"length": 64}, place=3,
    calibrated=Calibrated(share=2, values={"length": range(2, 4096)}, large=True),
)  # fmt: skip
def clustered(
    pages: int, dirty: int, *, seed: int = 0,
    length: Annotated[int | None, Option(
        "Pages in a cluster, on average.", low=1, high=2**52, unit="page",
        omitted="what makes `dirty` frames of so many clusters",
        label="cluster length", steps=tuple(2**power for power in range(21)),
    )] = None,
    clusters: Annotated[int | None, Option(
        "Number of clusters; those that `dirty` frames do not reach take no room.",
        low=1, high=2**52, steps=one_two_five(1, 10**7),
        omitted="what `dirty` frames of `length` make, or the square root of `dirty`",
    )] = None,
    lengths: Annotated[str, Option(
        "Whether each page of a cluster is as likely as any other to be its last, or all clusters "
        "are equally long (the last one may be cut; without `length` they differ by a page at "
        "most).",
        words=LENGTHS, label="their lengths",
    )] = "geometric",
    spread: Annotated[float, Option(
        "Share of the slot in which the clusters lie, from page 0 on; at least one page.",
        low=0, high=1, unit="share of the slot", label="within the first",
    )] = 1.0,
    overlap: Annotated[bool, Option(
        "Whether clusters may overlap; then each starts anywhere, and one that reaches the end of "
        "its share of the slot goes on at page 0.  Otherwise they may touch.",
    )] = False,
) -> Frames:  # fmt: skip
    """Draw runs of neighbouring frames that lie anywhere in the slot.

    It stands for a guest that writes objects of several pages, buffers, huge pages or files: the
    neighbour of a dirty page is likely to be dirty.

    One cluster is written after the other, each in ascending order, and all again from the first
    when there are not enough of them.

    Notes
    -----
    Cost: 8 bytes a frame and 16 a cluster; about 2 ns a frame and 90 ns a cluster.

    Examples
    --------
    >>> clustered(1000, 8, clusters=3)
    array([137, 138, 139, 140, 969, 970, 971, 279], dtype=uint64)
    >>> clustered(1000, 8, length=4, lengths="fixed")
    array([137, 138, 139, 140, 968, 969, 970, 971], dtype=uint64)
    """
    out = np.empty(dirty, np.uint64)
    if dirty:
        shape = shape_of(dirty, clusters, length)
        parts = (
            fixed_lengths(shape, length is not None)
            if lengths == "fixed"
            else random_lengths(shape, seed)
        )
        with draws.wrapping():
            span = span_of(pages, spread)
            starts = place(seed, span, parts, shape.pages, overlap)
            visit(bijection(shape.clusters, seed), starts, parts, np.uint64(span), out)
    return out
