"""Every pair of wires: requests reach the provider, answers the caller, and the nearest wire is taken."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from sdk_types import check as check_request
from wire_answers import events_of, scripted_stream, scripted_whole, telling, whole

from tokenworks.errors import BadRequest
from tokenworks.providers.scripted.reply import Reply, ToolCall
from tokenworks.schema import Provider
from tokenworks.wire import pairs
from tokenworks.wire.anthropic_messages.relay import CountRequest, MessagesRequest
from tokenworks.wire.conversation import Maker, Thinking, ToolUse
from tokenworks.wire.openai_chat.relay import ChatRequest, ChatStream
from tokenworks.wire.openai_completions.request import CompletionsRequest
from tokenworks.wire.openai_embeddings.relay import EmbeddingsRequest
from tokenworks.wire.openai_responses.relay import ResponsesRequest
from tokenworks.wire.pairs import CHAT, COMPLETIONS, COUNT, EMBEDDINGS, MESSAGES, RESPONSES
from tokenworks.wire.peek import raw
from tokenworks.wire.replay import Remembered, name_of

PROVIDERS = (CHAT, MESSAGES, RESPONSES)
CALLERS = (*PROVIDERS, COMPLETIONS)
EVERY = list(itertools.product(CALLERS, PROVIDERS))
REQUESTS: dict[str, type[Any]] = {
    CHAT: ChatRequest,
    MESSAGES: MessagesRequest,
    RESPONSES: ResponsesRequest,
    COMPLETIONS: CompletionsRequest,
}
REPLY = Reply(
    reasoning="Hm, tools.",
    text="Here you are.",
    tool_calls=(ToolCall("get_weather", '{"city":"Rome"}', "call_1"),),
)
PING = b'event: ping\ndata: {"type":"ping"}\n\n'  # which official types don't have
TALK = Reply(text="Here you are.")


def asked(caller: str, **more: Any) -> Any:
    """A request of the caller's wire."""
    body: dict[str, Any] = {"model": "acme/fast", **more}
    if caller == RESPONSES:
        body = {"input": "hello there", **body}
    elif caller == COMPLETIONS:
        body = {"prompt": "hello there", **body}
    else:
        body = {"messages": [{"role": "user", "content": "hello there"}], "max_tokens": 50, **body}
    return REQUESTS[caller](json.dumps(body).encode())


def sent(pair: pairs.Pair, request: Any, maker: Maker, recall: Any = None) -> dict[str, Any]:
    start, longest = pair.body(request, maker, raw(maker.upstream_id), recall)
    found: dict[str, Any] = json.loads(start + bytes(longest) + b"}")
    return found


# --- requests -------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("caller", "provider"), EVERY)
def test_a_request_reaches_the_provider(caller: str, provider: str, stream: bool) -> None:
    pair = pairs.pair(caller, provider)
    assert pair is pairs.pair(caller, provider), "made once"
    assert pair.same == (caller == provider)
    body = sent(pair, asked(caller, stream=stream, models=["x"], provider={}), Maker("up-1", 4000))
    check_request(provider, body)
    assert body["model"] == "up-1"
    assert bool(body.get("stream")) == stream
    assert "hello there" in json.dumps(body)
    assert not {"models", "provider"} & set(body)
    if provider == CHAT and stream:
        assert body["stream_options"] == {"include_usage": True}
    if provider == RESPONSES:
        assert body["store"] is False


@pytest.mark.parametrize("caller", PROVIDERS)
def test_the_same_wire_passes_what_it_was_given(caller: str) -> None:
    request = asked(caller, odd={"a": [1.50]}, temperature=0.1)
    given = request.fields["input" if caller == RESPONSES else "messages"]
    _, longest = pairs.pair(caller, caller).body(request, Maker("up-1"), raw("up-1"))
    assert longest is given, "not even copied"
    assert sent(pairs.pair(caller, caller), request, Maker("up-1"))["odd"] == {"a": [1.5]}


