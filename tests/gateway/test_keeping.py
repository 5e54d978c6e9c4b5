"""What is remembered of who asked, and what a caller is told. How a request is kept: test_queue.py."""

from __future__ import annotations

import pytest
from queueing import queued_row

from tokenworks.gateway.caller import Caller
from tokenworks.gateway.keeping import caller_of, card, told_by
from tokenworks.ledger.queued import KEPT_US
from tokenworks.plans.keys import Key

KEY = Key("k_1", "test", "member")
HEADERS = {
    b"authorization": b"Bearer tw-secret",
    b"x-title": "Ä\0pp".encode(),
    b"x-session-id": b"s",
    b"user-agent": b"agent/1.0 \xff",
    b"anthropic-beta": b"one,two",
    b"x-openrouter-metadata": b"enabled",
    b"x-tokenworks-capture": b"deny",
    b"x-tokenworks-quality": b"0.5",
}


@pytest.mark.parametrize("headers", [HEADERS, {}, {b"x-title": b"plain"}])
def test_what_headers_said_is_what_they_say_later(headers: dict[bytes, bytes]) -> None:
    before = Caller(KEY, headers)
    row = queued_row(caller=told_by(before))
    after = caller_of(row, KEY)
    names = ("key", "app", "session", "client", "passed_on", "tells_routing", "special", "cache_ttl_s")
    for name in (*names, "wanted", "capture"):
        assert getattr(after, name) == getattr(before, name), name
    assert after.ordinary == (not (before.special or before.passed_on))
    assert "secret" not in row.caller


def test_times_are_whole_seconds_and_never_too_early() -> None:
    told = card(queued_row(created_us=5_900_000, not_before_us=7_000_001))
    assert (told["created"], told["not_before"]) == (5, 8)
    assert "finished" not in told and "error" not in told


def test_one_that_waited_in_vain_says_why() -> None:
    told = card(queued_row(status="expired", finished_us=KEPT_US + 1))
    assert told["finished"] == KEPT_US // 1_000_000
    assert "within 7 days" in told["error"]["message"]
