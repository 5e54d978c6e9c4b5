"""What an active provider sells: model ids, limits, abilities, and the price of each over time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from tokenworks.catalog import prices
from tokenworks.catalog.parameters import Traits, honoured
from tokenworks.catalog.presets import Offer, Preset, own_schedule, traits
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
    quantization: str = ""
    supported_parameters: tuple[str, ...] | None = None
    input_modalities: tuple[str, ...] = ("text",)
    quirks: tuple[str, ...] = ()  # of the provider, then of the offer
    wires: tuple[str, ...] = ()  # as in ``Endpoint``


def sold_by(seller: Seller, models: Mapping[str, Model]) -> Iterator[Sold]:
    """Everything that ``seller`` sells; what the user listed stands over what its preset says.

    What none of its wires serves is left out.
    """
    spelled = {model.lower(): model for model in models}
    offers = {offer.model: offer for offer in seller.preset.offers} if seller.preset else {}
    for row in seller.listed:
        model = spelled.get(row.id.lower(), row.id)
        offer = offers.pop(model, None)
        if offer is None or _served(seller, offer):
            yield _listed(seller, row, offer or Offer(model, row.id), models.get(model))
    for offer in offers.values():
        if _served(seller, offer):
            yield _offered(seller, offer, models[offer.model])


def _served(seller: Seller, offer: Offer) -> bool:
    return not offer.wires or not seller.provider.wires.isdisjoint(offer.wires)


def _offered(seller: Seller, offer: Offer, known: Model) -> Sold:
    """``offer`` as the preset has it."""
    return Sold(
        model=offer.model,
        provider=seller.provider.name,
        upstream_id=offer.sold_as,
        schedule=_price_of(seller, offer),
        context_length=offer.context_length or _window(seller, offer) or known.context_length,
        max_output_tokens=offer.max_output_tokens or known.max_output_tokens,
        quantization=offer.quantization,
        supported_parameters=parameters_at(seller.preset, traits().get(offer.model), offer.without),
        input_modalities=known.input_modalities,
        quirks=tuple(dict.fromkeys((*seller.provider.quirks, *offer.quirks))),
        wires=tuple(wire for wire in offer.wires if wire in seller.provider.wires),
    )


def _window(seller: Seller, offer: Offer) -> int | None:
    """Context length at this provider, where genai-prices states it: it may be less than the model's."""
    table = seller.preset.genai_prices if seller.preset else ""
    return prices.context_window(table, offer.price_ref or offer.sold_as) if table else None


def _listed(seller: Seller, row: ProviderModelSettings, offer: Offer, known: Model | None) -> Sold:
    """A row of the user's, over ``offer``, which is empty where the preset has none of this model."""
    upstream_id = row.upstream_id or offer.sold_as
    if row.input_mtok is not None:
        schedule = Schedule.fixed(_configured_price(seller.provider.name, row))
    elif upstream_id == offer.sold_as:
        schedule = _price_of(seller, offer)
    else:
        schedule = _price_of(seller, Offer(offer.model, upstream_id))
    found = parameters_at(seller.preset, traits().get(offer.model), offer.without)
    context = row.context_length or offer.context_length
    return Sold(
        model=offer.model,
        provider=seller.provider.name,
        upstream_id=upstream_id,
        schedule=schedule,
        context_length=context or (known.context_length if known else DEFAULT_CONTEXT),
        max_output_tokens=(
            row.max_output_tokens or offer.max_output_tokens or (known.max_output_tokens if known else None)
        ),
        aliases=row.aliases,
        quantization=row.quantization or offer.quantization,
        supported_parameters=found if row.supported_parameters is None else row.supported_parameters,
        input_modalities=row.input_modalities or (known.input_modalities if known else ("text",)),
        quirks=tuple(dict.fromkeys((*seller.provider.quirks, *offer.quirks))),
        wires=tuple(wire for wire in offer.wires if wire in seller.provider.wires),
    )


def parameters_at(
    preset: Preset | None, known: Traits | None, without: tuple[str, ...] = ()
) -> tuple[str, ...] | None:
    """The request fields that a provider of ``preset`` honours for a model of which this is ``known``."""
    if preset is None:
        return None
    return honoured(known, preset.parameters, without, constrained=preset.constrains_output)


def _price_of(seller: Seller, offer: Offer) -> Schedule:
    """Our own rows, else what is known of the provider's prices, else the unknown price."""
    preset, provider = seller.preset, seller.provider
    found: Schedule | None = None
    if offer.prices:
        found = own_schedule(provider.name, offer)
    elif preset is not None:
        found = price_at(preset, offer.sold_as, offer.price_ref)
    elif not provider.allow_private and (table := prices.table_at(provider.base_url)):
        found = prices.schedule(table, offer.sold_as)
    return found or Schedule.fixed(prices.UNKNOWN_PRICE)


def price_at(preset: Preset, name: str, price_ref: str = "") -> Schedule | None:
    """The price of what ``preset`` calls ``name``: that of genai-prices, or nothing if nobody charges."""
    found = prices.schedule(preset.genai_prices, price_ref or name) if preset.genai_prices else None
    if found is None and preset.free_suffix and name.endswith(preset.free_suffix):
        found = Schedule.fixed(_nothing(f"{preset.name}/free-variant", preset.source, preset.checked))
    if found is None and preset.no_charge:
        found = Schedule.fixed(_nothing(f"{preset.name}/own-server", "run by its user"))
    return found


def _nothing(name: str, source: str, checked: str = "") -> Price:
    return Price(id=name, input_mtok=0.0, output_mtok=0.0, source=source, checked=checked)


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
