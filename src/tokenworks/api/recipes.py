"""``GET /v1/recipes``: what a batch can make of files."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from tokenworks.api.access import Caller
from tokenworks.api.answer import OBJECT, STRING, answers, holding, listing, maybe, send
from tokenworks.batches.cookbook import recipes
from tokenworks.errors import ConfigError

router = APIRouter(tags=["batches"])

RECIPE = holding(
    name=STRING,
    summary=STRING,
    options=OBJECT,
    suffixes={"type": "array", "items": STRING},
    missing=maybe(STRING),
)


@router.get("/recipes", summary="Recipes", responses=answers("Recipes", listing(RECIPE), 401))
def list_recipes(key: Caller) -> Response:
    """Each with its options and the files that it reads; `missing` says what must be installed first."""
    return send({"object": "list", "data": [_card(name) for name in recipes()]})


def _card(name: str) -> dict[str, Any]:
    card: dict[str, Any] = {"name": name, "summary": "", "options": {}, "suffixes": [], "missing": None}
    try:
        found = recipes()[name]
    except ConfigError as error:
        return {**card, "missing": error.message}
    return {**card, "summary": found.summary, "options": found.options, "suffixes": found.suffixes}
