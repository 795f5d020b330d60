"""Call structures with hostile arguments: taken rightly, or refused by name with nothing changed.

``PYTHONPATH=tests python tests/fuzz/arguments.py --rounds N --seed S`` makes N calls of each.
"""

import argparse
import itertools
import sys
import warnings
from fractions import Fraction

import numpy as np
from contracts import expected
from fuzz.copies import NAMES

from dirtylab import STRUCTURES
from dirtylab.lockless import LATE, LOCKLESS, Full

PAGES = 520
REFUSALS = (TypeError, ValueError, IndexError, OverflowError, MemoryError)


class Quantity(np.ndarray):
    """An array with a unit, as several packages have."""


class Indexed:
    """An integer to Python."""

    def __index__(self):
        return 7


class Arrayed:
    """Something that NumPy can make an array of."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.values, dtype)


def some(rng):
    """Return frames, mostly good ones."""
    count = int(rng.integers(0, 40))
    low, high = rng.choice([(0, PAGES), (0, PAGES), (0, PAGES), (-3, PAGES), (0, PAGES + 3)])
    return rng.integers(low, high, count)


def frames_of(rng, structure):
    """Return one hostile argument for `frames`."""
    import pandas as pd

    good = some(rng)
    wide = good.astype(np.uint64)
    unaligned = np.frombuffer(b"x" + wide.tobytes(), np.uint64, offset=1)
    views = [view for view in views_of(structure) if view.size]
    kinds = [
        lambda: wide, lambda: good, lambda: good.tolist(), lambda: tuple(good.tolist()),
        lambda: good.astype(rng.choice(["i1", "u1", "i2", ">u2", ">i8", "u4", "f8", "f2", "c8"])),
        lambda: np.ma.masked_array(wide, mask=rng.random(wide.size) < 0.3),
        lambda: np.ma.masked, lambda: np.ma.masked_array(wide),
        lambda: [np.ma.masked, 3], lambda: wide.reshape(1, -1).view(np.matrix),
        lambda: wide.view(np.recarray),
        lambda: np.rec.fromarrays([wide, wide]), lambda: wide.view(Quantity),
        lambda: good.view(Quantity), lambda: Arrayed(good), lambda: Arrayed(wide.view(Quantity)),
        lambda: pd.Series(good), lambda: pd.Series(good, dtype="Int64"), lambda: pd.Index(good),
        lambda: pd.array([1, None], dtype="Int64"), lambda: wide[::-1], lambda: wide[::2],
        lambda: unaligned, lambda: memoryview(wide), lambda: good.reshape(1, -1),
        lambda: good.reshape(-1, 1), lambda: np.array(good.tolist(), object),
        lambda: Indexed(), lambda: [Indexed()], lambda: 7, lambda: np.uint64(7), lambda: -1,
        lambda: 2**64, lambda: [2**63, 1], lambda: [[1], [2, 3]], lambda: [1, [2]],
        lambda: iter([1, 2]), lambda: range(5), lambda: range(0, 2000, 300), lambda: {1, 2},
        lambda: {1: 2}, lambda: "7", lambda: b"7", lambda: bytearray(b"77"), lambda: None,
        lambda: True, lambda: [True], lambda: 7.0, lambda: float("nan"), lambda: Fraction(7),
        lambda: 7j, lambda: object(), lambda: np.datetime64("2016-05-04"), lambda: [],
        lambda: np.empty((0, 3)), lambda: np.empty(0, "O"), lambda: np.zeros(3, "V8"),
        lambda: np.broadcast_to(np.uint64(3), 9), lambda: slice(3), lambda: ..., lambda: print,
        *(lambda view=view: view for view in views),
    ]  # fmt: skip
    return kinds[rng.integers(len(kinds))]()


def views_of(structure):
    """Return all views of its own memory that a structure gives, as 64-bit words."""
    views = [structure.bitmap_view()] if hasattr(structure, "bitmap_view") else []
    if hasattr(structure, "level_view"):
        views.append(structure.level_view(1))
    whole = [view[: view.size // 8 * 8] if view.dtype == np.uint8 else view for view in views]
    words = [view.view(np.uint64) for view in whole]
    state = getattr(structure, "state", ())
    return words + [one for one in state if isinstance(one, np.ndarray) and one.dtype == np.uint64]


def out_of(rng, needed):
    """Return one hostile argument for `out`."""
    size = needed + int(rng.integers(-2, 70))
    room = np.full(max(size, 0), 2**63, np.uint64)
    backwards = np.zeros(max(size, 0), np.uint64)[::-1]
    kinds = [
        lambda: room, lambda: room, lambda: None, lambda: np.ma.masked_array(room),
        lambda: room.view(Quantity), lambda: room.reshape(1, -1).view(np.matrix),
        lambda: room.view(np.recarray),
        lambda: room.astype("i8"), lambda: room.astype(">u8"), lambda: room.tolist(),
        lambda: backwards, lambda: np.zeros((1, needed), np.uint64), lambda: np.broadcast_to(
            np.uint64(3), needed + 5),
        lambda: np.frombuffer(bytearray(8 * needed + 9), np.uint64, offset=1),
        lambda: np.frombuffer(bytes(8 * needed + 8), np.uint64), lambda: memoryview(room),
        lambda: bytearray(8 * needed), lambda: 7, lambda: "out", lambda: np.uint64(7),
        lambda: np.array(3, np.uint64), lambda: np.zeros(needed, "f8"), lambda: object(),
    ]  # fmt: skip
    return kinds[rng.integers(len(kinds))]()


def meant(argument):
    """Return the frames that an argument which was taken must stand for."""
    if isinstance(argument, Indexed):
        return [7]
    values = np.atleast_1d(np.asarray(argument))
    return [int(one) for one in values]


class Subject:
    """A structure and what was inserted, in order."""

    def __init__(self, name, rng):
        self.name, self.lockless = name, name.startswith("lockless ")
        made = {**LOCKLESS, **LATE}.get(name.removeprefix("lockless ")) if self.lockless else None
        self.structure = (made or STRUCTURES[name])(PAGES)
        first = rng.integers(0, PAGES, 30)
        self.structure.insert(first)
        self.inserted = first.tolist()

    def insert(self, argument):
        """Insert; return whether it was refused."""
        # What is a view of the structure changes while it is inserted: read it before.
        copied = argument.copy() if isinstance(argument, np.ndarray) else argument
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                self.structure.insert(argument)
        except Full as full:
            self.inserted += meant(copied)[: full.accepted]
            return True
        except REFUSALS as error:
            require(str(error), "refused without a word")
            return True
        assert not isinstance(argument, np.ma.MaskedArray), "a mask was dropped"
        self.inserted += meant(copied)
        return False

    def give(self, verb, out):
        """Collect or harvest; return whether it was refused."""
        try:
            found = getattr(self.structure, verb)(out)
        except REFUSALS as error:
            require("out" in str(error), f"does not name the argument: {error}")
            return True
        assert out is None or type(out) is np.ndarray, "a subclass was taken"
        self.require(found)
        self.inserted = self.inserted if verb == "collect" else []
        return False

    def require(self, found):
        if self.lockless:
            assert set(found.tolist()) == set(self.inserted), "other frames"
        else:
            assert sorted(found.tolist()) == expected(self.name, PAGES, self.inserted)

    def needed(self):
        if self.lockless:
            return self.structure.most
        return len(expected(self.name, PAGES, self.inserted))


def require(condition, message):
    if not condition:
        raise AssertionError(message)


def trial(name, rng):
    """Call with hostile arguments; return how many calls, and how many of them were refused."""
    subject, refused = Subject(name, rng), 0
    for _ in range(4):
        refused += subject.insert(frames_of(rng, subject.structure))
        verb = "harvest" if subject.lockless else str(rng.choice(["collect", "harvest"]))
        refused += subject.give(verb, out_of(rng, subject.needed()))
        if not subject.lockless:
            subject.structure.check()
    subject.require(subject.structure.harvest())
    return 8, refused


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(argv)
    rng, tried, refused, failures = np.random.default_rng(given.seed), 0, 0, []
    for name, _ in itertools.product(NAMES, range(max(given.rounds // 8, 1))):
        try:
            calls, no = trial(name, rng)
            tried, refused = tried + calls, refused + no
        except Exception as error:
            failures.append(f"{name}: {type(error).__name__}: {error}")
    for one in failures[:20]:
        print(one)
    print(f"arguments: {tried} calls, {refused} refused, {len(failures)} failures")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
