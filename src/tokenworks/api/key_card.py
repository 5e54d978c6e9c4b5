"""A key as administrators see it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from tokenworks.api.answer import iso
from tokenworks.api.limit_card import Limits, headline
from tokenworks.api.spending import Spent, spans, spending
from tokenworks.ledger.rows import KeyRow
from tokenworks.ledger.store import Store
from tokenworks.plans import rules
from tokenworks.plans.granting import own_limits, spelled

WORKSPACE = "default"  # the only one


class Cards:
    """Describes keys; what all have in common is read once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._limits = Limits(store)
        self._plans = {(each.scope, each.subject): each.plan for each in store.subscriptions()}

    def of(self, row: KeyRow) -> dict[str, Any]:
        """One key, with what it has spent."""
        store = self._store
        return self._describe(row, spending(lambda since_us: store.key_usage(row.id, since_us).cost_nano_usd))

    def of_many(self, rows: Sequence[KeyRow]) -> list[dict[str, Any]]:
        """Several keys, for about the price of one."""
        if not rows:
            return []
        now = datetime.now(UTC)
        sums = {since_us: _by_key(self._store, since_us) for since_us in spans(now).values()}
        heads = [headline(self._limits.of("key", row.id)) for row in rows]
        self._limits.look(each for each in heads if each is not None)
        return [self._describe(row, spending(_of_key(sums, row.id), now)) for row in rows]

    def _describe(self, row: KeyRow, spent: dict[str, float]) -> dict[str, Any]:
        own = own_limits(self._limits.of("key", row.id), "key", row.id)
        return {
            "hash": row.hash,
            "id": row.id,
            "label": row.hint,
            "name": row.name,
            "role": row.role,
            "disabled": row.disabled,
            "created_at": iso(row.created_us),
            "updated_at": iso(row.updated_us or None),
            "expires_at": iso(row.expires_us),
            "last_used_at": None,
            **spent,
            **self._limits.money(row.id),
            "include_byok_in_limit": False,
            "team_id": row.team_id or None,
            "rules": told_rules(row.rules),
            "limits": [spelled(each) for each in own],
            "plan": self._plans.get(("key", row.id)),
            "old_secret_until": iso(row.old_until_us),
            "creator_user_id": None,
            "external_user": None,
            "workspace_id": WORKSPACE,
        }


def told_rules(text: str) -> dict[str, Any]:
    """Rules as an object; what another version of this program wrote and this one can't read, as its text."""
    try:
        found: dict[str, Any] = msgspec.json.decode(rules.write(rules.read(text)) or "{}")
    except ValueError:
        return {"unreadable": text}
    return found


def _by_key(store: Store, since_us: int | None) -> dict[str, int]:
    return {row.group: row.cost_nano_usd for row in store.usage("key", since_us)}


def _of_key(sums: dict[int | None, dict[str, int]], key_id: str) -> Spent:
    return lambda since_us: sums[since_us].get(key_id, 0)
