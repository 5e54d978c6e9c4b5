"""Responses on both sides: what is changed is changed everywhere, the rest goes through as it came."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from typing import Any

import msgspec
import openai.types.responses
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from tokenworks.errors import BadRequest
from tokenworks.providers.scripted.fault import Fault
from tokenworks.providers.scripted.reply import Reply, Tokens, ToolCall
from tokenworks.providers.scripted.request import Ask
from tokenworks.providers.scripted.turn import Turn, take
from tokenworks.providers.scripted.wires import openai_responses as scripted
from tokenworks.schema import Price, Usage
from tokenworks.wire import sse
from tokenworks.wire.answer import Telling
from tokenworks.wire.asking import CONTROLS
from tokenworks.wire.openai_responses.relay import (
    REASONING,
    ResponsesRequest,
    ResponsesStream,
    ResponsesWhole,
)
from tokenworks.wire.peek import raw

PRICE = Price("test", input_mtok=1.0, output_mtok=2.0, cache_read_mtok=0.5)
TELLING = Telling("gen-1", "acme/fast", "acme", PRICE)
EVENT: TypeAdapter[Any] = TypeAdapter(openai.types.responses.ResponseStreamEvent)
RESPONSE = TypeAdapter(openai.types.responses.Response)
FULL = Reply(
    chunks=('"type":"response.completed"', "\n\nevent: error\n\n", '"error"', '"response":{', " é 😀"),
    reasoning="I should look it up.",
    signature="c2ln",
    tool_calls=(ToolCall("look", '{"type":"error","response":{"id":"x"}}'),),
    usage=Tokens(input_tokens=1000, cache_read_tokens=600, output_tokens=40, reasoning_tokens=9),
)
USAGE = Usage(400, 600, 0, 40, 9)
COST = PRICE.cost_nano_usd(USAGE) / 1e9


def turn(reply: Reply = FULL, **body: Any) -> Turn:
    return take(
        Ask(7, "openai_responses", "/v1/responses", {}, {"model": "m", "input": "hello there", **body}), reply
    )


def body(**fields: Any) -> bytes:
    return json.dumps({"model": "acme/fast", "input": "hello", **fields}).encode()


def sent(asked: ResponsesRequest, upstream_id: str = "fast-1") -> bytes:
    start, given = asked.upstream_body(raw(upstream_id))
    return start + bytes(given) + b"}"


# --- requests -----------------------------------------------------------------------------------


def test_a_request_is_passed_on_with_the_name_the_provider_knows() -> None:
    given = b'[ {"role":"user","content":"\\u00e9 \xc3\xa9 \\"model\\":\\"x\\" 1.50"} ]'
    asked = ResponsesRequest(b'{"top_p": 0.10, "model":"acme/fast", "input":%b, "n":1e0}' % given)
    assert (asked.wire, asked.model, asked.stream) == ("openai_responses", "acme/fast", False)
    assert asked.wants_usage
    made = sent(asked)
    assert made == (
        b'{"top_p":0.10,"model":"fast-1","n":1e0,"store":false,"include":["%b"],"input":%b}'
        % (REASONING.encode(), given)
    )
    assert sent(asked, "b") == made.replace(b"fast-1", b"b"), "a second attempt starts afresh"


def test_state_is_kept_here_and_not_there() -> None:
    asked = ResponsesRequest(body(store=True, previous_response_id="gen-0", stream=True))
    assert asked.stream
    made = json.loads(sent(asked))
    assert made["store"] is False
    assert "previous_response_id" not in made
    assert bytes(asked.fields["previous_response_id"]) == b'"gen-0"', "for whoever answers"
    asked.fields["input"] = raw([1, 2])  # what came before is put in front
    assert json.loads(sent(asked))["input"] == [1, 2]


@pytest.mark.parametrize(
    ("include", "expected"),
    [
        (None, [REASONING]),
        ([], [REASONING]),
        (["x"], ["x", REASONING]),
        ([REASONING, "x"], [REASONING, "x"]),
    ],
)
def test_reasoning_comes_so_that_it_can_be_given_back(include: Any, expected: list[str]) -> None:
    assert json.loads(sent(ResponsesRequest(body(include=include))))["include"] == expected


def test_our_own_controls_are_not_sent() -> None:
    made = json.loads(sent(ResponsesRequest(body(**{key: {} for key in CONTROLS}, user="u"))))
    assert set(made) == {"model", "input", "user", "store", "include"}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'{"input":""}', "'model' is missing"),
        (b'{"model":"a"}', "'input' is missing"),
        (b'{"model":"a","input":"","stream":1}', "'stream' must be true or false"),
        (b'{"model":"a","input":"","include":"x"}', "'include' must be a list of strings"),
        (b'{"model":"a","input":"","include":[1]}', "'include' must be a list of strings"),
        (b'{"model":"a","input":"","background":true}', "'background' is not offered"),
    ],
)
def test_requests_that_are_refused(data: bytes, words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        ResponsesRequest(data)


def test_input_bytes() -> None:
    asked = ResponsesRequest(b'{"model":"x","input": "ab","tools":[1],"instructions":"abc","user":"u"}')
    assert asked.input_bytes == 4 + 3 + 5


# --- whole answers ------------------------------------------------------------------------------


def told(cost: float, part: float) -> dict[str, Any]:
    return {
        "cost": cost,
        "is_byok": False,
        "cost_details": {
            "upstream_inference_cost": cost,
            "upstream_inference_input_cost": part,
            "upstream_inference_output_cost": pytest.approx(cost - part),
        },
    }


def test_a_whole_answer() -> None:
    data = scripted.whole(turn(store=False)).data
    whole = ResponsesWhole(data)
    assert (whole.finish, whole.usage) == ("tool_calls", USAGE)
    asked = {"previous_response_id": raw("gen-0"), "store": raw(True), "metadata": raw({"not": "repeated"})}
    telling = msgspec.structs.replace(TELLING, asked=asked, extra={"more": raw(1)})
    made = whole.render(telling, USAGE, PRICE.cost_nano_usd(USAGE))
    assert RESPONSE.validate_json(made).model == "acme/fast"
    expected = json.loads(data)
    expected.update(id="gen-1", model="acme/fast", previous_response_id="gen-0", store=True, more=1)
    expected["usage"] |= told(COST, 0.0007)
    assert json.loads(made) == expected
    output = bytes(msgspec.json.decode(data, type=dict[str, msgspec.Raw])["output"])
    assert output in made
    assert whole.size == len(output)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [({}, (None, True)), ({"store": None}, (None, True)), ({"store": False}, (None, False))],
)
def test_what_was_said_of_state(asked: dict[str, Any], expected: tuple[Any, bool]) -> None:
    telling = msgspec.structs.replace(TELLING, asked={key: raw(value) for key, value in asked.items()})
    made = json.loads(ResponsesWhole(b'{"output":[],"store":0}').render(telling, USAGE, 0))
    assert (made["previous_response_id"], made["store"]) == expected
    assert made["usage"]["input_tokens"] == 1000
    _, out = relay(golden(), telling)
    for value in values(out):
        if "response" in value:
            assert (value["response"]["previous_response_id"], value["response"]["store"]) == expected


FINISHES = [
    (Reply(text="a"), "stop"),
    (Reply(text="a", finish="length"), "length"),
    (Reply(text="a", finish="content_filter"), "content_filter"),
    (FULL, "tool_calls"),
]


@pytest.mark.parametrize(("reply", "expected"), FINISHES)
def test_reasons_to_stop(reply: Reply, expected: str) -> None:
    assert ResponsesWhole(scripted.whole(turn(reply)).data).finish == expected
    relayed, _ = relay(golden(reply))
    assert (relayed.finish, relayed.done) == (expected, True)


def test_other_reasons_to_stop() -> None:
    for data, expected in (
        (b'{"output":[{"type" : "custom_tool_call"}]}', "tool_calls"),
        (b'{"output":[{"text":"\\"type\\":\\"function_call\\""}]}', "stop"),
        (b'{"output":[],"status":"incomplete"}', "length"),
        (b'{"output":[],"status":"incomplete","incomplete_details":{"reason":"steered"}}', "steered"),
    ):
        assert ResponsesWhole(data).finish == expected


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"<html>", "not JSON"),
        (b"{}", "without 'output'"),
        (b'{"error":null}', "without 'output'"),
        (b'{"error":{"message":"over\\n  quota"}}', "^over quota$"),
        (b'{"output":[],"status":"failed","error":{"code":"server_error","message":"oh"}}', "^oh$"),
        (b'{"output":[],"status":"failed"}', "has failed"),
    ],
)
def test_what_is_no_answer(data: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ResponsesWhole(data)


# --- streams ------------------------------------------------------------------------------------


def named(kind: str, **fields: Any) -> bytes:
    data = json.dumps({"type": kind, **fields}, separators=(",", ":")).encode()
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), data)


def golden(reply: Reply = FULL) -> bytes:
    return b"".join(frame.data for frame in scripted.frames(turn(reply)))


def relay(data: bytes, telling: Telling = TELLING, cuts: Iterable[int] = ()) -> tuple[ResponsesStream, bytes]:
    """What a caller gets of ``data`` that arrives in pieces."""
    relayed = ResponsesStream(telling)
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
    return [json.loads(p) for p in payloads if p is not None]


def shown(data: bytes) -> list[Any]:
    """What a caller must see of ``data``, but for the cost."""
    made = values(data)
    for value in made:
        if "response" in value:
            value["response"].update(id="gen-1", model="acme/fast", previous_response_id=None, store=True)
    return made


def state(relayed: ResponsesStream) -> tuple[Any, ...]:
    return (relayed.done, relayed.error, relayed.finish, relayed.usage, relayed.events, relayed.output_tokens)


def test_a_whole_stream() -> None:
    relayed, out = relay(golden())
    expected = shown(golden())
    expected[-1]["response"]["usage"] |= told(COST, 0.0007)
    assert values(out) == expected
    assert state(relayed)[:4] == (True, "", "tool_calls", USAGE)
    for value in values(out):
        assert EVENT.validate_python(value).type == value["type"]
    assert [sse.name(event) for event in sse.events(out)] == [value["type"].encode() for value in expected]
    assert relayed.events == sum(value["type"].endswith(".delta") for value in expected)


def test_all_but_three_events_are_the_very_bytes() -> None:
    before, after = list(sse.events(golden())), list(sse.events(relay(golden())[1]))
    changed = [sse.name(a) for a, b in zip(after, before, strict=True) if a != b]
    assert changed == [b"response.created", b"response.in_progress", b"response.completed"]


ENDINGS = (
    b"",
    named("error", code="server_error", message="x", sequence_number=9) + named("keepalive"),
    named("response.failed", response={"error": {"message": "y"}}),
)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_cut_at_any_byte_a_stream_reads_the_same(ending: bytes, end: bytes) -> None:
    data = golden(Reply(text="a b"))
    if ending:
        data = data[: data.index(b"event: response.completed")] + ending
    data = data.replace(b"\n", end)
    whole, out = relay(data)
    for cut in range(1, len(data)):
        cut_up, pieces = relay(data, cuts=(cut,))
        assert values(pieces) == values(out), cut
        assert state(cut_up) == state(whole), cut


@given(st.lists(st.integers(0, 9000), max_size=40), st.sampled_from([b"\n", b"\r\n", b"\r"]))
@settings(max_examples=100, deadline=None)
def test_any_cut_gives_the_same_stream(cuts: list[int], end: bytes) -> None:
    data = golden()  # which tells the time
    relayed, out = relay(data.replace(b"\n", end), cuts=cuts)
    expected, whole = relay(data)
    assert values(out) == values(whole)
    assert state(relayed) == state(expected)


def test_every_step_gives_the_same_stream() -> None:
    data = golden()
    relayed, out = relay(data, cuts=range(len(data)))
    assert out == relay(data)[1]
    assert relayed.done


def start(pieces: int = 2) -> bytes:
    """A stream as far as its first deltas."""
    events = list(sse.events(golden(Reply(text="a b c d"))))
    first = next(n for n, event in enumerate(events) if b".delta" in event)
    return b"".join(events[: first + pieces])


def test_errors_inside_a_stream_are_not_passed_on() -> None:
    fault = Fault("error_event", message="as scripted")
    for event, words in (
        (named("error", code="x", message="Over\nloaded", param=None), "Over loaded"),
        (named("error", error={"message": "nested"}), "nested"),
        (b'data: {"error":{"message":"no type"}}\n\n', "no type"),
        (named("response.failed", response={"id": "r", "error": {"code": "x", "message": "oh"}}), "oh"),
        (named("response.failed", response={"id": "r", "error": None}), "the response has failed"),
        (b"".join(frame.data for frame in scripted.error_frames(turn(), fault, 5)), "as scripted"),
        (
            list(sse.events(golden(Reply(finish="failed"))))[-1],
            "The model failed, as the script says.",
        ),
    ):
        relayed, out = relay(start() + event)
        assert relayed.error == words
        assert values(out) == shown(start())
        assert not relayed.done
        assert relayed.feed(named("keepalive")) == b""


@pytest.mark.parametrize("pieces", [0, 1, 3])
@pytest.mark.parametrize("behind", [b"", b": ping\n\n", b"data: x\n\n"])
def test_the_event_of_an_error_follows_the_last_one(pieces: int, behind: bytes) -> None:
    relayed, out = relay(start(pieces) + behind)
    seen = values(b"".join(event for event in sse.events(out) if event != b"data: x\n\n"))
    (failed,) = values(relayed.failure('acme: "broken"', 429, "rate_limit_error"))
    assert failed["sequence_number"] == seen[-1]["sequence_number"] + 1
    assert EVENT.validate_python(failed).response.id == "gen-1"
    assert failed["response"]["error"] == {"code": "rate_limit_exceeded", "message": 'acme: "broken"'}
    assert (failed["response"]["status"], failed["response"]["output"]) == ("failed", [])
    begun = seen[0]["response"]
    assert {**failed["response"], "status": "in_progress", "error": None} == begun


def test_an_error_before_anything_came() -> None:
    telling = msgspec.structs.replace(TELLING, created=17)
    out = ResponsesStream(telling).failure("x", 500, "api_error")
    assert sse.name(out) == b"response.failed"
    (failed,) = values(out)
    assert failed["sequence_number"] == 0
    response = EVENT.validate_python(failed).response
    assert (response.id, response.model, response.created_at) == ("gen-1", "acme/fast", 17)
    assert response.error.code == "server_error"


def test_nothing_behind_the_end_is_passed_on() -> None:
    relayed, out = relay(golden() + named("keepalive"))
    assert relayed.done
    assert values(out)[-1]["type"] == "response.completed"
    assert relayed.close() == b""


def test_usage_that_is_not_told() -> None:
    relayed, out = relay(golden(msgspec.structs.replace(FULL, usage_style="none")))
    assert relayed.usage is None
    assert relayed.output_tokens == relayed.events > 5
    assert values(out)[-1]["response"]["usage"] is None


def test_further_fields_of_a_stream_stand_in_the_last_response() -> None:
    _, out = relay(golden(), msgspec.structs.replace(TELLING, extra={"metadata2": raw(1)}))
    found = [value["response"].get("metadata2") for value in values(out) if "response" in value]
    assert found == [None, None, 1]


GARBAGE = [
    b"data: \n\n",
    b"data: [1]\n\n",
    b'data: {"response":null}\n\n',
    b'data: {"type":"response.completed","response":[]}\n\n',
    b'data: {"type":"response.created","response":{"usage":[]},"sequence_number":"x"}\n\n',
    b'data: {"type":["response.completed"],"response":{}}\n\n',
    b'data: {"error":null}\n\n',
    b'data: {"type":"response.created","response":' + b"[" * 50_000 + b"\n\n",
    b"event: response.x.delta\n",
    b"\xff\xfe\0\n\n",
]


@given(st.lists(st.sampled_from([*GARBAGE, named("keepalive")]) | st.binary(max_size=30), max_size=8))
@settings(max_examples=200, deadline=None)
def test_garbage_never_raises(pieces: list[bytes]) -> None:
    relayed = ResponsesStream(TELLING)
    for piece in pieces:
        relayed.feed(piece)
    relayed.flush()
    assert not relayed.done
    assert len(values(relayed.failure("x", 500, "y"))) == 1
