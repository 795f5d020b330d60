"""The worker process: what it tells, cancel, death, memory, and that nothing of it is left."""

import asyncio
import contextlib
import dataclasses
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from slow import further

from dirtylab.explore.process import cell_job, worker_client
from dirtylab.explore.process.cell_job import CellJob
from dirtylab.explore.process.mail_job import MailJob
from dirtylab.explore.process.messages import Event
from dirtylab.explore.process.worker_client import Worker
from dirtylab.measure.cell import Cell, reference
from dirtylab.measure.clock import elapsed, start, stopwatch

PATIENCE = 60
CELLS = (
    ("random", {}, 10_000, 100),
    ("clustered", {"length": 16}, 10_000, 500),
    Cell("sequential", (), 4097, 4097),
)
JOB = CellJob((("list", {}), ("bitmap", {})), "collect", CELLS, rounds=5, seed=7)
ENDLESS = dataclasses.replace(JOB, cells=CELLS[:1], rounds=10_000)
MANY = dataclasses.replace(JOB, cells=CELLS[:1] * 500)


class Heard:
    """Events, in order."""

    def __init__(self):
        self._queue = queue.SimpleQueue()
        self.events = []

    def __call__(self, event):
        self._queue.put(event)

    def until(self, wanted):
        """Return the first event further on that is `wanted`."""
        while True:
            self.events.append(self._queue.get(timeout=PATIENCE))
            if wanted(self.events[-1]):
                return self.events[-1]

    def last(self):
        event = self.until(lambda event: event.last)
        time.sleep(0.02)
        assert self._queue.empty()
        return event

    def rows(self, cell):
        found = [one.rows for one in self.events if one.kind == "cell" and one.cell == cell]
        assert len(found) <= 1
        return found[0] if found else ()


@pytest.fixture(scope="module")
def shared():
    worker = Worker()
    yield worker
    worker.close()


def run(worker, job):
    heard = Heard()
    worker.measure(job, heard)
    return heard, heard.last()


