"""A limit as the API tells of it, and the three fields in which keys of aggregators have theirs."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from tokenworks.api.answer import BOOLEAN, NUMBER, STRING, holding, maybe
from tokenworks.ledger.limit_rows import LimitRow
from tokenworks.ledger.store import Store
from tokenworks.plans.granting import WALLET
from tokenworks.plans.limit import reset_window
from tokenworks.plans.standing import Standing, described, moment, shown, standings

WINDOWS = {reset: reset_window(reset) for reset in ("daily", "weekly", "monthly", None)}
_RESETS = {window: reset for reset, window in WINDOWS.items()}

LIMIT = holding(
    id=STRING,
    scope=STRING,
    subject=STRING,
    within=maybe(STRING),
    unit=STRING,
    amount=NUMBER,
    window=STRING,
    timezone=STRING,
    strict=BOOLEAN,
    purpose=maybe(STRING),
    spent=maybe(NUMBER),
    held=maybe(NUMBER),
    left=maybe(NUMBER),
    resets_at=maybe(STRING),
    subjects={"type": "array", "items": {"type": "object"}},
)


class Limits:
    """All limits on single keys and teams, with how those that are asked for stand."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._of: dict[tuple[str, str], list[LimitRow]] = defaultdict(list)
        for each in store.limits():
            self._of[each.scope, each.subject].append(each)
        self._stand: dict[str, list[Standing]] = {}

    def of(self, scope: str, subject: str) -> list[LimitRow]:
        """The limits on this key or team, its wallet too; the oldest first."""
        return self._of.get((scope, subject), [])

    def look(self, limits: Iterable[LimitRow]) -> None:
        """Read how these stand: in one query where ``tell`` would need many."""
        new = [each for each in limits if each.id not in self._stand]
        self._stand |= standings(self._store, new, time.time_ns() // 1000)

    def tell(self, limit: LimitRow) -> dict[str, Any]:
        """One limit as JSON, with how it stands."""
        self.look([limit])
        return described(limit, self._stand[limit.id])

    def money(self, key_id: str) -> dict[str, Any]:
        """``limit``, ``limit_remaining`` and ``limit_reset`` of a key: null without one."""
        limit = headline(self.of("key", key_id))
        if limit is None:
            return {"limit": None, "limit_remaining": None, "limit_reset": None}
        self.look([limit])
        return {
            "limit": shown(limit, limit.amount),
            "limit_remaining": shown(limit, self._stand[limit.id][0].left),
            "limit_reset": _RESETS[limit.window],
        }

    def layers(self, limits: Iterable[LimitRow]) -> dict[str, Any]:
        """``budgets`` and ``effective_budget`` of a key: the same money in fields that clients know."""
        money = [each for each in limits if each.unit == "usd" and each.purpose != WALLET]
        self.look(money)
        found = [_layer(each, self._stand[each.id][0]) for each in money]
        least = min(found, key=lambda each: float(each["remaining_usd"]), default=None)
        return {"budgets": found, "effective_budget": least}


def _layer(limit: LimitRow, one: Standing) -> dict[str, Any]:
    team = limit.scope == "team"
    return {
        "budget_id": limit.id if team else None,
        "guardrail_id": None,
        "include_byok": False,
        "limit_usd": shown(limit, limit.amount),
        "remaining_usd": shown(limit, limit.amount - one.spent),
        "reset_interval": _RESETS.get(limit.window, limit.window),
        "resets_at": moment(one.resets_us),
        "scope": "workspace" if team else "key_limit",
        "spend_usd": shown(limit, one.spent),
    }


def headline(limits: Iterable[LimitRow]) -> LimitRow | None:
    """The limit of a key that ``limit`` tells of: its first on money in a day, week, month or for ever."""
    for each in limits:
        if (
            each.unit == "usd"
            and each.scope == "key"
            and each.window in _RESETS
            and each.timezone == "UTC"
            and each.purpose != WALLET
        ):
            return each
    return None
