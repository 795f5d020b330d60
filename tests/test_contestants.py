"""Native trackers beside the package's structures: by their path, timed only when sound."""

import concurrent.futures
import copy
import dataclasses
import gc
import json
import pathlib
import pickle
import queue
import re
import threading
import time

import numpy as np
import pytest
from numba import config
from slow import slow

from dirtylab import STRUCTURES, cli, explore, native, sweep
from dirtylab.explore.process.cell_job import CellJob
from dirtylab.explore.process.worker_client import Worker
from dirtylab.explore.views import natives
from dirtylab.lockless import dispatch
from dirtylab.lockless import native as shared
from dirtylab.measure import additions, apart
from dirtylab.measure.cell import Cell
from dirtylab.measure.driver import COMPILED, Driver
from dirtylab.measure.locks import alone_on_machine
from dirtylab.native import compiler, contestants, paths
from dirtylab.native.errors import TrackerError, UnsoundError
from dirtylab.structures import tuned
from dirtylab.studies.crossovers import record as crossovers_record
from dirtylab.studies.live import replay
from dirtylab.studies.lockless import record as lockless_record
from dirtylab.studies.peers import record as peers
from dirtylab.studies.peers import report as peers_report
from dirtylab.verify import soak

EXAMPLES = pathlib.Path(native.__file__).parent / "examples"
BITMAP = (EXAMPLES / "bitmap.c").read_text()
TAKE = "out[found++] = 64 * w + (uint64_t)__builtin_ctzll(self->word[w]);"
SMALL = {"dirty": [50], "repeats": 2}
MADE = "uint64_t words = ("
CRASH = "*(volatile int *)16 = 1; "


def has_compiler(suffix):
    try:
        compiler.find_compiler(compiler.LANGUAGES[suffix], pathlib.Path(f"x{suffix}"))
    except TrackerError:
        return False
    return True


pytestmark = pytest.mark.skipif(not has_compiler(".c"), reason="no C compiler found")


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch, tmp_path):
    before = dict(STRUCTURES)
    monkeypatch.chdir(tmp_path)
    yield
    STRUCTURES.clear()
    STRUCTURES.update(before)


def source(path, *changes, text=BITMAP, name=None):
    """Write a tracker with texts replaced; return its path as a user writes it."""
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    pathlib.Path(path).write_text(text.replace("c-bitmap", name or "c-bitmap"))
    return f"./{path}"


