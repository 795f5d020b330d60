"""One contract for every generator: what it gives, that it never changes, what it refuses."""

import hashlib
import tracemalloc

import numpy as np
import pytest
from contracts import SEEDED, draw

from dirtylab import DATASETS

PAGES = [1, 8, 63, 64, 65, 4095, 4096, 4097]
NAN, INF = float("nan"), float("inf")

every_generator = pytest.mark.parametrize("name", DATASETS)


def require_frames(frames, pages, dirty):
    assert (frames.dtype, frames.shape) == (np.uint64, (dirty,))
    assert frames.flags.c_contiguous
    assert frames.flags.writeable
    assert (frames < pages).all()


@every_generator
@pytest.mark.parametrize("pages", PAGES)
@pytest.mark.parametrize("share", [0, 0.1, 1])
def test_every_generator_keeps_the_contract(name, pages, share, tmp_path):
    dirty = int(pages * share)
    frames = draw(name, pages, dirty, tmp_path)
    require_frames(frames, pages, dirty)
    assert (draw(name, pages, dirty, tmp_path) == frames).all()
    with_seed = [draw(name, pages, dirty, tmp_path, seed=5) for _ in range(2)]
    assert (with_seed[0] == with_seed[1]).all()


@every_generator
@pytest.mark.parametrize("pages", [2**34, 2**52])
def test_few_frames_of_a_huge_slot(name, pages, tmp_path):
    require_frames(draw(name, pages, 100, tmp_path), pages, 100)


@every_generator
@pytest.mark.parametrize("seed", [2, 2**31, 2**32 - 1])
def test_another_seed_draws_other_frames(name, seed, tmp_path):
    first, other = (draw(name, 4097, 100, tmp_path, seed=s) for s in (0, seed))
    assert (first != other).any() == (name in SEEDED)


@pytest.mark.parametrize("name", [n for n in SEEDED if n != "mailing-list"])
def test_all_64_bits_of_a_seed_count(name):
    assert (DATASETS[name](4097, 100, seed=0) != DATASETS[name](4097, 100, seed=2**63)).any()


@pytest.mark.parametrize(
    ("name", "options", "sha256"),
    [
        ("random", {}, "76c41bbbad3f328b"),
        ("random", {"replacement": False}, "86bb605672acefe7"),
        ("sequential", {"start": 4000}, "133cb2a7122c8288"),
        ("strided", {"stride": 63}, "9093446649aef005"),
        ("clustered", {}, "284b410ced13e9de"),
        ("clustered", {"length": 3, "lengths": "fixed"}, "55f20cee4dbba555"),
        ("clustered", {"clusters": 20, "length": 9, "overlap": True}, "071095bd20cefa57"),
        ("zipf", {}, "4cd7cf593d5e05d3"),
        ("zipf", {"exponent": 0.5, "scattered": False}, "4454ebe9cf839ecc"),
        ("zipf", {"exponent": 2.5}, "3a67292a11f894f3"),
        ("hotset", {}, "8456e2c0b2a0a9e7"),
        ("hotset", {"place": "spread"}, "083ce48bb592fee7"),
        ("phases", {}, "275850bc2338646e"),
    ],
)
def test_frames_never_change(name, options, sha256):
    digest = hashlib.sha256()
    for pages, dirty in (4097, 500), (2**34, 100):
        digest.update(DATASETS[name](pages, dirty, seed=7, **options).astype("<u8").tobytes())
    assert digest.hexdigest()[:16] == sha256


@pytest.mark.large
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("random", {}),
        ("random", {"replacement": False}),
        ("sequential", {}),
        ("strided", {}),
        ("clustered", {}),
        ("clustered", {"length": 1}),
        ("clustered", {"length": 1, "lengths": "fixed", "overlap": True}),
        ("zipf", {}),
        ("hotset", {"place": "spread"}),
        ("phases", {}),
    ],
)
def test_memory_is_three_times_the_output_at_most(name, options):
    DATASETS[name](2**34, 10, **options)  # compile first
    tracemalloc.start()
    DATASETS[name](2**34, 200_000, **options)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak <= 3 * 8 * 200_000 + 20_000


