"""Other memory, streamed through the caches: what a guest leaves that ran for a while.

A hypervisor meets its structure as the guest left the caches.  A guest that runs for 100 ms at some
gigabytes a second has filled them with memory of its own, and what the structure touches comes from
memory.  Here that is done once before each step of a round; then every structure has its turn.
None of them can bring another's memory into the caches, so that one pass serves them all.
"""

import functools

import numpy as np

from dirtylab import _check
from dirtylab._check import Frames
from dirtylab._jit import kernel
from dirtylab.measure.machine import last_cache_bytes

TIMES = 4
"""Bytes streamed, in units of the last cache.  A line of 12 MB then takes 9.1 ns on a Zen 4 with
32 MiB of L3; 6.2 after twice the last cache, 1.9 where it is cached ..."""
MOST_BYTES = 2**28
"""... and at most.  A Xeon that tells of 480 MiB of L3, which it shares with other guests: 1.9 ns
cached, 6.2 after 128 MiB, 7.3 after 256 (18 ms), 8.8 after 512 (36 ms) and after 1 GiB."""
LEAST_BYTES = 2**16
_SHARE = 16
"""Part of the machine's memory that may be streamed."""
LINE_WORDS = 8


@functools.cache
def other_memory() -> Frames:
    """Return memory that no structure uses, touched; the same for all who ask in this process."""
    wanted = min(TIMES * last_cache_bytes(), MOST_BYTES, _check.usable_memory() // _SHARE)
    return np.ones(max(wanted, LEAST_BYTES) // 8, np.uint64)


@kernel
def stream(memory: Frames) -> np.uint64:
    """Read a word of every line of some memory; return the sum, so that none is left out."""
    total = np.uint64(0)
    for place in range(0, memory.size, LINE_WORDS):
        total += memory[place]
    return total
