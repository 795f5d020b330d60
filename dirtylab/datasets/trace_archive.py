"""Traces as NumPy archives (``.npz``); :mod:`.tracefile` says what is in them.

Nothing is expanded before its size is known to be allowed: the archive's table tells the size of
each array, and no more than that comes out of it.
"""

import io
import json
import re
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dirtylab import _check
from dirtylab._check import Bytes, Frames
from dirtylab._jit import kernel
from dirtylab._reading import MOST_JSON, parse_object, printable, shown
from dirtylab._words import ONE, ZERO
from dirtylab.datasets._trace import (
    FORMAT,
    MOST_EPOCHS,
    VERSION,
    FrameError,
    KindError,
    Trace,
    content_of,
    cut_into_epochs,
    facts_text,
    require_epochs,
    require_room,
)

ARRAY = "frames"
MEMBERS = ("header", "counts", "times", "deltas")
MOST_MEMBERS = 64

UNREADABLE = (
    ValueError, EOFError, LookupError, RuntimeError, ArithmeticError, OSError, struct.error,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip
_MOST_BYTES = 10
_LONGEST_CODE = 8
"""Bytes of the largest difference of two frames."""
_ROOM = 2**16
"""Bytes of an array's own header, at most."""
_LONGEST_REASON = 300
_ENTRY = b"PK\x01\x02"
_MAGIC = b"\x93NUMPY"
_DESCRIBED = re.compile(
    r"\{'descr': '([<>|=][a-zA-Z][0-9]{1,9})', 'fortran_order': (?:False|True), "
    r"'shape': \(((?:[0-9]{1,19},? ?){0,32})\), ?\}\s*",
    re.ASCII,
)
_SEVEN, _LAST_SHIFT = np.uint64(7), np.uint64(63)
_LOW, _MORE = np.uint64(0x7F), np.uint64(0x80)
_FAR = np.uint64(_check.MAX_PAGES)


@kernel
def encode(frames: Frames, counts: Frames, out: Bytes) -> int:
    """Write the folded differences of `frames` in LEB128; return the number of bytes."""
    size = place = 0
    for count in counts:
        before = ZERO
        for _ in range(count):
            frame = frames[place]
            place += 1
            rest = (max(frame, before) - min(frame, before)) << ONE
            if frame < before:
                rest -= ONE
            before = frame
            while rest > _LOW:
                out[size] = np.uint8(rest & _LOW | _MORE)
                rest >>= _SEVEN
                size += 1
            out[size] = np.uint8(rest)
            size += 1
    return size


@kernel
def decode(coded: Bytes, counts: Frames, frames: Frames) -> int:
    """Undo :func:`encode`; return the number of bytes read, -1 where they make no sense."""
    read = place = 0
    for count in counts:
        before = ZERO
        for _ in range(count):
            folded, shift = ZERO, ZERO
            while True:
                if read == coded.size or shift > _LAST_SHIFT:
                    return -1
                byte = np.uint64(coded[read])
                read += 1
                folded |= (byte & _LOW) << shift
                shift += _SEVEN
                if not byte & _MORE:
                    break
            step = (folded >> ONE) + (folded & ONE)
            if step > (before if folded & ONE else _FAR):
                return -1
            before = before - step if folded & ONE else before + step
            frames[place] = before
            place += 1
    return read


def archive_bytes(trace: Trace) -> bytes:
    """Return the content of a file; the same trace gives the same bytes."""
    frames = trace.frames
    counts = np.array([epoch.size for epoch in trace.epochs], np.uint64)
    room = np.empty(_MOST_BYTES * frames.size, np.uint8)
    size = encode(frames, counts, room)
    arrays: dict[str, npt.NDArray[Any]] = {
        "header": np.frombuffer(_header(trace), np.uint8),
        "counts": counts,
        "times": np.array(trace.times, np.uint64),
        "deltas": room[:size],
    }
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, array)
            undated = zipfile.ZipInfo(f"{name}.npy")  # the same trace gives the same bytes
            undated.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(undated, member.getvalue(), compresslevel=9)
    return content.getvalue()


