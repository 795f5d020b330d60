"""Times and bytes, read and written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dirtylab._units import nbytes_text, ns_text, parse_bytes, parse_seconds


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
