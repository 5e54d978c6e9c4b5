"""Figures as people read them."""

from __future__ import annotations

import pytest

from tokenworks.console import formats


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (8_700_000_000_000, "8.7T"),
        (2_450_000_000_000, "2.45T"),
        (999_499, "999K"),
        (999_500, "1M"),
        (1_000, "1K"),
        (999, "999"),
        (12.34, "12.3"),
        (0, "0"),
        (-2500, "-2.5K"),
        (None, "–"),
    ],
)
def test_tokens_have_three_figures(value: float | None, text: str) -> None:
    assert formats.tokens(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "$0"),
        (1234.5, "$1,234.50"),
        (1, "$1.00"),
        (0.999, "$1.00"),
        (0.5, "$0.50"),
        (0.0123, "$0.0123"),
        (0.000001, "$0.000001"),
        (0.00000123456, "$0.00000123"),
        (-3.25, "-$3.25"),
        (1e-10, "<$0.000000001"),
        (None, "–"),
    ],
)
def test_dollars_keep_what_matters(value: float | None, text: str) -> None:
    assert formats.usd(value) == text


def test_nano_dollars_are_the_ledgers() -> None:
    assert formats.nano_usd(1_500_000_000) == "$1.50"
    assert formats.nano_usd(None) == "–"


def test_other_figures() -> None:
    assert formats.number(1234567) == "1,234,567"
    assert formats.number(1.25, 1) == "1.2"
    assert formats.number(None) == "–"
    assert formats.percent(0.613) == "61.3 %"
    assert formats.percent(1.97, 0) == "197 %"
    assert formats.percent(None) == "–"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.25, "250 ms"),
        (1.5, "1.5 s"),
        (59.9, "59.9 s"),
        (95, "1 min 35 s"),
        (3661, "1 h 1 min"),
        (None, "–"),
    ],
)
def test_seconds(value: float | None, text: str) -> None:
    assert formats.seconds(value) == text


def test_moments_are_in_the_zone() -> None:
    at = 1_790_000_000_000_000
    assert formats.moment(at) == "2026-09-21 14:13:20"
    assert formats.moment(at, "Asia/Shanghai", short=True) == "2026-09-21 22:13"
    assert formats.moment(None) == "–"
    assert formats.iso(at) == "2026-09-21T14:13:20Z"
