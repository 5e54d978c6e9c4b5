"""``/``: what answers here. Some clients look whether it does before they send anything else.

A browser is led to the console.
"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from tokenworks import __version__
from tokenworks.api.answer import STRING, answers, holding, send

router = APIRouter(tags=["health"])
_ANSWER = answers("What answers here", holding(name=STRING, version=STRING, docs=STRING))


@router.head("/", include_in_schema=False)
@router.get("/", summary="Name and version", responses=_ANSWER)
async def root(request: Request) -> Response:
    """Where to read on. Who asks for `text/html` first gets 303 to the console."""
    if request.method == "GET" and _wants_pages(request.headers.get("accept", "")):
        return Response(status_code=303, headers={"location": "/console", "vary": "accept"})
    return send({"name": "tokenworks", "version": __version__, "docs": "/docs"})


def _wants_pages(accept: str) -> bool:
    """Whether this Accept header is a browser's: it names HTML before JSON."""
    kinds = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    return "text/html" in kinds and "application/json" not in kinds[: kinds.index("text/html")]
