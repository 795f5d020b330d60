"""The clock, interleaving, the machine's facts and files that are whole."""

import os
import resource
import subprocess
import sys
import time

import numpy as np
import pytest

from dirtylab._jit import kernel
from dirtylab.measure.clock import now, scratch, shortest_step
from dirtylab.measure.files import OutputError, prepare_folder, write_text
from dirtylab.measure.machine import caption, describe_machine
from dirtylab.measure.timing import FLOOR_NS, MAX_LOOPS, estimate, interleave, loops_for


@kernel
def read_clock(words):
    return now(words)


def test_the_compiled_clock_is_pythons_monotonic_clock():
    words = scratch()
    before = time.monotonic_ns()
    inside = read_clock(words)
    after = time.monotonic_ns()
    assert before <= inside <= after


def test_the_clocks_step_is_far_below_the_shortest_sample():
    assert 0 < shortest_step(scratch(), 1000) < FLOOR_NS


def test_where_posix_has_no_clock_compiled_code_asks_python():
    script = (
        "import time; del time.CLOCK_MONOTONIC\n"
        "import warnings; warnings.simplefilter('ignore')\n"
        "from dirtylab.measure import clock\n"
        "assert not clock.HAS_POSIX_CLOCK\n"
        "before = time.perf_counter_ns()\n"
        "print(0 < clock.shortest_step(clock.scratch(), 100) < 10**6)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout.strip(), done.returncode) == ("True", 0), done.stderr


def sampler_of(ns_a_loop, calls=None):
    def sampler(loops):
        if calls is not None:
            calls.append(loops)
        return ns_a_loop * loops

    return sampler


@pytest.mark.parametrize("ns", [0, 1, 7, 999, 1000, 50_000])
def test_loops_lift_a_sample_over_the_floor(ns):
    loops = loops_for(sampler_of(ns), floor_ns=1000)
    assert loops == MAX_LOOPS if ns == 0 else ns * loops >= 1000
    assert loops == 1 or ns < 1000


def test_interleaving_keeps_every_sample_and_gives_it_for_one_loop():
    rng = np.random.default_rng(0)
    found = interleave({"a": sampler_of(10), "b": sampler_of(5000)}, 7, rng)
    assert found["a"].ns.tolist() == [10.0] * 7
    assert found["b"].ns.tolist() == [5000.0] * 7
    assert (found["a"].loops > 1, found["b"].loops) == (True, 1)


def test_candidates_take_turns_in_changing_order_after_a_fresh_state():
    log = []
    candidates = {
        name: (lambda loops, name=name: log.append(name) or 10**6) for name in ("a", "b", "c")
    }
    interleave(candidates, 20, np.random.default_rng(0), prepare=log.append)
    rounds = [str(entry) for entry in log[log.index(0) :]]
    orders = [tuple(rounds[start + 1 : start + 4]) for start in range(0, len(rounds), 4)]
    assert rounds[::4] == [str(number) for number in range(20)]
    assert all(sorted(order) == ["a", "b", "c"] for order in orders)
    assert len(set(orders)) > 1


def test_an_estimate_is_percentiles():
    assert estimate(range(101)) == (50, 10, 90, 0)


def test_the_machine_is_described_and_captioned():
    machine = describe_machine()
    assert machine["cores"] == os.cpu_count()
    assert set(machine) >= {"cpu", "packages", "date", "git_revision", "python"}
    line = caption(machine)
    assert machine["cpu"] in line
    assert "\n" not in line
    assert "None" not in caption({**machine, "git_revision": None})


# --- files --------------------------------------------------------------------------------------


def test_a_folder_is_made_and_proved(tmp_path):
    folder = prepare_folder(tmp_path / "a" / "b")
    assert folder.is_dir()
    assert list(folder.iterdir()) == []


def test_a_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"file.*: can't write there: (File exists|Not a dir)"):
        prepare_folder(tmp_path / "file")
    with pytest.raises(OutputError, match="can't write there: Not a directory"):
        prepare_folder(tmp_path / "file" / "below")


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="needs /proc, which nobody may write")
def test_a_folder_without_permission_is_named():
    with pytest.raises(OutputError, match=r"/proc/dirtylab: can't write there"):
        prepare_folder("/proc/dirtylab")


def test_a_file_is_replaced_whole(tmp_path):
    write_text(tmp_path / "f", "old")
    write_text(tmp_path / "f", "new")
    assert (tmp_path / "f").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_on_a_full_disk_the_old_file_stays_and_nothing_is_left_behind(tmp_path):
    write_text(tmp_path / "f", "old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(OutputError, match="f: not written: File too large"):
            write_text(tmp_path / "f", "x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (tmp_path / "f").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]
