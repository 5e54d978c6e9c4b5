"""``/v1/keys``: an administrator's view of everybody's keys, and a manager's of its team's."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from tokenworks.api.access import Manager
from tokenworks.api.answer import (
    BOOLEAN,
    NUMBER,
    OBJECT,
    STRING,
    answers,
    holding,
    listing,
    maybe,
    micros,
    send,
)
from tokenworks.api.given import MAX_ID, LimitTexts, RulesBody, find_plan, find_team, printable, refusing
from tokenworks.api.key_card import WORKSPACE, Cards
from tokenworks.api.limit_card import WINDOWS, headline
from tokenworks.api.reach import changeable_key, find_key, only_admin, sees, visible_key, visible_team
from tokenworks.errors import BadRequest, StoreError
from tokenworks.ledger.limit_rows import SubscriptionRow
from tokenworks.ledger.rows import KeyRow
from tokenworks.ledger.store import Store
from tokenworks.plans import keys, rules
from tokenworks.plans.granting import MAX_AMOUNT_USD, Written, checked, counted, grant, own_limits, written
from tokenworks.plans.keys import Key
from tokenworks.plans.sound import rules_from

router = APIRouter(tags=["keys"])

PAGE = 100  # keys of one answer
MAX_OFFSET = 1_000_000
MAX_NAME = 100
MAX_HASH = MAX_ID
DAY_S = 86_400.0


find = find_key

KEY = holding(
    hash=STRING,
    label=STRING,
    name=STRING,
    disabled=BOOLEAN,
    created_at=STRING,
    updated_at=maybe(STRING),
    usage=NUMBER,
    limit=maybe(NUMBER),
    limit_remaining=maybe(NUMBER),
    limit_reset=maybe(STRING),
    role=STRING,
    team_id=maybe(STRING),
    rules=OBJECT,
    limits={"type": "array", "items": STRING},
    plan=maybe(STRING),
)
ANSWER = holding(data=KEY)
SHOWN_ONCE = holding(data=KEY, key=STRING)
Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
Hash = Annotated[str, Path(max_length=MAX_HASH, description="`hash` of a key, or its id (k_...)")]
Dollars = Annotated[float, Field(ge=0, le=MAX_AMOUNT_USD, allow_inf_nan=False)]


class Given(BaseModel):
    """What POST and PATCH have in common."""

    limit: Dollars | None = Field(None, description="dollars that it may spend; null: any")
    limit_reset: Literal["daily", "weekly", "monthly"] | None = Field(
        None, description="when `limit` begins anew, in UTC; null: never"
    )
    include_byok_in_limit: bool = Field(False, description="without effect")
    limits: LimitTexts | None = Field(
        None, description="limits as commands take them, such as `20/month` or `60rpm`; all that it has"
    )
    strict: bool | None = Field(None, description="budgets: never a cent over")
    timezone: str | None = Field(None, max_length=MAX_ID, description="of `limits` by the calendar [UTC]")
    rules: RulesBody | None = Field(
        None, description="what it may ask for; a rule that is null is taken away, one left out stays"
    )
    team_id: str | None = Field(None, max_length=MAX_ID, description="id or name of a team; null: none")
    role: Literal["member", "manager", "admin"] | None = Field(None, description="by admins only [member]")
    plan: str | None = Field(None, max_length=MAX_ID, description="name of its plan, by admins only")
    workspace_id: str | None = Field(None, max_length=MAX_HASH, description=WORKSPACE)

    takes_null_plan: ClassVar[bool] = False

    def allow(self, who: Key) -> None:
        """Raises Forbidden where a manager gives what only an admin may, BadRequest for another workspace."""
        _only_workspace(self.workspace_id)
        if self.role not in (None, "member"):
            only_admin(who, "make managers and admins")
        if self.plan or ("plan" in self.model_fields_set and self.takes_null_plan):
            only_admin(who, "give and take plans")

    def limits_wanted(self) -> list[Written]:
        """What ``limits`` says. Raises BadRequest."""
        with refusing():
            return [written(each) for each in self.limits or ()]


class NewKey(Given):
    """The body of POST."""

    name: Name
    expires_at: AwareDatetime | None = Field(None, description="in UTC and to come")
    creator_user_id: str | None = Field(None, max_length=MAX_HASH, description="null")
    external: dict[str, Any] | None = Field(None, description="null")

    def wanted(self) -> list[Written]:
        """All limits of the new key. Raises BadRequest."""
        if self.limit is None and self.limit_reset is not None:
            raise BadRequest("limit_reset tells when limit begins anew; send a limit too, or neither")
        found = self.limits_wanted()
        if self.limit is not None:
            found.append(Written("usd", counted("usd", self.limit), WINDOWS[self.limit_reset]))
        with refusing():
            checked("key", "new", found, self.timezone, self.strict)
        return found


class KeyChange(Given):
    """The body of PATCH: what is left out stays as it is."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "ci", "limit": 20, "limit_reset": "monthly"}]}
    )

    name: Name | None = None
    disabled: bool | None = Field(None, description="a disabled key is refused until it is enabled again")
    expires_at: AwareDatetime | None = Field(None, description="in UTC and to come; null: never")

    takes_null_plan = True

    def changes_limits(self) -> bool:
        """Whether it says anything of limits. Raises BadRequest for two things at once."""
        own = bool(self.model_fields_set & {"limit", "limit_reset"})
        if own and self.limits is not None:
            raise BadRequest("limits are all that the key has; send either limits or limit")
        return own or self.limits is not None or self.strict is not None

    def wanted(self, row: KeyRow) -> dict[str, Any]:
        """What the store is to change of ``row`` itself. Raises BadRequest for what can't be."""
        changes: dict[str, Any] = {}
        if self.name is not None:
            changes["name"] = printable(self.name)
        if self.disabled is not None:
            changes["disabled"] = self.disabled
        if self.role is not None:
            changes["role"] = self.role
        if "expires_at" in self.model_fields_set:
            changes["expires_us"] = _expiry(self.expires_at)
        if self.rules is not None:
            with refusing():
                changes["rules"] = rules.write(rules_from(self.rules, rules.read(row.rules)))
        return changes


