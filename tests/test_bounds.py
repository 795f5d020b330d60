"""No kernel writes beyond an array, whatever the counts say, and not under threads either."""

import os
import subprocess
import sys

import numpy as np
import pytest
from contracts import build, lost_frames
from numba import config

from dirtylab import STRUCTURES, _check
from dirtylab.lockless import LATE, LOCKLESS
from dirtylab.lockless.dispatch import harvest_frames
from dirtylab.structures import Bitmap, Hybrid, Tree

GUARD = np.uint64(0xDEADBEEFDEADBEEF)
MARGIN = 128
PAGES = 4104
LIES = [0, 1, 3, 700, 5000, 10**9, 2**62, 2**63 - 1, -1, -700, -(2**63)]
every_structure = pytest.mark.parametrize("name", STRUCTURES)
every_lockless = pytest.mark.parametrize("name", {**LOCKLESS, **LATE})


class Guarded:
    """Copies of arrays with guard words around them."""

    def __init__(self):
        self._memory = []

    def room(self, size):
        return self.copy(np.zeros(size, np.uint64))

    def copy(self, array):
        margin = MARGIN * 8 // array.itemsize
        words = -(-array.nbytes // 8) + 2 * MARGIN
        memory = np.full(words, GUARD)
        own = memory.view(array.dtype)[margin : margin + array.size]
        own[:] = array
        self._memory.append((memory.view(np.uint8), 8 * MARGIN, array.nbytes))
        return own

    def require(self):
        guard = np.frombuffer(GUARD.tobytes(), np.uint8)
        for memory, begin, size in self._memory:
            whole = np.resize(guard, memory.size)
            assert (memory[:begin] == whole[:begin]).all(), "written before an array"
            assert (memory[begin + size :] == whole[begin + size :]).all(), (
                "written behind an array"
            )


def guard(structure, guarded):
    """Put guard words around all arrays of a structure."""
    moved = {}

    def move(array):
        if id(array) not in moved:
            moved[id(array)] = guarded.copy(array)
        return moved[id(array)]

    if hasattr(structure, "_packed"):
        structure._packed = move(structure._packed)
    for name in ("_state", "state"):
        if name in vars(structure):
            old = getattr(structure, name)
            parts = [move(one) if isinstance(one, np.ndarray) else one for one in old]
            setattr(structure, name, type(old)(*parts))
    if hasattr(structure, "_header"):
        structure._header = structure._state[-1]


def filled(name, guarded, frames):
    structure = build(name, PAGES)
    structure.insert(frames)
    guard(structure, guarded)
    structure.check()
    return structure


def counts_of(structure):
    """Return the array of counts, and which of its places are counts."""
    if hasattr(structure, "_header"):
        return structure._header, [0]
    counts = getattr(getattr(structure, "_state", None), "counts", np.empty(0, np.int64))
    return counts, range(min(counts.size, 2))


@every_structure
@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("room", [0, 1, 63, 700])
@np.errstate(over="ignore")  # of which NumPy warns where the kernels are interpreted
def test_counts_that_lie_do_no_harm(name, lie, room):
    rng = np.random.default_rng(room)
    frames = rng.integers(0, PAGES, 2000, dtype=np.uint64)
    for verb in ("collect", "harvest", "_collect", "_take", "insert", "len"):
        guarded = Guarded()
        structure = filled(name, guarded, frames)
        out = guarded.room(room)
        counts, places = counts_of(structure)
        counts[list(places)] = lie
        try:
            if verb == "insert":
                structure.insert(frames)
                structure.insert(frames[:3])
            elif verb == "len":
                len(structure)
            else:
                found = getattr(structure, verb)(out)
                size = found.size if isinstance(found, np.ndarray) else found
                assert 0 <= size <= room
            structure.harvest()
        except (ValueError, OverflowError):
            pass  # no room, says the structure
        guarded.require()


@pytest.mark.parametrize("kind", [Bitmap, Hybrid, Tree])
@pytest.mark.parametrize("decoder", ["plain", "auto"])
@pytest.mark.parametrize("dirty", [1, 60, 3000, 40_000])
def test_no_decoder_writes_beyond_its_output(kind, decoder, dirty):
    frames = np.random.default_rng(dirty).integers(0, 100_000, dirty, dtype=np.uint64)
    for room in (0, 1, 8, 63, 64, 65, 500, 513, 2000):
        guarded = Guarded()
        structure = kind(100_000, decoder=decoder)
        structure.insert(frames)
        expected = structure.collect()
        out = guarded.room(room)
        assert structure._collect(out) == min(room, expected.size)
        assert (out[: expected.size] == expected[:room]).all()
        structure._take(out)
        guarded.require()


@every_lockless
@pytest.mark.parametrize("room", [0, 1, 63, 64, 300])
def test_lockless_harvests_write_no_further_than_their_output(name, room):
    guarded = Guarded()
    structure = {**LOCKLESS, **LATE}[name](PAGES)
    structure.insert(np.random.default_rng(room).integers(0, PAGES, 2000, dtype=np.uint64))
    state = type(structure.state)(*map(guarded.copy, structure.state))
    for _ in range(3):
        assert 0 <= harvest_frames(state, guarded.room(room)) <= room
        guarded.require()


@pytest.mark.parametrize("name", ["list", "ring"])
def test_what_has_no_room_in_the_output_stays(name):
    structure = LOCKLESS[name](PAGES)
    frames = list(range(0, 2000, 2))
    structure.insert(frames)
    out, found = np.empty(300, np.uint64), []
    while count := harvest_frames(structure.state, out):
        found += out[:count].tolist()
    assert found == frames


@pytest.mark.parametrize("lie", [0, 3, 10**9, 2**62, 2**64 - 1])
def test_tickets_and_holes_that_lie_do_no_harm(lie):
    for place in (0, 1, 2):
        guarded = Guarded()
        structure = LOCKLESS["list"](PAGES)
        structure.insert(range(50))
        state = type(structure.state)(*map(guarded.copy, structure.state))
        state.own[place] = state.shared[0] - np.uint64(7) if place == 0 else lie
        harvest_frames(state, guarded.room(9))
        guarded.require()


THREADS = """
import sys, threading
import numpy as np
import dirtylab
from contracts import OPTIONS

pages = 300_000
frames = np.random.default_rng(0).integers(0, pages, (6, 20_000), dtype=np.uint64)
for name in dirtylab.STRUCTURES:
    structure = dirtylab.STRUCTURES[name](pages - pages % 8, **OPTIONS.get(name, {}))
    structure.insert(frames[0] % np.uint64(structure.pages))
    structure.harvest()

    shared = np.empty(structure.pages, np.uint64)  # harvested into by all at once

    def work(seed):
        rng = np.random.default_rng(seed)
        for _ in range(25):
            try:
                structure.insert(frames[rng.integers(6)] % np.uint64(structure.pages))
                verb = rng.choice(["harvest", "into", "collect", "clear", "len"])
                if verb == "len":
                    len(structure)
                elif verb == "into":
                    structure.harvest(shared)
                else:
                    getattr(structure, verb)()
            except (OverflowError, ValueError):
                structure.clear()

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    structure.clear()
    structure.insert([1, 2, 3])
rooms = [np.empty(size, np.uint64) for size in range(1, 3000, 7)]
print("alive")
"""


@pytest.mark.skipif(bool(config.DISABLE_JIT), reason="interpreted kernels hold the GIL, slowly")
def test_threads_on_plain_structures_harm_no_memory():
    run = subprocess.run(
        [sys.executable, "-c", THREADS],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "MALLOC_PERTURB_": "165"},
    )
    assert (run.returncode, run.stdout) == (0, "alive\n"), run.stderr[-2000:]


