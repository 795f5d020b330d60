"""Steps of sliders, 1, 2, 5, 10 …, and their labels: pages with the guest memory they make."""

from collections.abc import Sequence
from typing import TypeVar

from dirtylab._format import count_text, nbytes_text
from dirtylab._options import one_two_five
from dirtylab._units import PAGE_BYTES

Number = TypeVar("Number", int, float)

LEAST_PAGES, MOST_PAGES = 1_000, 2**34
"""Slots that the views offer: 4 MiB to 64 TiB of guest memory."""


def powers_of_two(low: int, high: int) -> tuple[int, ...]:
    """Return the powers of two within ``low … high``."""
    return tuple(2**power for power in range(64) if low <= 2**power <= high)


PAGES = (*one_two_five(LEAST_PAGES, MOST_PAGES), MOST_PAGES)
"""Pages of a slot along an axis: 1, 2, 5 … and the largest."""
GUESTS = powers_of_two(LEAST_PAGES, MOST_PAGES)
"""Pages of a slot that a slider offers: 4 MiB, 8 MiB … 64 TiB."""
DIRTY = (*one_two_five(1, MOST_PAGES), MOST_PAGES)
_LEADING = tuple(float(f"{one}e{power}") for power in range(-7, 0) for one in (1, 2, 5))
DENSITIES = (*_LEADING, 1.0)
"""Shares of a slot that are dirty: 1e-7, 2e-7, 5e-7 … 1."""


def with_value(steps: Sequence[Number], value: Number) -> tuple[Number, ...]:
    """Return the steps of a slider, with `value` among them."""
    return tuple(sorted(set(steps) | {value}))


def nearest(steps: Sequence[Number], value: float) -> Number:
    """Return the step whose ratio to `value`, which is above 0, is nearest to 1."""
    return min(steps, key=lambda step: max(step / value, value / step) if step else float("inf"))


def guest_memory(pages: float) -> str:
    """Return the guest memory of that many 4 KiB pages.

    Examples
    --------
    >>> guest_memory(10_000_000), guest_memory(2**34)
    ('38.1 GiB', '64 TiB')
    """
    return nbytes_text(pages * PAGE_BYTES)


def pages_label(pages: int) -> str:
    """Return a slot in words."""
    return f"{guest_memory(pages)} = {count_text(pages)} pages"


def pages_read(pages: int) -> str:
    """Return what a slider of pages shows, shortly."""
    return f"{guest_memory(pages)} = {count_text(pages)}"


def frames_label(frames: int) -> str:
    """Return what a slider of dirty frames shows."""
    return f"{count_text(frames)} frame{'' if frames == 1 else 's'}"
