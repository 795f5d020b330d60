"""What the time of an operation is made of: amounts of work, each to be given a price.

The price of a unit (ns a frame, ns a word …) is the machine's, and :mod:`.cost` fits it; the
amounts follow from the pattern alone.  Work is dearer where it leaves a cache, so that some terms
stand once more, times the share of their memory that a cache can't hold: those steps are optional,
and the data decide whether they are needed.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from dirtylab.theory.memory import level_lengths, radices_of, words_for
from dirtylab.theory.occupancy import Array
from dirtylab.theory.operations import (
    DENSE,
    LINE_PAGES,
    Options,
    Pattern,
    arrivals_elsewhere,
    radix_nodes,
)

CACHES = (32 * 2**10, 2**20, 32 * 2**20)
"""Bytes of the first, second and third cache of a machine that does not tell its own."""
REACH = 8 * 2**20
"""Bytes of 4 KiB pages whose addresses a usual second-level TLB knows: 2,048 of them."""
LONELY = 10
"""Words a dirty frame from which on most dirty words have a single bit."""
REBUILD = {64: 48}
"""Words of the bitmap a frame below which summaries are made anew, by radix; 8 for others."""

Amounts = dict[str, Array]


class Terms(NamedTuple):
    """The amounts of one operation; each an array of the shape of the numbers of frames."""

    always: Amounts
    steps: Amounts
    """Those that are used only where the data ask for them."""


class Subject(NamedTuple):
    """Whose time it is: a structure with its options, on a machine with its caches."""

    structure: str
    options: Options
    caches: tuple[int, ...]


def terms(subject: Subject, operation: str, pattern: Pattern) -> Terms:
    """Return the amounts of work of an operation.

    Parameters
    ----------
    subject : Subject
        The structure, a name in ``dirtylab.STRUCTURES`` or ``"tree"``.
    operation : {"insert", "collect", "harvest", "clear"}
        A collect, harvest or clear follows an insert.
    pattern : Pattern
        What is tracked.

    Returns
    -------
    Terms
        In frames, words, nodes, blocks; arrays of the shape of ``pattern.dirty``.
    """
    found = _FAMILIES[_family(subject.structure)][operation](subject, pattern)
    call = np.ones_like(pattern.dirty)
    return Terms({"call": call, **found.always}, found.steps)


def spilled(nbytes: Array | float, cache: int) -> Array:
    """Return the share of so many bytes that a cache does not hold."""
    return np.maximum(0.0, 1.0 - cache / np.maximum(np.asarray(nbytes, float), 1.0))


def with_caches(
    name: str, amount: Array, nbytes: Array | float, caches: tuple[int, ...]
) -> Amounts:
    """Return a term's steps: its amount times what each cache can't hold."""
    return {
        f"{name} beyond L{level}": amount * spilled(nbytes, cache)
        for level, cache in enumerate(caches, start=1)
    }


# --- lists ---------------------------------------------------------------------------------------


def _list_insert(subject: Subject, pattern: Pattern) -> Terms:
    frames = pattern.dirty
    return Terms({"frames": frames}, with_caches("frames", frames, 12 * frames, subject.caches))


def _list_harvest(subject: Subject, pattern: Pattern) -> Terms:
    frames, distinct = pattern.dirty, pattern.occupied(1)
    sort = frames * np.log2(frames + 1)
    return Terms(
        {"frames": frames, "sort": sort, "distinct": distinct},
        {
            "sort of many": frames * np.maximum(np.log2(np.maximum(frames, 1) / 256), 0.0),
            "repeats": frames - distinct,
            **with_caches("sort", sort, 4 * frames, subject.caches),
            **with_caches("distinct", distinct, 12 * distinct, subject.caches),
        },
    )


def _list_clear(subject: Subject, pattern: Pattern) -> Terms:
    return Terms({}, {})


# --- bitmaps -------------------------------------------------------------------------------------


def _bitmap_insert(subject: Subject, pattern: Pattern) -> Terms:
    frames = pattern.dirty
    lines = arrivals_elsewhere(pattern, LINE_PAGES)
    bitmap, touched = pattern.pages / 8, 64 * pattern.occupied(LINE_PAGES)
    return Terms(
        {"frames": frames, "words": arrivals_elsewhere(pattern, 64), "lines": lines},
        {
            **with_caches("lines", lines, touched, subject.caches),
            **with_caches("lines of all", lines, bitmap, subject.caches),
            **with_caches("frames", frames, 8 * frames, subject.caches),
            "lines beyond the TLB": lines * spilled(bitmap, REACH),
        },
    )


def _output(subject: Subject, distinct: Array) -> Amounts:
    return with_caches("distinct", distinct, 8 * distinct, subject.caches)


def _decoding(subject: Subject, pattern: Pattern, words: int) -> Terms:
    """Return the terms of turning words into frames: all of them where many are dirty."""
    distinct, dirty_words = pattern.occupied(1), pattern.occupied(64)
    dense = distinct >= DENSE * words
    several = np.maximum(distinct - dirty_words, 0.0)
    mixed = np.minimum(dirty_words, words - dirty_words)
    return Terms(
        {
            "distinct": np.where(dense, 0.0, distinct),
            "dirty words": np.where(dense, 0.0, dirty_words),
            "distinct, dense": np.where(dense, distinct, 0.0),
            "words, dense": np.where(dense, float(words), 0.0),
        },
        {
            "more than one a word": np.where(dense, 0.0, several),
            "lonely words": np.where(distinct * LONELY < words, dirty_words, 0.0),
            "mixed words": np.where(dense, 0.0, mixed),
            **_output(subject, distinct),
        },
    )


def _bitmap_collect(subject: Subject, pattern: Pattern) -> Terms:
    words = words_for(pattern.pages)
    scanned = np.full_like(pattern.dirty, float(words))
    decoding = _decoding(subject, pattern, words)
    steps = with_caches("words", scanned, 8 * words, subject.caches)
    return Terms({"words": scanned, **decoding.always}, {**decoding.steps, **steps})


def _hybrid_collect(subject: Subject, pattern: Pattern) -> Terms:
    words = words_for(pattern.pages)
    blocks = pattern.occupied(LINE_PAGES)
    summary = np.full_like(pattern.dirty, pattern.pages / LINE_PAGES / 64)
    decoding = _decoding(subject, pattern, words)
    some = np.minimum(blocks, pattern.pages / LINE_PAGES - blocks)
    steps = with_caches("blocks", blocks, 64 * blocks, subject.caches)
    return Terms(
        {"summary": summary, "blocks": blocks, **decoding.always},
        {"mixed blocks": np.maximum(some, 0.0), **decoding.steps, **steps,
         "blocks beyond the TLB": blocks * spilled(pattern.pages / 8, REACH)},
    )  # fmt: skip


def _hybrid_insert(subject: Subject, pattern: Pattern) -> Terms:
    bitmap = _bitmap_insert(subject, pattern)
    words = words_for(pattern.pages)
    marks = pattern.dirty < words
    summary = {
        "summary marks": np.where(marks, pattern.dirty, 0.0),
        "summary words": np.where(marks, 0.0, float(words)),
    }
    return Terms({**bitmap.always, **summary}, bitmap.steps)


def _bits_clear(subject: Subject, pattern: Pattern) -> Terms:
    words = np.full_like(pattern.dirty, float(words_for(pattern.pages)))
    touched = pattern.occupied(LINE_PAGES)
    return Terms(
        {"words": words},
        {"lines": touched, **with_caches("words", words, pattern.pages / 8, subject.caches)},
    )


# --- trees ---------------------------------------------------------------------------------------


def _radices(subject: Subject) -> tuple[int, ...]:
    if subject.structure in ("tree8", "tree64"):
        return (int(subject.structure[4:]),)
    options = subject.options
    return radices_of(options.get("radix", 64), options.get("leaf_radix"))


def _tree_insert(subject: Subject, pattern: Pattern) -> Terms:
    bitmap = _bitmap_insert(subject, pattern)
    radices = _radices(subject)
    words = words_for(pattern.pages)
    climbs = pattern.dirty * REBUILD.get(radices[0], 8) < words
    nodes = radix_nodes(pattern, radices)
    moves = np.zeros_like(pattern.dirty)
    block = 1
    for level in range(len(nodes) - 1):
        block *= radices[min(level, len(radices) - 1)]
        moves = moves + arrivals_elsewhere(pattern, block)
    first = pattern.pages / 8 / radices[0]
    return Terms(
        {
            **bitmap.always,
            "climbs": np.where(climbs, pattern.dirty, 0.0),
            "new summary bits": np.where(climbs, np.sum(nodes[:-1], axis=0), 0.0),
            "summary words": np.where(climbs, 0.0, float(words)),
        },
        {
            **bitmap.steps,
            "moves": np.where(climbs, moves, 0.0),
            **with_caches("moves", np.where(climbs, moves, 0.0), first, subject.caches),
            **with_caches("summary words", np.where(climbs, 0.0, words), 8 * words, subject.caches),
        },
    )


def _tree_collect(subject: Subject, pattern: Pattern) -> Terms:
    radices = _radices(subject)
    nodes = radix_nodes(pattern, radices)
    distinct, lines = pattern.occupied(1), pattern.occupied(LINE_PAGES)
    levels = np.full_like(pattern.dirty, float(len(level_lengths(pattern.pages, radices))))
    inner = np.sum(nodes[1:], axis=0) + np.zeros_like(pattern.dirty)
    several = np.maximum(distinct - nodes[0], 0.0)
    words = words_for(pattern.pages)
    clean = np.maximum(pattern.pages / radices[0] - nodes[0], 0.0)
    return Terms(
        {"distinct": distinct, "leaves": nodes[0], "inner nodes": inner},
        {
            "levels": levels,
            "more than one a leaf": several,
            "lonely leaves": np.where(distinct * LONELY < words, nodes[0], 0.0),
            "mixed leaves": np.minimum(nodes[0], clean),
            **with_caches("lines", lines, 64 * lines, subject.caches),
            "lines beyond the TLB": lines * spilled(pattern.pages / 8, REACH),
            **_output(subject, distinct),
        },
    )


_Law = Callable[[Subject, Pattern], Terms]
_FAMILIES: Mapping[str, Mapping[str, _Law]] = {
    "list": {
        "insert": _list_insert, "collect": _list_harvest, "harvest": _list_harvest,
        "clear": _list_clear,
    },
    "bitmap": {
        "insert": _bitmap_insert, "collect": _bitmap_collect, "harvest": _bitmap_collect,
        "clear": _bits_clear,
    },
    "hybrid": {
        "insert": _hybrid_insert, "collect": _hybrid_collect, "harvest": _hybrid_collect,
        "clear": _bits_clear,
    },
    "tree": {
        "insert": _tree_insert, "collect": _tree_collect, "harvest": _tree_collect,
        "clear": _bits_clear,
    },
}  # fmt: skip
MODELLED = ("list", "bitmap", "tree", "tree8", "tree64", "hybrid")
"""Structures whose time is modelled."""


def _family(structure: str) -> str:
    return "tree" if structure.startswith("tree") else structure
