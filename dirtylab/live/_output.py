"""The output of a recording: checked before it begins, and kept whatever ends it."""

import contextlib
import os
import secrets
import signal
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from dirtylab._reading import printable
from dirtylab.datasets.tracefile import Trace
from dirtylab.live.journal import SUFFIX, recovered
from dirtylab.live.store import require_suffix, write_trace
from dirtylab.measure.files import OutputError, prepare_file

_LONGEST_NAME, _ROOM = 255, 24
_UNWRITTEN = (OSError, ValueError, MemoryError)


class Output:
    """The file of a recording, and the journal beside it that holds what has been taken.

    Parameters
    ----------
    path : path
        Ends as a trace's file does.

    Raises
    ------
    ValueError
        It does not.
    OutputError
        No file can be written there; it has been tried.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = require_suffix(path)
        target = Path(os.path.realpath(prepare_file(self.path)))
        name = os.fsencode(target.name)[: _LONGEST_NAME - _ROOM]
        self.journal = target.with_name(f"{os.fsdecode(name)}.{os.getpid()}{SUFFIX}")
        """A file that the recording makes, and adds to."""

    def rescued(self, error: BaseException) -> Trace:
        """Return what was taken when an error has ended the recording; raise it if nothing was."""
        try:
            trace = recovered(self.journal)
        except (OSError, ValueError):
            self._remove_journal()
            raise error from None
        what = str(error) or type(error).__name__
        notes = [*trace.facts.get("notes", []), f"ended after {len(trace.epochs):,} epochs: {what}"]
        trace.facts["notes"] = notes
        return trace

    def keep(self, trace: Trace) -> tuple[Path, str]:
        """Write the trace, elsewhere where it can't be; return the file and why it is another.

        Raises
        ------
        OutputError
            It can't be written anywhere; the journal is named.
        """
        why = ""
        for path in self._places():
            try:
                write_trace(path, trace)
            except _UNWRITTEN as error:
                why = why or str(error) or type(error).__name__
                continue
            self._remove_journal()
            return path, why
        kept = f"its epochs are in {printable(self.journal)}; see dirtylab trace recover"
        raise OutputError(f"{why}; {kept if self.journal.exists() else 'it is lost'}")

    def _places(self) -> Iterator[Path]:
        yield self.path
        name = f"dirtylab-{secrets.token_hex(4)}"
        for folder in (Path(tempfile.gettempdir()), Path.home(), Path.cwd()):
            yield folder / f"{name}.npz"

    def _remove_journal(self) -> None:
        with contextlib.suppress(OSError):
            self.journal.unlink()


class Ending:
    """Turns signals that end the recording into KeyboardInterrupt, so that its epochs are kept.

    The first signal is raised when :meth:`check` is called, as an interrupt can be lost: Python
    ignores it while it forks, say.  A second one interrupts at once, and further ones don't: the
    epochs are being written then.  A signal that is ignored, as by ``nohup``, stays ignored.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self) -> None:
        self.number = 0
        """Of the signal that came."""
        self._deferred = False
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in self.SIGNALS:
                before = signal.getsignal(number)
                if before not in (signal.SIG_IGN, None):
                    self._before[number] = signal.signal(number, self._take)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)  # type: ignore[arg-type]

    def check(self, _: object = None) -> None:
        """Raise KeyboardInterrupt if a signal has arrived."""
        if self.number:
            raise KeyboardInterrupt

    def defer(self) -> None:
        """From now on record signals, but don't interrupt."""
        self._deferred = True

    def _take(self, number: int, _: FrameType | None) -> None:
        second, self.number = bool(self.number), self.number or number
        if second and not self._deferred:
            self._deferred = True
            raise KeyboardInterrupt
