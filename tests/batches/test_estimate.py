"""Tokens, dollars and hours of a job, computed by hand."""

from __future__ import annotations

import pytest

from tokenworks.batches.estimate import (
    ESCALATED,
    RETRIED,
    SLOWEST,
    UNSURE,
    card,
    estimate,
    largest_tokens,
)
from tokenworks.batches.rates import Chosen, Rates, Speed
from tokenworks.batches.recipes.recipe import Part, Skipped, Split
from tokenworks.catalog.tariff import Tariff
from tokenworks.schema import Price

SPEED = Speed(slow_ttft_s=2, fast_ttft_s=1, slow_rate=10, fast_rate=100, measured=True)
CHEAP = Rates("me/cheap", Price("c", 1, 2), Price("c", 1, 2), SPEED)
DEAR = Rates("me/dear", Price("d", 10, 20), Price("d", 10, 20), SPEED)


def split(count: int, lanes: int, tokens: int = 1000) -> Split:
    parts = [Part(f"{n:05}", f"lane {n % lanes}", {}, 2 * tokens, tokens) for n in range(count)]
    return Split(tuple(parts), {}, (Skipped("x.pdf", "no text"),))


def test_one_model_from_right_at_once_to_with_retries() -> None:
    found = estimate(split(100, 100), Chosen(CHEAP, CHEAP), at_once=32)
    assert (found.parts, found.lanes, found.input_tokens, found.output_tokens) == (100, 100, 200_000, 100_000)
    assert found.tokens == 300_000
    assert found.low_usd == pytest.approx(0.4 * (1 - UNSURE))
    assert found.high_usd == pytest.approx(0.4 * (1 + RETRIED) * (1 + UNSURE))
    assert found.low_hours == pytest.approx(100 * 11 / 32 / 3600 * (1 - UNSURE))
    assert found.high_hours == pytest.approx(100 * 102 / SLOWEST / 3600 * (1 + RETRIED) * (1 + UNSURE))


def test_auto_from_the_cheap_model_to_the_dear_one_and_what_fails_to_the_strong() -> None:
    found = estimate(split(100, 100), Chosen(CHEAP, DEAR, DEAR))
    assert found.low_usd == pytest.approx(0.4 * (1 - UNSURE))
    assert found.high_usd == pytest.approx((4 * (1 + RETRIED) + 4 * ESCALATED) * (1 + UNSURE))
    assert (found.cheap, found.dear, found.strong) == ("me/cheap", "me/dear", "me/dear")


def test_a_lane_takes_its_parts_one_after_the_other() -> None:
    found = estimate(split(100, 1), Chosen(CHEAP, CHEAP))
    assert found.low_hours == pytest.approx(100 * 11 / 3600 * (1 - UNSURE))


def test_what_runs_here_has_its_slots() -> None:
    here = Rates("me/here", Price("h", 0, 0), Price("h", 0, 0), SPEED, slots=2)
    found = estimate(split(100, 100), Chosen(here, here))
    assert (found.low_usd, found.high_usd) == (0, 0)
    assert found.low_hours == pytest.approx(100 * 11 / 2 / 3600 * (1 - UNSURE))


def test_without_a_price_there_is_no_sum() -> None:
    unknown = Rates("me/unknown", None, None, SPEED)
    found = estimate(split(2, 2), Chosen(unknown, unknown))
    assert (found.low_usd, found.high_usd) == (None, None)
    assert estimate(split(2, 2), Chosen(CHEAP, CHEAP, unknown)).high_usd is None


def test_nothing_to_do_comes_to_nothing() -> None:
    found = estimate(Split((), {}), Chosen(CHEAP, DEAR))
    assert (found.parts, found.tokens, found.low_usd, found.high_usd, found.high_hours) == (0, 0, 0, 0, 0)


def test_a_model_needs_room_for_the_largest_part() -> None:
    assert largest_tokens(split(3, 1)) == 3000
    assert largest_tokens(Split((), {})) == 0


def test_the_card_is_rounded_to_what_it_is_worth() -> None:
    shown = card(estimate(split(7, 1, 333), Chosen(CHEAP, CHEAP)))
    assert shown["low_usd"] == 0.00746  # 7 parts of 666 and 333 tokens, less a fifth
    assert shown["skipped"] == [{"file": "x.pdf", "reason": "no text"}]
    assert shown["strong_model"] is None and shown["speed_measured"] is True


def test_both_prices_where_the_hour_matters() -> None:
    low, high = Price(id="l", input_mtok=1, output_mtok=2), Price(id="h", input_mtok=2, output_mtok=4)
    tariff = Tariff("me/cheap", ((990, 1470),), low, high)
    found = estimate(split(100, 100), Chosen(CHEAP, CHEAP, None, tariff))
    assert found.off_peak is not None and found.off_peak.hours == "16:30-00:30"
    assert (found.off_peak.low_usd, found.off_peak.high_usd) == (pytest.approx(0.4), pytest.approx(0.8))
    assert card(found)["off_peak"] == {"hours_utc": "16:30-00:30", "usd": 0.4, "peak_usd": 0.8}
    assert card(estimate(split(1, 1), Chosen(CHEAP, CHEAP)))["off_peak"] is None
