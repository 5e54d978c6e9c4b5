"""What outside sources told, ranked like our own: by model, author, country and weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta

from tokenworks.ledger.outside import OutsideRow
from tokenworks.ledger.rollups import DAY_US
from tokenworks.rankings.books import Books
from tokenworks.rankings.periods import EPOCH, Period, day_number
from tokenworks.rankings.table import MOVES, Named, Row, Table, columns
from tokenworks.rankings.views.ranked import How, Spans, ranked
from tokenworks.rankings.views.sums import Groups, Vector, joined, maker_test, spans
from tokenworks.rankings.views.told import table
from tokenworks.rankings.views.view import Asked

SPANS = {"day": ("day",), "week": ("day", "week"), "month": ("day", "month")}
MONTH_NOTE = "Sums that were told by the week are not part of a month."
DAY_NOTE = "Only what was told by the day is part of a day."
FILLED_NOTE = "Rows marked as filled were not told: they are chosen so that known totals hold."
RUNNING_NOTE = "While a period runs, whole days are compared."
REST = ("other", "others")  # what sources call all that they don't name

FIGURES: tuple[Named, ...] = (
    ("tokens", "tokens"),
    *MOVES,
    ("input_tokens", "tokens"),
    ("output_tokens", "tokens"),
    ("requests", "count"),
)
_JOIN = joined(5)  # tokens, input, output, requests, how many rows are filled


def build(
    asked: Asked,
    name: str,
    texts: Sequence[str],
    group: Callable[[Books, str], str],
    named: Callable[[str], Row],
) -> Table:
    """The table of a view of models for ``asked.source``; its days are days of UTC."""
    made = columns(("rank", "rank"), *((text, "text") for text in texts), *FIGURES)
    period = asked.period.of_zone("UTC", asked.books.now_us())

    def read(part: Period) -> Groups:
        return groups_of(asked, rows_of(asked, part), group)

    found: Spans[Vector] = spans(asked, period, DAY_US, read)
    rest = {each for each in (*found.now, *found.before) if each == REST[0]}
    how = How(made, name, named, _figures, _JOIN, lambda sums: sums[0])
    rows, total = ranked(found, how, asked.top, rest)
    filled = [each for each, sums in found.now.items() if sums[4]]
    for row in rows:
        if row["rank"] is None:
            row["filled"] = any(each not in {r[name] for r in rows if r["rank"]} for each in filled)
        else:
            row["filled"] = found.now[row[name]][4] > 0
    return table(asked, period, made, rows, total, _notes(asked, period, bool(filled)))


def rows_of(asked: Asked, period: Period) -> list[OutsideRow]:
    """What stands in the period, of the spans that are wholly in it.

    Where a model's week (month) was told as a whole, its days within are part of that, and left out.
    """
    first, last = period.since_us // DAY_US, period.until_us // DAY_US
    wanted = SPANS[period.unit]
    found = asked.books.store.outside(asked.source, first, last)
    tests = [maker_test(asked, name, lambda row: row.model) for name in asked.where]
    rows = [
        row for row in found if row.span in wanted and _end(row) <= last and all(test(row) for test in tests)
    ]
    whole = {(row.day, row.model) for row in rows if row.span != "day"}
    if not whole:
        return rows
    begins = {day: day_number(_first_of(day, period.unit)) for day in {row.day for row in rows}}
    return [row for row in rows if row.span != "day" or (begins[row.day], row.model) not in whole]


def _end(row: OutsideRow) -> int:
    """The first day after it, since 1970."""
    if row.span == "day":
        return row.day + 1
    if row.span == "week":
        return row.day + 7
    return day_number((EPOCH + timedelta(days=row.day + 31)).replace(day=1))


def _first_of(day: int, unit: str) -> date:
    """The first day of the day, week or month that ``day`` since 1970 is in."""
    found = EPOCH + timedelta(days=day)
    if unit == "week":
        return found - timedelta(days=found.weekday())
    return found.replace(day=1) if unit == "month" else found


def groups_of(asked: Asked, rows: Sequence[OutsideRow], group: Callable[[Books, str], str]) -> Groups:
    """Sums by what ``group`` makes of a model; what the source doesn't name stands under "other"."""
    groups: Groups = {}
    for row in rows:
        name = REST[0] if row.model.lower() in REST else group(asked.books, row.model)
        values = (row.tokens, row.input_tokens, row.output_tokens, row.requests, int(row.filled))
        known = groups.get(name)
        groups[name] = values if known is None else tuple(map(int.__add__, known, values))
    return groups


def _figures(sums: Vector) -> Row:
    told = sums[1] > 0 or sums[2] > 0
    return {
        "tokens": sums[0],
        "input_tokens": sums[1] if told else None,
        "output_tokens": sums[2] if told else None,
        "requests": sums[3] or None,
    }


def _notes(asked: Asked, period: Period, filled: bool) -> list[str]:
    notes = [FILLED_NOTE] if filled else []
    if period.unit != "week":
        notes.append(MONTH_NOTE if period.unit == "month" else DAY_NOTE)
    if not period.complete:
        notes.append(RUNNING_NOTE)
    return notes
