"""Requests that wait until their plan has room, as the page of batches shows them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from tokenworks.ledger.limit_rows import AuditRow
from tokenworks.ledger.queued import CANCELLED, DONE, EXPIRED, QUEUED, RUNNING, QueuedRow
from tokenworks.ledger.store import Store

STATUSES = (QUEUED, RUNNING, DONE, CANCELLED, EXPIRED)
MOST = 5_000  # requests that are looked at, the latest


class QueueLine(msgspec.Struct, frozen=True):
    """One request, without what was asked and answered."""

    row: QueuedRow
    name: str  # of its key
    age_s: float  # since it was queued; of a finished one, until it was finished

    @property
    def wait_us(self) -> int | None:
        """When it is tried next; None where it is not waiting."""
        return self.row.not_before_us if self.row.status == QUEUED else None


# By which columns the queue can be sorted.
COLUMNS: dict[str, Callable[[QueueLine], Any]] = {
    "created": lambda line: line.row.created_us,
    "age": lambda line: line.age_s,
    "tries": lambda line: line.row.tries,
    "model": lambda line: line.row.model.casefold(),
    "key": lambda line: line.name.casefold(),
    "status": lambda line: STATUSES.index(line.row.status),
}


class Waiting(msgspec.Struct, frozen=True):
    """The queue as far as it was looked at."""

    lines: list[QueueLine]  # the latest first
    counts: Mapping[str, int]  # by status, every one of ``STATUSES``
    whole: bool  # False: there are more than ``MOST``


def look(store: Store, now_us: int) -> Waiting:
    """The latest requests in the queue, whoever's."""
    rows = store.queued(None, MOST + 1)
    every = store.keys()
    names = {row.id: row.name for row in every}
    lines = [QueueLine(row, names.get(row.key_id, ""), _age_s(row, now_us)) for row in rows[:MOST]]
    counts = Counter(line.row.status for line in lines)
    return Waiting(lines, {each: counts[each] for each in STATUSES}, len(rows) <= MOST)


def found(lines: Sequence[QueueLine], status: str = "", search: str = "") -> list[QueueLine]:
    """Those of ``status`` (empty: of any) of which id, model, key or path has ``search`` in it."""
    wanted = search.strip().casefold()
    return [
        line for line in lines if status in ("", line.row.status) and (not wanted or wanted in _text(line))
    ]


def cancel(store: Store, queued_id: str, actor: str) -> bool:
    """It is not run any more, or its answer not kept; False where it is finished or there is none.

    Noted as the API does it where an administrator cancels another key's.
    """
    row = store.queued_one(queued_id)
    now_us = time.time_ns() // 1000
    if row is None or not store.cancel(queued_id, now_us):
        return False
    if row.key_id != actor:
        detail = msgspec.json.encode({"key_id": row.key_id}).decode()
        store.note(AuditRow(now_us, actor, "queued.delete", queued_id, detail))
    return True


def _age_s(row: QueuedRow, now_us: int) -> float:
    end_us = now_us if row.finished_us is None else row.finished_us
    return max(end_us - row.created_us, 0) / 1e6


def _text(line: QueueLine) -> str:
    row = line.row
    return "\n".join((row.id, row.model, row.key_id, row.path, line.name)).casefold()
