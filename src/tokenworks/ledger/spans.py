"""Sums over a span of time: whole hours or days from a roll-up, what sticks out at the ends from rows."""

from __future__ import annotations

from typing import NamedTuple

from tokenworks.ledger.rollups import DAY_US, HOUR_US, MEASURES, NOT_ERRORS

_ALL_TIME = 2**62


class _Source(NamedTuple):
    """Where sums by one dimension come from."""

    table: str
    group: str  # of the roll-up's row
    row_group: str  # of a request's row
    grain_us: int


_HOUR = HOUR_US // 1_000_000
# A roll-up that serves any span, and for open spans a smaller one where there is one.
_SOURCES = {
    None: _Source("hour_model_provider", "''", "''", HOUR_US),
    "model": _Source("hour_model_provider", "model", "model", HOUR_US),
    "provider": _Source("hour_model_provider", "provider", "provider", HOUR_US),
    "day": _Source(
        "hour_model_provider",
        f"date(hour * {_HOUR}, 'unixepoch')",
        "date(time_us / 1000000, 'unixepoch')",
        HOUR_US,
    ),
    "app": _Source("day_app_model", "app", "app", DAY_US),
    "key": _Source("day_key_model", "key_id", "key_id", DAY_US),
}
_WHOLE = {
    None: _Source("day_model", "''", "''", DAY_US),
    "model": _Source("day_model", "model", "model", DAY_US),
    "day": _Source("day_model", "date(day * 86400, 'unixepoch')", "", DAY_US),
}

_OF_ROW = {
    "requests": "1",
    "errors": "outcome NOT IN ({})".format(", ".join(f"'{outcome}'" for outcome in NOT_ERRORS)),
    "ttft_requests": "ttft_us > 0",
}


def query(by: str | None, since_us: int | None, until_us: int | None) -> tuple[str, list[int]]:
    """A statement giving group, name and ``MEASURES`` over ``[since_us, until_us)``, and its parameters.

    Raises ``ValueError`` for an unknown ``by``. Names in the text are this package's own.
    """
    if by not in _SOURCES:
        raise ValueError(f"usage by {by!r}: use one of {', '.join(b for b in _SOURCES if b)}")
    whole = since_us is None and until_us is None
    source = _WHOLE.get(by, _SOURCES[by]) if whole else _SOURCES[by]
    since = 0 if since_us is None else min(max(since_us, 0), _ALL_TIME)
    until = _ALL_TIME if until_us is None else min(max(until_us, since), _ALL_TIME)
    first, last = -(-since // source.grain_us), until // source.grain_us  # whole buckets: [first, last)
    parts, parameters = [], []
    if first < last:
        parts.append(_from_roll_up(source))
        parameters += [first, last]
        edges = [(since, first * source.grain_us)]
        if until_us is not None:
            edges.append((last * source.grain_us, until))
    else:
        edges = [(since, until)]
    for start, end in edges:
        if start < end:
            parts.append(_from_rows(source))
            parameters += [start, end]
    if not parts:
        parts, parameters = [_from_roll_up(source)], [0, 0]
    sums = ", ".join(f"sum({name}) AS {name}" for name in MEASURES)
    grouped = f"SELECT g, {sums} FROM ({' UNION ALL '.join(parts)}) GROUP BY g"  # noqa: S608
    measures = ", ".join(MEASURES)
    if by == "key":
        grouped = (
            f"SELECT g, coalesce(keys.name, g), {measures} FROM ({grouped}) LEFT JOIN keys ON keys.id = g"  # noqa: S608
        )
    else:
        grouped = f"SELECT g, g, {measures} FROM ({grouped})"  # noqa: S608
    order = "g" if by == "day" else "cost_nano_usd DESC, requests DESC, g"
    return f"{grouped} ORDER BY {order}", parameters


def _from_roll_up(source: _Source) -> str:
    bucket = "hour" if source.grain_us == HOUR_US else "day"
    columns = ", ".join(MEASURES)
    return f"SELECT {source.group} AS g, {columns} FROM {source.table} WHERE {bucket} >= ? AND {bucket} < ?"  # noqa: S608


def _from_rows(source: _Source) -> str:
    columns = ", ".join(f"{_OF_ROW.get(name, name)} AS {name}" for name in MEASURES)
    return f"SELECT {source.row_group} AS g, {columns} FROM requests WHERE time_us >= ? AND time_us < ?"  # noqa: S608
