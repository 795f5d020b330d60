"""What steps of a migration cost on a recorded machine.

The shipped costs are those of the runs in ``data/measured/migrations/qemu_runs.csv``: QEMU 7.2,
source and destination on one machine of two cores.
"""

from typing import NamedTuple

from dirtylab import _check


class Costs(NamedTuple):
    """Bytes and seconds of one machine."""

    page_bytes: int = 4104
    """A page on the wire: 4096 bytes and a header."""
    zero_bytes: int = 9
    fixed_bytes: int = 127_800
    """Devices and firmware: what an idle guest sends beside its zero pages."""
    page_s: float = 1.7e-6
    new_page_s: float = 11.5e-6
    """A page that the destination has never touched."""
    zero_s: float = 0.25e-6
    window_s: float = 0.1005
    """A tenth of the bandwidth may be sent in each: 100 ms, and the wake-up."""
    sync_s: float = 0.3e-3
    stop_s: float = 4e-3
    down_page_s: float = 2e-6
    first_write_s: float = 2.8e-6
    """What a guest pays for the first write to a protected page."""
    ring_full_s: float = 0.5e-3
    """An exit for a full ring, and what it takes to empty it: assumed, not measured."""


COSTS = {"qemu-runs": Costs()}
"""Name to the costs of a recorded machine."""


def costs_of(name: str | None) -> Costs:
    """Return recorded costs; the shipped ones for None."""
    return COSTS[_check.choice("costs", name or "qemu-runs", COSTS)]
