"""Features of the cost model: how much work of each kind an operation does.

The values follow from the pattern alone; their coefficients (ns a frame, ns a word …) belong to
the machine, and :mod:`.cost_fit` fits them.  Cache misses cost more, so some features recur as
hinges (:mod:`.hinges`), weighted by the share of their footprint beyond each cache.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from dirtylab._check import Array
from dirtylab.theory.hinges import (
    BITMAP_PAGE,
    TRANSLATED,
    Values,
    first_touches,
    unlearnt,
    with_caches,
    with_tlb,
)
from dirtylab.theory.locality import (
    arrivals_elsewhere,
    boundaries,
    comes_in_order,
    frames_in_runs,
    full_blocks,
    jumps,
    run_goes_on,
    uncertain_octets,
)
from dirtylab.theory.memory import TREES, WORD_BITS, law_of, level_lengths, radices_of, words_for
from dirtylab.theory.operations import (
    DENSE,
    LINE_PAGES,
    Options,
    Pattern,
    radix_nodes,
)

SPREAD, MANY = 2**11, 2**19
"""Frames up to which the recorded lists sorted by place, and up to which by wide digits ..."""
WIDE, NARROW = 12, 8
"""... and bits of a digit.  Today's sort takes about the same for each frame, which these can say;
recorded models keep their meaning."""
LONELY = 10
"""Words a dirty frame above which most dirty words have a single bit."""
REBUILD = {64: 12}
"""Words of the bitmap, for each of its nodes that opens, below which summaries are rebuilt, by
radix; 1 for others."""


class Features(NamedTuple):
    """The values of one operation's features, each an array of the shape of ``pattern.dirty``."""

    always: Values
    hinges: Values
    """Those that the fit uses only where they lower its criterion."""


class Subject(NamedTuple):
    """What is modelled: a structure with its options, on a machine with its caches."""

    structure: str
    options: Options
    caches: tuple[int, ...]
    """Bytes of each; with a 0 before them where a guest ran, and nothing is in them at first."""


def features(subject: Subject, operation: str, pattern: Pattern) -> Features:
    """Return the values of an operation's features.

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
    Features
        In frames, words, nodes, blocks; arrays of the shape of ``pattern.dirty``.
    """
    laws, options = law_of("structure", subject.structure, subject.options, WORK_LAWS)
    found = laws[operation](subject._replace(options=options), pattern)
    call = np.ones_like(pattern.dirty)
    return Features({"call": call, **found.always}, found.hinges)


# --- lists ---------------------------------------------------------------------------------------


def _list_insert(subject: Subject, pattern: Pattern) -> Features:
    frames = pattern.dirty
    return Features({"frames": frames}, with_caches("frames", frames, 12 * frames, subject.caches))


def _list_harvest(subject: Subject, pattern: Pattern) -> Features:
    """Return the features of a sort by place or by digits, and of leaving out repeats.

    Frames that come in order need no sort.
    """
    frames, distinct = pattern.dirty, pattern.occupied(1)
    unordered = frames * (1.0 - comes_in_order(pattern))
    few = frames <= SPREAD
    wide = frames <= MANY
    bits = np.where(wide, WIDE, NARROW)
    digits = np.ceil(np.log2(max(pattern.pages, 2)) / bits)
    passes = np.where(few, 0.0, unordered * digits)
    counters = np.where(few | (unordered == 0), 0.0, digits * 2.0**bits)
    crowded = np.where(few, unordered * run_goes_on(pattern), 0.0)
    return Features(
        {
            "frames": frames,
            "spread": np.where(few, unordered, 0.0),
            "digits": passes,
            "distinct": distinct,
        },
        {
            **unlearnt("frames", frames),
            "counters": counters,
            "narrow digits": np.where(wide, 0.0, passes),
            "spread in runs": crowded,
            "repeats": frames - distinct,
            **with_caches("digits", passes, 8 * frames, subject.caches),
            **with_caches("frames", frames, 4 * frames, subject.caches),
            **with_caches("distinct", distinct, 12 * distinct, subject.caches),
        },
    )


def _list_clear(subject: Subject, pattern: Pattern) -> Features:
    return Features({}, {})


# --- bitmaps -------------------------------------------------------------------------------------