class Rotation(BaseModel):
    """The body of POST /keys/{hash}/rotate."""

    overlap_s: float = Field(
        DAY_S,
        ge=0,
        le=keys.MAX_OVERLAP_S,
        allow_inf_nan=False,
        description="for how long the old secret is good besides [a day]; 0: not at all",
    )


@router.get(
    "/keys",
    summary="All keys",
    responses=answers("Keys, the oldest first", listing(KEY), 400, 401, 403, 503),
)
def list_keys(
    request: Request,
    who: Manager,
    offset: Annotated[int, Query(ge=0, le=MAX_OFFSET)] = 0,
    include_disabled: bool = False,
    workspace_id: Annotated[str | None, Query(max_length=MAX_HASH)] = None,
    team_id: Annotated[str | None, Query(max_length=MAX_ID, description="of this team only")] = None,
) -> Response:
    """A hundred at most, from ``offset`` on. Deleted keys are not shown; a manager sees those of its team."""
    _only_workspace(workspace_id)
    store: Store = request.app.state.store
    every = store.keys()
    rows = [
        row
        for row in every
        if row.revoked_us is None
        and (include_disabled or not row.disabled)
        and sees(who, row)
        and team_id in (None, row.team_id)
    ]
    return send({"data": Cards(store).of_many(rows[offset : offset + PAGE])})


@router.post(
    "/keys",
    status_code=201,
    summary="Make a key",
    responses=answers("The key, told this once", SHOWN_ONCE, 400, 401, 403, 404, 503, status=201),
)
def create_key(request: Request, who: Manager, body: NewKey) -> Response:
    """With its limits, rules and plan; a member's unless `role` says more. A manager's is of its own team."""
    body.allow(who)
    if body.creator_user_id is not None or body.external is not None:
        raise BadRequest("there are no users in this version; leave creator_user_id and external out")
    printable(body.name)
    expires_us, wanted = _expiry(body.expires_at), body.wanted()
    with refusing():
        text = rules.write(rules_from(body.rules or {}, rules.NO_RULES))
    state = request.app.state
    store: Store = state.store
    team_id = _team(store, who, body.team_id) if who.role == "admin" or body.team_id else who.team_id
    if body.plan:
        find_plan(store, body.plan)
    key_id, secret = keys.create(
        store,
        body.name,
        state.settings.pepper,
        body.role or "member",
        expires_us=expires_us,
        team_id=team_id,
        rules=text,
        actor=who.id,
    )
    with state.store.turn():
        if wanted:
            grant(store, "key", key_id, wanted, timezone=body.timezone, strict=body.strict, actor=who.id)
        if body.plan:
            _subscribe(store, key_id, body.plan, who)
    return send({"data": Cards(store).of(find_key(store, key_id)), "key": secret}, 201)


@router.get("/keys/{hash}", summary="One key", responses=answers("The key", ANSWER, 401, 403, 404, 503))
def get_key(request: Request, who: Manager, hash: Hash) -> Response:
    """With what it has spent."""
    store: Store = request.app.state.store
    return send({"data": Cards(store).of(visible_key(store, who, hash))})


@router.patch(
    "/keys/{hash}",
    summary="Change a key, its limits, its rules or its plan",
    responses=answers("The key as it is now", ANSWER, 400, 401, 403, 404, 503),
)
async def change_key(request: Request, who: Manager, hash: Hash, body: KeyChange) -> Response:
    """At once in this worker, within half a second in all others."""
    state = request.app.state
    data = await run_in_threadpool(_change, state.store, who, hash, body)
    _take_effect(state.keys)
    return send({"data": data})


