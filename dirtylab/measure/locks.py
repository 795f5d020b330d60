"""Locks: one measurement at a time on a machine, one sweep at a time in a folder."""

import contextlib
import os
import pathlib
import stat
import tempfile
import threading
from collections.abc import Iterator

from dirtylab._console import PATIENCE, tell
from dirtylab._data import user_cache
from dirtylab.measure.apart import alive

try:
    import fcntl
except ImportError:  # no such locks here: taking turns is up to the user
    fcntl = None  # type: ignore[assignment]

_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_NAME = "dirtylab.lock"
WAITING = "another measurement runs on this machine; waiting for it to end ..."
_noted: set[str] = set()


@contextlib.contextmanager
def alone_on_machine() -> Iterator[None]:
    """Hold this machine's measurement lock; wait for it first.

    The lock is a file in the folder for temporary files, which all users may read; the system
    releases it when its holder dies.  Where that name is taken, or no such file can be made, the
    lock is a file of this user, else one of this process: it excludes only those who share it.
    """
    file = None if fcntl is None else _open_machine_lock()
    if file is None:
        yield
        return
    try:
        _wait_for(file)
        yield
    finally:
        os.close(file)


def _wait_for(file: int) -> None:
    """Take the lock; say so when waiting takes more than a second."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    except BlockingIOError:
        pass
    except OSError:  # a file system without locks
        return
    ours = threading.Event()
    watch = threading.Thread(target=_tell_of_the_wait, args=[ours], daemon=True)
    watch.start()
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
    finally:
        ours.set()
        watch.join()


def _tell_of_the_wait(ours: threading.Event) -> None:
    """Say it once, and keep telling who watches this process that it has not died."""
    while not ours.wait(PATIENCE):
        _tell_once(WAITING)
        alive()


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


def _open_machine_lock() -> int | None:
    """Open the lock's file, that of all users where possible."""
    for path in _places():
        file = _opened(path)
        if file is not None:
            return file
        _tell_once(f"{path} can't be used as a lock; only measurements of this user take turns")
    return None


def _places() -> Iterator[pathlib.Path]:
    """Yield places for the lock: shared by all users, this user's own, this module."""
    with contextlib.suppress(FileNotFoundError):  # there is no folder for temporary files
        yield pathlib.Path(tempfile.gettempdir()) / _NAME
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        yield pathlib.Path(runtime) / _NAME
    if (cache := user_cache()) is not None:
        with contextlib.suppress(OSError):
            cache.mkdir(parents=True, exist_ok=True)
        yield cache / _NAME
    yield pathlib.Path(__file__)


def _opened(path: pathlib.Path) -> int | None:
    """Open a lock's file, made when missing and readable for others; None where that can't be.

    Another user may have put anything in a shared folder: links are not followed, and only a
    regular file is opened (opening a pipe would block).
    """
    try:
        return _regular(path)
    except FileNotFoundError:
        pass
    except OSError:
        return None
    with contextlib.suppress(OSError):
        made = os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, 0o644)
        os.fchmod(made, 0o644)
        return made
    with contextlib.suppress(OSError):  # another process was quicker
        return _regular(path)
    return None


def _regular(path: pathlib.Path) -> int | None:
    if not stat.S_ISREG(path.lstat().st_mode):
        return None
    file = os.open(path, _FLAGS)
    if stat.S_ISREG(os.fstat(file).st_mode):
        return file
    os.close(file)
    return None


def _tell_once(text: str) -> None:
    kind = text.rpartition("lock;")[2]
    if kind not in _noted:
        _noted.add(kind)
        tell(f"dirtylab: {text}")
