"""Sweeps on executors: threads, processes, and a real cluster of which a worker is killed."""

import concurrent.futures
import contextlib
import itertools
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
from slow import slow
from sweeping import A_ROUND, SMALL, pretend, rounds_of

from dirtylab import STRUCTURES
from dirtylab.measure import sweep as sweeping
from dirtylab.measure.locks import alone_on_machine
from dirtylab.measure.sweep import sweep

REPEATS = 12
CLUSTER = {
    "structures": ["list", "bitmap"],
    "operations": ["collect", "harvest"],
    "pages": [300_000],
    "dirty": [1000, 2000, 3000, 4000, 5000, 6000],
    "repeats": REPEATS,
}

WATCHED = """\
import json, os, time
from dirtylab.measure import sweep

class Watched(getattr(sweep, "Unwatched", sweep.CellBenchmark)):  # this file may be loaded twice
    def round(self, number):
        begin = time.monotonic_ns()
        rows = super().round(number)
        time.sleep(0.005)  # long enough to be killed in
        entry = [os.getpid(), self._cell.dirty, number, begin, time.monotonic_ns()]
        file = os.open({log!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.write(file, (json.dumps(entry) + chr(10)).encode())
        os.close(file)
        return rows

sweep.Unwatched, sweep.CellBenchmark = Watched.__base__, Watched
"""
"""What a worker loads beforehand, to leave a line for each round that it measures."""

DRIVER = """\
import json, sys
from dask.distributed import Client
import dirtylab

folder, grid = sys.argv[1], json.loads(sys.argv[2])
with Client(scheduler_file=folder + "/scheduler.json") as client:
    table = dirtylab.sweep(**grid, executor=client.get_executor(), out=folder + "/results")
table.to_pickle(folder + "/table.pickle")
"""


def require_whole(table, cells, repeats):
    """Assert that every round of every cell is there once."""
    rounds = rounds_of(table)
    assert set(rounds) == {A_ROUND}
    assert len(rounds) == cells * repeats
    for _, own in table.groupby("dirty"):
        assert set(own["repeat"]) == set(range(repeats))
    assert not table.duplicated(["structure", "operation", "control", "dirty", "repeat"]).any()


def require_one_at_a_time(rounds):
    """Assert that no two rounds ran at the same time."""
    ordered = sorted(rounds, key=lambda one: one[3])
    for one, other in itertools.pairwise(ordered):
        assert one[4] <= other[3], (one, other)


# --- any executor --------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 4])
def test_a_thread_pool_measures_one_cell_at_a_time(monkeypatch, tmp_path, workers):
    rounds = []

    class Watched(sweeping.CellBenchmark):
        def round(self, number):
            begin = time.monotonic_ns()
            rows = super().round(number)
            time.sleep(0.002)
            rounds.append((0, self._cell.dirty, number, begin, time.monotonic_ns()))
            return rows

    monkeypatch.setattr(sweeping, "CellBenchmark", Watched)
    grid = {**SMALL, "dirty": [1, 2, 3, 4, 5]}
    with concurrent.futures.ThreadPoolExecutor(workers) as executor:
        table = sweep(**grid, executor=executor, out=tmp_path)
    require_whole(table, 5, 3)
    require_one_at_a_time(rounds)
    assert len(rounds) == 5 * 3
    require_whole(pd.read_csv(tmp_path / "samples.csv"), 5, 3)


def test_a_process_pool_measures_and_names_the_machine(tmp_path):
    spawn = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=spawn) as executor:
        table = sweep(**SMALL, executor=executor, out=tmp_path)
    require_whole(table, 2, 3)
    assert set(table["machine"]) == {sweeping.this_machine()["id"]}


