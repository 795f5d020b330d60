r"""Traces: which pages were written, epoch by epoch, in a file.

Three formats, told apart by the end of the name:

``.npz``
    Compact, everything kept.  A NumPy archive of four arrays:

    ========== ====== =============================================================================
    ``header`` uint8  JSON in UTF-8: ``{"format": "dirtylab trace", "version": 1, "pages": …}`` and,
                      under ``"facts"``, whatever is known of the recording
    ``counts`` uint64 number of frames of each epoch
    ``times``  uint64 nanoseconds from the start to the end of each epoch; empty when not known
    ``deltas`` uint8  the frames: each as its difference from the one before in its epoch, the
                      first of an epoch from 0; a difference d is written as the number 2d, or
                      -2d - 1 where it is negative, in LEB128 (7 bits a byte, low ones first, the
                      top bit set in all bytes but the last)
    ========== ====== =============================================================================

    Archives of a single array ``frames`` (integers in arrival order) are read as one epoch.
``.txt``
    A frame a line, in decimal; lines that begin with ``#`` and blank lines don't count, but
    ``# pages N``, ``# epoch`` (before each epoch; ``# epoch N``: it ended N ns after the start) and
    ``# facts {…}`` are understood.  The last line ends as the others do, so that a cut file is
    noticed.
``.bitmap``
    The legacy: one KVM dirty bitmap after the other, a bit a page, lowest bit first, each padded to
    64 bits.  Order, repeats, times and facts are lost, and `pages` must be given to read it.

Sources: LEB128 is DWARF's, the fold of signs that of Protocol Buffers ("zigzag").
"""

import io
import json
import os
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dirtylab import _check
from dirtylab._check import Frames
from dirtylab._jit import kernel

FORMAT, VERSION = "dirtylab trace", 1
SUFFIXES = (".npz", ".txt", ".bitmap")
ARRAY = "frames"
Bytes = npt.NDArray[np.uint8]

UNREADABLE = (ValueError, EOFError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error)
_MOST_BYTES = 10
_ZERO, _ONE, _SEVEN, _LAST_SHIFT = np.uint64(0), np.uint64(1), np.uint64(7), np.uint64(63)
_LOW, _MORE = np.uint64(0x7F), np.uint64(0x80)
_FAR = np.uint64(_check.MAX_PAGES)
_WORD_BITS = 64


@dataclass(frozen=True, repr=False)
class Trace:
    """Which pages were written, epoch by epoch.

    Raises
    ------
    IndexError, TypeError, ValueError
        A frame is not below `pages`, or `times` do not belong to the epochs.
    """

    pages: int
    """Size of the slot in 4 KiB pages."""
    epochs: tuple[Frames, ...]
    """The frames of each epoch, uint64, as recorded: in order of arrival, or ascending."""
    times: tuple[int, ...] = ()
    """Nanoseconds from the start to the end of each epoch; empty when not known."""
    facts: dict[str, Any] = field(default_factory=dict)
    """Whatever is known of the recording, ready for JSON."""

    def __post_init__(self) -> None:
        pages = _check.pages(self.pages)
        clean = tuple(
            _check.frames(f"epochs[{number}]", frames, pages)
            for number, frames in enumerate(self.epochs)
        )
        if self.times and len(self.times) != len(clean):
            raise ValueError(f"times: {len(self.times)} for {len(clean)} epochs; one each, or none")
        object.__setattr__(self, "epochs", clean)

    @property
    def frames(self) -> Frames:
        """All frames, one epoch after the other."""
        return np.concatenate(self.epochs) if self.epochs else np.empty(0, np.uint64)

    def __repr__(self) -> str:
        name = self.facts.get("name", "trace")
        count = sum(frames.size for frames in self.epochs)
        return f"<{name}: {count:,} frames in {len(self.epochs):,} epochs of {self.pages:,} pages>"


@kernel
def encode(frames: Frames, counts: Frames, out: Bytes) -> int:
    """Write the folded differences of `frames` in LEB128; return the number of bytes."""
    size = place = 0
    for count in counts:
        before = _ZERO
        for _ in range(count):
            frame = frames[place]
            place += 1
            rest = (max(frame, before) - min(frame, before)) << _ONE
            if frame < before:
                rest -= _ONE
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
        before = _ZERO
        for _ in range(count):
            folded, shift = _ZERO, _ZERO
            while True:
                if read == coded.size or shift > _LAST_SHIFT:
                    return -1
                byte = np.uint64(coded[read])
                read += 1
                folded |= (byte & _LOW) << shift
                shift += _SEVEN
                if not byte & _MORE:
                    break
            step = (folded >> _ONE) + (folded & _ONE)
            if step > (before if folded & _ONE else _FAR):
                return -1
            before = before - step if folded & _ONE else before + step
            frames[place] = before
            place += 1
    return read


