"""Blocks touched by patterns without chance, counted exactly, at any size.

A strided pattern sweeps the slot again and again, one page further each time, so that what it has
touched is the same few neighbouring pages of each record of `stride` pages: a range a record.  Only
where the first sweep began, where the last one ended, and at the slot's end do records differ::

    20 pages, stride 5, 9 frames from 6 on    . . 2 3 . | . 6 7 8 . | . 11 12 . . | . 16 17 . .

Records that are alike are counted together: how many blocks lie before the n-th range is the floor
of a straight line, and such floors are added up by Euclid's algorithm, in as many steps as their
numbers have digits.

Cost: 10 … 50 microseconds a number of frames.

Source: Graham, Knuth and Patashnik, Concrete Mathematics, 3.5, for the sum of floors.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Ranges = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
"""First and last block of each range."""

Span = tuple[int, int]
"""Begin and end of a range of pages of a record, or of records; the end is not in it."""


class Sweep(NamedTuple):
    """The same pages of so many records."""

    records: Span
    pages: Span


class Piece(NamedTuple):
    """Records of which the same pages are touched."""

    records: Span
    spans: list[Span]
    """Ranges of pages of a record, ascending, apart from each other."""

    def last(self, step: int) -> int:
        """Return the last page touched."""
        return (self.records[1] - 1) * step + self.spans[-1][1] - 1


def sequential_blocks(
    pages: int, dirty: int, block: int, nth: int = 0, *, start: int = 0, wrap: bool = True
) -> int:
    """Return how many blocks a sequence touches; only each `nth` of a group of so many if given."""
    before_wrap = min(dirty, pages - start)
    parts = [(start, start + before_wrap), (0, min(dirty, pages) - before_wrap)]
    full = [(first, stop) for first, stop in parts if stop > first]
    firsts, stops = np.array(full, np.int64).reshape(-1, 2).T
    return count_union((firsts // block, (stops - 1) // block), nth)


def stride_of(pages: int, stride: int | None) -> int:
    """Return the pages from a frame to the next: one in each word where none are given."""
    return min(64, pages) if stride is None else stride


def strided_blocks(
    pages: int, dirty: int, block: int, nth: int = 0, *, stride: int | None = None, start: int = 0
) -> int:
    """Return how many blocks a strided pattern touches; only each `nth` of a group if given."""
    step = stride_of(pages, stride)
    if dirty >= pages or step == 1:
        return sequential_blocks(pages, dirty, block, nth, start=start)
    found, last = 0, -1
    for piece in _pieces(pages, step, list(_sweeps(pages, dirty, step, start))):
        found += _blocks(piece, last, step, block, nth or 1)
        last = piece.last(step)
    return found


def count_union(ranges: Ranges, nth: int = 0) -> int:
    """Return how many blocks lie in at least one range.

    Parameters
    ----------
    ranges : pair of numpy.ndarray
        First and last block of each, in any order.
    nth : int, optional
        When given, only blocks that are the last of a group of `nth` count.
    """
    order = np.argsort(ranges[0], kind="stable")
    first, last = ranges[0][order], ranges[1][order]
    if first.size == 0:
        return 0
    known = np.concatenate([[-1], np.maximum.accumulate(last)[:-1]])
    begin = np.maximum(first, known + 1)
    stop = np.maximum(last + 1, begin)
    if nth:
        return int((stop // nth - begin // nth).sum())
    return int((stop - begin).sum())


def _sweeps(pages: int, dirty: int, step: int, start: int) -> Iterator[Sweep]:
    """Yield what the first sweep touches, then those that are complete, then the last."""
    first, offset = divmod(start, step)
    records = -(-pages // step)
    length = -(-(pages - start) // step)
    yield Sweep((first, first + min(dirty, length)), (offset, offset + 1))
    left = dirty - length
    for low, high in ((offset + 1, step), (0, offset), (offset, offset + 1)):
        if left <= 0 or low == high:
            continue
        complete = _complete(pages, step, low, high, left)
        yield Sweep((0, records), (low, low + complete))
        left -= _frames(pages, step, low, low + complete)
        if low + complete < high:
            yield Sweep((0, left), (low + complete, low + complete + 1))
            return


def _frames(pages: int, step: int, low: int, high: int) -> int:
    """Return how many pages have an offset of ``low … high - 1``."""
    records, rest = divmod(pages, step)
    return (high - low) * records + max(min(high, rest) - low, 0)


def _complete(pages: int, step: int, low: int, high: int, left: int) -> int:
    """Return how many offsets from `low` on are swept completely by `left` frames."""
    records, rest = divmod(pages, step)
    longer = max(min(high, rest) - low, 0)  # offsets with one page more
    if left < longer * (records + 1):
        return left // (records + 1)
    return min(longer + (left - longer * (records + 1)) // records, high - low)


def _pieces(pages: int, step: int, sweeps: list[Sweep]) -> Iterator[Piece]:
    """Yield records that are alike together, ascending; the last may be cut by the slot's end."""
    cut = pages // step
    borders = sorted({cut, *(border for sweep in sweeps for border in sweep.records)})
    for begin, stop in pairwise([*borders, -(-pages // step)]):
        most = step if begin < cut else pages - cut * step
        held = [
            (sweep.pages[0], min(sweep.pages[1], most))
            for sweep in sweeps
            if sweep.records[0] <= begin < sweep.records[1]
        ]
        spans = _joined(sorted((low, high) for low, high in held if low < high))
        if begin < stop and spans:
            yield Piece((begin, stop), spans)


def _joined(spans: list[Span]) -> list[Span]:
    """Return the union of ranges that are in order."""
    found: list[Span] = []
    for low, high in spans:
        if found and low <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], high)
        else:
            found.append((low, high))
    return found


def _blocks(piece: Piece, last: int, step: int, block: int, nth: int) -> int:
    """Return how many blocks a piece touches that lie behind that of page `last`."""
    (begin, stop), spans = piece.records, piece.spans
    group = block * nth

    def upto(records: Span, page: int) -> int:
        """Return how many blocks end before `page` of each of so many records, all together."""
        return floor_sum(records[1] - records[0], group, step, records[0] * step + page)

    found, before = 0, spans[-1][1] - 1 - step
    for low, high in spans:
        found += upto((begin, stop), high - 1 + block)
        known = before + block if low - before < block else low
        found -= upto((begin + (low == spans[0][0]), stop), known)
        before = high - 1
    first = begin * step + spans[0][0]
    return found - (last + block if first - last < block else first) // group


def floor_sum(count: int, divisor: int, slope: int, offset: int) -> int:
    """Return the sum of ``(slope * i + offset) // divisor`` over i from 0 to ``count - 1``.

    Examples
    --------
    >>> floor_sum(4, 3, 2, 1)  # 0, 1, 1, 2
    4
    """
    found = 0
    while count > 0:
        found += slope // divisor * (count * (count - 1) // 2) + offset // divisor * count
        slope, offset = slope % divisor, offset % divisor
        # What is left are the points between the line and the axis; column by column from the
        # other end they lie under a line of the inverse slope.
        count, offset = divmod(slope * count + offset, divisor)
        divisor, slope = slope, divisor
    return found
