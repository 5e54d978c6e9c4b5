"""``/healthz`` and ``/metrics``."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from tokenworks.errors import Forbidden
from tokenworks.plans.keys import KeyBook

router = APIRouter(tags=["health"])
TEXT = "text/plain; version=0.0.4; charset=utf-8"


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", summary="200 when requests are served")
async def healthz() -> dict[str, str]:
    """A worker answers only once it is ready; while it drains, every request gets 503."""
    return {"status": "ok"}


@router.get("/metrics", summary="Prometheus metrics of the whole server", response_class=Response)
async def metrics(request: Request) -> Response:
    """Counted over all workers, at most a second old. On a public address it takes an admin key."""
    settings = request.app.state.settings
    if not settings.server.on_loopback:
        _require_admin(request)
    path = settings.home / "run" / "metrics.prom"
    text = path.read_bytes() if path.exists() else b""
    return Response(text, media_type=TEXT)


def _require_admin(request: Request) -> None:
    keys: KeyBook = request.app.state.keys
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    key = keys.check(given.strip().encode()) if scheme.lower() == "bearer" else None
    if key is None or key.role != "admin":
        raise Forbidden("an admin key is needed here (tokenworks key create NAME --admin)")
