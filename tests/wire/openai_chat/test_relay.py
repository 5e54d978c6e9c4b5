"""Chat completions: what is changed is changed everywhere, the rest goes through as it came."""

from __future__ import annotations

import itertools
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenworks.errors import BadRequest
from tokenworks.schema import Price, Usage
from tokenworks.wire import sse
from tokenworks.wire.answer import Telling
from tokenworks.wire.asking import CONTROLS
from tokenworks.wire.openai_chat import relay as openai_chat
from tokenworks.wire.openai_chat.relay import ChatRequest, ChatStream, ChatWhole
from tokenworks.wire.peek import raw

PRICE = Price("test", input_mtok=1.0, output_mtok=2.0, cache_read_mtok=0.5)
TELLING = Telling("gen-1", "acme/fast", 'ac"me', PRICE)


def body(**fields: Any) -> bytes:
    return json.dumps({"model": "acme/fast", "messages": [], **fields}).encode()


def sent(chat: ChatRequest, upstream_id: str = "fast-1") -> bytes:
    start, messages = chat.upstream_body(raw(upstream_id))
    return start + bytes(messages) + b"}"


# --- requests -----------------------------------------------------------------------------------


def test_a_request_is_passed_on_with_the_name_the_provider_knows() -> None:
    messages = b'[ {"role":"user","content":"\\u00e9 \xc3\xa9 \\"model\\":\\"x\\" 1.50"} ]'
    chat = ChatRequest(b'{"temperature": 0.10, "model":"acme/fast", "messages":%b, "n":1e0}' % messages)
    assert (chat.model, chat.stream, chat.wants_usage) == ("acme/fast", False, True)
    made = sent(chat)
    assert made.count(messages) == 1
    assert made == b'{"temperature":0.10,"model":"fast-1","n":1e0,"messages":%b}' % messages
    assert sent(chat, 'odd"id') == made.replace(b"fast-1", b'odd\\"id'), "a second attempt starts afresh"


def test_our_own_controls_are_not_sent() -> None:
    controls = {name: {} for name in CONTROLS}
    made = json.loads(sent(ChatRequest(body(**controls, user="u", tools=[1]))))
    assert made == {"model": "fast-1", "user": "u", "tools": [1], "messages": []}


def test_doubled_keys_are_sent_once() -> None:
    chat = ChatRequest(
        b'{"messages":[1],"model":"cheap","stream":false,"stream":true,"messages":[2],"mod\\u0065l":"dear",'
        b'"stream_options":{"include_usage":true},"stream_options":{"include_usage":false}}'
    )
    assert (chat.model, chat.stream, chat.wants_usage) == ("dear", True, False)
    made = sent(chat)
    pairs = json.loads(made, object_pairs_hook=list)
    assert sorted(key for key, _ in pairs) == ["messages", "model", "stream", "stream_options"]
    assert json.loads(made) == {
        "messages": [2],
        "model": "fast-1",
        "stream": True,
        "stream_options": {"include_usage": True},
    }


BAD = {
    b'{"messages":[]}': "'model' is missing",
    b'{"model":"","messages":[]}': "'model' is missing",
    b'{"model":null,"messages":[]}': "'model' is missing",
    b'{"model":5,"messages":[]}': "'model' must be a string",
    b'{"model":["a"],"messages":[]}': "'model' must be a string",
    b'{"model":"\xff","messages":[]}': "'model' must be a string",
    b'{"model":"a"}': "'messages' is missing",
    b'{"model":"a","messages":[],"stream":1}': "'stream' must be true or false",
    b'{"model":"a","messages":[],"stream":"true"}': "'stream' must be true or false",
    b'{"model":"a","messages":[],"stream":true,"stream_options":[]}': "'stream_options' must be an object",
    b'{"model":"a","messages":[],"stream":true,"stream_options":{"\xff":1}}': "'stream_options'",
    b'{"model":"a","messages":[],"stream":true,"usage":true}': "'usage' must be an object",
}


