"""Figures as people read them."""

from datetime import date
from typing import Any

import pytest

from tokenworks.rankings import figures


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, ""),
        (0, "0"),
        (999, "999"),
        (1_000, "1K"),
        (1_234, "1.23K"),
        (12_345, "12.3K"),
        (999_499, "999K"),
        (999_600, "1M"),
        (348_800_000_000, "349B"),
        (740_000_000_000, "740B"),
        (999_999_999_999, "1T"),
        (1_210_000_000_000, "1.21T"),
        (2_450_000_000_000, "2.45T"),
        (8_700_000_000_000, "8.7T"),
        (9_996_000_000_000, "10T"),
        (205 * 10**12, "205T"),
        (9_800 * 10**12, "9,800T"),
        (12.4, "12"),
    ],
)
def test_tokens(count: Any, text: str) -> None:
    assert figures.tokens(count) == text


def test_shares_and_changes_keep_together() -> None:
    shown = [figures.share(each).replace("\u00a0", "_") for each in (0.6092, 0.004, 0.0995, 1.0, 0.0)]
    assert shown == ["61_%", "0.4_%", "10_%", "100_%", "0_%"]
    assert figures.share(None) == ""
    shown = [
        figures.change(each).replace("\u00a0", "_") for each in (1.9701, -0.2, 1.58, 0.001, -0.004, 12.5)
    ]
    assert shown == ["+197_%", "\u221220_%", "+158_%", "0_%", "0_%", "+1,250_%"]
    assert figures.change(None) == "new"


def test_moves_have_a_sign_that_is_no_colour() -> None:
    assert [figures.move(each) for each in (2, -1, 0, None)] == ["▲2", "▼1", "=", "new"]


def test_small_numbers_are_words() -> None:
    assert [figures.word(each) for each in (1, 10, 11, 1200)] == ["one", "ten", "11", "1,200"]


@pytest.mark.parametrize(
    ("first", "after", "text"),
    [
        (date(2026, 2, 16), date(2026, 2, 23), "16 to 22 February 2026"),
        (date(2026, 2, 23), date(2026, 3, 2), "23 February to 1 March 2026"),
        (date(2025, 12, 29), date(2026, 1, 5), "29 December 2025 to 4 January 2026"),
        (date(2026, 2, 16), date(2026, 2, 17), "16 February 2026"),
    ],
)
def test_days(first: date, after: date, text: str) -> None:
    assert figures.days(first, after) == text


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (figures.energy(12.345), "12.3 kWh"),
        (figures.energy(0.9996), "1 kWh"),
        (figures.energy(0.00456), "4.56 Wh"),
        (figures.energy(8.7e-7), "0.87 mWh"),
        (figures.energy(123_456.0), "123 MWh"),
        (figures.energy(0.0), "0 mWh"),
        (figures.energy(None), ""),
        (figures.carbon(1234.5), "1.23 kg"),
        (figures.carbon(0.0051), "5.1 mg"),
        (figures.joules(0.35), "350 mJ"),
        (figures.joules(2e-6), "2 µJ"),
    ],
)
def test_physical_units_are_chosen_so_that_three_digits_tell(written: str, text: str) -> None:
    assert written.replace("\u00a0", " ") == text
