"""Small experiments that show the posted code's defects and the flaws of its method."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from dirtylab._format import ns_text, three_digits
from dirtylab.structures.posted_tree import IMPOSSIBLE_FRAME, RADIX, PostedCrashError, PostedTree
from dirtylab.studies.mailing_list.program import Arena, list_and_destination, run_once
from dirtylab.studies.mailing_list.rows import SHORT, STRUCTURES, posted_rows
from dirtylab.theory.memory import posted_tree_bits, trimmed_tree_bits

PAGES = 10_000_000


ColdRuns = Mapping[int, Mapping[str, float]]


class Experiment(NamedTuple):
    """An experiment and its result."""

    title: str
    finding: str
    """One sentence, made from the numbers."""
    shown: bool
    """Whether the defect or flaw appeared."""
    numbers: dict[str, Any]


def crash_at_eight_pages() -> Experiment:
    """Defect 1: up to 8 pages the walk takes the root for a leaf."""
    tree = PostedTree(8, as_posted=True)
    tree.insert([0, 3])
    try:
        found = str(tree.collect())
        crashed = False
    except PostedCrashError as crash:
        found, crashed = f"{crash}.", True
    return Experiment("Defect 1: up to 8 pages the walk crashes", found, crashed, {"pages": 8})


def lost_at_powers_of_eight() -> Experiment:
    """Defect 2: at a power of 8 the last bottom node is taken for a leaf."""
    sizes = [8**k for k in range(2, 9)]
    found = [_fill_and_collect(pages) for pages in sizes]
    returned = {str(pages): size for pages, (size, _) in zip(sizes, found, strict=True)}
    largest, last = found[-1]
    finding = (
        f"Of {sizes[-1]:,} dirty pages (a {sizes[-1] * 4 // 2**20} GiB guest) the last 8 are lost: "
        f"{largest:,} frames come back, and the last of those is {last}, which no guest has. So at "
        f"each power of 8 from {sizes[0]} on."
    )
    expected = [(pages - 7, int(IMPOSSIBLE_FRAME)) for pages in sizes]
    shown = found == expected
    return Experiment(
        "Defect 2: at a power of 8 pages are lost", finding, shown, {"returned": returned}
    )


def written_past_the_end() -> Experiment:
    """Defect 3: the allocation rounds bits down to bytes."""
    tree = PostedTree(PAGES + 4, as_posted=True)
    tree.insert(np.arange(PAGES, PAGES + 4))
    numbers = {"allocated": tree.nbytes, "outside": tree.written_past_the_end}
    finding = (
        f"With {PAGES + 4:,} pages the tree has {tree.nbytes:,} bytes; marking the last four "
        f"frames writes {tree.written_past_the_end} byte behind them."
    )
    return Experiment(
        "Defect 3: a size that is no multiple of 8 writes past the end",
        finding,
        tree.written_past_the_end == 1,
        numbers,
    )


def single_cold_runs(runs: int, cold: ColdRuns) -> Experiment:
    """Flaw: one cold run says little; `cold` holds those of the nine rows."""
    dirty = 100_000
    elapsed: list[Mapping[str, float]] = [run_once(Arena.build(PAGES, dirty)) for _ in range(runs)]
    elapsed += [cold[dirty]] if dirty in cold else []
    ns = {name: [run[name] for run in elapsed] for name in STRUCTURES}
    spread = {name: max(values) / min(values) for name, values in ns.items()}
    worst = max(spread, key=lambda name: spread[name])
    ratios = [run["posted-bitmap"] / run["posted-list"] for run in elapsed]
    finding = (
        f"{len(elapsed)} such runs of random {dirty:,}, that of the table among them, differ by up "
        f"to {three_digits(spread[worst])}× ({SHORT[worst]}); bitmap/list comes out anywhere from "
        f"{three_digits(min(ratios))} to {three_digits(max(ratios))}."
    )
    return Experiment(
        "Flaw: each structure is timed once, cold",
        finding,
        spread[worst] > 1.1,
        {"dirty": dirty, "ns": ns, "spread": spread},
    )


def looping_teaches_the_predictor(runs: int) -> Experiment:
    """Trap: a loop over short work lets the branch predictor learn the data."""
    dirty, loops = 100, 100
    arena = Arena.build(PAGES, dirty)
    walk = arena.samplers()["posted-tree"]
    first, looped = [], []
    for run in range(runs):
        arena.fill("random", run)
        first.append(walk(1))
        looped.append(walk(loops) / loops)
    factor = float(np.median(first) / np.median(looped))
    finding = (
        f"The tree's walk of {dirty} random frames takes {ns_text(np.median(first))} the first "
        f"time and {ns_text(np.median(looped))} in a loop of {loops}: the processor has learnt "
        "its branches. The careful runs therefore draw new frames for each sample and loop nothing."
    )
    return Experiment(
        "Trap: repeating short work at once makes it look faster",
        finding,
        factor > 1.1,
        {"dirty": dirty, "first_ns": first, "looped_ns": looped, "factor": factor},
    )


def page_faults_of_the_list(runs: int, cold: ColdRuns) -> Experiment:
    """Flaw: who goes first touches the destination's pages; `cold` holds the nine rows' runs."""
    dirty = 1_000_000
    arena = Arena.build(PAGES, dirty)
    ns = {name: _first_and_second(arena, name, runs) for name in ("posted-list", "posted-tree")}
    factor = {name: first / second for name, (first, second) in ns.items()}
    finding = (
        f"Into {8 * dirty // 10**6} MB never touched before, the list takes "
        f"{three_digits(factor['posted-list'])}× as long as into the same memory the second time; "
        f"the tree, had it gone first, {three_digits(factor['posted-tree'])}×. The posted list "
        "always went first."
    )
    if dirty in cold:
        once = cold[dirty]["posted-list"] / ns["posted-list"][1]
        finding += (
            f" The table's own cold run took {three_digits(once)}×: under a hypervisor the first "
            "touch of memory that the host has not backed yet costs more still."
        )
    return Experiment(
        "Flaw: the list pays for the page faults",
        finding,
        factor["posted-list"] > 1.1,
        {"dirty": dirty, "ns": ns, "factor": factor},
    )


def repeats_in_the_list() -> Experiment:
    """Flaw: the list keeps repeats, tree and bitmap do not."""
    rows = [row for row in posted_rows() if row.order == "random"]
    distinct = {row.dirty: _distinct(row.pages, row.dirty) for row in rows}
    draws = max(distinct)
    finding = (
        f"{draws:,} draws of {PAGES:,} pages touch {distinct[draws]:,}: the list hands on "
        f"{draws:,} entries, {draws / distinct[draws]:.2f} for each dirty page, the others "
        f"{distinct[draws]:,}."
    )
    numbers = {"distinct": {str(dirty): pages for dirty, pages in distinct.items()}}
    return Experiment(
        "Flaw: only the list keeps repeats", finding, distinct[draws] < draws, numbers
    )


def memory_sawtooth() -> Experiment:
    """Flaw: double the bitmap is the worst case, not the rule."""
    sizes = sawtooth_sizes()
    ratio = posted_tree_bits(sizes) / sizes
    trimmed = trimmed_tree_bits(sizes) / sizes
    real = {pages: PostedTree(pages).nbytes * 8 / pages for pages in (4096, 4104, PAGES)}
    finding = (
        f"Tree over bitmap runs from {ratio.min():.3f} to {ratio.max():.3f} (just above a power "
        f"of 8); at {PAGES:,} pages it is {real[PAGES]:.2f}. From 16 MiB of guest memory "
        f"up, that is; a tree trimmed to its size takes {trimmed.min():.3f} to {trimmed.max():.3f}."
    )
    return Experiment(
        "Flaw: the memory is a sawtooth",
        finding,
        bool(ratio.max() > 2 and ratio.min() < 1.15),
        {
            "lowest": float(ratio.min()),
            "highest": float(ratio.max()),
            "allocated": {str(pages): ratio for pages, ratio in real.items()},
        },
    )


def sawtooth_sizes() -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return sizes from 16 MiB to 64 TiB of guest memory, each edge of the sawtooth among them."""
    edges = RADIX ** np.arange(4, 12, dtype=np.int64)
    edges = edges[edges < 2**34]
    sizes = np.geomspace(4096, 2**34, 2000).astype(np.int64) // RADIX * RADIX
    return np.union1d(sizes, np.concatenate([edges, edges + RADIX]))


