"""Live trackers interrupted at random moments, against what must and what may be in them.

``python tests/fuzz/trackers.py --rounds 2000 --seed 1``: so many interrupts of each verb of each
tracker.  A frame that is lost, comes twice or was never inserted is a failure, and so is a broken
invariant, or anything else that is raised.
"""

import argparse
import contextlib
import signal
import time

import numpy as np

PAGES = 3000
VERBS = ("insert", "collect", "harvest", "clear")


def options(name):
    """Return the options with which a tracker is made."""
    return {"vcpus": 2} if name.startswith("kvm") else {}


_armed = [False]
"""Whether an alarm interrupts: one may come when what it was for has ended, by another thread."""


@contextlib.contextmanager
def interruptible():
    """Let an alarm interrupt as Ctrl-C does."""

    def ring(_number, _frame):
        if _armed[0]:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, ring)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def interrupted(verb, seconds):
    """Call `verb`; return its result, None when it was interrupted, and whether it was."""
    result, done = None, False
    try:
        _armed[0] = True
        signal.setitimer(signal.ITIMER_REAL, seconds)
        result = verb()
        _armed[0] = False
        done = True
    except KeyboardInterrupt:
        _armed[0] = False
    signal.setitimer(signal.ITIMER_REAL, 0)
    return result, done


def duration(verb):
    begin = time.perf_counter()
    verb()
    return time.perf_counter() - begin


class Ledger:
    """What must be in a tracker, and what may be."""

    def __init__(self, tracked):
        self.tracked, self.sure, self.maybe = tracked, set(), set()

    def insert(self, frames, seconds):
        _, done = interrupted(lambda: self.tracked.insert(frames), seconds)
        (self.sure if done else self.maybe).update(frames.tolist())
        return done

    def collect(self, _frames, seconds):
        found, done = interrupted(self.tracked.collect, seconds)
        if done:
            self.require(found)
        return done

    def harvest(self, _frames, seconds):
        found, done = interrupted(self.tracked.harvest, seconds)
        if done:
            self.require(found)
            self.sure, self.maybe = set(), set()
        return done

    def clear(self, _frames, seconds):
        _, done = interrupted(self.tracked.clear, seconds)
        self.maybe = set() if done else self.maybe | self.sure
        self.sure = set()
        return done

    def require(self, found):
        frames = found.tolist()
        assert len(frames) == len(set(frames)), "a frame comes once"
        assert self.sure <= set(frames), "nothing is lost"
        assert set(frames) <= self.sure | self.maybe, "nothing comes that was not inserted"


def usual(tracked, verb):
    """Return the seconds that a verb takes; the first call compiles."""
    some, spent = np.arange(300, dtype=np.uint64), []
    for _ in range(4):
        inserted = duration(lambda: tracked.insert(some))
        spent.append(inserted if verb == "insert" else duration(getattr(tracked, verb)))
        tracked.harvest()
    return max(min(spent), 2e-5)


def interrupt(tracked, verb, rounds, seconds, rng):
    """Interrupt a verb so often, within so many seconds; return how often it was not done."""
    stopped = 0
    with interruptible():
        ledger = Ledger(tracked)
        for _ in range(rounds):
            frames = rng.integers(0, PAGES, 300 if verb == "insert" else 7).astype(np.uint64)
            if verb != "insert":
                ledger.insert(frames, 0)
            stopped += not getattr(ledger, verb)(frames, rng.uniform(1e-6, 1.5 * seconds))
            tracked.check()
            if rng.random() < 0.5:
                ledger.harvest(frames, 0)
        ledger.harvest(None, 0)
        if tracked.harvest().size:
            raise AssertionError("a harvest leaves something behind")
    return stopped


def main(argv: list[str] | None = None) -> int:
    """Run; return 1 when something failed."""
    from dirtylab.live import TRACKERS, missing

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=500, help="of each verb of each tracker")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(argv)
    tried = stopped = failures = 0
    for name in TRACKERS:
        if why := missing(name):
            print(f"{name}: left out: {why}")
            continue
        for verb in VERBS:
            with TRACKERS[name](PAGES, **options(name)) as tracked:
                rng = np.random.default_rng([chosen.seed, tried])
                try:
                    seconds = usual(tracked, verb)
                    stopped += interrupt(tracked, verb, chosen.rounds, seconds, rng)
                except Exception as error:
                    failures += 1
                    print(f"{name}, {verb}: {type(error).__name__}: {error}")
            tried += chosen.rounds
    print(f"trackers: {tried} interrupts tried, {stopped} in the verb, {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
