"""A budget of one dollar while workers and PostgreSQL are killed: never a cent over, all used in the end."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from bursting import (
    USD,
    Killer,
    budgeted_key,
    burst,
    gateways,
    outcome,
    randomised,
    until_buried,
)
from limiting import spent
from postgres import Postgres

from tokenworks.providers.scripted import running

REQUESTS = 250  # more would only take longer


@pytest.mark.parametrize("strict", [True, False])
def test_workers_are_killed_in_the_middle(tmp_path: Path, strict: bool) -> None:
    with (
        running(randomised(3)) as upstream,
        gateways(tmp_path, upstream.base_url) as (servers, store, pepper),
    ):
        key_id, key, budget = budgeted_key(store, pepper, 1.0 if strict else 100.0, strict=strict)
        killer = Killer(lambda: os.kill(random.choice(servers[0].worker_pids()), signal.SIGKILL), 4, seed=3)
        killer.start()
        statuses = asyncio.run(burst([servers[0].url], key, REQUESTS))
        assert killer.wait()
        if strict:
            assert until_buried(store, servers[0].home / "journal") < 30
        found = outcome(store, key_id, budget, statuses)
        assert found.spent_nano_usd == found.recorded_nano_usd
        assert found.spent_nano_usd <= (USD if strict else 100 * USD)
        assert found.records >= REQUESTS - statuses[0]  # each that was answered, and those cut short
        assert statuses[500] == statuses[502] == 0


def test_postgres_and_workers_are_killed_in_the_middle(tmp_path: Path, postgres: Postgres) -> None:
    with (
        running(randomised(4)) as upstream,
        gateways(tmp_path, upstream.base_url, postgres.url(), count=2) as (servers, store, pepper),
    ):
        key_id, key, budget = budgeted_key(store, pepper, 1.0)

        def strike() -> None:
            if random.random() < 0.5:
                os.kill(random.choice(random.choice(servers).worker_pids()), signal.SIGKILL)
            else:
                postgres.kill9()
                time.sleep(0.3)
                postgres.start()

        killer = Killer(strike, 4, seed=4)
        killer.start()
        statuses = asyncio.run(burst([server.url for server in servers], key, REQUESTS))
        assert killer.wait()
        # What the dead had leased is free within 30 s: then others can spend it.
        again, deadline = Counter[int](), time.monotonic() + 30
        while not again or spent(store, budget) < 0.97 * USD:
            assert time.monotonic() < deadline
            again += asyncio.run(burst([server.url for server in servers], key, 60))
        found = outcome(store, key_id, budget, statuses + again, wait_s=20)
        assert found.spent_nano_usd == found.recorded_nano_usd
        assert 0.97 * USD <= found.spent_nano_usd <= USD
        # A worker that has not seen the key yet can't tell whose a request is while the store is away.
        assert found.records >= sum(n for status, n in (statuses + again).items() if status in (200, 402))
        assert statuses[500] == statuses[502] == 0
