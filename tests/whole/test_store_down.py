"""PostgreSQL is away: gateways serve on within their leases, journals grow, and everything catches up."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
from bursting import gateways, until_buried
from limiting import leased, limit, spent
from postgres import Postgres
from serving import chat

from tokenworks.plans import keys
from tokenworks.providers.scripted import Reply, Script, running
from tokenworks.providers.scripted.reply import Tokens

ANSWER = Script(reply=(Reply(tokens=100, usage=Tokens(input_tokens=0)),))
COST = 10_000_000  # nano-dollars of 100 tokens at $100 a million


def test_gateways_serve_within_their_leases_while_the_store_is_away(tmp_path: Path) -> None:
    database = Postgres().start()
    try:
        with (
            running(ANSWER) as upstream,
            gateways(tmp_path, upstream.base_url, database.url(), workers=1, wait_s=0.5) as (
                servers,
                store,
                pepper,
            ),
        ):
            free, free_key = keys.create(store, "free", pepper)
            rich, rich_key = keys.create(store, "rich", pepper)
            poor, poor_key = keys.create(store, "poor", pepper)
            large = limit(store, rich, "usd", 1000.0, "month")
            rate = limit(store, rich, "requests", 100_000, "1min")
            small = limit(store, poor, "usd", 0.05, "month", strict=True)
            path = f"{servers[0].url}/v1/chat/completions"

            with httpx.Client(timeout=20) as client:

                def ask(key: str, **more: int) -> int:
                    headers = {"authorization": f"Bearer {key}"}
                    return client.post(path, json=chat(**more), headers=headers).status_code

                for key in (free_key, rich_key, poor_key):
                    assert ask(key, max_tokens=100) == 200
                database.kill9()
                assert [ask(free_key) for _ in range(50)] == [200] * 50
                assert [ask(rich_key) for _ in range(100)] == [200] * 100
                begun = time.monotonic()
                refused = [ask(poor_key, max_tokens=100) for _ in range(6)]
                assert refused[-1] == 503 and refused.count(200) <= 4  # what was leased, and no more
                assert time.monotonic() - begun < 60
                journals = sum(f.stat().st_size for f in (servers[0].home / "journal").glob("*.journal"))
                assert journals > 150 * 100
                database.start()
                deadline = time.monotonic() + 30
                while ask(poor_key, max_tokens=100) == 503:
                    assert time.monotonic() < deadline
                while ask(poor_key, max_tokens=100) != 402:
                    assert time.monotonic() < deadline
            for key_id, budget in ((rich, large), (poor, small)):
                deadline = time.monotonic() + 20
                while spent(store, budget) != store.key_usage(key_id).cost_nano_usd:
                    assert time.monotonic() < deadline
                    time.sleep(0.2)
            assert store.key_usage(free).requests == 51
            assert store.key_usage(rich).requests == spent(store, rate) == 101
            assert spent(store, large) == 101 * COST
            assert 0.97 * 0.05e9 <= spent(store, small) <= 0.05e9
            servers[0].stop()
            assert until_buried(store, servers[0].home / "journal") < 30
            assert leased(store, large) == 0
    finally:
        database.remove()
