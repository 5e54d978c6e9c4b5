"""Messages on both sides: what is changed is changed everywhere, the rest goes through as it came."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from typing import Any

import anthropic.types
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from tokenworks.errors import BadRequest
from tokenworks.providers.scripted.fault import Fault
from tokenworks.providers.scripted.reply import Reply, Tokens, ToolCall
from tokenworks.providers.scripted.request import Ask
from tokenworks.providers.scripted.turn import Turn, take
from tokenworks.providers.scripted.wires import anthropic_messages as scripted
from tokenworks.schema import Price, Usage
from tokenworks.wire import sse
from tokenworks.wire.answer import Telling
from tokenworks.wire.anthropic_messages.relay import (
    CountRequest,
    CountWhole,
    MessagesRequest,
    MessagesStream,
    MessagesWhole,
)
from tokenworks.wire.asking import CONTROLS
from tokenworks.wire.peek import raw

PRICE = Price("test", input_mtok=1.0, output_mtok=2.0, cache_read_mtok=0.5, cache_write_mtok=1.25)
TELLING = Telling("gen-1", "acme/fast", "acme", PRICE)
EVENT = TypeAdapter(anthropic.types.RawMessageStreamEvent)
MESSAGE = TypeAdapter(anthropic.types.Message)
HELLO = [{"role": "user", "content": "hello there"}]
FULL = Reply(
    chunks=('"type":"message_stop"', "\n\nevent: error\n\n", '"error"', "message_start", " é 😀"),
    reasoning="I should look it up.",
    signature="c2ln",
    tool_calls=(ToolCall("look", '{"type":"message_delta","usage":{"output_tokens":9}}'),),
    usage=Tokens(
        input_tokens=1000, cache_read_tokens=600, cache_write_tokens=100, output_tokens=40, reasoning_tokens=9
    ),
)
USAGE = Usage(300, 600, 100, 40, 9)
COST = PRICE.cost_nano_usd(USAGE) / 1e9


def turn(reply: Reply = FULL, **body: Any) -> Turn:
    return take(
        Ask(7, "anthropic_messages", "/v1/messages", {}, {"model": "m", "messages": HELLO, **body}), reply
    )


def body(**fields: Any) -> bytes:
    return json.dumps({"model": "acme/fast", "messages": HELLO, "max_tokens": 5, **fields}).encode()


def sent(asked: MessagesRequest, upstream_id: str = "fast-1") -> bytes:
    start, messages = asked.upstream_body(raw(upstream_id))
    return start + bytes(messages) + b"}"


# --- requests -----------------------------------------------------------------------------------


def test_a_request_is_passed_on_with_the_name_the_provider_knows() -> None:
    messages = b'[ {"role":"user","content":"\\u00e9 \xc3\xa9 \\"model\\":\\"x\\" 1.50"} ]'
    asked = MessagesRequest(
        b'{"top_p": 0.10, "model":"acme/fast", "messages":%b, "max_tokens":1e1}' % messages
    )
    assert (asked.model, asked.stream, asked.wants_usage) == ("acme/fast", False, True)
    made = sent(asked)
    assert made == b'{"top_p":0.10,"model":"fast-1","max_tokens":1e1,"messages":%b}' % messages
    assert sent(asked, "b") == made.replace(b"fast-1", b"b"), "a second attempt starts afresh"


def test_our_own_controls_are_not_sent() -> None:
    asked = MessagesRequest(body(**{key: {} for key in CONTROLS}, stream=True, thinking={"type": "enabled"}))
    assert asked.stream
    assert "fallbacks" in CONTROLS
    assert json.loads(sent(asked)) == {
        "model": "fast-1",
        "messages": HELLO,
        "max_tokens": 5,
        "stream": True,
        "thinking": {"type": "enabled"},
    }


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'{"messages":[]}', "'model' is missing"),
        (b'{"model":5,"messages":[]}', "'model' must be a string"),
        (b'{"model":"a"}', "'messages' is missing"),
        (b'{"model":"a","messages":[],"stream":"yes"}', "'stream' must be true or false"),
        (b"[]", "must be a JSON object"),
    ],
)
def test_requests_that_are_refused(data: bytes, words: str) -> None:
    for kind in (MessagesRequest, CountRequest):
        with pytest.raises(BadRequest, match=words):
            kind(data)


def test_input_bytes() -> None:
    asked = MessagesRequest(b'{"model":"x","messages": [12],"tools":[1],"system":"abc","metadata":{}}')
    assert asked.input_bytes == 4 + 3 + 5


def test_a_question_for_a_count() -> None:
    asked = CountRequest(body(stream=True, provider={}))
    assert (asked.wire, asked.stream) == ("count_tokens", False)
    assert json.loads(sent(asked))["messages"] == HELLO
    assert "provider" not in json.loads(sent(asked))
    whole = CountWhole(b'{"input_tokens": 17}')
    assert (whole.usage, whole.finish, whole.size) == (Usage(), "", 0)
    assert whole.render(TELLING, Usage(), 0) == b'{"input_tokens": 17}'
    for data, words in ((b"{}", "without 'input_tokens'"), (b"x", "not JSON"), (b'{"error":"no"}', "^no$")):
        with pytest.raises(ValueError, match=words):
            CountWhole(data)


# --- whole answers ------------------------------------------------------------------------------


def told(cost: float, part: float) -> dict[str, Any]:
    return {
        "cost": cost,
        "is_byok": False,
        "cost_details": {
            "upstream_inference_cost": cost,
            "upstream_inference_prompt_cost": part,
            "upstream_inference_completions_cost": pytest.approx(cost - part),
        },
    }


def test_a_whole_answer() -> None:
    data = scripted.whole(turn()).data
    whole = MessagesWhole(data)
    assert (whole.finish, whole.usage) == ("tool_calls", USAGE)
    made = whole.render(TELLING, USAGE, PRICE.cost_nano_usd(USAGE))
    assert MESSAGE.validate_json(made).model == "acme/fast"
    expected = json.loads(data)
    expected.update(id="gen-1", model="acme/fast")
    expected["usage"] |= told(COST, 0.000725)
    assert json.loads(made) == expected
    content = bytes(msgspec.json.decode(data, type=dict[str, msgspec.Raw])["content"])
    assert content in made
    assert whole.size == len(content)


def test_further_fields_and_usage_that_was_not_told() -> None:
    data = scripted.whole(turn(msgspec.structs.replace(FULL, usage_style="none"))).data
    whole = MessagesWhole(data)
    assert whole.usage is None
    telling = msgspec.structs.replace(TELLING, extra={"metadata": raw([1]), "id": raw("not this")})
    made = json.loads(whole.render(telling, Usage(7, 1, 2, 3), 5))
    assert (made["metadata"], made["id"]) == ([1], "gen-1")
    usage = made["usage"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["cost"]) == (7, 3, 5e-9)
    assert (usage["cache_read_input_tokens"], usage["cache_creation_input_tokens"]) == (1, 2)
    assert MESSAGE.validate_python(made)


STOPS = {
    "end_turn": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "stop_sequence": "stop",
    "refusal": "refusal",
    "pause_turn": "pause_turn",
}


@pytest.mark.parametrize(("word", "expected"), STOPS.items())
def test_reasons_to_stop(word: str, expected: str) -> None:
    assert MessagesWhole(json.dumps({"content": [], "stop_reason": word}).encode()).finish == expected
    relayed, _ = relay(named("message_delta", delta={"stop_reason": word}, usage={"output_tokens": 1}))
    assert relayed.finish == expected


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not JSON"),
        (b"<html>", "not JSON"),
        (b"{}", "without 'content'"),
        (b'{"error":null}', "without 'content'"),
        (b'{"type":"error","error":{"type":"overloaded_error","message":"Over\\nloaded"}}', "^Over loaded$"),
        (b'{"type":"error"}', "without a message"),
        (b'{"error":"no"}', "^no$"),
        (b'{"choices":[]}', "without 'content'"),
    ],
)
def test_what_is_no_answer(data: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        MessagesWhole(data)


# --- streams ------------------------------------------------------------------------------------


def named(kind: str, end: bytes = b"\n", **fields: Any) -> bytes:
    data = json.dumps({"type": kind, **fields}, separators=(",", ":")).encode()
    return b"event: %b%bdata: %b%b%b" % (kind.encode(), end, data, end, end)


def golden(reply: Reply = FULL) -> bytes:
    return b"".join(frame.data for frame in scripted.frames(turn(reply)))


def relay(data: bytes, telling: Telling = TELLING, cuts: Iterable[int] = ()) -> tuple[MessagesStream, bytes]:
    """What a caller gets of ``data`` that arrives in pieces."""
    relayed = MessagesStream(telling)
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
    return [json.loads(p) for p in payloads if p not in (None, b"[DONE]")]


def shown(data: bytes) -> list[Any]:
    """What a caller must see of ``data``, but for the cost."""
    made = values(data)
    for value in made:
        if value["type"] == "message_start":
            value["message"].update(id="gen-1", model="acme/fast")
    return made


def state(relayed: MessagesStream) -> tuple[Any, ...]:
    return (relayed.done, relayed.error, relayed.finish, relayed.usage, relayed.events, relayed.output_tokens)


def test_a_whole_stream() -> None:
    relayed, out = relay(golden())
    expected = shown(golden())
    expected[-2]["usage"] |= told(COST, 0.000725)
    assert values(out) == expected
    assert state(relayed)[:4] == (True, "", "tool_calls", USAGE)
    for value in values(out):
        EVENT.validate_python(value) if value["type"] != "ping" else None
    assert [sse.name(event) for event in sse.events(out)] == [
        sse.name(event) for event in sse.events(golden())
    ]
    assert relayed.events == sum(value["type"] == "content_block_delta" for value in expected)


def test_all_but_two_events_are_the_very_bytes() -> None:
    before, after = list(sse.events(golden())), list(sse.events(relay(golden())[1]))
    changed = [sse.name(a) for a, b in zip(after, before, strict=True) if a != b]
    assert changed == [b"message_start", b"message_delta"]


ENDINGS = (
    b"",
    named("error", error={"type": "overloaded_error", "message": "x"}) + named("ping"),
    b'event: message_stop\ndata: {"type":"message_stop"}',
    b'event: message_stop\ndata: {"type":"mess',
    b"data: [DONE]\n\n",
)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_cut_at_any_byte_a_stream_reads_the_same(ending: bytes, end: bytes) -> None:
    data = golden(Reply(text="a b"))
    if ending:
        data = data.removesuffix(b'event: message_stop\ndata: {"type":"message_stop"}\n\n') + ending
    data = data.replace(b"\n", end)
    whole, out = relay(data)
    for cut in range(1, len(data)):
        cut_up, pieces = relay(data, cuts=(cut,))
        assert values(pieces) == values(out), cut
        assert state(cut_up) == state(whole), cut


@given(st.lists(st.integers(0, 6000), max_size=40), st.sampled_from([b"\n", b"\r\n", b"\r"]))
@settings(max_examples=100, deadline=None)
def test_any_cut_gives_the_same_stream(cuts: list[int], end: bytes) -> None:
    data = golden().replace(b"\n", end)
    relayed, out = relay(data, cuts=cuts)
    assert values(out) == values(relay(golden())[1])
    assert state(relayed) == state(relay(golden())[0])


@pytest.mark.parametrize("step", [1, 100_000])
def test_every_step_gives_the_same_stream(step: int) -> None:
    data = golden()
    relayed, out = relay(data, cuts=range(0, len(data), step))
    assert out == relay(data)[1]
    assert relayed.done


def test_errors_inside_a_stream_are_not_passed_on() -> None:
    start = golden().partition(b"event: content_block_start")[0]
    for event, words in (
        (named("error", error={"type": "overloaded_error", "message": "Over\nloaded"}), "Over loaded"),
        (
            b"".join(f.data for f in scripted.error_frames(turn(), Fault("error_event", message="no"), 3)),
            "no",
        ),
        (b'data: {"type": "error", "message": "bare"}\n\n', "bare"),
        (b'event: error\ndata: {"error":{"message":"no type"}}\n\n', "no type"),
        (named("error"), "an error without a message"),
    ):
        relayed, out = relay(start + event + named("message_stop"))
        assert relayed.error == words
        assert values(out) == shown(start)
        assert not relayed.done
        assert relayed.feed(named("ping")) == b""
    block = {"type": "server_tool_result", "error": {"type": "error"}, "x": {"type": "message_stop"}}
    relayed, out = relay(start + named("content_block_start", index=0, content_block=block))
    assert (relayed.error, relayed.done) == ("", False)
    assert values(out)[-1]["content_block"] == block


def test_nothing_behind_the_end_is_passed_on() -> None:
    relayed, out = relay(golden() + named("ping") + b"data: [DONE]\n\n")
    assert relayed.done
    assert values(out)[-1] == {"type": "message_stop"}


def test_usage_grows_as_it_is_told() -> None:
    start = {"input_tokens": 10, "cache_read_input_tokens": 5, "output_tokens": 1}
    relayed = MessagesStream(TELLING)
    assert (relayed.usage, relayed.output_tokens) == (None, 0)
    relayed.feed(named("message_start", message={"id": "m", "usage": start}))
    assert relayed.usage == Usage(10, 5, 0, 1)
    for number in range(3):
        relayed.feed(named("content_block_delta", index=0, delta={"type": "text_delta", "text": str(number)}))
    assert relayed.usage == Usage(10, 5, 0, 3), "cut off here, three deltas were delivered"
    assert relayed.output_tokens == relayed.events == 3
    out = relayed.feed(named("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 2}))
    assert relayed.usage == Usage(10, 5, 0, 2)
    relayed.feed(named("message_delta", delta={}, usage={"input_tokens": 11}))
    assert relayed.usage == Usage(11, 5, 0, 2), "what was told at the end stays told"
    assert relayed.output_tokens == 2
    assert values(out)[0]["usage"]["cost"] == PRICE.cost_nano_usd(Usage(10, 5, 0, 2)) / 1e9


def test_usage_that_is_not_told() -> None:
    relayed, out = relay(golden(msgspec.structs.replace(FULL, usage_style="none")))
    assert relayed.usage is None
    assert relayed.output_tokens == relayed.events > 10
    assert "usage" not in values(out)[-2]
    end_only = msgspec.structs.replace(FULL, usage_place="end_only")
    assert relay(golden(end_only))[0].usage == USAGE
    start = named("message_start", message={"usage": {"input_tokens": 9, "output_tokens": 1}})
    deltas = named("content_block_delta", index=0) * 4
    relayed, _ = relay(start + deltas + named("message_delta", delta={"stop_reason": "end_turn"}))
    assert (relayed.finish, relayed.usage) == ("stop", Usage(9, output_tokens=4))


def test_further_fields_of_a_stream() -> None:
    telling = msgspec.structs.replace(TELLING, extra={"metadata": raw({"a": 1})})
    last = {"type": "message_stop", "metadata": {"a": 1}}
    assert values(relay(golden(), telling)[1])[-1] == last
    assert values(MessagesStream(telling).close()) == [last]


def test_the_end_that_a_provider_left_out() -> None:
    out = MessagesStream(TELLING).close()
    assert (sse.name(out), values(out)) == (b"message_stop", [{"type": "message_stop"}])


def test_the_event_of_an_error() -> None:
    out = MessagesStream(TELLING).failure('acme: "broken"', 429, "rate_limit_error")
    assert sse.name(out) == b"error"
    assert values(out) == [
        {"type": "error", "error": {"type": "rate_limit_error", "message": 'acme: "broken"'}},
    ]


GARBAGE = [
    b"data: \n\n",
    b"data: [1]\n\n",
    b"data: null\n\n",
    b'data: {"type":"message_start"}\n\n',
    b'data: {"type":"message_start","message":[]}\n\n',
    b'data: {"type":"message_start","message":{"usage":[]}}\n\n',
    b'data: {"type":"message_delta","usage":{"output_tokens":-1}}\n\n',
    b'data: {"type":"message_delta","delta":"x","usage":"x"}\n\n',
    b'data: {"type":"message_',
    b'data: {"type":["message_stop"]}\n\n',
    b'data: {"error":null}\n\n',
    b'data: {"type":"message_delta","usage":' + b"[" * 50_000 + b"\n\n",
    b"event: content_block_delta\n",
    b"\xff\xfe\0\n\n",
    b"\n\n\n\n",
]


@given(st.lists(st.sampled_from([*GARBAGE, named("ping")]) | st.binary(max_size=30), max_size=8))
@settings(max_examples=200, deadline=None)
def test_garbage_never_raises(pieces: list[bytes]) -> None:
    relayed = MessagesStream(TELLING)
    for piece in pieces:
        relayed.feed(piece)
    relayed.flush()
    assert not relayed.done
