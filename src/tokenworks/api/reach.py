"""How far an administrative key reaches: an admin's everywhere, a manager's over its own team's members.

A manager may neither touch another team's keys, nor a key that may do more than its own, nor the limits of
the team itself: those are what an admin allows the whole team.
"""

from __future__ import annotations

from tokenworks.errors import Forbidden, NotFound
from tokenworks.ledger.limit_rows import LimitRow
from tokenworks.ledger.rows import KeyRow
from tokenworks.ledger.store import Store
from tokenworks.plans.keys import Key


def find_key(store: Store, name: str) -> KeyRow:
    """The key with this hash or id, unless it was deleted. Raises NotFound."""
    row = store.key_by_hash(name) or store.key(name)
    if row is None or row.revoked_us is not None:
        raise NotFound("no key has that hash; GET /v1/keys lists them")
    return row


def visible_key(store: Store, who: Key, name: str) -> KeyRow:
    """The same for what ``who`` may look at. Raises NotFound: other teams' keys are not told of."""
    row = find_key(store, name)
    if not sees(who, row):
        raise NotFound("no key of your team has that hash; GET /v1/keys lists them")
    return row


def changeable_key(store: Store, who: Key, name: str, *, own: bool = False) -> KeyRow:
    """The same for what ``who`` may change; with ``own`` its own key too. Raises NotFound or Forbidden."""
    row = visible_key(store, who, name)
    if not changes(who, row) and not (own and row.id == who.id):
        raise Forbidden("a manager's key changes keys of its team's members; ask an admin for this one")
    return row


def sees(who: Key, row: KeyRow) -> bool:
    """Whether ``who`` may look at this key."""
    return who.role == "admin" or row.team_id == who.team_id


def changes(who: Key, row: KeyRow) -> bool:
    """Whether ``who`` may change this key.

    A manager may not take over a key that may do more, nor lift what an admin has laid on its own.
    """
    return who.role == "admin" or (row.team_id == who.team_id and row.role == "member")


def visible_team(who: Key, team_id: str) -> str:
    """``team_id`` if ``who`` may act for it. Raises Forbidden."""
    if who.role != "admin" and team_id != who.team_id:
        raise Forbidden("a manager's key acts for its own team only; leave the team out, or ask an admin")
    return team_id


def only_admin(who: Key, what: str) -> None:
    """Raises Forbidden where a manager asks for ``what`` only an admin may."""
    if who.role != "admin":
        raise Forbidden(f"only an admin's key may {what}; ask an admin")


class TeamReach:
    """Which limits a manager's key reaches. Reads the keys once: make one for each request."""

    def __init__(self, store: Store, who: Key) -> None:
        self._all = who.role == "admin"
        self._team = who.team_id
        every = [] if self._all else store.keys()
        rows = [row for row in every if sees(who, row)]
        self._seen = {row.id for row in rows}
        self._changed = {row.id for row in rows if changes(who, row)}

    def sees(self, scope: str, subject: str, within: str = "") -> bool:
        """Whether a limit, subscription or stop on this is the team's."""
        if self._all:
            return True
        if scope == "team":
            return subject == self._team
        if scope == "key":
            return subject in self._seen
        return within == self._team or within in self._seen

    def changes(self, scope: str, subject: str, within: str = "") -> bool:
        """Whether ``who`` may change it: all that it sees but the team's own, and keys above it."""
        if self._all:
            return True
        if scope == "key":
            return subject in self._changed
        return scope != "team" and (within == self._team or within in self._changed)

    def names(self) -> set[str]:
        """Ids of the team and its keys; of no use to an admin."""
        return {self._team, *self._seen}


def changeable_limit(store: Store, who: Key, limit_id: str) -> LimitRow:
    """The limit with this id. Raises NotFound where ``who`` may not know of it, Forbidden to change it."""
    reach = TeamReach(store, who)
    row = next((each for each in store.limits() if each.id == limit_id), None)
    if row is None or not reach.sees(row.scope, row.subject, row.within):
        raise NotFound("no limit has that id; GET /v1/budgets lists them")
    if row.purpose == "wallet" or not reach.changes(row.scope, row.subject, row.within):
        only_admin(who, "change the limits of a team, of a key above a member's, or a wallet")
    return row
