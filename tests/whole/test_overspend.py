"""A budget of one dollar under a burst of requests that would cost thirteen: never a cent over, and all used.

On one SQLite file with four workers, and on one PostgreSQL with two gateways of two; with workers and
PostgreSQL killed in the middle see ``test_overspend_killed.py``. ``bench/overspend.py`` runs the same as
often as wanted.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from bursting import USD, budgeted_key, burst, gateways, outcome, randomised
from postgres import Postgres

from tokenworks.providers.scripted import running

REQUESTS = 500


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
        gateways(tmp_path, upstream.base_url, postgres.url(), count=2, workers=2) as (servers, store, pepper),
    ):
        key_id, key, budget = budgeted_key(store, pepper, 1.0)
        statuses = asyncio.run(burst([server.url for server in servers], key, REQUESTS))
        found = outcome(store, key_id, budget, statuses)
        assert set(found.statuses) == {200, 402}
        assert found.spent_nano_usd == found.recorded_nano_usd
        assert 0.97 * USD <= found.spent_nano_usd <= USD
        assert found.records == REQUESTS
