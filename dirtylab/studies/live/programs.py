"""The programs whose writes are recorded in ``data/traces``.

Each runs for some seconds, needs nothing but Python (and NumPy, where it says so), and is seeded:
``python -m dirtylab.studies.live.programs sqlite``.
"""

import bisect
import gc
import itertools
import json
import mmap
import os
import random
import sqlite3
import struct
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator

SECONDS = 3.0
"""Seconds that each runs."""
SEED = 2016

_NODE, _KEYS = 4096, 255
_HEAD = struct.Struct("<HH")  # number of keys, whether it is a leaf


def sqlite() -> None:
    """Insert rows with two indexes into a database in a file, a transaction a thousand rows."""
    rng = random.Random(SEED)
    with tempfile.TemporaryDirectory() as folder:
        base = sqlite3.connect(os.path.join(folder, "orders.db"))
        base.execute("pragma cache_size = -65536")
        base.execute("create table orders (id integer primary key, customer int, note text)")
        base.execute("create index by_customer on orders (customer)")
        base.execute("create index by_note on orders (note)")
        for _ in _rounds():
            with base:
                base.executemany(
                    "insert into orders (customer, note) values (?, ?)",
                    [(rng.randrange(10**6), f"{rng.getrandbits(256):x}") for _ in range(1000)],
                )
        base.close()


def numpy() -> None:
    """Spread heat over a grid of 1,448 x 1,448 cells, and count into bins at random."""
    import numpy as np

    rng = np.random.default_rng(SEED)
    old, new = np.zeros((2, 1448, 1448))
    bins = np.zeros(2**21)
    for step in _rounds():
        old[rng.integers(1448), rng.integers(1448)] = 1.0
        new[1:-1, 1:-1] = (old[:-2, 1:-1] + old[2:, 1:-1] + old[1:-1, :-2] + old[1:-1, 2:]) / 4
        old, new = new, old
        if step % 4 == 0:
            np.add.at(bins, rng.integers(0, bins.size, 500), 1.0)


class _Node:
    def __init__(self, other: "_Node | None") -> None:
        self.other = other
        self.self_reference = self  # only the cyclic collector can free it
        self.text = "x" * 40


def collector() -> None:
    """Make cyclic garbage among 200,000 live objects; CPython counts, and collects, all along."""
    rng = random.Random(SEED)
    live: list[_Node | None] = [_Node(None) for _ in range(200_000)]
    for step in _rounds():
        for _ in range(1_000):
            live[rng.randrange(len(live))] = _Node(live[rng.randrange(len(live))])
        if step % 50 == 0:
            live[: len(live) // 10] = [_Node(None) for _ in range(len(live) // 10)]
            gc.collect()


def sort() -> None:
    """Sort 300,000 strings again and again, each time after replacing a twentieth of them."""
    rng = random.Random(SEED)
    words = [f"{rng.getrandbits(64):016x}" for _ in range(300_000)]
    for _ in _rounds():
        for _ in range(len(words) // 20):
            words[rng.randrange(len(words))] = f"{rng.getrandbits(64):016x}"
        words.sort()


class Tree:
    """A B-tree of 4 KiB nodes in a mapped file: keys of 8 bytes, none deleted.

    Parameters
    ----------
    memory : mmap.mmap
        Room for the nodes.
    """

    def __init__(self, memory: mmap.mmap) -> None:
        self._memory, self._used, self._root = memory, 1, 0
        self._write(0, [], [])

    def insert(self, key: int) -> None:
        """Add `key`; splits go up to the root."""
        split = self._insert(self._root, key)
        if split:
            middle, right = split
            left, self._root = self._root, self._take()
            self._write(self._root, [middle], [left, right])

    def _take(self) -> int:
        self._used += 1
        return self._used - 1

    def _read(self, node: int) -> tuple[list[int], list[int]]:
        keys, leaf = _HEAD.unpack_from(self._memory, node * _NODE)
        all_of_it = struct.unpack_from(f"<{keys}Q", self._memory, node * _NODE + 8)
        if leaf:
            return list(all_of_it), []
        place = node * _NODE + 8 * (1 + _KEYS)
        return list(all_of_it), list(struct.unpack_from(f"<{keys + 1}Q", self._memory, place))

    def _write(self, node: int, keys: list[int], children: list[int]) -> None:
        _HEAD.pack_into(self._memory, node * _NODE, len(keys), not children)
        struct.pack_into(f"<{len(keys)}Q", self._memory, node * _NODE + 8, *keys)
        place = node * _NODE + 8 * (1 + _KEYS)
        struct.pack_into(f"<{len(children)}Q", self._memory, place, *children)

    def _insert(self, node: int, key: int) -> tuple[int, int] | None:
        keys, children = self._read(node)
        place = bisect.bisect_left(keys, key)
        if not children:
            keys.insert(place, key)
        else:
            split = self._insert(children[place], key)
            if not split:
                return None
            keys.insert(place, split[0])
            children.insert(place + 1, split[1])
        if len(keys) < _KEYS:
            self._write(node, keys, children)
            return None
        return self._split(node, keys, children)

    def _split(self, node: int, keys: list[int], children: list[int]) -> tuple[int, int]:
        half, right = len(keys) // 2, self._take()
        self._write(right, keys[half + 1 :], children[half + 1 :])
        self._write(node, keys[:half], children[: half + 1])
        return keys[half], right


def btree() -> None:
    """Insert random keys into a B-tree in a mapped file of 64 MiB."""
    rng = random.Random(SEED)
    with tempfile.TemporaryFile() as file:
        file.truncate(64 * 2**20)
        with mmap.mmap(file.fileno(), 0) as memory:
            tree = Tree(memory)
            for _ in _rounds():
                for _ in range(100):
                    tree.insert(rng.getrandbits(63))


def documents() -> None:
    """Keep 20,000 documents as text; read some as objects, change them and write them again."""
    rng = random.Random(SEED)
    texts = [_document(rng, number) for number in range(20_000)]
    for _ in _rounds():
        for _ in range(200):
            number = rng.randrange(len(texts))
            told = json.loads(texts[number])
            told["visits"].append(rng.randrange(10**6))
            texts[number] = json.dumps(told)


def _document(rng: random.Random, number: int) -> str:
    words = [f"{rng.getrandbits(48):x}" for _ in range(20)]
    return json.dumps({"number": number, "words": words, "visits": [rng.randrange(10**6)]})


def compress() -> None:
    """Compress 32 MiB of text block by block into a buffer, over and over."""
    rng = random.Random(SEED)
    words = [f"{rng.getrandbits(32):x} " for _ in range(5_000)]
    blocks = ["".join(rng.choices(words, k=8_000)).encode() for _ in range(32)]
    out = bytearray(32 * 2**20)
    place = 0
    for number in _rounds():
        packed = zlib.compress(blocks[number % len(blocks)], 6)
        if place + len(packed) > len(out):
            place = 0
        out[place : place + len(packed)] = packed
        place += len(packed)


WORKLOADS: dict[str, Callable[[], None]] = {
    "sqlite": sqlite,
    "numpy": numpy,
    "collector": collector,
    "sort": sort,
    "btree": btree,
    "documents": documents,
    "compress": compress,
}


def _rounds() -> Iterator[int]:
    """Yield 0, 1, 2, … until the time is up."""
    end = time.monotonic() + SECONDS
    for number in itertools.count():
        if time.monotonic() > end:
            return
        yield number


if __name__ == "__main__":
    WORKLOADS[sys.argv[1]]()
