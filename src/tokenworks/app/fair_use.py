"""Looks after fair use while the server runs: reads what was used from the store, and acts as plans say."""

from __future__ import annotations

import logging

import msgspec

from tokenworks.ledger.limit_rows import AuditRow
from tokenworks.ledger.record import Record
from tokenworks.ledger.store import Store
from tokenworks.plans import spec as spec_of
from tokenworks.plans.spec import PlanSpec
from tokenworks.plans.watcher import Watcher
from tokenworks.plans.window import NEVER_US

log = logging.getLogger(__name__)

LAG_US = 10_000_000  # records reach the store within a second, those of a gateway that was down later
DAY_US = 86_400_000_000
MOST_LIFTED = 10_000  # entries of the audit log that are looked through at the start
ACTOR = "tokenworks"


class FairUseWatch:
    """Use from one thread. Every gateway of a store may have one: who acts first, acts."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._watcher: Watcher | None = None
        self._until_us = 0  # records before this are known
        self._version = -1
        self._specs: dict[str, PlanSpec] = {}
        self._standing: dict[str, int] = {}  # keys about which something is done → until when

    def look(self, now_us: int) -> None:
        """Read what is new and act on it. Raises ``StoreError``."""
        self._read_plans()
        if not self._specs:
            self._watcher = None
            return
        until_us = now_us - LAG_US
        if self._watcher is None:
            self._watcher = Watcher(self._specs)
            self._watcher.load(self._records(until_us - DAY_US, until_us), self._store.actions())
            for entry in self._store.audit(since_us=until_us - DAY_US, limit=MOST_LIFTED):
                if entry.action == "fair_use.lift":
                    self._watcher.lifted(entry.target, entry.time_us)
        else:
            self._watcher.observe(self._records(self._until_us, until_us))
        self._until_us = until_us
        self._see_lifted(now_us)
        review = self._watcher.review(now_us, self._specs)
        for action in review.actions:
            if action.key_id not in self._standing:  # else another gateway was faster
                self._store.set_action(action, actor=ACTOR)
                log.warning("fair use: key %s: %s", action.key_id, action.action)
        for note in review.notes:
            detail = {"plan": note.plan, "score": round(note.score, 3), "reasons": note.reasons}
            text = msgspec.json.encode(detail).decode()
            self._store.note(AuditRow(note.time_us, ACTOR, "fair_use.observe", note.key_id, text))

    def _read_plans(self) -> None:
        """The plan of each key that has one with fair use, its own or its team's."""
        version = self._store.plans_version()
        if version == self._version:
            return
        plans = {}
        for row in self._store.plans():
            try:
                plans[row.name] = spec_of.read(row.spec)
            except ValueError as error:
                log.error("plan %s can't be read: %s", row.name, error)
        had = {(each.scope, each.subject): each.plan for each in self._store.subscriptions()}
        self._specs = {}
        for key in self._store.keys():  # noqa: SIM118 - a store, no dictionary
            plan = had.get(("key", key.id)) or had.get(("team", key.team_id), "")
            if plan in plans and plans[plan].fair_use is not None:
                self._specs[key.id] = plans[plan]
        self._version = version

    def _see_lifted(self, now_us: int) -> None:
        """Tell the watcher of actions that somebody took back."""
        assert self._watcher is not None
        standing = {
            each.key_id: NEVER_US if each.until_us is None else each.until_us
            for each in self._store.actions()
            if each.until_us is None or each.until_us > now_us
        }
        for key_id, until_us in self._standing.items():
            if key_id not in standing and until_us > now_us:
                self._watcher.lifted(key_id, now_us)
        self._standing = standing

    def _records(self, since_us: int, until_us: int) -> list[Record]:
        """Those of watched keys, in order of time."""
        found: list[Record] = []
        last: Record | None = None
        while True:
            page = self._store.requests(since_us, until_us, last)
            found += [record for record in page if record.key_id in self._specs]
            if not page:
                return found
            last = page[-1]
