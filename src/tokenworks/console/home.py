"""``/console/``: what happens now, what it cost lately, and what needs a look."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from tokenworks.console import alerts, live
from tokenworks.console.access import SignedIn
from tokenworks.console.alerts import Alert
from tokenworks.console.example import curl
from tokenworks.console.page import page
from tokenworks.console.site import Site, site_of
from tokenworks.ledger import pulse as beating
from tokenworks.ledger.pulse import Pulse
from tokenworks.ledger.rollups import DAY_US
from tokenworks.ledger.rows import UsageRow
from tokenworks.schema import NANO_USD

DAYS = 14
TOP = 8

router = APIRouter()


class TopModel(msgspec.Struct, frozen=True):
    """One of the week's models; ``share`` is of all tokens."""

    name: str
    tokens: int
    share: float
    requests: int
    cost_nano_usd: int


@router.get("/")
async def show(request: Request, _: SignedIn) -> Response:
    """Home."""
    site = site_of(request)
    endpoints = [each for found in site.catalog.endpoints.values() for each in found]
    resting = alerts.resting(site.health, endpoints, time.monotonic())
    return await run_in_threadpool(_page, request, site, resting)


def _page(request: Request, site: Site, resting: list[Alert]) -> Response:
    now_us = site.now_us()
    pulse = beating.read(site.settings.home, now_us)
    days = spend(site, now_us)
    found = alerts.sorted_alerts([*resting, *alerts.of_store(site, now_us)])
    used = any(row.requests for row in days) or site.store.totals().requests > 0
    return page(
        request,
        "home.html",
        title="home.title",
        pulse=pulse,
        live=live.values(pulse, site.settings.rankings.timezone),
        live_chart=live.chart(pulse),
        live_id=live.CHART,
        today=today(site, now_us, pulse),
        days=days,
        spend_chart=spend_chart(days),
        top=top_models(site, now_us),
        alerts=found[: alerts.MOST],
        more_alerts=max(0, len(found) - alerts.MOST),
        used=used,
        example=curl(request),
    )


def spend(site: Site, now_us: int) -> list[UsageRow]:
    """Sums of each of the last ``DAYS`` days (UTC), zeros for days without requests."""
    first = now_us // DAY_US - DAYS + 1
    names = [_day(first + number) for number in range(DAYS)]
    rows = {row.group: row for row in site.store.usage("day", first * DAY_US)}
    return [rows.get(name) or UsageRow(name, name) for name in names]


def spend_chart(days: list[UsageRow]) -> dict[str, Any]:
    """For the macro ``chart``."""
    return {
        "kind": "bar",
        "format": "usd",
        "labels": [row.group[5:] for row in days],
        "series": [{"name": "", "values": [row.cost_nano_usd / NANO_USD for row in days]}],
    }


def today(site: Site, now_us: int, pulse: Pulse | None) -> dict[str, int]:
    """Requests and nano-dollars since midnight, from the pulse if there is one, and what auto saved."""
    since_us = day_start_us(now_us, site.settings.rankings.timezone)
    if pulse is not None:
        requests, cost = pulse.requests_today, pulse.cost_today_nano_usd
    else:
        sums = site.store.totals(since_us)
        requests, cost = sums.requests, sums.cost_nano_usd
    saved = sum(row.saved_nano_usd for row in site.store.savings(None, since_us))
    return {"requests": requests, "cost": cost, "saved": saved}


def top_models(site: Site, now_us: int) -> list[TopModel]:
    """This week's that used tokens, most first; weeks begin on Monday in the console's time zone."""
    rows = site.store.usage("model", week_start_us(now_us, site.settings.rankings.timezone))
    counted = sorted(((row.input_tokens + row.output_tokens, row) for row in rows), key=lambda each: -each[0])
    whole = sum(tokens for tokens, _ in counted)
    return [
        TopModel(row.group, tokens, tokens / whole if whole else 0.0, row.requests, row.cost_nano_usd)
        for tokens, row in counted[:TOP]
        if tokens  # what no model answered has none, and no name
    ]


def day_start_us(now_us: int, zone: str) -> int:
    """Midnight in ``zone``, unix µs."""
    local = datetime.fromtimestamp(now_us / 1e6, ZoneInfo(zone))
    return round(local.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()) * 1_000_000


def week_start_us(now_us: int, zone: str) -> int:
    """Midnight of Monday in ``zone``, unix µs."""
    local = datetime.fromtimestamp(now_us / 1e6, ZoneInfo(zone))
    monday = local.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=local.weekday())
    return round(monday.timestamp()) * 1_000_000


def _day(day: int) -> str:
    return datetime.fromtimestamp(day * 86_400, UTC).strftime("%Y-%m-%d")
