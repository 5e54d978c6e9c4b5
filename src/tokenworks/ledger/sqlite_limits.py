"""Limits, teams, plans, who has which, and what is done about whom, in SQLite."""

from __future__ import annotations

import sqlite3
import time
from typing import Any, TypeVar

import msgspec

from tokenworks.errors import StoreError
from tokenworks.ledger import sqlite_audit
from tokenworks.ledger.limit_rows import ActionRow, LimitRow, PlanRow, StopRow, SubscriptionRow, TeamRow
from tokenworks.ledger.sqlite_file import SqliteFile, transaction
from tokenworks.ledger.sqlite_leases import drop_accounts

_Row = TypeVar("_Row", bound=msgspec.Struct)

# Statements are made of this package's own names only; everything from outside is a parameter.


def _select(table: str, row: type[msgspec.Struct]) -> str:
    return f"SELECT {_columns(row)} FROM {table}"  # noqa: S608


def _insert(table: str, row: type[msgspec.Struct]) -> str:
    marks = ", ".join("?" * len(row.__struct_fields__))
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


class SqliteLimits(SqliteFile):
    """See ``store.Store``. Every change is noted in the audit log in its own transaction."""

    def plans_version(self) -> int:
        """A number that changes whenever a limit, team, plan, subscription, stop or action does."""
        with self._errors():
            sql = "SELECT value FROM meta WHERE name = 'plans_version'"
            return int(self._connection().execute(sql).fetchone()[0])

    # --- limits -------------------------------------------------------------------------------

    def add_limit(self, limit: LimitRow, *, actor: str = "") -> None:
        """Keep a new limit."""
        with self._errors(), transaction(self._connection()) as connection:
            connection.execute(_INSERT_LIMIT, msgspec.structs.astuple(limit))
            sqlite_audit.write(connection, actor, "limit.create", limit.id, _detail(limit))

    def update_limit(
        self, limit_id: str, *, amount: int | None = None, strict: bool | None = None, actor: str = ""
    ) -> LimitRow | None:
        """Change what is given and return the limit; None where none has this id. What was spent stays."""
        changed = _given(amount=amount, strict=strict)
        with self._errors(), transaction(self._connection()) as connection:
            if changed and _set(connection, "limits", limit_id, changed):
                sqlite_audit.write(connection, actor, "limit.update", limit_id, changed)
            row = connection.execute(f"{_LIMITS} WHERE id = ?", (limit_id,)).fetchone()
        return None if row is None else _limit(row)

    def remove_limit(self, limit_id: str, *, actor: str = "") -> bool:
        """Drop the limit and its accounts; False where none has this id."""
        with self._errors(), transaction(self._connection()) as connection:
            return _remove_limit(connection, limit_id, actor)

    def limits(self) -> list[LimitRow]:
        """Every limit, oldest first."""
        with self._errors():
            rows = self._connection().execute(f"{_LIMITS} ORDER BY created_us, id").fetchall()
        return [_limit(row) for row in rows]

    # --- teams --------------------------------------------------------------------------------

    def add_team(self, team: TeamRow, *, actor: str = "") -> bool:
        """Keep a new team; False, and nothing done, when there is one of that name."""
        with self._errors(), transaction(self._connection()) as connection:
            sql = f"{_INSERT_TEAM} ON CONFLICT (name) DO NOTHING"
            if connection.execute(sql, msgspec.structs.astuple(team)).rowcount == 0:
                return False
            sqlite_audit.write(connection, actor, "team.create", team.id, _detail(team))
        return True

    def update_team(
        self, team_id: str, *, name: str | None = None, rules: str | None = None, actor: str = ""
    ) -> TeamRow | None:
        """Change what is given and return the team; None where none has this id.

        Raises ``StoreError`` when another team has the name.
        """
        changed = _given(name=name, rules=rules)
        with self._errors(), transaction(self._connection()) as connection:
            if changed and _set(connection, "teams", team_id, changed):
                sqlite_audit.write(connection, actor, "team.update", team_id, changed)
            row = connection.execute(f"{_TEAMS} WHERE id = ?", (team_id,)).fetchone()
        return None if row is None else TeamRow(*row)

    def remove_team(self, team_id: str, *, actor: str = "") -> bool:
        """Drop the team, its limits and its subscription; its keys are in none then. False: no such team."""
        with self._errors(), transaction(self._connection()) as connection:
            if connection.execute("DELETE FROM teams WHERE id = ?", (team_id,)).rowcount == 0:
                return False
            sql = "SELECT id FROM limits WHERE (scope = 'team' AND subject = ?1) OR within = ?1"
            for (limit_id,) in connection.execute(sql, (team_id,)).fetchall():
                _remove_limit(connection, limit_id, actor)
            _unsubscribe(connection, "team", team_id, actor)
            sql = "UPDATE keys SET team_id = '', updated_us = ? WHERE team_id = ? RETURNING id"
            for (key_id,) in connection.execute(sql, (_now_us(), team_id)).fetchall():
                sqlite_audit.write(connection, actor, "key.update", key_id, {"team_id": ""})
            sqlite_audit.write(connection, actor, "team.remove", team_id)
        return True

    def teams(self) -> list[TeamRow]:
        """Every team, by name."""
        return self._all(TeamRow, f"{_TEAMS} ORDER BY name")

    # --- plans --------------------------------------------------------------------------------

    def put_plan(self, plan: PlanRow, *, actor: str = "") -> None:
        """Keep the plan, in place of the one of that name if there is one (whose ``created_us`` stays)."""
        with self._errors(), transaction(self._connection()) as connection:
            connection.execute(_PUT_PLAN, msgspec.structs.astuple(plan))
            sqlite_audit.write(connection, actor, "plan.put", plan.name, {"spec": plan.spec})

    def remove_plan(self, name: str, *, actor: str = "") -> bool:
        """Drop the plan; False where there is none or somebody has it."""
        with self._errors(), transaction(self._connection()) as connection:
            sql = (
                "DELETE FROM plans WHERE name = ?1"
                " AND NOT EXISTS (SELECT 1 FROM subscriptions WHERE plan = ?1)"
            )
            if connection.execute(sql, (name,)).rowcount == 0:
                return False
            sqlite_audit.write(connection, actor, "plan.remove", name)
        return True

    def plans(self) -> list[PlanRow]:
        """Every plan, by name."""
        return self._all(PlanRow, f"{_PLANS} ORDER BY name")

    def subscribe(self, subscription: SubscriptionRow, *, actor: str = "") -> None:
        """Give the key or team this plan, in place of the one it had.

        Raises ``StoreError`` where there is no such plan: it may have been removed a moment ago.
        """
        plan = subscription.plan
        with self._errors(), transaction(self._connection()) as connection:
            if connection.execute("SELECT 1 FROM plans WHERE name = ?", (plan,)).fetchone() is None:
                raise StoreError(f"there is no plan {plan!r}; make it first")
            connection.execute(_SUBSCRIBE, msgspec.structs.astuple(subscription))
            detail = {"scope": subscription.scope, "plan": plan, "since_us": subscription.since_us}
            sqlite_audit.write(connection, actor, "plan.subscribe", subscription.subject, detail)

    def unsubscribe(self, scope: str, subject: str, *, actor: str = "") -> bool:
        """Take its plan away; False where it had none."""
        with self._errors(), transaction(self._connection()) as connection:
            return _unsubscribe(connection, scope, subject, actor)

    def subscriptions(self) -> list[SubscriptionRow]:
        """Who has which plan, by whom."""
        return self._all(SubscriptionRow, f"{_SUBSCRIPTIONS} ORDER BY scope, subject")

    # --- stops and actions --------------------------------------------------------------------

    def stop_session(self, stop: StopRow, *, actor: str = "") -> None:
        """Refuse what comes for this session from now on."""
        with self._errors(), transaction(self._connection()) as connection:
            connection.execute(_STOP, msgspec.structs.astuple(stop))
            sqlite_audit.write(connection, actor, "session.stop", stop.session, {"key_id": stop.key_id})

    def resume_session(self, session: str, key_id: str = "", *, actor: str = "") -> bool:
        """Take a stop back; False where there was none."""
        with self._errors(), transaction(self._connection()) as connection:
            sql = "DELETE FROM stops WHERE session = ? AND key_id = ?"
            if connection.execute(sql, (session, key_id)).rowcount == 0:
                return False
            sqlite_audit.write(connection, actor, "session.resume", session, {"key_id": key_id})
        return True

    def stops(self) -> list[StopRow]:
        """Every stopped session, oldest first."""
        return self._all(StopRow, f"{_STOPS} ORDER BY time_us, session, key_id")

    def set_action(self, action: ActionRow, *, actor: str = "") -> None:
        """Do this about the key, in place of what was done before."""
        with self._errors(), transaction(self._connection()) as connection:
            connection.execute(_ACT, msgspec.structs.astuple(action))
            sqlite_audit.write(connection, actor, "fair_use.act", action.key_id, _detail(action))

    def lift_action(self, key_id: str, *, actor: str = "") -> bool:
        """Take it back; False where nothing was done about the key."""
        with self._errors(), transaction(self._connection()) as connection:
            if connection.execute("DELETE FROM actions WHERE key_id = ?", (key_id,)).rowcount == 0:
                return False
            sqlite_audit.write(connection, actor, "fair_use.lift", key_id)
        return True

    def actions(self) -> list[ActionRow]:
        """What is done about which keys, those whose time is over too."""
        return self._all(ActionRow, f"{_ACTIONS} ORDER BY since_us, key_id")

    def _all(self, kind: type[_Row], sql: str) -> list[_Row]:
        with self._errors():
            return [kind(*row) for row in self._connection().execute(sql).fetchall()]


