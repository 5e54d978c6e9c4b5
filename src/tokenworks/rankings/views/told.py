"""The table that a view answers with, out of its rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from tokenworks.rankings.periods import Period
from tokenworks.rankings.table import Column, Row, Table
from tokenworks.rankings.views.view import Asked

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def table(
    asked: Asked,
    period: Period,
    columns: Sequence[Column],
    rows: list[Row],
    total: Row,
    notes: Sequence[str] = (),
) -> Table:
    """``rows`` of ``period`` as a table; the period is as it was told, which may be another zone's."""
    return Table(
        view=asked.view.name,
        unit=period.unit,
        period=period.label,
        since=iso(period.since_us),
        until=iso(period.until_us),
        timezone=period.zone,
        complete=period.complete,
        source=asked.source,
        columns=list(columns),
        rows=rows,
        total=total,
        note=" ".join(notes),
    )


def iso(time_us: int) -> str:
    """RFC 3339 in UTC, whole seconds."""
    moment = _EPOCH + timedelta(seconds=time_us // 1_000_000)
    return moment.isoformat().replace("+00:00", "Z")
