"""What a failed attempt means."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tokenworks.config.settings import ProviderKey, RoutingSettings, UpstreamSettings
from tokenworks.errors import BadRequest, UpstreamTimeout
from tokenworks.gateway import failure
from tokenworks.http.timers import Sweeper
from tokenworks.http.upstream import Pool
from tokenworks.providers.target import Target, Targets
from tokenworks.routing.health import Health
from tokenworks.schema import Endpoint, Price, Provider

RETRY = b"7"


@pytest.mark.parametrize(
    ("status", "seen", "final"),
    [(400, 400, True), (413, 413, True), (422, 400, True), (401, 502, False), (402, 502, False),
     (403, 502, False), (404, 502, False), (408, 504, False), (429, 429, False), (500, 502, False),
     (502, 502, False), (503, 503, False), (504, 504, False), (529, 503, False)],
)  # fmt: skip
def test_status(status: int, seen: int, final: bool) -> None:
    failed = failure.of_status("acme", status, RETRY, b'{"error":{"message":"because\\nof this"}}')
    assert failed.error.status == seen
    assert failed.final is final
    assert failed.reason == f"acme:{status}"
    if status not in (408, 504):
        assert "because of this" in failed.error.message
    assert failed.error.retry_after_s == (7.0 if seen in (429, 503) else None)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"", None),
        (b"2.5", 2.5),
        (b"-3", 0.0),
        (b"1e99", 86_400.0),
        (b"nan", 0.0),
        (b"Wed, 21 Oct 2026 07:28:00 GMT", None),
    ],
)
def test_retry_after(value: bytes, seconds: float | None) -> None:
    assert failure.of_status("acme", 429, value, b"").error.retry_after_s == seconds


@pytest.mark.parametrize(
    "body", [b"", b"<html>oops</html>", b"{broken", b'{"error":null}', b'{"error":[1,2]}', b"[]", b"\xff\xfe"]
)
def test_bodies_of_no_known_shape_are_survived(body: bytes) -> None:
    failed = failure.of_status("acme", 500, b"", body)
    assert failed.error.status == 502
    assert "acme failed (HTTP 500)" in failed.error.message


def test_transport() -> None:
    assert failure.of_transport("acme", "timeout", "no answer within 1 s").error.status == 504
    refused = failure.of_transport("acme", "connect", "Connection refused")
    assert refused.error.status == 502
    assert refused.error.message == "acme could not be reached: Connection refused"


def test_an_engine_of_our_own_is_named_and_comes_back() -> None:
    for kind in ("connect", "closed", "garbage"):
        failed = failure.of_transport("local", kind, "whatever", "tiny")
        assert (failed.error.status, failed.error.retry_after_s) == (503, 1)
        assert "engine tiny" in failed.error.message and failed.reason == f"local:{kind}"
    assert isinstance(failure.of_transport("local", "timeout", "too slow", "tiny").error, UpstreamTimeout)


@pytest.mark.parametrize(("rest_s", "told"), [(0.2, 1), (1.0, 1), (1.01, 2), (59.5, 60)])
def test_a_rest_is_told_in_whole_seconds_never_too_few(rest_s: float, told: int) -> None:
    failed = failure.of_rest("acme", rest_s)
    assert (failed.error.status, failed.error.retry_after_s) == (429, told)
    assert f"for {told} s more" in failed.error.message
    assert failure.of_rest("acme", None).error.status == 503


# --- who is to blame ----------------------------------------------------------------------------

ENDPOINT = Endpoint("acme/fast", "acme", "fast-1", Price("p", 1.0, 2.0), 8192)


@pytest.fixture
async def targets() -> AsyncIterator[Targets]:
    loop = asyncio.get_running_loop()
    sweeper = Sweeper(loop)
    yield Targets(
        Pool(loop, UpstreamSettings(), sweeper),
        {"acme": Provider("acme", "Acme", "openai_chat", "https://h/v1")},
        {},
        {},
        {"acme": (ProviderKey("a", "sk-a"), ProviderKey("b", "sk-b"))},
        Health(RoutingSettings(breaker_failures=1)).of,
    )
    sweeper.stop()


@pytest.fixture
def of_keys(targets: Targets) -> Target:
    """A target at a provider with two keys."""
    return targets.of(ENDPOINT, "openai_chat")


@pytest.fixture
def alone(targets: Targets) -> Target:
    """A target at a provider with one."""
    target = targets.of(ENDPOINT, "openai_chat")
    target.keyring = None
    return target


def now() -> float:
    return asyncio.get_running_loop().time()


def rest_of(target: Target) -> float | None:
    """How long the endpoint asked to be left alone, rounded."""
    found = target.vitals.rest_s(now())
    return None if found is None else round(found)


@pytest.mark.parametrize(
    ("status", "header", "state", "rest_s"),
    [
        (429, b"7", "resting", 7),
        (429, b"", "resting", None),  # a second or so, by our own choice
        (503, b"7", "open", 7),
        (503, b"", "open", None),
        (500, b"7", "open", None),  # no wish that is respected
        (401, b"7", "resting", None),
        (404, b"", "resting", None),
        (400, b"7", "closed", None),
        (413, b"", "closed", None),
    ],
)
async def test_what_an_endpoint_without_keys_to_choose_from_is_left_with(
    alone: Target, status: int, header: bytes, state: str, rest_s: float | None
) -> None:
    failed = failure.of_status("acme", status, header, b"")
    failed = failure.Failure(failed.reason, failed.error, failed.final, "" if failed.final else failed.kind)
    failure.note(alone, "", failed, now())
    assert alone.vitals.state(now()) == state
    assert rest_of(alone) == rest_s


async def test_an_engine_that_stopped_is_not_left_alone(alone: Target) -> None:
    """The caller is told when to come back; that is no wish of the engine's."""
    failure.note(alone, "", failure.of_transport("local", "closed", "gone", "tiny"), now())
    assert alone.vitals.rest_s(now()) is None


