"""Recordings of commands: nothing written is missing, and a command goes on as if unwatched."""

import errno
import itertools
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from recording import PYTHON, longest_run, recorded, require, runs, sizes, writer

from dirtylab.live import Unavailable, _follow, _inject
from dirtylab.live._memory import Memory
from dirtylab.live.numbering import compact
from dirtylab.live.record import record_command

COMMAND = """
import mmap, time
memory = mmap.mmap(-1, 4096 * 2048)
for frame in range(2048): memory[4096 * frame] = 1
time.sleep(0.25)
for frame in range(100, 2048, 10): memory[4096 * frame] = 1
time.sleep(0.25)
"""
followed = pytest.mark.parametrize("children", [False, True])


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as text:
            return text.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def descriptors():
    return sorted(os.listdir("/proc/self/fd"))


def test_a_command_is_recorded_epoch_by_epoch():
    trace, status = recorded([sys.executable, "-S", "-c", COMMAND], interval=0.05)
    assert status == 0
    assert min(sizes(trace)) < 30
    later = trace.epochs[2:]
    # The end of an epoch may come between two of the 195 writes: two neighbours have all of them.
    pairs = [np.union1d(*pair) for pair in itertools.pairwise(later)]
    later = [epoch for epoch in (*later, *pairs) if epoch.size > 150]
    assert any((np.diff(epoch.astype(np.int64)) == 10).sum() == 194 for epoch in later)
    assert np.unique(trace.frames).size > 2000
    assert list(trace.times) == sorted(trace.times)


def test_a_command_goes_on_as_if_nobody_watched():
    script = "trap 'got=7' USR1; kill -USR1 $$; sleep 0.3; echo end; exit $got"
    words = ["sh", "-c", f"{{ {script}; }} >&2"]
    trace, status = recorded(words, interval=0.02, stderr=subprocess.DEVNULL)
    assert status == 7
    assert len(trace.epochs) >= 5


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (["no-such-program-here"], FileNotFoundError, "no program 'no-such-program-here'"),
        ([], ValueError, "command: must name"),
        ("ls", TypeError, "command='ls': must be a sequence"),
        (["true"], ValueError, "true ended, with status 0, before the first epoch"),
    ],
)
def test_commands_that_cant_be_recorded(words, error, message):
    before = descriptors()
    with pytest.raises(error, match=message):
        recorded(words)
    assert descriptors() == before


def test_a_command_that_does_not_end_is_ended():
    trace, status = recorded(["sleep", "1000"], interval=0.02, epochs=3)
    assert (len(trace.epochs), status) == (3, -9)


def test_nothing_is_left_of_a_recording(monkeypatch):
    require()
    before = descriptors()
    require()
    assert descriptors() == before

    def fail(_pid):
        raise OSError(errno.EPERM, "not allowed")

    monkeypatch.setattr(_inject, "make_userfaultfd", fail)
    with pytest.raises(Unavailable, match="userfaultfd is forbidden"):
        record_command(["sleep", "1000"], interval=0.02)
    assert descriptors() == before


def test_a_command_that_may_not_be_traced_is_refused_in_one_line(monkeypatch):
    require()

    def fail(_tid, _options):
        raise PermissionError(errno.EPERM, "not allowed")

    monkeypatch.setattr(_inject, "seize", fail)
    before = descriptors()
    with pytest.raises(Unavailable, match="ptrace is forbidden here, or a debugger"):
        record_command(["sleep", "1000"])
    assert descriptors() == before


# Exec.

EXEC_FROM_A_THREAD = """
import os, sys, threading, time
thread = threading.Thread(target=lambda: (time.sleep(0.1), os.execv(sys.argv[1], sys.argv[1:])))
thread.start()
time.sleep(100)
"""


