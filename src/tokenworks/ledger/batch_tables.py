"""What both engines do for batches, in statements that both understand.

Parameters are ``?`` here; an engine says how it runs a statement, and what its clock is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, ClassVar, Protocol, TypeVar

import msgspec

from tokenworks.ledger.batched import (
    CHUNK,
    DONE,
    FAILED,
    IN_PROGRESS,
    OVER,
    PAUSED,
    RUNNING,
    VALIDATING,
    WAITING,
    BatchRow,
    FileRow,
    LaneRow,
    PartRow,
)
from tokenworks.ledger.limit_rows import AuditRow

Row = tuple[Any, ...]
Result = TypeVar("Result")


class Execute(Protocol):
    """Run one statement: the rows it returned, and how many it met."""

    def __call__(self, sql: str, parameters: Sequence[Any] = ()) -> tuple[list[Row], int]: ...


def _marks(count: int) -> str:
    return ", ".join("?" * count)


def _insert(table: str, columns: Sequence[str]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({_marks(len(columns))})"  # noqa: S608


# Statements are made of this package's own names only; everything from outside is a parameter.
_FILE, _BATCH, _PART = (row.__struct_fields__ for row in (FileRow, BatchRow, PartRow))
_FILES, _BATCHES, _PARTS = ", ".join(_FILE), ", ".join(_BATCH), ", ".join(_PART)
_ADD_AUDIT = _insert("audit", AuditRow.__struct_fields__)
_ADD_PART = _insert("batch_parts", _PART) + " ON CONFLICT DO NOTHING"
_SETTLE = """UPDATE batch_parts SET status = ?, tries = ?, result = ?, model = ?,
  input_tokens = input_tokens + ?, output_tokens = output_tokens + ?, cost_nano_usd = cost_nano_usd + ?,
  generation_id = ?
