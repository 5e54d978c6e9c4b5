"""Every endpoint that the catalogue knows with its price, also of providers without a key."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cached_property

import msgspec

from tokenworks.catalog.load import LOCAL, Catalog
from tokenworks.catalog.offers import Sold, sold_by
from tokenworks.catalog.presets import Preset, presets
from tokenworks.catalog.presets import models as known_models
from tokenworks.catalog.prices import UNKNOWN_PRICE
from tokenworks.catalog.resolve import minimal_model
from tokenworks.catalog.schedule import Schedule
from tokenworks.catalog.sellers import Seller, active
from tokenworks.config.settings import Settings
from tokenworks.schema import Endpoint, Model, Price, Provider


class Listed(msgspec.Struct, frozen=True):
    """One model at one provider."""

    model: Model
    endpoint: Endpoint
    title: str  # of the provider
    mine: bool  # it can be called now: it runs here, or its provider has a key

    @property
    def price(self) -> Price | None:
        """What it costs now; None: nobody knows."""
        price = self.endpoint.price
        return None if price.id == UNKNOWN_PRICE.id else price

    @property
    def tools(self) -> bool:
        """Whether it is known to take tools."""
        known = self.endpoint.supported_parameters
        return "tools" in ((self.model.supported_parameters if known is None else known) or ())


class Step(msgspec.Struct, frozen=True):
    """A price and when it holds: from a date on, or daily between two times (UTC); "" always."""

    price: Price
    since: str
    daily: str
    now: bool


class PriceList:
    """All endpoints at the prices of one moment. Making one takes some 10 ms, so it is kept."""

    def __init__(self, settings: Settings, catalog: Catalog) -> None:
        """``settings`` are those that ``catalog`` was made of."""
        self.priced_at = catalog.priced_at
        self._settings = settings
        self.rows = [*_callable(catalog), *_without_key(catalog)]
        self.by_model: dict[str, list[Listed]] = {}
        for row in self.rows:
            self.by_model.setdefault(row.model.id, []).append(row)

    def steps(self, row: Listed) -> list[Step]:
        """The prices of ``row`` over time, oldest first; empty where its price has no dates."""
        endpoint = row.endpoint
        schedule = self._schedules.get((endpoint.provider, endpoint.upstream_id, endpoint.model))
        if schedule is None or len(schedule.rows) < 2:
            return []
        holds = schedule.at(self.priced_at)
        return [
            Step(
                each.price,
                each.start.isoformat() if each.start else "",
                f"{each.daily[0]:%H:%M}–{each.daily[1]:%H:%M}" if each.daily else "",
                each.price is holds,
            )
            for each in schedule.rows
        ]

    @cached_property
    def _schedules(self) -> dict[tuple[str, str, str], Schedule]:
        """By provider, its name for the model, and the model; those of our own engines have none."""
        sellers = active(self._settings)
        known = {each.provider.name for each in sellers}
        sellers += [_seller(preset) for name, preset in presets().items() if name not in known]
        models = known_models()
        return {
            (each.provider, each.upstream_id, each.model): each.schedule
            for seller in sellers
            for each in sold_by(seller, models)
        }


def _callable(catalog: Catalog) -> Iterator[Listed]:
    for name, endpoints in catalog.endpoints.items():
        for endpoint in endpoints:
            model = catalog.models.get(name) or minimal_model(
                name, endpoint.provider, endpoint.context_length
            )
            yield Listed(model, endpoint, catalog.providers[endpoint.provider].title, True)


def _without_key(catalog: Catalog) -> Iterator[Listed]:
    """What presets sell whose providers are not active here."""
    models = known_models()
    for name, preset in presets().items():
        if name in catalog.providers or name == LOCAL:
            continue
        for sold in sold_by(_seller(preset), models):
            if sold.model in models:
                yield Listed(models[sold.model], _endpoint(sold, catalog.priced_at), preset.title, False)


def _seller(preset: Preset) -> Seller:
    """A provider as its preset has it, as if it had a key."""
    provider = Provider(
        name=preset.name,
        title=preset.title,
        wire=preset.wire,
        base_url=preset.base_url,
        country=preset.country,
        allow_private=preset.allow_private,
        quirks=preset.quirks,
        more_wires=tuple(preset.more_wires.items()),
    )
    return Seller(provider, preset)


def _endpoint(sold: Sold, at: datetime) -> Endpoint:
    return Endpoint(
        model=sold.model,
        provider=sold.provider,
        upstream_id=sold.upstream_id,
        price=sold.schedule.at(at.astimezone(UTC)),
        context_length=sold.context_length,
        max_output_tokens=sold.max_output_tokens,
        quantization=sold.quantization,
        supported_parameters=sold.supported_parameters,
        input_modalities=sold.input_modalities,
    )
