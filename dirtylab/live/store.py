"""Traces on disk, written atomically."""

import os
from pathlib import Path

from dirtylab import _check
from dirtylab.datasets.tracefile import SUFFIXES, Trace, to_bytes
from dirtylab.measure.files import write_whole


def require_suffix(path: str | os.PathLike[str]) -> Path:
    """Return `path` when its end names a format.

    Raises
    ------
    ValueError
        It does not.
    """
    file = Path(path)
    _check.choice(f"path={str(path)!r}: suffix", file.suffix.lower(), SUFFIXES)
    return file


def write_trace(path: str | os.PathLike[str], trace: Trace) -> None:
    """Write a trace in the format that the end of `path` names.

    Parameters
    ----------
    path : str or os.PathLike
        Ends in ``.npz`` (everything), ``.txt`` or ``.bitmap`` (loses order, repeats, times, facts).
    trace : Trace
        What is written.

    Raises
    ------
    ValueError
        Another end.
    OutputError
        The file can't be written; what stood there before still stands.
    """
    file = require_suffix(path)
    content = to_bytes(trace, file.suffix.lower())
    write_whole(file, lambda partial: partial.write_bytes(content))
