"""Live trackers hold through interrupts, forks, copies and their own end."""

import contextlib
import copy
import gc
import os
import pickle
import time

import numpy as np
import pytest
from fuzz import trackers
from fuzz.trackers import interrupted, interruptible

from dirtylab.live import TRACKERS, Watcher, _guest, _system, missing, pagemap
from dirtylab.live._workers import Worker

PAGES = 3000
KVM = [name for name in TRACKERS if name.startswith("kvm")]
every_tracker = pytest.mark.parametrize("name", TRACKERS)
every_guest = pytest.mark.parametrize("name", KVM)


def tracker(name, pages=PAGES, **options):
    if why := missing(name):
        pytest.skip(why)
    return TRACKERS[name](pages, **options)


# --- interrupts ---------------------------------------------------------------------------------


def held():
    """Return the open descriptors and the mapped bytes of descriptors."""
    with open("/proc/self/maps", encoding="utf-8") as lines:
        maps = [line for line in lines if "anon_inode" in line]
    return len(os.listdir("/proc/self/fd")), len(maps)


def threads():
    """Return the names of this process's threads, those of KVM itself left out."""
    found = []
    for task in os.listdir("/proc/self/task"):
        with contextlib.suppress(OSError), open(f"/proc/self/task/{task}/comm") as name:
            found.append(name.read().strip())
    return [name for name in found if not name.startswith("kvm")]


def require_threads(before):
    """Wait until there are no more threads than before: those that have ended need a moment."""
    deadline = time.monotonic() + 2
    while len(threads()) > len(before) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(threads()) <= len(before), threads()


# An interrupt that comes in a __del__ is no exception of the verb's: the interpreter only tells it.
# Only that is passed over; any other exception in a finaliser still fails the test.
@pytest.mark.filterwarnings(
    "ignore:(?s)Exception ignored in.*KeyboardInterrupt:pytest.PytestUnraisableExceptionWarning"
)
@every_tracker
@pytest.mark.parametrize("verb", trackers.VERBS)
def test_interrupts_at_random_moments_break_nothing(name, verb):
    before = held()
    with tracker(name, **trackers.options(name)) as tracked:
        usual = trackers.usual(tracked, verb)
        running = threads()
        assert trackers.interrupt(tracked, verb, 200, usual, np.random.default_rng(11)) >= 20
        require_threads(running)
    assert held() == before


@every_guest
def test_interrupts_end_a_guest_that_never_exits(name):
    spin = np.zeros(2, np.uint64)
    with tracker(name, 64, time_limit=30, vcpus=2) as guest, interruptible():
        guest.insert([1])
        guest.clear()
        before = threads()
        for wait in (1e-4, 1e-3, 5e-3, 0.02):
            begin = time.monotonic()
            _, done = interrupted(lambda: guest.machine.write(spin, _guest.SPIN), wait)
            assert not done
            assert time.monotonic() - begin < 5
            require_threads(before)
        guest.insert([7, 9])
        assert sorted(guest.harvest().tolist()) == [7, 9]


@pytest.mark.parametrize("use", ["insert", "close"])
def test_a_vcpu_that_an_interrupt_left_running_is_stopped(use):
    with tracker("kvm-log", 64) as guest:
        guest.insert([3])
        guest.clear()
        before = threads()
        vcpu = guest.machine.vcpus[0]
        worker = Worker(lambda: vcpu.run(np.zeros(1, np.uint64), _guest.SPIN))
        guest.machine._workers[:] = [worker]
        worker.start()
        while not worker.runs:
            time.sleep(0.001)
        if use == "insert":
            guest.insert([3])
            assert guest.harvest().tolist() == [3]
        else:
            guest.close()
        require_threads(before)


def test_a_worker_stopped_before_it_has_begun_does_not_begin():
    begun = []
    worker = Worker(lambda: begun.append(1))
    worker.stop()
    worker.start()
    assert worker.wait(5)
    assert begun == []


