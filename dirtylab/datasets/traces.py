"""Recorded frames, replayed: files in any format of :mod:`.tracefile`, and shipped recordings.

Cost: the whole recording is read and checked, however few of its frames are wanted; the last few
recordings read stay in memory.
"""

import functools
import os
from pathlib import Path
from typing import Annotated

import numpy as np

from dirtylab import _check
from dirtylab._check import Frames
from dirtylab._data import data_file
from dirtylab._options import Option
from dirtylab.datasets.declare import pattern
from dirtylab.datasets.tracefile import Trace, read_within

FITS = ("cut", "exact", "repeat", "tile")
_FOLDER = "traces"


def recordings() -> list[str]:
    """Return the names of the recordings shipped with dirtylab, each a `path` of :func:`trace`.

    Examples
    --------
    >>> "sqlite" in recordings()
    True
    """
    try:
        folder = data_file(_FOLDER)
    except FileNotFoundError:
        return []
    return sorted(path.stem for path in folder.glob("*.npz"))


def recording(name: str) -> Trace:
    """Return a recording shipped with dirtylab.

    Parameters
    ----------
    name : str
        One of :func:`recordings`.

    Raises
    ------
    ValueError
        There is none of that name.
    """
    _check.choice("name", name, recordings())
    return _read(data_file(f"{_FOLDER}/{name}.npz"), None)


def read_recording(path: str | os.PathLike[str]) -> Trace:
    """Return a recording in memory, from a file in a format of :mod:`dirtylab.datasets.tracefile`.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    OSError, ValueError
        It can't be read, or is cut off or corrupt.
    """
    return _read(Path(path), None)


def located(path: str | os.PathLike[str]) -> Path:
    """Return the file that `path` means: a path, or the name of a recording."""
    file = Path(path)
    if not file.exists() and str(path) in recordings():
        return data_file(f"{_FOLDER}/{path}.npz")
    return file


@pattern(studied=None)
def trace(
    pages: int, dirty: int, *,
    path: Annotated[str | os.PathLike[str], Option(
        "A file in a format of :mod:`dirtylab.datasets.tracefile`, or one of :func:`recordings`."
    )],
    seed: int = 0,
    fit: Annotated[str, Option(
        "Whether the recording may be longer than `dirty` and is cut, must be just as long, or may "
        'also be shorter and is repeated.  ``"tile"`` fits any slot and any `dirty`: what it keeps '
        "is how the recording's pages lie beside each other, not how many they are.  Epoch follows "
        "epoch, and once all have been replayed they are replayed further up in the slot, as if so "
        "many such guests lay side by side; a slot that is smaller is folded (modulo `pages`).",
        words=FITS,
    )] = "cut",
    epoch: Annotated[
        int | None, Option("Replay that epoch only, counted from 0.", low=0, omitted="all of them")
    ] = None,
) -> Frames:  # fmt: skip
    r"""Replay a recording from its beginning.

    It stands for whatever guest it was recorded from.

    Nothing is random here.  With ``fit="tile"`` the seed says at which epoch to begin (modulo their
    number), otherwise every seed gives the same frames.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    OSError
        The file can't be read.
    ValueError
        It is cut off or corrupt, or of another length than `fit` allows.
    IndexError
        A recorded frame is not below `pages`; the first is named.

    Notes
    -----
    Cost: 8 bytes a frame of the recording and of the output; text about 50 ns a line.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "three.txt")
    ...     _ = path.write_text("7\n0\n7\n")
    ...     trace(8, 5, path=path, fit="repeat")
    array([7, 0, 7, 7, 0], dtype=uint64)
    """
    file = located(path)
    recorded = _read(file, None if fit == "tile" and file.suffix != ".bitmap" else pages)
    epochs = recorded.epochs
    if epoch is not None:
        epochs = (epochs[_check.integer("epoch", epoch, 0, len(epochs) - 1)],)
    frames = np.concatenate(epochs) if epochs else np.empty(0, np.uint64)
    require_fit(file, frames.size, dirty, fit)
    if fit == "tile":
        return _tiled(epochs, recorded.pages, pages, dirty, seed)
    return np.resize(_check.frames(f"path={str(file)!r}: frames", frames, pages)[:dirty], dirty)


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


def _tiled(epochs: tuple[Frames, ...], size: int, pages: int, dirty: int, seed: int) -> Frames:
    first = seed % max(len(epochs), 1)
    frames = np.concatenate([*epochs[first:], *epochs[:first], np.empty(0, np.uint64)])
    copies = np.arange(dirty, dtype=np.uint64) // np.uint64(max(frames.size, 1))
    return (np.resize(frames, dirty) + copies * np.uint64(size)) % np.uint64(pages)


def _read(file: Path, pages: int | None) -> Trace:
    try:
        facts = file.stat()
    except (FileNotFoundError, ValueError):  # there is none, or a NUL in the name
        raise FileNotFoundError(f"path={str(file)!r}: no such file") from None
    return _read_once(file, pages, facts.st_mtime_ns, facts.st_size)


@functools.lru_cache(maxsize=8)
def _read_once(file: Path, pages: int | None, _changed: int, _size: int) -> Trace:
    recorded = read_within(file, pages)
    for frames in recorded.epochs:
        frames.flags.writeable = False
    return recorded
