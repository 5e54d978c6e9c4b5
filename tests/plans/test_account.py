"""One account: its number is the same everywhere, its bucket turns with the window."""

from __future__ import annotations

import pytest

from tokenworks.plans.account import FOREVER, Account, Kind, account_id, kind_of
from tokenworks.plans.window import parse

DAY_US = 86_400_000_000
NOW_US = 1_800_000_000_000_000  # 2027-01-15 08:00 UTC


def account(unit: str = "requests", cap: int = 100, window: str = "day") -> Account:
    return Account("l_1", "k_1", "key", "test", unit, kind_of(unit, strict=False), cap, parse(window))


def test_the_number_of_an_account_is_the_same_everywhere() -> None:
    """It stands in stores and journals: it must never change."""
    assert account_id("l_1", "k_1") == 2_004_511_790_609_458_836
    assert account_id("l_1", "k_1") == account().id
    numbers = {account_id(f"l_{a}", f"k_{b}") for a in range(100) for b in range(100)}
    assert len(numbers) == 10_000 and all(0 < number < 2**63 for number in numbers)
    assert account_id("l_1", "1") != account_id("l_11", "")


@pytest.mark.parametrize(
    ("unit", "plain", "strict"),
    [
        ("usd", Kind.USD, Kind.MOST_USD),
        ("requests", Kind.REQUESTS, Kind.REQUESTS),
        ("input_tokens", Kind.INPUT_TOKENS, Kind.MOST_INPUT_TOKENS),
        ("output_tokens", Kind.OUTPUT_TOKENS, Kind.MOST_OUTPUT_TOKENS),
        ("tokens", Kind.TOKENS, Kind.MOST_TOKENS),
        ("concurrent", Kind.CONCURRENT, Kind.CONCURRENT),
        ("credits", Kind.CREDITS, Kind.CREDITS),
    ],
)
def test_how_a_unit_is_counted(unit: str, plain: Kind, strict: Kind) -> None:
    assert (kind_of(unit, strict=False), kind_of(unit, strict=True)) == (plain, strict)
    assert type(kind_of(unit, strict=True)) is int


def test_the_bucket_turns_exactly_with_the_window() -> None:
    one = account()
    one.roll(NOW_US)
    midnight_us = one.ends_us
    assert one.bucket * 1_000_000 <= NOW_US < midnight_us and midnight_us % DAY_US == 0
    one.roll(midnight_us - 1)
    assert one.ends_us == midnight_us
    one.roll(midnight_us)
    assert one.bucket == midnight_us // 1_000_000 and one.ends_us == midnight_us + DAY_US
    assert one.since(midnight_us - 1) < one.since(midnight_us) == one.bucket


def test_what_was_told_of_the_last_bucket_is_not_true_of_the_next() -> None:
    one = account()
    one.roll(NOW_US)
    one.told_us, one.dry_until_us, one.spent, one.oldest, one.free = NOW_US, NOW_US + 9, 100, one.bucket, 0
    assert one.left == 0
    one.roll(one.ends_us)
    assert one.told_us == one.dry_until_us == 0
    assert one.left == 100  # a new day


def test_the_first_bucket_forgets_nothing() -> None:
    one = account()
    one.dry_until_us = one.told_us = NOW_US
    one.roll(NOW_US)
    assert one.dry_until_us == one.told_us == NOW_US


def test_what_is_under_way_has_no_bucket_and_is_never_spent() -> None:
    one = account("concurrent", 3, "lifetime")
    one.roll(NOW_US)
    assert (one.bucket, one.ends_us) == (0, FOREVER)
    assert one.since(NOW_US) == FOREVER
    assert one.frees_us(NOW_US) == NOW_US + 1_000_000


@pytest.mark.parametrize(
    ("spent", "leased", "free", "left"),
    [
        (0, 0, 0, 100),
        (10, 20, 20, 90),  # all that is leased is ours
        (10, 60, 20, 50),
        (90, 20, -10, 0),
        (0, 0, -10, 100),
        (0, 50, 200, 100),  # never more than the limit
    ],
)
def test_what_is_left(spent: int, leased: int, free: int, left: int) -> None:
    one = account()
    one.spent, one.leased, one.free = spent, leased, free
    assert one.left == left


def test_when_more_is_to_be_had() -> None:
    rolling = account(window="60min")
    rolling.roll(NOW_US)
    bucket_s = rolling.bucket
    assert rolling.frees_us(NOW_US) == (bucket_s + 60 + 3600) * 1_000_000
    rolling.oldest = bucket_s - 600
    assert rolling.frees_us(NOW_US) == (bucket_s - 600 + 60 + 3600) * 1_000_000
    daily = account()
    daily.roll(NOW_US)
    assert daily.frees_us(NOW_US) == daily.ends_us
