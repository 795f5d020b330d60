"""Sweeps: what they go over, what they keep, and that nothing is lost or doubled."""

import contextlib
import csv
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from slow import slow
from sweeping import A_ROUND, MACHINE, SMALL, pretend, rounds_of

from dirtylab import STRUCTURES, cli
from dirtylab._caches import GUEST_RAN, WARM
from dirtylab._units import parse_amounts
from dirtylab.measure import caches, machine
from dirtylab.measure import cell as cells
from dirtylab.measure import sweep as sweeping
from dirtylab.measure.cell import BenchmarkPlan, Candidate, Cell, CellBenchmark
from dirtylab.measure.driver import OPERATIONS
from dirtylab.measure.files import OutputError
from dirtylab.measure.growth import give_back
from dirtylab.measure.quality import rounds_needed
from dirtylab.measure.sample_store import SampleStoreError
from dirtylab.measure.samples import natural
from dirtylab.measure.sweep import parse_budget, sweep
from dirtylab.structures import Bitmap, PageList


@pytest.fixture
def pretended(monkeypatch):
    """Let sweeps pretend to measure; return the tasks they were given."""
    tasks = []

    def measure(task):
        tasks.append(task)
        return pretend(task)

    monkeypatch.setattr(sweeping, "measure", measure)
    return tasks


# --- what a sweep goes over ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "kind", "message"),
    [
        ({"structures": []}, ValueError, r"structures=\[\]: must name at least one"),
        ({"structures": "list"}, TypeError, "structures='list': must be a list"),
        ({"structures": ["lists"]}, ValueError, "structures='lists': must be one of list, bitmap"),
        ({"structures": ["list", "list"]}, ValueError, "structures=.*names one twice"),
        ({"structures": [("tree",)]}, TypeError, "must be a name, or a name and a dict of options"),
        ({"structures": [5]}, TypeError, "must be a name, or a name and a dict of options"),
        ({"structures": [("tree", {"radix": 7})]}, ValueError, "structures: tree: radix=7"),
        ({"structures": [("list", {"radix": 8})]}, TypeError, "structures: list: .*radix"),
        ({"structures": [("tree", {"radix": [8]})]}, TypeError, r"radix=\[8\]: must be a number"),
        ({"operations": []}, ValueError, r"operations=\[\]: must name at least one"),
        ({"operations": ["sort"]}, ValueError, "operations='sort': must be one of insert, collect"),
        ({"datasets": []}, ValueError, r"datasets=\[\]: must name at least one"),
        ({"datasets": "random"}, TypeError, "datasets='random': must be a list"),
        ({"datasets": ["randem"]}, ValueError, "datasets='randem': must be one of"),
        ({"datasets": [("random", {"lenght": 3})]}, TypeError, "datasets: random: .*lenght"),
        ({"datasets": [("strided", {"stride": 0})]}, ValueError, "no cell that can.*stride=0"),
        ({"datasets": [("trace", {"path": "/no/such"})]}, OSError, "path='/no/such': no such file"),
        ({"pages": []}, ValueError, r"pages=\[\]: must name at least one"),
        ({"pages": 10}, TypeError, "pages=10: must be a list"),
        ({"pages": [0]}, ValueError, "pages=0: must be 1 … "),
        ({"pages": [10.0]}, TypeError, "pages=10.0: must be an integer, not float"),
        ({"pages": [2**53]}, ValueError, "pages=9007199254740992: must be 1 … "),
        ({"pages": [2**50]}, ValueError, r"no cell that can be measured: .*GiB of memory"),
        ({"dirty": []}, ValueError, r"dirty=\[\]: must name at least one"),
        ({"dirty": [0]}, ValueError, "dirty=0: must be 1 or more"),
        ({"dirty": [1.5]}, ValueError, "dirty=1.5: must be a whole number, or a share above 0"),
        ({"dirty": [float("nan")]}, ValueError, "dirty=nan: must be a whole number, or a share"),
        ({"dirty": ["many"]}, ValueError, "dirty='many': must be a number such as 10M"),
        ({"dirty": [5000, 6000]}, ValueError, "no cell that can.*more dirty frames than pages"),
        ({"seed": -1}, ValueError, "seed=-1: must be 0 … "),
        ({"cache": "hot"}, ValueError, "cache='hot': must be one of guest-ran, warm"),
        ({"repeats": 1}, ValueError, "repeats=1: must be 2 … "),
        ({"repeats": 2.0}, TypeError, "repeats=2.0: must be an integer"),
        ({"budget": 0, "repeats": None}, ValueError, "budget=0: must be a time above 0"),
        ({"budget": "5m"}, ValueError, "repeats=3: can't be given together with a budget"),
        ({"executor": 4}, TypeError, "executor=4: must be a concurrent.futures.Executor"),
    ],
)
def test_a_bad_argument_is_named_before_anything_is_done(tmp_path, pretended, wrong, kind, message):
    with pytest.raises(kind, match=message):
        sweep(**{**SMALL, **wrong}, out=tmp_path / "new")
    assert pretended == []
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "budget", [0, -1, "0s", "-5m", "5d", "m", "", "1.2.3s", "nan", "inf", True]
)
def test_a_budget_that_is_no_time_is_refused(budget):
    with pytest.raises(ValueError, match="must be a time above 0, such as 90s, 5m or 1h"):
        parse_budget(budget)