@pytest.mark.parametrize("name", ["kvm-log", "kvm-log-manual"])
def test_a_log_that_was_read_and_not_taken_over_is_kept(name, monkeypatch):
    with tracker(name) as guest:
        guest.insert([5, 70])
        fetch = guest._fetch

        def stop(*arguments):
            fetch(*arguments)
            raise KeyboardInterrupt

        monkeypatch.setattr(guest, "_fetch", stop)
        with pytest.raises(KeyboardInterrupt):
            guest.harvest()
        monkeypatch.undo()
        assert guest.harvest().tolist() == [5, 70]
        assert guest.harvest().tolist() == []


def test_a_ring_that_was_drained_and_not_taken_over_is_kept(monkeypatch):
    with tracker("kvm-ring") as guest:
        guest.insert([5, 70, 6])
        drain = guest._drain

        def stop(*arguments):
            drain(*arguments)
            raise KeyboardInterrupt

        monkeypatch.setattr(guest, "_drain", stop)
        with pytest.raises(KeyboardInterrupt):
            guest.harvest()
        monkeypatch.undo()
        assert guest.harvest().tolist() == [5, 70, 6]
        guest.insert([6, 5])
        assert guest.harvest().tolist() == [6, 5]


def test_a_scan_that_was_not_taken_over_is_kept(monkeypatch):
    with tracker("pagemap") as tracked:
        for keep in ("_ask", "scan_regions"):
            tracked.insert([5, 70])
            call = tracked.scanner.call

            def stop(*arguments, call=call):
                call(*arguments)
                raise KeyboardInterrupt

            with monkeypatch.context() as patch:
                patch.setattr(tracked.scanner, "call", stop)
                with pytest.raises(KeyboardInterrupt):
                    tracked.harvest() if keep == "_ask" else tracked.scan_regions()
            assert tracked.harvest().tolist() == [5, 70]
            assert tracked.harvest().tolist() == []


@every_tracker
def test_a_harvest_interrupted_at_its_end_has_forgotten_nothing(name, monkeypatch):
    with tracker(name) as tracked:
        tracked.insert([9, 3])
        forget = tracked._forget

        def stop():
            forget()
            raise KeyboardInterrupt

        monkeypatch.setattr(tracked, "_forget", stop)
        with pytest.raises(KeyboardInterrupt):
            tracked.harvest()
        monkeypatch.undo()
        tracked.check()
        tracked.insert([3, 4])
        assert sorted(tracked.harvest().tolist()) == [3, 4, 9]


# --- forks --------------------------------------------------------------------------------------


def in_a_child(action):
    """Return what comes of an action in a forked child, as one line."""
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            text = repr(action())
        except BaseException as error:
            text = f"{type(error).__name__} {error}"
        os.write(write, text.encode())
        os._exit(0)
    os.close(write)
    with open(read, encoding="utf-8") as answer:
        found = answer.read()
    assert os.waitpid(pid, 0)[1] == 0
    return found


@every_tracker
def test_a_forked_child_is_refused_and_harms_nothing(name):
    with tracker(name) as tracked:
        tracked.insert([1, 2])
        uses = [
            lambda: tracked.insert([5]), tracked.collect, tracked.harvest, tracked.clear,
            tracked.check, lambda: len(tracked), lambda: 1 in tracked,
        ]  # fmt: skip
        for use in uses:
            line = in_a_child(use)
            assert line.startswith(f"RuntimeError {name}: was made in process {os.getpid()} and")
            assert "\n" not in line
        assert in_a_child(lambda: repr(tracked)) == repr(
            f"<{name}: {PAGES} pages, of process {os.getpid()}>"
        )
        assert "of process" in in_a_child(tracked._repr_html_)
        assert in_a_child(tracked.close) == "None"
        assert in_a_child(lambda: tracker(name, 64).insert([3])) == "None"
        tracked.insert([9])
        assert sorted(tracked.harvest().tolist()) == [1, 2, 9]


@every_guest
def test_a_forked_child_may_not_use_the_machine_either(name):
    with tracker(name) as guest:
        machine, words = guest.machine, np.zeros(64, np.uint64)
        uses = [
            lambda: machine.write(np.zeros(1, np.uint64)), lambda: machine.get_log(1, words),
            machine.reset_rings, machine.discard, machine.statistics,
        ]  # fmt: skip
        for use in uses:
            assert in_a_child(use).startswith("RuntimeError the guest: was made in process ")