WHERE batch_id = ? AND seq = ? AND status = 'waiting'"""
_SUMS = """UPDATE batches SET done = done + ?, failed = failed + ?, input_tokens = input_tokens + ?,
  output_tokens = output_tokens + ?, cost_nano_usd = cost_nano_usd + ? WHERE id = ?"""
_TOTAL = "UPDATE batches SET total = (SELECT count(*) FROM batch_parts WHERE batch_id = ?) WHERE id = ?"
_RUN_AGAIN = f"""run = run + 1, note = '', status = CASE
    WHEN status IN ({", ".join(f"'{word}'" for word in RUNNING)}) THEN status
    WHEN started_us IS NULL AND input_files <> '[]' THEN '{VALIDATING}' ELSE '{IN_PROGRESS}' END"""
_REOPEN = f"""UPDATE batches SET failed = 0, finished_us = NULL, output_file_id = '', error_file_id = '',
  expires_us = ?, {_RUN_AGAIN} WHERE id = ?"""  # noqa: S608
_RESUME = f"""UPDATE batches SET {_RUN_AGAIN}
WHERE id = ? AND status = ? AND (run = ? OR ? = 0) RETURNING {_BATCHES}"""  # noqa: S608
_LANES = """SELECT lane, min(seq), count(*) FILTER (WHERE status = 'waiting')
FROM batch_parts WHERE batch_id = ? GROUP BY lane ORDER BY 2"""


class BatchTables:
    """See ``store.Store``."""

    _now_us_sql: ClassVar[str]  # the database's clock, in µs

    def _asked(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """The rows of one statement that only reads."""
        raise NotImplementedError

    def _changed(self, work: Callable[[Execute], Result]) -> Result:
        """``work`` in one transaction, all of it or nothing."""
        raise NotImplementedError

    # --- files

    def add_file(self, row: FileRow) -> None:
        """Begin a file; what it holds is appended. One whose id is there already is left as it is."""
        sql = _insert("files", _FILE) + " ON CONFLICT DO NOTHING"
        self._changed(lambda execute: execute(sql, msgspec.structs.astuple(row)))

    def append_file(self, file_id: str, seq: int, chunk: bytes) -> None:
        """Its next ``chunk``, in place of one that was number ``seq`` before."""
        if len(chunk) > CHUNK:
            raise ValueError(f"a chunk of {len(chunk)} bytes; {CHUNK} at most")
        sql = (
            "INSERT INTO file_chunks (file_id, seq, body) VALUES (?, ?, ?)"
            " ON CONFLICT (file_id, seq) DO UPDATE SET body = excluded.body"
        )
        self._changed(lambda execute: execute(sql, (file_id, seq, chunk)))

    def finish_file(self, file_id: str, size: int) -> None:
        """It is whole, and ``size`` bytes long."""
        sql = "UPDATE files SET done = ?, bytes = ? WHERE id = ?"
        self._changed(lambda execute: execute(sql, (True, size, file_id)))

    def file(self, file_id: str) -> FileRow | None:
        """The file with this id, whole or not."""
        rows = self._asked(f"SELECT {_FILES} FROM files WHERE id = ?", (file_id,))  # noqa: S608
        return _file(rows[0]) if rows else None

    def files(
        self, key_id: str | None = None, purpose: str = "", after: str = "", limit: int = 100
    ) -> list[FileRow]:
        """Whole files of the key (None: of all), newest first, those after the file ``after`` only."""
        where: list[str] = ["done = ?"]
        values: list[Any] = [True]
        if key_id is not None:
            where, values = [*where, "key_id = ?"], [*values, key_id]
        if purpose:
            where, values = [*where, "purpose = ?"], [*values, purpose]
        if after:
            where, values = [*where, "number < (SELECT number FROM files WHERE id = ?)"], [*values, after]
        sql = f"SELECT {_FILES} FROM files WHERE {' AND '.join(where)} ORDER BY number DESC LIMIT ?"  # noqa: S608
        return [_file(row) for row in self._asked(sql, (*values, limit))]

    def read_file(self, file_id: str) -> Iterator[bytes]:
        """What it holds, chunk by chunk; nothing is held between two of them."""
        seq = -1
        sql = "SELECT seq, body FROM file_chunks WHERE file_id = ? AND seq > ? ORDER BY seq LIMIT 1"
        while rows := self._asked(sql, (file_id, seq)):
            seq, body = rows[0]
            yield bytes(body)

    def remove_file(self, file_id: str, actor: str = "") -> bool:
        """Drop it with what it holds; False where there is none."""

        def work(execute: Execute) -> bool:
            execute("DELETE FROM file_chunks WHERE file_id = ?", (file_id,))
            _, met = execute("DELETE FROM files WHERE id = ?", (file_id,))
            if met:
                _audit(execute, actor, "file.remove", file_id)
            return met == 1

        return self._changed(work)

    def expire_files(self, now_us: int, limit: int = 20) -> int:
        """Drop up to ``limit`` files whose time has come, and those never finished in a day; how many."""
        sql = (
            "SELECT id FROM files WHERE expires_us <= ? OR (done = ? AND created_us <= ?)"
            " ORDER BY number LIMIT ?"
        )
        rows = self._asked(sql, (now_us, False, now_us - 86_400_000_000, limit))
        return sum(self.remove_file(file_id) for (file_id,) in rows)

    # --- batches

    def add_batch(self, row: BatchRow, *, actor: str = "") -> None:
        """Keep a new batch."""
        values = [_written(getattr(row, name)) for name in _BATCH]

        def work(execute: Execute) -> None:
            execute(_insert("batches", _BATCH), values)
            _audit(execute, actor, "batch.create", row.id, {"kind": row.kind, "key": row.key_id})

        self._changed(work)

    def batch(self, batch_id: str) -> BatchRow | None:
        """The batch with this id."""
        rows = self._asked(f"SELECT {_BATCHES} FROM batches WHERE id = ?", (batch_id,))  # noqa: S608
        return _batch(rows[0]) if rows else None

    def batches(
        self,
        key_id: str | None = None,
        after: str = "",
        limit: int = 20,
        *,
        statuses: Collection[str] = (),
        kind: str = "",
    ) -> list[BatchRow]:
        """Batches of the key (None: of all), newest first, those after the batch ``after`` only."""
        where: list[str] = ["TRUE"]
        values: list[Any] = []
        if key_id is not None:
            where, values = [*where, "key_id = ?"], [*values, key_id]
        if kind:
            where, values = [*where, "kind = ?"], [*values, kind]
        if statuses:
            where, values = [*where, f"status IN ({_marks(len(statuses))})"], [*values, *statuses]
        if after:
            where, values = [*where, "number < (SELECT number FROM batches WHERE id = ?)"], [*values, after]
        sql = f"SELECT {_BATCHES} FROM batches WHERE {' AND '.join(where)} ORDER BY number DESC LIMIT ?"  # noqa: S608
        return [_batch(row) for row in self._asked(sql, (*values, limit))]

    def update_batch(
        self,
        batch_id: str,
        *,
        expected: Collection[str] = (),
        status: str | None = None,
        note: str | None = None,
        total: int | None = None,
        started_us: int | None = None,
        finished_us: int | None = None,
        output_file_id: str | None = None,
        error_file_id: str | None = None,
        max_cost_nano_usd: int | None = None,
        actor: str = "",
    ) -> BatchRow | None:
        """Change what is given and return the batch; None, and nothing done, where there is none.

        With ``expected`` only a batch that has one of these statuses is changed.
        """
        given = {
            "status": status,
            "note": note,
            "total": total,
            "started_us": started_us,
            "finished_us": finished_us,
            "output_file_id": output_file_id,
            "error_file_id": error_file_id,
            "max_cost_nano_usd": max_cost_nano_usd,
        }
        changes = {name: value for name, value in given.items() if value is not None}
        sets = ", ".join(f"{name} = ?" for name in changes) or "note = note"
        where = f" AND status IN ({_marks(len(expected))})" if expected else ""
        sql = f"UPDATE batches SET {sets} WHERE id = ?{where} RETURNING {_BATCHES}"  # noqa: S608

        def work(execute: Execute) -> BatchRow | None:
            rows, _ = execute(sql, (*changes.values(), batch_id, *expected))
            if rows and actor:
                _audit(
                    execute, actor, f"batch.{status or 'change'}", batch_id, {"note": note} if note else None
                )
            return _batch(rows[0]) if rows else None

        return self._changed(work)

    def retry_batch(self, batch_id: str, *, expires_us: int, actor: str = "") -> BatchRow | None:
        """Do what failed and what was left of a batch that is over; None where it is not over or not there.

        What the failed parts have cost stays counted.
        """
        reopen = f"{_REOPEN} AND status IN ({_marks(len(OVER))}) RETURNING {_BATCHES}"

        def work(execute: Execute) -> BatchRow | None:
            rows, _ = execute(reopen, (expires_us, batch_id, *OVER))
            if not rows:
                return None
            sql = f"UPDATE batch_parts SET status = '{WAITING}' WHERE batch_id = ? AND status = '{FAILED}'"  # noqa: S608
            execute(sql, (batch_id,))
            _audit(execute, actor, "batch.retry", batch_id)
            return _batch(rows[0])

        return self._changed(work)

    def run_again(
        self, batch_id: str, *, status: str = PAUSED, run: int = 0, actor: str = ""
    ) -> BatchRow | None:
        """Go on with a batch that is paused, or has ``status``, which stays, as another run; None where not.

        With ``run`` only if that is its number now: of many who ask for the same, one is heard.
        """

        def work(execute: Execute) -> BatchRow | None:
            rows, _ = execute(_RESUME, (batch_id, status, run, run))
            if rows and actor:
                _audit(execute, actor, "batch.resume", batch_id)
            return _batch(rows[0]) if rows else None

        return self._changed(work)

    def expire_batches(self, before_us: int, limit: int = 20) -> int:
        """Drop up to ``limit`` batches that were over before then, with their parts; how many."""
        sql = "SELECT id FROM batches WHERE finished_us <= ? ORDER BY finished_us LIMIT ?"
        rows = self._asked(sql, (before_us, limit))
        for (batch_id,) in rows:
            self._changed(lambda execute, batch_id=batch_id: _drop(execute, batch_id))  # type: ignore[misc]
        return len(rows)

    def remove_batch(self, batch_id: str, *, actor: str = "") -> BatchRow | None:
        """Drop a batch that is over, with its parts, and return it; None where none is over by that id."""
        sql = f"SELECT {_BATCHES} FROM batches WHERE id = ? AND status IN ({_marks(len(OVER))})"  # noqa: S608

        def work(execute: Execute) -> BatchRow | None:
            rows, _ = execute(sql, (batch_id, *OVER))
            if not rows:
                return None
            _drop(execute, batch_id)
            _audit(execute, actor, "batch.remove", batch_id)
            return _batch(rows[0])

        return self._changed(work)

    def keep_shared(self, batch_id: str, body: bytes) -> None:
        """Keep what all parts of a recipe's batch need (JSON), in place of what was there."""
        sql = (
            "INSERT INTO batch_shared (batch_id, body) VALUES (?, ?)"
            " ON CONFLICT (batch_id) DO UPDATE SET body = excluded.body"
        )
        self._changed(lambda execute: execute(sql, (batch_id, body)))

    def shared(self, batch_id: str) -> bytes | None:
        """What is kept there; None before a recipe has split its input."""
        rows = self._asked("SELECT body FROM batch_shared WHERE batch_id = ?", (batch_id,))
        return bytes(rows[0][0]) if rows else None

    # --- parts

    def add_parts(self, batch_id: str, rows: Sequence[PartRow]) -> None:
        """Keep parts; one whose number is there already is left as it is. ``total`` becomes what there is."""

        def work(execute: Execute) -> None:
            for row in rows:
                execute(_ADD_PART, msgspec.structs.astuple(row))
            execute(_TOTAL, (batch_id, batch_id))

        self._changed(work)

    def parts(
        self,
        batch_id: str,
        *,
        after_seq: int = -1,
        until_seq: int | None = None,
        limit: int = 1000,
        status: str = "",
        lanes: Collection[str] = (),
    ) -> list[PartRow]:
        """Parts in order, those after ``after_seq`` and before ``until_seq`` only."""
        where: list[str] = ["batch_id = ?", "seq > ?"]
        values: list[Any] = [batch_id, after_seq]
        if until_seq is not None:
            where, values = [*where, "seq < ?"], [*values, until_seq]
        if status:
            where, values = [*where, "status = ?"], [*values, status]
        if lanes:
            where, values = [*where, f"lane IN ({_marks(len(lanes))})"], [*values, *lanes]
        sql = f"SELECT {_PARTS} FROM batch_parts WHERE {' AND '.join(where)} ORDER BY seq LIMIT ?"  # noqa: S608
        return [PartRow(*row) for row in self._asked(sql, (*values, limit))]

    def settle_part(self, part: PartRow) -> bool:
        """Keep what came of it (DONE or FAILED); False, and nothing done, if that is known already."""
        return self.settle_parts(part.batch_id, [part]) == 1

    def settle_parts(self, batch_id: str, parts: Sequence[PartRow]) -> int:
        """The same for several of one batch, in one transaction with its sums; how many were met.

        Tokens and cost are added to those that are there. One that is WAITING still has been tried: what that
        has cost and told is kept.
        """

        def work(execute: Execute) -> int:
            fresh = [part for part in parts if execute(_SETTLE, _settling(part))[1] == 1]
            if fresh:
                done = sum(part.status == DONE for part in fresh)
                failed = sum(part.status == FAILED for part in fresh)
                tokens = sum(part.input_tokens for part in fresh), sum(part.output_tokens for part in fresh)
                cost = sum(part.cost_nano_usd for part in fresh)
                execute(_SUMS, (done, failed, *tokens, cost, batch_id))
            return len(fresh)

        return self._changed(work)

    def batch_lanes(self, batch_id: str) -> list[LaneRow]:
        """Its lanes in order of their first parts, and how much of each is left."""
        return [LaneRow(*row) for row in self._asked(_LANES, (batch_id,))]

    # --- workers

    def beat(self, worker: str, *, first: bool = False) -> bool:
        """``worker`` is alive, by the database's clock. False where it was given up; ``first`` enters it."""
        sql = f"UPDATE batch_workers SET seen_us = {self._now_us_sql} WHERE worker = ?"  # noqa: S608
        enter = f"INSERT INTO batch_workers (worker, seen_us) VALUES (?, {self._now_us_sql})"  # noqa: S608

        def work(execute: Execute) -> bool:
            met = execute(sql, (worker,))[1] == 1
            if not met and first:
                execute(enter, (worker,))
            return met or first

        return self._changed(work)

    def batch_workers(self) -> list[str]:
        """Those that were not given up, in order."""
        return [worker for (worker,) in self._asked("SELECT worker FROM batch_workers ORDER BY worker")]

    def dead_workers(self, older_than_s: float) -> list[str]:
        """Those that were not heard of for so long, by the database's clock."""
        sql = f"SELECT worker FROM batch_workers WHERE {self._late_sql} ORDER BY worker"  # noqa: S608
        return [worker for (worker,) in self._asked(sql, (int(older_than_s * 1_000_000),))]

    def give_up_worker(self, worker: str, older_than_s: float) -> bool:
        """It is gone if it was not heard of for so long; False where it was after all, or nobody knows it."""
        sql = f"DELETE FROM batch_workers WHERE worker = ? AND {self._late_sql}"  # noqa: S608
        values = (worker, int(older_than_s * 1_000_000))
        return self._changed(lambda execute: execute(sql, values)[1] == 1)

    def forget_worker(self, worker: str) -> None:
        """It has ended by itself."""
        self._changed(lambda execute: execute("DELETE FROM batch_workers WHERE worker = ?", (worker,)))

    @property
    def _late_sql(self) -> str:
        return f"seen_us < {self._now_us_sql} - ?"


