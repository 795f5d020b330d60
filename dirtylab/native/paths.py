"""What is the path of a native tracker: a source or a library, and which tracker of it.

``mine.c``, ``./mine.so`` or, where a library has several, ``./mine.so:name``.  A text is a path
where it has a slash or ends, before the colon, as a source or library does.  ``peer:croaring`` is
the library that ``dirtylab peers build`` has made.
"""

import os
import pathlib

SOURCES = (".c", ".cc", ".cpp", ".cxx", ".rs")
LIBRARIES = (".so", ".dylib")
SUFFIXES = (*SOURCES, *LIBRARIES)


_PEER = "peer:"


def is_path(text: str) -> bool:
    """Return whether a structure is given by the path of a file, not by a name."""
    if text.startswith(_PEER):
        return True
    path, _ = split(text)
    return "/" in text or os.sep in text or pathlib.Path(path).suffix in SUFFIXES


def split(text: str) -> tuple[str, str]:
    """Return path and name of a tracker given as ``path`` or ``path:name``; "" for no name.

    Raises
    ------
    TrackerError
        It is a peer that is not built, or there is no such peer.
    """
    if text.startswith(_PEER):
        from dirtylab.native.peers.build import library

        return str(library(text.removeprefix(_PEER))), ""
    path, colon, name = text.rpartition(":")
    if colon and pathlib.Path(path).suffix in SUFFIXES:
        return path, name
    return text, ""
