"""Windows against an oracle that never asks for a window's start: it walks the time and watches the clock."""

import math
import random
import zoneinfo
from bisect import bisect_right
from collections import defaultdict, deque
from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenworks.plans import window as windows
from tokenworks.plans.window import CALENDAR, MAX_SPAN_S, NEVER_US, parse

US = 1_000_000
# (zone, edge): days around which clocks change or a month, year or ISO week ends
EDGES = (
    ("UTC", "2023-02-28"),
    ("UTC", "2024-02-29"),
    ("UTC", "2100-02-28"),
    ("UTC", "2024-12-30"),
    ("UTC", "2027-01-01"),
    ("America/New_York", "2025-03-09"),
    ("America/New_York", "2025-11-02"),
    ("America/New_York", "2026-01-01"),
    ("America/Sao_Paulo", "2018-11-04"),  # no midnight
    ("America/Sao_Paulo", "2018-02-18"),  # the hour before midnight twice
    ("America/Havana", "2024-03-10"),
    ("America/Havana", "2024-11-03"),  # midnight twice
    ("America/St_Johns", "2006-10-29"),  # put back at 00:01, into the day before
    ("America/St_Johns", "2006-04-02"),
    ("America/St_Johns", "2010-11-07"),
    ("Asia/Beirut", "2024-03-31"),  # no midnight
    ("Asia/Beirut", "2024-10-27"),
    ("Asia/Kathmandu", "2025-04-30"),
    ("Asia/Kolkata", "2024-03-01"),
    ("Asia/Pyongyang", "2018-05-05"),  # half an hour forward at 23:30
    ("Australia/Lord_Howe", "2024-04-07"),  # by half an hour
    ("Australia/Lord_Howe", "2024-10-06"),
    ("Europe/Berlin", "2025-03-30"),
    ("Europe/Berlin", "2025-10-26"),
    ("Europe/Berlin", "2026-06-01"),
    ("Europe/London", "2024-03-31"),  # a month's last day of 23 hours
    ("Antarctica/Casey", "2020-10-04"),  # three hours forward at 00:01
    ("Pacific/Apia", "2011-12-30"),  # a date that never was
    ("Pacific/Chatham", "2025-04-06"),
    ("America/Nuuk", "2024-03-30"),
    ("Africa/Monrovia", "1972-01-07"),  # until then 44 minutes and 30 seconds behind
)
REQUESTS = 10_000


# --- the oracle


def label(unit: str, shown: date) -> tuple[int, ...]:
    """Which period of the calendar a date is in; grows with time."""
    year, week, _ = shown.isocalendar()
    return {
        "day": (shown.toordinal(),),
        "week": (year, week),
        "month": (shown.year, shown.month),
        "year": (shown.year,),
    }[unit]


def walk_dates(zone: str, unit: str, low_s: int, high_s: int) -> Iterator[int]:
    """The seconds with which days, weeks, months or years begin: a date of it is shown for the first time.

    In strides, and again in small steps where one crossed a beginning: clocks put back over it may have
    shown the new date shortly in the stride before.
    """
    place, stride_s, step_s = ZoneInfo(zone), 6 * 3600, 30  # all clocks here change at multiples of 30 s
    low_s -= low_s % step_s

    def shown(at_s: int) -> tuple[int, ...]:
        return label(unit, datetime.fromtimestamp(at_s, place).date())

    latest = shown(low_s)
    for stride in range(low_s + stride_s, high_s, stride_s):
        if shown(stride) > latest:
            for at_s in range(stride - 2 * stride_s, stride + 1, step_s):
                if shown(at_s) > latest:
                    latest = shown(at_s)
                    yield at_s


def walk_clock(zone: str, size_s: int, low_s: int, high_s: int) -> Iterator[int]:
    """The seconds with which hours or minutes (``size_s``) begin: the clock shows a full one.

    Or it leaves its steady run: where it is changed by a part of an hour, that hour is another one.
    """
    place = ZoneInfo(zone)
    before = -1
    for at_s in range(low_s, high_s):
        shown = datetime.fromtimestamp(at_s, place)
        into = (shown.hour * 3600 + shown.minute * 60 + shown.second) % size_s
        if into == 0 or (before >= 0 and into != before + 1):
            yield at_s
        before = into


@cache
def begins(zone: str, edge: str, unit: str) -> tuple[int, ...]:
    """The beginnings of periods around the local midnight of ``edge``, several before and after it."""
    midnight = datetime.fromisoformat(edge).replace(tzinfo=UTC)
    offset = midnight.astimezone(ZoneInfo(zone)).utcoffset()
    assert offset is not None
    middle = int((midnight - offset).timestamp())
    if unit in ("hour", "minute"):
        size_s, before_h = (3600, 3) if unit == "hour" else (60, 1)
        return tuple(walk_clock(zone, size_s, middle - before_h * 3600 - 1, middle + 5 * 3600))
    around_s = {"day": 4, "week": 16, "month": 64, "year": 800}[unit] * 86_400
    return tuple(walk_dates(zone, unit, middle - around_s, middle + around_s))


