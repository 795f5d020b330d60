"""Taking turns: one measurement at a time on a machine, one sweep at a time in a folder."""

import contextlib
import os
import pathlib
import tempfile
from collections.abc import Iterator

try:
    import fcntl
except ImportError:  # no such locks here: taking turns is up to the user
    fcntl = None  # type: ignore[assignment]

_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)


@contextlib.contextmanager
def alone_on_machine() -> Iterator[None]:
    """Wait until nobody measures on this machine, whoever asks, and hold others back meanwhile.

    The lock is a file in the folder for temporary files, which all users may read; the system lets
    go of it when its holder dies.
    """
    if fcntl is None:
        yield
        return
    file = _open_machine_lock()
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def hold_folder(folder: pathlib.Path) -> int | None:
    """Lock a folder against other sweeps; return what to close afterwards, if anything.

    Raises
    ------
    BlockingIOError
        Another process, or another call in this one, holds it.
    """
    if fcntl is None:
        return None
    file = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        raise
    except OSError:  # a file system without locks
        os.close(file)
        return None
    return file


def _open_machine_lock() -> int:
    """Open the lock's file; make it when missing, readable for other users too."""
    path = os.path.join(tempfile.gettempdir(), "dirtylab.lock")
    with contextlib.suppress(FileNotFoundError):
        return os.open(path, _FLAGS)
    with contextlib.suppress(FileExistsError):
        made = os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, 0o644)
        os.fchmod(made, 0o644)
        return made
    return os.open(path, _FLAGS)