@followed
@pytest.mark.parametrize("how", ["env", "shell", "thread"])
def test_a_recording_survives_exec(how, children):
    target = writer(300, 0.25, 5)
    words = {
        "env": ["env", *target],
        "shell": ["sh", "-c", 'sleep 0.1; exec "$@"', "sh", *target],
        "thread": [*PYTHON, EXEC_FROM_A_THREAD, *target],
    }[how]
    trace, status = recorded(words, children=children)
    assert status == 5
    full = [epoch for epoch in trace.epochs if longest_run(epoch) >= 300]
    assert full
    programs = [memory["program"] for memory in trace.facts["memories"]]
    assert programs[-1].startswith("python")
    last = trace.facts["memories"][-1]
    inside = full[-1][full[-1] >= last["first_page"]]
    assert longest_run(inside) >= 300
    assert sum(memory["pages"] for memory in trace.facts["memories"]) == trace.pages


def test_epochs_before_an_exec_are_kept():
    words = ["sh", "-c", "sleep 0.2; exec sleep 0.2"]
    trace, status = recorded(words, interval=0.02)
    assert status == 0
    assert len(trace.epochs) >= 4


def test_what_a_program_had_to_itself_is_no_page_of_the_next():
    trace, _ = recorded([*PYTHON, EXEC_FROM_A_THREAD, *writer(10, 0.2)])
    first, last = trace.facts["memories"]
    assert first["first_page"] + first["pages"] == last["first_page"]
    assert all((epoch < trace.pages).all() for epoch in trace.epochs)


def test_a_first_thread_that_has_ended_leaves_the_others_watched():
    script = """
import ctypes, mmap, os, threading, time
def write():
    memory = mmap.mmap(-1, 4096 * 200)
    end = time.monotonic() + 0.3
    while time.monotonic() < end:
        for page in range(200): memory[4096 * page] = 1
        time.sleep(0.005)
    os._exit(6)
threading.Thread(target=write).start()
ctypes.CDLL(None).syscall(60, 0)  # the end of this thread
"""
    trace, status = recorded([*PYTHON, script])
    assert status == 6
    assert len([epoch for epoch in trace.epochs if longest_run(epoch) >= 200]) >= 1


# Children.

FORK = """
import mmap, os, sys, time
memory = mmap.mmap(-1, 4096 * 3000, flags=mmap.MAP_SHARED if sys.argv[1] == "shared" else 0x22)
for page in range(3000): memory[4096 * page] = 1
time.sleep(0.1)
child = os.fork()
first, behind = (1400, 2100) if child else (200, 1500)
end = time.monotonic() + 0.25
while time.monotonic() < end:
    for page in range(first, behind): memory[4096 * page] = 1
    time.sleep(0.005)
os._exit(os.waitpid(child, 0)[1] if child else 0)
"""


def after_fork(trace, child):
    """Return the pages of all epochs after the first that has pages of the child."""
    begun = [(epoch >= child["first_page"]).any() for epoch in trace.epochs].index(True)
    return np.unique(np.concatenate(trace.epochs[begun + 1 :]))


def test_what_a_fork_gives_to_two_counts_for_each_that_writes():
    trace, status = recorded([*PYTHON, FORK, "private"], children=True)
    assert status == 0
    parent, child = trace.facts["memories"]
    assert child["parent"] == parent["process"]
    late = after_fork(trace, child)
    assert 700 in runs(late[late < child["first_page"]])
    assert 1300 in runs(late[late >= child["first_page"]])
    assert not {700, 1900} & set(runs(late[late >= child["first_page"]]))


def test_memory_that_processes_share_is_counted_once():
    trace, status = recorded([*PYTHON, FORK, "shared"], children=True)
    assert status == 0
    shared = [memory for memory in trace.facts["memories"] if "shared" in memory]
    assert len(shared) == 1
    first = shared[0]["first_page"]
    theirs = after_fork(trace, trace.facts["memories"][-1])
    theirs = theirs[(theirs >= first) & (theirs < first + shared[0]["pages"])]
    assert theirs.tolist() == list(range(first + 200, first + 2100))


