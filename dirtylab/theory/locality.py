"""Locality of a pattern's frames, in order of arrival and in the slot.

Processors predict what repeats.  Frames in sequence, a stride or an empty stretch of the bitmap
cost little; where a run ends or a dirty word follows a clean one, a branch is mispredicted, and
where the next frame is elsewhere, its cache line must be fetched.  The cost model needs those
counts too.
"""

import numpy as np
from scipy.special import bdtr, gamma

from dirtylab._check import Array
from dirtylab.theory.operations import Pattern

OCTET = 8
"""Frames that an insert tests together: a run of them sets its bits at once."""
WORD = 64
_MANY_RUNS = 100.0
_NEAR = 4


def arrivals_elsewhere(pattern: Pattern, block: int) -> Array:
    """Return about how many frames lie in another block than the frame before them.

    The locality of an insert: one in `block` for a sequence, all for frames drawn anywhere.
    """
    law = pattern.law
    if law.elsewhere is not None:
        return law.elsewhere(pattern.pages, pattern.dirty, block, **pattern.options)
    runs = _runs(pattern)
    if runs is not None:
        number, total = runs
        return number + (total - number) / block
    return pattern.dirty * (1.0 - min(block / pattern.pages, 1.0))


def jumps(pattern: Pattern, block: int) -> Array:
    """Return the number of unpredictable block changes."""
    if pattern.law.regular:
        return np.zeros_like(pattern.dirty)
    return arrivals_elsewhere(pattern, block)


def frames_in_runs(pattern: Pattern) -> Array:
    """Return about how many frames come in octets that follow each other within a word."""
    within = 1.0 - (OCTET - 1) / WORD
    return pattern.dirty * within * run_goes_on(pattern) ** (OCTET - 1)


def run_goes_on(pattern: Pattern) -> Array:
    """Return the probability that the frame after a frame is its neighbour."""
    runs = _runs(pattern)
    if runs is None:
        return np.zeros_like(pattern.dirty)
    number, total = runs
    return 1.0 - number / np.maximum(total, 1.0)


def comes_in_order(pattern: Pattern) -> Array:
    """Return the probability that all frames arrive in ascending order.

    Regular patterns do until they go on at the slot's beginning; of n runs, or n frames drawn
    anywhere, one order in n! is ascending.
    """
    runs = _runs(pattern)
    if pattern.law.regular:
        turns = 0.0 if runs is not None else arrivals_elsewhere(pattern, pattern.pages)
        return np.where(turns <= 1.0, np.ones_like(pattern.dirty), 0.0)
    number = pattern.dirty if runs is None else runs[0]
    return np.asarray(1.0 / gamma(np.clip(number, 1.0, _MANY_RUNS) + 1.0))


def lines_alone(pattern: Pattern, block: int) -> Array:
    """Return about how many dirty blocks have no dirty neighbour: a prefetcher won't bring them."""
    blocks, wider = pattern.occupied(block), pattern.occupied(_NEAR * block)
    return np.clip((_NEAR * wider - blocks) / (_NEAR - 1), 0.0, blocks)


def full_blocks(pattern: Pattern, block: int) -> Array:
    """Return how many blocks are dirty throughout, about.

    Dirty pages and clean ones alternate like a chain of two states: a page is dirty with the
    pattern's density, and a dirty one is followed by a clean one where its run ends and no other
    begins.
    """
    density = np.minimum(pattern.occupied(1) / pattern.pages, 1.0)
    if pattern.law.regular and _runs(pattern) is None:
        goes_on = density
    else:
        goes_on = 1.0 - (1.0 - density) * (1.0 - run_goes_on(pattern))
    return pattern.pages / block * density * goes_on ** (block - 1)


def boundaries(pattern: Pattern, block: int) -> Array:
    """Return about how many dirty blocks follow a clean one unpredictably."""
    number = max(pattern.pages / block, 1.0)
    share = np.minimum(pattern.occupied(block) / number, 1.0)
    drawn = number * share * (1.0 - share)
    if pattern.law.regular:
        return np.zeros_like(drawn)
    runs = _runs(pattern)
    return drawn if runs is None else np.minimum(drawn, runs[0])


def uncertain_octets(pattern: Pattern) -> Array:
    """Return about how many dirty words have an unpredictable number of bits, in eighths.

    Bits are decoded eight at a time.  Where frames are drawn, a word's bits are binomial, and
    what counts is how often ``ceil(bits / 8)`` is not the usual number; where a cluster ends in a
    word, any number is as likely as any other.
    """
    dirty_words = pattern.occupied(WORD)
    if pattern.law.regular:
        return np.zeros_like(dirty_words)
    if _runs(pattern) is not None:
        partial = np.maximum(dirty_words - full_blocks(pattern, WORD), 0.0)
        return partial * (1.0 - OCTET / WORD)
    density = np.minimum(pattern.occupied(1) / pattern.pages, 1.0)
    up_to = bdtr(np.arange(0.0, WORD + 1, OCTET), WORD, density[..., None])
    usual = np.diff(up_to, axis=-1).max(axis=-1) + up_to[..., 0]
    return dirty_words * np.clip(1.0 - usual, 0.0, 1.0)


def _runs(pattern: Pattern) -> tuple[Array, Array] | None:
    """Return the number of runs of neighbours, and of the frames in them; None: no runs."""
    return pattern.law.runs(pattern.dirty, **pattern.options)
