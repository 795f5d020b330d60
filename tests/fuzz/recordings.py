"""Random commands, recorded, killed and interrupted at random moments.

``python tests/fuzz/recordings.py --rounds 200 --seed 1``: in each round a command does random
deeds: it writes, forks, spawns, execs, waits, sends itself signals, stops and goes on, in its first
thread or another.  It must end as it does when nobody watches, and every page that it wrote be
told.  In some rounds the recording is a process of its own that gets a signal; then what it had
taken must be there, and nothing of the command be left.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from dirtylab.datasets.tracefile import read_trace
from dirtylab.live import recovered
from dirtylab.live.record import record_command

INTERVAL = 0.02
COMMAND = r"""
import ctypes, json, mmap, os, signal, subprocess, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
keep, wrong = [], []

def write(pages, seconds):
    memory = mmap.mmap(-1, 4096 * (pages + 2), flags=0x22)
    keep.append(memory)
    end = time.monotonic() + seconds
    while True:
        for page in range(1, pages + 1): memory[4096 * page] = 1
        if time.monotonic() > end: break
        time.sleep(0.005)
    time.sleep(0.1)

def wait(milliseconds):
    room, begin = ctypes.create_string_buffer(64), time.monotonic()
    if libc.epoll_wait(libc.epoll_create1(0), room, 1, milliseconds) != 0: wrong.append("epoll")
    if libc.poll(None, 0, milliseconds) != 0: wrong.append("poll")
    if time.monotonic() - begin < 0.0019 * milliseconds: wrong.append("time")

def signals(count):
    got = []
    signal.signal(signal.SIGUSR1, lambda *_: got.append(1))
    for _ in range(count): os.kill(os.getpid(), signal.SIGUSR1)
    if len(got) != count: wrong.append("signals")

def stop(seconds):
    if not os.fork():
        time.sleep(seconds); os.kill(os.getppid(), signal.SIGCONT); os._exit(0)
    os.kill(os.getpid(), signal.SIGSTOP)
    os.wait()

def fork(plan):
    child = os.fork()
    if not child: run(plan)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != end_of(plan): wrong.append("fork")

def spawn(plan):
    words = [*sys.orig_argv[:-1], json.dumps(plan)]
    if subprocess.run(words).returncode != end_of(plan): wrong.append("spawn")

def execute(plan): os.execv(sys.executable, [*sys.orig_argv[:-1], json.dumps(plan)])

def end_of(plan): return -plan[-1][1] if plan[-1][0] == "die" else plan[-1][1]

def die(number): os.kill(os.getpid(), number); time.sleep(10)

def leave(status):
    if wrong: print(wrong, file=sys.stderr)
    os._exit(99 if wrong else status)

DEEDS = {f.__name__: f for f in (write, wait, signals, stop, fork, spawn, execute, die, leave)}

def run(plan):
    for name, *arguments in plan:
        threaded = name.startswith("thread-")
        deed = DEEDS[name.removeprefix("thread-")]
        if threaded:
            thread = threading.Thread(target=deed, args=arguments); thread.start(); thread.join()
        else:
            deed(*arguments)

