"""Whom a command means: keys and teams by what people type, and who is typing."""

from __future__ import annotations

import getpass
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenworks.ledger.limit_rows import LimitRow, PlanRow, TeamRow
    from tokenworks.ledger.rows import KeyRow
    from tokenworks.ledger.store import Store


def actor() -> str:
    """Who stands in the audit log: ``cli:USER``."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # no name for this user id, as in a container
        return f"cli:{os.getuid()}"


def find_key(store: Store, text: str) -> KeyRow:
    """The key with this id, or the only one of this name, unless it was revoked. Raises ``NotFound``."""
    from tokenworks.errors import NotFound

    row = store.key(text)
    if row is not None and row.revoked_us is None:
        return row
    every = store.keys()
    named = [each for each in every if each.name == text and each.revoked_us is None]
    if len(named) > 1:
        ids = ", ".join(each.id for each in named[:5])
        raise NotFound(f"{len(named)} keys are called {text}; give the id of one: {ids}")
    if not named:
        raise NotFound(
            f"no key that is not revoked has the id or name {text}; tokenworks key list shows them"
        )
    return named[0]


def find_team(store: Store, text: str) -> TeamRow:
    """The team with this name or id. Raises ``NotFound``."""
    from tokenworks.errors import NotFound

    for team in store.teams():
        if text in (team.name, team.id):
            return team
    raise NotFound(f"no team has the name or id {text}; tokenworks team list shows them")


def find_plan(store: Store, name: str) -> PlanRow:
    """The plan of this name. Raises ``NotFound``."""
    from tokenworks.errors import NotFound

    for plan in store.plans():
        if plan.name == name:
            return plan
    raise NotFound(f"no plan is called {name}; tokenworks plan list shows them")


def find_limit(store: Store, limit_id: str) -> LimitRow:
    """The limit with this id. Raises ``NotFound``."""
    from tokenworks.errors import NotFound

    for limit in store.limits():
        if limit.id == limit_id:
            return limit
    raise NotFound(f"no limit has the id {limit_id}; tokenworks budget list shows them")


def key_or_team(store: Store, text: str) -> str:
    """The id of the team or key of this name or id. Raises ``NotFound``."""
    for team in store.teams():
        if text in (team.name, team.id):
            return team.id
    return find_key(store, text).id
