"""What the claims need beyond the nine runs: insertion, rows in between, a full bitmap."""

from collections.abc import Mapping

import numpy as np

from dirtylab._check import Bytes, Frames
from dirtylab._jit import kernel
from dirtylab.measure.clock import Scratch, now, scratch
from dirtylab.measure.timing import Sampler, Samples, interleave
from dirtylab.structures.posted_bitmap import insert_into_bitmap
from dirtylab.structures.posted_list import copy_list
from dirtylab.structures.posted_tree import PackedTree, insert_into_tree
from dirtylab.studies.mailing_list.program import Arena
from dirtylab.studies.mailing_list.rows import BETWEEN, FULL, INSERTION, STRUCTURES, Row
from dirtylab.studies.mailing_list.runs import (
    CAREFUL,
    Record,
    measured_records,
    record,
    require_agreement,
)


@kernel
def time_list_insert(words: Scratch, frames: Frames, entries: Frames, loops: int) -> int:
    """Append all `frames`, `loops` times over the same entries; return the ns."""
    begin = now(words)
    for _ in range(loops):
        copy_list(frames, frames.size, entries)
    return now(words) - begin


@kernel
def time_tree_insert(words: Scratch, frames: Frames, tree: PackedTree, loops: int) -> int:
    """Insert all `frames`, `loops` times; return the ns."""
    begin = now(words)
    for _ in range(loops):
        insert_into_tree(tree, frames)
    return now(words) - begin


@kernel
def time_bitmap_insert(words: Scratch, frames: Frames, bitmap: Bytes, loops: int) -> int:
    """Insert all `frames`, `loops` times; return the ns."""
    begin = now(words)
    for _ in range(loops):
        insert_into_bitmap(bitmap, frames)
    return now(words) - begin


def compile_insertion() -> None:
    """Compile, or load from the cache, the timed insertions."""
    for sampler in _insert_samplers(Arena.build(16, 4)).values():
        sampler(1)


def insertion_records(repeats: int, rng: np.random.Generator) -> list[Record]:
    """Measure inserting a million random frames into each structure.

    Marking a marked page again is the same work in the posted code, which never tests before it
    writes; so the state need not be fresh.
    """
    row = INSERTION
    arena = Arena.build(row.pages, row.dirty, row.order)
    return _careful(row, "insert", interleave(_insert_samplers(arena), repeats, rng))


def between_records(repeats: int, rng: np.random.Generator) -> list[Record]:
    """Measure carefully at numbers of dirty frames that no posted run has."""
    measured = [one for row in BETWEEN for one in measured_records(row, repeats, rng)]
    return [one for one in measured if one["method"] == CAREFUL]


def full_records(repeats: int, rng: np.random.Generator) -> list[Record]:
    """Measure collecting when every page of the slot is dirty."""
    arena = Arena.build(FULL.pages, FULL.dirty, "sequential")
    require_agreement(arena)
    return _careful(FULL, "collect", interleave(arena.samplers(), repeats, rng))


def _insert_samplers(arena: Arena) -> dict[str, Sampler]:
    words = scratch()
    samplers: tuple[Sampler, ...] = (
        lambda loops: time_list_insert(words, arena.frames, arena.out, loops),
        lambda loops: time_tree_insert(words, arena.frames, arena.tree, loops),
        lambda loops: time_bitmap_insert(words, arena.frames, arena.bitmap, loops),
    )
    return dict(zip(STRUCTURES, samplers, strict=True))


def _careful(row: Row, operation: str, measured: Mapping[str, Samples]) -> list[Record]:
    return [
        record(row, CAREFUL, name, repeat, float(ns), samples.loops, operation)
        for name, samples in measured.items()
        for repeat, ns in enumerate(samples.ns)
    ]
