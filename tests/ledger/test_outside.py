"""Rows of usage counted elsewhere."""

import msgspec
import pytest

from tokenworks.ledger.outside import OutsideRow


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
