"""Insert while harvesting: structures, checker, soak."""

import functools
import itertools
import json
import math
import re
import threading
from collections import Counter

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from numba import config
from slow import slow

from dirtylab import cli
from dirtylab._data import data_file
from dirtylab.cli import lockless as cli_lockless
from dirtylab.explore.kit.widget import ViewWidget
from dirtylab.explore.views.vcpus import VcpuState, VcpuView
from dirtylab.lockless import LATE, LOCKLESS, Full, LocklessTree, atomics
from dirtylab.lockless.atomics import NotLockFreeError, is_lock_free, require_lock_free
from dirtylab.studies.lockless import figures, report, store, summary
from dirtylab.studies.lockless import record as lockless_record
from dirtylab.verify import exhaustive, soak
from dirtylab.verify.checker import Checker, State
from dirtylab.verify.mutants import MUTANTS
from dirtylab.verify.program import DUPLICATE, LOST, OUTCOMES, RIGHT
from dirtylab.verify.program import LATE as TOO_LATE
from dirtylab.verify.protocol_models import (
    ProtocolModel,
    bitmap,
    mutants,
    offered,
    ours,
    pagelist,
    ring,
    tree,
)
from dirtylab.verify.protocol_steps import insert_bytewise, insert_early, insert_looks_down

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
@pytest.mark.parametrize("pages", [7, 8, 9, 64, 129, 1000])
def test_frames_in_a_row_go_in_wherever_they_begin(name, pages):
    rng = np.random.default_rng(pages)
    for first in range(min(pages, 70)):
        count = int(rng.integers(1, min(pages - first, 80) + 1))
        lone = rng.integers(0, pages, 5)
        frames = np.concatenate([np.arange(first, first + count), lone, [first]])
        structure = build(name, pages)
        structure.insert(frames)
        assert set(structure.harvest().tolist()) == set(frames.tolist())


@every_structure
def test_a_few_harvested_frames_hold_no_room_for_all(name):
    structure = build(name, 100_000)
    structure.insert([3, 70_000])
    found = structure.harvest()
    held = found if found.base is None else found.base
    assert held.nbytes < 100


@threads_only
@pytest.mark.parametrize("name", ["bitmap", "tree8", "tree64"])
def test_rows_of_frames_inserted_beside_a_harvest_come_once(name):
    pages, step = 2**20, 50
    structure = LOCKLESS[name](pages, vcpus=2)
    halves = np.array_split(np.arange(pages, dtype=np.uint64), 2)
    begun = threading.Barrier(3)

    def insert(vcpu):
        begun.wait()
        for first in range(0, halves[vcpu].size, step):
            structure.insert(halves[vcpu][first : first + step], vcpu=vcpu)

    threads = [threading.Thread(target=insert, args=(vcpu,)) for vcpu in range(2)]
    for one in threads:
        one.start()
    begun.wait()
    taken = []
    while any(one.is_alive() for one in threads):
        taken.append(structure.harvest())
    taken.append(structure.harvest())
    assert len(taken) > 2
    assert np.array_equal(np.sort(np.concatenate(taken)), np.arange(pages))


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
    structure._harvester["harvested by"] = -1
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
    group, model = next(one for one in exhaustive.protocol_models() if one[1].name == name)
    return exhaustive.examine(model, group, most=3 if group == "ours" and model.pages < 8 else 2)


@pytest.mark.parametrize("model", ours(), ids=lambda one: one.name)
def test_our_protocols_pass(model):
    found = finding(model.name)
    assert found.lost == found.late == 0
    assert found.right > 1000
    assert found.duplicate > 0


@pytest.mark.parametrize("model", [*offered(), *mutants()], ids=lambda one: one.name)
def test_each_mutant_fails_as_expected(model):
    worst = finding(model.name).worst
    assert worst == (model.worst if model.inserts == 2 else RIGHT)


def test_looks_that_overtake_each_other_are_late_on_three_levels_only():
    (model,) = (one for one in mutants() if one.inserts == 3)
    found = Checker(model.protocol, [(0,), (0,), (2,)]).count()
    assert found[TOO_LATE] > 0
    assert found[LOST] == 0
    two_levels = exhaustive.examine(ProtocolModel("", tree(insert_looks_down), RIGHT))
    assert two_levels.worst == RIGHT


@pytest.mark.parametrize("frames", [(0, 0, 0), (0, 1, 3), (1, 2, 5), (0, 4, 4)])
def test_three_inserters_on_three_levels_pass(frames):
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


