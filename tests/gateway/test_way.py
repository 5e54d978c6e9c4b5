"""The ways in: each records its kind, and says what is wrong in the shape that its clients read."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest
from doorway import Door, provider

from tokenworks.errors import (
    BadRequest,
    Forbidden,
    NotFound,
    RateLimited,
    TokenworksError,
    TooLarge,
    Unauthorized,
    Unavailable,
    UnknownModel,
    UpstreamError,
    UpstreamTimeout,
)
from tokenworks.gateway.way import CHAT, WAYS
from tokenworks.providers.scripted import Fault, Reply, Script, ScriptedProvider
from tokenworks.wire import pairs

Make = Callable[..., Any]
LIMITED = Script(reply=(Reply(fault=Fault(kind="status", status=429, retry_after_s=7)),))
NEVER_STREAMED = ("/v1/embeddings", "/v1/messages/count_tokens")
IN_MESSAGES = ("/v1/messages", "/v1/messages/count_tokens")


def body(path: str, **more: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"model": "acme/fast", **more}
    if path in ("/v1/responses", "/v1/embeddings"):
        return {**given, "input": "hi"}
    if path == "/v1/completions":
        return {**given, "prompt": "hi"}
    return {**given, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 9}


def settled(one: Door, n: int = 1) -> list[Any]:
    records = one.records()
    assert len(records) == n
    assert one.inflight.count() == 0
    return records


def check(path: str, status: int, said: Any, words: str = "") -> None:
    """``said`` is an error of this status in the shape of the way ``path``."""
    if path in IN_MESSAGES:
        kinds = {
            400: "invalid_request_error",
            401: "authentication_error",
            403: "permission_error",
            404: "not_found_error",
            413: "request_too_large",
            429: "rate_limit_error",
            502: "api_error",
            503: "overloaded_error",
            504: "timeout_error",
        }
        assert said["type"] == "error"
        assert said["error"]["type"] == kinds[status]
    else:
        assert set(said) == {"error"}
        assert said["error"]["code"] == status and isinstance(said["error"]["code"], int)
        assert isinstance(said["error"]["type"], str) and said["error"]["type"]
        assert said["error"]["param"] is None
    assert words in said["error"]["message"] and "\n" not in said["error"]["message"]


@pytest.mark.parametrize(
    ("path", "stream"),
    [(path, stream) for path in WAYS for stream in (False, True) if not stream or path not in NEVER_STREAMED],
)
async def test_the_shape_of_errors(door: Make, path: str, stream: bool) -> None:
    async with ScriptedProvider(LIMITED) as upstream:
        one = await door(
            {
                "acme": provider(upstream.base_url, more_wires={pairs.MESSAGES: upstream.origin}),
            }
        )
        asked = body(path, stream=stream)
        answer = await one.client.post(path, content=b"{")
        assert answer.status_code == 400
        check(path, 400, answer.json(), "not valid JSON")
        answer = await one.client.post(path, json={**asked, "model": "acme/none"})
        assert answer.status_code == 400
        check(path, 400, answer.json(), "unknown model 'acme/none'")
        answer = await one.client.post(path, json=asked, headers={"authorization": "Bearer tw-nobody"})
        assert answer.status_code == 401
        check(path, 401, answer.json(), "this API key is not known")
        answer = await one.client.post(path, json=asked)
        assert answer.status_code == 429, answer.text
        check(path, 429, answer.json(), "acme limits the rate")
        assert answer.headers["retry-after"] == "7"
        assert answer.headers["content-type"].startswith("application/json")
        records = settled(one, 3)
        assert {each.kind for each in records} == {WAYS[path].kind}
        assert [each.status for each in records] == [400, 400, 429]
        assert one.gateway.refused == {401: 1}


async def test_what_is_not_kept_is_a_404(door: Make) -> None:
    async with ScriptedProvider() as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        asked = body("/v1/responses", previous_response_id="gen-1-none")
        answer = await one.client.post("/v1/responses", json=asked)
        assert answer.status_code == 404
        check("/v1/responses", 404, answer.json(), "no response 'gen-1-none'")
        settled(one)


ERRORS: list[TokenworksError] = [
    BadRequest("m"),
    UnknownModel("m"),
    Unauthorized("m"),
    Forbidden("m"),
    NotFound("m"),
    TooLarge("m"),
    RateLimited("m", retry_after_s=3),
    UpstreamError('m "quoted" é', provider_name="acme"),
    UpstreamTimeout("m"),
    Unavailable("m"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("path", WAYS)
def test_every_error_has_a_shape(path: str, error: TokenworksError) -> None:
    said = json.loads(WAYS[path].render(error))
    check(path, error.status, said, error.message)
    if path not in IN_MESSAGES and error.metadata:
        assert said["error"]["metadata"] == {"provider_name": "acme"}


async def test_official_clients_know_the_errors(door: Make) -> None:
    async with ScriptedProvider(LIMITED) as upstream:
        one = await door({"acme": provider(upstream.base_url)})
        url = f"http://127.0.0.1:{one.port}"
        for key, model, of_openai, of_anthropic in (
            (one.key, "acme/fast", openai.RateLimitError, anthropic.RateLimitError),
            (one.key, "acme/none", openai.BadRequestError, anthropic.BadRequestError),
            ("tw-nobody", "acme/fast", openai.AuthenticationError, anthropic.AuthenticationError),
        ):
            async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0) as client:
                for stream in (False, True):
                    with pytest.raises(of_openai):
                        await client.chat.completions.create(model=model, messages=[], stream=stream)
                    with pytest.raises(of_openai):
                        await client.responses.create(model=model, input="hi", stream=stream)
            async with anthropic.AsyncAnthropic(base_url=url, api_key=key, max_retries=0) as messenger:
                for stream in (False, True):
                    with pytest.raises(of_anthropic):
                        await messenger.messages.create(
                            model=model,
                            max_tokens=5,
                            messages=[{"role": "user", "content": "hi"}],
                            stream=stream,
                        )
        settled(one, 12)


def test_ways_differ_in_wire_and_kind() -> None:
    assert WAYS["/v1/chat/completions"] is CHAT
    assert len({way.wire for way in WAYS.values()}) == len({way.kind for way in WAYS.values()}) == len(WAYS)
    for path, way in WAYS.items():
        asked = way.read(json.dumps(body(path)).encode())
        assert (asked.model, asked.stream, asked.input_bytes > 0) == ("acme/fast", False, True)
        assert asked.wire == way.wire  # type: ignore[attr-defined]
    assert [way.kind for way in WAYS.values() if way.planned] == ["responses", "count_tokens", "embeddings"]
