"""What steps of a migration cost on a recorded machine.

``data/measured/migrations/costs.json`` has the costs of recorded machines, each fitted to runs of
real migrations by :mod:`dirtylab.studies.migrations.fit`.  ``qemu-runs`` are those of
``qemu_runs.csv`` alone: QEMU 7.2, source and destination on one machine of two cores.
"""

import functools
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from dirtylab import _check
from dirtylab._data import data_file
from dirtylab._reading import Each, Lacking, Number, Whole, printable, read_object, require_shape

SHIPPED = "qemu-runs"
FILE = "measured/migrations/costs.json"


class Costs(NamedTuple):
    """Bytes and seconds of one machine."""

    page_bytes: int
    """A page on the wire: 4096 bytes and a header."""
    zero_bytes: int
    fixed_bytes: int
    """Devices and firmware: what an idle guest sends beside its pages."""
    page_s: float
    new_page_s: float
    """A page that the destination has never touched."""
    zero_s: float
    window_s: float
    """A tenth of the bandwidth may be sent in each: 100 ms, and the wake-up."""
    sync_s: float
    stop_s: float
    down_page_s: float
    first_write_s: float
    """What a guest pays for the first write to a protected page."""
    ring_full_s: float
    """An exit for a full ring, and what it takes to empty it."""


BYTES = ("page_bytes", "zero_bytes", "fixed_bytes")
"""Fields that are whole numbers of bytes; all others are seconds."""
_SECONDS = Number(0.0, 10.0)
_ENTRY = {
    "costs": {name: Whole(0, 2**40) if name in BYTES else _SECONDS for name in Costs._fields},
    "fitted_on": str,
    "runs": Whole(1, 10**6),
    "judged": Lacking(Each(dict, dict)),
}


@functools.cache
def recorded_costs() -> Mapping[str, dict[str, Any]]:
    """Return what is known of each recorded machine's costs, by name: the shipped ones first.

    Raises
    ------
    OSError, ValueError
        The file is missing or not what it should be.
    """
    found = read_costs(data_file(FILE))
    if SHIPPED not in found:
        raise ValueError(f"{FILE}: key {SHIPPED} is missing")
    return {SHIPPED: found[SHIPPED], **found}


def read_costs(path: str | os.PathLike[str]) -> dict[str, dict[str, Any]]:
    """Return what a file like ``costs.json`` tells, by name of the machine.

    Raises
    ------
    OSError, ValueError
        It can't be read, or is not what it should be.
    """
    found = read_object(path, {})
    for name, entry in found.items():
        try:
            require_shape(entry, _ENTRY, name)
        except ValueError as error:
            raise ValueError(f"{printable(path)}: {error}") from None
    return found


def costs_of(name: str | None) -> Costs:
    """Return recorded costs by name, or those of a file; the shipped ones for None.

    Raises
    ------
    OSError, ValueError
        There is no such machine, or the file has not one machine's costs.
    """
    if name is not None and name.endswith(".json"):
        own = read_costs(name)
        if len(own) != 1:
            raise ValueError(f"costs={name!r}: must tell the costs of one machine, not {len(own)}")
        return costs_from(next(iter(own.values()))["costs"])
    known = recorded_costs()
    return costs_from(known[_check.choice("costs", name or SHIPPED, tuple(known))]["costs"])


def costs_from(numbers: Mapping[str, Any]) -> Costs:
    """Return costs from numbers by name."""
    return Costs(**{name: numbers[name] for name in Costs._fields})
