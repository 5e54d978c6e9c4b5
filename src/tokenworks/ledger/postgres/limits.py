"""Limits, teams, plans, who has which, and what is done about whom, in PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from tokenworks.errors import StoreError
from tokenworks.ledger.limit_rows import ActionRow, LimitRow, PlanRow, StopRow, SubscriptionRow, TeamRow
from tokenworks.ledger.postgres import audit
from tokenworks.ledger.postgres.database import Connection, Database
from tokenworks.ledger.postgres.leases import drop_accounts

_Row = TypeVar("_Row", bound=msgspec.Struct)

# Statements are made of this package's own names only; everything from outside is a parameter.


def _select(table: str, row: type[msgspec.Struct]) -> str:
    return f"SELECT {_columns(row)} FROM {table}"  # noqa: S608


def _insert(table: str, row: type[msgspec.Struct]) -> str:
    marks = ", ".join(["%s"] * len(row.__struct_fields__))
    return f"INSERT INTO {table} ({_columns(row)}) VALUES ({marks})"  # noqa: S608


def _columns(row: type[msgspec.Struct]) -> str:
    return ", ".join(f'"{name}"' for name in row.__struct_fields__)  # "window" is a word of SQL


_LIMITS, _INSERT_LIMIT = _select("limits", LimitRow), _insert("limits", LimitRow)
_TEAMS, _INSERT_TEAM = _select("teams", TeamRow), _insert("teams", TeamRow)
_PLANS, _SUBSCRIPTIONS = _select("plans", PlanRow), _select("subscriptions", SubscriptionRow)
_STOPS, _ACTIONS = _select("stops", StopRow), _select("actions", ActionRow)
_PUT_PLAN = (
    _insert("plans", PlanRow)
    + " ON CONFLICT (name) DO UPDATE SET spec = excluded.spec, updated_us = excluded.updated_us"
)
_SUBSCRIBE = (
    _insert("subscriptions", SubscriptionRow)
    + " ON CONFLICT (scope, subject) DO UPDATE SET plan = excluded.plan, since_us = excluded.since_us"
)
_STOP = _insert("stops", StopRow) + " ON CONFLICT (session, key_id) DO UPDATE SET time_us = excluded.time_us"
_ACT = (
    _insert("actions", ActionRow)
    + " ON CONFLICT (key_id) DO UPDATE SET action = excluded.action, reasons = excluded.reasons,"
    " since_us = excluded.since_us, until_us = excluded.until_us"
)


class PostgresLimits(Database):
    """See ``store.Store``. Every change is noted in the audit log in its own transaction."""

    def plans_version(self) -> int:
        """A number that changes whenever a limit, team, plan, subscription, stop or action does."""
        row = self._row("SELECT value FROM meta WHERE name = 'plans_version'")
        assert row is not None
        return int(row[0])

    # --- limits -------------------------------------------------------------------------------

    def add_limit(self, limit: LimitRow, *, actor: str = "") -> None:
        """Keep a new limit."""
        values = msgspec.structs.astuple(limit)
        self._noted(_INSERT_LIMIT, values, actor, "limit.create", limit.id, _detail(limit))

    def update_limit(
        self, limit_id: str, *, amount: int | None = None, strict: bool | None = None, actor: str = ""
    ) -> LimitRow | None:
        """Change what is given and return the limit; None where none has this id. What was spent stays."""
        changed = _given(amount=amount, strict=strict)
        return self._update(LimitRow, "limits", _LIMITS, limit_id, changed, actor, "limit.update")

    def remove_limit(self, limit_id: str, *, actor: str = "") -> bool:
        """Drop the limit and its accounts; False where none has this id."""
        return self._write(lambda connection: _remove_limit(connection, limit_id, actor))

    def limits(self) -> list[LimitRow]:
        """Every limit, oldest first."""
        return self._all(LimitRow, f"{_LIMITS} ORDER BY created_us, id")

    # --- teams --------------------------------------------------------------------------------

    def add_team(self, team: TeamRow, *, actor: str = "") -> bool:
        """Keep a new team; False, and nothing done, when there is one of that name."""
        sql = f"{_INSERT_TEAM} ON CONFLICT (name) DO NOTHING"
        return self._noted(sql, msgspec.structs.astuple(team), actor, "team.create", team.id, _detail(team))

    def update_team(
        self, team_id: str, *, name: str | None = None, rules: str | None = None, actor: str = ""
    ) -> TeamRow | None:
        """Change what is given and return the team; None where none has this id.

        Raises ``StoreError`` when another team has the name.
        """
        changed = _given(name=name, rules=rules)
        return self._update(TeamRow, "teams", _TEAMS, team_id, changed, actor, "team.update")

    def remove_team(self, team_id: str, *, actor: str = "") -> bool:
        """Drop the team, its limits and its subscription; its keys are in none then. False: no such team."""

        def work(connection: Connection) -> bool:
            if connection.execute("DELETE FROM teams WHERE id = %s", (team_id,)).rowcount == 0:
                return False
            sql = "SELECT id FROM limits WHERE (scope = 'team' AND subject = %s) OR within = %s ORDER BY id"
            for (limit_id,) in connection.execute(sql, (team_id, team_id)).fetchall():
                _remove_limit(connection, limit_id, actor)
            _unsubscribe(connection, "team", team_id, actor)
            sql = "UPDATE keys SET team_id = '', updated_us = %s WHERE team_id = %s RETURNING id"
            for (key_id,) in connection.execute(sql, (_now_us(), team_id)).fetchall():
                audit.write(connection, actor, "key.update", key_id, {"team_id": ""})
            audit.write(connection, actor, "team.remove", team_id)
            return True

        return self._write(work)

    def teams(self) -> list[TeamRow]:
        """Every team, by name."""
        return self._all(TeamRow, f"{_TEAMS} ORDER BY name")

    # --- plans --------------------------------------------------------------------------------

    def put_plan(self, plan: PlanRow, *, actor: str = "") -> None:
        """Keep the plan, in place of the one of that name if there is one (whose ``created_us`` stays)."""
        values = msgspec.structs.astuple(plan)
        self._noted(_PUT_PLAN, values, actor, "plan.put", plan.name, {"spec": plan.spec})

    def remove_plan(self, name: str, *, actor: str = "") -> bool:
        """Drop the plan; False where there is none or somebody has it."""

        def work(connection: Connection) -> bool:
            # Locked first: whoever is subscribing to it has then done so, for the next statement to see.
            connection.execute("SELECT 1 FROM plans WHERE name = %s FOR UPDATE", (name,))
            sql = (
                "DELETE FROM plans WHERE name = %s AND NOT EXISTS (SELECT FROM subscriptions WHERE plan = %s)"
            )
            if connection.execute(sql, (name, name)).rowcount == 0:
                return False
            audit.write(connection, actor, "plan.remove", name)
            return True

        return self._write(work)

    def plans(self) -> list[PlanRow]:
        """Every plan, by name."""
        return self._all(PlanRow, f"{_PLANS} ORDER BY name")

    def subscribe(self, subscription: SubscriptionRow, *, actor: str = "") -> None:
        """Give the key or team this plan, in place of the one it had.

        Raises ``StoreError`` where there is no such plan: it may have been removed a moment ago.
        """
        plan = subscription.plan

        def work(connection: Connection) -> None:
            sql = "SELECT 1 FROM plans WHERE name = %s FOR KEY SHARE"
            if connection.execute(sql, (plan,)).fetchone() is None:
                raise StoreError(f"there is no plan {plan!r}; make it first")
            connection.execute(_SUBSCRIBE.encode(), msgspec.structs.astuple(subscription))
            detail = {"scope": subscription.scope, "plan": plan, "since_us": subscription.since_us}
            audit.write(connection, actor, "plan.subscribe", subscription.subject, detail)

        self._write(work)

    def unsubscribe(self, scope: str, subject: str, *, actor: str = "") -> bool:
        """Take its plan away; False where it had none."""
        return self._write(lambda connection: _unsubscribe(connection, scope, subject, actor))

    def subscriptions(self) -> list[SubscriptionRow]:
        """Who has which plan, by whom."""
        return self._all(SubscriptionRow, f"{_SUBSCRIPTIONS} ORDER BY scope, subject")

    # --- stops and actions --------------------------------------------------------------------

    def stop_session(self, stop: StopRow, *, actor: str = "") -> None:
        """Refuse what comes for this session from now on."""
        values = msgspec.structs.astuple(stop)
        self._noted(_STOP, values, actor, "session.stop", stop.session, {"key_id": stop.key_id})

    def resume_session(self, session: str, key_id: str = "", *, actor: str = "") -> bool:
        """Take a stop back; False where there was none."""
        sql = "DELETE FROM stops WHERE session = %s AND key_id = %s"
        detail = {"key_id": key_id}
        return self._noted(sql, (session, key_id), actor, "session.resume", session, detail)

    def stops(self) -> list[StopRow]:
        """Every stopped session, oldest first."""
        return self._all(StopRow, f"{_STOPS} ORDER BY time_us, session, key_id")

    def set_action(self, action: ActionRow, *, actor: str = "") -> None:
        """Do this about the key, in place of what was done before."""
        values = msgspec.structs.astuple(action)
        self._noted(_ACT, values, actor, "fair_use.act", action.key_id, _detail(action))

    def lift_action(self, key_id: str, *, actor: str = "") -> bool:
        """Take it back; False where nothing was done about the key."""
        return self._noted("DELETE FROM actions WHERE key_id = %s", (key_id,), actor, "fair_use.lift", key_id)

    def actions(self) -> list[ActionRow]:
        """What is done about which keys, those whose time is over too."""
        return self._all(ActionRow, f"{_ACTIONS} ORDER BY since_us, key_id")

    # --- steps --------------------------------------------------------------------------------

    def _all(self, kind: Callable[..., _Row], sql: str) -> list[_Row]:
        return [kind(*row) for row in self._rows(sql)]

    def _noted(
        self,
        sql: str,
        values: Sequence[Any],
        actor: str,
        action: str,
        target: str,
        detail: dict[str, Any] | None = None,
    ) -> bool:
        """Run one statement and note it; False, and nothing noted, when it met no row."""
        return self._write(lambda connection: _noted(connection, sql, values, actor, action, target, detail))

    def _update(
        self,
        kind: Callable[..., _Row],
        table: str,
        select: str,
        row_id: str,
        changed: dict[str, Any],
        actor: str,
        action: str,
    ) -> _Row | None:
        columns = ", ".join(f"{name} = %s" for name in (*changed, "updated_us"))
        sql = f"UPDATE {table} SET {columns} WHERE id = %s"  # noqa: S608

        def work(connection: Connection) -> _Row | None:
            if changed:
                values = (*changed.values(), _now_us(), row_id)
                _noted(connection, sql, values, actor, action, row_id, changed)
            row = connection.execute(f"{select} WHERE id = %s".encode(), (row_id,)).fetchone()
            return None if row is None else kind(*row)

        return self._write(work)


def _noted(
    connection: Connection,
    sql: str,
    values: Sequence[Any],
    actor: str,
    action: str,
    target: str,
    detail: dict[str, Any] | None = None,
) -> bool:
    if connection.execute(sql.encode(), values).rowcount == 0:
        return False
    audit.write(connection, actor, action, target, detail)
    return True


def _remove_limit(connection: Connection, limit_id: str, actor: str) -> bool:
    if connection.execute("DELETE FROM limits WHERE id = %s", (limit_id,)).rowcount == 0:
        return False
    sql = "SELECT account FROM accounts WHERE limit_id = %s ORDER BY account FOR UPDATE"
    drop_accounts(connection, [account for (account,) in connection.execute(sql, (limit_id,)).fetchall()])
    audit.write(connection, actor, "limit.remove", limit_id)
    return True


def _unsubscribe(connection: Connection, scope: str, subject: str, actor: str) -> bool:
    sql = "DELETE FROM subscriptions WHERE scope = %s AND subject = %s"
    return _noted(connection, sql, (scope, subject), actor, "plan.unsubscribe", subject, {"scope": scope})


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _detail(row: msgspec.Struct) -> dict[str, Any]:
    """What the audit log tells of a new row: all but its name and when it was made."""
    values = msgspec.structs.asdict(row)
    return {name: values[name] for name in values if name not in ("id", "key_id", "created_us", "updated_us")}


def _now_us() -> int:
    return time.time_ns() // 1000
