"""Which migrations are recorded: trackers, patterns, sizes, rates below, near and above the border.

All are short: a run that can't converge is allowed few seconds.  Rates at which new dirty bytes
equal the bytes sent, by the model: random 103,000 writes a second, in order and in runs about
88,000, at 200 MB/s, 300 ms and 32,768 pages.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

LOG, RING, TCG = "kvm-log", "kvm-ring:4096", "tcg"
TRACKERS = (LOG, RING, TCG)
_MIB = 256
"""Pages."""


class Planned(NamedTuple):
    """One run."""

    id: str
    tracker: str
    memory_mib: int
    pattern: str
    working_set: int
    rate: int | None
    bandwidth_mb_s: int
    downtime_ms: int
    limit_s: int
    options: dict[str, Any]
    filled: int = 0
    vcpus: int = 1
    extra: str = ""
    prealloc: bool = True
    compare: bool = False

    def arguments(self) -> dict[str, Any]:
        """Return what :func:`dirtylab.migration.real.run` takes."""
        return {
            "pages": self.memory_mib * _MIB, "dataset": self.pattern,
            "working_set": self.working_set or None, "rate": self.rate,
            "bandwidth": f"{self.bandwidth_mb_s}MB/s", "downtime": self.downtime_ms / 1000,
            "tracker": self.tracker, "nonzero": self.filled, "prealloc": self.prealloc,
            "limit": self.limit_s, "vcpus": self.vcpus, "extras": self.extra.split(),
            "compare": self.compare, **self.options,
        }  # fmt: skip


def plan() -> list[Planned]:
    """Return all runs, in their order: those of all groups in turn, the largest guests last."""
    groups = (_idle, _borders, _sizes, _processors, _limits, _extras, _repeats, _large)
    found = []
    for letter, group in zip("IBSPLXRG", groups, strict=True):
        for number, given in enumerate(group()):
            found.append(_planned(f"{letter}{number}", **given))
    return found


def chosen(names: Sequence[str] | None) -> list[Planned]:
    """Return the runs of some names, or of the groups of some letters; all when None.

    Raises
    ------
    ValueError
        No run is called so.
    """
    runs = plan()
    if names is None:
        return runs
    for name in names:
        if not any(name in (one.id, one.id[0]) for one in runs):
            raise ValueError(f"--only {name}: no run is called so; they are I0 … {runs[-1].id}")
    return [one for one in runs if one.id in names or one.id[0] in names]


def _planned(
    name: str, tracker: str, pattern: str, working_set: int = 0, rate: int | None = None, *,
    mib: int = 1024, bandwidth: int = 200, downtime: int = 300, limit: int = 15,
    options: dict[str, Any] | None = None, **more: Any,
) -> Planned:  # fmt: skip
    return Planned(
        name,
        tracker,
        mib,
        pattern,
        working_set,
        rate,
        bandwidth,
        downtime,
        limit,
        options or {},
        **more,
    )


Given = Iterator[dict[str, Any]]
_HOT, _RUNS = {"hot": 0.0625, "writes": 0.9}, {"length": 64}
_PATTERNS: tuple[tuple[str, int, dict[str, Any], tuple[int | None, ...]], ...] = (
    ("random", 32_768, {}, (5_000, 40_000, 65_000, 85_000, 110_000, None)),
    ("sequential", 32_768, {}, (20_000, 55_000, 75_000, 100_000, None)),
    ("hotset", 65_536, _HOT, (20_000, 100_000, 300_000, 700_000, None)),
    ("clustered", 32_768, _RUNS, (20_000, 60_000, 80_000, 110_000, None)),
)
"""Pattern, pages, options, rates below, near and above the border, and as fast as it can."""
_NEAR_BORDER = 60_000


def _idle() -> Given:
    for tracker in TRACKERS:
        for mib in (256, 1024, 4096):
            yield {"tracker": tracker, "pattern": "idle", "mib": mib, "bandwidth": 100}
        yield {"tracker": tracker, "pattern": "idle", "filled": 65_536, "compare": True}


def _borders() -> Given:
    for pattern, pages, options, rates in _PATTERNS:
        for rate in rates:
            for tracker in TRACKERS:
                slow = rate is not None and rate < _NEAR_BORDER
                yield {
                    "tracker": tracker, "pattern": pattern, "working_set": pages, "rate": rate,
                    "options": options, "limit": 15 if slow else 5,
                    "compare": rate == rates[0],
                }  # fmt: skip


def _sizes() -> Given:
    for tracker in TRACKERS:
        for rate in (5_000, 20_000):
            yield {"tracker": tracker, "pattern": "random", "working_set": 8_192, "rate": rate,
                   "mib": 256, "bandwidth": 100}  # fmt: skip
        for rate in (20_000, 60_000):
            yield {"tracker": tracker, "pattern": "random", "working_set": 131_072, "rate": rate,
                   "mib": 2048, "bandwidth": 300, "limit": 8}  # fmt: skip


def _processors() -> Given:
    for tracker in (LOG, RING):
        for pattern, pages, options, _ in _PATTERNS:
            for rate in (20_000, 70_000):
                yield {"tracker": tracker, "pattern": pattern, "working_set": pages, "rate": rate,
                       "options": options, "vcpus": 2, "limit": 6,
                       "compare": rate == 20_000 and pattern == "random"}  # fmt: skip
    yield {"tracker": LOG, "pattern": "random", "working_set": 32_768, "vcpus": 2, "limit": 4}
    yield {"tracker": TCG, "pattern": "random", "working_set": 32_768, "rate": 20_000, "vcpus": 2}


def _limits() -> Given:
    for tracker in (LOG, RING):
        for downtime in (20, 100, 1000):
            yield {"tracker": tracker, "pattern": "random", "working_set": 16_384,
                   "rate": 15_000, "bandwidth": 100, "downtime": downtime, "limit": 8}  # fmt: skip
    for bandwidth in (50, 400):
        yield {"tracker": LOG, "pattern": "random", "working_set": 16_384, "rate": 8_000,
               "bandwidth": bandwidth}  # fmt: skip
    yield {"tracker": LOG, "pattern": "random", "working_set": 32_768, "rate": 20_000,
           "prealloc": False}  # fmt: skip
    yield {"tracker": LOG, "pattern": "idle", "filled": 65_536, "prealloc": False}


def _extras() -> Given:
    near: dict[str, Any] = {"pattern": "random", "working_set": 32_768, "rate": 120_000}
    quick: dict[str, Any] = {"pattern": "random", "working_set": 32_768}
    throttle = "auto-converge:initial=50,increment=25"
    for tracker in (LOG, RING, TCG):
        yield {"tracker": tracker, **near, "limit": 20, "extra": throttle}
    yield {"tracker": LOG, **quick, "limit": 12, "extra": "auto-converge"}
    for tracker in (LOG, RING):
        yield {"tracker": tracker, **near, "rate": 40_000, "extra": "multifd", "compare": True}
        yield {"tracker": tracker, **near, "limit": 6, "extra": "xbzrle"}
        yield {"tracker": tracker, **near, "limit": 8, "extra": "postcopy", "compare": True}
    yield {"tracker": LOG, **near, "limit": 5, "extra": "multifd:channels=4"}
    yield {"tracker": LOG, **near, "rate": 40_000, "extra": "xbzrle", "compare": True}
    yield {"tracker": LOG, **quick, "limit": 8, "extra": "postcopy"}
    yield {"tracker": TCG, **near, "limit": 8, "extra": "postcopy"}


def _repeats() -> Given:
    for _ in range(4):
        yield {"tracker": LOG, "pattern": "random", "working_set": 65_536, "rate": 20_000}


def _large() -> Given:
    for tracker in (LOG, RING):
        for rate in (20_000, 70_000):
            yield {"tracker": tracker, "pattern": "random", "working_set": 131_072, "rate": rate,
                   "mib": 4096, "bandwidth": 300, "limit": 8}  # fmt: skip
        yield {"tracker": tracker, "pattern": "sequential", "working_set": 131_072,
               "rate": 20_000, "mib": 8192, "bandwidth": 300, "limit": 8}  # fmt: skip
    yield {"tracker": LOG, "pattern": "idle", "mib": 8192, "bandwidth": 300}