@every_tracker
def test_a_fork_while_the_parent_goes_on_loses_nothing(name):
    with tracker(name) as tracked:
        for epoch in range(5):
            wanted = set(range(epoch, 2000, 37))
            tracked.insert(sorted(wanted))
            pid = os.fork()
            if not pid:
                os._exit(0)
            tracked.insert([2001])
            os.waitpid(pid, 0)
            assert set(tracked.harvest().tolist()) == wanted | {2001}


# --- copies -------------------------------------------------------------------------------------


def kept_by(tracked):
    """Return what holds descriptors or memory, the tracker first."""
    if tracked.name == "pagemap":
        return [tracked, tracked._scanner, tracked._mapping]
    return [tracked, tracked.machine, *tracked.machine.vcpus, tracked.machine.memory]


@every_tracker
@pytest.mark.parametrize(
    "how", [copy.copy, copy.deepcopy, pickle.dumps, lambda one: pickle.dumps(one, 0)]
)
def test_copies_are_refused(name, how):
    with tracker(name) as tracked:
        tracked.insert([4])
        for one in kept_by(tracked):
            with pytest.raises(TypeError) as caught:
                how(one)
            assert str(caught.value).startswith(f"{type(one).__name__}: can't be copied")
            assert "\n" not in str(caught.value)
        assert tracked.harvest().tolist() == [4]


def test_copies_of_a_watcher_and_of_descriptors_are_refused():
    if why := pagemap.missing():
        pytest.skip(why)
    watcher = Watcher(os.getpid())
    for one in (watcher, watcher._file):
        for how in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError, match=f"{type(one).__name__}: can't be copied"):
                how(one)
    watcher.close()


# --- ends ---------------------------------------------------------------------------------------


@every_tracker
def test_every_use_after_the_end_says_so(name):
    tracked = tracker(name)
    tracked.insert([1])
    tracked.close()
    tracked.close()
    uses = [
        lambda: tracked.insert([1]), tracked.collect, tracked.harvest, tracked.clear,
        tracked.check, lambda: len(tracked), lambda: 1 in tracked,
        lambda: [getattr(tracked, way)() for way in ("discard",) if hasattr(tracked, way)]
        or tracked.clear(),
    ]  # fmt: skip
    for use in uses:
        with pytest.raises(ValueError, match=f"^{name}: is closed$"):
            use()
    assert "closed" in repr(tracked)
    assert "closed" in tracked._repr_html_()


@every_guest
def test_a_machine_after_its_end_says_so(name):
    guest = tracker(name)
    machine, words = guest.machine, np.zeros(64, np.uint64)
    guest.close()
    uses = [
        lambda: machine.write(np.zeros(1, np.uint64)), lambda: machine.get_log(1, words),
        lambda: machine.clear_log(1, words, 64), machine.reset_rings, machine.discard,
        machine.statistics, guest.statistics,
        lambda: machine.vcpus[0].run(np.zeros(1, np.uint64), _guest.CODE),
        lambda: machine.memory.array(),
    ]  # fmt: skip
    if name == "kvm-ring":
        uses += [guest.harvest_rings, lambda: guest.drain_into(machine.vcpus[0], words)]
    for use in uses:
        with pytest.raises(ValueError, match="closed"):
            use()


def test_descriptors_and_memory_go_with_what_holds_them():
    before = held()[0]
    _system.Descriptor(os.open(os.devnull, os.O_RDONLY))
    assert held()[0] == before
    memory = _system.Mapping(1 << 20)
    address = memory.address
    del memory
    with open("/proc/self/maps", encoding="utf-8") as lines:
        assert not any(line.startswith(f"{address:x}-") for line in lines)


@every_tracker
def test_a_tracker_that_is_forgotten_releases_all(name):
    tracker(name).close()
    before = held()
    tracked = tracker(name)
    tracked.insert([1])
    del tracked
    gc.collect()
    assert held() == before
