"""Cells of a file, one row after the other, made into rows of the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from tokenworks.ledger.outside import MAX_TOKENS, OutsideRow, Span
from tokenworks.rankings.importing import cells
from tokenworks.rankings.importing.columns import Columns


class Fault(Exception):
    """The cell in column ``field`` of row ``at`` is wrong; what ``at`` counts is up to who reads the file."""

    def __init__(self, at: int, field: int, message: str) -> None:
        super().__init__(message)
        self.at = at
        self.field = field
        self.message = message


class Gathering:
    """The rows so far. ``span`` says what dates stand for (None: as each is written)."""

    def __init__(self, source: str, span: Span | None, today: date, *, unit: str) -> None:
        self.rows: list[OutsideRow] = []
        self._unit = unit  # what ``at`` counts: "line" or "row"
        self._source = source
        self._span = span
        self._today = today
        self._days: dict[tuple[str, Span | None], tuple[Span, int]] = {}
        self._models: dict[str, str] = {}
        self._places: dict[tuple[int, str, str], int] = {}

    def add(self, columns: Columns, row: Sequence[Any], at: int) -> None:
        """One row more; ``row`` has ``columns.width`` cells. Raises ``Fault``."""
        field = columns.when
        try:
            span, day = self._when(row[field], columns.unit)
            field = columns.model
            name = self._model(row, columns)
            taken = given = requests = 0
            if (place := columns.input) is not None:
                field = place
                taken = _optional(row[field], "tokens")
            if (place := columns.output) is not None:
                field = place
                given = _optional(row[field], "tokens")
            if (place := columns.requests) is not None:
                field = place
                requests = _optional(row[field], "requests")
            field = field if columns.tokens is None else columns.tokens
            total = self._total(row, columns, taken, given)
            filled = False
            if (place := columns.filled) is not None:
                field = place
                filled = cells.flag(row[field])
            field = columns.model
            first = self._places.setdefault((day, span, name), at)
            if first != at:
                raise ValueError(
                    f"{cells.shown(name)} stands for this {span} in {self._unit} {first} already"
                )
        except ValueError as error:
            raise Fault(at, field, str(error)) from None
        self.rows.append(OutsideRow(self._source, day, span, name, taken, given, total, requests, filled))

    def _when(self, value: Any, unit: Span | None) -> tuple[Span, int]:
        unit = unit or self._span
        if type(value) is not str:
            return cells.when(value, unit)
        known = self._days.get((value, unit))
        if known is None:
            known = cells.when(value, unit)
            cells.not_after(known[1], self._today)
            self._days[value, unit] = known
        return known

    def _model(self, row: Sequence[Any], columns: Columns) -> str:
        value = row[columns.model]
        if columns.variant is not None:
            return cells.model(value, row[columns.variant])
        known = self._models.get(value) if type(value) is str else None
        if known is None:
            known = self._models[value] = cells.model(value)
        return known

    def _total(self, row: Sequence[Any], columns: Columns, taken: int, given: int) -> int:
        if columns.tokens is None or (
            cells.is_empty(row[columns.tokens]) and columns.input is not None and columns.output is not None
        ):
            total = taken + given
            if total > MAX_TOKENS:
                raise ValueError(f"input and output make {total:,}; {MAX_TOKENS:,} is the most")
            return total
        total = cells.amount(row[columns.tokens], "tokens")
        if total < taken + given:
            raise ValueError(f"{total:,} tokens are less than input and output, which make {taken + given:,}")
        return total


def _optional(value: Any, what: str) -> int:
    return 0 if cells.is_empty(value) else cells.amount(value, what)
