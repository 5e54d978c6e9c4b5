"""Dated and hourly prices: which row is in force, and when that may change."""

import itertools
from datetime import UTC, date, datetime, time, timedelta, timezone

import pytest

from tokenworks.catalog.schedule import PriceRow, Schedule, as_utc
from tokenworks.schema import Price


def price(name: str) -> Price:
    return Price(id=name, input_mtok=1, output_mtok=2)


PEAKS = Schedule(
    (
        PriceRow(price("off-peak")),
        PriceRow(price("raised"), start=date(2026, 9, 10)),
        PriceRow(price("morning"), daily=(time(1), time(4))),
        PriceRow(price("night"), daily=(time(22, 30), time(0, 30))),
    )
)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-09-09T23:59:59", "night"),
        ("2026-09-09T22:29:59", "off-peak"),
        ("2026-09-10T00:29:59", "night"),
        ("2026-09-10T00:30:00", "raised"),
        ("2026-09-10T01:00:00", "morning"),
        ("2026-09-10T03:59:59.999999", "morning"),
        ("2026-09-10T04:00:00", "raised"),
        ("2026-09-10T12:00:00+08:00", "raised"),  # 04:00 UTC
        ("2026-09-10T11:59:00+08:00", "morning"),  # 03:59 UTC
        ("2026-09-10T07:00:00+08:00", "night"),  # 23:00 UTC the day before
    ],
)
def test_the_last_row_that_applies_wins(at: str, expected: str) -> None:
    assert PEAKS.at(datetime.fromisoformat(at)).id == expected


def test_before_every_start_the_first_row_holds() -> None:
    rows = Schedule(
        (PriceRow(price("old"), start=date(2026, 1, 1)), PriceRow(price("new"), start=date(2026, 6, 1)))
    )
    assert rows.at(datetime(2025, 1, 1)).id == "old"
    assert rows.at(datetime(2026, 6, 1)).id == "new"


def test_every_change_over_two_days_is_announced() -> None:
    """Walking from announced change to announced change must see every price that a minute-wise walk sees."""
    begin = datetime(2026, 9, 9, tzinfo=UTC)
    end = begin + timedelta(days=2)
    minutes = [begin + timedelta(minutes=n) for n in range(2 * 24 * 60)]
    changes = {b for a, b in itertools.pairwise(minutes) if PEAKS.at(a).id != PEAKS.at(b).id}
    announced = set()
    moment = begin
    while (following := PEAKS.next_change(moment)) and following < end:
        assert following > moment
        announced.add(following)
        moment = following
    assert changes <= announced


def test_a_fixed_price_never_changes() -> None:
    assert Schedule.fixed(price("x")).next_change(datetime(2026, 1, 1)) is None


def test_past_starts_alone_never_change_again() -> None:
    rows = Schedule((PriceRow(price("a")), PriceRow(price("b"), start=date(2026, 3, 13))))
    assert rows.next_change(datetime(2026, 3, 12, 5, tzinfo=UTC)) == datetime(2026, 3, 13, tzinfo=UTC)
    assert rows.next_change(datetime(2026, 3, 13, tzinfo=UTC)) is None


def test_moments_without_zone_are_utc() -> None:
    assert as_utc(datetime(2026, 1, 1, 5)) == datetime(2026, 1, 1, 5, tzinfo=UTC)
    east = timezone(timedelta(hours=8))
    assert as_utc(datetime(2026, 1, 1, 5, tzinfo=east)) == datetime(2025, 12, 31, 21, tzinfo=UTC)
