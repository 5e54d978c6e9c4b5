"""Which endpoint is cheapest by its provider's batch API."""

from __future__ import annotations

from pathlib import Path

import pytest
from native_batches import catalog

from tokenworks.batches.native.offer import HOUR_US, READ_US, offer
from tokenworks.schema import BatchApi, Price, PriceTier

DAY_US = 24 * HOUR_US - READ_US


def test_it_is_taken_where_it_beats_asking_one_by_one(tmp_path: Path) -> None:
    found = offer(catalog(tmp_path, acme=10.0, other=6.0), "acme/fast", DAY_US)
    assert found is not None and found.endpoint.provider == "acme" and found.api.way == "files"
    assert (found.endpoint.price.input_mtok, found.endpoint.price.output_mtok) == (5.0, 10.0)
    assert found.endpoint.price.id.endswith("+batch") and found.endpoint.price.source == "a test"


@pytest.mark.parametrize(
    ("model", "patience_us", "other"),
    [
        ("acme/fast", DAY_US, 4.0),  # another is cheaper at once
        ("acme/fast", DAY_US, 5.0),
        ("acme/fast", DAY_US - 1, 6.0),  # the provider may take a day
        ("auto", DAY_US, 6.0),
        ("nonsense", DAY_US, 6.0),
    ],
)
def test_where_it_is_not(tmp_path: Path, model: str, patience_us: int, other: float) -> None:
    assert offer(catalog(tmp_path, acme=10.0, other=other), model, patience_us) is None


def test_only_what_the_key_may_use_counts(tmp_path: Path) -> None:
    here = catalog(tmp_path, acme=10.0, other=4.0)
    assert offer(here, "acme/fast", DAY_US, lambda each: each.provider == "acme") is not None
    assert offer(here, "acme/fast", DAY_US, lambda each: each.provider == "other") is None


def test_every_price_is_less_but_the_fee_of_a_request() -> None:
    tier = PriceTier(200_000, 20.0, 40.0, 2.0, None)
    price = Price("p", 10.0, 20.0, 1.0, None, 0.5, (tier,))
    half = BatchApi("files", "w", 0.5, "s", "2026-11-26").price(price)
    assert (half.input_mtok, half.output_mtok, half.cache_read_mtok, half.cache_write_mtok) == (
        5,
        10,
        0.5,
        None,
    )
    assert half.tiers == (PriceTier(200_000, 10.0, 20.0, 1.0, None),) and half.request_usd == 0.5
