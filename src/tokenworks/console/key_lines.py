"""Keys as a list of them shows: who, in which state, and what each has spent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from tokenworks.console.gauges import Gauge, of_limits, of_plans, owned, readable, windows_of
from tokenworks.ledger.limit_rows import TeamRow
from tokenworks.ledger.rows import KeyRow
from tokenworks.ledger.store import Store
from tokenworks.plans import rules
from tokenworks.schema import NANO_USD

STATES = ("active", "disabled", "expired", "revoked")
LIVING = STATES[:3]


class KeyLine(msgspec.Struct):
    """One key. ``gauges`` are filled by ``KeyLines.measure`` alone."""

    row: KeyRow
    state: str  # one of STATES
    team: str  # name of its team; empty: none
    plan: str
    plan_scope: str  # "key", or "team" where the plan is its team's
    private: bool  # rankings may leave its requests out
    today_usd: float
    month_usd: float
    gauges: list[Gauge] = []


Sorting = Callable[[KeyLine], Any]
# By which columns a list can be sorted. What has no end, team or plan comes last.
COLUMNS: dict[str, Sorting] = {
    "name": lambda line: line.row.name.casefold(),
    "role": lambda line: line.row.role,
    "team": lambda line: (not line.team, line.team.casefold()),
    "state": lambda line: STATES.index(line.state),
    "created": lambda line: line.row.created_us,
    "expires": lambda line: (line.row.expires_us is None, line.row.expires_us or 0),
    "today": lambda line: line.today_usd,
    "month": lambda line: line.month_usd,
    "plan": lambda line: (not line.plan, line.plan.casefold()),
}


class KeyLines:
    """Every key; what all have in common is read once. Make one for each request."""

    def __init__(self, store: Store, now_us: int) -> None:
        self._store, self._now_us = store, now_us
        self._teams = {each.id: each for each in store.teams()}
        self._plans = {(each.scope, each.subject): each.plan for each in store.subscriptions()}
        day_us, month_us = begins(now_us)
        today, month = _spent(store, day_us), _spent(store, month_us)
        rows = store.keys()
        self.every = [self._line(row, today.get(row.id, 0.0), month.get(row.id, 0.0)) for row in rows]

    def _line(self, row: KeyRow, today_usd: float, month_usd: float) -> KeyLine:
        plan, scope = plan_of(row, self._plans)
        team = self._teams.get(row.team_id)
        return KeyLine(
            row=row,
            state=state(row, self._now_us),
            team=row.team_id if team is None else team.name,
            plan=plan,
            plan_scope=scope,
            private=is_private(row, team),
            today_usd=today_usd,
            month_usd=month_usd,
        )

    def found(self, search: str = "", states: Sequence[str] = LIVING) -> list[KeyLine]:
        """Those in one of ``states`` of which name, id, hint, role, team or plan has ``search`` in it."""
        wanted = search.strip().casefold()
        return [line for line in self.every if line.state in states and (not wanted or wanted in _text(line))]

    def measure(self, lines: Iterable[KeyLine]) -> None:
        """Fill in how full the limits of these keys, and the windows of their own plans, are."""
        lines = list(lines)
        mine = owned(self._store.limits(), [("key", line.row.id) for line in lines])
        limits = of_limits(self._store, mine, self._now_us)
        names = {line.plan for line in lines if line.plan}
        read = {each.name: readable(each.spec) for each in self._store.plans() if each.name in names}
        plans = {name: plan for name, plan in read.items() if plan is not None}
        used = of_plans(self._store, list(plans.values()), self._now_us)
        for line in lines:
            line.gauges = list(limits.get(("key", line.row.id), ()))
            if line.plan in plans:
                subject = line.row.id if line.plan_scope == "key" else line.row.team_id
                line.gauges += windows_of(plans[line.plan], used[line.plan], f"{line.plan_scope}:{subject}")


def plan_of(row: KeyRow, plans: dict[tuple[str, str], str]) -> tuple[str, str]:
    """The plan of a key and whose it is: its own goes before its team's. Two empty texts: none."""
    for scope, subject in (("key", row.id), ("team", row.team_id)):
        if subject and (scope, subject) in plans:
            return plans[scope, subject], scope
    return "", ""


def state(row: KeyRow, now_us: int) -> str:
    """One of ``STATES``."""
    if row.revoked_us is not None:
        return "revoked"
    if row.disabled:
        return "disabled"
    return "expired" if row.expired(now_us) else "active"


def begins(now_us: int) -> tuple[int, int]:
    """When this day and this month began in UTC, as limits and the API count them; unix µs."""
    now = datetime.fromtimestamp(now_us // 1_000_000, UTC)
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return int(day.timestamp()) * 1_000_000, int(day.replace(day=1).timestamp()) * 1_000_000


def is_private(row: KeyRow, team: TeamRow | None) -> bool:
    """Whether its rules or its team's keep its requests out of rankings: one yes is enough."""
    return any(_private(text) for text in (row.rules, team.rules if team is not None else ""))


def _private(text: str) -> bool:
    try:
        return bool(rules.read(text).private)
    except ValueError:  # another version of this program wrote it
        return False


def _spent(store: Store, since_us: int) -> dict[str, float]:
    return {row.group: row.cost_nano_usd / NANO_USD for row in store.usage("key", since_us)}


def _text(line: KeyLine) -> str:
    row = line.row
    return "\n".join((row.name, row.id, row.hint, row.role, line.team, line.plan)).casefold()
