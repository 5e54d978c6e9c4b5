"""What a job will come to before it is begun: tokens, dollars and hours, from low to high."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from tokenworks.batches.rates import Chosen, Rates
from tokenworks.batches.recipes.recipe import Part, Skipped, Split
from tokenworks.catalog.tariff import Tariff, spoken
from tokenworks.schema import NANO_USD, Price, Usage

# Margins, not measurements: what the high case adds to the low one.
UNSURE = 0.2  # of tokens: they are counted by bytes, not by the model's own tokenizer
RETRIED = 0.25  # share of the parts that are asked for a second time
ESCALATED = 0.1  # share that the stronger model is asked for after that
SLOWEST = 4  # requests at once to a remote model that often says "too many"


class OffPeak(msgspec.Struct, frozen=True):
    """What the hour makes of the price: all parts asked once, at the model's lowest price and its highest."""

    hours: str  # of the lowest, UTC: "16:30-00:30"
    low_usd: float
    high_usd: float


class Estimate(msgspec.Struct, frozen=True):
    """A job, estimated.

    Tokens are what the recipe tells of its parts, each asked once. Dollars go from the cheapest endpoint of
    the cheapest model, all right the first time, to the dearest of the dearest with retries and
    escalation; None where a price is not known. Hours go from fast answers, many at once, to slow ones,
    few at once; a lane is never quicker than its parts one after the other.
    """

    parts: int
    lanes: int
    input_tokens: int
    output_tokens: int
    low_usd: float | None
    high_usd: float | None
    low_hours: float
    high_hours: float
    cheap: str  # the model of the low case
    dear: str  # the one of the high case
    strong: str  # what is asked after retries; empty: none
    measured: bool  # the speeds are this installation's own
    skipped: tuple[Skipped, ...] = ()
    off_peak: OffPeak | None = None  # None: its price is the same all day

    @property
    def tokens(self) -> int:
        """In and out."""
        return self.input_tokens + self.output_tokens


def estimate(split: Split, models: Chosen, at_once: int = 16) -> Estimate:
    """What the parts of ``split`` come to with ``models``: see ``Estimate`` for where each number is from.

    ``at_once``: requests that a worker makes side by side, at most.
    """
    strong = models.strong
    low_usd = _usd(split.parts, models.cheap.low)
    high_usd = _usd(split.parts, models.dear.high)
    extra_usd = _usd(split.parts, strong.high) if strong is not None else 0.0
    if high_usd is not None:
        high_usd = None if extra_usd is None else high_usd * (1 + RETRIED) + extra_usd * ESCALATED
    fast = min(_hours(split.parts, each, at_once) for each in (models.cheap, models.dear))
    slow = max(_hours(split.parts, each, at_once, slow=True) for each in (models.cheap, models.dear))
    extra = _hours(split.parts, strong, at_once, slow=True) if strong is not None else 0.0
    speeds = [models.cheap.speed, models.dear.speed]
    return Estimate(
        parts=len(split.parts),
        lanes=len({part.lane for part in split.parts}),
        input_tokens=sum(part.input_tokens for part in split.parts),
        output_tokens=sum(part.output_tokens for part in split.parts),
        low_usd=None if low_usd is None else low_usd * (1 - UNSURE),
        high_usd=None if high_usd is None else high_usd * (1 + UNSURE),
        low_hours=fast * (1 - UNSURE),
        high_hours=(slow * (1 + RETRIED) + extra * ESCALATED) * (1 + UNSURE),
        cheap=models.cheap.model,
        dear=models.dear.model,
        strong=strong.model if strong is not None else "",
        measured=all(speed.measured for speed in speeds),
        skipped=split.skipped,
        off_peak=_off_peak(split.parts, models.tariff),
    )


def _off_peak(parts: Iterable[Part], tariff: Tariff | None) -> OffPeak | None:
    if tariff is None:
        return None
    low_usd, high_usd = _usd(parts, tariff.low), _usd(parts, tariff.high)
    assert low_usd is not None and high_usd is not None  # a tariff has prices
    return OffPeak(spoken(tariff.hours), low_usd, high_usd)


def largest_tokens(split: Split) -> int:
    """Of one part, in and out: a model needs as much context."""
    return max((part.input_tokens + part.output_tokens for part in split.parts), default=0)


def _usd(parts: Iterable[Part], price: Price | None) -> float | None:
    """Each part asked once at list price: nothing is taken as cached."""
    if price is None:
        return None
    each = (
        price.cost_nano_usd(Usage(uncached_input_tokens=part.input_tokens, output_tokens=part.output_tokens))
        for part in parts
    )
    return sum(each) / NANO_USD


def _hours(parts: Iterable[Part], rates: Rates, at_once: int, *, slow: bool = False) -> float:
    """All of it over what runs at once, and at least the longest lane."""
    speed = rates.speed
    ttft_s, rate = (speed.slow_ttft_s, speed.slow_rate) if slow else (speed.fast_ttft_s, speed.fast_rate)
    at_once = min(rates.slots or (SLOWEST if slow else at_once), at_once)
    lanes: dict[str, float] = {}
    for part in parts:
        took_s = ttft_s + part.output_tokens / rate
        lanes[part.lane] = lanes.get(part.lane, 0.0) + took_s
    if not lanes:
        return 0.0
    return max(sum(lanes.values()) / at_once, max(lanes.values())) / 3600


def card(found: Estimate) -> dict[str, object]:
    """The estimate as JSON, dollars and hours rounded to what they are worth."""
    return {
        "parts": found.parts,
        "lanes": found.lanes,
        "input_tokens": found.input_tokens,
        "output_tokens": found.output_tokens,
        "low_usd": _rounded(found.low_usd),
        "high_usd": _rounded(found.high_usd),
        "low_hours": _rounded(found.low_hours),
        "high_hours": _rounded(found.high_hours),
        "cheap_model": found.cheap,
        "dear_model": found.dear,
        "strong_model": found.strong or None,
        "speed_measured": found.measured,
        "skipped": [{"file": each.file, "reason": each.reason} for each in found.skipped],
        "off_peak": off_peak_card(found),
    }


def off_peak_card(found: Estimate) -> dict[str, object] | None:
    """Both prices and the hours as JSON; None where the price is the same all day."""
    if found.off_peak is None:
        return None
    of = found.off_peak
    return {"hours_utc": of.hours, "usd": _rounded(of.low_usd), "peak_usd": _rounded(of.high_usd)}


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.3g}")
