"""Real dirty pages: what a guest or process wrote is what the kernel tells, and nothing leaks."""

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from contracts import draw
from hypothesis import given, settings
from hypothesis import strategies as st

from dirtylab import DATASETS
from dirtylab.live import (
    TRACKERS,
    KvmLog,
    KvmRing,
    Pagemap,
    Unavailable,
    Watcher,
    _device,
    _guest,
    _machine,
    missing,
    pagemap,
)

EDGES = [0, 1, 8, 63, 64, 65, 511, 513, 4095, 4096, 4097]
KVM = [name for name in TRACKERS if name.startswith("kvm")]


def tracker(name, pages, **options):
    """Return a tracker, or skip the test for the reason why there is none here."""
    why = missing(name)
    if why:
        pytest.skip(why)
    return TRACKERS[name](pages, **options)


def guests_own(name):
    return {_guest.COUNTER_FRAME} if name.startswith("kvm") else set()


every_tracker = pytest.mark.parametrize("name", TRACKERS)
every_guest = pytest.mark.parametrize("name", KVM)


@every_tracker
@pytest.mark.parametrize("dataset", DATASETS)
def test_what_was_written_is_what_is_read(name, dataset, tmp_path):
    with tracker(name, 5000) as tracked:
        for seed in (0, 1):
            frames = draw(dataset, 5000, 1500, tmp_path, seed=seed)
            tracked.insert(frames)
            if name in KVM:
                assert set(tracked.own_frames.tolist()) == guests_own(name)
            found = tracked.harvest()
            assert found.dtype == np.uint64
            assert sorted(found.tolist()) == sorted(set(frames.tolist()))
        assert tracked.harvest().tolist() == []