@pytest.mark.parametrize(
    ("budget", "seconds"), [("90s", 90), ("5m", 300), ("1h", 3600), (2.5, 2.5), ("0.5 m", 30)]
)
def test_a_budget_is_a_time(budget, seconds):
    assert parse_budget(budget) == seconds


def test_a_float_is_a_share_of_the_pages_and_cells_are_not_repeated(pretended):
    sweep(structures=["list"], pages=[1000, 1000, 64], dirty=[0.05, 50, 1.0, 1], repeats=2)
    assert [(task.cell.pages, task.cell.dirty) for task in pretended] == [
        (1000, 50), (1000, 1000), (1000, 1), (64, 3), (64, 50), (64, 64), (64, 1),
    ]  # fmt: skip


def test_options_are_columns(pretended):
    table = sweep(
        structures=[("tree", {"radix": np.int64(16)}), "tree8"],
        datasets=[("strided", {"stride": 7, "start": None}), "random"],
        pages=[4096], dirty=[5], repeats=2,
    )  # fmt: skip
    assert set(table["structure_radix"]) == {16, ""}
    assert set(table["dataset_stride"]) == {7, ""}
    assert "dataset_start" not in table


def test_what_cannot_be_measured_is_skipped_and_said(pretended):
    said = []
    table = sweep(
        structures=["posted-tree", "list"], pages=[512, 520, 20], dirty=[10, 515], repeats=2,
        report=said.append,
    )  # fmt: skip
    assert set(zip(table["pages"], table["dirty"], strict=True)) == {(520, 10), (520, 515)}
    assert table.attrs["skipped"] == [line.removeprefix("skipped: ") for line in said]
    assert said[0] == "skipped: random, 10 of 512 pages: posted-tree loses frames at this size"
    assert len(said) == 4
    assert all("multiple of 8" in line for line in said[2:])


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("10M", [10**7]), ("2^20", [2**20]), ("64Ki", [2**16]), ("0.01", [0.01]), ("1", [1]),
        ("1.0", [1.0]), ("1.5k", [1500]), ("1e6", [10**6]), ("7..100", [10, 20, 50, 100]),
        ("1k..5k", [1000, 2000, 5000]),
    ],
)  # fmt: skip
def test_numbers_may_be_written_as_people_write_them(text, numbers):
    found = parse_amounts("dirty", text)
    assert [(type(one), one) for one in found] == [(type(one), one) for one in numbers]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--pages", "-5"], "'-5': must be 1 … 4503599627370496"),
        (["--pages", "many"], "'many': must be a number of pages such as 10M"),
        (["--pages", "10..5"], "'10..5': a range is written 1k..1M, lower end first"),
        (["--pages", "3..4"], "'3..4': has none of 1, 2, 5"),
        (["--dirty", "1.5"], "'1.5': must be a whole number, or a share up to 1"),
        (["--dirty", "0"], "'0': must be 1 … 4503599627370496"),
        (["--structures", "tree:radix"], "options are written name:key=value"),
        (["--structures", "trees"], "structures='trees': must be one of"),
        (["--operations", "sort"], "operations='sort': must be one of"),
        (["--budget", "0"], "argument --budget: '0': must be a time above 0"),
        (["--budget", "5m", "--repeats", "3"], "can't be given together with a budget"),
        (["--repeats", "1"], "argument --repeats: '1': must be 2"),
        (["--out", ""], "must name a folder"),
    ],
)
def test_wrong_arguments_of_the_command_get_one_line_and_status_2(
    monkeypatch, capsys, tmp_path, arguments, message
):
    monkeypatch.chdir(tmp_path)
    try:
        status = cli.main(["sweep", *arguments])
    except SystemExit as stop:
        status = stop.code
    heard = capsys.readouterr()
    assert (status, heard.out) == (2, "")
    assert message in heard.err.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


# --- what it gives -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Return a real sweep's table and folder."""
    out = tmp_path_factory.mktemp("sweep")
    operations = ["epoch", "clear", "harvest", "collect", "insert"]
    return sweep(**{**SMALL, "operations": operations}, out=out), out


def test_a_sweep_has_one_row_a_sample(measured):
    table, _ = measured
    assert list(table)[:5] == ["structure", "operation", "dataset", "pages", "dirty"]
    assert len(table) == 2 * 3 * 3 * 5
    owner = ["structure", "operation", "pages", "dirty", "control", "repeat"]
    assert not table.duplicated(owner).any()
    assert (table["ns"] > 0).all()
    assert (table["reference_ns"] > 0).all()
    assert set(table["machine"]) == set(table.attrs["machines"]) == {sweeping.this_machine()["id"]}
    assert (table["control"] == 0).sum() == 2 * (table["control"] == 1).sum()
    assert set(table.loc[table["control"], "structure"]) == {"list"}