def _limit(row: tuple[Any, ...]) -> LimitRow:
    values = dict(zip(LimitRow.__struct_fields__, row, strict=True))
    return LimitRow(**{**values, "strict": bool(values["strict"])})


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _detail(row: msgspec.Struct) -> dict[str, Any]:
    """What the audit log tells of a new row: all but its name and when it was made."""
    values = msgspec.structs.asdict(row)
    return {name: values[name] for name in values if name not in ("id", "key_id", "created_us", "updated_us")}


def _set(connection: sqlite3.Connection, table: str, row_id: str, changed: dict[str, Any]) -> bool:
    """Whether there was such a row to change."""
    columns = ", ".join(f"{name} = ?" for name in (*changed, "updated_us"))
    sql = f"UPDATE {table} SET {columns} WHERE id = ?"  # noqa: S608
    return connection.execute(sql, (*changed.values(), _now_us(), row_id)).rowcount == 1


def _remove_limit(connection: sqlite3.Connection, limit_id: str, actor: str) -> bool:
    if connection.execute("DELETE FROM limits WHERE id = ?", (limit_id,)).rowcount == 0:
        return False
    drop_accounts(connection, "limit_id = ?", (limit_id,))
    sqlite_audit.write(connection, actor, "limit.remove", limit_id)
    return True


def _unsubscribe(connection: sqlite3.Connection, scope: str, subject: str, actor: str) -> bool:
    sql = "DELETE FROM subscriptions WHERE scope = ? AND subject = ?"
    if connection.execute(sql, (scope, subject)).rowcount == 0:
        return False
    sqlite_audit.write(connection, actor, "plan.unsubscribe", subject, {"scope": scope})
    return True


def _now_us() -> int:
    return time.time_ns() // 1000
