"""Bring your own tracker: structures in C, C++ or Rust behind one contract.

``include()``
    The folder of ``dirtylab.h`` (and ``dirtylab.rs``), for a compiler's ``-I``.
``example(suffix)``
    A tracker to start from, of at most 40 lines.
``check(path)``
    The whole contract, put to a source or a library in a process of its own.
``load(path)``
    The trackers of a source or a library as structures, once they have passed the check.

Sweeps, comparisons, studies, views and commands take a path, ``./mine.c``, in place of a name.
"""

import os
import pathlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dirtylab.native.contract import Finding
    from dirtylab.native.structure import NativeTracker

__all__ = ["check", "example", "include", "load"]


_EXAMPLES = pathlib.Path(__file__).parent / "examples"


def include() -> pathlib.Path:
    """Return the folder that holds ``dirtylab.h`` and ``dirtylab.rs``."""
    return pathlib.Path(__file__).parent / "include"


def example(suffix: str) -> str:
    """Return the source of a working tracker: ``.c``, ``.cc`` or ``.rs``.

    Raises
    ------
    ValueError
        There is none in that language.
    """
    found = {path.suffix: path for path in _EXAMPLES.iterdir()}
    if suffix not in found:
        raise ValueError(f"{suffix or 'no suffix'}: must be {', '.join(sorted(found))}")
    return found[suffix].read_text(encoding="utf-8")


def check(path: str | pathlib.Path) -> "list[Finding]":
    """Return what the check of a tracker found, a property a line.

    Parameters
    ----------
    path : str or path
        A source file or a shared library.

    Raises
    ------
    TrackerError
        It can't be compiled or loaded.
    FileNotFoundError
        There is no such file.
    """
    from dirtylab.native.compiler import library_of
    from dirtylab.native.contract import check_library

    return list(check_library(library_of(pathlib.Path(path))))


def load(path: str | os.PathLike[str]) -> "dict[str, type[NativeTracker]]":
    """Return the trackers of a file as structures: name to class.

    Parameters
    ----------
    path : str or path
        A source file or a shared library; ``lib.so:name`` for one of several trackers.

    Returns
    -------
    dict of str to type
        Made as ``made[name](pages)``, with the contract of every structure; to be measured by name
        once entered by ``dirtylab.STRUCTURES.update(made)``.

    Raises
    ------
    TrackerError
        It can't be compiled or loaded, has no tracker of that name, or one fails the check; the
        message says which property, and how to see all.
    FileNotFoundError
        There is no such file.

    Notes
    -----
    Cost: 2 s the first time, 0.1 s while neither library nor checker has changed.

    Examples
    --------
    >>> from dirtylab import native
    >>> native.load("./mine.c")["c-bitmap"](pages=1000)  # doctest: +SKIP
    <c-bitmap: 0 of 1000 pages dirty, 136 bytes>
    """
    from dirtylab.native.contestants import classes

    return dict(classes(path))