@pytest.mark.parametrize(("data", "words"), BAD.items())
def test_requests_that_are_refused(data: bytes, words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        ChatRequest(data)


@pytest.mark.parametrize(
    ("fields", "wants"),
    [
        ({}, False),
        ({"stream_options": None}, False),
        ({"stream_options": {}}, False),
        ({"stream_options": {"include_usage": False}}, False),
        ({"stream_options": {"include_usage": None}}, False),
        ({"stream_options": {"include_usage": True}}, True),
        ({"stream_options": {"include_obfuscation": False, "x": 10**40}}, False),
        ({"usage": {"include": True}}, True),
        ({"usage": {"include": False}}, False),
        ({"usage": None, "stream_options": {"include_usage": True}}, True),
        ({"usage": {"include": True}, "stream_options": {"include_usage": False}}, True),
    ],
)
def test_usage_of_a_stream_is_always_asked_for(fields: dict[str, Any], wants: bool) -> None:
    chat = ChatRequest(body(stream=True, **fields))
    assert (chat.stream, chat.wants_usage) == (True, wants)
    made = json.loads(sent(chat))
    assert made["stream"] is True
    assert made["stream_options"] == {**(fields.get("stream_options") or {}), "include_usage": True}
    assert "usage" not in made


def test_stream_options_without_a_stream_are_left_alone() -> None:
    chat = ChatRequest(body(stream=False, stream_options={"include_usage": False}))
    assert json.loads(sent(chat))["stream_options"] == {"include_usage": False}
    assert chat.wants_usage


def test_input_bytes() -> None:
    chat = ChatRequest(b'{"model":"x", "messages": [12], "tools":[1], "user":"xxxxxxxx"}')
    assert chat.input_bytes == 7
    assert chat.wire == "openai_chat"


def test_the_same_request_with_other_fields() -> None:
    chat = ChatRequest(body(stream=True, reasoning={"effort": "low"}))
    changed = ChatRequest.of(chat, {"messages": raw([1]), "reasoning_effort": raw("low")})
    assert (changed.model, changed.stream, changed.wants_usage) == ("acme/fast", True, False)
    assert json.loads(sent(changed)) == {"model": "fast-1", "messages": [1], "reasoning_effort": "low"}
    assert "reasoning" in json.loads(sent(chat))


# --- whole answers ------------------------------------------------------------------------------

ANSWER = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"fast-1","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"\\"id\\":\\"chatcmpl-1\\" \\u00e9","tool_calls":[{"id":'
    b'"call_1","x":1.50}]},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}}'
)


def rewritten(data: bytes, cost: int = 1_500_000_000, **options: Any) -> dict[str, Any]:
    whole = ChatWhole(data)
    usage = options.pop("usage", whole.usage)
    made = whole.render(msgspec.structs.replace(TELLING, **options), usage, cost)
    found: list[list[tuple[str, Any]]] = []
    value = json.loads(made, object_pairs_hook=lambda pairs: found.append(pairs) or dict(pairs))
    for pairs in found:
        keys = [key for key, _ in pairs]
        assert len(keys) == len(set(keys))
    return value


def told(cost: float, prompt: float, completions: float) -> dict[str, Any]:
    """What is added to usage."""
    return {
        "cost": cost,
        "is_byok": False,
        "cost_details": {
            "upstream_inference_cost": cost,
            "upstream_inference_prompt_cost": prompt,
            "upstream_inference_completions_cost": completions,
        },
    }


def test_a_whole_answer() -> None:
    made = rewritten(ANSWER)
    expected = json.loads(ANSWER)
    expected.update(id="gen-1", model="acme/fast", provider='ac"me', system_fingerprint=None)
    expected["usage"] |= told(1.5, 1.499994, 0.000006)
    assert made == expected


def test_what_is_read_of_a_whole_answer() -> None:
    whole = ChatWhole(ANSWER)
    assert (whole.finish, whole.usage) == ("stop", Usage(uncached_input_tokens=9, output_tokens=3))
    assert whole.size == len(ANSWER[ANSWER.index(b"[{") : ANSWER.index(b',"usage"')])
    with pytest.raises(ValueError, match="without 'choices'"):
        ChatWhole(b"{}")


def test_choices_stay_byte_for_byte() -> None:
    choices = ANSWER[ANSWER.index(b"[{") : ANSWER.index(b',"usage"')]
    assert choices in ChatWhole(ANSWER).render(TELLING, Usage(9, output_tokens=3), 0)