def test_children_are_left_alone_when_not_asked_for():
    trace, status = recorded([*PYTHON, FORK, "private"])
    assert status == 0
    assert "memories" not in trace.facts
    found = {run for epoch in trace.epochs for run in runs(epoch)}
    assert 700 in found
    assert not {1300, 1900} & found


def test_a_child_outlives_a_recording_that_does_not_follow_it(tmp_path):
    script = """
import os, sys, time
if os.fork(): sys.exit(3)
time.sleep(0.4)
with open("/proc/self/status") as lines: traced = [line for line in lines if "TracerPid" in line]
open(sys.argv[1], "w").write(traced[0])
"""
    told = tmp_path / "told"
    _, status = recorded(["sh", "-c", '"$@"; sleep 0.1', "sh", *PYTHON, script, str(told)])
    assert status == 0
    end = time.monotonic() + 10
    while time.monotonic() < end and not (told.exists() and told.read_text()):
        time.sleep(0.05)
    assert told.read_text().split() == ["TracerPid:", "0"]


def test_a_recording_with_children_lasts_until_the_last_has_ended():
    words = ["sh", "-c", '"$@" & exit 4', "sh", *writer(100, 0.3)]
    trace, status = recorded(words, children=True)
    assert status == 4
    assert len([epoch for epoch in trace.epochs if longest_run(epoch) >= 100]) >= 1


def test_children_are_ended_with_their_recording():
    words = ["sh", "-c", "sleep 1000 & sleep 1001 & wait"]
    trace, status = recorded(words, children=True, epochs=4)
    assert (len(trace.epochs), status) == (4, -9)
    assert not [one for one in trace.facts["memories"] if is_alive(one["process"])]


def test_children_that_live_shorter_than_an_epoch_are_in():
    script = """
import mmap, os
for k in range(40):
    if not os.fork():
        memory = mmap.mmap(-1, 4096 * 50, flags=0x22)
        for page in range(50): memory[4096 * page] = 1
        os._exit(0)
    os.wait()
import time; time.sleep(0.3)
"""
    trace, status = recorded([*PYTHON, script], children=True, interval=0.1)
    assert status == 0
    for memory in trace.facts["memories"][1:]:
        first, behind = memory["first_page"], memory["first_page"] + memory["pages"]
        mine = [epoch[(epoch >= first) & (epoch < behind)] for epoch in trace.epochs]
        assert max(map(longest_run, mine)) >= 50
    assert len(trace.facts["memories"]) == 41


@pytest.mark.parametrize("how", ["vfork", "fork"])
def test_children_of_every_kind_exec(how):
    preparation = "preexec_fn=int" if how == "fork" else ""
    script = f"""
import subprocess, sys
for k in range(3):
    assert subprocess.run(sys.argv[1:], {preparation}).returncode == 3
"""
    trace, status = recorded([*PYTHON, script, *writer(100, 0.1, 3)], children=True)
    assert status == 0
    assert len([epoch for epoch in trace.epochs if longest_run(epoch) >= 100]) >= 3
    assert len({memory["process"] for memory in trace.facts["memories"]}) == 4


def test_a_pipeline_with_children_does_what_it_does_without():
    script = "seq 2000 | sort -rn | head -3; yes | head -1; echo ${PIPESTATUS[0]}; sleep 0.1"
    words = ["bash", "-c", f"( {script} ) >&2"]
    ends = [os.pipe() for _ in range(2)]
    subprocess.run(words, stderr=ends[0][1], check=True)
    recorded(words, stderr=ends[1][1], children=True)
    for _, end in ends:
        os.close(end)
    texts = [os.read(end, 9999) for end, _ in ends]
    for end, _ in ends:
        os.close(end)
    assert texts[0] == texts[1] == b"2000\n1999\n1998\ny\n141\n"


# What a command can notice.

