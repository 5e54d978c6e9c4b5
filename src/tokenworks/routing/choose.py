"""The choice: which endpoints serve a request, in the order in which they are to be tried."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from tokenworks.config.settings import RoutingSettings
from tokenworks.errors import BadRequest
from tokenworks.routing import balanced, exacto, latency, prefix, price, throughput
from tokenworks.routing.affinity import Kept
from tokenworks.routing.eligible import Excluded, eligible, names, refusal, unsupported
from tokenworks.routing.health import Health, Vitals
from tokenworks.routing.need import Need
from tokenworks.routing.replicas import Replicas
from tokenworks.routing.spread import Percentiles
from tokenworks.routing.stats import Stats
from tokenworks.routing.wishes import NONE, Cutoffs, Wishes
from tokenworks.schema import Endpoint, Provider

Rank = Callable[[Need, Sequence[Endpoint], Stats], list[Endpoint]]

POLICIES: dict[str, Rank] = {
    "balanced": balanced.rank,
    "price": price.rank,
    "throughput": throughput.rank,
    "latency": latency.rank,
    "exacto": exacto.rank,
}
# In their order endpoints of equal price are equals, which may change places for the sake of caches.
EVEN = frozenset(("balanced", "price"))
# Without these an answer is not what was asked for; without others it is only less well steered.
ESSENTIAL = frozenset(("tools", "tool_choice", "response_format", "structured_outputs"))


class Choice(msgspec.Struct, frozen=True):
    """``endpoints`` in the order to be tried; ``strategy`` is the word for how they were ordered."""

    endpoints: Sequence[Endpoint]
    strategy: str  # a policy's name, or "order", "sticky", "single"
    excluded: Sequence[Excluded] = ()
    equals: bool = False  # some of them stand where the prompt's beginning has put them


def choose(
    groups: Sequence[Sequence[Endpoint]],
    wishes: Wishes,
    need: Need,
    providers: Mapping[str, Provider],
    health: Health,
    kept: Kept | None = None,
    settings: RoutingSettings = RoutingSettings(),  # noqa: B008 - frozen
    replicas: Replicas | None = None,
) -> Choice:
    """Order the endpoints of one or more models; ``groups`` holds those of each, the wished one first.

    ``kept`` is where the session was served last. An endpoint that is down is never dropped, only put
    behind all others. With ``replicas``, their loads, endpoints that equal each other are told apart by
    prompts. Raises BadRequest, naming every endpoint and what keeps it out, when none is left.
    """
    if wishes is NONE and len(groups) == 1 and len(groups[0]) == 1:
        return Choice(groups[0], "single")
    lists, excluded = _candidates(groups, wishes, need, providers)
    if len(lists) == 1 and len(lists[0]) == 1:
        return Choice(lists[0], "single", excluded)
    everyone = [endpoint for each in lists for endpoint in each]
    if wishes.partition == "none":
        lists = [everyone]
    stats = Stats(need, everyone, health, None if wishes.order else kept)
    # What is not named in an explicit order follows without a draw, like the rest of such an order.
    strategy: str = wishes.sort or ("price" if wishes.order else settings.policy)
    policy = POLICIES[strategy]
    ranked = []
    equals = False
    for each in lists:
        if len(each) > 1:
            each = policy(need, each, stats)
            if replicas is not None and strategy in EVEN and not wishes.order:
                each, some = prefix.rank(need, each, stats, replicas)
                equals = equals or some
            each.sort(key=lambda endpoint: _doubtful(endpoint, need))
            if wishes.order:
                each.sort(key=lambda endpoint: _turn(endpoint, wishes.order, providers))
        ranked += each
    _last_those_that_lag(ranked, wishes, need, stats)
    if wishes.order:
        strategy = "order"
    else:
        if strategy == "balanced" and stats.sticky(ranked[0]):
            strategy = "sticky"
        if not wishes.allow_fallbacks:
            del ranked[1:]
    return Choice(ranked, strategy, excluded, equals)


def _candidates(
    groups: Sequence[Sequence[Endpoint]], wishes: Wishes, need: Need, providers: Mapping[str, Provider]
) -> tuple[list[list[Endpoint]], list[Excluded]]:
    """Per model those that may serve, each endpoint once. Raises BadRequest when there are none."""
    lists: list[list[Endpoint]] = []
    excluded: list[Excluded] = []
    seen: set[int] = set()
    for group in groups:
        if len(groups) > 1:  # a model may have been named twice
            group = [endpoint for endpoint in group if id(endpoint) not in seen]
            seen.update(map(id, group))
        left, out = eligible(group, wishes, need, providers)
        excluded += out
        if left:
            lists.append(left)
    if not lists:
        raise refusal(excluded) if excluded else BadRequest("no endpoint serves this model")
    return lists, excluded


def _turn(endpoint: Endpoint, order: tuple[str, ...], providers: Mapping[str, Provider]) -> int:
    """Its place in the caller's own order; behind it when it is not named there."""
    called = names(endpoint, providers.get(endpoint.provider))
    return min((order.index(name) for name in called if name in order), default=len(order))


def _doubtful(endpoint: Endpoint, need: Need) -> bool:
    """May it fall short of the request, without being known to?"""
    if need.input_tokens + (need.max_output_tokens or 0) > endpoint.context_length:
        return True
    if need.modalities and not need.modalities.issubset(endpoint.input_modalities):
        return True
    supported = endpoint.supported_parameters
    if not need.parameters or supported is None:
        return False
    return bool(unsupported(need.parameters & ESSENTIAL, supported))


def _last_those_that_lag(ranked: list[Endpoint], wishes: Wishes, need: Need, stats: Stats) -> None:
    """Put those that are slower than wished behind the others, and those that are down behind these."""
    slow, down = [], []
    now = need.now
    picky = wishes.min_throughput is not None or wishes.max_latency is not None
    for endpoint in ranked:
        vitals = stats.vitals(endpoint)
        if vitals is None:
            continue
        if vitals.down(now):
            down.append(endpoint)
        elif picky and _slow(vitals, wishes, now):
            slow.append(endpoint)
    if slow or down:
        behind = {id(endpoint): 1 for endpoint in slow} | {id(endpoint): 2 for endpoint in down}
        ranked.sort(key=lambda endpoint: behind.get(id(endpoint), 0))


def _slow(vitals: Vitals, wishes: Wishes, now: float) -> bool:
    """Does it miss a percentile that was wished? What was not measured misses none."""
    if wishes.min_throughput is not None:
        speeds = vitals.throughput.percentiles(now, descending=True)
        if speeds is not None and any(have < want for have, want in _pairs(speeds, wishes.min_throughput)):
            return True
    if wishes.max_latency is not None:
        waits = vitals.latency.percentiles(now)
        if waits is not None and any(have > want for have, want in _pairs(waits, wishes.max_latency)):
            return True
    return False


def _pairs(measured: Percentiles, wished: Cutoffs) -> list[tuple[float, float]]:
    wants = msgspec.structs.astuple(wished)
    return [
        (have, want)
        for have, want in zip(msgspec.structs.astuple(measured), wants, strict=True)
        if want is not None
    ]
