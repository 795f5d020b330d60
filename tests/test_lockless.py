"""Insert while harvesting: structures, checker, soak."""

import functools
import itertools
import math
import threading
from collections import Counter

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from numba import config

from dirtylab.lockless import LATE, LOCKLESS, Full, LocklessTree, atomics, soak, trials
from dirtylab.lockless.atomics import NotLockFreeError, is_lock_free, require_lock_free
from dirtylab.lockless.checker import DUPLICATE, LOST, OUTCOMES, RIGHT, Checker, State
from dirtylab.lockless.checker import LATE as TOO_LATE
from dirtylab.lockless.programs import (
    Suspect,
    bitmap,
    insert_bytewise,
    insert_early,
    offered,
    ours,
    pagelist,
    ring,
    tree,
    weakened,
)

ALL = {**LOCKLESS, **LATE}
every_structure = pytest.mark.parametrize("name", ALL)
threads_only = pytest.mark.skipif(bool(config.DISABLE_JIT), reason="nothing is atomic interpreted")
EDGES = [0, 1, 8, 9, 63, 64, 65, 511, 512, 513, 4095, 4096, 4097, 64**3 - 1, 64**3, 64**3 + 1]


def build(name, pages, **options):
    """Return a structure with room for what the tests insert."""
    room = {"capacity": 2000} if name == "list" else {}
    return ALL[name](pages, **room, **options)


# --- structures, one thread ---------------------------------------------------------------------


@every_structure
@pytest.mark.parametrize("pages", EDGES)
def test_what_goes_in_comes_out_once(name, pages):
    structure = build(name, pages, vcpus=2)
    rng = np.random.default_rng(pages)
    for _ in range(2):
        frames = rng.integers(0, pages, min(pages, 300)) if pages else np.empty(0, np.uint64)
        edges = [pages - 1, 0, pages - 1] if pages else []
        structure.insert(frames, vcpu=1)
        structure.insert(edges)
        expected = sorted({*frames.tolist(), *edges})
        found = structure.harvest().tolist()
        assert sorted(set(found)) == expected
        assert not structure.sorted_output or found == expected
        assert structure.harvest().size == 0


@given(
    name=st.sampled_from(list(ALL)),
    pages=st.integers(1, 5000),
    radix=st.sampled_from([8, 16, 32, 64, [8, 64], [64, 8], [16, 32, 8]]),
    data=st.data(),
)
def test_any_order_of_inserts_and_harvests_is_a_set(name, pages, radix, data):
    options = {"radix": radix, "early": "early" in name} if name.startswith("tree") else {}
    make = LocklessTree if name.startswith("tree") else functools.partial(build, name)
    structure = make(pages, vcpus=3, **options)
    dirty = set()
    for _ in range(data.draw(st.integers(1, 6))):
        frames = data.draw(st.lists(st.integers(0, pages - 1), max_size=40))
        structure.insert(frames, vcpu=data.draw(st.integers(0, 2)))
        dirty |= set(frames)
        if data.draw(st.booleans()):
            assert set(structure.harvest().tolist()) == dirty
            dirty = set()
    assert set(structure.harvest().tolist()) == dirty


@every_structure
def test_bad_input_is_named_and_nothing_is_marked(name):
    structure = ALL[name](100, vcpus=2)
    with pytest.raises(IndexError, match=r"frames\[1\]=100: must be 0 … 99"):
        structure.insert([5, 100])
    with pytest.raises(ValueError, match="vcpu=2: must be 0 … 1"):
        structure.insert([5], vcpu=2)
    with pytest.raises(ValueError, match="vcpus=65: must be 1 … 64"):
        ALL[name](100, vcpus=65)
    structure.insert([7])
    with pytest.raises(ValueError, match="room for 3 frames"):
        structure.harvest(np.empty(3, np.uint64))
    assert structure.harvest(np.empty(structure.most, np.uint64)).tolist() == [7]


