"""What a tracker costs a guest and a migration: those of a VMM, the lab's structures, native ones.

The lab's own are taken as a VMM that notices first writes by protection, as KVM does, inserts each
into the structure, and harvests it at each sync.  Their times are those of this machine's cost
model, or measured now where it has no law of them.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from dirtylab import _check
from dirtylab._units import parse_count
from dirtylab.migration.costs import Costs
from dirtylab.migration.simulation import LOG, OTHER, RING
from dirtylab.native.paths import is_path
from dirtylab.structures import STRUCTURES
from dirtylab.theory.occupancy import has_occupancy_law

TRACKERS = ("kvm-log", "kvm-ring:4096", "tcg", "none")
_MEASURED_PAGES, _MEASURED_DIRTY, _ROUNDS = 2**20, 2**16, 5


class Tracking(NamedTuple):
    """Seconds."""

    kind: int
    entries: int
    """Of a ring; else 1."""
    sync_s: float
    """A sync that finds nothing."""
    sync_page_s: float
    """What each dirty page adds."""
    first_write_s: float
    full_s: float


def kind_of(tracker: object) -> tuple[int, int]:
    """Return kind and entries of the ring of a tracker; ValueError where it is unknown."""
    if tracker in ("kvm-log", "tcg", "none"):
        return (LOG if tracker == "kvm-log" else OTHER), 1
    if isinstance(tracker, str) and (tracker in STRUCTURES or is_path(tracker)):
        return OTHER, 1
    name, _, entries = str(tracker).partition(":")
    if name == "kvm-ring" and entries.isdecimal() and int(entries).bit_count() == 1:
        return RING, _check.integer("tracker's entries", int(entries), 2, 65536)
    known = ", ".join([*TRACKERS, *STRUCTURES])
    raise ValueError(f"tracker={tracker!r}: must be one of {known}, or a path such as ./mine.c")


def tracking(
    tracker: str, dataset: str, options: Mapping[str, Any], pages: int, costs: Costs
) -> Tracking:
    """Return what a tracker costs.

    Parameters
    ----------
    tracker : str
        As :func:`dirtylab.migrate` takes it.
    dataset : str
        Pattern of the writes; a structure's cost is that of random ones where the pattern has no
        closed form.
    options : mapping
        Of the pattern.
    pages : int
        Written to.
    costs : Costs
        Of the VMM.

    Raises
    ------
    ValueError
        An unknown tracker.
    dirtylab.native.errors.TrackerError
        A native one does not keep the contract.
    """
    kind, entries = kind_of(tracker)
    if tracker == "none":
        return Tracking(kind, entries, 0.0, 0.0, 0.0, 0.0)
    full = costs.ring_full_s if kind == RING else 0.0
    if tracker not in STRUCTURES and not is_path(tracker):
        return Tracking(kind, entries, costs.sync_s, 0.0, costs.first_write_s, full)
    insert, base, each = _structure(tracker, dataset, dict(options), max(pages, 2))
    return Tracking(kind, entries, costs.sync_s + base, each, costs.first_write_s + insert, full)


def _structure(name: str, dataset: str, options: dict[str, Any], pages: int) -> Any:
    """Return seconds of an insert, of a harvest of one page, and of each more, a straight line."""
    from dirtylab.advice.calibration import current_model

    if dataset in ("idle", "trace") or not has_occupancy_law(dataset, options):
        dataset, options = "random", {}
    model = current_model()[0]
    if name in model.structures:
        few, many = model.predict(name, "harvest", dataset, pages, [1, pages], **options)
        insert = float(model.predict(name, "insert", dataset, pages, pages, **options)) / pages
        most = pages
    else:
        few, many, insert, most = _measured(name, dataset, options, pages)
    return insert * 1e-9, float(few) * 1e-9, max(0.0, float(many - few) / (most - 1)) * 1e-9


def _measured(name: str, dataset: str, options: dict[str, Any], pages: int) -> Any:
    """Return median ns of a small and a large harvest, of one insert, and the large number."""
    from dirtylab.measure.sweep import sweep

    size = min(pages, _MEASURED_PAGES)
    most = min(size, _MEASURED_DIRTY)
    table = sweep(
        structures=[name], operations=["insert", "harvest"], datasets=[(dataset, options)],
        pages=[size], dirty=[1, most], repeats=_ROUNDS,
    )  # fmt: skip
    kept = table[~table["control"]]
    found = kept.groupby(["operation", "dirty"])["ns"].median()
    few, many = found["harvest", 1], found["harvest", most]
    return few, many, float(found["insert", most]) / most, most


def parse_writes(name: str, given: object, low: int = 0) -> float:
    """Return writes a second from a number, or from text such as ``100k``; at most 10^12."""
    if isinstance(given, str):
        return float(parse_count(name, given, low, 10**12))
    return _check.real(name, given, low, 1e12)
