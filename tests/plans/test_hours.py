import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenworks.plans.hours import DAYS, Hours

US = 1_000_000


def at(text: str) -> int:
    """Unix µs."""
    return int(datetime.fromisoformat(text).timestamp()) * US


# 2025-06-02 is a Monday
@pytest.mark.parametrize(
    ("span", "inside", "outside"),
    [
        (
            "Mon-Fri 09:00-18:00",
            ["06-02T09:00", "06-06T17:59"],
            ["06-02T08:59", "06-02T18:00", "06-07T12:00"],
        ),
        ("Sat,Sun", ["06-07T00:00", "06-08T23:59"], ["06-06T23:59", "06-09T00:00"]),
        ("Fri-Mon", ["06-06T00:00", "06-08T12:00", "06-09T23:59"], ["06-05T23:59", "06-10T00:00"]),
        ("Mon,Wed-Thu 9-17", ["06-02T09:00", "06-05T16:59"], ["06-03T12:00", "06-02T17:00"]),
        ("22:00-06:00", ["06-02T22:00", "06-03T05:59", "06-02T00:00"], ["06-02T21:59", "06-03T06:00"]),
        ("Fri 22:00-06:00", ["06-06T22:00", "06-07T05:59"], ["06-06T05:59", "06-07T22:00"]),
        ("Sun 22:00-06:00", ["06-08T23:59", "06-09T05:59", "06-02T01:00"], ["06-08T01:00", "06-09T06:00"]),
        ("22:00-00:00", ["06-02T22:00", "06-02T23:59"], ["06-03T00:00"]),
        ("22:00-24:00", ["06-02T22:00", "06-02T23:59"], ["06-03T00:00"]),
        ("00:00-24:00", ["06-02T00:00", "06-08T23:59"], []),
        ("Tue 00:00-24:00", ["06-03T00:00", "06-03T23:59"], ["06-02T23:59", "06-04T00:00"]),
        ("  mon - fri   09:00 - 18:00 ", ["06-02T09:00"], ["06-02T18:00"]),
        ("MON 12:30-12:31", ["06-02T12:30"], ["06-02T12:29", "06-02T12:31"]),
    ],
)
def test_spans(span: str, inside: list[str], outside: list[str]) -> None:
    for zone, offset in (("UTC", "+00:00"), ("Asia/Kathmandu", "+05:45")):
        hours = Hours((span,), zone)
        assert [t for t in inside if not hours.allows(at(f"2025-{t}{offset}"))] == []
        assert [t for t in outside if hours.allows(at(f"2025-{t}{offset}"))] == []


def test_several_spans_are_all_open_and_none_means_always() -> None:
    hours = Hours(("Mon-Fri 09:00-12:00", "Mon-Fri 13:00-18:00"))
    assert hours.allows(at("2025-06-02T11:59Z")) and hours.allows(at("2025-06-02T13:00Z"))
    assert not hours.allows(at("2025-06-02T12:30Z"))
    assert hours.until_us(at("2025-06-02T09:30Z")) == at("2025-06-02T12:00Z")
    always = Hours(())
    assert always.allows(0) and always.opens_us(5) == 5 and always.until_us(5) > 6 * 86_400 * US


@pytest.mark.parametrize(
    "span",
    (
        *("", "Mo-Fr", "weekdays", "09:00", "9am-5pm", "09:60-10:00", "25:00-26:00", "24:30-01:00"),
        *("12:00-12:00", "24:00-06:00", "Mon 09:00-18:00 Tue", "Mon-", "-Fri", "Mon Tue"),
        *("09:00-18:00 Mon", "Mon,,Tue", "x" * 500),
    ),
)
def test_what_is_no_span_is_refused_in_one_line(span: str) -> None:
    with pytest.raises(ValueError, match=r"hours '.*(Mon-Fri 09:00-18:00|24:00)") as caught:
        Hours(("Mon", span))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 160


def test_an_unknown_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="such as Europe/Berlin"):
        Hours(("Mon",), "Berlin")