WAITS = """
import ctypes, errno, mmap, os, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
keep, over = [], threading.Event()
def grow():
    while not over.is_set():
        keep.append(mmap.mmap(-1, 4096 * (1 + len(keep) % 3), flags=0x22)); keep[-1][0] = 1
        time.sleep(0.004)
threading.Thread(target=grow, daemon=True).start()
class Time(ctypes.Structure): _fields_ = [("s", ctypes.c_long), ("n", ctypes.c_long)]
wait, word = Time(0, 100_000_000), ctypes.c_int(0)
room, epoll = ctypes.create_string_buffer(64), libc.epoll_create1(0)
queue, semaphore = libc.msgget(0, 0o600), libc.semget(0, 1, 0o600)
notes, mask = libc.inotify_init1(0), (ctypes.c_ulong * 16)(1 << 40)
ready, far = os.pipe()
threading.Timer(0.1, lambda: os.write(far, b"x")).start()
threading.Timer(0.1, lambda: libc.msgsnd(queue, (ctypes.c_long * 2)(1, 1), 8, 0)).start()
calls = {
    "nanosleep": lambda: libc.nanosleep(ctypes.byref(wait), None),
    "poll": lambda: libc.poll(None, 0, 100),
    "epoll_wait": lambda: libc.epoll_wait(epoll, room, 1, 100),
    "futex": lambda: libc.syscall(202, ctypes.byref(word), 0, 0, ctypes.byref(wait), None, 0),
    "semtimedop": lambda: libc.semtimedop(semaphore, (ctypes.c_short * 3)(0, -1, 0), 1,
                                          ctypes.byref(wait)),
    "msgrcv": lambda: libc.msgrcv(queue, room, 8, 0, 0),
    "sigtimedwait": lambda: libc.sigtimedwait(mask, None, ctypes.byref(wait)),
    "read": lambda: libc.read(ready, room, 1),
}
failed = {}
for name, call in calls.items():
    ctypes.set_errno(0)
    if call() == -1 and ctypes.get_errno() not in (errno.ETIMEDOUT, errno.EAGAIN):
        failed[name] = ctypes.get_errno()
over.set()
libc.msgctl(queue, 0, None), libc.semctl(semaphore, 0, 0)
print(failed, file=sys.stderr)
os._exit(len(failed))
"""


@followed
def test_no_wait_of_a_command_is_interrupted(children):
    trace, status = recorded([*PYTHON, WAITS], interval=0.01, children=children)
    assert status == 0
    assert len(trace.epochs) > 10


@followed
def test_signals_arrive_with_what_they_carry(children):
    script = """
import ctypes, os, signal, sys
got = []
signal.pthread_sigmask(signal.SIG_BLOCK, [40])
queue = ctypes.CDLL(None).sigqueue
queue.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_void_p]
import threading, time
def send():
    for k in range(100):
        queue(os.getpid(), 40, k); time.sleep(0.002)
threading.Thread(target=send).start()
for k in range(100): got.append(signal.sigwaitinfo([40]).si_code)
count = 0
def add(*_):
    global count; count += 1
signal.signal(signal.SIGUSR1, add)
for k in range(100): os.kill(os.getpid(), signal.SIGUSR1)
sys.exit(0 if set(got) == {-1} and count == 100 else 1)
"""
    assert recorded([*PYTHON, script], interval=0.01, children=children)[1] == 0


@followed
def test_a_command_can_be_stopped_and_go_on(children):
    words = ["sh", "-c", "(sleep 0.2; kill -CONT $$) & kill -STOP $$; exit 4"]
    begin = time.monotonic()
    assert recorded(words, children=children)[1] == 4
    assert 0.2 < time.monotonic() - begin < 5


def test_a_stopped_command_ends_with_its_recording():
    assert recorded(["sh", "-c", "kill -STOP $$"], epochs=5)[1] == -9


