"""What keys have spent, for the spans in which it is told: ever, this day, this week, this month."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from tokenworks.api.answer import micros, usd

# Sums from a time (µs; None: ever) up to now, in nano-dollars.
Spent = Callable[[int | None], int]


def spans(now: datetime | None = None) -> dict[str, int | None]:
    """When each span began: the field that tells of it → µs, None for ever. Days and weeks are UTC's."""
    now = datetime.now(UTC) if now is None else now.astimezone(UTC)
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return {
        "usage": None,
        "usage_daily": micros(day),
        "usage_weekly": micros(day - timedelta(days=day.weekday())),  # since Monday
        "usage_monthly": micros(day.replace(day=1)),
    }


def spending(spent: Spent, now: datetime | None = None) -> dict[str, float]:
    """The fields that tell what was spent, in dollars. Callers bring no keys of providers here (BYOK)."""
    fields: dict[str, float] = {}
    for name, since_us in spans(now).items():
        fields[name] = usd(spent(since_us))
        fields[f"byok_{name}"] = 0.0
    return fields