@every_tracker
@pytest.mark.parametrize("pages", EDGES)
def test_the_contract_at_the_edges_of_words(name, pages):
    frames = sorted({0, pages // 2, pages - 1}) if pages else []
    with tracker(name, pages) as tracked:
        assert (tracked.pages, len(tracked), tracked.collect().tolist()) == (pages, 0, [])
        tracked.insert([*frames, *frames])
        assert (len(tracked), sorted(tracked.collect().tolist())) == (len(frames), frames)
        assert all(frame in tracked for frame in frames)
        assert pages not in tracked
        assert -1 not in tracked
        tracked.check()
        room = np.full(len(frames) + 3, 7, np.uint64)
        assert sorted(tracked.harvest(room).tolist()) == frames
        assert room[len(frames) :].tolist() == [7, 7, 7]
        assert tracked.collect().tolist() == []
        tracked.insert(frames[:1])
        tracked.clear()
        assert len(tracked) == 0


@every_tracker
def test_room_too_small_loses_nothing(name):
    with tracker(name, 200) as tracked:
        tracked.insert([5, 150, 64])
        with pytest.raises(ValueError, match="out: has room for 2 frames, 3 needed"):
            tracked.harvest(np.empty(2, np.uint64))
        assert sorted(tracked.harvest().tolist()) == [5, 64, 150]


@every_tracker
def test_bad_frames_are_named_and_nothing_is_written(name):
    with tracker(name, 200) as tracked:
        with pytest.raises(IndexError, match=r"frames\[1\]=200: must be 0 … 199"):
            tracked.insert([3, 200])
        assert len(tracked) == 0


@every_tracker
def test_epochs_with_the_same_frames_again(name):
    with tracker(name, 3000) as tracked:
        for epoch in range(4):
            written = set(range(epoch, 3000, 7 + epoch))
            tracked.insert(sorted(written))
            tracked.insert(sorted(written))
            assert set(tracked.harvest().tolist()) == written


@every_guest
@pytest.mark.parametrize("vcpus", [1, 2, 3])
def test_processors_share_the_writing(name, vcpus):
    frames = DATASETS["random"](9000, 6000, seed=3)
    with tracker(name, 9000, vcpus=vcpus) as guest:
        guest.insert(frames)
        assert set(guest.harvest().tolist()) == set(frames.tolist())
        guest.insert([8999])
        assert guest.harvest().tolist() == [8999]


@pytest.mark.parametrize("entries", [256, 1024])
@pytest.mark.parametrize("vcpus", [1, 2])
def test_a_ring_that_fills_loses_nothing(entries, vcpus):
    frames = DATASETS["random"](20_000, 12_000, seed=5)
    with tracker("kvm-ring", 20_000, entries=entries, vcpus=vcpus) as guest:
        guest.insert(frames)
        assert set(guest.harvest().tolist()) == set(frames.tolist())
        assert guest.entries_taken - guest.repeats == len(set(frames.tolist()))
        before = guest.exits
        # A page written again before a reset pushes no second entry: distinct ones fill a ring.
        guest.insert(range(12_000))
        assert guest.harvest().size == 12_000
        assert guest.exits - before >= 12_000 // entries - vcpus


def test_a_ring_that_fills_over_many_inserts_loses_nothing():
    with tracker("kvm-ring", 9000, entries=1024) as guest:
        for first in range(0, 9000, 900):
            guest.insert(range(first, first + 900))
        assert guest.harvest().tolist() == list(range(9000))


def test_more_ranges_than_one_call_returns():
    with tracker("pagemap", 40_000) as tracked:
        tracked.insert(range(1, 40_000, 2))
        assert tracked.harvest().tolist() == list(range(1, 40_000, 2))


def test_a_ring_tells_the_order_of_arrival():
    frames = DATASETS["random"](9000, 6000, seed=1).tolist()
    with tracker("kvm-ring", 9000, entries=512) as guest:
        guest.insert(frames)
        assert guest.harvest().tolist() == list(dict.fromkeys(frames))


def test_half_written_memory_of_the_guest_is_what_the_program_writes():
    with tracker("kvm-log", 64) as guest:
        guest.insert([9, 3, 9])
        words = guest.machine.memory.array(np.uint64).reshape(64, 512)
        assert (words[9, 0], words[3, 0], words.sum()) == (1, 2, 3)  # frames left, at each write


@every_guest
def test_a_guest_that_never_exits_is_stopped(name):
    with tracker(name, 64, time_limit=0.2) as guest:
        begin = time.monotonic()
        with pytest.raises(TimeoutError, match=r"time_limit=0.2: the guest ran longer"):
            guest.machine.write(np.zeros(1, np.uint64), _guest.SPIN)
        assert time.monotonic() - begin < 5
        guest.insert([7, 9])
        assert sorted(guest.harvest().tolist()) == [7, 9]


def test_a_guest_that_breaks_says_so():
    with tracker("kvm-log", 64) as guest, pytest.raises(_machine.GuestError, match="the guest "):
        guest.machine.write(np.zeros(1, np.uint64), 0x7000_0000_0000_0000)


def test_ctrl_c_stops_the_guest(monkeypatch):
    with tracker("kvm-log", 64) as guest:

        def interrupted(_workers):
            raise KeyboardInterrupt

        monkeypatch.setattr(guest.machine, "_wait", interrupted)
        with pytest.raises(KeyboardInterrupt):
            guest.machine.write(np.zeros(1, np.uint64), _guest.SPIN)
        assert threading.active_count() < 5


def held():
    """Return the open descriptors and the mappings made by trackers."""
    with open("/proc/self/maps", encoding="utf-8") as lines:
        maps = [line.split()[0] for line in lines]
    return len(os.listdir("/proc/self/fd")), len(maps)


@every_tracker
def test_descriptors_and_mappings_are_released(name):
    with tracker(name, 4096):
        pass
    before = held()
    for _ in range(20):
        with tracker(name, 4096) as tracked:
            tracked.insert([1, 2])
            assert held()[0] > before[0]
        tracked.close()
    del tracked
    after = held()
    assert after[0] == before[0]
    assert abs(after[1] - before[1]) <= 3  # the allocator's own


@every_guest
def test_a_start_that_fails_halfway_releases_all(name, monkeypatch):
    tracker(name, 64).close()
    before = held()[0]

    def fail(*_):
        raise RuntimeError("no")

    monkeypatch.setattr(_guest, "special_registers", fail)
    with pytest.raises(RuntimeError, match="no"):
        TRACKERS[name](64)
    assert held()[0] == before


@every_tracker
def test_what_is_closed_says_so(name):
    tracked = tracker(name, 64)
    tracked.close()
    assert "closed" in repr(tracked)
    for use in (lambda: tracked.insert([1]), tracked.collect, tracked.clear):
        with pytest.raises(ValueError, match=f"{name}: .*closed"):
            use()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pages": 2**27}, r"pages=134217728: must be 0 … 67108864"),
        ({"vcpus": 0}, r"vcpus=0: must be 1 … 64"),
        ({"entries": 300}, r"entries=300: must be a power of two"),
        ({"entries": 128}, r"entries=128: must be 256 … 65536"),
        ({"time_limit": 0}, r"time_limit=0: must be 0.001"),
    ],
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        KvmRing(**{"pages": 64, **options})


MISSING = [
    ("_device.DEVICE", "/dev/none", KvmLog, r"/dev/none is missing.*recorded traces work"),
    ("_device.DEVICE", "/dev/null", KvmLog, r"/dev/null is no device of KVM"),
    ("_system.platform.machine", lambda: "riscv64", KvmLog, r"needs x86_64, this is riscv64"),
    ("_system.platform.system", lambda: "Darwin", KvmLog, r"needs Linux, this is Darwin"),
    ("_system.platform.system", lambda: "Darwin", Pagemap, r"needs Linux, this is Darwin"),
    ("_scan.FEATURES", 1 << 62, Pagemap, r"needs Linux 6.7 or later"),
    ("_scan.SYSCALLS", {"x86_64": 9999, "aarch64": 9999}, Pagemap, r"needs CONFIG_USERFAULTFD"),
]


@pytest.mark.parametrize(("place", "value", "make", "message"), MISSING)
def test_what_is_missing_is_named_in_one_line(place, value, make, message, monkeypatch):
    monkeypatch.setattr(f"dirtylab.live.{place}", value)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(Unavailable, match=message) as caught:
        make(64)
    assert "\n" not in str(caught.value)
    assert len(os.listdir("/proc/self/fd")) == before
    name = make.name
    assert missing(name) == str(caught.value)


def test_an_old_kernel_without_rings_says_what_works(monkeypatch):
    tracker("kvm-ring", 1).close()
    monkeypatch.setattr(_device, "ring_capability", lambda _: 0)
    with pytest.raises(Unavailable, match=r"dirty ring: needs Linux 5.11.*kvm-log\) works"):
        KvmRing(64)


@settings(max_examples=20)
@given(st.lists(st.lists(st.integers(0, 299), max_size=40), max_size=5))
def test_pagemap_and_guest_agree_with_a_set(epochs):
    for name in ("pagemap", "kvm-ring"):
        with tracker(name, 300) as tracked:
            for frames in epochs:
                tracked.insert(frames)
                assert set(tracked.harvest().tolist()) == set(frames)


WRITER = """
import ctypes, mmap, sys
from dirtylab.live.pagemap import take_part
memory = mmap.mmap(-1, 4096 * 64)
with open(__import__('os').__file__, 'rb') as file:
    copied = mmap.mmap(file.fileno(), 4096 * 4, access=mmap.ACCESS_COPY)
copied[4096 * 3]  # read, not written
end = take_part()
for one in (memory, copied):
    print(ctypes.addressof(ctypes.c_char.from_buffer(one)) // 4096, flush=True)
for line in sys.stdin:
    for frame in map(int, line.split()):
        memory[4096 * frame] = 1
    copied[1] = 1
    copied[4096 * 2 + 7]  # read, not written
    print('done', flush=True)
end()
"""


def test_a_child_that_takes_part_is_watched():
    if why := pagemap.missing():
        pytest.skip(why)
    with subprocess.Popen(
        [sys.executable, "-c", WRITER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        first, copied = int(child.stdout.readline()), int(child.stdout.readline())
        watcher = Watcher(child.pid)
        assert copied + 3 not in watcher.harvest().tolist()
        for frames in ([1, 5, 6], [63], [1], []):
            child.stdin.write(" ".join(map(str, frames)) + "\n")
            child.stdin.flush()
            child.stdout.readline()
            found = watcher.harvest().tolist()
            assert [page - first for page in found if 0 <= page - first < 64] == frames
            assert [page - copied for page in found if 0 <= page - copied < 4] == [0]
        watcher.close()
        child.stdin.close()
        child.wait()
        with pytest.raises(OSError, match=r"has gone|No such"):
            Watcher(child.pid).harvest()
