"""Which endpoint of a model is cheapest by its provider's batch API, where that beats asking one by one."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from tokenworks.catalog.auto import AUTO_NAMES
from tokenworks.catalog.prices import UNKNOWN_PRICE
from tokenworks.catalog.resolve import Catalog
from tokenworks.catalog.tariff import USUAL
from tokenworks.schema import BatchApi, Endpoint
from tokenworks.wire.replay import QUIRKS

READ_US = 600_000_000  # of a batch's day have passed until its file is read
HOUR_US = 3_600_000_000


class Offer(msgspec.Struct, frozen=True):
    """An endpoint at its batch price."""

    endpoint: Endpoint
    api: BatchApi


def offer(
    catalog: Catalog, model: str, patience_us: int, allows: Callable[[Endpoint], bool] | None = None
) -> Offer | None:
    """The offer for ``model`` to somebody who can wait so long, and may use what ``allows`` says.

    None where there is none, or one by one is no dearer at an endpoint that he may use.
    """
    if model in AUTO_NAMES:
        return None
    usable = [each for each in catalog.find(model) if allows is None or allows(each)]
    found: list[tuple[int, Offer]] = []
    for endpoint in usable:
        provider = catalog.providers.get(endpoint.provider)
        api = provider.batch if provider is not None else None
        if provider is None or api is None or patience_us < api.window_h * HOUR_US - READ_US:
            continue
        spoken = endpoint.wires or tuple(provider.wires)
        if (
            endpoint.engine is not None
            or endpoint.price.id == UNKNOWN_PRICE.id
            or api.wire not in spoken
            or not QUIRKS.isdisjoint(endpoint.quirks)  # what led to an earlier turn must be put back into it
        ):
            continue
        cheaper = msgspec.structs.replace(endpoint, price=api.price(endpoint.price))
        found.append((cheaper.price.cost_nano_usd(USUAL), Offer(cheaper, api)))
    if not found:
        return None
    cost, best = min(found, key=lambda each: each[0])
    single = [each.price.cost_nano_usd(USUAL) for each in usable if each.price.id != UNKNOWN_PRICE.id]
    return best if cost < min(single) else None