def test_a_parent_sees_its_child_stop_and_go_on():
    script = """
import os, signal, time
child = os.fork()
if not child: time.sleep(100)
os.kill(child, signal.SIGSTOP)
assert os.WIFSTOPPED(os.waitpid(child, os.WUNTRACED)[1])
os.kill(child, signal.SIGCONT)
assert os.WIFCONTINUED(os.waitpid(child, os.WCONTINUED)[1])
os.kill(child, signal.SIGTERM)
assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGTERM
time.sleep(0.1)
"""
    assert recorded([*PYTHON, script], children=True)[1] == 0


FILTER = """
import ctypes, mmap, os, struct, sys, time
libc = ctypes.CDLL(None)
kill = [(0x20, 0, 0, 0), (0x15, 0, 1, 323), (6, 0, 0, 0x80000000), (6, 0, 0, 0x7FFF0000)]
code = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *line) for line in kill))
class Filter(ctypes.Structure): _fields_ = [("n", ctypes.c_ushort), ("p", ctypes.c_void_p)]
time.sleep(0.1)
libc.prctl(38, 1, 0, 0, 0)
assert libc.prctl(22, 2, ctypes.byref(Filter(len(kill), ctypes.addressof(code))), 0, 0) == 0
for k in range(20):
    memory = mmap.mmap(-1, 4096 * 50, flags=0x22); memory[0] = 1
    time.sleep(0.01)
if sys.argv[1:]: os.execv(sys.argv[1], sys.argv[1:])
"""


def test_a_command_that_filters_its_system_calls_ends_by_itself():
    assert recorded([*PYTHON, FILTER])[1] == 0


@followed
def test_a_filter_is_suspended_for_the_one_call(children):
    if os.geteuid():
        pytest.skip("only root can suspend a filter")
    trace, status = recorded([*PYTHON, FILTER, *writer(200, 0.2, 3)], children=children)
    assert status == 3
    assert any(longest_run(epoch) >= 200 for epoch in trace.epochs)


def test_a_filter_that_cant_be_suspended_is_told_and_the_command_goes_on(monkeypatch):
    set_options = _inject.set_options

    def forbid(tid, options):
        if options & _inject.SUSPEND_SECCOMP:
            raise PermissionError(errno.EPERM, "not allowed")
        set_options(tid, options)

    monkeypatch.setattr(_inject, "set_options", forbid)
    trace, status = recorded([*PYTHON, FILTER, *writer(3000, 0.2, 3)])
    assert status == 3
    assert max(sizes(trace)) < 3000
    (note,) = trace.facts["notes"]
    assert "is not recorded: it filters its system calls (seccomp)" in note


def test_a_command_with_a_userfaultfd_of_its_own_is_told():
    script = """
import ctypes, time
time.sleep(0.1)
fd = ctypes.CDLL(None).syscall(323, 0o2000001)
assert fd >= 0
"""
    trace, status = recorded([*PYTHON, script])
    assert status == 0
    (note,) = trace.facts["notes"]
    assert "uses userfaultfd itself" in note


SMALL_32 = bytes.fromhex(
    "7f454c46010101000000000000000000020003000100000054800408340000000000000000000000"
    "340020000100000000000000"
    "010000000000000000800408008004087d0000007d0000000500000000100000"
    "b8a2000000"  # nanosleep
    "bb75800408"
    "31c9"
    "cd80"
    "b801000000"  # exit
    "bb06000000"
    "cd80"
    "9090909090"
    "9090"
    "00000000"
    "00a3e111"
)


@followed
def test_a_program_of_32_bits_is_recorded_over_its_exec(children, tmp_path):
    program = tmp_path / "small"
    program.write_bytes(SMALL_32)
    program.chmod(0o755)
    try:
        status = subprocess.run([program]).returncode
    except OSError as error:
        pytest.skip(f"this kernel runs no programs of 32 bits: {error}")
    assert status == 6
    words = ["sh", "-c", f"sleep 0.1; exec {program}"]
    trace, status = recorded(words, children=children)
    assert status == 6
    assert trace.facts["memories"][-1]["program"] == "small"
    assert "notes" not in trace.facts