@pytest.mark.parametrize(("caller", "provider"), [pair for pair in EVERY if pair[0] != pair[1]])
def test_what_cannot_be_said_is_refused(caller: str, provider: str) -> None:
    request = asked(caller, **({"prompt": [1, 2]} if caller == COMPLETIONS else {}))
    key = {RESPONSES: "input", COMPLETIONS: "prompt"}.get(caller, "messages")
    request.fields[key] = raw([7])
    with pytest.raises(BadRequest):
        pairs.pair(caller, provider).body(request, Maker("up-1"), raw("up-1"))
    if caller != COMPLETIONS:
        with pytest.raises(BadRequest):
            pairs.pair(caller, provider).wanting(request, Maker("up-1"))


def test_makers_of_the_chat_wire_differ() -> None:
    pair = pairs.pair(CHAT, CHAT)
    plain = asked(CHAT, max_tokens=5)
    capped = sent(pair, plain, Maker("m", quirks=frozenset(("max_completion_tokens",))))
    assert (capped.get("max_tokens"), capped["max_completion_tokens"]) == (None, 5)
    assert "max_tokens" in plain.fields, "the next maker may want it as it was"
    wish = {"effort": "high"}
    assert sent(pair, asked(CHAT, reasoning=wish), Maker("m"))["reasoning_effort"] == "high"
    aggregator = Maker("m", quirks=frozenset(("reasoning_object",)))
    assert sent(pair, asked(CHAT, reasoning=wish), aggregator)["reasoning"] == wish


# --- reasoning that comes back --------------------------------------------------------------------

USE = ToolUse("call_1", "get_weather", '{"city":"Rome"}')
KNOWN = {name_of(USE): Remembered((Thinking("Hm.", "c2ln"),), {name_of(USE): "sig"})}


def with_call(caller: str) -> Any:
    if caller == RESPONSES:
        call = {
            "type": "function_call",
            "call_id": "call_1",
            "name": "get_weather",
            "arguments": USE.arguments,
        }
        return asked(caller, input=[{"role": "user", "content": "hi"}, call])
    block: dict[str, Any] = {"role": "assistant", "content": None}
    function = {"name": "get_weather", "arguments": USE.arguments}
    block["tool_calls"] = [{"id": "call_1", "type": "function", "function": function}]
    if caller == MESSAGES:
        use = {"type": "tool_use", "id": "call_1", "name": "get_weather", "input": {"city": "Rome"}}
        block = {"role": "assistant", "content": [use]}
    return asked(caller, messages=[{"role": "user", "content": "hi"}, block])


@pytest.mark.parametrize("caller", PROVIDERS)
def test_what_was_forgotten_is_wanted_and_put_back(caller: str) -> None:
    pair = pairs.pair(caller, CHAT)
    request = with_call(caller)
    for quirk, wanted in (("echo_reasoning_content", True), ("reasoning_object", False)):
        maker = Maker("m", quirks=frozenset((quirk,)))
        assert pair.wanting(request, maker) == ([name_of(USE)] if wanted else [])
    text = Maker("m", quirks=frozenset(("echo_reasoning_content",)))
    assert sent(pair, request, text, KNOWN)["messages"][1]["reasoning_content"] == "Hm."
    assert sent(pair, request, text, {})["messages"][1]["reasoning_content"] == ""
    assert sent(pair, request, text)["messages"][1]["reasoning_content"] == ""
    signs = Maker("m", quirks=frozenset(("echo_thought_signatures",)))
    (call,) = sent(pair, request, signs, KNOWN)["messages"][1]["tool_calls"]
    assert call["extra_content"] == {"google": {"thought_signature": "sig"}}
    assert "reasoning_content" not in sent(pair, request, Maker("m"), None)["messages"][1]


def test_wires_that_carry_it_themselves_want_nothing() -> None:
    maker = Maker("m", quirks=frozenset(("replay_full_assistant",)))
    for wire in (MESSAGES, RESPONSES):
        assert pairs.pair(wire, wire).wanting(with_call(wire), maker) == []
    whole = pairs.pair(CHAT, MESSAGES)
    assert whole.wanting(with_call(CHAT), maker) == [name_of(USE)]
    thinking = sent(whole, with_call(CHAT), maker, KNOWN)["messages"][1]["content"][0]
    assert thinking == {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}


