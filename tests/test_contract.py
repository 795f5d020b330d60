"""One contract for every structure, against a Python set."""

import contextlib

import numpy as np
import pytest
from contracts import (
    EDGES,
    KINDS,
    LARGE_EDGES,
    OPTIONS,
    build,
    expected,
    is_refused,
    require_output,
    usable,
)
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

CANARY = np.uint64(0xDEADBEEFDEADBEEF)

every_structure = pytest.mark.parametrize("name", KINDS)


def some_frames(pages, count=50):
    """Return frames with repeats, the first and the last page among them."""
    if not pages:
        return []
    rng = np.random.default_rng(pages)
    return [*rng.integers(0, pages, count).tolist(), pages - 1, 0, pages - 1]


@every_structure
@pytest.mark.parametrize("pages", EDGES)
def test_size_is_taken_or_refused_by_name(name, pages):
    if is_refused(name, pages):
        with pytest.raises(ValueError, match=f"pages={pages}: .*must be a multiple of 8"):
            build(name, pages)
    else:
        structure = build(name, pages)
        structure.check()
        assert (structure.pages, len(structure)) == (pages, 0)
        assert structure.collect().tolist() == []


def usable_sizes():
    """Return each structure with each size at which it works, the slow ones marked."""
    small = [(name, pages) for name in KINDS for pages in usable(name, EDGES)]
    large = [(name, pages) for name in KINDS for pages in usable(name, LARGE_EDGES)]
    return small + [pytest.param(*pair, marks=pytest.mark.large) for pair in large]


@pytest.mark.parametrize(("name", "pages"), usable_sizes())
def test_life_of_a_structure(name, pages):
    structure, frames = build(name, pages), some_frames(pages)
    structure.insert(frames)
    structure.check()
    assert len(structure) == len(set(frames))
    require_output(name, structure, structure.collect(), frames)
    require_output(name, structure, structure.collect(), frames)
    assert all(frame in structure for frame in frames)
    assert pages not in structure
    assert -1 not in structure
    require_output(name, structure, structure.harvest(), frames)
    structure.check()
    assert (len(structure), structure.harvest().tolist()) == (0, [])
    structure.insert(frames[:1])
    structure.clear()
    structure.check()
    assert len(structure) == 0


@every_structure
@pytest.mark.parametrize("contents", ["all", "alternating", "one in a word", "last"])
@pytest.mark.parametrize("pages", [16, 64, 72, 512, 520, 4096, 4104])
def test_contents_at_the_extremes(name, contents, pages):
    steps = {"all": (0, 1), "alternating": (1, 2), "one in a word": (5, 64), "last": (pages - 1, 1)}
    start, step = steps[contents]
    frames = list(range(start, pages, step))
    structure = build(name, pages)
    structure.insert(frames)
    structure.check()
    require_output(name, structure, structure.collect(), frames)


@every_structure
@pytest.mark.parametrize("spare", [0, 1, 7, 64])
def test_output_is_written_up_to_its_end_and_no_further(name, spare):
    structure, frames = build(name, 520), some_frames(520)
    structure.insert(frames)
    needed = len(expected(name, 520, frames))
    memory = np.full(needed + spare + 64, CANARY)
    out = memory[32 : 32 + needed + spare]
    for collected in (structure.collect(out), structure.harvest(out)):
        require_output(name, structure, collected, frames)
        assert collected.base is memory
        assert (memory[:32] == CANARY).all()
        assert (memory[32 + needed :] == CANARY).all()


@every_structure
@pytest.mark.parametrize("verb", ["collect", "harvest"])
@pytest.mark.parametrize("missing", [1, 2, None])
def test_output_too_small_leaves_everything_as_it_was(name, verb, missing):
    structure, frames = build(name, 520), some_frames(520)
    structure.insert(frames)
    needed = len(expected(name, 520, frames))
    size = 0 if missing is None else needed - missing
    out = np.full(size, CANARY)
    with pytest.raises(ValueError, match=f"out: has room for {size} frames, {needed} needed"):
        getattr(structure, verb)(out)
    assert (out == CANARY).all()
    require_output(name, structure, structure.collect(), frames)


