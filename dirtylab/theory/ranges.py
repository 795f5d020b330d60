"""Blocks touched by patterns without chance, counted exactly as unions of ranges.

A strided pattern sweeps the slot again and again, one page further each time, so that what it has
touched is the same few neighbouring pages of each record of `stride` pages: a range a record.
"""

import numpy as np
import numpy.typing as npt

Ranges = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
"""First and last block of each range."""

MOST_RECORDS = 2**18
"""Records that are counted one by one; beyond, all are taken to be alike: off by a few blocks."""


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
    pages: int, dirty: int, block: int, nth: int = 0, most_records: int = MOST_RECORDS,
    *, stride: int | None = None, start: int = 0,
) -> int:  # fmt: skip
    """Return how many blocks a strided pattern touches; only each `nth` of a group if given."""
    step = stride_of(pages, stride)
    if dirty >= pages or step == 1:
        return sequential_blocks(pages, dirty, block, nth, start=start)
    records = -(-pages // step)
    if records > most_records:
        return blocks_if_alike(pages, dirty, block, step, nth)
    spans = np.concatenate(_strided_pages(pages, dirty, step, start), axis=1)
    return count_union((spans[0] // block, spans[1] // block), nth)


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


def _strided_pages(pages: int, dirty: int, step: int, start: int) -> list[npt.NDArray[np.int64]]:
    """Return arrays of first and last pages: what each sweep or group of sweeps touches."""
    offset, record = start % step, start // step
    sweep = -(-(pages - start) // step)
    spans = [_progression(offset, record, record + min(dirty, sweep), step, 1, pages)]
    left = dirty - sweep
    low = (offset + 1) % step
    while left > 0:  # neighbouring offsets together: two groups at most, then a part of a sweep
        counts = -(-(pages - np.arange(low, step)) // step)
        complete = int(np.searchsorted(np.cumsum(counts), left, side="right"))
        if complete:
            spans.append(_progression(low, 0, -(-pages // step), step, complete, pages))
            left -= int(counts[:complete].sum())
            low = (low + complete) % step
        if left > 0 and (not complete or low != 0):
            done = min(left, -(-(pages - low) // step))
            spans.append(_progression(low, 0, done, step, 1, pages))
            left -= done
            low = (low + 1) % step
    return spans


def _progression(
    offset: int, first: int, stop: int, step: int, width: int, pages: int
) -> npt.NDArray[np.int64]:
    """Return first and last page of runs of `width`, one in each record, cut at the slot's end."""
    begin = np.arange(first, stop, dtype=np.int64) * step + offset
    inside = begin[begin < pages]
    return np.array([inside, np.minimum(inside + width, pages) - 1])


def blocks_if_alike(pages: int, dirty: int, block: int, step: int, nth: int) -> int:
    """Count as if each record were like any other."""
    records = pages / step
    sweeps = dirty / records
    if sweeps < 1:
        touched = dirty if step >= block else dirty * step / block
    elif step <= block:
        touched = -(-pages // block)
    else:
        touched = min(records * (sweeps + block - 1) / block, pages / block)
    return round(touched / (nth or 1))