# --- answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("caller", "provider"), EVERY)
def test_an_answer_reaches_the_caller(caller: str, provider: str) -> None:
    pair, reply = pairs.pair(caller, provider), TALK if caller == COMPLETIONS else REPLY
    found = pair.whole(scripted_whole(provider, reply), Maker("up-1"))
    assert found.usage is not None
    body = found.render(telling(), found.usage, 2_500_000)
    value = json.loads(body) if caller == COMPLETIONS else whole(caller, body)
    assert (value["id"], value["model"]) == ("gen-1", "acme/fast")
    assert value["usage"]["cost"] == 0.0025
    assert found.finish == ("tool_calls" if reply.tool_calls else "stop")
    for word in (reply.text, *(call.name for call in reply.tool_calls)):
        assert word in body.decode()
    hidden = found.render(telling(exclude_reasoning=True), found.usage, 0)
    assert (b"Hm, tools." in hidden) == (caller == provider != CHAT), "only chat callers can wish that"


@pytest.mark.parametrize(("caller", "provider"), EVERY)
def test_a_stream_reaches_the_caller(caller: str, provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1_700_000_000)
    pair, reply = pairs.pair(caller, provider), TALK if caller == COMPLETIONS else REPLY
    data = scripted_stream(provider, reply)
    outs = []
    for size in (len(data), 13):
        stream = pair.stream(telling(), Maker("up-1"))
        out = b"".join(stream.feed(data[at : at + size]) for at in range(0, len(data), size))
        assert stream.done and not stream.error
        outs.append(out)
        if caller != COMPLETIONS:
            events_of(caller, out.replace(PING, b""))
        assert b"gen-1" in out and b"acme/fast" in out and b"up-1" not in out
        assert b'"cost":' in out
    if caller != provider:
        assert outs[0] == outs[1]


def test_reasoning_is_taken_out_of_chat_streams() -> None:
    pair = pairs.pair(CHAT, CHAT)
    assert type(pair.stream(telling(), Maker("m"))) is ChatStream, "which only relays"
    out = pair.stream(telling(exclude_reasoning=True), Maker("m")).feed(scripted_stream(CHAT, REPLY))
    assert b"Hm, " not in out and b"get_weather" in out and b"Here" in out
    events_of(CHAT, out)


@pytest.mark.parametrize("body", [b"", b"no", b"[]", b"5", b'{"x":1}', b'{"error":{"message":"broken"}}'])
@pytest.mark.parametrize(("caller", "provider"), [*EVERY, (EMBEDDINGS, CHAT), (COUNT, MESSAGES)])
def test_what_is_no_answer(caller: str, provider: str, body: bytes) -> None:
    with pytest.raises(ValueError) as caught:
        pairs.pair(caller, provider).whole(body, Maker("m"))
    if b"broken" in body:
        assert str(caught.value) == "broken"
    assert "\n" not in str(caught.value)


def test_what_is_never_streamed() -> None:
    for caller in (EMBEDDINGS, COUNT):
        for provider in PROVIDERS:
            pair = pairs.pair(caller, provider)
            assert pair.same
            with pytest.raises(BadRequest, match="'stream' is not possible"):
                pair.stream(telling(), Maker("m"))
    body = json.dumps({"model": "acme/fast", "input": ["a"], "messages": [], "odd": 1}).encode()
    assert sent(pairs.pair(EMBEDDINGS, CHAT), EmbeddingsRequest(body), Maker("e-1"))["input"] == ["a"]
    assert sent(pairs.pair(COUNT, MESSAGES), CountRequest(body), Maker("c-1"))["model"] == "c-1"


@pytest.mark.parametrize("caller", CALLERS)
def test_a_stream_that_fails_before_it_begins(caller: str) -> None:
    out = pairs.writer(caller, telling()).failure("nobody is there", 502, "upstream_error")
    assert b"nobody is there" in out and out.endswith(b"\n\n")
    if caller in (CHAT, RESPONSES):
        assert len(events_of(caller, out)) >= 1
    if caller == MESSAGES:
        assert out.startswith(b"event: error\ndata: ") and out.count(b"\n\n") == 1