@router.post(
    "/keys/{hash}/rotate",
    summary="Give a key another secret",
    responses=answers("The key with its new secret, told this once", SHOWN_ONCE, 400, 401, 403, 404, 503),
)
async def rotate_key(request: Request, who: Manager, hash: Hash, body: Rotation) -> Response:
    """The old secret is good for `overlap_s` more. Everything else stays as it is."""
    state = request.app.state

    def rotate() -> dict[str, Any]:
        store: Store = state.store
        row = changeable_key(store, who, hash, own=True)
        turned, secret = keys.rotate(store, row.id, state.settings.pepper, body.overlap_s, actor=who.id)
        return {"data": Cards(store).of(turned), "key": secret}

    answer = await run_in_threadpool(rotate)
    _take_effect(state.keys)
    return send(answer)


@router.delete(
    "/keys/{hash}",
    summary="Delete a key",
    responses=answers("It is gone", holding(deleted=BOOLEAN), 401, 403, 404, 503),
)
async def delete_key(request: Request, who: Manager, hash: Hash) -> Response:
    """For good: at once in this worker, within half a second in all others. What it used stays recorded."""
    state = request.app.state

    def delete() -> None:
        state.store.revoke_key(changeable_key(state.store, who, hash).id, actor=who.id)

    await run_in_threadpool(delete)
    _take_effect(state.keys)
    return send({"deleted": True})


def _change(store: Store, who: Key, name: str, body: KeyChange) -> dict[str, Any]:
    """All that ``body`` wants of the key; nothing where any of it can't be."""
    body.allow(who)
    with store.turn():
        row = changeable_key(store, who, name)
        changes = body.wanted(row)
        if "team_id" in body.model_fields_set:
            changes["team_id"] = _team(store, who, body.team_id)
        limited = body.changes_limits()
        planned = "plan" in body.model_fields_set
        if not (changes or limited or planned):
            raise BadRequest(
                "nothing to change; send name, disabled, expires_at, limit, limits, rules or plan"
            )
        if body.plan:
            find_plan(store, body.plan)
        if limited:
            _change_limits(store, row.id, body, who.id)
        if planned and body.plan:
            _subscribe(store, row.id, body.plan, who)
        elif planned:
            store.unsubscribe("key", row.id, actor=who.id)
        changed = store.update_key(row.id, **changes, actor=who.id) if changes else row
        return Cards(store).of(changed or find_key(store, row.id))


def _change_limits(store: Store, key_id: str, body: KeyChange, actor: str) -> None:
    if body.limits is not None:
        given = {"timezone": body.timezone, "strict": body.strict}
        with refusing():
            grant(store, "key", key_id, body.limits_wanted(), **given, replace=True, actor=actor)  # type: ignore[arg-type]
    elif body.model_fields_set & {"limit", "limit_reset"}:
        _change_headline(store, key_id, body, actor)
    else:
        for each in own_limits(store.limits(), "key", key_id):
            if each.unit == "usd":
                store.update_limit(each.id, strict=body.strict, actor=actor)


def _change_headline(store: Store, key_id: str, body: KeyChange, actor: str) -> None:
    """The one limit of which ``limit`` and ``limit_reset`` tell."""
    current = headline(own_limits(store.limits(), "key", key_id))
    fields = body.model_fields_set
    if "limit" in fields and body.limit is None:
        if body.limit_reset is not None:
            raise BadRequest("limit_reset tells when limit begins anew; send a limit too, or neither")
        if current is not None:
            store.remove_limit(current.id, actor=actor)
        return
    if body.limit is not None:
        amount = counted("usd", body.limit)
    elif current is not None:
        amount = current.amount
    elif body.limit_reset is None:
        return
    else:
        raise BadRequest("limit_reset tells when limit begins anew; send a limit too")
    kept = current.window if current is not None and "limit_reset" not in fields else None
    window = kept or WINDOWS[body.limit_reset]
    strict = body.strict if body.strict is not None or current is None else current.strict
    grant(store, "key", key_id, [Written("usd", amount, window)], timezone="UTC", strict=strict, actor=actor)
    if current is not None and current.window != window:
        store.remove_limit(current.id, actor=actor)


def _team(store: Store, who: Key, name: str | None) -> str:
    """The id of the team that is given, empty for none. Raises NotFound or Forbidden."""
    if not name:
        only_admin(who, "take a key out of its team")
        return ""
    return visible_team(who, find_team(store, name).id)


def _subscribe(store: Store, key_id: str, plan: str, who: Key) -> None:
    now_us = micros(datetime.now(UTC))
    store.subscribe(SubscriptionRow("key", key_id, plan, now_us), actor=who.id)


def _take_effect(book: keys.KeyBook) -> None:
    """Here and now, on the loop, which the key book belongs to."""
    with contextlib.suppress(StoreError):  # housekeeping tries again; the change itself is made
        book.reload_if_changed()


def _expiry(moment: datetime | None) -> int | None:
    if moment is None:
        return None
    if moment.utcoffset():
        raise BadRequest("expires_at must be in UTC, as in 2030-01-31T00:00:00Z")
    if moment <= datetime.now(UTC):
        raise BadRequest("expires_at has passed already; name a time to come")
    return micros(moment)


def _only_workspace(name: str | None) -> None:
    if name not in (None, WORKSPACE):
        raise BadRequest(f"there are no workspaces in this version but {WORKSPACE!r}; leave workspace_id out")
