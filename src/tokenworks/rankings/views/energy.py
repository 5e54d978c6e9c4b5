"""What tokens took in power: kilowatt-hours, grams of CO2 and dollars, and how each of them is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tokenworks.energy.attribution import Rates
from tokenworks.energy.planned import band
from tokenworks.rankings.periods import Period
from tokenworks.rankings.table import MOVES, Row, Table, columns, ratio
from tokenworks.rankings.views.ranked import How, Spans, ranked
from tokenworks.rankings.views.sums import (
    Fetch,
    Groups,
    Vector,
    fetch_of,
    filters_of,
    folded,
    joined,
    notes,
    placed,
    rows_of,
    spans,
)
from tokenworks.rankings.views.told import table
from tokenworks.rankings.views.traffic import MEASURES, cost_of, tokens_of
from tokenworks.rankings.views.view import Asked, View
from tokenworks.schema import NANO_USD

COLUMNS = columns(
    ("rank", "rank"),
    ("model", "text"),
    ("provider", "text"),
    ("basis", "text"),
    ("energy_kwh", "energy"),
    *MOVES,
    ("low_kwh", "energy"),
    ("high_kwh", "energy"),
    ("joules_per_token", "joules"),
    ("carbon_g", "carbon"),
    ("power_usd", "usd"),
    ("power_share", "share"),
    ("cost_usd", "usd"),
    ("tokens", "tokens"),
    ("requests", "count"),
)
NOTE = (
    "Measured by counters of this server's own engines; estimated for them by the time they worked where no"
    " counter can be read; planned for models of others, on a typical deployment: the truth is likely between"
    " low and high. Requests of which nothing is known are left out. Power is priced as it is today; its"
    " share is of what the same tokens cost."
)
UNPRICED_NOTE = "What power costs is told by a running server, and none has told it yet."
_KWH_MJ = 3_600_000_000

# Sums of a group: what the cube has, and what follows from whose rows they are.
_REQUESTS, _INPUT, _OUTPUT, _MJ, _UG, _LOW_MJ, _HIGH_MJ, _POWER, _COST = range(9)  # money in nano-dollars


def _build(asked: Asked) -> Table:
    fetch = fetch_of(asked, ("energy",), ("model", "provider", "basis"))
    paid = fetch_of(asked, ("provider",), ("model", "provider"), MEASURES)
    period = placed(asked, fetch.grain_us)
    rates = asked.books.rates

    def read(part: Period) -> Groups:
        groups = folded(rows_of(asked, fetch, part), len(fetch.by), lambda row: "\0".join(row[:3]))
        prices = _prices(asked, paid, part)
        return {name: _whole(name.split("\0"), sums, rates, prices) for name, sums in groups.items()}

    def named(name: str) -> Row:
        return dict(zip(("model", "provider", "basis"), name.split("\0"), strict=True))

    found: Spans[Vector] = spans(asked, period, fetch.grain_us, read)
    how = How(COLUMNS, "model", named, _figures, joined(_COST + 1), lambda sums: sums[_MJ])
    rows, total = ranked(found, how, asked.top)
    for row in rows:
        if row["rank"] is None:
            row["provider"] = row["basis"] = ""
    if rates is None:
        for row in (*rows, total):
            row["power_usd"] = row["power_share"] = None
    told = [NOTE, *([] if rates is not None else [UNPRICED_NOTE]), *notes(asked, fetch)]
    return table(asked, period, COLUMNS, rows, total, told)


def _prices(asked: Asked, paid: Fetch, part: Period) -> Mapping[tuple[str, str], tuple[int, int]]:
    """Tokens and nano-dollars of each model at each provider, those of which no energy is known too."""
    groups = folded(rows_of(asked, paid, part), len(paid.by), lambda row: "\0".join(row[:2]))
    found = {}
    for name, sums in groups.items():
        model, _, provider = name.partition("\0")
        found[model, provider] = tokens_of(sums), cost_of(sums)
    return found


def _whole(
    name: Sequence[str], sums: Vector, rates: Rates | None, prices: Mapping[tuple[str, str], tuple[int, int]]
) -> Vector:
    """The sums of one row of the cube with its band, what the power costs, and its part of what was paid."""
    model, provider, basis = name
    _, read, written, mj, _ = sums
    low, high = band(basis, model)
    tokens, cost = prices.get((model, provider), (0, 0))
    power = 0 if rates is None else round(rates.usd(basis, mj) * NANO_USD)
    share = min(1.0, (read + written) / tokens) if tokens else 0.0
    return (*sums, round(mj * low), round(mj * high), power, round(cost * share))


def _figures(sums: Vector) -> Row:
    tokens = sums[_INPUT] + sums[_OUTPUT]
    return {
        "requests": sums[_REQUESTS],
        "tokens": tokens,
        "energy_kwh": sums[_MJ] / _KWH_MJ,
        "low_kwh": sums[_LOW_MJ] / _KWH_MJ,
        "high_kwh": sums[_HIGH_MJ] / _KWH_MJ,
        "joules_per_token": ratio(sums[_MJ] / 1000, tokens),
        "carbon_g": sums[_UG] / 1e6,
        "power_usd": sums[_POWER] / NANO_USD,
        "cost_usd": sums[_COST] / NANO_USD,
        "power_share": ratio(sums[_POWER], sums[_COST]),
    }


VIEWS = (View("energy", "Energy", "admin", COLUMNS, _build, filters_of(("energy",))),)
