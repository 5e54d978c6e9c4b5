"""The FastAPI application: everything that is not one of the hot POST paths."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from tokenworks import __version__
from tokenworks.api import docs, health, hot_paths, models
from tokenworks.catalog.load import Catalog
from tokenworks.config.settings import Settings
from tokenworks.errors import TokenworksError, openai_body, render
from tokenworks.ledger.store import Store
from tokenworks.plans.keys import KeyBook

PREFIXES = ("", "/api")


def build(settings: Settings, catalog: Catalog, store: Store, keys: KeyBook) -> FastAPI:
    """The application, its parts reachable by the routes through ``request.app.state``."""
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
    app.include_router(health.router)
    for prefix in PREFIXES:
        app.include_router(models.router, prefix=f"{prefix}/v1", include_in_schema=not prefix)
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
        schema["paths"].update(hot_paths.PATHS)
        schema.setdefault("components", {}).setdefault("securitySchemes", {}).update(hot_paths.SECURITY)
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
    if error.status_code == 404 and request.url.path.removeprefix("/api") in hot_paths.PATHS:
        error = HTTPException(405, headers={"Allow": "POST"})  # POST never comes here
    messages = {
        404: f"no such path: {request.url.path}; /docs lists what there is",
        405: f"{request.method} is not supported at {request.url.path}; /docs lists what is",
    }
    message = messages.get(error.status_code, str(error.detail))
    kind = "not_found" if error.status_code == 404 else "invalid_request_error"
    body = openai_body(error.status_code, kind, message)
    return Response(body, error.status_code, dict(error.headers or {}), media_type="application/json")


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    body = openai_body(400, "invalid_request_error", f"{where}: {first['msg']}", param=where)
    return Response(body, 400, media_type="application/json")
