"""Summary of the measurements as ratios with intervals, by which the claims are judged.

A ratio is taken round by round, both sides from the same round.  Intervals are of 95 %; of fewer
than 6 rounds there is none, and the ends are null.
"""

import functools
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from dirtylab._data import data_file
from dirtylab._reading import Whole, read_object
from dirtylab.theory.intervals import interval, ratio_interval

Record = Mapping[str, Any]
Floats = npt.NDArray[np.float64]

SUMMARY = "summary.json"
SHAPE = {
    "machine": dict, "rounds": Whole(1), "atomic": dict, "vcpus": dict, "harvest": dict,
    "soak": dict, "checker": list,
}  # fmt: skip
NO_INTERVAL = "no interval"
"""Text for a ratio with too few rounds for an interval."""


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
                "ratio": ratio_interval(ns["atomic"], ns["plain"]),
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
                    "times_one": ratio_interval(values, rate[min(rate)]),
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
                "writer": ratio_interval(*writer),
                "reader": ratio_interval(*reader),
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


def shown(value: Sequence[float | None]) -> str:
    """Return a ratio with its interval.

    Examples
    --------
    >>> shown((1.984, 1.971, 2.0))
    '1.98 (1.97–2.00)'
    >>> shown((1.984, None, None))
    '1.98 (no interval)'
    """
    at, low, high = value
    told = NO_INTERVAL if low is None or high is None else f"{low:.2f}–{high:.2f}"
    return f"{at:.2f} ({told})"
