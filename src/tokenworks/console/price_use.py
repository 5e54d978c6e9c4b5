"""What was measured and paid at endpoints: of this worker's health, and of the ledger's roll-ups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from tokenworks.ledger.cubes import Where as Filter
from tokenworks.ledger.rollups import DAY_US, TOKENS
from tokenworks.ledger.store import Store
from tokenworks.ledger.tallies import RATE, TTFT, value_of
from tokenworks.routing.health import Health
from tokenworks.routing.place import Place, place_of
from tokenworks.schema import NANO_USD, Endpoint

USE_DAYS = 30
SPEED_DAYS = 7

Where = tuple[str, str]  # model, provider as records have it


class Use(msgspec.Struct):
    """Sums of ``USE_DAYS`` days."""

    requests: int = 0
    tokens: int = 0  # all of input and output
    cost_nano_usd: int = 0

    @property
    def paid_mtok(self) -> float | None:
        """$ that a million tokens really cost, all classes together; None without any."""
        return self.cost_nano_usd / NANO_USD * 1e6 / self.tokens if self.tokens else None


class Speed(msgspec.Struct, frozen=True):
    """Medians. ``live``: of this worker's last half hour, else of ``SPEED_DAYS`` days of the ledger."""

    ttft_s: float | None = None
    tokens_per_s: float | None = None
    uptime: float | None = None  # share of the attempts that were served
    live: bool = False


class Used(msgspec.Struct, frozen=True):
    """All that is known of all endpoints."""

    use: Mapping[Where, Use]
    speed: Mapping[Where, Speed]
    live: Mapping[Place, Speed]

    def use_of(self, endpoint: Endpoint) -> Use:
        """What was used of it."""
        return self.use.get((endpoint.model, endpoint.tag)) or Use()

    def speed_of(self, endpoint: Endpoint) -> Speed:
        """How fast it is, each figure by the freshest source that has it."""
        kept = self.speed.get((endpoint.model, endpoint.tag), Speed())
        live = self.live.get(place_of(endpoint))
        if live is None:
            return kept
        return Speed(
            kept.ttft_s if live.ttft_s is None else live.ttft_s,
            kept.tokens_per_s if live.tokens_per_s is None else live.tokens_per_s,
            kept.uptime if live.uptime is None else live.uptime,
            live=True,
        )


def live(health: Health | None, endpoints: Iterable[Endpoint], now: float) -> dict[Place, Speed]:
    """What this worker knows of ``endpoints`` at ``now`` (monotonic seconds). On the loop's thread."""
    found: dict[Place, Speed] = {}
    for endpoint in endpoints if health is not None else ():
        vitals = health.find(endpoint) if health is not None else None
        if vitals is None:
            continue
        uptime = vitals.uptime(now, DAY_US / 1e6)
        found[place_of(endpoint)] = Speed(
            vitals.latency.quantile(0.5, now),
            vitals.throughput.quantile(0.5, now),
            uptime / 100 if uptime is not None else None,
            live=True,
        )
    return found


def used(store: Store, now_us: int, alive: Mapping[Place, Speed], where: Filter | None = None) -> Used:
    """What the ledger knows, together with what is known ``alive``; ``where`` is of a cube's dimensions."""
    until = (now_us // DAY_US + 1) * DAY_US
    week, month = until - SPEED_DAYS * DAY_US, until - USE_DAYS * DAY_US
    by = ("model", "provider")
    use = {(row[0], row[1]): _use(row[2:]) for row in _sums(store, "provider", by, month, until, where)}
    spread: dict[tuple[str, str, str], list[tuple[int, int]]] = {}
    for kind, model, provider, number, count in store.cube(
        "speed", ("kind", *by, "bin"), week, until, where=where
    ):
        spread.setdefault((kind, model, provider), []).append((number, count))
    up = {
        (model, provider): 1 - failures / attempts
        for model, provider, attempts, failures in store.cube("attempt", by, week, until, where=where)
        if attempts
    }
    speed = {
        each: Speed(_median(spread, TTFT, each), _median(spread, RATE, each), up.get(each))
        for each in {(model, provider) for _, model, provider in spread} | set(up)
    }
    return Used(use, speed, alive)


_MEASURES = ("requests", "cost_nano_usd", *TOKENS)


def _sums(
    store: Store, cube: str, by: Sequence[str], since_us: int, until_us: int, where: Filter | None
) -> list[tuple[Any, ...]]:
    return store.cube(cube, by, since_us, until_us, where=where, measures=_MEASURES)


def _use(sums: Sequence[int]) -> Use:
    requests, cost, *tokens = sums
    return Use(requests, sum(tokens), cost)


def users(
    store: Store, cube: str, dimension: str, model: str, now_us: int, names: Mapping[str, str]
) -> list[tuple[str, str, Use]]:
    """Who used ``model`` in the last ``USE_DAYS`` days, most tokens first: value, name of it, and use."""
    until = (now_us // DAY_US + 1) * DAY_US
    rows = _sums(store, cube, (dimension,), until - USE_DAYS * DAY_US, until, {"model": model})
    found = [(str(row[0]), names.get(str(row[0]), str(row[0])), _use(row[1:])) for row in rows]
    return sorted(found, key=lambda each: (-each[2].tokens, each[1]))


def _median(
    spread: Mapping[tuple[str, str, str], list[tuple[int, int]]], kind: str, where: Where
) -> float | None:
    """The geometric middle of the bin in which the median is; None without samples."""
    bins = spread.get((kind, *where))
    if not bins:
        return None
    half = sum(count for _, count in bins) / 2
    seen = 0
    for number, count in sorted(bins):
        seen += count
        if seen >= half:
            low, high = value_of(kind, number)
            return float((low * high) ** 0.5)
    return None
