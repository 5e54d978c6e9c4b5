"""``GET /v1/providers``: who serves models here."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from tokenworks.api.answer import STRING, answers, holding, listing, maybe, send
from tokenworks.catalog.load import Catalog

router = APIRouter(tags=["models"])

PROVIDER = holding(name=STRING, slug=STRING, headquarters=maybe(STRING))


@router.get("/providers", summary="Active providers", responses=answers("Providers", listing(PROVIDER)))
async def list_providers(request: Request) -> Response:
    """By slug, the name that requests use. What nobody has looked up of them is null."""
    catalog: Catalog = request.app.state.catalog
    data = [
        {
            "name": provider.title,
            "slug": name,
            "headquarters": provider.country or None,
            "datacenters": None,
            "privacy_policy_url": None,
            "terms_of_service_url": None,
            "status_page_url": None,
        }
        for name, provider in sorted(catalog.providers.items())
    ]
    return send({"data": data})
