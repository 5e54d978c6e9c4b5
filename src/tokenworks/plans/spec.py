"""A plan: what a subscriber pays, what that includes, and what happens when it is used up.

What is included is counted in *credits*. A model class says what a token of its models weighs in credits
per million tokens, as a price says it in dollars, so that a credit can be made to mean a dollar, a
request, or anything between.
"""

from __future__ import annotations

from typing import Literal

import msgspec

UsedUp = Literal["stop", "cheaper_model", "pay_as_you_go", "queue"]
FairAction = Literal["observe", "slow", "cheaper_model", "metered", "suspend"]
NANO_CREDIT = 1_000_000_000


class PlanWindow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """So many credits in each window: see ``plans.window`` for its forms."""

    credits: float
    window: str


class ModelClass(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What requests to some models weigh, in credits per million tokens and per request."""

    name: str
    models: tuple[str, ...]  # globs of model ids; the first class that matches counts
    input_mtok: float = 0.0
    output_mtok: float = 0.0
    cache_read_mtok: float | None = None  # None: as ``input_mtok``
    cache_write_mtok: float | None = None
    request: float = 0.0


class FairUse(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is done where use looks automated on a plan for people; see ``plans.fair_use``."""

    action: FairAction = "observe"
    threshold: float = 0.8  # of the score, 0 to 1
    slow_s: float = 10.0  # by which each request waits under "slow"
    hours: float = 24.0  # for which an action stands


class PlanSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A plan. A model in no class is not included."""

    name: str
    price_usd: float = 0.0  # a month, for each subscriber
    windows: tuple[PlanWindow, ...] = ()
    classes: tuple[ModelClass, ...] = ()
    timezone: str = "UTC"  # of calendar windows
    concurrency: int | None = None  # requests under way at a time
    clients: tuple[str, ...] = ()  # globs of user agents and app titles that the plan is for; (): any
    used_up: UsedUp = "stop"
    cheaper_model: str = ""  # for "cheaper_model", here and in ``fair_use``
    fair_use: FairUse | None = None


_decode = msgspec.json.Decoder(PlanSpec).decode
_encode = msgspec.json.Encoder().encode


def read(text: str | bytes) -> PlanSpec:
    """A plan from its JSON. Raises ``ValueError`` with the reason (``msgspec.ValidationError``)."""
    return _decode(text)


def write(spec: PlanSpec) -> str:
    """JSON of ``spec``."""
    return _encode(spec).decode()
