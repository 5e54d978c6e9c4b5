"""``/console/plans``: plans and who has them, teams, what is done about unfair use, stopped sessions."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from fastapi import APIRouter, Request, Response

from tokenworks.console.access import Posted, SignedIn
from tokenworks.console.form import Form
from tokenworks.console.page import page
from tokenworks.console.plan_cards import action_lines, plan_cards, stop_lines, team_cards
from tokenworks.console.site import Site, site_of
from tokenworks.console.way import see
from tokenworks.errors import BadRequest
from tokenworks.ledger.limit_rows import SubscriptionRow
from tokenworks.ledger.rows import KeyRow
from tokenworks.ledger.store import Store

router = APIRouter()

SUGGESTED = 500  # keys and teams that the form of a plan suggests
SCOPES = ("key", "team")


@router.get("/plans")
def plans_page(request: Request, _: SignedIn) -> Response:
    """All of it on one page."""
    return _page(request, site_of(request))


def _page(request: Request, site: Site, error: str = "", given: Form | None = None) -> Response:
    store, now_us = site.store, site.now_us()
    given = given or Form({})
    every = store.keys()
    return page(
        request,
        "plans.html",
        title="plans.title",
        status=400 if error else 200,
        at="keys",
        error=error,
        plans=plan_cards(store, every, now_us),
        teams=team_cards(store, every, now_us),
        actions=action_lines(store, every, now_us),
        stops=stop_lines(store, every),
        keys=[(row.id, row.name) for row in living(every)[:SUGGESTED]],
        scopes=SCOPES,
        given={name: given.text(name) for name in ("plan", "scope", "subject")},
    )


Change = Callable[[Site, Form], str]


def _changed(request: Request, form: Form, change: Change) -> Response:
    """Make a change and go back to the page with the notice that it names; what can't be is told there."""
    site = site_of(request)
    try:
        notice = change(site, form)
    except BadRequest as error:
        return _page(request, site, str(error), form)
    return see(f"/console/plans?notice=plans.notice_{notice}")


@router.post("/plans/assign")
def assign_plan(request: Request, form: Posted) -> Response:
    """Give a key or team a plan, in place of the one it had."""
    return _changed(request, form, _assign)


def _assign(site: Site, form: Form) -> str:
    store, plan = site.store, form.text("plan")
    if plan not in {each.name for each in store.plans()}:
        raise BadRequest("that plan is gone; choose another one")
    scope = form.text("scope")
    subject = subject_of(store, scope, form.text("subject"))
    store.subscribe(SubscriptionRow(scope, subject, plan, site.now_us()), actor=form.key.id)
    return "assigned"


@router.post("/plans/unassign")
def unassign_plan(request: Request, form: Posted) -> Response:
    """Take its plan away from a key or team."""
    return _changed(request, form, _unassign)


def _unassign(site: Site, form: Form) -> str:
    if not site.store.unsubscribe(form.text("scope"), form.text("subject"), actor=form.key.id):
        raise BadRequest("it has no plan any more; reload the page")
    return "unassigned"


@router.post("/plans/lift")
def lift_action(request: Request, form: Posted) -> Response:
    """Take back what is done about a key, within half a second."""
    return _changed(request, form, _lift)


def _lift(site: Site, form: Form) -> str:
    if not site.store.lift_action(form.text("key_id"), actor=form.key.id):
        raise BadRequest("nothing is done about that key any more; reload the page")
    return "lifted"


@router.post("/plans/resume")
def resume_session(request: Request, form: Posted) -> Response:
    """Let a stopped session go on."""
    return _changed(request, form, _resume)


def _resume(site: Site, form: Form) -> str:
    # Not ``form.text``: a session is called as its client calls it, blanks at its ends too.
    session = next(iter(form.all("session")), "")
    if not site.store.resume_session(session, form.text("key_id"), actor=form.key.id):
        raise BadRequest("that session is not stopped any more; reload the page")
    return "resumed"


def living(keys: Iterable[KeyRow]) -> list[KeyRow]:
    """Those that were not revoked."""
    return [row for row in keys if row.revoked_us is None]


def subject_of(store: Store, scope: str, name: str) -> str:
    """The id of a key or team, by its id or by a name that it alone has. Raises ``BadRequest``."""
    if scope not in SCOPES:
        raise BadRequest(f"for: choose one of {', '.join(SCOPES)}")
    if scope == "team":
        teams = [each.id for each in store.teams() if name in (each.id, each.name)]
        if not teams:
            raise BadRequest("no team has that id or name; tokenworks team list shows them")
        return teams[0]
    rows = living(store.keys())
    found = [row.id for row in rows if row.id == name] or [row.id for row in rows if row.name == name]
    if len(found) != 1:
        what = f"{len(found)} keys have that name; give the id" if found else "no key has that id or name"
        raise BadRequest(f"{what}; the page of keys lists them")
    return found[0]