@every_generator
@pytest.mark.parametrize(
    ("pages", "dirty", "seed", "error", "message"),
    [
        (0, 0, 0, ValueError, "pages=0: must be 1 … "),
        (2**52 + 1, 1, 0, ValueError, "pages=4503599627370497: must be 1 … "),
        (64.0, 1, 0, TypeError, "pages=64.0: must be an integer, not float"),
        ("64", 1, 0, TypeError, "pages='64': must be an integer, not str"),
        (64, -1, 0, ValueError, "dirty=-1: must be 0"),
        (64, float("nan"), 0, TypeError, "dirty=nan: must be an integer"),
        (64, True, 0, TypeError, "dirty=True: must be an integer"),
        (64, 2**50, 0, MemoryError, "dirty=1125899906842624: needs"),
        (64, 1, -1, ValueError, "seed=-1: must be 0"),
        (64, 1, 1.5, TypeError, "seed=1.5: must be an integer"),
        (64, 1, "7", TypeError, "seed='7': must be an integer"),
    ],
)
def test_what_every_generator_refuses(name, pages, dirty, seed, error, message):
    options = {"path": "none.npz"} if name == "trace" else {}
    with pytest.raises(error, match=message):
        DATASETS[name](pages, dirty, seed=seed, **options)


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("name", "dirty", "options", "error", "message"),
    [
        ("random", 65, {"replacement": False}, ValueError, "without replacement must be 0 … 64"),
        ("random", 5, {"replacement": "no"}, TypeError, "replacement='no': must be True or False"),
        ("random", 5, {"seed": 2**64}, ValueError, "seed=18446744073709551616: must be 0"),
        ("sequential", 5, {"start": 64}, ValueError, "start=64: must be 0 … 63"),
        ("sequential", 5, {"start": -1}, ValueError, "start=-1: must be 0 … 63"),
        ("sequential", 5, {"wrap": 1}, TypeError, "wrap=1: must be True or False"),
        ("sequential", 5, {"start": 60, "wrap": False}, ValueError, "without wrap must be 0"),
        ("strided", 5, {"stride": 0}, ValueError, "stride=0: must be 1 … 64"),
        ("strided", 5, {"stride": -7}, ValueError, "stride=-7: must be 1 … 64"),
        ("strided", 5, {"stride": 65}, ValueError, "stride=65: must be 1 … 64"),
        ("strided", 5, {"stride": 2.0}, TypeError, "stride=2.0: must be an integer"),
        ("strided", 5, {"start": 64}, ValueError, "start=64: must be 0 … 63"),
        ("clustered", 5, {"clusters": 0}, ValueError, "clusters=0: must be 1"),
        ("clustered", 5, {"clusters": 2.0}, TypeError, "clusters=2.0: must be an integer"),
        ("clustered", 5, {"length": 0}, ValueError, "length=0: must be 1"),
        ("clustered", 5, {"length": -3}, ValueError, "length=-3: must be 1"),
        ("clustered", 5, {"length": 65, "overlap": True}, ValueError, "length=65: must be 1 … 64"),
        ("clustered", 5, {"length": 33, "spread": 0.5}, ValueError, "length=33: must be 1 … 32"),
        (
            "clustered",
            5,
            {"clusters": 5, "length": 13},
            ValueError,
            "clusters=5, length=13: 65 pages",
        ),
        ("clustered", 65, {}, ValueError, "dirty=65: without overlap must be 0 … 64"),
        ("clustered", 65, {"length": 5}, ValueError, "dirty=65: without overlap must be 0 … 64"),
        ("clustered", 33, {"spread": 0.5}, ValueError, "dirty=33: without overlap must be 0 … 32"),
        ("clustered", 5, {"lengths": "even"}, ValueError, "lengths='even': must be one of"),
        ("clustered", 5, {"spread": 1.5}, ValueError, "spread=1.5: must be 0 … 1"),
        ("clustered", 5, {"spread": NAN}, ValueError, "spread=nan: must be 0 … 1"),
        ("clustered", 5, {"overlap": None}, TypeError, "overlap=None: must be True or False"),
        ("zipf", 5, {"exponent": 0}, ValueError, "exponent=0: must be above 0 and finite"),
        ("zipf", 5, {"exponent": -1.0}, ValueError, "exponent=-1.0: must be above 0 and finite"),
        ("zipf", 5, {"exponent": NAN}, ValueError, "exponent=nan: must be above 0 and finite"),
        ("zipf", 5, {"exponent": INF}, ValueError, "exponent=inf: must be above 0 and finite"),
        ("zipf", 5, {"exponent": 10**400}, ValueError, "exponent=1000+: must be above 0"),
        ("zipf", 5, {"exponent": "1"}, TypeError, "exponent='1': must be a number, not str"),
        ("zipf", 5, {"exponent": True}, TypeError, "exponent=True: must be a number, not bool"),
        ("zipf", 5, {"scattered": 0}, TypeError, "scattered=0: must be True or False"),
        ("hotset", 5, {"writes": 1.01}, ValueError, "writes=1.01: must be 0 … 1"),
        ("hotset", 5, {"writes": -0.1}, ValueError, "writes=-0.1: must be 0 … 1"),
        ("hotset", 5, {"hot": NAN}, ValueError, "hot=nan: must be 0 … 1"),
        ("hotset", 5, {"hot": "0.1"}, TypeError, "hot='0.1': must be a number, not str"),
        ("hotset", 5, {"hot": 1j}, TypeError, "hot=1j: must be a number, not complex"),
        ("hotset", 5, {"place": "end"}, ValueError, "place='end': must be one of start, spread"),
        ("phases", 5, {"number": 0}, ValueError, "number=0: must be 1 … 1048576"),
        ("phases", 5, {"number": 1.0}, TypeError, "number=1.0: must be an integer"),
        ("phases", 5, {"hot": -(10**400)}, ValueError, "hot=-1000+: must be 0 … 1"),
        ("phases", 5, {"overlap": 2}, ValueError, "overlap=2: must be 0 … 1"),
    ],
)
def test_bad_options_are_named(name, dirty, options, error, message):
    with pytest.raises(error, match=message):
        DATASETS[name](64, dirty, **options)
