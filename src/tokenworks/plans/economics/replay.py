"""Usage replayed against a plan, request by request, as the gateway would have counted it.

A request is served by the plan when all it weighs is free in every window. Else the plan is used up for it:
``stop`` refuses it, ``cheaper_model`` serves it uncounted at another price, ``pay_as_you_go`` passes its
cost on to the subscriber, ``queue`` keeps it, in order, until it fits, and refuses what is larger than a
whole window. A model in no class is refused but under ``pay_as_you_go``.

What was used is known here, so nothing is reserved and settled later. Subscribers share nothing. Concurrency,
allowed clients and fair use are left out: a history doesn't tell how a client would have reacted.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Sequence

import msgspec

from tokenworks.config.glob import matches
from tokenworks.plans.economics.costs import amounts
from tokenworks.plans.economics.history import MONTH_US, History, Subscriber
from tokenworks.plans.economics.queueing import Served, serve_queued
from tokenworks.plans.spec import NANO_CREDIT, ModelClass, PlanSpec
from tokenworks.plans.subscription import weight
from tokenworks.plans.window import Window, parse
from tokenworks.schema import NANO_USD, Price

NOT_INCLUDED = -1  # weight of a request to a model in no class

Progress = Callable[[int, int], None]  # done, of how many


class Standing(msgspec.Struct):
    """How one subscriber came out. Money in nano-dollars."""

    name: str
    kind: str
    requests: int = 0
    included: int = 0  # served by the plan, those that were late too
    deferred: int = 0  # of ``included``: served later than asked for
    cheaper: int = 0  # served by the cheaper model
    paid: int = 0  # paid for by the subscriber
    refused: int = 0
    waiting: int = 0  # still queued at the end
    not_included: int = 0  # to models that the plan does not have; counted above, too
    nano_credits: int = 0
    revenue_nano_usd: int = 0
    overflow_nano_usd: int = 0  # part of revenue: what was paid besides the plan's price
    cost_nano_usd: int = 0
    wanted_nano_usd: int = 0  # what everything asked for would have cost
    used_up: tuple[int, ...] = ()  # for each window: how often it began to turn requests away

    @property
    def margin_nano_usd(self) -> int:
        """Revenue less cost."""
        return self.revenue_nano_usd - self.cost_nano_usd

    @property
    def loses(self) -> bool:
        """Whether the operator loses money with this subscriber."""
        return self.revenue_nano_usd < self.cost_nano_usd


class Outcome(msgspec.Struct):
    """A whole replay."""

    plan: PlanSpec
    standings: list[Standing]  # in the order of the history's subscribers

    @property
    def margin_nano_usd(self) -> int:
        """Revenue less cost of everybody together."""
        return sum(each.margin_nano_usd for each in self.standings)

    @property
    def losing(self) -> int:
        """How many subscribers cost more than they pay."""
        return sum(each.loses for each in self.standings)


class Replay:
    """A history made ready to be replayed many times, against a plan and variants of it."""

    def __init__(
        self,
        history: History,
        plan: PlanSpec,
        price_of: Callable[[str], Price],
        *,
        recorded: bool = False,
        progress: Progress | None = None,
    ) -> None:
        """``recorded``: costs are those of the ledger, where it has them, else by ``price_of``.

        Raises what ``price_of`` raises, ``ValueError`` for a window that is none.
        """
        self.history = history
        self.plan = plan
        self.windows = [parse(each.window, plan.timezone) for each in plan.windows]
        needs = _needs_price(history) if recorded else set(range(len(history.models)))
        prices = [price_of(name) if place in needs else None for place, name in enumerate(history.models)]
        cheaper = price_of(plan.cheaper_model) if plan.used_up == "cheaper_model" else None
        self._tracks = []
        for done, subscriber in enumerate(history.subscribers, 1):
            cost = amounts(subscriber.requests, prices, recorded=recorded)
            track = _Track(subscriber, self.windows, cost, cheaper, len(history.models))
            track.weigh(self._weights(plan))
            self._tracks.append(track)
            if progress is not None:
                progress(done, len(history.subscribers))
        self._weighed = plan.classes

    def run(self, plan: PlanSpec | None = None) -> Outcome:
        """Replay against ``plan``: that of the replay, or one with other amounts, prices or weights.

        Raises ``ValueError`` when its windows have other spans or its overflow another rule.
        """
        plan = plan or self.plan
        same = [each.window for each in plan.windows] == [each.window for each in self.plan.windows]
        kept = ("timezone", "used_up", "cheaper_model")
        if not same or any(getattr(plan, name) != getattr(self.plan, name) for name in kept):
            raise ValueError("a variant differs in amounts, price and weights only; make another Replay")
        caps = [round(each.credits * NANO_CREDIT) for each in plan.windows]
        weights = None
        if plan.classes != self._weighed:
            weights, self._weighed = self._weights(plan), plan.classes
        fee = round(plan.price_usd * NANO_USD) * self.history.span_us // MONTH_US
        own = plan.classes == self.plan.classes
        standings = []
        for track in self._tracks:
            if weights is not None:
                track.weigh(weights)
            roomy = own and all(peak <= cap for peak, cap in zip(track.peaks(), caps, strict=True))
            standings.append(track.standing(plan, caps, fee, self.history.until_us, roomy=roomy))
        return Outcome(plan, standings)

    def unlimited_scale(self) -> float:
        """By how much all windows would have to grow so that none is ever used up; 0 for none at all.

        Infinite where a window of nothing is asked for anything.
        """
        if self._weighed != self.plan.classes:
            self.run()
        most = 0.0
        for track in self._tracks:
            for peak, each in zip(track.peaks(), self.plan.windows, strict=True):
                if peak:
                    most = max(most, peak / (each.credits * NANO_CREDIT) if each.credits else float("inf"))
        return most

    def uses(self, name: str) -> bool:
        """Whether anything was asked of the class of this name."""
        places = {
            place
            for place, model in enumerate(self.history.models)
            if (found := class_of(self.plan, model)) is not None and found.name == name
        }
        return any(not places.isdisjoint(each.requests.model) for each in self.history.subscribers)

    def _weights(self, plan: PlanSpec) -> list[Price | None]:
        found = [class_of(plan, model) for model in self.history.models]
        return [None if each is None else weight(each) for each in found]


def class_of(plan: PlanSpec, model: str) -> ModelClass | None:
    """The class of ``plan`` that ``model`` is in; None where it is not included."""
    return next((each for each in plan.classes if matches(each.models, model)), None)


def _needs_price(history: History) -> set[int]:
    """Models of which some request has no recorded cost."""
    return {
        model
        for each in history.subscribers
        for model, cost in zip(each.requests.model, each.requests.cost_nano_usd, strict=True)
        if cost < 0
    }


class _Track:
    """One subscriber's requests, with all that no variant of the plan changes worked out."""

    def __init__(
        self,
        subscriber: Subscriber,
        windows: Sequence[Window],
        cost: list[int],
        cheaper: Price | None,
        models: int,
    ) -> None:
        self.subscriber = subscriber
        self.windows = windows
        times = subscriber.requests.time_us
        self.buckets = [array("q", [window.bucket(at)[0] for at in times]) for window in windows]
        self.sinces = [array("q", [window.since(at) for at in times]) for window in windows]
        self.cost = array("q", cost)
        self.cheap = array("q", amounts(subscriber.requests, [cheaper] * models) if cheaper else ())
        self.wanted = sum(cost)
        self.weights = array("q")
        self._least = 0
        self._outside = 0
        self._cheap_inside = 0
        self._peaks: list[int] | None = None

    def weigh(self, weights: list[Price | None]) -> None:
        """Take these weights, by the number of the model."""
        self.weights = array("q", amounts(self.subscriber.requests, weights, missing=NOT_INCLUDED))
        self._outside = self.weights.count(NOT_INCLUDED)
        self._cheap_inside = sum(self.cheap[place] for place in self._inside()) if self.cheap else 0
        self._least = min((each for each in self.weights if each >= 0), default=0)

    def peaks(self) -> list[int]:
        """The most nano-credits that each window would hold if all were served when asked for.

        Worked out once, so the first call must find the plan's own weights.
        """
        if self._peaks is None:
            self._peaks = [_peak(*columns, self.weights) for columns in zip(self.buckets, self.sinces)]  # noqa: B905
        return self._peaks

    def standing(
        self, plan: PlanSpec, caps: Sequence[int], fee: int, until_us: int, *, roomy: bool
    ) -> Standing:
        """How the subscriber comes out with windows of ``caps`` nano-credits for a price of ``fee``.

        ``roomy``: none of the windows is ever used up.
        """
        if roomy:
            served = self._all_served(len(caps))
        elif plan.used_up == "queue":
            served = serve_queued(
                self.subscriber.requests.time_us, self.weights, self.cost, self.windows, caps, until_us
            )
        else:
            served = self._serve(caps)
        total = len(self.weights)
        found = Standing(
            self.subscriber.name,
            self.subscriber.kind,
            requests=total,
            included=served.count,
            deferred=served.deferred,
            waiting=served.waiting,
            not_included=self._outside,
            nano_credits=served.weight,
            revenue_nano_usd=fee,
            cost_nano_usd=served.cost,
            wanted_nano_usd=self.wanted,
            used_up=tuple(served.used_up),
        )
        rest = total - served.count - served.waiting
        if plan.used_up == "cheaper_model":
            found.cheaper, found.refused = rest - self._outside, self._outside
            found.cost_nano_usd += self._cheap_inside - served.cheap
        elif plan.used_up == "pay_as_you_go":
            found.paid = rest
            found.overflow_nano_usd = self.wanted - served.cost
            found.revenue_nano_usd += found.overflow_nano_usd
            found.cost_nano_usd = self.wanted
        else:
            found.refused = rest
        return found

    def _inside(self) -> Sequence[int]:
        """Requests to models that the plan has."""
        if not self._outside:
            return range(len(self.weights))
        return [place for place, each in enumerate(self.weights) if each != NOT_INCLUDED]

    def _all_served(self, windows: int) -> Served:
        served = Served([0] * windows)
        inside = self._inside()
        served.count, served.cheap = len(inside), self._cheap_inside
        served.weight = sum(self.weights[place] for place in inside)
        served.cost = sum(self.cost[place] for place in inside)
        return served

    def _serve(self, caps: Sequence[int]) -> Served:
        """What the plan serves, where what does not fit has no second chance."""
        served = Served([0] * len(caps))
        windows = [
            (buckets, sinces, cap, deque[list[int]]())
            for buckets, sinces, cap in zip(self.buckets, self.sinces, caps, strict=True)
        ]
        spent = [0] * len(caps)
        weights, cost, cheap, least, end = self.weights, self.cost, self.cheap, self._least, len(self.weights)
        turned_away = False
        at = 0
        while at < end:
            weighs = weights[at]
            if weighs == NOT_INCLUDED:
                at += 1
                continue
            full = -1
            for place, (_, sinces, cap, parts) in enumerate(windows):
                since = sinces[at]
                while parts and parts[0][0] < since:
                    spent[place] -= parts.popleft()[1]
                if spent[place] + weighs > cap:
                    full = place
                    break
            if full < 0:
                for place, (buckets, _, _, parts) in enumerate(windows):
                    bucket = buckets[at]
                    if parts and parts[-1][0] == bucket:
                        parts[-1][1] += weighs
                    else:
                        parts.append([bucket, weighs])
                    spent[place] += weighs
                served.count += 1
                served.weight += weighs
                served.cost += cost[at]
                if cheap:
                    served.cheap += cheap[at]
                turned_away = False
                at += 1
                continue
            if not turned_away:
                served.used_up[full] += 1
                turned_away = True
            _, sinces, cap, parts = windows[full]
            if spent[full] + least <= cap:
                at += 1  # something smaller may still fit
            elif parts:  # nothing fits before the oldest part leaves the window
                at = bisect_right(sinces, parts[0][0], at + 1, end)
            else:
                at = end
        return served


def _peak(buckets: Sequence[int], sinces: Sequence[int], weights: Sequence[int]) -> int:
    parts: deque[list[int]] = deque()
    spent = most = 0
    for bucket, since, weighs in zip(buckets, sinces, weights, strict=True):
        if weighs == NOT_INCLUDED:
            continue
        while parts and parts[0][0] < since:
            spent -= parts.popleft()[1]
        if parts and parts[-1][0] == bucket:
            parts[-1][1] += weighs
        else:
            parts.append([bucket, weighs])
        spent += weighs
        most = max(most, spent)
    return most