def test_memory_and_operations_are_those_of_the_structure(measured):
    table, _ = measured
    rows = table[(table["dirty"] == 64) & ~table["control"]]
    for name, own in rows.groupby("structure"):
        structure = STRUCTURES[name](4096)
        structure.insert(cells.draw(Cell("random", (), 4096, 64), 2016))
        counted = structure.operations()
        assert set(own["bytes"]) == {structure.nbytes}
        assert set(own["words"]) == {counted.words}
        assert set(own["nodes"]) == {counted.nodes}


def test_a_table_read_back_is_the_table(measured):
    table, out = measured
    again = sweep(**{**SMALL, "operations": list(table["operation"].unique())}, out=out)
    pd.testing.assert_frame_equal(again, table)
    assert again.attrs["machines"] == json.loads(json.dumps(table.attrs["machines"]))


def test_candidates_take_turns_in_changing_order(measured):
    table, _ = measured
    rows = table[(table["operation"] == "harvest")]
    turns = rows["structure"] + rows["control"].astype(str)
    orders = {
        tuple(turns[own.index])
        for _, own in rows.groupby(["pages", "dirty", "repeat"], sort=False)
    }  # fmt: skip
    assert len(orders) > 1


def test_each_round_has_frames_of_its_own_and_all_candidates_the_same(monkeypatch):
    drawn = []
    draw = cells.draw
    monkeypatch.setattr(cells, "draw", lambda cell, seed: drawn.append(seed) or draw(cell, seed))
    candidates = (Candidate("list"), Candidate("bitmap"))
    running = CellBenchmark(
        Cell("random", (), 4096, 50), BenchmarkPlan(candidates, OPERATIONS, 7, "warm")
    )
    for number in range(5):
        running.round(number)
    assert len(drawn) > 5 * 4
    assert len(set(drawn)) == len(drawn)


def test_where_the_guest_ran_other_memory_is_streamed_before_each_step(monkeypatch):
    told = []
    monkeypatch.setattr(cells, "stream", lambda memory: told.append(memory.nbytes))
    candidates = (Candidate("list"), Candidate("bitmap"))
    cell, operations = Cell("random", (), 4096, 50), (*OPERATIONS, "clear")
    running = CellBenchmark(cell, BenchmarkPlan(candidates, operations, 7, GUEST_RAN))
    rows = running.round(0)
    other, frames = cells.other_memory().nbytes, 50 * 8
    copies = [64 * 8, *[frames] * cells.MOST_COPIES] * len(candidates)
    assert told == [other, *copies, other, other, other], "insert, collect, harvest, clear"
    assert {row["cache"] for row in rows} == {GUEST_RAN}
    assert len(rows) == len(candidates) * len(operations)
    assert all(row["ns"] > 0 and row["reference_ns"] > 0 for row in rows)
    ns = {(row["structure"], row["operation"]): row["ns"] for row in rows}
    for one in candidates:
        epoch = ns[one.structure, "insert"] + ns[one.structure, "harvest"]
        assert ns[one.structure, "epoch"] == epoch
    drivers = [driver for several in running._drivers for driver in several]
    assert len({id(driver.structure) for driver in drivers}) == 2 * cells.MOST_COPIES
    assert all(len(driver.structure) == 0 for driver in drivers)


def test_every_take_follows_an_insert_of_its_own(monkeypatch):
    """After a collect a list is sorted: a harvest that followed would be told too quick."""
    done = {}
    for name in ("insert_ns", "harvested", "collect_ns", "clear_ns"):
        plain = getattr(cells.Driver, name)

        def noted(self, *frames, plain=plain, name=name):
            done.setdefault(id(self), []).append(name)
            return plain(self, *frames)

        monkeypatch.setattr(cells.Driver, name, noted)
    candidates = (Candidate("list"), Candidate("bitmap"))
    plan = BenchmarkPlan(candidates, (*OPERATIONS, "clear"), 7, GUEST_RAN)
    running = CellBenchmark(Cell("random", (), 4096, 50), plan)
    done.clear()
    running.round(0)
    assert len(done) == len(candidates) * (1 + cells.MOST_COPIES)
    for calls in done.values():
        for place, name in enumerate(calls):
            if name in ("harvested", "collect_ns"):
                assert calls[place - 1] == "insert_ns", calls


@pytest.mark.parametrize(
    ("pages", "dirty", "copies"), [(10**4, 10, 8), (10**7, 10, 2), (10**8, 9, 1)]
)
def test_a_small_cell_has_several_copies_of_each_structure(pages, dirty, copies):
    plan = BenchmarkPlan((Candidate("list"),), ("insert",), 7, GUEST_RAN)
    running = CellBenchmark(Cell("random", (), pages, dirty), plan)
    assert [len(several) for several in running._drivers] == [copies]


