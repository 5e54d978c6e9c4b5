"""What is told of a sample of requests, and that a sample adds up to all of them."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from calling import MESSAGES, RESPONSES, ask, only, says, settled
from doorway import Door, provider
from limiting import rule

from tokenworks.config.settings import ObservabilitySettings, RankingsSettings
from tokenworks.gateway.labelling import MOST_BYTES, MOST_SAID, Labelling, labels_of
from tokenworks.ledger.labelled import Labels, read
from tokenworks.providers.scripted import Fault, Reply, Script, ScriptedProvider, ToolCall
from tokenworks.wire import pairs
from tokenworks.wire.peek import Fields, peek

Make = Callable[..., Any]
S = 1_000_000_000  # nanoseconds
FN = "def add(a, b):\n    return a + b\n"
TOOLS = [{"type": "function", "function": {"name": "run", "parameters": {"type": "object"}}}]


def fields(**body: Any) -> Fields:
    return peek(json.dumps(body).encode())


def chat(text: str, **more: Any) -> Fields:
    return fields(messages=[{"role": "user", "content": text}], **more)


# --- what is told ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "task", "language", "code"),
    [
        (f"What is wrong with this function?\n{FN}", "code", "en", "python"),
        ("Übersetze das bitte ins Englische: Guten Morgen, wie geht es dir?", "translation", "de", ""),
        ("请用 Python 写一个快速排序的函数", "code", "zh", "python"),
        ("Résume cet article en trois points, s'il te plaît", "summary", "fr", ""),
        ("Pretend you are a pirate captain in a tavern and stay in character", "roleplay", "en", ""),
        ("What is the capital of Mongolia, and which country lies south of it?", "knowledge", "en", ""),
        ("", "", "", ""),
    ],
)
def test_what_a_person_said(text: str, task: str, language: str, code: str) -> None:
    assert labels_of(pairs.CHAT, chat(text)) == Labels(task, language, code, 1)
    assert labels_of(pairs.RESPONSES, fields(input=text), 3) == Labels(task, language, code, 3)
    assert labels_of(pairs.COMPLETIONS, fields(prompt=text)) == Labels(task, language, code, 1)


def test_tools_make_an_agent_and_what_they_touch_tells_the_language_of_the_work() -> None:
    assert labels_of(pairs.CHAT, chat("What is the capital of France?", tools=TOOLS)).task == "agent"
    said = {"role": "user", "content": "please go on with the next one"}
    call = {"type": "tool_use", "id": "a", "name": "edit", "input": {"path": "src/engine/lexer.rs"}}
    result = {"type": "tool_result", "tool_use_id": "a", "content": "edited src/engine/lexer.rs"}
    messages = [said, {"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    assert labels_of(pairs.MESSAGES, fields(messages=messages)) == Labels("agent", "en", "rust", 1)


def test_a_schema_speaks_for_extraction_where_the_words_say_little() -> None:
    text = "Bill 12 of 3 May, Mr Lee, 40 USD"
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
    assert labels_of(pairs.CHAT, chat(text)).task != "extraction"
    assert labels_of(pairs.CHAT, chat(text, response_format=form)).task == "extraction"
    assert labels_of(pairs.RESPONSES, fields(input=text, text={"format": form})).task == "extraction"
    poem = labels_of(pairs.CHAT, chat("Write a poem about the sea and a sonnet", response_format=form))
    assert poem.task == "writing", "but no more than that"


def test_the_system_prompt_counts_where_nobody_speaks_and_the_ends_of_what_is_long() -> None:
    lone = fields(messages=[{"role": "system", "content": "Translate everything to German, please"}])
    assert labels_of(pairs.CHAT, lone).task == "translation"
    long = "Translate this into German please: " + "word " * MOST_SAID + FN
    assert labels_of(pairs.CHAT, chat(long)) == Labels("translation", "en", "python", 1)


def test_what_can_not_be_read_never_fails_and_the_next_stands_for_it(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Labelling(1000.0)
    one.since = 4
    with caplog.at_level(logging.DEBUG, "tokenworks.gateway.labelling"):
        assert one.labels(pairs.COMPLETIONS, fields(prompt=["secret", "words"]), S) == b""
    assert one.since == 4 and caplog.records[0].levelno == logging.DEBUG
    assert "secret" not in caplog.text
    for odd in (b"null", b"5", b'[{"role":{}}]', b'[{"role":"user","content":{"a":[1]}}]', b'"\\ud800"'):
        assert isinstance(one.labels(pairs.CHAT, {"messages": msgspec.Raw(odd)}, S), bytes)
    caplog.clear()
    monkeypatch.setattr("tokenworks.gateway.labelling.labels_of", lambda *_: 1 / 0)
    one.since = 2
    assert one.labels(pairs.CHAT, chat("hi"), S) == b"" and one.since == 2
    assert caplog.records[0].levelno == logging.ERROR, "a mistake of ours is told, and loses no request"


def test_of_what_is_too_long_to_be_read_at_once_the_end_is_looked_at() -> None:
    found = labels_of(pairs.CHAT, chat("x" * (MOST_BYTES + 1), tools=TOOLS))
    assert found == Labels("agent", "", "", 1)
    long = "x" * MOST_BYTES + f'see "lexer.rs" and\n{FN}'
    assert labels_of(pairs.RESPONSES, fields(input=long)) == Labels("", "", "python", 1)
    assert labels_of(pairs.COMPLETIONS, fields(prompt=["é" * MOST_BYTES])) == Labels("", "", "", 1)


def test_a_sample_is_taken_in_a_moment() -> None:
    turn = [{"role": "user", "content": f"Fix it:\n{FN}" * 50}, {"role": "assistant", "content": "ok " * 500}]
    body = fields(messages=turn * 40 + turn[:1])
    labels_of(pairs.CHAT, body)
    times = []
    for _ in range(20):
        began = time.perf_counter()
        labels_of(pairs.CHAT, body)
        times.append(time.perf_counter() - began)
    assert min(times) < 0.002  # half a millisecond where nothing else runs


# --- whose turn it is -----------------------------------------------------------------------------


def play(one: Labelling, times_ns: list[int]) -> list[int]:
    """Weights of the samples among requests at these times, as the gateway takes them."""
    found = []
    for now in times_ns:
        one.since += 1
        if now >= one.due_ns:
            weight, data = one.since, one.labels(pairs.CHAT, chat("hello there"), now)
            assert msgspec.msgpack.decode(data)[3] == weight
            found.append(weight)
    return found


def test_few_requests_are_all_looked_at() -> None:
    assert play(Labelling(5.0), [100 * S + n * S // 4 for n in range(40)]) == [1] * 40


def test_of_many_only_so_many_a_second_and_their_weights_add_up() -> None:
    one = Labelling(5.0)
    weights = play(one, [100 * S + n * S // 1000 for n in range(10_000)])  # 10 s, 1000 a second
    assert 50 <= len(weights) <= 55
    assert sum(weights) + one.since == 10_000 and max(weights[6:]) <= 201


def test_after_a_pause_no_more_than_a_second_s_worth_at_once() -> None:
    one = Labelling(5.0)
    assert play(one, [S])[0] == 1
    assert len(play(one, [1000 * S] * 100)) == 6 and one.since == 94


def test_fewer_than_one_a_second_and_none() -> None:
    assert len(play(Labelling(0.1), [100 * S + n * S for n in range(100)])) in (10, 11)
    assert play(Labelling(0.0), [n * S for n in range(100)]) == []


# --- in the gateway -------------------------------------------------------------------------------

CALLS = Reply(
    text="Let me look.",
    tool_calls=(ToolCall("run", {"cmd": "ls"}), ToolCall("run", {"cmd": '{"tool_calls":[1]}'})),
)
TALK = Reply(text='They say "tool_calls", "tool_use" and "function_call".')
CASES = [
    (caller, upstream, stream)
    for caller in (pairs.CHAT, MESSAGES, RESPONSES)
    for upstream in (pairs.CHAT, MESSAGES, RESPONSES)
    for stream in (False, True)
]


def tools(wire: str) -> list[dict[str, Any]]:
    parameters = {"type": "object", "properties": {"cmd": {"type": "string"}}}
    if wire == pairs.CHAT:
        return [{"type": "function", "function": {"name": "run", "parameters": parameters}}]
    if wire == MESSAGES:
        return [{"name": "run", "input_schema": parameters}]
    return [{"type": "function", "name": "run", "parameters": parameters}]


def at(upstream: ScriptedProvider, wire: str) -> dict[str, Any]:
    return {"acme": provider(upstream.origin if wire == MESSAGES else upstream.base_url, wire=wire)}


@pytest.mark.parametrize(("caller", "upstream", "stream"), CASES)
async def test_tool_calls_stand_in_the_record(door: Make, caller: str, upstream: str, stream: bool) -> None:
    async with ScriptedProvider(Script(reply=(CALLS,))) as other:
        one = await door(at(other, upstream))
        answer = await ask(one, caller, tools=tools(caller), stream=stream)
        assert answer.status_code == 200, answer.text
        record = await only(one)
        assert (record.tool_calls, record.finish_reason, record.outcome) == (2, "tool_calls", "ok")
        found = read(record)
        assert found is not None and (found.task, found.weight) == ("agent", 1)


@pytest.mark.parametrize("wire", [pairs.CHAT, MESSAGES, RESPONSES])
@pytest.mark.parametrize("stream", [False, True])
async def test_talk_of_calls_is_none(door: Make, wire: str, stream: bool) -> None:
    async with ScriptedProvider(Script(reply=(TALK,))) as other:
        one = await door(at(other, wire))
        assert (await ask(one, wire, tools=tools(wire), stream=stream)).status_code == 200
        assert (await only(one)).tool_calls == 0


@pytest.mark.parametrize("wire", [pairs.CHAT, MESSAGES, RESPONSES])
async def test_calls_that_began_in_a_broken_stream_count(door: Make, wire: str) -> None:
    broken = msgspec.structs.replace(
        CALLS, fault=Fault("early_close", after_chunk=14 if wire == RESPONSES else 9)
    )
    async with ScriptedProvider(Script(reply=(broken,))) as other:
        one = await door(at(other, wire))
        await ask(one, wire, tools=tools(wire), stream=True)
        record = await only(one)
        assert record.outcome == "upstream_error" and 1 <= record.tool_calls <= 2


async def test_a_kept_answer_has_its_calls_again(door: Make) -> None:
    async with ScriptedProvider(Script(reply=(CALLS,))) as other:
        one = await door(at(other, pairs.CHAT))
        one.client.headers["x-openrouter-cache"] = "true"
        for _ in range(2):
            await ask(one, tools=tools(pairs.CHAT))
        assert [(each.provider, each.tool_calls) for each in await settled(one, 2)] == [
            ("acme", 2),
            ("cache", 2),
        ]


async def test_labels_come_with_the_record_and_no_word_of_the_prompt(door: Make) -> None:
    async with ScriptedProvider(says("Bonjour")) as other:
        one = await door(at(other, pairs.CHAT))
        secret = "xyzzy-plugh"
        await ask(one, text=f"Translate this into French, please: the {secret} was written by {FN}")
        record = await only(one)
        assert read(record) == Labels("translation", "en", "python", 1)
        assert secret.encode() not in msgspec.msgpack.encode(record)


async def test_what_is_no_work_has_no_labels_and_counts_for_none(door: Make) -> None:
    async with ScriptedProvider() as other:
        one = await door(at(other, pairs.CHAT))
        await one.client.post("/v1/embeddings", json={"model": "acme/fast", "input": "hello there"})
        await one.post(b'{"model": 5}')
        assert one.gateway.labelling.since == 0
        assert all(not each.labels for each in await settled(one, 2))
        await ask(one)
        assert read((await settled(one, 3))[-1]) is not None


async def test_sampling_is_turned_off_and_paced_by_settings(door: Make) -> None:
    async with ScriptedProvider() as other:
        one = await door(at(other, pairs.CHAT))
        one.gateway.labelling = Labelling(0.001)
        for _ in range(4):
            await ask(one)
        assert [bool(each.labels) for each in await settled(one, 4)] == [True, False, False, False]
        assert one.gateway.labelling.since == 3
    assert Labelling(RankingsSettings().samples_per_s).due_ns == 0


async def private(one: Door, **more: Any) -> bool:
    before = len(one.records())
    await ask(one, **more)
    return (await settled(one, before + 1))[-1].private


async def test_private_by_rule_of_the_key_and_by_wish(door: Make) -> None:
    async with ScriptedProvider() as other:
        one = await door(at(other, pairs.CHAT))
        assert not await private(one)
        for wish, told in (({"zdr": True}, True), ({"zdr": False}, False), ({"zdr": None}, False)):
            assert await private(one, provider=wish) is told, wish
        assert await private(one, provider={"zdr": True, "order": 3}), "refused, and left out all the same"
        for said in (True, False):
            rule(one.store, one.key_id, private=said)
            one.book.reload_if_changed()
            one.limits.keys_changed()
            assert await private(one) is said
            assert await private(one, provider={"zdr": True})


PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def test_a_trace_is_taken_over_only_where_spans_are_sent(door: Make) -> None:
    async with ScriptedProvider() as other:
        one = await door(at(other, pairs.CHAT))
        await one.post({"model": "acme/fast", "messages": []}, headers={"traceparent": PARENT})
        assert (await only(one)).traceparent == ""
    assert ObservabilitySettings().otlp_endpoint == ""


async def test_a_trace_of_each_request(door: Make) -> None:
    async with ScriptedProvider() as other:
        one = await door(at(other, pairs.CHAT))
        one.gateway.traces = True
        for parent in (PARENT, PARENT.replace("b7-01", "b8-00"), "junk", ""):
            await one.post({"model": "acme/fast", "messages": []}, headers={"traceparent": parent})
        found = [each.traceparent for each in await settled(one, 4)]
        assert found == [PARENT, PARENT.replace("b7-01", "b8-00"), "", ""]
