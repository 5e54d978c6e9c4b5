"""What a device-hour costs, rented or owned, and how a request's cost falls on its tokens.

A rent holds the power already; an owner pays for it by the kilowatt-hour. So power is counted once. Owned
devices are paid off in equal parts over their life at a rate of interest (capital recovery factor); power
flows while they work and, less of it, while they wait.
"""

from __future__ import annotations

import msgspec

from tokenworks.errors import BadRequest

HOURS_A_YEAR = 8760.0


class Terms(msgspec.Struct, frozen=True):
    """On which terms devices are had. Money in US dollars."""

    rent_usd_h: float = 0.0  # a device-hour, power included; 0: owned
    capex_usd: float = 0.0  # a device with its share of server and network
    life_years: float = 4.0
    interest: float = 0.08  # a year
    upkeep: float = 0.05  # a year, as a share of what was paid: space, staff, repair
    usd_per_kwh: float = 0.09
    pue: float = 1.2  # of the building: all its power by that of its computers
    utilisation: float = 0.6  # share of the hours paid for in which the devices do paid work

    @property
    def owned(self) -> bool:
        return self.rent_usd_h <= 0


class HourCost(msgspec.Struct, frozen=True):
    """Dollars of one device for one hour of work, the hours that it waits included."""

    capital_usd: float  # rent, or what owning costs a year by the hour
    upkeep_usd: float
    power_usd: float  # 0 where a rent holds it
    power_inside_usd: float  # what its power costs whoever pays for it

    @property
    def total_usd(self) -> float:
        return self.capital_usd + self.upkeep_usd + self.power_usd

    @property
    def power_share(self) -> float:
        """Of the whole cost, whoever pays the power."""
        return self.power_inside_usd / self.total_usd if self.total_usd else 0.0


def check(terms: Terms) -> None:
    """Raise ``BadRequest`` for terms that nobody can have."""
    for name, value in (
        ("rent", terms.rent_usd_h),
        ("purchase price", terms.capex_usd),
        ("interest", terms.interest),
        ("upkeep", terms.upkeep),
        ("power price", terms.usd_per_kwh),
    ):
        if not 0 <= value < float("inf"):
            raise BadRequest(f"{name} is {value:g}: it must be 0 or more")
    if not 0 < terms.utilisation <= 1:
        raise BadRequest(f"utilisation is {terms.utilisation:g}: it must be above 0 and at most 1")
    if not 1 <= terms.pue < 10:
        raise BadRequest(f"pue is {terms.pue:g}: it must be 1 or more")
    if terms.owned and not 0 < terms.life_years <= 50:
        raise BadRequest(f"life is {terms.life_years:g} years: it must be above 0")


def recovery(interest: float, years: float) -> float:
    """Capital recovery factor: the share of a price paid back each year, with interest, in equal parts."""
    if interest <= 0:
        return 1.0 / years
    return float(interest / (1.0 - (1.0 + interest) ** -years))


def hour(terms: Terms, *, working_w: float, waiting_w: float = 0.0) -> HourCost:
    """One hour of a device at work. ``working_w`` and ``waiting_w``: with its share of the server."""
    busy = terms.utilisation
    kwh = (working_w + waiting_w * (1.0 / busy - 1.0)) / 1000.0 * terms.pue
    power = kwh * terms.usd_per_kwh
    if not terms.owned:
        return HourCost(terms.rent_usd_h / busy, 0.0, 0.0, power)
    capital = terms.capex_usd * recovery(terms.interest, terms.life_years) / HOURS_A_YEAR / busy
    upkeep = terms.capex_usd * terms.upkeep / HOURS_A_YEAR / busy
    return HourCost(capital, upkeep, power, power)
