"""The mail's seven claims, each judged by what was measured.

A verdict follows from the numbers and the bounds below alone; with a bound changed here the same
data can be judged again.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from dirtylab._format import three_digits, whole_text
from dirtylab.structures import PostedBitmap, PostedTree
from dirtylab.studies.mailing_list.rows import FULL, INSERTION, SHORT, STRUCTURES
from dirtylab.studies.mailing_list.runs import AS_POSTED, CAREFUL, POSTED
from dirtylab.studies.mailing_list.samples_index import SamplesIndex

HOLDS, PARTLY, FAILS, OPEN = "holds", "holds partly", "does not hold", "not judged yet"

FAST_INSERT = 4.0
"""Claim 1: "fast" is up to this many times a bitmap's insert; up to twice that is partly."""
LOCKLESS_TREES = ("tree8", "tree64")
NOT_SLOWED = 1.25
"""Claim 2: up to this many times as long the writer is not slowed by a harvest beside it."""
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


def insertion_is_fast(index: SamplesIndex) -> Verdict:
    """Judge claim 1 by the cost of an insert, in inserts into a bitmap: as posted, and atomic."""
    per_frame = {
        name: index.median(CAREFUL, INSERTION, name, "insert") / INSERTION.dirty
        for name in STRUCTURES
    }
    posted = per_frame["posted-tree"] / per_frame["posted-bitmap"]
    atomic = index.lockless["atomic"]
    factor = {
        regime: atomic["tree8"][regime]["atomic_ns"][0] / atomic["bitmap"][regime]["atomic_ns"][0]
        for regime in ("again", "new")
    }
    all_factors = (posted, *factor.values())
    verdict = graded(max(all_factors) <= FAST_INSERT, min(all_factors) <= FAST_INSERT)
    return Verdict(
        1,
        "Insertion is fast: a few bit writes at places found by arithmetic, no pointers.",
        f"As posted {three_digits(per_frame['posted-tree'])} ns a frame for "
        f"{levels(INSERTION.pages)} bit writes, {three_digits(posted)} times the bitmap's "
        f"({INSERTION.dirty:,} random frames; list {three_digits(per_frame['posted-list'])} ns). "
        f"Atomic, radix 8, on {index.lockless['machine']['cpu']}: "
        f"{three_digits(atomic['tree8']['new']['atomic_ns'][0])} ns for a clean "
        f"page, {three_digits(factor['new'])} times the bitmap's; "
        f"{three_digits(atomic['tree8']['again']['atomic_ns'][0])} ns for a dirty one, "
        f"{three_digits(factor['again'])} times.",
        verdict,
        f"No pointer is followed. Up to {FAST_INSERT:g} times a bitmap's insert counts as fast: "
        f"{sum(one <= FAST_INSERT for one in all_factors)} of {len(all_factors)} are. An insert "
        "that looks before it writes has one atomic write to do where its page's path is set.",
    )


def removal_is_lockless(index: SamplesIndex) -> Verdict:
    """Judge claim 2 by the soak, the checker, and the writer's cost during a harvest."""
    found = index.lockless
    soak, checked = found["soak"]["structures"], found["checker"]
    ours = [one for one in checked if one["group"] == "ours"]
    bad = sum(soak[name]["lost"] + soak[name]["late"] for name in LOCKLESS_TREES)
    bad += sum(one["lost"] + one["late"] for one in ours)
    slowed = {
        name: max(found["harvest"][name][pause]["writer"][0] for pause in ("0", "1000"))
        for name in LOCKLESS_TREES
    }
    reader = {
        name: max(found["harvest"][name][pause]["reader"][0] for pause in ("0", "1000"))
        for name in LOCKLESS_TREES
    }
    inserts = sum(soak[name]["inserts"] for name in LOCKLESS_TREES)
    schedules = sum(one["schedules"] for one in ours)
    worst = max(slowed.values())
    verdict = FAILS if bad else graded(worst <= NOT_SLOWED, True)
    return Verdict(
        2,
        "Lockless removal is feasible; it slows only the reader.",
        f"{inserts:,} inserts by 2 … 8 threads into trees of radix 8 and 64 under harvest, and "
        f"{schedules:,} schedules checked: {bad:,} lost or late. Beside a harvest an insert takes "
        f"{_each(slowed)} times as long as in turns with it, a harvested frame {_each(reader)} "
        f"times (the worse of harvests without and with a pause; {found['machine']['cpu']}).",
        verdict,
        "Feasible: bits set on the way up, words exchanged on the way down. Up to "
        f"{NOT_SLOWED:g} times counts as not slowed; the writer's worst is {three_digits(worst)}.",
    )


