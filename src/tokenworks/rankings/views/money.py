"""Views of money: what was spent and at which price, and what routing saved."""

from __future__ import annotations

from tokenworks.ledger.decided import SavingsRow
from tokenworks.ledger.rollups import HOUR_US
from tokenworks.rankings.periods import Period
from tokenworks.rankings.table import MOVES, Row, Table, columns, ratio
from tokenworks.rankings.views.ranked import How, Spans, ranked
from tokenworks.rankings.views.sums import (
    NO_PRIVATE,
    Groups,
    Vector,
    fetch_of,
    filters_of,
    folded,
    joined,
    notes,
    placed,
    rows_of,
    spans,
)
from tokenworks.rankings.views.told import table
from tokenworks.rankings.views.traffic import JOIN, MEASURES, MODEL_CUBES, cost_of, figures, tokens_of
from tokenworks.rankings.views.view import Asked, View
from tokenworks.schema import NANO_USD

SPEND = columns(
    ("rank", "rank"),
    ("model", "text"),
    ("author", "text"),
    ("cost_usd", "usd"),
    *MOVES,
    ("usd_mtok", "usd_mtok"),
    ("tokens", "tokens"),
    ("cached_share", "share"),
    ("requests", "count"),
    ("saved_usd", "usd"),
)
SAVINGS = columns(
    ("rank", "rank"),
    ("task", "text"),
    ("saved_usd", "usd"),
    *MOVES,
    ("saved_share", "share"),
    ("cost_usd", "usd"),
    ("always_strong_usd", "usd"),
    ("requests", "count"),
)
OF_MAKERS = frozenset(("model", "author", "country", "weights"))
BLENDED_NOTE = (
    "$ per million tokens is the cost of all tokens over their number: the ledger keeps one cost a request,"
    " not one of input and one of output. Saved is what always asking the strong model would have cost more."
)
NOT_SAVED_NOTE = "What was saved is not kept by provider, app or key, so it is left open."
SAVINGS_NOTE = (
    "Of requests for auto, as long as their decisions are kept: what they cost, and what always asking the"
    " strong model would have cost."
)


def _spend(asked: Asked) -> Table:
    fetch = fetch_of(asked, MODEL_CUBES, ("model",), MEASURES)
    period = placed(asked, fetch.grain_us)
    known = OF_MAKERS.issuperset(asked.where)

    def read(part: Period) -> Groups:
        return folded(rows_of(asked, fetch, part), len(fetch.by), lambda row: str(row[0]))

    saved = _saved(asked, "model", period) if known else {}

    def named(model: str) -> Row:
        return {"model": model, "author": asked.books.maker(model).author}

    how = How(SPEND, "model", named, _spend_figures, JOIN, cost_of)
    found: Spans[Vector] = spans(asked, period, fetch.grain_us, read)
    rows, total = ranked(found, how, asked.top)
    listed = {row["model"] for row in rows if row["rank"] is not None}
    for row in rows:
        names = [row["model"]] if row["rank"] is not None else [n for n in found.now if n not in listed]
        row["saved_usd"] = _sum(saved, names) if known else None
    total["saved_usd"] = _sum(saved, list(found.now)) if known else None
    told = [BLENDED_NOTE, *([] if known else [NOT_SAVED_NOTE]), *notes(asked, fetch)]
    return table(asked, period, SPEND, rows, total, told)


def _spend_figures(sums: Vector) -> Row:
    told = figures(sums)
    return {**told, "usd_mtok": ratio(cost_of(sums) / 1000, tokens_of(sums))}


def _saved(asked: Asked, by: str, period: Period) -> dict[str, SavingsRow]:
    rows = asked.books.store.savings(by, period.since_us, period.until_us)
    return {row.group: row for row in rows}


def _sum(saved: dict[str, SavingsRow], names: list[str]) -> float:
    return sum(saved[name].saved_nano_usd for name in names if name in saved) / NANO_USD


def _savings(asked: Asked) -> Table:
    period = asked.period

    def read(part: Period) -> Groups:
        return {
            row.group: (row.requests, row.cost_nano_usd, row.baseline_nano_usd)
            for row in _saved(asked, "task", part).values()
        }

    def named(task: str) -> Row:
        return {"task": task}

    how = How(SAVINGS, "task", named, _savings_figures, joined(3), lambda sums: sums[2] - sums[1])
    rows, total = ranked(spans(asked, period, HOUR_US, read), how, asked.top)
    told = [SAVINGS_NOTE, *([NO_PRIVATE] if asked.private is False else [])]
    return table(asked, period, SAVINGS, rows, total, told)


def _savings_figures(sums: Vector) -> Row:
    requests, cost, strong = sums
    return {
        "requests": requests,
        "cost_usd": cost / NANO_USD,
        "always_strong_usd": strong / NANO_USD,
        "saved_usd": (strong - cost) / NANO_USD,
        "saved_share": ratio(strong - cost, strong),
    }


VIEWS = (
    View("spend", "Spend", "admin", SPEND, _spend, filters_of(MODEL_CUBES)),
    View("savings", "Saved by routing", "admin", SAVINGS, _savings),
)
