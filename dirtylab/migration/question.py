"""What is asked of a migration: a guest, its writes, a link, in pages, seconds and bytes."""

from typing import Any, NamedTuple

import numpy as np

from dirtylab import _check
from dirtylab._check import Array, Frames
from dirtylab._units import parse_pages, parse_rate, parse_seconds
from dirtylab.datasets import DATASETS, require
from dirtylab.datasets.traces import located, read_recording
from dirtylab.migration.textbook import Curve
from dirtylab.migration.tracking import kind_of, parse_writes

RULES = ("qemu-7.2", "later")
IDLE, TRACE, CURVE = "idle", "trace", "curve"
SPEED = 1e8
"""Writes a second of an untracked guest, where it is not told."""
MOST_WRITES = 4_000_000
"""Writes that are drawn; a guest that writes more begins anew with them."""
MOST_PAGES = 2**28
"""Pages of a working set that is simulated page by page: 1 TiB."""


class Question(NamedTuple):
    """What is asked, in pages, seconds and bytes."""

    pages: int
    dataset: str
    """Name of a pattern, ``idle``, ``trace`` or ``curve``."""
    options: dict[str, Any]
    working_set: int
    rate: float | None
    speed: float
    bandwidth: float
    downtime: float
    tracker: str
    nonzero: int
    """Pages that are not zero, those written to among them."""
    prealloc: bool
    limit: float
    seed: int
    rules: str
    switchover: float | None
    costs: str | None = None
    curve: Curve | None = None
    """Unique pages over time, where nothing else is known of the writes."""


class Writes(NamedTuple):
    """Frames in the order of writing, taken round and round."""

    frames: Frames
    due: Array
    """When each is written, in seconds from the first; empty where a rate says it."""
    round_s: float = 0.0
    """After how long the first is written again, where `due` is given."""


def ask(
    pages: int | str, dataset: "str | Curve" = "random", *, working_set: Any = None,
    rate: Any = None, speed: Any = None, bandwidth: Any, downtime: Any = "300ms",
    tracker: str = "kvm-log", nonzero: Any = 0, prealloc: bool = True, limit: Any = "30s",
    costs: str | None = None, seed: int = 0, rules: str = "qemu-7.2", switchover: Any = None,
    **options: Any,
) -> Question:  # fmt: skip
    """Return a question, checked; parameters and errors as :func:`dirtylab.migrate`."""
    size = parse_pages("pages", pages, 1, 2**40)
    name, curve = (CURVE, dataset) if isinstance(dataset, Curve) else (str(dataset), None)
    if curve is None:
        _check.choice("dataset", name, (IDLE, *DATASETS))
    written_to = _working_set(size, name, working_set, options)
    filled = parse_pages("nonzero", nonzero, 0) if nonzero else 0
    if filled > size:
        raise ValueError(f"nonzero={nonzero!r}: must be at most the {size} pages")
    kind_of(tracker)
    _check.choice("rules", rules, RULES)
    _require_agreeing(name, rate, rules, switchover)
    return Question(
        size, name, dict(options), written_to,
        None if rate is None else parse_writes("rate", rate, 0),
        SPEED if speed is None else parse_writes("speed", speed, 1),
        parse_rate("bandwidth", bandwidth), parse_seconds("downtime", downtime), tracker,
        filled if name == CURVE and filled else max(filled, written_to),
        _check.truth("prealloc", prealloc), parse_seconds("limit", limit, 0.0, 1e5),
        _check.integer("seed", seed, 0, 2**63), rules,
        None if switchover is None else parse_rate("switchover", switchover), costs, curve,
    )  # fmt: skip


def _require_agreeing(name: str, rate: Any, rules: str, switchover: Any) -> None:
    if switchover is not None and rules == "qemu-7.2":
        raise ValueError(
            f"switchover={switchover!r}: must be omitted, as QEMU 7.2 does not know it"
        )
    if name == CURVE and rate is not None:
        raise ValueError(f"rate={rate!r}: must be omitted, as the curve tells what is written")
    if name == CURVE and rules != "qemu-7.2":
        raise ValueError(f"rules={rules!r}: must be 'qemu-7.2' for a curve")


def _working_set(size: int, name: str, given: Any, options: dict[str, Any]) -> int:
    """Return the pages that are written to, checked against the pattern."""
    own = _recorded_pages(options) if name == TRACE else size
    most = own if given is None else parse_pages("working_set", given)
    if most > size:
        told = f"path={str(options.get('path'))!r}" if given is None else f"working_set={given!r}"
        raise ValueError(f"{told}: must be at most the {size} pages, not {most}")
    if name == TRACE:
        if most < own:
            raise ValueError(f"working_set={given!r}: must be {own} or more, as recorded")
        return most
    if name in (IDLE, CURVE):
        _check.options(name, options, ())
        return most if name == CURVE else 0
    require(name, most, 1, options)
    if most > MOST_PAGES:
        raise ValueError(f"working_set={most}: must be at most {MOST_PAGES} pages")
    return most


def _recorded_pages(options: dict[str, Any]) -> int:
    _check.options(TRACE, options, ("path",))
    if "path" not in options:
        raise TypeError("path: is missing; must be a file or the name of a recording")
    return read_recording(located(options["path"])).pages


def writes_of(asked: Question) -> Writes:
    """Return what the guest writes."""
    none = np.empty(0)
    if asked.dataset in (IDLE, CURVE) or asked.rate == 0:
        return Writes(np.empty(0, np.uint64), none)
    if asked.dataset == TRACE:
        return _recorded(asked)
    number = 8 * asked.working_set if asked.rate is None else 1.1 * asked.rate * asked.limit
    if asked.dataset == "sequential":
        number = asked.working_set
    number = int(min(max(number, asked.working_set, 1), MOST_WRITES))
    return Writes(_drawn(asked, number), none)


def _drawn(asked: Question, number: int) -> Frames:
    """Return so many writes; of a pattern that does not repeat pages, drawn again and again."""
    size, most = asked.working_set, number
    while most > 1 and not _gives(asked, most):
        most = min(most - 1, size) if most > size else most // 2
    rounds = range(-(-number // most))
    drawn = [
        DATASETS[asked.dataset](size, most, seed=asked.seed + one, **asked.options)
        for one in rounds
    ]
    return np.concatenate(drawn)[:number] if len(drawn) > 1 else drawn[0]


def _gives(asked: Question, number: int) -> bool:
    """Return whether a pattern can give so many frames."""
    try:
        require(asked.dataset, asked.working_set, number, asked.options)
    except ValueError:
        return False
    return True


def _recorded(asked: Question) -> Writes:
    """Return recorded writes, those of an epoch spread evenly over it."""
    found = read_recording(located(asked.options["path"]))
    counts = [epoch.size for epoch in found.epochs]
    frames = np.concatenate([*found.epochs, np.empty(0, np.uint64)])
    if not found.times or asked.rate is not None or not frames.size:
        return Writes(frames, np.empty(0))
    ends = np.array(found.times, float) / 1e9
    begins = np.r_[0.0, ends[:-1]]
    due = np.concatenate([
        begin + (end - begin) * np.arange(count) / max(count, 1)
        for begin, end, count in zip(begins, ends, counts, strict=True)
    ])  # fmt: skip
    return Writes(frames, due, float(ends[-1]))