async def test_what_was_not_asked_or_not_sent_says_nothing(alone: Target) -> None:
    failure.note(alone, "", failure.of_rest("acme", 5.0), now())
    failure.note(alone, "", failure.Failure("acme:400", BadRequest("can't be said there")), now())
    assert alone.vitals.state(now()) == "closed"


async def test_a_limited_key_rests_and_the_endpoint_does_not(of_keys: Target) -> None:
    keyring = of_keys.keyring
    assert keyring is not None
    failure.note(of_keys, "a", failure.of_status("acme", 429, b"7", b""), now())
    assert (keyring.usable(), keyring.usable({"b"})) == (1, 0)
    assert of_keys.vitals.state(now()) == "closed"
    last = failure.of_status("acme", 429, b"60", b"")
    failure.note(of_keys, "b", last, now())
    assert keyring.usable() == 0
    assert (of_keys.vitals.state(now()), rest_of(of_keys)) == ("resting", 7), "until the first is back"
    assert last.error.retry_after_s == 7, "which is what the caller is told"


@pytest.mark.parametrize("status", [401, 402, 403])
async def test_a_refused_key_rests_for_long(of_keys: Target, status: int) -> None:
    keyring = of_keys.keyring
    assert keyring is not None
    failure.note(of_keys, "a", failure.of_status("acme", status, b"", b""), now())
    assert keyring.usable() == 1 and of_keys.vitals.state(now()) == "closed"
    failure.note(of_keys, "b", failure.of_status("acme", status, b"", b""), now())
    assert 290 < keyring.wait_s() <= 300
    assert (of_keys.vitals.state(now()), of_keys.vitals.rest_s(now())) == ("resting", None)


async def test_a_key_limited_without_a_time_rests_for_ours(of_keys: Target) -> None:
    keyring = of_keys.keyring
    assert keyring is not None
    for key in "ab":
        failure.note(of_keys, key, failure.of_status("acme", 429, b"", b""), now())
    assert failure.KEY_REST_S - 1 < keyring.wait_s() <= failure.KEY_REST_S
    assert of_keys.vitals.rest_s(now()) is None, "nobody asked for it: where none else is left it is tried"


async def test_other_failures_are_the_endpoints_whatever_the_key(of_keys: Target) -> None:
    failure.note(of_keys, "a", failure.of_status("acme", 500, b"", b""), now())
    assert of_keys.keyring is not None and of_keys.keyring.usable() == 2
    assert of_keys.vitals.state(now()) == "open"
