"""What the recorded measurements say, in ratios with intervals; the claims are judged by these.

A ratio is taken round by round, both sides from the same round, and its interval is a bootstrap's
over the rounds: 95 %.
"""

import functools
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dirtylab._data import data_file
from dirtylab._reading import Whole, read_object

Record = Mapping[str, Any]
Floats = npt.NDArray[np.float64]

SUMMARY = "summary.json"
SHAPE = {
    "machine": dict, "rounds": Whole(1), "atomic": dict, "vcpus": dict, "harvest": dict,
    "soak": dict, "checker": list,
}  # fmt: skip
_DRAWS = 1000


class Interval(NamedTuple):
    """A median and its 95 % interval."""

    at: float
    low: float
    high: float


def interval(values: Iterable[float], seed: int = 2016) -> Interval:
    """Return the median of `values` and a 95 % bootstrap interval.

    Examples
    --------
    >>> interval([2.0, 2.0, 2.0])
    Interval(at=2.0, low=2.0, high=2.0)
    """
    found = np.fromiter(values, float)
    picks = np.random.default_rng(seed).integers(0, found.size, (_DRAWS, found.size))
    low, high = np.percentile(np.median(found[picks], axis=1), [2.5, 97.5])
    return Interval(float(np.median(found)), float(low), float(high))


def by_round(records: Iterable[Record], value: str, per: str, **chosen: Any) -> Floats:
    """Return `value` per `per` in each round, of the records that have the `chosen` columns."""
    rounds: dict[int, float] = {}
    for one in records:
        if all(one[name] == wanted for name, wanted in chosen.items()):
            rounds[one["repeat"]] = one[value] / max(one[per], 1)
    return np.array([rounds[number] for number in sorted(rounds)])


def summarise(
    records: Sequence[Record], machine: Mapping[str, Any], soak: Mapping[str, Any],
    findings: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:  # fmt: skip
    """Return everything that figures, tables and verdicts need, ready for JSON."""
    return {
        "machine": dict(machine),
        "rounds": 1 + max(one["repeat"] for one in records),
        "atomic": _atomic([one for one in records if one["experiment"] == "atomic"]),
        "vcpus": _vcpus([one for one in records if one["experiment"] == "vcpus"]),
        "harvest": _harvest([one for one in records if one["experiment"] == "harvest"]),
        "soak": dict(soak),
        "checker": [dict(one) for one in findings],
    }


def _names(records: Iterable[Record], column: str) -> list[Any]:
    return list(dict.fromkeys(sorted((one[column] for one in records), key=str)))


def _atomic(records: Sequence[Record]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for structure in _names(records, "structure"):
        for regime in _names(records, "regime"):
            ns = {
                form: by_round(
                    records, "insert_ns", "inserts", structure=structure, regime=regime, form=form
                )
                for form in ("atomic", "plain")
            }
            found.setdefault(structure, {})[regime] = {
                "atomic_ns": interval(ns["atomic"]),
                "plain_ns": interval(ns["plain"]),
                "ratio": interval(ns["atomic"] / ns["plain"]),
            }
    return found


def _vcpus(records: Sequence[Record]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for structure in _names(records, "structure"):
        for placement in _names(records, "placement"):
            rate = {
                many: by_round(
                    records, "inserts", "insert_ns", structure=structure, placement=placement,
                    vcpus=many,
                )
                for many in sorted({one["vcpus"] for one in records})
            }  # fmt: skip
            found.setdefault(structure, {})[placement] = {
                str(many): {
                    "million_a_second": interval(1000 * values),
                    "times_one": interval(values / rate[min(rate)]),
                }
                for many, values in rate.items()
            }
    return found


def _harvest(records: Sequence[Record]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for structure in _names(records, "structure"):
        for pause in _names(records, "pause_us"):
            chosen = {"structure": structure, "pause_us": pause}
            writer, reader = (
                [by_round(records, value, per, form=form, **chosen) for form in FORMS]
                for value, per in (("insert_ns", "inserts"), ("harvest_ns", "frames"))
            )
            found.setdefault(structure, {})[str(pause)] = {
                "insert_ns": interval(writer[0]),
                "frame_ns": interval(reader[0]),
                "writer": interval(writer[0] / writer[1]),
                "reader": interval(reader[0] / reader[1]),
            }
    return found


FORMS = ("together", "in turns")


@functools.cache
def recorded(folder: pathlib.Path | None = None) -> dict[str, Any]:
    """Return the summary recorded in `folder`; the shipped one when omitted.

    Raises
    ------
    OSError
        None is there, or it is no regular file.
    ValueError
        It is no summary.
    """
    place = data_file("measured/lockless") if folder is None else folder
    return read_object(place / SUMMARY, SHAPE)


def shown(value: Sequence[float]) -> str:
    """Return a ratio with its interval.

    Examples
    --------
    >>> shown((1.984, 1.971, 2.0))
    '1.98 (1.97–2.00)'
    """
    return f"{value[0]:.2f} ({value[1]:.2f}–{value[2]:.2f})"
