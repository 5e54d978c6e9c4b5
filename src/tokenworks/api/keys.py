"""``/v1/keys``: an administrator's view of everybody's keys."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import AwareDatetime, BaseModel, Field

from tokenworks.api.access import Admin
from tokenworks.api.answer import BOOLEAN, NUMBER, STRING, answers, holding, iso, listing, maybe, micros, send
from tokenworks.api.spending import Spent, spans, spending
from tokenworks.errors import BadRequest, NotFound, StoreError
from tokenworks.ledger.rows import KeyRow
from tokenworks.ledger.store import Store
from tokenworks.plans import keys

router = APIRouter(tags=["keys"])

PAGE = 100  # keys of one answer
MAX_OFFSET = 1_000_000
MAX_NAME = 100
MAX_HASH = 128
WORKSPACE = "default"  # the only one

KEY = holding(
    hash=STRING,
    label=STRING,
    name=STRING,
    disabled=BOOLEAN,
    created_at=STRING,
    updated_at=maybe(STRING),
    usage=NUMBER,
    limit=maybe(NUMBER),
)
Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
Hash = Annotated[str, Path(max_length=MAX_HASH, description="`hash` of a key, or its id (k_...)")]


class Limits(BaseModel):
    """What can't be set in this version, and is refused rather than ignored."""

    limit: float | None = Field(None, description="null: there are no spending limits in this version")
    limit_reset: str | None = Field(None, max_length=20, description="null")
    include_byok_in_limit: bool = Field(False, description="without effect")

    def refuse(self) -> None:
        """Raises BadRequest where a limit is asked for: nobody may rely on one that nothing keeps."""
        if self.limit is not None or self.limit_reset is not None:
            raise BadRequest(
                "spending limits are not enforced in this version; leave limit and limit_reset out"
            )


class NewKey(Limits):
    """The body of POST."""

    name: Name
    expires_at: AwareDatetime | None = Field(None, description="in UTC and to come")
    creator_user_id: str | None = Field(None, max_length=MAX_HASH, description="null")
    external: dict[str, Any] | None = Field(None, description="null")
    workspace_id: str | None = Field(None, max_length=MAX_HASH, description=WORKSPACE)


class KeyChange(Limits):
    """The body of PATCH: what is left out stays as it is."""

    name: Name | None = None
    disabled: bool | None = Field(None, description="a disabled key is refused until it is enabled again")
    expires_at: AwareDatetime | None = Field(None, description="in UTC and to come; null: never")
    workspace_id: str | None = Field(None, max_length=MAX_HASH, description=WORKSPACE)

    def wanted(self) -> dict[str, Any]:
        """What the store is to change. Raises BadRequest for nothing, or for what can't be."""
        self.refuse()
        _only_workspace(self.workspace_id)
        changes: dict[str, Any] = {}
        if self.name is not None:
            _printable(self.name)
            changes["name"] = self.name
        if self.disabled is not None:
            changes["disabled"] = self.disabled
        if "expires_at" in self.model_fields_set:
            changes["expires_us"] = _expiry(self.expires_at)
        if not changes:
            raise BadRequest("nothing to change; send name, disabled or expires_at")
        return changes


@router.get(
    "/keys",
    summary="All keys",
    responses=answers("Keys, the oldest first", listing(KEY), 400, 401, 403, 503),
)
def list_keys(
    request: Request,
    _: Admin,
    offset: Annotated[int, Query(ge=0, le=MAX_OFFSET)] = 0,
    include_disabled: bool = False,
    workspace_id: Annotated[str | None, Query(max_length=MAX_HASH)] = None,
) -> Response:
    """A hundred at most, from ``offset`` on. Deleted keys are not shown."""
    _only_workspace(workspace_id)
    store: Store = request.app.state.store
    every = store.keys()
    rows = [row for row in every if row.revoked_us is None and (include_disabled or not row.disabled)]
    shown = rows[offset : offset + PAGE]
    now = datetime.now(UTC)
    sums = {since_us: _by_key(store, since_us) for since_us in spans(now).values()} if shown else {}
    return send({"data": [describe(row, spending(_of_key(sums, row.id), now)) for row in shown]})