# How a command is started.


def started(words, **options):
    """Return a command's exit status as subprocess has it, and as a recording has it."""
    quiet = {"stdin": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    plain = subprocess.run(words, **quiet, **options).returncode
    return plain, recorded(words, **quiet, **options)[1]


def script_in(folder, text):
    file = folder / "mine"
    file.write_text(text)
    file.chmod(0o755)
    return file


END = "sleep 0.1; exit 7"


@pytest.mark.parametrize(
    "options",
    [
        {"text": True},
        {"close_fds": False},
        {"umask": 0o27},
        {"start_new_session": True},
        {"process_group": 0},
        {"restore_signals": False},
        {"preexec_fn": lambda: None},
        {"bufsize": 0},
        {"encoding": "utf-8"},
    ],
    ids=lambda options: next(iter(options)),
)
def test_a_command_is_started_as_subprocess_does(options):
    told = "; ".join(
        [
            "umask >&2; ps -o pid=,sid=,pgid= -p $$ >/dev/null",
            "[ $(ps -o sid= -p $$) = $$ ] && exit 1",
            "[ $(ps -o pgid= -p $$) = $$ ] && exit 2",
            "[ $(umask) = 0027 ] && exit 3",
            END,
        ]
    )
    plain, under = started(["sh", "-c", f"sleep 0.1; {told}"], **options)
    assert plain == under
    expected = {"start_new_session": 1, "process_group": 2, "umask": 3}
    assert under == expected.get(next(iter(options)), 7)


def test_the_program_is_looked_up_in_its_own_folder_and_path(tmp_path):
    script_in(tmp_path, f"#!/bin/sh\n{END}\n")
    assert started(["./mine"], cwd=tmp_path) == (7, 7)
    assert started(["mine"], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}) == (7, 7)


def test_the_environment_is_the_commands_alone():
    words = ["/bin/sh", "-c", '[ "$A$LC_CTYPE$PYTHONHOME" = 1/nowhere ] || exit 1; ' + END]
    path = os.environ["PATH"]
    assert started(words, env={"A": "1", "PYTHONHOME": "/nowhere", "PATH": path}) == (7, 7)


def test_another_executable_than_the_name():
    words = ["name", "-c", f'[ "$0" = name ] || exit 1; {END}']
    assert started(words, executable="/bin/sh") == (7, 7)


def test_descriptors_are_passed_and_no_others_are_open():
    script = """
import os, sys, time
time.sleep(0.1)
passed = int(sys.argv[1])
held = [fd for fd in range(3, 1000) if os.path.exists(f"/proc/self/fd/{fd}")]
os.write(passed, b"x")
sys.exit(7 if held == [passed] else 1)
"""
    ends = os.pipe()
    try:
        words = [*PYTHON, script, str(ends[1])]
        assert started(words, pass_fds=[ends[1]]) == (7, 7)
        assert os.read(ends[0], 9) == b"xx"
    finally:
        for end in ends:
            os.close(end)


def test_a_broken_pipe_ends_a_command_as_without_recording():
    ends = os.pipe()
    os.close(ends[0])
    try:
        words = ["sh", "-c", "sleep 0.1; echo x"]
        assert recorded(words, stdout=ends[1])[1] == -signal.SIGPIPE
    finally:
        os.close(ends[1])


def test_a_command_starts_where_standard_descriptors_are_closed(tmp_path):
    out = tmp_path / "trace.npz"
    words = [sys.executable, "-m", "dirtylab", "record", "--interval", "0.03", "--out", str(out)]
    line = '"$@" -- sleep 0.2 <&- >/dev/null 2>&1'
    require()
    assert subprocess.run(["sh", "-c", line, "sh", *words]).returncode == 0
    assert out.exists()


