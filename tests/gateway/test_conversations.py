"""What goes on from request to request: stored responses, and reasoning that a maker must see again."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from doorway import PEPPER, Door, provider
from forgetful_clients import (
    CHAT,
    MESSAGES,
    PATHS,
    RESPONSES,
    Called,
    asks,
    called,
    events,
    goes_on,
)
from raw_provider import EVENTS, RawProvider, Sent
from raw_provider import Asked as RawAsked
from serving import chat

from tokenworks.config.settings import ProviderSettings
from tokenworks.errors import StoreError
from tokenworks.gateway.conversations import first_words, input_items, scope_of_responses, stores
from tokenworks.ledger.record import Record
from tokenworks.plans import keys
from tokenworks.providers.scripted import Reply, Script, ScriptedProvider, ToolCall, When
from tokenworks.wire.peek import peek, raw

Make = Callable[..., Any]
WIRES = (CHAT, MESSAGES, RESPONSES)
THOUGHT = "I should look\nat the sky."
CALLS = (ToolCall("get_weather", '{"city": "Zürich", "days": 1.0}'), ToolCall("get_weather", "{}"))
THINKS = Script(
    reply=(
        Reply(when=When(nth=1), reasoning=THOUGHT, signature="c2ln", text="Let me see.", tool_calls=CALLS),
        Reply(text="done"),
    )
)


def at(upstream: ScriptedProvider, wire: str = CHAT, **more: Any) -> ProviderSettings:
    return provider(upstream.origin if wire == MESSAGES else upstream.base_url, wire=wire, **more)


@pytest.fixture
async def beside(tmp_path: Path) -> AsyncIterator[Callable[[Door], Any]]:
    """``await beside(one)``: another worker, that has nothing in common with ``one`` but the store."""
    opened: list[Door] = []

    async def make(one: Door) -> Door:
        home = tmp_path / f"beside{len(opened)}"
        home.mkdir()
        (home / "tokenworks.db").symlink_to(one.settings.home / "tokenworks.db")
        other = Door(home, dict(one.settings.providers))
        other.key, other.key_id = one.key, one.key_id
        opened.append(other)
        await other.open()
        return other

    yield make
    for other in opened:
        await other.close()


def settled(n: int, *doors: Door) -> list[Record]:
    records = [record for one in doors for record in one.records()]
    assert len(records) == n
    assert all(one.inflight.count() == 0 for one in doors)
    return records


async def respond(one: Door, given: Any, stream: bool = False, **more: Any) -> dict[str, Any]:
    """A response, whole however it came."""
    asked = {"model": "acme/fast", "input": given, "stream": stream, **more}
    answer = await one.client.post("/v1/responses", json=asked)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = events(answer)[-1]["response"] if stream else answer.json()
    assert found["status"] == "completed"
    return found


def positions(body: dict[str, Any], *texts: str) -> list[int]:
    blob = json.dumps(body)
    return [blob.index(json.dumps(text)) for text in texts]


# --- responses that are continued -----------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("wire", WIRES)
async def test_a_chain_of_responses(door: Make, beside: Any, wire: str, stream: bool) -> None:
    async with ScriptedProvider() as upstream:
        one = await door({"acme": at(upstream, wire)})
        other = await beside(one)
        first = await respond(one, "one", stream)
        second = await respond(
            one, [{"role": "user", "content": "two"}], stream, previous_response_id=first["id"]
        )
        third = await respond(other, "three", not stream, previous_response_id=second["id"])
        again = await respond(one, "four", stream, previous_response_id=first["id"])
        assert third["previous_response_id"] == second["id"]
        assert again["previous_response_id"] == first["id"]
        told = upstream.requests[2].body
        said = positions(told, "one", "You said: one", "two", "You said: two", "three")
        assert said == sorted(said)
        assert "previous_response_id" not in told
        branched = json.dumps(upstream.requests[3].body)
        assert "You said: one" in branched and "two" not in branched
        if wire == RESPONSES:
            assert [each.body["store"] for each in upstream.requests] == [False] * 4
        assert {each.outcome for each in settled(4, one, other)} == {"ok"}


async def test_what_is_not_kept_cannot_be_continued(door: Make, beside: Any) -> None:
    async with ScriptedProvider() as upstream:
        one = await door({"acme": at(upstream)})
        other = await beside(one)
        secret = await respond(one, "secret", store=False)
        kept = await respond(one, "kept", store=True)
        default = await respond(one, "default", store=None)
        _, stranger = keys.create(one.store, "stranger", PEPPER)
        other.book.reload_if_changed()
        one.book.reload_if_changed()
        as_stranger = {"authorization": f"Bearer {stranger}"}
        for worker in (one, other):
            for previous, headers in (
                (secret["id"], {}),
                ("gen-1-nothing", {}),
                ("", {}),
                (kept["id"], as_stranger),
                (kept["id"][:-1], {}),
            ):
                asked = {"model": "acme/fast", "input": "more", "previous_response_id": previous}
                answer = await worker.client.post("/v1/responses", json=asked, headers=headers)
                if not previous:
                    assert answer.status_code == 200, "there is none"
                    continue
                assert answer.status_code == 404, answer.text
                assert f"no response '{previous}'" in answer.json()["error"]["message"]
        await respond(other, "more", previous_response_id=kept["id"])
        await respond(other, "more", previous_response_id=default["id"])
        outcomes = [each.outcome for each in settled(15, one, other)]
        assert outcomes.count("bad_request") == 8 and outcomes.count("ok") == 7
        assert len(upstream.requests) == 7


async def test_what_was_deleted_cannot_be_continued_anywhere(door: Make, beside: Any) -> None:
    async with ScriptedProvider() as upstream:
        one = await door({"acme": at(upstream)})
        other = await beside(one)
        first = await respond(one, "one")
        await respond(other, "two", previous_response_id=first["id"])
        assert other.store.forget_state(scope_of_responses(one.key_id), first["id"])
        for worker in (one, other):
            asked = {"model": "acme/fast", "input": "three", "previous_response_id": first["id"]}
            assert (await worker.client.post("/v1/responses", json=asked)).status_code == 404
        settled(4, one, other)


@pytest.mark.parametrize(("previous", "status"), [(None, 200), ("", 200), (5, 400), (["x"], 400), ({}, 400)])
async def test_a_previous_response_that_is_none(door: Make, previous: Any, status: int) -> None:
    async with ScriptedProvider() as upstream:
        one = await door({"acme": at(upstream)})
        asked = {"model": "acme/fast", "input": "hi", "previous_response_id": previous}
        answer = await one.client.post("/v1/responses", json=asked)
        assert answer.status_code == status, answer.text
        if status == 400:
            assert "'previous_response_id' must be a string" in answer.text
        await one.client.aclose()  # the connection is lost when all is over
        settled(1, one)


async def test_tools_and_their_results_over_a_chain(door: Make) -> None:
    """The client sends only the results; calls and reasoning come from what was kept."""
    async with ScriptedProvider(THINKS) as upstream:
        one = await door({"acme": at(upstream, quirks=("echo_reasoning_content",))})
        first = await respond(one, "weather?", tools=[])
        results = [
            {"type": "function_call_output", "call_id": item["call_id"], "output": "rain"}
            for item in first["output"]
            if item["type"] == "function_call"
        ]
        assert len(results) == 2
        await respond(one, results, previous_response_id=first["id"])
        sent = upstream.requests[1].body["messages"]
        assert [message["role"] for message in sent] == ["user", "assistant", "tool", "tool"]
        assert sent[1]["reasoning_content"] == THOUGHT
        settled(2, one)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_response_that_cannot_be_kept_is_answered_all_the_same(door: Make, stream: bool) -> None:
    told = {"id": "r", "object": "response", "status": "completed", "output": None, "model": "m"}
    done = (
        b"event: response.completed\ndata: %b\n\n"
        % json.dumps({"type": "response.completed", "response": told, "sequence_number": 1}).encode()
    )
    odd = b'event: x\ndata: {"type":"response.x" oh\n\n'
    pieces = (odd + done,) if stream else (json.dumps(told).encode(),)
    async with RawProvider(lambda _: Sent(pieces, EVENTS if stream else "application/json")) as upstream:
        one = await door({"acme": provider(upstream.base_url, wire=RESPONSES)})
        asked = {"model": "acme/fast", "input": "hi", "stream": stream}
        answer = await one.client.post("/v1/responses", json=asked)
        assert answer.status_code == 200, answer.text
        body = json.loads(answer.text.rpartition("data: ")[2])["response"] if stream else answer.json()
        assert body["output"] is None
        more = {"model": "acme/fast", "input": "hi", "previous_response_id": body["id"]}
        assert (await one.client.post("/v1/responses", json=more)).status_code == 404
        settled(2, one)


def test_whether_a_response_is_kept() -> None:
    for given, kept in (
        ({}, True),
        ({"store": None}, True),
        ({"store": True}, True),
        ({"store": False}, False),
    ):
        assert stores(peek(json.dumps(given).encode())) == kept


def test_a_text_is_an_item() -> None:
    (item,) = input_items(raw("hé"))
    assert json.loads(bytes(item)) == {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "hé"}],
    }
    assert [bytes(item) for item in input_items(raw([{"a": 1}, 2]))] == [b'{"a":1}', b"2"]


# --- what tells conversations apart ---------------------------------------------------------------


def words_of(**fields: Any) -> str:
    return first_words(peek(json.dumps(fields, separators=(",", ":")).encode()))


def test_a_conversation_begins_the_same_from_turn_to_turn() -> None:
    system, ask = {"role": "system", "content": "Be kind."}, {"role": "user", "content": "My system fails"}
    more = [{"role": "assistant", "content": "Which?"}, {"role": "user", "content": "This one"}]
    first = words_of(messages=[system, ask])
    assert first == words_of(messages=[system, ask, *more])
    assert words_of(messages=[ask]) == words_of(messages=[ask, *more])
    assert first != words_of(messages=[ask])
    assert first != words_of(messages=[{**system, "content": "Be rude."}, ask])
    assert first != words_of(messages=[system, {**ask, "content": "My dog fails"}])
    assert words_of(system="a", messages=[ask]) != words_of(system="b", messages=[ask])
    assert words_of(prompt="hi") == ""


def test_marks_of_caches_move_and_tell_nothing() -> None:
    block: dict[str, Any] = {"type": "text", "text": 'say {"cache_control": 1}'}
    marked = {**block, "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    for system in ([block], [marked]):
        for content in ([block], [marked], [{"cache_control": {"type": "ephemeral"}, **block}]):
            found = words_of(system=system, messages=[{"role": "user", "content": content}])
            assert found == words_of(system=[block], messages=[{"role": "user", "content": [block]}])


def test_a_text_begins_as_it_comes_back() -> None:
    item = json.loads(bytes(input_items(raw("hi"))[0]))
    assert words_of(input="hi") == words_of(input=[item, {"role": "assistant", "content": "yes"}])
    assert words_of(input="hi") != words_of(input="ho")
    for odd in (5, None, {}, ["a", "b"], [[1, 2], [3]]):
        assert words_of(input=odd) == words_of(input=odd)


# --- reasoning that must come back ----------------------------------------------------------------


def thought_in(wire: str, body: dict[str, Any]) -> Any:
    """What a provider on ``wire`` is told that its model thought before it called the tools."""
    (assistant,) = [each for each in body["messages"] if each["role"] == "assistant"]
    if wire == CHAT:
        assert len(assistant["tool_calls"]) == 2
        return assistant.get("reasoning_details") or assistant.get("reasoning_content")
    kinds = [block["type"] for block in assistant["content"]]
    assert kinds in (["thinking", "tool_use", "tool_use"], ["thinking", "text", "tool_use", "tool_use"])
    return (assistant["content"][0]["thinking"], assistant["content"][0]["signature"])


DETAILS = [{"type": "reasoning.text", "text": THOUGHT, "signature": "c2ln", "format": "unknown", "index": 0}]
MAKERS: dict[str, tuple[str, str, str, Any]] = {
    "text": (CHAT, "echo_reasoning_content", "reasoning_content", THOUGHT),
    "text_elsewhere": (CHAT, "echo_reasoning_content", "reasoning", THOUGHT),
    "details": (CHAT, "replay_full_assistant", "reasoning_details", DETAILS),
    "blocks": (MESSAGES, "replay_full_assistant", "auto", (THOUGHT, "c2ln")),
}


@pytest.mark.parametrize("elsewhere", [False, True], ids=["here", "elsewhere"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(
    ("caller", "maker"),
    [(caller, maker) for caller in WIRES for maker in MAKERS if (caller, maker) != (MESSAGES, "blocks")],
)
async def test_reasoning_is_put_back(
    door: Make, beside: Any, caller: str, maker: str, stream: bool, elsewhere: bool
) -> None:
    wire, quirk, style, expected = MAKERS[maker]
    reply = {"reasoning_style": style} if style != "auto" else {}
    script = Script(
        reply=(
            Reply(
                when=When(nth=1), reasoning=THOUGHT, signature="c2ln", text="Ah.", tool_calls=CALLS, **reply
            ),
            Reply(text="done"),
        )
    )
    async with ScriptedProvider(script) as upstream:
        one = await door({"acme": at(upstream, wire, quirks=(quirk,))})
        other = await beside(one) if elsewhere else one
        answer = await one.client.post(PATHS[caller], json=asks(caller, stream=stream))
        calls = called(caller, answer, stream=stream)
        assert [json.loads(call.arguments) for call in calls] == [{"city": "Zürich", "days": 1}, {}]
        for worker in (other, one):
            body = goes_on(caller, [calls], stream=not stream)
            answer = await worker.client.post(PATHS[caller], json=body)
            assert answer.status_code == 200, answer.text
            assert "done" in answer.text
        for sent in upstream.requests[1:]:
            assert thought_in(wire, sent.body) == expected
        settled(3, *dict.fromkeys((one, other)))


def signing(asked: RawAsked) -> Sent:
    """A maker that signs the first of two calls, whole or streamed; then it says something."""
    body = json.loads(asked.body)
    calls: list[dict[str, Any]] = [
        {
            "index": index,
            "id": f"function-call-{index}",
            "type": "function",
            "function": {"name": "get_weather", "arguments": f'{{"city":"{index}"}}'},
        }
        for index in range(2)
    ]
    calls[0]["extra_content"] = {"google": {"thought_signature": "U0lH"}}
    told = {"role": "assistant", "content": None, "tool_calls": calls}
    finish = "tool_calls"
    if body["messages"][-1]["role"] == "tool":
        told, finish = {"role": "assistant", "content": "done"}, "stop"
    fixed = {"id": "c", "object": "chat.completion", "created": 1, "model": "fast-1"}
    usage = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
    if not body.get("stream"):
        choice = {"index": 0, "message": told, "finish_reason": finish}
        return Sent((json.dumps({**fixed, "choices": [choice], "usage": usage}).encode(),))
    chunks = [
        {**fixed, "choices": [{"index": 0, "delta": told, "finish_reason": None}]},
        {**fixed, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]},
        {**fixed, "choices": [], "usage": usage},
    ]
    pieces = [b"data: %b\n\n" % json.dumps(chunk).encode() for chunk in chunks]
    return Sent((*pieces, b"data: [DONE]\n\n"), EVENTS)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("caller", WIRES)
async def test_signatures_are_put_back(door: Make, beside: Any, caller: str, stream: bool) -> None:
    async with RawProvider(signing) as upstream:
        one = await door({"acme": provider(upstream.base_url, quirks=("echo_thought_signatures",))})
        other = await beside(one)
        answer = await one.client.post(PATHS[caller], json=asks(caller, stream=stream))
        calls = called(caller, answer, stream=stream)
        for worker in (other, one):
            answer = await worker.client.post(PATHS[caller], json=goes_on(caller, [calls], stream=stream))
            assert "done" in answer.text
        for sent in upstream.requests[1:]:
            (assistant,) = [each for each in json.loads(sent.body)["messages"] if each["role"] == "assistant"]
            first, second = assistant["tool_calls"]
            assert first["extra_content"] == {"google": {"thought_signature": "U0lH"}}
            assert "extra_content" not in second
        settled(3, one, other)


@pytest.mark.parametrize("caller", WIRES)
async def test_each_answer_gets_back_what_led_to_it(door: Make, caller: str) -> None:
    """A maker that counts its calls from 0 in every conversation; and a second round in the same one."""
    thoughts = [f'{{"city":"{city}"}}' for city in ("Bern", "Rome", "Oslo")]
    replies = [
        Reply(
            when=When(nth=1),
            reasoning=thought,
            tool_calls=(ToolCall("get_weather", thought, id="functions.get_weather:0"),),
        )
        for thought in thoughts
    ]
    async with ScriptedProvider(Script(reply=(*replies, Reply(text="done")))) as upstream:
        one = await door({"acme": at(upstream, quirks=("echo_reasoning_content",))})
        rounds: list[list[Called]] = []
        for _ in range(3):
            answer = await one.client.post(PATHS[caller], json=asks(caller, stream=False))
            rounds.append(called(caller, answer, stream=False))
        assert len({call.id for each in rounds for call in each}) == 1
        for order in (rounds, rounds[::-1]):
            await one.client.post(PATHS[caller], json=goes_on(caller, order, stream=False))
            sent = [m for m in upstream.requests[-1].body["messages"] if m["role"] == "assistant"]
            assert [json.loads(m["reasoning_content"]) for m in sent] == [
                json.loads(call.arguments) for (call,) in order
            ]
        settled(5, one)


@pytest.mark.parametrize("caller", WIRES)
async def test_other_keys_and_unknown_calls_get_nothing(
    door: Make, caller: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ScriptedProvider(THINKS) as upstream:
        one = await door({"acme": at(upstream, quirks=("echo_reasoning_content",))})
        answer = await one.client.post(PATHS[caller], json=asks(caller, stream=False))
        calls = called(caller, answer, stream=False)
        _, stranger = keys.create(one.store, "stranger", PEPPER)
        one.book.reload_if_changed()
        asked = goes_on(caller, [calls], stream=False)
        headers = {"authorization": f"Bearer {stranger}"}
        assert (await one.client.post(PATHS[caller], json=asked, headers=headers)).status_code == 200
        unknown = [Called("call_from_elsewhere", "get_weather", '{"city":"Rome"}')]
        monkeypatch.setattr("tokenworks.gateway.states.AGAIN_AFTER_S", 30.0)
        asked = goes_on(caller, [unknown, calls], stream=False)
        began = time.monotonic()
        assert (await one.client.post(PATHS[caller], json=asked)).status_code == 200
        assert time.monotonic() - began < 10, "only the last answer may still be on its way"
        foreign, mixed = [
            [m["reasoning_content"] for m in sent.body["messages"] if m["role"] == "assistant"]
            for sent in upstream.requests[1:]
        ]
        assert foreign == [""], "the maker demands the field"
        assert mixed == ["", THOUGHT]
        settled(3, one)


async def test_calls_without_a_thought_need_not_be_looked_for(
    door: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tokenworks.gateway.states.AGAIN_AFTER_S", 30.0)
    script = Script(reply=(Reply(when=When(nth=1), tool_calls=CALLS), Reply(text="done")))
    async with ScriptedProvider(script) as upstream:
        one = await door({"acme": at(upstream, quirks=("echo_reasoning_content",))})
        answer = await one.client.post(PATHS[CHAT], json=asks(CHAT, stream=True))
        calls = called(CHAT, answer, stream=True)
        answer = await one.client.post(PATHS[CHAT], json=goes_on(CHAT, [calls], stream=False), timeout=10)
        assert answer.status_code == 200
        settled(2, one)


async def test_what_the_client_sends_back_itself_stays(door: Make) -> None:
    async with ScriptedProvider(THINKS) as upstream:
        one = await door({"acme": at(upstream, quirks=("echo_reasoning_content",))})
        answer = await one.client.post(PATHS[CHAT], json=asks(CHAT, stream=False))
        asked = goes_on(CHAT, [called(CHAT, answer, stream=False)], stream=False)
        asked["messages"][0]["weight"] = 1
        asked["messages"][1] |= {"reasoning_content": "my own words", "prefix": True}
        asked["messages"][2]["name"] = "get_weather"
        asked["messages"].append({"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]})
        answer = await one.client.post(PATHS[CHAT], json=asked)
        assert answer.status_code == 200, answer.text
        assert upstream.requests[1].body["messages"] == asked["messages"]
        del asked["messages"][1]["reasoning_content"]
        await one.client.post(PATHS[CHAT], json=asked)
        asked["messages"][1]["reasoning_content"] = THOUGHT
        assert upstream.requests[2].body["messages"] == asked["messages"], "all else is as it came"
        settled(3, one)


@pytest.mark.parametrize("quirk", ["echo_reasoning_content", "echo_thought_signatures"])
@pytest.mark.parametrize("caller", [MESSAGES, RESPONSES])
async def test_malformed_messages_are_refused_once(door: Make, caller: str, quirk: str) -> None:
    async with ScriptedProvider() as upstream:
        one = await door({"acme": at(upstream, quirks=(quirk,))})
        asked = {"model": "acme/fast", "max_tokens": 5, "messages": [5], "input": [5]}
        answer = await one.client.post(PATHS[caller], json=asked)
        assert answer.status_code == 400, answer.text
        await one.client.aclose()
        (record,) = settled(1, one)
        assert (record.outcome, record.status) == ("bad_request", 400)
        assert upstream.requests == []


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_an_answer_that_cannot_be_remembered_is_passed_on(door: Make, stream: bool) -> None:
    """Relaying asks less of an answer than reading it does."""
    fixed = {"id": "c", "created": 1, "model": "fast-1", "object": "x"}
    told = {"role": "assistant", "content": {"odd": 1}}
    whole = {**fixed, "choices": [{"index": 0, "message": told, "finish_reason": "stop"}]}
    chunk = {**fixed, "choices": [{"index": 0, "delta": told, "finish_reason": None}]}
    end = {**fixed, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    pieces = tuple(b"data: %b\n\n" % json.dumps(each).encode() for each in (chunk, chunk, end))
    sent = Sent((*pieces, b"data: [DONE]\n\n"), EVENTS) if stream else Sent((json.dumps(whole).encode(),))
    async with RawProvider(lambda _: sent) as upstream:
        one = await door({"acme": provider(upstream.base_url, quirks=("echo_reasoning_content",))})
        answer = await one.post(chat(stream=stream))
        assert answer.status_code == 200, answer.text
        assert '"odd":' in answer.text
        if stream:
            assert answer.text.endswith("data: [DONE]\n\n")
        assert settled(1, one)[0].outcome == "ok"


# --- the store ------------------------------------------------------------------------------------


async def test_a_store_that_takes_nothing(door: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A conversation goes on where it began: that worker knows it all the same."""
    async with ScriptedProvider(THINKS) as upstream:
        one = await door({"acme": at(upstream, quirks=("echo_reasoning_content",))})

        def full(*_: Any) -> None:
            raise StoreError("database or disk is full")

        with monkeypatch.context() as disk:
            disk.setattr(one.store, "keep_state", full)
            first = await respond(one, "one")
            await asyncio.sleep(0.1)  # it was tried
            disk.setattr(one.store, "state", full)
            call = next(item for item in first["output"] if item["type"] == "function_call")
            result = {"type": "function_call_output", "call_id": call["call_id"], "output": "x"}
            await respond(one, [result], previous_response_id=first["id"])
            unknown = {"model": "acme/fast", "input": "x", "previous_response_id": "gen-1-none"}
            assert (await one.client.post("/v1/responses", json=unknown)).status_code == 404
        assert upstream.requests[1].body["messages"][1]["reasoning_content"] == THOUGHT
        settled(3, one)


async def test_all_that_is_too_old_is_dropped(door: Make) -> None:
    """However much there is of it: more comes in than one look would clear."""
    async with ScriptedProvider() as upstream:
        one = await door({"acme": at(upstream)})
        for number in range(30):
            one.store.keep_state("old", str(number), b"x", 1)
        with pytest.MonkeyPatch.context() as few:
            few.setattr("tokenworks.gateway.states.EXPIRE_AT_ONCE", 7)
            await respond(one, "one")
            for _ in range(100):
                if not left(one):
                    break
                await asyncio.sleep(0.01)
        assert left(one) == []
        settled(1, one)


def left(one: Door) -> list[int]:
    """The old ones that are still there."""
    return [number for number in range(30) if one.store.state("old", str(number), 0) is not None]
