"""A budget of one dollar under a burst of requests that would cost thirteen: never a cent over, and all used.

On one SQLite file with four workers, and on one PostgreSQL with two gateways of four; with workers and
PostgreSQL killed in the middle as well. ``bench/overspend.py`` runs the same as often as wanted.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from bursting import USD, Killer, budgeted_key, burst, gateways, outcome, randomised, until_released
from limiting import spent
from postgres import Postgres

from tokenworks.providers.scripted import running

REQUESTS = 500
FEWER = 250  # where something is killed: more would only take longer


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    server = Postgres().start()
    yield server
    server.remove()


def test_sqlite(tmp_path: Path) -> None:
    with (
        running(randomised(1)) as upstream,
        gateways(tmp_path, upstream.base_url) as (servers, store, pepper),
    ):
        key_id, key, budget = budgeted_key(store, pepper, 1.0)
        found = outcome(store, key_id, budget, asyncio.run(burst([servers[0].url], key, REQUESTS)))
        assert set(found.statuses) == {200, 402}
        assert found.spent_nano_usd == found.recorded_nano_usd
        assert 0.97 * USD <= found.spent_nano_usd <= USD
        assert found.records == REQUESTS


def test_two_gateways_on_postgres(tmp_path: Path, postgres: Postgres) -> None:
    with (
        running(randomised(2)) as upstream,
        gateways(tmp_path, upstream.base_url, postgres.url(), count=2) as (servers, store, pepper),
    ):
        key_id, key, budget = budgeted_key(store, pepper, 1.0)
        statuses = asyncio.run(burst([server.url for server in servers], key, REQUESTS))
        found = outcome(store, key_id, budget, statuses)
        assert set(found.statuses) == {200, 402}
        assert found.spent_nano_usd == found.recorded_nano_usd
        assert 0.97 * USD <= found.spent_nano_usd <= USD
        assert found.records == REQUESTS


@pytest.mark.parametrize("strict", [True, False])
def test_workers_are_killed_in_the_middle(tmp_path: Path, strict: bool) -> None:
    with (
        running(randomised(3)) as upstream,
        gateways(tmp_path, upstream.base_url) as (servers, store, pepper),
    ):
        key_id, key, budget = budgeted_key(store, pepper, 1.0 if strict else 100.0, strict=strict)
        killer = Killer(lambda: os.kill(random.choice(servers[0].worker_pids()), signal.SIGKILL), 4, seed=3)
        killer.start()
        statuses = asyncio.run(burst([servers[0].url], key, FEWER))
        assert killer.wait()
        if strict:
            assert until_released(store, budget) < 30
        found = outcome(store, key_id, budget, statuses)
        assert found.spent_nano_usd == found.recorded_nano_usd
        assert found.spent_nano_usd <= (USD if strict else 100 * USD)
        assert found.records >= FEWER - statuses[0]  # each that was answered, and those cut short
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
        statuses = asyncio.run(burst([server.url for server in servers], key, FEWER))
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
