"""Textbook pre-copy: rounds from a curve of unique pages over time, no VMM's rules.

Each round sends what the last one left dirty; it ends where a round fits into the downtime.
Tracking costs nothing here.  Source: Clark and others, "Live Migration of Virtual Machines", 2005;
the curve is what QEMU's proposed vector of dirty pages (Gudkov, 2023) gives.
"""

import os
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dirtylab import _check
from dirtylab._check import Array
from dirtylab._reading import printable
from dirtylab._tables import read_rows
from dirtylab._units import parse_rate, parse_seconds

MOST_ROUNDS = 10_000
PAGE, ZERO = 4104, 9
"""Bytes on the wire."""


class Textbook(NamedTuple):
    """What a textbook migration does."""

    converges: bool
    seconds: float
    """Until it ends, or until it was given up."""
    rounds: int


class Curve(NamedTuple):
    """Pages written at least once within a time that begins anywhere."""

    seconds: Array
    """Ascending."""
    pages: Array

    def at(self, seconds: float, most: float) -> float:
        """Return unique pages within a time, at most so many; straight lines between the points.

        Before the first point: the line through the first two, which may begin above 0.  After the
        last: the line through the last two.
        """
        times, pages = self.seconds, self.pages
        left = max(0.0, _line(times[:2], pages[:2], 0.0))
        if seconds > times[-1]:
            return min(most, _line(times[-2:], pages[-2:], seconds))
        return float(min(most, np.interp(seconds, np.r_[0.0, times], np.r_[left, pages])))


def curve(seconds: npt.ArrayLike, pages: npt.ArrayLike) -> Curve:
    """Return a curve from its points.

    Parameters
    ----------
    seconds, pages : array_like of float
        Shape ``(n,)``, two points or more; times ascend from above 0, pages do not fall.

    Raises
    ------
    ValueError
        They are not such points.
    """
    times, counts = np.asarray(seconds, float), np.asarray(pages, float)
    if times.ndim != 1 or times.shape != counts.shape or times.size < 2:
        raise ValueError(f"seconds: must be two points or more, as many as pages, not {times.size}")
    if not (np.all(np.isfinite(times)) and times[0] > 0 and np.all(np.diff(times) > 0)):
        raise ValueError("seconds: must ascend from above 0")
    if not (np.all(np.isfinite(counts)) and counts[0] >= 0 and np.all(np.diff(counts) >= 0)):
        raise ValueError("pages: must be 0 or more, and not fall")
    return Curve(times, counts)


def read_curve(path: str | os.PathLike[str]) -> Curve:
    """Return a curve from a CSV file with the columns ``seconds`` and ``pages``.

    Raises
    ------
    OSError, ValueError
        It can't be read, lacks a column, or :func:`curve` refuses its points.
    """
    rows = read_rows(path, ("seconds", "pages"), ())
    try:
        return curve([row["seconds"] for row in rows], [row["pages"] for row in rows])
    except ValueError as error:
        raise ValueError(f"{printable(path)}: {error}") from None


def textbook(
    pages: int, zeros: int, written: Curve, *, bandwidth: float | str, downtime: float | str
) -> Textbook:
    """Migrate by textbook rounds.

    Parameters
    ----------
    pages : int
        Memory of the guest.
    zeros : int
        How many of them are zero at first.
    written : Curve
        Unique pages over time; see :func:`curve`.
    bandwidth, downtime : float or str
        Bytes a second, and seconds.

    Raises
    ------
    ValueError, TypeError
        An argument out of range.

    Notes
    -----
    Cost: microseconds a round, of which there are at most 10,000.

    Examples
    --------
    >>> slow = curve([1, 2], [100, 150])
    >>> textbook(1000, 0, slow, bandwidth="4.104MB/s", downtime="100ms").converges
    True
    """
    size = _check.integer("pages", pages, 1, 2**40)
    empty = _check.integer("zeros", zeros, 0, size)
    rate, pause = parse_rate("bandwidth", bandwidth), parse_seconds("downtime", downtime, 0.0, 1e9)
    nbytes = float(PAGE * (size - empty) + ZERO * empty)
    total = 0.0
    for number in range(1, MOST_ROUNDS + 1):
        spent = nbytes / rate
        total += spent
        if spent <= pause:
            return Textbook(True, total, number)
        nbytes = PAGE * written.at(spent, size - empty)
    return Textbook(False, total, MOST_ROUNDS)


def _line(times: Array, pages: Array, at: float) -> float:
    slope = (pages[1] - pages[0]) / (times[1] - times[0])
    return float(pages[0] + slope * (at - times[0]))
