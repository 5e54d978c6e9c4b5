"""How ``auto`` is set, what it did and saved, what it would do: and what speaks against trusting it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from tokenworks.console import decision_view, learnt_view, routing_chart, routing_curve
from tokenworks.console.access import Posted, SignedIn
from tokenworks.console.form import Form
from tokenworks.console.page import page
from tokenworks.console.site import Site, site_of
from tokenworks.errors import BadRequest, TokenworksError
from tokenworks.gateway.explaining import foretold, request_of
from tokenworks.ledger.decided import SavingsRow
from tokenworks.ledger.rollups import DAY_US
from tokenworks.ledger.store import Store
from tokenworks.routing.knobs import MAX_COST_USD

router = APIRouter()

DAYS = 30
KEPT_US = (
    60_000_000  # for which sums of savings are shown again: the store adds them up from single decisions
)
LATEST = 500  # decisions that the curve is drawn from
SHOWN = 20  # of them in the table
MOST_LEARNT = 60  # rows
MAX_PROMPT = 200_000  # characters


@router.get("/routing")
async def routing(request: Request, _: SignedIn) -> Response:
    """The whole page."""
    return await run_in_threadpool(_shown, request, {})


@router.post("/routing")
async def try_prompt(request: Request, form: Posted) -> Response:
    """The same with what ``auto`` would do with a prompt. On the loop, to which ``auto`` belongs."""
    tried = _tried(site_of(request), form)
    if "hx-request" in request.headers:
        return await run_in_threadpool(page, request, "routing_tried.html", title="routing.title", **tried)
    return await run_in_threadpool(_shown, request, tried)


def _tried(site: Site, form: Form) -> dict[str, Any]:
    """What was asked and what came of it: ``would`` or ``complaint``."""
    asked = {
        "prompt": form.fields.get("prompt", [""])[0][: MAX_PROMPT + 1],
        **{name: form.text(name) for name in ("quality", "max_cost", "strong", "models")},
    }
    try:
        return {"asked": asked, "would": _would(site, form, asked["prompt"]), "complaint": ""}
    except TokenworksError as error:
        return {"asked": asked, "would": None, "complaint": error.message}


def _would(site: Site, form: Form, prompt: str) -> decision_view.DecisionView:
    if site.auto is None:
        raise BadRequest("auto is off: remove 'enabled = false' from [routing.auto] and restart the server")
    if not prompt.strip():
        raise BadRequest("write a prompt to try")
    if len(prompt) > MAX_PROMPT:
        raise BadRequest(f"prompt: {MAX_PROMPT:,} characters at most here")
    body = request_of(
        prompt,
        allowed=[glob for each in form.text("models").split(",") if (glob := each.strip())],
        quality=_bounded(form, "quality", 1.0),
        max_cost_usd=_bounded(form, "max_cost", MAX_COST_USD),
        strong=form.text("strong"),
    )
    return decision_view.foretold(foretold(site.auto, body))


def _bounded(form: Form, name: str, most: float) -> float | None:
    value = form.number(name)
    if value is not None and not 0 <= value <= most:
        raise BadRequest(f"{name}: write a number from 0 to {most:g}")
    return value


def _shown(request: Request, tried: dict[str, Any]) -> Response:
    site = site_of(request)
    store, now_us = site.store, site.now_us()
    today = now_us // DAY_US
    since_us = (today - DAYS + 1) * DAY_US
    latest = [row for row in store.latest_decisions(LATEST) if row.path in routing_curve.PATHS]
    curve = routing_curve.curve(latest)
    days, tasks = _savings(request, store, since_us, now_us)
    learnt, left_out = learnt_view.table(store.learnt(today - DAYS + 1), MOST_LEARNT)
    nothing: dict[str, Any] = {"asked": {}, "would": None, "complaint": ""}
    return page(
        request,
        "routing.html",
        title="routing.title",
        auto=site.settings.routing.auto,
        on=site.auto is not None,
        rules=site.settings.routes,
        days=DAYS,
        saved=_total(days),
        by_task=tasks,
        spent_chart=routing_chart.spent(days),
        curve=curve,
        curve_chart=routing_chart.quality_cost(curve),
        paths=routing_curve.paths(latest),
        latest=[decision_view.view(row) for row in latest[:SHOWN]],
        decided=len(latest),
        learnt=learnt,
        learnt_left_out=left_out,
        drift=site.drift.look(now_us),
        **{**nothing, **tried},
    )


def _savings(
    request: Request, store: Store, since_us: int, now_us: int
) -> tuple[list[SavingsRow], list[SavingsRow]]:
    """By day in order, and by type of work, most requests first."""
    state, moment = request.app.state, (now_us // KEPT_US, since_us)
    known: tuple[tuple[int, int], list[SavingsRow], list[SavingsRow]] | None
    known = getattr(state, "routing_savings", None)
    if known is None or known[0] != moment:
        tasks = sorted(store.savings("task", since_us), key=lambda row: -row.requests)
        known = state.routing_savings = moment, store.savings("day", since_us), tasks
    return known[1], known[2]


def _total(rows: list[SavingsRow]) -> SavingsRow:
    return SavingsRow(
        "",
        sum(row.requests for row in rows),
        sum(row.cost_nano_usd for row in rows),
        sum(row.baseline_nano_usd for row in rows),
    )
