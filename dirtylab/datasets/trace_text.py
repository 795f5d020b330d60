"""Traces as text (``.txt``); :mod:`.tracefile` says what is understood.

Lines of frames are read by a kernel, some 50 ns each (a loop in Python took 14 times as long); it
stops at lines that may be remarks.
"""

import re
from pathlib import Path
from typing import Any, Never

import numpy as np

from dirtylab import _check
from dirtylab._check import Bytes, Frames
from dirtylab._jit import inlined, kernel
from dirtylab._reading import MOST_JSON, parse_object, printable
from dirtylab._units import parse_pages
from dirtylab.datasets._trace import (
    FORMAT,
    MOST_EPOCHS,
    MOST_TIME,
    VERSION,
    FrameError,
    Trace,
    content_of,
    cut_into_epochs,
    facts_text,
)

MOST_REMARKS = MOST_EPOCHS + 2**16
END, LOOK, FULL = 0, 1, 2
"""Why the kernel stopped: all is read; a line that is for Python; no room for another frame."""
_BOM = b"\xef\xbb\xbf"
_SHOWN = 40
_MOST_DIGITS = 20
_WORD = re.compile(r"([A-Za-z]+(?:[-_'][A-Za-z]+)*)(.*)", re.DOTALL)
_ALIKE = {"page": "pages", "epochs": "epoch", "fact": "facts"}
_ALLOWED = {
    "pages": "# pages N, such as 10M, 2^24 or 64GiB, up to 2^52",
    "epoch": f"# epoch, or # epoch N, whole nanoseconds up to {MOST_TIME}",
    "facts": "# facts {…}, JSON",
}
_NEWLINE, _REMARK, _SPACE, _TAB, _LAST_BLANK = 10, 35, 32, 9, 13
_CHAR_0, _CHAR_9, _TEN = 48, 57, np.uint64(10)
_FAR = np.uint64(_check.MAX_PAGES)


@inlined
def after_blanks(text: Bytes, at: int) -> int:
    """Return the place of the first character from `at` on that is no blank, or the newline."""
    while at < text.size and (text[at] == _SPACE or _TAB <= text[at] <= _LAST_BLANK):
        if text[at] == _NEWLINE:
            return at
        at += 1
    return at


@inlined
def is_plain_comment(text: Bytes, at: int) -> bool:
    """Return whether what follows ``#`` can be no remark: those begin with d, e, f or p."""
    at = after_blanks(text, at)
    first = int(text[at]) | 32 if at < text.size else 0
    return not (100 <= first <= 102 or first == 112 or first >= 128)  # spaces beyond ASCII


@inlined
def read_number(text: Bytes, at: int, limit: np.uint64) -> tuple[np.uint64, int]:
    """Return a number and the place of its newline; -1 for what is no number below `limit`."""
    value, begin = np.uint64(0), at
    while at < text.size and _CHAR_0 <= text[at] <= _CHAR_9:
        if value <= _FAR:  # beyond, it stays what it is: too large
            value = value * _TEN + np.uint64(text[at] - _CHAR_0)
        at += 1
    digits = at - begin
    at = after_blanks(text, at)
    good = 0 < digits <= _MOST_DIGITS and value < limit and at < text.size and text[at] == _NEWLINE
    return value, at if good else -1


@kernel
def read_frames(
    text: Bytes, place: int, line: int, limit: np.uint64, out: Frames, filled: int
) -> tuple[int, int, int, int]:
    """Read lines from `place` on; return why it stopped, and place, line and frames by then."""
    while place < text.size:
        at = after_blanks(text, place)
        if at == text.size:
            return LOOK, place, line, filled
        if text[at] == _REMARK:
            if not is_plain_comment(text, at + 1):
                return LOOK, place, line, filled
            while at < text.size and text[at] != _NEWLINE:
                at += 1
            if at == text.size:
                return LOOK, place, line, filled
        elif text[at] != _NEWLINE:
            value, at = read_number(text, at, limit)
            if at < 0:
                return LOOK, place, line, filled
            if filled == out.size:
                return FULL, place, line, filled
            out[filled] = value
            filled += 1
        place = at + 1
        line += 1
    return END, place, line, filled


def text_bytes(trace: Trace) -> bytes:
    """Return the content of a file."""
    lines = [f"# {FORMAT} {VERSION}", f"# pages {trace.pages}"]
    facts = facts_text(trace.facts)
    if trace.facts:
        lines.append(f"# facts {facts}")
    ends = [f" {end}" for end in trace.times] or [""] * len(trace.epochs)
    for frames, end in zip(trace.epochs, ends, strict=True):
        lines.append(f"# epoch{end}")
        lines.extend(map(str, frames.tolist()))
    return ("\n".join(lines) + "\n").encode("ascii")


def read_text(path: Path, pages: int | None, most_frames: int) -> Trace:
    """Read a trace; `pages` is the size of the slot where the file does not tell another."""
    return _TextReader(path, pages, most_frames).trace()


