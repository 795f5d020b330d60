"""Recorded frames, replayed.

A recording is one of

- a ``.npz`` file with a one-dimensional array ``frames`` of integers, in arrival order;
- a text file with one frame a line, in decimal; blank lines and lines that begin with ``#`` do not
  count, and the last line ends as the others do, so that a cut file is noticed.

Cost: the whole recording is read and checked, however few of its frames are wanted.
"""

import io
import os
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from dirtylab import _check
from dirtylab._check import Frames
from dirtylab.datasets import draws

FITS = ("cut", "exact", "repeat")
ARRAY = "frames"

_UNREADABLE = (ValueError, EOFError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error)


def read_archive(path: Path, pages: int) -> Frames:
    """Return the frames of a ``.npz`` file, each below `pages`.

    Raises
    ------
    ValueError
        The file is cut off or corrupt, or has no one-dimensional array ``frames``.
    TypeError
        The array is not of integers.
    IndexError
        A frame is not below `pages`; the first is named.
    """
    content = io.BytesIO(path.read_bytes())  # of a file, a damaged archive gives any OSError
    try:
        with zipfile.ZipFile(content) as archive:
            member = io.BytesIO(archive.read(f"{ARRAY}.npy"))  # as a whole, to check its sum first
        recorded = np.lib.format.read_array(member, allow_pickle=False)
    except _UNREADABLE as error:
        reason = str(error).strip("'\"") or type(error).__name__
        raise ValueError(
            f"path={str(path)!r}: must be an intact .npz file with an array {ARRAY!r}: {reason}"
        ) from None
    return _check.frames(f"path={str(path)!r}: {ARRAY}", recorded, pages)


def read_text(path: Path, pages: int) -> Frames:
    """Return the frames of a text file, each below `pages`.

    Raises
    ------
    ValueError
        A line is no frame number, or the last one does not end; the first such is named.
    IndexError
        A frame is not below `pages`; the first is named.
    """
    with path.open(encoding="ascii", errors="replace", newline="\n") as lines:
        return np.fromiter(_frames_of(lines, path, pages), np.uint64)


def _frames_of(lines: Iterator[str], path: Path, pages: int) -> Iterator[int]:
    for number, line in enumerate(lines, start=1):
        where = f"path={str(path)!r}, line {number}"
        text = line.strip()
        if not line.endswith("\n"):
            raise ValueError(f"{where}: {text[:40]!r} ends without a newline: cut off")
        if not text or text.startswith("#"):
            continue
        if not (text.isascii() and text.isdigit()):
            raise ValueError(f"{where}: {text[:40]!r} must be a frame number")
        if len(text) > 20 or int(text) >= pages:
            raise IndexError(f"{where}: frame {text[:40]} must be 0 … {pages - 1}")
        yield int(text)


def trace(
    pages: int, dirty: int, *, path: str | os.PathLike[str], seed: int = 0, fit: str = "cut"
) -> Frames:
    r"""Replay a recording from its beginning.

    It stands for whatever guest it was recorded from.

    Parameters
    ----------
    pages : int
        Size of the slot in 4 KiB pages, 1 … 2^52.
    dirty : int
        Number of frames, 0 or more.
    path : str or os.PathLike
        The recording: ``.npz`` with an array ``frames``, or text with one frame a line.
    seed : int, optional
        0 … 2^64 - 1; nothing is random here, every seed gives the same frames.
    fit : {"cut", "exact", "repeat"}
        Whether the recording may be longer than `dirty` and is cut, must be just as long, or may
        also be shorter and is repeated.

    Returns
    -------
    numpy.ndarray
        Shape ``(dirty,)``, uint64, frames in arrival order.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    OSError
        The file can't be read.
    ValueError
        The file is cut off or corrupt, or its length does not fit; an argument is out of range.
    TypeError
        An argument is of the wrong kind; the array in the file is not of integers.
    IndexError
        A recorded frame is not below `pages`; the first is named.
    MemoryError
        The frames would not fit in this machine's memory.

    Notes
    -----
    Cost: 8 bytes a frame of the recording and of the output; text about 300 ns a line.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "three.txt")
    ...     _ = path.write_text("7\n0\n7\n")
    ...     trace(8, 5, path=path, fit="repeat")
    array([7, 0, 7, 7, 0], dtype=uint64)
    """
    pages, dirty, _ = draws.arguments(pages, dirty, seed)
    _check.choice("fit", fit, FITS)
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path={path!r}: must be a path, not {type(path).__name__}")
    file = Path(path)
    if not file.exists():
        raise FileNotFoundError(f"path={str(file)!r}: no such file")
    read = read_archive if file.suffix.lower() == ".npz" else read_text
    recorded = read(file, pages)
    require_fit(file, recorded.size, dirty, fit)
    return np.resize(recorded[:dirty], dirty)


def require_fit(path: Path, recorded: int, dirty: int, fit: str) -> None:
    """Refuse a recording of a length that `fit` does not allow."""
    if fit == "exact" and recorded != dirty:
        raise ValueError(f"dirty={dirty}: must be {recorded}, as {str(path)!r} has, to fit exactly")
    if fit == "cut" and recorded < dirty:
        raise ValueError(
            f"dirty={dirty}: must be 0 … {recorded}, as {str(path)!r} has; or pass fit='repeat'"
        )
    if dirty and not recorded:
        raise ValueError(f"dirty={dirty}: must be 0, for {str(path)!r} has no frames")
