"""Whether a tracker has passed the check: nothing of one is timed before.

What has passed is kept in the user's cache, by a digest of library, header and checker: 4 s the
first time, 1 ms afterwards.  A failure is not kept: it may have been the machine's, a time limit.
"""

import functools
import hashlib
import os
import pathlib
import tempfile

from dirtylab._console import tell
from dirtylab.native.compiler import INCLUDE, cache_folder
from dirtylab.native.contract import check_tracker
from dirtylab.native.errors import UnsoundError

_CHECKING = ("_child", "contract", "handle", "memory", "properties", "table")
"""Modules that check: where one changes, what has passed is checked anew."""


def require_sound(library: pathlib.Path, tracker: str, path: str) -> None:
    """Refuse a tracker that does not keep the contract; see a process of its own check it.

    Parameters
    ----------
    library : pathlib.Path
        As :func:`~dirtylab.native.compiler.library_of` returns it.
    tracker : str
        Its name.
    path : str
        What the user gave, for messages.

    Raises
    ------
    UnsoundError
        A property does not hold; the message names it and how to see all.
    """
    kept = cache_folder() / f"sound-{_digest(library, tracker)}"
    if kept.exists():
        return
    tell(f"dirtylab: checking {tracker} ({path}) before it is timed, once, some seconds ...")
    for finding in check_tracker(library, tracker):
        if finding.broken:
            raise UnsoundError(
                f"{path}: {tracker} fails the check, nothing of it is timed: {finding.property}: "
                f"{finding.broken} (dirtylab tracker check {path} shows all)"
            )
    with tempfile.NamedTemporaryFile(dir=kept.parent, delete=False) as file:
        file.write(f"{tracker} of {library.name}\n".encode())
    os.replace(file.name, kept)


def _digest(library: pathlib.Path, tracker: str) -> str:
    parts = [library.read_bytes(), tracker.encode(), _checker()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:20]


@functools.cache
def _checker() -> bytes:
    """Return a digest of the header and of the files that check."""
    room = pathlib.Path(__file__).parent
    files = [room / f"{name}.py" for name in _CHECKING] + sorted(INCLUDE.iterdir())
    return b"".join(hashlib.sha256(file.read_bytes()).digest() for file in files)
