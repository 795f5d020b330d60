"""What a real migration shall be: the words of :func:`dirtylab.migrate`, checked."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from dirtylab import _check
from dirtylab._format import nbytes_text
from dirtylab._options import guessed
from dirtylab._units import parse_bytes, parse_pages, parse_rate, parse_seconds
from dirtylab.datasets import read
from dirtylab.migration.real.firmware import (
    MOST_BYTES,
    MOST_VCPUS,
    RESERVED_PAGES,
    Load,
    patterns,
)
from dirtylab.migration.tracking import kind_of, parse_writes

PAGE_BYTES = 4096
MIB_PAGES = 256
LEAST_PAGES = 16 * MIB_PAGES
_SMALLEST_RING = 1024
EXTRAS: dict[str, dict[str, int]] = {
    "auto-converge": {"initial": 20, "increment": 10},
    "multifd": {"channels": 2},
    "xbzrle": {"cache": 512 * 2**20},
    "postcopy": {},
}
"""Capability to its options and what they are usually: per cent, channels, bytes."""
_CLUSTERED = {"lengths": "fixed", "overlap": True}
"""How clusters of real guests always are."""
_BOUNDS = {"initial": (1, 99), "increment": (1, 99), "channels": (1, 16), "cache": (4096, 2**36)}


class Setup(NamedTuple):
    """What is migrated, in pages, seconds and bytes."""

    pages: int
    dataset: str
    options: dict[str, Any]
    working_set: int
    rate: float | None
    bandwidth: float
    downtime: float
    tracker: str
    nonzero: int
    prealloc: bool
    limit: float
    vcpus: int
    extras: dict[str, dict[str, int]]
    compare: bool

    @property
    def memory_bytes(self) -> int:
        """Of the guest."""
        return self.pages * PAGE_BYTES

    @property
    def needed_bytes(self) -> int:
        """Of memory, for source and destination."""
        cache = self.extras.get("xbzrle", {}).get("cache", 0)
        written = self.nonzero * PAGE_BYTES
        return written + (self.memory_bytes if self.prealloc else written) + cache

    def load(self, ticks: float) -> Load:
        """Return what the guest does, with the rate of its time-stamp counter."""
        interval = 0.0 if not self.rate else ticks * self.vcpus / self.rate
        hot = self.options.get("hot", 0.1)
        return Load(
            self.dataset if self.rate != 0 else "idle", self.working_set, self.nonzero, interval,
            ticks, self.vcpus, max(1, round(hot * self.working_set)),
            self.options.get("writes", 0.9), self.options.get("length", 64),
        )  # fmt: skip


def setup(
    pages: int | str, dataset: str, *, working_set: Any, rate: Any, bandwidth: Any, downtime: Any,
    tracker: str, nonzero: Any, prealloc: bool, limit: Any, vcpus: Any, extras: Any,
    compare: bool, options: dict[str, Any],
) -> Setup:  # fmt: skip
    """Check what :func:`dirtylab.migration.real.run` is given."""
    size = parse_pages("pages", pages, LEAST_PAGES, MOST_BYTES // PAGE_BYTES)
    if size % MIB_PAGES:
        raise ValueError(f"pages={pages!r}: must be whole MiB, multiples of {MIB_PAGES} pages")
    _check.choice("dataset", dataset, patterns())
    number = _check.integer("vcpus", vcpus, 1, MOST_VCPUS)
    room = size - RESERVED_PAGES
    least = number if dataset == "idle" else 2 * number
    written = room if working_set is None else parse_pages("working_set", working_set, least)
    filled = parse_pages("nonzero", nonzero, 0) if nonzero else 0
    for name, value, given in (
        ("working_set", written, working_set), ("nonzero", filled, nonzero),
    ):  # fmt: skip
        if value > room:
            raise ValueError(
                f"{name}={given!r}: must be at most {room} pages of a guest of "
                f"{nbytes_text(size * PAGE_BYTES)}, which keeps its first 2 MiB"
            )
    written = 0 if dataset == "idle" else written
    _require_tracker(tracker)
    _check.truth("prealloc", prealloc)
    _check.truth("compare", compare)
    return Setup(
        size, dataset, _options(dataset, written, options), written,
        None if rate is None else parse_writes("rate", rate, 0),
        parse_rate("bandwidth", bandwidth), parse_seconds("downtime", downtime, 0.001, 2000.0),
        tracker, max(filled, written), prealloc, parse_seconds("limit", limit, 0.01, 1e5),
        number, parse_extras(extras), compare,
    )  # fmt: skip


def parse_extras(given: str | Sequence[str] | dict[str, dict[str, int]]) -> dict[str, Any]:
    """Return capabilities and their options, all of them, from texts.

    Parameters
    ----------
    given : str or sequence of str
        Such as ``"auto-converge"`` or ``"auto-converge:initial=50,increment=25"``.

    Examples
    --------
    >>> parse_extras("multifd")
    {'multifd': {'channels': 2}}
    """
    found: dict[str, Any] = {}
    for text in [given] if isinstance(given, str) else given:
        name, _, rest = str(text).partition(":")
        _check.choice("extras", name, tuple(EXTRAS))
        options = dict(EXTRAS[name])
        for part in filter(None, rest.split(",")):
            key, _, value = part.partition("=")
            if key not in options:
                known = ", ".join(options) or "none"
                raise ValueError(f"extras={text!r}: {key}: unknown option; allowed: {known}")
            if key == "cache":
                size = parse_bytes(key, value)
                if size.bit_count() != 1:
                    raise ValueError(f"extras={text!r}: cache must be a power of two of bytes")
                value = str(size)
            options[key] = _check.integer(f"extras={text!r}: {key}", guessed(value), *_BOUNDS[key])
        found[name] = options
    return found


def written_extras(extras: dict[str, dict[str, int]]) -> str:
    """Return capabilities as one text; options that are as usual are left out."""
    texts = []
    for name, options in extras.items():
        own = [f"{key}={value}" for key, value in options.items() if EXTRAS[name][key] != value]
        texts.append(f"{name}:{','.join(own)}" if own else name)
    return " ".join(texts)


def _require_tracker(tracker: str) -> None:
    name, _, entries = str(tracker).partition(":")
    if name == "kvm-ring" and entries:
        if kind_of(tracker)[1] < _SMALLEST_RING:
            raise ValueError(
                f"tracker={tracker!r}: real migrations need rings of {_SMALLEST_RING} entries or "
                "more"
            )
    elif tracker not in ("kvm-log", "tcg"):
        raise ValueError(
            f"tracker={tracker!r}: must be kvm-log, kvm-ring:4096 or tcg for a real migration"
        )


def _options(dataset: str, pages: int, given: dict[str, Any]) -> dict[str, Any]:
    """Return options of a pattern that the guest can follow."""
    if dataset == "idle":
        _check.options("idle", given, ())
        return {}
    options = read(dataset, given)
    known = {"hotset": ("hot", "writes"), "clustered": ("length", *_CLUSTERED)}.get(dataset, ())
    _check.options(f"{dataset} in a real guest", options, known)
    if dataset == "clustered":
        options = {"length": 64, **_CLUSTERED, **options}
        _check.integer("length", options["length"], 1, pages)
        for name, value in _CLUSTERED.items():
            _check.choice(f"{name} in a real guest", str(options[name]), [str(value)])
    for name in ("hot", "writes"):
        if name in options:
            _check.real(name, options[name], 0.0, 1.0)
    return options
