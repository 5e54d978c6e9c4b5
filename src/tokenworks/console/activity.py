"""Every request that was made: found, paged, looked into, taken away as a file."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from tokenworks.console import activity_filter, csv_rows, request_view
from tokenworks.console.access import SignedIn
from tokenworks.console.capture_view import captured
from tokenworks.console.decision_view import view as decision_view
from tokenworks.console.page import page
from tokenworks.console.site import site_of
from tokenworks.console.way import see
from tokenworks.ledger.record import Record

router = APIRouter()

PAGE = 50
MAX_ID = 200
MAX_OFFERED = 200  # names of keys that are offered while one types


@router.get("/activity")
def activity(request: Request, _: SignedIn) -> Response:
    """The list, newest first."""
    site = site_of(request)
    query = request.query_params
    name = query.get("id", "").strip()[:MAX_ID]
    if name and site.store.generation(name) is not None:
        path = f"/console/activity/{quote(name, safe='')}"
        # a request for a part of this page would follow a redirect and find no such part there
        return Response(headers={"hx-redirect": path}) if "hx-request" in request.headers else see(path)
    wanted = activity_filter.read(query)
    keys = site.store.keys()
    before = activity_filter.behind(query.get("before", ""))
    records: list[Record] = []
    if not name:
        records = activity_filter.found(site.store, wanted, keys, site.now_us(), before, PAGE + 1)
    shown = records[:PAGE]
    older = wanted.query(before=activity_filter.cursor(shown[-1])) if len(records) > PAGE else ""
    names = {row.id: row.name for row in keys}
    return page(
        request,
        "activity.html",
        title="activity.title",
        wanted=wanted,
        rows=[request_view.view(record, site.catalog, names) for record in shown],
        older=older,
        newest=wanted.query() if before is not None else None,
        export=wanted.query(),
        most=csv_rows.MOST,
        asked_id=name,
        anything=bool(shown) or site.store.search(0, 2**62, limit=1) != [],
        spans=tuple(activity_filter.SPANS),
        outcomes=activity_filter.OUTCOMES,
        offered=[row for row in reversed(keys) if row.active][:MAX_OFFERED],
    )


@router.get("/activity.csv")
def activity_csv(request: Request, _: SignedIn) -> Response:
    """The same list as a file: what the filters let in, newest first, ``csv_rows.MOST`` rows at most."""
    site = site_of(request)
    wanted = activity_filter.read(request.query_params)
    keys = site.store.keys()
    now_us = site.now_us()

    def records(last: Record | None, limit: int) -> list[Record]:
        return activity_filter.found(site.store, wanted, keys, now_us, last, limit)

    pieces = csv_rows.lines(records, {row.id: row.name for row in keys})
    headers = {"content-disposition": 'attachment; filename="activity.csv"', "cache-control": "no-store"}
    return StreamingResponse(pieces, headers=headers, media_type="text/csv; charset=utf-8")


@router.get("/activity/{record_id}")
def activity_one(record_id: str, request: Request, _: SignedIn) -> Response:
    """One request with all that is known of it."""
    site = site_of(request)
    record = site.store.generation(record_id[:MAX_ID])
    if record is None:
        return page(
            request,
            "activity_none.html",
            title="activity.none_title",
            status=404,
            asked_id=record_id[:MAX_ID],
        )
    decided = site.store.decision(record.id)
    keys = site.store.keys()
    names = {row.id: row.name for row in keys}
    kept = captured(site.store, record.id, record.time_us)
    more: dict[str, Any] = {
        "told": decision_view(decided) if decided is not None else None,
        "feedback": site.store.feedback_of(record.id),
        "kept": kept,
        "capture": site.settings.routing.auto.capture if site.settings.routing.auto.enabled else "off",
    }
    return page(
        request,
        "activity_one.html",
        title="activity.one_title",
        seen=request_view.view(record, site.catalog, names),
        **more,
    )
