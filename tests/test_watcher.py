"""A watcher tells what a child wrote, wherever and however it is mapped, and nothing else."""

import contextlib
import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from fuzz import mappings
from fuzz.mappings import BASE, PAGE, READ, WRITE

from dirtylab.live import Watcher, _areas, pagemap, record_command

BOTH = READ | WRITE
DONTNEED, PAGEOUT = 4, 21
MOVE, LEAVE = 3, 7


class Family:
    """A child that does what it is told, and its watcher."""

    def __init__(self, process, watcher):
        self.process, self.watcher = process, watcher

    def do(self, *operation):
        self.process.stdin.write(json.dumps(operation) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def harvest(self):
        spans = [end for area in self.watcher.unwatched() for end in (area.start, area.end)]
        assert self.do("register", *spans) == 0
        return self.inside(self.watcher.harvest())

    @staticmethod
    def inside(pages):
        found = [page - BASE // PAGE for page in pages.tolist()]
        return [page for page in found if 0 <= page < mappings.PAGES]


@pytest.fixture
def family(tmp_path):
    if why := pagemap.missing():
        pytest.skip(why)
    with subprocess.Popen(
        [sys.executable, mappings.__file__, "--child", str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "ready\n"
        watcher = Watcher(process.pid)
        yield Family(process, watcher)
        watcher.close()
        process.stdin.close()


def run(family, *epochs):
    """Do the operations of each epoch; return what each harvest tells."""
    found = []
    for operations in epochs:
        for operation in operations:
            assert family.do(*operation) == 0, operation
        found.append(family.harvest())
    return found


def mapped(kind="anon", first=0, count=8, rights=BOTH):
    return ("map", first, count, kind, rights, 0)


every_kind = pytest.mark.parametrize("kind", mappings.KINDS)


@every_kind
def test_memory_mapped_again_at_the_same_place_is_watched_again(family, kind):
    again = [mapped(kind), ("write", 1, 6)]
    assert run(family, again, again, [("unmap", 0, 8), *again], [], [("write", 2)]) == [
        [1, 6], [1, 6], [1, 6], [], [2],
    ]  # fmt: skip


@every_kind
def test_a_part_mapped_anew_is_watched_with_the_rest(family, kind):
    epochs = [
        [mapped(kind), ("write", 0, 7)],
        [mapped(kind, 2, 3), ("write", 2, 6)],
        [("write", 3, 4, 5)],
    ]
    assert run(family, *epochs) == [[0, 7], [2, 6], [3, 4, 5]]


@every_kind
@pytest.mark.parametrize("rights", [READ, 0])
def test_what_was_written_and_then_protected_is_told(family, kind, rights):
    written = [("protect", 0, 8, BOTH), ("write", 3, 4), ("protect", 0, 8, rights)]
    epochs = [[mapped(kind, rights=rights)], written, written, [], [("protect", 2, 2, READ)]]
    assert run(family, *epochs) == [[], [3, 4], [3, 4], [], []]


@every_kind
def test_what_is_mapped_written_and_protected_in_one_epoch_is_told(family, kind):
    assert run(family, [mapped(kind), ("write", 5), ("protect", 0, 8, 0)], []) == [[5], []]


@every_kind
def test_moved_memory_is_new_where_it_is(family, kind):
    moved = ("move", 0, 8, 20, 8, MOVE)
    epochs = [[mapped(kind), ("write", 1, 2)], [("write", 3), moved], [("write", 24)], []]
    assert run(family, *epochs) == [[1, 2], [21, 22, 23], [24], []]


def test_memory_that_stays_when_its_pages_are_moved_is_watched(family):
    epochs = [[mapped(), ("write", 1)], [("move", 0, 8, 20, 8, LEAVE)], [("write", 1, 22)]]
    assert run(family, *epochs) == [[1], [21], [1, 22]]


@every_kind
def test_neighbours_that_moved_memory_is_joined_with_stay_watched(family, kind):
    # the kernel joins both mappings and watches neither, and the bits of protection stay
    epochs = [
        [("map", 16, 12, kind, BOTH, 0), ("write", 24, 25)],
        [("move", 16, 4, 40, 4, MOVE)],
        [("move", 40, 4, 16, 4, MOVE), ("write", 25)],
        [("write", 17, 25, 26)],
        [("write", 25)],
        [],
    ]
    found = run(family, *epochs)
    assert found[0] == [24, 25]
    assert 25 in found[2]
    assert found[3:] == [[17, 25, 26], [25], []]


@every_kind
def test_memory_that_grows_and_shrinks(family, kind):
    epochs = [
        [mapped(kind, count=4), ("write", 3)],
        [("move", 0, 4, 0, 8, 0), ("write", 5)],
        [("write", 6), ("move", 0, 8, 0, 2, 0), ("write", 1)],
    ]
    assert run(family, *epochs) == [[3], [5], [1]]


@every_kind
def test_only_reading_is_no_writing(family, kind):
    epochs = [[mapped(kind)], [("read", 1, 2, 7)], [("read", 3), ("write", 2)], [("read", 2)]]
    assert run(family, *epochs) == [[], [], [2], []]


@pytest.mark.parametrize("kind", [name for name, shared in mappings.KINDS.items() if not shared])
def test_private_memory_given_back_is_not_told(family, kind):
    epochs = [[mapped(kind)], [("write", 1, 2), ("advise", 1, 1, DONTNEED)], [("write", 1)]]
    assert run(family, *epochs) == [[], [2], [1]]


@pytest.mark.parametrize("kind", [name for name, shared in mappings.KINDS.items() if shared])
@pytest.mark.parametrize("advice", [DONTNEED, PAGEOUT])
def test_shared_memory_that_was_written_and_evicted_is_told(family, kind, advice):
    epochs = [[mapped(kind)], [("write", 1, 2), ("advise", 0, 8, advice)], [("read", 1, 3)], []]
    assert run(family, *epochs) == [[], [1, 2], [], []]


def test_what_the_kernel_writes_for_the_process_is_told(family):
    assert run(family, [mapped()], [("fill", 2, 5)], [("fork", 1)]) == [[], [2, 5], []]


def test_the_heap_and_the_stack_are_watched(family):
    family.harvest()
    family.do("write", *[])
    names = {area.name: area for area in _areas.areas_of(family.process.pid)}
    pages = np.array(family.watcher.harvest())
    for name in ("[heap]", "[stack]"):
        area = names[name]
        assert ((area.start // PAGE <= pages) & (pages < area.end // PAGE)).any(), name
    assert not [
        area for area in family.watcher.unwatched() if area.name in names and area.writeable
    ]


def test_a_heap_that_grows_and_shrinks_is_watched(family):
    first = family.do("heap_end")

    def told():
        spans = [end for area in family.watcher.unwatched() for end in (area.start, area.end)]
        assert family.do("register", *spans) == 0
        found = [page - first for page in family.watcher.harvest().tolist()]
        return [page for page in found if 0 <= page < 12]

    told()
    for more, pages in (
        (12, [1, 7, 11]),
        (0, [7]),
        (-6, [2, 5]),
        (6, [3, 8]),
        (0, [8, 9]),
        (0, []),
    ):
        assert family.do("heap", more, *pages) == 0
        assert told() == pages


@pytest.mark.filterwarnings("ignore:Exception ignored in.*FileIO")  # closed all the same
def test_harvests_interrupted_at_random_lose_nothing(family):
    family.do(*mapped("memfd", 0, 64))
    family.do(*mapped("anon", 64, 64))
    family.harvest()
    rng = np.random.default_rng(7)
    interrupted = 0

    def ring(_number, _frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, ring)
    try:
        for _ in range(250):
            wanted = sorted(rng.choice(128, 9, replace=False).tolist())
            family.do("write", *wanted)
            pages = None
            with contextlib.suppress(KeyboardInterrupt):
                signal.setitimer(signal.ITIMER_REAL, rng.uniform(1e-6, 2e-3))
                pages = family.watcher.harvest()
                signal.setitimer(signal.ITIMER_REAL, 0)
            signal.setitimer(signal.ITIMER_REAL, 0)
            if pages is None:
                interrupted += 1
                pages = family.watcher.harvest()
            assert family.inside(pages) == wanted
    finally:
        signal.signal(signal.SIGALRM, before)
    assert interrupted > 20


def test_a_forked_child_may_not_use_its_parents_watcher(family):
    run(family, [mapped(), ("write", 1)])
    family.do("write", 5)
    line = in_a_child(family.watcher.harvest)
    assert line.startswith("RuntimeError watcher: was made in process ")
    assert in_a_child(family.watcher.close) == "None"
    assert family.harvest() == [5]


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


def test_what_is_closed_says_so(family):
    family.watcher.close()
    for use in (family.watcher.harvest, family.watcher.unwatched):
        with pytest.raises(ValueError, match="watcher: is closed"):
            use()


PART = """
import ctypes, gc, mmap, sys
from dirtylab.live import take_part
memory = mmap.mmap(-1, 4096 * 8)
take_part()
gc.collect()
print(ctypes.addressof(ctypes.c_char.from_buffer(memory)) // 4096, flush=True)
for line in sys.stdin:
    memory[4096 * int(line)] = 1
    print(flush=True)
"""


def test_who_takes_part_and_drops_what_is_returned_takes_part():
    if why := pagemap.missing():
        pytest.skip(why)
    with subprocess.Popen(
        [sys.executable, "-c", PART], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        first = int(process.stdout.readline())
        watcher = Watcher(process.pid)
        watcher.harvest()
        process.stdin.write("3\n")
        process.stdin.flush()
        process.stdout.readline()
        assert [page - first for page in watcher.harvest() if first <= page < first + 8] == [3]
        watcher.close()
        process.stdin.close()


def test_random_mappings_are_told_exactly():
    if why := pagemap.missing():
        pytest.skip(why)
    assert mappings.main(["--rounds", "4", "--epochs", "20", "--seed", "77"]) == 0


# --- devices, huge pages ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "device"),
    [
        ("/dev/null", True),
        ("/dev/zero", False),
        ("/dev/zero (deleted)", False),
        ("/dev/hugepages/x", False),
        ("/dev/shm", False),
        ("/memfd:x (deleted)", False),
        ("/anon_hugepage (deleted)", False),
        ("[heap]", False),
        ("", False),
    ],
)
def test_a_device_is_told_by_its_file(name, device):
    area = _areas.Area(0, PAGE, True, True, ("00:00", "0", 0), name)
    assert _areas.is_device("self", area) is device


def test_a_device_by_another_name_is_one(tmp_path):
    node = tmp_path / "memory"
    try:
        os.mknod(node, 0o600 | 0o020000, os.makedev(1, 3))
    except OSError as error:
        pytest.skip(f"no device can be made here: {error}")
    area = _areas.Area(0, PAGE, True, True, ("00:00", "0", 0), str(node))
    assert _areas.is_device("self", area)


HUGE = """
import ctypes, mmap, os, sys, time
if sys.argv[1] == "private":
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40000
    memory = mmap.mmap(-1, 2 << 21, flags=flags)
else:
    fd = os.memfd_create("huge", 4) if sys.argv[1] == "memfd" else os.open(
        sys.argv[1], os.O_RDWR | os.O_CREAT)
    os.ftruncate(fd, 2 << 21)
    memory = mmap.mmap(fd, 2 << 21)
end = time.monotonic() + 0.5
while time.monotonic() < end:
    memory[0] = memory[1 << 21] = (memory[0] + 1) % 256
    time.sleep(0.01)
"""


@pytest.fixture
def huge_pages():
    place = "/proc/sys/vm/nr_hugepages"
    try:
        with open(place, encoding="ascii") as file:
            before = int(file.read())
        with open(place, "w", encoding="ascii") as file:
            file.write(str(before + 4))
        with open(place, encoding="ascii") as file:
            enough = int(file.read()) >= before + 4
    except OSError as error:
        pytest.skip(f"huge pages can't be had here: {error}")
    if enough:
        yield
    with open(place, "w", encoding="ascii") as file:
        file.write(str(before))
    if not enough:
        pytest.skip("huge pages can't be had here: no memory in one piece")


def hugetlb_file():
    """Return a file in a hugetlbfs, where one is mounted and may be written."""
    with open("/proc/mounts", encoding="utf-8") as lines:
        places = [line.split()[1] for line in lines if line.split()[2] == "hugetlbfs"]
    found = [place for place in places if os.access(place, os.W_OK)]
    if not found:
        pytest.skip("no hugetlbfs is mounted where this user may write")
    return os.path.join(found[0], f"dirtylab-{os.getpid()}")


def require_most(trace, pages):
    """Most epochs have so many pages: on a busy machine the command may sleep through one."""
    sizes = [epoch.size for epoch in trace.epochs]
    assert sum(size >= pages for size in sizes) > len(sizes) / 2, sizes


@pytest.mark.parametrize("how", ["private", "memfd", "file"])
def test_huge_pages_are_recorded(huge_pages, how):
    if why := pagemap.missing():
        pytest.skip(why)
    place = hugetlb_file() if how == "file" else how
    try:
        words = [sys.executable, "-S", "-c", HUGE, place]
        trace, status = record_command(words, interval=0.1)
    finally:
        if how == "file":
            os.unlink(place)
    assert status == 0
    require_most(trace, 1024)


# --- recordings ---------------------------------------------------------------------------------

LOOP = """
import ctypes, sys, time
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + 3 * [ctypes.c_int] + [ctypes.c_long]
libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
size, place, made = 256 * 4096, 0x200000000000, False
end = time.monotonic() + 0.6
while time.monotonic() < end:
    if sys.argv[1] == "again" or not made:
        made = libc.mmap(place, size, 3, 0x32, -1, 0)
    libc.mprotect(place, size, 3)
    ctypes.memset(place, 7, size)
    if sys.argv[1] == "protect":
        libc.mprotect(place, size, 1)
    time.sleep(0.01)
"""


@pytest.mark.parametrize("how", ["again", "protect"])
def test_every_epoch_of_a_recording_has_the_pages_that_were_written(how):
    if why := pagemap.missing():
        pytest.skip(why)
    trace, status = record_command([sys.executable, "-S", "-c", LOOP, how], interval=0.1)
    assert status == 0
    assert len(trace.epochs) > 2
    require_most(trace, 256)
    assert "unmapped" in trace.facts["left_out"]
