"""What counts as a time, a duration or an id, and what doesn't."""

import time

import pytest

from tokenworks.plans.loops.volatile import LONGEST, masked


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1 failed in 0.53s", "1 failed in 12.1s"),
        ("took 5 ms", "took 17 ms"),
        ("took 900us", "took 1.2s"),
        ("elapsed 2m 30s", "elapsed 1h 2m 3s"),
        ("ran 3 minutes ago", "ran 4 minutes ago"),
        ("at 2026-11-02T10:00:00Z: no", "at 2026-11-02T10:00:07.123+01:00: no"),
        ("2026-11-02 10:00 no", "2026-11-03 11:59 no"),
        ("[10:00:00] no", "[10:00:01.5] no"),
        ('{"at": 1793612345}', '{"at": 1793612399}'),
        ('{"at": 1793612345678}', '{"at": 1793612399000}'),
        ("id 6f1c2a34-aaaa-bbbb-cccc-0123456789ab", "id 6f1c2a35-aaaa-bbbb-cccc-0123456789ac"),
        ("<object at 0x7f12ab34>", "<object at 0x7f99ab3400>"),
        ("req_011CVabcDEF3456789 failed", "req_099XYZabcDEF345678 failed"),
    ],
)
def test_what_is_volatile_makes_no_difference(one: str, other: str) -> None:
    assert masked(one).text == masked(other).text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("progress 10%", "progress 11%"),
        ("3 failed, 7 passed", "2 failed, 8 passed"),
        ("main.c:12:34: error", "main.c:13:34: error"),
        ("aa:bb:10:12:34:56", "aa:bb:10:12:34:57"),
        ("due 2026-11-02", "due 2026-11-03"),
        ("price 60123.45", "price 60123.46"),
        ("test_http2_upgrade_is_refused", "test_http1_upgrade_is_refused"),
        ("order 1234567", "order 1234568"),
        ("5 seconded the motion of 3", "5 seconded the motion of 4"),
        ("v1.2.3", "v1.2.4"),
        ("commit 1a2b3c4", "commit 1a2b3c5"),
    ],
)
def test_other_numbers_do(one: str, other: str) -> None:
    assert masked(one).text != masked(other).text


@pytest.mark.parametrize(
    ("text", "lasted_s"),
    [
        ("nothing", 0),
        ("0.5s", 0.5),
        ("250 ms", 0.25),
        ("1h 2m 3s", 3723),
        ("90 mins", 5400),
        ("2 hours", 7200),
        ("3us and 4 ns", 3.004e-6),
        ("setup 1.5s, call 0.5s", 2),
    ],
)
def test_durations_are_added_up(text: str, lasted_s: float) -> None:
    assert masked(text).lasted_s == pytest.approx(lasted_s)


def test_a_very_long_text_is_left_as_it_is() -> None:
    assert masked("0.5s " * LONGEST).text == "0.5s " * LONGEST


@pytest.mark.parametrize(
    "unit",
    ["1m ", "1h", "12:", "a1b2", "1", "aaaaaaaaaaaaaaaaaaa ", "0x", "deadbeef-", "2026-11-02T", "1d2 "],
)
def test_no_text_takes_long(unit: str) -> None:
    start = time.process_time()
    masked((unit * LONGEST)[:LONGEST])
    assert time.process_time() - start < 0.2  # some ms; what grows with the square takes seconds
