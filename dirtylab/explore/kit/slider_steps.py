"""Steps of sliders, 1, 2, 5, 10 …, and their labels: pages with the guest memory they make."""

from collections.abc import Sequence
from typing import TypeVar

from dirtylab._options import one_two_five

Number = TypeVar("Number", int, float)

PAGE_BYTES = 4096
LEAST_PAGES, MOST_PAGES = 1_000, 2**34
"""Slots that the views offer: 4 MiB to 64 TiB of guest memory."""
_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
_BINARY = ((40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB"))


def powers_of_two(low: int, high: int) -> tuple[int, ...]:
    """Return the powers of two within ``low … high``."""
    return tuple(2**power for power in range(64) if low <= 2**power <= high)


PAGES = (*one_two_five(LEAST_PAGES, MOST_PAGES), MOST_PAGES)
"""Pages of a slot: 1, 2, 5 … and the largest."""
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


def short(count: float) -> str:
    """Return a number in three digits and a prefix.

    Examples
    --------
    >>> short(10_000_000), short(940_300), short(312), short(0.5)
    ('10 M', '940 k', '312', '0.5')
    """
    for scale, prefix in _PREFIXES:
        if count >= 0.9995 * scale:
            return f"{_three(count / scale)} {prefix}"
    return _three(count)


def guest_memory(pages: float) -> str:
    """Return the guest memory of that many 4 KiB pages.

    Examples
    --------
    >>> guest_memory(10_000_000), guest_memory(2**34)
    ('38.1 GiB', '64 TiB')
    """
    return bytes_label(pages * PAGE_BYTES)


def bytes_label(nbytes: float) -> str:
    """Return bytes in three digits and a binary unit."""
    for power, unit in _BINARY:
        if nbytes >= 2**power:
            return f"{_three(nbytes / 2**power)} {unit}"
    return f"{_three(nbytes)} B"


def pages_label(pages: int) -> str:
    """Return a slot in words."""
    return f"{short(pages)} pages = {guest_memory(pages)}"


def pages_read(pages: int) -> str:
    """Return what a slider of pages shows, shortly."""
    return f"{short(pages)} = {guest_memory(pages)}"


def frames_label(frames: int) -> str:
    """Return what a slider of dirty frames shows."""
    return f"{short(frames)} frame{'' if frames == 1 else 's'}"


def percent(share: float) -> str:
    """Return a share in per cent, two digits at least.

    Examples
    --------
    >>> percent(0.0943), percent(0.00031), percent(1.0), percent(1e-7)
    ('9.4 %', '0.031 %', '100 %', '0.00001 %')
    """
    value = 100 * share
    if value >= 9.95:
        return f"{value:.3g} %"
    digits = 0 if value <= 0 else max(0, -_exponent(value) + 1)
    text = f"{value:.{digits}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} %"


def _exponent(value: float) -> int:
    return int(f"{value:e}".partition("e")[2])


def _three(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