def _bitmap_insert(subject: Subject, pattern: Pattern) -> Features:
    frames, lines = pattern.dirty, arrivals_elsewhere(pattern, LINE_PAGES)
    run, far = frames_in_runs(pattern), jumps(pattern, LINE_PAGES)
    alone = np.maximum(frames - run, 0.0)
    # One after the other within a word: each waits for what the one before it stored.
    waiting = np.clip(frames - arrivals_elsewhere(pattern, WORD_BITS), 0.0, alone)
    after_run = far * waiting / np.maximum(frames, 1.0)
    touched = 64 * pattern.occupied(LINE_PAGES)
    pages = TRANSLATED * pattern.occupied(BITMAP_PAGE)
    return Features(
        {"frames in runs": run, "frames": alone, "waiting": waiting, "lines": lines},
        {
            "run or not": run * alone / np.maximum(frames, 1.0),
            "jumps": far,
            **unlearnt("frames", frames),
            **with_caches("lines", lines, touched, subject.caches),
            **with_caches("jumps", far, touched, subject.caches),
            **with_caches("jumps after frames that wait", after_run, touched, subject.caches),
            **with_tlb("jumps", far, pages),
            **with_tlb("jumps after frames that wait", after_run, pages),
            **with_caches("frames", frames, 8 * frames, subject.caches),
            **first_touches(pattern, subject.caches),
        },
    )


def _output(subject: Subject, distinct: Array) -> Values:
    return with_caches("distinct", distinct, 8 * distinct, subject.caches)


def _decoding(subject: Subject, pattern: Pattern, words: int) -> Features:
    """Return the features of turning words into frames: all of them where many are dirty."""
    distinct, dirty_words = pattern.occupied(1), pattern.occupied(WORD_BITS)
    dense, lonely = distinct >= DENSE * words, distinct * LONELY < words
    undecided = uncertain_octets(pattern)
    several = np.maximum(distinct - dirty_words, 0.0)
    partial = np.maximum(dirty_words - full_blocks(pattern, WORD_BITS), 0.0)
    return Features(
        {
            "distinct": np.where(dense, 0.0, distinct),
            "dirty words": np.where(dense, 0.0, dirty_words),
            "distinct, dense": np.where(dense, distinct, 0.0),
            "words, dense": np.where(dense, float(words), 0.0),
            "partial words, dense": np.where(dense, partial, 0.0),
        },
        {
            "more than one a word": np.where(dense, 0.0, several),
            "partial words": np.where(dense, 0.0, partial),
            "lonely words": np.where(lonely, dirty_words, 0.0),
            "crowded words": np.where(lonely | dense, 0.0, dirty_words),
            "crowded": np.where(lonely | dense, 0.0, distinct),
            "undecided": np.where(dense, 0.0, undecided),
            "undecided, dense": np.where(dense, undecided, 0.0),
            **unlearnt("dirty words", dirty_words),
            "words after clean ones": np.where(dense, 0.0, boundaries(pattern, WORD_BITS)),
            **_output(subject, distinct),
        },
    )


def _bitmap_collect(subject: Subject, pattern: Pattern) -> Features:
    words = words_for(pattern.pages)
    scanned = np.full_like(pattern.dirty, float(words))
    decoding = _decoding(subject, pattern, words)
    hinges = with_caches("words", scanned, 8 * words, subject.caches)
    return Features({"words": scanned, **decoding.always}, {**decoding.hinges, **hinges})


def _hybrid_collect(subject: Subject, pattern: Pattern) -> Features:
    words = words_for(pattern.pages)
    blocks = pattern.occupied(LINE_PAGES)
    summary = np.full_like(pattern.dirty, pattern.pages / LINE_PAGES / 64)
    decoding = _decoding(subject, pattern, words)
    hinges = with_caches("blocks", blocks, 64 * blocks, subject.caches)
    return Features(
        {"summary": summary, "blocks": blocks, **decoding.always},
        {
            **unlearnt("blocks", blocks),
            "blocks after clean ones": boundaries(pattern, LINE_PAGES),
            "blocks apart": np.where(pattern.law.regular, 0.0, blocks),
            **decoding.hinges,
            **hinges,
            **with_tlb("blocks", blocks, TRANSLATED * pattern.occupied(BITMAP_PAGE)),
        },
    )


