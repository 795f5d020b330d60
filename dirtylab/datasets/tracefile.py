r"""Traces: which pages were written, epoch by epoch, in a file.

Three formats, told apart by the end of the name:

``.npz``
    Compact, everything kept.  A NumPy archive of four arrays:

    ========== ====== =============================================================================
    ``header`` uint8  JSON in UTF-8: ``{"format": "dirtylab trace", "version": 1, "pages": …}`` and,
                      under ``"facts"``, whatever is known of the recording
    ``counts`` uint64 number of frames of each epoch
    ``times``  uint64 nanoseconds from the start to the end of each epoch; empty when not known
    ``deltas`` uint8  the frames: each as its difference from the one before in its epoch, the
                      first of an epoch from 0; a difference d is written as the number 2d, or
                      -2d - 1 where it is negative, in LEB128 (7 bits a byte, low ones first, the
                      top bit set in all bytes but the last)
    ========== ====== =============================================================================

    Archives of a single array ``frames`` (integers in arrival order) are read as one epoch.
``.txt``
    A frame a line, in decimal, at most 20 digits.  Blank lines and comments, which begin with
    ``#``, don't count, but these remarks do:

    =============== ==============================================================================
    ``# pages N``   size of the slot, once; N may be written 10M, 2^24, 64GiB
    ``# epoch``     before each epoch.  Frames before the first make an epoch of their own
    ``# epoch N``   it ended N ns after the start: whole, up to 2^63 - 1, none below the one
                    before.  All epochs have a time, or none; then no frames stand before the first
    ``# facts {…}`` JSON, an object, once
    =============== ==============================================================================

    A remark that begins with one of these words and is written otherwise (``# epoch: 1``,
    ``# Pages 5``) is refused.  The last line ends as the others do, so that a cut file is noticed.
    Lines may end in CR LF; a byte order mark is passed over.
``.bitmap``
    The legacy: one KVM dirty bitmap after the other, a bit a page, lowest bit first, each padded to
    64 bits.  Order, repeats, times and facts are lost, and `pages` must be given to read it.

Limits, so that no file fills the memory or is read for ever: 2^26 frames (:func:`read_trace` takes
more where asked), 2^20 epochs, 8 MiB of facts in at most 64 levels, 16 bytes of file for each frame
allowed.  Sizes are known before anything is expanded.  Only regular files are read.

Sources: LEB128 is DWARF's, the fold of signs that of Protocol Buffers ("zigzag").
"""

import os
from collections.abc import Callable
from pathlib import Path

from dirtylab import _check
from dirtylab.datasets._trace import FORMAT, MOST_FRAMES, VERSION, Trace
from dirtylab.datasets.trace_archive import archive_bytes, decode, encode, read_archive
from dirtylab.datasets.trace_bitmap import bitmap_bytes, read_bitmaps
from dirtylab.datasets.trace_text import read_text, text_bytes

__all__ = [
    "FORMAT", "MOST_FRAMES", "SUFFIXES", "VERSION", "Trace", "decode", "encode", "read_trace",
    "read_within", "to_bytes",
]  # fmt: skip

SUFFIXES = (".npz", ".txt", ".bitmap")
_WRITERS: dict[str, Callable[[Trace], bytes]] = {
    ".npz": archive_bytes, ".txt": text_bytes, ".bitmap": bitmap_bytes,
}  # fmt: skip
_READERS = {".npz": read_archive, ".bitmap": read_bitmaps}
_MOST = 2**40


def to_bytes(trace: Trace, suffix: str) -> bytes:
    """Return the content of a file of that kind.

    Parameters
    ----------
    trace : Trace
        What is written.
    suffix : {".npz", ".txt", ".bitmap"}
        The kind.

    Raises
    ------
    ValueError
        Another kind, or facts that can't be written as JSON.
    MemoryError
        So many bitmaps of such a slot would not fit in this machine's memory.
    """
    return _WRITERS[_check.choice("suffix", suffix, SUFFIXES)](trace)


def read_trace(
    path: str | os.PathLike[str], pages: int | None = None, *, most_frames: int = MOST_FRAMES
) -> Trace:
    """Read a trace in any of the formats.

    Parameters
    ----------
    path : str or os.PathLike
        The file; what does not end in .npz or .bitmap is read as text.
    pages : int, optional
        Size of the slot, which a ``.bitmap`` does not tell; where the file tells it, the two must
        agree.  Otherwise one more than the highest frame is taken.
    most_frames : int, optional
        A file of more frames, or of more than 16 bytes for each of them, is refused: 2^26 frames,
        which take 512 MiB, and 1 GiB unless more are asked for.

    Returns
    -------
    Trace
        Cost: 8 bytes a frame; text about 50 ns a line.

    Raises
    ------
    OSError
        The file can't be read, or is no regular file.
    ValueError
        It is cut off or corrupt, too large, or does not agree with `pages`.
    IndexError, TypeError
        A frame is not below `pages`; the frames are no integers.  Both are a ValueError too.
    MemoryError
        The frames would not fit in this machine's memory.
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path={path!r}: must be a path, not {type(path).__name__}")
    file = Path(path)
    known = None if pages is None else _check.pages(pages)
    trace = read_within(file, known, _check.integer("most_frames", most_frames, 1, _MOST))
    if known is not None and trace.pages != known:
        raise ValueError(f"pages={known}: must be {trace.pages}, as {str(file)!r} says")
    return trace


def read_within(file: Path, pages: int | None, most_frames: int = MOST_FRAMES) -> Trace:
    """Read a trace; `pages` is the size of the slot where the file does not tell another."""
    return _READERS.get(file.suffix.lower(), read_text)(file, pages, most_frames)