@every_structure
@pytest.mark.parametrize(
    "out",
    [[0] * 100, np.zeros(100), np.zeros(100, np.int64), np.zeros((10, 10), np.uint64),
     np.zeros(200, np.uint64)[::2], np.frombuffer(bytes(800), np.uint64)],
    ids=["list", "float", "signed", "2-d", "strided", "read-only"],
)  # fmt: skip
def test_output_of_a_wrong_kind_is_refused(name, out):
    structure = build(name, 72)
    structure.insert([3, 5])
    with pytest.raises(TypeError, match="out: must be"):
        structure.harvest(out)
    assert structure.collect().tolist() == [3, 5]


@every_structure
@pytest.mark.parametrize(
    ("frames", "error", "message"),
    [
        ([1, 72], IndexError, r"frames\[1\]=72: must be 0 … 71"),
        ([1, -1, 99], IndexError, r"frames\[1\]=-1: must be"),
        ([5, 2**64 - 1], IndexError, r"frames\[1\]=18446744073709551615: must be"),
        ([5, 2**70], IndexError, r"frames\[1\]=1180591620717411303424: must be"),
        (np.array([3, -7], np.int8), IndexError, r"frames\[1\]=-7: must be"),
        (np.array([3, 200], np.uint8), IndexError, r"frames\[1\]=200: must be"),
        (np.array([3, 300], ">i4"), IndexError, r"frames\[1\]=300: must be"),
        ([1.0], TypeError, r"frames\[0\]=1.0: must be an integer"),
        ([4, float("nan")], TypeError, r"frames\[1\]=nan: must be an integer"),
        (np.array([1.0]), TypeError, "frames: must be integers, not float64"),
        (["7"], TypeError, "frames: must be integers, not <U1"),
        ("abc", TypeError, "frames: must be an array or sequence of integers, not str"),
        ({1, 2}, TypeError, "frames: must be an array or sequence of integers, not set"),
        ({1: 2}, TypeError, "frames: must be an array or sequence of integers, not dict"),
        ([True], TypeError, "frames: must be integers, not bool"),
        (None, TypeError, "frames: must be an array or sequence of integers, not NoneType"),
        ([None], TypeError, r"frames\[0\]=None: must be an integer"),
        ([5, 0.5], TypeError, r"frames\[1\]=0.5: must be an integer"),
        ([[1, 2], [3, 4]], ValueError, r"frames: must be one-dimensional, not of shape \(2, 2\)"),
    ],
)
def test_bad_frames_are_named_and_nothing_is_marked(name, frames, error, message):
    structure = build(name, 72)
    structure.insert([11])
    with pytest.raises(error, match=message):
        structure.insert(frames)
    structure.check()
    assert structure.collect().tolist() == [11]


@every_structure
@pytest.mark.parametrize(
    "frames",
    [[], np.array([], np.uint64), np.array([]), 9, np.int64(9), [9], (9,), np.array([9], ">u2"),
     np.array([9, 1, 9], np.uint64)[::2], range(9, 10)],
    ids=repr,
)  # fmt: skip
def test_frames_come_in_many_forms(name, frames):
    structure = build(name, 72)
    structure.insert(frames)
    structure.check()
    assert set(structure.collect().tolist()) == (set() if np.size(frames) == 0 else {9})


@pytest.mark.parametrize("name", [name for name in KINDS if usable(name, [0])])
def test_no_frame_fits_a_slot_without_pages(name):
    with pytest.raises(IndexError, match="a slot of 0 pages has no frames"):
        build(name, 0).insert([0])


@every_structure
@pytest.mark.parametrize(
    ("pages", "error"),
    [(-8, ValueError), (2**52 + 8, ValueError), (64.0, TypeError), ("64", TypeError),
     (None, TypeError), (True, TypeError), (float("nan"), TypeError)],
)  # fmt: skip
def test_bad_sizes_are_named(name, pages, error):
    with pytest.raises(error, match="pages="):
        KINDS[name](pages)


@every_structure
def test_a_structure_larger_than_memory_is_refused_or_grows(name):
    kind, words = KINDS[name], r"pages=\d+: needs .* GiB of memory; this machine has"
    refused = pytest.raises(MemoryError, match=words)
    with contextlib.suppress(MemoryError) if kind.grows else refused:
        assert kind(2**51).nbytes < 4096


def test_a_ring_protects_every_page_and_so_is_refused_though_it_grows():
    with pytest.raises(MemoryError, match=r"needs .* GiB of memory"):
        KINDS["ring"](2**51)


