"""Sums over a span of time: whole hours or days from a roll-up, what sticks out at the ends from rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from tokenworks.ledger.rollups import DAY_US, HOUR_US, MEASURES, NOT_ERRORS

_ALL_TIME = 2**62
_ID_SLACK_S = 1  # between the second in an id and its record's time


class Dialect(NamedTuple):
    """Where one engine's SQL differs from the other's."""

    mark: str  # of a parameter
    day: str  # ISO date in UTC of "{0}" seconds since 1970


SQLITE = Dialect("?", "date({0}, 'unixepoch')")
POSTGRES = Dialect("%s", "to_char(to_timestamp({0}) AT TIME ZONE 'UTC', 'YYYY-MM-DD')")

# The seconds of a bucket and of a request's row; "day(...)" stands for a dialect's way to its date.
_HOURS_DAY = f"day(hour * {HOUR_US // 1_000_000})"
_ROWS_DAY = "day(time_us / 1000000)"
_DAY = re.compile(r"\bday\(([^)]*)\)")


class _Source(NamedTuple):
    """Where sums by some dimensions come from; both groups are lists of columns with the same names."""

    table: str
    group: str  # of the roll-up's row
    row_group: str  # of a request's row
    grain_us: int


# A roll-up that serves any span, and for open spans a smaller one where there is one.
_SOURCES = {
    None: _Source("hour_model_provider", "'' AS g", "'' AS g", HOUR_US),
    "model": _Source("hour_model_provider", "model AS g", "model AS g", HOUR_US),
    "provider": _Source("hour_model_provider", "provider AS g", "provider AS g", HOUR_US),
    "day": _Source("hour_model_provider", f"{_HOURS_DAY} AS g", f"{_ROWS_DAY} AS g", HOUR_US),
    "app": _Source("day_app_model", "app AS g", "app AS g", DAY_US),
    "key": _Source("day_key_model", "key_id AS g", "key_id AS g", DAY_US),
}
_WHOLE = {
    None: _Source("day_model", "'' AS g", "'' AS g", DAY_US),
    "model": _Source("day_model", "model AS g", "model AS g", DAY_US),
    "day": _Source("day_model", "day(day * 86400) AS g", "", DAY_US),
}
_ACTIVITY = _Source(
    "hour_model_provider",
    f"{_HOURS_DAY} AS day, model, provider",
    f"{_ROWS_DAY} AS day, model, provider",
    HOUR_US,
)
ACTIVITY_MEASURES = [
    "requests",
    "uncached_input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cost_nano_usd",
]

_OF_ROW = {
    "requests": "1",
    "errors": "CASE WHEN outcome IN ({}) THEN 0 ELSE 1 END".format(", ".join(f"'{o}'" for o in NOT_ERRORS)),
    "ttft_requests": "CASE WHEN ttft_us > 0 THEN 1 ELSE 0 END",
}

Parameters = list[int | str]


def query(
    by: str | None,
    since_us: int | None,
    until_us: int | None,
    key_id: str | None = None,
    dialect: Dialect = SQLITE,
) -> tuple[str, Parameters]:
    """A statement giving group, name and ``MEASURES`` over ``[since_us, until_us)``, and its parameters.

    ``key_id`` leaves the requests of one key, for ``by="key"`` only. Raises ``ValueError`` for an unknown
    ``by``. Names in the text are this package's own.
    """
    if by not in _SOURCES:
        raise ValueError(f"usage by {by!r}: use one of {', '.join(b for b in _SOURCES if b)}")
    whole = since_us is None and until_us is None
    source = _WHOLE.get(by, _SOURCES[by]) if whole else _SOURCES[by]
    parts, parameters = _parts(source, MEASURES, since_us, until_us, key_id)
    grouped = f"SELECT g, {_sums(MEASURES)} FROM ({parts}) AS parts GROUP BY g"  # noqa: S608
    measures = ", ".join(MEASURES)
    if by == "key":
        grouped = (
            f"SELECT g, coalesce(keys.name, g), {measures} FROM ({grouped}) AS sums"  # noqa: S608
            " LEFT JOIN keys ON keys.id = g"
        )
    else:
        grouped = f"SELECT g, g, {measures} FROM ({grouped}) AS sums"  # noqa: S608
    order = "g" if by == "day" else "cost_nano_usd DESC, requests DESC, g"
    return _in(dialect, f"{grouped} ORDER BY {order}"), parameters


def of_id(record_id: str) -> tuple[int, int] | None:
    """From when to when (unix µs, the latter not included) a request with this id began; None: no id."""
    second = record_id.split("-")[1] if record_id.startswith("gen-") else ""
    if not (second.isascii() and second.isdigit() and len(second) <= 11):
        return None
    return (int(second) - _ID_SLACK_S) * 1_000_000, (int(second) + _ID_SLACK_S + 1) * 1_000_000


def savings(
    by: str | None, since_us: int | None, until_us: int | None, dialect: Dialect = SQLITE
) -> tuple[str, Parameters]:
    """A statement giving group, requests, cost and baseline of decisions, and its parameters.

    Raises ``ValueError`` for a ``by`` that decisions don't tell apart.
    """
    groups = {None: "''", "model": "model", "key": "key_id", "app": "app", "day": _ROWS_DAY, "task": "task"}
    if by not in groups:
        raise ValueError(f"savings by {by!r}: use one of {', '.join(b for b in groups if b)}")
    sums = ", ".join(f"CAST(sum({name}) AS bigint)" for name in ("cost_nano_usd", "baseline_nano_usd"))
    sql = (
        f"SELECT {groups[by]} AS g, count(*), {sums} FROM decisions"  # noqa: S608 (this module's own names)
        " WHERE time_us >= ? AND time_us < ? GROUP BY 1 ORDER BY 1"
    )
    return _in(dialect, sql), list(_bounds(since_us, until_us))


def activity(
    since_us: int | None, until_us: int | None, key_id: str | None = None, dialect: Dialect = SQLITE
) -> tuple[str, Parameters]:
    """A statement giving day, model, provider and ``ACTIVITY_MEASURES``, in order of days.

    No roll-up keeps keys and providers apart, so with ``key_id`` every request of the span is read.
    """
    if key_id is None:
        parts, parameters = _parts(_ACTIVITY, ACTIVITY_MEASURES, since_us, until_us)
    else:
        since, until = _bounds(since_us, until_us)
        parts, parameters = _from_rows(_ACTIVITY, ACTIVITY_MEASURES, one_key=True), [since, until, key_id]
    sql = (
        f"SELECT day, model, provider, {_sums(ACTIVITY_MEASURES)} FROM ({parts}) AS parts"  # noqa: S608
        " GROUP BY day, model, provider ORDER BY day, cost_nano_usd DESC, requests DESC, model, provider"
    )
    return _in(dialect, sql), parameters


def _in(dialect: Dialect, sql: str) -> str:
    return _DAY.sub(lambda match: dialect.day.format(match[1]), sql).replace("?", dialect.mark)


def _parts(
    source: _Source,
    measures: Sequence[str],
    since_us: int | None,
    until_us: int | None,
    key_id: str | None = None,
) -> tuple[str, Parameters]:
    """The rows to sum, of whole buckets and of requests beside them."""
    since, until = _bounds(since_us, until_us)
    of_key: Parameters = [] if key_id is None else [key_id]
    first, last = -(-since // source.grain_us), until // source.grain_us  # whole buckets: [first, last)
    parts: list[str] = []
    parameters: Parameters = []
    if first < last:
        parts.append(_from_roll_up(source, measures, one_key=bool(of_key)))
        parameters += [first, last, *of_key]
        edges = [(since, first * source.grain_us)]
        if until_us is not None:
            edges.append((last * source.grain_us, until))
    else:
        edges = [(since, until)]
    for start, end in edges:
        if start < end:
            parts.append(_from_rows(source, measures, one_key=bool(of_key)))
            parameters += [start, end, *of_key]
    if not parts:
        return _from_roll_up(source, measures, one_key=bool(of_key)), [0, 0, *of_key]
    return " UNION ALL ".join(parts), parameters


def _bounds(since_us: int | None, until_us: int | None) -> tuple[int, int]:
    since = 0 if since_us is None else min(max(since_us, 0), _ALL_TIME)
    return since, _ALL_TIME if until_us is None else min(max(until_us, since), _ALL_TIME)


def _sums(measures: Sequence[str]) -> str:
    return ", ".join(f"CAST(sum({name}) AS bigint) AS {name}" for name in measures)


def _from_roll_up(source: _Source, measures: Sequence[str], *, one_key: bool = False) -> str:
    bucket = "hour" if source.grain_us == HOUR_US else "day"
    columns = ", ".join(measures)
    where = f"{bucket} >= ? AND {bucket} < ?" + (" AND key_id = ?" if one_key else "")
    return f"SELECT {source.group}, {columns} FROM {source.table} WHERE {where}"  # noqa: S608


def _from_rows(source: _Source, measures: Sequence[str], *, one_key: bool = False) -> str:
    columns = ", ".join(f"{_OF_ROW.get(name, name)} AS {name}" for name in measures)
    where = "time_us >= ? AND time_us < ?" + (" AND key_id = ?" if one_key else "")
    return f"SELECT {source.row_group}, {columns} FROM requests WHERE {where}"  # noqa: S608
