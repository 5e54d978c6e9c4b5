"""Times, money and the pieces of a description."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from tokenworks.api import answer
from tokenworks.ledger.record import MAX_TIME_US


def test_json_is_sent_as_json() -> None:
    sent = answer.send({"ü": [1, None]}, 201)
    assert (sent.status_code, sent.media_type) == (201, "application/json")
    assert json.loads(bytes(sent.body)) == {"ü": [1, None]}


def test_a_time_is_told_in_utc() -> None:
    assert answer.iso(1_700_000_000_123_999) == "2023-11-14T22:13:20.123Z"
    assert answer.iso(0) == "1970-01-01T00:00:00.000Z"
    assert answer.iso(None) is None
    assert answer.iso(MAX_TIME_US) is not None  # the last that a record can hold
    assert answer.iso(2**63 - 1) == "9999-12-31T23:59:59.999Z"


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(5000, 1, 1)))
def test_micros_are_exact(moment: datetime) -> None:
    for zone in (UTC, timezone(timedelta(hours=-7))):
        zoned = moment.replace(tzinfo=zone)
        assert datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=answer.micros(zoned)) == zoned


def test_dollars() -> None:
    assert answer.usd(1_500_000_000) == 1.5
    assert answer.usd(0) == 0


def test_answers_describe_success_and_errors() -> None:
    made = answer.answers("A thing", answer.holding(a=answer.STRING), 401, 404, status=201)
    assert list(made) == ["201", "401", "404"]
    schema = made["201"]["content"]["application/json"]["schema"]
    assert schema == {"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}}
    assert made["404"]["content"]["application/json"]["schema"] is answer.ERROR
    assert answer.listing(answer.OBJECT)["required"] == ["data"]
    assert answer.maybe(answer.NUMBER)["anyOf"][1] == {"type": "null"}
