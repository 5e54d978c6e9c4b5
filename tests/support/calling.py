"""How tests call a gateway on each wire, read what it answers, and see that nothing is left behind."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import anthropic
import httpx
import openai
from doorway import Door
from openai.types.responses import ResponseCompletedEvent, ResponseFailedEvent

from tokenworks.ledger.record import Record
from tokenworks.providers.scripted import Fault, Reply, Script

CHAT, MESSAGES, RESPONSES = "openai_chat", "anthropic_messages", "openai_responses"
PATHS = {CHAT: "/v1/chat/completions", MESSAGES: "/v1/messages", RESPONSES: "/v1/responses"}
COMMENT = ": TOKENWORKS PROCESSING\n\n"


def asked(wire: str = CHAT, text: str = "hello", *, stream: bool = False, **more: Any) -> dict[str, Any]:
    """A small request on ``wire``."""
    given: dict[str, Any] = {"model": "acme/fast", "stream": stream}
    if wire == RESPONSES:
        given["input"] = text
    else:
        given["messages"] = [{"role": "user", "content": text}]
    if wire == MESSAGES:
        given["max_tokens"] = 1000
    return given | more


def order(*names: str) -> dict[str, Any]:
    """The wish to have providers asked in this order."""
    return {"order": list(names)}


async def ask(one: Door, wire: str = CHAT, text: str = "hello", **more: Any) -> httpx.Response:
    """One answer, whole or streamed, read to its end."""
    return await one.client.post(PATHS[wire], json=asked(wire, text, **more))


def replies(*given: Reply) -> Script:
    """A script of these rules."""
    return Script(reply=given)


def says(text: str, **more: Any) -> Script:
    """A provider that always says the same."""
    return replies(Reply(text=text, **more))


def fails(status: int = 500, text: str = "one two three four five six", **more: Any) -> Script:
    """A provider that refuses everything."""
    return replies(Reply(text=text, fault=Fault(kind="status", status=status, **more)))


def events(answer: httpx.Response) -> list[dict[str, Any]]:
    """The events of a stream with data, without the last mark of chat."""
    found = [line[6:] for line in answer.text.splitlines() if line.startswith("data: ")]
    return [json.loads(each) for each in found if each != "[DONE]"]


def said(wire: str, answer: httpx.Response) -> str:
    """The text of a good answer, whole or streamed."""
    assert answer.status_code == 200, answer.text
    if answer.headers["content-type"].startswith("application/json"):
        found = answer.json()
        if wire == CHAT:
            return str(found["choices"][0]["message"]["content"])
        parts = found["content"] if wire == MESSAGES else found["output"][0]["content"]
        return "".join(part["text"] for part in parts)
    out = ""
    for event in events(answer):
        if wire == CHAT:
            out += "".join(choice["delta"].get("content") or "" for choice in event["choices"])
        elif event["type"] == "content_block_delta":
            out += event["delta"].get("text", "")
        elif event["type"] == "response.output_text.delta":
            out += event["delta"]
    return out


def complaint(wire: str, answer: httpx.Response) -> str:
    """What an answer says that failed, before its first byte or within a stream, in its wire's shape."""
    if answer.status_code != 200:
        found = answer.json()
        if wire == MESSAGES:
            assert found["type"] == "error" and isinstance(found["error"]["type"], str)
        else:
            assert found["error"]["code"] == answer.status_code
        return str(found["error"]["message"])
    got = events(answer)
    last = got[-1]
    if wire == CHAT:
        assert answer.text.endswith("data: [DONE]\n\n")
        assert last["choices"][0]["finish_reason"] == "error"
        assert isinstance(last["error"]["code"], int)
        return str(last["error"]["message"])
    if wire == MESSAGES:
        assert last["type"] == "error" and isinstance(last["error"]["type"], str)
        assert not any(event["type"] == "message_stop" for event in got)
        return str(last["error"]["message"])
    assert last["type"] == "response.failed" and last["response"]["status"] == "failed"
    assert not any(event["type"] == "response.completed" for event in got)
    return str(last["response"]["error"]["message"])


async def sdk_says(one: Door, wire: str, text: str = "hello", **more: Any) -> str:
    """The text of a stream as the official client of its wire reads it. Raises what that client raises."""
    url = f"http://127.0.0.1:{one.port}"
    extra: Any = {"extra_body": more} if more else {}
    messages: Any = [{"role": "user", "content": text}]
    if wire == MESSAGES:
        async with (
            anthropic.AsyncAnthropic(base_url=url, api_key=one.key, max_retries=0) as sdk,
            sdk.messages.stream(model="acme/fast", max_tokens=1000, messages=messages, **extra) as stream,
        ):
            return await stream.get_final_text()
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=one.key, max_retries=0) as client:
        if wire == CHAT:
            chunks = await client.chat.completions.create(
                model="acme/fast", messages=messages, stream=True, **extra
            )
            return "".join([c.choices[0].delta.content or "" async for c in chunks if c.choices])
        async for event in await client.responses.create(model="acme/fast", input=text, stream=True, **extra):
            if isinstance(event, ResponseCompletedEvent):
                return event.response.output_text
            if isinstance(event, ResponseFailedEvent):  # on this wire an event as any other
                assert event.response.error is not None
                raise openai.APIError(event.response.error.message, httpx.Request("POST", url), body=None)
    raise AssertionError("the stream has no end")


async def until(condition: Callable[[], Any], timeout_s: float = 5.0) -> None:
    """Returns once ``condition()`` holds. Raises TimeoutError."""
    for _ in range(int(timeout_s / 0.005)):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise TimeoutError


async def settled(one: Door, count: int | None = None) -> list[Record]:
    """All records, once nothing is in flight: exactly ``count`` (default: one), each of its own request."""
    await until(lambda: one.inflight.count() == 0)
    found = one.records()
    assert len(found) == (1 if count is None else count), found
    assert len({record.id for record in found}) == len(found)
    assert one.inflight.count() == 0
    return found


async def only(one: Door) -> Record:
    """The record of the only request."""
    (record,) = await settled(one)
    return record