def crashing(path, pages, where=TAKE):
    """Write a tracker that is sound but at one size."""
    words = -(-pages // 64)
    return source(path, (where, f"if (self->words == {words}) {CRASH}{where}"))


# --- from Python ----------------------------------------------------------------------------------


@pytest.mark.parametrize("example", sorted(EXAMPLES.iterdir()), ids=lambda path: path.suffix)
def test_an_example_is_a_structure_that_the_compiled_loop_drives(example):
    if not has_compiler(example.suffix):
        pytest.skip(f"no compiler for {example.suffix}")
    ((name, kind),) = native.load(example).items()
    structure = kind(1000)
    assert (structure.name, kind.sorted_output, kind.unique_output) == (name, True, True)
    driver = Driver(structure, 100)
    assert driver.through == COMPILED
    frames = np.array([7, 3, 999, 7], np.uint64)
    for operation in ("collect", "harvest"):
        assert driver.taken(frames, operation, COMPILED).tolist() == [3, 7, 999]
    assert len(structure) == 0
    spent = driver.spend(dict.fromkeys(("insert", "harvest", "clear", "epoch"), frames[None]))
    assert all(ns > 0 for ns in spent.values())
    assert len(structure) == 0
    assert not kind.collects


def test_an_epoch_with_less_room_than_frames_loses_none():
    structure = native.load(EXAMPLES / "bitmap.c")["c-bitmap"](500)
    driver = Driver(structure, 3)
    frames = np.arange(10, dtype=np.uint64)
    assert driver.taken(frames, "harvest", COMPILED).tolist() == [0, 1, 2]
    assert structure.collect().tolist() == list(range(3, 10))
    assert structure.nbytes == 72


def test_copies_and_pickles_have_memory_of_their_own():
    one = native.load(EXAMPLES / "bitmap.c")["c-bitmap"](500)
    one.insert([4, 5])
    others = [copy.copy(one), copy.deepcopy(one), pickle.loads(pickle.dumps(one))]
    one.insert([6])
    assert one.harvest().tolist() == [4, 5, 6]
    assert [other.collect().tolist() for other in others] == [[4, 5]] * 3


def test_what_an_interrupted_harvest_had_taken_is_in_again(monkeypatch):
    one = native.load(EXAMPLES / "bitmap.c")["c-bitmap"](500)
    for room in (2, 400):  # all pulled before, and in one pass
        one.insert([4, 5])
        take = type(one)._take

        def interrupted(self, out, take=take):
            take(self, out)
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(type(one), "_take", interrupted)
            with pytest.raises(KeyboardInterrupt):
                one.harvest(np.zeros(room, np.uint64))
        one.check()
        assert one.harvest().tolist() == [4, 5]


def test_a_create_that_returns_null_is_one_line():
    path = source("mine.c", (MADE, f"if (pages == 777) return 0;\n    {MADE}"))
    with pytest.raises(MemoryError, match=r"pages=777: c-bitmap: create\(777\) returned NULL"):
        native.load(path)["c-bitmap"](777)


def test_only_some_texts_are_paths():
    wanted = {
        "./mine.c": ("./mine.c", ""), "mine.cc": ("mine.cc", ""), "lib.so:one": ("lib.so", "one"),
        "/a:b/lib.so:one": ("/a:b/lib.so", "one"), "mine.rs": ("mine.rs", ""),
    }  # fmt: skip
    assert {text: paths.split(text) for text in wanted} == wanted
    assert all(paths.is_path(text) for text in wanted)
    for text in ("tree64", "tree:radix=64", "posted-list", "c-bitmap", "list:output=arrival"):
        assert not paths.is_path(text)


OTHER = """\
static const struct dirtylab_tracker other = {
    DIRTYLAB_ABI, sizeof other, DIRTYLAB_SORTED | DIRTYLAB_UNIQUE, 0, "c-other",
    create, free, insert, harvest, clear, bytes, NULL, NULL, NULL };
"""
TABLE = "static const struct dirtylab_tracker table"
TWO = BITMAP.replace(TABLE, OTHER + TABLE).replace("{&table, NULL}", "{&table, &other, NULL}")


def test_one_of_several_trackers_is_named():
    path = source("two.c", text=TWO)
    assert set(native.load(path)) == {"c-bitmap", "c-other"}
    with pytest.raises(TrackerError, match=r"two\.c: has 2 trackers, c-bitmap, c-other: give one"):
        contestants.entered(path)
    assert contestants.entered(f"{path}:c-other") == "c-other"
    assert list(native.load(f"{path}:c-other")) == ["c-other"]
    with pytest.raises(TrackerError, match="has no tracker 'third'; it has c-bitmap, c-other"):
        native.load(f"{path}:third")


def test_a_name_belongs_to_one_file():
    first, second = source("one.c"), source("two.c", ("1ull <<", "(uint64_t)1 <<"))
    assert contestants.entered(first) == "c-bitmap"
    with pytest.raises(TrackerError, match=r"two\.c: its tracker is called 'c-bitmap', as is the"):
        contestants.entered(second)
    with pytest.raises(TrackerError, match="'bitmap', as is a structure of dirtylab"):
        contestants.entered(source("three.c", name="bitmap"))
    before = STRUCTURES["c-bitmap"]
    source("one.c", ("1ull <<", "(uint64_t)1 <<"))
    assert contestants.entered(first) == "c-bitmap"
    assert STRUCTURES["c-bitmap"] is not before, "the same file, changed, is read again"


# --- soundness ------------------------------------------------------------------------------------


def test_nothing_is_timed_of_a_tracker_that_fails_its_check(monkeypatch):
    path = source("mine.c", (TAKE, "if (w + 1 < self->words || self->words < 2) " + TAKE))
    monkeypatch.setattr("dirtylab.measure.sweep.measure", lambda *_: pytest.fail("measured"))
    with pytest.raises(UnsoundError, match=r"c-bitmap fails the check, .*no frame lost: .* lost"):
        sweep(structures=["bitmap", path], pages=[1000], **SMALL)
    assert "c-bitmap" not in STRUCTURES


def test_a_failed_check_is_one_line_and_exit_status_1(capsys):
    path = source("mine.c", ("64 * w +", "64 * (self->words - 1 - w) +"))
    words = ["sweep", "--structures", "bitmap", path, "--pages", "1000", "--dirty", "50"]
    assert cli.main(words) == 1
    checking, line, *rest = capsys.readouterr().err.splitlines()
    assert "checking c-bitmap (./mine.c)" in checking
    assert "fails the check, nothing of it is timed" in line
    assert "(dirtylab tracker check ./mine.c shows all)" in line
    assert rest == []
    assert not pathlib.Path("sweep").exists()


def test_a_tracker_is_checked_once(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    compiler.cache_folder.cache_clear()
    path = source("mine.c")
    for told in (1, 0):
        native.load(path)
        assert capsys.readouterr().err.count("checking c-bitmap (./mine.c)") == told
    source("mine.c", ("(pages + 63) / 64", "(pages + 127) / 64"))
    native.load(path)
    assert "checking c-bitmap" in capsys.readouterr().err
    compiler.cache_folder.cache_clear()


# --- sweeps ---------------------------------------------------------------------------------------


def test_a_sweep_takes_a_path_and_goes_on_where_it_stopped():
    path = source("mine.c")
    given = {"structures": ["bitmap", path], "pages": [1000, 4000], **SMALL}
    table = sweep(**given, out="out")
    assert set(table["structure"]) == {"bitmap", "c-bitmap"}
    assert set(table["operation"]) == {"insert", "harvest", "epoch"}
    assert set(table["through"]) == {COMPILED}
    assert table.attrs["trackers"] == {"c-bitmap": str(pathlib.Path("mine.c").absolute())}
    assert sorted(table[table["structure"] == "c-bitmap"]["bytes"].unique()) == [136, 512]
    pd_again = sweep(**given, out="out")
    assert pd_again["ns"].tolist() == table["ns"].tolist()


def test_a_changed_tracker_does_not_go_on_in_an_old_sweep():
    path = source("mine.c")
    given = {"structures": ["bitmap", path], "pages": [1000], **SMALL, "out": "out"}
    sweep(**given)
    source("mine.c", ("1ull <<", "(uint64_t)1 <<"))
    with pytest.raises(ValueError, match=r"holds another sweep .*trackers"):
        sweep(**given)
    header = json.loads(pathlib.Path("out/sweep.json").read_text())
    assert set(header["grid"]["trackers"]) == {"c-bitmap"}


def test_no_collect_is_timed_of_what_can_harvest_only():
    path = source("mine.c")
    with pytest.raises(ValueError, match=r"collect.*: c-bitmap can harvest only"):
        sweep(structures=["bitmap", path], operations=["collect"], pages=[1000], **SMALL)


def test_a_crash_while_timed_keeps_what_was_measured(capsys):
    path = crashing("mine.c", 50_000)
    words = ["sweep", "--structures", "bitmap", path, "--dirty", "50", "--repeats", "2", "--out",
             "out", "--pages", "1000", "50000", "4000"]  # fmt: skip
    assert cli.main(words) == 1
    told = capsys.readouterr().err
    assert "c-bitmap: the process that measured ended by SIGSEGV" in told
    assert "cells finished before are in out" in told
    rows = pathlib.Path("out/samples.csv").read_text().splitlines()
    assert len(rows) == 1 + 2 * 3 * 3
    assert all(",1000,50," in row for row in rows[1:])


def test_a_size_at_which_it_can_not_be_made_is_left_out(capsys):
    path = source(
        "mine.c",
        (MADE, f"if (pages == 5000) return 0;\n    {MADE}"),
        ("if (self) self", f"if (pages == 6000) {CRASH}\n    if (self) self"),
    )
    words = ["sweep", "--structures", "bitmap", path, "--dirty", "50", "--repeats", "2", "--pages",
             "1000", "5000", "6000"]  # fmt: skip
    assert cli.main(words) == 0
    told = capsys.readouterr().err
    assert "skipped: random, 50 of 5,000 pages: pages=5000: c-bitmap: create(5000)" in told
    assert "skipped: random, 50 of 6,000 pages: c-bitmap: the process that" in told


def test_a_tracker_that_hangs_while_timed_is_ended(monkeypatch):
    monkeypatch.setattr(apart, "SILENCE_S", 3.0)
    path = source("mine.c", (TAKE, f'while (self->words == 782) __asm__ volatile(""); {TAKE}'))
    # Compiles the loop before, which may take longer than the limit.
    sweep(structures=["bitmap"], pages=[1000], **SMALL)
    with pytest.raises(apart.ApartError, match="c-bitmap: hangs: silent for 3 s"):
        sweep(structures=["bitmap", path], pages=[50_000], **SMALL)


@slow
def test_a_wait_for_another_measurement_is_no_silence(monkeypatch):
    path = source("mine.c")
    sweep(structures=["bitmap", path], pages=[1000], **SMALL)  # checked and compiled
    monkeypatch.setattr(apart, "SILENCE_S", 3.0)
    held = threading.Event()

    def measure_for_long():
        with alone_on_machine():
            held.set()
            time.sleep(6)

    other = threading.Thread(target=measure_for_long)
    other.start()
    held.wait()
    table = sweep(structures=["bitmap", path], pages=[1000], **SMALL)
    other.join()
    assert set(table["structure"]) == {"bitmap", "c-bitmap"}


# --- other processes ------------------------------------------------------------------------------


def test_a_tracker_is_measured_by_an_executor_of_another_process():
    path = source("mine.c")
    with concurrent.futures.ProcessPoolExecutor(1) as executor:
        given = {"structures": ["bitmap", path], "pages": [1000], **SMALL}
        table = sweep(**given, executor=executor)
    assert set(table["structure"]) == {"bitmap", "c-bitmap"}


def test_another_machine_must_have_the_same_tracker():
    path = source("mine.c")
    contestants.entered(path)
    sent = additions.packed([], ["c-bitmap", "bitmap"])
    del STRUCTURES["c-bitmap"]
    additions.register(sent)
    assert STRUCTURES["c-bitmap"](10).nbytes == 16
    del STRUCTURES["c-bitmap"]
    source("mine.c", ("1ull <<", "(uint64_t)1 <<"))
    with pytest.raises(TrackerError, match=r"mine\.c: c-bitmap is another one here"):
        additions.register(sent)
    pathlib.Path("mine.c").unlink()
    with pytest.raises(TrackerError, match=r"mine\.c: c-bitmap is not on this machine"):
        additions.register(sent)


# --- studies, threads, views, advice --------------------------------------------------------------


def test_a_comparison_keeps_what_it_measured_before_a_crash(monkeypatch, capsys):
    path = source("mine.c", ("for (uint64_t i", f"if (n == 7777) {CRASH}\n    for (uint64_t i"))
    cells = [peers.ComparisonCell(one, "random", n) for one, n in
             (("collect", 100), ("insert", 100), ("epoch", 100), ("epoch", 7777))]  # fmt: skip
    monkeypatch.setattr(peers, "cells", lambda patterns: cells)
    words = ["compare", "--structures", "bitmap", path, "--repeats", "1", "--out", "out"]
    assert cli.main(words) == 1
    told = capsys.readouterr()
    assert "c-bitmap: the process that measured ended by SIGSEGV; the cells" in told.err
    assert "c-bitmap µs" in told.out
    assert "best of ours" in told.out
    rows = [row.split(",") for row in pathlib.Path("out/samples.csv").read_text().splitlines()]
    found = {(row[0], row[4]) for row in rows[1:]}
    assert {("insert", "c-bitmap"), ("epoch", "c-bitmap"), ("collect", "bitmap")} <= found
    assert ("collect", "c-bitmap") not in found
    assert ("epoch", "tree64") not in found
    loaded, _ = peers_report.load(pathlib.Path("out"))
    assert set(peers_report.epochs(loaded)[peers_report.OURS]) == {"bitmap"}


@slow
def test_crossovers_of_chosen_structures(monkeypatch, capsys):
    monkeypatch.setattr(crossovers_record, "PER_DECADE", 2)
    monkeypatch.setattr(crossovers_record, "REFINE_S", 2.0)
    monkeypatch.setattr(crossovers_record, "ROUNDS", {"find": 3, "try": 2})
    monkeypatch.setattr(crossovers_record, "MAP_PAGES", 10_000)
    monkeypatch.setattr(crossovers_record, "MAP_LENGTHS", (1, 16))
    monkeypatch.setattr(crossovers_record, "MAP_DENSITIES", (0.01, 0.1))
    words = ["crossovers", "--pages", "10000", "--datasets", "random", "--structures"]
    assert cli.main([*words, "bitmap", "tree64", source("mine.c")]) == 0
    told = capsys.readouterr().out
    for pair in ("`bitmap`, `tree64`", "`bitmap`, `c-bitmap`", "`tree64`, `c-bitmap`"):
        assert pair in told
    study = crossovers_record.load("crossovers")
    assert study.tuned == ("bitmap", "tree64", "c-bitmap")
    assert set(study.rounds["operation"]) == {"insert", "harvest", "epoch"}
    assert cli.main([*words, "mine.c"]) == 2
    assert "must be two or more" in capsys.readouterr().err


@slow
def test_recordings_are_replayed_on_it_in_a_process_of_its_own():
    assert contestants.entered(source("mine.c")) == "c-bitmap"
    records = []
    with apart.measuring([], ["c-bitmap"]) as call:
        ((_, action),) = replay.replays(records, names=["btree"], rounds=2, call=call)
        action()
    own = [row for row in records if row["structure"] == "c-bitmap"]
    assert [row["operation"] for row in own] == ["insert", "harvest"] * 2
    assert {row["through"] for row in own} == {COMPILED}
    assert "c-bitmap" not in tuned(), "it is measured where it is named"


SHARED = (
    ("self->word[frames[i] / 64] |= 1ull << frames[i] % 64;",
     "__atomic_fetch_or(&self->word[frames[i] / 64], 1ull << frames[i] % 64, __ATOMIC_RELEASE);"),
    ("for (; self->word[w]; self->word[w] &= self->word[w] - 1) {",
     "for (uint64_t bits = __atomic_exchange_n(&self->word[w], 0, __ATOMIC_ACQUIRE); bits;"
     " bits &= bits - 1) {"),
    ("if (found == room) return found;",
     "if (found == room) { __atomic_fetch_or(&self->word[w], bits, __ATOMIC_RELEASE);"
     " return found; }"),
    ("__builtin_ctzll(self->word[w])", "__builtin_ctzll(bits)"),
    ("DIRTYLAB_UNIQUE,", "DIRTYLAB_UNIQUE | DIRTYLAB_CONCURRENT,"),
)  # fmt: skip
threads_only = pytest.mark.skipif(bool(config.DISABLE_JIT), reason="nothing is atomic interpreted")


@slow
@threads_only
def test_a_soak_and_costs_of_what_threads_may_share():
    path = source("shared.c", *SHARED, name="c-shared")
    assert shared.chosen(["bitmap", path]) == ("bitmap", "c-shared")
    with apart.measuring([], ["c-shared"]) as call:
        for pattern in soak.PATTERNS:
            tally = call(soak.run_cell, soak.SoakCell("c-shared", pattern, 3, 2), 2**12)
            assert (tally.lost, tally.late, tally.ghosts) == (0, 0, 0)
            assert tally.harvests >= 1
    rng = np.random.default_rng(0)
    given = {"structures": ["bitmap", "c-shared"]}
    rows = lockless_record.vcpus_records(1, rng, **given, vcpus=[1, 2], inserts=4000)
    rows += lockless_record.harvest_records(1, rng, **given, inserts=50_000)
    own = [row for row in rows if row["structure"] == "c-shared"]
    assert 2 * len(own) == len(rows)
    assert all(row["inserts"] > 0 and row["insert_ns"] > 0 for row in own)
    assert {row["structure"] for row in lockless_record.atomic_records(1, rng, 512, **given)} == {
        "bitmap"
    }


@threads_only
def test_a_soak_catches_what_loses_inserts(monkeypatch):
    monkeypatch.setattr(contestants, "require_sound", lambda *_: None)
    changes = (SHARED[4], ("self->word[frames[i] / 64] |= 1ull << frames[i] % 64;",
               "{ uint64_t old = self->word[frames[i] / 64];"
               ' for (int k = 0; k < 50; k++) __asm__ volatile("");'
               " self->word[frames[i] / 64] = old | 1ull << frames[i] % 64; }"))  # fmt: skip
    path = source("racy.c", *changes, name="c-racy")
    assert shared.chosen([path]) == ("c-racy",)
    make = soak.makers()["c-racy"]
    tallies = soak.run_until_failure("c-racy", make, "lost", seconds=20, pages=2**12)
    assert tallies[-1].lost > 0


def test_threads_may_not_share_what_does_not_say_so(capsys):
    path = source("mine.c")
    for command in ("soak", "lockless"):
        assert cli.main([command, "--structures", "bitmap", path]) == 1
        *_, line = capsys.readouterr().err.splitlines()
        assert "mine.c: c-bitmap lacks the flag DIRTYLAB_CONCURRENT: threads can't share" in line
    assert not pathlib.Path("lockless").exists()


def test_a_tracker_under_threads_is_a_lockless_structure():
    contestants.entered(source("shared.c", *SHARED, name="c-shared"))
    one = shared.maker_of("c-shared")(1000, vcpus=2)
    one.insert([7, 3], vcpu=0)
    one.insert([999], vcpu=1)
    assert one.harvest().tolist() == [3, 7, 999]
    assert one.harvest().size == 0
    state = one.state
    del one
    gc.collect()
    assert dispatch.insert_frames(state, 1, np.array([5], np.uint64)) == 1
    out = np.zeros(10, np.uint64)
    assert dispatch.harvest_frames(state, out) == 1, "the addresses keep their tracker"
    assert out[0] == 5


def test_the_crossovers_view_takes_a_path_and_measures_it():
    shown = explore.crossovers(structures=("bitmap", source("mine.c")), operation="epoch")
    assert shown.view.state.structures == ("bitmap", "c-bitmap")
    where = pathlib.Path("mine.c").absolute()
    assert f'structures=("bitmap", "{where}:c-bitmap")' in shown.view.line
    content = shown.view.content()
    assert len({look.color for look in content.looks.values()}) == 2
    assert "c-bitmap" not in content.curves.ns, "no law, so no curve"
    cells = (Cell("random", (), 4000, 50),)
    job = CellJob((("bitmap", {}), ("c-bitmap", {})), "epoch", cells, rounds=3).checked()
    worker, heard = Worker(), queue.SimpleQueue()
    try:
        worker.measure(job, heard.put)
        events = [heard.get(timeout=120)]
        while not events[-1].last:
            events.append(heard.get(timeout=120))
    finally:
        worker.close()
    assert events[-1].kind == "done", events[-1]
    rows = [name for event in events for name, _ in event.rows]
    assert sorted(set(rows)) == ["bitmap", "c-bitmap"]
    with pytest.raises(ValueError, match=r"collect.*: c-bitmap can harvest only"):
        dataclasses.replace(job, operation="collect").checked()


@pytest.mark.parametrize("function", [explore.decide, explore.crossovers])
def test_a_built_peer_is_a_choice_of_the_views(monkeypatch, function):
    library = compiler.library_of(pathlib.Path(source("built.c")).absolute())
    monkeypatch.setattr(natives, "_built", lambda: (("built", library),))
    monkeypatch.setattr("dirtylab.native.peers.build.library", lambda name: library)
    field = "trackers" if function is explore.decide else "structures"
    shown = function(operation="epoch") if field == "structures" else function()
    shown.panel.widgets[f"{field} peer:built"].value = True
    assert "c-bitmap" in getattr(shown.view.state, field)
    assert '"peer:built"' in shown.view.line
    assert f"{field} c-bitmap" in shown.panel.widgets
    assert f"{field} peer:built" not in shown.panel.widgets
    shown.panel.widgets[f"{field} c-bitmap"].value = False
    assert "c-bitmap" not in getattr(shown.view.state, field)


def test_advice_measures_a_tracker_beside_the_pick(capsys):
    path = source("mine.c")
    assert cli.main(["advise", "--pages", "4000", "--dirty", "50", "--trackers", path]) == 0
    told = capsys.readouterr().out
    assert re.search(r"note: measured now, 9 epochs in turns: .*c-bitmap [\d.]+ .s", told)
    assert "c-bitmap: no law, so no prediction elsewhere" in told


# --- bad input ------------------------------------------------------------------------------------


BAD = {
    "none.c": (None, "none.c: no such file"),
    "empty.so": ("nothing", "can't be loaded"),
    "abi.c": (BITMAP.replace("DIRTYLAB_ABI, size", "7, size"), "abi=7: must be 1"),
    "mute.c": (BITMAP.replace("dirtylab_trackers(void) {", "other(void) {"), "exports no"),
    "./mine.txt": ("x", "must end in"),
}


@pytest.mark.parametrize("path", BAD)
def test_what_is_no_tracker_is_one_line(path, capsys):
    text, words = BAD[path]
    if text is not None:
        pathlib.Path(path).write_text(text)
    assert cli.main(["sweep", "--structures", "bitmap", path]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line


def test_what_does_not_compile_is_told_as_the_compiler_tells_it(capsys):
    pathlib.Path("mine.c").write_text("int f(void) { return nonsense; }\n")
    assert cli.main(["sweep", "--structures", "bitmap", "mine.c"]) == 1
    told = capsys.readouterr().err
    assert "mine.c: " in told
    assert "nonsense" in told
    assert "\\n" not in told


def test_no_compiler_is_one_line(monkeypatch, capsys):
    source("mine.c")
    monkeypatch.setenv("CC", "no-such-compiler-here")
    assert cli.main(["sweep", "--structures", "bitmap", "mine.c"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "no compiler found" in line


def test_a_tracker_given_twice_is_refused(capsys):
    source("mine.c")
    assert cli.main(["sweep", "--structures", "mine.c", "./mine.c"]) == 2
    assert "names one twice" in capsys.readouterr().err
