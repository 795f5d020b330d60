"""Where migrations end: over rate and working set, by what a guest dirties in one window.

A migration converges where fewer new bytes come in 100 ms than are sent, less what goes in the
downtime: rho below 1.  That was right in 87 of 94 recorded runs; those near 1 end or not by chance.
"""

import functools
import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dirtylab._check import Array
from dirtylab.migration.closed import is_scattered, unique_pages
from dirtylab.migration.costs import Costs
from dirtylab.migration.question import SPEED
from dirtylab.migration.tracking import Tracking

WINDOW = 0.1
NEAR = 1.25
"""Factor of rho around 1 within which a few per cent decide."""
_MOST = 1e8
_HALVINGS = 50
_POINTS = 64


@functools.lru_cache(512)
def law(dataset: str, pages: int, options: tuple[tuple[str, Any], ...]) -> tuple[Array, Array]:
    """Return numbers of writes, and the distinct pages of each, which lines join well."""
    writes = np.geomspace(1.0, _MOST, _POINTS)
    return writes, np.asarray(unique_pages(dataset, pages, dict(options))(writes), float)


class Link(NamedTuple):
    """What is told of link, VMM and tracker."""

    bandwidth: float
    """Bytes a second."""
    downtime: float
    costs: Costs
    cost: Tracking


def rho_map(
    dataset: str,
    working_sets: npt.ArrayLike,
    rates: npt.ArrayLike,
    link: Link,
    speed: float = SPEED,
    **options: Any,
) -> Array:
    """Return rho over working sets and rates.

    Parameters
    ----------
    dataset : str
        Pattern of the writes, one with a closed form.
    working_sets : array_like of int
        Pages, shape ``(m,)``.
    rates : array_like of float
        Writes a second, shape ``(n,)``; infinite for a guest as fast as it can be.
    link : Link
        Link, VMM and tracker.
    speed : float, optional
        Writes a second of an untracked guest.
    **options
        Of the pattern.

    Returns
    -------
    numpy.ndarray
        Shape ``(m, n)``.

    Notes
    -----
    Cost: 50 µs a working set once its law is tabulated, which takes 0.1 … 30 ms.
    """
    sizes, paces = np.asarray(working_sets, np.int64), np.asarray(rates, float)
    costs = link.costs
    wire = min(link.bandwidth, costs.page_bytes / costs.page_s)
    found = np.empty((sizes.size, paces.size))
    for row, size in enumerate(sizes.tolist()):
        dirty = written_in(WINDOW, law(dataset, size, tuple(sorted(options.items()))), paces, speed,
                           link.cost)  # fmt: skip
        found[row] = (
            dirty * unmet(dataset, size, wire * link.downtime) * costs.page_bytes / (WINDOW * wire)
        )
    return found


def written_in(
    seconds: float,
    tabulated: tuple[Array, Array],
    paces: npt.ArrayLike,
    speed: float,
    cost: Tracking,
) -> Array:
    """Return distinct pages written in a time: a write takes 1/speed, a first one more.

    Parameters
    ----------
    seconds : float
        The time.
    tabulated : tuple of numpy.ndarray
        Of :func:`law`.
    paces : array_like of float
        Writes a second that are wanted, shape ``(n,)``.
    speed : float
        Writes a second of an untracked guest.
    cost : Tracking
        Of the tracker.
    """
    writes, pages = tabulated
    spent = writes / speed + cost.first_write_s * pages
    most = np.interp(seconds, spent + pages / cost.entries * cost.full_s, writes)
    done = np.minimum(np.minimum(paces, speed) * seconds, most)
    dirty = np.interp(np.log(np.maximum(done, 1.0)), np.log(writes), pages)
    return np.where(done >= 1, dirty, done)


def unmet(dataset: str, pages: int, pending: float) -> float:
    """Return the share of pages written that are not pending, where so many bytes are."""
    return max(0.0, 1.0 - pending / (4096.0 * pages)) if is_scattered(dataset) else 1.0


def fastest(
    dataset: str, working_set: int, link: Link, speed: float = SPEED, **options: Any
) -> float:
    """Return the writes a second up to which a guest's migration converges; infinite for any."""

    def ends(rate: float) -> bool:
        return bool(rho_map(dataset, [working_set], [rate], link, speed, **options)[0, 0] < 1)

    low, high = 1.0, 1e12
    if ends(math.inf):
        return math.inf
    for _ in range(_HALVINGS):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if ends(middle) else (low, middle)
    return low
