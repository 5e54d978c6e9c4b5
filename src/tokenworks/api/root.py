"""``/``: what answers here. Some clients look whether it does before they send anything else."""

from __future__ import annotations

from fastapi import APIRouter, Response

from tokenworks import __version__
from tokenworks.api.answer import STRING, answers, holding, send

router = APIRouter(tags=["health"])
_ANSWER = answers("What answers here", holding(name=STRING, version=STRING, docs=STRING))


@router.head("/", include_in_schema=False)
@router.get("/", summary="Name and version", responses=_ANSWER)
async def root() -> Response:
    """Where to read on."""
    return send({"name": "tokenworks", "version": __version__, "docs": "/docs"})
