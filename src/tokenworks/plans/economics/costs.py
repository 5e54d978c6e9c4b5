"""What a request cost: as recorded, or by the list prices of today."""

from __future__ import annotations

import msgspec

from tokenworks.catalog.load import Catalog, load
from tokenworks.catalog.presets import presets
from tokenworks.catalog.prices import UNKNOWN_PRICE
from tokenworks.config.settings import Settings
from tokenworks.errors import ConfigError
from tokenworks.plans.economics.history import NOT_RECORDED, Columns
from tokenworks.schema import Price, Usage


class ListPrices:
    """The cheapest price of each model: of who can be called, else of whoever sells it."""

    def __init__(self, settings: Settings, provider: str = "") -> None:
        """With ``provider`` only its prices count. Raises ``ConfigError`` for settings that can't be used."""
        self._settings = settings
        self._provider = provider
        self._known: dict[str, Price] = {}
        self._catalogs: list[Catalog] = []

    def __call__(self, model: str) -> Price:
        """The price of ``model``. Raises ``ConfigError`` where nobody's is known."""
        found = self._known.get(model)
        if found is None:
            found = self._known[model] = self._find(model)
        return found

    def _find(self, model: str) -> Price:
        if not self._catalogs:
            self._catalogs = [load(self._settings), load(_with_everybody(self._settings))]
        for catalog in self._catalogs:
            for endpoint in catalog.find(model):  # cheapest first
                if endpoint.price is not UNKNOWN_PRICE and self._provider in ("", endpoint.provider):
                    return endpoint.price
        where = f" at {self._provider}" if self._provider else ""
        near = ", ".join(self._catalogs[1].nearest(model))
        raise ConfigError(f"no price of {model}{where} is known; near: {near} (tokenworks model list --all)")


def _with_everybody(settings: Settings) -> Settings:
    """As if the keys of all known providers were here: a plan may be drawn up before they are bought."""
    known = {
        name: "unknown" for name, each in presets().items() if each.auth != "none" and not each.no_charge
    }
    return msgspec.structs.replace(settings, secrets={**known, **settings.secrets})


def amounts(
    requests: Columns, prices: list[Price | None], *, recorded: bool = False, missing: int = 0
) -> list[int]:
    """What each of ``requests`` comes to at the price of its model, in billionths (dollars or credits).

    ``prices`` has the price of each model by its number; ``missing`` is taken for those of None. With
    ``recorded``, what was recorded goes first. The same arithmetic as ``Price.cost_nano_usd``.
    """
    rates = [None if price is None else price.pico_usd for price in prices]
    tiered = {place for place, price in enumerate(prices) if price is not None and price.tiers}
    found: list[int] = []
    keep = found.append
    for model, uncached, read, write, output, cost in zip(
        requests.model,
        requests.uncached,
        requests.read,
        requests.write,
        requests.output,
        requests.cost_nano_usd,
        strict=True,
    ):
        rate = rates[model]
        if recorded and cost != NOT_RECORDED:
            keep(cost)
        elif rate is None:
            keep(missing)
        elif model in tiered:
            price = prices[model]
            assert price is not None
            keep(price.cost_nano_usd(Usage(uncached, read, write, output)))
        else:
            fresh, cached, written, out, fixed = rate
            keep((uncached * fresh + read * cached + write * written + output * out + fixed + 500) // 1000)
    return found
