"""When a batch may ask: cheap hours, and the deadline that stands over them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from batching import batch_row

from tokenworks.batches import hours
from tokenworks.batches.hours import (
    EDGE_US,
    GUESSED_PART_S,
    MINUTE_US,
    checked,
    hours_of,
    later_note,
    off_peak_hours,
    off_peak_note,
    ordered,
    waits_until,
)
from tokenworks.catalog.tariff import Tariff
from tokenworks.errors import BadRequest
from tokenworks.schema import Price

LOW, HIGH = Price(id="l", input_mtok=1, output_mtok=2), Price(id="h", input_mtok=2, output_mtok=4)
HOUR_US = 60 * MINUTE_US


class Catalog:
    """Of one model with a cheap night, and one without."""

    def tariff(self, name: str) -> Tariff | None:
        return Tariff("me/owl", ((16 * 60 + 30, 24 * 60 + 30),), LOW, HIGH) if name == "owl" else None


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1e6)


def owl(part_s: float = 2.0, **fields: Any) -> Any:
    options = msgspec.json.encode(ordered(Catalog(), "owl", part_s))  # type: ignore[arg-type]
    return batch_row(**({"options": options, "total": 10, "expires_us": at("2026-12-04T00:00")} | fields))


@pytest.mark.parametrize(
    ("now", "goes_on"),
    [
        ("2026-11-26T10:00", "2026-11-26T16:31"),
        ("2026-11-26T16:30", "2026-11-26T16:31"),  # not on the minute: clocks differ
        ("2026-11-26T16:31", None),
        ("2026-11-26T23:59", None),
        ("2026-11-27T00:28", None),
        ("2026-11-27T00:29", "2026-11-27T16:31"),
        ("2026-11-27T03:00", "2026-11-27T16:31"),
    ],
)
def test_it_waits_for_the_cheap_hours(now: str, goes_on: str | None) -> None:
    assert waits_until(owl(), at(now)) == (at(goes_on) if goes_on else None)


def test_a_deadline_stands_over_the_price() -> None:
    # from 16:31 to 18:01 there are 90 minutes: enough for 10 parts of 6.5 minutes, with a quarter more and 2
    # minutes, but not of 7.5
    deadline = at("2026-11-26T18:01")
    now = at("2026-11-26T10:00")
    assert waits_until(owl(part_s=390, expires_us=deadline), now) == at("2026-11-26T16:31")
    assert waits_until(owl(part_s=450, expires_us=deadline), now) is None
    assert waits_until(owl(part_s=450, expires_us=deadline), now, part_s=390) is not None, "as measured"
    # nine of ten are done meanwhile: what is left can wait
    assert waits_until(owl(part_s=450, expires_us=deadline, done=9), now) is not None
    # with no cheap hour before the deadline there is nothing to wait for
    assert waits_until(owl(part_s=0.001, expires_us=at("2026-11-26T16:30")), now) is None


def test_several_nights_are_counted() -> None:
    found = hours_of(owl())
    assert found is not None
    night_us = 8 * HOUR_US - 2 * EDGE_US
    since, until = at("2026-11-26T10:00"), at("2026-11-28T10:00")
    assert found.open_us(since, until) == 2 * night_us
    assert found.open_us(at("2026-11-26T17:31"), at("2026-11-26T18:31")) == HOUR_US
    assert found.open_us(at("2026-11-26T01:00"), at("2026-11-26T02:00")) == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"options": b"{}"},
        {"status": "cancelling"},
        {"status": "finalizing"},
        {"total": 0},
        {"expires_us": at("2026-11-26T09:00")},
    ],
)
def test_what_has_nothing_to_wait_for_goes_on(fields: dict[str, Any]) -> None:
    assert waits_until(owl(**fields), at("2026-11-26T10:00")) is None


def test_what_is_ordered_is_kept_in_words() -> None:
    row = owl()
    assert msgspec.json.decode(row.options) == {"off_peak": "990-1470 me/owl", "part_s": "2"}
    assert off_peak_hours(row) == "16:30-00:30 UTC" and off_peak_hours(batch_row()) == ""
    bare = batch_row(options=b'{"off_peak":"990-1470 me/owl"}')
    found = hours_of(bare)
    assert found is not None and found.part_s == GUESSED_PART_S
    note = off_peak_note(row, at("2026-11-26T16:31"))
    assert note == "waits for the off-peak price of me/owl, from 2026-11-26 16:30 UTC (16:30-00:30 UTC)"
    later = later_note(batch_row(not_before_us=at("2026-11-27T08:00")))
    assert later == "waits for the time that it was ordered for: 2026-11-27 08:00 UTC"
    assert note.startswith(hours.WAITS) and later.startswith(hours.WAITS)


def test_orders_that_make_no_sense_are_refused() -> None:
    catalog: Any = Catalog()
    with pytest.raises(BadRequest, match="auto chooses among many; name the one"):
        ordered(catalog, "auto")
    with pytest.raises(BadRequest, match="ox costs the same all day; leave it out"):
        ordered(catalog, "ox")
    checked(0, None, 5)
    checked(7, 8, 5)
    with pytest.raises(BadRequest, match="is over; name a time to come"):
        checked(0, 5, 5)
    with pytest.raises(BadRequest, match="is no later than its beginning"):
        checked(8, 8, 5)
