"""Cells: numbers exactly, dates that exist, names that are names."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenworks.ledger.outside import MAX_TOKENS
from tokenworks.rankings.importing import cells
from tokenworks.rankings.periods import day_number

MONDAY = day_number(date(2026, 2, 16))


@pytest.mark.parametrize(
    ("written", "tokens"),
    [
        ("0", 0),
        ("007", 7),
        (12, 12),
        (2.45e12, 2_450_000_000_000),
        ("8.7T", 8_700_000_000_000),
        ("2.45t", 2_450_000_000_000),
        ("530B", 530_000_000_000),
        ("1.5 K", 1_500),
        ("3M", 3_000_000),
        ("1,234,567", 1_234_567),
        ("1 234 567", 1_234_567),
        ("1\u202f234", 1_234),
        ("1_000", 1_000),
        ("2.45E+12", 2_450_000_000_000),
        ("12.000", 12),
        (" +5 ", 5),
        ("1,234.5K", 1_234_500),
        (str(MAX_TOKENS), MAX_TOKENS),
        ("-0", 0),
    ],
)
def test_an_amount(written: Any, tokens: int) -> None:
    assert cells.amount(written, "tokens") == tokens


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("abc", "'abc' is no number of tokens"),
        ("", "the number of tokens is missing"),
        ("  ", "the number of tokens is missing"),
        ("-5", "'-5' is negative"),
        ("\u22125", "is negative"),
        (-5, "-5 is negative"),
        ("1.5", "'1.5' is no whole number of tokens"),
        ("1.2345K", "no whole number"),
        (1.5, "1.5 is no number of tokens"),
        (float("inf"), "inf is no number"),
        (True, "True is no number"),
        (None, "None is no number"),
        ([1], "is no number"),
        ("8,7T", "'8,7T' is no number"),
        ("12,34", "is no number"),
        ("1,2345", "is no number"),
        ("1.234.567", "is no number"),
        ("1e99", "is too large"),
        ("11000T", "too large; 10,000,000,000,000,000 tokens is the most"),
        (MAX_TOKENS + 1, "too large"),
        ("9" * 61, "is no number"),
        ("٣", "is no number"),
        ("0x10", "is no number"),
        ("NaN", "is no number"),
        ("8.7Q", "is no number"),
        ("8.7TT", "is no number"),
    ],
)
def test_no_amount(written: Any, told: str) -> None:
    with pytest.raises(ValueError, match=r"\S") as caught:
        cells.amount(written, "tokens")
    assert told in str(caught.value)


@given(st.integers(0, MAX_TOKENS))
def test_an_amount_comes_back_however_it_is_grouped(tokens: int) -> None:
    assert cells.amount(f"{tokens:,}", "tokens") == tokens
    assert cells.amount(f"{tokens:_}", "tokens") == tokens
    assert cells.amount(f"{tokens // 1000}.{tokens % 1000:03}K", "tokens") == tokens


@given(st.text())
def test_any_text_is_a_number_or_refused(text: str) -> None:
    try:
        assert 0 <= cells.amount(text, "tokens") <= MAX_TOKENS
    except ValueError as error:
        assert str(error).isprintable()


@pytest.mark.parametrize(
    ("written", "unit", "span", "day"),
    [
        ("2026-02-16", None, "day", MONDAY),
        ("2026-W08", None, "week", MONDAY),
        ("2026-w08", "week", "week", MONDAY),
        ("2026-02-16", "week", "week", MONDAY),
        ("2026-02", None, "month", MONDAY - 15),
        ("2026-02-01", "month", "month", MONDAY - 15),
        ("2026-02-16T00:00:00.000Z", None, "day", MONDAY),
        ("2026-02-16 00:00:00", "week", "week", MONDAY),
        (" 2026-02-16 ", None, "day", MONDAY),
        ("2024-02-29", None, "day", day_number(date(2024, 2, 29))),
    ],
)
def test_a_date(written: str, unit: Any, span: str, day: int) -> None:
    assert cells.when(written, unit) == (span, day)


@pytest.mark.parametrize(
    ("written", "unit", "told"),
    [
        ("", None, "'' is no date"),
        (20260216, None, "is no date"),
        (None, None, "is no date"),
        ("2026-02-30", None, "2026-02 has 28 days"),
        ("2026-13-01", None, "months are 01 to 12"),
        ("2026-W54", None, "2026 has 53 weeks"),
        ("2026-W00", None, "2026 has 53 weeks"),
        ("16.02.2026", None, "is no day; write it like 2026-02-20"),
        ("2026-02-16T12:00", None, "is no day"),
        ("2026-02-17", "week", "2026-02-17 is no Monday"),
        ("2026-02-17", "month", "not the first of a month"),
        ("2026-02", "week", "is a month, not a week"),
        ("2026-W08", "month", "is a week, not a month"),
        ("2026-W08", "day", "is a week, not a day"),
        ("1926-02-16", None, "years are 2000"),
    ],
)
def test_no_date(written: Any, unit: Any, told: str) -> None:
    with pytest.raises(ValueError, match=r"\S") as caught:
        cells.when(written, unit)
    assert told in str(caught.value)


def test_what_has_not_begun() -> None:
    today = date(2026, 2, 16)
    cells.not_after(MONDAY + 1, today)
    with pytest.raises(ValueError, match="not begun yet: today is 2026-02-16"):
        cells.not_after(MONDAY + 2, today)


def test_the_name_of_a_model() -> None:
    assert cells.model(" acme/fast ") == "acme/fast"
    assert cells.model("acme/fast", "free") == "acme/fast:free"
    assert cells.model("acme/fast", "standard") == "acme/fast"
    assert cells.model("acme/fast:free", "free") == "acme/fast:free"
    for wrong in ("", "  ", "a" * 201, "a\x07b", "a\u202eb", "a\nb", 5, None, ["a"]):
        with pytest.raises(ValueError, match=r"\S"):
            cells.model(wrong)
    with pytest.raises(ValueError, match="no variant"):
        cells.model("acme/fast", 5)


def test_yes_and_no() -> None:
    assert [cells.flag(each) for each in ("true", "YES", 1, True, "y")] == [True] * 5
    assert [cells.flag(each) for each in ("false", "No", 0, False, "", None)] == [False] * 6
    for wrong in ("maybe", 2, 1.0, [True]):
        with pytest.raises(ValueError, match="neither true nor false"):
            cells.flag(wrong)


def test_what_an_error_repeats_is_short_and_plain() -> None:
    assert cells.shown("a\n\x1b[31m") == r"'a\n\x1b[31m'"
    assert len(cells.shown("x" * 5000)) < 60
    assert len(cells.shown(list(range(5000)))) < 60


def test_nothing_told() -> None:
    assert cells.is_empty(None) and cells.is_empty(" ")
    assert not cells.is_empty(0) and not cells.is_empty(False)
