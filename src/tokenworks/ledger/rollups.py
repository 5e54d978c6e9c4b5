"""Batches of records as rows: what requests share, what each has for itself, and the sums of both.

A request row refers to its *shape*: key, app, model, provider, outcome and whatever else thousands of
requests have in common. Binding a column is what an insert costs, so that halves it, and grouping by
shape makes the sums cheap. Summing here rather than by ``INSERT ... SELECT ... GROUP BY`` costs the same
at 5,000 rows and less with fewer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec

from tokenworks.ledger.record import Record

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
NOT_ERRORS = ("ok", "client_gone", "queued")  # a caller who leaves is no fault of the works

SHAPE = [
    "key_id",
    "app",
    "kind",
    "requested_model",
    "model",
    "provider",
    "stream",
    "status",
    "outcome",
    "finish_reason",
    "attempts",
    "reasons",
    "price_id",
    "estimated",
    "energy_basis",
    "private",
]
_SUMMED = [
    "uncached_input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cost_nano_usd",
    "latency_us",
    "ttft_us",
    "tool_calls",
]
FACT = ["time_us", "id", "session", "user", *_SUMMED, "energy_mj", "carbon_ug", "shape_id"]
MEASURES = ["requests", "errors", *_SUMMED, "ttft_requests"]
TOKENS = ("uncached_input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens")  # all, once


class Grain(NamedTuple):
    """One roll-up table: a bucket of time and the dimensions kept apart."""

    table: str
    bucket: str  # "day" or "hour": its number since 1970, UTC
    dimensions: tuple[str, ...]


GRAINS = (
    Grain("day_model", "day", ("model", "private")),
    Grain("hour_model_provider", "hour", ("model", "provider", "private")),
    Grain("day_model_provider", "day", ("model", "provider", "private")),
    Grain("day_app_model", "day", ("app", "model", "private")),
    Grain("day_key_model", "day", ("key_id", "model", "private")),
)

_shape_of = itemgetter(*(Record.__struct_fields__.index(name) for name in SHAPE))
_fact_of = itemgetter(*(Record.__struct_fields__.index(name) for name in FACT[:-1]))
_SUMS = slice(FACT.index(_SUMMED[0]), FACT.index(_SUMMED[-1]) + 1)
_TTFT = FACT.index("ttft_us")
_MAX_SHAPES = 20_000  # remembered; a forgotten one is looked up again

Row = tuple[Any, ...]


class _Cell(NamedTuple):
    """The requests of a batch that no roll-up tells apart, but for the hour."""

    key_id: str
    app: str
    model: str
    provider: str
    is_error: bool
    private: bool
    facts: list[Row]


class Batcher:
    """Turns records into rows. Remembers shapes between batches; use it from one thread at a time."""

    def __init__(self) -> None:
        self._shapes: dict[Row, tuple[Row, _Cell]] = {}
        self._cells: dict[Row, _Cell] = {}
        self._touched: list[_Cell] = []

    def facts(self, records: Sequence[Record], shape_id: Callable[[Row], int]) -> list[Row]:
        """Rows of ``FACT``, in the order of ``records``; ``shape_id`` finds or makes an unknown shape."""
        if len(self._shapes) > _MAX_SHAPES:
            self.forget()
        rows: list[Row] = []
        keep, known, touched = rows.append, self._shapes.get, self._touched
        for values in map(msgspec.structs.astuple, records):
            shape = _shape_of(values)
            entry = known(shape)
            if entry is None:
                entry = self._shapes[shape] = (shape_id(shape),), self._cell(shape)
            row = _fact_of(values) + entry[0]
            keep(row)
            facts = entry[1].facts
            if not facts:
                touched.append(entry[1])
            facts.append(row)
        return rows

    def sums(self) -> list[list[Row]]:
        """For each of ``GRAINS`` the rows to add: bucket, dimensions, ``MEASURES``. Starts a new batch."""
        tables: list[dict[Row, list[Row]]] = [{} for _ in GRAINS]
        days, hours, providers, apps, keys = tables
        for cell in self._touched:
            model, provider, private = cell.model, cell.provider, cell.private
            for hour, facts in _by_hour(cell.facts):
                sums, day = _sum(facts, cell.is_error), hour // 24
                days.setdefault((day, model, private), []).append(sums)
                hours.setdefault((hour, model, provider, private), []).append(sums)
                providers.setdefault((day, model, provider, private), []).append(sums)
                apps.setdefault((day, cell.app, model, private), []).append(sums)
                keys.setdefault((day, cell.key_id, model, private), []).append(sums)
            cell.facts.clear()
        self._touched.clear()
        return [
            [
                key + (sums[0] if len(sums) == 1 else tuple(map(sum, zip(*sums, strict=True))))
                for key, sums in t
            ]
            for t in (table.items() for table in tables)
        ]

    def forget(self) -> None:
        """Drop everything remembered: after a rollback the shapes of that transaction don't exist."""
        self._shapes.clear()
        self._cells.clear()
        self._touched.clear()

    def _cell(self, shape: Row) -> _Cell:
        key_id, app, _, _, model, provider, _, _, outcome = shape[:9]
        parts = (key_id, app, model, provider, outcome not in NOT_ERRORS, shape[-1])
        cell = self._cells.get(parts)
        if cell is None:
            cell = self._cells[parts] = _Cell(*parts, [])
        return cell


def _by_hour(facts: list[Row]) -> Iterator[tuple[int, list[Row]]]:
    times = [row[0] for row in facts]
    first = min(times) // HOUR_US
    if first == max(times) // HOUR_US:
        yield first, facts
        return
    hours: dict[int, list[Row]] = {}
    for row in facts:
        hours.setdefault(row[0] // HOUR_US, []).append(row)
    yield from hours.items()


def _sum(facts: list[Row], is_error: bool) -> Row:
    count = len(facts)
    if count == 1:
        row = facts[0]
        return (1, int(is_error), *row[_SUMS], int(row[_TTFT] > 0))
    columns = list(zip(*facts, strict=True))
    return (count, count * is_error, *map(sum, columns[_SUMS]), count - columns[_TTFT].count(0))
