"""Page numbers of recordings: compacted, and distinguished by the memory they belong to.

A page is known by a key: the number of its memory and, in the low bits, that of the page.  A memory
is a process's virtual memory from one exec or fork to the next, or an object that processes share.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dirtylab.datasets.tracefile import Trace

CHUNK = 512
"""Pages of a chunk: 2 MiB."""
PAGE_BITS = 44
"""Of a key: 2^56 bytes, the largest half of a virtual memory of x86-64."""
MOST_MEMORIES = 1 << (64 - PAGE_BITS)
Pages = npt.NDArray[np.uint64]


def keys_of(memory: int, pages: Pages) -> Pages:
    """Return the keys of pages of a memory."""
    return pages + np.uint64(memory << PAGE_BITS)


def compact(harvests: Sequence[Pages]) -> tuple[list[Pages], int]:
    """Return compacted page numbers, and the size of the slot that holds them.

    Parameters
    ----------
    harvests : sequence of numpy.ndarray
        Page numbers of each epoch, of any size.
    """
    chunks = _chunks(harvests)
    size = np.uint64(CHUNK)
    numbered = [
        np.searchsorted(chunks, pages // size).astype(np.uint64) * size + pages % size
        for pages in harvests
    ]
    return numbered, CHUNK * chunks.size


def finish(
    harvests: Sequence[Pages],
    ends: Sequence[int],
    facts: dict[str, Any],
    memories: Sequence[dict[str, Any]],
) -> Trace:
    """Return the trace of a command.

    Parameters
    ----------
    harvests : sequence of numpy.ndarray
        Keys of each epoch.
    ends : sequence of int
        Nanoseconds from the start to the end of each epoch.
    facts : dict
        Of the trace.
    memories : sequence of dict
        Facts on each memory, in the order of their numbers; of several, the trace's facts say
        which pages belong to which.
    """
    numbered, size = compact(harvests)
    return Trace(size, tuple(numbered), tuple(ends), {**facts, **_places(harvests, memories, size)})


def _places(
    harvests: Sequence[Pages], memories: Sequence[dict[str, Any]], size: int
) -> dict[str, Any]:
    """Return which pages of a trace are of which memory, where there are several."""
    if len(memories) < 2:
        return {}
    per_chunk = PAGE_BITS - CHUNK.bit_length() + 1
    starts = np.arange(len(memories), dtype=np.uint64) << np.uint64(per_chunk)
    firsts = (CHUNK * np.searchsorted(_chunks(harvests), starts)).tolist()
    return {
        "memories": [
            {**memory, "first_page": first, "pages": behind - first}
            for memory, first, behind in zip(memories, firsts, [*firsts[1:], size], strict=True)
        ]
    }


def _chunks(harvests: Sequence[Pages]) -> Pages:
    everything = np.concatenate(harvests) if len(harvests) else np.empty(0, np.uint64)
    return np.unique(everything // np.uint64(CHUNK))