def _header(trace: Trace) -> bytes:
    facts_text(trace.facts)
    header = {"format": FORMAT, "version": VERSION, "pages": trace.pages, "facts": trace.facts}
    try:
        return json.dumps(header, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # a command's argument that is no UTF-8
        return json.dumps(header).encode()


def read_archive(path: Path, pages: int | None, most_frames: int) -> Trace:
    """Read a trace; `pages` is the size of the slot where the file does not tell another."""
    content = content_of(path, most_frames)
    try:
        with _Archive(content) as archive:
            if ARRAY in archive.sizes:
                recorded = archive.array(ARRAY, 8 * most_frames, f"{most_frames:,} frames")
            else:
                return _decoded(archive, most_frames)
    except UNREADABLE as error:
        reason = printable(error)[:_LONGEST_REASON] or type(error).__name__
        raise ValueError(
            f"path={str(path)!r}: must be an intact .npz file with an array {ARRAY!r} or of a "
            f"trace: {reason}"
        ) from None
    return _single(path, recorded, pages)


class _Archive:
    """The arrays of an archive, none of which is expanded before it is asked for."""

    def __init__(self, content: bytes) -> None:
        if content.count(_ENTRY) > MOST_MEMBERS:
            raise ValueError(f"more than {MOST_MEMBERS} members")
        self._archive = zipfile.ZipFile(io.BytesIO(content))
        self._members: dict[str, zipfile.ZipInfo] = {}
        for one in self._archive.infolist():
            name = one.filename.removesuffix(".npy")
            if name in self._members:
                raise ValueError(f"{shown(one.filename)} stands twice")
            self._members[name] = one
        self.sizes = {name: one.file_size for name, one in self._members.items()}
        if ARRAY in self.sizes and "deltas" in self.sizes:
            raise ValueError(f"both {ARRAY}.npy and deltas.npy")

    def __enter__(self) -> "_Archive":
        return self

    def __exit__(self, *_: object) -> None:
        self._archive.close()

    def array(self, name: str, most: int, allowed: str) -> npt.NDArray[Any]:
        """Return an array of at most so many bytes, in words `allowed`."""
        if name not in self._members:
            raise ValueError(f"{name}.npy is missing")
        member = self._members[name]
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"{name}.npy is compressed in another way than NumPy does it")
        if member.file_size > most + _ROOM:
            raise ValueError(
                f"{name}.npy has {member.file_size:,} bytes; at most {allowed} are read"
            )
        return _array(name, self._archive.read(member))  # as a whole, to check its sum first


def _array(name: str, content: bytes) -> npt.NDArray[Any]:
    """Return the array in a ``.npy`` file whose size is just what its header says."""
    version = content[len(_MAGIC) : len(_MAGIC) + 2]
    if not content.startswith(_MAGIC) or version not in (b"\1\0", b"\2\0", b"\3\0"):
        raise ValueError(f"{name}.npy is no array of NumPy's")
    form = "<H" if version == b"\1\0" else "<I"
    begin = len(_MAGIC) + 2 + struct.calcsize(form)
    (length,) = struct.unpack_from(form, content, len(_MAGIC) + 2)
    told = _DESCRIBED.fullmatch(content[begin : begin + min(length, _ROOM)].decode("latin-1"))
    if told is None or told[1][1] == "O":
        raise ValueError(f"{name}.npy is of another type than an array of numbers")
    kind, shape = np.dtype(told[1]), [int(one) for one in re.findall("[0-9]+", told[2])]
    size = kind.itemsize
    for one in shape:
        size *= one
    if size != len(content) - begin - length:
        raise ValueError(f"{name}.npy has another size than its header says")
    return np.frombuffer(content, kind, offset=begin + length).reshape(shape).copy()


def _single(path: Path, recorded: npt.NDArray[Any], pages: int | None) -> Trace:
    name = f"path={str(path)!r}: {ARRAY}"
    try:
        frames = _check.frames(name, recorded, _check.MAX_PAGES if pages is None else pages)
    except IndexError as error:
        raise FrameError(str(error)) from None
    except TypeError as error:
        raise KindError(str(error)) from None
    highest = int(frames.max()) + 1 if frames.size else 0
    return Trace(highest if pages is None else pages, (frames,))


def _decoded(archive: _Archive, most_frames: int) -> Trace:
    """Return the trace of an archive in the compact format; ValueError where it makes no sense."""
    header = _read_header(archive)
    if extra := sorted({*archive.sizes} - {*MEMBERS}):
        raise ValueError(f"{shown(extra[0])} is no part of a trace")
    epochs = f"{MOST_EPOCHS:,} epochs"
    counts = archive.array("counts", 8 * MOST_EPOCHS, epochs)
    times = archive.array("times", 8 * MOST_EPOCHS, epochs)
    coded = archive.array("deltas", _LONGEST_CODE * most_frames, f"{most_frames:,} frames")
    facts = header.get("facts", {})
    shapes = [array.ndim == 1 for array in (counts, coded, times)]
    kinds = [counts.dtype == np.uint64, coded.dtype == np.uint8, times.dtype == np.uint64]
    if not (all(shapes) and all(kinds) and isinstance(facts, dict)):
        raise ValueError("an array is of another type than the format says")
    require_epochs(counts.size)
    total = int(counts.sum(dtype=object))
    if total > coded.size:
        raise ValueError(f"{coded.size} bytes can't hold so many frames")
    require_room(total, most_frames)
    frames = np.empty(total, np.uint64)
    if decode(coded, counts, frames) != coded.size:
        raise ValueError("the deltas do not agree with the counts")
    try:
        return cut_into_epochs(header.get("pages"), frames, counts, tuple(times.tolist()), facts)  # type: ignore[arg-type]
    except TypeError as error:
        raise ValueError(str(error)) from None


def _read_header(archive: _Archive) -> dict[str, Any]:
    array = archive.array("header", MOST_JSON, f"{MOST_JSON:,} bytes")
    header = parse_object(array.tobytes())
    if header.get("format") != FORMAT:
        raise ValueError(f"is no {FORMAT}")
    if header.get("version") != VERSION or isinstance(header["version"], bool):
        version = shown(header.get("version"))
        raise ValueError(f"is of version {version}; this dirtylab reads {VERSION}")
    return header
