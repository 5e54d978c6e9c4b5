"""Views of what requests were: users, tasks, languages, context lengths, tools and how answers ended."""

from __future__ import annotations

from typing import Any

from tokenworks.ledger.cubes import CUBES
from tokenworks.ledger.tallies import CONTEXT_NAMES
from tokenworks.rankings.periods import Period
from tokenworks.rankings.table import MOVES, Named, Row, Table, columns, ratio
from tokenworks.rankings.views.ranked import How, ranked
from tokenworks.rankings.views.sums import (
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
from tokenworks.rankings.views.view import Asked, View
from tokenworks.schema import NANO_USD

SAMPLED_NOTE = (
    "Estimated from a sample of requests, each of which stands for as many as were not looked at; samples"
    " says how many were. Requests of which nothing could be told are left out."
)
TOOL_REASONS = ("tool_calls", "tool_use", "function_call")

_SHOWN: dict[str, Named] = {
    "requests": ("requests", "count"),
    "samples": ("samples", "count"),
    "tokens": ("tokens", "tokens"),
    "tool_calls": ("tool_calls", "count"),
    "cost_nano_usd": ("cost_usd", "usd"),
}


def _view(
    name: str,
    title: str,
    cube: str,
    dimension: str,
    size: str,
    *,
    equal: dict[str, str] | None = None,
    order: tuple[str, ...] = (),
    personal: bool = False,
    note: str = "",
) -> View:
    """A view that shows all measures of ``cube`` by ``dimension``, ranked by the measure ``size``."""
    measures = CUBES[cube].measures
    shown = [_SHOWN[each] for each in measures]
    first = _SHOWN[size]
    rest = (each for each in shown if each != first)
    made = columns(("rank", "rank"), (name, "text"), first, *MOVES, *rest)
    at = measures.index(size)

    def fields(sums: Vector) -> Row:
        return {
            _SHOWN[each][0]: value / NANO_USD if each == "cost_nano_usd" else value
            for each, value in zip(measures, sums, strict=True)
        }

    def build(asked: Asked) -> Table:
        fetch = fetch_of(asked, (cube,), (dimension,), equal=equal)
        period = placed(asked, fetch.grain_us)

        def read(part: Period) -> Groups:
            return folded(rows_of(asked, fetch, part), len(fetch.by), lambda row: str(row[0]))

        def texts(each: str) -> Row:
            return {name: each}

        how = How(made, name, texts, fields, joined(len(measures)), lambda sums: sums[at], order=order)
        rows, total = ranked(spans(asked, period, fetch.grain_us, read), how, asked.top)
        return table(asked, period, made, rows, total, [*([note] if note else []), *notes(asked, fetch)])

    return View(
        name,
        title,
        "admin" if personal else "anyone",
        made,
        build,
        filters_of((cube,)),
        charted=name == "category",
        dimension=dimension,
        cubes=(cube,),
        equal=equal or {},
    )


_TOOLS = columns(
    ("rank", "rank"),
    ("model", "text"),
    ("author", "text"),
    ("tool_calls", "count"),
    *MOVES,
    ("requests", "count"),
    ("tool_requests", "count"),
    ("tool_share", "share"),
    ("tokens", "tokens"),
)


def _tools(asked: Asked) -> Table:
    """Calls of tools by model, and how many of its answers ended in them."""
    fetch = fetch_of(asked, ("finish",), ("model", "finish_reason"))
    period = placed(asked, fetch.grain_us)

    def read(part: Period) -> Groups:
        rows = rows_of(asked, fetch, part)
        return folded(map(_with_tools, rows), 1, lambda row: str(row[0]))

    def named(model: str) -> Row:
        return {"model": model, "author": asked.books.maker(model).author}

    how = How(_TOOLS, "model", named, _tool_figures, joined(4), lambda sums: sums[2])
    rows, total = ranked(spans(asked, period, fetch.grain_us, read), how, asked.top)
    return table(asked, period, _TOOLS, rows, total, notes(asked, fetch))


def _with_tools(row: Any) -> tuple[Any, ...]:
    """Model; requests, tokens, calls, and the requests that ended in calls."""
    requests, tokens, calls = row[-3:]
    return row[0], requests, tokens, calls, requests if row[1] in TOOL_REASONS else 0


def _tool_figures(sums: Vector) -> Row:
    requests, tokens, calls, ended = sums
    return {
        "tool_calls": calls,
        "requests": requests,
        "tool_requests": ended,
        "tool_share": ratio(ended, requests),
        "tokens": tokens,
    }


def _by_label(name: str, title: str, kind: str) -> View:
    return _view(name, title, "label", "label", "tokens", equal={"kind": kind}, note=SAMPLED_NOTE)


VIEWS = (
    _view("user", "Users", "user", "user", "tokens", personal=True),
    _by_label("category", "Tasks", "task"),
    _by_label("language", "Languages", "language"),
    _by_label("code", "Programming languages", "code"),
    _view("context", "Context lengths", "context", "context", "tokens", order=CONTEXT_NAMES),
    View("tools", "Tool calls", "anyone", _TOOLS, _tools, filters_of(("finish",))),
    _view("finish", "Finish reasons", "finish", "finish_reason", "requests"),
)
