"""``/healthz`` and ``/metrics``."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from tokenworks.api.access import admin, caller
from tokenworks.api.answer import STRING, errors

router = APIRouter(tags=["health"])
TEXT = "text/plain; version=0.0.4; charset=utf-8"


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", summary="200 when requests are served")
async def healthz() -> dict[str, str]:
    """A worker answers only once it is ready; while it drains, every request gets 503."""
    return {"status": "ok"}


@router.get(
    "/metrics",
    summary="Prometheus metrics of the whole server",
    response_class=Response,
    responses={
        "200": {"description": "Text", "content": {"text/plain": {"schema": STRING}}},
        **errors(401, 403),
    },
)
async def metrics(request: Request) -> Response:
    """Counted over all workers, at most a second old. On a public address it takes an admin key."""
    settings = request.app.state.settings
    if not settings.server.on_loopback:
        await admin(await caller(request))
    path = settings.home / "run" / "metrics.prom"
    text = path.read_bytes() if path.exists() else b""
    return Response(text, media_type=TEXT)