run(json.loads(sys.argv[-1]))
"""
WORDS = [sys.executable, "-S", "-E", "-c", COMMAND]


class Plan:
    """Random deeds, with the runs of pages that they write: each of another length."""

    def __init__(self, rng):
        self._rng = rng
        self._next = 60
        self.own, self.childrens = [], []
        self.deeds = self._deeds(0, self.own)
        self.ends = self._end_of(self.deeds)

    def _end_of(self, deeds):
        name, value = deeds[-1]
        if name.endswith("execute"):
            return self._end_of(value)
        return -value if name == "die" else value

    def _deeds(self, depth, runs):
        deeds = [self._deed(depth, runs) for _ in range(self._rng.randrange(1, 4))]
        return [*deeds, self._last(depth, runs)]

    def _deed(self, depth, runs):
        names = ["write", "write", "wait", "signals", "stop"]
        name = self._rng.choice(names if depth > 1 else [*names, "fork", "spawn"])
        thread = "thread-" if name in ("write", "wait") and self._rng.random() < 0.3 else ""
        if name in ("fork", "spawn"):
            return [name, self._whole(depth + 1, self.childrens)]
        if name == "write":
            self._next += 1
            runs.append(self._next)
            return [thread + name, self._next, 0.1]
        value = {"wait": 30, "signals": self._rng.randrange(1, 40), "stop": 0.05}[name]
        return [thread + name, value]

    def _whole(self, depth, runs):
        """Return the deeds of a child, which does not exec: its parent knows its end."""
        deeds = [self._deed(depth, runs) for _ in range(self._rng.randrange(1, 3))]
        return [*deeds, self._end()]

    def _last(self, depth, runs):
        if depth < 2 and self._rng.random() < 0.4:
            thread = self._rng.choice(["", "thread-"])
            return [thread + "execute", self._deeds(depth + 1, runs)]
        return self._end()

    def _end(self):
        if self._rng.random() < 0.2:
            return ["die", self._rng.choice([signal.SIGTERM, signal.SIGKILL, signal.SIGABRT])]
        return ["leave", self._rng.randrange(8)]


def runs_of(trace):
    pages = np.unique(trace.frames).astype(np.int64)
    breaks = np.flatnonzero(np.diff(pages) != 1)
    return set(np.diff([-1, *breaks, pages.size - 1]).tolist())


def plain_round(rng):
    """Record a command to its end; return what is wrong."""
    plan, children = Plan(rng), rng.random() < 0.5
    words = [*WORDS, json.dumps(plan.deeds)]
    trace, status = record_command(words, interval=INTERVAL, children=children)
    wanted = plan.own + (plan.childrens if children else [])
    lost = [run for run in wanted if run not in runs_of(trace)]
    strange = [run for run in plan.childrens if not children and run in runs_of(trace)]
    if status != plan.ends or lost or strange or trace.facts.get("notes"):
        notes = trace.facts.get("notes")
        return (
            f"children {children}: status {status} for {plan.ends}, runs lost {lost}, "
            f"strange {strange}, notes {notes}: {json.dumps(plan.deeds)}"
        )
    return ""


def killed_round(rng, folder):
    """Send a signal to a recording that is a process of its own; return what is wrong."""
    deeds = [["write", 100, 0.2], ["fork", [["write", 101, 100], ["leave", 0]]], ["leave", 0]]
    number = rng.choice([signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL])
    out, many = folder / "trace.npz", rng.choice([[], ["--children"]])
    words = [*WORDS, f"{rng.random()}", json.dumps(deeds)]
    recorder = [
        sys.executable, "-m", "dirtylab", "record", "--interval", str(INTERVAL), "--out", str(out),
        *many, "--", *words,
    ]  # fmt: skip
    with tempfile.TemporaryFile("w+") as told:
        with subprocess.Popen(recorder, stdout=subprocess.DEVNULL, stderr=told) as process:
            while process.poll() is None and not list(folder.glob("*.journal")):
                time.sleep(0.01)
            time.sleep(rng.random() * 1.5)
            process.send_signal(number)
        told.seek(0)
        said = told.read()
    time.sleep(0.05)
    expected = -9 if number == signal.SIGKILL else 128 + number
    wrong = [f"status {process.returncode} for {expected}"] * (process.returncode != expected)
    left = [pid for pid, line in command_lines().items() if words[-2] in line]
    if len(left) > (not many):  # a child that was not followed may go on
        wrong.append(f"left running: {left}")
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    wrong += kept(folder, said)
    return f"{number.name} {many}: {wrong} {said}" if wrong else ""


def kept(folder, said):
    """Return what is wrong with the file or journal that a recording has left."""
    files = list(folder.iterdir())
    if not files and "nothing was recorded" in said:
        return []
    if len(files) != 1:
        return [f"files: {files}"]
    (file,) = files
    try:
        trace = recovered(file) if file.suffix == ".journal" else read_trace(file)
    except ValueError as error:
        early = "no epoch in this journal" in str(error) or not file.stat().st_size
        return [] if early else [error]
    return [] if trace.epochs else ["no epoch"]


def command_lines():
    """Return the command lines of all processes."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            found[int(folder.name)] = (folder / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
    return found


def main(argv=None):
    """Run; return 1 when something failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args(argv)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
    failures = killed = 0
    for number in range(arguments.rounds):
        rng = random.Random(arguments.seed * 1_000_003 + number)
        if rng.random() < 0.25:
            killed += 1
            with tempfile.TemporaryDirectory() as folder:
                wrong = killed_round(rng, Path(folder))
        else:
            wrong = plain_round(rng)
        if wrong:
            failures += 1
            sys.stdout.write(f"FAILED round {number}, seed {arguments.seed}: {wrong}\n")
            sys.stdout.flush()
    sys.stdout.write(
        f"recordings: tried {arguments.rounds} ({killed} of them with a signal), "
        f"failures {failures}\n"
    )
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
