"""Journal of a recording in progress: an append-only file of finished epochs.

A line of JSON describes the recording.  Each epoch is a line of JSON, then as many bytes as it
says: the frames, each as its difference from the one before (modulo 2^64, 8 bytes, little-endian),
compressed by zlib.  An epoch truncated at the end, by a kill or a full disk, is not used.
"""

import contextlib
import json
import os
import stat
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dirtylab.datasets.tracefile import Trace
from dirtylab.live import numbering

FORMAT, VERSION = "dirtylab journal", 1
SUFFIX = ".journal"
_MOST_HEADER = 1 << 24
_FRAME_BYTES = 8
_MOST_EXPANDED = 1040
"""Largest expansion by zlib."""
_DAMAGED = (zlib.error, ValueError, KeyError, TypeError, OverflowError, RecursionError)
Pages = npt.NDArray[np.uint64]


class Journal:
    """The epochs of a recording, added one by one to a file.

    Parameters
    ----------
    path : path
        The file; it must not exist.

    Raises
    ------
    OSError
        It can't be made.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.epochs = 0
        """Number of epochs completely on disk."""
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)

    def begin(self, facts: dict[str, Any], pages: int | None = None) -> None:
        """Write what is recorded; `pages` is a slot's size, None where numbers are to be made."""
        self._write({"format": FORMAT, "version": VERSION, "pages": pages, "facts": facts})

    def add(self, end: int, pages: Pages, known: dict[str, Any]) -> None:
        """Append an epoch, all of it or nothing, with new notes and memories.

        Raises
        ------
        OSError
            The disk is full, say.
        """
        steps = np.diff(pages, prepend=np.uint64(0)).astype("<u8")
        coded = zlib.compress(steps.tobytes(), 1)
        line = {"end": end, "frames": pages.size, "bytes": len(coded), "crc32": zlib.crc32(coded)}
        self._write({**line, **known}, coded)
        self.epochs += 1

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def remove(self) -> None:
        """Close and delete the file."""
        self.close()
        with contextlib.suppress(OSError):
            self.path.unlink()

    def _write(self, line: dict[str, Any], rest: bytes = b"") -> None:
        begin = os.lseek(self._file, 0, os.SEEK_CUR)
        text = json.dumps(line, default=str).encode() + b"\n" + rest
        try:
            done = 0
            while done < len(text):
                done += os.write(self._file, text[done:])
        except OSError:
            os.ftruncate(self._file, begin)
            os.lseek(self._file, begin, os.SEEK_SET)
            raise


def recovered(path: str | os.PathLike[str]) -> Trace:
    """Return the trace of a journal: the epochs that are whole.

    Raises
    ------
    OSError
        The file can't be read.
    ValueError
        It is no journal, or no epoch in it is whole.
    """
    content = _content(Path(path))
    header, place = _line(content, 0)
    if header is None or header.get("format") != FORMAT or header.get("version") != VERSION:
        raise ValueError(f"path={str(path)!r}: is no journal of a recording")
    harvests: list[Pages] = []
    ends: list[int] = []
    known: dict[str, Any] = {"notes": [], "memories": []}
    while (found := _epoch(content, place, known)) is not None:
        end, pages, place = found
        harvests.append(pages)
        ends.append(end)
    if not harvests:
        raise ValueError(f"path={str(path)!r}: no epoch in this journal is whole")
    return _trace(path, header, harvests, ends, known)


def _trace(
    path: str | os.PathLike[str],
    header: dict[str, Any],
    harvests: list[Pages],
    ends: list[int],
    known: dict[str, Any],
) -> Trace:
    try:
        facts = {**header["facts"], **({"notes": known["notes"]} if known["notes"] else {})}
        if header["pages"] is None:
            return numbering.finish(harvests, ends, facts, known["memories"])
        return Trace(header["pages"], tuple(harvests), tuple(ends), facts)
    except (*_DAMAGED, IndexError) as error:
        raise ValueError(f"path={str(path)!r}: is no journal of a recording: {error}") from None


def _content(path: Path) -> bytes:
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError(f"path={str(path)!r}: is no regular file")
        return file.read()


def _line(content: bytes, place: int) -> tuple[dict[str, Any] | None, int]:
    """Return the JSON object of a line and where the next begins; None where there is none."""
    behind = content.find(b"\n", place, place + _MOST_HEADER) + 1
    try:
        found = json.loads(content[place:behind]) if behind else None
    except _DAMAGED:
        return None, behind
    return (found if isinstance(found, dict) else None), behind


def _epoch(content: bytes, place: int, known: dict[str, Any]) -> tuple[int, Pages, int] | None:
    """Return end and pages of an epoch, and where the next begins; None where none is whole."""
    line, place = _line(content, place)
    if line is None:
        return None
    try:
        coded = content[place : place + line["bytes"]]
        if len(coded) != line["bytes"] or zlib.crc32(coded) != line["crc32"]:
            return None
        pages = _decoded(coded, line["frames"])
        for name, found in known.items():
            found.extend(line.get(name, []))
        return int(line["end"]), pages, place + len(coded)
    except _DAMAGED:
        return None


def _decoded(coded: bytes, frames: int) -> Pages:
    """Return the frames; ValueError where they are not so many."""
    size = _FRAME_BYTES * frames
    if not 0 <= size <= _MOST_EXPANDED * len(coded):
        raise ValueError("more frames than the bytes can hold")
    expanding = zlib.decompressobj()
    steps = expanding.decompress(coded, size + 1)
    if len(steps) != size:
        raise ValueError("another number of frames")
    return np.cumsum(np.frombuffer(steps, "<u8").astype(np.uint64), dtype=np.uint64)
