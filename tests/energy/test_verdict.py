"""Who sells under cost: the band of the planner's error decides what may be said."""

import pytest

from tokenworks.energy.posted import Posted
from tokenworks.energy.verdict import Cost, Verdict, cheapest, judge, summary

COST = Cost(
    name="8 x Some GPU in US",
    input_usd=0.5,
    cached_usd=0.05,
    output_usd=2.0,
    uncached_tokens=1_000_000,
    cached_tokens=2_000_000,
    output_tokens=500_000,
    low=0.8,
    high=1.5,
)  # a request costs 0.5 + 0.1 + 1.0 = 1.6


def asks(factor: float, provider: str = "shop") -> Posted:
    return Posted("a/b", provider, "b", 0.5 * factor, 0.05 * factor, 2.0 * factor)


def test_a_request_costs_its_tokens() -> None:
    assert COST.request_usd == pytest.approx(1.6)


@pytest.mark.parametrize(
    ("factor", "kind"),
    [(0.5, "under"), (0.79, "under"), (0.81, "unclear"), (1.0, "unclear"), (1.49, "unclear"), (1.51, "over")],
)
def test_only_what_is_outside_the_band_is_told_apart(factor: float, kind: str) -> None:
    found = judge(COST, asks(factor))
    assert (found.kind, found.ratio) == (kind, pytest.approx(factor))
    assert found.posted_usd == pytest.approx(1.6 * factor) and found.cost_usd == pytest.approx(1.6)


def test_the_mix_of_tokens_decides_and_not_the_price_of_output() -> None:
    dear_input = Posted("a/b", "shop", "b", input_mtok=3.0, cached_mtok=0.1, output_mtok=0.1)
    assert judge(COST, dear_input).kind == "over"


def test_sentences_say_the_prices_and_the_ratio() -> None:
    assert judge(COST, asks(0.5)).sentence == (
        "shop asks $0.25 in, $0.025 cached, $1 out per million: 50% of the cost, below all of its error band "
        "(0.80 to 1.50)."
    )
    assert "1.0 times the cost, within its error band" in judge(COST, asks(1)).sentence
    assert judge(COST, asks(12)).sentence.endswith("12 times the cost.")


def verdicts(*sold: Posted) -> list[Verdict]:
    return [judge(COST, each) for each in sold]


def test_one_sentence_on_all_sellers() -> None:
    both = verdicts(asks(0.5, "cheap"), asks(0.6, "cheaper"), asks(3, "dear"))
    assert summary("b", both) == (
        "cheap and cheaper sell b under what it costs on 8 x Some GPU in US: by a better deployment, cheaper "
        "hardware, or at a loss."
    )
    assert summary("b", verdicts(asks(0.5, "cheap"))).startswith("cheap sells b under")
    assert summary("b", verdicts(asks(1.1, "near"), asks(3))).startswith("near asks about what b costs")
    assert summary("b", verdicts(asks(4), asks(3))) == (
        "Nobody sells b under what it costs on 8 x Some GPU in US: the cheapest asks 3.0 times as much."
    )


def test_the_cheapest_deployment_is_that_of_the_whole_request() -> None:
    cheap_output = Cost("x", 9.0, 9.0, 0.1, 1_000_000, 0, 1000)
    cheap_input = Cost("y", 0.1, 0.1, 9.0, 1_000_000, 0, 1000)
    assert cheapest([cheap_output, cheap_input]) is cheap_input


def test_what_costs_nothing_is_no_error() -> None:
    free = Cost("own power", 0.0, 0.0, 0.0, 1000, 0, 1000)
    assert judge(free, asks(1)).kind == "over"