# --- which wire -----------------------------------------------------------------------------------

BASE = "https://acme.example"
PATHS = {CHAT: "/chat/completions", MESSAGES: "/v1/messages", RESPONSES: "/responses"}


def provider(*wires: str) -> Provider:
    """A provider of these wires, each at an address of its own."""
    first, *more = wires
    return Provider(
        "acme", "Acme", first, f"{BASE}/{first}", more_wires=tuple((each, f"{BASE}/{each}") for each in more)
    )


CHOSEN: list[tuple[str, tuple[str, ...], str | None]] = [
    (CHAT, (CHAT,), CHAT),
    (CHAT, (RESPONSES, MESSAGES, CHAT), CHAT),
    (CHAT, (RESPONSES, MESSAGES), MESSAGES),
    (CHAT, (RESPONSES,), RESPONSES),
    (MESSAGES, (CHAT, MESSAGES), MESSAGES),
    (MESSAGES, (RESPONSES, CHAT), CHAT),
    (MESSAGES, (RESPONSES,), RESPONSES),
    (RESPONSES, (CHAT, RESPONSES), RESPONSES),
    (RESPONSES, (MESSAGES, CHAT), CHAT),
    (RESPONSES, (MESSAGES,), MESSAGES),
    (COMPLETIONS, (RESPONSES, MESSAGES, CHAT), CHAT),
    (COMPLETIONS, (MESSAGES,), MESSAGES),
    (EMBEDDINGS, (MESSAGES, RESPONSES, CHAT), CHAT),
    (EMBEDDINGS, (MESSAGES, RESPONSES), RESPONSES),
    (EMBEDDINGS, (MESSAGES,), None),
    (COUNT, (CHAT, MESSAGES), MESSAGES),
    (COUNT, (CHAT, RESPONSES), None),
]


@pytest.mark.parametrize(("caller", "wires", "expected"), CHOSEN)
def test_the_nearest_wire_is_asked(caller: str, wires: tuple[str, ...], expected: str | None) -> None:
    found = pairs.wire_for(caller, provider(*wires), frozenset())
    if expected is None:
        assert found is None
        return
    path = {EMBEDDINGS: "/embeddings", COUNT: "/v1/messages/count_tokens"}.get(caller, PATHS[expected])
    assert found == (expected, f"{BASE}/{expected}", path)


@pytest.mark.parametrize(
    ("caller", "expected"),
    [
        (CHAT, CHAT),
        (MESSAGES, MESSAGES),
        (RESPONSES, MESSAGES),
        (COMPLETIONS, MESSAGES),
        (EMBEDDINGS, CHAT),
        (COUNT, MESSAGES),
    ],
)
def test_a_wire_may_be_preferred(caller: str, expected: str) -> None:
    quirks = frozenset(("prefer_anthropic_wire",))
    found = pairs.wire_for(caller, provider(CHAT, MESSAGES, RESPONSES), quirks)
    assert found is not None and found[0] == expected


def test_an_endpoint_may_be_served_on_some_wires_only() -> None:
    every = provider(CHAT, MESSAGES, RESPONSES)
    found = pairs.wire_for(CHAT, every, frozenset(), (RESPONSES,))
    assert found is not None and found[0] == RESPONSES
    assert pairs.wire_for(COUNT, every, frozenset(), (CHAT,)) is None
    assert pairs.wire_for(CHAT, every, frozenset(), ("another",)) is None


@pytest.mark.parametrize("base", [f"{BASE}/v1", f"{BASE}/api/v1/"])
def test_a_base_that_holds_the_version_already(base: str) -> None:
    messages = Provider("acme", "Acme", MESSAGES, base)
    assert pairs.wire_for(MESSAGES, messages, frozenset()) == (MESSAGES, base, "/messages")
    assert pairs.wire_for(COUNT, messages, frozenset()) == (MESSAGES, base, "/messages/count_tokens")
    assert pairs.wire_for(CHAT, Provider("acme", "Acme", CHAT, base), frozenset()) == (
        CHAT,
        base,
        PATHS[CHAT],
    )
