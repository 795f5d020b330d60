"""Traces as KVM's dirty bitmaps (``.bitmap``), one after the other."""

from pathlib import Path

import numpy as np

from dirtylab import _check
from dirtylab._check import Frames
from dirtylab._jit import kernel
from dirtylab._words import BIT_MASK, WORD_BITS, WORD_SHIFT, ZERO, Words, decode_plain
from dirtylab.datasets._trace import (
    Trace,
    content_of,
    cut_into_epochs,
    require_epochs,
    require_room,
)


@kernel
def frames_of(words: Words, each: int, frames: Frames) -> int:
    """Write the frames of bitmaps of `each` words, one after the other; return how many."""
    found = 0
    for place in range(words.size):
        base = np.uint64(place % each) << WORD_SHIFT
        found += decode_plain(words[place], base, ZERO, frames, found)
    return found


def bitmap_bytes(trace: Trace) -> bytes:
    """Return the content of a file: order, repeats, times and facts are lost."""
    each = -(-trace.pages // WORD_BITS)
    nbytes = 8 * each * len(trace.epochs)
    _check.memory("pages", trace.pages, nbytes)
    words = np.zeros((len(trace.epochs), each), np.uint64)
    for row, frames in zip(words, trace.epochs, strict=True):
        np.bitwise_or.at(row, frames >> WORD_SHIFT, np.uint64(1) << (frames & BIT_MASK))
    return words.astype("<u8", copy=False).tobytes()


def read_bitmaps(path: Path, pages: int | None, most_frames: int) -> Trace:
    """Read a trace; `pages` must be given, for a bitmap does not tell it."""
    if pages is None:
        raise ValueError(f"pages: must be given to read {str(path)!r}; a bitmap does not tell it")
    content = content_of(path, most_frames)
    each = -(-pages // WORD_BITS)
    if not each or len(content) % (8 * each):
        raise ValueError(
            f"path={str(path)!r}: {len(content)} bytes; must be a multiple of {8 * each}, a bitmap "
            f"of {pages} pages: cut off, or of another size"
        )
    try:
        return _read(np.frombuffer(content, "<u8").astype(np.uint64), each, pages, most_frames)
    except ValueError as error:
        raise ValueError(f"path={str(path)!r}: {error}") from None


def _read(words: Words, each: int, pages: int, most_frames: int) -> Trace:
    rows = words.reshape(-1, each)
    require_epochs(len(rows))
    counts = np.bitwise_count(rows).sum(axis=1, dtype=np.int64)
    require_room(int(counts.sum()), most_frames)
    if pages % WORD_BITS:
        beyond = np.flatnonzero(rows[:, -1] >> np.uint64(pages % WORD_BITS))
        if beyond.size:
            raise ValueError(
                f"bitmap {beyond[0]} has bits beyond page {pages - 1}: of another size, or corrupt"
            )
    frames = np.empty(int(counts.sum()), np.uint64)
    frames_of(words, each, frames)
    return cut_into_epochs(pages, frames, counts, (), {})
