"""Every law of touched blocks against frames drawn and counted, sizes and options at random.

Each case is drawn anew from its number, on either side of every place where a law changes its
method: slots from one page to 2^51, single pages to nearly the whole slot as a block, one draw to
many a page.
"""

import itertools
import math

import numpy as np
import pytest

from dirtylab.datasets import DATASETS
from dirtylab.theory import clustering, shuffled, skewed
from dirtylab.theory.occupancy import occupied
from dirtylab.theory.ranges import floor_sum, strided_blocks

SEEDS = 40
NUMBERS = pytest.mark.parametrize("number", range(60))
SIZES = {"small": (0, 2.2), "usual": (2, 5), "large": (5, 15.3)}
"""Decimal logarithms of the slot's pages, from and to."""
EVERY_SIZE = pytest.mark.parametrize("size", SIZES)
BLOCKS = (1, 2, 7, 8, 64, 512, 4096, 2**15)


def options_of(dataset, pages, dirty, rng):
    """Return options of a pattern, edges included, and a number of frames that goes with them."""
    if dataset == "clustered":
        return clusters_of(pages, dirty, rng)
    choose = {
        "random": {"replacement": (True, False)},
        "zipf": {"exponent": (1e-9, 0.3, 0.7, 1.0, 1.2, 2.5, 4.0, 1e300),
                 "scattered": (True, True, False)},
        "hotset": {"place": ("spread", "spread", "start"), "writes": (0.0, 0.1, 0.5, 0.9, 1.0),
                   "hot": (0.0, 1e-9, 0.01, 0.1, 0.37, 0.9, 1.0)},
        "phases": {"number": (1, 2, 8, 50), "hot": (0.0, 0.01, 0.1, 0.5, 1.0),
                   "overlap": (0.0, 0.1, 0.5, 0.9, 1.0)},
    }.get(dataset, {})  # fmt: skip
    options = {name: values[rng.integers(len(values))] for name, values in choose.items()}
    return options, min(dirty, pages) if options.get("replacement") is False else dirty


def clusters_of(pages, dirty, rng):
    spread = float(rng.choice([1.0, 0.7, 0.37]))
    span, overlap = max(1, round(spread * pages)), bool(rng.integers(2))
    options = {"lengths": str(rng.choice(["geometric", "fixed"])), "spread": spread}
    if rng.integers(2):
        options["length"] = int(min(span, 10 ** rng.uniform(0, 3)))
    if rng.integers(2):
        most = span // options.get("length", 1)
        number = int(10 ** rng.uniform(0, 3))
        options["clusters"] = number if overlap else max(1, min(number, most))
    return {**options, "overlap": overlap}, dirty if overlap else min(dirty, span)


def require_near(value, counted):
    """Assert that a law is within 4.5 standard errors of what was counted.

    Counts are whole: where all are alike by chance, some may still differ with that probability.
    """
    share = abs(value - round(value))
    error = math.sqrt((counted.var(ddof=1) + share * (1 - share)) / counted.size)
    assert abs(value - counted.mean()) <= 4.5 * error + 1e-7 * value