def test_further_fields_of_a_whole_answer() -> None:
    made = rewritten(ANSWER, extra={"metadata": raw({"a": 1}), "id": raw("not this")})
    assert made["metadata"] == {"a": 1}
    assert made["id"] == "gen-1"


@pytest.mark.parametrize("gap", [b"", b" ", b"\n  "])
def test_usage_with_spaces(gap: bytes) -> None:
    made = rewritten(
        b'{"choices":[],"usage":{%b"prompt_tokens"%b:%b1,"completion_tokens":2%b}}' % (gap, gap, gap, gap)
    )
    assert made["usage"] == {"prompt_tokens": 1, "completion_tokens": 2, **told(1.5, 1.499996, 0.000004)}
    assert rewritten(b'{"choices":[],"usage":{%b}}' % gap, usage=Usage(1))["usage"]["prompt_tokens"] == 1


def test_an_answer_without_usage() -> None:
    usage = Usage(uncached_input_tokens=7, cache_read_tokens=1)
    made = rewritten(b'{"choices":[]}', usage=usage)["usage"]
    assert (made["prompt_tokens"], made["completion_tokens"], made["total_tokens"]) == (8, 0, 8)
    assert made["cost"] == 1.5
    made = rewritten(b'{"choices":[],"system_fingerprint":"fp","usage":null}', usage=usage)
    assert made["system_fingerprint"] == "fp"
    assert made["usage"]["prompt_tokens"] == 8


# --- streams ------------------------------------------------------------------------------------


def chunk(content: str | None = None, end: bytes = b"\n", **fields: Any) -> bytes:
    value: dict[str, Any] = {
        "id": "chatcmpl-9",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "fast-1",
        "choices": [{"index": 0, "delta": {"content": content}, "finish_reason": None}],
    }
    value.update(fields)
    value = {key: item for key, item in value.items() if item is not ...}
    return b"data: " + json.dumps(value, separators=(",", ":")).encode() + end + end


def stop(reason: str = "stop", **fields: Any) -> bytes:
    return chunk(choices=[{"index": 0, "delta": {}, "finish_reason": reason}], **fields)


TOTALS = {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500}
USAGE = chunk(choices=[], usage=TOTALS)
DONE = b"data: [DONE]\n\n"


def stream(wants: bool = False) -> ChatStream:
    return ChatStream(msgspec.structs.replace(TELLING, wants_usage=wants))


def relay(data: bytes, wants: bool = False, cuts: Any = ()) -> tuple[ChatStream, bytes]:
    """What a caller gets of ``data`` that arrives in pieces."""
    relayed = stream(wants)
    marks = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    out = b""
    for first, last in itertools.pairwise(marks):
        if first < last and not relayed.done:
            out += relayed.feed(data[first:last])
    if not relayed.done:
        out += relayed.flush()
    return relayed, out


def values(out: bytes) -> list[Any]:
    payloads = [sse.payload(event) for event in sse.events(out)]
    return [json.loads(p) for p in payloads if p is not None and p != b"[DONE]"]


TRICKY = [
    '"usage":{"prompt_tokens":1}',
    "[DONE]",
    "data: [DONE]\n\n",
    '"model":"fast-1"',
    '"id":"chatcmpl-9"',
    '{"id":"chatcmpl-9","model":"fast-1","choices":[],"usage":{"prompt_tokens":7}}',
    '"error":{"message":"x"}',
    '"finish_reason":"length"',
    '\\"id\\":\\"chatcmpl-9\\" \u2028 é 😀',
]


def golden(end: bytes = b"\n") -> bytes:
    role = [{"index": 0, "delta": {"role": "assistant"}, "finish_reason": None}]
    call = [{"index": 0, "id": "call_1", "function": {"name": "f", "arguments": '{"id":"chatcmpl-9"}'}}]
    tools = [{"index": 0, "delta": {"tool_calls": call}, "finish_reason": None}]
    return b"".join(
        [
            b": waiting" + end + end,
            chunk(choices=role, end=end),
            *(chunk(text, end=end) for text in TRICKY),
            *(chunk(text, end=end, usage=None) for text in TRICKY),
            chunk(choices=tools, end=end),
            stop("tool_calls", end=end),
            chunk(choices=[], usage=TOTALS, end=end),
            b"data: [DONE]" + end + end,
        ]
    )


