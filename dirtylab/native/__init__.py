"""Bring your own tracker: structures in C, C++ or Rust behind one contract.

``include()``
    The folder of ``dirtylab.h`` (and ``dirtylab.rs``), for a compiler's ``-I``.
``example(suffix)``
    A tracker to start from, of at most 40 lines.
``check(path)``
    The whole contract, put to a source or a library in a process of its own.
"""

import pathlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dirtylab.native.contract import Finding

__all__ = ["check", "example", "include"]


_EXAMPLES = pathlib.Path(__file__).parent / "examples"


def include() -> pathlib.Path:
    """Return the folder that holds ``dirtylab.h`` and ``dirtylab.rs``."""
    return pathlib.Path(__file__).parent / "include"


def example(suffix: str) -> str:
    """Return the source of a working tracker: ``.c``, ``.cc`` or ``.rs``.

    Raises
    ------
    TrackerError
        There is none in that language.
    """
    from dirtylab.native.errors import TrackerError

    found = {path.suffix: path for path in _EXAMPLES.iterdir()}
    if suffix not in found:
        raise TrackerError(f"{suffix or 'no suffix'}: must be {', '.join(sorted(found))}")
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