def is_gone(pid):
    """Wait until a process is no more, not even as a zombie."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


def test_each_cell_comes_once_and_whole(shared):
    heard, last = run(shared, JOB)
    assert (last.kind, last.done, last.total) == ("done", 3, 3), last
    assert [one.cell for one in heard.events if one.kind == "cell"] == [0, 1, 2]
    for cell in range(3):
        labels = [label for label, _ in heard.rows(cell)]
        assert sorted(labels) == ["bitmap"] * 5 + ["list"] * 5
        assert all(0 < ns < 10**9 for _, ns in heard.rows(cell))
        assert labels != sorted(labels), "turns in the same order, round after round"
    done = [one.done for one in heard.events]
    assert done == sorted(done)
    assert {len(one.message.splitlines()) for one in heard.events if one.kind != "cell"} == {1}


def test_progress_is_told_before_measure_returns():
    worker, seen = Worker(), []
    assert worker.pid is None, "nothing is started before there is a job"
    worker.measure(JOB, seen.append)
    first = seen[0]
    assert (first.kind, first.done, first.total) == ("progress", 0, 3)
    worker.close()


def test_options_tell_structures_of_one_name_apart(shared):
    structures = (("tree", {"radix": 8}), ("tree", {"radix": 16}), ("bitmap", {}))
    heard, last = run(shared, CellJob(structures, "insert", CELLS[:1], rounds=3))
    assert last.kind == "done", last
    expected = {"tree(radix=8)", "tree(radix=16)", "bitmap"}
    assert {label for label, _ in heard.rows(0)} == expected


def test_cancel_keeps_the_rounds_of_an_unfinished_cell_and_the_process(shared):
    run(shared, JOB)
    pid, heard = shared.pid, Heard()
    shared.measure(ENDLESS, heard)
    heard.until(lambda event: "round" in event.message)
    time.sleep(0.1)
    shared.cancel()
    last = heard.last()
    assert (last.kind, last.done, last.total) == ("cancelled", 0, 1)
    rows = heard.rows(0)
    assert 3 * 2 <= len(rows) < 10_000 * 2
    assert len(rows) % 2 == 0
    assert shared.pid == pid
    assert run(shared, JOB)[1].kind == "done"


def test_cancel_ends_a_process_that_does_not_heed_it():
    worker, heard = Worker(), Heard()
    worker.measure(ENDLESS, heard)
    heard.until(lambda event: "round" in event.message)
    os.kill(worker.pid, signal.SIGSTOP)  # as deaf as in a round of many seconds
    pid, begin = worker.pid, time.monotonic()
    worker.cancel()
    worker.cancel()
    last = heard.last()
    took = time.monotonic() - begin
    assert (last.kind, last.done) == ("cancelled", 0)
    assert took < 10 * worker_client.CANCEL_SECONDS
    assert is_gone(pid)
    assert run(worker, JOB)[1].kind == "done", "a new process serves the next job"
    worker.close()


def test_cancel_while_the_process_starts_is_a_cancel():
    worker, heard = Worker(), Heard()
    worker.measure(JOB, heard)
    worker.cancel()
    assert heard.last().kind == "cancelled"
    worker.close()


def test_cancel_without_a_job_does_nothing(shared):
    Worker().cancel()
    shared.cancel()
    assert run(shared, JOB)[1].kind == "done"


def test_a_killed_process_is_told_and_replaced():
    worker, heard = Worker(), Heard()
    worker.measure(MANY, heard)
    heard.until(lambda event: event.kind == "cell")
    killed = worker.pid
    os.kill(killed, signal.SIGKILL)
    last = heard.last()
    cells = sum(event.kind == "cell" for event in heard.events)
    assert (last.kind, last.done, last.total) == ("failed", cells, 500)
    assert "SIGKILL" in last.message
    assert f"{cells} of 500 cells are measured and kept" in last.message
    assert len(heard.rows(0)) == 10
    assert is_gone(killed)
    assert run(worker, JOB)[1].kind == "done"
    os.kill(worker.pid, signal.SIGKILL)  # while it waits for work
    assert is_gone_or_idle(worker)
    assert run(worker, JOB)[1].kind == "done"
    worker.close()


def is_gone_or_idle(worker):
    deadline = time.monotonic() + PATIENCE
    while worker.pid is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    return worker.pid is None


def test_a_job_that_wants_a_new_process_gets_one_that_ends_with_it():
    worker, pids = Worker(), []
    for _ in range(2):
        heard = Heard()
        worker.measure(MailJob(1, 2), heard)
        heard.until(lambda event: event.kind == "cell")
        pids.append(worker.pid)
        assert heard.last().kind == "done"
        assert worker.pid is None
    assert pids[0] != pids[1]
    assert all(is_gone(pid) for pid in pids)
    worker.close()


@pytest.mark.parametrize("place", ["_start", "_deliver"])
def test_an_interrupt_of_a_start_leaves_the_worker_free(monkeypatch, place):
    def interrupted(*_):
        raise KeyboardInterrupt

    worker, heard = Worker(), Heard()
    with monkeypatch.context() as patch:
        patch.setattr(worker_client, place, interrupted)
        with pytest.raises(KeyboardInterrupt):
            worker.measure(JOB, heard)
    assert worker.pid is None
    assert run(worker, JOB)[1].kind == "done"
    worker.close()


@pytest.mark.parametrize("place", ["Pipe", "_start"])
def test_a_process_that_can_not_start_fails_the_job(monkeypatch, place):
    def broken(*_):
        raise OSError("too many open files")

    worker = Worker()
    with monkeypatch.context() as patch:
        patch.setattr(worker_client, place, broken)
        _, last = run(worker, JOB)
    assert (last.kind, last.message) == ("failed", "too many open files")
    assert run(worker, JOB)[1].kind == "done"
    worker.close()


def test_one_job_at_a_time(shared):
    first, second = Heard(), Heard()
    shared.measure(ENDLESS, first)
    shared.measure(JOB, second)
    refused = second.last()
    assert refused.kind == "failed"
    assert "another measurement is running" in refused.message
    shared.cancel()
    assert first.last().kind == "cancelled"


BAD = {
    "structures": ({"structures": (("heap", {}),)}, "structures='heap': must be one of"),
    "none": ({"structures": ()}, "nothing to measure"),
    "twice": ({"structures": (("list", {}), ("list", {}))}, "names one twice"),
    "operation": ({"operation": "sort"}, "operation='sort': must be one of"),
    "rounds": ({"rounds": 0}, "rounds=0: must be 1"),
    "real rounds": ({"rounds": 2.5}, "rounds=2.5: must be an integer"),
    "seed": ({"seed": -1}, "seed=-1: must be 0"),
    "cells": ({"cells": ()}, "nothing to measure"),
    "dataset": ({"cells": (("heat", {}, 9, 1),)}, "dataset='heat': must be one of"),
    "pages": ({"cells": (("random", {}, 0, 1),)}, "pages=0: must be 1"),
    "dirty": ({"cells": (("clustered", {}, 9, 10),)}, "dirty=10: "),
    "memory": ({"cells": (("random", {}, 2**50, 1),)}, "PiB of memory; of this machine's"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_job_that_can_not_be_is_refused_before_anything_is_started(name):
    changes, words = BAD[name]
    worker = Worker()
    heard, last = run(worker, dataclasses.replace(JOB, **changes))
    assert last.kind == "failed"
    assert words in last.message
    assert "\n" not in last.message
    assert len(heard.events) == 1
    assert worker.pid is None
    worker.close()


def test_what_is_needed_counts_structures_and_frames(monkeypatch):
    cell = Cell("random", (), 10_000_000, 1_000_000)
    with_list = CellJob((("list", {}),), "collect", (cell,))
    small = cell_job.needed_bytes(CellJob((("bitmap", {}),), "collect", (cell,)), cell)
    needed = cell_job.needed_bytes(with_list, cell)
    assert needed - small == 2 * (4 * 10_000_000 - 1_250_000)
    for free, refused in ((needed, False), (needed - 1, True)):
        monkeypatch.setattr(cell_job, "free_memory", lambda free=free: free)
        with pytest.raises(MemoryError) if refused else contextlib.nullcontext():
            with_list.checked()


def test_free_memory_is_within_the_machines():
    assert 0 < cell_job.free_memory() <= cell_job._check.physical_memory()


def test_options_that_the_pattern_refuses_fail_in_one_line(shared):
    bad = ("clustered", {"length": 0}, 1000, 10)
    heard, last = run(shared, dataclasses.replace(JOB, cells=(CELLS[0], bad)))
    assert (last.kind, last.done) == ("failed", 0)
    assert "length=0: must be 1" in last.message
    assert "\n" not in last.message
    assert not heard.rows(0), "refused before anything is measured"
    unknown = ("random", {"heat": 1}, 1000, 10)
    _, last = run(shared, dataclasses.replace(JOB, cells=(unknown,)))
    assert last.kind == "failed"
    assert "heat" in last.message
    assert run(shared, JOB)[1].kind == "done", "the process is alive"


def test_events_come_on_the_kernels_loop(shared, monkeypatch):
    seen = []

    async def kernel():
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        monkeypatch.setattr(worker_client, "main_loop", lambda: loop)

        def take(event):
            seen.append((event.kind, threading.current_thread() is threading.main_thread()))
            if event.last:
                over.set()

        shared.measure(JOB, take)
        assert seen == [], "not within the callback that asked"
        await asyncio.wait_for(over.wait(), PATIENCE)

    asyncio.run(kernel())
    assert seen[0] == ("progress", True)
    assert seen[-1] == ("done", True)
    assert {where for _, where in seen} == {True}


def test_a_callback_that_fails_does_not_end_the_worker(shared, caplog):
    heard = Heard()

    def take(event):
        heard(event)
        if event.kind == "cell":
            raise LookupError("mine")

    shared.measure(JOB, take)
    assert heard.last().kind == "done"
    assert "mine" in caplog.text
    assert run(shared, JOB)[1].kind == "done"


def test_the_process_has_a_session_of_its_own(shared):
    run(shared, JOB)
    assert os.getsid(shared.pid) == shared.pid, "an interrupt of the kernel would end it"


def test_the_clock_stands_still_while_the_processor_is_elsewhere():
    watch = stopwatch(cpu_time=True)
    start(watch)
    time.sleep(0.2)
    assert elapsed(watch) < 0.1e9
    loops = np.uint64(10**7)
    words = np.zeros(2**15, np.uint64)
    reference(words, loops)
    begin = time.thread_time_ns()
    start(watch)
    reference(words, loops)
    spent = elapsed(watch)
    assert 0.5 < spent / (time.thread_time_ns() - begin) <= 1, "work counts in full"
    wall = stopwatch()
    start(wall)
    time.sleep(0.2)
    assert elapsed(wall) >= 0.2e9


def open_files():
    return sorted(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no /proc here")
def test_close_leaves_nothing_behind():
    before, threads = open_files(), threading.active_count()
    worker, heard = Worker(), Heard()
    worker.measure(ENDLESS, heard)
    heard.until(lambda event: "round" in event.message)
    pid = worker.pid
    worker.close()
    worker.close()
    assert heard.last().kind == "cancelled"
    assert is_gone(pid)
    assert open_files() == before
    assert threading.active_count() == threads
    _, last = run(worker, JOB)
    assert (last.kind, last.message) == ("failed", "the worker is closed; make a new one")


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), 9)", *further("os._exit(1)", "sys.exit()")])
def test_the_process_ends_with_the_kernel_however_that_ends(end):
    script = f"""
import os, sys, threading
from dirtylab.explore.process.cell_job import CellJob
from dirtylab.explore.process.worker_client import Worker
begun = threading.Event()
worker = Worker()
cells = (("random", {{}}, 10_000, 100),)
job = CellJob((("bitmap", {{}}),), "collect", cells, rounds=10_000)
worker.measure(job, lambda event: "round" in event.message and begun.set())
begun.wait()
print(worker.pid, flush=True)
{end}
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=PATIENCE
    )
    assert is_gone(int(done.stdout)), done.stderr
    assert done.stderr == ""


def test_an_event_is_plain_and_frozen():
    event = Event("progress", 0, 3)
    assert (event.cell, event.rows, event.message, event.last) == (-1, (), "", False)
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.done = 1
