"""Rows of usage counted elsewhere."""

from typing import Any

import msgspec
import pytest

from tokenworks.ledger.outside import OutsideRow, touched


def test_what_is_not_told_is_nothing() -> None:
    row = OutsideRow("hearsay", 20_500, "week", "acme/fast", tokens=7)
    assert (row.input_tokens, row.output_tokens, row.requests, row.filled) == (0, 0, 0, False)
    with pytest.raises(AttributeError):
        row.tokens = 8  # type: ignore[misc]


def test_a_span_is_one_of_three() -> None:
    row = {"source": "s", "day": 1, "span": "month", "model": "m"}
    assert msgspec.convert(row, OutsideRow).span == "month"
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**row, "span": "year"}, OutsideRow)


def test_what_rows_touch() -> None:
    spans: list[tuple[Any, int]] = [("week", 9), ("day", 9), ("week", 9), ("day", 7)]
    rows = [OutsideRow("s", day, span, model) for span, day in spans for model in ("a", "b")]
    assert touched(rows) == [("day", 7), ("day", 9), ("week", 9)]
    assert touched([]) == []
