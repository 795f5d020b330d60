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

What theory knows of a pattern is its :class:`Law`; :data:`LAWS` has them by name, and may get more
at run time.  A pattern without one is measured, not foretold: see :func:`foretold`.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from dirtylab import _check
from dirtylab.theory import skewed
from dirtylab.theory.ranges import sequential_blocks, stride_of, strided_blocks

Array = npt.NDArray[np.float64]
Untouched = Callable[[float], Array]
"""Probability that a block of so many pages stays untouched, for each number of dirty frames."""


Runs = Callable[..., tuple[Array, Array] | None]


@dataclasses.dataclass(frozen=True)
class Law:
    """What theory knows of a pattern; the defaults hold where frames are drawn anywhere.

    Options of the pattern are keywords of all these functions; its generator's have the same names
    and defaults.
    """

    blocks: Callable[..., Array] | None = None
    """``blocks(pages, dirty, block, **options)``: the expected number of blocks touched."""
    count: Callable[..., int] | None = None
    """Instead: the exact number, of a pattern without chance, for one number of frames.  With an
    `nth`, the fourth argument, only blocks that are the last of a group of so many count."""
    quick: Callable[..., int] | None = None
    """A count in less time, near the exact one."""
    regular: bool = False
    """Whether a processor foresees the next line."""
    elsewhere: Callable[..., Array] | None = None
    """``elsewhere(pages, dirty, block, **options)``: frames that come from another block than the
    frame before them; those of runs, or else nearly all, when omitted."""
    runs: Runs = lambda dirty, **_: None
    """Number of runs of neighbouring frames and of the frames in them; None: no runs."""

    @property
    def options(self) -> tuple[str, ...]:
        """Options that the law knows."""
        parameters = inspect.signature(self.blocks or self.count or _random).parameters.values()
        return tuple(one.name for one in parameters if one.kind is one.KEYWORD_ONLY)

    def touched(self, pages: int, dirty: Array, block: int, quick: bool, **options: Any) -> Array:
        """Return the blocks touched, not yet cut to what there can be."""
        if self.blocks is not None:
            return self.blocks(pages, dirty, block, **options)
        count = self.quick if quick else None
        return self.counted(count or self.count, pages, dirty, block, **options)

    @staticmethod
    def counted(count: Any, pages: int, dirty: Array, *rest: Any, **options: Any) -> Array:
        """Return a count of one number of frames for each of an array of them."""
        flat = [float(count(pages, int(one), *rest, **options)) for one in dirty.ravel()]
        return np.array(flat).reshape(dirty.shape)


def foretold(dataset: str, options: Iterable[str] = ()) -> bool:
    """Return whether there is a law for a pattern with such options."""
    return dataset in LAWS and set(options) <= set(LAWS[dataset].options)


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
    return _occupied(False, dataset, pages, dirty, block, options)


def occupied_quickly(
    dataset: str, pages: int, dirty: npt.ArrayLike, block: int = 1, **options: Any
) -> Array:
    """As :func:`occupied`, but in milliseconds: where a count takes longer, it is nearly exact."""
    return _occupied(True, dataset, pages, dirty, block, options)


def _occupied(
    quick: bool,
    dataset: str,
    pages: int,
    dirty: npt.ArrayLike,
    block: int,
    options: Mapping[str, Any],
) -> Array:
    pages = _check.integer("pages", pages, 1, 2**52)
    block = _check.integer("block", block, 1)
    law = LAWS[_check.choice("dataset", dataset, LAWS)]
    number = np.asarray(dirty, float)
    _check.options(dataset, options, law.options)
    found = law.touched(pages, number, min(block, pages), quick, **options)
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


def _mailing_list(pages: int, dirty: Array, block: int) -> Array:
    return _random(pages, dirty, block)


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


def clusters_of(
    dirty: Array, clusters: int | None = None, length: int | None = None, **_: Any
) -> tuple[Array, Array]:
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

    touched = [float(np.unique(np.resize(recorded, int(one))).size) for one in dirty.ravel()]
    return np.array(touched).reshape(dirty.shape)


def _in_a_row(dirty: Array, **_: Any) -> tuple[Array, Array]:
    return np.zeros_like(dirty), dirty


def _strided_elsewhere(
    pages: int, dirty: Array, block: int, *, stride: int | None = None, **_: Any
) -> Array:
    return dirty * min(1.0, stride_of(pages, stride) / block)


LAWS: dict[str, Law] = {
    "mailing-list": Law(_mailing_list),
    "random": Law(_random),
    "sequential": Law(
        count=sequential_blocks,
        regular=True,
        elsewhere=lambda pages, dirty, block, **_: np.ceil(dirty / block),
        runs=_in_a_row,
    ),
    "clustered": Law(_clustered, runs=clusters_of),
    "strided": Law(
        count=strided_blocks,
        quick=functools.partial(strided_blocks, most_records=2**12),
        regular=True,
        elsewhere=_strided_elsewhere,
        runs=lambda dirty, stride=None, **_: _in_a_row(dirty) if stride == 1 else None,
    ),
    "zipf": Law(_zipf),
    "hotset": Law(_hotset),
    "phases": Law(_phases),
    "trace": Law(_trace),
}
"""Name of a pattern in ``dirtylab.DATASETS`` to what theory knows of it."""
