"""What is counted against limits, in SQLite: accounts, what was spent of them, and who holds how much."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from tokenworks.ledger import sqlite_audit
from tokenworks.ledger.accounts import IDLE_US, MAX_SUM, WANTED_US, charged, share
from tokenworks.ledger.limit_rows import Given, Leased, StandingRow, Want
from tokenworks.ledger.record import Record
from tokenworks.ledger.sqlite_file import SqliteFile, transaction

_CHUNK = 1000  # rows deleted in one transaction, so that no lease waits for a whole sweep

_TOUCH = """INSERT INTO accounts (account, limit_id, subject, span_s, opened_us, touched_us)
VALUES (?1, ?2, ?3, ?4, ?5, ?5)
ON CONFLICT (account) DO UPDATE SET span_s = excluded.span_s, touched_us = excluded.touched_us
RETURNING opened_us"""
_SPENT = """SELECT coalesce(sum(spent), 0), coalesce(min(bucket) FILTER (WHERE spent > 0), 0)
FROM account_spent WHERE account = ? AND bucket >= ?"""
_OTHERS_AND_OWN = """SELECT
  coalesce(sum(max(granted - drained, 0)) FILTER (WHERE holder <> ?2), 0),
  coalesce(sum(granted - drained) FILTER (WHERE holder = ?2), 0)
FROM leases WHERE account = ?1"""
_GRANT = """INSERT INTO leases VALUES (?, ?, ?, 0)
ON CONFLICT (account, holder) DO UPDATE SET granted = granted + excluded.granted"""
# An empty name stands for more than one, so that each of them hears of the others.
_UNMET = """UPDATE accounts SET
  wanted_by = CASE WHEN wanted_us > ?3 AND wanted_by <> ?2 THEN '' ELSE ?2 END, wanted_us = ?4
WHERE account = ?1"""
# A lease has granted >= drained, or its holder has overspent and can return nothing.
_RETURN = """UPDATE leases SET granted = max(granted - ?3, min(granted, drained))
WHERE account = ?1 AND holder = ?2"""
# "> 0" is what the index is made with.
_WANTED = "SELECT account FROM accounts WHERE wanted_us > 0 AND wanted_us > ? AND wanted_by <> ?"
_SPEND = f"""INSERT INTO account_spent (account, bucket, spent)
SELECT account, ?2, ?3 FROM accounts WHERE account = ?1
ON CONFLICT (account, bucket) DO UPDATE SET spent = min(spent + excluded.spent, {MAX_SUM})"""  # noqa: S608
_DRAIN = f"""UPDATE leases SET drained = min(drained + ?3, {MAX_SUM})
WHERE account = ?1 AND holder = ?2"""  # noqa: S608 (this module's own numbers)
# Jumps from one name to the next, since each has very many rows.
_HOLDERS = """WITH RECURSIVE names (holder) AS (
  SELECT min(holder) FROM leases WHERE holder >= ?1 AND holder < ?2
  UNION ALL
  SELECT (SELECT min(holder) FROM leases WHERE holder > names.holder AND holder < ?2)
  FROM names WHERE names.holder IS NOT NULL
) SELECT holder FROM names WHERE holder IS NOT NULL"""
_STANDINGS = """SELECT a.account, a.limit_id, a.subject, coalesce(s.bucket, 0), coalesce(s.spent, 0),
  (SELECT coalesce(sum(max(granted - drained, 0)), 0) FROM leases AS l WHERE l.account = a.account),
  a.opened_us
