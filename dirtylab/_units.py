"""The one grammar of quantities: what people write, and how numbers are written for them.

=========  ========================================  ==============================================
count      ``10M``, ``1e6``, ``2^24``, ``64Ki``      whole numbers, exact; ``10_000`` and ``10,000``
pages      a count, or memory: ``64GiB``, ``1 TiB``  memory of the guest, whole pages of 4 KiB
amount     pages, or a share: ``1%``, ``0.01``       a number strictly between 0 and 1 is a share of
                                                     the pages, and so is 1 with a point: ``1.0``
range      ``1k..4k``, ``1GiB..64GiB``               where a list is taken: 1, 2, 5, 10 … between
                                                     the ends; powers of two where both ends are
                                                     written ``2^…`` or with a binary unit
memory     ``512KiB``, ``3 MB``                      bytes when there is no unit
time       ``50ms``, ``0.1``, ``5min``, ``1h``       seconds when there is no unit
share      ``1%``, ``0.01``                          0 … 1
rate       ``150MB/s``, ``10Gbit/s``                 bytes a second when there is no unit
=========  ========================================  ==============================================

Text is read exactly, never through a float; a number in place of text is checked and kept.  What
can't be used is refused by a ValueError that names argument, text and what is allowed.
"""

import numbers
import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any, NamedTuple, Never

MAX_PAGES = 2**52
"""A 64-bit physical address counts bytes; 2^52 pages of 4 KiB are all there can be."""
PAGE_BYTES = 4096

_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50}
_COUNTS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, **_BINARY}
BYTES = {
    "B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "PiB": 2**50,
    "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "PB": 10**15,
}  # fmt: skip
_SECONDS = {
    "ns": Fraction(1, 10**9), "us": Fraction(1, 10**6), "µs": Fraction(1, 10**6),
    "μs": Fraction(1, 10**6), "ms": Fraction(1, 1000), "": 1, "s": 1, "m": 60, "min": 60, "h": 3600,
}  # fmt: skip
_RATES = {
    "": 1, **{f"{unit}/s": size for unit, size in BYTES.items()},
    **{f"{unit}bit/s": Fraction(size, 8) for unit, size in _COUNTS.items()},
}  # fmt: skip

_QUANTITY = re.compile(
    r"\s*(?P<sign>-?)(?:"
    r"(?P<base>[0-9]{1,6})(?:\^|\*\*)(?P<power>[0-9]{1,3})"
    r"|(?P<decimal>(?:[0-9]+(?:_[0-9]+)*|[1-9][0-9]{0,2}(?:,[0-9]{3})+|(?=\.[0-9]))(?:\.[0-9]*)?"
    r"(?:[eE][+-]?[0-9]{1,3})?)"
    r")\s*(?P<unit>[A-Za-zµμ%/]*?)(?:\s*(?P<word>pages?|frames?))?\s*"
)
_LONGEST = 60
"""Characters of a quantity; also, what of a longer text is shown."""

_COUNT = "a whole number such as 1000, 10M, 1e6 or 2^24"
_PAGES = "a number of pages such as 10M or 2^24, or memory such as 64GiB"
_AMOUNT = "a number such as 10M or 2^24, a share of the pages such as 1% or 0.01, or memory"
_RANGE = "a range is written 1k..1M, lower end first"


class _Number(NamedTuple):
    """A quantity as written."""

    value: Fraction
    """Without its unit."""
    unit: str
    word: str
    pointed: bool
    """Whether it has a decimal point."""
    binary: bool
    """Whether it is a power of two, or has a unit that is one."""


# --- what people write ---------------------------------------------------------------------------


def parse_count(name: str, given: object, low: int = 0, high: int | None = MAX_PAGES) -> int:
    """Return a whole number within ``low … high`` from an integer, or from text such as ``10M``."""
    if not isinstance(given, str):
        return _integer(name, given, low, high)
    return _within(name, given, _whole(name, given, _COUNTS, _COUNT), low, high)


def parse_pages(name: str, given: object, low: int = 1, high: int | None = MAX_PAGES) -> int:
    """Return a number of pages, as :func:`parse_count` or from guest memory such as ``64GiB``."""
    if not isinstance(given, str):
        return _integer(name, given, low, high)
    found = _read(given)
    if found and found.unit in BYTES and not found.word:
        pages = found.value * BYTES[found.unit] / PAGE_BYTES
        if pages.denominator > 1:
            _refuse(name, given, f"whole pages of {PAGE_BYTES} bytes")
        return _within(name, given, int(pages), low, high)
    if found and found.word:
        found = found._replace(word="")
    return _within(name, given, _whole(name, given, _COUNTS, _PAGES, found), low, high)


