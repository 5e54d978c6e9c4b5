"""What every view answers with: rows with a rank, a share, and the change against the period before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

Kind = Literal[
    "rank",
    "text",
    "tokens",
    "count",
    "usd",
    "usd_mtok",
    "share",
    "change",
    "rank_change",
    "seconds",
    "rate",
    "energy",
    "carbon",
    "joules",
]
Named = tuple[str, Kind]
MOVES: tuple[Named, ...] = (("share", "share"), ("change", "change"), ("rank_change", "rank_change"))
MONEY: tuple[Kind, ...] = ("usd", "usd_mtok")
OTHERS = "others"  # the name of the row that sums up what is beyond the top

Row = dict[str, Any]


class Column(msgspec.Struct, frozen=True):
    """One column. Shares and changes are fractions; "rate" is tokens/s, "energy" kWh, "carbon" grams."""

    name: str
    kind: Kind

    @property
    def numeric(self) -> bool:
        """Whether rows can be sorted by it as a number."""
        return self.kind != "text"


class Table(msgspec.Struct):
    """One view of one period. Every row has every column's field; null is what nobody knows."""

    view: str
    unit: str
    period: str
    since: str  # RFC 3339, UTC
    until: str
    timezone: str
    complete: bool  # False: the period still runs
    source: str  # "" our own traffic
    columns: list[Column]
    rows: list[Row]
    total: Row
    note: str = ""  # what a reader should know of these figures, in sentences


def as_json(table: Table) -> dict[str, Any]:
    """What the API sends and ``--json`` prints."""
    found: dict[str, Any] = msgspec.to_builtins(table)
    return found


def without_money(table: Table) -> Table:
    """The same without what tells of money: for those who are no administrators."""
    dropped = {each.name for each in table.columns if each.kind in MONEY}
    if not dropped:
        return table
    return msgspec.structs.replace(
        table,
        columns=[each for each in table.columns if each.name not in dropped],
        rows=[_without(row, dropped) for row in table.rows],
        total=_without(table.total, dropped),
    )


def sort(table: Table, column: str, *, descending: bool = True) -> Table:
    """The same rows in another order; what is null comes last, and the others below all."""
    names = {each.name: each for each in table.columns}
    if column not in names:
        raise ValueError(f"no column {column!r}; there are {', '.join(names)}")
    ranked = [row for row in table.rows if row.get("rank") is not None]
    rest = [row for row in table.rows if row.get("rank") is None]
    known = [row for row in ranked if row[column] is not None]
    unknown = [row for row in ranked if row[column] is None]
    known.sort(key=lambda row: row[column], reverse=descending)
    return msgspec.structs.replace(table, rows=[*known, *unknown, *rest])


def columns(*named: Named) -> tuple[Column, ...]:
    """Columns out of names and kinds."""
    return tuple(Column(name, kind) for name, kind in named)


def ratio(part: float, whole: float) -> float | None:
    """A share; None of nothing."""
    return part / whole if whole else None


def change(now: float, before: float) -> float | None:
    """By how much it grew, as a fraction; None where there was nothing, or less."""
    return now / before - 1 if before > 0 else None


def ranks(amounts: dict[str, float] | dict[str, int]) -> dict[str, int]:
    """The rank of each name, the greatest first; equal ones by name."""
    return {name: at for at, name in enumerate(ordered(amounts), start=1)}


def ordered(amounts: dict[str, float] | dict[str, int]) -> list[str]:
    """The names by their amounts, the greatest first; equal ones by name."""
    return sorted(amounts, key=lambda name: (-amounts[name], name))


def _without(row: Row, dropped: Sequence[str] | set[str]) -> Row:
    return {name: value for name, value in row.items() if name not in dropped}
