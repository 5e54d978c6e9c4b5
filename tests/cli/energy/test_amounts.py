"""Numbers as people read them."""

import pytest

from tokenworks.cli.energy.amounts import count, digits, dollars, seconds


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.0000955701, "0.0000956"),
        (1e-9, "0.000000001"),
        (0.1, "0.1"),
        (2.349, "2.35"),
        (99.96, "100"),
        (743.2, "743"),
        (12345.6, "12,346"),
        (-2.5, "-2.5"),
        (float("inf"), "inf"),
    ],
)
def test_three_digits(value: float, text: str) -> None:
    assert digits(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "$0.00"),
        (0.1, "$0.10"),
        (0.0834, "$0.0834"),
        (2.3, "$2.30"),
        (1234.5, "$1,234.50"),
        (0.999, "$0.999"),
    ],
)
def test_dollars(value: float, text: str) -> None:
    assert dollars(value) == text


def test_seconds_and_counts() -> None:
    assert (seconds(0.0259), seconds(26.54), seconds(1200)) == ("25.9 ms", "26.5 s", "1,200 s")
    assert (count(4.25), count(365), count(12345.6)) == ("4.25", "365", "12,346")
