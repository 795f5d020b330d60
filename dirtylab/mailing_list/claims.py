"""The mail's seven claims, each judged by what was measured.

A verdict follows from the numbers and the bounds below alone; who would draw a bound elsewhere
changes it here and judges the same data again.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from dirtylab.mailing_list.evidence import Evidence
from dirtylab.mailing_list.numbers import three_digits
from dirtylab.mailing_list.rows import FULL, INSERTION, SHORT, STRUCTURES
from dirtylab.mailing_list.runs import AS_POSTED, CAREFUL, POSTED
from dirtylab.structures import PostedBitmap, PostedTree

HOLDS, PARTLY, FAILS, OPEN = "holds", "holds partly", "does not hold", "not judged yet"

FAST_INSERT = 4.0
"""Claim 1: "fast" is up to this many times a bitmap's insert; up to twice that is partly."""
ON_PAR = 2.0
"""Claim 4: "on par" is within this factor of the list; up to twice that is partly."""
ABOUT_TWICE = 2.5
"""Claim 5: "only about 2 times slower" is up to this; up to twice that is partly."""
ABOUT_DOUBLE = (1.75, 2.25)
"""Claim 6: "roughly double" is between these."""
SAME_SLOPE = 0.2
"""Claim 7: exponents of growth this close are the same behaviour."""


class Verdict(NamedTuple):
    """One claim, judged."""

    number: int
    claim: str
    measured: str
    verdict: str
    why: str


def insertion_is_fast(evidence: Evidence) -> Verdict:
    """Judge claim 1 by the cost of an insert, in inserts into a bitmap."""
    per_frame = {
        name: evidence.median(CAREFUL, INSERTION, name, "insert") / INSERTION.dirty
        for name in STRUCTURES
    }
    factor = per_frame["posted-tree"] / per_frame["posted-bitmap"]
    writes = levels(INSERTION.pages)
    verdict = graded(factor <= FAST_INSERT, factor <= 2 * FAST_INSERT)
    return Verdict(
        1,
        "Insertion is fast: a few bit writes at places found by arithmetic, no pointers.",
        f"{three_digits(per_frame['posted-tree'])} ns a frame for {writes} bit writes; bitmap "
        f"{three_digits(per_frame['posted-bitmap'])} ns, list "
        f"{three_digits(per_frame['posted-list'])} ns ({INSERTION.dirty:,} random frames).",
        verdict,
        f"No pointer is followed, yet an insert costs {three_digits(factor)} times a bitmap's "
        f"(up to {FAST_INSERT:g} counts as fast). Not atomic, as posted.",
    )


def removal_is_lockless(evidence: Evidence) -> Verdict:
    """Leave claim 2 open: nothing measured here bears on it."""
    return Verdict(
        2,
        "Lockless removal is feasible; it slows only the reader.",
        "Nothing yet.",
        OPEN,
        "The posted program inserts and collects in one thread and never removes; judging this "
        "takes threads that insert while another harvests.",
    )


def bottom_level_is_the_bitmap(evidence: Evidence) -> Verdict:
    """Judge claim 3 by comparing bytes."""
    sizes = (72, 520, 4_104, 10_000_000)
    same = [_same_bits(pages) for pages in sizes]
    return Verdict(
        3,
        "A subset of the tree is, bit for bit, the legacy bitmap.",
        f"Compared byte by byte at {', '.join(f'{pages:,}' for pages in sizes)} pages, random "
        f"frames: {sum(same)} of {len(same)} equal.",
        HOLDS if all(same) else FAILS,
        "The bottom level has one bit a page in order of the frames, and a place of its own.",
    )


def search_is_on_par_with_the_list(evidence: Evidence) -> Verdict:
    """Judge claim 4 by tree over list in the sequential rows."""
    rows = [row for row in evidence.rows if row.order == "sequential"]
    ratios = {
        method: [evidence.ratio(method, row, "posted-tree", "posted-list") for row in rows]
        for method in (AS_POSTED, CAREFUL)
    }
    cold, warm = max(ratios[AS_POSTED]), max(ratios[CAREFUL])
    verdict = graded(warm <= ON_PAR, warm <= 2 * ON_PAR)
    return Verdict(
        4,
        "Search is very fast, on par with a list, if the dirty pages are in one range.",
        f"Tree/list {_span(ratios[AS_POSTED])} as posted, {_span(ratios[CAREFUL])} carefully.",
        verdict,
        f"On par means within {ON_PAR:g}×. It looks so as posted (at most {three_digits(cold)}×), "
        "for the list goes first and pays the page faults of the destination; into touched memory "
        f"the tree takes up to {three_digits(warm)}× the time.",
    )


