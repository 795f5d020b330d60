"""``python -m dirtylab.studies.live.recordings DIR``: makes the recordings of ``data/traces`` anew.

One recording for each of :mod:`dirtylab.studies.live.programs`, one of Redis under load with a
background save (where ``redis-server`` is installed), two of a KVM guest.  Those of programs are
made twice, the second one in the folder ``again``: a program that runs anew does not write the same
pages, but its recordings must agree in what tracking costs
(:mod:`dirtylab.studies.live.agreement`).
"""

import contextlib
import functools
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from typing import Any

from dirtylab.datasets.tracefile import Trace
from dirtylab.live.record import record_command, record_guest
from dirtylab.live.store import write_trace
from dirtylab.studies.live.programs import WORKLOADS

INTERVAL = 0.05
AGAIN = "again"
"""Folder of the second recordings."""
MOST_BYTES = 1_000_000
_PORT = 16379


def record_workload(name: str) -> Trace:
    """Record one of the programs."""
    words = [sys.executable, "-m", "dirtylab.studies.live.programs", name]
    trace, status = record_command(words, interval=INTERVAL, name=name)
    if status:
        raise RuntimeError(f"{name} ended with status {status}")
    text = (WORKLOADS[name].__doc__ or "").strip()
    return _described(trace, text, ["python", *words[1:]])


def record_redis() -> Trace:
    """Record Redis while 50 clients write to it and it saves its data in the background."""
    options = ["--port", str(_PORT), "--save", "", "--appendonly", "no", "--daemonize", "no"]
    words = ["redis-server", *options]
    load = threading.Thread(target=_load_redis)
    with tempfile.TemporaryDirectory() as folder:
        load.start()
        trace, _ = record_command(
            words, interval=INTERVAL, name="redis", cwd=folder, stdout=subprocess.DEVNULL
        )
        load.join()
    return _described(
        trace, "Redis: 50 clients set 200,000 keys at random; a background save.", words
    )


def _load_redis() -> None:
    for _ in range(100):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", _PORT), 1):
            break
        time.sleep(0.05)
    sets = ["-t", "set", "-r", "200000", "-d", "100", "-q"]
    _redis("redis-benchmark", *sets, "-n", "100000")
    _redis("redis-cli", "bgsave")
    _redis("redis-benchmark", *sets, "-n", "100000")
    _redis("redis-cli", "shutdown", "nosave")


def _redis(program: str, *words: str) -> None:
    subprocess.run([program, "-p", str(_PORT), *words], capture_output=True, check=False)


def record_guests(dataset: str, what: str, **options: Any) -> Trace:
    """Record a KVM guest that writes after a pattern."""
    trace = record_guest(2**16, 2_000, dataset=dataset, epochs=48, **options)
    return _described(trace, what, None)


def _described(trace: Trace, what: str, command: list[str] | None) -> Trace:
    """Return the trace with a description and a command without this machine's paths."""
    facts = {**trace.facts, "what": what}
    if command:
        facts["command"] = command
    return Trace(trace.pages, trace.epochs, trace.times, facts)


def recorders() -> dict[str, Callable[[], Trace]]:
    """Return name and recorder of each recording that can be made here."""
    found: dict[str, Callable[[], Trace]] = {
        name: functools.partial(record_workload, name) for name in WORKLOADS
    }
    if shutil.which("redis-server"):
        found["redis"] = record_redis
    found["kvm-phases"] = lambda: record_guests(
        "phases", "A KVM guest writes to a hot set that moves; its dirty ring, in order.", number=6
    )
    found["kvm-zipf"] = lambda: record_guests(
        "zipf", "A KVM guest writes to pages of Zipf's popularity; its dirty ring, in order."
    )
    return found


def main(folder: str, names: list[str]) -> None:
    """Write the recordings into `folder`: those named, or all."""
    place = pathlib.Path(folder)
    (place / AGAIN).mkdir(parents=True, exist_ok=True)
    for name, record in recorders().items():
        if names and name not in names:
            continue
        folders = (place,) if name.startswith("kvm-") else (place, place / AGAIN)
        for path in (own / f"{name}.npz" for own in folders):
            trace = record()
            write_trace(path, trace)
            size = path.stat().st_size
            if size > MOST_BYTES:
                raise ValueError(f"{path}: {size:,} bytes, above {MOST_BYTES:,}")
            sys.stdout.write(f"{trace!r}: {size:,} bytes\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
