"""``/console/keys/KEY``: one key, what it did and what was done to it, and the forms that change it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool

from tokenworks.console.access import Posted, SignedIn
from tokenworks.console.example import curl
from tokenworks.console.form import Form
from tokenworks.console.gauges import of_limits, of_plans, owned, readable, windows_of
from tokenworks.console.key_lines import begins, is_private, plan_of, state
from tokenworks.console.keys import named, refusing, shown_once, take_effect
from tokenworks.console.page import page
from tokenworks.console.plan_cards import action_line
from tokenworks.console.site import Site, site_of
from tokenworks.console.way import see
from tokenworks.errors import BadRequest, NotFound
from tokenworks.ledger.cubes import CUBES
from tokenworks.ledger.limit_rows import SubscriptionRow
from tokenworks.ledger.rollups import DAY_US
from tokenworks.ledger.rows import KeyRow
from tokenworks.ledger.store import Store
from tokenworks.plans import keys as making
from tokenworks.plans.granting import grant, written
from tokenworks.plans.keys import Key
from tokenworks.schema import NANO_USD

router = APIRouter()

AUDIT = 30  # entries that are shown
HOUR_S = 3600
CONFIRMED = ("revoke", "disable")  # what is asked for once more, in some cases
_MEASURES = CUBES["key"].measures


class ModelUse(msgspec.Struct, frozen=True):
    """What a key did with one model this month (UTC)."""

    model: str
    requests: int
    errors: int
    input_tokens: int
    output_tokens: int
    cost_usd: float


@router.get("/keys/{key_id}")
def key_page(request: Request, who: SignedIn, key_id: str) -> Response:
    """One key, revoked ones too."""
    site = site_of(request)
    return _detail(request, site, find(site.store, key_id), who)


def _detail(request: Request, site: Site, row: KeyRow, who: Key, error: str = "") -> Response:
    store, now_us = site.store, site.now_us()
    team = next((each for each in store.teams() if each.id == row.team_id), None)
    owners = [("key", row.id)] + ([("team", row.team_id)] if row.team_id else [])
    gauges = of_limits(store, owned(store.limits(), owners), now_us)
    plan, scope = plan_of(row, {(each.scope, each.subject): each.plan for each in store.subscriptions()})
    plans = {each.name: each.spec for each in store.plans()}
    spec = readable(plans[plan]) if plan in plans else None
    windows = []
    if spec is not None:
        subscriber = f"{scope}:{row.id if scope == 'key' else row.team_id}"
        windows = windows_of(spec, of_plans(store, [spec], now_us)[plan], subscriber)
    action = next((each for each in store.actions() if each.key_id == row.id), None)
    return page(
        request,
        "key.html",
        title="keys.key_title",
        status=400 if error else 200,
        at="keys",
        error=error,
        row=row,
        state=state(row, now_us),
        team=team,
        private=is_private(row, team),
        gauges=gauges.get(("key", row.id), []),
        team_gauges=gauges.get(("team", row.team_id), []) if row.team_id else [],
        plan=plan,
        plan_scope=scope,
        windows=windows,
        plans=list(plans),
        uses=uses(store, row.id, now_us),
        stops=[each for each in reversed(store.stops()) if each.key_id == row.id],
        action=action_line(action, row.name, now_us) if action is not None else None,
        entries=store.audit(target=row.id, limit=AUDIT),
        own=row.id == who.id,
        example=curl(request),
    )


def uses(store: Store, key_id: str, now_us: int) -> list[ModelUse]:
    """This month by model, the dearest first."""
    until_us = (now_us // DAY_US + 1) * DAY_US
    found = []
    for model, *measures in store.cube(
        "key", ("model",), begins(now_us)[1], until_us, where={"key_id": key_id}
    ):
        told = dict(zip(_MEASURES, measures, strict=True))
        inputs = ("uncached_input_tokens", "cache_read_tokens", "cache_write_tokens")
        found.append(
            ModelUse(
                model=model,
                requests=told["requests"],
                errors=told["errors"],
                input_tokens=sum(told[name] for name in inputs),
                output_tokens=told["output_tokens"],
                cost_usd=told["cost_nano_usd"] / NANO_USD,
            )
        )
    return sorted(found, key=lambda each: (-each.cost_usd, -each.requests, each.model))


def find(store: Store, key_id: str, *, living: bool = False) -> KeyRow:
    """The key with this id; with ``living`` only one that was not revoked. Raises ``NotFound``."""
    row = store.key(key_id)
    if row is None or (living and row.revoked_us is not None):
        raise NotFound("no key has that id, or it was revoked; /console/keys lists them")
    return row


# --- what asks once more


@router.get("/keys/{key_id}/{action}")
def confirm_page(request: Request, who: SignedIn, key_id: str, action: str) -> Response:
    """Asks whether the key is really to be revoked or disabled; the answer is a form."""
    if action not in CONFIRMED:
        raise NotFound("no such page; /console/keys lists the keys")
    store = site_of(request).store
    return _confirm(request, store, find(store, key_id, living=True), who, action)


def _confirm(request: Request, store: Store, row: KeyRow, who: Key, action: str) -> Response:
    now_us = site_of(request).now_us()
    every = store.keys()
    admins = [each for each in every if each.role == "admin" and state(each, now_us) == "active"]
    return page(
        request,
        "key_confirm.html",
        title=f"keys.{action}_title",
        at="keys",
        row=row,
        action=action,
        own=row.id == who.id,
        last_admin=[each.id for each in admins] == [row.id],
    )


# --- what changes a key

Change = Callable[[Site, KeyRow, Form], str]


async def _changed(request: Request, form: Form, key_id: str, change: Change) -> Response:
    """Make a change in a thread, and go back to the key's page with the notice that ``change`` names.

    What can't be is told on that page.
    """
    site = site_of(request)

    def make() -> Response:
        row = find(site.store, key_id, living=True)
        try:
            with refusing():
                notice = change(site, row, form)
        except BadRequest as error:
            return _detail(request, site, row, form.key, str(error))
        return see(f"/console/keys/{row.id}?notice=keys.notice_{notice}")

    answer = await run_in_threadpool(make)
    take_effect(site)
    return answer


@router.post("/keys/{key_id}/rename")
async def rename_key(request: Request, form: Posted, key_id: str) -> Response:
    """Give it another name."""

    def rename(site: Site, row: KeyRow, form: Form) -> str:
        site.store.update_key(row.id, name=named(form.text("name")), actor=form.key.id)
        return "renamed"

    return await _changed(request, form, key_id, rename)


@router.post("/keys/{key_id}/disable")
async def disable_key(request: Request, form: Posted, key_id: str) -> Response:
    """Refuse it until it is enabled again. One's own key only where that was confirmed."""
    if key_id == form.key.id and form.text("confirm") != key_id:
        return see(f"/console/keys/{key_id}/disable")
    return await _changed(request, form, key_id, functools.partial(_set_disabled, disabled=True))


