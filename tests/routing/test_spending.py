"""What an answer takes: measured means, and what stands in where little was measured."""

import pytest

from tokenworks.ledger.decided import LearntRow
from tokenworks.routing.spending import DEFAULT, Spendings
from tokenworks.schema import Price

TODAY = 20_000


def row(task: str, model: str, calls: int, out: float, *, day: int = TODAY, **each: float) -> LearntRow:
    """``calls`` calls of ``out`` output tokens each."""
    tokens = [each.get("tokens_in", 1000), each.get("cached", 0), out, each.get("reasoning", 0)]
    return LearntRow(day, task, model, 0, 0, calls, *[int(n * calls) for n in tokens], 0)


def test_nothing_measured_is_the_default() -> None:
    found = Spendings([], TODAY).expect("code", "a/x")
    assert (found.input_tokens, found.output_tokens, found.reasoning_tokens) == (DEFAULT[0], DEFAULT[2], 0)
    assert (found.cache_share, found.calls) == (0, 0)


def test_much_measured_is_what_was_measured() -> None:
    rows = [row("code", "a/x", 5000, 700, cached=400, reasoning=300), row("chat", "a/x", 5000, 50)]
    found = Spendings(rows, TODAY).expect("code", "a/x")
    assert found.output_tokens == pytest.approx(700, rel=0.02)
    assert found.reasoning_tokens == pytest.approx(300, rel=0.03)
    assert found.cache_share == pytest.approx(0.4, rel=0.03)
    assert found.calls == 5000


def test_a_model_that_was_not_seen_at_a_task_is_taken_as_it_is_elsewhere_times_the_task() -> None:
    """b writes thrice as much as a; code takes ten times as much as chat."""
    rows = [row("chat", "a", 1000, 60), row("code", "a", 1000, 600), row("chat", "b", 1000, 180)]
    spendings = Spendings(rows, TODAY)
    unseen = spendings.expect("code", "b").output_tokens
    assert spendings.expect("chat", "b").output_tokens == pytest.approx(180, rel=0.05)
    assert unseen > 1.5 * spendings.expect("chat", "b").output_tokens
    assert spendings.expect("code", "new").output_tokens > spendings.expect("chat", "new").output_tokens


def test_few_calls_move_it_a_little_and_many_all_the_way() -> None:
    base = [row("code", "a", 500, 400), row("chat", "b", 500, 400)]
    found = [
        Spendings([*base, row("code", "b", calls, 4000)], TODAY).expect("code", "b").output_tokens
        for calls in (0, 1, 20, 400)
    ]
    assert found == sorted(found)
    assert found[1] < 0.35 * 4000 and found[3] > 0.9 * 4000


def test_old_calls_fade() -> None:
    rows = [row("code", "a", 1000, 100, day=TODAY - 140), row("code", "a", 1000, 900)]
    assert Spendings(rows, TODAY).expect("code", "a").output_tokens > 850


def test_senseless_counts_stay_within_sense() -> None:
    odd = LearntRow(TODAY, "code", "a", 0, 0, 1000, 10, 10**12, 5, 10**12, 0)
    found = Spendings([odd, row("x", "a", 0, 5)], TODAY).expect("code", "a")
    assert 0 <= found.cache_share <= 1
    assert found.reasoning_tokens <= found.output_tokens


def test_it_makes_a_usage_that_a_price_can_take() -> None:
    spendings = Spendings([row("code", "a", 10_000, 500, cached=600, reasoning=100)], TODAY)
    usage = spendings.expect("code", "a").usage(10_000)
    assert usage.input_tokens == 10_000
    assert usage.cache_read_tokens == pytest.approx(6000, rel=0.02)
    assert usage.output_tokens == pytest.approx(500, rel=0.02)
    warm = spendings.expect("code", "a").usage(10_000, cached=50_000)
    assert (warm.uncached_input_tokens, warm.cache_read_tokens) == (0, 10_000)
    price = Price("p", 1.0, 2.0, cache_read_mtok=0.1)
    assert price.cost_nano_usd(warm) < price.cost_nano_usd(usage)
