"""Power as the page of energy shows it: what the meter says now, and sums by week and by model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from tokenworks.console.energy_use import WEEKS, Use, by_week, label, week_of
from tokenworks.energy.attribution import EnginePower, Rates
from tokenworks.energy.planned import band
from tokenworks.ledger.cubes import CUBES
from tokenworks.rankings.books import Books

STALE_US = 30_000_000  # an older file was left behind by a server that is no more
KWH_MJ = 3_600_000_000
_MEASURES = CUBES["energy"].measures
_UNITS = ((1000.0, "MWh"), (1.0, "kWh"), (1e-3, "Wh"), (1e-6, "mWh"))


class Power(msgspec.Struct):
    """Sums over requests of which energy is known. ``low`` and ``high``: the truth is likely between."""

    requests: int = 0
    tokens: int = 0
    kwh: float = 0.0
    low_kwh: float = 0.0
    high_kwh: float = 0.0
    carbon_g: float = 0.0
    usd: float | None = 0.0  # of the power, at today's price; None: nobody told it

    @property
    def joules_per_token(self) -> float | None:
        """Of all tokens, read and written."""
        return self.kwh * 3.6e6 / self.tokens if self.tokens else None

    def add(self, row: Sequence[int], basis: str, model: str, rates: Rates | None) -> None:
        """Measures of one row of the cube of energy."""
        told = dict(zip(_MEASURES, row, strict=True))
        low, high = band(basis, model)
        kwh = told["energy_mj"] / KWH_MJ
        self.requests += told["requests"]
        self.tokens += told["input_tokens"] + told["output_tokens"]
        self.kwh += kwh
        self.low_kwh += low * kwh
        self.high_kwh += high * kwh
        self.carbon_g += told["carbon_ug"] / 1e6
        self.usd = None if rates is None else (self.usd or 0.0) + rates.usd(basis, told["energy_mj"])


class PowerWeek(msgspec.Struct):
    """One ISO week in UTC, by how it is known."""

    label: str
    by_basis: dict[str, Power]

    @property
    def kwh(self) -> float:
        """All of it."""
        return sum(each.kwh for each in self.by_basis.values())


class ModelPower(msgspec.Struct):
    """What one model took at one provider, known in one way."""

    model: str
    provider: str
    basis: str
    power: Power
    cost_usd: float  # of the same tokens

    @property
    def share(self) -> float | None:
        """Of power in what these tokens cost; None where they cost nothing, or power has no price."""
        return self.power.usd / self.cost_usd if self.cost_usd and self.power.usd is not None else None


def sums(books: Books, now_us: int, weeks: int = WEEKS) -> list[tuple[Any, ...]]:
    """Week, model, provider, basis and the cube's measures of the last ``weeks`` weeks, this one too."""
    return by_week(books, "energy", ("model", "provider", "basis"), now_us, weeks)


def weekly(
    rows: Iterable[tuple[Any, ...]], now_us: int, rates: Rates | None, weeks: int = WEEKS
) -> list[PowerWeek]:
    """``sums`` by week, the oldest first; those without any as well."""
    this = week_of(now_us)
    found = {number: PowerWeek(label(number), {}) for number in range(this - weeks + 1, this + 1)}
    for number, model, _, basis, *row in rows:
        if number in found:
            found[number].by_basis.setdefault(basis, Power()).add(row, basis, model, rates)
    return list(found.values())


def by_model(
    rows: Iterable[tuple[Any, ...]], used: Iterable[tuple[Any, ...]], rates: Rates | None
) -> list[ModelPower]:
    """``sums`` by model and provider, what took the most first.

    ``used`` are those of ``energy_use`` of the same weeks.
    """
    powers: dict[tuple[str, str, str], Power] = {}
    for _, model, provider, basis, *row in rows:
        powers.setdefault((model, provider, basis), Power()).add(row, basis, model, rates)
    paid = {(model, provider): Use() for model, provider, _ in powers}
    for _, model, provider, *row in used:
        if (use := paid.get((model, provider))) is not None:
            use.add(row)
    found = []
    for (model, provider, basis), power in powers.items():
        use = paid[model, provider]
        part = min(1.0, power.tokens / use.tokens) if use.tokens else 0.0
        found.append(ModelPower(model, provider, basis, power, use.cost_usd * part))
    return sorted(found, key=lambda each: (-each.power.kwh, each.model, each.provider, each.basis))


def chart_unit(weeks: Sequence[PowerWeek]) -> tuple[float, str]:
    """The unit in which the largest week is a number of a few digits: kWh of one, and its name."""
    most = max((each.kwh for each in weeks), default=0.0)
    return next((unit for unit in _UNITS if most >= unit[0]), _UNITS[-1])


def is_fresh(rates: Rates | None, now_us: int) -> bool:
    """Whether a server tells it now."""
    return rates is not None and abs(now_us - rates.at_us) <= STALE_US


def running(rates: Rates | None, now_us: int) -> dict[str, EnginePower]:
    """Engines that the meter watches now, by name."""
    if rates is None or not is_fresh(rates, now_us):
        return {}
    return {each.name: each for each in rates.running}
