"""Everything that limits anybody, in memory: limits, teams, plans, stops and actions."""

from __future__ import annotations

import logging
import time

from tokenworks.errors import Forbidden
from tokenworks.ledger.limit_rows import ActionRow, LimitRow, PlanRow, TeamRow
from tokenworks.ledger.store import Store
from tokenworks.plans import rules as rules_of
from tokenworks.plans import spec as spec_of
from tokenworks.plans.account import Account
from tokenworks.plans.allowance import Allowance, accounts_of, loop_templates, strictest, template_of
from tokenworks.plans.keys import Key
from tokenworks.plans.leases import Leases
from tokenworks.plans.rules import Rules
from tokenworks.plans.spec import PlanSpec
from tokenworks.plans.subscription import Subscription
from tokenworks.plans.window import parse

log = logging.getLogger(__name__)

CLOCKS_US = 60_000_000  # by which the clocks of two machines may differ
_DYNAMIC = ("app", "user", "session")


class Book:
    """Use from one thread; call ``reload_if_changed`` at least each second."""

    def __init__(self, store: Store, leases: Leases) -> None:
        """Reads everything. Raises ``StoreError``."""
        self._store = store
        self._leases = leases
        self.version = 0  # of allowances: those of an older version are made anew
        self._store_version = -1
        self._limits: dict[tuple[str, str], list[LimitRow]] = {}
        self._dynamic: list[LimitRow] = []
        self._teams: dict[str, TeamRow] = {}
        self._plans: dict[str, PlanSpec | None] = {}  # None: can't be read
        self._subscribed: dict[tuple[str, str], str] = {}
        self.stops: set[tuple[str, str]] = set()  # session and key; "": whoever's it is
        self._actions: dict[str, ActionRow] = {}
        self._looked_us = 0  # when everything was known to be as it is in the store
        self.reload_if_changed()

    def reload_if_changed(self) -> bool:
        """Read all again if anything was changed; True when it was. Raises ``StoreError``."""
        now_us = time.time_ns() // 1000
        version = self._store.plans_version()  # before the rest: a change in between is seen next time
        if version == self._store_version:
            self._looked_us = now_us
            return False
        limits: dict[tuple[str, str], list[LimitRow]] = {}
        dynamic = []
        for row in self._store.limits():
            if row.scope in _DYNAMIC:
                if _readable(row):
                    dynamic.append(row)
            else:
                limits.setdefault((row.scope, row.subject), []).append(row)
        self._teams = {team.id: team for team in self._store.teams()}
        self._plans = _specs(self._store.plans())
        self._subscribed = {(each.scope, each.subject): each.plan for each in self._store.subscriptions()}
        self.stops = {(stop.session, stop.key_id) for stop in self._store.stops()}
        self._actions = {action.key_id: action for action in self._store.actions()}
        self._limits, self._dynamic, self._store_version = limits, dynamic, version
        self._looked_us = now_us
        self.version += 1
        return True

    def keys_changed(self) -> None:
        """Teams and rules stand with the keys: what follows from them is made anew."""
        self.version += 1

    def of(self, key: Key) -> Allowance | None:
        """What ``key`` may do; None where nothing limits it.

        Raises ``StoreError`` for a key made a moment ago while the store can't be asked.
        """
        if key.allowance_version != self.version:
            if key.allowance_version < 0 and key.created_us > self._looked_us - CLOCKS_US:
                self.reload_if_changed()  # made a moment ago, perhaps: so may be what limits it
            before = key.allowance
            if isinstance(before, Allowance):
                before.retire()
            try:
                made = self._make(key)
            except ValueError as error:  # a window, a time zone, hours
                log.error("limits of key %s: %s", key.id, error)
                raise Forbidden(
                    f"the limits of key {key.name} can't be read; an administrator must write them anew"
                ) from None
            if made is not None:
                if isinstance(before, Allowance):
                    made.typical = before.typical
                made.stock(self._leases)
            key.allowance = made
            key.allowance_version = self.version
        return key.allowance  # type: ignore[return-value]  # nobody else sets it

    def stopped(self, session: str, key_id: str) -> bool:
        """Whether somebody has stopped this session of this key."""
        stops = self.stops
        return bool(stops) and ((session, "") in stops or (session, key_id) in stops)

    def specs(self) -> dict[str, PlanSpec]:
        """The plan of each key or team that has one, by its id."""
        return {
            subject: spec
            for (_, subject), plan in self._subscribed.items()
            if (spec := self._plans.get(plan)) is not None
        }

    def _make(self, key: Key) -> Allowance | None:
        team = self._teams.get(key.team_id) if key.team_id else None
        rules = [
            each
            for each in (_rules(key.rules, key.id), _rules(team.rules, team.id) if team else None)
            if each is not None
        ]
        leases = self._leases
        rows = self._limits.get(("key", key.id), [])
        accounts = accounts_of([row for row in rows if row.purpose != "wallet"], leases, key.name)
        wallet = accounts_of([row for row in rows if row.purpose == "wallet"], leases, key.name)
        if team is not None:
            rows = self._limits.get(("team", team.id), [])
            accounts += accounts_of([row for row in rows if row.purpose != "wallet"], leases, team.name)
            wallet += accounts_of([row for row in rows if row.purpose == "wallet"], leases, team.name)
        templates = [
            template_of(row, key.id) for row in self._dynamic if row.within in ("", key.id, key.team_id)
        ]
        loops = strictest([each.loops for each in rules if each.loops is not None])
        if loops is not None:
            templates += loop_templates(loops, key.id)
        subscription = self._subscription(key, wallet)
        action = self._actions.get(key.id)
        if not (rules or accounts or templates or subscription or action):
            return None
        return Allowance(
            key.id,
            key.name,
            rules=rules,
            accounts=accounts,
            templates=templates,
            subscription=subscription,
            action=action,
        )

    def _subscription(self, key: Key, wallet: list[Account]) -> Subscription | None:
        for scope, subject in (("key", key.id), ("team", key.team_id)):
            name = self._subscribed.get((scope, subject), "") if subject else ""
            if name not in self._plans:
                continue
            spec = self._plans[name]
            if spec is None:
                raise Forbidden(f"plan {name} can't be read; an administrator must write it anew")
            return Subscription(spec, f"{scope}:{subject}", self._leases, wallet)
        return None


def _rules(text: str, owner: str) -> Rules | None:
    """Raises Forbidden for rules that can't be read: they may have forbidden anything."""
    if not text:
        return None
    try:
        return rules_of.read(text)
    except ValueError as error:
        log.error("rules of %s: %s", owner, error)
        raise Forbidden(
            f"the rules of {owner} can't be read; an administrator must write them anew"
        ) from None


def _specs(rows: list[PlanRow]) -> dict[str, PlanSpec | None]:
    found: dict[str, PlanSpec | None] = {}
    for row in rows:
        try:
            spec = spec_of.read(row.spec)
            for each in spec.windows:
                parse(each.window, spec.timezone)
            found[row.name] = spec
        except ValueError as error:
            log.error("plan %s can't be read, its subscribers are refused: %s", row.name, error)
            found[row.name] = None
    return found


def _readable(row: LimitRow) -> bool:
    try:
        parse(row.window, row.timezone)
    except ValueError as error:
        log.error("limit %s of %s %s is left out: %s", row.id, row.scope, row.subject, error)
        return False
    return True
