"""What is charged, and what is not."""

from __future__ import annotations

import pytest

from tokenworks.energy.attribution import MEASURED, PLANNED, Rate, Rates
from tokenworks.gateway.settling import estimate, fill, power
from tokenworks.ledger.record import Record
from tokenworks.schema import Price, Usage

PRICE = Price("p", input_mtok=1.0, output_mtok=2.0, cache_read_mtok=0.1, cache_write_mtok=1.25)
USED = Usage(10, 20, 30, 40, 5)


def record(finish: str = "stop") -> Record:
    return Record("gen-1-a", 1, uncached_input_tokens=99, finish_reason=finish)


def test_usage_and_cost_are_written() -> None:
    one = record()
    fill(one, "ok", 200, USED, PRICE)
    assert (one.outcome, one.status) == ("ok", 200)
    assert (one.uncached_input_tokens, one.cache_read_tokens, one.cache_write_tokens) == (10, 20, 30)
    assert (one.output_tokens, one.reasoning_tokens) == (40, 5)
    assert one.cost_nano_usd == 10 * 1000 + 20 * 100 + 30 * 1250 + 40 * 2000


def test_nothing_used_costs_nothing() -> None:
    one = record()
    fill(one, "upstream_error", 502, None, PRICE)
    assert (one.uncached_input_tokens, one.cost_nano_usd) == (0, 0)


@pytest.mark.parametrize(
    ("finish", "outcome", "output", "charged"),
    [
        ("", "ok", 0, False),
        ("error", "upstream_error", 0, False),
        ("error", "upstream_error", 3, True),
        ("stop", "ok", 0, True),
        ("", "client_gone", 0, True),
        ("", "ok", 1, True),
    ],
)
def test_an_answer_that_came_to_nothing_is_not_charged(
    finish: str, outcome: str, output: int, charged: bool
) -> None:
    one = record(finish)
    fill(one, outcome, 200, Usage(uncached_input_tokens=7, output_tokens=output), PRICE)
    assert (one.cost_nano_usd > 0) is charged
    assert one.uncached_input_tokens == 7, "the tokens are told all the same"


def test_an_estimate_is_flagged() -> None:
    one = record()
    assert estimate(one, 12) == Usage(uncached_input_tokens=99, output_tokens=12)
    assert one.estimated


def test_joules_and_grams_of_own_engines_and_of_others() -> None:
    rates = Rates(
        at_us=1,
        engines={"local": {"m": Rate(2_000, 10, 90_000, MEASURED, g_per_kwh=360)}},
        models={"m": Rate(1_000, 0, 5_000, PLANNED, g_per_kwh=100)},
        region="eu",
        g_per_kwh=360.0,
        usd_per_kwh=0.1,
        pue=1.0,
        remote_region="us",
        remote_g_per_kwh=100.0,
        remote_usd_per_kwh=0.1,
    )
    for provider, model, wanted in (
        ("local", "m", (80 + 0 + 3_600, 368, "measured")),  # 40 x 2 mJ + 20 x 0.01 mJ + 40 x 90 mJ
        ("beta/eu", "m", (40 + 200, 6, "planned")),
        ("local", "other", (0, 0, "")),
    ):
        one = record()
        fill(one, "ok", 200, USED, PRICE)
        one.provider, one.model = provider, model
        power(one, rates)
        assert (one.energy_mj, one.carbon_ug, one.energy_basis) == wanted, provider
