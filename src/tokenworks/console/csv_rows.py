"""Requests as the lines of a CSV file that spreadsheets can open without running anything in it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from tokenworks.ledger.record import Record
from tokenworks.rankings.exporting import disarmed
from tokenworks.schema import NANO_USD

COLUMNS = (
    *("id", "time", "key_id", "key", "app", "session", "user", "kind", "requested_model", "model"),
    *("provider", "stream", "status", "outcome", "finish_reason", "attempts", "reasons"),
    *("uncached_input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens"),
    *("reasoning_tokens", "tool_calls", "cost_usd", "latency_ms", "ttft_ms", "estimated"),
)
PAGE = 500  # records that are read at once
MOST = 50_000  # rows of one file
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Cell = str | int | float


def lines(
    page: Callable[[Record | None, int], Sequence[Record]], names: Mapping[str, str], most: int = MOST
) -> Iterator[str]:
    """The file in pieces, its head first. ``page`` gives records older than one; ``names`` are the keys'."""
    yield _written([COLUMNS])
    last: Record | None = None
    left = most
    while left > 0:
        wanted = min(PAGE, left)
        records = page(last, wanted)
        if records:
            last = records[-1]
            yield _written(row(record, names) for record in records)
        if len(records) < wanted:
            return
        left -= len(records)


def row(record: Record, names: Mapping[str, str]) -> list[Cell]:
    """One line, in the order of ``COLUMNS``."""
    cells: list[Cell] = [
        *(record.id, iso(record.time_us), record.key_id, names.get(record.key_id, ""), record.app),
        *(record.session, record.user, record.kind, record.requested_model, record.model, record.provider),
        *(int(record.stream), record.status, record.outcome, record.finish_reason, record.attempts),
        *(record.reasons, record.uncached_input_tokens, record.cache_read_tokens),
        *(record.cache_write_tokens, record.output_tokens, record.reasoning_tokens, record.tool_calls),
        *(record.cost_nano_usd / NANO_USD, record.latency_us / 1000, record.ttft_us / 1000),
        int(record.estimated),
    ]
    return [disarmed(cell) if isinstance(cell, str) else cell for cell in cells]


def iso(time_us: int) -> str:
    """A time as RFC 3339 in UTC, to the millisecond."""
    moment = _EPOCH + timedelta(microseconds=time_us)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _written(rows: Iterable[Sequence[Cell]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return out.getvalue()
