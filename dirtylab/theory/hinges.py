"""Hinges of the cost model: work that costs more where a cache, a TLB or a predictor ends.

Each is an amount of work, weighted by the share of its footprint that something does not hold; the
fit of :mod:`.cost_fit` selects those that it needs.
"""

import numpy as np

from dirtylab._check import Array
from dirtylab.theory.locality import lines_alone
from dirtylab.theory.operations import LINE_PAGES, Pattern

CACHES = (32 * 2**10, 2**20, 32 * 2**20)
"""Bytes of the L1, L2 and L3 cache, for a machine whose caches are unknown."""
TRANSLATIONS = (64, 2048)
"""4 KiB pages that a usual first- and second-level TLB map."""
TRANSLATED = 4096
BITMAP_PAGE = 8 * TRANSLATED
"""Pages whose bits share 4 KiB of the bitmap."""
LEVELS = len(CACHES)
NEIGHBOURS = 4
"""Hinges at a full L3 and at a quarter of it (L3 is shared by several cores)."""
UNLEARNT = (2**9, 2**12, 2**15)
"""Units of work after which a branch predictor may have learnt the pattern."""

Values = dict[str, Array]


def spilled(size: Array | float, held: float) -> Array:
    """Return the share of so many bytes, or pages, that a cache or TLB does not hold."""
    return np.maximum(0.0, 1.0 - held / np.maximum(np.asarray(size, float), 1.0))


def with_caches(name: str, amount: Array, nbytes: Array | float, caches: tuple[int, ...]) -> Values:
    """Return a feature's hinges: its value times the share of `nbytes` beyond each cache."""
    sizes = {f"L{level}": cache for level, cache in enumerate(caches[-LEVELS:], start=1)}
    sizes["a share of the last"] = caches[-1] // NEIGHBOURS
    found = {f"{name} beyond {cache}": amount * spilled(nbytes, held)
             for cache, held in sizes.items()}  # fmt: skip
    return {**found, f"{name} in no cache": amount} if guest_ran(caches) else found


def guest_ran(caches: tuple[int, ...]) -> bool:
    """Return whether no cache holds any of the structure at first: `caches` then begin with 0."""
    return caches[0] == 0


def with_tlb(name: str, amount: Array, nbytes: Array | float) -> Values:
    """Return a feature's hinges: its value times the share of pages beyond each level of TLB."""
    size = np.asarray(nbytes, float) / TRANSLATED
    return {f"{name} beyond {held} addresses": amount * spilled(size, held)
            for held in TRANSLATIONS}  # fmt: skip


def unlearnt(name: str, amount: Array) -> Values:
    """Return a feature's hinges for its first units, before a branch predictor has learnt them.

    A bitmap's dirty word takes 1.6 ns where there are some thousand, 0.7 ns in a million.
    """
    return {f"first {first:,} {name}": np.minimum(amount, first) for first in UNLEARNT}


def first_touches(pattern: Pattern, caches: tuple[int, ...], radix: int = 1) -> Values:
    """Return the hinges for cache lines first touched in an epoch.

    They lie anywhere in a bitmap, or in the level of a tree that has one bit for `radix` pages, and
    are in a cache only as far as the whole of it is.
    """
    nbytes = pattern.pages / 8 / radix
    name = f"lines of level {radix}" if radix > 1 else "lines"
    lines = pattern.occupied(LINE_PAGES * radix)
    pages = pattern.occupied(BITMAP_PAGE * radix)
    found = {
        **with_caches(f"first {name}", lines, nbytes, caches),
        **with_tlb(f"first {name}", lines, nbytes),
        **with_tlb(f"first {name} touched", lines, TRANSLATED * pages),
    }
    if guest_ran(caches):
        # Where the next line is foretold, or beside this one, it is fetched before it is needed.
        found[f"first {name} alone"] = lines_alone(pattern, LINE_PAGES * radix)
        apart = np.zeros_like(lines) if pattern.law.regular else lines
        found[f"first {name} apart"] = apart
        found[f"first pages of {name}"] = pages
    return found
