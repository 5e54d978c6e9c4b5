"""Everything that is for sale, priced for a moment: the endpoints behind the catalogue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, time, timedelta

import msgspec

from tokenworks.catalog import prices
from tokenworks.catalog.offers import Sold, parameters_at, price_at
from tokenworks.catalog.presets import traits
from tokenworks.catalog.schedule import Schedule
from tokenworks.catalog.sellers import Seller
from tokenworks.schema import Endpoint, Model

UNKNOWN_CONTEXT = 1_048_576  # tokens of a model that is passed on unknown: its provider is to judge


class Market:
    """Offers of all active providers and the endpoints of our own engines, at the prices of ``at``."""

    def __init__(
        self,
        sellers: Iterable[Seller],
        sold: Iterable[Sold],
        local: Iterable[Endpoint],
        models: Mapping[str, Model],
        at: datetime,
    ) -> None:
        sellers = tuple(sellers)
        self.at = at
        self._providers = {seller.provider.name: seller.provider for seller in sellers}
        self._open = {seller.provider.name for seller in sellers if seller.provider.accepts_any_model}
        self._presets = {seller.provider.name: seller.preset for seller in sellers}
        self._models = {model.id.lower(): model for model in models.values()}
        self._local = tuple(local)
        self._standing = [(each.schedule, _endpoint(each, at)) for each in sold]

    def endpoints(self) -> dict[str, tuple[Endpoint, ...]]:
        """Model id → its endpoints, cheapest first: by three input tokens to one of output.

        An unknown price comes last. At the same price our own engines come first and those who pass
        anything on, being one more hop, come last.
        """
        found: dict[str, list[Endpoint]] = {}
        for endpoint in (*self._local, *(endpoint for _, endpoint in self._standing)):
            found.setdefault(endpoint.model, []).append(endpoint)
        return {model: tuple(sorted(sold, key=self._dearness)) for model, sold in found.items()}

    def schedules(self, model: str) -> list[Schedule]:
        """The prices over time of everybody who sells ``model`` (its id), where they are known."""
        sold = [schedule for schedule, endpoint in self._standing if endpoint.model == model]
        here = [Schedule.fixed(endpoint.price) for endpoint in self._local if endpoint.model == model]
        return [each for each in (*here, *sold) if each.at(self.at) is not prices.UNKNOWN_PRICE]

    def move_to(self, at: datetime) -> bool:
        """Take the prices of ``at``; whether any endpoint has another price than before."""
        self.at = at
        changed = False
        for position, (schedule, endpoint) in enumerate(self._standing):
            price = schedule.at(at)
            if price is not endpoint.price:
                # endpoints that keep their price stay the same object: others hold on to them
                self._standing[position] = (schedule, msgspec.structs.replace(endpoint, price=price))
                changed = True
        return changed

    def next_change(self) -> datetime | None:
        """First moment past ``at`` at which a price may differ; None if none depends on time."""
        moments = [moment for schedule, _ in self._standing if (moment := schedule.next_change(self.at))]
        tables = (self._presets[name] for name in self._open)
        if any(preset is not None and preset.genai_prices for preset in tables):
            # models passed on are not known before they are asked for; their prices are dated by the day
            moments.append(datetime.combine(self.at.date() + timedelta(days=1), time(), self.at.tzinfo))
        return min(moments, default=None)

    def pass_on(self, provider: str, name: str) -> Endpoint:
        """An endpoint for a model that the catalogue does not list, as ``name`` at ``provider``."""
        preset = self._presets[provider]
        known = self._models.get(name.lower())
        kin = known  # whose limits and abilities it has
        schedule: Schedule | None = None
        context: int | None = None
        if preset is not None:
            schedule = price_at(preset, name)
            if preset.genai_prices:
                context = prices.context_window(preset.genai_prices, name)
            if preset.free_suffix and name.endswith(preset.free_suffix):
                kin = self._models.get(name.lower().removesuffix(preset.free_suffix))
        unlisted = name if "/" in name else f"{provider}/{name}"
        return Endpoint(
            model=known.id if known else unlisted,
            provider=provider,
            upstream_id=name,
            price=schedule.at(self.at) if schedule else prices.UNKNOWN_PRICE,
            context_length=context or (kin.context_length if kin else UNKNOWN_CONTEXT),
            supported_parameters=parameters_at(preset, traits().get(kin.id)) if kin else None,
            input_modalities=kin.input_modalities if kin else ("text",),
            quirks=self._providers[provider].quirks,
        )

    def _dearness(self, endpoint: Endpoint) -> tuple[bool, float, bool, bool, str]:
        price = endpoint.price
        return (
            price is prices.UNKNOWN_PRICE,
            3 * price.input_mtok + price.output_mtok,
            endpoint.engine is None,
            endpoint.provider in self._open,
            endpoint.provider,
        )


def _endpoint(sold: Sold, at: datetime) -> Endpoint:
    return Endpoint(
        model=sold.model,
        provider=sold.provider,
        upstream_id=sold.upstream_id,
        price=sold.schedule.at(at),
        context_length=sold.context_length,
        max_output_tokens=sold.max_output_tokens,
        quantization=sold.quantization,
        supported_parameters=sold.supported_parameters,
        input_modalities=sold.input_modalities,
        quirks=sold.quirks,
        wires=sold.wires,
    )
