"""Spans begin where days, weeks and months of UTC do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from tokenworks.api.answer import micros
from tokenworks.api.spending import spans, spending


def us(*date: int) -> int:
    return micros(datetime(*date, tzinfo=UTC))  # type: ignore[misc]


def test_spans_of_an_ordinary_day() -> None:
    assert spans(datetime(2026, 11, 26, 10, 30, tzinfo=UTC)) == {  # a Thursday
        "usage": None,
        "usage_daily": us(2026, 11, 26),
        "usage_weekly": us(2026, 11, 23),
        "usage_monthly": us(2026, 11, 1),
    }


def test_a_week_may_have_begun_before_its_month_and_year() -> None:
    found = spans(datetime(2027, 1, 1, 0, 0, tzinfo=UTC))
    assert found["usage_weekly"] == us(2026, 12, 28)
    assert found["usage_monthly"] == found["usage_daily"] == us(2027, 1, 1)
    monday = spans(datetime(2026, 11, 23, 0, 0, tzinfo=UTC))
    assert monday["usage_weekly"] == monday["usage_daily"]


def test_days_are_those_of_utc() -> None:
    east = datetime(2026, 11, 26, 1, 0, tzinfo=timezone(timedelta(hours=9)))
    assert spans(east)["usage_daily"] == us(2026, 11, 25)


def test_each_span_is_asked_for_once() -> None:
    now = datetime(2026, 11, 26, 10, 30, tzinfo=UTC)
    sums = {None: 4_000_000_000, us(2026, 11, 26): 1_000_000_000, us(2026, 11, 23): 2_000_000_000}
    found = spending(lambda since_us: sums.get(since_us, 3_000_000_000), now)
    assert found == {
        "usage": 4.0,
        "usage_daily": 1.0,
        "usage_weekly": 2.0,
        "usage_monthly": 3.0,
        "byok_usage": 0.0,
        "byok_usage_daily": 0.0,
        "byok_usage_weekly": 0.0,
        "byok_usage_monthly": 0.0,
    }
