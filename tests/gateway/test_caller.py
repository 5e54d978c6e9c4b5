"""What headers say of a caller."""

from __future__ import annotations

import pytest

from tokenworks.errors import BadRequest
from tokenworks.gateway.caller import MAX_LABEL, Caller, label, trace_of
from tokenworks.plans.keys import Key
from tokenworks.routing.knobs import NOTHING

KEY = Key(id="k", name="k", role="member")


def test_attribution_and_session() -> None:
    one = Caller(KEY, {b"http-referer": b"https://a.example", b"x-title": b"A", b"x-session-id": b"s1"})
    assert (one.app, one.session, one.special) == ("A", "s1", False)
    assert Caller(KEY, {b"http-referer": b"https://a.example"}).app == "https://a.example"
    assert Caller(KEY, {b"x-title": b"A", b"x-openrouter-title": b"B"}).app == "B"
    assert label(b"\xff" + b"x" * 500)[0] == "\ufffd"
    assert len(label(b"x" * 500)) == MAX_LABEL


def test_wishes_by_header() -> None:
    assert Caller(KEY, {b"x-openrouter-metadata": b"enabled"}).tells_routing
    assert not Caller(KEY, {b"x-openrouter-metadata": b"no"}).special
    cached = Caller(KEY, {b"x-openrouter-cache": b"TRUE", b"x-openrouter-cache-ttl": b"12"})
    assert (cached.cache_ttl_s, cached.cache_clear, cached.special) == (12, False, True)
    assert Caller(KEY, {b"x-openrouter-cache": b"true"}).cache_ttl_s == 300
    assert Caller(KEY, {b"x-openrouter-cache-ttl": b"junk"}).cache_ttl_s == 0, "not asked for"
    assert Caller(KEY, {b"x-openrouter-cache-clear": b"true"}).cache_clear
    assert Caller(KEY, {b"anthropic-beta": b"a,b"}).passed_on == b"anthropic-beta: a,b\r\n"


def test_wishes_for_auto() -> None:
    assert Caller(KEY, {}).wanted is NOTHING and Caller(KEY, {}).capture == ""
    one = Caller(KEY, {b"x-tokenworks-quality": b"0.5", b"x-tokenworks-capture": b" Deny"})
    assert (one.wanted.quality, one.capture, one.special) == (0.5, "deny", False)


@pytest.mark.parametrize(
    "header", [b"x-tokenworks-quality", b"x-tokenworks-max-cost", b"x-tokenworks-capture"]
)
def test_wishes_that_make_no_sense(header: bytes) -> None:
    with pytest.raises(BadRequest, match=header.decode()):
        Caller(KEY, {header: b"much"})


@pytest.mark.parametrize("ttl", [b"", b"0", b"-5", b"86401", b"1.5", b"9" * 40])
def test_an_impossible_ttl(ttl: bytes) -> None:
    with pytest.raises(BadRequest, match="86400"):
        Caller(KEY, {b"x-openrouter-cache": b"true", b"x-openrouter-cache-ttl": ttl})


TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (TRACE, TRACE),
        (f" {TRACE} ", TRACE),
        (TRACE.replace("00-4b", "cc-4b") + "-what-comes-later", TRACE.replace("00-4b", "cc-4b")),
        (TRACE + "-more", ""),  # version 00 has nothing more
        (TRACE.replace("00-4b", "cc-4b") + "more", ""),
        (TRACE.replace("00-4b", "ff-4b"), ""),
        (TRACE.upper(), ""),
        ("00-" + "0" * 32 + "-00f067aa0ba902b7-01", ""),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-" + "0" * 16 + "-01", ""),
        (TRACE[:-1], ""),
        (f"{TRACE},{TRACE}", ""),
        ("", ""),
        ("junk\xff", ""),
    ],
)
def test_traces(given: str, told: str) -> None:
    assert trace_of({b"traceparent": given.encode("latin-1")}) == told
    assert trace_of({}) == Caller(KEY, {b"traceparent": TRACE.encode()}).traceparent == ""
