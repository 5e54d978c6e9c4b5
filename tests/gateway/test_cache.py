"""The response cache: what is kept, for how long, and that a hit bills nothing."""

from __future__ import annotations

import json
from typing import Any

from doorway import provider

from tokenworks.gateway.cache import Entry, ResponseCache, key_of, unbilled, unbilled_stream
from tokenworks.providers.scripted import Reply, Script, ScriptedProvider

WISH = {"x-openrouter-cache": "true"}


def entry(body: bytes, *, stored: float = 0.0, ttl_s: float = 10.0) -> Entry:
    return Entry(body, False, "gen-1", "acme/fast", "stop", stored, ttl_s)


def test_old_and_least_used_entries_go() -> None:
    cache = ResponseCache(3 * (512 + 100))
    for name in (b"a", b"b", b"c"):
        cache.put(name, entry(b"1" * 100))
    assert cache.get(b"a", 1) is not None
    cache.put(b"d", entry(b"1" * 100))
    assert cache.get(b"b", 1) is None, "a was used since"
    assert all(cache.get(name, 1) for name in (b"a", b"c", b"d"))
    assert cache.get(b"a", 10.0) is None, "too old"
    cache.put(b"huge", entry(b"1" * 5000))
    assert cache.get(b"huge", 1) is None and cache.get(b"d", 1) is not None


def test_keys_differ_by_caller_wire_and_body() -> None:
    keys = {
        key_of(*each) for each in (("k", "w", b"b"), ("k2", "w", b"b"), ("k", "w2", b"b"), ("k", "w", b"b2"))
    }
    assert len(keys) == 4


def test_usage_is_zero_wherever_it_stands() -> None:
    usage = {"prompt_tokens": 3, "cost": 0.5, "details": {"cached_tokens": 2}, "is_byok": False, "tier": "x"}
    zero = {"prompt_tokens": 0, "cost": 0, "details": {"cached_tokens": 0}, "is_byok": False, "tier": "x"}
    for wrap in (
        lambda u: {"usage": u},
        lambda u: {"message": {"usage": u}},
        lambda u: {"response": {"usage": u}},
    ):
        assert json.loads(unbilled(json.dumps(wrap(usage)).encode())) == wrap(zero)
    kept = {"content": [{"usage": 7}], "id": 5}
    assert json.loads(unbilled(json.dumps(kept).encode())) == kept
    assert unbilled(b"no json") == b"no json"
    stream = b'data: {"n":1}\n\nevent: e\ndata: {"usage":{"a":1}}\n\ndata: [DONE]\n\n'
    assert unbilled_stream(stream) == stream.replace(b'"a":1', b'"a":0')


async def test_a_hit_is_the_same_answer_and_costs_nothing(door: Any) -> None:
    async with ScriptedProvider(Script(reply=(Reply(text="only once"),))) as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        asked = {"model": "acme/fast", "messages": [{"role": "user", "content": "hi"}]}
        first = await one.post(asked, headers=WISH)
        second = await one.post(asked, headers={**WISH, "x-openrouter-cache-ttl": "77"})
        assert first.headers["x-openrouter-cache-status"] == "MISS"
        assert second.headers["x-openrouter-cache-status"] == "HIT"
        assert int(second.headers["x-openrouter-cache-ttl"]) <= 300
        assert second.json()["choices"] == first.json()["choices"]
        assert second.json()["id"] == second.headers["x-generation-id"] != first.json()["id"]
        assert second.json()["usage"]["total_tokens"] == 0 == second.json()["usage"]["cost"]
        cleared = await one.post(asked, headers={**WISH, "x-openrouter-cache-clear": "true"})
        assert cleared.headers["x-openrouter-cache-status"] == "MISS"
        assert "x-openrouter-cache-status" not in (await one.post(asked)).headers
        assert len(upstream.requests) == 3
        hit = one.records()[1]
        assert (hit.provider, hit.outcome, hit.cost_nano_usd, hit.output_tokens) == ("cache", "ok", 0, 0)


async def test_streams_are_cached_as_streams_and_failures_never(door: Any) -> None:
    script = Script(reply=(Reply(text="a b c"),))
    async with ScriptedProvider(script) as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        asked = {
            "model": "acme/fast",
            "messages": [{"role": "user", "content": "hi"}],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        first, second = [(await one.post(asked, headers=WISH)) for _ in range(2)]
        assert second.headers["x-openrouter-cache-status"] == "HIT"
        texts = [
            [e["choices"][0]["delta"].get("content") for e in chunks(each) if e["choices"]]
            for each in (first, second)
        ]
        assert texts[0] == texts[1]
        assert (
            chunks(second)[-1]["usage"]["completion_tokens"]
            == 0
            < chunks(first)[-1]["usage"]["completion_tokens"]
        )
        assert second.text.endswith("data: [DONE]\n\n")
        upstream.play("[[reply]]\nfault = { kind = 'status', status = 500 }")
        for _ in range(2):
            answer = await one.post({**asked, "stream": False}, headers=WISH)
            assert answer.status_code == 502


async def test_a_response_that_is_kept_is_not_answered_from_the_cache(door: Any) -> None:
    """Its id must be one that can be continued."""
    async with ScriptedProvider(Script(reply=(Reply(text="x"),))) as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        asked = {"model": "acme/fast", "input": "hi"}
        for store, calls in ((True, 2), (False, 3)):
            for _ in range(2):
                answer = await one.client.post("/v1/responses", json={**asked, "store": store}, headers=WISH)
                assert answer.status_code == 200
            assert len(upstream.requests) == calls


async def test_a_malformed_ttl_is_refused(door: Any) -> None:
    one = await door({"acme": provider("http://127.0.0.1:9/v1")})
    for ttl in ("0", "-1", "abc", "1e3", "86401", "9" * 50):
        answer = await one.post({}, headers={**WISH, "x-openrouter-cache-ttl": ttl})
        assert answer.status_code == 400
        assert "86400" in answer.json()["error"]["message"]


def chunks(answer: Any) -> list[dict[str, Any]]:
    return [
        json.loads(line[6:])
        for line in answer.text.splitlines()
        if line.startswith("data: ") and line != "data: [DONE]"
    ]
