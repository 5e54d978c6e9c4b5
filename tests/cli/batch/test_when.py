"""Moments as people type them."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import click
import pytest

from tokenworks.cli.batch.when import When


def test_a_moment_a_zone_and_a_span() -> None:
    when = When()
    utc = datetime(2026, 11, 27, 8, tzinfo=UTC)
    assert when.convert("2026-11-27T08:00Z", None, None) == utc.timestamp() * 1e6
    assert when.convert("2026-11-27T09:00+01:00", None, None) == utc.timestamp() * 1e6
    here = datetime(2026, 11, 27, 8).astimezone()
    assert when.convert("2026-11-27T08:00", None, None) == here.timestamp() * 1e6
    ahead = when.convert("8h", None, None) - time.time_ns() // 1000
    assert 8 * 3600e6 - 5e6 < ahead <= 8 * 3600e6
    assert when.convert(7, None, None) == 7


@pytest.mark.parametrize("text", ["tomorrow", "", "2026-13-01", "8 hours"])
def test_what_is_none(text: str) -> None:
    with pytest.raises(click.BadParameter, match="give one such as 2026-11-27T08:00, or 8h from now"):
        When().convert(text, None, None)
