"""What requests cost."""

import random
from pathlib import Path

import pytest

from tokenworks.catalog.presets import preset_env
from tokenworks.config.load import load
from tokenworks.errors import ConfigError
from tokenworks.plans.economics.costs import ListPrices, amounts
from tokenworks.plans.economics.history import Columns
from tokenworks.schema import Price, PriceTier, Usage

PRICES = [
    Price("plain", 0.15, 0.6, cache_read_mtok=0.003, cache_write_mtok=0.2, request_usd=0.0001),
    Price("tiers", 1.25, 10, tiers=(PriceTier(1000, 2.5, 15, 0.25), PriceTier(5000, 5, 30))),
]
CONFIG = """
[providers.acme]
wire = "openai_chat"
base_url = "https://acme.example/v1"
api_key = "k"
[[providers.acme.models]]
id = "acme/large"
input_mtok = 3.0
output_mtok = 9.0
[providers.zeta]
wire = "openai_chat"
base_url = "https://zeta.example/v1"
api_key = "k"
[[providers.zeta.models]]
id = "acme/large"
input_mtok = 2.0
output_mtok = 8.0
[[providers.zeta.models]]
id = "acme/unpriced"
"""


def test_the_same_arithmetic_as_the_gateways() -> None:
    dice, requests, wanted = random.Random(1), Columns(), []
    for _ in range(500):
        model, tokens = dice.randrange(2), [dice.choice([0, 1, 999, dice.randrange(9000)]) for _ in range(4)]
        requests.add(0, model, *tokens)
        wanted.append(PRICES[model].cost_nano_usd(Usage(*tokens)))
    assert amounts(requests, list(PRICES)) == wanted


def test_what_was_recorded_goes_first_where_asked_for() -> None:
    requests = Columns()
    requests.add(0, 0, 1_000_000, 0, 0, 0, 7)
    requests.add(0, 0, 1_000_000, 0, 0, 0)
    requests.add(0, 1, 1_000_000, 0, 0, 0)
    assert amounts(requests, [PRICES[0], None], recorded=True, missing=-1) == [7, 150_100_000, -1]
    assert amounts(requests, [PRICES[0], None], missing=-1) == [150_100_000, 150_100_000, -1]


def prices(tmp_path: Path, provider: str = "") -> ListPrices:
    (tmp_path / "tokenworks.toml").write_text(CONFIG)
    return ListPrices(load(tmp_path, None, preset_env=preset_env(), require_secrets=False), provider)


def test_the_cheapest_counts_or_that_of_a_provider(tmp_path: Path) -> None:
    assert prices(tmp_path)("acme/large").input_mtok == 2.0
    assert prices(tmp_path, "acme")("acme/large").input_mtok == 3.0


def test_a_model_nobody_can_call_yet_has_a_price(tmp_path: Path) -> None:
    assert prices(tmp_path)("claude-haiku-4.5").output_mtok > 0


def test_no_price_is_an_error_that_names_others(tmp_path: Path) -> None:
    for model in ("acme/unpriced", "acme/larger"):
        with pytest.raises(ConfigError, match=f"no price of {model} is known; near: .*acme/large"):
            prices(tmp_path)(model)
    with pytest.raises(ConfigError, match="no price of acme/large at nobody is known"):
        prices(tmp_path, "nobody")("acme/large")
