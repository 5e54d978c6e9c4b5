"""Joules of a token of models that others run: what the planner says of a typical deployment, with a band.

The table ``planned.toml`` is made by ``bench/planned_energy.py``, which also says what "typical" is. Of a
model that is not in it nothing is known, and nothing is said.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

import msgspec

from tokenworks.energy.attribution import ESTIMATE_BAND, MEASURED, MEASURED_BAND, PLANNED, Rate, elsewhere

_FILE = Path(__file__).parent / "planned.toml"


class Planned(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model as the planner sees it, µJ of a token at the servers' own meter: without PUE."""

    names: tuple[str, ...]  # bare: without their author
    prefill_uj: int
    cached_uj: int
    decode_uj: int
    low: float
    high: float
    deployments: int  # that it was planned on


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pue: float  # of a large data centre
    model: tuple[Planned, ...] = ()


@cache
def table(file: Path = _FILE) -> tuple[float, dict[str, Planned]]:
    """PUE, and every listed model by each of its names."""
    found = msgspec.convert(tomllib.loads(file.read_text("utf-8")), _Table)
    return found.pue, {name: each for each in found.model for name in each.names}


def planned(model: str, g_per_kwh: float = 0.0) -> Rate | None:
    """What a token of this model takes where power has this carbon intensity; None where nobody knows.

    ``model`` as records name it: a catalogue's id.
    """
    pue, models = table()
    found = elsewhere(models, model)
    if found is None:
        return None
    return Rate(
        prefill_uj=round(found.prefill_uj * pue),
        cached_uj=round(found.cached_uj * pue),
        decode_uj=round(found.decode_uj * pue),
        basis=PLANNED,
        g_per_kwh=round(g_per_kwh),
        low=found.low,
        high=found.high,
    )


def band(basis: str, model: str) -> tuple[float, float]:
    """Between which times the energy that was told the truth likely is."""
    if basis == MEASURED:
        return MEASURED_BAND
    found = elsewhere(table()[1], model) if basis == PLANNED else None
    return ESTIMATE_BAND if found is None else (found.low, found.high)


def everything(g_per_kwh: float) -> dict[str, Rate]:
    """``planned`` of every name that there is."""
    return {name: rate for name in table()[1] if (rate := planned(name, g_per_kwh)) is not None}
