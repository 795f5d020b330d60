"""Results on disk: a file is there whole or not at all."""

import contextlib
import os
import pathlib
import tempfile
from collections.abc import Callable


class OutputError(OSError):
    """A result can't be written; the message names the place and the reason."""


def prepare_folder(folder: str | os.PathLike[str]) -> pathlib.Path:
    """Make `folder` and prove that files can be written there, before anything is measured.

    Raises
    ------
    OutputError
        It can't be made, or is not writeable.
    ValueError
        The name is empty.
    """
    path = pathlib.Path(folder)
    if not str(folder):
        raise ValueError("--out '': must name a folder, '.' for this one")
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path, prefix=".dirtylab-"):
            pass
    except OSError as error:
        raise OutputError(f"{path}: can't write there: {error.strerror or error}") from None
    return path


def write_whole(path: pathlib.Path, write: Callable[[pathlib.Path], object]) -> None:
    """Let `write` fill a file beside `path`, then put it in place in one step.

    Raises
    ------
    OutputError
        The disk is full, say; what stood at `path` before still stands, nothing half written.
    """
    partial = path.with_name(f".partial-{path.name}")
    try:
        write(partial)
        partial.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: not written: {error.strerror or error}") from None
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def write_text(path: pathlib.Path, text: str) -> None:
    """Write `text` to `path`, whole or not at all."""
    write_whole(path, lambda partial: partial.write_text(text, encoding="utf-8"))
