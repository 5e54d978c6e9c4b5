"""When a batch may ask: not before its time, and with ``off_peak`` only while its model is cheapest.

Its deadline stands over that: what would not be done in cheap hours by then is asked at once, at the price of
the hour. Which hours are cheap is told by the catalogue when the batch is ordered, and kept in its options.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from tokenworks.catalog.auto import AUTO_NAMES
from tokenworks.catalog.resolve import Catalog
from tokenworks.catalog.tariff import DAY_MIN, Span, spoken
from tokenworks.errors import BadRequest
from tokenworks.ledger.batched import IN_PROGRESS, BatchRow

OFF_PEAK = "off_peak"  # in ``BatchRow.options``: the hours, as "960-1470,..." and the model behind a space
PART_S = "part_s"  # in ``options``: the seconds that each part adds, as they were estimated
WAITS = "waits for the "  # with this a note begins while nothing is asked because of the hour
MINUTE_US = 60_000_000
DAY_US = DAY_MIN * MINUTE_US
EDGE_US = MINUTE_US  # kept from both ends of cheap hours: what is under way ends in them
LEAST_US = 5 * MINUTE_US  # of them; less is not worth beginning
SLACK = 1.25  # on the time that is needed
SPARE_US = 2 * MINUTE_US  # besides
GUESSED_PART_S = 3.0  # some ten seconds, four at a time


class Hours(msgspec.Struct, frozen=True):
    """The cheap hours of a batch's model."""

    model: str
    spans: tuple[Span, ...]
    part_s: float

    def open_until(self, at_us: int) -> int | None:
        """The end of the cheap hours that ``at_us`` lies in; None where it lies in none."""
        for begin, end in self._spans(at_us):
            if begin > at_us:
                break
            if at_us < end:
                return end
        return None

    def opens(self, at_us: int) -> int:
        """When cheap hours begin next."""
        return next(begin for begin, _ in self._spans(at_us) if begin > at_us)

    def open_us(self, since_us: int, until_us: int, enough_us: float = math.inf) -> int:
        """How much of that time is cheap; not counted any further than ``enough_us``."""
        found = 0
        for begin, end in self._spans(since_us):
            if begin >= until_us or found >= enough_us:
                break
            found += max(min(end, until_us) - max(begin, since_us), 0)
        return found

    def _spans(self, at_us: int) -> Iterator[tuple[int, int]]:
        """In order, without end, from those that ``at_us`` may lie in."""
        day_us = at_us // DAY_US * DAY_US - DAY_US
        while True:
            for begin, end in self.spans:
                edge = EDGE_US if end - begin < DAY_MIN else 0
                yield day_us + begin * MINUTE_US + edge, day_us + end * MINUTE_US - edge
            day_us += DAY_US


def ordered(catalog: Catalog, model: str, part_s: float = GUESSED_PART_S) -> dict[str, str]:
    """What is kept in the options of a batch that waits for the cheap hours of ``model``.

    Raises ``BadRequest`` where its price is the same all day.
    """
    if model in AUTO_NAMES:
        raise BadRequest(f"off_peak needs one model, and {model} chooses among many; name the one you want")
    found = catalog.tariff(model)
    if found is None or not (spans := tuple(s for s in found.hours if s[1] - s[0] >= LEAST_US // MINUTE_US)):
        raise BadRequest(f"off_peak: {model[:100]} costs the same all day; leave it out")
    words = ",".join(f"{begin}-{end}" for begin, end in spans)
    return {OFF_PEAK: f"{words} {found.model}", PART_S: f"{part_s:.6g}"}


def hours_of(row: BatchRow) -> Hours | None:
    """The cheap hours that ``row`` waits for; None where it waits for none."""
    return _read(row.options)


def off_peak_hours(row: BatchRow) -> str:
    """The hours that it waits for, as "16:30-00:30 UTC"; empty where it waits for none."""
    hours = hours_of(row)
    return f"{spoken(hours.spans)} UTC" if hours is not None else ""


@functools.lru_cache(256)
def _read(options: bytes) -> Hours | None:
    given = msgspec.json.decode(options or b"{}")
    said = given.get(OFF_PEAK)
    if not said:
        return None
    words, _, model = str(said).partition(" ")
    spans = tuple(
        (int(begin), int(end)) for begin, _, end in (word.partition("-") for word in words.split(","))
    )
    return Hours(model, spans, float(given.get(PART_S) or GUESSED_PART_S))


def waits_until(row: BatchRow, now_us: int, part_s: float | None = None) -> int | None:
    """When it may ask again; None: now. ``part_s`` as it was measured, else as it was estimated."""
    hours = hours_of(row)
    if hours is None or row.status != IN_PROGRESS or not row.waiting or now_us >= row.expires_us:
        return None
    if hours.open_until(now_us) is not None:
        return None
    opens = hours.opens(now_us)
    needed_us = row.waiting * (hours.part_s if part_s is None else part_s) * 1e6 * SLACK + SPARE_US
    if needed_us > hours.open_us(opens, row.expires_us, needed_us):
        return None  # the deadline stands over the price
    return opens


def off_peak_note(row: BatchRow, opens_us: int) -> str:
    """Why nothing goes on, in one line."""
    hours = hours_of(row)
    assert hours is not None
    begins_us = opens_us - EDGE_US
    return f"{WAITS}off-peak price of {hours.model}, from {moment(begins_us)} ({spoken(hours.spans)} UTC)"


def later_note(row: BatchRow) -> str:
    """The same of one whose time has not come."""
    return f"{WAITS}time that it was ordered for: {moment(row.not_before_us)}"


def moment(at_us: int) -> str:
    """A minute, UTC."""
    return f"{datetime.fromtimestamp(at_us / 1e6, UTC):%Y-%m-%d %H:%M} UTC"


def checked(not_before_us: int, before_us: int | None, now_us: int) -> None:
    """Raises ``BadRequest`` for a deadline that nothing can keep."""
    if before_us is None:
        return
    if before_us <= now_us:
        raise BadRequest(f"before: {moment(before_us)} is over; name a time to come")
    if before_us <= not_before_us:
        raise BadRequest(
            f"before: {moment(before_us)} is no later than its beginning, {moment(not_before_us)}"
        )
