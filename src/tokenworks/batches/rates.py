"""What a model costs and how fast it answers: list prices of the catalogue, speeds out of the ledger."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tokenworks.catalog.auto import AUTO_NAMES
from tokenworks.catalog.prices import UNKNOWN_PRICE
from tokenworks.catalog.resolve import Catalog
from tokenworks.catalog.tariff import USUAL, Tariff
from tokenworks.config.auto import AutoSettings
from tokenworks.errors import UnknownModel
from tokenworks.ledger.cubes import cube
from tokenworks.ledger.rollups import DAY_US
from tokenworks.ledger.store import Store
from tokenworks.ledger.tallies import RATE, TTFT, value_of
from tokenworks.routing.knobs import merged, narrowed
from tokenworks.routing.prior import ability
from tokenworks.schema import Endpoint, Price

MEASURED_DAYS = 30
LEAST_TIMED = 5  # answers; fewer say nothing of a model's speed
SPREAD = 1.5  # around a mean, where no quarter points are known

# Where the ledger has no answers of a model yet: what remote ones, and small ones on a CPU, mostly keep to.
GUESSED_RATE = (15.0, 80.0)  # output tokens/s of one request, slow and fast
GUESSED_TTFT_S = (3.0, 0.5)
GUESSED_RATE_HERE = (4.0, 60.0)
GUESSED_TTFT_HERE_S = (10.0, 0.3)
MEASURES = cube("model").measures


class Speed(msgspec.Struct, frozen=True):
    """How one request goes: a slower and a faster case."""

    slow_ttft_s: float
    fast_ttft_s: float
    slow_rate: float  # output tokens/s
    fast_rate: float
    measured: bool  # by the ledger; else guessed


class Rates(msgspec.Struct, frozen=True):
    """One model as a batch would use it. Prices are None where none is known."""

    model: str
    low: Price | None  # of its cheapest endpoint
    high: Price | None  # of its dearest
    speed: Speed
    slots: int | None = None  # requests that run at once; None: not run here


class Chosen(msgspec.Struct, frozen=True):
    """Between which models the work is done: the same one twice but for ``auto``."""

    cheap: Rates
    dear: Rates
    strong: Rates | None = None  # which is asked for what the others get wrong
    tariff: Tariff | None = None  # where the hour makes a difference to its price


def chosen(
    catalog: Catalog,
    store: Store,
    model: str,
    *,
    strong: str = "",
    auto: AutoSettings | None = None,
    largest_tokens: int = 0,
    slots: dict[str, int] | None = None,
    now_us: int = 0,
) -> Chosen:
    """Prices and speeds for work of ``model``, what fails of ``strong``.

    ``auto`` may take any model that the settings let it, of which each part (``largest_tokens``, in and
    out) fits the context: from the cheapest by list price to the strong one, which is ``strong``, that of
    the settings, or the one that is thought most able. Raises ``UnknownModel``.
    """
    read = _Reader(catalog, store, slots or {}, now_us)
    stronger = read.rates(strong) if strong else None
    if model not in AUTO_NAMES:
        found = read.rates(model)
        return Chosen(found, found, stronger, catalog.tariff(model))
    auto = auto or AutoSettings()
    names = _candidates(catalog, auto, largest_tokens)
    if not names:
        raise UnknownModel(
            "auto: no model that may be used has room for this; tokenworks model list shows them"
        )
    best = strong or auto.strong or max(names, key=ability)
    dear = read.rates(best)
    return Chosen(read.rates(names[0]), dear, stronger or dear)


def _candidates(catalog: Catalog, auto: AutoSettings, largest_tokens: int) -> Sequence[str]:
    """Models for ``auto``, the cheapest first; those without a known price only where no other is left."""
    costs: list[tuple[str, float | None]] = []
    for model, endpoints in catalog.endpoints.items():
        known = catalog.models.get(model)
        if known is not None and known.output_modalities != ("text",):
            continue
        fit = [each for each in endpoints if each.context_length >= largest_tokens]
        if fit:
            prices = [each.price for each in fit if each.price.id != UNKNOWN_PRICE.id]
            least = min((price.cost_nano_usd(USUAL) for price in prices), default=None)
            costs.append((model, None if least is None else least * 1e-9))
    names = narrowed(costs, merged(auto))
    cost = dict(costs)
    return sorted(names, key=lambda name: (cost[name] is None, cost[name] or 0.0, -ability(name)))


class _Reader:
    def __init__(self, catalog: Catalog, store: Store, slots: dict[str, int], now_us: int) -> None:
        self._catalog = catalog
        self._store = store
        self._slots = slots  # of engines, by name
        self._now_us = now_us

    def rates(self, name: str) -> Rates:
        endpoints = self._catalog.find(name)
        if not endpoints:
            near = ", ".join(self._catalog.nearest(name))
            raise UnknownModel(f"no model is called {name[:100]!r}; near to it: {near or 'none'}")
        known = [each.price for each in endpoints if each.price.id != UNKNOWN_PRICE.id]
        by_cost = sorted(known, key=lambda price: price.cost_nano_usd(USUAL))
        return Rates(
            endpoints[0].model,
            by_cost[0] if by_cost else None,
            by_cost[-1] if by_cost else None,
            self._speed(endpoints[0]),
            self._slots.get(endpoints[0].engine or ""),
        )

    def _speed(self, endpoint: Endpoint) -> Speed:
        """The quarter points of what streams showed lately; else around what whole answers did, as those of
        batches do; what is guessed where there are too few of both."""
        span = self._now_us - MEASURED_DAYS * DAY_US, self._now_us + DAY_US
        where = {"model": endpoint.model}
        rows = self._store.cube("speed", ("kind", "bin"), *span, where=where)
        rate, ttft = (
            sorted((int(number), int(count)) for kind, number, count in rows if kind == wanted)
            for wanted in (RATE, TTFT)
        )
        if sum(count for _, count in rate) < LEAST_TIMED:
            whole = self._store.cube("model", (), *span, where=where)
            speed = _of_whole(whole[0]) if whole else None
            if speed is not None:
                return speed
        here = endpoint.engine is not None
        slow_ttft_s, fast_ttft_s = GUESSED_TTFT_HERE_S if here else GUESSED_TTFT_S
        slow, fast = GUESSED_RATE_HERE if here else GUESSED_RATE
        measured = sum(count for _, count in rate) >= LEAST_TIMED
        if measured:
            slow, fast = _quarter(RATE, rate, 0.25), _quarter(RATE, rate, 0.75)
        if sum(count for _, count in ttft) >= LEAST_TIMED:
            slow_ttft_s, fast_ttft_s = _quarter(TTFT, ttft, 0.75), _quarter(TTFT, ttft, 0.25)
        return Speed(slow_ttft_s, fast_ttft_s, slow, fast, measured)


def _of_whole(sums: Sequence[int]) -> Speed | None:
    """Of all requests together: output tokens over the time that they took, the wait among it."""
    told = dict(zip(MEASURES, sums, strict=True))
    answered = told["requests"] - told["errors"]
    if answered < LEAST_TIMED or not told["output_tokens"] or not told["latency_us"]:
        return None
    rate = told["output_tokens"] / (told["latency_us"] / 1e6)
    return Speed(0.0, 0.0, rate / SPREAD, rate * SPREAD, True)


def _quarter(kind: str, bins: Sequence[tuple[int, int]], share: float) -> float:
    """The middle of the bin in which the share ``share`` of all answers is reached."""
    wanted, passed = share * sum(count for _, count in bins), 0
    number = bins[-1][0]
    for number, count in bins:  # noqa: B007 - the last one stands where rounding passes over all
        passed += count
        if passed >= wanted:
            break
    low, high = value_of(kind, number)
    return (low + high) / 2
