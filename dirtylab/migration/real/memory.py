"""Memory of a stopped guest, page by page, without a file of its size: by a pipe."""

import os
import pathlib
import select
import threading
from typing import Any

import numpy as np
import numpy.typing as npt

from dirtylab.migration.real.process import Qemu

_LOW_LIMIT, _LOW_BYTES, _HIGH = 0xE0000000, 3 * 2**30, 4 * 2**30
_BLOCK = 2**22
_WORDS = 512
_AGAIN_S = 0.05
_ANSWER_S = 120.0
Sums = npt.NDArray[np.uint64]


def differing_pages(
    source: Qemu, destination: Qemu, memory_bytes: int, folder: pathlib.Path
) -> int:
    """Return how many pages of two stopped guests differ, by sums of 64 bits."""
    sums = [page_sums(one, memory_bytes, folder) for one in (source, destination)]
    return int((sums[0] != sums[1]).sum())


def page_sums(guest: Qemu, memory_bytes: int, folder: pathlib.Path) -> Sums:
    """Return a sum of each page, in which the place of each word counts."""
    low = memory_bytes if memory_bytes < _LOW_LIMIT else _LOW_BYTES
    parts = [(0, low), (_HIGH, memory_bytes - low)]
    found = [_summed(guest, at, size, folder) for at, size in parts if size]
    return np.concatenate(found)


def _summed(guest: Qemu, address: int, size: int, folder: pathlib.Path) -> Sums:
    pipe = folder / f"{guest.name}.{address:x}.memory"
    os.mkfifo(pipe)
    end = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    done = threading.Event()
    found: list[Any] = []
    worker = threading.Thread(target=_read, args=(end, size, done, found), daemon=True)
    worker.start()
    try:
        guest.client.execute(
            "pmemsave", val=address, size=size, filename=str(pipe), seconds=_ANSWER_S
        )
    finally:
        done.set()
        worker.join()
        os.close(end)
    sums = np.concatenate(found) if found else np.empty(0, np.uint64)
    if sums.size != size // 4096:
        raise OSError(f"the {guest.name}'s memory: {sums.size} of {size // 4096} pages were read")
    return sums


def _read(end: int, size: int, done: threading.Event, found: list[Any]) -> None:
    """Read a pipe to its end and sum its pages."""
    weights = np.random.default_rng(1).integers(0, 2**63, _WORDS, dtype=np.uint64) | np.uint64(1)
    held, total = bytearray(), 0
    while total < size:
        ready, _, _ = select.select([end], [], [], _AGAIN_S)
        part = os.read(end, 2**20) if ready else b""
        if not part and done.is_set():
            break
        if not part:
            done.wait(0.001)  # no writer yet
        held += part
        total += len(part)
        if len(held) >= _BLOCK or total == size:
            whole = len(held) // 4096 * 4096
            words = np.frombuffer(bytes(held[:whole]), np.uint64).reshape(-1, _WORDS)
            found.append((words * weights).sum(axis=1, dtype=np.uint64))
            del held[:whole]
