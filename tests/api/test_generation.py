"""What one request used: of whom it may be asked, how long a fresh one is waited for, and every field."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from tokenworks.api import generation
from tokenworks.config.settings import ProviderModelSettings
from tokenworks.ledger.record import Record
from tokenworks.schema import Usage

Called = Callable[..., Any]
Acme = Callable[..., dict[str, Any]]

FAST = ProviderModelSettings(
    id="acme/fast", context_length=8192, input_mtok=1.0, output_mtok=2.0, cache_read_mtok=0.1
)
PATH = "/v1/generation"


async def test_own_requests_and_for_admins_all(called: Called) -> None:
    client = called()
    mine, headers = client.new_key()
    _, stranger = client.new_key()
    _, admin = client.new_key(role="admin")
    record = client.record(mine)
    asked = {"id": record.id}
    assert (await client.get(PATH, params=asked, headers=headers)).json()["data"]["id"] == record.id
    assert (await client.get(PATH, params=asked, headers=admin)).status_code == 200
    hidden = await client.get(PATH, params=asked, headers=stranger)
    absent = await client.get(PATH, params={"id": "gen-1-nothing"}, headers=stranger)
    assert hidden.status_code == absent.status_code == 404
    assert hidden.json() == absent.json()  # nobody learns that it exists


async def test_a_request_that_ends_at_this_moment_is_waited_for(called: Called) -> None:
    client = called()
    key_id, headers = client.new_key()
    record = Record(id=f"gen-{int(time.time())}-late", time_us=int(time.time()) * 1_000_000, key_id=key_id)
    asking = asyncio.ensure_future(client.get(PATH, params={"id": record.id}, headers=headers))
    await asyncio.sleep(0.2)
    assert not asking.done()
    client.store.append("late", 1, [record])
    assert (await asking).status_code == 200


@pytest.mark.parametrize(
    ("name", "waits"),
    [("gen-{now}-none", True), ("gen-{old}-none", False), ("gen-{later}-none", False), ("nonsense", False)],
)
async def test_only_an_id_of_late_is_waited_for(
    called: Called, monkeypatch: pytest.MonkeyPatch, name: str, waits: bool
) -> None:
    monkeypatch.setattr(generation, "WAIT_S", 0.3)
    client = called()
    _, headers = client.new_key()
    now = int(time.time())
    asked = name.format(now=now, old=now - 2 * generation.RECENT_S, later=now + 60)
    began = time.monotonic()
    assert (await client.get(PATH, params={"id": asked}, headers=headers)).status_code == 404
    assert (time.monotonic() - began >= 0.3) == waits


@pytest.mark.parametrize(
    "name",
    ["x", "gen-", "gen--", "gen-1-", "gen-١-x", "gen-99999999999999999999-x", "\x00", "%ff", "gen-1-\ud7ff"],
)
async def test_whatever_is_asked_for_is_a_404(called: Called, name: str) -> None:
    client = called()
    _, headers = client.new_key()
    assert (await client.get(PATH, params={"id": name}, headers=headers)).status_code == 404


async def test_no_id_or_far_too_much_of_one_is_a_400(called: Called) -> None:
    client = called()
    _, headers = client.new_key()
    for given in ({}, {"id": ""}, {"id": "x" * 1000}):
        assert (await client.get(PATH, params=given, headers=headers)).status_code == 400


async def test_every_field(called: Called, acme: Acme) -> None:
    client = called(**acme(FAST, title="Acme Inc"))
    key_id, headers = client.new_key()
    price = client.app.state.catalog.find("acme/fast")[0].price
    usage = Usage(100, 900, 0, 50, 20)
    record = client.record(
        key_id,
        app="https://app.example",
        session="s-1",
        user="u-1",
        stream=True,
        finish_reason="stop",
        attempts=3,
        reasons="beta/fp8:429 gone:closed",
        uncached_input_tokens=100,
        cache_read_tokens=900,
        output_tokens=50,
        reasoning_tokens=20,
        price_id=price.id,
        cost_nano_usd=price.cost_nano_usd(usage),
        latency_us=2_500_000,
        ttft_us=400_000,
    )
    found = (await client.get(PATH, params={"id": record.id}, headers=headers)).json()["data"]
    assert found["created_at"].endswith("Z") and found["created_at"][:4] >= "2026"
    assert found["total_cost"] == found["usage"] == pytest.approx(0.00029)
    assert found["cache_discount"] == pytest.approx(0.00081)  # 900 tokens at 0.1 instead of 1.0 $/M
    assert (found["model"], found["provider_name"]) == ("acme/fast", "Acme Inc")
    assert (found["tokens_prompt"], found["tokens_completion"]) == (1000, 50)
    assert (found["native_tokens_prompt"], found["native_tokens_completion"]) == (1000, 50)
    assert (found["native_tokens_cached"], found["native_tokens_reasoning"]) == (900, 20)
    assert (found["latency"], found["generation_time"]) == (2500.0, 2100.0)
    assert (found["streamed"], found["cancelled"], found["is_byok"]) == (True, False, False)
    assert found["finish_reason"] == found["native_finish_reason"] == "stop"
    assert (found["origin"], found["http_referer"]) == ("https://app.example", "https://app.example")
    assert (found["session_id"], found["external_user"]) == ("s-1", "u-1")
    assert found["api_type"] == "completions"
    assert [(each["provider_name"], each["status"]) for each in found["provider_responses"]] == [
        ("beta", 429),
        ("gone", None),
        ("Acme Inc", 200),
    ]


async def test_what_is_not_known_is_null(called: Called) -> None:
    client = called()
    key_id, headers = client.new_key()
    record = client.record(
        key_id,
        model="",
        provider="",
        outcome="client_gone",
        attempts=0,
        kind="embeddings",
        app="My App",
        price_id="long gone",
        latency_us=1000,
        cache_read_tokens=5,
    )
    found = (await client.get(PATH, params={"id": record.id}, headers=headers)).json()["data"]
    assert (found["model"], found["provider_name"]) == ("quick", None)  # as it was asked for
    assert (found["cancelled"], found["streamed"], found["api_type"]) == (True, False, "embeddings")
    assert (found["origin"], found["http_referer"], found["app"]) == ("", None, "My App")
    assert found["provider_responses"] == []
    assert found["cache_discount"] is None  # nobody knows that price any more
    assert found["finish_reason"] is found["session_id"] is found["external_user"] is None
    assert (found["latency"], found["generation_time"]) == (1.0, 1.0)
