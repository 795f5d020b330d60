"""Random words as a pure function of key and position: the same on every platform, for ever.

NumPy may change its streams from version to version; these words never change.  Word ``i`` of a
stream is

::

    mix(key + (i + 1) * GAMMA)      modulo 2^64

which is SplitMix64 written as a counter: no state is carried from word to word, so a loop over
words has no chain of dependences, and a pattern may take word ``i`` for frame ``i``.

A seed and the purpose of a stream make its key, so that streams of one seed are unrelated.

Bias: :func:`below` cuts a word by multiplication without a rejection.  A value's probability is
off by less than ``size / 2^64`` of itself: 2^-30 for 2^34 pages, 2^-12 for 2^52.

Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014;
the multipliers of the mix are Stafford's; cutting by multiplication is Lemire's, "Fast random
integer generation in an interval", 2019.
"""

import numpy as np

from dirtylab._jit import inlined, kernel

DRAW = 0
"""Purpose of a stream: which page is written."""
SCATTER = 1
"""Purpose of a stream: where in the slot a set of pages lies."""
LENGTH = 2
"""Purpose of a stream: how long a cluster is."""

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_ONE = np.uint64(1)
_M32 = np.uint64(0xFFFFFFFF)
_S32 = np.uint64(32)
_S31 = np.uint64(31)
_S30 = np.uint64(30)
_S27 = np.uint64(27)
_S11 = np.uint64(11)


@inlined
def word(key: np.uint64, position: np.uint64) -> np.uint64:
    """Return word `position` of the stream `key`."""
    mixed = key + (position + _ONE) * _GAMMA
    mixed = (mixed ^ (mixed >> _S30)) * _FIRST
    mixed = (mixed ^ (mixed >> _S27)) * _SECOND
    return mixed ^ (mixed >> _S31)


@inlined
def below(word: np.uint64, size: np.uint64) -> np.uint64:
    """Cut `word` to 0 … size - 1: the upper 64 bits of their product, from 32-bit halves."""
    high, low = word >> _S32, word & _M32
    size_high, size_low = size >> _S32, size & _M32
    middle = high * size_low + (low * size_low >> _S32)
    cross = low * size_high + (middle & _M32)
    return high * size_high + (middle >> _S32) + (cross >> _S32)


@inlined
def unit(word: np.uint64) -> float:
    """Return the upper 53 bits of `word` as a number of 0 … 1, 1 excluded; exact."""
    return float(word >> _S11) * 2.0**-53


@kernel
def word_of_purpose(seed: np.uint64, purpose: np.uint64) -> np.uint64:
    """Return a word for each pair of seed and purpose."""
    return word(word(np.uint64(0), seed), purpose)


def key(seed: int, purpose: int) -> np.uint64:
    """Return the key of the stream that serves `purpose` under `seed`."""
    with wrapping():
        return np.uint64(word_of_purpose(np.uint64(seed), np.uint64(purpose)))


def wrapping() -> np.errstate:
    """Return the context for kernels that draw: uint64 wraps on purpose.

    Compiled code wraps silently; with the JIT switched off NumPy would warn.
    """
    return np.errstate(over="ignore")
