"""Wrong command lines, at random: each must end in one line and status 1 or 2, without a traceback.

    python tests/fuzz/commands.py --rounds 1000 --seed 1

Runs ``dirtylab.cli.main`` in this process, in a folder that holds a few broken files, with what is
printed captured and a limit on time.  A command line that happens to be right may end with 0, or
with 130: where it would begin to measure, it is interrupted.
"""

import argparse
import contextlib
import io
import os
import pathlib
import random
import signal
import sys
import tempfile
import time
import unittest.mock
from collections.abc import Iterator, Sequence

from dirtylab import cli

NUMBERS = [
    "0", "1", "-1", "2", "8", "9", "64", "1000", "1k", "10M", "1e6", "1e400", "1e-400", "2^24",
    "2^52", "2^53", "2^999", "9007199254740993", "18446744073709551616", "9" * 30, "9" * 5000,
    "1k..4k", "4k..1k", "1..", "..", "0.01", "1%", "0%", "101%", "1.0", "1.5", "nan", "inf",
    "-inf", "1e", "e1", "0x10", "1_000", "1,000", "1 000", "10 M", "64GiB", "1 TiB", "1EiB", "7B",
    "50ms", "0.1", "5d", "1h", "-0", "+3", "\u0663", "\u00bd", "\u221e", "\uff11", "", " ", "many",
    "None", "True", "[]", "1\n2", "\x1b[2J", "a\0b", "\udcff", "%s", "%(prog)s", "{}", "--", "-",
    "1/0", "1e309", "-5%", "150MB/s",
]  # fmt: skip
NAMES = [
    "random", "sequential", "zipf", "zipf:exponent=nan", "zipf:exponent=-1", "clustered:length=0",
    "clustered:length=1e400", "clustered:length", "clustered:length=64,length=2",
    "hotset:hot=101%", "phases:number=0", "phases:number=2^63", "trace", "trace:path=none",
    "trace:path=sqlite", "trace:path=/dev/null", "trace:path=.", "strided:stride=0",
    "strided:stride=1e30", "random:x=1", "mailing-list", "no-such", "", ":", "random:", "random:=",
    "random:replacement=maybe", "\x1b[2J", "tree:radix=16", "tree:radix=0", "tree:radix=1e9",
    "tree:radix=two", "list", "list:capacity=-1", "list:capacity=2^60", "bitmap", "hybrid",
    "ring:entries=3", "posted-tree", "a\nb", "\udcff", "kvm-log",
]  # fmt: skip
FILES = {
    "five.txt": b"5\n",
    "late.txt": b"# epoch 18446744073709551616\n3\n",
    "machine.txt": b'# facts {"machine": {}}\n3\n',
    "list.txt": b'# facts {"machine": [], "name": 5}\n3\n',
    "cut.txt": b"5",
    "words.txt": b"one\ntwo\n",
    "bytes.txt": bytes(range(256)),
    "empty.txt": b"",
    "broken.npz": b"PK\x03\x04broken",
    "empty.npz": b"",
    "some.bitmap": b"\xff" * 8,
    "odd.bitmap": b"\xff" * 7,
    "model.json": b"[" * 5000,
}
PLACES = [
    *FILES, "none.npz", "none/there.npz", "out.npz", "out.txt", "out.bitmap", "out.csv", "folder",
    "folder/out", ".", "/dev/null", "/dev/full", "/proc/none", "", " ", "five.txt/x",
    "\x1b[2J.txt", "a\0b.npz", "\udcff.npz", "n" * 300 + ".npz", "sqlite", "redis",
]  # fmt: skip
OPTIONS: dict[str, dict[str, Sequence[str]]] = {
    "radix-tree": {},
    "compare": {"--repeats": NUMBERS, "--out": PLACES},
    "sweep": {
        "--structures": NAMES, "--operations": ["insert", "epoch", "sort", ""], "--datasets": NAMES,
        "--pages": NUMBERS, "--dirty": NUMBERS, "--repeats": NUMBERS, "--budget": NUMBERS,
        "--seed": NUMBERS, "--cache": ["warm", "guest-ran", "hot"], "--out": PLACES,
    },
    "crossovers": {"--pages": NUMBERS, "--out": PLACES},
    "advise": {
        "--pages": NUMBERS, "--dirty": NUMBERS, "--dataset": NAMES, "--period": NUMBERS,
        "--memory-limit": NUMBERS,
    },
    "calibrate": {"--seconds": NUMBERS, "--out": PLACES},
    "live": {"--rounds": NUMBERS, "--out": PLACES},
    "record": {
        "--epochs": NUMBERS, "--name": NAMES, "--interval": NUMBERS, "--pages": NUMBERS,
        "--dirty": NUMBERS, "--dataset": NAMES, "--tracking": ["log", "ring", "none"],
        "--vcpus": NUMBERS, "--seed": NUMBERS, "--out": PLACES,
    },
    "trace": {"--pages": NUMBERS},
    "lockless": {"--rounds": NUMBERS, "--out": PLACES},
    "soak": {"--inserts": NUMBERS, "--out": PLACES},
    "reproduce": {"--out": PLACES},
}  # fmt: skip
LONG = {"compare", "crossovers", "calibrate", "live", "lockless", "soak", "reproduce", "sweep"}
"""Commands that say more than one line on the way."""
LIMIT = 30.0
STOPPED = 130