@every_structure
def test_frames_that_are_a_view_of_the_structure_are_read_first(name):
    structure = build(name, 4096)
    if not hasattr(structure, "bitmap_view"):
        pytest.skip("gives no view")
    view = structure.bitmap_view().view(np.uint64)
    structure.insert(view)  # 0, and what that sets must not be read as frames
    structure.insert(view)
    structure.check()
    assert set(structure.collect().tolist()) == {0, 1}
    assert lost_frames(name, 4096).isdisjoint({0, 1})


# --- arguments ----------------------------------------------------------------------------------


@every_structure
def test_masks_are_refused_by_name(name):
    structure = build(name, 72)
    for masked in (
        np.ma.masked_array([1, 2], mask=[0, 1]),
        np.ma.masked_array(np.array([1, 2], np.uint64)),
        np.ma.masked,
        [np.ma.masked, 3],
    ):
        with pytest.raises(TypeError, match="frames: must be without a mask"):
            structure.insert(masked)
    assert structure.collect().size == 0


class Quantity(np.ndarray):
    """An array with a unit, as several packages have."""


@every_structure
def test_subclasses_are_read_as_frames_and_refused_as_output(name):
    structure = build(name, 72)
    structure.insert(np.array([3, 5]).view(Quantity))
    structure.insert(np.array([7], np.uint64).view(np.recarray))
    assert sorted(structure.collect().tolist()) == [3, 5, 7]
    for kind in (Quantity, np.ma.MaskedArray, np.recarray):
        with pytest.raises(
            TypeError, match=f"out: must be a plain numpy.ndarray, not {kind.__name__}"
        ):
            structure.harvest(np.empty(80, np.uint64).view(kind))
    assert sorted(structure.harvest().tolist()) == [3, 5, 7]


@every_lockless
def test_lockless_structures_refuse_the_same(name):
    structure = {**LOCKLESS, **LATE}[name](100)
    with pytest.raises(TypeError, match="frames: must be without a mask"):
        structure.insert(np.ma.masked_array([1, 2], mask=[0, 1]))
    with pytest.raises(TypeError, match="out: must be a plain"):
        structure.harvest(np.empty(structure.most, np.uint64).view(Quantity))
    assert structure.harvest().size == 0


def test_memory_that_is_not_aligned_is_taken_as_frames_and_refused_as_output():
    memory = np.frombuffer(bytearray(b"x" + np.array([3, 5], np.uint64).tobytes()), np.uint64, 2, 1)
    structure = Bitmap(72)
    structure.insert(memory)
    assert structure.collect().tolist() == [3, 5]
    with pytest.raises(TypeError, match="out: must be writeable, contiguous and aligned"):
        structure.harvest(memory)


def test_sequences_of_sequences_are_named():
    with pytest.raises(ValueError, match="frames: must be one-dimensional"):
        _check.frames("frames", [[1], [2, 3]], 10)