def _each(values: dict[str, float]) -> str:
    return " and ".join(three_digits(one) for one in values.values())


def bottom_level_is_the_bitmap(index: SamplesIndex) -> Verdict:
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


def search_is_on_par_with_the_list(index: SamplesIndex) -> Verdict:
    """Judge claim 4 by tree over list in the sequential rows."""
    rows = [row for row in index.rows if row.order == "sequential"]
    ratios = {
        method: [index.ratio(method, row, "posted-tree", "posted-list") for row in rows]
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


def full_bitmap_costs_twice(index: SamplesIndex) -> Verdict:
    """Judge claim 5 by tree over bitmap with every page dirty."""
    full = index.ratio(CAREFUL, FULL, "posted-tree", "posted-bitmap")
    largest = max((row for row in index.rows if row.order == "random"), key=lambda r: r.dirty)
    random = index.ratio(CAREFUL, largest, "posted-tree", "posted-bitmap")
    verdict = graded(full <= ABOUT_TWICE, full <= 2 * ABOUT_TWICE)
    return Verdict(
        5,
        "Search is only about 2× slower than a bitmap when the bitmap is full.",
        f"Tree/bitmap {full:.2f} with every page dirty, {random:.2f} at random {largest.dirty:,}.",
        verdict,
        f"Up to {ABOUT_TWICE:g}× counts. The bitmap is the posted one, which asks bit by bit.",
    )


def memory_is_double(index: SamplesIndex) -> Verdict:
    """Judge claim 6 by what is allocated."""
    sawtooth = index.experiments["sawtooth"].numbers
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


def asymptotics_remain(index: SamplesIndex) -> Verdict:
    """Judge claim 7 by exponents of growth and by the winner of each row."""
    slopes = {name: [index.growth(m, name) for m in (POSTED, AS_POSTED)] for name in STRUCTURES}
    apart = {name: abs(here - then) for name, (then, here) in slopes.items()}
    same_winner = [index.winner(POSTED, row) == index.winner(CAREFUL, row) for row in index.rows]
    alike = [name for name in STRUCTURES if apart[name] <= SAME_SLOPE]
    all_alike = len(alike) == len(STRUCTURES)
    verdict = graded(all(same_winner) and all_alike, all(same_winner) or all_alike)
    low, high = index.posted_bracket()
    interval = index.crossover_interval(CAREFUL)
    growth = ", ".join(
        f"{SHORT[name]} {then:.2f} → {here:.2f}" for name, (then, here) in slopes.items()
    )
    return Verdict(
        7,
        "The absolute numbers will differ, the asymptotic behaviour remains.",
        f"From 100 to 10,000,000 random frames time grows as dirty^p, p in 2016 → here, as "
        f"posted: {growth}. Same winner of tree and bitmap in {sum(same_winner)} of "
        f"{len(same_winner)} rows; they cross between {low:,} and {high:,} dirty frames in 2016, "
        f"at {_rounded(index.crossover(CAREFUL))}{_between(interval)} here.",
        verdict,
        f"Exponents within {SAME_SLOPE:g} of each other count as the same: "
        f"{len(alike)} of {len(STRUCTURES)} are.",
    )


CLAIMS: tuple[Callable[[SamplesIndex], Verdict], ...] = (
    insertion_is_fast,
    removal_is_lockless,
    bottom_level_is_the_bitmap,
    search_is_on_par_with_the_list,
    full_bitmap_costs_twice,
    memory_is_double,
    asymptotics_remain,
)


def verdict_paragraph(verdict: Verdict) -> str:
    """Return one verdict as Markdown."""
    return (
        f"**{verdict.number}. {verdict.claim}** — *{verdict.verdict}*\n\n"
        f"{verdict.measured} {verdict.why}"
    )


def judge(index: SamplesIndex) -> list[Verdict]:
    """Return a verdict on each of the seven claims."""
    return [claim(index) for claim in CLAIMS]


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
    return "no number of" if frames is None else whole_text(frames)


def _between(interval: tuple[float, float] | None) -> str:
    return f" ({_rounded(interval[0])}–{_rounded(interval[1])})" if interval else ""
