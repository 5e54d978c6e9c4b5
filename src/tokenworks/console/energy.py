"""``/console/energy``: what own engines did against everybody else's. Power itself is not measured yet."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from tokenworks.console.access import SignedIn
from tokenworks.console.energy_use import WEEKS, Week, by_model, engines, weekly
from tokenworks.console.page import page
from tokenworks.console.site import site_of

router = APIRouter()


@router.get("/energy")
def energy_page(request: Request, _: SignedIn) -> Response:
    """Twelve weeks, and the engines of this machine."""
    site = site_of(request)
    now_us = site.now_us()
    weeks = weekly(site.store, now_us)
    used = by_model(site.store, now_us)
    return page(
        request,
        "energy.html",
        title="energy.title",
        weeks=weeks,
        count=WEEKS,
        this=weeks[-1],
        anything=any(each.own.requests or each.remote.requests for each in weeks),
        used=used,
        engines=engines(
            site.settings.engines,
            site.settings.home,
            None if site.engines is None else site.engines.states(),
            used,
        ),
        stacked=stacked(weeks),
    )


def stacked(weeks: list[Week]) -> dict[str, Any]:
    """Tokens of each week as a chart; its series still want their names."""
    return {
        "labels": [each.label for each in weeks],
        "own": [each.own.tokens for each in weeks],
        "remote": [each.remote.tokens for each in weeks],
    }
