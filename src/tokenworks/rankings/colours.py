"""Colours that mean the same in every report: of countries, and of whatever else is listed by size."""

from __future__ import annotations

from collections.abc import Iterable

# Told apart by people with any common colour blindness, on white and on near black.
PALETTE = ("#d1495b", "#2e6fb7", "#e0a100", "#3a9679", "#8e5ea8", "#e07b39", "#4fb0c6", "#9a7b4f")
REST = "#9aa3ad"
WEIGHTS = {"open": 3, "closed": 7, "unknown": -1}
# Those seen most have their own, whoever leads in a week.
_COUNTRIES = {"CN": 0, "US": 1, "FR": 3, "KR": 4, "CA": 5, "IL": 6, "DE": 7, "GB": 2}


def places(names: Iterable[str], *, countries: bool = False) -> dict[str, int]:
    """Name → place in ``PALETTE``, -1 for those beyond it, for others and for the unknown."""
    found: dict[str, int] = {}
    known = _COUNTRIES if countries else {}
    names = list(names)
    free = [at for at in range(len(PALETTE)) if at not in {known.get(name) for name in names}]
    for name in names:
        if name in known:
            found[name] = known[name]
        elif name in ("", "unknown", "others", "other"):
            found[name] = -1
        else:
            found[name] = free.pop(0) if free else -1
    return found


def colour(place: int) -> str:
    """As ``#rrggbb``."""
    return REST if place < 0 else PALETTE[place]