def _written(value: Any) -> Any:
    """Tuples are JSON in a column."""
    return msgspec.json.encode(value).decode() if isinstance(value, tuple) else value


_INPUTS = _BATCH.index("input_files")


def _file(row: Row) -> FileRow:
    values = list(row)
    values[-1] = bool(values[-1])
    return FileRow(*values)


def _batch(row: Row) -> BatchRow:
    values = list(row)
    values[_INPUTS] = tuple(msgspec.json.decode(values[_INPUTS], type=list[str]))
    return BatchRow(*values)


def _settling(part: PartRow) -> Row:
    return (
        part.status,
        part.tries,
        part.result,
        part.model,
        part.input_tokens,
        part.output_tokens,
        part.cost_nano_usd,
        part.generation_id,
        part.batch_id,
        part.seq,
    )


def _drop(execute: Execute, batch_id: str) -> None:
    for table in ("batch_parts", "batch_shared"):
        execute(f"DELETE FROM {table} WHERE batch_id = ?", (batch_id,))  # noqa: S608
    execute("DELETE FROM batches WHERE id = ?", (batch_id,))


def _audit(
    execute: Execute, actor: str, action: str, target: str, detail: dict[str, Any] | None = None
) -> None:
    text = msgspec.json.encode(detail).decode() if detail else ""
    execute(_ADD_AUDIT, (time.time_ns() // 1000, actor, action, target, text))
