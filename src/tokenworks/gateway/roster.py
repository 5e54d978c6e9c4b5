"""The models among which ``auto`` chooses for a caller, and their endpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from tokenworks.catalog.prices import UNKNOWN_PRICE
from tokenworks.catalog.resolve import Catalog
from tokenworks.routing.eligible import Excluded, eligible
from tokenworks.routing.health import Health
from tokenworks.routing.knobs import Knobs, narrowed
from tokenworks.routing.need import Need
from tokenworks.routing.wishes import Wishes
from tokenworks.schema import Endpoint, Usage

MOST = 12  # models that are weighed for one request
_MOST_REMEMBERED = 256  # short lists, of keys and knobs
_USUAL = Usage(uncached_input_tokens=2000, output_tokens=500)  # by which models are told cheap from dear

Allows = Callable[[Endpoint], bool]


class Entry(msgspec.Struct, frozen=True):
    """One model that can serve this request. ``endpoints`` are those that may, the first the cheapest up.

    Not ``sound``: all are down, or surely lack what is asked for.
    """

    model: str
    endpoints: tuple[Endpoint, ...]
    sound: bool = True

    @property
    def price_of(self) -> Endpoint:
        """Whose price is expected."""
        return self.endpoints[0]


class Lists(NamedTuple):
    """Models that a caller may use and wishes: all, and those that are worth a look at every request."""

    short: tuple[str, ...]
    whole: tuple[str, ...]


class Roster:
    """Short lists of models, remembered for callers with the same rights and wishes."""

    def __init__(
        self, catalog: Catalog, health: Health, prior: Callable[[Sequence[str]], Sequence[float]]
    ) -> None:
        """``prior`` tells how often models are right before anything is known of a request."""
        self._catalog = catalog
        self._health = health
        self._prior = prior
        self._lists: dict[object, Lists] = {}
        self._priced_at = catalog.priced_at

    def lists(self, knobs: Knobs, allows: Allows | None, who: object, *, local_only: bool) -> Lists:
        """The models that the caller may use and wishes. The short list has ``MOST`` of them (and the one to
        compare with), those that are dominated left out.

        ``who`` stands for the caller's rights: the same for the same ``allows``.
        """
        if self._priced_at != self._catalog.priced_at or len(self._lists) > _MOST_REMEMBERED:
            self._priced_at = self._catalog.priced_at
            self._lists.clear()
        key = (who, local_only, knobs.allowed, knobs.excluded, knobs.cost_tier, knobs.strong)
        found = self._lists.get(key)
        if found is None:
            found = self._lists[key] = self._shorten(knobs, allows, local_only=local_only)
        return found

    def _shorten(self, knobs: Knobs, allows: Allows | None, *, local_only: bool) -> Lists:
        costs: list[tuple[str, float | None]] = []
        for model, endpoints in self._catalog.endpoints.items():
            known = self._catalog.models.get(model)
            if known is not None and known.output_modalities != ("text",):
                continue
            usable = _usable(endpoints, allows, local_only=local_only)
            if usable:
                least = min(map(_usual_nano_usd, usable))
                costs.append((model, least * 1e-9 if least < float("inf") else None))
        names = narrowed(costs, knobs)
        if len(names) <= MOST:
            return Lists(names, names)
        right = dict(zip(names, self._prior(names), strict=True))
        cost = {model: usd if usd is not None else float("inf") for model, usd in costs}
        return Lists(tuple(_best(names, cost, right, knobs.strong)), names)

    def shortened(self, entries: Sequence[Entry], strong: str) -> Sequence[Entry]:
        """Those of ``entries`` that are worth a look, in the same way."""
        if len(entries) <= MOST:
            return entries
        names = [each.model for each in entries]
        right = dict(zip(names, self._prior(names), strict=True))
        cost = {each.model: _usual_nano_usd(each.price_of) for each in entries}
        best = set(_best(names, cost, right, strong))
        return [each for each in entries if each.model in best]

    def able(
        self, models: Sequence[str], wishes: Wishes, need: Need, allows: Allows | None, *, local_only: bool
    ) -> tuple[list[Entry], list[Excluded]]:
        """Those of ``models`` that can serve this very request, and what keeps the others' endpoints out.

        A model of which every endpoint is down, or that surely lacks what is asked for, comes only where
        no other is left.
        """
        sound: list[Entry] = []
        doubtful: list[Entry] = []
        excluded: list[Excluded] = []
        providers = self._catalog.providers
        for model in models:
            usable = _usable(self._catalog.find(model), allows, local_only=local_only)
            left, out = eligible(usable, wishes, need, providers)
            excluded += out
            if not left:
                continue
            up = [e for e in left if not self._down(e, need.now) and not _lacks(e, need)]
            (sound if up else doubtful).append(Entry(left[0].model, tuple(up or left), bool(up)))
        return sound or doubtful, excluded

    def _down(self, endpoint: Endpoint, now: float) -> bool:
        vitals = self._health.find(endpoint)
        return vitals is not None and vitals.troubled and vitals.down(now)


def _usable(endpoints: Sequence[Endpoint], allows: Allows | None, *, local_only: bool) -> list[Endpoint]:
    """Those that the caller may use."""
    return [e for e in endpoints if (e.engine or not local_only) and (allows is None or allows(e))]


def _usual_nano_usd(endpoint: Endpoint) -> float:
    """Infinite where the price is not known."""
    price = endpoint.price
    return price.cost_nano_usd(_USUAL) if price.id != UNKNOWN_PRICE.id else float("inf")


def _lacks(endpoint: Endpoint, need: Need) -> bool:
    """What is asked for and the endpoint is known not to give, or to have no room for."""
    if need.input_tokens + (need.max_output_tokens or 0) > endpoint.context_length:
        return True
    if need.modalities and not need.modalities.issubset(endpoint.input_modalities):
        return True
    supported = endpoint.supported_parameters
    if supported is None:
        return False
    wanted = need.parameters & _HARD
    return any(name not in supported and _ALSO.get(name, name) not in supported for name in wanted)


_HARD = frozenset(("tools", "response_format", "structured_outputs", "reasoning", "thinking"))
_ALSO = {"thinking": "reasoning", "structured_outputs": "response_format"}


def _best(
    names: Sequence[str], cost: Mapping[str, float], right: Mapping[str, float], strong: str
) -> list[str]:
    """The front of cost and quality, filled up with what lies closest behind it, in order of cost."""
    front: list[str] = []
    behind: list[tuple[float, str]] = []
    most = -1.0
    for model in sorted(names, key=lambda name: (cost[name], -right[name])):
        if right[model] > most or model == strong:
            most = max(most, right[model])
            front.append(model)
        else:
            behind.append((most - right[model], model))
    if len(front) > MOST:  # the dearest is the best, the cheapest the cheapest: thin out between them
        step = (len(front) - 1) / (MOST - 1)
        kept = {front[round(at * step)] for at in range(MOST)} | ({strong} & set(front))
        return [model for model in front if model in kept]
    chosen = set(front) | {model for _, model in sorted(behind)[: MOST - len(front)]}
    return sorted(chosen, key=lambda name: (cost[name], name))
