"""Logarithm and exponential from ``+ - × ÷`` alone, so that they round alike everywhere.

The C libraries differ in the last digit of ``log`` and ``exp``, which would change a data set
from one platform to another.  The four operations are exact to the last bit by IEEE 754, and
Numba does not reorder or fuse them unless it is asked to.

Precision: better than 1e-14, relative, which the tests check against the standard library.

Cost: 15 multiplications, a division for the logarithm; no call and no table.

Source: the series of atanh and exp, after cutting the argument to where they are short.
"""

import math

import numpy as np

from dirtylab._jit import inlined

_LN2_HIGH = 0.693147180369123816490  # 32 bits: a multiple by an exponent is exact
_LN2_LOW = 1.90821492927058770002e-10
_SQRT_HALF_BITS = np.float64(math.sqrt(0.5)).view(np.uint64)
_EXPONENT_MASK = np.uint64(0xFFF0000000000000)
_FRACTION = np.int64(52)
_BIAS = np.int64(1023)
_SMALL = 0.01
_UNDERFLOW = -700.0


@inlined
def log(x: float) -> float:
    """Return the natural logarithm of `x`, which is above 0 and finite."""
    # math.frexp and math.ldexp are calls, which cost more than all the rest.
    bits = np.float64(x).view(np.uint64)
    shifted = bits - _SQRT_HALF_BITS  # its upper bits count the doublings from sqrt(1/2)
    exponent = float(np.int64(shifted) >> _FRACTION)
    mantissa = np.uint64(bits - (shifted & _EXPONENT_MASK)).view(np.float64)
    z = (mantissa - 1.0) / (mantissa + 1.0)  # log = 2 atanh z, and |z| < 0.172
    w = z * z
    v = w * w  # two short chains instead of a long one: a third less time
    even = 1 / 3 + v * (1 / 7 + v * (1 / 11 + v * (1 / 15)))
    odd = 1 / 5 + v * (1 / 9 + v * (1 / 13 + v * (1 / 17)))
    series = even + w * odd
    return exponent * _LN2_HIGH + (2.0 * (z + z * w * series) + exponent * _LN2_LOW)


@inlined
def exp(x: float) -> float:
    """Return e to the power of `x`, which is below 700; 0 for `x` below -700."""
    if x < _UNDERFLOW:
        return 0.0
    power = math.floor(x / _LN2_HIGH + 0.5)
    r = (x - power * _LN2_HIGH) - power * _LN2_LOW  # |r| < 0.347
    q = r * r
    tail = 1 / 40320 + q * (1 / 3628800 + q * (1 / 479001600))
    even = 1 / 2 + q * (1 / 24 + q * (1 / 720 + q * tail))
    odd = 1 / 6 + q * (1 / 120 + q * (1 / 5040 + q * (1 / 362880 + q * (1 / 39916800))))
    scale = np.int64((np.int64(power) + _BIAS) << _FRACTION).view(np.float64)
    return scale * (1.0 + (r + q * (even + r * odd)))


@inlined
def exp_slope(x: float) -> float:
    """Return ``(exp(x) - 1) / x``, which is 1 at 0."""
    if abs(x) > _SMALL:
        return (exp(x) - 1.0) / x
    return 1.0 + x * (1 / 2 + x * (1 / 6 + x * (1 / 24 + x * (1 / 120 + x * (1 / 720)))))


@inlined
def log_slope(x: float) -> float:
    """Return ``log(1 + x) / x``, which is 1 at 0; `x` is above -1."""
    if abs(x) > _SMALL:
        return log(1.0 + x) / x
    tail = 1 / 5 - x * (1 / 6 - x * (1 / 7 - x * (1 / 8)))
    return 1.0 - x * (1 / 2 - x * (1 / 3 - x * (1 / 4 - x * tail)))
