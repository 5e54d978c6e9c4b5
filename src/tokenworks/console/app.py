"""The console as an application of its own under ``/console``: its pages, errors and headers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.routing import Mount, Route

from tokenworks.console import (
    activity,
    batch,
    batches,
    energy,
    home,
    key,
    keys,
    language,
    live,
    models,
    plans,
    rankings,
    routing,
    sign_in,
    static_files,
)
from tokenworks.console.access import SignInNeeded, anybody
from tokenworks.console.page import page
from tokenworks.console.site import Site
from tokenworks.console.way import HOME, see
from tokenworks.errors import TokenworksError

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


# Fixed paths come before those that a name may stand in.
PARTS = (
    *(home, live, sign_in, language, static_files),
    *(rankings, activity, models, keys, key, plans, routing, batches, batch, energy),
)


class Sealed:
    """Puts the headers of the console on every answer of ``app``."""

    def __init__(self, app: Callable[[Message, Receive, Send], Awaitable[None]]) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message.setdefault("headers", []))
                headers.update(HEADERS)
                headers.setdefault("cache-control", "no-store")
                message["headers"] = headers.raw
            await send(message)

        await self.app(scope, receive, sealed)


def install(app: FastAPI, site: Site) -> None:
    """Add the console to ``app``: everything under ``/console``."""
    console = build(site)
    app.router.routes.append(Route("/console", Sealed(see(HOME))))
    app.router.routes.append(Mount("/console", Sealed(console)))


def build(site: Site) -> FastAPI:
    """The console alone. Its paths are those under ``/console``."""
    console = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    console.state.site = site
    for part in PARTS:
        console.include_router(part.router)
    console.add_exception_handler(SignInNeeded, _sign_in)
    console.add_exception_handler(TokenworksError, _ours)
    console.add_exception_handler(HTTPException, _http)
    console.add_exception_handler(RequestValidationError, _invalid)
    console.add_exception_handler(Exception, _broken)
    return console


async def _sign_in(request: Request, error: Exception) -> Response:
    assert isinstance(error, SignInNeeded)
    if request.headers.get("hx-request") == "true":  # only a part of the page would be replaced
        return Response(status_code=401, headers={"hx-redirect": sign_in.path_to(error.path)})
    if request.headers.get("accept") == "text/event-stream":
        return Response(status_code=401)
    return see(sign_in.path_to(error.path))


async def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, TokenworksError)
    answer = await _error_page(request, error.status, error.message)
    if error.retry_after_s is not None:
        answer.headers["retry-after"] = str(max(1, round(error.retry_after_s)))
    return answer


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    answer = await _error_page(
        request, error.status_code, "" if error.status_code in (404, 405) else error.detail
    )
    answer.headers.update(error.headers or {})
    return answer


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:])
    return await _error_page(request, 400, f"{where}: {first['msg']}")


async def _broken(request: Request, _: Exception) -> Response:
    """The error itself is logged by the server, which it reaches after this."""
    return await _error_page(request, 500, "")


async def _error_page(request: Request, status: int, message: str) -> Response:
    await anybody(request)  # the page's head shows who is signed in
    return await run_in_threadpool(
        page,
        request,
        "error.html",
        title="shell.error_title",
        status=status,
        code=status,
        message=message,
    )
