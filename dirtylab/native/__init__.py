"""Bring your own tracker: structures in C, C++ or Rust behind one contract.

``include()``
    The folder of ``dirtylab.h`` (and ``dirtylab.rs``), for a compiler's ``-I``.
``check(path)``
    The whole contract, put to a source or a library in a process of its own.
"""

import pathlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dirtylab.native.contract import Finding

__all__ = ["check", "include"]


def include() -> pathlib.Path:
    """Return the folder that holds ``dirtylab.h`` and ``dirtylab.rs``."""
    return pathlib.Path(__file__).parent / "include"


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