def to_bytes(trace: Trace, suffix: str) -> bytes:
    """Return the content of a file of that kind.

    Parameters
    ----------
    trace : Trace
        What is written.
    suffix : {".npz", ".txt", ".bitmap"}
        The kind.
    """
    _check.choice("suffix", suffix, SUFFIXES)
    if suffix == ".npz":
        return _archive(trace)
    return _text(trace) if suffix == ".txt" else _bitmaps(trace)


def read_trace(path: str | os.PathLike[str], pages: int | None = None) -> Trace:
    """Read a trace in any of the formats.

    Parameters
    ----------
    path : str or os.PathLike
        The file; what does not end in .npz or .bitmap is read as text.
    pages : int, optional
        Size of the slot, which a ``.bitmap`` does not tell; where the file tells it, the two must
        agree.  Otherwise one more than the highest frame is taken.

    Returns
    -------
    Trace
        Cost: 8 bytes a frame; text about 300 ns a line.

    Raises
    ------
    OSError
        The file can't be read.
    ValueError
        It is cut off or corrupt, or does not agree with `pages`.
    IndexError, TypeError
        A frame is not below `pages`; the frames are no integers.
    """
    file = _existing(path)
    known = None if pages is None else _check.pages(pages)
    trace = read_within(file, known)
    if known is not None and trace.pages != known:
        raise ValueError(f"pages={known}: must be {trace.pages}, as {str(file)!r} says")
    return trace


def read_within(file: Path, pages: int | None) -> Trace:
    """Read a trace; `pages` is the size of the slot where the file does not tell another."""
    readers = {".npz": _read_archive, ".bitmap": _read_bitmaps}
    return readers.get(file.suffix.lower(), _read_text)(file, pages)


def _existing(path: str | os.PathLike[str]) -> Path:
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path={path!r}: must be a path, not {type(path).__name__}")
    file = Path(path)
    if not file.exists():
        raise FileNotFoundError(f"path={str(file)!r}: no such file")
    return file


