"""What is counted against limits, in PostgreSQL: accounts, what was spent of them, and who holds how much.

Whoever grants locks the accounts first, in their order, then adds up what is spent and what is held in one
statement, so in one moment. Drainers need no such lock: they only move amounts from held to spent. Rows
are locked in the same order by everybody: accounts, spent, leases, each by number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tokenworks.ledger.accounts import IDLE_US, MAX_SUM, WANTED_US, share
from tokenworks.ledger.limit_rows import Given, Leased, StandingRow, Want
from tokenworks.ledger.postgres import audit
from tokenworks.ledger.postgres.database import Connection, Database, Row

_CHUNK = 1000  # rows deleted in one transaction, so that no lease waits for a whole sweep

# Makes the accounts that are not there and locks all of them.
_TOUCH = """INSERT INTO accounts (account, limit_id, subject, span_s, opened_us, touched_us)
SELECT account, limit_id, subject, span_s, %s, %s
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::bigint[]) AS w (account, limit_id, subject, span_s)
ON CONFLICT (account) DO UPDATE SET span_s = excluded.span_s, touched_us = excluded.touched_us
RETURNING account, opened_us"""
_OWN = "SELECT FROM leases WHERE holder = %s AND account = ANY (%s::bigint[]) ORDER BY account FOR UPDATE"
# A lease has granted >= drained, or its holder has overspent and can return nothing.
_RETURN = """UPDATE leases AS l SET granted = greatest(l.granted - r.amount, least(l.granted, l.drained))
FROM unnest(%s::bigint[], %s::bigint[]) AS r (account, amount)
WHERE l.account = r.account AND l.holder = %s"""
_STANDS = """SELECT s.spent, s.oldest, l.others, l.own
FROM unnest(%s::bigint[], %s::bigint[]) WITH ORDINALITY AS w (account, since, place)
CROSS JOIN LATERAL (
  SELECT least(coalesce(sum(spent), 0), 9e18)::bigint AS spent,
    coalesce(min(bucket) FILTER (WHERE spent > 0), 0) AS oldest
  FROM account_spent WHERE account = w.account AND bucket >= w.since
) AS s
CROSS JOIN LATERAL (
  SELECT
    least(coalesce(sum(greatest(granted - drained, 0)) FILTER (WHERE holder <> %s), 0), 9e18)::bigint
      AS others,
    coalesce(sum(granted - drained) FILTER (WHERE holder = %s), 0)::bigint AS own
  FROM leases WHERE account = w.account
) AS l
ORDER BY w.place"""
_GRANT = """INSERT INTO leases (account, holder, granted, drained)
SELECT account, %s, amount, 0 FROM unnest(%s::bigint[], %s::bigint[]) AS g (account, amount)
ON CONFLICT (account, holder) DO UPDATE SET granted = leases.granted + excluded.granted"""
# An empty name stands for more than one, so that each of them hears of the others.
_UNMET = """UPDATE accounts SET
  wanted_by = CASE WHEN wanted_us > %s AND wanted_by <> %s THEN '' ELSE %s END, wanted_us = %s
WHERE account = ANY (%s::bigint[])"""
# "> 0" is what the index is made with.
_WANTED = "SELECT account FROM accounts WHERE wanted_us > 0 AND wanted_us > %s AND wanted_by <> %s"
_SPEND = f"""INSERT INTO account_spent AS s (account, bucket, spent)
SELECT c.account, c.bucket, c.amount
FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) AS c (account, bucket, amount)
JOIN accounts AS a ON a.account = c.account
ORDER BY c.account, c.bucket
ON CONFLICT (account, bucket) DO UPDATE SET spent = least(s.spent + excluded.spent, {MAX_SUM})"""  # noqa: S608
_DRAIN = f"""WITH own AS MATERIALIZED (
  SELECT account FROM leases WHERE holder = %s AND account = ANY (%s::bigint[]) ORDER BY account FOR UPDATE
)
UPDATE leases AS l SET drained = least(l.drained + c.amount, {MAX_SUM})
FROM own, unnest(%s::bigint[], %s::bigint[]) AS c (account, amount)
WHERE l.account = own.account AND l.holder = %s AND c.account = own.account"""  # noqa: S608
# Jumps from one name to the next, since each has very many rows.
_HOLDERS = """WITH RECURSIVE names (holder) AS (
  (SELECT min(holder) FROM leases WHERE holder >= %s AND holder < %s)
  UNION ALL
  SELECT (SELECT min(l.holder) FROM leases AS l WHERE l.holder > names.holder AND l.holder < %s)
  FROM names WHERE names.holder IS NOT NULL
) SELECT holder FROM names WHERE holder IS NOT NULL"""
_STANDINGS = """SELECT a.account, a.limit_id, a.subject, coalesce(s.bucket, 0), coalesce(s.spent, 0),
  (SELECT least(coalesce(sum(greatest(granted - drained, 0)), 0), 9e18)::bigint
   FROM leases AS l WHERE l.account = a.account),
  a.opened_us