@pytest.mark.parametrize(("name", "options"), [("ring", {"entries": 8}), ("list", {"capacity": 4})])
def test_what_is_full_says_how_many_went_in_and_loses_nothing(name, options):
    structure = ALL[name](1000, **options)
    frames = np.arange(500)
    got = []
    begin = 0
    while begin < frames.size:
        before = begin
        try:
            structure.insert(frames[begin:])
            begin = frames.size
        except Full as full:
            begin += full.accepted
        assert begin > before
        got += structure.harvest().tolist()
    assert got == frames.tolist()


def test_only_one_thread_may_harvest():
    structure = LOCKLESS["bitmap"](100)
    structure._harvesting.acquire()
    with pytest.raises(RuntimeError, match="another thread is harvesting"):
        structure.harvest()


def test_a_ring_has_a_power_of_two_of_entries():
    with pytest.raises(ValueError, match="entries=100: must be a power of two"):
        LOCKLESS["ring"](100, entries=100)


# --- atomics ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("triple", "free"),
    [("x86_64-linux-gnu", True), ("aarch64-linux-gnu", True), ("armv5te-linux-gnueabi", False),
     ("riscv32-linux-gnu", False)],
)  # fmt: skip
def test_llvm_says_where_atomics_are_lock_free(triple, free):
    try:
        assert is_lock_free(triple) is free
    except RuntimeError:
        pytest.skip(f"this LLVM has no {triple}")


def test_a_platform_that_would_take_locks_is_refused(monkeypatch):
    monkeypatch.setattr(atomics, "is_lock_free", lambda triple, cpu: False)
    with pytest.raises(NotLockFreeError, match=r"'m68k-amiga'.*not lock-free.*x86-64 or AArch64"):
        require_lock_free("m68k-amiga")


@threads_only
def test_threads_lose_no_increment():
    from dirtylab._jit import kernel
    from dirtylab._words import ONE

    @kernel
    def count(words, times):
        for _ in range(times):
            atomics.add_relaxed(words, 0, ONE)

    words = atomics.aligned_zeros(1)
    count(words, 0)
    work = [threading.Thread(target=count, args=(words, 300_000)) for _ in range(4)]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    assert words[0] == 1_200_000


# --- checker ------------------------------------------------------------------------------------


@functools.cache
def finding(name):
    group, suspect = next(one for one in trials.suspects() if one[1].name == name)
    return trials.examine(suspect, group, most=2 if suspect.pages == 8 else 3)


@pytest.mark.parametrize("suspect", ours(), ids=lambda one: one.name)
def test_ours_are_acquitted(suspect):
    found = finding(suspect.name)
    assert found.lost == found.late == 0
    assert found.right > 1000
    assert found.duplicate > 0


@pytest.mark.parametrize("suspect", [*offered(), *weakened()], ids=lambda one: one.name)
def test_each_weakened_one_is_convicted_of_its_crime(suspect):
    assert finding(suspect.name).worst == suspect.worst


@pytest.mark.parametrize("frames", [(0, 0, 0), (0, 1, 3), (1, 2, 5), (0, 4, 4)])
def test_three_inserters_on_three_levels_are_acquitted(frames):
    protocol = next(one.protocol for one in ours() if one.name == "tree, 3 levels")
    found = Checker(protocol, [(frame,) for frame in frames]).count()
    assert found[LOST] == found[TOO_LATE] == 0
    assert found[RIGHT] > 10**7


@pytest.mark.parametrize("insert", [insert_early, insert_bytewise])
def test_with_a_single_vcpu_even_these_are_neither_late_nor_lost(insert):
    for frames in itertools.product(range(4), repeat=3):
        found = Checker(tree(insert), [frames]).count()
        assert found[LOST] == found[TOO_LATE] == 0


def by_hand(checker, state: State):
    """Count schedules one by one, with nothing merged."""
    moves = list(checker._moves(state))
    if not moves:
        return Counter([checker._outcome(state.account)])
    return sum((by_hand(checker, after) for _, after in moves), Counter())


@pytest.mark.parametrize(
    ("protocol", "vcpus"),
    [(tree(), [(1,), (1,)]), (tree(insert_early), [(0,), (1,)]), (bitmap(), [(1, 1)]),
     (pagelist(), [(2,), (2,)]), (ring(), [(1,)])],
)  # fmt: skip
def test_merging_schedules_changes_no_count(protocol, vcpus):
    checker = Checker(protocol, vcpus)
    one_by_one = by_hand(checker, checker._begin())
    assert checker.count() == {outcome: one_by_one[outcome] for outcome in OUTCOMES}