@pytest.mark.parametrize("operations", [("collect",), ("clear",), ("insert",), ("epoch",)])
def test_each_operation_is_timed_alone_too(operations):
    cell = Cell("random", (), 4096, 50)
    running = CellBenchmark(cell, BenchmarkPlan((Candidate("bitmap"),), operations, 7, GUEST_RAN))
    for number in range(2):
        assert [row["operation"] for row in running.round(number)] == [*operations]


def test_warm_caches_are_left_alone(monkeypatch):
    monkeypatch.setattr(cells, "stream", lambda memory: pytest.fail("other memory"))
    cell = Cell("random", (), 4096, 50)
    plan = BenchmarkPlan((Candidate("bitmap"),), ("harvest", "clear"), 7, WARM)
    assert {row["cache"] for row in CellBenchmark(cell, plan).round(0)} == {WARM}


def test_other_memory_is_some_times_the_last_cache_within_bounds(monkeypatch):
    monkeypatch.setattr(caches, "MOST_BYTES", 2**24)
    for last, expected in ((2**10, 2**16), (2**20, 2**22), (2**29, 2**24)):
        monkeypatch.setattr(caches, "last_cache_bytes", lambda size=last: size)
        memory = caches.other_memory.__wrapped__()
        assert memory.nbytes == expected
        assert caches.stream(memory) == memory.size // caches.LINE_WORDS


