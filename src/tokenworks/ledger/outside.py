"""Usage that somebody else counted: rows of an import, kept apart from what went through this gateway."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

Span = Literal["day", "week", "month"]

MAX_TOKENS = 10**16  # of one row: fifty times what the largest known aggregator serves in a week


class OutsideRow(msgspec.Struct, frozen=True):
    """What one model was used in one day, week or month.

    ``tokens`` is the total; input, output and requests are 0 where nobody told. A week's sum stands on its
    Monday, a month's on its first day.
    """

    source: str
    day: int  # since 1970
    span: Span
    model: str
    input_tokens: int = 0
    output_tokens: int = 0
    tokens: int = 0
    requests: int = 0
    filled: bool = False  # nobody told the number: it was chosen so that known totals hold


class OutsideSource(msgspec.Struct, frozen=True):
    """What is there of one source."""

    source: str
    first_day: int
    last_day: int  # on which the last day, week or month begins
    rows: int


COLUMNS = OutsideRow.__struct_fields__


def touched(rows: Sequence[OutsideRow]) -> list[tuple[str, int]]:
    """The spans and days that ``rows`` tell of, each once, in order."""
    return sorted({(row.span, row.day) for row in rows})