def _archive(trace: Trace) -> bytes:
    frames = trace.frames
    counts = np.array([epoch.size for epoch in trace.epochs], np.uint64)
    room = np.empty(_MOST_BYTES * frames.size, np.uint8)
    size = encode(frames, counts, room)
    header = {"format": FORMAT, "version": VERSION, "pages": trace.pages, "facts": trace.facts}
    text = json.dumps(header, ensure_ascii=False)
    arrays: dict[str, npt.NDArray[Any]] = {
        "header": np.frombuffer(text.encode(), np.uint8),
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


def _member(archive: zipfile.ZipFile, name: str) -> npt.NDArray[Any]:
    member = io.BytesIO(archive.read(f"{name}.npy"))  # as a whole, to check its sum first
    return np.lib.format.read_array(member, allow_pickle=False)


def _read_archive(path: Path, pages: int | None) -> Trace:
    content = io.BytesIO(path.read_bytes())  # of a file, a damaged archive gives any OSError
    try:
        with zipfile.ZipFile(content) as archive:
            if f"{ARRAY}.npy" in archive.namelist():
                recorded = _member(archive, ARRAY)
            else:
                return _decoded(archive)
    except UNREADABLE as error:
        reason = str(error).strip("'\"") or type(error).__name__
        raise ValueError(
            f"path={str(path)!r}: must be an intact .npz file with an array {ARRAY!r} or of a "
            f"trace: {reason}"
        ) from None
    return _single(path, recorded, pages)


def _single(path: Path, recorded: npt.NDArray[Any], pages: int | None) -> Trace:
    name = f"path={str(path)!r}: {ARRAY}"
    frames = _check.frames(name, recorded, _check.MAX_PAGES if pages is None else pages)
    highest = int(frames.max()) + 1 if frames.size else 0
    return Trace(highest if pages is None else pages, (frames,))


def _decoded(archive: zipfile.ZipFile) -> Trace:
    """Return the trace of an archive in the compact format; ValueError where it makes no sense."""
    header = json.loads(_member(archive, "header").tobytes())
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise ValueError(f"is no {FORMAT}")
    if header.get("version") != VERSION:
        raise ValueError(f"is of version {header.get('version')}; this dirtylab reads {VERSION}")
    counts, coded = _member(archive, "counts"), _member(archive, "deltas")
    times, facts = _member(archive, "times"), header.get("facts", {})
    shapes = [array.ndim == 1 for array in (counts, coded, times)]
    kinds = [counts.dtype == np.uint64, coded.dtype == np.uint8, times.dtype == np.uint64]
    if not (all(shapes) and all(kinds) and isinstance(facts, dict)):
        raise ValueError("an array is of another type than the format says")
    if int(counts.sum(dtype=object)) > coded.size:
        raise ValueError(f"{coded.size} bytes can't hold so many frames")
    frames = np.empty(int(counts.sum()), np.uint64)
    if decode(coded, counts, frames) != coded.size:
        raise ValueError("the deltas do not agree with the counts")
    parts = np.split(frames, np.cumsum(counts).astype(np.int64)[:-1]) if counts.size else []
    try:
        return Trace(header.get("pages"), tuple(parts), tuple(times.tolist()), facts)  # type: ignore[arg-type]
    except (TypeError, IndexError) as error:
        raise ValueError(str(error)) from None


def _text(trace: Trace) -> bytes:
    lines = [f"# {FORMAT} {VERSION}", f"# pages {trace.pages}"]
    if trace.facts:
        lines.append(f"# facts {json.dumps(trace.facts)}")
    ends = [f" {end}" for end in trace.times] or [""] * len(trace.epochs)
    for frames, end in zip(trace.epochs, ends, strict=True):
        lines.append(f"# epoch{end}")
        lines.extend(map(str, frames.tolist()))
    return ("\n".join(lines) + "\n").encode("ascii")


class _TextReader:
    """Reads a trace line by line."""

    def __init__(self, path: Path, pages: int | None) -> None:
        self._path, self._number, self._line = path, 0, ""
        self.pages = pages
        self.epochs: list[list[int]] = [[]]
        self.times: list[int] = []
        self.facts: dict[str, Any] = {}
        self._marked = False
        self._told: int | None = None

    def trace(self) -> Trace:
        with self._path.open(encoding="ascii", errors="replace", newline="\n") as lines:
            for line in lines:
                self._take(line)
        highest = max((max(frames, default=-1) for frames in self.epochs), default=-1)
        size = self._told if self._told is not None else self.pages
        epochs = tuple(np.array(frames, np.uint64) for frames in self.epochs)
        times = tuple(self.times) if len(self.times) == len(epochs) else ()
        return Trace(highest + 1 if size is None else size, epochs, times, self.facts)

    def _take(self, line: str) -> None:
        self._number += 1
        text = line.strip()
        self._line = text[:40]
        if not line.endswith("\n"):
            raise ValueError(f"{self._where()}: {self._line!r} ends without a newline: cut off")
        if text.startswith("#"):
            self._remark(text[1:].split(maxsplit=1))
        elif text:
            self._frame(text)

    def _where(self) -> str:
        return f"path={str(self._path)!r}, line {self._number}"

    def _frame(self, text: str) -> None:
        if not (text.isascii() and text.isdigit()):
            raise ValueError(f"{self._where()}: {self._line!r} must be a frame number")
        limit = self._told if self._told is not None else self.pages
        size = _check.MAX_PAGES if limit is None else limit
        if len(text) > 20 or int(text) >= size:
            raise IndexError(f"{self._where()}: frame {self._line} must be 0 … {size - 1}")
        self.epochs[-1].append(int(text))

    def _remark(self, words: Sequence[str]) -> None:
        key, value = (*words, "", "")[:2]
        if key == "pages" and value.isdecimal():
            self._told = _check.pages(int(value[:20]))
        elif key == "epoch" and (not value or value.isdecimal()):
            if self._marked:
                self.epochs.append([])
            self._marked = True
            self.times.extend([int(value[:20])] if value else [])
        elif key == "facts":
            self._read_facts(value)

    def _read_facts(self, value: str) -> None:
        try:
            facts = json.loads(value)
        except ValueError as error:
            raise ValueError(f"{self._where()}: facts must be JSON: {error}") from None
        self.facts = facts if isinstance(facts, dict) else {}


def _read_text(path: Path, pages: int | None) -> Trace:
    return _TextReader(path, pages).trace()


def _bitmaps(trace: Trace) -> bytes:
    parts = []
    for frames in trace.epochs:
        bits = np.zeros(-(-trace.pages // _WORD_BITS) * _WORD_BITS, bool)
        bits[frames] = True
        parts.append(np.packbits(bits, bitorder="little").tobytes())
    return b"".join(parts)


def _read_bitmaps(path: Path, pages: int | None) -> Trace:
    if pages is None:
        raise ValueError(f"pages: must be given to read {str(path)!r}; a bitmap does not tell it")
    content = np.frombuffer(path.read_bytes(), np.uint8)
    each = -(-pages // _WORD_BITS) * (_WORD_BITS // 8)
    if not each or content.size % each:
        raise ValueError(
            f"path={str(path)!r}: {content.size} bytes; must be a multiple of {each}, a bitmap of "
            f"{pages} pages: cut off, or of another size"
        )
    bits = np.unpackbits(content, bitorder="little").reshape(-1, 8 * each)
    beyond = np.flatnonzero(bits[:, pages:].any(axis=1))
    if beyond.size:
        raise ValueError(
            f"path={str(path)!r}: bitmap {beyond[0]} has bits beyond page {pages - 1}: of another "
            "size, or corrupt"
        )
    return Trace(pages, tuple(np.flatnonzero(row).astype(np.uint64) for row in bits))