FROM accounts AS a LEFT JOIN account_spent AS s ON s.account = a.account"""
_STANDINGS_ORDER = "ORDER BY a.limit_id, a.subject, a.account, s.bucket"
_OVER = """DELETE FROM account_spent WHERE (account, bucket) IN (
  SELECT s.account, s.bucket FROM accounts AS a JOIN account_spent AS s ON s.account = a.account
  WHERE a.span_s > 0 AND s.bucket < %s - 2 * a.span_s LIMIT %s)"""
_IDLE = """SELECT a.account FROM accounts AS a JOIN limits AS m ON m.id = a.limit_id AND m.scope = 'session'
WHERE a.touched_us < %s AND NOT EXISTS (
  SELECT FROM leases AS l WHERE l.account = a.account AND l.granted > l.drained
)
ORDER BY a.account LIMIT %s FOR UPDATE OF a"""


class PostgresLeases(Database):
    """See ``store.Store``."""

    def lease(
        self, holder: str, wants: Sequence[Want], returns: Mapping[int, int], held: Sequence[int], now_us: int
    ) -> Leased:
        """Give ``holder`` what it wants of accounts as far as their caps allow, and take back ``returns``."""

        def work(connection: Connection) -> list[Given]:
            with connection.pipeline():  # one after the other, but without waiting for each answer
                touched = connection.execute(_TOUCH, (now_us, now_us, *_accounts(wants)))
                # Of these the drainer of the holder's records may have some.
                own = sorted({*returns, *(want.account for want in wants)})
                connection.execute(_OWN, (holder, own))
                back = [max(amount, 0) for amount in returns.values()]
                connection.execute(_RETURN, (list(returns), back, holder))
                which = ([want.account for want in wants], [want.since for want in wants])
                stands = connection.execute(_STANDS, (*which, holder, holder))
            opened_us: dict[int, int] = dict(touched.fetchall())
            return _give(
                connection, holder, list(zip(wants, stands.fetchall(), strict=True)), opened_us, now_us
            )

        given = self._write(work) if wants or returns else []
        wanted: set[int] = set()
        if held:
            wanted = {account for (account,) in self._rows(_WANTED, (now_us - WANTED_US, holder))}
        return Leased(given, [account for account in held if account in wanted])

    def leases_of(self, holder: str) -> dict[int, int]:
        """What was ever granted to ``holder`` and not returned, by account."""
        sql = "SELECT account, granted FROM leases WHERE holder = %s AND granted > 0 ORDER BY account"
        return {account: granted for account, granted in self._rows(sql, (holder,))}

    def lease_holders(self, prefix: str) -> list[str]:
        """Those whose names begin with ``prefix`` and who have leases, in order."""
        end = prefix + "\U0010ffff"
        return [holder for (holder,) in self._rows(_HOLDERS, (prefix, end, end))]

    def release_leases(self, holder: str) -> int:
        """``holder`` is dead and all its records are in the store: what it held is free. How many leases."""
        return self._do("DELETE FROM leases WHERE holder = %s", (holder,))

    def standings(self, limit_ids: Sequence[str] | None = None) -> list[StandingRow]:
        """How the accounts of these limits (None: of all) stand, by limit and subject."""
        if limit_ids is None:
            rows = self._rows(f"{_STANDINGS} {_STANDINGS_ORDER}")
        else:
            sql = f"{_STANDINGS} WHERE a.limit_id = ANY (%s::text[]) {_STANDINGS_ORDER}"
            rows = self._rows(sql, (list(limit_ids),))
        return [StandingRow(*row) for row in rows]

    def refund(self, account: int, bucket: int, amount: int, *, actor: str = "", reason: str = "") -> bool:
        """Count ``amount`` less as spent in ``bucket``, but not less than nothing. False: no such account.

        Raises ``ValueError`` for a negative amount.
        """
        if amount < 0:
            raise ValueError(f"a refund of {amount}: give what is to be counted less, 0 or more")

        def work(connection: Connection) -> bool:
            sql = "SELECT limit_id, subject FROM accounts WHERE account = %s"
            found = connection.execute(sql, (account,)).fetchone()
            if found is None:
                return False
            sql = (
                "UPDATE account_spent SET spent = greatest(spent - %s, 0) WHERE account = %s AND bucket = %s"
            )
            connection.execute(sql, (amount, account, bucket))
            detail = {"limit_id": found[0], "subject": found[1], "bucket": bucket, "amount": amount}
            detail["reason"] = reason
            audit.write(connection, actor, "account.refund", str(account), detail)
            return True

        return self._write(work)

    def prune_accounts(self, now_us: int) -> int:
        """Drop buckets whose time is long over, and accounts of sessions not seen for 30 days.

        Returns the number of both. What is still leased keeps its account.
        """

        def idle(connection: Connection) -> int:
            found = connection.execute(_IDLE, (now_us - IDLE_US, _CHUNK)).fetchall()
            return drop_accounts(connection, [account for (account,) in found])

        pruned, dropped = 0, _CHUNK
        while dropped == _CHUNK:
            dropped = self._do(_OVER, (now_us // 1_000_000, _CHUNK))
            pruned += dropped
        dropped = _CHUNK
        while dropped == _CHUNK:
            dropped = self._write(idle)
            pruned += dropped
        return pruned


def spend(
    connection: Connection, holder: str, buckets: Mapping[tuple[int, int], int], accounts: Mapping[int, int]
) -> None:
    """In the transaction that adds records: what they were ``charged`` is spent, and leased no longer.

    An account that is not there (its limit was removed) is passed over. A holder without a lease gets none:
    its lease was released, and what it was charged since must not lessen the next one it gets.
    """
    if buckets:
        rows = [(account, bucket, amount) for (account, bucket), amount in buckets.items()]
        connection.execute(_SPEND.encode(), [list(column) for column in zip(*rows, strict=True)])
        numbers = list(accounts)
        connection.execute(_DRAIN.encode(), (holder, numbers, numbers, list(accounts.values()), holder))


def drop_accounts(connection: Connection, accounts: list[int]) -> int:
    """Drop these accounts with all that is counted in them; returns how many there were."""
    dropped = 0
    for table in ("account_spent", "leases", "accounts"):
        sql = f"DELETE FROM {table} WHERE account = ANY (%s::bigint[])"  # noqa: S608 (this module's own names)
        dropped = connection.execute(sql.encode(), (accounts,)).rowcount
    return dropped


def _accounts(wants: Sequence[Want]) -> list[list[Any]]:
    """Columns of account, limit, subject and span, each account once and in order."""
    rows = {want.account: (want.account, want.limit_id, want.subject, want.span_s) for want in wants}
    in_order = [rows[account] for account in sorted(rows)]
    return [list(column) for column in zip(*in_order, strict=True)] or [[], [], [], []]


def _give(
    connection: Connection,
    holder: str,
    wants: Sequence[tuple[Want, Row]],
    opened_us: Mapping[int, int],
    now_us: int,
) -> list[Given]:
    """As much of each account as is right, and how the accounts stand after that."""
    given: list[Given] = []
    grants: dict[int, int] = {}
    unmet: set[int] = set()
    for want, (spent, oldest, others, own) in wants:
        own += grants.get(want.account, 0)  # of an earlier want of the same account
        room = want.cap - spent - others  # what the holder may have in hand
        # One that has overspent (own < 0) has that much less in hand than it is given.
        give = share(room - own if room > 0 else 0, want)
        if give:
            grants[want.account] = grants.get(want.account, 0) + give
        if give < want.least or (not give and want.amount > 0):
            unmet.add(want.account)
        leased = others + max(own + give, 0)
        given.append(Given(want.account, give, spent, leased, oldest, opened_us[want.account]))
    accounts = sorted(grants)
    with connection.pipeline():
        if accounts:
            connection.execute(_GRANT, (holder, accounts, [grants[account] for account in accounts]))
        if unmet:
            connection.execute(_UNMET, (now_us - WANTED_US, holder, holder, now_us, sorted(unmet)))
    return given
