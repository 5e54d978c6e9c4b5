"""From what a request says to the endpoints that are asked: names, presets, suffixes, wishes, sessions."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from doorway import Door, provider
from serving import chat

from tokenworks.config.settings import (
    EngineSettings,
    ProviderModelSettings,
    ProviderSettings,
    RoutingSettings,
)
from tokenworks.engines.manager import EngineState
from tokenworks.gateway.caller import Caller
from tokenworks.gateway.way import CHAT, WAYS
from tokenworks.ledger.record import Record
from tokenworks.plans.keys import Key
from tokenworks.providers.scripted import Fault, Reply, Script, ScriptedProvider, When
from tokenworks.wire.openai_chat.relay import ChatRequest

Make = Callable[..., Any]
TOLD = {"x-openrouter-metadata": "enabled"}


def model(name: str = "acme/fast", **more: Any) -> ProviderModelSettings:
    """A model that a provider sells, called ``X-1`` there."""
    given = {"context_length": 131072, "input_mtok": 0.1, "output_mtok": 0.4} | more
    return ProviderModelSettings(id=name, upstream_id=f"{name.rpartition('/')[2]}-1", **given)


def sells(upstream: ScriptedProvider, *models: ProviderModelSettings, **more: Any) -> ProviderSettings:
    messages = more.get("wire") == "anthropic_messages"
    return provider(upstream.origin if messages else upstream.base_url, models=models or (model(),), **more)


def settled(one: Door, n: int = 1) -> list[Record]:
    """The records of so many requests, all of which are over."""
    records = one.records()
    assert len(records) == n
    assert one.inflight.count() == 0
    return records


def order_of(answer: httpx.Response) -> list[str]:
    """The providers in the order in which they would have been tried."""
    assert answer.status_code == 200, answer.text
    return [each["provider"] for each in answer.json()["openrouter_metadata"]["endpoints"]["available"]]


def strategy_of(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    return str(answer.json()["openrouter_metadata"]["params"]["order"])


# --- several models -----------------------------------------------------------------------------

LISTS: list[tuple[dict[str, Any], str]] = [
    ({"model": "acme/fast", "models": ["acme/slow"]}, "acme/fast"),
    ({"model": "acme/slow", "models": ["acme/fast"]}, "acme/slow"),
    ({"model": "acme/nothing", "models": ["acme/none", "acme/slow", "acme/fast"]}, "acme/slow"),
    ({"model": "acme/nothing", "fallbacks": [{"model": "acme/slow"}]}, "acme/slow"),
    (
        {"model": "x", "models": ["y"], "fallbacks": [{"model": "z"}, {}, {"model": "acme/slow"}]},
        "acme/slow",
    ),
    ({"model": "acme/fast", "models": None, "fallbacks": None}, "acme/fast"),
    ({"model": "acme/fast", "models": [], "fallbacks": []}, "acme/fast"),
    ({"model": "acme/fast", "models": ["acme/fast", "", "fast"]}, "acme/fast"),
    ({"model": "acme/fast", "models": [f"no/{n}" for n in range(100)]}, "acme/fast"),
]


@pytest.mark.parametrize(("fields", "served"), LISTS)
async def test_the_first_known_model_answers(door: Make, fields: dict[str, Any], served: str) -> None:
    async with ScriptedProvider() as upstream:
        one = await door({"acme": sells(upstream, model(), model("acme/slow"))})
        answer = await one.post({**chat(), **fields})
        assert answer.status_code == 200, answer.text
        assert answer.json()["model"] == served
        (sent,) = upstream.requests
        assert sent.body["model"] == f"{served.rpartition('/')[2]}-1"
        assert not {"models", "fallbacks"} & set(sent.body), "these are ours"
        (record,) = settled(one)
        assert (record.model, record.requested_model, record.outcome) == (served, fields["model"], "ok")


@pytest.mark.parametrize("way", ["/v1/chat/completions", "/v1/messages", "/v1/responses"])
async def test_the_next_model_answers_when_the_first_fails(door: Make, way: str) -> None:
    async with (
        ScriptedProvider(Script(reply=(Reply(fault=Fault(kind="status", status=500)),))) as bad,
        ScriptedProvider(Script(reply=(Reply(text="fine"),))) as good,
    ):
        one = await door(
            {"acme": sells(bad), "beta": sells(good, model("beta/slow"), wire="anthropic_messages")}
        )
        asked = {"model": "acme/fast", "models": ["beta/slow"], "max_tokens": 50}
        asked["input" if "responses" in way else "messages"] = chat()["messages"]
        answer = await one.client.post(way, json=asked)
        assert answer.status_code == 200, answer.text
        assert "fine" in answer.text and answer.json()["model"] == "beta/slow"
        (record,) = settled(one)
        assert (record.model, record.provider, record.attempts) == ("beta/slow", "beta", 2)
        assert record.reasons == "acme:500"


async def test_what_another_model_may_take_is_not_refused_for_all(door: Make) -> None:
    refuses = Script(reply=(Reply(fault=Fault(kind="status", status=400, message="too long")),))
    async with ScriptedProvider(refuses) as bad, ScriptedProvider() as good:
        one = await door(
            {
                "acme": sells(bad),
                "also": sells(bad, model(input_mtok=0.2)),
                "beta": sells(good, model("beta/slow")),
            }
        )
        answer = await one.post({**chat(), "models": ["beta/slow"]})
        assert answer.status_code == 200, answer.text
        assert len(bad.requests) == 1, "another endpoint of the same model would refuse it too"
        (record,) = settled(one)
        assert (record.provider, record.attempts) == ("beta", 2)


@pytest.mark.parametrize(
    "fields",
    [
        {"models": "acme/slow"},
        {"models": [1]},
        {"models": {}},
        {"fallbacks": ["acme/slow"]},
        {"fallbacks": {"model": "x"}},
        {"fallbacks": [{"model": 5}]},
        {"model": "acme/nothing", "models": ["acme/none"]},
    ],
)
async def test_lists_that_are_none(door: Make, fields: dict[str, Any]) -> None:
    async with ScriptedProvider() as upstream:
        one = await door({"acme": sells(upstream)})
        answer = await one.post({**chat(), **fields})
        assert answer.status_code == 400
        assert upstream.requests == []
        (record,) = settled(one)
        assert (record.outcome, record.status) == ("bad_request", 400)


# --- names --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "acme/fast",
        "ACME/Fast",
        "fast",
        "fast-1",
        "acme/fast-20250929",
        "claude-acme/fast",
        "claude-fast",
        "claude-fast-20250929",
        "acme/fast:floor",
        "acme/fast:thinking",
        "claude-fast-20250929:Nitro",
    ],
)
async def test_spellings_of_one_model(door: Make, name: str) -> None:
    async with ScriptedProvider() as upstream:
        one = await door({"acme": sells(upstream)})
        answer = await one.post({**chat(), "model": name})
        assert answer.status_code == 200, answer.text
        (record,) = settled(one)
        assert (record.model, record.requested_model) == ("acme/fast", name)
        assert upstream.requests[0].body["model"] == "fast-1"


@pytest.mark.parametrize(
    "name", ["acme/fast-2025", "acme/fast-19991231", "acme/fast:8b", "claude-", "claude-slow", ":floor", "@"]
)
async def test_names_that_mean_nothing(door: Make, name: str) -> None:
    async with ScriptedProvider() as upstream:
        one = await door({"acme": sells(upstream)})
        answer = await one.post({**chat(), "model": name})
        assert answer.status_code == 400
        assert "acme/fast" in answer.json()["error"]["message"], "the nearest is named"
        (record,) = settled(one)
        assert (record.outcome, record.requested_model) == ("bad_request", name)


async def test_a_model_that_is_really_called_so(door: Make) -> None:
    """A name of the catalogue goes before what a date, a prefix or a suffix might mean."""
    names = ["acme/fast:free", "claude-fast", "acme/fast-20250929", "acme/fast"]
    async with ScriptedProvider() as upstream:
        one = await door({"acme": sells(upstream, *(model(name) for name in names))})
        for name in names:
            assert (await one.post({**chat(), "model": name})).json()["model"] == name
        settled(one, len(names))


# --- suffixes -----------------------------------------------------------------------------------


async def test_suffixes_choose_how_endpoints_are_ordered(door: Make) -> None:
    async with ScriptedProvider() as upstream:
        prices = {"dear": 5.0, "cheap": 0.1, "gift": 0.0}
        one = await door(
            {name: sells(upstream, model(input_mtok=p, output_mtok=p)) for name, p in prices.items()}
        )

        async def asked(suffix: str, **more: Any) -> httpx.Response:
            found: httpx.Response = await one.post(
                {**chat(), "model": f"acme/fast{suffix}", **more}, headers=TOLD
            )
            return found

        assert order_of(await asked(":floor")) == ["gift", "cheap", "dear"]
        assert order_of(await asked(":free")) == ["gift"]
        for suffix, strategy in ((":nitro", "throughput"), (":exacto", "exacto"), (":floor", "price")):
            assert strategy_of(await asked(suffix)) == strategy
        for suffix in ("", ":thinking", ":online", ":extended"):
            assert strategy_of(await asked(suffix)) == "balanced"
        assert strategy_of(await asked(":nitro", provider={"sort": "price"})) == "price"
        assert order_of(await asked(":floor", provider={"order": ["dear"]})) == ["dear", "gift", "cheap"]
        assert order_of(await asked(":free", provider={"ignore": ["dear"]})) == ["gift"]
        settled(one, 12)


async def test_nothing_is_free(door: Make) -> None:
    async with ScriptedProvider() as upstream:
        one = await door({"acme": sells(upstream)})
        answer = await one.post({**chat(), "model": "acme/fast:free"})
        assert answer.status_code == 400
        assert "not free of charge" in answer.json()["error"]["message"]
        assert answer.json()["error"]["metadata"]["excluded_by"][0]["constraint"] == "free"
        assert upstream.requests == []
        assert settled(one)[0].outcome == "bad_request"


@pytest.mark.parametrize(
    ("names", "order"),
    [
        (["acme/fast", "acme/gift:free"], ["shop", "gift"]),
        (["acme/gift:free", "acme/fast"], ["gift", "shop"]),
        (["acme/gift:free", "acme/fast:free"], ["gift"]),
        (["acme/fast:free", "acme/gift"], ["gift", "other"]),
    ],
)
async def test_a_suffix_is_said_of_its_own_model(door: Make, names: list[str], order: list[str]) -> None:
    async with ScriptedProvider() as upstream:
        one = await door(
            {
                "shop": sells(upstream, model()),
                "gift": sells(upstream, model("acme/gift", input_mtok=0.0, output_mtok=0.0)),
                "other": sells(upstream, model("acme/gift")),
            }
        )
        answer = await one.post({**chat(), "model": names[0], "models": names[1:]}, headers=TOLD)
        assert order_of(answer) == order
        settled(one)


# --- presets ------------------------------------------------------------------------------------

PRESETS: dict[str, dict[str, Any]] = {
    "terse": {"model": "acme/slow", "temperature": 0.25, "max_tokens": 5, "provider": {"sort": "price"}},
    "nameless": {"temperature": 0.5},
}


@pytest.mark.parametrize(
    ("name", "fields", "served", "sent"),
    [
        ("@preset/terse", {}, "slow-1", {"temperature": 0.25, "max_tokens": 5}),
        ("@preset/terse", {"max_tokens": 9}, "slow-1", {"temperature": 0.25, "max_tokens": 9}),
        ("acme/fast@preset/terse", {}, "fast-1", {"temperature": 0.25, "max_tokens": 5}),
        ("acme/fast/@preset/terse", {}, "fast-1", {"temperature": 0.25}),
        ("acme/fast:floor@preset/terse", {}, "fast-1", {"temperature": 0.25}),
        ("fast@preset/nameless", {"temperature": 0}, "fast-1", {"temperature": 0}),
        ("acme/none@preset/nameless", {"models": ["acme/slow"]}, "slow-1", {"temperature": 0.5}),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_preset_fills_in_what_is_not_said(
    door: Make, name: str, fields: dict[str, Any], served: str, sent: dict[str, Any], stream: bool
) -> None:
    async with ScriptedProvider() as upstream:
        one = await door({"acme": sells(upstream, model(), model("acme/slow"))}, presets=PRESETS)
        answer = await one.post({**chat(), "model": name, **fields, "stream": stream})
        assert answer.status_code == 200, answer.text
        (request,) = upstream.requests
        assert request.body["model"] == served
        assert {key: request.body[key] for key in sent} == sent
        assert "provider" not in request.body
        assert settled(one)[0].outcome == "ok"


@pytest.mark.parametrize(
    ("options", "preset", "told"),
    [
        (None, {}, False),
        ({"include_usage": False}, {}, False),
        ({"include_usage": True}, {}, True),
        (None, {"stream_options": {"include_usage": True}}, True),
        ({"include_usage": False, "x": 1}, {"stream_options": {"include_usage": True}}, False),
    ],
)
async def test_a_preset_does_not_ask_for_usage(
    door: Make, options: dict[str, Any] | None, preset: dict[str, Any], told: bool
) -> None:
    async with ScriptedProvider() as upstream:
        one = await door({"acme": sells(upstream)}, presets={"p": {"temperature": 0.5, **preset}})
        asked = {**chat(), "model": "acme/fast@preset/p", "stream": True}
        answer = await one.post(asked if options is None else {**asked, "stream_options": options})
        chunks = [json.loads(x[6:]) for x in answer.text.splitlines() if x.startswith("data: {")]
        assert ("usage" in chunks[-1] and not chunks[-1]["choices"]) == told
        assert upstream.requests[0].body["stream_options"]["include_usage"] is True
        assert settled(one)[0].output_tokens > 0


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("@preset/nothing", ["unknown preset 'nothing'", "nameless, terse"]),
        ("acme/fast@preset/", ["unknown preset ''"]),
        ("@preset/nameless", ["names no model"]),
        ("acme/none@preset/terse", ["unknown model 'acme/none'"]),
    ],
)
async def test_presets_that_are_none(door: Make, name: str, words: list[str]) -> None:
    async with ScriptedProvider() as upstream:
        one = await door({"acme": sells(upstream, model(), model("acme/slow"))}, presets=PRESETS)
        answer = await one.post({**chat(), "model": name})
        assert answer.status_code == 400
        for word in words:
            assert word in answer.json()["error"]["message"]
        assert settled(one)[0].outcome == "bad_request"


@pytest.mark.parametrize("way", ["/v1/messages", "/v1/responses"])
async def test_presets_on_other_ways(door: Make, way: str) -> None:
    async with ScriptedProvider() as upstream:
        one = await door({"acme": sells(upstream, model(), model("acme/slow"))}, presets=PRESETS)
        asked = {"model": "@preset/terse", "max_tokens": 7, "input": "hi", "messages": chat()["messages"]}
        del asked["input" if "messages" in way else "messages"]
        answer = await one.client.post(way, json=asked)
        assert answer.status_code == 200, answer.text
        assert upstream.requests[0].body["temperature"] == 0.25
        assert settled(one)[0].model == "acme/slow"


# --- wishes -------------------------------------------------------------------------------------

TRAITS: dict[str, dict[str, Any]] = {
    "acme": {"input_mtok": 0.1, "quantization": "fp8", "supported_parameters": ("tools", "max_tokens")},
    "beta": {"input_mtok": 1.0, "quantization": "bf16", "supported_parameters": ("temperature",)},
    "gamma": {"input_mtok": 2.0},
}
POLICIES: dict[str, dict[str, Any]] = {
    "acme": {"trains_on_prompts": False, "zero_retention": True},
    "beta": {"trains_on_prompts": False, "zero_retention": False, "title": "Beta Inc."},
    "gamma": {},
}
# a wish, further fields, and who is tried in which order (a set: in any order)
WISHES: list[tuple[dict[str, Any], dict[str, Any], list[str] | set[str]]] = [
    ({}, {}, {"acme", "beta", "gamma"}),
    ({"order": ["gamma"]}, {}, ["gamma", "acme", "beta"]),
    ({"order": ["GAMMA", "beta inc.", "nobody"]}, {}, ["gamma", "beta", "acme"]),
    ({"order": ["gamma", "beta"], "allow_fallbacks": False}, {}, ["gamma", "beta"]),
    ({"order": ["gamma"], "sort": "price"}, {}, ["gamma", "acme", "beta"]),
    ({"only": ["beta", "gamma"], "sort": "price"}, {}, ["beta", "gamma"]),
    ({"ignore": ["acme"], "sort": "price"}, {}, ["beta", "gamma"]),
    ({"only": ["beta", "gamma"], "ignore": ["beta"]}, {}, ["gamma"]),
    ({"allow_fallbacks": False, "sort": "price"}, {}, ["acme"]),
    ({"require_parameters": True}, {"tools": [{"type": "function"}]}, ["acme"]),
    ({"require_parameters": True}, {"temperature": 0.1}, ["beta"]),
    ({"require_parameters": True, "sort": "price"}, {}, ["acme", "beta", "gamma"]),
    ({"data_collection": "deny", "sort": "price"}, {}, ["acme", "beta"]),
    ({"data_collection": "allow", "sort": "price"}, {}, ["acme", "beta", "gamma"]),
    ({"zdr": True}, {}, ["acme"]),
    ({"quantizations": ["FP8"]}, {}, ["acme"]),
    ({"quantizations": ["bf16", "unknown"], "sort": "price"}, {}, ["beta", "gamma"]),
    ({"sort": "price"}, {}, ["acme", "beta", "gamma"]),
    ({"sort": {"by": "price", "partition": "none"}}, {}, ["acme", "beta", "gamma"]),
    ({"max_price": {"prompt": 1}, "sort": "price"}, {}, ["acme", "beta"]),
    ({"max_price": {"prompt": "0.5", "completion": 1}}, {}, ["acme"]),
    ({"preferred_max_latency": 0.5, "sort": "price"}, {}, ["beta", "gamma", "acme"]),
    ({"preferred_max_latency": {"p90": 0.5}, "sort": "price"}, {}, ["beta", "gamma", "acme"]),
    ({"preferred_max_latency": 50, "sort": "price"}, {}, ["acme", "beta", "gamma"]),
    ({"preferred_min_throughput": 100, "sort": "price"}, {}, ["acme", "gamma", "beta"]),
    ({"preferred_min_throughput": {"p50": 1}, "sort": "price"}, {}, ["acme", "beta", "gamma"]),
    ({"never_heard_of": [1], "sort": "price"}, {}, ["acme", "beta", "gamma"]),
]


async def shop(door: Make, upstream: ScriptedProvider) -> Door:
    """Three providers of one model, of which the first is slow to begin and the second slow to go on."""
    one: Door = await door(
        {name: sells(upstream, model(**TRAITS[name]), **POLICIES[name]) for name in TRAITS}
    )
    now = one.gateway.loop.time()
    for endpoint in one.catalog.find("acme/fast"):
        vitals = one.health.of(endpoint)
        for _ in range(30):
            if endpoint.provider == "acme":
                vitals.first_token(2.0, now)
            if endpoint.provider == "beta":
                vitals.succeeded(10.0, 100, now)
    return one


@pytest.mark.parametrize(("wish", "fields", "expected"), WISHES)
async def test_wishes(
    door: Make, wish: dict[str, Any], fields: dict[str, Any], expected: list[str] | set[str]
) -> None:
    async with ScriptedProvider() as upstream:
        one = await shop(door, upstream)
        answer = await one.post({**chat(), **fields, "provider": wish}, headers=TOLD)
        order = order_of(answer)
        if isinstance(expected, set):
            assert set(order) == expected
        else:
            assert order == expected
        assert answer.json()["provider"] == order[0]
        assert "provider" not in upstream.requests[0].body
        told = answer.json()["openrouter_metadata"]
        assert len(told["params"]["excluded"]) == 3 - len(order) or not wish.get("allow_fallbacks", True)
        assert settled(one)[0].provider == order[0]


@pytest.mark.parametrize(
    ("wish", "constraints"),
    [
        ({"only": ["nobody"]}, {"only"}),
        ({"ignore": ["acme", "beta", "gamma"]}, {"ignore"}),
        ({"order": ["nobody"], "allow_fallbacks": False}, {"order"}),
        ({"max_price": {"prompt": 0.01}}, {"max_price"}),
        ({"quantizations": ["int4"]}, {"quantizations"}),
        ({"zdr": True, "ignore": ["acme"]}, {"ignore", "zdr"}),
    ],
)
@pytest.mark.parametrize("way", ["/v1/chat/completions", "/v1/messages"])
async def test_wishes_that_nobody_meets(
    door: Make, way: str, wish: dict[str, Any], constraints: set[str]
) -> None:
    async with ScriptedProvider() as upstream:
        one = await shop(door, upstream)
        answer = await one.client.post(way, json={**chat(), "max_tokens": 5, "provider": wish})
        assert answer.status_code == 400
        error = answer.json()["error"]
        for name in TRAITS:
            assert name in error["message"]
        if "chat" in way:
            assert {each["constraint"] for each in error["metadata"]["excluded_by"]} == constraints
        assert upstream.requests == []
        assert settled(one)[0].outcome == "bad_request"


@pytest.mark.parametrize(
    "wish",
    [
        {"order": "acme"},
        {"only": [1]},
        {"sort": "beauty"},
        {"data_collection": "maybe"},
        {"max_price": {"prompt": "cheap"}},
        {"max_price": {"prompt": -1}},
        {"preferred_max_latency": "soon"},
        {"allow_fallbacks": "no"},
        [],
        "acme",
    ],
)
async def test_malformed_wishes(door: Make, wish: Any) -> None:
    async with ScriptedProvider() as upstream:
        one = await shop(door, upstream)
        answer = await one.post({**chat(), "provider": wish})
        assert answer.status_code == 400
        assert "'provider' is malformed" in answer.json()["error"]["message"]
        assert settled(one)[0].outcome == "bad_request"


# --- what the request itself needs ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "content", "looks"),
    [
        (
            "/v1/chat/completions",
            [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}}],
            True,
        ),
        (
            "/v1/messages",
            [
                {
                    "type": "image",
                    "source": {"type": "base64", "media_type": "image/png", "data": "iVBO"},
                }
            ],
            True,
        ),
        ("/v1/chat/completions", 'the words "image_url", "type": "image" and "input_image"', False),
    ],
)
async def test_pictures_go_to_who_can_see(door: Make, path: str, content: Any, looks: bool) -> None:
    async with ScriptedProvider() as upstream:
        one = await door(
            {
                "blind": sells(upstream, model(input_modalities=("text", "audio"))),
                "sees": sells(upstream, model(input_modalities=("text", "image"), input_mtok=3.0)),
            }
        )
        asked = {
            "model": "acme/fast",
            "max_tokens": 9,
            "messages": [{"role": "user", "content": content}],
            "provider": {"sort": "price"},
        }
        answer = await one.client.post(path, json=asked)
        assert answer.status_code == 200, answer.text
        assert settled(one)[0].provider == ("sees" if looks else "blind")


async def test_arguments_of_tools_are_no_files(door: Make) -> None:
    """On the messages wire they are objects, whose keys and values are anything."""
    async with ScriptedProvider() as upstream:
        one = await door(
            {
                "acme": sells(upstream, model(input_modalities=("text", "image"))),
                "beta": sells(upstream, model(input_modalities=("text", "image"))),
            }
        )
        arguments = {"file": "a.py", "document": "image", "kind": "file", "image": 1}
        messages = [
            {"role": "user", "content": "look"},
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "t1", "name": "f", "input": arguments}],
            },
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "x"}]},
        ]
        answer = await one.client.post(
            "/v1/messages", json={"model": "acme/fast", "max_tokens": 5, "messages": messages}
        )
        assert answer.status_code == 200, answer.text
        settled(one)


async def test_what_does_not_fit_goes_elsewhere(door: Make) -> None:
    async with ScriptedProvider() as upstream:
        one = await door(
            {
                "small": sells(upstream, model(context_length=100, max_output_tokens=50)),
                "large": sells(upstream, model(input_mtok=5.0)),
            }
        )
        price = {"provider": {"sort": "price"}}
        for fields, served in (
            ({}, "small"),
            ({"messages": [{"role": "user", "content": "x" * 2000}]}, "large"),
            ({"max_tokens": 51}, "large"),
            ({"max_completion_tokens": 51}, "large"),
            ({"max_tokens": 50}, "small"),
            ({"max_tokens": None}, "small"),
        ):
            answer = await one.post({**chat(), **price, **fields})
            assert answer.json()["provider"] == served, fields
        settled(one, 6)


# --- who may ask for what --------------------------------------------------------------------------


async def test_embeddings_and_counts_only_where_they_are_offered(door: Make) -> None:
    async with ScriptedProvider() as upstream:
        one = await door(
            {
                "talks": sells(
                    upstream, model(input_mtok=9.0), model("acme/native"), wire="anthropic_messages"
                ),
                "embeds": sells(upstream, model()),
            }
        )
        for _ in range(5):
            answer = await one.client.post("/v1/embeddings", json={"model": "acme/fast", "input": "x"})
            assert answer.status_code == 200, answer.text
            asked = {"model": "acme/fast", "messages": chat()["messages"]}
            answer = await one.client.post("/v1/messages/count_tokens", json=asked)
            assert answer.status_code == 200 and answer.json()["input_tokens"] > 0
            assert "x-tokenworks-estimated" not in answer.headers
        kinds = Counter((each.kind, each.provider) for each in settled(one, 10))
        assert kinds == {("embeddings", "embeds"): 5, ("count_tokens", "talks"): 5}
        assert Counter(each.wire for each in upstream.requests) == {"embeddings": 5, "count_tokens": 5}
        answer = await one.client.post("/v1/embeddings", json={"model": "acme/native", "input": "x"})
        assert answer.status_code == 400
        assert "no provider of 'acme/native' here offers embeddings" in answer.text
        named = {"model": "acme/native", "models": ["acme/fast"], "input": "x"}
        answer = await one.client.post("/v1/embeddings", json=named)
        assert answer.status_code == 200, "the other model's provider offers them"
        assert settled(one, 12)[-1].provider == "embeds"


async def test_a_caller_without_a_key_gets_what_runs_here(
    door: Make, engine_settings: dict[str, EngineSettings]
) -> None:
    async with ScriptedProvider() as upstream, ScriptedProvider() as engine:
        one = await door({"acme": sells(upstream)}, engines=engine_settings)
        one.engines.update(EngineState("tiny", "ready", port=engine.port, api_key="k"))
        del one.client.headers["authorization"]
        for fields in (
            {"model": "tiny"},
            {"model": "tiny", "models": ["acme/fast"]},
            {"model": "acme/fast", "models": ["tiny"]},
            {"model": "nothing", "models": ["acme/fast", "local/tiny"]},
        ):
            answer = await one.post({**chat(), **fields})
            assert answer.status_code == 200, answer.text
            assert answer.json()["provider"] == "local"
        for path, fields in (
            ("/v1/chat/completions", {"messages": []}),
            ("/v1/messages", {"messages": [], "max_tokens": 5}),
            ("/v1/responses", {"input": "x"}),
            ("/v1/embeddings", {"input": "x"}),
            ("/v1/chat/completions", {"messages": [], "models": ["nothing"]}),
        ):
            answer = await one.client.post(path, json={"model": "acme/fast", **fields})
            assert answer.status_code == 401, answer.text
            assert "only models run here" in answer.text
        records = settled(one, 9)
        assert {each.key_id for each in records} == {"local"}
        assert [each.outcome for each in records] == ["ok"] * 4 + ["denied"] * 5
        assert upstream.requests == []


# --- fields that nobody knows ---------------------------------------------------------------------


@pytest.mark.parametrize("wire", ["openai_chat", "anthropic_messages", "openai_responses"])
@pytest.mark.parametrize("path", [each for each in WAYS if "count" not in each and "embed" not in each])
async def test_unknown_fields_are_never_refused(door: Make, path: str, wire: str) -> None:
    strange = {"never_heard_of": {"a": [1]}, "x-y": None, "": 1, "metadata": {"k": "v"}, "reasoning": None}
    body = {"model": "acme/fast", "max_tokens": 9, **strange}
    if path == "/v1/responses":
        body |= {"input": "hi"}
    elif path == "/v1/completions":
        body |= {"prompt": "hi"}
    else:
        body |= {"messages": [{"role": "user", "content": "hi"}]}
    async with ScriptedProvider() as upstream:
        one = await door({"acme": sells(upstream, wire=wire)})
        for stream in (False, True):
            answer = await one.client.post(path, json={**body, "stream": stream})
            assert answer.status_code == 200, answer.text
            assert "You" in answer.text
        assert {each.outcome for each in settled(one, 2)} == {"ok"}


# --- sessions -------------------------------------------------------------------------------------


async def twins(door: Make, one: ScriptedProvider, other: ScriptedProvider) -> Door:
    """Two endpoints of the same price, both with a cache."""
    found: Door = await door(
        {
            "acme": sells(one, model(cache_read_mtok=0.01)),
            "beta": sells(other, model(cache_read_mtok=0.01)),
        }
    )
    return found


SESSIONS: list[Callable[[int], tuple[dict[str, Any], dict[str, str]]]] = [
    lambda n: ({"session_id": "s"}, {}),
    lambda n: ({}, {"x-session-id": "s"}),
    lambda n: ({"prompt_cache_key": "s"}, {}),
    lambda n: ({"session_id": "s", "prompt_cache_key": f"p{n}"}, {"x-session-id": f"h{n}"}),
    lambda n: ({"prompt_cache_key": f"p{n}"}, {"x-session-id": "s"}),
    lambda n: ({"messages": turns(n)}, {}),
]


def turns(n: int) -> list[dict[str, Any]]:
    """A conversation that has come to its ``n``-th turn."""
    begin = [{"role": "system", "content": "You mend systems."}, {"role": "user", "content": "My system!"}]
    return begin + [{"role": "assistant" if i % 2 else "user", "content": f"turn {i}"} for i in range(n)]


@pytest.mark.parametrize(
    "session", SESSIONS, ids=["session_id", "header", "cache_key", "session_id_first", "header_next", "words"]
)
async def test_a_session_stays_where_it_is_cached(
    door: Make, session: Callable[[int], tuple[dict[str, Any], dict[str, str]]]
) -> None:
    async with ScriptedProvider() as a, ScriptedProvider() as b:
        one = await twins(door, a, b)
        for number in range(50):
            fields, headers = session(number)
            answer = await one.post({**chat(f"{number} words"), **fields}, headers=headers)
            assert answer.status_code == 200, answer.text
        assert len({each.provider for each in settled(one, 50)}) == 1


async def test_without_a_session_the_load_is_shared(door: Make) -> None:
    async with ScriptedProvider() as a, ScriptedProvider() as b:
        one = await twins(door, a, b)
        for number in range(50):
            await one.post(chat(f"{number} other words"))
        shares = Counter(each.provider for each in settled(one, 50))
        assert min(shares["acme"], shares["beta"]) >= 8, shares


async def test_sessions_of_two_keys_or_models_have_nothing_in_common(door: Make) -> None:
    async with ScriptedProvider() as upstream:
        one = await door({"acme": sells(upstream, model(cache_read_mtok=0.01), model("acme/slow"))})
        await one.post({**chat(), "session_id": "s", "provider": {"sort": "price"}})
        now, affinity = one.gateway.loop.time(), one.gateway.affinity
        assert affinity.of((one.key_id, "acme/fast", "s"), now) is not None
        assert affinity.of((one.key_id, "acme/slow", "s"), now) is None
        assert affinity.of(("another", "acme/fast", "s"), now) is None
        assert len(affinity) == 1


async def test_affinity_yields_when_its_endpoint_fails(door: Make) -> None:
    async with ScriptedProvider() as a, ScriptedProvider() as b:
        one = await twins(door, a, b)
        asked = {**chat(), "session_id": "s"}
        first = (await one.post(asked)).json()["provider"]
        ill, well = (a, b) if first == "acme" else (b, a)
        ill.play(Script(reply=(Reply(fault=Fault(kind="status", status=500)),)))
        for _ in range(20):
            answer = await one.post(asked)
            assert answer.status_code == 200 and answer.json()["provider"] != first
        assert len(ill.requests) <= 3, "it moved, and stays where it is cached now"
        ill.play(Script())
        for _ in range(10):
            assert (await one.post(asked)).json()["provider"] != first
        records = settled(one, 31)
        assert records[1].attempts == 2 and records[1].reasons == f"{first}:500"
        assert len(well.requests) == 30


async def test_counting_the_tokens_of_a_session_does_not_move_it(door: Make) -> None:
    async with ScriptedProvider() as a, ScriptedProvider() as b:
        one = await door(
            {
                "acme": sells(a, model(cache_read_mtok=0.01)),
                "beta": sells(b, model(cache_read_mtok=0.01, input_mtok=0.3), wire="anthropic_messages"),
            }
        )
        asked = {"model": "acme/fast", "messages": turns(1)}
        for _ in range(10):
            assert (await one.client.post("/v1/messages/count_tokens", json=asked)).status_code == 200
            assert (await one.client.post("/v1/messages", json={**asked, "max_tokens": 5})).status_code == 200
        kinds = Counter((each.kind, each.provider) for each in settled(one, 20))
        assert kinds[("count_tokens", "beta")] == 10
        assert max(kinds[("messages", "acme")], kinds[("messages", "beta")]) == 10


async def test_an_order_of_the_callers_own_keeps_no_session(door: Make) -> None:
    async with ScriptedProvider() as a, ScriptedProvider() as b:
        one = await twins(door, a, b)
        for name in ("beta", "acme", "beta"):
            answer = await one.post({**chat(), "session_id": "s", "provider": {"order": [name]}})
            assert answer.json()["provider"] == name
        assert len(one.gateway.affinity) == 0
        settled(one, 3)


async def test_what_a_plan_says(door: Make) -> None:
    """What the choice hands on besides endpoints."""
    one = await door({"acme": provider("http://127.0.0.1:9/v1"), "beta": provider("http://127.0.0.1:9/v1")})
    caller = Caller(Key(id="k", name="k", role="member"), {})

    def plan(session: str = "", **fields: Any) -> Any:
        asked = ChatRequest(json.dumps({**chat(), **fields}).encode())
        record = Record(id="gen-1-x", time_us=1, session=session)
        return one.gateway.chooser.plan(asked, CHAT, caller, record, local_only=False)

    made = plan()
    assert made.session and made.affinity == ("k", "acme/fast", made.session)
    assert (made.models, made.strict, made.exclude_reasoning, made.hedges) == (1, False, False, False)
    assert plan("mine").session == "mine"
    assert plan("mine", prompt_cache_key="p").session == "mine"
    assert plan(prompt_cache_key="p").session == "p"
    assert plan(prompt_cache_key="p" * 999).session == "p" * 200
    assert plan(provider={"order": ["beta"]}).affinity is None
    assert plan(models=["acme/none", "acme/fast"]).models == 2
    assert plan(provider={"require_parameters": True, "only": ["x", "acme"]}, stream=False).strict
    assert plan(reasoning={"exclude": True}).exclude_reasoning
    assert plan(include_reasoning=False).exclude_reasoning
    assert not plan(reasoning={"exclude": False}, include_reasoning=True).exclude_reasoning
    assert plan(messages="no list").session, "whatever it is, it is the same next time"


# --- several engines of one model ---------------------------------------------------------------


LONG = "a long text of which much is cached " * 100


def engines(tmp_path: Path) -> dict[str, EngineSettings]:
    return {
        name: EngineSettings(model="local/tiny", path=str(tmp_path / "tiny.gguf"), aliases=("tiny",))
        for name in ("one", "two")
    }


async def talk(one: Door, number: int, turn: int = 0) -> httpx.Response:
    turns = [{"role": "user", "content": f"{number} {LONG}"}]
    for _ in range(turn):
        turns += [{"role": "assistant", "content": "Well."}, {"role": "user", "content": "Go on."}]
    return await one.client.post("/v1/chat/completions", json={"model": "tiny", "messages": turns})


@pytest.mark.parametrize("prefix", [True, False])
async def test_replicas_are_told_apart_by_how_prompts_begin(door: Make, tmp_path: Path, prefix: bool) -> None:
    async with ScriptedProvider() as first, ScriptedProvider() as second:
        routing = RoutingSettings(prefix=prefix, affinity_s=0)
        one = await door({}, engines=engines(tmp_path), routing=routing)
        for name, upstream in (("one", first), ("two", second)):
            one.engines.update(EngineState(name, "ready", port=upstream.port, api_key="k"))
        homes: list[list[bool]] = []
        for number in range(12):
            homes.append([])
            for turn in range(4):
                before = len(first.requests)
                assert (await talk(one, number, turn)).status_code == 200
                homes[-1].append(len(first.requests) > before)
        assert len(first.requests) + len(second.requests) == 48
        assert first.requests and second.requests
        assert all(len(set(each)) == 1 for each in homes) is prefix
        settled(one, 48)
        if prefix:
            replicas = one.gateway.chooser.replicas
            loads = [replicas.of(each) for each in one.catalog.find("tiny")]
            assert [each.under_way for each in loads] == [0, 0]
            done = [each.work(one.gateway.loop.time())[1] for each in loads]
            assert done == pytest.approx([len(first.requests), len(second.requests)], rel=0.01)
        else:
            assert one.gateway.chooser.replicas is None


async def test_an_engine_that_fails_gives_its_prompts_to_the_other(door: Make, tmp_path: Path) -> None:
    broken = Script(reply=(Reply(fault=Fault(kind="status", status=500)),))
    async with ScriptedProvider(broken) as bad, ScriptedProvider() as good:
        one = await door({}, engines=engines(tmp_path), routing=RoutingSettings(affinity_s=0))
        for name, upstream in (("one", bad), ("two", good)):
            one.engines.update(EngineState(name, "ready", port=upstream.port, api_key="k"))
        for number in range(20):
            assert (await talk(one, number)).status_code == 200
        assert len(good.requests) == 20
        assert 2 <= len(bad.requests) <= 6, "what fails is left alone"
        replicas = one.gateway.chooser.replicas
        assert [replicas.of(each).under_way for each in one.catalog.find("tiny")] == [0, 0]
        settled(one, 20)


async def test_however_requests_end_nothing_stays_under_way(door: Make) -> None:
    """A rough crowd: errors before and amid answers, hedges, callers who leave, a server that stops."""
    busy = Fault(kind="status", status=429, retry_after_s=0)
    rough = Script(
        reply=(
            Reply(when=When(every=7), fault=Fault(kind="status", status=500)),
            Reply(when=When(every=9), fault=busy),
            Reply(when=When(every=11), fault=Fault(kind="close")),
            Reply(when=When(every=5, stream=True), tokens=20, fault=Fault(kind="early_close", after_chunk=5)),
            Reply(when=When(every=3), tokens=5, first_byte_delay_s=0.08),
            Reply(tokens=5, chunk_delay_s=0.002),
        )
    )
    async with ScriptedProvider(rough) as a, ScriptedProvider(rough) as b, ScriptedProvider(rough) as c:
        named = {"acme": a, "beta": b, "gamma": c}
        sellers = {name: sells(each, model(cache_read_mtok=0.01)) for name, each in named.items()}
        one = await door(sellers, routing=RoutingSettings(hedge_percentile=50, breaker_rest_s=0.1))
        for endpoint in one.catalog.find("acme/fast"):
            for _ in range(20):
                one.health.of(endpoint).first_token(0.02, one.gateway.loop.time())
        replicas = one.gateway.chooser.replicas

        def under_way() -> list[int]:
            return [replicas.of(each).under_way for each in one.catalog.find("acme/fast")]

        dice, most = random.Random(5), 0

        async def ask(number: int, *, stays: bool = False) -> None:
            nonlocal most
            stream, leaves = dice.random() < 0.7, dice.random() < 0.3 and not stays
            body = {**chat(f"{number % 9} {LONG}", stream=stream), "session_id": f"s{number % 20}"}
            with contextlib.suppress(httpx.HTTPError, TimeoutError):
                async with asyncio.timeout(0.05 if leaves else 10):
                    await one.post(body)
            most = max(most, sum(under_way()))

        for first in range(0, 150, 15):
            await asyncio.gather(*(ask(number) for number in range(first, first + 15)))
        for _ in range(2000):  # of those who left, whose last words are still listened to
            if not sum(under_way()):
                break
            await asyncio.sleep(0.001)
        last = [asyncio.create_task(ask(number, stays=True)) for number in range(15)]
        for _ in range(2000):
            if sum(under_way()) >= 3:
                break
            await asyncio.sleep(0.001)
        one.listener.drain()
        one.listener.cut()
        await asyncio.gather(*last)
        for _ in range(200):
            if not one.inflight.count():
                break
            await asyncio.sleep(0.01)
        assert one.inflight.count() == 0 and under_way() == [0, 0, 0] and most > 1
        outcomes = Counter(each.outcome for each in one.records())
        assert {"ok", "client_gone", "shutdown", "upstream_error"} <= set(outcomes), outcomes
        assert any(":hedge" in each.reasons or ":slow" in each.reasons for each in one.records())