def shown(data: bytes) -> list[Any]:
    """What a caller must see of ``data``."""
    made = []
    for value in values(data):
        made.append({**value, "id": "gen-1", "model": "acme/fast"})
    return made


@given(st.lists(st.integers(0, 6000), max_size=40), st.booleans(), st.sampled_from([b"\n", b"\r\n", b"\r"]))
@settings(max_examples=150, deadline=None)
def test_any_cut_gives_the_same_stream(cuts: list[int], wants: bool, end: bytes) -> None:
    data = golden(end)
    relayed, out = relay(data, wants, cuts)
    expected = shown(data)
    if wants:
        expected[-1]["usage"] |= told(0.002, 0.001, 0.001)
    else:
        expected.pop()
    assert values(out) == expected
    assert out.endswith(b"data: [DONE]" + end + end)
    assert (relayed.done, relayed.error, relayed.finish) == (True, "", "tool_calls")
    assert relayed.usage == Usage(uncached_input_tokens=1000, output_tokens=500)


@pytest.mark.parametrize("step", [1, 2, 7, 100_000])
@pytest.mark.parametrize("wants", [False, True])
def test_every_step_gives_the_same_bytes(step: int, wants: bool) -> None:
    data = golden()
    _, whole = relay(data, wants, range(0, len(data), 300))
    relayed, out = relay(data, wants, range(0, len(data), step))
    assert values(out) == values(whole)
    assert (relayed.done, relayed.finish) == (True, "tool_calls")


def test_only_the_names_change() -> None:
    relayed = stream()
    first = relayed.feed(chunk("a"))
    assert json.loads(first[6:])["id"] == "gen-1"
    for text in TRICKY:
        plain = chunk(text)
        made = relayed.feed(plain)
        head = plain.replace(b'"id":"chatcmpl-9"', b'"id":"gen-1"', 1)
        assert made == head.replace(b'"model":"fast-1"', b'"model":"acme/fast"', 1)


def test_whole_events_are_passed_on_at_once() -> None:
    relayed = stream()
    assert relayed.feed(chunk("a") + chunk("b")[:-1]).count(b"data:") == 1
    assert relayed.feed(b"\n").count(b"data:") == 1
    assert relayed.feed(b": keep-alive\n\n") == b": keep-alive\n\n"
    assert relayed.feed(b"data: {") == b""


def test_one_event_of_any_length() -> None:
    relayed = stream()
    data = chunk("x" * 1_000_000)
    out = b"".join(relayed.feed(data[at : at + 65_536]) for at in range(0, len(data), 65_536))
    assert values(out)[0]["choices"][0]["delta"]["content"] == "x" * 1_000_000


def test_an_event_without_end_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_chat, "MAX_EVENT", 100_000)
    relayed = stream()
    with pytest.raises(ValueError, match="an event of more than"):
        for _ in range(20):
            assert relayed.feed(b"data: " + b"x" * 10_000) == b""


ODD_NAMES = {
    "choices first": [
        chunk("a", id=...).replace(b'"created":1', b'"created":1,"id":"chatcmpl-9"'),
        b'data: {"choices":[{"delta":{"tool_calls":[{"id":"call_1"}]}}],"model":"fast-1","id":"c-9"}\n\n',
        b'data: {"choices":[{"delta":{"tool_calls":[{"id":"call_2"}]}}],"model":"fast-1","id":"c-9"}\n\n',
    ],
    "an id for each": [chunk("a", id=f"c{n}") for n in range(4)],
    "ids that change now and then": [chunk("a", id=f"chat-{n // 3}", model=f"m-{n // 4}") for n in range(12)],
    "no id": [chunk("a", id=...)] * 3,
    "no model": [chunk("a", model=...)] * 3,
    "neither": [chunk("a", id=..., model=...)] * 3,
    "empty at first": [
        chunk(choices=[], id="", model="", prompt_filter_results=[{"prompt_index": 0}]),
        chunk("a"),
        chunk(choices=[{"delta": {"tool_calls": [{"index": 0, "id": "", "model": ""}]}}]),
    ],
    "null": [chunk("a", id=None, model=None)] * 3,
    "a number": [chunk("a", id=17, model=1)] * 3,
    "escaped": [chunk("a", id='a"b\\c', model="é/x")] * 3,
    "spaced": [
        b'data: {"id" : "chatcmpl-9", "model"\t:"fast-1" , "choices": [{"delta":{"content":"a"}}]}\n\n'
    ]
    * 3,
    "spaced now and then": [chunk("a"), chunk("b").replace(b'"id":', b'"id": '), chunk("c")],
    "id of a call before ours": [
        b'data: {"choices":[{"delta":{"tool_calls":[{"id":"call_1"}]}}],"id":"x-1","model":"fast-1"}\n\n'
    ]
    * 2,
    "the same name inside": [
        chunk("a", choices=[{"index": 0, "delta": {"content": "a"}, "meta": {"model": "inner", "id": "in"}}])
    ]
    * 3,
    "event lines": [b"event: message\nid: 7\n" + chunk("a")] * 3,
}


