"""A sort of frames without repeats: split into small parts, each sorted by vectors or by bits.

Frames come in any order and leave in ascending order, each once, as uint64::

    frames   70  3 41 90 44  3        split by 47, the middle of 3 … 90
    parts     3 41 44  3 | 70 90      small enough: sorted by vectors, repeats left out
    out       3 41 44 70 90

How they are split depends on the processor.  With AVX-512 the middle of what a part may hold
halves it, sixteen frames at once (:func:`halve`); without it each frame goes to one of many parts
by its place between lowest and highest (:func:`place_and_sort`).
No pivot is drawn: each split halves what a part may hold, and where it leaves one side empty the
bounds are looked up anew, so no order of frames takes long.  A part with a frame in every 24 or
more is marked in a bitmap on the stack and read from it.  Frames that come in order are copied.

NumPy's sort is not used: it depends on the processor.  Sorting 100,000 of 10 million frames took
it 21.6 ns a frame on a Zen 4 with AVX-512 and, on the same machine with AVX2 alone, 3.4.

On a busy Xeon with AVX-512, ns a frame for uint32 at random of 10 million pages, repeats left out
and written as uint64; NumPy's sort, then the same pass as here over what it gives:

========  ===========  =====  ==========  =====
frames    AVX-512      NumPy  AVX2 alone  NumPy
========  ===========  =====  ==========  =====
100       2.2          7.2    9.5         4.6
1,000     2.9          3.2    5.6         3.6
10,000    4.0          3.9    4.9         4.2
100,000   4.4          4.1    7.6         5.7
========  ===========  =====  ==========  =====

Another thread that writes to the frames meanwhile spoils the result but leads to no place beyond
the arrays: what decides where to write is looked at once, or again in memory of this sort's own.

Sources: interpolation and distribution sorts, Knuth, The Art of Computer Programming, volume 3,
section 5.2.5; those of :mod:`dirtylab._lanes`.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from dirtylab._check import Frames
from dirtylab._jit import inlined, kernel, uncounted
from dirtylab._lanes import (
    HAS_LANES,
    VECTORS,
    distinct_lanes,
    lanes_of,
    sort_eight,
    sort_four,
    split_lanes,
)
from dirtylab._words import BIT_MASK, ONE, WORD_BITS, WORD_SHIFT, ZERO, decode, stack_words

Values = npt.NDArray[np.unsignedinteger[Any]]

PLACES = 2**11
"""Parts at once, at most: each is a place to write to."""
DENSE = np.uint64(24)
"""A part with a frame among so many or fewer is marked in a bitmap."""
_SPAN = np.uint64(2**16)
_LAST_WORD = np.uint64(2**10 - 1)
_FRACTION = np.uint64(52)
_BLOCK = 256


@uncounted
def ascend(values: Values, out: Frames) -> int:
    """Write the distinct values in ascending order; return how many.

    Parameters
    ----------
    values : numpy.ndarray
        uint32 or uint64, each below 2^52; not written to.
    out : numpy.ndarray
        uint64, at least as long; garbage behind the last.

    Notes
    -----
    Cost: O(values · log values); memory for twice the values for a moment.
    """
    if values.size == 0:
        return 0
    if values.size <= VECTORS * lanes_of(values):
        return sort_few(values, 0, values.size, out, 0, stack_words())
    if is_ascending(values):
        return drop_repeats(values, out)
    return sort_many(values, out)


@kernel
def sort_many(values: Values, out: Frames) -> int:
    """Sort values to `out`, with memory for twice as many; return how many differ."""
    low, high = bounds(values, 0, values.size)
    return sort_between(values, low, high, np.empty(2 * values.size, values.dtype), out, 0)


@inlined
def copy(source: Values, target: Values) -> None:
    """Copy an array; a loop compiles in a tenth of the time that an assignment takes."""
    for number in range(source.size):
        target[number] = source[number]


@uncounted
def is_ascending(values: Values) -> bool:
    """Return whether no value is below the one before it."""
    for begin in range(1, values.size, _BLOCK):
        falls = False  # looked at once a block: the loop in it becomes vector code
        for place in range(begin, min(begin + _BLOCK, values.size)):
            falls |= values[place] < values[place - 1]
        if falls:
            return False
    return True


@uncounted
def drop_repeats(ordered: Values, out: Frames) -> int:
    """Write a sorted array, at least one value, without repeats; return how many differ."""
    out[0] = last = ordered[0]
    count, place = 1, 1
    if HAS_LANES:
        lanes = lanes_of(ordered)
        while place + lanes <= ordered.size and count + lanes <= out.size:
            count += distinct_lanes(ordered, place, out, count)
            place += lanes
        last = ordered[place - 1]
    while place < ordered.size:
        value = ordered[place]
        if count < out.size:
            out[count] = value  # overwritten by the next unless it is new
        # Compared with the value itself: what was just written takes 2.4 ns a frame to read.
        count += value != last
        last = value
        place += 1
    return min(count, out.size)


@uncounted
def bounds(values: Values, first: int, last: int) -> tuple[np.uint64, np.uint64]:
    """Return the lowest and the highest value."""
    low, high = values[first], values[first]
    for place in range(first, last):
        low, high = min(low, values[place]), max(high, values[place])
    return np.uint64(low), np.uint64(high)


# --- small parts --------------------------------------------------------------------------------


@uncounted
def sort_few(values: Values, first: int, count: int, out: Frames, pos: int, scratch: Frames) -> int:
    """Sort at most `VECTORS` vectors to ``out[pos:]``, by way of `scratch` where it ends soon."""
    tight = pos + VECTORS * lanes_of(values) > out.size
    target, begin = (scratch, 0) if tight else (out, pos)
    if count <= 4 * lanes_of(values):
        found = sort_four(values, first, count, target, begin)
    else:
        found = sort_eight(values, first, count, target, begin)
    if tight:
        found = max(min(found, out.size - pos), 0)
        for place in range(found):
            out[pos + place] = scratch[place]
    return found


@uncounted
def sort_bits(
    values: Values, low: np.uint64, high: np.uint64, bitmap: Frames, out: Frames, pos: int
) -> int:
    """Mark the values, ``low … high``, at most 2^16 apart, and write them to ``out[pos:]``."""
    words = np.int64((high - low) >> WORD_SHIFT) + 1
    for number in range(words):
        bitmap[number] = ZERO
    for place in range(values.size):
        bit = np.uint64(values[place]) - low
        bitmap[(bit >> WORD_SHIFT) & _LAST_WORD] |= ONE << (bit & BIT_MASK)
    begin = pos
    for number in range(words):
        if bitmap[number]:
            base = low + np.uint64(number) * np.uint64(WORD_BITS)
            pos += decode(bitmap[number], base, ZERO, out, pos, HAS_LANES)
    return pos - begin


@inlined
def is_dense(count: int, low: np.uint64, high: np.uint64) -> Any:
    """Return whether so many values among ``low … high`` are sorted by bits."""
    return high - low < _SPAN and np.uint64(count) * DENSE > high - low


# --- splits -------------------------------------------------------------------------------------


@uncounted
def halve(
    values: Values, low: np.uint64, high: np.uint64, spare: Values, out: Frames, pos: int
) -> int:
    """Sort values, ``low … high``, to ``out[pos:]`` by halving parts; return how many differ.

    `spare` is twice as long.  Parts are done from the lowest on; of those that wait, end, array,
    lowest and highest are stacked, at most one for each halving of ``high - low``.
    """
    sides = (spare[: values.size], spare[values.size :], values)
    waiting, scratch = stack_words(), stack_words()
    begin, depth = pos, 0
    side: Any = 2
    first: Any = 0
    last: Any = values.size
    while True:
        count = last - first
        if count <= VECTORS * lanes_of(values):
            pos += sort_few(sides[side], first, count, out, pos, scratch)
        elif low >= high:
            if pos < out.size:
                out[pos] = low
                pos += 1
        elif is_dense(count, low, high):
            pos += sort_bits(sides[side][first:last], low, high, scratch, out, pos)
        else:
            middle = low + ((high - low) >> ONE) + ONE
            pivot, to = values.dtype.type(middle), side % 2
            source, lows, others = sides[side], sides[to], sides[1 - to]
            cut = split_lanes(source, first, last, lows, others, pivot)
            if first < cut < last:
                waiting[depth], waiting[depth + 1] = last, 1 - to
                waiting[depth + 2], waiting[depth + 3] = middle, high
                depth += 4
                side, last, high = to, cut, middle - ONE
            else:
                side = to if cut == last else 1 - to
                lowest, highest = bounds(sides[side], first, last)
                low, high = max(low, lowest), min(high, highest)
            continue
        if depth == 0:
            return pos - begin
        depth -= 4
        first, last = last, np.int64(waiting[depth])
        side = np.int64(waiting[depth + 1])
        low, high = waiting[depth + 2], waiting[depth + 3]


@uncounted
def place_all(values: Values, low: np.uint64, high: np.uint64, heads: Values, out: Values) -> None:
    """Write each value to the part where it would be if all were spread evenly.

    `heads`, one a part, are then where the parts end.
    """
    parts = np.uint64(heads.size)
    scale = (parts << _FRACTION) // (high - low + ONE)
    for number in range(heads.size):
        heads[number] = 0
    for place in range(values.size):
        part = ((np.uint64(values[place]) - low) * scale) >> _FRACTION
        heads[min(part, parts - ONE)] += np.uint32(1)
    total = np.uint32(0)
    for number in range(heads.size):
        count = heads[number]
        heads[number] = total
        total += count
    for place in range(values.size):
        value = values[place]
        part = min(((np.uint64(value) - low) * scale) >> _FRACTION, parts - ONE)
        slot = heads[part]
        if slot < out.size:
            out[slot] = value
        heads[part] = slot + np.uint32(1)


@uncounted
def place_and_sort(
    values: Values, low: np.uint64, high: np.uint64, spare: Values, out: Frames, pos: int
) -> int:
    """Sort as :func:`halve` does, by placing values into parts."""
    own, rest = spare[: values.size], spare[values.size :]
    return _place_and_sort(values, low, high, own, rest, out, pos)


@uncounted
def _place_and_sort(
    values: Values, low: np.uint64, high: np.uint64, own: Values, rest: Values, out: Frames,
    pos: int,
) -> int:  # fmt: skip
    """Place values into parts in `own`; part by part, `rest` is for parts of parts."""
    if low >= high:
        if pos < out.size:
            out[pos] = low
        return min(1, out.size - pos)
    scratch = stack_words()
    if is_dense(values.size, low, high):
        return sort_bits(values, low, high, scratch, out, pos)
    few = VECTORS * lanes_of(values)
    heads = stack_words().view(np.uint32)[: min(1 + values.size // (few * 3 // 4), PLACES)]
    place_all(values, low, high, heads, own)
    begin, first = pos, 0
    last: Any
    for number in range(heads.size):
        last = max(first, min(np.int64(heads[number]), own.size))
        if 0 < last - first <= few:
            pos += sort_few(own, first, last - first, out, pos, scratch)
        elif first < last:
            lowest, highest = bounds(own, first, last)
            part, other = own[first:last], rest[first:last]
            pos += _place_and_sort(part, lowest, highest, other, part, out, pos)
        first = last
    return pos - begin


sort_between = halve if HAS_LANES else place_and_sort
"""What splits parts here."""