def parse_amount(name: str, given: object, low: int = 1) -> int | float:
    """Return dirty frames: an int is their number, a float their share of the pages.

    Parameters
    ----------
    name : str
        What to call the argument in a message.
    given : int, float or str
        A number of frames, or a share above 0, up to 1.0 or 100%; a share is a float, or text with
        ``%``, or text of a number strictly between 0 and 1, or ``1.0``.
    low : int, optional
        The least number of frames.
    """
    if isinstance(given, str):
        return _amount_of(name, given, low)
    if _is_float(given):
        if not 0 < given <= 1:  # type: ignore[operator]
            raise ValueError(
                f"{name}={given}: must be a whole number, or a share above 0, up to 1.0"
            )
        return float(given)  # type: ignore[arg-type]
    return _integer(name, given, low, None)


def _amount_of(name: str, given: str, low: int) -> int | float:
    found = _read(given)
    if found is None:
        _refuse(name, given, _one(given, _AMOUNT))
    share = _share_of(found)
    if share is not None:
        fits = 0 < share <= 1 and float(share) > 0
        return float(share) if fits else _refuse(name, given, "a share above 0%, up to 100%")
    if not found.unit and found.value.denominator > 1:
        _refuse(name, given, "a whole number, or a share up to 1")
    return parse_pages(name, given, low)


def parse_frames(name: str, given: object, pages: int, low: int = 1) -> int:
    """Return a number of dirty frames from what :func:`parse_amount` takes.

    A share of `pages` is rounded to the nearest whole number, and is one frame at least.
    """
    return frames_of(parse_amount(name, given, low), pages)


def frames_of(amount: int | float, pages: int) -> int:
    """Return an amount as a number of frames."""
    return max(1, round(amount * pages)) if isinstance(amount, float) else amount


def parse_bytes(name: str, given: object) -> int:
    """Return bytes from a number, or from text such as ``2MiB``; of ``1.01KiB`` the whole ones."""
    wanted = "a size above 0, such as 512KiB or 2MiB"
    if not isinstance(given, str):
        number = _positive(name, given)
        if number != int(number):
            _refuse(name, given, f"{wanted}, in whole bytes")
        return int(given)  # type: ignore[call-overload] # exactly: it is a number
    found = _read(given)
    nbytes = _scaled(name, given, {"": 1, **BYTES}, wanted, found)
    whole = nbytes.denominator == 1 or (found is not None and found.unit not in ("", "B"))
    if not whole or not 1 <= nbytes < 2**63:
        _refuse(name, given, f"{wanted}, in whole bytes")
    return int(nbytes)


def parse_seconds(name: str, given: object, low: float = 0.0, high: float = 1e8) -> float:
    """Return seconds from a number, or from text such as ``100ms``; above 0, up to `high`."""
    wanted = "a time above 0, such as 90s, 5m or 1h, or 50ms"
    seconds: Any = given
    if isinstance(given, str):
        seconds = _scaled(name, given, _SECONDS, wanted)
    elif isinstance(given, bool) or not isinstance(given, numbers.Real):
        _refuse(name, given, wanted)
    if not seconds > 0 or float(min(seconds, 2 * high)) == 0.0:  # also when it is NaN
        _refuse(name, given, wanted)
    if not low <= seconds <= high:
        least = f"{low:g} … " if low else "above 0, up to "
        _refuse(name, given, f"{least}{high:g} seconds: {wanted}")
    return float(seconds)


def parse_share(name: str, given: object, low: float = 0.0, high: float = 1.0) -> float:
    """Return a share within ``low … high`` from a number, or from text such as ``1%``."""
    wanted = f"a share such as 1% or 0.01, {low:g} … {high:g}"
    value: Any = given
    if isinstance(given, str):
        value = _scaled(name, given, {"": 1, "%": Fraction(1, 100)}, wanted)
    else:
        value = _check_real(name, given, low, high)
    return float(value) if low <= value <= high else _refuse(name, given, wanted)


def parse_rate(name: str, given: object) -> float:
    """Return bytes a second from a number, or from text such as ``150MB/s`` or ``10Gbit/s``."""
    wanted = "a rate above 0, such as 150MB/s or 10Gbit/s"
    if not isinstance(given, str):
        return _positive(name, given)
    rate = _scaled(name, given, _RATES, wanted)
    return float(rate) if 0 < rate < 2**63 else _refuse(name, given, wanted)


def parse_pages_list(
    name: str, given: object, low: int = 1, high: int | None = MAX_PAGES
) -> list[int]:
    """Return numbers of pages: one, or those of a range such as ``1k..4k`` or ``1GiB..64GiB``."""
    return _listed(name, given, lambda one: parse_pages(name, one, low, high))


def parse_amounts(name: str, given: object) -> list[int | float]:
    """Return amounts as :func:`parse_amount`: one, or those of a range such as ``1k..4k``."""
    return _listed(name, given, lambda one: parse_amount(name, one))


