"""``/console/energy``: watts now, joules of a token, and what power took by week and by model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request, Response

from tokenworks.console import energy_power
from tokenworks.console.access import SignedIn
from tokenworks.console.energy_power import PowerWeek, chart_unit, is_fresh, running
from tokenworks.console.energy_use import WEEKS, Week, by_model, engines, sums, weekly
from tokenworks.console.page import page
from tokenworks.console.ranking_desk import books_of
from tokenworks.console.site import site_of
from tokenworks.energy import attribution
from tokenworks.energy.attribution import ESTIMATED, MEASURED, PLANNED

router = APIRouter()

BASES = (MEASURED, ESTIMATED, PLANNED)


@router.get("/energy")
def energy_page(request: Request, _: SignedIn) -> Response:
    """Twelve weeks, and the engines of this machine."""
    site = site_of(request)
    now_us = site.now_us()
    rates = attribution.read(attribution.path(site.settings.home))
    books = books_of(request)
    used, powers = sums(books, now_us), energy_power.sums(books, now_us)
    weeks, powered = weekly(used, now_us), energy_power.weekly(powers, now_us, rates)
    return page(
        request,
        "energy.html",
        title="energy.title",
        enabled=site.settings.energy.enabled,
        rates=rates,
        machine=rates.machine if rates is not None and is_fresh(rates, now_us) else None,
        power=running(rates, now_us),
        weeks=list(zip(weeks, powered, strict=True)),
        count=WEEKS,
        this=weeks[-1],
        anything=any(each.own.requests or each.remote.requests for each in weeks),
        models=energy_power.by_model(powers, used, rates),
        engines=engines(
            site.settings.engines,
            site.settings.home,
            None if site.engines is None else site.engines.states(),
            by_model(used),
        ),
        stacked=stacked(weeks),
        drawn=drawn(powered),
    )


def stacked(weeks: list[Week]) -> dict[str, Any]:
    """Tokens of each week as a chart; its series still want their names."""
    return {
        "labels": [each.label for each in weeks],
        "own": [each.own.tokens for each in weeks],
        "remote": [each.remote.tokens for each in weeks],
    }


def drawn(weeks: Sequence[PowerWeek]) -> dict[str, Any] | None:
    """Energy of each week as a chart by how it is known, in one unit; None where none is known."""
    there = [basis for basis in BASES if any(basis in each.by_basis for each in weeks)]
    if not there:
        return None
    kwh, unit = chart_unit(weeks)
    return {
        "unit": unit,
        "labels": [each.label for each in weeks],
        "series": {
            basis: [
                round(each.by_basis[basis].kwh / kwh, 3) if basis in each.by_basis else 0 for each in weeks
            ]
            for basis in there
        },
    }
