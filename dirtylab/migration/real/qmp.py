"""A client of QEMU's machine protocol (QMP): commands, answers, and events that come between.

Source: QEMU's documentation, "QEMU Machine Protocol Specification".
"""

import contextlib
import json
import pathlib
import socket
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

MOST_LINE = 16 * 2**20
_ANSWER_S = 20.0
_AGAIN_S = 0.01


class QemuError(RuntimeError):
    """QEMU refused a command, said nothing in time, or ended."""


class Event(NamedTuple):
    """What QEMU told by itself."""

    name: str
    seconds: float
    """When, by the clock that :func:`time.time` reads."""
    data: dict[str, Any]


class Client:
    """A connection to one process of QEMU.

    Parameters
    ----------
    path : pathlib.Path
        Its socket.
    seconds : float
        How long to try: QEMU answers when it has touched all memory that it shall.
    trouble : callable, optional
        Says in words why the process has ended; None while it runs.

    Raises
    ------
    QemuError
        Nothing answers there, or not as QEMU does.
    """

    def __init__(
        self, path: pathlib.Path, seconds: float, trouble: Callable[[], str | None] = lambda: None
    ) -> None:
        self._trouble = trouble
        self._buffer = b""
        self.events: deque[Event] = deque()
        self._socket = _connected(path, seconds, trouble)
        try:
            try:
                greeting = self._message(time.monotonic() + seconds)
            except TimeoutError:
                raise QemuError(f"QEMU: says nothing at {path.name} in {seconds:g} s") from None
            if "QMP" not in greeting:
                raise QemuError(f"QEMU: greets by {str(greeting)[:60]!r}, not by QMP")
            told = greeting["QMP"].get("version", {}).get("qemu", {})
            self.version = ".".join(str(told.get(part, 0)) for part in ("major", "minor", "micro"))
            self.execute("qmp_capabilities", seconds=seconds)
        except BaseException:
            self.close()
            raise

    def execute(self, command: str, *, seconds: float = _ANSWER_S, **arguments: Any) -> Any:
        """Run a command and return its answer; events that come first are kept.

        Parameters
        ----------
        command : str
            Such as ``"query-migrate"``.
        seconds : float, optional
            How long to wait.
        **arguments
            Of the command, ``_`` for ``-``.

        Raises
        ------
        QemuError
            It was refused, took too long, or QEMU has ended.
        """
        given = {name.replace("_", "-"): value for name, value in arguments.items()}
        self._send({"execute": command, "arguments": given} if given else {"execute": command})
        end = time.monotonic() + seconds
        while True:
            try:
                found = self._message(end)
            except TimeoutError:
                raise QemuError(f"QEMU: no answer to {command} in {seconds:g} s") from None
            if "error" in found:
                told = found["error"].get("desc", found["error"])
                raise QemuError(f"QEMU: {command}: {told}")
            if "return" in found:
                return found["return"]
            self._note(found)

    def monitor(self, line: str, *, seconds: float = _ANSWER_S) -> str:
        """Run a command of the monitor for people, and return what it prints."""
        found = self.execute("human-monitor-command", seconds=seconds, command_line=line)
        return str(found)

    def wait(self, seconds: float) -> bool:
        """Wait for one more event; return whether one came."""
        try:
            self._note(self._message(time.monotonic() + seconds))
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """End the connection; a second call does nothing."""
        self._socket.close()

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self._socket.settimeout(_ANSWER_S)
            self._socket.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            raise QemuError(self._why(error)) from None

    def _message(self, end: float) -> dict[str, Any]:
        """Return the next message; TimeoutError where none comes until then."""
        while b"\n" not in self._buffer:
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError
            try:
                self._socket.settimeout(left)
                part = self._socket.recv(2**16)
            except TimeoutError:
                raise
            except OSError as error:
                raise QemuError(self._why(error)) from None
            if not part:
                raise QemuError(self._why(None))
            self._buffer += part
            if len(self._buffer) > MOST_LINE:
                raise QemuError(f"QEMU: a message of more than {MOST_LINE} bytes")
        line, _, self._buffer = self._buffer.partition(b"\n")
        try:
            found = json.loads(line)
        except ValueError:
            raise QemuError(f"QEMU: answers {line[:60]!r}, which is no JSON") from None
        if not isinstance(found, dict):
            raise QemuError(f"QEMU: answers {line[:60]!r}, which is no message")
        return found

    def _why(self, error: OSError | None) -> str:
        """Say why the connection has ended; the process's own words come a little later."""
        for _ in range(20):
            if told := self._trouble():
                return told
            time.sleep(_AGAIN_S)
        return f"QEMU: the connection ended{f' ({error.strerror})' if error else ''}"

    def _note(self, message: dict[str, Any]) -> None:
        name, when = message.get("event"), message.get("timestamp", {})
        if name is not None:
            seconds = when.get("seconds", 0) + when.get("microseconds", 0) / 1e6
            self.events.append(Event(str(name), seconds, message.get("data", {})))


def _connected(
    path: pathlib.Path, seconds: float, trouble: Callable[[], str | None]
) -> socket.socket:
    end = time.monotonic() + seconds
    while True:
        with contextlib.ExitStack() as stack:
            made = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            made.settimeout(max(end - time.monotonic(), _AGAIN_S))
            try:
                made.connect(str(path))
            except OSError as error:
                reason = error.strerror or error
            else:
                stack.pop_all()
                return made
        if told := trouble():
            raise QemuError(told)
        if time.monotonic() > end:
            raise QemuError(f"QEMU: nothing answers at {path.name} in {seconds:g} s ({reason})")
        time.sleep(_AGAIN_S)