@router.post("/keys/{key_id}/enable")
async def enable_key(request: Request, form: Posted, key_id: str) -> Response:
    """Let it call again."""
    return await _changed(request, form, key_id, functools.partial(_set_disabled, disabled=False))


def _set_disabled(site: Site, row: KeyRow, form: Form, *, disabled: bool) -> str:
    site.store.update_key(row.id, disabled=disabled, actor=form.key.id)
    return "disabled" if disabled else "enabled"


@router.post("/keys/{key_id}/revoke")
async def revoke_key(request: Request, form: Posted, key_id: str) -> Response:
    """For good, where that was confirmed."""
    if form.text("confirm") != key_id:
        return see(f"/console/keys/{key_id}/revoke")

    def revoke(site: Site, row: KeyRow, form: Form) -> str:
        site.store.revoke_key(row.id, actor=form.key.id)
        return "revoked"

    return await _changed(request, form, key_id, revoke)


@router.post("/keys/{key_id}/rotate")
async def rotate_key(request: Request, form: Posted, key_id: str) -> Response:
    """Give it another secret, shown on this answer alone; the old one is good for a while."""
    site = site_of(request)

    def rotate() -> Response | dict[str, Any]:
        row = find(site.store, key_id, living=True)
        try:
            hours = form.number("overlap_h", 24.0)
            with refusing():
                turned, secret = making.rotate(
                    site.store, row.id, site.settings.pepper, (hours or 0.0) * HOUR_S, actor=form.key.id
                )
        except BadRequest as error:
            return _detail(request, site, row, form.key, str(error))
        until_us = turned.old_until_us if hours else None
        return {"key_id": row.id, "name": row.name, "secret": secret, "old_until_us": until_us}

    made = await run_in_threadpool(rotate)
    take_effect(site)
    if isinstance(made, dict):
        return await run_in_threadpool(shown_once, request, **made, own=key_id == form.key.id)
    return made


@router.post("/keys/{key_id}/limit")
async def limit_key(request: Request, form: Posted, key_id: str) -> Response:
    """Add a limit as commands take it, or change the amount of one of that window."""

    def limit(site: Site, row: KeyRow, form: Form) -> str:
        wanted = [written(form.text("limit"))]
        with site.store.turn():
            grant(site.store, "key", row.id, wanted, actor=form.key.id)
        return "limited"

    return await _changed(request, form, key_id, limit)


@router.post("/keys/{key_id}/unlimit")
async def unlimit_key(request: Request, form: Posted, key_id: str) -> Response:
    """Remove one of its own limits, with all that was counted against it; never a wallet."""

    def unlimit(site: Site, row: KeyRow, form: Form) -> str:
        store, limit_id = site.store, form.text("limit_id")
        own = {each.id for each in owned(store.limits(), [("key", row.id)]) if not each.purpose}
        if limit_id not in own or not store.remove_limit(limit_id, actor=form.key.id):
            raise BadRequest("this key has no such limit any more; reload the page")
        return "unlimited"

    return await _changed(request, form, key_id, unlimit)


@router.post("/keys/{key_id}/plan")
async def plan_key(request: Request, form: Posted, key_id: str) -> Response:
    """Give it a plan in place of the one it had, or none."""

    def give(site: Site, row: KeyRow, form: Form) -> str:
        store, plan = site.store, form.text("plan")
        if not plan:
            store.unsubscribe("key", row.id, actor=form.key.id)
            return "unplanned"
        if plan not in {each.name for each in store.plans()}:
            raise BadRequest("that plan is gone; choose another one, or none")
        store.subscribe(SubscriptionRow("key", row.id, plan, site.now_us()), actor=form.key.id)
        return "planned"

    return await _changed(request, form, key_id, give)
