"""Results on disk: files are replaced atomically.

A file is written beside its destination under a name of its own, ``.partial-…``, and then renamed
in one step.  So two writers of one file never mix: the last one wins.  What was there before:

symbolic link   is kept, and its target written, in the target's folder; a link to nothing makes it
permissions     are kept, also the owner where the system allows it; a new file has those that the
                umask gives; access lists and extended attributes are not kept
hard link       the other names keep the earlier content: the file is a new one
anything else   a folder, device, pipe or socket is refused
"""

import contextlib
import errno
import json
import os
import pathlib
import secrets
import stat
import tempfile
from collections.abc import Callable
from typing import Any

from dirtylab._reading import printable

PARTIAL = ".partial-"
_NEW, _PRIVATE, _PERMISSIONS = 0o666, 0o600, 0o777


class OutputError(OSError):
    """A result can't be written; the message names the place and the reason."""


def prepare_folder(folder: str | os.PathLike[str]) -> pathlib.Path:
    """Make `folder` and check that files can be written there, before anything is measured.

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
        os.makedirs(os.path.realpath(path), exist_ok=True)  # that of a link to nothing, too
        with tempfile.NamedTemporaryFile(dir=path, prefix=".dirtylab-"):
            pass
    except (OSError, ValueError) as error:
        raise OutputError(f"{printable(path)}: can't write there: {_reason(error)}") from None
    return path


def prepare_file(path: str | os.PathLike[str]) -> pathlib.Path:
    """Check that :func:`write_whole` can write `path`, before anything is measured.

    Its folder is made when missing; `path` itself is left as it is.

    Raises
    ------
    OutputError
        The name is too long, names what is no regular file, or its folder is not writeable.
    """
    file = pathlib.Path(path)
    if not file.name:
        raise OutputError(f"{str(path)!r}: can't write there: must name a file")
    prepare_folder(file.parent)
    try:
        target, _ = _target_of(file)
        _new_file(target.parent, _PRIVATE).unlink()
    except (OSError, ValueError) as error:
        raise OutputError(f"{printable(file)}: can't write there: {_reason(error)}") from None
    return file


def write_whole(path: pathlib.Path, write: Callable[[pathlib.Path], object]) -> None:
    """Let `write` fill a file beside `path`, then put it in place in one step.

    Raises
    ------
    OutputError
        The disk is full, say; `path` is then unchanged, with nothing half written.
    """
    partial: pathlib.Path | None = None
    try:
        target, before = _target_of(path)
        partial = _new_file(target.parent, _NEW if before is None else _PRIVATE)
        write(partial)
        if before is not None:
            _keep_owner_and_mode(partial, before)
        partial.replace(target)
    except OSError as error:
        raise OutputError(f"{printable(path)}: not written: {_reason(error)}") from None
    finally:
        if partial is not None:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)


def write_text(path: pathlib.Path, text: str) -> None:
    r"""Write `text` to `path`, whole or not at all.

    What UTF-8 can't encode, such as bytes of a file's name, is written as ``\udce9``.
    """
    content = text.encode("utf-8", "backslashreplace")
    write_whole(path, lambda partial: partial.write_bytes(content))


def write_json(
    path: pathlib.Path, facts: Any, default: Callable[[Any], object] | None = None
) -> None:
    """Write facts as JSON, whole or not at all; `default` is that of :func:`json.dumps`."""
    write_text(path, json.dumps(facts, indent=1, ensure_ascii=False, default=default) + "\n")


def new_name(folder: pathlib.Path, stem: str, suffix: str) -> str:
    """Return a name ``stem-001`` that no file of the folder has with any suffix, and reserve it.

    An empty file with `suffix` reserves it: two callers at once get different names.
    """
    number = 1
    while True:
        name = f"{stem}-{number:03d}"
        if not any(folder.glob(f"{name}.*")):
            with contextlib.suppress(FileExistsError):
                (folder / f"{name}{suffix}").touch(exist_ok=False)
                return name
        number += 1


def _target_of(path: pathlib.Path) -> tuple[pathlib.Path, os.stat_result | None]:
    """Return the file that is written, links followed, and what is known of it when it exists."""
    target = pathlib.Path(os.path.realpath(path))
    try:
        before = os.lstat(target)
    except FileNotFoundError:
        return target, None
    if stat.S_ISLNK(before.st_mode):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    if stat.S_ISDIR(before.st_mode):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(before.st_mode):
        raise OSError(errno.EINVAL, "is a device, pipe or socket")
    return target, before


def _new_file(folder: pathlib.Path, mode: int) -> pathlib.Path:
    """Make an empty file of a name of its own."""
    while True:
        partial = folder / f"{PARTIAL}{secrets.token_hex(8)}"
        with contextlib.suppress(FileExistsError):
            os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode))
            return partial


def _keep_owner_and_mode(partial: pathlib.Path, before: os.stat_result) -> None:
    found = partial.stat()
    if (found.st_uid, found.st_gid) != (before.st_uid, before.st_gid) and hasattr(os, "chown"):
        with contextlib.suppress(OSError):  # only the superuser gives files away
            os.chown(partial, before.st_uid, before.st_gid)
    partial.chmod(stat.S_IMODE(before.st_mode) & _PERMISSIONS)


def _reason(error: Exception) -> str:
    return printable(getattr(error, "strerror", None) or error)
