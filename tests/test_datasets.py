"""The data set of 2016, bit for bit."""

import ctypes
import hashlib
import platform

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from slow import slow

from dirtylab.datasets import mailing_list
from dirtylab.datasets.glibc import rand_remainders

HUGE = 2**63

# The C library's first five numbers, noted down so that other platforms check them, too.
FIRST_FIVE = {
    1: [1804289383, 846930886, 1681692777, 1714636915, 1957747793],
    42: [71876166, 708592740, 1483128881, 907283241, 442951012],
}


def posted_sum(dirty):
    frames = mailing_list(10_000_000, dirty)
    return hashlib.sha256(frames.astype("<u8").tobytes()).hexdigest()


@pytest.mark.parametrize(
    ("dirty", "sha256"),
    [
        (100, "764fc7d6fee9b20cd73cbc8991c1a3117f8ff9fc1b7605ab7bc87bc4bd22dc39"),
        pytest.param(
            1_000_000,
            "92964265da009e6740c53ec02d71cd0e22ea91c49e5dc882b1bb17db5d0a32a0",
            marks=pytest.mark.large,
        ),
    ],
)
def test_frames_are_those_of_the_posted_program(dirty, sha256):
    assert posted_sum(dirty) == sha256


@slow
@pytest.mark.large
def test_ten_million_draws_touch_so_many_pages():
    assert np.unique(mailing_list(10_000_000, 10_000_000)).size == 6_319_304


@pytest.mark.parametrize("seed", FIRST_FIVE)
def test_known_numbers(seed):
    assert rand_remainders(seed, HUGE, 5).tolist() == FIRST_FIVE[seed]


def glibc():
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("the C library here is not glibc")
    return ctypes.CDLL(None)


def drawn_by_glibc(seed, count):
    library = glibc()
    library.srand(ctypes.c_uint(seed & 0xFFFFFFFF))
    return [library.rand() for _ in range(count)]


@pytest.mark.parametrize(
    "seed", [0, 1, 2, 2**31 - 1, 2**31, 2**31 + 1, 2**32 - 1, 2**32, 2**32 + 7, 10**7 + 100]
)
@pytest.mark.parametrize("count", [1, 30, 31, 32, 1000])
def test_any_seed_draws_as_the_c_library_here(seed, count):
    assert rand_remainders(seed, HUGE, count).tolist() == drawn_by_glibc(seed, count)


@given(st.integers(0, 2**33), st.integers(1, 2**40))
def test_remainders_are_those_of_the_c_library_here(seed, modulus):
    drawn = [number % modulus for number in drawn_by_glibc(seed, 64)]
    assert rand_remainders(seed, modulus, 64).tolist() == drawn


def test_seed_zero_acts_as_one_and_the_seed_is_cut_to_32_bits():
    assert (mailing_list(64, 9, seed=0) == mailing_list(64, 9, seed=1)).all()
    assert (mailing_list(64, 9, seed=2**32) == mailing_list(64, 9, seed=0)).all()
    assert (mailing_list(64, 9, seed=2**32 + 5) == mailing_list(64, 9, seed=5)).all()


def test_the_posted_seed_is_pages_plus_dirty():
    assert (mailing_list(64, 9) == mailing_list(64, 9, seed=73)).all()
    assert (mailing_list(64, 9) != mailing_list(64, 9, seed=74)).any()


def test_sequential():
    assert mailing_list(64, 64, "sequential").tolist() == list(range(64))
    assert mailing_list(64, 5, order="sequential").dtype == np.uint64


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((0, 5), ValueError, r"pages=0: must be 1 … "),
        ((-3, 5), ValueError, r"pages=-3: must be"),
        ((2**53, 5), ValueError, r"pages=9007199254740992: must be"),
        ((64.0, 5), TypeError, r"pages=64.0: must be an integer, not float"),
        (("64", 5), TypeError, r"pages='64': must be an integer, not str"),
        ((64, -1), ValueError, r"dirty=-1: must be"),
        ((64, 1.5), TypeError, r"dirty=1.5: must be"),
        ((64, 2**50), MemoryError, r"dirty=1125899906842624: needs"),
        ((64, 5, "shuffled"), ValueError, r"order='shuffled': must be one of random, sequential"),
        ((64, 65, "sequential"), ValueError, r"dirty=65: .*longer than the slot, pages=64"),
    ],
)
def test_bad_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        mailing_list(*arguments)


@pytest.mark.parametrize("seed", [-1, 1.5, "7", True])
def test_bad_seeds_are_named(seed):
    with pytest.raises((TypeError, ValueError), match="seed="):
        mailing_list(64, 5, seed=seed)
