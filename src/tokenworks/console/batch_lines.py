"""Batches and their parts as the console shows them."""

from __future__ import annotations

import msgspec

from tokenworks.batches.control import allowed
from tokenworks.batches.forecast import Forecast, forecast
from tokenworks.batches.hours import off_peak_hours
from tokenworks.batches.kept import Kept, Made, kept
from tokenworks.batches.reason import why
from tokenworks.ledger.batched import FAILED, REQUESTS, RUNNING, BatchRow, PartRow
from tokenworks.ledger.store import Store

PAGE = 20  # batches of one page
PARTS = 25  # parts of one page: each is read with what was asked and answered


class BatchLine(msgspec.Struct, frozen=True):
    """One batch."""

    row: BatchRow
    name: str  # of its key
    forecast: Forecast
    actions: tuple[str, ...]  # what can be done to it now

    @property
    def settled(self) -> int:
        """Parts that are done or failed."""
        return self.row.done + self.row.failed

    @property
    def cheap_hours(self) -> str:
        """Those in which it asks; empty where the hour doesn't matter."""
        return off_peak_hours(self.row)

    @property
    def running(self) -> bool:
        """Somebody works at it, so that it is worth looking again."""
        return self.row.status in RUNNING


class Batches(msgspec.Struct, frozen=True):
    """One page of them, the latest first."""

    lines: list[BatchLine]
    older: str  # the id after which the next page begins; empty: there is none

    @property
    def running(self) -> bool:
        """Any of them."""
        return any(line.running for line in self.lines)


class PartLine(msgspec.Struct, frozen=True):
    """One part without what was asked and answered."""

    row: PartRow
    reason: str  # why it failed, or what is wrong with what is kept

    @property
    def flagged(self) -> bool:
        """Kept, though something is wrong with it."""
        return bool(self.reason) and self.row.status != FAILED


class Detail(msgspec.Struct, frozen=True):
    """One batch with a page of its parts."""

    line: BatchLine
    files: list[Made]
    skipped: list[tuple[str, str]]  # inputs that could not be used, and why
    parts: list[PartLine]
    older: int | None  # the number after which the next page of parts begins


def look(store: Store, now_us: int, after: str = "") -> Batches:
    """Twenty batches, those that came before the batch ``after``."""
    rows = store.batches(None, after, PAGE + 1)
    keys = store.keys() if rows else []
    names = {key.id: key.name for key in keys}
    lines = [_line(row, names.get(row.key_id, ""), now_us) for row in rows[:PAGE]]
    return Batches(lines, rows[PAGE - 1].id if len(rows) > PAGE else "")


def detail(store: Store, batch_id: str, now_us: int, status: str = "", after: int = -1) -> Detail | None:
    """The batch and its parts of ``status`` (empty: of any) after the one with the number ``after``."""
    row = store.batch(batch_id)
    if row is None:
        return None
    key = store.key(row.key_id)
    parts = store.parts(batch_id, after_seq=after, limit=PARTS + 1, status=status)
    of = None if row.kind == REQUESTS else kept(store, batch_id)
    return Detail(
        _line(row, key.name if key is not None else "", now_us),
        files(row, of),
        [(each.file, each.reason) for each in of.skipped] if of is not None else [],
        [PartLine(part, why(part.result)) for part in parts[:PARTS]],
        parts[PARTS - 1].seq if len(parts) > PARTS else None,
    )


def files(row: BatchRow, of: Kept | None) -> list[Made]:
    """What it has made; whether each is still kept shows when it is fetched."""
    if row.kind == REQUESTS:
        made = ((row.output_file_id, "output.jsonl"), (row.error_file_id, "errors.jsonl"))
        return [Made(file_id, name, "application/jsonl") for file_id, name in made if file_id]
    return list(of.outputs) if of is not None else []


def _line(row: BatchRow, name: str, now_us: int) -> BatchLine:
    return BatchLine(row, name, forecast(row, now_us), allowed(row))