def times_around(rng: random.Random, edges: tuple[int, ...], count: int) -> list[int]:
    """Unix µs, sorted, in the whole periods of ``edges``.

    Most stand at a beginning, a µs beside it or within two seconds, the rest within an hour or anywhere.
    ``edges`` near the
    middle come more often: there clocks change.
    """
    times: list[int] = []
    while len(times) < count:
        mark_us = edges[min(max(round(rng.gauss(len(edges) / 2, 3)), 0), len(edges) - 1)] * US
        beside = rng.randint(-2 * US, 2 * US)
        near = rng.randint(-3600 * US, 3600 * US)
        anywhere = rng.randint(edges[0] * US, edges[-1] * US)
        now_us = rng.choice((mark_us, mark_us - 1, mark_us + 1, mark_us + beside, mark_us + near, anywhere))
        if edges[0] * US <= now_us < edges[-1] * US:
            times.append(now_us)
    return sorted(times)


def test_ten_thousand_requests_around_edges_count_in_their_period_exactly() -> None:
    rng = random.Random(4)
    cases = [(zone, edge, unit) for zone, edge in EDGES for unit in CALENDAR]
    each = math.ceil(REQUESTS / len(cases))
    done = 0
    for zone, edge, unit in cases:
        edges, window = begins(zone, edge, unit), parse(unit, zone)
        assert len(edges) >= 3, f"the oracle saw too few of {unit} around {edge} in {zone}"
        spent: dict[int, int] = defaultdict(int)
        history: list[tuple[int, int]] = []
        for now_us in times_around(rng, edges, each):
            at = bisect_right(edges, now_us // US) - 1
            begin, end = edges[at], edges[at + 1]
            where = f"{unit} in {zone} at {now_us}"
            assert window.bucket(now_us) == (begin, end * US), where
            assert parse.__wrapped__(unit, zone).bucket(now_us) == (begin, end * US), f"asked first: {where}"
            amount = rng.randint(1, 1000)
            spent[window.bucket(now_us)[0]] += amount
            history.append((now_us, amount))
            counted = sum(a for bucket, a in spent.items() if bucket >= window.since(now_us))
            assert counted == sum(a for t, a in history if begin * US <= t), where
            assert window.frees_us(begin, now_us) == end * US, where
            assert window.frees_us(edges[0], now_us) == edges[1] * US, where
            done += 1
    assert done >= REQUESTS


@pytest.mark.parametrize("text", ["1s", "30s", "1min", "90min", "5h", "1d", "7d", "2w"])
def test_rolling_windows_count_no_shorter_than_asked_and_exactly_as_said(text: str) -> None:
    window, rng = parse(text), random.Random(text)
    span_us = window.span_s * US
    part_us = max(1, window.span_s // 60) * US
    history: list[int] = []
    now_us = 1_700_000_000 * US + rng.randint(0, span_us)
    for _ in range(REQUESTS // 8):
        oldest = rng.choice(history[-20:] or [now_us])
        leaves_us = oldest // part_us * part_us + part_us + span_us  # when it stops counting
        jump = rng.choice((leaves_us, leaves_us - 1, leaves_us + rng.randint(-2 * US, 2 * US), 0))
        now_us = max(now_us + rng.randint(0, span_us // 20), min(jump, now_us + span_us // 3))
        since = window.since(now_us)
        buckets = [window.bucket(t)[0] for t in history]
        counted = sum(1 for bucket in buckets if bucket >= since)
        assert counted == sum(1 for t in history if t // part_us * part_us + part_us + span_us > now_us)
        for t, bucket in zip(history, buckets, strict=True):
            assert (bucket >= since) == (now_us < window.frees_us(bucket, now_us))
            if now_us < t + span_us:
                assert bucket >= since, "stopped counting too early"
            if now_us >= t + span_us + part_us:
                assert bucket < since, "counted too long"
        history.append(now_us)
        history = history[-200:]


@pytest.mark.parametrize("text", ["1s", "45s", "1min", "5h", "7d"])
def test_no_true_window_holds_more_than_a_rolling_limit(text: str) -> None:
    window, rng, limit = parse(text), random.Random(1), 10
    span_us = window.span_s * US
    spent: dict[int, int] = defaultdict(int)
    admitted: deque[int] = deque()
    now_us, count = 1_700_000_000 * US, 0
    for _ in range(REQUESTS // 5):
        now_us += rng.randint(0, span_us // 12)
        since = window.since(now_us)
        if sum(a for bucket, a in spent.items() if bucket >= since) < limit:
            spent[window.bucket(now_us)[0]] += 1
            admitted.append(now_us)
            count += 1
        while admitted and admitted[0] <= now_us - span_us:
            admitted.popleft()
        assert len(admitted) <= limit
    # all but what the coarseness of buckets costs is let through
    assert (
        count
        >= (now_us - 1_700_000_000 * US) / (span_us + 2 * max(1, window.span_s // 60) * US) * limit * 0.8
    )


# --- what every window keeps to

NAMES = sorted(CALENDAR)
instants = st.integers(min_value=0, max_value=5_000_000_000 * US)  # up to 2128
changes = st.sampled_from(EDGES).flatmap(
    lambda e: st.integers(-2 * 86_400 * US, 2 * 86_400 * US).map(
        lambda d: int(datetime.fromisoformat(e[1]).replace(tzinfo=UTC).timestamp()) * US + d
    )
)
some_window = st.builds(
    parse,
    st.sampled_from(NAMES) | st.sampled_from(["lifetime", "30s", "1min", "90min", "5h", "7d", "2w"]),
    st.sampled_from(sorted({zone for zone, _ in EDGES})),
)


@given(some_window, instants | changes)
def test_a_bucket_holds_its_time_and_ends_where_the_next_begins(window: windows.Window, now_us: int) -> None:
    bucket, ends_us = window.bucket(now_us)
    assert bucket * US <= now_us < ends_us
    assert window.bucket(bucket * US) == (bucket, ends_us)
    if window.kind == "lifetime":
        assert (bucket, ends_us) == (0, NEVER_US)
        return
    assert window.bucket(ends_us - 1) == (bucket, ends_us)
    assert window.bucket(ends_us)[0] * US == ends_us
    assert window.since(now_us) <= bucket
    assert window.frees_us(bucket, now_us) >= max(ends_us, now_us + window.span_s * US)


@given(some_window, instants | changes, instants | changes)
def test_time_never_goes_back(window: windows.Window, one_us: int, other_us: int) -> None:
    early, late = sorted((one_us, other_us))
    assert window.bucket(early) <= window.bucket(late)
    assert window.since(early) <= window.since(late)
    bucket = window.bucket(early)[0]
    assert (bucket >= window.since(late)) == (late < window.frees_us(bucket, late))


# --- dates worth reading


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


@pytest.mark.parametrize(
    ("unit", "zone", "now", "begin", "hours"),
    [
        ("day", "Europe/Berlin", "2025-03-30T12:00Z", "2025-03-29T23:00Z", 23),
        ("day", "Europe/Berlin", "2025-10-26T12:00Z", "2025-10-25T22:00Z", 25),
        ("day", "America/Sao_Paulo", "2018-11-04T03:00Z", "2018-11-04T03:00Z", 23),  # began at 01:00
        ("day", "Asia/Beirut", "2024-03-31T12:00Z", "2024-03-30T22:00Z", 23),
        ("day", "America/Havana", "2024-11-03T04:30Z", "2024-11-03T04:00Z", 25),  # midnight twice
        ("day", "America/Havana", "2024-11-03T05:30Z", "2024-11-03T04:00Z", 25),
        # one minute of Sunday, then an hour of Saturday again: Sunday has begun
        ("day", "America/St_Johns", "2006-10-29T03:00Z", "2006-10-29T02:30Z", 25),
        ("day", "Pacific/Apia", "2011-12-30T09:59Z", "2011-12-29T10:00Z", 24),
        ("day", "Pacific/Apia", "2011-12-30T10:00Z", "2011-12-30T10:00Z", 24),  # Saturday after Thursday
        ("day", "Asia/Kolkata", "2024-03-01T00:00Z", "2024-02-29T18:30Z", 24),
        ("hour", "Asia/Kolkata", "2024-03-01T00:10Z", "2024-02-29T23:30Z", 1),
        ("hour", "Europe/Berlin", "2025-10-26T00:10Z", "2025-10-26T00:00Z", 1),  # 02:10, and
        ("hour", "Europe/Berlin", "2025-10-26T01:10Z", "2025-10-26T01:00Z", 1),  # 02:10 again
        ("hour", "Australia/Lord_Howe", "2024-04-06T14:40Z", "2024-04-06T14:00Z", 1),
        ("hour", "Australia/Lord_Howe", "2024-04-06T15:10Z", "2024-04-06T15:00Z", 0.5),  # 01:40 again
        ("week", "UTC", "2024-12-31T00:00Z", "2024-12-30T00:00Z", 168),
        ("week", "UTC", "2027-01-01T00:00Z", "2026-12-28T00:00Z", 168),  # the 53rd of 2026
        ("week", "Europe/Berlin", "2025-03-30T12:00Z", "2025-03-23T23:00Z", 167),
        ("month", "UTC", "2024-02-29T23:59Z", "2024-02-01T00:00Z", 29 * 24),
        ("month", "UTC", "2100-02-28T23:59Z", "2100-02-01T00:00Z", 28 * 24),
        ("month", "Europe/London", "2024-03-31T12:00Z", "2024-03-01T00:00Z", 31 * 24 - 1),
        ("year", "UTC", "2024-12-31T23:59Z", "2024-01-01T00:00Z", 366 * 24),
        ("year", "America/New_York", "2026-01-01T04:59Z", "2025-01-01T05:00Z", 365 * 24),
    ],
)
def test_remarkable_dates(unit: str, zone: str, now: str, begin: str, hours: float) -> None:
    bucket, ends_us = parse(unit, zone).bucket(at(now) * US)
    assert (bucket, (ends_us // US - bucket) / 3600) == (at(begin), hours)


def test_a_midnight_inside_a_jump_is_where_the_clock_jumps() -> None:
    """Clocks went from 23:30 to 00:30: no zone did so since 1970, but one did in 1919."""
    toronto = ZoneInfo("America/Toronto")
    midnight = windows.reached_s(toronto, datetime(1919, 3, 31))
    before, after = (datetime.fromtimestamp(midnight + d, toronto) for d in (-1, 0))
    assert (before.strftime("%d %H:%M:%S"), after.strftime("%d %H:%M:%S")) == ("30 23:29:59", "31 00:30:00")


# --- how a window is written


@pytest.mark.parametrize(
    ("text", "canonical", "kind", "span_s"),
    [
        ("", "lifetime", "lifetime", 0),
        ("total", "lifetime", "lifetime", 0),
        ("once", "lifetime", "lifetime", 0),
        ("daily", "day", "calendar", 0),
        ("Hourly", "hour", "calendar", 0),
        ("weekly", "week", "calendar", 0),
        (" monthly ", "month", "calendar", 0),
        ("yearly", "year", "calendar", 0),
        ("minute", "minute", "calendar", 0),
        ("30s", "30s", "rolling", 30),
        ("1min", "1min", "rolling", 60),
        ("090 MIN", "90min", "rolling", 5400),
        ("5h", "5h", "rolling", 18_000),
        ("7d", "7d", "rolling", 604_800),
        ("2w", "2w", "rolling", 1_209_600),
        ("3660d", "3660d", "rolling", MAX_SPAN_S),
    ],
)
def test_forms(text: str, canonical: str, kind: str, span_s: int) -> None:
    window = parse(text, "Europe/Berlin")
    assert (window.text, window.kind, window.span_s) == (canonical, kind, span_s)
    assert window.timezone == "Europe/Berlin"
    again = parse(window.text, "Europe/Berlin")
    assert (again.text, again.kind, again.span_s) == (canonical, kind, span_s)
    assert parse(text, "Europe/Berlin") is window


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("5m", "write 5min for minutes, or month"),
        ("fortnight", "use minute, hour, day"),
        ("0h", "30s, 90min, 5h"),
        ("-1h", "30s, 90min, 5h"),
        ("1.5h", "90min"),
        ("3661d", "10 years"),
        ("9" * 100 + "d", "10 years"),
        ("5h\n", None),  # space around is nothing
        ("٥h", "5h"),
    ],
)
def test_bad_forms_are_refused_in_one_line(text: str, says: str | None) -> None:
    if says is None:
        assert parse(text).text == "5h"
        return
    with pytest.raises(ValueError, match=says) as caught:
        parse(text)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 250


@pytest.mark.parametrize(
    "name", ["Mars/Olympus", "", "Europe", "../etc/passwd", "zone.tab", "\0", "\ud800", "x" * 999]
)
def test_unknown_time_zones_are_refused_in_one_line(name: str) -> None:
    for text in ("day", "5h"):
        with pytest.raises(ValueError, match="use an IANA name such as Europe/Berlin") as caught:
            parse(text, name)
        assert "\n" not in str(caught.value)


def test_without_time_zone_data_utc_works_and_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nowhere(name: str) -> ZoneInfo:
        raise zoneinfo.ZoneInfoNotFoundError(name)

    monkeypatch.setattr(windows, "ZoneInfo", nowhere)
    monkeypatch.setattr(windows, "available_timezones", lambda: set())
    assert windows.zone("UTC") is UTC
    with pytest.raises(ValueError, match="has no time zone data; install tzdata"):
        windows.zone("Europe/Paris")


def test_asking_again_within_a_period_asks_no_calendar() -> None:
    window, now_us = parse("month", "Asia/Kathmandu"), 1_750_000_000 * US
    first = window.bucket(now_us)
    assert all(window.bucket(now_us + i) is first for i in range(1000))
