"""How ``auto`` chose a model for one request, in the order in which a person asks about it."""

from __future__ import annotations

from typing import Any

import msgspec

from tokenworks.ledger.decided import DecisionRow
from tokenworks.routing import decision
from tokenworks.schema import NANO_USD


class DecisionView(msgspec.Struct, frozen=True):
    """``story`` as ``routing.decision.story`` tells it; money in $."""

    id: str
    time_us: int
    story: dict[str, Any]
    whole: bool  # False: of a version that told it in another way, so that only the columns are known
    model: str  # whose answer was served
    cost_usd: float  # of all models that were asked
    always_strong_usd: float
    propensity: float  # P(asked first) of the model that was asked first

    @property
    def saved_usd(self) -> float:
        """What always asking the strong model would have cost more; less than nothing where it cost less."""
        return self.always_strong_usd - self.cost_usd

    @property
    def saved_share(self) -> float | None:
        """The same as a share; None where nothing is known to compare with."""
        return self.saved_usd / self.always_strong_usd if self.always_strong_usd > 0 else None


def view(row: DecisionRow) -> DecisionView:
    """What ``row`` tells."""
    whole = True
    try:
        told = decision.read(row.detail)
    except ValueError:
        told, whole = decision.Decision(row.task, row.path, row.strong, "", served=row.model), False
    return DecisionView(
        row.id,
        row.time_us,
        decision.story(told),
        whole,
        row.model,
        row.cost_nano_usd / NANO_USD,
        row.baseline_nano_usd / NANO_USD,
        row.propensity,
    )


def foretold(told: dict[str, Any]) -> DecisionView:
    """What ``gateway.explaining`` says would be done, for the same page: nothing is spent or saved yet."""
    first = next((each for each in told["candidates"] if each["model"] == told["asks"][0]), None)
    return DecisionView(
        *("", 0, told, True, ""),
        cost_usd=told["expected_cost_usd"],
        always_strong_usd=_cost_of(told, told["strong"]),
        propensity=first["propensity"] if first is not None else 0.0,
    )


def _cost_of(told: dict[str, Any], model: str) -> float:
    return next((float(each["cost_usd"]) for each in told["candidates"] if each["model"] == model), 0.0)
