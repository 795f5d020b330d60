"""How many blocks of a slot a pattern touches: the one number that all costs follow from.

A *block* is an aligned group of pages: 64 share a word of the bitmap, 512 its cache line, ``8**k``
the node of a radix-8 tree ``k`` levels up; a block of one page counts the distinct dirty frames::

    pages    0 . . 3 4 . . 7 | 8 . . 11 . . . .      frames 1, 3 and 9 touch
    blocks of 4   X  |   .   |    X   |   .          2 blocks of 4 and 3 of 1

Drawn patterns give the expected number, from the probability that a block stays untouched;
:func:`sequential` and :func:`strided` ones are counted exactly.  The last block is as short as the
slot leaves it.

Cost: microseconds a value for `random`, `sequential` and `clustered`, at any size; up to a
millisecond for the others.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from dirtylab import _check
from dirtylab.theory import skewed
from dirtylab.theory.ranges import sequential_blocks, strided_blocks

Array = npt.NDArray[np.float64]
Untouched = Callable[[float], Array]
"""Probability that a block of so many pages stays untouched, for each number of dirty frames."""


def occupied(
    dataset: str, pages: int, dirty: npt.ArrayLike, block: int = 1, **options: Any
) -> Array:
    """Return the expected number of blocks that a pattern touches.

    Parameters
    ----------
    dataset : str
        Name in ``dirtylab.DATASETS``.
    pages : int
        Size of the slot in 4 KiB pages, 1 … 2^52.
    dirty : array_like of int
        Numbers of frames that the pattern gives, repeats included.
    block : int, optional
        Pages of a block, 1 or more.
    **options
        Options of the pattern, as its generator takes them; ``frames=`` for ``trace``.

    Returns
    -------
    numpy.ndarray
        float64, the shape of `dirty`.

    Raises
    ------
    ValueError
        An unknown pattern, or an option that it does not have.

    Examples
    --------
    >>> float(occupied("sequential", 1000, 100, 64))
    2.0
    >>> round(float(occupied("random", 10_000_000, 10_000_000)))  # the mail's 6,319,304
    6321206
    """
    pages = _check.integer("pages", pages, 1, 2**52)
    block = _check.integer("block", block, 1)
    _check.choice("dataset", dataset, tuple(_LAWS))
    number = np.asarray(dirty, float)
    _check.options(dataset, options, _OPTIONS[dataset])
    found = _LAWS[dataset](pages, number, min(block, pages), **options)
    most = np.minimum(number, -(-pages // block))
    return np.clip(found, np.minimum(number, 1.0), most)


def expected_from(untouched: Untouched, pages: int, block: int) -> Array:
    """Sum over all blocks the probability of being touched, the short last one included."""
    whole, rest = divmod(pages, block)
    total = whole * (1.0 - untouched(block))
    return total + (1.0 - untouched(rest)) if rest else total


def _random(pages: int, dirty: Array, block: int, *, replacement: bool = True) -> Array:
    if replacement:
        return expected_from(lambda size: _never_drawn(dirty, size / pages), pages, block)
    return expected_from(lambda size: _left_out(pages, dirty, size), pages, block)


def _never_drawn(draws: Array, share: float) -> Array:
    """Return the probability that none of `draws` falls into a `share` of what is drawn from."""
    if share >= 1.0:
        return np.where(draws > 0, 0.0, 1.0)
    survived: Array = np.exp(draws * np.log1p(-share))
    return survived


def _left_out(pages: int, dirty: Array, size: float) -> Array:
    """Return the probability that a draw without replacement leaves `size` pages out."""
    room = pages - size
    inside = np.minimum(dirty, room)
    if size <= 64:  # a product: differences of large logarithms of factorials would lose digits
        taken = np.array([1.0 - inside / (pages - place) for place in range(int(size))])
        chance = np.prod(np.maximum(taken, 0.0), axis=0)
    else:
        chance = np.exp(
            gammaln(room + 1) - gammaln(room - inside + 1)
            - gammaln(pages + 1) + gammaln(pages - inside + 1)
        )  # fmt: skip
    return np.where(dirty <= room, chance, 0.0)


def _clustered(
    pages: int, dirty: Array, block: int, *, clusters: int | None = None,
    length: int | None = None, lengths: str = "geometric", spread: float = 1.0,
    overlap: bool = False,
) -> Array:  # fmt: skip
    """Count clusters as points between free pages: each falls anywhere among them.

    A block is free when its first page is, and no cluster lies between its pages.
    """
    span = max(1, round(spread * pages))
    number, total = clusters_of(dirty, clusters, length)

    def untouched(size: float) -> Array:
        if overlap:
            mean = total / np.maximum(number, 1)
            covered = np.minimum((mean + size - 1) / span, 1.0)
            return _power(1.0 - covered, number)
        free = span - total
        between = np.clip(1.0 - (size - 1) / (free + 1), 0.0, 1.0)
        return np.where(free >= size, free / span * _power(between, number), 0.0)

    inside = expected_from(untouched, span, min(block, span))
    return np.where(dirty > 0, inside, 0.0)


def clusters_of(dirty: Array, clusters: int | None, length: int | None) -> tuple[Array, Array]:
    """Return how many clusters `dirty` frames reach, and the pages in them."""
    if length is None:
        wanted = np.floor(np.sqrt(dirty)) if clusters is None else np.full_like(dirty, clusters)
        return np.minimum(wanted, dirty), dirty
    reached = np.ceil(dirty / length)
    number = reached if clusters is None else np.minimum(clusters, reached)
    return number, np.minimum(dirty, number * length)


def _power(base: Array, exponent: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(exponent > 0, np.exp(exponent * np.log(base)), 1.0)


def _each(count: Callable[..., int]) -> Callable[..., Array]:
    """Make a function of one number of frames one of an array of them."""

    def law(pages: int, dirty: Array, block: int, **options: Any) -> Array:
        flat = [float(count(pages, int(one), block, **options)) for one in dirty.ravel()]
        return np.array(flat).reshape(dirty.shape)

    return law


def _zipf(
    pages: int, dirty: Array, block: int, *, exponent: float = 1.0, scattered: bool = True
) -> Array:
    law = skewed.Ranks(pages, exponent)
    if not scattered:
        return law.blocks_touched(dirty, block)
    return _scattered(law.mean_untouched(dirty), pages, block)


def _scattered(page_untouched: Array, pages: int, block: int) -> Array:
    """Count blocks of pages that lie anywhere: as many independent pages as give the same odds."""
    one = np.log1p(-1.0 / pages) if pages > 1 else -np.inf

    def untouched(size: float) -> Array:
        if size >= pages:
            return np.zeros_like(page_untouched)
        return _power(page_untouched, np.full_like(page_untouched, np.log1p(-size / pages) / one))

    return expected_from(untouched, pages, block)


def _hotset(
    pages: int, dirty: Array, block: int, *, writes: float = 0.9, hot: float = 0.1,
    place: str = "start",
) -> Array:  # fmt: skip
    size = max(1, round(hot * pages))
    share = writes if size < pages else 1.0
    parts = [skewed.Part(size, share), skewed.Part(pages - size, 1.0 - share)]
    if place == "start":
        return skewed.parts_touched(parts, dirty, block)
    return _scattered(skewed.mean_untouched(parts, dirty), pages, block)


def _phases(
    pages: int, dirty: Array, block: int, *, number: int = 8, hot: float = 0.1,
    overlap: float = 0.5,
) -> Array:  # fmt: skip
    size = max(1, round(hot * pages))
    step = round(size * (1 - overlap)) % pages
    return skewed.windows_touched(pages, size, step, number, dirty, block)


def _trace(pages: int, dirty: Array, block: int, *, frames: npt.ArrayLike) -> Array:
    recorded = np.asarray(frames, np.uint64) // np.uint64(block)

    def count(pages: int, one: int, block: int) -> int:
        return int(np.unique(np.resize(recorded, one)).size)

    return _each(count)(pages, dirty, block)


_LAWS: dict[str, Callable[..., Array]] = {
    "mailing-list": _random,
    "random": _random,
    "sequential": _each(sequential_blocks),
    "clustered": _clustered,
    "strided": _each(strided_blocks),
    "zipf": _zipf,
    "hotset": _hotset,
    "phases": _phases,
    "trace": _trace,
}

_OPTIONS = {
    "mailing-list": (),
    "random": ("replacement",),
    "sequential": ("start", "wrap"),
    "clustered": ("clusters", "length", "lengths", "spread", "overlap"),
    "strided": ("stride", "start"),
    "zipf": ("exponent", "scattered"),
    "hotset": ("writes", "hot", "place"),
    "phases": ("number", "hot", "overlap"),
    "trace": ("frames",),
}
