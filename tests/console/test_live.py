"""What happens now, as a stream: its events, and that it ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tokenworks.console import live
from tokenworks.console.live import LONGEST_S, MOST_STREAMS, events
from tokenworks.console.session import Session
from tokenworks.ledger import pulse as beating
from tokenworks.ledger.pulse import Pulse
from tokenworks.plans import keys

Opened = Callable[..., Any]
PEPPER = b"p" * 32
NOW_US = 1_790_000_000_000_000
PULSE = Pulse(
    inflight=3,
    requests_per_s=1.25,
    tokens_per_s=12_345.0,
    series=list(range(60)),
    requests_today=1200,
    cost_today_nano_usd=2_500_000_000,
    errors_last_minute=1,
    day_start_us=0,
    updated_us=NOW_US,
)


def parsed(chunk: bytes) -> tuple[str, Any]:
    head, data, *end = chunk.decode().split("\n")
    assert end == ["", ""]
    return head.removeprefix("event: "), json.loads(data.removeprefix("data: "))


@pytest.fixture
def house(opened: Opened, tmp_path: Path) -> Any:
    """A browser at a site with a pulse."""
    (tmp_path / "run").mkdir()
    beating.write(tmp_path, PULSE)
    return opened(now_us=lambda: NOW_US, stop=asyncio.Event())


def session_of(browser: Any) -> Session:
    """Of the admin's key."""
    key = browser.site.keys.named(browser.key_id)
    made: Session = browser.site.signer.new(key)[1]
    return made


async def test_values_and_a_chart_come_each_second(house: Any) -> None:
    site = house.site
    stream = events(site, session_of(house), every_s=0)
    name, values = parsed(await anext(stream))
    assert name == "values"
    assert values == {
        "inflight": "3",
        "requests_per_s": "1.2",
        "tokens_per_s": "12.3K",
        "errors_last_minute": "1",
        "requests_today": "1,200",
        "cost_today": "$2.50",
        "at": "14:13:20",
    }
    assert parsed(await anext(stream)) == ("chart", {"id": "live-chart", "series": [list(range(60))]})
    assert parsed(await anext(stream))[0] == "values"
    assert site.live_streams == 1
    await stream.aclose()
    assert site.live_streams == 0


async def test_where_nothing_is_known_there_are_dashes(opened: Opened) -> None:
    browser = opened()
    stream = events(browser.site, session_of(browser), every_s=0)
    assert set(parsed(await anext(stream))[1].values()) == {"–"}
    assert parsed(await anext(stream))[0] == "values"  # and no chart
    await stream.aclose()


async def left(stream: Any) -> list[str]:
    async with asyncio.timeout(5):
        return [parsed(chunk)[0] async for chunk in stream]


async def test_it_closes_when_the_worker_drains(house: Any) -> None:
    site = house.site
    stream = events(site, session_of(house), every_s=60)
    await anext(stream)
    rest = asyncio.ensure_future(left(stream))
    await asyncio.sleep(0.01)
    site.stop.set()
    assert await asyncio.wait_for(rest, 1) == ["chart", "close"]
    assert site.live_streams == 0
    assert await left(events(site, session_of(house))) == ["close"]


@pytest.mark.parametrize(
    "change",
    [
        lambda store, key_id: store.revoke_key(key_id),
        lambda store, key_id: store.update_key(key_id, role="member"),
        lambda store, key_id: keys.rotate(store, key_id, PEPPER, 3600),
    ],
    ids=["revoked", "demoted", "rotated"],
)
async def test_it_closes_with_its_session(house: Any, change: Callable[..., object]) -> None:
    stream = events(house.site, session_of(house), every_s=0)
    await anext(stream)
    change(house.store, house.key_id)
    house.site.keys.reload_if_changed()
    assert await left(stream) == ["chart", "close"]
    assert house.site.live_streams == 0


async def test_it_closes_after_a_while(house: Any) -> None:
    site = house.site
    stream = events(site, session_of(house), every_s=0)
    await anext(stream)
    site.now_us = lambda: NOW_US + LONGEST_S * 1_000_000
    assert await left(stream) == ["chart", "close"]
    assert site.live_streams == 0


async def test_a_browser_that_leaves_ends_its_stream(browser: Any) -> None:
    """As the server's bridge tells it: with ``http.disconnect`` while the stream goes on."""
    begun, gone = asyncio.Event(), asyncio.Event()
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)
        if message.get("body"):
            begun.set()

    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/console/live",
        "raw_path": b"/console/live",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"cookie", cookie.encode()), (b"host", b"tw")],
        "server": ("tw", 80),
        "client": ("127.0.0.1", 1),
    }
    running = asyncio.ensure_future(browser.app(scope, receive, send))
    await asyncio.wait_for(begun.wait(), 5)
    assert browser.site.live_streams == 1
    headers = dict(sent[0]["headers"])
    assert headers[b"content-type"] == b"text/event-stream; charset=utf-8"
    assert headers[b"cache-control"] == b"no-store" and b"content-security-policy" in headers
    gone.set()
    await asyncio.wait_for(running, 5)
    await asyncio.sleep(0)
    assert browser.site.live_streams == 0


async def test_there_are_only_so_many(browser: Any) -> None:
    browser.site.live_streams = MOST_STREAMS
    answer = await browser.get("/console/live")
    assert answer.status_code == 429 and answer.headers["retry-after"] == "30"
    # those that saw room together with others, before any had begun
    assert await left(events(browser.site, session_of(browser))) == ["close"]
    assert browser.site.live_streams == MOST_STREAMS


def test_the_first_chart_is_the_pulses_last_minute() -> None:
    drawn: Any = live.chart(PULSE)
    assert len(drawn["labels"]) == 60 and drawn["labels"][0] == "−60 s"
    assert drawn["series"][0]["values"] == list(range(60))
    assert live.chart(None)["series"] == [{"name": "", "values": [0] * 60}]
