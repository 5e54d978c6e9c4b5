"""What is known of a request for ``auto`` before a model is asked: what each one promises and costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from tokenworks.catalog.prices import UNKNOWN_PRICE
from tokenworks.catalog.resolve import Catalog
from tokenworks.errors import BadRequest
from tokenworks.gateway.caller import MAX_LABEL
from tokenworks.gateway.choice import conversation_of
from tokenworks.gateway.roster import Entry
from tokenworks.gateway.way import Way
from tokenworks.ledger.record import Record
from tokenworks.routing import agreement
from tokenworks.routing.affinity import Affinity
from tokenworks.routing.cascade import Option
from tokenworks.routing.difficulty import Difficulty, Look
from tokenworks.routing.learner import Learner
from tokenworks.routing.need import Need
from tokenworks.routing.thompson import Belief
from tokenworks.schema import NANO_USD, Price, Usage
from tokenworks.wire import history, pairs
from tokenworks.wire.pairing import Asked
from tokenworks.wire.peek import Fields, text

MOST_COMPARED = 16_000  # characters of an answer that are looked at to tell whether another says the same
LEAST_CALLS = 5  # from which on it is known how much a model mostly writes


class Weighed(msgspec.Struct, frozen=True):
    """One request."""

    said: history.History
    look: Look
    need: Need
    session: str
    key_id: str


class Offers(msgspec.Struct, frozen=True):
    """What can be had for it. ``cached``: tokens of its session that a model likely has in its cache."""

    options: Sequence[Option]
    strong: Option  # with which all is compared
    beliefs: Mapping[str, Belief]
    prices: Mapping[str, Price]
    cached: Mapping[str, int]
    priors: Mapping[str, float]  # what the predictor alone says of P(right)


class Weigher:
    """Looks at requests with what was trained and what was learnt. It is the ``Judges`` of courses."""

    def __init__(
        self, catalog: Catalog, affinity: Affinity, difficulty: Difficulty, learner: Learner
    ) -> None:
        self.catalog = catalog
        self.affinity = affinity
        self.difficulty = difficulty
        self.learner = learner

    def weigh(self, way: Way, asked: Asked, record: Record, need: Need) -> Weighed:
        """Look at a request."""
        said = _said(way, asked.fields)
        look = self.difficulty.look(said.user or said.system)
        session = conversation_of(record, asked.fields)[:MAX_LABEL]
        return Weighed(said, look, need, session, record.key_id)

    def opinion(self, way: Way, fields: Fields, model: str) -> tuple[str, float]:
        """The type of task, and P(an answer of ``model`` is right)."""
        said = _said(way, fields)
        look = self.difficulty.look(said.user or said.system)
        (guess,) = self.difficulty.guess(look, [model])
        return look.task, self.learner.now.belief(look.task, model, guess.right, guess.weight).mean

    def offers(
        self, entries: Sequence[Entry], weighed: Weighed, left_usd: float | None, strong: str
    ) -> Offers:
        """What each model promises and costs; those that ``left_usd`` would not last for are left out.

        ``strong`` names the model to compare with; "" or one that is none of them: the best of them.
        """
        look, known = weighed.look, self.learner.now
        guesses = self.difficulty.guess(look, [each.model for each in entries])
        beliefs: dict[str, Belief] = {}
        prices: dict[str, Price] = {}
        cached: dict[str, int] = {}
        priors: dict[str, float] = {}
        costs: dict[str, float | None] = {}
        for entry, guess in zip(entries, guesses, strict=True):
            model, price = entry.model, entry.price_of.price
            beliefs[model] = known.belief(look.task, model, guess.right, guess.weight, look.vector)
            prices[model], priors[model] = price, guess.right
            cached[model] = self._cached(weighed, model)
            usage = self._usage(model, weighed, cached[model])
            known_price = price.id != UNKNOWN_PRICE.id
            costs[model] = price.cost_nano_usd(usage) / NANO_USD if known_price else None
        dearest = max((cost for cost in costs.values() if cost is not None), default=0.0)
        options = [
            Option(model, self._family(model), belief.mean, _or(costs[model], dearest))
            for model, belief in beliefs.items()
        ]
        if left_usd is not None:  # where nothing is left, admission cuts the answer or refuses it
            lasting = [each for each in options if each.cost_usd <= left_usd]
            options = lasting or [min(options, key=lambda each: each.cost_usd)]
        named = [each for each in options if each.model == strong]
        best = named or sorted(options, key=lambda each: (-each.right, each.cost_usd))
        return Offers(options, best[0], beliefs, prices, cached, priors)

    def _usage(self, model: str, weighed: Weighed, cached: int) -> Usage:
        """What an answer of this model to such a request likely uses."""
        need = weighed.need
        spending = self.learner.now.spending(weighed.look.task, model)
        usage = spending.usage(need.input_tokens, cached=cached)
        most = need.max_output_tokens
        if most is not None and usage.output_tokens > most:
            usage = replace(usage, output_tokens=most, reasoning_tokens=min(usage.reasoning_tokens, most))
        return usage

    def _cached(self, weighed: Weighed, model: str) -> int:
        if not weighed.session:
            return 0
        kept = self.affinity.of((weighed.key_id, model, weighed.session), weighed.need.now)
        return min(kept.cached_tokens, weighed.need.input_tokens) if kept is not None else 0

    def _family(self, model: str) -> str:
        known = self.catalog.models.get(model)
        return known.author if known is not None else model.partition("/")[0]

    # --- see ``course.Judges`` -------------------------------------------------------------------

    def agreement(self, one: str, other: str, task: str) -> float | None:
        """How far two answers say the same."""
        return agreement.agree(one, other, task, vector=self._vector)

    def pattern(self, answers: Sequence[str], task: str) -> str:
        """Who agrees with whom."""
        return agreement.pattern(answers, task, vector=self._vector)

    def usual_output(self, task: str, model: str) -> float:
        """Output tokens that the model mostly writes; 0 where too little of it was seen."""
        spending = self.learner.now.spending(task, model)
        return spending.output_tokens if spending.calls >= LEAST_CALLS else 0.0

    def _vector(self, text: str) -> Any:
        return self.difficulty.look(text[:MOST_COMPARED]).vector


def _or(cost: float | None, dearest: float) -> float:
    """What has no known price counts like the dearest."""
    return dearest if cost is None else cost


def _said(way: Way, fields: Fields) -> history.History:
    if way.wire != pairs.COMPLETIONS:
        return history.read(way.wire, fields)
    try:
        prompt = (text(fields, "prompt") or "") if "prompt" in fields else ""
    except BadRequest:  # several prompts, or tokens
        prompt = ""
    return history.History(user=prompt)