@NUMBERS
@EVERY_SIZE
@pytest.mark.parametrize("dataset", ["random", "clustered", "zipf", "hotset", "phases"])
def test_drawn_patterns_touch_as_many_blocks_as_is_expected(dataset, size, number):
    rng = np.random.default_rng([number, *dataset.encode(), *size.encode()])
    pages = int(10 ** rng.uniform(*SIZES[size]))
    dirty = int(10 ** rng.uniform(0, min(4.0, math.log10(pages) + 1)))
    options, dirty = options_of(dataset, pages, dirty, rng)
    block = int(rng.choice([*BLOCKS, max(1, pages // 2), max(1, pages // 3), max(1, pages - 1)]))
    drawn = (DATASETS[dataset](pages, dirty, seed=seed, **options) for seed in range(SEEDS))
    counted = np.array([np.unique(frames // np.uint64(block)).size for frames in drawn])
    require_near(float(occupied(dataset, pages, dirty, block, **options)), counted)


@pytest.mark.parametrize("most", [300, 30_000, 2**21])
@pytest.mark.parametrize("number", range(40))
def test_strided_patterns_touch_exactly_the_blocks_counted(most, number):
    rng = np.random.default_rng([number, most])
    pages = int(rng.integers(1, most))
    stride = int(rng.choice([rng.integers(1, pages + 1), min(pages, rng.integers(1, 99))]))
    start, dirty = int(rng.integers(pages)), int(rng.integers(1, pages + 5))
    block, nth = int(rng.choice([*BLOCKS, rng.integers(1, pages + 1)])), int(rng.choice([0, 3, 8]))
    touched = np.unique(
        DATASETS["strided"](pages, dirty, stride=stride, start=start) // np.uint64(block)
    )
    if nth:
        touched = touched[touched % np.uint64(nth) == nth - 1]
    found = strided_blocks(pages, dirty, block, stride=stride, start=start, nth=nth)
    assert found == touched.size


@pytest.mark.parametrize(("pages", "dirty", "block", "touched"), [
    (2**25, 2**22, 8, 524_288),  # 2^19 records, 8 sweeps
    (2**25, 2**22, 64, 524_288),
    (2**25, 2**22, 512, 65_536),
    (2**40, 2**34 + 3, 64, 2**34),
    (2**40, 2**34, 32, 2**34),
    (2**40, 2**35, 2, 2**34),
    (2**40, 2**35 + 2**34, 2, 2**35),
])  # fmt: skip
def test_strided_patterns_of_many_records(pages, dirty, block, touched):
    assert occupied("strided", pages, dirty, block) == touched


@pytest.mark.parametrize("number", range(30))
def test_floors_of_a_line_add_up(number):
    rng = np.random.default_rng(number)
    count, divisor, slope = (int(one) for one in rng.integers(1, 70, 3))
    offset = int(rng.integers(-9, 70))
    line = [(slope * place + offset) // divisor for place in range(count)]
    assert floor_sum(count, divisor, slope, offset) == sum(line)


@pytest.mark.parametrize(("dataset", "arguments", "options", "right"), [
    ("clustered", (4097, 2500, 4096), {"length": 37}, 1.0417),
    ("clustered", (65, 40, 64), {"length": 8}, 1.178),
    ("clustered", (1000, 300, 1), {"clusters": 5, "spread": 0.37, "overlap": True}, 227.7),
    ("hotset", (1000, 3, 512), {"writes": 0.5, "hot": 1e-9, "place": "spread"}, 1.562),
    ("zipf", (1000, 3, 512), {"exponent": 2.5}, 1.318),
])  # fmt: skip
def test_laws_at_the_slots_end_and_with_few_draws(dataset, arguments, options, right):
    assert float(occupied(dataset, *arguments, **options)) == pytest.approx(right, rel=1e-3)


def chances_of_distinct(chances, draws):
    """Return the probability of each number of distinct pages, draw by draw."""
    states = {frozenset(): 1.0}
    for _ in range(draws):
        after = {}
        for seen, chance in states.items():
            for page, own in enumerate(chances):
                key = seen | {page}
                after[key] = after.get(key, 0.0) + chance * own
        states = after
    return {number: sum(p for s, p in states.items() if len(s) == number) for number in range(9)}


@pytest.mark.parametrize("draws", [1, 2, 5])
@pytest.mark.parametrize("block", [2, 3, 5, 7])
def test_few_shuffled_pages_are_exact(block, draws):
    kinds = shuffled.ranks(7, 1.3)
    each = chances_of_distinct(kinds.chances, draws)

    def touched(size):
        free = {number: math.comb(7 - number, size) / math.comb(7, size) for number in range(8)}
        return 1 - sum(each[number] * free[number] for number in range(8))

    right = (7 // block) * touched(block) + (touched(7 % block) if 7 % block else 0)
    assert shuffled.blocks_touched(kinds, draws, 7, block) == pytest.approx(right, rel=1e-9)


@pytest.mark.parametrize("number", [2, 3, 20, 21, 40])
@pytest.mark.parametrize("starts", [3, 30, 170])
def test_the_mean_over_all_lengths_by_adding_up(number, starts):
    for total in (number, number + 1, 3 * number, 7 * number + 5):
        lengths = np.maximum(starts + 1.0 - np.arange(total + 1), 0.0) / 200
        lengths[0] = 0.0
        ways = np.array([1.0])
        for _ in range(number):
            ways = np.convolve(ways, lengths)[: total + 1]
        right = ways[total] / math.comb(total - 1, number - 1)
        found = math.exp(clustering._log_missed(number, total, starts, 200))
        assert found == pytest.approx(right, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("lengths", ["geometric", "fixed"])
def test_a_block_between_clusters_by_trying_all(lengths):
    """9 pages, 2 clusters of 4 pages together, 5 free ones: 6 gaps, each choice alike."""
    drawn = clustering.Clusters(9, 2, 4, lengths == "fixed", None)
    parts = [(2, 2)] if lengths == "fixed" else [(1, 3), (2, 2), (3, 1)]
    for block in (2, 3):
        right = 0.0
        for (one, two), gaps in itertools.product(parts, itertools.product(range(6), repeat=2)):
            first, second = sorted(gaps)
            begins = first, second + one
            pages = {*range(begins[0], begins[0] + one), *range(begins[1], begins[1] + two)}
            right += len({page // block for page in pages}) / len(parts) / 36
        assert clustering.blocks_touched(drawn, block, False) == pytest.approx(right, rel=1e-9)


def test_every_law_is_beyond_its_switches():
    """The sizes drawn above lie on both sides of each place where a method changes."""
    switches = [skewed.EXACT, shuffled.FEW, clustering.NODES, 1 / shuffled.TINY, shuffled.PLAIN]
    low, high = (10 ** SIZES[name][end] for name, end in (("small", 0), ("large", 1)))
    assert all(10 * low < one < high / 10 for one in switches)
