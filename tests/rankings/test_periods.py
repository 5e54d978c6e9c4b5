"""Days, weeks and months by their labels, in any time zone."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenworks.errors import BadRequest
from tokenworks.ledger.rollups import DAY_US, HOUR_US
from tokenworks.rankings.periods import UNITS, Period, days_of, label_of, period


def us(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


NOW = us("2026-11-26T10:30")


def made(text: str, unit: str = "week", zone: str = "UTC", now_us: int = NOW) -> Period:
    return period(text, unit, zone, now_us, None)


@pytest.mark.parametrize(
    ("label", "unit", "zone", "since", "until"),
    [
        ("2026-W08", "week", "UTC", "2026-02-16T00:00", "2026-02-23T00:00"),
        ("2026-W08", "week", "Asia/Shanghai", "2026-02-15T16:00", "2026-02-22T16:00"),
        ("2026-W01", "week", "UTC", "2025-12-29T00:00", "2026-01-05T00:00"),  # begins in the year before
        ("2020-W53", "week", "UTC", "2020-12-28T00:00", "2021-01-04T00:00"),
        ("2026-02-20", "day", "Asia/Kolkata", "2026-02-19T18:30", "2026-02-20T18:30"),
        ("2024-02", "month", "UTC", "2024-02-01T00:00", "2024-03-01T00:00"),
        ("2025-12", "month", "America/New_York", "2025-12-01T05:00", "2026-01-01T05:00"),
        ("2026-03-29", "day", "Europe/Berlin", "2026-03-28T23:00", "2026-03-29T22:00"),  # 23 hours
        ("2026-10-25", "day", "Europe/Berlin", "2026-10-24T22:00", "2026-10-25T23:00"),  # 25 hours
        ("2018-11-04", "day", "America/Sao_Paulo", "2018-11-04T03:00", "2018-11-05T02:00"),  # has no midnight
        ("2011-12-30", "day", "Pacific/Apia", "2011-12-30T10:00", "2011-12-30T10:00"),  # never was there
    ],
)
def test_where_periods_begin_and_end(label: str, unit: str, zone: str, since: str, until: str) -> None:
    found = made(label, unit, zone)
    assert (found.label, found.since_us, found.until_us) == (label, us(since), us(until))
    assert found.complete and found.cut_us == found.until_us


@pytest.mark.parametrize(
    ("label", "unit", "before"),
    [
        ("2021-W01", "week", "2020-W53"),
        ("2026-01", "month", "2025-12"),
        ("2024-03-01", "day", "2024-02-29"),
        ("2000-01-01", "day", "1999-12-31"),
    ],
)
def test_the_one_before(label: str, unit: str, before: str) -> None:
    found = made(label, unit).before()
    assert (found.label, found.until_us, found.complete) == (before, made(label, unit).since_us, True)


def test_while_it_runs_whole_hours_are_compared() -> None:
    week = made("2026-W48")  # since Monday the 23rd; 3 days and 10.5 hours of it are over
    assert (week.complete, week.until_us) == (False, us("2026-11-30T00:00"))
    assert week.cut().until_us == us("2026-11-26T10:00")
    assert week.before().until_us == us("2026-11-19T10:00")
    assert week.cut(DAY_US).until_us == us("2026-11-26T00:00")
    assert week.cut(DAY_US).before().until_us == us("2026-11-19T00:00")
    assert made("2026-W47").cut() == made("2026-W47")


def test_a_month_is_never_compared_with_more_than_the_one_before_has() -> None:
    march = made("2026-03", "month", now_us=us("2026-03-30T12:00"))
    assert march.before().until_us == us("2026-03-01T00:00")  # February has 28 days


def test_just_begun_nothing_can_be_compared() -> None:
    day = made("2026-11-26", "day", now_us=us("2026-11-26T00:20"))
    assert day.cut().until_us == day.since_us


def test_latest_is_the_newest_with_anything_in_it() -> None:
    newest = us("2026-11-12T00:00") // DAY_US
    assert period("latest", "week", "UTC", NOW, newest).label == "2026-W46"
    assert period("latest", "month", "UTC", NOW, None).label == "2026-11"
    assert period("latest", "day", "Asia/Tokyo", us("2026-11-26T20:00"), NOW // DAY_US).label == "2026-11-27"
    assert period("latest", "day", "Asia/Tokyo", us("2026-11-29T20:00"), NOW // DAY_US).label == "2026-11-27"


def test_the_same_label_elsewhere() -> None:
    here = made("2026-W08", zone="Asia/Shanghai")
    assert here.of_zone("UTC", NOW) == made("2026-W08")
    assert here.of_zone("Asia/Shanghai", NOW) is here


@pytest.mark.parametrize(
    ("text", "unit", "fix"),
    [
        ("2026-W61", "week", "2026-W61: 2026 has 53 weeks"),
        ("2025-W53", "week", "2025-W53: 2025 has 52 weeks"),
        ("2026-W00", "week", "2026 has 53 weeks"),
        ("2026-W8", "week", "'2026-W8' is no week; write it like 2026-W08, or latest for the newest"),
        ("2026-02-20", "week", "write it like 2026-W08"),
        ("２０２６-W08", "week", "write it like 2026-W08"),
        ("2026-W08\n", "week", "write it like 2026-W08"),
        ("2026-02-30", "day", "2026-02-30: 2026-02 has 28 days"),
        ("2026-13", "month", "months are 01 to 12"),
        ("2026-13-01", "day", "months are 01 to 12"),
        ("0000-W01", "week", "years are 2000 to"),
        ("2026-W49", "week", "2026-W49 has not begun; ask for 2026-W48"),
        ("9998-12", "month", "has not begun"),
        ("x" * 500, "day", "xxx..."),
        ("", "month", "write it like 2026-02"),
    ],
)
def test_what_is_no_period_names_the_fix(text: str, unit: str, fix: str) -> None:
    with pytest.raises(BadRequest) as error:
        made(text, unit)
    assert fix in error.value.message and len(error.value.message) < 200


@pytest.mark.parametrize("zone", ["Mars/Base", "", "../etc/passwd", "America", "UTC\0", "x" * 300])
def test_no_time_zone(zone: str) -> None:
    with pytest.raises(BadRequest, match="IANA name such as"):
        made("latest", zone=zone)


def test_no_unit() -> None:
    with pytest.raises(BadRequest, match="unit must be one of day, week, month"):
        made("latest", "year")


@given(
    st.datetimes(datetime(2000, 2, 1), datetime(2026, 10, 30)),
    st.sampled_from(UNITS),
    st.sampled_from(["UTC", "Asia/Shanghai", "Asia/Kolkata", "Europe/Berlin", "America/St_Johns"]),
)
def test_every_moment_is_in_the_period_of_its_label_and_in_no_other(
    moment: datetime, unit: str, zone: str
) -> None:
    now_us = round(moment.replace(tzinfo=UTC).timestamp()) * 1_000_000
    found = period("latest", unit, zone, now_us, None)
    assert found.since_us <= now_us < found.until_us
    assert found.since_us <= found.cut_us <= now_us and (found.cut_us - found.since_us) % HOUR_US == 0
    again = period(found.label, unit, zone, NOW, None)
    assert (again.since_us, again.until_us, again.complete) == (found.since_us, found.until_us, True)
    assert again.before().until_us == again.since_us
    assert label_of(again.day, unit) == found.label
    assert label_of(again.day - timedelta(days=1), unit) == again.before().label


def test_days_that_a_span_touches() -> None:
    assert days_of(5, DAY_US) == (0, 1)
    assert days_of(DAY_US, DAY_US + 1) == (1, 2)
