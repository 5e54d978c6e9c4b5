"""What was used and measured."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from fresh_store import fresh_store

from tokenworks.catalog.load import Catalog, load
from tokenworks.config.settings import ProviderModelSettings, ProviderSettings, RoutingSettings, Settings
from tokenworks.console import price_use
from tokenworks.console.price_use import Speed, Use
from tokenworks.ledger.record import Record
from tokenworks.ledger.rollups import DAY_US
from tokenworks.routing.health import Health

NOW_US = 1_790_000_000_000_000
ACME = ProviderSettings(
    wire="openai_chat",
    base_url="http://127.0.0.1:9/v1",
    allow_private=True,
    models=(ProviderModelSettings(id="acme/fast", input_mtok=1.0, output_mtok=2.0),),
)


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load(Settings(home=Path(), source=None, providers={"acme": ACME}, secrets={"acme": "sk"}))


def record(number: int, days: int = 0, **more: Any) -> Record:
    time_us = NOW_US - days * DAY_US - number
    given: dict[str, Any] = {"model": "acme/fast", "provider": "acme", "outcome": "ok", "app": "app"}
    given |= {"stream": True, "latency_us": 2_500_000, "ttft_us": 500_000, "output_tokens": 200}
    given |= {"uncached_input_tokens": 700, "cache_read_tokens": 100, "cost_nano_usd": 500_000, "attempts": 1}
    return Record(f"gen-{time_us // 1_000_000}-{days:02x}{number:04x}", time_us, **(given | more))


def test_use_and_speed_of_the_ledger(tmp_path: Path, catalog: Catalog) -> None:
    store = fresh_store(f"sqlite:///{tmp_path / 'x.db'}")
    failed = record(9, outcome="upstream_error", reasons="acme:500", output_tokens=0, ttft_us=0)
    store.append("w", 1, [record(1), record(2), record(3, 10, ttft_us=2_000_000), record(4, 40), failed])
    (endpoint,) = catalog.endpoints["acme/fast"]
    used = price_use.used(store, NOW_US, {})
    use, speed = used.use_of(endpoint), used.speed_of(endpoint)
    assert (use.requests, use.tokens, use.cost_nano_usd) == (4, 3 * 1000 + 800, 2_000_000)
    assert use.paid_mtok == pytest.approx(0.002 / 3800 * 1e6)
    assert speed.ttft_s == pytest.approx(0.5, rel=0.2) and speed.tokens_per_s == pytest.approx(100, rel=0.2)
    assert speed.uptime == pytest.approx(2 / 3) and not speed.live
    assert price_use.used(store, NOW_US, {}, {"model": "other"}).use == {}
    users = price_use.users(store, "app", "app", "acme/fast", NOW_US, {"app": "The app"})
    assert [(value, name, each.requests) for value, name, each in users] == [("app", "The app", 4)]
    store.close()


def test_what_this_worker_saw_goes_first(catalog: Catalog) -> None:
    (endpoint,) = catalog.endpoints["acme/fast"]
    health, now = Health(RoutingSettings()), time.monotonic()
    assert price_use.live(health, [endpoint], now) == price_use.live(None, [endpoint], now) == {}
    health.of(endpoint).first_token(0.1, now)
    alive = price_use.live(health, [endpoint], now)
    kept = {("acme/fast", "acme"): Speed(9.0, 50.0, 0.5)}
    speed = price_use.Used({}, kept, alive).speed_of(endpoint)
    assert speed.ttft_s == pytest.approx(0.1, rel=0.1) and speed.tokens_per_s == 50.0
    assert (speed.uptime, speed.live) == (0.5, True)


def test_nothing_used_has_no_price() -> None:
    assert Use().paid_mtok is None
