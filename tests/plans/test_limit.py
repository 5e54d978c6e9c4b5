from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tokenworks.ledger.limit_rows import UNITS
from tokenworks.plans.limit import (
    MAX_AMOUNT,
    parse,
    parse_budget,
    parse_limit,
    reset_window,
    show_budget,
    show_limit,
)
from tokenworks.schema import NANO_USD

USD = NANO_USD


@pytest.mark.parametrize(
    ("text", "amount", "window", "shown"),
    [
        ("20/month", 20 * USD, "month", "20/month"),
        ("$20/month", 20 * USD, "month", "20/month"),
        ("$20 / monthly", 20 * USD, "month", "20/month"),
        ("2/5h", 2 * USD, "5h", "2/5h"),
        ("100", 100 * USD, "lifetime", "100"),
        ("100/total", 100 * USD, "lifetime", "100"),
        ("0.50/day", USD // 2, "day", "0.5/day"),
        (".5/day", USD // 2, "day", "0.5/day"),
        ("$1.5k/year", 1500 * USD, "year", "1500/year"),
        ("0.1", USD // 10, "lifetime", "0.1"),
        ("0.000000001/hour", 1, "hour", "0.000000001/hour"),
        ("1.0000000000/day", USD, "day", "1/day"),
        ("0.3", 300_000_000, "lifetime", "0.3"),
        ("9000000000", MAX_AMOUNT, "lifetime", "9000000000"),
        ("  20/day ", 20 * USD, "day", "20/day"),
    ],
)
def test_budgets(text: str, amount: int, window: str, shown: str) -> None:
    assert parse_budget(text) == (amount, window)
    assert parse(text) == ("usd", amount, window)
    assert show_budget(amount, window) == shown


@pytest.mark.parametrize(
    ("text", "limit", "shown"),
    [
        ("60rpm", ("requests", 60, "1min"), "60rpm"),
        ("60 RPM", ("requests", 60, "1min"), "60rpm"),
        ("5rps", ("requests", 5, "1s"), "5rps"),
        ("100ktpm", ("tokens", 100_000, "1min"), "100ktpm"),
        ("100000tpm", ("tokens", 100_000, "1min"), "100ktpm"),
        ("50k itpm", ("input_tokens", 50_000, "1min"), "50kitpm"),
        ("8K otpm", ("output_tokens", 8000, "1min"), "8000otpm"),
        ("1000rpd", ("requests", 1000, "1d"), "1000rpd"),
        ("1.5Mtpd", ("tokens", 1_500_000, "1d"), "1.5Mtpd"),
        ("2Btph", ("tokens", 2 * 10**9, "1h"), "2Btph"),
        ("1050ktpm", ("tokens", 1_050_000, "1min"), "1.05Mtpm"),
        ("10 concurrent", ("concurrent", 10, "lifetime"), "10 concurrent"),
        ("10c", ("concurrent", 10, "lifetime"), "10 concurrent"),
        ("concurrent:4", ("concurrent", 4, "lifetime"), "4 concurrent"),
        ("requests:1000/day", ("requests", 1000, "day"), "requests:1000/day"),
        ("1000 requests/day", ("requests", 1000, "day"), "requests:1000/day"),
        ("Requests : 1000 / daily", ("requests", 1000, "day"), "requests:1000/day"),
        ("input_tokens:2M/5h", ("input_tokens", 2_000_000, "5h"), "input_tokens:2M/5h"),
        ("tokens:123456/week", ("tokens", 123_456, "week"), "tokens:123456/week"),
        ("tokens:5000", ("tokens", 5000, "lifetime"), "tokens:5000"),
        ("requests:60/60s", ("requests", 60, "60s"), "requests:60/60s"),
        ("usd:20/month", ("usd", 20 * USD, "month"), "$20/month"),
        ("$0.50/day", ("usd", USD // 2, "day"), "$0.5/day"),
        ("20 usd/month", ("usd", 20 * USD, "month"), "$20/month"),
    ],
)
def test_limits(text: str, limit: tuple[str, int, str], shown: str) -> None:
    assert parse_limit(text) == limit
    assert parse(text) == limit
    assert show_limit(*limit) == shown


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "amount is missing"),
        ("$", "amount is missing"),
        ("/month", "amount is missing"),
        ("0", "more than 0"),
        ("0.00/day", "more than 0"),
        ("-5/day", "20/month"),
        ("nan/day", "20/month"),
        ("inf", "20/month"),
        ("1e3/day", "20/month"),
        ("1,000/day", "20/month"),
        ("5m/day", "20/month"),  # milli or mega?
        ("٢٠/month", "20/month"),
        ("0.0000000001", "nine digits"),
        ("9000000000.000000001", "more than can be counted"),
        ("9" * 90, "more than can be counted"),
        ("9" * 5000, "longer than 100"),
        ("20/fortnight", "use minute, hour, day"),
        ("20/5m", "5min for minutes"),
        ("20/", "20/month"),
        ("20/day/week", "20/month"),
    ],
)
def test_bad_budgets_are_refused_in_one_line(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        parse_budget(text)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 250


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "say of what|60rpm"),
        ("100/day", r"say of what, as in requests:100/day or \$100/day"),
        ("0rpm", "more than 0"),
        ("rpm", "60rpm"),
        ("-60rpm", "60rpm"),
        ("nanrpm", "60rpm"),
        ("1.5rpm", "whole number"),
        ("60rpm/day", "60rpm"),
        ("60 rpx", "60rpm"),
        ("100mtpm", "60rpm"),  # milli or mega?
        ("requests:/day", "amount is missing"),
        ("requests:0/day", "more than 0"),
        ("requests:99999999999B/day", "more than can be counted"),
        ("requests:10/5m", "5min for minutes"),
        ("calls:10/day", "60rpm"),
        ("concurrent:4/day", "no window"),
        ("requests:1000:day", "60rpm"),
        ("rpm:60", "60rpm"),
        ("x" * 5000, "longer than 100"),
        ("60rpm\n60tpm", "60rpm"),
    ],
)
def test_bad_limits_are_refused_in_one_line(text: str, says: str) -> None:
    for read in (parse_limit, parse) if text not in ("", "100/day") else (parse_limit,):
        with pytest.raises(ValueError, match=says) as caught:
            read(text)
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 250


