"""The loop that drives structures while they are timed, against their public verbs."""

import os
import pathlib
import shutil
import subprocess
import sys
from typing import NamedTuple

import numpy as np
import pytest
import sweeping
from hypothesis import given
from hypothesis import strategies as st
from slow import slow
from toys import RunList

import dirtylab
from dirtylab import DATASETS, STRUCTURES
from dirtylab._jit import kernel
from dirtylab.measure import driver as driving
from dirtylab.measure.clock import elapsed, reading_ns, start, stopwatch
from dirtylab.measure.driver import COMPILED, OPERATIONS, PYTHON, Driver, call_costs
from dirtylab.structures import Bitmap, PostedTree, Ring, Structure
from dirtylab.structures.driven import KERNELS, clear, collect, driven, harvest, insert, state_for

PAGES = 4104  # every structure takes it


def bursts(dirty, epochs=2, seed=0):
    """Return frames for each operation."""
    return {
        name: np.stack(
            [
                DATASETS["random"](PAGES, dirty, seed=seed + 10 * place + one)
                for one in range(epochs)
            ]
        )
        for place, name in enumerate(("insert", "harvest", "clear", "epoch"))
    }


@pytest.mark.parametrize("name", STRUCTURES)
def test_every_structure_of_the_package_is_driven_by_compiled_code(name):
    driver = Driver(STRUCTURES[name](PAGES), 64)
    assert driver.through == COMPILED
    spent = driver.spend(bursts(64))
    assert set(spent) == set(OPERATIONS)
    assert all(ns > 0 for ns in spent.values())
    assert len(driver.structure) == 0, "an epoch ends empty"
    driver.structure.check()


@pytest.mark.parametrize("name", STRUCTURES)
@pytest.mark.parametrize("dirty", [0, 1, 8, 63, 64, 65, 1000])
def test_the_loop_does_what_the_verbs_do(name, dirty):
    kind = STRUCTURES[name]
    frames = DATASETS["clustered"](PAGES, dirty, seed=dirty, length=7)
    looped, called = Driver(kind(PAGES), dirty), kind(PAGES)
    for operation in ("collect", "harvest", "harvest"):
        called.insert(frames)
        expected = getattr(called, operation)()
        for through in (COMPILED, PYTHON):
            np.testing.assert_array_equal(looped.taken(frames, operation, through), expected)
            looped.structure.clear()
        called.clear()


@given(st.lists(st.integers(0, PAGES - 1), max_size=200), st.sampled_from(list(STRUCTURES)))
def test_a_state_holds_what_went_in(frames, name):
    given_frames = np.array(frames, np.uint64)
    structure = STRUCTURES[name](PAGES)
    state = state_for(structure, max(len(frames), 1))
    out = np.zeros(len(frames) + 1, np.uint64)
    insert(state, given_frames)
    assert sorted(set(out[: collect(state, out)].tolist())) == sorted(set(frames))
    assert sorted(set(out[: harvest(state, out)].tolist())) == sorted(set(frames))
    insert(state, given_frames)
    clear(state)
    assert harvest(state, out) == 0
    structure.check()


def test_frames_beyond_a_rings_soft_limit_are_not_lost():
    ring = Ring(PAGES, entries=16)
    frames = np.arange(1000, dtype=np.uint64)
    driver = Driver(ring, 1000)
    assert np.sort(driver.taken(frames, "harvest", COMPILED)).tolist() == frames.tolist()


def test_what_compiled_code_would_do_otherwise_goes_through_python():
    class Overridden(Bitmap):
        def _insert(self, frames):
            super()._insert(frames)

    class Renamed(Bitmap):
        name = "renamed"

    assert Driver(Overridden(64), 1).through == PYTHON
    assert Driver(Renamed(64), 1).through == COMPILED
    assert Driver(RunList(64), 1).through == PYTHON
    assert Driver(Ring(64, when_full="raise"), 1).through == PYTHON
    assert Driver(PostedTree(64), 1).through == PYTHON, "it loses pages at a power of 8"


@pytest.mark.parametrize("kind", [RunList, Bitmap])
def test_python_times_every_operation_too(kind):
    class Mine(kind):
        def _insert(self, frames):
            super()._insert(frames)

    driver = Driver(Mine(PAGES), 50)
    spent = driver.spend(bursts(50))
    assert driver.through == PYTHON
    assert set(spent) == set(OPERATIONS)
    assert call_costs(driver.structure) == {}


class Count(NamedTuple):
    """The state of a structure that only counts."""

    counts: np.ndarray


@kernel
def count_insert(state, frames):
    """Count frames, and insert after insert."""
    state.counts[0] += frames.size
    state.counts[1] += 1


@kernel
def count_collect(state, out):
    """Count collects."""
    state.counts[2] += 1
    return 0


@kernel
def count_harvest(state, out):
    """Count harvests."""
    state.counts[3] += 1
    state.counts[0] = 0
    return 0


@kernel
def count_clear(state):
    """Count clears."""
    state.counts[4] += 1


