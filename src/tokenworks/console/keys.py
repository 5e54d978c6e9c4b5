"""``/console/keys``: every key, and the form that makes one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from tokenworks.console.access import Posted, SignedIn
from tokenworks.console.form import Form
from tokenworks.console.key_lines import COLUMNS, LIVING, STATES, KeyLines
from tokenworks.console.ordering import Sheet, ordered
from tokenworks.console.page import page
from tokenworks.console.site import Site, site_of
from tokenworks.errors import BadRequest, StoreError
from tokenworks.ledger.limit_rows import SubscriptionRow
from tokenworks.ledger.store import Store
from tokenworks.plans import keys as making
from tokenworks.plans.granting import Written, checked, grant, written

router = APIRouter()

PAGE = 50  # keys of one page
MAX_NAME = 100
WINDOWS = ("day", "week", "month", "lifetime")  # of the limit that a new key may get
MAX_PAGE = 100_000

Search = Annotated[str, Query(max_length=200)]


class NewKey(msgspec.Struct, frozen=True):
    """What the form of a new key says, looked at."""

    name: str
    role: str
    team_id: str
    plan: str
    limits: list[Written]
    strict: bool
    expires_us: int | None


@router.get("/keys")
def keys_page(
    request: Request,
    _: SignedIn,
    q: Search = "",
    state: Annotated[str, Query(max_length=20)] = "",
    sort: Annotated[str, Query(max_length=20)] = "",
    number: Annotated[int, Query(alias="page", ge=1, le=MAX_PAGE)] = 1,
) -> Response:
    """Fifty keys, sorted and searched by the server; revoked ones only where they are asked for."""
    site = site_of(request)
    every = KeyLines(site.store, site.now_us())
    state = state if state in STATES else ""
    sort, lines = ordered(every.found(q, (state,) if state else LIVING), COLUMNS, sort, "-created")
    sheet = Sheet(len(lines), number, PAGE)
    shown = lines[sheet.span]
    every.measure(shown)
    return page(
        request,
        "keys.html",
        title="keys.title",
        lines=shown,
        sheet=sheet,
        q=q,
        state=state,
        states=STATES,
        sort=sort,
    )


@router.get("/new-key")
def new_key_page(request: Request, _: SignedIn) -> Response:
    """The empty form."""
    return new_key_form(request, site_of(request).store)


def new_key_form(request: Request, store: Store, error: str = "", given: Form | None = None) -> Response:
    """The form, with what was ``given`` before and what is wrong with it."""
    given = given or Form({})
    return page(
        request,
        "key_new.html",
        title="keys.new_title",
        at="keys",
        status=400 if error else 200,
        error=error,
        given={name: given.text(name) for name in ("name", "role", "team", "plan", "limit", "window")}
        | {"expires": given.text("expires"), "strict": given.flag("strict")},
        roles=making.ROLES,
        windows=WINDOWS,
        teams=store.teams(),
        plans=store.plans(),
    )


@router.post("/keys")
async def create_key(request: Request, form: Posted) -> Response:
    """Makes a key and shows its secret on this answer alone."""
    site = site_of(request)
    now_us = site.now_us()

    def make() -> Response | tuple[str, str, str]:
        store = site.store
        try:
            wanted = read_new(form, store, now_us)
        except (ValueError, BadRequest) as error:
            return new_key_form(request, store, str(error), form)
        key_id, secret = making.create(
            store,
            wanted.name,
            site.settings.pepper,
            wanted.role,
            expires_us=wanted.expires_us,
            team_id=wanted.team_id,
            actor=form.key.id,
        )
        with store.turn():
            if wanted.limits:
                grant(store, "key", key_id, wanted.limits, strict=wanted.strict, actor=form.key.id)
            if wanted.plan:
                store.subscribe(SubscriptionRow("key", key_id, wanted.plan, now_us), actor=form.key.id)
        return key_id, wanted.name, secret

    made = await run_in_threadpool(make)
    take_effect(site)
    return await run_in_threadpool(shown_once, request, *made) if isinstance(made, tuple) else made


def read_new(form: Form, store: Store, now_us: int) -> NewKey:
    """What the form says. Raises ``ValueError`` or ``BadRequest`` with one line."""
    role = form.text("role") or "member"
    if role not in making.ROLES:
        raise BadRequest(f"role: use one of {', '.join(making.ROLES)}")
    team_id, plan = form.text("team"), form.text("plan")
    if team_id and team_id not in {each.id for each in store.teams()}:
        raise BadRequest("that team is gone; choose another one, or none")
    if role == "manager" and not team_id:
        raise BadRequest("a manager manages a team; choose its team")
    if plan and plan not in {each.name for each in store.plans()}:
        raise BadRequest("that plan is gone; choose another one, or none")
    limits = []
    if amount := form.text("limit"):
        window = form.text("window") or "month"
        if "/" in amount or window not in WINDOWS:
            raise BadRequest("limit: write dollars alone, as in 20 or 0.50, and choose how often they renew")
        limits = [written(f"${amount.lstrip('$ ')}/{window}")]
    strict = form.flag("strict")
    checked("key", "new", limits, None, strict)
    return NewKey(
        named(form.text("name")), role, team_id, plan, limits, strict, expiry(form.text("expires"), now_us)
    )


def named(name: str) -> str:
    """``name`` if a key can have it. Raises ``BadRequest``."""
    if not name or not name.isprintable() or len(name) > MAX_NAME:
        raise BadRequest(f"a name has 1 to {MAX_NAME} printable characters")
    return name


def expiry(text: str, now_us: int) -> int | None:
    """The end of a day in UTC, unix µs; None for an empty text. Raises ``BadRequest``."""
    if not text:
        return None
    try:
        end = datetime.combine(date.fromisoformat(text), time(23, 59, 59), UTC)
    except ValueError:
        raise BadRequest(
            "expires: give a day such as 2030-01-31; the key is good until its end in UTC"
        ) from None
    end_us = int(end.timestamp()) * 1_000_000
    if end_us <= now_us:
        raise BadRequest("expires: that day is over; name one to come, or leave it empty")
    return end_us


def shown_once(request: Request, key_id: str, name: str, secret: str, **more: Any) -> Response:
    """The page that tells a secret. Nothing keeps it: neither we nor, if it obeys, the browser."""
    answer = page(
        request,
        "key_secret.html",
        title="keys.secret_title",
        at="keys",
        key_id=key_id,
        name=name,
        secret=secret,
        **{"old_until_us": None, "own": False, **more},
    )
    answer.headers["cache-control"] = "no-store"
    return answer


def take_effect(site: Site) -> None:
    """Keys that were changed are so in this worker at once. On the loop, which the key book belongs to."""
    with contextlib.suppress(StoreError):  # housekeeping tries again; the change itself is made
        site.keys.reload_if_changed()


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """``ValueError`` of what was given is a BadRequest with the same line."""
    try:
        yield
    except ValueError as error:
        raise BadRequest(str(error)) from None
