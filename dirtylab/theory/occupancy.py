"""How many blocks of a slot a pattern touches: the one number that all costs follow from.

A *block* is an aligned group of pages: 64 share a word of the bitmap, 512 its cache line, ``8**k``
the node of a radix-8 tree ``k`` levels up; a block of one page counts the distinct dirty frames::

    pages    0 . . 3 4 . . 7 | 8 . . 11 . . . .      frames 1, 3 and 9 touch
    blocks of 4   X  |   .   |    X   |   .          2 blocks of 4 and 3 of 1

Drawn patterns give the expected number, from the probability that a block stays untouched;
:func:`sequential` and :func:`strided` ones are counted exactly.  The last block is as short as the
slot leaves it.

Cost: microseconds a value for `random`, `sequential`, `strided` and `clustered`, at any size; up to
some milliseconds for the others, and for few clusters in few blocks.

What theory knows of a pattern is its :class:`Law`; :data:`LAWS` has them by name, and may get more
at run time.  A pattern without one is measured only: see :func:`has_occupancy_law`.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from dirtylab import _check
from dirtylab._check import Array
from dirtylab.theory import clustering, shuffled, skewed
from dirtylab.theory.ranges import sequential_blocks, stride_of, strided_blocks

Runs = Callable[..., tuple[Array, Array] | None]


@dataclasses.dataclass(frozen=True)
class Law:
    """The closed forms of a pattern; the defaults hold where frames are drawn anywhere.

    Options of the pattern are keywords of all these functions; its generator's have the same names
    and defaults.
    """

    blocks: Callable[..., Array] | None = None
    """``blocks(pages, dirty, block, **options)``: the expected number of blocks touched."""
    count: Callable[..., int] | None = None
    """Instead: the exact number, of a pattern without chance, for one number of frames.  With an
    `nth`, the fourth argument, only blocks that are the last of a group of so many count."""
    regular: bool = False
    """Whether a prefetcher predicts the next cache line."""
    elsewhere: Callable[..., Array] | None = None
    """``elsewhere(pages, dirty, block, **options)``: frames that come from another block than the
    frame before them; those of runs, or else nearly all, when omitted."""
    runs: Runs = lambda dirty, **_: None
    """Number of runs of neighbouring frames and of the frames in them; None: no runs."""

    @property
    def options(self) -> tuple[str, ...]:
        """Options that the law knows."""
        return _options_of(self.blocks or self.count or _random)

    def touched(self, pages: int, dirty: Array, block: int, **options: Any) -> Array:
        """Return the blocks touched, not yet cut to what there can be."""
        if self.blocks is not None:
            return self.blocks(pages, dirty, block, **options)
        return self.counted(self.count, pages, dirty, block, **options)

    @staticmethod
    def counted(count: Any, pages: int, dirty: Array, *rest: Any, **options: Any) -> Array:
        """Return a count of one number of frames for each of an array of them."""
        flat = [float(count(pages, int(one), *rest, **options)) for one in dirty.ravel()]
        return np.array(flat).reshape(dirty.shape)


@functools.cache
def _options_of(law: Callable[..., Any]) -> tuple[str, ...]:
    """Return a function's keywords; looked up each time they took a fifth of an advice."""
    parameters = inspect.signature(law).parameters.values()
    return tuple(one.name for one in parameters if one.kind is one.KEYWORD_ONLY)


def has_occupancy_law(dataset: str, options: Iterable[str] = ()) -> bool:
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
    pages = _check.integer("pages", pages, 1, 2**52)
    block = _check.integer("block", block, 1)
    law = LAWS[_check.choice("dataset", dataset, LAWS)]
    number = np.asarray(dirty, float)
    _check.options(dataset, options, law.options)
    found = law.touched(pages, number, min(block, pages), **options)
    most = np.minimum(number, -(-pages // block))
    return np.clip(found, np.minimum(number, 1.0), most)


def _random(pages: int, dirty: Array, block: int, *, replacement: bool = True) -> Array:
    log_missed = _never_drawn if replacement else _left_out
    whole, rest = divmod(pages, block)
    total: Array = -whole * np.expm1(log_missed(pages, dirty, block))
    return total - np.expm1(log_missed(pages, dirty, rest)) if rest else total


def _mailing_list(pages: int, dirty: Array, block: int) -> Array:
    return _random(pages, dirty, block)


def _never_drawn(pages: int, draws: Array, size: int) -> Array:
    """Return the logarithm of the probability that no draw falls into so many pages."""
    if size >= pages:
        return np.where(draws > 0, -np.inf, 0.0)
    return draws * np.log1p(-size / pages)


def _left_out(pages: int, dirty: Array, size: int) -> Array:
    """Return the same for frames that do not repeat."""
    flat = [shuffled.log_missed(pages, float(one), size) for one in dirty.ravel()]
    return np.array(flat).reshape(dirty.shape)


def _clustered(
    pages: int, dirty: Array, block: int, *, clusters: int | None = None,
    length: int | None = None, lengths: str = "geometric", spread: float = 1.0,
    overlap: bool = False,
) -> Array:  # fmt: skip
    span = max(1, round(spread * pages))
    fixed = lengths == "fixed"
    given = length if fixed else None

    def count(number: float, total: float) -> float:
        drawn = clustering.Clusters(span, int(number), int(total), fixed or number == 1, given)
        return clustering.blocks_touched(drawn, min(block, span), overlap) if number else 0.0

    numbers, totals = (one.ravel() for one in clusters_of(dirty, clusters, length))
    flat = [count(*one) for one in zip(numbers, totals, strict=True)]
    return np.array(flat).reshape(dirty.shape)


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


def _zipf(
    pages: int, dirty: Array, block: int, *, exponent: float = 1.0, scattered: bool = True
) -> Array:
    if scattered and block > 1:
        return _scattered(shuffled.ranks(pages, exponent), pages, dirty, block)
    return skewed.ordered_touched(pages, exponent, dirty, block)


def _scattered(kinds: shuffled.Pages, pages: int, dirty: Array, block: int) -> Array:
    def count(pages: int, draws: int, block: int) -> float:
        return shuffled.blocks_touched(kinds, draws, pages, block) if draws else 0.0

    return Law.counted(count, pages, dirty, block)


def _hotset(
    pages: int, dirty: Array, block: int, *, writes: float = 0.9, hot: float = 0.1,
    place: str = "start",
) -> Array:  # fmt: skip
    size = max(1, round(hot * pages))
    share = writes if size < pages else 1.0
    parts = [skewed.Part(size, share), skewed.Part(pages - size, 1.0 - share)]
    if place == "start":
        return skewed.parts_touched(parts, dirty, block)
    some = [part for part in parts if part.pages]
    each = np.array([part.writes / part.pages for part in some])
    kinds = shuffled.Pages(each, np.array([float(part.pages) for part in some]))
    return _scattered(kinds, pages, dirty, block)


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