def test_processes_wait_for_one_another(tmp_path):
    script = (
        "import sys, time\n"
        "from dirtylab.measure.locks import alone_on_machine\n"
        "with alone_on_machine():\n"
        "    print('mine', flush=True); time.sleep(float(sys.argv[1]))\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, "60"], stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"mine\n"
        waiting = subprocess.Popen(
            [sys.executable, "-c", script, "0"], stdout=subprocess.PIPE, text=True
        )
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(timeout=1)
        holder.kill()  # the system lets go of a dead process's lock
        assert waiting.communicate(timeout=30)[0] == "mine\n"
    with alone_on_machine():
        pass


class Unreliable(concurrent.futures.Executor):
    """Does what it is asked to at once, but fails as told."""

    def __init__(self, failures):
        self.failures = failures
        self.asked = []

    def submit(self, work, task, ticket):
        self.asked.append((task.cell.dirty, ticket))
        future = concurrent.futures.Future()
        if self.failures and task.cell.dirty == self.failures[0][0]:
            future.set_exception(self.failures.pop(0)[1])
        else:
            future.set_result(pretend(task))
        return future


def test_what_a_lost_worker_had_is_asked_for_again():
    executor = Unreliable([(64, OSError("connection lost")), (64, RuntimeError("killed"))])
    table = sweep(**SMALL, executor=executor)
    require_whole(table, 2, 3)
    assert [dirty for dirty, _ in executor.asked] == [5, 64, 64, 64]
    assert len({ticket for _, ticket in executor.asked}) == 4


def test_a_worker_that_always_fails_is_given_up_and_the_rest_kept(tmp_path):
    executor = Unreliable([(5, OSError("connection lost"))] * 3)
    with pytest.raises(OSError, match="connection lost"):
        sweep(**SMALL, executor=executor, out=tmp_path)
    assert [dirty for dirty, _ in executor.asked].count(5) == 3
    require_whole(pd.read_csv(tmp_path / "samples.csv"), 1, 3)


def test_an_error_that_another_attempt_would_meet_again_is_raised_and_the_rest_kept(tmp_path):
    grid = {**SMALL, "dirty": list(range(1, 16))}
    executor = Unreliable([(5, AssertionError("bitmap returned other frames"))])
    with pytest.raises(AssertionError, match="other frames"):
        sweep(**grid, executor=executor, out=tmp_path)
    assert [dirty for dirty, _ in executor.asked] == grid["dirty"]
    table = pd.read_csv(tmp_path / "samples.csv")
    assert set(table["dirty"]) == set(grid["dirty"]) - {5}
    again = sweep(**grid, executor=Unreliable([]), out=tmp_path)
    require_whole(again, 15, 3)


def test_rows_name_the_machine_that_measured_them():
    class Two(Unreliable):
        def submit(self, work, task, ticket):
            future = concurrent.futures.Future()
            name = "odd" if task.cell.dirty % 2 else "even"
            facts = {"id": name, "facts": {"cpu": name}}
            future.set_result(pretend(task)._replace(machine=facts))
            return future

    table = sweep(**SMALL, executor=Two([]))
    assert set(zip(table["dirty"], table["machine"], strict=True)) == {(5, "odd"), (64, "even")}
    assert table.attrs["machines"] == {"odd": {"cpu": "odd"}, "even": {"cpu": "even"}}


# --- a real cluster ------------------------------------------------------------------------------


def dask(*arguments, folder):
    command = [sys.executable, "-m", "dask", *arguments, "--no-dashboard"]
    file = ["--scheduler-file", str(folder / "scheduler.json")]
    with (folder / "cluster.log").open("ab") as log:
        return subprocess.Popen([*command, *file], stdout=log, stderr=log, cwd=folder)


@pytest.fixture
def cluster(tmp_path):
    """Start a scheduler and two workers, processes of their own; return the workers."""
    pytest.importorskip("distributed")
    log = str(tmp_path / "rounds.log")
    (tmp_path / "watched.py").write_text(WATCHED.format(log=log))
    started = [dask("scheduler", "--host", "127.0.0.1", "--port", "0", folder=tmp_path)]
    with contextlib.ExitStack() as stack:
        stack.callback(lambda: [end(process) for process in started])
        options = ["--no-nanny", "--nthreads", "1", "--preload", str(tmp_path / "watched.py")]
        started += [dask("worker", *options, folder=tmp_path) for _ in range(2)]
        yield started[1:]


def end(process):
    process.kill()
    process.wait()


def rounds_logged(folder):
    path = folder / "rounds.log"
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def under_way(rounds):
    """Return process, cell and number of the round that was finished last."""
    return rounds[-1][:3] if rounds else (0, 0, 0)


def drive(folder):
    (folder / "driver.py").write_text(DRIVER)
    command = [sys.executable, str(folder / "driver.py"), str(folder), json.dumps(CLUSTER)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_for(condition, running, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert running.poll() is None, running.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.002)


@slow
def test_a_killed_workers_cell_is_measured_again_and_none_is_lost_or_doubled(tmp_path, cluster):
    running = drive(tmp_path)

    def both_work_and_one_is_in_the_middle():
        rounds = rounds_logged(tmp_path)
        return len({one[0] for one in rounds}) == 2 and 3 <= under_way(rounds)[2] < REPEATS - 3

    wait_for(both_work_and_one_is_in_the_middle, running)
    pid, cell, _ = under_way(rounds_logged(tmp_path))
    os.kill(pid, signal.SIGKILL)
    heard = running.communicate(timeout=120)[0]
    assert running.returncode == 0, heard
    rounds = rounds_logged(tmp_path)
    assert pid in {worker.pid for worker in cluster}

    lost = [one for one in rounds if one[0] == pid and one[1] == cell]
    assert 0 < len(lost) < REPEATS  # it was killed in the middle of the cell ...
    again = [one for one in rounds if one[0] != pid and one[1] == cell]
    assert [one[2] for one in again] == list(range(REPEATS))  # ... which another measured whole
    require_one_at_a_time(rounds)

    table = pd.read_pickle(tmp_path / "table.pickle")
    require_whole(table, len(CLUSTER["dirty"]), REPEATS)
    require_whole(pd.read_csv(tmp_path / "results" / "samples.csv"), 6, REPEATS)
    assert set(table["machine"]) == {sweeping.this_machine()["id"]}
    assert set(json.loads((tmp_path / "results" / "sweep.json").read_text())["machines"]) == set(
        table["machine"]
    )


@slow
def test_a_cluster_that_dies_loses_only_what_was_not_finished(tmp_path, cluster):
    running = drive(tmp_path)
    samples = tmp_path / "results" / "samples.csv"
    wait_for(
        lambda: samples.exists() and samples.read_bytes().count(b"\n") > 2 * REPEATS * A_ROUND,
        running,
    )
    running.send_signal(signal.SIGKILL)
    running.communicate(timeout=60)
    before = samples.read_text()
    table = sweep(**CLUSTER, out=tmp_path / "results")
    assert table.attrs["bad_rows"] == []
    assert samples.read_text().startswith(before)
    require_whole(table, len(CLUSTER["dirty"]), REPEATS)


def test_a_lying_structure_is_named_through_an_executor(monkeypatch):
    class Forgetful(STRUCTURES["bitmap"]):
        def _insert(self, frames):
            super()._insert(frames[1:])

    monkeypatch.setitem(STRUCTURES, "bitmap", Forgetful)
    refused = pytest.raises(AssertionError, match="bitmap, random, 5 of 4,096 pages: collect")
    with concurrent.futures.ThreadPoolExecutor(1) as executor, refused:
        sweep(**{**SMALL, "dirty": [5]}, executor=executor)
