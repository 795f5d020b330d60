"""The closed forms of theory against frames counted and against what the structures count."""

import numpy as np
import pytest

from dirtylab.datasets import DATASETS
from dirtylab.structures import STRUCTURES, Tree
from dirtylab.theory.memory import break_even, structure_bytes
from dirtylab.theory.occupancy import occupied
from dirtylab.theory.operations import expected

SEEDS = 12
DETERMINISTIC = ("sequential", "strided")
PATTERNS = tuple(name for name in DATASETS if name != "trace")
COUNTED = ("words", "nodes", "bytes")
NAMES = [*STRUCTURES]
NAMES.insert(NAMES.index("tree8"), "tree")


def options_of(dataset, pages, rng):
    """Return options of a dataset, drawn."""
    draw = {
        "random": lambda: {"replacement": bool(rng.integers(2))},
        "sequential": lambda: {"start": int(rng.integers(pages))},
        "strided": lambda: {
            "stride": int(min(pages, rng.choice([1, 2, 7, 15, 63, 64, 65, 513, 12345]))),
            "start": int(rng.integers(pages)),
        },
        "clustered": lambda: {
            "length": int(min(pages // 2, 2 ** rng.uniform(0, 9))),
            "lengths": str(rng.choice(["geometric", "fixed"])),
            "overlap": bool(rng.integers(2)),
            "spread": float(rng.choice([1.0, 0.7])),
        },
        "zipf": lambda: {
            "exponent": float(rng.choice([0.5, 0.8, 1.0, 1.3])),
            "scattered": bool(rng.integers(2)),
        },
        "hotset": lambda: {"place": str(rng.choice(["start", "spread"]))},
        "phases": lambda: {"number": int(rng.integers(1, 12)), "hot": float(rng.uniform(0.02, 1))},
    }
    return draw.get(dataset, dict)()


def cell(number, least=5000, most=200_000):
    """Return a pattern, a slot and a number of frames, drawn."""
    rng = np.random.default_rng([2016, number])
    dataset = PATTERNS[number % len(PATTERNS)]
    pages = int(rng.integers(least, most)) // 8 * 8
    dirty = max(1, int(0.65 * pages * 10 ** rng.uniform(-2.5, 0)))
    return dataset, pages, dirty, options_of(dataset, pages, rng), rng


def require_near(predicted, samples, unit=1.0):
    """Assert that a prediction is within 4 standard errors of the samples' mean."""
    found = np.asarray(samples, float) / unit
    value = predicted / unit
    share = abs(value - round(value))  # samples are whole: few of them may all be alike by chance
    error = np.sqrt((found.var(ddof=1) + share * (1 - share)) / found.size)
    assert abs(value - found.mean()) <= 4 * error + 1e-9 * value


@pytest.mark.parametrize("number", range(100))
def test_blocks_are_as_many_as_are_counted(number):
    dataset, pages, dirty, options, rng = cell(number)
    block = int(rng.choice([1, 7, 8, 64, 512, 4096]))
    drawn = [DATASETS[dataset](pages, dirty, seed=seed, **options) for seed in range(SEEDS)]
    counted = [np.unique(frames // np.uint64(block)).size for frames in drawn]
    value = float(occupied(dataset, pages, dirty, block, **options))
    if dataset in DETERMINISTIC:
        assert value == counted[0]
    else:
        require_near(value, counted)


@pytest.mark.parametrize("pages", [1, 2, 8, 63, 64, 65, 511, 4095, 4096, 4097])
@pytest.mark.parametrize("dataset", DETERMINISTIC)
def test_deterministic_patterns_are_exact_at_edges(dataset, pages):
    for dirty in {1, 2, pages // 2 + 1, pages - 1, pages, pages + 3} - {0}:
        for block in (1, 8, 64):
            frames = DATASETS[dataset](pages, dirty, start=pages // 3)
            counted = np.unique(frames // np.uint64(block)).size
            assert occupied(dataset, pages, dirty, block, start=pages // 3) == counted


def made(structure, pages, radix):
    if structure == "tree":
        return Tree(pages, radix=radix)
    return STRUCTURES[structure](pages)


@pytest.mark.parametrize("number", range(130))
@pytest.mark.parametrize("half", [0, 1])
def test_structures_count_what_is_expected(number, half):
    dataset, pages, dirty, options, rng = cell(1000 + number)
    structure = NAMES[number % 5 + 5 * half]
    radix = [int(one) for one in rng.choice([8, 16, 32, 64], 2)]
    own = {"radix": radix} if structure == "tree" else {}
    counts = []
    for seed in range(2 if dataset in DETERMINISTIC else SEEDS):
        tracked = made(structure, pages, radix)
        tracked.insert(DATASETS[dataset](pages, dirty, seed=seed, **options))
        counts.append(tracked.operations())
    work = expected(
        structure, dataset, pages, dirty, structure_options=own, dataset_options=options
    )
    for name in COUNTED:
        value, found = float(getattr(work, name)), [getattr(count, name) for count in counts]
        if dataset in DETERMINISTIC:
            assert value == found[0], name
        else:
            require_near(value, found, unit=_unit(structure, name))


def _unit(structure, name):
    """Return what one more touched block adds: counts then vary by whole numbers."""
    words = {"hybrid": 8.0, "ring": 2.0}.get(structure, 1.0)
    bytes_ = {"hybrid": 64.0, "ring": 16.0, "tree64": 8.0, "posted-list": 8.0}.get(structure, 1.0)
    return {"words": words, "nodes": 1.0, "bytes": bytes_}[name]


def test_the_check_convicts_a_wrong_formula():
    pages, dirty = 100_000, 5000
    counted = [
        np.unique(DATASETS["random"](pages, dirty, seed=seed) // np.uint64(64)).size
        for seed in range(SEEDS)
    ]
    right = float(occupied("random", pages, dirty, 64))
    require_near(right, counted)
    with pytest.raises(AssertionError):
        require_near(1.02 * right, counted)


def test_where_the_trees_visits_meet_a_scan_of_ten_million_pages():
    pages, dirty = 10_000_000, np.arange(1000.0, 10_000_001.0, 1000.0)
    words = pages / 64
    eight = expected("tree8", "random", pages, dirty).nodes / words
    sixty_four = expected("tree64", "random", pages, dirty).nodes / words
    assert dirty[np.argmax(eight > 1)] == pytest.approx(76_000, abs=1000)
    assert eight.max() == pytest.approx(9.1, abs=0.05)
    assert dirty[np.argmax(sixty_four > 1)] == pytest.approx(647_000, abs=1000)
    assert sixty_four.max() < 1.0163


def test_nothing_dirty_touches_nothing():
    for structure in NAMES:
        work = expected(structure, "random", 10_000, 0)
        tracked = made(structure, 10_000, [8])
        for name in COUNTED:
            assert getattr(work, name) == getattr(tracked.operations(), name), (structure, name)


@pytest.mark.parametrize("dataset", PATTERNS)
def test_large_slots_and_arrays(dataset):
    found = occupied(dataset, 2**34, np.array([1.0, 1e3, 1e6, 1e9]), 512)
    assert found[0] == 1
    assert (np.diff(found) > 0).all()
    assert found[-1] <= 2**34 / 512


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere", 10, 1), "dataset='nowhere'"),
        (("random", 0, 1), "pages=0"),
        (("random", 10, 1, 0), "block=0"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        occupied(*arguments)


def test_an_unknown_option_is_named():
    with pytest.raises((ValueError, TypeError), match="stride"):
        occupied("random", 10, 1, stride=2)


SIZES = [
    0,
    1,
    8,
    63,
    64,
    65,
    511,
    512,
    513,
    4095,
    4096,
    4097,
    32768,
    32769,
    262_143,
    262_145,
    10**6,
]


@pytest.mark.parametrize("pages", SIZES)
@pytest.mark.parametrize("structure", ["list", "bitmap", "tree8", "tree64", "hybrid", "ring"])
def test_bytes_are_those_allocated(structure, pages):
    assert structure_bytes(structure, pages) == STRUCTURES[structure](pages).nbytes


@pytest.mark.parametrize("pages", SIZES)
@pytest.mark.parametrize(
    "options",
    [{"radix": 16}, {"radix": 64, "leaf_radix": 8}, {"radix": [8, 32]}, {"radix": 32}],
    ids=str,
)
def test_bytes_of_a_tree_of_any_radix(pages, options):
    assert structure_bytes("tree", pages, **options) == Tree(pages, **options).nbytes


@pytest.mark.parametrize("pages", [16, 64, 4096, 262_152, 10**6])
@pytest.mark.parametrize("structure", ["posted-list", "posted-tree", "posted-bitmap"])
def test_bytes_of_the_posted_structures(structure, pages):
    assert structure_bytes(structure, pages) == STRUCTURES[structure](pages).nbytes


@pytest.mark.parametrize(
    ("structure", "options"),
    [
        ("list", {"capacity": 77}),
        ("posted-list", {"capacity": 77}),
        ("ring", {"entries": 256}),
        ("bitmap", {"decoder": "plain"}),
        ("list", {"output": "arrival"}),
    ],
)
def test_bytes_follow_the_options(structure, options):
    found = structure_bytes(structure, 10_000, **options)
    assert found == STRUCTURES[structure](10_000, **options).nbytes


def test_break_even_with_lists():
    assert [break_even(10_000_000, entry) for entry in (4, 8, 16)] == [312_500, 156_250, 78_125]
    assert break_even(10_000_000, 8, "tree8") > 156_250
