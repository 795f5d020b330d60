"""The guest of the view of migrations: what is asked, checked, and the steps of its sliders."""

import dataclasses
import functools
import math
from typing import Any

from dirtylab import _check
from dirtylab._format import count_text
from dirtylab._options import one_two_five
from dirtylab._units import parse_pages, parse_rate, parse_seconds
from dirtylab.datasets import free
from dirtylab.explore.kit.slider_steps import powers_of_two
from dirtylab.migration.costs import recorded_costs
from dirtylab.migration.question import Question, ask
from dirtylab.migration.tracking import TRACKERS, kind_of, parse_writes
from dirtylab.structures import tuned
from dirtylab.studies.migrations.courses import courses
from dirtylab.theory.occupancy import has_occupancy_law

GUESTS = powers_of_two(2**16, 2**28)
"""Pages of a guest: 256 MiB … 1 TiB."""
SETS = powers_of_two(2**8, 2**28)
PACES = (0.0, *map(float, one_two_five(100, 100_000_000)), math.inf)
"""Writes a second; infinite: as fast as it can."""
BANDWIDTHS = tuple(
    bits * 1e6 / 8 for bits in (100, 250, 500, 1000, 2500, 5000, 10_000, 25_000, 40_000, 100_000)
)
"""Bytes a second, of 100 Mbit/s … 100 Gbit/s."""
DOWNTIMES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
FASTEST = "as fast as it can"
NO_RUN = "none"


@dataclasses.dataclass(frozen=True, kw_only=True)
class MigrationState:
    """What the view shows: the parameters of :func:`dirtylab.explore.migration`, checked."""

    pages: int
    working_set: int
    rate: float
    dataset: str
    bandwidth: float
    downtime: float
    tracker: str
    limit: float
    costs: str
    run: str = NO_RUN

    def __post_init__(self) -> None:
        _check.integer("pages", self.pages, 256, 2**32)
        _check.integer("working_set", self.working_set, 1, self.pages)
        if not self.rate >= 0:
            raise ValueError(f"rate={self.rate!r}: must be 0 or more")
        _check.choice("dataset", self.dataset, tuple(patterns()))
        _check.real("bandwidth", self.bandwidth, 1e3, 1e13)
        _check.real("downtime", self.downtime, 1e-6, 1e4)
        _check.real("limit", self.limit, 0.1, 1e5)
        _check.choice("costs", self.costs, tuple(recorded_costs()))
        _check.choice("run", self.run, (NO_RUN, *courses()))

    @property
    def question(self) -> Question:
        """The question as the model takes it."""
        return ask(
            self.pages, self.dataset, working_set=self.working_set,
            rate=self.rate if math.isfinite(self.rate) else None, bandwidth=self.bandwidth,
            downtime=self.downtime, tracker=self.tracker, limit=self.limit, costs=self.costs,
        )  # fmt: skip


def state_of(**given: Any) -> MigrationState:
    """Return a state from the parameters of :func:`dirtylab.explore.migration`, read and checked.

    Raises
    ------
    ValueError, TypeError
        A parameter is out of range or of the wrong kind.
    """
    rate = given["rate"]
    pace = read_rate(rate) if isinstance(rate, str) else _check.real("rate", rate, 0, math.inf)
    read = {
        **given,
        "pages": parse_pages("pages", given["pages"]),
        "working_set": parse_pages("working_set", given["working_set"]),
        "rate": pace,
        "bandwidth": parse_rate("bandwidth", given["bandwidth"]),
        "downtime": parse_seconds("downtime", given["downtime"]),
        "limit": parse_seconds("limit", given["limit"]),
    }
    kind_of(given["tracker"])
    return MigrationState(**read)


@functools.cache
def patterns() -> tuple[str, ...]:
    """Return the patterns whose distinct pages are known in closed form."""
    return tuple(name for name in free() if has_occupancy_law(name))


def trackers() -> tuple[str, ...]:
    """Return what can track: those of a VMM, and the structures of the package."""
    return (*TRACKERS, *tuned())


def rate_text(rate: float) -> str:
    """Return writes a second for a slider."""
    if math.isinf(rate):
        return FASTEST
    return f"{count_text(rate)}/s" if rate else "none"


def read_rate(text: str) -> float:
    """Return writes a second from what is typed."""
    clean = text.strip().lower().removesuffix("/s").strip()
    if clean in (FASTEST, "max", "inf"):
        return math.inf
    return 0.0 if clean == "none" else parse_writes("rate", clean)


def bandwidth_text(bandwidth: float) -> str:
    """Return bytes a second as network people say them."""
    bits = 8 * bandwidth
    return f"{bits / 1e9:.4g} Gbit/s" if bits >= 1e9 else f"{bits / 1e6:.4g} Mbit/s"
