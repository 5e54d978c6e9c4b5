"""``/console/sign-in``: an administrator shows a key and gets a session for it."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool

from tokenworks.console.access import Posted, anybody
from tokenworks.console.form import MAX_OPEN, same_origin, urlencoded
from tokenworks.console.page import page
from tokenworks.console.session import COOKIE, MAX_AGE_S
from tokenworks.console.site import site_of
from tokenworks.console.way import HOME, SIGN_IN, inside, see, wants_secure
from tokenworks.plans.keys import Key

router = APIRouter()


def path_to(after: str) -> str:
    """The sign-in page that leads on to ``after``."""
    return SIGN_IN if after == HOME else f"{SIGN_IN}?next={quote(after, safe='/')}"


@router.get("/sign-in")
async def show(request: Request, key: Annotated[Key | None, Depends(anybody)], next: str = HOME) -> Response:
    """The form; who is signed in already goes on."""
    after = inside(next)
    return see(after) if key is not None else await _form(request, after)


@router.post("/sign-in")
async def enter(request: Request, _: Annotated[Key | None, Depends(anybody)]) -> Response:
    """Check the key and start a session."""
    same_origin(request)
    site = site_of(request)
    form = await urlencoded(request, MAX_OPEN)
    after = inside(form.text("next", limit=4000))
    address = request.client.host if request.client is not None else ""
    wait_s = site.failures.wait_s(address)
    if wait_s > 0:
        answer = await _form(request, after, "shell.sign_in_wait", status=429, seconds=max(1, round(wait_s)))
        answer.headers["retry-after"] = str(max(1, round(wait_s)))
        return answer
    key = site.keys.check(form.text("key").encode("utf-8", "replace"))
    if key is None or site.keys.named(key.id) is not key:  # or it has a newer secret than this
        site.failures.note(address)
        return await _form(request, after, "shell.sign_in_wrong", status=403)
    if key.role != "admin":
        return await _form(request, after, "shell.sign_in_member", status=403, role=key.role)
    value, _session = site.signer.new(key)
    answer = see(after)
    answer.set_cookie(
        COOKIE,
        value,
        max_age=MAX_AGE_S,
        path="/console",
        secure=wants_secure(request),
        httponly=True,
        samesite="strict",
    )
    return answer


@router.post("/sign-out")
async def leave(request: Request, _: Posted) -> Response:
    """End the session in this browser."""
    answer = see(SIGN_IN)
    answer.delete_cookie(
        COOKIE, path="/console", secure=wants_secure(request), httponly=True, samesite="strict"
    )
    return answer


async def _form(
    request: Request, after: str, problem: str = "", *, status: int = 200, **values: object
) -> Response:
    return await run_in_threadpool(
        page,
        request,
        "sign_in.html",
        title="shell.sign_in_title",
        status=status,
        after=after,
        again=f"{SIGN_IN}?next={quote(after, safe='/')}&again=1",
        problem=problem,
        values=values,
    )
