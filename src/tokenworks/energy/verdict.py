"""Who sells under cost? A posted price against what a planned deployment costs, for the same request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from tokenworks.energy.posted import Posted

Kind = Literal["under", "unclear", "over"]


class Cost(msgspec.Struct, frozen=True):
    """What a deployment costs, in $ per million tokens; the request it was planned for; its error band."""

    name: str  # "8 x NVIDIA H200 SXM in US"
    input_usd: float
    cached_usd: float
    output_usd: float
    uncached_tokens: float  # of one request
    cached_tokens: float
    output_tokens: float
    low: float = 1.0  # what is computed, times this, is the lower end of what it may really be
    high: float = 1.0

    @property
    def request_usd(self) -> float:
        """One request."""
        return (
            self.uncached_tokens * self.input_usd
            + self.cached_tokens * self.cached_usd
            + self.output_tokens * self.output_usd
        ) / 1e6


class Verdict(msgspec.Struct, frozen=True):
    """One seller against one deployment: sold under cost, within the planner's error of it, or over it."""

    provider: str
    model: str
    deployment: str
    kind: Kind
    posted_usd: float  # of one request
    cost_usd: float
    ratio: float  # posted price by cost
    sentence: str


def judge(cost: Cost, sold: Posted) -> Verdict:
    """``sold`` against ``cost``. Under it is only what lies below the whole band, over it what lies above."""
    asked, costs = (
        sold.request_usd(cost.uncached_tokens, cost.cached_tokens, cost.output_tokens),
        cost.request_usd,
    )
    kind: Kind = "unclear"
    if asked < costs * cost.low:
        kind = "under"
    elif asked > costs * cost.high:
        kind = "over"
    ratio = asked / costs if costs else float("inf")
    return Verdict(
        provider=sold.provider,
        model=sold.model,
        deployment=cost.name,
        kind=kind,
        posted_usd=asked,
        cost_usd=costs,
        ratio=ratio,
        sentence=_sentence(kind, ratio, cost, sold),
    )


def cheapest(costs: Iterable[Cost]) -> Cost:
    """The deployment whose requests cost least."""
    return min(costs, key=lambda each: each.request_usd)


def summary(model: str, verdicts: Sequence[Verdict]) -> str:
    """One sentence on all sellers of ``model`` against one deployment; ``verdicts`` is not empty."""
    under = [each.provider for each in verdicts if each.kind == "under"]
    unclear = [each.provider for each in verdicts if each.kind == "unclear"]
    where = verdicts[0].deployment
    if under:
        told = (
            f"{_names(under)} {'sells' if len(under) == 1 else 'sell'} {model} under what it costs on {where}"
        )
        return f"{told}: by a better deployment, cheaper hardware, or at a loss."
    if unclear:
        told = (
            f"{_names(unclear)} {'asks' if len(unclear) == 1 else 'ask'} about what {model} costs on {where}"
        )
        return f"{told}; the planner's error allows no more to be said."
    least = min(each.ratio for each in verdicts)
    return f"Nobody sells {model} under what it costs on {where}: the cheapest asks {_times(least)} as much."


def _sentence(kind: Kind, ratio: float, cost: Cost, sold: Posted) -> str:
    prices = f"${sold.input_mtok:g} in, ${sold.cached_mtok:g} cached, ${sold.output_mtok:g} out"
    told = f"{sold.provider} asks {prices} per million"
    band = f"its error band ({cost.low:.2f} to {cost.high:.2f})"
    if kind == "under":
        return f"{told}: {ratio:.0%} of the cost, below all of {band}."
    if kind == "unclear":
        return f"{told}: {_times(ratio)} the cost, within {band}."
    return f"{told}: {_times(ratio)} the cost."


def _times(ratio: float) -> str:
    return f"{ratio:.1f} times" if ratio < 10 else f"{ratio:.0f} times"


def _names(names: Sequence[str]) -> str:
    distinct = list(dict.fromkeys(names))
    return distinct[0] if len(distinct) == 1 else f"{', '.join(distinct[:-1])} and {distinct[-1]}"
