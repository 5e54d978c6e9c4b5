"""``/console/rankings/import``: usage that somebody else counted is pasted, looked through, and forgotten."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response

from tokenworks.console.access import Posted, SignedIn
from tokenworks.console.form import MAX_BODY, Form
from tokenworks.console.page import page
from tokenworks.console.ranking_query import PATH
from tokenworks.console.site import site_of
from tokenworks.console.way import see
from tokenworks.errors import BadRequest
from tokenworks.ledger.outside import OutsideRow, Span
from tokenworks.rankings.importing import parse
from tokenworks.rankings.periods import EPOCH, UNITS

routes = APIRouter()  # part of the router of ``rankings``, before the paths of views

PASTED = "pasted text"  # what errors call it, before line and column


@routes.get("/rankings/import")
def import_page(request: Request, _: SignedIn) -> Response:
    """The form, and the sources that were imported before."""
    return _page(request)


@routes.post("/rankings/import")
def import_pasted(request: Request, form: Posted) -> Response:
    """Import all of what was pasted, or nothing and tell on the form what is wrong with it."""
    try:
        rows = _rows(form)
    except BadRequest as error:
        return _page(request, str(error), form)
    site_of(request).store.replace_outside(rows[0].source, rows, actor=form.key.id)
    unit = Counter(row.span for row in rows).most_common(1)[0][0]
    said = {"source": rows[0].source, "notice": "rankings.notice_imported"}
    return see(f"{PATH}?{urlencode(said if unit == 'week' else {**said, 'unit': unit})}")


@routes.post("/rankings/forget")
def forget(request: Request, form: Posted) -> Response:
    """Drop everything of one source."""
    source = form.text("source")
    if not site_of(request).store.forget_outside(source, actor=form.key.id):
        raise BadRequest("no source of that name was imported; reload the page")
    return see(f"{PATH}/import?notice=rankings.notice_forgotten")


def _rows(form: Form) -> list[OutsideRow]:
    """Raises BadRequest."""
    # as it was pasted: what stands before the first line counts for the line that an error names
    text = form.fields.get("text", [""])[0]
    source = form.text("source")
    if not source:
        raise BadRequest("give the source a name, such as article-week")
    if not text.strip():
        raise BadRequest("paste the lines of a CSV or JSON file")
    wanted = form.text("span")
    span: Span | None = next((each for each in UNITS if each == wanted), None)
    return parse(text.encode(), PASTED, source=source, span=span)


def _page(request: Request, error: str = "", form: Form | None = None) -> Response:
    given: dict[str, Any] = {name: "" for name in ("source", "span", "text")}
    if form is not None:
        given = {name: form.fields.get(name, [""])[0] for name in given}
    sources = [
        (each, _date(each.first_day), _date(each.last_day))
        for each in site_of(request).store.outside_sources()
    ]
    return page(
        request,
        "rankings_import.html",
        title="rankings.import_title",
        status=400 if error else 200,
        error=error,
        given=given,
        found=sources,
        most_kib=MAX_BODY // 1024,
        units=UNITS,
    )


def _date(day: int) -> date:
    return EPOCH + timedelta(days=day)
