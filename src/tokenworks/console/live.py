"""``/console/live``: what happens now, as server-sent events; it ends by itself."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from tokenworks.console.access import SignedIn, holder
from tokenworks.console.formats import moment, nano_usd, number, tokens
from tokenworks.console.session import Session
from tokenworks.console.site import Site, site_of
from tokenworks.errors import RateLimited
from tokenworks.ledger import pulse as beating
from tokenworks.ledger.pulse import SERIES_S, Pulse

EVERY_S = 1.0
LONGEST_S = 600  # then who still looks connects again
MOST_STREAMS = 64  # of one worker
CHART = "live-chart"

router = APIRouter()


@router.get("/live")
async def live(request: Request, _: SignedIn) -> Response:
    """Events ``values`` (text by name) and ``chart`` each second, ``close`` at the end."""
    site = site_of(request)
    if site.live_streams >= MOST_STREAMS:
        raise RateLimited("too many live pages are open; close some", retry_after_s=30)
    # no proxy shall hold events back to send several at once
    return StreamingResponse(
        events(site, request.state.session),
        media_type="text/event-stream",
        headers={"x-accel-buffering": "no"},
    )


async def events(site: Site, session: Session, every_s: float = EVERY_S) -> AsyncIterator[bytes]:
    """The events, until ``LONGEST_S`` are over, the worker drains, or the session has ended."""
    if site.live_streams >= MOST_STREAMS:  # many that came at once saw room for all of them
        yield event("close", {})
        return
    site.live_streams += 1
    try:
        until_us = site.now_us() + LONGEST_S * 1_000_000
        while site.now_us() < until_us and holder(site, session) and not site.stop.is_set():
            pulse = beating.read(site.settings.home, site.now_us())
            yield event("values", values(pulse, site.settings.rankings.timezone))
            if pulse is not None:
                yield event("chart", {"id": CHART, "series": [pulse.series]})
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(site.stop.wait(), every_s)
        yield event("close", {})
    finally:
        site.live_streams -= 1


def event(name: str, data: object) -> bytes:
    """One event; JSON has no line breaks, so one line of data is enough."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode(data))


def values(pulse: Pulse | None, zone: str) -> Mapping[str, str]:
    """What stands in ``[data-live-value]``; a dash for each where nothing is known."""
    if pulse is None:
        names = ("inflight", "requests_per_s", "tokens_per_s", "errors_last_minute", "at")
        return dict.fromkeys(names, "–")
    return {
        "inflight": number(pulse.inflight),
        "requests_per_s": number(pulse.requests_per_s, 1),
        "tokens_per_s": tokens(pulse.tokens_per_s),
        "errors_last_minute": number(pulse.errors_last_minute),
        "requests_today": number(pulse.requests_today),
        "cost_today": nano_usd(pulse.cost_today_nano_usd),
        "at": moment(pulse.updated_us, zone).partition(" ")[2],
    }


def chart(pulse: Pulse | None) -> dict[str, object]:
    """The last minute for the macro ``chart``: tokens of each second."""
    return {
        "kind": "line",
        "area": True,
        "live": True,
        "format": "tokens",
        "labels": [f"−{SERIES_S - second} s" for second in range(SERIES_S)],
        "series": [{"name": "", "values": pulse.series if pulse is not None else [0] * SERIES_S}],
    }
