"""What each structure and generator may be asked, so that one contract test serves all of them."""

import contextlib
import pathlib

import numpy as np
from toys import RunList

from dirtylab import DATASETS, STRUCTURES, native
from dirtylab.native.compiler import LANGUAGES, find_compiler
from dirtylab.native.errors import TrackerError


def native_kinds():
    """Return the examples of native trackers, in those languages that have a compiler here."""
    found = {}
    for example in sorted((pathlib.Path(native.__file__).parent / "examples").iterdir()):
        with contextlib.suppress(TrackerError):
            find_compiler(LANGUAGES[example.suffix], example)
            found |= native.load(example)
    return found


KINDS = {**STRUCTURES, "runs": RunList, **native_kinds()}
"""What keeps the contract: the package's structures, one that grows, and those in other languages.
"""
IMPOSSIBLE = 2**64 - 1
OPTIONS = {"posted-list": {"capacity": 200_000}}
"""Options without which a structure could not take what the tests insert."""

SEEDED = ["mailing-list", "random", "clustered", "zipf", "hotset", "phases"]
"""Generators that draw other frames with another seed."""

EDGES = sorted(
    {0, 1, 2, 7, 8, 9, 15, 16, 17, 63, 64, 65, 72, 511, 512, 513, 520, 4095, 4096, 4097, 4104}
)
LARGE_EDGES = [
    8**5 - 8, 8**5 - 1, 8**5, 8**5 + 1, 8**5 + 8, 64**3 - 1, 64**3, 64**3 + 1, 64**3 + 8,
    8**7 - 8, 8**7, 8**7 + 8,
]  # fmt: skip


def build(name, pages):
    return KINDS[name](pages, **OPTIONS.get(name, {}))


def is_refused(name, pages):
    """Return whether the posted code would crash or write outside at this size."""
    if name == "posted-tree":
        return pages <= 8 or pages % 8 != 0
    return name == "posted-bitmap" and pages % 8 != 0


def usable(name, sizes):
    return [pages for pages in sizes if not is_refused(name, pages)]


def lost_frames(name, pages):
    """Return the frames that the posted walk loses, by the rule and not by asking the tree."""
    if name != "posted-tree":
        return set()
    power = 8
    while power < pages:
        power *= 8
    return set(range(power - 8, pages))


def expected(name, pages, inserted):
    """Return what a collect must give, as a sorted list; `inserted` is in order of arrival."""
    if name == "posted-list":
        return sorted(inserted)
    dirty = set(inserted)
    lost = dirty & lost_frames(name, pages)
    return sorted(dirty - lost) + ([IMPOSSIBLE] if lost else [])


def require_output(name, structure, found, inserted):
    """Assert that `found` is what the contract says."""
    assert found.dtype == np.uint64
    frames = found.tolist()
    if structure.sorted_output:
        assert frames == expected(name, structure.pages, inserted)
    else:
        assert sorted(frames) == expected(name, structure.pages, inserted)
    if structure.unique_output:
        assert len(set(frames)) == len(frames)


def draw(name, pages, dirty, folder, **options):
    """Draw from a generator; a trace replays a recording that is made in `folder` for it."""
    if name == "trace":
        path = folder / f"{pages}-{dirty}.npz"
        np.savez_compressed(path, frames=np.arange(dirty, dtype=np.uint64) * np.uint64(7) % pages)
        options["path"] = path
    return DATASETS[name](pages, dirty, **options)