def parse_number(text: str) -> int | float | None:
    """Return the number that text stands for, a share or a float where it is one; or None.

    Examples
    --------
    >>> parse_number("1e6"), parse_number("0.9"), parse_number("10%"), parse_number("fixed")
    (1000000, 0.9, 0.1, None)
    """
    found = _read(text)
    if found is None or found.word or found.unit not in (*_COUNTS, "%"):
        return None
    value = found.value / 100 if found.unit == "%" else found.value * _COUNTS[found.unit]
    if abs(value) > 2**64:
        return None
    whole = value.denominator == 1 and found.unit != "%" and (found.unit or not found.pointed)
    return int(value) if whole else float(value)


# --- how it is read ------------------------------------------------------------------------------


def _read(text: str) -> _Number | None:
    """Take a quantity apart; its unit may be any."""
    found = _QUANTITY.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None:
        return None
    if found["base"]:
        value = Fraction(int(found["base"]) ** int(found["power"]))
    else:
        value = Fraction(re.sub("[_,]", "", found["decimal"]))
    unit = found["unit"]
    binary = found["base"] == "2" or unit.removesuffix("B") in _BINARY
    sign = -1 if found["sign"] == "-" else 1
    return _Number(sign * value, unit, found["word"] or "", "." in text, binary)


def _scaled(
    name: str, given: str, units: dict[str, Any], wanted: str, found: _Number | None = None
) -> Fraction:
    found = found or _read(given)
    if found is None or found.word or found.unit not in units:
        _refuse(name, given, _one(given, wanted))
    return found.value * units[found.unit]


def _one(given: str, wanted: str) -> str:
    return f"one number, not a range: {wanted}" if ".." in given else wanted


def _whole(
    name: str, given: str, units: dict[str, int], wanted: str, found: _Number | None = None
) -> int:
    value = _scaled(name, given, units, wanted, found)
    return int(value) if value.denominator == 1 else _refuse(name, given, wanted)


def _share_of(found: _Number) -> Fraction | None:
    """Return a quantity as a share, or None when it is a number of something."""
    if found.word or found.unit not in ("", "%"):
        return None
    if found.unit == "%":
        return found.value / 100
    share = 0 < found.value < 1 or (found.value == 1 and found.pointed)
    return found.value if share else None


def _listed(name: str, given: object, parse: Callable[[object], Any]) -> list[Any]:
    if not isinstance(given, str) or ".." not in given:
        return [parse(given)]
    low, _, high = given.partition("..")
    if _read(low) is None or _read(high) is None:
        _refuse(name, given, _RANGE, "")
    first, last = parse(low), parse(high)
    if type(first) is not type(last) or first > last:
        _refuse(name, given, _RANGE, "")
    ends = [_read(end) for end in (low, high)]
    binary = all(end is not None and end.binary for end in ends)
    steps = _steps(Fraction(str(first)), Fraction(str(last)), binary)
    found = [type(first)(step) for step in steps]
    if not found:
        kinds = "powers of two" if binary else "1, 2, 5, 10, 20, 50 …"
        _refuse(name, given, f"has none of {kinds} in it", "")
    return found


def _steps(first: Fraction, last: Fraction, binary: bool) -> Iterator[Fraction]:
    """Yield 1, 2, 5, 10 …, or powers of two, from `first` to `last`, which are above 0."""
    factor, leading = (2, (1,)) if binary else (10, (1, 2, 5))
    scale = Fraction(1)
    while scale > first:
        scale /= factor
    while scale <= last:
        yield from (one * scale for one in leading if first <= one * scale <= last)
        scale *= factor


def _within(name: str, given: str, value: int, low: int, high: int | None) -> int:
    if value < low or (high is not None and value > high):
        _refuse(name, given, f"{low} or more" if high is None else f"{low} … {high}")
    return value


def _refuse(name: str, given: object, wanted: str, must: str = "must be ") -> Never:
    shown = repr(given if not isinstance(given, str) else given[:_LONGEST])
    raise ValueError(f"{name}={shown}: {must}{wanted}" if name else f"{shown}: {must}{wanted}")


# A module that reads quantities shall not load NumPy and Numba, which _check needs: commands list
# their arguments without.


def _integer(name: str, given: object, low: int, high: int | None) -> int:
    from dirtylab import _check

    return _check.integer(name, given, low, high)


def _positive(name: str, given: object) -> float:
    from dirtylab import _check

    return _check.positive(name, given)


def _check_real(name: str, given: object, low: float, high: float) -> float:
    from dirtylab import _check

    return _check.real(name, given, low, high)


def _is_float(given: object) -> bool:
    import numpy as np

    return isinstance(given, float | np.floating)
