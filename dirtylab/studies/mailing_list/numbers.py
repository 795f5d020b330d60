"""Numbers as a person reads them."""

_UNITS = ((1e9, "s"), (1e6, "ms"), (1e3, "µs"), (0, "ns"))


def duration(ns: float) -> str:
    """Return a time with three digits and its unit.

    Examples
    --------
    >>> duration(29_517_475)
    '29.5 ms'
    """
    scale, unit = next((scale, unit) for scale, unit in _UNITS if ns >= scale)
    return f"{three_digits(ns / (scale or 1))} {unit}"


def three_digits(value: float) -> str:
    """Return a number with three significant digits and no exponent.

    Examples
    --------
    >>> three_digits(45977.38), three_digits(0.8391), three_digits(12.99)
    ('45,977', '0.839', '13.0')
    """
    if value >= 100:
        return f"{value:,.0f}"
    decimals = 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:.{decimals}f}"


def same_unit(ns: float, like: float) -> str:
    """Return a time with three digits and no unit, in the unit in which `like` is shown.

    Examples
    --------
    >>> same_unit(950_000, 29_517_475)
    '0.950'
    """
    scale = next(scale for scale, _ in _UNITS if like >= scale)
    return three_digits(ns / (scale or 1))
