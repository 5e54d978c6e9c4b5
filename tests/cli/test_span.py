"""Spans of time as people type them."""

import click
import pytest

from tokenworks.cli.span import Span, span_s


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("5m", 300), ("2h", 7200), (" 30d ", 30 * 86400), ("2w", 14 * 86400)]
)
def test_spans(text: str, seconds: int) -> None:
    assert span_s(text) == seconds
    assert Span().convert(text, None, None) == seconds
    assert Span().convert(5.0, None, None) == 5.0


@pytest.mark.parametrize("text", ["", "5", "h", "-1h", "1.5h", "5 h", "5y", "9999999d"])
def test_what_is_none(text: str) -> None:
    assert span_s(text) is None
    with pytest.raises(click.BadParameter, match="such as 90m"):
        Span().convert(text, None, None)
