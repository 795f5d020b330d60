"""KVM's dirty ring: its entries, and the frames taken from them in order of arrival.

Source: Linux's Documentation/virt/kvm/api.rst, KVM_CAP_DIRTY_LOG_RING.
"""

import numpy as np
import numpy.typing as npt

from dirtylab._check import Frames
from dirtylab._jit import kernel
from dirtylab._words import BIT_MASK, ONE, WORD_SHIFT, Words

OWN_SLOT, MEMORY_SLOT, READ_SLOT = 0, 1, 2
_DIRTY, _HANDED_BACK = np.uint32(1), np.uint32(2)
NEXT, TAKEN = 0, 1
"""Where in the place of a ring: the next entry to read; frames taken and not taken over yet."""
_HALF = np.uint64(32)
LISTED, ENTRIES, REPEATS = 0, 1, 2
"""Where in a ring's counts: frames in order of arrival, entries harvested, repeats dropped."""


@kernel
def drain(
    entries: npt.NDArray[np.uint32],
    place: npt.NDArray[np.int64],
    out: Words,
    own: Words,
    kept: bool,
) -> int:
    """Take the dirty entries of a ring from ``place[NEXT]`` on and hand them back.

    Writes frames of the tracked slot to `out`, as far as it has room, and marks those of the
    guest's own slot in `own`; returns the number of the former, in ``place[TAKEN]`` too if `kept`.
    """
    size, found, fetch = entries.shape[0], 0, place[NEXT]
    for _ in range(size):
        at = fetch & (size - 1)
        if not entries[at, 0] & _DIRTY or found == out.size:
            break
        frame = np.uint64(entries[at, 3]) << _HALF | np.uint64(entries[at, 2])
        if entries[at, 1] == MEMORY_SLOT:
            out[found] = frame
            found += 1
        elif frame >> WORD_SHIFT < own.size:
            own[frame >> WORD_SHIFT] |= ONE << (frame & BIT_MASK)
        entries[at, 0] = _HANDED_BACK
        fetch += 1
    place[NEXT], place[TAKEN] = fetch, found if kept else 0
    return found


@kernel
def list_new(
    seen: Words,
    frames: Frames,
    place: npt.NDArray[np.int64],
    order: Frames,
    counts: npt.NDArray[np.int64],
) -> None:
    """Append the ``place[TAKEN]`` first `frames` that are not in `seen` yet to `order`.

    Marks them in `seen`, keeps the counts, and ends by setting ``place[TAKEN]`` to 0: they are
    taken over once.
    """
    listed, count = counts[LISTED], min(place[TAKEN], frames.size)
    for frame in frames[:count]:
        bit = ONE << (frame & BIT_MASK)
        if frame >> WORD_SHIFT >= seen.size or seen[frame >> WORD_SHIFT] & bit:
            counts[REPEATS] += 1
        elif listed < order.size:
            seen[frame >> WORD_SHIFT] |= bit
            order[listed] = frame
            listed += 1
    counts[ENTRIES] += count
    counts[LISTED], place[TAKEN] = listed, 0
