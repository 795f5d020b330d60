"""The C library's ``rand()``, bit for bit, so that a 2016 data set is drawn on any platform.

glibc's default generator (``TYPE_3``) is an additive feedback shift register: a window of 31
words in which each new word is the sum, modulo 2^32, of the words 3 and 31 draws ago.

::

    window   w[0] w[1] w[2] w[3] ............ w[27] w[28] w[29] w[30]
    round    w[0] += w[28]   w[1] += w[29]   w[2] += w[30]      (3 draws ago, previous round)
             w[3] += w[0]    w[4] += w[1]    ...  w[30] += w[27]    (3 draws ago, this round)

Before its round each word is the one drawn 31 draws ago, so one round in place makes 31 draws.
A draw is the new word without its lowest bit.

Seeding fills the window with the Lehmer sequence 16807 * w mod (2^31 - 1) and throws ten
rounds away.  The seed is cut to 32 bits, 0 counts as 1.  The quotient in the Lehmer step is
C's (towards zero), which matters for seeds of 2^31 and above: those are negative words.

Source: the algorithm as documented for glibc's random_r; checked against the C library in the
tests.
"""

from typing import Annotated

import numpy as np

from dirtylab._check import Frames
from dirtylab._jit import kernel
from dirtylab._options import Option
from dirtylab.datasets.declare import pattern

ORDERS = ("random", "sequential")

WINDOW = 31
LAG = 3
DISCARDED_ROUNDS = 10

_M32 = np.uint64(0xFFFFFFFF)
_ONE = np.uint64(1)


def seed_window(seed: int) -> Frames:
    """Return the 31 words with which ``srand(seed)`` starts, before any is thrown away.

    Parameters
    ----------
    seed : int
        Any non-negative integer; as in C only its low 32 bits count, and 0 acts as 1.

    Returns
    -------
    numpy.ndarray
        Shape ``(31,)``, uint64, each word below 2^32.
    """
    word = (seed & 0xFFFFFFFF) or 1
    if word >= 2**31:
        word -= 2**32
    window = np.empty(WINDOW, np.uint64)
    for i in range(WINDOW):
        window[i] = word & 0xFFFFFFFF
        quotient = abs(word) // 127773 * (1 if word >= 0 else -1)
        word = 16807 * (word - 127773 * quotient) - 2836 * quotient
        if word < 0:
            word += 2**31 - 1
    return np.roll(window, -LAG)  # the first word drawn is the sum of words 0 and 3


@kernel
def advance(window: Frames) -> None:
    """Make the next 31 words, in place."""
    for i in range(LAG):
        window[i] = (window[i] + window[i + WINDOW - LAG]) & _M32
    for i in range(LAG, WINDOW):
        window[i] = (window[i] + window[i - LAG]) & _M32


@kernel
def fill_remainders(window: Frames, modulus: np.uint64, out: Frames) -> None:
    """Write ``rand() % modulus`` for each element of `out`, in order."""
    for _ in range(DISCARDED_ROUNDS):
        advance(window)
    for start in range(0, out.size, WINDOW):
        advance(window)
        for i in range(min(WINDOW, out.size - start)):
            out[start + i] = (window[i] >> _ONE) % modulus


def rand_remainders(seed: int, modulus: int, count: int) -> Frames:
    """Draw what ``srand(seed)`` and `count` times ``rand() % modulus`` give in C with glibc.

    Parameters
    ----------
    seed : int
        As for :func:`seed_window`.
    modulus : int
        1 … 2^64 - 1.  A draw is below 2^31, so a larger modulus changes nothing.
    count : int
        Number of draws.

    Returns
    -------
    numpy.ndarray
        Shape ``(count,)``, uint64.

    Notes
    -----
    Cost: 8 bytes of output and one 64-bit remainder a draw.
    """
    out = np.empty(count, np.uint64)
    fill_remainders(seed_window(seed), np.uint64(modulus), out)
    return out


def require_slot(pages: int, dirty: int, *, order: str) -> None:
    """Refuse a sequence that is longer than the slot."""
    if order == "sequential" and dirty > pages:
        raise ValueError(f"dirty={dirty}: a sequence can't be longer than the slot, pages={pages}")


@pattern(require_slot, studied=None, drawn=None)
def mailing_list(
    pages: int,
    dirty: int,
    order: Annotated[str, Option("``rand() % pages``, or 0, 1, 2, …", words=ORDERS)] = "random",
    *,
    seed: Annotated[int | None, Option(low=0)] = None,
) -> Frames:
    """Draw the frames that the posted program of 2016 drew, bit for bit, on any platform.

    Draws repeat: 10,000,000 of 10,000,000 pages touch 6,319,304.  The seed is what ``srand`` is
    given, ``pages + dirty``, as posted, when omitted; its low 32 bits count, and 0 acts as 1.  A
    sequence has none.

    Notes
    -----
    glibc's ``rand()`` stays below 2^31: of a larger slot only the first 2^31 pages are drawn, as
    posted.  Cost: 8 bytes and about 3 ns a frame.

    Source: Radim Krčmář's mail to the KVM list of 4 May 2016.

    Examples
    --------
    >>> mailing_list(10_000_000, 100)[:3]
    array([ 215327, 2657800, 9847769], dtype=uint64)
    >>> mailing_list(64, 3, "sequential")
    array([0, 1, 2], dtype=uint64)
    """
    if order == "random":
        return rand_remainders(pages + dirty if seed is None else seed, pages, dirty)
    return np.arange(dirty, dtype=np.uint64)
