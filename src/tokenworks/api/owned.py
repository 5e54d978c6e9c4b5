"""Whose files and batches a key reaches: its own, a manager's its team's too, an admin's those of all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from tokenworks.api.reach import TeamReach
from tokenworks.ledger.store import Store
from tokenworks.plans.keys import Key

PAGE = 500  # rows looked at once, where a team's are looked for


class Owned(Protocol):
    """A file or a batch."""

    @property
    def id(self) -> str: ...
    @property
    def key_id(self) -> str: ...


Row = TypeVar("Row", bound=Owned)
Read = Callable[[str | None, str, int], list[Any]]  # key or None, after, limit → rows, newest first


def reaches(store: Store, who: Key, key_id: str) -> bool:
    """Whether ``who`` may see and change what belongs to this key."""
    if who.role == "admin" or key_id == who.id:
        return True
    if who.role != "manager" or not who.team_id:
        return False
    row = store.key(key_id)
    return row is not None and row.team_id == who.team_id


def page(store: Store, who: Key, read: Read, after: str, limit: int) -> tuple[list[Any], bool]:
    """``limit`` rows at most after the row ``after`` that ``who`` may see, and whether there are more."""
    if who.role != "manager" or not who.team_id:
        rows = read(None if who.role == "admin" else who.id, after, limit + 1)
        return rows[:limit], len(rows) > limit
    keys = TeamReach(store, who).names() | {who.id}
    found: list[Any] = []
    while len(found) <= limit:
        rows = read(None, after, PAGE)
        found += [row for row in rows if row.key_id in keys]
        if len(rows) < PAGE:
            break
        after = rows[-1].id
    return found[:limit], len(found) > limit
