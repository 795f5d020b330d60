"""How times, sizes, counts and shares are written: one rule each."""

import math

from dirtylab._units import BYTES

_TIMES = ((1e9, " s"), (1e6, " ms"), (1e3, " µs"), (0.0, " ns"))
_SIZES = (
    *((float(BYTES[unit]), f" {unit}") for unit in ("PiB", "TiB", "GiB", "MiB", "KiB")),
    (0.0, " B"),
)
_PREFIXES = ((1e9, " G"), (1e6, " M"), (1e3, " k"), (0.0, ""))
_FULL = 0.9995
"""Of a unit: from here on three digits round up to it."""


def ns_text(ns: float, *, trim: bool = False) -> str:
    """Return nanoseconds with three digits and a unit; `trim` drops zeros at the end, for ticks.

    Examples
    --------
    >>> ns_text(29_517_475), ns_text(1000), ns_text(1000, trim=True)
    ('29.5 ms', '1.00 µs', '1 µs')
    """
    size, unit = _unit_of(ns, _TIMES)
    return f"{three_digits(ns / size, trim=trim)}{unit}"


def ns_in_unit_of(ns: float, like: float) -> str:
    """Return nanoseconds with three digits and no unit, in the unit in which `like` is shown.

    Examples
    --------
    >>> ns_in_unit_of(950_000, 29_517_475)
    '0.950'
    """
    return three_digits(ns / _unit_of(like, _TIMES)[0])


def nbytes_text(nbytes: float) -> str:
    """Return a size with up to three digits and its binary unit, such as 64 GiB."""
    size, unit = _unit_of(nbytes, _SIZES, full=1.0)
    return f"{three_digits(nbytes / size, trim=True)}{unit}"


def count_text(count: float) -> str:
    """Return a number with up to three digits and a prefix.

    Examples
    --------
    >>> count_text(10_000_000), count_text(940_300), count_text(312), count_text(0.5)
    ('10 M', '940 k', '312', '0.5')
    """
    size, prefix = _unit_of(count, _PREFIXES)
    return f"{three_digits(count / size, trim=True)}{prefix}"


def whole_text(value: float, digits: int = 3) -> str:
    """Return a number rounded to `digits`, written in full: 45,977.38 is 46,000."""
    return f"{float(f'{value:.{digits}g}'):,.0f}"


def share_text(share: float, digits: int | None = None) -> str:
    """Return a share in per cent, no exponent; up to two digits, three from 10 % on, or `digits`.

    Examples
    --------
    >>> share_text(0.0943), share_text(0.134), share_text(0.05, 2), share_text(1e-7)
    ('9.4 %', '13.4 %', '5.0 %', '0.00001 %')
    """
    value = 100 * share
    power = math.floor(math.log10(value)) if value > 0 else 0
    shown = digits or (3 if value >= 9.95 else 2)
    text = f"{value:.{max(0, shown - 1 - power)}f}"
    trimmed = digits is None and "." in text
    return f"{text.rstrip('0').rstrip('.') if trimmed else text} %"


def three_digits(value: float, *, trim: bool = False) -> str:
    """Return a number with three significant digits and no exponent.

    Examples
    --------
    >>> three_digits(45977.38), three_digits(0.8391), three_digits(12.99)
    ('45,977', '0.839', '13.0')
    """
    if value >= 99.95:
        return f"{value:,.0f}"
    if trim:
        return f"{value:.3g}"
    decimals = 1 if value >= 9.995 else 2 if value >= _FULL else 3
    return f"{value:.{decimals}f}"


def _unit_of(
    value: float, units: tuple[tuple[float, str], ...], full: float = _FULL
) -> tuple[float, str]:
    """Return size and name of the largest unit that a value fills."""
    size, name = next((one for one in units if value >= full * one[0]), units[-1])
    return size or 1.0, name
