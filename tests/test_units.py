"""Quantities: what is read, exactly, and what is refused, by name."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dirtylab._format import nbytes_text, ns_text
from dirtylab._units import (
    frames_of,
    parse_amount,
    parse_amounts,
    parse_bytes,
    parse_count,
    parse_frames,
    parse_number,
    parse_pages,
    parse_pages_list,
    parse_rate,
    parse_seconds,
    parse_share,
)


@pytest.mark.parametrize(
    ("given_text", "seconds"),
    [(2, 2.0), (0.5, 0.5), ("100ms", 0.1), ("2 s", 2.0), ("7us", 7e-6), ("7µs", 7e-6), ("3", 3.0)],
)
def test_times_are_read(given_text: float | str, seconds: float) -> None:
    assert parse_seconds("period", given_text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("given_text", "nbytes"), [(17, 17), ("2MiB", 2**21), ("1.5 KiB", 1536), ("3 kB", 3000)]
)
def test_sizes_are_read(given_text: int | str, nbytes: int) -> None:
    assert parse_bytes("memory_limit", given_text) == nbytes


@pytest.mark.parametrize("wrong", ["", "ms", "2 parsecs", "-1s", "1..2s", 0, -1, float("nan")])
def test_what_is_no_time_is_refused_by_name(wrong: float | str) -> None:
    with pytest.raises((ValueError, TypeError), match=r"^period"):
        parse_seconds("period", wrong)


@given(st.floats(1, 1e14))
def test_a_written_time_reads_back_within_its_digits(ns: float) -> None:
    text = ns_text(ns).replace(",", "")
    assert parse_seconds("time", text) == pytest.approx(ns / 1e9, rel=0.006, abs=6e-10)


@given(st.integers(1, 2**52))
def test_a_written_size_reads_back_within_its_digits(nbytes: int) -> None:
    assert parse_bytes("size", nbytes_text(nbytes).replace(",", "")) == pytest.approx(
        nbytes, rel=0.006
    )


# --- counts, pages, amounts -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("10M", 10**7), ("10 M", 10**7), ("1e6", 10**6), ("1.5k", 1500), ("2^24", 2**24),
        ("2**24", 2**24), ("64Ki", 2**16), ("10_000_000", 10**7), ("10,000,000", 10**7),
        ("2^52", 2**52), ("4503599627370495", 2**52 - 1), ("0", 0), ("1.0", 1),
        (np.str_("3"), 3), (np.uint8(3), 3),
    ],
)  # fmt: skip
def test_counts_are_read(text, number):
    found = parse_count("pages", text)
    assert (type(found), found) == (int, number)


def test_no_count_goes_through_a_float():
    assert parse_count("seed", "9007199254740993", 0, 2**63) == 9007199254740993
    assert parse_count("seed", "9007199254740.993k", 0, 2**63) == 9007199254740993
    assert parse_bytes("size", "9007199254740993") == 9007199254740993
    assert parse_bytes("size", 2**53 + 1) == 2**53 + 1
    assert parse_number("9007199254740993") == 9007199254740993


WRONG_COUNTS = [
    "", " ", "many", "-1", "1.5", "1e-3", "1e400", "1e999999999", "9" * 5000, "2^99999", "2^-1",
    "999999^999", "nan", "inf", "0x10", "10K", "10m", "+7", "1,00", "0,001", "1_", "1__0", "\u0663",
    "1 2", "1k..4k", "1%", "64GiB", "50ms", "10\x1b[2J", "1\n2", "4503599627370497",
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG_COUNTS)
def test_what_is_no_count_is_refused_by_name(wrong):
    with pytest.raises(ValueError, match=r"^pages='.*: must be ") as refused:
        parse_count("pages", wrong)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(("given", "kind"), [(1.0, TypeError), (True, TypeError), (-1, ValueError)])
def test_a_number_in_place_of_text_is_checked(given, kind):
    with pytest.raises(kind, match=r"^pages="):
        parse_pages("pages", given)


@pytest.mark.parametrize(
    ("text", "pages"),
    [
        ("64GiB", 16_777_216), ("1 TiB", 2**28), ("4096B", 1), ("1GB", None), ("4097 B", None),
        ("10 M pages", 10**7), ("16777216 pages", 2**24), ("1 page", 1), ("0", None),
        ("1EiB", None), ("64GiB pages", None), ("-1GiB", None), ("0.5", None), ("16PiB", 2**42),
        ("4096kB", 1000),
    ],
)  # fmt: skip
def test_memory_is_pages_where_pages_are_asked_for(text, pages):
    if pages is None:
        with pytest.raises(ValueError, match=r"^pages='"):
            parse_pages("pages", text)
    else:
        assert parse_pages("pages", text) == pages


@pytest.mark.parametrize(
    ("given", "amount"),
    [
        ("1%", 0.01), ("0.01", 0.01), ("1e-2", 0.01), ("100 %", 1.0), ("1.0", 1.0), ("1", 1),
        ("2.0", 2), ("0.5k", 500), ("4MiB", 1024), ("1k frames", 1000), (0.25, 0.25), (1.0, 1.0),
        (np.float32(0.5), 0.5), (7, 7),
    ],
)  # fmt: skip
def test_a_number_strictly_between_0_and_1_is_a_share(given, amount):
    found = parse_amount("dirty", given)
    assert (type(found), found) == (type(amount), amount)


@pytest.mark.parametrize(
    "wrong",
    [
        "0",
        "0.0",
        "0%",
        "101%",
        "-1%",
        "1.5",
        "1e-400",
        "0.0005k",
        "0.5 frames",
        0.0,
        1.5,
        -0.1,
        "%",
    ],
)
def test_an_amount_that_is_none_is_refused(wrong):
    with pytest.raises(ValueError, match=r"^dirty="):
        parse_amount("dirty", wrong)


def test_a_share_is_at_least_one_frame():
    assert parse_frames("dirty", "1%", 10**7) == 10**5
    assert parse_frames("dirty", "0.0001", 1000) == 1
    assert parse_frames("dirty", "1%", 250) == 2
    assert frames_of(3, 2) == 3


@pytest.mark.parametrize(
    ("text", "pages"),
    [
        ("1k..4k", [1000, 2000]), ("7..100", [10, 20, 50, 100]), ("10M", [10**7]),
        ("2^10..2^13", [1024, 2048, 4096, 8192]), ("1Ki..4Ki", [1024, 2048, 4096]),
        ("1GiB..4GiB", [2**18, 2**19, 2**20]), ("3GiB..9GiB", [2**20, 2**21]),
    ],
)  # fmt: skip
def test_a_range_goes_in_steps(text, pages):
    assert parse_pages_list("pages", text) == pages


def test_a_range_of_shares_goes_in_steps():
    assert parse_amounts("dirty", "0.1%..5%") == [0.001, 0.002, 0.005, 0.01, 0.02, 0.05]


@pytest.mark.parametrize("wrong", ["3..4", "10..5", "1..2..3", "1..", "..", "..5", "1%..5", "0..5"])
def test_a_range_that_is_none_is_refused(wrong):
    with pytest.raises(ValueError, match=r"^dirty='"):
        parse_amounts("dirty", wrong)


# --- times, shares, rates, options ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("50ms", 0.05), ("1min", 60), ("5m", 300), ("1h", 3600), (" 7 \u03bcs", 7e-6)],
)
def test_times_have_units(text, seconds):
    assert parse_seconds("interval", text) == seconds


@pytest.mark.parametrize("wrong", ["1e400", "1e-400", "1e9", "50 Ms", "1d", True, None, [1], "inf"])
def test_times_that_nobody_waits_for_are_refused(wrong):
    with pytest.raises(ValueError, match=r"^interval=.*a time above 0, such as"):
        parse_seconds("interval", wrong)


@pytest.mark.parametrize("wrong", ["1.5", 1.5, "1e30", "0", "-1B", "1/3", "0.0001KiB"])
def test_bytes_are_whole(wrong):
    with pytest.raises(ValueError, match=r"^memory_limit="):
        parse_bytes("memory_limit", wrong)


def test_shares_and_rates_are_read():
    assert parse_share("share", "2.5%") == 0.025
    assert parse_share("share", 1) == 1.0
    assert parse_rate("bandwidth", "150MB/s") == 150e6
    assert parse_rate("bandwidth", "10Gbit/s") == 1.25e9
    for parse, wrong in ((parse_share, "101%"), (parse_rate, "150MB"), (parse_rate, "0")):
        with pytest.raises(ValueError, match=f"^x='{wrong}'"):
            parse("x", wrong)


@pytest.mark.parametrize(
    ("text", "value"),
    [("64", 64), ("64Ki", 2**16), ("1e3", 1000), ("1.0", 1.0), ("0.9", 0.9), ("10%", 0.1),
     ("-1", -1), ("nan", None), ("fixed", None), ("9" * 30, None)],
)  # fmt: skip
def test_options_are_numbers_where_they_can_be(text, value):
    found = parse_number(text)
    assert (type(found), found) == (type(value), value)


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused_in_one_line(text):
    for parse in (parse_count, parse_pages, parse_amounts, parse_seconds, parse_bytes, parse_rate):
        try:
            parse("x", text)
        except ValueError as refused:
            assert str(refused).isprintable()  # noqa: PT017
    parse_number(text)


@given(st.integers(0, 2**52))
def test_what_is_written_as_an_integer_is_read_as_that(number):
    for text in (f"{number}", f"{number:_}", f"{number:,}", f"{number}e0"):
        assert parse_count("x", text) == number
