"""Prices from the genai-prices package, converted into our own rows.

The package is offline: importing it and asking it for a price touches no network. Importing it
costs about 0.2 s (it brings pydantic, an HTTP client and 1.6 MB of data), so that happens on the
first question, never when this module is imported: a machine that only runs its own engine does
not pay for it.

Only text is converted. Prices for audio, images, searches and one-hour cache writes have no place in
:class:`~tokenworks.schema.Price`; they do not touch the cost of text. A row that charges for a kind of
text token we can't express (reasoning apart from output, citations) is left out rather than bent.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING

from tokenworks.catalog.schedule import PriceRow, Schedule
from tokenworks.schema import Price, PriceTier

if TYPE_CHECKING:
    from genai_prices.types import ConditionalPrice, ModelInfo, ModelPrice, TieredPrices
    from genai_prices.types import Provider as GenaiProvider

# The day on which the data of a release was read and its rows for our providers looked through.
CHECKED = {"0.2.3": "2026-11-23"}

_INPUT, _OUTPUT, _READ, _WRITE = "input_mtok", "output_mtok", "cache_read_mtok", "cache_write_mtok"
_REQUESTS = "requests_kcount"  # $ per thousand requests
_INEXPRESSIBLE = frozenset({"output_reasoning_mtok", "output_citation_mtok", "input_text_mtok"})

UNKNOWN_PRICE = Price(id="unknown", input_mtok=0.0, output_mtok=0.0, source="no price is known")


def is_free(price: Price) -> bool:
    """Whether nothing at all is charged. A price that nobody knows is not free."""
    return price is not UNKNOWN_PRICE and not any(price.pico_usd) and not price.tiers


def price_for(provider: str, model: str, at: datetime) -> Price | None:
    """Price that genai-prices gives for its ``provider`` and ``model`` (its own ids) at ``at``.

    None where it knows no text price. $ per million tokens.
    """
    rows = schedule(provider, model)
    return None if rows is None else rows.at(at)


def next_change(provider: str, model: str, after: datetime) -> datetime | None:
    """When the price of this row may next differ from that at ``after``; None if it depends on no time."""
    rows = schedule(provider, model)
    return None if rows is None else rows.next_change(after)


def schedule(provider: str, model: str) -> Schedule | None:
    """All prices over time of one genai-prices row, by its exact id in any letter case; None if unknown."""
    info = _model_rows(provider).get(model.lower())
    return None if info is None else _convert(provider, info)


def context_window(provider: str, model: str) -> int | None:
    """Context length in tokens that genai-prices states for this row, if any."""
    info = _model_rows(provider).get(model.lower())
    return None if info is None else info.context_window


def table_at(base_url: str) -> str | None:
    """Id of the genai-prices provider whose API is at ``base_url``: for providers in no file of ours."""
    found = (each.id for each in _providers().values() if re.match(each.api_pattern, base_url))
    return next(found, None)


@cache
def _providers() -> dict[str, GenaiProvider]:
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 - see the module's docstring

    return {provider.id: provider for provider in get_snapshot().providers}


@cache
def _release() -> str:
    from genai_prices import __version__  # noqa: PLC0415 - see the module's docstring

    return __version__


@cache
def _model_rows(provider: str) -> dict[str, ModelInfo]:
    found = _providers().get(provider)
    return {} if found is None else {model.id.lower(): model for model in found.models}


def _convert(provider: str, info: ModelInfo) -> Schedule | None:
    known = _providers()[provider]
    if not isinstance(info.prices, list):
        price = _price(known, info, info.prices, "")
        return None if price is None else Schedule.fixed(price)
    rows: list[PriceRow] = []
    for conditional in info.prices:
        start, daily = _constraint(conditional)
        when = f"@{start}" if start else ""
        if daily:
            when += f"@{daily[0]:%H:%M}-{daily[1]:%H:%M}Z"
        price = _price(known, info, conditional.prices, when)
        if price is None:
            return None
        rows.append(PriceRow(price, start, daily))
    return Schedule(tuple(rows))


def _constraint(conditional: ConditionalPrice) -> tuple[date | None, tuple[time, time] | None]:
    constraint = conditional.constraint
    if constraint is None:
        return None, None
    start = getattr(constraint, "start_date", None)
    if start is not None:
        return start, None
    return None, (_utc_clock(constraint.start_time), _utc_clock(constraint.end_time))  # type: ignore[union-attr]


def _utc_clock(clock: time) -> time:
    """Time of day in UTC, without time zone; one without a time zone is UTC already."""
    offset = clock.utcoffset() or timedelta(0)
    shifted = datetime.combine(date(2000, 1, 2), clock.replace(tzinfo=None)) - offset
    return shifted.time()


def _price(provider: GenaiProvider, info: ModelInfo, prices: ModelPrice, when: str) -> Price | None:
    values = {key: value for key, value in vars(prices).items() if value is not None}
    if values.keys() & _INEXPRESSIBLE or (values and not values.keys() & {_INPUT, _OUTPUT}):
        return None
    release = _release()
    return Price(
        id=f"genai-prices/{release}/{provider.id}/{info.id}{when}",
        input_mtok=_at(values.get(_INPUT), -1) or 0.0,
        output_mtok=_at(values.get(_OUTPUT), -1) or 0.0,
        cache_read_mtok=_at(values.get(_READ), -1),
        cache_write_mtok=_at(values.get(_WRITE), -1),
        request_usd=(_at(values.get(_REQUESTS), -1) or 0.0) / 1000,
        tiers=_tiers(values),
        source=(provider.pricing_urls or ["https://github.com/pydantic/genai-prices"])[0],
        checked=CHECKED.get(release, ""),
    )


def _tiers(values: dict[str, Decimal | TieredPrices]) -> tuple[PriceTier, ...]:
    """One tier for every threshold that any of the four text prices has."""
    priced = {key: values.get(key) for key in (_INPUT, _OUTPUT, _READ, _WRITE)}
    starts = {
        tier.start
        for price in priced.values()
        if price is not None and not isinstance(price, Decimal)
        for tier in price.tiers
    }
    return tuple(
        PriceTier(
            above_input_tokens=start,
            input_mtok=_at(priced[_INPUT], start) or 0.0,
            output_mtok=_at(priced[_OUTPUT], start) or 0.0,
            cache_read_mtok=_at(priced[_READ], start),
            cache_write_mtok=_at(priced[_WRITE], start),
        )
        for start in sorted(starts)
    )


def _at(price: Decimal | TieredPrices | None, start: int) -> float | None:
    """The price in force just above ``start`` input tokens; -1 asks for the one below every tier."""
    if price is None or isinstance(price, Decimal):
        return None if price is None else float(price)
    applying = [tier.price for tier in price.tiers if tier.start <= start]
    return float(applying[-1] if applying else price.base)
