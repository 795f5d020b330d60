"""The facts about a set of frames that predict what it costs to track them.

::

    frames 7 1 6 1 9 5, pages 16        . 1 . . . 5 6 7 . 9 . . . . . .

    distinct 5, repeats 1               runs 3: of 1, 3 and 1 pages
    bytes touched 2                     nodes of radix 8: 2, then the root

Cost: a sort of the frames and two passes; memory for a second and a third copy of them, at most,
whatever the size of the slot.
"""

import dataclasses
import html
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from dirtylab import _check
from dirtylab._check import Frames
from dirtylab._jit import kernel
from dirtylab._words import ONE, ZERO

PERCENTS = (0, 25, 50, 75, 90, 99, 100)
RADICES = (8, 64)

_BYTE_BITS = 8
_WORD_BITS = 64
_LINE_BITS = 512


@dataclasses.dataclass(frozen=True)
class Description:
    """What :func:`describe` found; bytes, words and lines are those of a bitmap, one bit a page."""

    pages: int
    """Size of the slot in 4 KiB pages."""
    frames: int
    """Frames given, repeats counted."""
    distinct: int
    """Frames that differ."""
    density: float
    """Share of the slot's pages that is dirty, 0 … 1; 0 for a slot of no pages."""
    repeats: int
    """Frames that had come before."""
    runs: int
    """Runs of neighbouring dirty pages."""
    run_mean: float
    """Pages in a run on average; 0 where there is none."""
    run_percentiles: dict[int, int]
    """Per cent to pages: so many per cent of the runs are that long or shorter (0: the shortest).
    Empty where there are no runs."""
    run_histogram: tuple[int, ...]
    """Element k counts the runs of 2^k … 2^(k+1) - 1 pages."""
    bytes: int
    """Bytes of the bitmap with a dirty page."""
    words: int
    """64-bit words of the bitmap with a dirty page."""
    lines: int
    """Cache lines (64 bytes, 512 pages) of the bitmap with a dirty page."""
    nodes: dict[int, tuple[int, ...]]
    """Radix to tree nodes with a dirty page, level by level: a node of the first stands for
    `radix` pages, one of the next for `radix` of those, the last is the root."""

    def as_dict(self) -> dict[str, Any]:
        """Return the facts by name, ready for JSON or a row of a table."""
        return dataclasses.asdict(self)

    def __repr__(self) -> str:
        facts = "; ".join(f"{name} {value}" for name, value in self._shown().items())
        return f"<frames: {facts}>"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>"
            for name, value in self._shown().items()
        )
        return f"<table><caption>frames</caption>{rows}</table>"

    def _shown(self) -> dict[str, str]:
        runs = f"{self.runs:,}"
        if self.runs:
            median, longest = self.run_percentiles[50], self.run_percentiles[100]
            runs += f" of {self.run_mean:.4g} pages (median {median:,}, longest {longest:,})"
        shown = {
            "dirty": f"{self.distinct:,} of {self.pages:,} pages ({self.density:.4%})",
            "repeats": f"{self.repeats:,} of {self.frames:,}",
            "runs": runs,
            "bitmap": f"{self.bytes:,} bytes, {self.words:,} words, {self.lines:,} lines",
        }
        for radix, levels in self.nodes.items():
            shown[f"nodes of radix {radix}"] = " + ".join(f"{count:,}" for count in levels)
        return shown


