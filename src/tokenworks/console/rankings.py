"""``/console/rankings``: who uses how much of what; the overview, every view, and what they are made of.

Each part of a page that takes its time is a page of its own (``/chart``, ``/card``), fetched into the page by
htmx and linked to for browsers without scripts.
"""

from __future__ import annotations

import re
from typing import Any

from fastapi import APIRouter, Request, Response

from tokenworks.console import ranking_import
from tokenworks.console.access import Visitor
from tokenworks.console.page import page
from tokenworks.console.ranking_desk import STORY, Desk, headline
from tokenworks.console.ranking_notes import note
from tokenworks.console.ranking_query import TOPS
from tokenworks.errors import BadRequest, NotFound
from tokenworks.rankings.exporting import MEDIA_TYPES, export
from tokenworks.rankings.periods import UNITS
from tokenworks.rankings.question import picture
from tokenworks.rankings.report import html
from tokenworks.rankings.views import VIEWS
from tokenworks.rankings.week import gather

router = APIRouter()
router.include_router(ranking_import.routes)

CHARTED = ("model", "author", "country", "provider", "weights")  # what the overview's chart is switched to
CARDS = ("author", "country", "category", "app", "code", "context", "tools", "speed")
CARD_ROWS = 6
SERIES = 9
_OVERVIEW = ("rank", "model", "tokens", "share", "change", "rank_change", "author", "country")
_ODD = re.compile(r"[^A-Za-z0-9._-]+")  # in the name of a file
_SPEEDS = ("model", "provider", "ttft_p50_s", "rate_p50")


@router.get("/rankings")
def overview(request: Request, who: Visitor) -> Response:
    """The period's story, the ten largest models, the chart of a year, and a card for each other view."""
    desk = Desk(request, "", who)
    if desk.nothing_yet:
        return _empty(request, desk)
    context: dict[str, Any] = {"error": "", "table": None, "picker": None, "told": []}
    try:
        table = desk.table("model", STORY)
        context |= {"table": table, "picker": desk.picker(), "told": headline(table, desk.names)}
        context["note"] = note(table.note, desk.names)
        context["board"] = desk.painter.board(table, _OVERVIEW)
    except BadRequest as error:
        context["error"] = str(error)
    query = desk.query
    by = query.by if query.by in _charted(desk) else "model"
    cards = [name for name in CARDS if name in desk.views()]
    return page(
        request,
        "rankings.html",
        title="rankings.title",
        status=_status(request, context["error"]),
        by=by,
        chart_address=query.address("/chart", view=by, by="model"),
        charts=[
            (name, query.address(by=name), query.address("/chart", view=name, by="model"))
            for name in _charted(desk)
        ],
        cards=[(name, query.address(view=name), query.address("/card", view=name)) for name in cards],
        report_address=query.address("/report", by="model"),
        units=UNITS,
        **context,
        **desk.controls(),
    )


@router.get("/rankings/report")
def report(request: Request, who: Visitor) -> Response:
    """The period's report, a file that needs nothing else. ``week`` is a shorter way to say ``at``."""
    desk = Desk(request, "", who)
    query, named = desk.query, request.query_params.get("week", "")
    when = desk.books.period(named, "week", query.timezone, query.source) if named else desk.period()
    week = gather(desk.books, when, private=None if query.private else False, source=query.source)
    return _file(html(week), "html", "text/html; charset=utf-8", f"rankings-{when.label}", query.source)


@router.get("/rankings/{view}.{kind}")
def export_view(request: Request, view: str, kind: str, who: Visitor) -> Response:
    """The same table as a file, in the order that it is shown in."""
    if kind not in MEDIA_TYPES:
        raise NotFound(f"tables are exported as {', '.join(MEDIA_TYPES)}")
    desk = Desk(request, view, who)
    table = desk.painter.sorted(desk.table())
    return _file(export(table, kind), kind, MEDIA_TYPES[kind], f"{view}-{table.period}", table.source)


@router.get("/rankings/{view}")
def view_page(request: Request, view: str, who: Visitor) -> Response:
    """One view: its table with everything that it can be asked."""
    desk = Desk(request, view, who)
    if desk.nothing_yet:
        return _empty(request, desk)
    context: dict[str, Any] = {"error": "", "table": None, "picker": None}
    try:
        table = desk.table()
        context |= {"table": table, "board": desk.painter.board(table), "picker": desk.picker()}
        context["note"] = note(table.note, desk.names)
    except BadRequest as error:
        context["error"] = str(error)
    query = desk.query
    return page(
        request,
        "rankings_view.html",
        title=f"rankings.view_{view}",
        status=_status(request, context["error"]),
        view=VIEWS[view],
        chart_address=query.address("/chart") if VIEWS[view].charted and not context["error"] else "",
        exports=[(kind.upper(), query.address(f".{kind}")) for kind in ("csv", "parquet", "json")],
        units=UNITS,
        tops=[(number, number) for number in TOPS],
        **context,
        **desk.controls(),
    )


@router.get("/rankings/{view}/chart")
def chart_page(request: Request, view: str, who: Visitor) -> Response:
    """How tokens of the view were shared, up to 52 weeks back."""
    desk = Desk(request, view, who)
    if not VIEWS[view].charted:
        raise NotFound("this view has no chart; /console/rankings leads to those that have one")
    chart = picture(desk.books, desk.question(top=SERIES))
    return page(
        request,
        "rankings_chart.html",
        title=f"rankings.view_{view}",
        view=VIEWS[view],
        query=desk.query,
        chart=chart,
        note=note(chart.note, desk.names),
        drawn=desk.painter.chart(chart),
    )


@router.get("/rankings/{view}/card")
def card_page(request: Request, view: str, who: Visitor) -> Response:
    """The first few rows of a view."""
    desk = Desk(request, view, who)
    table = desk.table(top=CARD_ROWS)
    named = next(each.name for each in table.columns if each.kind == "text")
    measure = next(each.name for each in table.columns if each.kind in ("tokens", "count"))
    only = _SPEEDS if view == "speed" else (named, measure, "share")
    return page(
        request,
        "rankings_card.html",
        title=f"rankings.view_{view}",
        view=VIEWS[view],
        query=desk.query,
        table=table,
        board=desk.painter.board(table, only),
    )


def _file(content: bytes | str, kind: str, media_type: str, name: str, source: str) -> Response:
    """A file to be kept. ``source`` becomes part of its name as far as that is plain."""
    whole = f"{name}-{_ODD.sub('-', source)}" if source else name
    headers = {"content-disposition": f'attachment; filename="{whole}.{kind}"', "cache-control": "no-store"}
    return Response(content, headers=headers, media_type=media_type)


def _charted(desk: Desk) -> list[str]:
    """What the overview's chart may show."""
    source = desk.query.source
    return [name for name in CHARTED if VIEWS[name].charted and (not source or VIEWS[name].outside)]


def _empty(request: Request, desk: Desk) -> Response:
    """Nothing was counted yet: what to do next."""
    return page(request, "rankings_empty.html", title="rankings.title", **desk.controls())


def _status(request: Request, error: str) -> int:
    """Of a page that tells what is wrong with what was asked. htmx shows only what worked."""
    return 400 if error and request.headers.get("hx-request") != "true" else 200
