"""What an active provider sells: model ids, limits, and the price of each over time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from tokenworks.catalog import prices
from tokenworks.catalog.presets import Offer, own_schedule
from tokenworks.catalog.schedule import Schedule
from tokenworks.catalog.sellers import Seller
from tokenworks.config.settings import ProviderModelSettings
from tokenworks.schema import Model, Price

DEFAULT_CONTEXT = 8192  # tokens, for a model of the user's that neither he nor the catalogue knows


class Sold(msgspec.Struct, frozen=True):
    """One model as one provider sells it."""

    model: str  # Model.id
    provider: str
    upstream_id: str
    schedule: Schedule
    context_length: int
    max_output_tokens: int | None
    aliases: tuple[str, ...] = ()  # of the user's


def sold_by(seller: Seller, models: Mapping[str, Model]) -> Iterator[Sold]:
    """Everything that ``seller`` sells; what the user listed stands over what its preset says."""
    spelled = {model.lower(): model for model in models}
    offers = {offer.model: offer for offer in seller.preset.offers} if seller.preset else {}
    for row in seller.listed:
        model = spelled.get(row.id.lower(), row.id)
        yield _listed(seller, row, model, offers.pop(model, None), models.get(model))
    for offer in offers.values():
        known = models[offer.model]
        yield Sold(
            model=offer.model,
            provider=seller.provider.name,
            upstream_id=offer.sold_as,
            schedule=_price_of(seller, offer),
            context_length=offer.context_length or _window(seller, offer) or known.context_length,
            max_output_tokens=offer.max_output_tokens or known.max_output_tokens,
        )


def _window(seller: Seller, offer: Offer) -> int | None:
    """Context length at this provider, where genai-prices states it: it may be less than the model's."""
    table = seller.preset.genai_prices if seller.preset else ""
    return prices.context_window(table, offer.price_ref or offer.sold_as) if table else None


def _listed(
    seller: Seller, row: ProviderModelSettings, model: str, offer: Offer | None, known: Model | None
) -> Sold:
    name = seller.provider.name
    upstream_id = row.upstream_id or (offer.sold_as if offer else row.id)
    context = row.context_length or (offer.context_length if offer else 0)
    most = row.max_output_tokens or (offer.max_output_tokens if offer else None)
    if row.input_mtok is not None:
        schedule = Schedule.fixed(_configured_price(name, row))
    elif offer is not None and upstream_id == offer.sold_as:
        schedule = _price_of(seller, offer)
    else:
        schedule = _price_of(seller, Offer(model, upstream_id))
    return Sold(
        model=model,
        provider=name,
        upstream_id=upstream_id,
        schedule=schedule,
        context_length=context or (known.context_length if known else DEFAULT_CONTEXT),
        max_output_tokens=most or (known.max_output_tokens if known else None),
        aliases=row.aliases,
    )


def _price_of(seller: Seller, offer: Offer) -> Schedule:
    """Our own rows, else those of genai-prices, else nothing if nobody charges, else the unknown price."""
    preset, provider = seller.preset, seller.provider
    if offer.prices:
        return own_schedule(provider.name, offer)
    found: Schedule | None = None
    if preset is not None:
        if preset.genai_prices:
            found = prices.schedule(preset.genai_prices, offer.price_ref or offer.sold_as)
        if found is None and preset.no_charge:
            return Schedule.fixed(free_price(provider.name))
    elif not provider.allow_private and (table := prices.table_at(provider.base_url)):
        found = prices.schedule(table, offer.sold_as)
    return found or Schedule.fixed(prices.UNKNOWN_PRICE)


def free_price(provider: str) -> Price:
    """The price at a server of one's own: nobody bills its tokens."""
    return Price(id=f"{provider}/own-server", input_mtok=0.0, output_mtok=0.0, source="run by its user")


def _configured_price(provider: str, row: ProviderModelSettings) -> Price:
    """The price in the configuration. Its id carries the numbers, since the file can change."""
    amounts = {
        "in": row.input_mtok,
        "out": row.output_mtok,
        "read": row.cache_read_mtok,
        "write": row.cache_write_mtok,
    }
    said = ",".join(f"{name}={amount:.10g}" for name, amount in amounts.items() if amount is not None)
    return Price(
        id=f"config/{provider}/{row.id}@{said}",
        input_mtok=row.input_mtok or 0.0,
        output_mtok=row.output_mtok or 0.0,
        cache_read_mtok=row.cache_read_mtok,
        cache_write_mtok=row.cache_write_mtok,
        source="tokenworks.toml",
    )
