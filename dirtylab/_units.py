"""Times and bytes, from what people write and to what they read."""

import re

from dirtylab import _check

_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "": 1.0}
_BYTES: dict[str, float] = {
    "": 1, "B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "PiB": 2**50,
    "kB": 10**3, "MB": 10**6, "GB": 10**9,
}  # fmt: skip


def parse_seconds(name: str, given: float | str) -> float:
    """Return seconds from a number, or from text such as ``100ms``."""
    return _check.positive(name, _scaled(name, given, _SECONDS, "a time such as 100ms or 2s"))


def parse_bytes(name: str, given: float | str) -> int:
    """Return bytes from a number, or from text such as ``2MiB``."""
    found = _scaled(name, given, _BYTES, "a size such as 512KiB or 2MiB")
    return int(_check.positive(name, found))


def ns_text(ns: float) -> str:
    """Return a time with three digits and its unit."""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if ns >= size * 0.9995:
            return f"{_three(ns / size)} {unit}"
    return f"{ns:.0f} ns"


def nbytes_text(nbytes: float) -> str:
    """Return a size with three digits and its binary unit."""
    for unit in ("PiB", "TiB", "GiB", "MiB", "KiB"):
        if nbytes >= _BYTES[unit]:
            return f"{_three(nbytes / _BYTES[unit])} {unit}"
    return f"{nbytes:.0f} B"


def _three(value: float) -> str:
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:,.0f}"


def _scaled(name: str, given: float | str, units: dict[str, float], wanted: str) -> float:
    if not isinstance(given, str):
        return given
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?(?:e[+-]?\d+)?)\s*([A-Za-zµ]*)\s*", given)
    if found is None or found[2] not in units:
        raise ValueError(f"{name}={given!r}: must be {wanted}")
    return float(found[1]) * units[found[2]]