@pytest.mark.parametrize("events", ODD_NAMES.values(), ids=ODD_NAMES)
@pytest.mark.parametrize("together", [False, True])
def test_ids_and_models_are_ours_however_they_are_written(events: list[bytes], together: bool) -> None:
    data = b"".join(events)
    relayed = stream()
    out = relayed.feed(data) if together else b"".join([relayed.feed(event) for event in events])
    assert values(out) == shown(data)
    for line in (b"event: message", b"id: 7"):
        assert out.count(line) == data.count(line)


MIXED = [event for events in ODD_NAMES.values() for event in events[:2]]
MIXED += [chunk("a"), chunk("b", usage=None), chunk("[DONE]"), b": waiting\n\n"]


@given(st.lists(st.sampled_from(MIXED), max_size=12), st.booleans(), st.booleans(), st.booleans())
def test_a_burst_reads_like_its_events_one_by_one(
    events: list[bytes], usage: bool, done: bool, wants: bool
) -> None:
    events = [*events, stop("length"), *([USAGE] if usage else []), *([DONE] if done else [])]
    at_once, (one, out) = (
        stream(wants),
        relay(b"".join(events), wants, itertools.accumulate(map(len, events))),
    )
    burst = at_once.feed(b"".join(events))
    assert values(burst) == values(out)
    assert burst.endswith(DONE) == out.endswith(DONE) == done
    for name in ("done", "error", "events", "usage", "finish", "output_tokens"):
        assert getattr(at_once, name) == getattr(one, name)


def test_lines_before_the_end_marker_are_kept() -> None:
    relayed = stream()
    out = relayed.feed(chunk("a") + chunk("b", id="another") + b"event: end\n" + DONE)
    assert relayed.done and out.endswith(b"\n\nevent: end\n" + DONE)
    assert len(values(out)) == 2


def test_usage_that_was_not_asked_for_is_not_shown() -> None:
    for extra in (USAGE, USAGE.replace(b'"choices":[]', b'"choices": [ ]'), chunk(choices=..., usage=TOTALS)):
        relayed, out = relay(chunk("a") + stop() + extra + DONE)
        assert len(values(out)) == 2
        assert relayed.usage is not None
        assert relayed.usage.output_tokens == 500
        assert relayed.finish == "stop"


def test_usage_that_was_asked_for_carries_its_cost() -> None:
    _, out = relay(chunk("a") + stop() + USAGE + DONE, wants=True)
    assert values(out)[-1]["usage"] == {**TOTALS, **told(0.002, 0.001, 0.001)}
    assert values(out)[-1]["choices"] == []
    assert [v["id"] for v in values(out)] == ["gen-1"] * 3


def test_usage_in_the_last_chunk_of_text() -> None:
    data = chunk("a") + stop(usage=TOTALS) + DONE
    relayed, out = relay(data)
    assert values(out) == shown(data), "it is no extra chunk"
    assert relayed.usage is not None
    relayed, out = relay(data, wants=True)
    assert values(out)[-1]["usage"] == {**TOTALS, **told(0.002, 0.001, 0.001)}
    assert values(out)[-1]["choices"][0]["finish_reason"] == "stop"


