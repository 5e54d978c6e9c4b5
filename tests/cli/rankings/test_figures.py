"""Figures as a terminal shows them."""

from typing import Any

import pytest

from tokenworks.cli.rankings.figures import points, tokens, written


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (950, "950"),
        (999, "999"),
        (999.6, "1.00K"),
        (8_700_000_000_000, "8.70T"),
        (1_210_000_000_000, "1.21T"),
        (900_000_000_000, "900B"),
        (99_960_000, "100M"),
        (12_345, "12.3K"),
        (999_600, "1.00M"),
        (123 * 10**12, "123T"),
    ],
)
def test_tokens_have_three_digits(number: float, text: str) -> None:
    assert tokens(number) == text


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (1.97, "change", "+197\xa0%"),
        (-0.2, "change", "−20\xa0%"),
        (0.61, "share", "61\xa0%"),
        (2, "rank_change", "▲2"),
        (-1, "rank_change", "▼1"),
        (0, "rank_change", "="),
        (None, "rank_change", "new"),
        (None, "rank", ""),
        (3, "rank", "3"),
        (None, "tokens", "-"),
        ("", "text", "-"),
        ("[bold]x", "text", "[bold]x"),
        (1234567, "count", "1,234,567"),
        (1.5, "usd", "$1.50"),
        (0.25, "usd_mtok", "$0.250000"),
        (0.034, "seconds", "34 ms"),
        (1.234, "seconds", "1.23 s"),
        (1234.56, "rate", "1,234.6/s"),
    ],
)
def test_each_kind_is_written_its_way(value: Any, kind: Any, text: str) -> None:
    assert written(value, kind) == text


def test_differences_of_shares_are_points() -> None:
    assert written(-0.155, "share", "share_difference") == points(-0.155) == "−15.5 pp"
    assert points(0.2) == "+20.0 pp"