def test_the_last_cache_is_the_largest(monkeypatch):
    sizes = {"L1d": "48K", "L2": "2048K", "L3": "32M"}
    monkeypatch.setattr(machine, "cache_sizes", lambda: sizes)
    assert machine.last_cache_bytes() == 32 * 2**20
    monkeypatch.setattr(machine, "cache_sizes", lambda: {"L1d": "", "L2": "odd"})
    assert machine.last_cache_bytes(5) == 5


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="growth is not told here")
@pytest.mark.parametrize("size", [2**20, 2**24, 2**27])
def test_growth_is_what_was_touched_even_where_freed_memory_is_taken_again(size):
    # In a process of its own: among thousands of tests one reading of 16 MiB came out as 0.
    script = (
        "import numpy as np\n"
        "from dirtylab.measure.growth import growth_of\n"
        "for _ in range(3):\n"
        f"    made, grown = growth_of(lambda: np.ones({size} // 8, np.uint64))\n"
        "    print(grown)\n"
        "    del made\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    found = [int(line) for line in done.stdout.split()]
    assert found == [pytest.approx(size, rel=0.1, abs=150_000)] * 3, done.stderr


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="growth is not told here")
def test_a_list_grows_with_its_frames_a_bitmap_at_once():
    # In a process of its own, as above: among others the bitmap's growth once came out as 0.
    script = (
        "from dirtylab import sweep\n"
        "table = sweep(structures=['list', 'bitmap'], operations=['harvest'], pages=[16_000_000],\n"
        "              dirty=[1000, 2_000_000], repeats=2)\n"
        "grown = table.groupby(['structure', 'dirty'])['growth'].median()\n"
        "print(grown['bitmap', 2_000_000], grown['list', 1000], grown['list', 2_000_000])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    bitmap, short, long = map(float, done.stdout.split())
    assert bitmap == pytest.approx(2_000_000, rel=0.1)
    assert short < 10**6
    assert long >= 0.9 * 8_000_000


def test_memory_is_given_back_where_the_c_library_can():
    give_back()


# --- nothing counts when a structure lies --------------------------------------------------------


class Forgetful(Bitmap):
    def _insert(self, frames):
        super()._insert(frames[1:])


class WrongHarvest(Bitmap):
    def harvest(self, out=None):
        found = super().harvest(out)
        found[0] = found[-1]  # as many as there should be, but one is another's
        return found


class Unwritten(Bitmap):
    def _collect(self, out):
        return out.size


class Keeping(Bitmap):
    def clear(self):
        pass


class Doubling(PageList):
    def __init__(self, pages):
        super().__init__(pages, output="arrival")
        self.unique_output = True


@pytest.mark.parametrize("liar", [Forgetful, WrongHarvest, Unwritten, Keeping, Doubling])
def test_a_structure_that_lies_is_found_before_anything_counts(monkeypatch, tmp_path, liar):
    monkeypatch.setitem(STRUCTURES, "bitmap", liar)
    dataset = ("random", {"replacement": True})
    with pytest.raises(AssertionError, match=r"bitmap, random replacement=True, 900 of 4,096"):
        sweep(**{**SMALL, "datasets": [dataset], "dirty": [900]}, out=tmp_path)
    assert len((tmp_path / "samples.csv").read_text().splitlines()) == 1


def test_the_command_says_in_one_line_that_a_structure_lies(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(STRUCTURES, "bitmap", Forgetful)
    out = str(tmp_path / "o")
    arguments = ["--structures", "list", "bitmap", "--pages", "4096", "--dirty", "9", "--out", out]
    assert cli.main(["sweep", *arguments]) == 1
    heard = capsys.readouterr().err
    assert "bitmap, random, 9 of 4,096 pages: collect returned other frames than went in" in heard
    assert heard.count("\n") == 1


@pytest.mark.parametrize(
    "small", [("list", {"capacity": 10}), ("ring", {"entries": 16, "when_full": "raise"})]
)
def test_a_structure_without_room_for_the_frames_is_named(small):
    with pytest.raises(ValueError, match=rf"{small[0]}: random, 64 of 4,096 pages: .*(room|full)"):
        sweep(**{**SMALL, "structures": [small], "dirty": [64]})


# --- on disk -------------------------------------------------------------------------------------


def read(out):
    with (out / "samples.csv").open() as file:
        return list(csv.DictReader(file))


def require_whole(out, cells, repeats):
    """Assert that a finished folder has every row once."""
    table = pd.read_csv(out / "samples.csv")
    rounds = rounds_of(table)
    assert set(rounds) == {A_ROUND}
    assert len(rounds) == cells * repeats
    assert not table.duplicated(["structure", "operation", "control", "dirty", "repeat"]).any()
    for _, own in table.groupby("dirty"):
        assert set(own["repeat"]) == set(range(repeats))


def test_the_same_call_goes_on_where_it_stopped(tmp_path, monkeypatch, pretended):
    def stop_at_the_second(task):
        if pretended:
            raise KeyboardInterrupt
        pretended.append(task)
        return pretend(task)

    going_on = sweeping.measure
    monkeypatch.setattr(sweeping, "measure", stop_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        sweep(**SMALL, out=tmp_path)
    before = (tmp_path / "samples.csv").read_text()
    assert {row["dirty"] for row in read(tmp_path)} == {"5"}
    monkeypatch.setattr(sweeping, "measure", going_on)
    table = sweep(**SMALL, out=tmp_path)
    assert [task.cell.dirty for task in pretended] == [5, 64]
    assert (tmp_path / "samples.csv").read_text().startswith(before)
    require_whole(tmp_path, 2, 3)
    assert len(table) == 2 * 3 * A_ROUND
    pd.testing.assert_frame_equal(sweep(**SMALL, out=tmp_path), table)
    assert len(pretended) == 2


def test_more_repeats_and_more_cells_are_added(tmp_path, pretended):
    sweep(**SMALL, out=tmp_path)
    before = read(tmp_path)
    wider = {**SMALL, "dirty": [5, 64, 9], "repeats": 5}
    wider["datasets"] = ["random", ("strided", {"stride": 3})]
    table = sweep(**wider, out=tmp_path)
    assert [(task.first, task.rounds) for task in pretended[2:]] == [(3, 2)] * 2 + [(0, 5)] * 4
    again = sweep(**wider, out=tmp_path)
    assert len(pretended) == 8
    pd.testing.assert_frame_equal(again, table)
    assert len(table) == 6 * 5 * A_ROUND
    after = read(tmp_path)[: len(before)]
    assert [{name: row[name] for name in before[0]} for row in after] == before
    sweep(**SMALL, out=tmp_path)  # the narrower one again: its rows have one column less
    assert len(pretended) == 8
    narrow = sweep(**{**SMALL, "dirty": [7]}, out=tmp_path)
    assert set(narrow.loc[narrow["dirty"] == 7, "dataset_stride"]) == {""}
    assert set(rounds_of(narrow)) == {A_ROUND}


@pytest.mark.parametrize("cut", [1, 2, 7, 30, 60, 101, 400, 1000, 1500])
def test_a_file_that_was_cut_off_keeps_its_good_rows(tmp_path, pretended, cut):
    sweep(**SMALL, out=tmp_path)
    path = tmp_path / "samples.csv"
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    said = []
    sweep(**SMALL, out=tmp_path, report=said.append)
    require_whole(tmp_path, 2, 3)
    kept = set(whole[:-cut].decode().splitlines()[: -A_ROUND - 1])
    assert kept <= set(path.read_text().splitlines())
    assert set(path.read_bytes().splitlines()) == set(whole.splitlines())
    if cut > 1:  # only the end of the last line: nothing is bad
        assert "bad rows are left out" in said[0]
        assert (tmp_path / "samples-before.csv").read_bytes() == whole[:-cut]
    more = sweep(**{**SMALL, "repeats": 4}, out=tmp_path)
    require_whole(tmp_path, 2, 4)
    assert more.attrs["bad_rows"] == []


def edited(row, **changes):
    return {**row, **changes}


EDITS = {
    "no number": (lambda row: edited(row, ns="fast"), "line 4: ns='fast' is no number"),
    "not a number": (lambda row: edited(row, ns="nan"), "line 4: ns='nan' must be above 0"),
    "no time": (lambda row: edited(row, ns="0.0"), "line 4: ns='0.0' must be above 0"),
    "negative": (lambda row: edited(row, bytes="-3"), "line 4: bytes='-3' is negative"),
    "no count": (lambda row: edited(row, repeat="0.5"), "line 4: repeat='0.5' is no whole number"),
    "no truth": (lambda row: edited(row, control="yes"), "line 4: control='yes' must be True or"),
    "seed": (lambda row: edited(row, seed="1"), "line 4: seed=1 is not this sweep's"),
    "machine": (lambda row: edited(row, machine="x"), "line 4: machine='x' is not in sweep.json"),
    "structure": (lambda row: edited(row, structure="heap"), "round 0 of random, 5 of 4,096"),
    "twin": (lambda row: edited(row, control="True"), "round 0 of random, 5 of 4,096 pages"),
    "moved": (lambda row: edited(row, dirty="6"), "round 0 of random, 6 of 4,096 pages: 1 of 6"),
    "removed": (lambda row: None, "round 0 of random, 5 of 4,096 pages: 5 of 6 rows"),
    "quote": (lambda row: edited(row, structure='"list'), "line 4: "),
    "field": (lambda row: edited(row, machine=f"{MACHINE['id']},1"), "line 4: 19 fields, 18"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_a_file_edited_by_hand_keeps_its_good_rows_and_names_the_bad(tmp_path, pretended, edit):
    change, message = EDITS[edit]
    sweep(**SMALL, out=tmp_path)
    path = tmp_path / "samples.csv"
    whole = path.read_text()
    lines = whole.splitlines()
    row = change(dict(zip(lines[0].split(","), lines[3].split(","), strict=True)))
    lines[3:4] = [] if row is None else [",".join(row.values())]
    path.write_text("\n".join(lines) + "\n")
    said = []
    table = sweep(**SMALL, out=tmp_path, report=said.append)
    assert message in said[0], said
    assert [line for line in table.attrs["bad_rows"] if message in line]
    again = pretended[2:]
    assert [(task.cell.dirty, task.first, task.rounds) for task in again] == [(5, 0, 1)]
    require_whole(tmp_path, 2, 3)
    assert (tmp_path / "samples-before.csv").read_text() == "\n".join(lines) + "\n"


def test_a_row_that_stands_twice_is_bad(tmp_path, pretended):
    sweep(**SMALL, out=tmp_path)
    path = tmp_path / "samples.csv"
    text = path.read_text()
    path.write_text(text + text.splitlines()[-1] + "\n")
    table = sweep(**SMALL, out=tmp_path)
    assert table.attrs["bad_rows"] == ["round 2 of random, 64 of 4,096 pages: 7 of 6 rows"]
    require_whole(tmp_path, 2, 3)


def test_earlier_copies_of_bad_files_are_kept_too(tmp_path, pretended):
    sweep(**SMALL, out=tmp_path)
    for _ in range(3):
        with (tmp_path / "samples.csv").open("a") as file:
            file.write("nonsense\n")
        sweep(**SMALL, out=tmp_path)
    kept = {path.name for path in tmp_path.glob("samples-before*")}
    assert kept == {"samples-before.csv", "samples-before-2.csv", "samples-before-3.csv"}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("sweep.json", None, "samples without a sweep.json"),
        ("sweep.json", "{", "is no header of a sweep"),
        ("sweep.json", "[]", "is no header of a sweep"),
        ("sweep.json", '{"format": 2, "grid": {}}', "is no header of a sweep"),
        ("sweep.json", '{"format": 9, "grid": {}, "machines": {}}', "has format 9, this version"),
        ("samples.csv", "", "line 1 does not name the columns"),
        ("samples.csv", "a,b\n1,2\n", "line 1 does not name the columns"),
    ],
)
def test_a_folder_that_is_no_sweep_of_ours_is_left_as_it_was(
    tmp_path, pretended, name, text, message
):
    sweep(**SMALL, out=tmp_path)
    path = tmp_path / name
    if text is None:
        path.unlink()
    else:
        path.write_text(text)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(SampleStoreError, match=message):
        sweep(**SMALL, out=tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    "other",
    [{"seed": 1}, {"cache": "warm"}, {"operations": ["harvest"]}, {"structures": ["list"]}],
)
def test_another_sweep_does_not_go_on_in_the_folder(tmp_path, pretended, other):
    sweep(**SMALL, out=tmp_path)
    before = (tmp_path / "samples.csv").read_bytes()
    with pytest.raises(
        SampleStoreError, match=r"holds another sweep \(\w+ .*choose another folder"
    ):
        sweep(**{**SMALL, **other}, out=tmp_path)
    assert (tmp_path / "samples.csv").read_bytes() == before


def test_two_sweeps_at_once_in_a_folder_are_refused(tmp_path, monkeypatch):
    def another_begins(task):
        with pytest.raises(SampleStoreError, match="another sweep is writing there"):
            sweep(**SMALL, out=tmp_path)
        return pretend(task)

    monkeypatch.setattr(sweeping, "measure", another_begins)
    sweep(**SMALL, out=tmp_path)
    require_whole(tmp_path, 2, 3)


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/dirtylab"])
def test_a_folder_that_cannot_be_written_is_named_before_measuring(tmp_path, pretended, place):
    if place.startswith("/proc") and not os.path.isdir("/proc"):
        pytest.skip("needs /proc, which nobody may write")
    (tmp_path / "file").write_text("kept")
    with pytest.raises(OutputError, match="can't write there"):
        sweep(**SMALL, out=tmp_path / place)
    assert pretended == []
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.parametrize("text", ["5", "0.25", "1e-05", "True", "False", "-3", "1.0"])
def test_options_come_back_as_what_they_were(text):
    value = natural(text)
    assert not isinstance(value, str)
    assert str(value) == text


@pytest.mark.parametrize("text", ["", "1_000", "01", "+5", " 5", "0.10", "true", "a", "1,5"])
def test_text_that_is_no_number_of_ours_stays_text(text):
    assert natural(text) == text


# --- a budget ------------------------------------------------------------------------------------


@pytest.fixture
def ticking(monkeypatch):
    """Let each look at the clock take a second."""
    ticks = iter(range(10**6))
    monkeypatch.setattr(sweeping.time, "monotonic", lambda: float(next(ticks)))


def test_a_budget_is_spent_where_the_uncertainty_is_largest(monkeypatch, ticking):
    noise = {5: 0.01, 64: 0.01, 9: 0.4}
    monkeypatch.setattr(sweeping, "measure", lambda task: pretend(task, noise[task.cell.dirty]))
    table = sweep(**{**SMALL, "dirty": list(noise), "repeats": None}, budget="40s")
    rounds = table.groupby("dirty")["repeat"].nunique()
    assert rounds.min() >= 3
    assert rounds[9] > 0.8 * rounds.sum()
    assert 110 <= rounds.sum() <= 120


def test_equal_noise_gets_equal_shares(monkeypatch, ticking):
    monkeypatch.setattr(sweeping, "measure", lambda task: pretend(task, 0.1))
    table = sweep(**{**SMALL, "dirty": [5, 6, 7, 8], "repeats": None}, budget=200)
    rounds = table.groupby("dirty")["repeat"].nunique()
    assert rounds.max() < 2 * rounds.min()


def test_a_budget_ends_even_when_not_all_cells_are_measured(pretended, ticking):
    said = []
    grid = {**SMALL, "dirty": list(range(1, 21)), "repeats": None}
    table = sweep(**grid, budget=6, report=said.append)
    assert 4 <= table["dirty"].nunique() <= 6
    left = 20 - table["dirty"].nunique()
    assert said == [
        f"the time was up before {left} of 20 cells were measured; the same call goes on with them"
    ]


def test_a_budget_goes_on_with_the_cells_that_are_left(tmp_path, pretended, ticking):
    grid = {**SMALL, "dirty": list(range(1, 11)), "repeats": None}
    first = sweep(**grid, budget=6, out=tmp_path)
    second = sweep(**grid, budget=6, out=tmp_path)
    assert second["dirty"].nunique() == len(pretended)
    assert len(second) == len(pretended) * 3 * A_ROUND
    assert set(rounds_of(second)) == {A_ROUND}
    pd.testing.assert_frame_equal(second[: len(first)], first)


def test_a_real_budget_is_kept(tmp_path):
    sweep(**{**SMALL, "repeats": 2})  # compiles
    begin = time.monotonic()
    table = sweep(**{**SMALL, "repeats": None}, budget="1s", out=tmp_path)
    assert 1 <= time.monotonic() - begin < 5
    assert table.groupby("dirty")["repeat"].nunique().min() >= 3


# --- a process that is stopped -------------------------------------------------------------------

LONG = ["--structures", "list", "bitmap", "--operations", "collect", "harvest",
        "--pages", "100k", "--dirty", "10", "20", "50", "100", "200", "500", "1k", "2k",
        "--repeats", "12"]  # fmt: skip
LONG_CELLS, LONG_REPEATS = 8, 12


def command(out):
    return [sys.executable, "-m", "dirtylab", "sweep", *LONG, "--out", str(out)]


def heed_ctrl_c():
    """Undo what a shell does to its background jobs, which the tests may be."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def cells_in(out):
    """Return how many whole cells of the long sweep are on disk."""
    path = out / "samples.csv"
    lines = path.read_bytes().count(b"\n") if path.exists() else 1
    return (lines - 1) // (A_ROUND * LONG_REPEATS)


def stopped(out, number, how):
    """Start a sweep, stop it when so many cells are on disk; return it."""
    running = subprocess.Popen(
        command(out), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=heed_ctrl_c,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while cells_in(out) < number and time.monotonic() < deadline:
        time.sleep(0.005)
    running.send_signal(how)
    heard = running.communicate(timeout=60)[1]
    return running.returncode, heard


@pytest.mark.parametrize(
    ("how", "status"),
    [(signal.SIGINT, 130), pytest.param(signal.SIGKILL, -9, marks=slow)],
)
def test_a_stopped_sweep_loses_at_most_the_cell_under_way(tmp_path, how, status):
    found, heard = stopped(tmp_path, 3, how)
    assert found == status
    assert "Traceback" not in heard
    if how == signal.SIGINT:
        assert f"interrupted; finished cells are in {tmp_path}" in heard
    before = (tmp_path / "samples.csv").read_text()
    rounds = rounds_of(pd.read_csv(tmp_path / "samples.csv"))
    assert 2 <= cells_in(tmp_path) < LONG_CELLS  # the third may have been under way still
    assert set(rounds) == {A_ROUND}
    done = subprocess.run(command(tmp_path), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "bad rows" not in done.stderr
    assert (tmp_path / "samples.csv").read_text().startswith(before)
    require_whole(tmp_path, LONG_CELLS, LONG_REPEATS)


def require_stops_full_and_goes_on(out, done, make_room):
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert re.search(r"samples.csv: not written: .*; all cells before are kept\n", done.stderr)
    before = (out / "samples.csv").read_text()
    assert 1 <= cells_in(out) < LONG_CELLS
    assert before.endswith("\n")
    assert set(rounds_of(pd.read_csv(out / "samples.csv"))) == {A_ROUND}
    make_room()
    again = subprocess.run(command(out), capture_output=True, text=True, timeout=120)
    assert again.returncode == 0, again.stderr
    assert "bad rows" not in again.stderr
    assert (out / "samples.csv").read_text().startswith(before)
    require_whole(out, LONG_CELLS, LONG_REPEATS)


def limit_file_size():
    resource.setrlimit(resource.RLIMIT_FSIZE, (27_000, 27_000))


@slow
def test_a_full_disk_loses_at_most_the_cell_under_way(tmp_path):
    done = subprocess.run(
        command(tmp_path), capture_output=True, text=True, timeout=120, preexec_fn=limit_file_size
    )
    assert "File too large" in done.stderr
    require_stops_full_and_goes_on(tmp_path, done, lambda: None)


@contextlib.contextmanager
def mounted(folder, options):
    """Mount a small file system; skip where that is not allowed."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    try:
        refused = subprocess.run(mount, capture_output=True, text=True)
    except OSError:
        pytest.skip("no mount here")
    if refused.returncode:
        pytest.skip(f"can't mount: {refused.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@slow
def test_a_real_full_disk_loses_at_most_the_cell_under_way(tmp_path):
    with mounted(tmp_path / "small", "size=40k") as disk:
        done = subprocess.run(command(disk), capture_output=True, text=True, timeout=120)
        assert "No space left on device" in done.stderr
        remount = ["mount", "-o", "remount,size=8m", str(disk)]
        require_stops_full_and_goes_on(disk, done, lambda: subprocess.run(remount, check=True))


def test_a_read_only_disk_is_named_before_measuring(tmp_path):
    refused = pytest.raises(OutputError, match="can't write there: Read-only file system")
    with mounted(tmp_path / "ro", "ro") as disk, refused:
        sweep(**SMALL, out=disk)


def test_the_command_prints_medians_quality_and_machine(capsys, tmp_path):
    arguments = ["--structures", "list", "tree:radix=16", "--datasets", "random",
                 "clustered:length=8", "--pages", "4Ki", "--dirty", "0.01", "5000",
                 "--operations", "harvest", "--repeats", "2", "--out", str(tmp_path)]  # fmt: skip
    assert cli.main(["sweep", *arguments]) == 0
    heard = capsys.readouterr()
    assert "Medians in µs" in heard.out
    assert f"note: 2 of 2 cells have fewer than {rounds_needed(2)} rounds" in heard.out
    assert "Measured on" in heard.out
    assert "skipped: random, 5,000 of 4,096 pages: more dirty frames than pages" in heard.err
    table = pd.read_csv(tmp_path / "samples.csv")
    assert set(table["structure_radix"].dropna()) == {16}
    assert cli.main(["sweep", *arguments]) == 0
    assert capsys.readouterr().out == heard.out


def test_a_bar_shows_the_time_left(tmp_path):
    pty = pytest.importorskip("pty")
    import termios

    for extra in ([], ["--budget", "10s"]):  # time for both cells on a busy machine
        main_end, terminal = pty.openpty()
        termios.tcsetwinsize(terminal, (24, 100))
        arguments = ["--structures", "list", "--pages", "4Ki", "--dirty", "5", "9", *extra]
        running = subprocess.Popen(
            [sys.executable, "-m", "dirtylab", "sweep", *arguments,
             "--out", str(tmp_path / str(len(extra)))],
            stdout=subprocess.DEVNULL, stderr=terminal,
        )  # fmt: skip
        os.close(terminal)
        seen = b""
        with contextlib.suppress(OSError):  # the other end is closed: so Linux says it
            while more := os.read(main_end, 4096):
                seen += more
        assert running.wait(timeout=60) == 0
        os.close(main_end)
        assert b"random, 9 of 4,096 pages: " in seen
        assert (b" of 10 s|" if extra else b" left") in seen
