"""What of a request is captured when its answer is there, where all who have a say in it allow that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tokenworks.gateway import hearing
from tokenworks.gateway.capture import Captures, consent
from tokenworks.ledger.record import Record

if TYPE_CHECKING:
    from tokenworks.gateway.caller import Caller
    from tokenworks.gateway.front import Gateway
    from tokenworks.gateway.plan import Body, Plan
    from tokenworks.gateway.way import Way
    from tokenworks.plans.allowance import Allowance
    from tokenworks.wire.pairing import Asked


def capturing(
    gateway: Gateway,
    captures: Captures,
    way: Way,
    asked: Asked,
    caller: Caller,
    allowance: Allowance | None,
    plan: Plan,
) -> None:
    """Let ``plan`` offer the answer to ``captures``, together with what was asked."""
    auto = gateway.auto
    if auto is None or way.wire not in hearing.HEARD:
        return
    said = allowance.capture if allowance is not None else None
    by = consent(gateway.settings.routing.auto.capture, said, caller.capture, asked.fields)
    if not by:
        return
    fields = plan.asked_fields

    def keep(record: Record, body: Body) -> None:
        task, right = auto.opinion(way, fields, record.model, plan.course)
        captures.offer(
            record.id,
            record.time_us,
            record.key_id,
            record.model,
            task,
            right,
            fields,
            way.wire,
            body,
            consent=by,
            provider=record.provider,
            finish=record.finish_reason,
        )

    plan.capture = keep
    if asked.stream and plan.collected is None:
        plan.collected = []