def _hybrid_insert(subject: Subject, pattern: Pattern) -> Features:
    bitmap = _bitmap_insert(subject, pattern)
    words = words_for(pattern.pages)
    marks = pattern.dirty < words
    summary = {
        "summary marks": np.where(marks, pattern.dirty, 0.0),
        "summary words": np.where(marks, 0.0, float(words)),
    }
    return Features({**bitmap.always, **summary}, bitmap.hinges)


def _bits_clear(subject: Subject, pattern: Pattern) -> Features:
    words = np.full_like(pattern.dirty, float(words_for(pattern.pages)))
    touched = pattern.occupied(LINE_PAGES)
    return Features(
        {"words": words},
        {"lines": touched, **with_caches("words", words, pattern.pages / 8, subject.caches)},
    )


# --- trees ---------------------------------------------------------------------------------------


def _radices(subject: Subject) -> tuple[int, ...]:
    return radices_of(subject.options.get("radix", 64), subject.options.get("leaf_radix"))


def _tree_insert(subject: Subject, pattern: Pattern) -> Features:
    bitmap = _bitmap_insert(subject, pattern)
    radices = _radices(subject)
    words = words_for(pattern.pages)
    nodes = radix_nodes(pattern, radices)
    few = nodes[0] <= words // REBUILD.get(radices[0], 1)
    climbs = few & (pattern.dirty < words)
    moves = np.zeros_like(pattern.dirty)
    block = 1
    for level in range(len(nodes) - 1):
        block *= radices[min(level, len(radices) - 1)]
        moves = moves + arrivals_elsewhere(pattern, block)
    above: Values = {}
    for radix in np.cumprod([radices[min(level, len(radices) - 1)] for level in range(2)]):
        for name, amount in first_touches(pattern, subject.caches, int(radix)).items():
            level_name = name.replace(f"level {radix}", "upper levels")
            above[level_name] = above.get(level_name, 0.0) + np.where(climbs, amount, 0.0)
    return Features(
        {
            **bitmap.always,
            "climbs": np.where(climbs, nodes[0], 0.0),
            "new summary bits": np.where(climbs, np.sum(nodes[:-1], axis=0), 0.0),
            "summary words": np.where(climbs, 0.0, float(words)),
        },
        {
            **bitmap.hinges,
            "moves": np.where(climbs, np.minimum(moves, np.sum(nodes[:-1], axis=0)), 0.0),
            **above,
            **with_caches("summary words", np.where(climbs, 0.0, words), 8 * words, subject.caches),
        },
    )


def _tree_collect(subject: Subject, pattern: Pattern) -> Features:
    radices = _radices(subject)
    nodes = radix_nodes(pattern, radices)
    distinct, lines = pattern.occupied(1), pattern.occupied(LINE_PAGES)
    levels = np.full_like(pattern.dirty, float(len(level_lengths(pattern.pages, radices))))
    inner = np.sum(nodes[1:], axis=0) + np.zeros_like(pattern.dirty)
    several = np.maximum(distinct - nodes[0], 0.0)
    words = words_for(pattern.pages)
    partial = np.maximum(nodes[0] - full_blocks(pattern, radices[0]), 0.0)
    lonely = distinct * LONELY < words
    return Features(
        {"distinct": distinct, "leaves": nodes[0], "inner nodes": inner},
        {
            "levels": levels,
            "more than one a leaf": several,
            "lonely leaves": np.where(lonely, nodes[0], 0.0),
            "crowded leaves": np.where(lonely, 0.0, nodes[0]),
            "crowded": np.where(lonely, 0.0, distinct),
            "undecided": uncertain_octets(pattern),
            **unlearnt("leaves", nodes[0]),
            **unlearnt("inner nodes", inner),
            "partial leaves": partial,
            "leaves after clean ones": boundaries(pattern, radices[0]),
            "lines apart": np.where(pattern.law.regular, 0.0, lines),
            **with_caches("lines", lines, 64 * lines, subject.caches),
            **with_tlb("lines", lines, TRANSLATED * pattern.occupied(BITMAP_PAGE)),
            **_output(subject, distinct),
        },
    )


WORK_LAWS: dict[str, Mapping[str, Callable[[Subject, Pattern], Features]]] = {
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
"""Features by structure and operation; may get more at run time."""


def has_work_law(structure: str, operation: str = "insert") -> bool:
    """Return whether the time of an operation can be modelled; if not, it is measured only."""
    return operation in WORK_LAWS.get("tree" if structure in TREES else structure, ())