@router.post(
    "/keys",
    status_code=201,
    summary="Make a key",
    responses=answers(
        "The key, told this once", holding(data=KEY, key=STRING), 400, 401, 403, 503, status=201
    ),
)
def create_key(request: Request, _: Admin, body: NewKey) -> Response:
    """For one who calls models. Keys of administrators are made by `tokenworks key create --admin`."""
    body.refuse()
    _only_workspace(body.workspace_id)
    if body.creator_user_id is not None or body.external is not None:
        raise BadRequest("there are no users in this version; leave creator_user_id and external out")
    _printable(body.name)
    expires_us = _expiry(body.expires_at)
    state = request.app.state
    store: Store = state.store
    key_id, secret = keys.create(store, body.name, state.settings.pepper, expires_us=expires_us)
    return send({"data": _described(store, find(store, key_id)), "key": secret}, 201)


@router.get(
    "/keys/{hash}",
    summary="One key",
    responses=answers("The key", holding(data=KEY), 401, 403, 404, 503),
)
def get_key(request: Request, _: Admin, hash: Hash) -> Response:
    """With what it has spent."""
    store: Store = request.app.state.store
    return send({"data": _described(store, find(store, hash))})


@router.patch(
    "/keys/{hash}",
    summary="Rename, disable, enable or date a key",
    responses=answers("The key as it is now", holding(data=KEY), 400, 401, 403, 404, 503),
)
async def change_key(request: Request, _: Admin, hash: Hash, body: KeyChange) -> Response:
    """At once in this worker, within half a second in all others."""
    state = request.app.state
    changes = body.wanted()

    def change() -> dict[str, Any]:
        row = find(state.store, hash)
        changed = state.store.update_key(row.id, **changes)
        return _described(state.store, changed or find(state.store, hash))

    data = await run_in_threadpool(change)
    _take_effect(state.keys)
    return send({"data": data})


@router.delete(
    "/keys/{hash}",
    summary="Delete a key",
    responses=answers("It is gone", holding(deleted=BOOLEAN), 401, 403, 404, 503),
)
async def delete_key(request: Request, _: Admin, hash: Hash) -> Response:
    """For good: at once in this worker, within half a second in all others. What it used stays recorded."""
    state = request.app.state

    def delete() -> None:
        state.store.revoke_key(find(state.store, hash).id)

    await run_in_threadpool(delete)
    _take_effect(state.keys)
    return send({"deleted": True})


def describe(row: KeyRow, spent: dict[str, float]) -> dict[str, Any]:
    """``row`` as administrators see it; ``spent`` is its ``spending``."""
    return {
        "hash": row.hash,
        "id": row.id,
        "label": row.hint,
        "name": row.name,
        "role": row.role,
        "disabled": row.disabled,
        "created_at": iso(row.created_us),
        "updated_at": iso(row.updated_us or None),
        "expires_at": iso(row.expires_us),
        "last_used_at": None,
        **spent,
        "limit": None,
        "limit_remaining": None,
        "limit_reset": None,
        "include_byok_in_limit": False,
        "creator_user_id": None,
        "external_user": None,
        "workspace_id": WORKSPACE,
    }


def find(store: Store, name: str) -> KeyRow:
    """The key with this hash or id, unless it was deleted. Raises NotFound."""
    row = store.key_by_hash(name) or store.key(name)
    if row is None or row.revoked_us is not None:
        raise NotFound("no key has that hash; GET /v1/keys lists them")
    return row


def _take_effect(book: keys.KeyBook) -> None:
    """Here and now, on the loop, which the key book belongs to."""
    with contextlib.suppress(StoreError):  # housekeeping tries again; the change itself is made
        book.reload_if_changed()


def _described(store: Store, row: KeyRow) -> dict[str, Any]:
    return describe(row, spending(lambda since_us: store.key_usage(row.id, since_us).cost_nano_usd))


def _by_key(store: Store, since_us: int | None) -> dict[str, int]:
    return {row.group: row.cost_nano_usd for row in store.usage("key", since_us)}


def _of_key(sums: dict[int | None, dict[str, int]], key_id: str) -> Spent:
    return lambda since_us: sums[since_us].get(key_id, 0)


def _expiry(moment: datetime | None) -> int | None:
    if moment is None:
        return None
    if moment.utcoffset():
        raise BadRequest("expires_at must be in UTC, as in 2030-01-31T00:00:00Z")
    if moment <= datetime.now(UTC):
        raise BadRequest("expires_at has passed already; name a time to come")
    return micros(moment)


def _printable(name: str) -> None:
    if not name.isprintable() or not name.strip():
        raise BadRequest("name must be something that can be printed on one line")


def _only_workspace(name: str | None) -> None:
    if name not in (None, WORKSPACE):
        raise BadRequest(f"there are no workspaces in this version but {WORKSPACE!r}; leave workspace_id out")