def test_without_a_harvest_in_between_all_orders_are_counted():
    # Two inserts of four steps each (write, or, look, or) that meet nowhere but in the root.
    found = Checker(tree(), [(0,), (2,)], harvests=0).count()
    assert found == {RIGHT: math.comb(8, 4), DUPLICATE: 0, TOO_LATE: 0, LOST: 0}


def test_a_witness_commits_the_crime_step_by_step():
    suspect: Suspect = weakened()[0]
    moves = Checker(suspect.protocol, [(0,), (1,)]).witness(LOST)
    told = [f"{move.thread}: {move.what}" for move in moves]
    assert told.index("harvest 1: exchange leaf[0] for 00") < told.index(
        "harvest 1: and root with not 1"
    )
    assert not any("reports page 1" in move.note for move in moves) or not any(
        "reports page 0" in move.note for move in moves
    )
    assert Checker(tree(), [(0,), (1,)]).witness(LOST) is None


@pytest.mark.parametrize("vcpus", [[]])
def test_a_case_without_vcpus_is_refused(vcpus):
    with pytest.raises(ValueError, match="vcpus="):
        Checker(tree(), vcpus)


# --- soak ---------------------------------------------------------------------------------------


@threads_only
@every_structure
def test_a_short_soak_loses_nothing(name):
    make = soak.makers()[name]
    for vcpus, pattern in itertools.product((2, 5), soak.PATTERNS):
        tally = soak.run(name, make, vcpus=vcpus, pattern=pattern, pages=2**15, laps=2)
        assert tally.clean, tally
        assert tally.harvests >= 1
        assert name in LATE or tally.late == 0, tally


@threads_only
def test_the_weakened_ones_lose_pages_under_threads_too():
    from dirtylab.lockless.weakened import WEAKENED

    for name, weak in WEAKENED.items():
        if weak.crime == LOST:
            tallies = soak.catch(name, weak.make, weak.crime, seconds=60, pages=2**16)
            assert tallies[-1].lost > 0, name


@pytest.mark.parametrize("pattern", soak.PATTERNS)
@pytest.mark.parametrize("vcpus", [1, 2, 3, 8])
def test_each_vcpu_inserts_each_of_its_frames_once_a_lap(pattern, vcpus):
    job = soak.job_for(256, vcpus, pattern, 1)
    for vcpu in range(vcpus):
        frames = [int(soak.frame_of(job, vcpu, i)) for i in range(int(job.plan[0]))]
        assert len(set(frames)) == len(frames)
        assert max(frames) < 256
    assert set(frames) == set(range(256)) or pattern in ("word", "apart")


def test_a_soak_has_the_inserts_that_were_asked_for():
    cells = list(soak.soak_cells(3 * 10**7, pages=2**12, vcpus=(2, 8)))
    inserts = sum(
        int(soak.job_for(2**12, c.vcpus, c.pattern, 1).plan[0]) * c.laps * c.vcpus for c in cells
    )
    assert 3 * 10**7 <= inserts < 3.3 * 10**7
    assert {cell.structure for cell in cells} == set(ALL)


@pytest.mark.parametrize(
    ("change", "text"),
    [({"pages": 100}, "power of two"), ({"vcpus": 9}, "vcpus=9: must be 1 … 8"),
     ({"pattern": "odd"}, "pattern='odd': must be one of same"), ({"laps": 256}, "laps=256")],
)  # fmt: skip
def test_a_wrong_job_is_refused(change, text):
    right = {"pages": 64, "vcpus": 1, "pattern": "same", "laps": 1}
    with pytest.raises(ValueError, match=text):
        soak.job_for(**{**right, **change})


def test_trouble_in_a_thread_stops_the_others_and_is_raised():
    stopped = threading.Event()

    def fail():
        raise ValueError("no good")

    with pytest.raises(ValueError, match="no good"):
        soak.in_threads([fail, stopped.wait], stopped.set)