def test_a_witness_fails_step_by_step():
    model: ProtocolModel = mutants()[0]
    moves = Checker(model.protocol, [(0,), (1,)]).witness(LOST)
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


# --- what is recorded ---------------------------------------------------------------------------


@threads_only
@pytest.mark.parametrize("done", [0, 1])
def test_ctrl_c_keeps_what_was_measured(done, tmp_path, monkeypatch, capsys):
    def interrupted(steps):
        for _, action in steps[:done]:
            action()
        raise KeyboardInterrupt

    monkeypatch.setattr(cli_lockless, "run_all", interrupted)
    arguments = ["lockless", "--rounds", "2", "--structures", "bitmap", "--out", str(tmp_path)]
    assert cli.main(arguments) == 130
    assert capsys.readouterr().err.endswith("interrupted; what was measured is kept\n")
    names = {path.name for path in tmp_path.iterdir()}
    assert names == ({"samples.csv", "machine.json"} if done else set())
    if done:
        assert set(pd.read_csv(tmp_path / "samples.csv")["structure"]) >= {"bitmap"}


def test_the_recorded_soak_had_a_billion_inserts_and_lost_none():
    soaked = summary.recorded()["soak"]
    assert soaked["total"]["inserts"] >= 10**9
    assert soaked["total"]["lost"] == soaked["total"]["ghosts"] == 0
    assert all(soaked["structures"][name]["late"] == 0 for name in LOCKLESS)
    lost = {name: one["lost"] for name, one in soaked["weakened"].items()}
    for name, mutant in MUTANTS.items():
        assert lost[name] > 0 or mutant.expected_failure == TOO_LATE, name


def test_the_recorded_findings_are_what_the_checker_finds():
    recorded = {one["name"]: one for one in summary.recorded()["checker"]}
    assert set(recorded) == {one.name for _, one in exhaustive.protocol_models()}
    for _, model in exhaustive.protocol_models():
        assert recorded[model.name]["worst"] == model.worst
    again = finding("tree, 2 levels")
    assert recorded["tree, 2 levels"] == {**again._asdict(), "worst": again.worst}


def test_two_vcpus_far_apart_insert_nearly_twice_as_fast_as_one():
    recorded = summary.recorded()
    for name in ("bitmap", "tree8", "tree64"):
        assert recorded["vcpus"][name]["apart"]["2"]["times_one"][0] >= 1.7, name


def test_the_summary_is_made_from_the_samples_beside_it():
    folder = data_file("measured/lockless")
    made = summary.summarise(
        store.read_csv(folder / store.SAMPLES),
        json.loads((folder / "machine.json").read_text()),
        store.soak_summary(store.read_csv(folder / store.SOAK)),
        store.read_csv(folder / store.CHECKER),
    )
    assert json.loads(json.dumps(made)) == summary.recorded()


@pytest.fixture(scope="module")
def few_rounds():
    """A summary of the first 5 rounds."""
    folder = data_file("measured/lockless")
    records = store.read_csv(folder / store.SAMPLES)
    first = [one for one in records if one["repeat"] < 5]
    made = summary.summarise(first, summary.recorded()["machine"], {}, [])
    return json.loads(json.dumps(made))


def test_five_rounds_have_no_interval_and_say_so(few_rounds):
    at, low, high = few_rounds["harvest"]["bitmap"]["0"]["writer"]
    assert (low, high) == (None, None)
    assert summary.shown([at, low, high]) == f"{at:.2f} (no interval)"
    cells = report.markdown_apart(few_rounds).splitlines()[2].split("|")
    assert [cell.partition("(")[2] for cell in cells[2:-1]] == ["no interval) "] * 4


def test_figures_of_five_rounds_have_points_without_intervals(few_rounds):
    for make in (figures.vcpus_picture, figures.harvest_picture):
        few, many = make(few_rounds).figure, make(summary.recorded()).figure
        lines = [sum(len(ax.lines) for ax in figure.axes) for figure in (few, many)]
        assert lines[0] < 0.6 * lines[1]
        (small_print,) = (text.get_text() for text in few.texts if "ounds" in text.get_text())
        assert "edians of 5 rounds, no intervals of fewer than 6" in small_print.replace("\n", " ")


