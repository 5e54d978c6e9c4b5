"""``/console/batches/ID``: one batch: how far it is, its parts, its files, and what can be done to it."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from tokenworks.batches.control import ACTIONS, act
from tokenworks.batches.kept import kept
from tokenworks.console.access import Posted, SignedIn
from tokenworks.console.batch_lines import Detail, detail, files
from tokenworks.console.page import page
from tokenworks.console.site import site_of
from tokenworks.console.way import inside, see
from tokenworks.errors import BadRequest, NotFound
from tokenworks.ledger.batched import DONE, FAILED, REQUESTS, WAITING

router = APIRouter()

ALL = "all"
SHOWN = (FAILED, WAITING, DONE, ALL)
MAX_SEQ = 2**31 - 1


@router.get("/batches/{batch_id}")
def show(
    request: Request,
    batch_id: str,
    _: SignedIn,
    status: Annotated[str, Query(max_length=20)] = "",
    after: Annotated[int, Query(ge=-1, le=MAX_SEQ)] = -1,
) -> Response:
    """What failed comes first, where anything did."""
    site = site_of(request)
    found: Detail | None = None
    if status not in SHOWN:
        status, found = FAILED, detail(site.store, batch_id, site.now_us(), FAILED)
        if found is not None and not found.parts:
            status, found = ALL, None
    if found is None:
        found = detail(site.store, batch_id, site.now_us(), "" if status == ALL else status, after)
    if found is None:
        raise _none()
    return page(
        request,
        "batch.html",
        title="batches.one_title",
        one=found.line,
        row=found.line.row,
        of=found,
        chosen=status,
        statuses=SHOWN,
        after=after,
    )


@router.post("/batches/{batch_id}/act")
def change(request: Request, batch_id: str, form: Posted) -> Response:
    """Pause, resume, cancel or retry; then back to where the button was."""
    action = form.text("action")
    if action not in ACTIONS:
        raise BadRequest(f"a batch takes {', '.join(ACTIONS)}")
    row = act(site_of(request).store, batch_id, action, actor=form.key.id)
    there = inside(form.text("back") or f"/console/batches/{row.id}").partition("?")[0]
    return see(f"{there}?notice=batches.notice_{action}")


@router.get("/batches/{batch_id}/files/{file_id}")
def download(request: Request, batch_id: str, file_id: str, _: SignedIn) -> Response:
    """A file that it has made, as a file to keep whatever it is; read from the store bit by bit."""
    store = site_of(request).store
    row = store.batch(batch_id)
    if row is None:
        raise _none()
    of = None if row.kind == REQUESTS else kept(store, batch_id)
    made = next((each for each in files(row, of) if each.file_id == file_id), None)
    file = store.file(file_id) if made is not None else None
    if made is None or file is None or not file.done:
        raise NotFound("this file is not kept any more; retry the batch, or run it again")
    headers = {
        "content-disposition": attachment(made.name.rpartition("/")[2]),
        "content-length": str(file.bytes),
    }
    return StreamingResponse(store.read_file(file_id), media_type="application/octet-stream", headers=headers)


def attachment(name: str) -> str:
    """A content-disposition with which no browser shows a file, whatever it is called."""
    plain = "".join(char if char.isascii() and (char.isalnum() or char in "-_. ") else "_" for char in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def _none() -> NotFound:
    return NotFound("there is no such batch; /console/batches shows those that are kept")
