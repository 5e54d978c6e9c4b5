"""Which way a request for ``auto`` goes: a rule's, an agent's, or the cheapest that keeps the quality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from tokenworks.gateway.caller import MAX_LABEL
from tokenworks.gateway.weighing import Offers, Weighed
from tokenworks.routing import cascade, decision, explore, stage
from tokenworks.routing.cascade import Option, Route
from tokenworks.routing.decision import Candidate, Decision
from tokenworks.routing.knobs import Knobs
from tokenworks.routing.rules import Ruled
from tokenworks.schema import Price

# Paths of decisions.
DIRECT, CASCADE, STRONG, STAGE, RULE = "direct", "cascade", "strong", "stage", "rule"
EXPLORING = "asked first to learn of it"
TURNS = 4.0  # of an agent that are expected to follow


def choose(
    weighed: Weighed,
    offers: Offers,
    turned: Knobs,
    ruled: Ruled | None,
    *,
    checkable: bool,
    most_explored: float,
    uniform: float,
) -> tuple[Route, Decision]:
    """The route, and the beginning of its story.

    ``checkable``: an answer can be held back and another model be asked. ``uniform`` is drawn from [0, 1).
    """
    look = weighed.look
    route, told = _route(weighed, offers, turned, ruled, checkable=checkable)
    chances: Mapping[str, float] = {route.first.model: 1.0}
    if told.path in (DIRECT, CASCADE) and not weighed.said.turns:
        route, chances = _explored(route, offers, turned, most_explored, uniform)
        told.explored = route.why == EXPLORING
        told.why = route.why
    told.candidates = _candidates(offers, chances)
    told.quality, told.max_cost_usd = turned.quality, turned.max_cost_usd
    told.expected_right, told.expected_cost_usd = round(route.right, 4), route.cost_usd
    told.task_share, told.known = round(look.task_share, 3), round(look.known, 3)
    told.vector = decision.packed(look.vector)
    return route, told


def _candidates(offers: Offers, chances: Mapping[str, float]) -> tuple[Candidate, ...]:
    return tuple(
        Candidate(
            each.model,
            round(each.right, 4),
            each.cost_usd,
            round(offers.beliefs[each.model].weight, 2),
            chances.get(each.model, 0.0),  # to the last digit: replay divides by it
            round(offers.priors[each.model], 4),
        )
        for each in offers.options
    )


def _route(
    weighed: Weighed, offers: Offers, turned: Knobs, ruled: Ruled | None, *, checkable: bool
) -> tuple[Route, Decision]:
    said, task, strong = weighed.said, weighed.look.task, offers.strong
    rule = ruled.name if ruled is not None else ""
    if ruled is not None and ruled.model:
        only = offers.options[0]
        route = Route(only, None, only, False, only.right, only.cost_usd, f"rule {rule}")
        return route, Decision(task, RULE, strong.model, route.why, rule=rule)
    route = cascade.route(
        offers.options,
        quality=turned.quality,
        max_cost_usd=turned.max_cost_usd,
        task=task,
        checkable=checkable,
        prompt_chars=len(said.user),
        strong=strong,
    )
    path = CASCADE if route.checked else STRONG if route.first.model == strong.model else DIRECT
    told = Decision(task, path, strong.model, route.why, rule=rule)
    if said.results:
        route = _staged(weighed, offers, route, told)
    return route, told


def _staged(weighed: Weighed, offers: Offers, route: Route, told: Decision) -> Route:
    """An agent's turn: what its tools say counts more than what its user said, and a warm cache too."""
    judged, strong = stage.assess(weighed.said), offers.strong
    told.stage = f"{judged.tier} {judged.stuck:.2f}: {judged.why}"[:MAX_LABEL]
    told.path, cheap = STAGE, route.first
    if judged.tier == "strong":
        told.why = f"the agent is stuck: {judged.why}"
        return replace(cascade.straight(strong), why=told.why)
    if cheap.model == strong.model:
        # What is hard about an agent's work shows in its results, and these are good so far.
        dear = strong.cost_usd
        cheap = min(offers.options, key=lambda each: (strong.right - each.right) * dear + each.cost_usd)
    told.why = f"the agent gets on: {judged.why}"
    warm = max(offers.options, key=lambda each: offers.cached[each.model])
    if warm.model != cheap.model and _stays(warm, cheap, offers):
        cheap, told.why = warm, f"its prompt is in the cache of {warm.model}"
    return Route(cheap, None, strong, False, cheap.right, cheap.cost_usd, told.why)


def _stays(warm: Option, other: Option, offers: Offers) -> bool:
    """Whether ``other`` promises too little to read the whole session anew. A right answer is worth what the
    strong model's costs."""
    tokens, here, there = offers.cached[warm.model], offers.prices[warm.model], offers.prices[other.model]
    if not tokens:
        return False
    cached = _cached_mtok(here)
    uncached_usd = warm.cost_usd + tokens * (here.input_mtok - cached) / 1e6
    return stage.stay(
        other.right - warm.right,
        value_usd=offers.strong.cost_usd,
        saved_usd=uncached_usd - other.cost_usd,
        cached_tokens=tokens,
        cold_usd_mtok=max(there.input_mtok, there.cache_write_mtok or 0.0),
        cached_usd_mtok=cached,
        turns=TURNS,
    )


def _cached_mtok(price: Price) -> float:
    return price.input_mtok if price.cache_read_mtok is None else price.cache_read_mtok


def _explored(
    route: Route, offers: Offers, turned: Knobs, most: float, uniform: float
) -> tuple[Route, Mapping[str, float]]:
    """Now and then another model goes first, to learn of it: as often as it may be the better one."""
    first, strong = route.first, offers.strong
    others = _others(route, offers, turned)
    if not others or first.model == strong.model or most <= 0:
        return route, {first.model: 1.0}
    ranked = [first, *others]
    arms = [
        explore.Arm(offers.beliefs[each.model], each.cost_usd + strong.cost_usd, strong.cost_usd)
        for each in ranked
    ]
    choice = explore.explored(arms, uniform, most=most)
    chances = {each.model: p for each, p in zip(ranked, choice.propensities, strict=True)}
    if choice.index == 0:
        return route, chances
    taken = ranked[choice.index]
    later = [o for o in (route.second, route.third) if o is not None and o.family != taken.family]
    second, third = (*later, None, None)[:2]
    made = replace(route, first=taken, second=second, third=third, right=taken.right, why=EXPLORING)
    return made, chances


def _others(route: Route, offers: Offers, turned: Knobs) -> Sequence[Option]:
    """The cheap models that may turn out to be better than the first, the most promising ones first.

    Where nobody looks at the answer, only those that promise to keep the quality; under a cap on cost only
    those that keep it.
    """
    strong = offers.strong
    asked = {strong.model, *(each.model for each in route.cheap)}
    others = [o for o in offers.options if o.model not in asked and o.cost_usd < strong.cost_usd]
    if not route.checked:
        others = [o for o in others if o.right >= turned.quality * strong.right]
    if turned.max_cost_usd is not None:
        others = [o for o in others if o.cost_usd <= turned.max_cost_usd]
    others.sort(key=lambda o: o.cost_usd - o.right * strong.cost_usd)
    return others[: explore.MOST_ARMS - 1]
