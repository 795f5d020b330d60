"""Copy structures in the middle of their lives; both go on, each its own way.

``PYTHONPATH=tests python tests/fuzz/copies.py --rounds N --seed S`` makes N copies of each.
"""

import argparse
import copy
import itertools
import pickle
import sys

import numpy as np
from contracts import OPTIONS, expected

from dirtylab import STRUCTURES
from dirtylab.lockless import LATE, LOCKLESS

PAGES = 4104
NAMES = [*STRUCTURES, *(f"lockless {name}" for name in {**LOCKLESS, **LATE})]
WAYS = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{
        f"pickle {protocol}": lambda one, protocol=protocol: pickle.loads(
            pickle.dumps(one, protocol)
        )
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)
    },
}
CHOICES = {
    "list": [{}, {"output": "arrival"}, {"capacity": 20_000}],
    "bitmap": [{}, {"decoder": "plain"}],
    "ring": [{}, {"entries": 64, "soft_limit": 20}],
}


class Life:
    """A structure and what was inserted into it, in order."""

    def __init__(self, name, structure, inserted=()):
        self.name, self.structure, self.inserted = name, structure, list(inserted)

    def step(self, rng):
        verb = rng.choice(["insert", "insert", "harvest", "clear", "collect"])
        if verb == "insert":
            frames = rng.integers(0, PAGES, rng.integers(0, 60), dtype=np.uint64)
            self.structure.insert(frames)
            self.inserted += frames.tolist()
        elif self.name.startswith("lockless "):
            self.require(self.structure.harvest())
            self.inserted = []
        elif verb == "clear":
            self.structure.clear()
            self.inserted = []
        else:
            self.require(getattr(self.structure, verb)())
            self.inserted = [] if verb == "harvest" else self.inserted
        if not self.name.startswith("lockless "):
            self.structure.check()
            assert len(self.structure) == len(set(self.inserted)), "a wrong length"

    def require(self, found):
        if self.name.startswith("lockless "):
            assert set(found.tolist()) == set(self.inserted), "other frames"
        elif self.structure.unique_output or self.name == "posted-list":
            assert sorted(found.tolist()) == expected(self.name, PAGES, self.inserted)
        else:
            assert set(found.tolist()) == set(self.inserted), "other frames"


def make(name, rng):
    plain = name.removeprefix("lockless ")
    if name in STRUCTURES:
        options = CHOICES.get(name, [OPTIONS.get(name, {})])
        return STRUCTURES[name](PAGES, **options[rng.integers(len(options))])
    return {**LOCKLESS, **LATE}[plain](PAGES, vcpus=int(rng.integers(1, 5)))


def arrays_of(value, depth=4):
    """Yield the arrays that an object holds."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, tuple | list):
        for one in value:
            yield from arrays_of(one, depth)
    elif depth and hasattr(value, "__dict__"):
        for one in vars(value).values():
            yield from arrays_of(one, depth - 1)


def trial(name, way, rng):
    """Live, copy, live on apart; raise AssertionError when anything is wrong."""
    one = Life(name, make(name, rng))
    for _ in range(rng.integers(0, 8)):
        one.step(rng)
    other = Life(name, WAYS[way](one.structure), one.inserted)
    pairs = itertools.product(arrays_of(one.structure), arrays_of(other.structure))
    assert not any(np.shares_memory(a, b) for a, b in pairs), "memory in common"
    assert type(other.structure) is type(one.structure)
    for _ in range(12):
        (one if rng.random() < 0.5 else other).step(rng)
    for life in (one, other):
        life.require(life.structure.harvest())


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(argv)
    rng, tried, failures = np.random.default_rng(given.seed), 0, []
    for name, _ in itertools.product(NAMES, range(given.rounds)):
        way = str(rng.choice(list(WAYS)))
        tried += 1
        try:
            trial(name, way, rng)
        except Exception as error:
            failures.append(f"{name}, {way}: {type(error).__name__}: {error}")
    for one in failures[:20]:
        print(one)
    print(f"copies: {tried} tried, {len(failures)} failures")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