def all_experiments(runs: int, cold: ColdRuns) -> dict[str, Callable[[], Experiment]]:
    """Return the experiments by name.

    Parameters
    ----------
    runs : int
        How often a timed one is repeated.
    cold : dict
        Dirty frames to structure to ns: the random rows as posted, as far as they were run.
    """
    return {
        "crash": crash_at_eight_pages,
        "lost-pages": lost_at_powers_of_eight,
        "past-the-end": written_past_the_end,
        "single-cold-runs": lambda: single_cold_runs(runs, cold),
        "looping": lambda: looping_teaches_the_predictor(runs),
        "page-faults": lambda: page_faults_of_the_list(runs, cold),
        "repeats": repeats_in_the_list,
        "sawtooth": memory_sawtooth,
    }


def _fill_and_collect(pages: int) -> tuple[int, int]:
    """Return how many frames a full tree returns, and the last of them."""
    tree = PostedTree(pages)
    tree.insert(np.arange(pages, dtype=np.uint64))
    frames = tree.collect()
    return frames.size, int(frames[-1])


def _first_and_second(arena: Arena, name: str, runs: int) -> tuple[float, float]:
    """Return the median time into an untouched destination, and into the same one again."""
    first, second = [], []
    for _ in range(runs):
        _, destination = list_and_destination(arena.frames.size)
        sampler = arena.samplers(destination)[name]
        first.append(sampler(1))
        second.append(sampler(1))
    return float(np.median(first)), float(np.median(second))


def _distinct(pages: int, dirty: int) -> int:
    arena = Arena.build(pages, dirty)
    return int(np.bitwise_count(arena.bitmap).sum())
