"""Processes of QEMU in a folder of their own, which ends with them.

A process is killed when this one ends, in whatever way; the folder holds the firmware, sockets,
traces and what the processes say.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence

from dirtylab._check import physical_memory
from dirtylab._memory import tightest
from dirtylab._reading import printable
from dirtylab.live._device import open_device
from dirtylab.live._system import Unavailable, require_linux
from dirtylab.measure.files import OutputError
from dirtylab.migration.real.qmp import Client

PROGRAM = "qemu-system-x86_64"
FOLDER = "dirtylab-qemu-"
WHAT = "real migrations"
REST = "predictions work everywhere: dirtylab migrate without --real"
TRACED = (
    "migration_bitmap_sync_start", "migration_bitmap_sync_end", "migrate_pending",
    "migrate_transferred", "kvm_dirty_ring_reap",
)  # fmt: skip
_MOST_PATH = 107
"""Characters of a socket's address."""
_SPARE = 384 * 2**20
"""Bytes that two processes need beside the guest's memory, and what the system shall keep."""
_CONNECT_S = 60.0


def program() -> str:
    """Return the path of QEMU.

    Raises
    ------
    Unavailable
        It is missing; the line says what to install.
    """
    require_linux(WHAT, ("x86_64",))
    found = shutil.which(PROGRAM)
    if found is None:
        raise Unavailable(WHAT, f"{PROGRAM} is missing: apt install qemu-system-x86 seabios", REST)
    return found


def require_kvm() -> None:
    """Refuse where /dev/kvm can't be used; guests by TCG need none."""
    try:
        os.close(open_device())
    except OSError as error:
        raise Unavailable(WHAT, str(error).split(";")[0], "tracker tcg works without KVM") from None


def missing(tracker: str) -> str | None:
    """Return one line on why migrations with a tracker can't be made here; None where they can."""
    try:
        program()
        if tracker != "tcg":
            require_kvm()
    except OSError as error:
        return str(error)
    return None


def require_memory(nbytes: int) -> None:
    """Refuse guests that do not fit in the memory that is free now.

    Raises
    ------
    MemoryError
        One line says how much is needed, and how much is free.
    """
    room = tightest()
    free = min(available(), room.free if room else 2**63)
    if nbytes + _SPARE > free:
        raise MemoryError(
            f"real migrations: source and destination need {(nbytes + _SPARE) / 2**30:.1f} GiB of "
            f"memory; {free / 2**30:.1f} GiB are free"
        )


def available() -> int:
    """Return the bytes that the system could give to processes now."""
    with contextlib.suppress(OSError):
        for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return physical_memory()


@contextlib.contextmanager
def own_folder() -> Iterator[pathlib.Path]:
    """Make a folder for sockets and files, and remove it at the end.

    Raises
    ------
    OutputError
        It can't be made, or its name is too long for sockets.
    """
    where = "TMPDIR"
    try:
        where = tempfile.gettempdir()
        folder = pathlib.Path(tempfile.mkdtemp(prefix=FOLDER))
    except OSError as error:
        raise OutputError(
            f"{printable(where)}: no folder for sockets can be made there: {error.strerror}; "
            "TMPDIR names another place"
        ) from None
    try:
        if len(str(folder / "destination.migration")) > _MOST_PATH:
            raise OutputError(
                f"{printable(where)}: no socket can be made there, its path would be longer than "
                f"{_MOST_PATH} characters; TMPDIR names another place"
            )
        yield folder
    finally:
        with _uninterrupted():
            shutil.rmtree(folder, ignore_errors=True)


class Qemu:
    """One process.

    Parameters
    ----------
    keep : contextlib.ExitStack
        Which closes it.
    folder : pathlib.Path
        For its socket and files.
    name : str
        What its files begin with, and what messages call it.
    arguments : sequence of str
        Beside those for protocol and trace.
    """

    def __init__(
        self, keep: contextlib.ExitStack, folder: pathlib.Path, name: str, arguments: Sequence[str]
    ) -> None:
        keep.callback(self.close)  # before there is anything to close: an interrupt leaves nothing
        self.name = name
        self._process: subprocess.Popen[bytes] | None = None
        self.trace = folder / f"{name}.trace"
        self._said = folder / f"{name}.said"
        self._socket = folder / f"{name}.qmp"
        self._client: Client | None = None
        events = folder / f"{name}.events"
        events.write_text("".join(f"{one}\n" for one in TRACED))
        command = [
            *_ending_with_this(), program(), *arguments,
            "-qmp", f"unix:{self._socket},server=on,wait=off",
            "-msg", "timestamp=on", "-trace", f"events={events},file={self.trace}",
        ]  # fmt: skip
        with self._said.open("wb") as said, _uninterrupted():
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                start_new_session=True,
            )  # fmt: skip

    @property
    def client(self) -> Client:
        """The connection, made when first asked for."""
        if self._client is None:
            self._client = Client(self._socket, _CONNECT_S, self.trouble)
        return self._client

    def trouble(self) -> str | None:
        """Return in one line how the process ended; None while it runs."""
        status = self._process.poll() if self._process else None
        if status is None:
            return None
        how = f"status {status}"
        if status < 0:
            how = f"killed by {signal.Signals(-status).name}"
        said = self._said.read_text(errors="replace").split("\n") if self._said.exists() else []
        last = [line.strip() for line in said if line.strip() and "warning:" not in line]
        return f"the {self.name}'s QEMU ended ({how}){f': {printable(last[-1])}' if last else ''}"

    def close(self) -> None:
        """Kill the process and wait for its end."""
        with _uninterrupted():
            if self._client is not None:
                self._client.close()
            if self._process is not None:
                self._process.kill()
                self._process.wait()


def _ending_with_this() -> list[str]:
    """Return what begins a command whose process shall not outlive this one, killed or not."""
    found = shutil.which("setpriv")
    return [found, "--pdeathsig", "KILL"] if found else []


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let Ctrl-C wait.  Signals that are held back would be so in a new process, too."""
    if threading.current_thread() is not threading.main_thread():
        yield  # which gets no KeyboardInterrupt
        return
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _frame: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            signal.raise_signal(signal.SIGINT)
