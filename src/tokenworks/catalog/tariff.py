"""When of the day a model is cheapest, where its price depends on the hour."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta

import msgspec

from tokenworks.catalog.schedule import Schedule
from tokenworks.schema import Price, Usage

DAY_MIN = 24 * 60
USUAL = Usage(uncached_input_tokens=2000, output_tokens=1000)  # by which cheap is told from dear

Span = tuple[int, int]  # minutes of the day, UTC; an end of more than 1440 runs past midnight


class Tariff(msgspec.Struct, frozen=True):
    """A model whose cheapest endpoint costs less in some hours than in others."""

    model: str
    hours: tuple[Span, ...]  # in which it is at its lowest
    low: Price  # then
    high: Price  # when it is dearest


def tariff(model: str, schedules: Iterable[Schedule], day: date) -> Tariff | None:
    """Of ``model``, sold at these prices on ``day``; None where the hour makes no difference."""
    schedules = tuple(schedules)
    clocks = {0}
    for schedule in schedules:
        for row in schedule.rows:
            clocks |= {clock.hour * 60 + clock.minute for clock in row.daily or ()}
    if not schedules or len(clocks) == 1:
        return None
    starts = sorted(clocks)
    prices = [_cheapest(schedules, day, start) for start in starts]
    costs = [price.cost_nano_usd(USUAL) for price in prices]
    least, most = min(costs), max(costs)
    if least == most:
        return None
    spans = [
        (start, end)
        for start, end, cost in zip(starts, [*starts[1:], DAY_MIN], costs, strict=True)
        if cost == least
    ]
    return Tariff(model, tuple(_merged(spans)), prices[costs.index(least)], prices[costs.index(most)])


def _cheapest(schedules: Sequence[Schedule], day: date, minute: int) -> Price:
    at = datetime.combine(day, time(), UTC) + timedelta(minutes=minute)
    return min((schedule.at(at) for schedule in schedules), key=lambda price: price.cost_nano_usd(USUAL))


def _merged(spans: Sequence[Span]) -> list[Span]:
    """Those that touch as one, over midnight too."""
    merged: list[Span] = []
    for begin, end in spans:
        if merged and merged[-1][1] == begin:
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((begin, end))
    if len(merged) > 1 and merged[0][0] == 0 and merged[-1][1] == DAY_MIN:
        (_, end), *middle, (begin, _) = merged
        merged = [*middle, (begin, DAY_MIN + end)]
    return merged


def clock(minute: int) -> str:
    """990 -> "16:30"."""
    return f"{minute // 60 % 24:02}:{minute % 60:02}"


def spoken(hours: Iterable[Span]) -> str:
    """In words: "04:00-06:00, 10:00-01:00"."""
    return ", ".join(f"{clock(begin)}-{clock(end)}" for begin, end in hours)
