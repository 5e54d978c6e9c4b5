"""What an unordinary request wants beyond an answer: keys, strictness, being told, a cache, reading along."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from doorway import Door, provider
from raw_provider import EVENTS, RawProvider, Sent
from serving import chat

from tokenworks.config.settings import ProviderKey, ProviderSettings
from tokenworks.errors import RateLimited, UpstreamError
from tokenworks.gateway.caller import Caller
from tokenworks.gateway.failure import Failure
from tokenworks.gateway.plan import Plan
from tokenworks.plans.keys import Key
from tokenworks.providers.keyring import Keyring
from tokenworks.providers.scripted import Fault, Reply, Script, ScriptedProvider, When
from tokenworks.routing.replicas import Replicas
from tokenworks.schema import Endpoint, Price

Make = Callable[..., Any]
KEYS = (ProviderKey("main", "sk-main"), ProviderKey("spare", "sk-spare"))


def plan(**headers: str) -> Plan:
    lines = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return Plan(Caller(Key(id="k", name="k", role="member"), lines), (), "balanced")


def settled(one: Door, n: int = 1) -> list[Any]:
    records = one.records()
    assert len(records) == n
    assert one.inflight.count() == 0
    return records


# --- where its load counts -------------------------------------------------------------------------


def test_it_is_under_way_in_one_place_at_a_time() -> None:
    one, replicas = plan(), Replicas()
    first, second = (Endpoint("a/m", "local", name, Price("local", 0.0, 0.0), 1000) for name in "ab")
    one.asks(first, 1.0)
    one.leaves(100, 1.0)
    assert one.asked_at is None, "nobody counts where no endpoint equals another"
    one.replicas = replicas
    one.asks(first, 1.0)
    assert (replicas.of(first).under_way, replicas.of(second).under_way) == (1, 0)
    one.asks(second, 2.0)
    assert (replicas.of(first).under_way, replicas.of(second).under_way) == (0, 1)
    one.leaves(100, 3.0)
    one.leaves(100, 3.0)
    assert (replicas.of(first).under_way, replicas.of(second).under_way) == (0, 0)
    assert (replicas.of(first).work(3.0), replicas.of(second).work(3.0)) == ((0.0, 0.0), (100.0, 1.0))


# --- keys -----------------------------------------------------------------------------------------


def limited() -> Failure:
    return Failure("acme:429", RateLimited("slow down"), kind="rate_limited")


def test_every_key_is_tried_once() -> None:
    now = 0.0
    ring = Keyring((*KEYS, ProviderKey("third", "sk-third")), lambda: now)
    one = plan()
    picked = [one.pick_key(ring)]
    while one.another_key(ring, picked[-1], limited()):
        picked.append(one.pick_key(ring))
    assert sorted(picked) == ["main", "spare", "third"]
    assert one.tried_keys == set(), "the next endpoint starts afresh"


def test_a_session_has_its_key_and_resting_ones_are_left_alone() -> None:
    ring = Keyring(KEYS, lambda: 0.0)
    mine = plan()
    mine.session = "s"
    first = mine.pick_key(ring)
    again = plan()
    again.session = "s"
    assert again.pick_key(ring) == first
    ring.cool(first, 60)
    assert not again.another_key(ring, first, limited()) or again.pick_key(ring) != first
    ring = Keyring(KEYS, lambda: 0.0)
    ring.cool("main", 60)
    ring.cool("spare", 30)
    assert plan().pick_key(ring) == "spare", "where all rest, the one that is back first"


@pytest.mark.parametrize(
    "kind", ["server_error", "timeout", "closed", "garbage", "missing", "overloaded", ""]
)
def test_another_key_would_not_help(kind: str) -> None:
    ring, one = Keyring(KEYS, lambda: 0.0), plan()
    key = one.pick_key(ring)
    assert not one.another_key(ring, key, Failure("acme:x", UpstreamError("no"), kind=kind))
    assert not one.another_key(None, "", limited())


def refusing(*names: str, status: int = 429) -> Script:
    """A provider that refuses the keys ``names``."""
    return Script(
        reply=tuple(
            Reply(
                when=When(header=f"authorization: Bearer {name}"),
                fault=Fault(kind="status", status=status),
            )
            for name in names
        )
    )


@pytest.mark.parametrize("status", [429, 401, 402, 403])
async def test_keys_of_the_same_names_at_two_providers(door: Make, status: int) -> None:
    """Every key of the first is refused, then the first tried of the second; its other one answers."""
    async with (
        ScriptedProvider(refusing("sk-main", "sk-spare", status=status)) as acme,
        ScriptedProvider() as beta,
    ):
        one = await door(
            {"acme": provider(acme.base_url), "beta": provider(beta.base_url)},
            provider_keys={"acme": KEYS, "beta": KEYS},
        )
        session = {"session_id": "s", "provider": {"order": ["acme", "beta"]}}
        ring = one.gateway.targets.keyrings["beta"]
        mine = ring.pick("s")
        assert mine is not None
        beta.play(refusing(mine.secret, status=status))
        answer = await one.post(chat(**session))
        assert answer.status_code == 200, answer.text
        assert answer.json()["provider"] == "beta"
        assert sorted(each.headers["authorization"] for each in acme.requests) == [
            "Bearer sk-main",
            "Bearer sk-spare",
        ]
        assert len(beta.requests) == 2 and len({e.headers["authorization"] for e in beta.requests}) == 2
        (record,) = settled(one)
        assert record.attempts == 4
        assert record.reasons == f"acme:{status} acme:{status} beta:{status}"


# --- strictness ------------------------------------------------------------------------------------


@pytest.mark.parametrize("strict", [False, True])
async def test_no_parameter_is_dropped_where_all_are_required(door: Make, strict: bool) -> None:
    async with ScriptedProvider() as upstream:
        acme = knowing(upstream, "seed", "max_tokens")
        one = await door({"acme": acme})
        answer = await one.post(chat(seed=5, max_tokens=9, provider={"require_parameters": strict}))
        assert answer.status_code == (400 if strict else 200), answer.text
        if strict:
            assert "'seed' can't be said" in answer.json()["error"]["message"]
        assert settled(one)[0].outcome == ("bad_request" if strict else "ok")


# --- what the caller is told ----------------------------------------------------------------------


@pytest.mark.parametrize("told", [False, True])
async def test_who_wants_to_know_the_routing_is_told_usage_too(door: Make, told: bool) -> None:
    """It stands beside the usage of a stream, which others must ask for."""
    async with ScriptedProvider() as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        headers = {"x-openrouter-metadata": "enabled"} if told else {}
        answer = await one.post(chat(stream=True), headers=headers)
        chunks = [json.loads(x[6:]) for x in answer.text.splitlines() if x.startswith("data: {")]
        last = chunks[-1]
        assert bool(last.get("usage")) == ("openrouter_metadata" in last) == told
        assert sum("openrouter_metadata" in each for each in chunks) == told
        settled(one)


async def test_headers_of_the_callers_own_wire_are_passed_on(door: Make) -> None:
    async with ScriptedProvider() as upstream:
        one = await door(
            {
                "acme": provider(upstream.origin, wire="anthropic_messages"),
                "beta": provider(upstream.base_url),
            }
        )
        for name in ("acme", "beta"):
            asked = chat(max_tokens=5, provider={"order": [name]})
            answer = await one.client.post("/v1/messages", json=asked, headers={"anthropic-beta": "x-1,y-2"})
            assert answer.status_code == 200, answer.text
        same, other = upstream.requests
        assert same.headers["anthropic-beta"] == "x-1,y-2"
        assert "anthropic-beta" not in other.headers
        settled(one, 2)


async def test_reasoning_is_left_out_on_request(door: Make) -> None:
    script = Script(reply=(Reply(reasoning="secret thought", text="fine"),))
    async with ScriptedProvider(script) as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        for fields in ({"reasoning": {"exclude": True}}, {"include_reasoning": False}):
            for stream in (False, True):
                answer = await one.post(chat(stream=stream, **fields))
                assert answer.status_code == 200, answer.text
                assert "secret" not in answer.text and "fine" in answer.text
        assert "secret" in (await one.post(chat(include_reasoning=True))).text
        assert all(each.outcome == "ok" for each in settled(one, 5))


# --- reading along ----------------------------------------------------------------------------------

CHUNK = (
    b'data: {"id":"c","model":"fast-1","created":1,"object":"chat.completion.chunk","choices":'
    b'[{"index":0,"delta":{"content":"hi"},"finish_reason":%b}]}\n\n'
)


async def test_the_cache_keeps_a_stream_with_its_proper_end(door: Make) -> None:
    """A provider that leaves out its end marker: the end that the caller gets is ours, and is kept too."""
    sent = Sent((CHUNK % b"null", CHUNK % b'"stop"'), EVENTS)
    async with RawProvider(lambda _: sent) as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        answers = [
            await one.post(chat(stream=True), headers={"x-openrouter-cache": "true"}) for _ in range(2)
        ]
        assert [each.headers["x-openrouter-cache-status"] for each in answers] == ["MISS", "HIT"]
        first, second = [each.text.replace(each.headers["x-generation-id"], "ID") for each in answers]
        assert first == second
        assert first.count("data: [DONE]\n\n") == 1 and first.endswith("data: [DONE]\n\n")
        settled(one, 2)


def test_what_passes_is_collected_and_read() -> None:
    class Reading:
        def __init__(self) -> None:
            self.seen = b""

        def feed(self, data: bytes) -> None:
            self.seen += data
            if b"bad" in data:
                raise ValueError("no events")

    one, reading = plan(), Reading()
    one.passed(b"a", b"A")
    assert one.collected is None
    one.collected, one.gleaner = [], reading  # type: ignore[assignment]
    for piece in (b"b", b"", b"bad", b"c"):
        one.passed(piece, piece.upper())
    assert one.collected == [b"B", b"", b"BAD", b"C"]
    assert reading.seen == b"bbad" and one.gleaner is None, "what can't be read is read no further"


async def test_affinity_follows_good_answers_only(door: Make) -> None:
    async with ScriptedProvider() as upstream:
        price = {"model": "acme/fast", "session_id": "s"}
        one = await door({"acme": cached(upstream), "beta": cached(upstream)})
        upstream.play(Script(reply=(Reply(fault=Fault(kind="status", status=500)),)))
        await one.post({**chat(), **price})
        assert len(one.gateway.affinity) == 0
        upstream.play(Script())
        await one.post({**chat(), **price, "provider": {"allow_fallbacks": False}})
        kept = one.gateway.affinity.of((one.key_id, "acme/fast", "s"), one.gateway.loop.time())
        assert kept is not None and kept.cached_tokens == 0
        usage = (
            '[[reply]]\ntext = "x"\nusage = { input_tokens = 100, cache_read_tokens = 60, output_tokens = 1 }'
        )
        upstream.play(usage)
        await one.post({**chat(), **price})
        kept = one.gateway.affinity.of((one.key_id, "acme/fast", "s"), one.gateway.loop.time())
        assert kept is not None and kept.cached_tokens == 60
        settled(one, 3)


def with_model(made: ProviderSettings, **fields: Any) -> ProviderSettings:
    (model,) = made.models
    return msgspec.structs.replace(made, models=(msgspec.structs.replace(model, **fields),))


def cached(upstream: ScriptedProvider) -> ProviderSettings:
    """A provider with a cache."""
    return with_model(provider(upstream.base_url), cache_read_mtok=0.01)


def knowing(upstream: ScriptedProvider, *parameters: str) -> ProviderSettings:
    """A provider on another wire than chat, of which it is said that it knows ``parameters``."""
    made = provider(upstream.origin, wire="anthropic_messages")
    return with_model(made, supported_parameters=parameters)