@kernel
def count_units(ordered: Frames, unit: np.uint64) -> int:
    """Return the number of groups of `unit` pages that the ascending frames touch."""
    count = min(ordered.size, 1)
    for i in range(1, ordered.size):
        count += int(ordered[i] // unit != ordered[i - 1] // unit)
    return count


@kernel
def count_nodes(ordered: Frames, radix: np.uint64, counts: npt.NDArray[np.int64]) -> None:
    """Add the nodes that the ascending frames touch to each level, from the bottom."""
    counts[:] = min(ordered.size, 1)
    for i in range(1, ordered.size):
        # Two neighbours in order part at few levels: from the node they share on, all is shared.
        node, before, level = ordered[i] // radix, ordered[i - 1] // radix, 0
        while node != before:
            counts[level] += 1
            node, before, level = node // radix, before // radix, level + 1


@kernel
def count_runs(ordered: Frames) -> int:
    """Return the number of runs in ascending frames, repeats allowed."""
    count = min(ordered.size, 1)
    for i in range(1, ordered.size):
        count += int(ordered[i] - ordered[i - 1] > ONE)
    return count


@kernel
def measure_runs(ordered: Frames, lengths: Frames) -> None:
    """Write the length of each run."""
    run, start = 0, ZERO
    for i in range(ordered.size):
        if i == 0 or ordered[i] - ordered[i - 1] > ONE:
            start = ordered[i]
            run += int(i > 0)
        lengths[run] = ordered[i] - start + ONE


def levels_of(pages: int, radix: int) -> int:
    """Return the levels of a tree of that radix over a bitmap of `pages`, at least one."""
    levels = 1
    while radix**levels < pages:
        levels += 1
    return levels


def clean_radices(radices: object) -> list[int]:
    """Return `radices` as a list, or refuse what is none."""
    if not isinstance(radices, Iterable):
        raise TypeError(f"radices={radices!r}: must be several, such as (8, 64)")
    return [_check.integer("radices", radix, 2, _check.MAX_PAGES) for radix in radices]


def nodes_of(ordered: Frames, pages: int, radix: int) -> tuple[int, ...]:
    """Return the nodes that ascending frames touch, level by level from the bottom."""
    counts = np.empty(levels_of(pages, radix), np.int64)
    count_nodes(ordered, np.uint64(radix), counts)
    return tuple(counts.tolist())


def run_lengths(ordered: Frames) -> Frames:
    """Return the lengths of the runs in ascending frames, ascending."""
    lengths = np.empty(count_runs(ordered), np.uint64)
    measure_runs(ordered, lengths)
    lengths.sort()
    return lengths


def percentiles(ascending: Frames) -> dict[int, int]:
    """Return for each per cent the least element that so many are not above."""
    if not ascending.size:
        return {}
    ranks = {percent: -(-percent * ascending.size // 100) for percent in PERCENTS}
    return {percent: int(ascending[max(rank, 1) - 1]) for percent, rank in ranks.items()}


def histogram(ascending: Frames) -> tuple[int, ...]:
    """Count the elements of 2^k … 2^(k+1) - 1 for each k that is needed."""
    powers = int(ascending[-1]).bit_length() if ascending.size else 0
    edges = np.array([2**k for k in range(powers + 1)], np.uint64)
    return tuple(np.diff(np.searchsorted(ascending, edges)).tolist())


def describe(frames: npt.ArrayLike, pages: int, *, radices: Iterable[int] = RADICES) -> Description:
    """Describe a set of frames by the facts that predict the cost of tracking them.

    Parameters
    ----------
    frames : array_like of int
        One frame or a one-dimensional sequence, in any order, repeats allowed.
    pages : int
        Size of the slot in 4 KiB pages, 0 … 2^52.
    radices : iterable of int, optional
        Radices of the trees whose nodes are counted, each 2 … 2^52.

    Returns
    -------
    Description
        Frozen; ``as_dict()`` gives the facts by name.

    Raises
    ------
    IndexError
        A frame is negative or not below `pages`; the first is named.
    TypeError, ValueError
        Not integers, more than one dimension, or out of range.

    Notes
    -----
    Cost: a sort of n frames, O(n log n); at most 16 bytes a frame beside the frames themselves,
    whatever the size of the slot.

    Examples
    --------
    >>> facts = describe([7, 1, 6, 1, 9, 5], 16, radices=[8])
    >>> facts.distinct, facts.repeats, facts.runs
    (5, 1, 3)
    >>> facts.run_histogram, facts.nodes[8]
    ((2, 1), (2, 1))
    """
    pages = _check.pages(pages)
    bases = clean_radices(radices)
    ordered = np.sort(_check.frames("frames", frames, pages))
    distinct, lengths = count_units(ordered, ONE), run_lengths(ordered)
    return Description(
        pages=pages,
        frames=ordered.size,
        distinct=distinct,
        density=distinct / pages if pages else 0.0,
        repeats=ordered.size - distinct,
        runs=lengths.size,
        run_mean=distinct / lengths.size if lengths.size else 0.0,
        run_percentiles=percentiles(lengths),
        run_histogram=histogram(lengths),
        bytes=count_units(ordered, np.uint64(_BYTE_BITS)),
        words=count_units(ordered, np.uint64(_WORD_BITS)),
        lines=count_units(ordered, np.uint64(_LINE_BITS)),
        nodes={radix: nodes_of(ordered, pages, radix) for radix in bases},
    )
