"""Home: what it adds up, and what it tells somebody who has just begun."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tokenworks.config.settings import (
    EngineSettings,
    ProviderModelSettings,
    ProviderSettings,
    RankingsSettings,
    ServerSettings,
)
from tokenworks.console import home
from tokenworks.ledger import pulse as beating
from tokenworks.ledger.pulse import Pulse
from tokenworks.ledger.record import Record
from tokenworks.ledger.store import Store

Opened = Callable[..., Any]
DAY_US = 86_400_000_000
NOW_US = 20_600 * DAY_US + 15 * 3_600_000_000  # 2026-05-27, a Wednesday, 15:00 UTC


def record(number: int, time_us: int, **fields: Any) -> Record:
    given = {
        "model": "acme/fast",
        "requested_model": "fast",
        "provider": "acme",
        "outcome": "ok",
        "status": 200,
        "attempts": 1,
        "uncached_input_tokens": 900,
        "output_tokens": 100,
        "cost_nano_usd": 250_000_000,
        **fields,
    }
    return Record(id=f"gen-{time_us // 1_000_000}-t{number:x}", time_us=time_us, key_id="k_1", **given)


def fill(store: Store) -> None:
    made = [
        record(1, NOW_US - 60_000_000),
        record(2, NOW_US - 3_600_000_000, model="x/<b>big</b>", output_tokens=7100, cost_nano_usd=10**9),
        record(3, NOW_US - 2 * DAY_US),  # Monday, 15:00
        record(4, NOW_US - 3 * DAY_US, model="old/one"),  # Sunday: last week
        record(5, NOW_US - 13 * DAY_US, cost_nano_usd=3 * 10**9),
        record(6, NOW_US - 14 * DAY_US, cost_nano_usd=5 * 10**9),  # before the days shown
    ]
    store.append("w1.0001", 1, made)


async def test_days_week_and_today_are_added_up(opened: Opened) -> None:
    browser = opened(now_us=lambda: NOW_US)
    fill(browser.store)
    site = browser.site
    days = home.spend(site, NOW_US)
    assert [row.group for row in days][:: home.DAYS - 1] == ["2026-05-14", "2026-05-27"]
    assert [row.cost_nano_usd for row in days if row.requests] == [
        3 * 10**9,
        25 * 10**7,
        25 * 10**7,
        125 * 10**7,
    ]
    assert home.spend_chart(days)["series"][0]["values"][0] == 3.0
    top = home.top_models(site, NOW_US)
    assert [(row.name, row.tokens, row.requests) for row in top] == [
        ("x/<b>big</b>", 8000, 1),
        ("acme/fast", 2000, 2),
    ]
    assert [row.share for row in top] == [0.8, 0.2]
    assert home.today(site, NOW_US, None) == {"requests": 2, "cost": 125 * 10**7, "saved": 0}


async def test_the_page_shows_it_and_markup_stays_text(opened: Opened) -> None:
    browser = opened(now_us=lambda: NOW_US)
    fill(browser.store)
    await browser.sign_in()
    shown = (await browser.get("/console/")).text
    assert "x/&lt;b&gt;big&lt;/b&gt;" in shown and "<b>big" not in shown
    assert 'href="/console/activity?model=x%2F%3Cb%3Ebig%3C%2Fb%3E"' in shown
    assert 'data-live-value="requests_today">2<' in shown and 'data-live-value="cost_today">$1.25<' in shown
    assert "80.0 %" in shown and "No request yet" not in shown
    assert 'data-state=""' in shown and ">not connected</span>" in shown


async def test_what_happens_now_is_there_before_the_first_event(opened: Opened, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    pulse = Pulse(3, 1.5, 2500.0, [7] * 60, 42, 10**9, 2, 0, NOW_US)
    beating.write(tmp_path, pulse)
    browser = opened(now_us=lambda: NOW_US)
    await browser.sign_in()
    shown = (await browser.get("/console/")).text
    for name, text in (("inflight", "3"), ("tokens_per_s", "2.5K"), ("requests_today", "42")):
        assert f'data-live-value="{name}">{text}<' in shown
    assert 'data-state="on"' in shown and 'data-live="/console/live"' in shown


async def test_who_has_just_begun_is_told_how_to_go_on(opened: Opened) -> None:
    models = (ProviderModelSettings(id="acme/fast", context_length=8192),)
    acme = ProviderSettings(wire="openai_chat", base_url="https://acme.example/v1", models=models)
    browser = opened(providers={"acme": acme}, secrets={"acme": "sk"})
    await browser.sign_in()
    shown = (await browser.get("/console/")).text
    assert "No request yet" in shown and "<code>tokenworks chat</code>" in shown
    assert "curl http://tw/v1/chat/completions" in shown and "acme/fast" in shown
    assert "Spend of the last 14 days" not in shown


@pytest.mark.parametrize("host", ["evil;rm -rf", "a b", "$(x)", "`x`", "'", ""])
async def test_the_example_is_safe_to_paste(opened: Opened, host: str) -> None:
    engine = EngineSettings(model="it's $HOME", path="/none")
    browser = opened(engines={"e": engine}, server=ServerSettings(port=8642))
    await browser.sign_in()
    shown = (await browser.get("/console/", headers={"host": host})).text
    assert "curl http://127.0.0.1:8642/v1" in shown
    assert "it&#39;&#34;&#39;&#34;&#39;s $HOME" in shown  # as the shell's quotes have it


@pytest.mark.parametrize(
    ("zone", "day", "monday"),
    [
        ("UTC", "2026-05-27T00:00", "2026-05-25T00:00"),
        ("Asia/Shanghai", "2026-05-26T16:00", "2026-05-24T16:00"),
        ("America/New_York", "2026-05-27T04:00", "2026-05-25T04:00"),
    ],
)
def test_days_and_weeks_begin_in_the_zone(zone: str, day: str, monday: str) -> None:
    def utc(time_us: int) -> str:
        return datetime.fromtimestamp(time_us / 1e6, UTC).strftime("%Y-%m-%dT%H:%M")

    assert utc(home.day_start_us(NOW_US, zone)) == day
    assert utc(home.week_start_us(NOW_US, zone)) == monday


def test_a_week_with_a_change_of_the_clock_begins_at_midnight_too() -> None:
    now_us = int(datetime(2026, 10, 25, 12, tzinfo=UTC).timestamp()) * 1_000_000  # Berlin: back by an hour
    assert datetime.fromtimestamp(home.week_start_us(now_us, "Europe/Berlin") / 1e6, UTC).hour == 22
    assert datetime.fromtimestamp(home.day_start_us(now_us, "Europe/Berlin") / 1e6, UTC).hour == 22


async def test_it_is_fast(opened: Opened) -> None:
    browser = opened(now_us=lambda: NOW_US, rankings=RankingsSettings(timezone="Asia/Shanghai"))
    browser.store.append("w1.0001", 1, [record(n, NOW_US - n * 50_000_000) for n in range(5000)])
    await browser.sign_in()
    await browser.get("/console/")
    begun = time.perf_counter()
    assert (await browser.get("/console/")).status_code == 200
    assert time.perf_counter() - begun < 0.3
