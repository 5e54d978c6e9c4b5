"""Models and prices: who sells what, for how much, how fast it was, and what was really paid."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from tokenworks.console import price_filter, price_use
from tokenworks.console.access import SignedIn
from tokenworks.console.example import curl
from tokenworks.console.page import page
from tokenworks.console.price_filter import Line
from tokenworks.console.price_list import PriceList
from tokenworks.console.price_use import Speed, Used
from tokenworks.console.site import Site, site_of
from tokenworks.routing.place import Place

router = APIRouter()

KEPT_US = 30_000_000
TOP = 10  # applications and keys of one model


@router.get("/models")
async def models(request: Request, _: SignedIn) -> Response:
    """The list. Health belongs to the loop, so it is read here; all else in a thread."""
    site = site_of(request)
    alive = _alive(site)
    return await run_in_threadpool(_list, request, site, alive)


@router.get("/models/{name:path}")
async def one_model(name: str, request: Request, _: SignedIn) -> Response:
    """One model: its endpoints side by side, and who uses it."""
    site = site_of(request)
    alive = _alive(site)
    return await run_in_threadpool(_one, request, site, name, alive)


def _alive(site: Site) -> dict[Place, Speed]:
    endpoints = [each for found in site.catalog.endpoints.values() for each in found]
    return price_use.live(site.health, endpoints, time.monotonic())


def _prices(request: Request, site: Site) -> PriceList:
    """Made anew when prices have changed."""
    state = request.app.state
    known: PriceList | None = getattr(state, "price_list", None)
    if known is None or known.priced_at != site.catalog.priced_at:
        known = state.price_list = PriceList(site.settings, site.catalog)
    return known


def _used(request: Request, site: Site, alive: Mapping[Place, Speed], prices: PriceList) -> Used:
    """What the ledger knows of all that is listed is kept for ``KEPT_US``: it is much to add up."""
    state, moment = request.app.state, site.now_us() // KEPT_US
    known: tuple[int, Used] | None = getattr(state, "price_used", None)
    if known is None or known[0] != moment:
        listed = {"model": tuple(prices.by_model)}
        known = state.price_used = moment, price_use.used(site.store, site.now_us(), alive, listed)
    return msgspec.structs.replace(known[1], live=alive)


def _list(request: Request, site: Site, alive: Mapping[Place, Speed]) -> Response:
    prices = _prices(request, site)
    wanted = price_filter.read(request.query_params)
    used = _used(request, site, alive, prices)
    found = price_filter.page(price_filter.select(prices.rows, wanted), used, wanted)
    return page(
        request,
        "models.html",
        title="models.title",
        wanted=wanted,
        found=found,
        everything=len(prices.rows),
        mine=sum(row.mine for row in prices.rows),
        authors=sorted({row.model.author for row in prices.rows}),
        providers=sorted(
            {(row.endpoint.provider, row.title) for row in prices.rows}, key=lambda each: each[1].lower()
        ),
        modalities=price_filter.MODALITIES,
        use_days=price_use.USE_DAYS,
        speed_days=price_use.SPEED_DAYS,
    )


def _one(request: Request, site: Site, name: str, alive: Mapping[Place, Speed]) -> Response:
    prices = _prices(request, site)
    endpoints = site.catalog.find(name)
    model_id = endpoints[0].model if endpoints else name
    rows = prices.by_model.get(model_id)
    known = site.catalog.models.get(model_id) or site.catalog.model(name)
    now_us = site.now_us()
    used = price_use.used(site.store, now_us, alive, {"model": model_id})
    if known is None and not rows and not used.use:
        return page(request, "models_none.html", title="models.none_title", status=404, asked=name)
    lines = [Line(row, used.use_of(row.endpoint), used.speed_of(row.endpoint)) for row in rows or ()]
    listed = {line.listed.endpoint.tag for line in lines}
    unlisted = [(tag, use) for (_, tag), use in used.use.items() if tag not in listed]
    passed = [(tag, use) for tag, use in unlisted if _takes_any(site, tag)]
    rows_of_keys = site.store.keys()
    names = {row.id: row.name for row in rows_of_keys}
    apps = price_use.users(site.store, "app", "app", model_id, now_us, {})
    keys = price_use.users(site.store, "key", "key_id", model_id, now_us, names)
    return page(
        request,
        "models_one.html",
        title="models.one_title",
        model_id=model_id,
        model=known,
        lines=lines,
        passed=passed,
        gone=[(tag, use) for tag, use in unlisted if (tag, use) not in passed],
        steps=[(line, steps) for line in lines if (steps := prices.steps(line.listed))],
        price_data=_price_data(lines),
        speed_data=_speed_data(lines),
        apps=apps[:TOP],
        keys=keys[:TOP],
        curl=curl(request, model_id if lines or not passed else f"{passed[0][0]}/{model_id}"),
        callable_now=bool(passed) or any(line.listed.mine for line in lines),
        use_days=price_use.USE_DAYS,
        speed_days=price_use.SPEED_DAYS,
    )


def _takes_any(site: Site, tag: str) -> bool:
    """Whether the provider of this endpoint is still here and passes on models that the catalogue lacks."""
    provider = site.catalog.providers.get(tag.partition("/")[0])
    return provider is not None and provider.accepts_any_model


def _label(line: Line) -> str:
    quantization = line.listed.endpoint.quantization
    return f"{line.listed.title} ({quantization})" if quantization else line.listed.title


def _price_data(lines: Sequence[Line]) -> dict[str, Any] | None:
    """$ per million of input and output by endpoint; the names of the series are strings' names."""
    priced = [(line, line.listed.price) for line in lines if line.listed.price is not None]
    if not priced:
        return None
    return {
        "labels": [_label(line) for line, _ in priced],
        "input": [price.input_mtok if price else 0.0 for _, price in priced],
        "output": [price.output_mtok if price else 0.0 for _, price in priced],
    }


def _speed_data(lines: Sequence[Line]) -> dict[str, Any] | None:
    """Tokens per second by endpoint, where it was measured."""
    measured = [line for line in lines if line.speed.tokens_per_s is not None]
    if not measured:
        return None
    return {
        "labels": [_label(line) for line in measured],
        "rate": [line.speed.tokens_per_s for line in measured],
    }
