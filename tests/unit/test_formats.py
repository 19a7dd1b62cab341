"""Sizes and dates as the reader writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roomle_mail import formats


@pytest.mark.parametrize(
    ("locale", "size"),
    [
        ("en", "120 × 34.1 × 225 cm"),
        ("en-GB", "120 × 34.1 × 225 cm"),
        ("en-us", "47.2 × 13.4 × 88.6 in"),
        ("en-Latn-US-x-shop", "47.2 × 13.4 × 88.6 in"),
        ("de", "120 × 34,1 × 225 cm"),
        ("de-AT", "120 × 34,1 × 225 cm"),
        ("de-US", "120 × 34,1 × 225 cm"),
        ("de-CH", "120 × 34.1 × 225 cm"),
        ("fr", "120 × 34,1 × 225 cm"),
        ("it", "120 × 34,1 × 225 cm"),
        ("es", "120 × 34,1 × 225 cm"),
        ("es-MX", "120 × 34.1 × 225 cm"),
        ("es-419", "120 × 34.1 × 225 cm"),
        ("nl", "120 × 34,1 × 225 cm"),
        ("pl", "120 × 34,1 × 225 cm"),
        ("pt-BR", "120 × 34,1 × 225 cm"),
        ("zh-Hant", "120 × 34.1 × 225 cm"),
        ("he", "120 × 34.1 × 225 cm"),
        ("ja", "120 × 34.1 × 225 cm"),
        ("", "120 × 34.1 × 225 cm"),
    ],
)
def test_a_size_has_the_units_and_the_decimal_sign_of_the_reader(locale: str, size: str) -> None:
    assert formats.size(1200, 340.5, 2250.0, locale=locale) == size


@pytest.mark.parametrize(
    ("millimetres", "centimetres"),
    [
        (2, "0.2"),
        (10, "1"),
        (10.4, "1"),
        (10.5, "1.1"),
        (999.94, "100"),
        (1000, "100"),
        (12345.6, "1234.6"),
    ],
)
def test_a_length_has_one_decimal_at_most(millimetres: float, centimetres: str) -> None:
    size = formats.size(millimetres, 10, 10, locale="en")
    assert size == f"{centimetres} × 1 × 1 cm"


@pytest.mark.parametrize("missing", [None, 0, 0.0, 0.4, -1, nan, inf, -inf])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_size_of_which_a_part_is_unknown_is_none(missing: float | None, place: int) -> None:
    lengths: list[float | None] = [1200, 340, 2250]
    lengths[place] = missing
    assert formats.size(*lengths, locale="de") is None


@given(
    st.lists(st.floats(min_value=2, max_value=100_000), min_size=3, max_size=3),
    st.sampled_from(["en", "de", "en-US"]),
)
def test_any_size_reads_back_as_what_it_was(lengths: list[float], locale: str) -> None:
    size = formats.size(*lengths, locale=locale)
    assert size is not None
    *numbers, unit = size.replace(" ×", "").split(" ")
    per_unit = {"cm": 10, "in": 25.4}[unit]
    for number, length in zip(numbers, lengths, strict=True):
        assert float(number.replace(",", ".")) == pytest.approx(length / per_unit, abs=0.0501)


@pytest.mark.parametrize(
    ("locale", "date"),
    [
        ("en", "7 Nov 2026, 14:05"),
        ("en-gb", "7 Nov 2026, 14:05"),
        ("en-US", "Nov 7, 2026, 2:05 PM"),
        ("de", "07.11.2026, 14:05"),
        ("de-at", "07.11.2026, 14:05"),
        ("fr", "07/11/2026, 14:05"),
        ("it", "07/11/2026, 14:05"),
        ("es", "07/11/2026, 14:05"),
        ("nl", "07-11-2026, 14:05"),
        ("pl", "2026-11-07 14:05"),
        ("zh-Hant", "2026-11-07 14:05"),
    ],
)
def test_a_date_has_the_form_of_the_reader(locale: str, date: str) -> None:
    assert formats.date(datetime(2026, 11, 7, 14, 5, 59, tzinfo=UTC), locale=locale) == date
