"""``/console/batches``: work in bulk, and single requests that wait until their plan has room."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from tokenworks.console.access import Posted, SignedIn
from tokenworks.console.batch_lines import look as look_at_batches
from tokenworks.console.gauges import readable
from tokenworks.console.ordering import Sheet, ordered
from tokenworks.console.page import page
from tokenworks.console.plan_cards import assign_command
from tokenworks.console.queue_lines import COLUMNS, MOST, STATUSES, cancel, found, look
from tokenworks.console.site import site_of
from tokenworks.console.way import see
from tokenworks.ledger.store import Store

router = APIRouter()

PAGE = 50  # requests of one page
MAX_PAGE = 100_000


@router.get("/batches")
def batches_page(
    request: Request,
    _: SignedIn,
    q: Annotated[str, Query(max_length=200)] = "",
    status: Annotated[str, Query(max_length=20)] = "",
    sort: Annotated[str, Query(max_length=20)] = "",
    number: Annotated[int, Query(alias="page", ge=1, le=MAX_PAGE)] = 1,
    after: Annotated[str, Query(max_length=60)] = "",
) -> Response:
    """Twenty batches, and fifty requests of the queue without what was asked and answered."""
    site = site_of(request)
    waiting = look(site.store, site.now_us())
    status = status if status in STATUSES else ""
    sort, lines = ordered(found(waiting.lines, status, q), COLUMNS, sort, "-created")
    sheet = Sheet(len(lines), number, PAGE)
    plans = queueing(site.store)
    return page(
        request,
        "batches.html",
        title="batches.title",
        batches=look_at_batches(site.store, site.now_us(), after),
        after=after,
        lines=lines[sheet.span],
        sheet=sheet,
        counts=waiting.counts,
        anything=bool(waiting.lines),
        whole=waiting.whole,
        most=MOST,
        queueing=plans,
        command=assign_command(plans[0]) if plans else "",
        q=q,
        chosen=status,
        statuses=STATUSES,
        sort=sort,
    )


def queueing(store: Store) -> list[str]:
    """Names of the plans that queue what they have no room for."""
    plans = [(row.name, readable(row.spec)) for row in store.plans()]
    return [name for name, plan in plans if plan is not None and plan.used_up == "queue"]


@router.post("/batches/cancel")
def cancel_queued(request: Request, form: Posted) -> Response:
    """One that waits is not run. One that runs goes on to its end, is charged, and its answer dropped."""
    done = cancel(site_of(request).store, form.text("id"), form.key.id)
    return see(f"/console/batches?notice=batches.notice_{'cancelled' if done else 'over'}")