class _TextReader:
    """Reads a trace: the kernel the frames, this the remarks."""

    def __init__(self, path: Path, pages: int | None, most_frames: int) -> None:
        self._path, self._pages = path, pages
        self._content = content_of(path, most_frames)
        self._place, self._line = len(_BOM) if self._content.startswith(_BOM) else 0, 1
        self._out = np.empty(min(self._content.count(b"\n"), most_frames), np.uint64)
        self._filled = 0
        self._marks: list[int] = []
        self._times: list[int] = []
        self._remarks: dict[str, Any] = {}

    def trace(self) -> Trace:
        text = np.frombuffer(self._content, np.uint8)
        remarks = 0
        while True:
            why, self._place, self._line, self._filled = read_frames(
                text, self._place, self._line, np.uint64(self._limit()), self._out, self._filled
            )
            if why == END:
                return self._trace()
            if why == FULL:
                most = f"at most {self._out.size:,} frames are read"
                self._refuse(f"{most}; read_trace takes a larger most_frames")
            remarks += 1
            if remarks > MOST_REMARKS:
                self._refuse(f"at most {MOST_REMARKS:,} remarks are read")
            self._take()

    def _trace(self) -> Trace:
        frames = self._out[: self._filled]
        if 2 * frames.size < self._out.size:
            frames = frames.copy()
        highest = int(frames.max()) + 1 if frames.size else 0
        size = self._remarks.get("pages", self._pages)
        before = [0] if not self._marks or self._marks[0] else []
        counts = np.diff([*before, *self._marks, frames.size])
        try:
            return cut_into_epochs(
                highest if size is None else size, frames, counts, tuple(self._times),
                self._remarks.get("facts", {}),
            )  # fmt: skip
        except ValueError as error:
            raise ValueError(f"path={str(self._path)!r}: {error}") from None

    def _limit(self) -> int:
        told: int | None = self._remarks.get("pages", self._pages)
        return _check.MAX_PAGES if told is None else told

    def _start(self) -> str:
        """Return the line's first characters, for a message."""
        end = self._content.find(b"\n", self._place, self._place + 4 * _SHOWN)
        line = self._content[self._place : end if end >= 0 else self._place + 4 * _SHOWN]
        return line.decode("utf-8", "replace").strip()[:_SHOWN]

    def _refuse(self, what: str, kind: type[ValueError] = ValueError) -> Never:
        raise kind(f"path={str(self._path)!r}, line {self._line}: {what}")

    def _take(self) -> None:
        end = self._content.find(b"\n", self._place)
        if end < 0:
            self._refuse(f"{self._start()!r} ends without a newline: cut off")
        if end - self._place > MOST_JSON:
            self._refuse(f"{end - self._place:,} bytes; at most {MOST_JSON:,} are read")
        line = self._content[self._place : end].strip()
        if line.startswith(b"#"):
            self._remark(line[1:].decode("utf-8", "replace").strip())
        else:
            self._refuse_frame(line)
        self._place, self._line = end + 1, self._line + 1

    def _refuse_frame(self, text: bytes) -> Never:
        if not text.isdigit():
            self._refuse(f"{self._start()!r} must be a frame number")
        most = self._limit() - 1
        allowed = f" must be 0 … {most}" if most >= 0 else ": a slot of 0 pages has no frames"
        self._refuse(f"frame {self._start()}{allowed}", FrameError)

    def _remark(self, text: str) -> None:
        found = _WORD.match(text)
        word, rest = (found[1], found[2]) if found else ("", "")
        key = word.lower()
        if key in _ALIKE and not rest.strip(" \t:=+-.0123456789"):
            self._refuse(f"{self._start()!r}: must be {_ALLOWED[_ALIKE[key]]}")
        if key in _ALLOWED:
            if word != key or (rest and not rest[0].isspace()):
                self._refuse_remark(key)
            self._take_known(key, rest.strip())
        elif key == "dirtylab" and rest.split()[:1] == ["trace"]:
            if rest.split()[1:] != [str(VERSION)]:
                self._refuse(f"{self._start()!r}: this dirtylab reads version {VERSION}")
            self._once("dirtylab", VERSION)

    def _take_known(self, key: str, value: str) -> None:
        if key == "epoch":
            self._mark(value)
        elif key == "pages":
            self._size(value)
        else:
            self._facts(value)

    def _refuse_remark(self, key: str) -> Never:
        told = f"{self._start()!r}: must be {_ALLOWED[key]}"
        self._refuse(f"{told}; a comment begins with another word")

    def _once(self, key: str, value: Any) -> None:
        if key in self._remarks:
            self._refuse(f"{self._start()!r}: stands in an earlier line too")
        self._remarks[key] = value

    def _size(self, value: str) -> None:
        pages = pages_of(value)
        if pages is None:
            self._refuse_remark("pages")
        self._once("pages", pages)
        highest = int(self._out[: self._filled].max()) if self._filled else -1
        if highest >= pages:
            self._refuse(f"{self._start()!r}: frame {highest} came before it", FrameError)

    def _mark(self, value: str) -> None:
        timed = bool(value)
        if self._marks and timed != bool(self._times):
            self._refuse(f"{self._start()!r}: all epochs have a time, or none")
        if timed:
            self._time(value)
        self._marks.append(self._filled)
        if len(self._marks) > MOST_EPOCHS:
            self._refuse(f"at most {MOST_EPOCHS:,} epochs are read")

    def _time(self, value: str) -> None:
        plain = value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS
        if not plain or int(value) > MOST_TIME:
            self._refuse_remark("epoch")
        if not self._marks and self._filled:
            self._refuse(f"{self._start()!r}: frames before it belong to no epoch with a time")
        if self._times and int(value) < self._times[-1]:
            self._refuse(f"{self._start()!r}: must be {self._times[-1]} or more, as the one before")
        self._times.append(int(value))

    def _facts(self, value: str) -> None:
        try:
            facts = parse_object(value)
        except ValueError as error:
            self._refuse(f"facts {printable(error)}")
        self._once("facts", facts)


def pages_of(text: str) -> int | None:
    """Return a number of pages such as 4096, 10M, 2^24 or 1e6; None where it is none.

    Examples
    --------
    >>> pages_of("10M"), pages_of("2^24"), pages_of("1.5k"), pages_of("0.5"), pages_of("-1")
    (10000000, 16777216, 1500, None, None)
    """
    try:
        return parse_pages("pages", text, low=0)
    except ValueError:
        return None
