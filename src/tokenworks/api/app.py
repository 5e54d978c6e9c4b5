"""The FastAPI application: everything that is not one of the hot POST paths."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException
from starlette.routing import Route

from tokenworks import __version__
from tokenworks.api import (
    account,
    activity,
    audit,
    batches,
    budgets,
    docs,
    endpoints,
    fair_use,
    feedback,
    files,
    generation,
    hot_paths,
    models,
    plans,
    providers,
    queued,
    rankings,
    recipes,
    responses,
    root,
    sessions,
    teams,
)
from tokenworks.api import health as watching
from tokenworks.api import keys as administration
from tokenworks.api.answer import errors
from tokenworks.api.entry import PREFIXES
from tokenworks.catalog.load import Catalog
from tokenworks.config.settings import Settings
from tokenworks.errors import TokenworksError, openai_body, render
from tokenworks.gateway.states import States
from tokenworks.ledger.store import Store
from tokenworks.plans.keys import KeyBook
from tokenworks.routing.health import Health

MAX_SHOWN = 200  # characters of a path that an error repeats
# A model's endpoints come before models: a model's name may be a path, so theirs would match both.
FAMILIES = (
    *(endpoints, models, providers, generation, feedback, account, activity, responses, queued),
    *(administration, budgets, plans, teams, sessions, fair_use, audit, rankings),
    *(files, batches, recipes),
)
ROUTERS: tuple[tuple[str, APIRouter], ...] = (
    ("", root.router),
    ("", watching.router),
    *((f"{prefix}/v1", family.router) for prefix in PREFIXES for family in FAMILIES),
)


def build(
    settings: Settings,
    catalog: Catalog,
    store: Store,
    keys: KeyBook,
    *,
    health: Health | None = None,
    states: States | None = None,
) -> FastAPI:
    """The application, its parts reachable by the routes through ``request.app.state``.

    Without ``health`` nothing is told of how endpoints have fared.
    """
    app = FastAPI(
        title="Tokenworks",
        version=__version__,
        description="One API in front of every large language model a team can reach.",
        openapi_url="/openapi.json",
        docs_url=None,  # FastAPI's pages fetch scripts from elsewhere
        redoc_url=None,
    )
    app.state.settings = settings
    app.state.catalog = catalog
    app.state.store = store
    app.state.keys = keys
    app.state.health = health
    app.state.states = states
    for prefix, router in ROUTERS:
        app.include_router(router, prefix=prefix, include_in_schema=not prefix.startswith("/api"))
    app.add_api_route("/docs", lambda: HTMLResponse(docs.page(_openapi(app))), include_in_schema=False)
    app.add_exception_handler(TokenworksError, _ours)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    """FastAPI's own description plus the hot paths, which it never sees."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        for path in schema["paths"].values():
            for operation in path.values():
                if operation["responses"].pop("422", None):  # malformed is 400 here
                    operation["responses"].setdefault("400", errors(400)["400"])
        components = schema.setdefault("components", {})
        for unused in ("HTTPValidationError", "ValidationError"):
            components.get("schemas", {}).pop(unused, None)
        components.setdefault("securitySchemes", {}).update(hot_paths.SECURITY)
        schema["paths"].update(hot_paths.PATHS)
        app.openapi_schema = schema
    return app.openapi_schema


async def _ours(_: Request, error: Exception) -> Response:
    assert isinstance(error, TokenworksError)
    headers = {}
    if error.retry_after_s is not None:
        headers["retry-after"] = str(max(1, round(error.retry_after_s)))
    return Response(render(error), error.status, headers, media_type="application/json")


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status, path = error.status_code, request.url.path
    headers = dict(error.headers or {})
    allowed = _methods(path) if status in (404, 405) else set()
    if allowed and request.method not in allowed:
        status, headers["Allow"] = 405, ", ".join(sorted(allowed))
    shown = " ".join(path.split())[:MAX_SHOWN]
    messages = {
        404: f"no such path: {shown}; /docs lists what there is",
        405: f"{request.method} is not supported at {shown}; /docs lists what is",
    }
    message = messages.get(status, str(error.detail))
    kind = "not_found" if status == 404 else "invalid_request_error"
    return Response(openai_body(status, kind, message), status, headers, media_type="application/json")


def _methods(path: str) -> set[str]:
    """All that may be done at ``path``, here or by the data plane."""
    found = {"POST"} if path.removeprefix("/api") in hot_paths.PATHS else set()
    for prefix, router in ROUTERS:
        if path.startswith(prefix):
            rest = path[len(prefix) :]
            for route in router.routes:
                if isinstance(route, Route) and route.methods and route.path_regex.match(rest):
                    found |= route.methods
    return found


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]).encode("utf-8", "replace").decode()
    body = openai_body(400, "invalid_request_error", f"{where}: {first['msg']}", param=where)
    return Response(body, 400, media_type="application/json")
