"""What sessions cost, by model and number of turns: median and spread."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import timedelta

from tokenworks.errors import BadRequest
from tokenworks.ledger.cubes import SessionRow
from tokenworks.ledger.rollups import DAY_US
from tokenworks.ledger.tallies import week_of
from tokenworks.rankings.periods import Period, day_number
from tokenworks.rankings.table import Row, Table, columns
from tokenworks.rankings.views.ranked import How, Spans, ranked
from tokenworks.rankings.views.sums import UTC_NOTE, maker_test
from tokenworks.rankings.views.told import table
from tokenworks.rankings.views.view import Asked, View
from tokenworks.schema import NANO_USD

MOST_SESSIONS = 3_000  # of one week that are looked at
TURNS = (1, 2, 4, 8, 16, 32)
TURN_NAMES = ("1", "2-3", "4-7", "8-15", "16-31", "32+")
OF_MAKERS = ("model", "author", "country", "weights")
FILTERS = (*OF_MAKERS, "key", "team")

COLUMNS = columns(
    ("rank", "rank"),
    ("model", "text"),
    ("author", "text"),
    ("turns", "text"),
    ("sessions", "count"),
    ("share", "share"),
    ("rank_change", "rank_change"),
    ("median_usd", "usd"),
    ("change", "change"),
    ("p25_usd", "usd"),
    ("p75_usd", "usd"),
    ("p90_usd", "usd"),
    ("tokens", "tokens"),
)
NOTE = (
    "Costs are of one session's requests to one model in one week of UTC. The change is that of the median;"
    " medians of few sessions move by chance: sessions says of how many."
)
MONTH_NOTE = "A month has the weeks that begin in it."
RUNNING_NOTE = "While it runs it is compared with none: what sessions cost is kept by whole weeks."
SAMPLE_NOTE = f"Of weeks with more, a fair sample of {MOST_SESSIONS:,} sums is looked at."

Costs = tuple[list[int], int]  # of each session in nano-dollars; tokens of all


def bucket(turns: int) -> str:
    """The name of the bucket that holds so many turns."""
    return TURN_NAMES[bisect_right(TURNS, turns) - 1]


def quantile(ordered: Sequence[float], q: float) -> float | None:
    """Linear between the two nearest of ``ordered``; None of none."""
    if not ordered:
        return None
    place = q * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def _build(asked: Asked) -> Table:
    if asked.period.unit == "day":
        week = asked.period.day.isocalendar()
        raise BadRequest(
            f"sessions are counted by the week; ask for unit week, {week.year:04}-W{week.week:02}"
        )
    period = asked.period.of_zone("UTC", asked.books.now_us())
    now, sampled = _read(asked, period)
    # Sums of sessions know no hours, so a week that runs can't be compared with a part of another.
    before = _read(asked, period.before())[0] if period.complete else {}
    how = How(COLUMNS, "model", lambda name: _named(asked, name), _figures, _join, _count, _median)
    rows, total = ranked(Spans(now, now, before), how, asked.top)
    notes = [NOTE]
    if period.unit == "month":
        notes.append(MONTH_NOTE)
    if not period.complete:
        notes.append(RUNNING_NOTE)
    if sampled:
        notes.append(SAMPLE_NOTE)
    if asked.period.zone != "UTC":
        notes.append(UTC_NOTE)
    return table(asked, period, COLUMNS, rows, total, notes)


def _read(asked: Asked, period: Period) -> tuple[dict[str, Costs], bool]:
    """Costs by model and bucket, and whether any week had too many to look at all."""
    found: dict[str, Costs] = {}
    sampled = False
    made_by = [name for name in asked.where if name in OF_MAKERS]
    tests = [maker_test(asked, name, lambda row: str(row.model)) for name in made_by]
    allowed = _keys(asked)
    for week in _weeks(period):
        rows = asked.books.store.session_sums(week, private=asked.private, limit=MOST_SESSIONS)
        sampled = sampled or len(rows) >= MOST_SESSIONS
        for row in rows:
            if (allowed is None or row.key_id in allowed) and all(test(row) for test in tests):
                _add(found, row)
    return found, sampled


def _add(found: dict[str, Costs], row: SessionRow) -> None:
    name = f"{row.model}\0{bucket(row.turns)}"
    costs, tokens = found.get(name, ([], 0))
    costs.append(row.cost_nano_usd)
    found[name] = costs, tokens + row.tokens


def _keys(asked: Asked) -> set[str] | None:
    allowed: set[str] | None = None
    for name, ids in (("key", asked.books.key_ids), ("team", asked.books.team_ids)):
        if name in asked.where:
            found = set(ids(asked.where[name]))
            allowed = found if allowed is None else allowed & found
    return allowed


def _weeks(period: Period) -> list[int]:
    """The weeks that begin in the period."""
    first = period.day
    monday = first + timedelta(days=-first.weekday() % 7)
    last = day_number(first) + (period.until_us - period.since_us) // DAY_US
    return [week_of(day) for day in range(day_number(monday), last, 7)]


def _named(asked: Asked, name: str) -> Row:
    model, _, turns = name.partition("\0")
    return {"model": model, "author": asked.books.maker(model).author, "turns": turns}


def _join(parts: Iterable[Costs]) -> Costs:
    costs: list[int] = []
    tokens = 0
    for each, used in parts:
        costs += each
        tokens += used
    return costs, tokens


def _count(costs: Costs) -> int:
    return len(costs[0])


def _median(costs: Costs) -> float:
    return quantile(sorted(costs[0]), 0.5) or 0.0


def _figures(costs: Costs) -> Row:
    ordered = sorted(costs[0])
    spread = {"p25_usd": 0.25, "median_usd": 0.5, "p75_usd": 0.75, "p90_usd": 0.9}
    return {
        "sessions": len(ordered),
        "tokens": costs[1],
        **{
            name: None if (value := quantile(ordered, q)) is None else value / NANO_USD
            for name, q in spread.items()
        },
    }


VIEWS = (View("session", "Cost of sessions", "admin", COLUMNS, _build, FILTERS),)