class TooLong(BaseException):
    """A command did not end within the limit."""


def command_line(rng: random.Random) -> list[str]:
    """Return a command with arguments of which some are wrong."""
    name = rng.choice(list(OPTIONS))
    words = [name]
    known = list(OPTIONS[name].items())
    required = known[:2] if name == "advise" else []
    chosen = required + rng.sample(known, rng.randint(0, min(4, len(known))))
    if name == "radix-tree":
        words += [rng.choice(NUMBERS) for _ in range(rng.randint(1, 3))]
    if name == "trace":
        verb = rng.choice(["list", "info", "convert", "show", ""])
        words += [verb, *rng.sample(PLACES, {"info": 1, "convert": 2}.get(verb, 0))]
    for option, values in chosen:
        words += [option, *rng.sample(list(values), rng.choice([1, 1, 1, 1, 2, 0]))]
    if name == "record":
        words += rng.choice([[], ["--kvm"], ["--kvm"], ["--kvm"], ["--", "no-such"], ["--"]])
    if rng.random() < 0.1:
        words.insert(rng.randint(0, len(words)), rng.choice([*NUMBERS, "--unknown", "-x"]))
    return words


def too_large_to_run(words: list[str]) -> bool:
    """Return whether a line would write gigabytes were it right: guests of 2^24 pages, say."""
    return "record" in words and any(one in words for one in ("2^24", "10M", "64GiB"))


@contextlib.contextmanager
def alarm(seconds: float) -> Iterator[None]:
    """Raise TooLong in the main thread after some seconds."""

    def ring(*_: object) -> None:
        raise TooLong

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


MEASURING = {
    "cli.lockless": "run_all",
    "cli.live": "run_all",
    "cli.reproduce": "run_steps",
    "cli.compare": "run_all",
    "measure.sweep": "measure",
    "advice.calibration": "measured",
}
"""Where commands begin to measure, which is as far as they go here."""


@contextlib.contextmanager
def no_measuring() -> Iterator[None]:
    """Let each command be interrupted where it begins to measure."""

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with contextlib.ExitStack() as patches:
        for module, name in MEASURING.items():
            patches.enter_context(unittest.mock.patch(f"dirtylab.{module}.{name}", interrupt))
        yield


def run(words: list[str]) -> tuple[int, str, str]:
    """Run a command line; return status, stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        no_measuring(),
        alarm(LIMIT),
    ):
        try:
            status = cli.main(words)
        except SystemExit as stop:
            status = int(stop.code or 0)
    return status, out.getvalue(), err.getvalue()


def wrong_with(words: list[str], status: int, out: str, err: str) -> str:
    """Return what is wrong with how a command line ended, if anything."""
    if "Traceback" in err or "a bug in dirtylab" in err:
        return "traceback"
    lines = [line for line in err.splitlines() if not line.startswith(("note:", "dirtylab: note:"))]
    if not all(line.isprintable() for line in lines) and status in (1, 2):
        return "control characters"
    if status not in (0, 1, 2, STOPPED):
        return f"status {status}"
    if status in (1, 2) and words[0] not in LONG and len(lines) != 1:
        return f"{len(lines)} lines"
    if status in (1, 2) and not lines:
        return "nothing said"
    if status == 2 and out:
        return "output in spite of wrong arguments"
    return ""


def main(argv: Sequence[str] | None = None) -> int:
    """Run random command lines; return 1 when one of them ended badly."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=200, metavar="N")
    parser.add_argument("--seed", type=int, default=2016, metavar="S")
    parser.add_argument("--log", metavar="FILE", help="write each command line before it is run")
    arguments = parser.parse_args(argv)
    rng = random.Random(arguments.seed)
    ended: dict[int, int] = {}
    bad: list[str] = []
    here = os.getcwd()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            for _ in range(arguments.rounds):
                for name, content in FILES.items():
                    pathlib.Path(name).write_bytes(content)
                words = command_line(rng)
                if too_large_to_run(words):
                    continue
                if arguments.log:
                    with open(os.path.join(here, arguments.log), "a", encoding="utf-8") as log:
                        log.write(f"{words!a} {time.monotonic() - begun:.1f}\n")
                try:
                    status, out, err = run(words)
                    trouble = wrong_with(words, status, out, err)
                except TooLong:
                    status, err, trouble = -1, "", f"over {LIMIT:g} s"
                except Exception as error:
                    status, err, trouble = -1, repr(error), "raised"
                ended[status] = ended.get(status, 0) + 1
                if trouble:
                    bad.append(f"{trouble}: {words!a}: {status}: {err[-600:]!a}")
        finally:
            os.chdir(here)
    told = ", ".join(f"{count} with {status}" for status, count in sorted(ended.items()))
    print(
        f"{sum(ended.values())} command lines in {time.monotonic() - begun:.0f} s (seed "
        f"{arguments.seed}): {told}; {len(bad)} ended badly"
    )
    for line in bad:
        print(line)
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
