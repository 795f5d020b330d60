"""A trace in memory, and what every format of file shares."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dirtylab import _check
from dirtylab._check import Frames
from dirtylab._reading import MOST_JSON, parse_object, printable, read_bytes

FORMAT, VERSION = "dirtylab trace", 1
MOST_FRAMES = 2**26
"""Frames that are read unless more are asked for: 512 MiB of them."""
MOST_EPOCHS = 2**20
MOST_TIME = 2**63 - 1
BYTES_A_FRAME = 16
"""Bytes of a file for each frame that may be read: the longest line has 17."""
_LONGEST_NAME = 100
_ROOM = 1024
"""Bytes of a header beside the facts."""


class FrameError(IndexError, ValueError):
    """A frame in a file is not below the slot's pages."""


class KindError(TypeError, ValueError):
    """What a file has in place of frames are no integers."""


@dataclass(frozen=True, repr=False)
class Trace:
    """Which pages were written, epoch by epoch.

    Raises
    ------
    IndexError, TypeError, ValueError
        A frame is not below `pages`; `times` do not belong to the epochs, are no whole numbers of
        nanoseconds, negative, above 2^63 - 1 or falling; `facts` can't be written as JSON.
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
        object.__setattr__(self, "pages", pages)
        object.__setattr__(self, "epochs", clean)
        object.__setattr__(self, "times", clean_times(self.times, len(clean)))
        facts_text(self.facts)

    @property
    def frames(self) -> Frames:
        """All frames, one epoch after the other."""
        return np.concatenate(self.epochs) if self.epochs else np.empty(0, np.uint64)

    def __repr__(self) -> str:
        name = printable(self.facts.get("name", "trace"))[:_LONGEST_NAME]
        count = sum(frames.size for frames in self.epochs)
        return f"<{name}: {count:,} frames in {len(self.epochs):,} epochs of {self.pages:,} pages>"


def clean_times(times: object, epochs: int) -> tuple[int, ...]:
    """Return the ends of the epochs, or refuse them: whole nanoseconds, none below the one before.

    Parameters
    ----------
    times : sequence of int
        One for each epoch, or none at all.
    epochs : int
        How many there are.
    """
    if not isinstance(times, Sequence | np.ndarray) or isinstance(times, str | bytes):
        raise TypeError(f"times={times!r}: must be a sequence of whole nanoseconds")
    found, before = [], 0
    for number, given in enumerate(times):
        time = _check.integer(f"times[{number}]", given, 0, MOST_TIME)
        if time < before:
            raise ValueError(f"times[{number}]={time}: must be {before} or more, as the one before")
        found.append(time)
        before = time
    if found and len(found) != epochs:
        raise ValueError(f"times: {len(found)} for {epochs} epochs; one each, or none")
    return tuple(found)


def facts_text(facts: object, *, ascii_only: bool = True) -> str:
    """Return facts as JSON; refuse those that could not be written and read again."""
    if not isinstance(facts, dict):
        raise TypeError(f"facts={facts!r}: must be a dict")
    try:
        text = json.dumps(facts, ensure_ascii=ascii_only, allow_nan=False)
        if len(text) > MOST_JSON - _ROOM:
            raise ValueError(f"{len(text):,} characters, more than {MOST_JSON - _ROOM:,}")
        parse_object(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"facts: must be ready for JSON: {error}") from None
    return text


def cut_into_epochs(
    pages: int,
    frames: Frames,
    counts: npt.NDArray[np.integer[Any]],
    times: tuple[int, ...],
    facts: dict[str, Any],
) -> Trace:
    """Return the trace of frames, so many of them in each epoch: checked at once, not by epoch.

    Checked one by one, a million epochs take 3 times as long.
    """
    pages = _check.pages(pages)
    ends = np.cumsum(counts).astype(np.int64)
    worst = _check.first_at_or_above(frames, pages)
    if worst < frames.size:
        epoch = int(np.searchsorted(ends, worst, side="right"))
        place = worst - (int(ends[epoch - 1]) if epoch else 0)
        raise FrameError(
            f"epochs[{epoch}][{place}]={frames[worst]}: "
            + (f"must be 0 … {pages - 1}" if pages else "a slot of 0 pages has no frames")
        )
    places = [0, *ends.tolist()]
    parts = [frames[places[i] : places[i + 1]] for i in range(len(places) - 1)]
    trace = Trace(pages, (), (), facts)
    object.__setattr__(trace, "epochs", tuple(parts))
    object.__setattr__(trace, "times", clean_times(times, len(parts)))
    return trace


def content_of(path: Path, most_frames: int) -> bytes:
    """Return a trace's file, which may have so many bytes as that many frames can need."""
    name = f"path={str(path)!r}"
    hint = "; read_trace takes a larger most_frames"
    return read_bytes(path, BYTES_A_FRAME * most_frames, name=name, hint=hint)


def require_epochs(epochs: int) -> None:
    """Refuse more epochs than are read."""
    if epochs > MOST_EPOCHS:
        raise ValueError(f"{epochs:,} epochs; at most {MOST_EPOCHS:,} are read")


def require_room(frames: int, most_frames: int) -> None:
    """Refuse more frames than are read, or than fit in this machine's memory."""
    if frames > most_frames:
        raise ValueError(
            f"{frames:,} frames; at most {most_frames:,} are read; read_trace takes a larger "
            "most_frames"
        )
    _check.memory("frames", frames, 8 * frames)
