"""``/v1/files``: what batches read and write. Official clients work unchanged."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from tokenworks.api.access import Caller
from tokenworks.api.answer import BOOLEAN, STRING, answers, errors, holding, listing, send
from tokenworks.api.file_card import FILE, attachment, card
from tokenworks.api.owned import page, reaches
from tokenworks.api.uploads import FORM, Upload, boundary_of
from tokenworks.errors import NotFound, StoreError
from tokenworks.ledger.batched import FileRow
from tokenworks.ledger.store import Store
from tokenworks.plans.keys import Key

router = APIRouter(tags=["files"])

MAX_LIMIT = 10_000
Id = Annotated[str, Path(max_length=100, description="id of a file (file-...)")]
LISTED = listing(FILE)
DELETED = holding(id=STRING, object=STRING, deleted=BOOLEAN)
CONTENT: dict[int | str, Any] = {
    "200": {
        "description": "What the file holds",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    },
    **errors(401, 404, 503),
}


@router.post(
    "/files",
    summary="Upload a file",
    responses=answers("The file", FILE, 400, 401, 413, 503),
    openapi_extra={"requestBody": FORM},
)
async def create_file(request: Request, key: Caller) -> Response:
    """JSONL with one request in each line (`batch`), or what a recipe is to read (`user_data`).

    Written to the store as it comes. Requests are kept for 30 days, other files until they are deleted,
    unless `expires_after` says otherwise.
    """
    upload = Upload(request.app.state.store, key.id, boundary_of(request.headers.get("content-type", "")))
    try:
        async for chunk in request.stream():
            await run_in_threadpool(upload.feed, chunk)
        row = await run_in_threadpool(upload.finish)
    except BaseException:
        await run_in_threadpool(upload.abandon)
        raise
    return send(card(row))


@router.get("/files", summary="Files", responses=answers("Files", LISTED, 400, 401, 503))
def list_files(
    request: Request,
    key: Caller,
    purpose: Annotated[str, Query(max_length=40)] = "",
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = MAX_LIMIT,
    after: Annotated[str, Query(max_length=100, description="the last id of the page before")] = "",
    order: Literal["asc", "desc"] = "desc",
) -> Response:
    """The latest first unless `order` is `asc`. A manager sees its team's, an admin those of all keys."""
    store: Store = request.app.state.store
    if order == "desc":
        rows, more = _page(store, key, purpose, after, limit)
    else:
        rows, more = _oldest(store, key, purpose, after, limit)
    now_us = time.time_ns() // 1000
    data = [card(row) for row in rows if not _expired(row, now_us)]
    edges = {"first_id": rows[0].id, "last_id": rows[-1].id} if rows else {"first_id": None, "last_id": None}
    return send({"object": "list", "data": data, "has_more": more, **edges})


@router.get("/files/{file_id}", summary="One file", responses=answers("The file", FILE, 401, 404, 503))
def get_file(file_id: Id, request: Request, key: Caller) -> Response:
    """Its size and name, not what it holds."""
    return send(card(find_file(request.app.state.store, key, file_id)))


@router.get(
    "/files/{file_id}/content", summary="What a file holds", responses=CONTENT, response_class=Response
)
def get_content(file_id: Id, request: Request, key: Caller) -> Response:
    """As it was uploaded, or as a batch has written it: a line for each request."""
    store: Store = request.app.state.store
    row = find_file(store, key, file_id)
    headers = {
        "content-disposition": attachment(row.name),
        "x-content-type-options": "nosniff",  # whatever it holds, no browser may take it for a page
    }
    return StreamingResponse(_chunks(store, row), 200, headers, media_type="application/octet-stream")


@router.delete(
    "/files/{file_id}", summary="Delete a file", responses=answers("It is gone", DELETED, 401, 404, 503)
)
def delete_file(file_id: Id, request: Request, key: Caller) -> Response:
    """A batch whose requests were read already goes on without it."""
    store: Store = request.app.state.store
    row = find_file(store, key, file_id)
    if not store.remove_file(row.id, key.id):
        raise _unknown()
    return send({"id": row.id, "object": "file", "deleted": True})


def find_file(store: Store, who: Key, file_id: str) -> FileRow:
    """The file with this id that ``who`` may see. Raises NotFound."""
    row = store.file(file_id)
    now_us = time.time_ns() // 1000
    if row is None or not row.done or _expired(row, now_us) or not reaches(store, who, row.key_id):
        raise _unknown()
    return row


def _expired(row: FileRow, now_us: int) -> bool:
    return row.expires_us is not None and row.expires_us <= now_us


def _page(store: Store, who: Key, purpose: str, after: str, limit: int) -> tuple[list[FileRow], bool]:
    return page(store, who, lambda key_id, at, size: store.files(key_id, purpose, at, size), after, limit)


def _oldest(store: Store, who: Key, purpose: str, after: str, limit: int) -> tuple[list[FileRow], bool]:
    """The same, the oldest first: the store reads the other way, so all are looked at."""
    rows: list[FileRow] = []
    more, last = True, ""
    while more:
        found, more = _page(store, who, purpose, last, MAX_LIMIT)
        rows += found
        last = found[-1].id if found else ""
    rows.reverse()
    start = next((at for at, row in enumerate(rows, 1) if row.id == after), len(rows)) if after else 0
    return rows[start : start + limit], start + limit < len(rows)


def _chunks(store: Store, row: FileRow) -> Iterator[bytes]:
    size = 0
    for chunk in store.read_file(row.id):
        size += len(chunk)
        yield chunk
    if size != row.bytes:  # removed meanwhile: cut the answer, or half of it would look like all
        raise StoreError(f"{row.id} ends after {size} of {row.bytes} bytes")


def _unknown() -> NotFound:
    return NotFound("no file of this key has that id; GET /v1/files lists them")
