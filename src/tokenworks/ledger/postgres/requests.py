"""Requests in PostgreSQL: rows, roll-ups, and how far each journal was read."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Any

import msgspec
import psycopg
from psycopg import errors

from tokenworks.errors import StoreError
from tokenworks.ledger import decided, labelled, spans, tallies
from tokenworks.ledger.accounts import charged
from tokenworks.ledger.postgres.database import Connection, Database
from tokenworks.ledger.postgres.leases import spend
from tokenworks.ledger.postgres.rankings import tally
from tokenworks.ledger.postgres.routing import decide
from tokenworks.ledger.postgres.shapes import Shapes
from tokenworks.ledger.record import FIELDS, Record, scrubbed
from tokenworks.ledger.rollups import FACT, GRAINS, MEASURES, Batcher, Grain
from tokenworks.ledger.rows import ActivityRow, UsageRow

log = logging.getLogger(__name__)
_MAX_NAME = 256  # characters; an index takes no more than 2,700 bytes of a row
_NAMES = (  # what an index is of
    *("id", "key_id", "app", "model", "provider", "user", "finish_reason"),
)
# What a value that fits no column raises, by the way it does not fit.
_UNFIT = (
    *(OverflowError, UnicodeEncodeError, TypeError, ValueError, AttributeError),
    *(psycopg.DataError, psycopg.IntegrityError, psycopg.ProgrammingError, errors.ProgramLimitExceeded),
)


def _upsert(grain: Grain) -> str:
    sums = ", ".join(f"{name} = t.{name} + excluded.{name}" for name in MEASURES)
    keys = (grain.bucket, *grain.dimensions)
    kinds = ["boolean" if name == "private" else "text" for name in grain.dimensions]
    arrays = ", ".join(
        ["%s::bigint[]", *(f"%s::{kind}[]" for kind in kinds), *["%s::bigint[]"] * len(MEASURES)]
    )
    return (
        f"INSERT INTO {grain.table} AS t ({', '.join((*keys, *MEASURES))}) SELECT * FROM unnest({arrays})"  # noqa: S608
        f" ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {sums}"
    )


# Statements are made of this package's own names only; everything from outside is a parameter.
_COPY = "COPY request_facts ({}) FROM STDIN".format(", ".join(f'"{name}"' for name in FACT))
_UPSERTS = [_upsert(grain).encode() for grain in GRAINS]
# Waits for another transaction that is at the same journal, such as one whose connection broke while it was
# committed; and then does nothing when that one was.
_MOVE = """INSERT INTO journals AS j (journal, byte_offset) VALUES (%s, %s)
ON CONFLICT (journal) DO UPDATE SET byte_offset = excluded.byte_offset
WHERE %s::bigint IS NULL OR j.byte_offset = %s
RETURNING xmax = 0"""
_OFFSET = "SELECT byte_offset FROM journals WHERE journal = %s"
_RECORDED = """SELECT f.time_us, f.id FROM unnest(%s::bigint[], %s::text[]) AS r (time_us, id)
JOIN request_facts AS f ON f.time_us = r.time_us AND f.id = r.id"""
_RECORDS = "SELECT {} FROM requests WHERE time_us >= %s AND time_us < %s".format(  # noqa: S608
    ", ".join(f'"{name}"' for name in FIELDS)
)
_GENERATION = f"{_RECORDS} AND id = %s"
_REQUESTS = f"{_RECORDS} AND (time_us, id) > (%s, %s) ORDER BY time_us, id LIMIT %s"


class PostgresRequests(Database):
    """See ``store.Store``."""

    def __init__(self, url: str) -> None:
        """Raises ``ConfigError`` for a URL that can't be read; connects to nothing yet."""
        super().__init__(url)
        self._writing = threading.Lock()  # of the two below
        self._batcher = Batcher()
        self._shapes = Shapes()

    # --- writing ------------------------------------------------------------------------------

    def append(
        self, journal: str, offset: int, records: Sequence[Record], *, since: int | None = None
    ) -> None:
        """Rows, roll-ups, what is spent of accounts and the journal's offset in one transaction."""
        with self._writing, self._errors():
            for _ in range(3):
                try:
                    self._append(journal, offset, records, since)
                    return
                except errors.UniqueViolation:
                    fitting = [_fitting(record) for record in records]
                    records = self._only_new(fitting)
                    log.error("%d records were in the ledger already; left out", len(fitting) - len(records))
                except _UNFIT:
                    # A value no column can hold; the drainer seldom sends one, and nothing may block it.
                    records = [_fitting(record) for record in records]
            self._append(journal, offset, records, since)

    def _append(self, journal: str, offset: int, records: Sequence[Record], since: int | None) -> None:
        if self._shapes.full:
            self._forget()
        try:
            facts = self._batcher.facts(records, self._shapes.number)
            added = self._batcher.sums()
            sums = [[list(column) for column in zip(*sorted(rows), strict=True)] for rows in added]
            if not self._shapes.complete:
                self._shapes.learn(self._transact(self._shapes.find))
            rows = [self._shapes.row(fact) for fact in facts]
            holder, sums_charged = journal.split(".", 1)[0], charged(records)
            decisions = decided.rows(records)
            tallied, labels = tallies.tallied(records), labelled.rows(records)
            tallied.append(tallies.shared(added, tallied))

            def work(connection: Connection) -> None:
                _move(connection, journal, offset, since)
                if rows:
                    with connection.cursor().copy(_COPY) as copy:
                        for row in rows:
                            copy.write_row(row)
                    # What others wait for comes last, and all at once.
                    with connection.pipeline():
                        for statement, columns in zip(_UPSERTS, sums, strict=True):
                            connection.execute(statement, columns)
                        spend(connection, holder, *sums_charged)
                        decide(connection, decisions)
                        tally(connection, tallied, labels)

            self._transact(work)
        except BaseException:
            self._forget()
            raise

    def _forget(self) -> None:
        self._batcher.forget()
        self._shapes.forget()

    def _only_new(self, records: Sequence[Record]) -> list[Record]:
        seen = self.recorded(records)
        new = []
        for record in records:
            if record.id not in seen:
                seen.add(record.id)
                new.append(record)
        return new

    def recorded(self, records: Sequence[Record]) -> set[str]:
        """The ids of those ``records`` that are in the ledger already."""
        kept = {(record.time_us, _fitting(record).id): record.id for record in records}
        columns = ([time_us for time_us, _ in kept], [record_id for _, record_id in kept])
        return {kept[time_us, record_id] for time_us, record_id in self._rows(_RECORDED, columns)}

    def journal_offset(self, journal: str) -> int:
        """How far ``journal`` has been read, in bytes; 0 for one never seen."""
        row = self._row(_OFFSET, (journal,))
        return 0 if row is None else int(row[0])

    def forget_journal(self, journal: str) -> None:
        """Drop the offset of a journal whose file is gone."""
        self._do("DELETE FROM journals WHERE journal = %s", (journal,))

    def sync(self) -> None:
        """Nothing to do: what PostgreSQL has committed survives power loss."""

    # --- reading ------------------------------------------------------------------------------

    def usage(
        self, by: str | None, since_us: int | None = None, until_us: int | None = None
    ) -> list[UsageRow]:
        """Sums for each of ``by``, the dearest first, days in order."""
        sql, parameters = spans.query(by, since_us, until_us, dialect=spans.POSTGRES)
        return [UsageRow(*row) for row in self._rows(sql, parameters)]

    def key_usage(self, key_id: str, since_us: int | None = None, until_us: int | None = None) -> UsageRow:
        """Sums of one key in the span; zeros for one that did nothing."""
        sql, parameters = spans.query("key", since_us, until_us, key_id, dialect=spans.POSTGRES)
        row = self._row(sql, parameters)
        if row is not None:
            return UsageRow(*row)
        named = self._row("SELECT name FROM keys WHERE id = %s", (key_id,))
        return UsageRow(key_id, named[0] if named else key_id)

    def activity(
        self, since_us: int | None, until_us: int | None, key_id: str | None = None
    ) -> list[ActivityRow]:
        """Sums for each day, model and provider, days in order."""
        sql, parameters = spans.activity(since_us, until_us, key_id, dialect=spans.POSTGRES)
        return [ActivityRow(*row) for row in self._rows(sql, parameters)]

    def totals(self, since_us: int | None = None, until_us: int | None = None) -> UsageRow:
        """Sums of everything in the span."""
        rows = self.usage(None, since_us, until_us)
        return rows[0] if rows else UsageRow()

    def generation(self, record_id: str) -> Record | None:
        """The request with this id, found by the second that its id names."""
        span = spans.of_id(record_id)
        row = self._row(_GENERATION, (*span, record_id)) if span is not None else None
        return None if row is None else _record(row)

    def requests(
        self, since_us: int, until_us: int, after: Record | None = None, limit: int = 5000
    ) -> list[Record]:
        """Up to ``limit`` requests of the span in order of time and id, those after ``after`` only."""
        last_us, last_id = (-1, "") if after is None else (after.time_us, after.id)
        parameters = (max(since_us, last_us), until_us, last_us, last_id, limit)
        return [_record(row) for row in self._rows(_REQUESTS, parameters)]


def _record(row: Sequence[Any]) -> Record:
    return Record(**dict(zip(FIELDS, row, strict=True)))


def _move(connection: Connection, journal: str, offset: int, since: int | None) -> None:
    """Set the journal's offset. Raises ``StoreError`` when it does not stand at ``since``."""
    row = connection.execute(_MOVE, (journal, offset, since, since)).fetchone()
    if since is not None and (row is None or (row[0] and since != 0)):
        stands = 0 if row is not None else _stands(connection, journal)
        raise StoreError(f"{journal} was read up to {stands} already, not {since}")


def _stands(connection: Connection, journal: str) -> int:
    row = connection.execute(_OFFSET, (journal,)).fetchone()
    return 0 if row is None else int(row[0])


def _fitting(record: Record) -> Record:
    """A copy whose every value fits its column and the index that it is in."""
    values: dict[str, Any] = msgspec.structs.asdict(scrubbed(record))
    for name, value in values.items():
        if isinstance(value, str):
            value = value.replace("\0", "\ufffd")
            values[name] = value[:_MAX_NAME] if name in _NAMES else value
    return Record(**values)