@pytest.mark.parametrize(
    ("span", "zone", "now", "opens"),
    [
        ("Mon-Fri 09:00-18:00", "Europe/Berlin", "2025-03-28T20:00+01:00", "2025-03-31T09:00+02:00"),
        ("Mon-Fri 09:00-18:00", "Europe/Berlin", "2025-10-24T20:00+02:00", "2025-10-27T09:00+01:00"),
        # clocks go from 02:00 to 03:00: what began in between opens at the jump if it is not over by then
        ("02:30-04:00", "Europe/Berlin", "2025-03-30T00:00+01:00", "2025-03-30T03:00+02:00"),
        ("Sun 02:15-02:45", "Europe/Berlin", "2025-03-30T00:00+01:00", "2025-04-06T02:15+02:00"),
        # clocks show 02:00 to 03:00 twice: open both times
        ("Sun 02:15-02:45", "Europe/Berlin", "2025-10-26T02:50+02:00", "2025-10-26T02:15+01:00"),
        # there was no Friday
        ("Fri", "Pacific/Apia", "2011-12-28T12:00-10:00", "2012-01-06T00:00+14:00"),
        ("Sat", "Pacific/Apia", "2011-12-29T12:00-10:00", "2011-12-31T00:00+14:00"),
        ("Sun 00:00-00:30", "America/Sao_Paulo", "2018-11-03T12:00-03:00", "2018-11-11T00:00-02:00"),
    ],
)
def test_when_it_opens_next_across_changes_of_clocks(span: str, zone: str, now: str, opens: str) -> None:
    hours = Hours((span,), zone)
    assert not hours.allows(at(now))
    assert hours.opens_us(at(now)) == at(opens)
    assert hours.allows(at(opens)) and not hours.allows(at(opens) - 1)


ZONES = ["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu"]
CHANGES = ["2025-03-30", "2025-10-26", "2006-10-29", "2024-04-06", "2024-10-05", "2011-12-30", "2025-06-04"]
times = st.integers(0, 1440).map(lambda m: f"{m // 60:02d}:{m % 60:02d}")
days = st.lists(st.sampled_from(DAYS), min_size=1, max_size=3).map(",".join)
spans = st.builds(
    lambda d, a, b, whole: d if whole else f"{d} {a}-{b}", days, times, times, st.booleans()
).filter(lambda s: len(s.split()) == 1 or (s.split()[1][:5] not in (s.split()[1][6:], "24:00")))


def shown(span: str, local: datetime) -> bool:
    """The same question to a clock, answered span by span without a table of minutes."""
    names, _, clock = span.partition(" ")
    begin, end = clock.split("-") if clock else ("00:00", "24:00")
    today, yesterday = DAYS[local.weekday()], DAYS[(local - timedelta(days=1)).weekday()]
    now = local.strftime("%H:%M")
    if begin < end:
        return today in names.split(",") and begin <= now < end
    return (today in names.split(",") and begin <= now) or (yesterday in names.split(",") and now < end)


@settings(max_examples=60)
@given(
    st.lists(spans, min_size=1, max_size=3), st.sampled_from(ZONES), st.sampled_from(CHANGES), st.randoms()
)
def test_answers_are_what_a_clock_shows_and_hold_exactly_until_they_change(
    some: list[str], zone: str, day: str, rng: random.Random
) -> None:
    place, hours = ZoneInfo(zone), Hours(tuple(some), zone)

    def clock(time_us: int) -> bool:
        naive = datetime.fromtimestamp(time_us // US, UTC).astimezone(place).replace(tzinfo=None)
        return any(shown(span, naive) for span in some)

    middle = at(f"{day}T00:00Z")
    for _ in range(5):
        now_us = middle + rng.randint(-3 * 86_400 * US, 3 * 86_400 * US)
        fresh = Hours(tuple(some), zone)
        is_open, until_us = fresh.allows(now_us), fresh.until_us(now_us)
        assert is_open == hours.allows(now_us) == clock(now_us)
        assert until_us == hours.until_us(now_us) > now_us
        # until then, or for six hours, it shows the same
        last = until_us - 1
        seconds = range(now_us, min(last, now_us + 6 * 3600 * US), 300 * US)
        assert all(clock(t) == is_open for t in (*seconds, last))
        assert clock(until_us) != is_open or until_us - now_us > 6 * 86_400 * US
        opens_us = hours.opens_us(now_us)
        assert clock(opens_us)
        assert opens_us == now_us if is_open else not clock(opens_us - 1)


def test_asking_again_until_then_asks_no_clock() -> None:
    hours, now_us = Hours(("Mon-Fri 09:00-18:00",), "Europe/Berlin"), at("2025-06-02T10:00Z")
    until_us = hours.until_us(now_us)
    assert until_us == at("2025-06-02T16:00Z")
    hours._zone = None  # type: ignore[assignment]  # no clock to ask
    assert hours.allows(until_us - 1) and hours.until_us(now_us + 1) == until_us