def test_usage_in_every_chunk_the_last_one_counts() -> None:
    counts = [{"prompt_tokens": 10, "completion_tokens": n} for n in range(5)]
    relayed, _ = relay(b"".join(chunk("a", usage=c) for c in counts) + stop() + DONE)
    assert relayed.usage == Usage(uncached_input_tokens=10, output_tokens=4)


@pytest.mark.parametrize("null", [b'"usage":null', b'"usage": null'])
def test_usage_null_in_every_chunk(null: bytes) -> None:
    data = (chunk("a", usage=None) + chunk("b", usage=None) + stop(usage=None)).replace(b'"usage":null', null)
    relayed, out = relay(data + USAGE + DONE, cuts=range(0, 2000, 190))
    assert values(out) == shown(data)
    assert relayed.usage is not None
    assert relayed.finish == "stop"


def test_usage_inside_the_choices() -> None:
    inner = {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500, "cached_tokens": 900}
    last = chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "stop", "usage": inner}])
    cached = Usage(uncached_input_tokens=100, cache_read_tokens=900, output_tokens=500)
    for wants in (False, True):
        relayed, out = relay(chunk("a") + last + DONE, wants)
        assert values(out) == shown(chunk("a") + last)
        assert relayed.usage == cached
        relayed, _ = relay(chunk("a") + last + USAGE + DONE, wants)
        assert relayed.usage == cached, "what comes later says nothing of the cache"


def test_errors_inside_a_stream() -> None:
    for event, words in (
        (b'data: {"error":{"message":"over\\nloaded","code":503}}\n\n', "over loaded"),
        (b'data: {"error": "no"}\n\n', "no"),
        (b'event: error\ndata: {"error":{"message":"x"}}\n\n', "x"),
        (chunk("", error={"message": "half"}), "half"),
        (chunk(choices=..., usage=TOTALS, error={"message": "both"}), "both"),
        (b'data: {"error":{"message":"\\ud800"}}\n\n', ""),
    ):
        relayed, out = relay(chunk("a") + event)
        assert words in relayed.error
        assert relayed.error or not words
        assert list(sse.events(out))[1:] == ([] if words else [event]), "the caller hears of it by failure()"
        assert not relayed.done
    relayed, _ = relay(chunk("a", error=None) + chunk('"error":{"message":"x"}') + stop() + DONE)
    assert relayed.error == ""


def test_nothing_behind_an_error_is_passed_on() -> None:
    relayed, out = relay(chunk("a") + chunk(error={"message": "x"}, usage=TOTALS) + chunk("b") + DONE)
    assert (relayed.error, relayed.done) == ("x", False)
    assert len(values(out)) == 1
    assert relayed.usage == Usage(uncached_input_tokens=1000, output_tokens=500), "it is charged all the same"


def test_nothing_behind_the_end_is_passed_on() -> None:
    _, out = relay(chunk("a") + stop() + DONE + chunk("evil") + DONE)
    assert out.endswith(b'"}]}\n\n' + DONE)
    assert out.count(DONE) == 1
    assert b"evil" not in out


@pytest.mark.parametrize("done", [b"data:[DONE]\n\n", b"data: [DONE] \n\n", b"data: [DONE]\r\n\r\n"])
def test_the_end_however_it_is_written(done: bytes) -> None:
    relayed, out = relay(stop() + done)
    assert relayed.done
    assert out.endswith(done)


@pytest.mark.parametrize(
    ("tail", "kept", "done"),
    [
        (b"", 0, False),
        (b"\n", 0, False),
        (b"data: [DONE]", 0, True),
        (b"data: [DONE]\n", 0, True),
        (b"data: [DONE]\r\n", 0, True),
        (stop()[:-2], 1, False),
        (stop()[:-1], 1, False),
        (stop()[:-5], 0, False),
        (b"data: {", 0, False),
        (b": comment", 0, False),
        (b"dat", 0, False),
    ],
)
def test_a_stream_that_just_ends(tail: bytes, kept: int, done: bool) -> None:
    """What was cut off must not reach a caller, whose parser would trip over it."""
    relayed, out = relay(chunk("a") + tail)
    assert len(values(out)) == 1 + kept
    assert relayed.done is done
    assert relayed.finish == ("stop" if kept else "")
    assert relayed.flush() == b""


