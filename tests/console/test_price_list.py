"""Every endpoint with its price, whether it can be called or not."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tokenworks.catalog.load import load
from tokenworks.catalog.presets import presets
from tokenworks.config.settings import ProviderModelSettings, ProviderSettings, Settings
from tokenworks.console.price_list import PriceList

ACME = ProviderSettings(
    wire="openai_chat",
    base_url="http://127.0.0.1:9/v1",
    allow_private=True,
    models=(
        ProviderModelSettings(
            id="acme/fast", input_mtok=1.0, output_mtok=2.0, supported_parameters=("tools",)
        ),
        ProviderModelSettings(id="acme/unpriced"),
    ),
)
AT = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def prices() -> PriceList:
    settings = Settings(home=Path(), source=None, providers={"acme": ACME}, secrets={"acme": "sk"})
    return PriceList(settings, load(settings, AT))


def test_mine_come_with_those_that_need_a_key(prices: PriceList) -> None:
    mine = [row for row in prices.rows if row.mine]
    assert sorted(row.model.id for row in mine) == ["acme/fast", "acme/unpriced"]
    others = {row.endpoint.provider for row in prices.rows if not row.mine}
    assert others == {name for name, preset in presets().items() if preset.offers}
    fast = prices.by_model["acme/fast"][0]
    assert fast.tools and fast.price is not None and fast.price.input_mtok == 1.0
    assert prices.by_model["acme/unpriced"][0].price is None and prices.steps(fast) == []


def test_a_provider_with_a_key_is_listed_once() -> None:
    name, preset = next((name, each) for name, each in presets().items() if each.offers)
    settings = Settings(home=Path(), source=None, secrets={name: "sk"})
    rows = [row for row in PriceList(settings, load(settings, AT)).rows if row.endpoint.provider == name]
    assert len(rows) == len(preset.offers) and all(row.mine for row in rows)


def test_the_same_price_whether_with_a_key_or_without(prices: PriceList) -> None:
    name = next(name for name, each in presets().items() if each.offers)
    settings = Settings(home=Path(), source=None, secrets={name: "sk"})
    keyed = PriceList(settings, load(settings, AT))

    def told(of: PriceList) -> dict[str, tuple[object, ...]]:
        rows = [row for row in of.rows if row.endpoint.provider == name]
        return {
            row.endpoint.upstream_id: (row.price, row.endpoint.context_length, row.tools, row.title)
            for row in rows
        }

    assert told(keyed) == told(prices)


def test_dated_prices_have_steps_of_which_one_holds(prices: PriceList) -> None:
    dated = [(row, steps) for row in prices.rows if (steps := prices.steps(row))]
    assert dated, "the catalogue has prices that depend on time"
    for row, steps in dated:
        assert [step.price for step in steps if step.now] == [row.endpoint.price]
        assert any(step.since or step.daily for step in steps)