amounts = st.integers(1, MAX_AMOUNT) | st.integers(1, 10**9).map(lambda n: n * 10**9)
windows = st.sampled_from(["lifetime", "minute", "hour", "day", "week", "month", "year"]) | st.builds(
    lambda count, unit: f"{count}{unit}", st.integers(1, 500), st.sampled_from(["s", "min", "h", "d", "w"])
)


@given(amounts, windows)
def test_a_budget_shown_is_read_as_the_same(amount: int, window: str) -> None:
    text = show_budget(amount, window)
    assert parse_budget(text) == (amount, window)
    assert Decimal(text.split("/")[0]) == Decimal(amount) / USD
    assert "e" not in text.split("/")[0] and not text.startswith(".")


@given(st.sampled_from(UNITS), amounts, windows)
def test_a_limit_shown_is_read_as_the_same(unit: str, amount: int, window: str) -> None:
    window = "lifetime" if unit == "concurrent" else window
    assert parse_limit(show_limit(unit, amount, window)) == (unit, amount, window)
    assert parse(show_limit(unit, amount, window)) == (unit, amount, window)


@given(st.text(max_size=120) | st.text(alphabet="0123456789.$/:kKMB rptmdhconue_", max_size=20))
def test_any_text_is_read_or_refused_with_one_line(text: str) -> None:
    for read in (parse, parse_limit, parse_budget):
        try:
            found = read(text)
        except ValueError as error:
            assert len(str(error).splitlines()) == 1
        else:
            assert 0 < found[-2] <= MAX_AMOUNT


def test_reset_words_of_aggregators() -> None:
    assert [reset_window(word) for word in ("daily", "weekly", "monthly", None)] == [
        *("day", "week", "month"),
        "lifetime",
    ]
    with pytest.raises(ValueError, match="use daily, weekly, monthly or null"):
        reset_window("hourly")
