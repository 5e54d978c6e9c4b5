"""The roll-ups as rankings ask them: sums by some of a table's dimensions over days or hours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from tokenworks.errors import BadRequest
from tokenworks.ledger.rollups import DAY_US, GRAINS, HOUR_US, MEASURES, Row
from tokenworks.ledger.tallies import MONDAY, TALLIES, WEEK_DAYS, WEEKS, week_of


class Cube(NamedTuple):
    """One table: its bucket of time, what it tells apart, and what it adds up."""

    table: str
    bucket: str  # "hour", "day" or "week"
    dimensions: tuple[str, ...]
    measures: tuple[str, ...]

    def number(self, time_us: int) -> int:
        """Of the bucket that this moment is in."""
        if self.bucket == "hour":
            return time_us // HOUR_US
        return week_of(time_us // DAY_US) if self.bucket == "week" else time_us // DAY_US


class SessionRow(NamedTuple):
    """What one session asked of one model in one week."""

    session: str
    key_id: str
    model: str
    turns: int  # requests
    tokens: int
    cost_nano_usd: int
    first_us: int
    last_us: int


def sessions(rows: Iterable[Row]) -> list[SessionRow]:
    """Rows of ``SESSIONS``, in order, as sessions: private and other requests of one are one session."""
    found: list[SessionRow] = []
    name = key_id = model = None
    for row in rows:
        if row[0] == name and row[1] == key_id and row[2] == model:
            a, b = found[-1], SessionRow(*row)
            found[-1] = a._replace(
                turns=a.turns + b.turns,
                tokens=a.tokens + b.tokens,
                cost_nano_usd=a.cost_nano_usd + b.cost_nano_usd,
                first_us=min(a.first_us, b.first_us),
                last_us=max(a.last_us, b.last_us),
            )
        else:
            name, key_id, model = row[:3]
            found.append(SessionRow(*row))
    return found


_TIMES = {
    "hour": {"day": "hour / 24", "week": f"(hour / 24 + {MONDAY}) / {WEEK_DAYS}"},
    "day": {"day": "day", "week": f"(day + {MONDAY}) / {WEEK_DAYS}"},
    "week": {"week": "week"},
}
Where = Mapping[str, str | bool | Sequence[str]]  # a field is this, or one of these
_NAMES = {
    "day_model": "model",
    "day_model_provider": "provider",
    "hour_model_provider": "hour",
    "day_app_model": "app",
    "day_key_model": "key",
    "day_user_model": "user",
    "day_context_model": "context",
    "day_finish_model": "finish",
    "day_attempt": "attempt",
    "day_label": "label",
    "day_speed": "speed",
    "day_energy": "energy",
}
CUBES: Mapping[str, Cube] = {
    **{
        _NAMES[grain.table]: Cube(grain.table, grain.bucket, grain.dimensions, tuple(MEASURES))
        for grain in GRAINS
    },
    **{
        _NAMES[tally.table]: Cube(tally.table, "day", tally.keys[1:], tally.sums)
        for tally in TALLIES
        if tally.table in _NAMES
    },
    "share": Cube(WEEKS.table, "week", WEEKS.keys[1:], WEEKS.sums),
}
SESSIONS = f"SELECT {', '.join(SessionRow._fields)} FROM week_session WHERE week = ?"  # noqa: S608
MOST_DAYS = 31  # that are asked for one by one
MOST_LOOKED_AT = 200_000  # rows of a search; more would keep who asks, and the store, waiting
SEARCHED = frozenset(
    (
        *("key_id", "app", "model", "requested_model", "provider", "outcome", "kind", "finish_reason"),
        *("session", "user", "stream", "private"),
    )
)


def cube(name: str) -> Cube:
    """The cube of that name. Raises ``ValueError``."""
    found = CUBES.get(name)
    if found is None:
        raise ValueError(f"no cube is called {name!r}; there are {', '.join(CUBES)}")
    return found


def query(
    name: str,
    by: Sequence[str],
    since_us: int,
    until_us: int,
    where: Where | None,
    mark: str = "?",
    *,
    measures: Sequence[str] = (),
) -> tuple[str, list[int | str | bool]]:
    """A statement giving ``by`` and ``measures`` of cube ``name`` (all of them if empty), and its parameters.

    ``by`` are dimensions, "day" (not of "share") or "week" (numbers since 1970). Bounds are rounded down to
    whole buckets.
    ``mark`` is a parameter's. Raises ``ValueError`` for a dimension or measure that the cube doesn't have:
    names in the text are this package's own.
    """
    asked = cube(name)
    times = _TIMES[asked.bucket]
    for each in (*by, *(where or ())):
        if each not in asked.dimensions and (each not in times or each in (where or ())):
            known = ", ".join((*asked.dimensions, *times))
            raise ValueError(f"cube {name!r} can't tell {each!r} apart; it knows {known}")
    for each in measures:
        if each not in asked.measures:
            raise ValueError(f"cube {name!r} adds up no {each!r}; it has {', '.join(asked.measures)}")
    groups = [times.get(each, f'"{each}"') for each in by]
    sums = ", ".join(f"CAST(sum({each}) AS bigint)" for each in measures or asked.measures)
    conditions, values = _conditions(where, mark)
    bounds = [asked.number(since_us), asked.number(until_us)]
    within = f"{asked.bucket} >= {mark} AND {asked.bucket} < {mark}"
    if asked.bucket == "day" and "model" in (where or {}) and 0 < bounds[1] - bounds[0] <= MOST_DAYS:
        # Day by day, so that each model is found by the index where the models come after the days in it.
        bounds = list(range(*bounds))
        within = f"day IN ({', '.join([mark] * len(bounds))})"
    sql = (
        f"SELECT {', '.join((*groups, sums))} FROM {asked.table}"  # noqa: S608
        f" WHERE {within}{conditions}"
    )
    sql += f" GROUP BY {', '.join(map(str, range(1, len(groups) + 1)))}" if groups else " HAVING count(*) > 0"
    return sql, [*bounds, *values]


def _conditions(where: Where | None, mark: str) -> tuple[str, list[str | bool]]:
    """Each with "AND" before it, and their parameters."""
    text, values = "", []
    for name, value in (where or {}).items():
        if isinstance(value, str | bool):
            text += f' AND "{name}" = {mark}'
            values.append(value)
        elif value:
            text += f' AND "{name}" IN ({", ".join([mark] * len(value))})'
            values += value
        else:
            text += " AND 1 = 0"
    return text, values


def filters(where: Where | None, mark: str = "?") -> tuple[str, list[str | bool]]:
    """Conditions on rows of ``requests``, each with "AND" before it, and their parameters.

    Raises ``BadRequest`` for a field that can't be searched.
    """
    for name in where or ():
        if name not in SEARCHED:
            raise BadRequest(f"requests can't be searched by {name!r}; by {', '.join(sorted(SEARCHED))}")
    return _conditions(where, mark)