def full_bitmap_costs_twice(evidence: Evidence) -> Verdict:
    """Judge claim 5 by tree over bitmap with every page dirty."""
    full = evidence.ratio(CAREFUL, FULL, "posted-tree", "posted-bitmap")
    largest = max((row for row in evidence.rows if row.order == "random"), key=lambda r: r.dirty)
    random = evidence.ratio(CAREFUL, largest, "posted-tree", "posted-bitmap")
    verdict = graded(full <= ABOUT_TWICE, full <= 2 * ABOUT_TWICE)
    return Verdict(
        5,
        "Search is only about 2× slower than a bitmap when the bitmap is full.",
        f"Tree/bitmap {full:.2f} with every page dirty, {random:.2f} at random {largest.dirty:,}.",
        verdict,
        f"Up to {ABOUT_TWICE:g}× counts. The bitmap is the posted one, which asks bit by bit.",
    )


def memory_is_double(evidence: Evidence) -> Verdict:
    """Judge claim 6 by what is allocated."""
    sawtooth = evidence.experiments["sawtooth"].numbers
    here = sawtooth["allocated"]["10000000"]
    low, high = ABOUT_DOUBLE
    verdict = graded(low <= here <= high, sawtooth["highest"] >= low)
    return Verdict(
        6,
        "Memory is roughly double the bitmap.",
        f"{here:.2f} times the bitmap at 10,000,000 pages; {sawtooth['lowest']:.3f} to "
        f"{sawtooth['highest']:.3f} from 16 MiB of guest memory up.",
        verdict,
        "Each level above the bitmap is a full power of 8, so the ratio is a sawtooth; double is "
        "its worst case, just above a power of 8.",
    )


def asymptotics_remain(evidence: Evidence) -> Verdict:
    """Judge claim 7 by exponents of growth and by who wins each row."""
    slopes = {name: [evidence.growth(m, name) for m in (POSTED, AS_POSTED)] for name in STRUCTURES}
    apart = {name: abs(here - then) for name, (then, here) in slopes.items()}
    same_winner = [
        evidence.winner(POSTED, row) == evidence.winner(CAREFUL, row) for row in evidence.rows
    ]
    alike = [name for name in STRUCTURES if apart[name] <= SAME_SLOPE]
    all_alike = len(alike) == len(STRUCTURES)
    verdict = graded(all(same_winner) and all_alike, all(same_winner) or all_alike)
    low, high = evidence.posted_bracket()
    interval = evidence.crossover_interval(CAREFUL, np.random.default_rng(0))
    growth = ", ".join(
        f"{SHORT[name]} {then:.2f} → {here:.2f}" for name, (then, here) in slopes.items()
    )
    return Verdict(
        7,
        "The absolute numbers will differ, the asymptotic behaviour remains.",
        f"From 100 to 10,000,000 random frames time grows as dirty^p, p in 2016 → here, as "
        f"posted: {growth}. Same winner of tree and bitmap in {sum(same_winner)} of "
        f"{len(same_winner)} rows; they cross between {low:,} and {high:,} dirty frames in 2016, "
        f"at {_rounded(evidence.crossover(CAREFUL))}{_between(interval)} here.",
        verdict,
        f"Exponents within {SAME_SLOPE:g} of each other count as the same: "
        f"{len(alike)} of {len(STRUCTURES)} are.",
    )


CLAIMS: tuple[Callable[[Evidence], Verdict], ...] = (
    insertion_is_fast,
    removal_is_lockless,
    bottom_level_is_the_bitmap,
    search_is_on_par_with_the_list,
    full_bitmap_costs_twice,
    memory_is_double,
    asymptotics_remain,
)


def judge(evidence: Evidence) -> list[Verdict]:
    """Return a verdict on each of the seven claims."""
    return [claim(evidence) for claim in CLAIMS]


def graded(holds: bool, partly: bool) -> str:
    """Return a verdict from whether the claim's bound is met, and whether a part of it is."""
    if holds:
        return HOLDS
    return PARTLY if partly else FAILS


def levels(pages: int) -> int:
    """Return the number of levels of the posted tree, the bitmap included."""
    count, covered = 1, 8
    while covered < pages:
        count, covered = count + 1, covered * 8
    return count


def _same_bits(pages: int) -> bool:
    tree, bitmap = PostedTree(pages), PostedBitmap(pages)
    frames = np.random.default_rng(pages).integers(0, pages, pages // 4 + 1)
    tree.insert(frames)
    bitmap.insert(frames)
    return tree.bitmap_view().tobytes() == bitmap.bitmap_view().tobytes()


def _span(values: list[float]) -> str:
    return f"{three_digits(min(values))}–{three_digits(max(values))}×"


def _rounded(frames: float | None) -> str:
    return "no number of" if frames is None else f"{float(f'{frames:.3g}'):,.0f}"


def _between(interval: tuple[float, float] | None) -> str:
    return f" ({_rounded(interval[0])}–{_rounded(interval[1])})" if interval else ""
