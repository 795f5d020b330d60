"""Word primitives: vector and plain forms against arithmetic in Python."""

import mmap

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dirtylab._jit import kernel
from dirtylab._vectors import HAS_VECTOR
from dirtylab._words import (
    SLACK,
    decode,
    decode_listed,
    find_nonzero,
    lowest_bit,
    popcount,
)

CANARY = np.uint64(0xDEADBEEFDEADBEEF)
FORMS = [False, True] if HAS_VECTOR else [False]

every_form = pytest.mark.parametrize("vector", FORMS, ids=lambda v: "vector" if v else "plain")
some_words = st.integers(0, 2**64 - 1) | st.sampled_from([0, 1, 2**63, 2**64 - 1, 0xFF << 28])


@kernel
def run_decode(word, base, shift, out, pos, vector):
    return decode(word, base, shift, out, pos, vector)


@kernel
def run_find(words, first, stop, out, vector):
    return find_nonzero(words, first, stop, out, 0, vector)


@kernel
def run_listed(words, listed, count, out, lonely, vector):
    return decode_listed(words, listed, count, out, 0, lonely, vector)


@kernel
def run_lowest(word):
    return lowest_bit(word)


@kernel
def run_popcount(word):
    return popcount(word)


def bits_of(word):
    return [bit for bit in range(64) if word >> bit & 1]


@given(some_words)
def test_lowest_bit_and_popcount(word):
    assert run_popcount(np.uint64(word)) == len(bits_of(word))
    if word:
        assert run_lowest(np.uint64(word)) == bits_of(word)[0]


@every_form
@given(word=some_words, base=st.integers(0, 2**40), shift=st.integers(0, 6))
def test_decode_gives_the_bits_in_order(vector, word, base, shift):
    out = np.zeros(SLACK, np.uint64)
    count = run_decode(np.uint64(word), np.uint64(base), np.uint64(shift), out, 0, vector)
    assert out[:count].tolist() == [(base + bit) << shift for bit in bits_of(word)]


@every_form
@given(word=some_words, spare=st.integers(0, 70))
def test_decode_never_writes_past_the_end(vector, word, spare):
    needed = len(bits_of(word))
    memory = np.full(needed + spare + 80, CANARY)
    out = memory[: needed + spare]
    assert run_decode(np.uint64(word), np.uint64(0), np.uint64(0), out, 0, vector) == needed
    assert (memory[needed + spare :] == CANARY).all()


@pytest.mark.skipif(not hasattr(mmap, "PROT_READ"), reason="needs pages that can't be written")
@every_form
@pytest.mark.parametrize("word", [0, 1, 0x8000000000000001, 2**64 - 1])
def test_decode_stops_at_a_page_that_must_not_be_touched(vector, word):
    """Place the output right below memory of which a write would be fatal."""
    import ctypes

    region = mmap.mmap(-1, 2 * mmap.PAGESIZE)
    buffer = np.frombuffer(region, np.uint64)
    address = buffer.ctypes.data + mmap.PAGESIZE
    libc = ctypes.CDLL(None, use_errno=True)
    protect = [ctypes.c_void_p(address), ctypes.c_size_t(mmap.PAGESIZE)]
    assert libc.mprotect(*protect, 0) == 0
    try:
        end = mmap.PAGESIZE // 8
        out = buffer[end - len(bits_of(word)) : end]
        count = run_decode(np.uint64(word), np.uint64(0), np.uint64(0), out, 0, vector)
        assert out[:count].tolist() == bits_of(word)
    finally:
        assert libc.mprotect(*protect, 3) == 0


@every_form
@given(words=st.lists(st.sampled_from([0, 0, 0, 1, 2**63]), max_size=40), data=st.data())
def test_find_nonzero_lists_their_numbers(vector, words, data):
    first = data.draw(st.integers(0, len(words)))
    stop = data.draw(st.integers(first, len(words)))
    out = np.zeros(len(words) + SLACK, np.uint64)
    count = run_find(np.array(words, np.uint64), first, stop, out, vector)
    assert out[:count].tolist() == [n for n in range(first, stop) if words[n]]


@every_form
@pytest.mark.parametrize("lonely", [False, True])
@given(
    words=st.lists(st.integers(0, 63).map(lambda bit: 1 << bit) | some_words, max_size=60),
    spare=st.integers(0, 600),
)
def test_listed_words_are_decoded_in_order(vector, lonely, words, spare):
    listed = [number for number, word in enumerate(words) if word]
    expected = [64 * number + bit for number in listed for bit in bits_of(words[number])]
    memory = np.full(len(expected) + spare + 8, CANARY)
    out = memory[: len(expected) + spare]
    places = np.array(listed + [0] * SLACK, np.uint64)
    count = run_listed(np.array(words, np.uint64), places, len(listed), out, lonely, vector)
    assert out[:count].tolist() == expected
    assert (memory[len(expected) + spare :] == CANARY).all()