def test_the_views_table_of_five_rounds_shows_no_nan(few_rounds):
    shown = ViewWidget(VcpuView(VcpuState(vcpus=2), VcpuState(vcpus=2), few_rounds))
    shown._tabulate()
    assert "<td>–</td>" in shown._table.value
    assert not re.search("nan|none", shown._table.value, re.IGNORECASE)
    assert "(no interval)" in shown.view.sentence(shown.view.content())


@threads_only
def test_every_experiment_measures_each_structure():
    rng = np.random.default_rng(0)
    one = lockless_record.vcpus_records(1, rng, structures=["bitmap"], vcpus=[1, 2], inserts=4000)
    assert {(row["placement"], row["vcpus"]) for row in one} == set(
        itertools.product(lockless_record.PLACEMENTS, (1, 2))
    )
    assert all(row["inserts"] == 4000 and row["insert_ns"] > 0 for row in one)
    two = lockless_record.harvest_records(1, rng, structures=["bitmap", "ring"], inserts=50_000)
    assert [row["form"] for row in two] == ["together", "in turns"] * 4
    assert all(row["harvests"] > 0 and row["insert_ns"] > 0 for row in two)


@pytest.mark.parametrize("placement", lockless_record.PLACEMENTS)
def test_frames_lie_where_they_are_said_to(placement):
    unit = {"same word": 64, "same line": 512, "same node": 4096}.get(placement)
    each = [set((lockless_record.frames_for(placement, vcpu)).tolist()) for vcpu in range(8)]
    assert all(not one & other for one, other in itertools.combinations(each, 2))
    blocks = {frame // unit for frames in each for frame in frames} if unit else {0}
    assert len(blocks) == 1
    if unit is None:
        assert min(each[1]) - max(each[0]) > 10**5


# --- figures and the view -----------------------------------------------------------------------


def test_the_slider_shows_each_number_of_vcpus():
    view = VcpuView(VcpuState(vcpus=2), VcpuState(vcpus=2))
    steps = view.controls()[0].steps
    assert steps == (1, 2, 3, 4, 8)
    seen = set()
    for vcpus in steps:
        view.change("vcpus", vcpus)
        drawn = view.draw()
        seen.add(drawn.png)
        assert str(vcpus) in drawn.alt or vcpus == 1
        assert len(view.table()) == 8 * 4
    assert len(seen) == len(steps)
    assert view.line == "dirtylab.explore.vcpus(vcpus=8)"
    with pytest.raises(ValueError, match="vcpus=5: must be one of 1, 2, 3, 4, 8"):
        VcpuView(VcpuState(vcpus=5), VcpuState(vcpus=2))


@pytest.mark.parametrize(
    "make",
    [figures.atomic_picture, figures.vcpus_picture, figures.scaling_picture,
     figures.harvest_picture],
)  # fmt: skip
def test_figures_say_in_words_what_they_show(make):
    picture = make(summary.recorded())
    assert len(picture.alt) > 60
    assert "bitmap" in picture.alt


def test_a_failure_is_drawn_step_by_step():
    picture = figures.failure_picture("parent after child")
    assert "exchange leaf" in picture.alt
    with pytest.raises(ValueError, match="has no such schedule"):
        figures.failure_picture("bitmap", "lost")
    with pytest.raises(ValueError, match="name='theft': must be one of"):
        figures.failure_picture("theft")


@pytest.mark.parametrize("make", [report.markdown_findings, report.markdown_soak,
                                  report.markdown_caught, report.markdown_gain,
                                  report.markdown_apart])  # fmt: skip
def test_tables_are_whole(make):
    lines = make(summary.recorded()).splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert len(lines) > 4


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


@slow
@threads_only
def test_the_mutants_lose_pages_under_threads_too():
    for name, mutant in MUTANTS.items():
        if mutant.expected_failure == LOST:
            tallies = soak.run_until_failure(
                name, mutant.make, mutant.expected_failure, seconds=60, pages=2**16
            )
            assert tallies[-1].lost > 0, name


@pytest.mark.parametrize("pattern", soak.PATTERNS)
@pytest.mark.parametrize("vcpus", [1, 2, 3, 8])
def test_each_vcpu_inserts_each_of_its_frames_once_a_lap(pattern, vcpus):
    job = soak.job_for(256, vcpus, pattern, 1)
    for vcpu in range(vcpus):
        frames = [int(soak.frame_of(job, vcpu, i)) for i in range(int(job.plan[0]))]
        assert len(set(frames)) == len(frames)
        assert max(frames) < 256
    assert set(frames) == set(range(256)) or pattern in ("word", "apart", "sparse")


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
