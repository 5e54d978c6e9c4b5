"""What a caller who asks for it is told of how his request was routed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tokenworks.wire.peek import raw

if TYPE_CHECKING:
    from tokenworks.gateway.attempts import Attempts

FIELD = "openrouter_metadata"


def tell(exchange: Attempts) -> msgspec.Raw:
    """The metadata object: what was asked for, what there was, what was tried, and why."""
    plan, record, chosen = exchange.plan, exchange.record, exchange.endpoint
    assert plan is not None
    available = [
        {"provider": each.provider, "model": each.model, "selected": each is chosen}
        for each in exchange.endpoints
    ]
    excluded = [{"provider": each.tag, "model": each.model, "why": each.why} for each in plan.excluded]
    told: dict[str, Any] = {
        "requested": record.requested_model,
        "strategy": "fallback" if plan.models > 1 else "direct",
        "region": None,
        "summary": f"available={len(available)}, selected={chosen.provider}, order={plan.strategy}",
        "attempt": record.attempts,
        "is_byok": False,
        "endpoints": {"total": len(available) + len(excluded), "available": available},
        "attempts": _attempts(exchange),
        "params": {"order": plan.strategy, "excluded": excluded},
        "pipeline": [],
    }
    return raw(told)


def _attempts(exchange: Attempts) -> list[dict[str, Any]]:
    """One entry for each attempt: those that failed, with their status where it is one, then this one."""
    tried: list[dict[str, Any]] = []
    chosen, left = exchange.endpoint, list(exchange.endpoints)
    for reason in exchange.record.reasons.split():
        provider, _, why = reason.rpartition(":")
        asked = next((each for each in left if each.provider == provider), chosen)
        # With several keys one endpoint may be asked as often.
        if asked in left and provider not in exchange.gateway.targets.keyrings:
            left.remove(asked)
        status = int(why) if why.isdigit() else 0
        tried.append({"provider": provider, "model": asked.model, "status": status, "why": why})
    return [*tried, {"provider": chosen.provider, "model": chosen.model, "status": 200}]