@pytest.mark.parametrize("cuts", [(), range(0, 3000, 1), range(0, 3000, 50)])
@pytest.mark.parametrize("behind", [USAGE + DONE, b": x\n\n" + USAGE + DONE, DONE, b""])
def test_the_reason_is_found_wherever_the_chunks_are_cut(cuts: Any, behind: bytes) -> None:
    assert relay(chunk("a") + stop("length") + behind, cuts=cuts)[0].finish == "length"


def test_events_are_counted_for_estimates() -> None:
    relayed, _ = relay(b"".join(chunk(str(n)) for n in range(50)), cuts=range(0, 9000, 333))
    assert relayed.events == 50


GARBAGE = [
    b"data: \n\n",
    b"data\n\n",
    b"data: [1]\n\n",
    b"data: null\n\n",
    b"data: {}\n\n",
    b'data: {"choices":[]}\n\n',
    b'data: {"choices":{"usage":1},"usage":[]}\n\n',
    b'data: {"usage":{"prompt_tokens":-1},"choices":[]}\n\n',
    b'data: {"usage":{"prompt_tokens":"x"}\n\n',
    b'data: {"error":\n\n',
    b'data: {"error":\xff}\n\n',
    b'data: {"\xff":"usage"}\n\n',
    b'data: {"usage":' + b"[" * 50_000 + b"\n\n",
    b'data: {"id":' + b"[" * 50_000 + b"\n\n",
    b"\xff\xfe\0\n\n",
    b"\n\n\n\n",
    b"<html>\n\n</html>\n\n",
    b"[DONE]\n\n",
]


@given(st.lists(st.sampled_from([*GARBAGE, chunk("a"), USAGE]) | st.binary(max_size=30), max_size=8))
@settings(max_examples=200, deadline=None)
def test_garbage_never_raises(pieces: list[bytes]) -> None:
    relayed = stream()
    for piece in pieces:
        relayed.feed(piece)
    relayed.flush()
    assert relayed.finish == "" or b'"finish_reason"' in b"".join(pieces)


def test_the_event_of_an_error_ends_the_stream_for_every_client() -> None:
    data = stream().failure('acme: "broken"\n', 504, "upstream_timeout")
    events = list(sse.events(data))
    assert events[1] == DONE
    value = values(data)[0]
    assert (value["id"], value["model"], value["object"]) == ("gen-1", "acme/fast", "chat.completion.chunk")
    assert value["choices"][0]["finish_reason"] == "error"
    assert value["error"] == {"code": 504, "message": 'acme: "broken"\n', "type": "upstream_timeout"}
    assert msgspec.json.decode(sse.payload(events[0]) or b"")


def test_the_end_that_a_provider_left_out() -> None:
    assert stream().close() == DONE


def test_tokens_are_guessed_from_events() -> None:
    relayed = stream()
    assert relayed.output_tokens == 0
    relayed.feed(chunk("") + chunk("a") + chunk("b"))
    assert relayed.output_tokens == 2


@pytest.mark.parametrize("wants", [False, True])
def test_further_fields_of_a_stream_stand_beside_its_usage(wants: bool) -> None:
    relayed = ChatStream(msgspec.structs.replace(TELLING, wants_usage=wants, extra={"metadata": raw([1])}))
    out = values(relayed.feed(chunk("a") + stop() + USAGE + DONE))
    assert [value.get("metadata") for value in out] == ([None, None, [1]] if wants else [None, None])


ENDINGS = (
    stop() + USAGE + DONE,
    stop(usage=TOTALS) + DONE,
    chunk(error={"message": "x"}) + chunk("b"),
    DONE,
    b"",
)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_cut_at_any_byte_a_stream_reads_the_same(ending: bytes, end: bytes) -> None:
    data = (chunk("a") + b": ping\n\n" + chunk("b") + ending).replace(b"\n", end)
    whole, out = relay(data, wants=True)
    for cut in range(1, len(data)):
        cut_up, pieces = relay(data, wants=True, cuts=(cut,))
        assert values(pieces) == values(out), cut
        found = (cut_up.done, cut_up.error, cut_up.usage, cut_up.finish)
        assert found == (whole.done, whole.error, whole.usage, whole.finish), cut
