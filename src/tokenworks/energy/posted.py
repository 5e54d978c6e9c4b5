"""What sellers ask for a model: the catalogue's prices, whether or not there is a key for the seller."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from tokenworks.catalog.load import load
from tokenworks.catalog.presets import presets
from tokenworks.catalog.prices import UNKNOWN_PRICE
from tokenworks.config.settings import Settings
from tokenworks.schema import Endpoint


class Posted(msgspec.Struct, frozen=True):
    """One endpoint's price, in $ per million tokens."""

    model: str  # the catalogue's id
    provider: str
    upstream_id: str  # what the provider calls it
    input_mtok: float
    cached_mtok: float
    output_mtok: float
    quantization: str = ""
    source: str = ""
    checked: str = ""  # ISO date

    def request_usd(self, uncached: float, cached: float, output: float) -> float:
        """What a request of so many tokens is billed."""
        return (uncached * self.input_mtok + cached * self.cached_mtok + output * self.output_mtok) / 1e6


def posted(names: Iterable[str], settings: Settings, at: datetime | None = None) -> list[Posted]:
    """The priced endpoints of the first of ``names`` that the catalogue knows, the cheapest first.

    Those that bill nothing are no sellers, and left out. Empty where nobody sells it.
    """
    # as if there were a key for each seller: prices are public
    keys = {name: "-" for name, preset in presets().items() if preset.auth != "none"}
    catalog = load(msgspec.structs.replace(settings, secrets={**keys, **settings.secrets}), at)
    for name in names:
        found = [_posted(each) for each in catalog.find(name) if _sold(each)]
        if found:
            return found
    return []


def _sold(endpoint: Endpoint) -> bool:
    price = endpoint.price
    return endpoint.engine is None and price is not UNKNOWN_PRICE and price.input_mtok + price.output_mtok > 0


def _posted(endpoint: Endpoint) -> Posted:
    price = endpoint.price
    return Posted(
        model=endpoint.model,
        provider=endpoint.provider,
        upstream_id=endpoint.upstream_id,
        input_mtok=price.input_mtok,
        cached_mtok=price.input_mtok if price.cache_read_mtok is None else price.cache_read_mtok,
        output_mtok=price.output_mtok,
        quantization=endpoint.quantization or "",
        source=price.source,
        checked=price.checked,
    )