@driven(
    Count,
    insert=count_insert, collect=count_collect, harvest=count_harvest, clear=count_clear,
)  # fmt: skip
class Counter(Structure):
    """Counts what is done to it."""

    name = "counter"
    sorted_output = unique_output = True
    nbytes = 0

    def __init__(self, pages):
        super().__init__(pages)
        self._state = Count(np.zeros(5, np.int64))

    def clear(self):
        raise AssertionError("called from Python")

    check = __len__ = operations = _insert = _output_size = _collect = _contains = clear


def test_each_operation_is_done_once_an_epoch_and_nothing_is_called_from_python():
    structure = Counter(64)
    driver = Driver(structure, 3)
    for name, done in {
        "insert": (2, 2, 2, 0), "harvest": (2, 0, 2, 0), "clear": (2, 0, 0, 2),
        "epoch": (2, 0, 2, 0),
    }.items():  # fmt: skip
        structure._state.counts[:] = 0
        driver.spend({name: np.zeros((2, 3), np.uint64)})
        assert tuple(structure._state.counts[1:]) == done, name


@slow
def test_a_state_of_ones_own_is_in_no_file_that_other_processes_read(tmp_path):
    own = (
        "from typing import NamedTuple\nimport numpy as np\n"
        "from dirtylab.structures import driven\n"
        "class Mine(NamedTuple):\n    words: np.ndarray\n"
        "def insert(state, frames): state.words[0] += 1\n"
        "def other(state, out): return 0\n"
        "def clear(state): pass\n"
        "import numba\n"
        "made = [numba.njit(one) for one in (insert, other, other, clear)]\n"
        "driven.driven(Mine, **dict(zip(driven.Kernels._fields, made)))\n"
    )
    script = (
        "import sys, numpy as np\n"
        "from dirtylab.measure.driver import take\n"
        "from dirtylab.structures import Bitmap\n"
        "from dirtylab.structures.driven import bound\n"
        "state = __import__('mine').Mine(np.zeros(1)) if sys.argv[1:] else Bitmap(64)._state\n"
        "print(take(bound(state), np.zeros(1, np.uint64), np.zeros(1, np.uint64), True))\n"
    )
    (tmp_path / "mine.py").write_text(own)
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    for arguments, path in ((["mine"], str(tmp_path)), ([], "")):
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments], capture_output=True, text=True,
            env={**environment, "PYTHONPATH": path}, check=False,
        )  # fmt: skip
        assert (done.stderr, done.stdout) == ("", "0\n" if arguments else "1\n")


def test_a_state_has_one_set_of_kernels():
    own = KERNELS[Count]
    with pytest.raises(ValueError, match="state=Count: has other kernels already"):
        driven(Count, **{**own._asdict(), "insert": count_clear})
    with pytest.raises(TypeError):
        driven(Count, insert=count_insert)
    assert KERNELS[Count] == own


@pytest.mark.parametrize("kind", [Bitmap, RunList])
def test_single_steps_do_what_the_verbs_do(kind):
    driver = Driver(kind(PAGES), 5)
    frames = np.array([9, 3, 9, 70, 4000], np.uint64)
    assert driver.insert_ns(frames) > 0
    assert driver.collect_ns() > 0
    assert len(driver.structure) == 4
    assert driver.harvest_ns() > 0
    assert len(driver.structure) == 0
    driver.insert_ns(frames)
    assert driver.clear_ns() > 0
    assert len(driver.structure) == 0


def test_the_stopwatch_subtracts_its_own_reading():
    watch = stopwatch()
    least = reading_ns(watch, 1000)
    assert 0 < least < 10_000
    start(watch)
    assert elapsed(watch) >= 0


@pytest.mark.parametrize("name", ["list", "bitmap", "tree64"])
def test_what_a_call_costs_is_told_apart(name):
    found = call_costs(STRUCTURES[name](PAGES), trials=50)
    assert set(found) == set(OPERATIONS)
    assert all(-1e5 < ns < 1e6 for ns in found.values())


def test_rows_say_what_drove_the_structure(monkeypatch):
    monkeypatch.setitem(STRUCTURES, "runs", RunList)
    small = {**sweeping.SMALL, "structures": ["bitmap", "runs"], "repeats": 2}
    table = dirtylab.sweep(**small)
    found = dict(table.groupby("structure")["through"].first())
    assert found == {"bitmap": COMPILED, "runs": PYTHON}
    assert driving.OPERATIONS == OPERATIONS


@slow
def test_compiled_loops_notice_a_change_in_a_structures_file(tmp_path):
    package = pathlib.Path(dirtylab.__file__).parent
    shutil.copytree(package, tmp_path / "dirtylab", ignore=shutil.ignore_patterns("__pycache__"))
    script = (
        "import numpy as np\n"
        "from dirtylab.measure.driver import take\n"
        "from dirtylab.structures import Bitmap\n"
        "from dirtylab.structures.driven import bound\n"
        "one = np.zeros(1, np.uint64)\n"
        "print(take(bound(Bitmap(64)._state), one, one.copy(), True))\n"
    )
    told = []
    for change in (0, 100, 0):
        file = tmp_path / "dirtylab/structures/bitmap.py"
        text = (package / "structures/bitmap.py").read_text()
        changed = text.replace("= 0\n    return found\n", f"= 0\n    return found + {change}\n")
        assert changed != text
        file.write_text(changed)
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path / "c")},
        )  # fmt: skip
        told.append(int(done.stdout))
    assert told == [1, 101, 1]