FROM accounts AS a LEFT JOIN account_spent AS s ON s.account = a.account"""
_STANDINGS_ORDER = "ORDER BY a.limit_id, a.subject, a.account, s.bucket"
_OVER = """SELECT s.account, s.bucket FROM accounts AS a JOIN account_spent AS s ON s.account = a.account
WHERE a.span_s > 0 AND s.bucket < ? - 2 * a.span_s"""
_IDLE = """account IN (
  SELECT a.account FROM accounts AS a JOIN limits AS m ON m.id = a.limit_id AND m.scope = 'session'
  WHERE a.touched_us < ?1 AND NOT EXISTS (
    SELECT 1 FROM leases AS l WHERE l.account = a.account AND l.granted > l.drained
  )
  ORDER BY a.account LIMIT ?2
)"""


class SqliteLeases(SqliteFile):
    """See ``store.Store``."""

    def lease(
        self, holder: str, wants: Sequence[Want], returns: Mapping[int, int], held: Sequence[int], now_us: int
    ) -> Leased:
        """Give ``holder`` what it wants of accounts as far as their caps allow, and take back ``returns``."""
        given: dict[int, Given] = {}
        with self._errors():
            connection = self._connection()
            if wants or returns:
                with transaction(connection):
                    back = [(account, holder, max(amount, 0)) for account, amount in returns.items()]
                    connection.executemany(_RETURN, back)
                    for index in sorted(range(len(wants)), key=lambda i: wants[i].account):
                        given[index] = _give(connection, holder, wants[index], now_us)
            wanted: set[int] = set()
            if held:
                rows = connection.execute(_WANTED, (now_us - WANTED_US, holder)).fetchall()
                wanted = {account for (account,) in rows}
        return Leased([given[i] for i in range(len(wants))], [a for a in held if a in wanted])

    def leases_of(self, holder: str) -> dict[int, int]:
        """What was ever granted to ``holder`` and not returned, by account."""
        sql = "SELECT account, granted FROM leases WHERE holder = ? AND granted > 0 ORDER BY account"
        with self._errors():
            return dict(self._connection().execute(sql, (holder,)).fetchall())

    def lease_holders(self, prefix: str) -> list[str]:
        """Those whose names begin with ``prefix`` and who have leases, in order."""
        with self._errors():
            rows = self._connection().execute(_HOLDERS, (prefix, prefix + "\U0010ffff")).fetchall()
        return [holder for (holder,) in rows]

    def release_leases(self, holder: str) -> int:
        """``holder`` is dead and all its records are in the store: what it held is free. How many leases."""
        with self._errors():
            connection = self._connection()
            there = connection.execute("SELECT 1 FROM leases WHERE holder = ? LIMIT 1", (holder,)).fetchone()
            if there is None:  # told without the writer's lock: most of the dead held nothing
                return 0
            with transaction(connection):
                return connection.execute("DELETE FROM leases WHERE holder = ?", (holder,)).rowcount

    def standings(self, limit_ids: Sequence[str] | None = None) -> list[StandingRow]:
        """How the accounts of these limits (None: of all) stand, by limit and subject."""
        with self._errors():
            execute = self._connection().execute
            if limit_ids is None:
                rows = execute(f"{_STANDINGS} {_STANDINGS_ORDER}").fetchall()
            else:
                sql = f"{_STANDINGS} WHERE a.limit_id = ? {_STANDINGS_ORDER}"
                rows = [row for limit_id in sorted(set(limit_ids)) for row in execute(sql, (limit_id,))]
        return [StandingRow(*row) for row in rows]

    def refund(self, account: int, bucket: int, amount: int, *, actor: str = "", reason: str = "") -> bool:
        """Count ``amount`` less as spent in ``bucket``, but not less than nothing. False: no such account.

        Raises ``ValueError`` for a negative amount.
        """
        if amount < 0:
            raise ValueError(f"a refund of {amount}: give what is to be counted less, 0 or more")
        with self._errors(), transaction(self._connection()) as connection:
            sql = "SELECT limit_id, subject FROM accounts WHERE account = ?"
            found = connection.execute(sql, (account,)).fetchone()
            if found is None:
                return False
            sql = "UPDATE account_spent SET spent = max(spent - ?, 0) WHERE account = ? AND bucket = ?"
            connection.execute(sql, (amount, account, bucket))
            detail = {"limit_id": found[0], "subject": found[1], "bucket": bucket, "amount": amount}
            detail["reason"] = reason
            sqlite_audit.write(connection, actor, "account.refund", str(account), detail)
        return True

    def prune_accounts(self, now_us: int) -> int:
        """Drop buckets whose time is long over, and accounts of sessions not seen for 30 days.

        Returns the number of both. What is still leased keeps its account.
        """
        with self._errors():
            connection = self._connection()
            over = connection.execute(_OVER, (now_us // 1_000_000,)).fetchall()
            for start in range(0, len(over), _CHUNK):
                with transaction(connection):
                    sql = "DELETE FROM account_spent WHERE account = ? AND bucket = ?"
                    connection.executemany(sql, over[start : start + _CHUNK])
            pruned, dropped = len(over), _CHUNK
            while dropped == _CHUNK:
                with transaction(connection):
                    dropped = drop_accounts(connection, _IDLE, (now_us - IDLE_US, _CHUNK))
                pruned += dropped
        return pruned


def spend(connection: sqlite3.Connection, holder: str, records: Sequence[Record]) -> None:
    """In the transaction that adds ``records``: what they were charged is spent, and leased no longer.

    An account that is not there (its limit was removed) is passed over. A holder without a lease gets none:
    its lease was released, and what it was charged since must not lessen the next one it gets.
    """
    buckets, accounts = charged(records)
    if buckets:
        connection.executemany(_SPEND, [(*key, amount) for key, amount in buckets.items()])
        rows = [(account, holder, amount) for account, amount in accounts.items()]
        connection.executemany(_DRAIN, rows)


def drop_accounts(connection: sqlite3.Connection, where: str, parameters: Sequence[Any]) -> int:
    """Drop the accounts that meet ``where`` with all that is counted in them; returns how many.

    ``where`` is looked at three times, the accounts themselves last.
    """
    for table in ("account_spent", "leases"):
        sql = f"DELETE FROM {table} WHERE account IN (SELECT account FROM accounts WHERE {where})"  # noqa: S608
        connection.execute(sql, parameters)
    return connection.execute(f"DELETE FROM accounts WHERE {where}", parameters).rowcount  # noqa: S608


def _give(connection: sqlite3.Connection, holder: str, want: Want, now_us: int) -> Given:
    """As much of one account as is right, and how the account stands after that."""
    row = (want.account, want.limit_id, want.subject, want.span_s, now_us)
    opened_us = connection.execute(_TOUCH, row).fetchone()[0]
    spent, oldest = connection.execute(_SPENT, (want.account, want.since)).fetchone()
    others, own = connection.execute(_OTHERS_AND_OWN, (want.account, holder)).fetchone()
    room = want.cap - spent - others  # what the holder may have in hand
    # One that has overspent (own < 0) has that much less in hand than it is given.
    give = share(room - own if room > 0 else 0, want)
    if give:
        connection.execute(_GRANT, (want.account, holder, give))
    if give < want.least or (not give and want.amount > 0):
        connection.execute(_UNMET, (want.account, holder, now_us - WANTED_US, now_us))
    return Given(want.account, give, spent, others + max(own + give, 0), oldest, opened_us)