@every_structure
def test_memory_stays_as_it_was_allocated_unless_it_grows(name):
    structure = build(name, 80_000)
    allocated = structure.nbytes
    structure.insert(range(0, 80_000, 2))
    assert structure.nbytes > allocated if structure.grows else structure.nbytes == allocated


@every_structure
def test_unknown_options_are_refused(name):
    with pytest.raises(TypeError, match="colour"):
        KINDS[name](72, colour="red")


@every_structure
@pytest.mark.parametrize("frame", ["3", 3.0, None, True])
def test_membership_is_asked_of_integers(name, frame):
    with pytest.raises(TypeError, match="frame="):
        assert frame not in build(name, 72)


@every_structure
def test_operations_count_what_a_collect_touches(name):
    structure = build(name, 4104)
    empty = structure.operations()
    structure.insert(range(0, 4104, 8))
    full = structure.operations()
    assert full.words >= empty.words >= 0
    assert 0 <= full.bytes <= structure.nbytes
    assert full.nodes <= full.words


@every_structure
def test_representations_name_structure_and_size(name):
    structure = build(name, 72)
    structure.insert([1, 2])
    assert repr(structure) == f"<{name}: 2 of 72 pages dirty, {structure.nbytes} bytes>"
    assert name in structure._repr_html_()


@every_structure
@given(data=st.data())
def test_any_inserts_give_the_set_of_their_frames(name, data):
    pages = data.draw(st.sampled_from(usable(name, EDGES[1:])))
    frames = data.draw(st.lists(st.integers(0, pages - 1), max_size=200))
    structure = build(name, pages)
    structure.insert(frames)
    structure.check()
    require_output(name, structure, structure.harvest(), frames)
    structure.check()
    assert len(structure) == 0


class Life(RuleBasedStateMachine):
    """Any verbs in any order; the model is the list of inserted frames."""

    name = ""

    @initialize(data=st.data())
    def allocate(self, data):
        self.pages = data.draw(st.sampled_from(usable(self.name, EDGES)))
        self.structure = build(self.name, self.pages)
        self.inserted = []

    @rule(data=st.data())
    def insert(self, data):
        if not self.pages:
            return
        frames = data.draw(st.lists(st.integers(0, self.pages - 1), max_size=40))
        self.structure.insert(frames)
        self.inserted += frames

    @rule(start=st.integers(0, 5000), length=st.integers(0, 300))
    def insert_run(self, start, length):
        frames = list(range(min(start, self.pages), min(start + length, self.pages)))
        self.structure.insert(frames)
        self.inserted += frames

    @rule(data=st.data())
    def insert_out_of_range(self, data):
        good = data.draw(st.lists(st.integers(0, max(self.pages - 1, 0)), max_size=3))
        bad = data.draw(st.integers(self.pages, 2**64 - 1) | st.integers(-(2**63), -1))
        with pytest.raises(IndexError):
            self.structure.insert([*good, bad])

    @rule()
    def collect(self):
        require_output(self.name, self.structure, self.structure.collect(), self.inserted)

    @rule(spare=st.integers(-3, 3))
    def collect_into(self, spare):
        needed = len(expected(self.name, self.pages, self.inserted))
        out = np.full(max(needed + spare, 0), CANARY)
        if out.size < needed:
            with pytest.raises(ValueError, match="room"):
                self.structure.collect(out)
            assert (out == CANARY).all()
        else:
            require_output(self.name, self.structure, self.structure.collect(out), self.inserted)
            assert (out[needed:] == CANARY).all()

    @rule()
    def harvest(self):
        require_output(self.name, self.structure, self.structure.harvest(), self.inserted)
        self.inserted = []

    @rule()
    def clear(self):
        self.structure.clear()
        self.inserted = []

    @rule(frame=st.integers(-2, 5000))
    def contains(self, frame):
        assert (frame in self.structure) == (frame in self.inserted)

    @invariant()
    def keeps_its_invariants(self):
        if hasattr(self, "structure"):
            self.structure.check()
            assert len(self.structure) == len(set(self.inserted))


def machine_of(structure):
    return type(f"Life of {structure}", (Life,), {"name": structure}).TestCase


for structure_name in KINDS:
    globals()[f"TestLife_{structure_name}"] = machine_of(structure_name)


def test_every_structure_has_a_state_machine():
    assert {f"TestLife_{name}" for name in KINDS} <= set(globals())
    assert set(OPTIONS) <= set(KINDS)