@pytest.mark.parametrize(
    ("option", "error", "message"),
    [
        ({"timeout": 3}, TypeError, "timeout=3: is no argument of record_command or Popen"),
        ({"args": ["ls"]}, TypeError, "args="),
        (
            {"stdout": subprocess.PIPE},
            ValueError,
            "stdout=PIPE: nothing reads or writes its other end",
        ),
        ({"stdin": subprocess.PIPE}, ValueError, "stdin=PIPE"),
        ({"cwd": "/no/such/folder"}, FileNotFoundError, "cwd='/no/such/folder': No such file"),
        ({"executable": "/no/sh"}, FileNotFoundError, "no program '/no/sh' found"),
        ({"user": -5}, ValueError, "negative"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_what_a_command_cant_be_started_with_is_named(option, error, message):
    before = descriptors()
    with pytest.raises(error, match=message) as caught:
        recorded(["sh", "-c", END], **option)
    assert "\n" not in str(caught.value)
    assert descriptors() == before


@pytest.mark.parametrize(
    ("text", "mode", "error", "message"),
    [
        ("echo no line that names an interpreter\n", 0o755, OSError, "nor a script that begins"),
        ("#!/no/such/interpreter\n", 0o755, FileNotFoundError, "interpreter or loader that is mis"),
        ("#!/bin/sh\n", 0o644, PermissionError, "may not be executed"),
        ("\x7fELF none\n", 0o755, OSError, "is no program of this machine"),
    ],
    ids=["no-interpreter", "missing", "mode", "garbage"],
)
def test_files_that_are_no_program_are_refused_in_one_line(text, mode, error, message, tmp_path):
    script_in(tmp_path, text).chmod(mode)
    with pytest.raises(error, match=f"command: './mine' .*{message}"):
        recorded(["./mine"], cwd=tmp_path)


def test_what_fails_before_the_exec_is_subprocess_own_error():
    def fail():
        raise OSError("mine")

    before = descriptors()
    with pytest.raises(subprocess.SubprocessError, match="preexec_fn"):
        recorded(["sleep", "1"], preexec_fn=fail)
    assert descriptors() == before


# Errors in the middle.


def test_an_error_in_the_middle_keeps_what_was_taken(monkeypatch):
    require()
    harvest, count = _follow.Follower.harvest, iter(range(100))

    def fail(follower):
        if next(count) == 3:
            raise MemoryError("no room")
        return harvest(follower)

    monkeypatch.setattr(_follow.Follower, "harvest", fail)
    trace, status = record_command(["sleep", "100"], interval=0.02)
    assert (len(trace.epochs), status) == (3, -9)
    assert trace.facts["notes"] == ["ended after 3 epochs: no room"]


def test_memory_that_can_be_watched_no_longer_is_told(monkeypatch):
    require()
    harvest, count = Memory.harvest, iter(range(100))

    def fail(memory):
        if next(count) == 3:
            raise OSError(errno.EIO, "Input/output error")
        return harvest(memory)

    monkeypatch.setattr(Memory, "harvest", fail)
    trace, status = record_command(["sleep", "0.3"], interval=0.02)
    assert status == 0
    assert len(trace.epochs) >= 1
    assert trace.facts["notes"][0].endswith("is recorded no longer: Input/output error")


def test_a_fault_while_following_keeps_what_was_taken(monkeypatch):
    require()

    def fail(_follower, _tid):
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(_follow.Follower, "_leave", fail)
    trace, _ = record_command(["sleep", "0.2"], interval=0.02)
    assert len(trace.epochs) >= 1
    assert trace.facts["notes"][-1].endswith("epochs: a fault of ours")


def test_page_numbers_are_made_small_in_chunks():
    far = 2**35
    harvests = [np.array([far, far + 1], np.uint64), np.array([7, far + 600], np.uint64)]
    small, size = compact(harvests)
    assert [one.tolist() for one in small] == [[512, 513], [7, 512 + 600]]
    assert size == 3 * 512
    assert compact([]) == ([], 0)
