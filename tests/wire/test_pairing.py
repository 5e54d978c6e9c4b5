"""Everything that the gateway deals with on any pair of wires has really what the protocols promise."""

from __future__ import annotations

import inspect
import json
from typing import Any

import pytest
from wire_answers import scripted_stream, scripted_whole, telling

from tokenworks.providers.scripted.reply import Reply
from tokenworks.schema import Usage
from tokenworks.wire import pairs
from tokenworks.wire.anthropic_messages.relay import CountRequest, MessagesRequest
from tokenworks.wire.conversation import Maker
from tokenworks.wire.openai_chat.relay import ChatRequest
from tokenworks.wire.openai_completions.request import CompletionsRequest
from tokenworks.wire.openai_embeddings.relay import EmbeddingsRequest
from tokenworks.wire.openai_responses.relay import ResponsesRequest
from tokenworks.wire.pairing import Asked, Reader, Stream, Whole, Writer
from tokenworks.wire.peek import raw

MAKER = Maker("up-1")
REPLY = Reply(reasoning="Hm.", text="one two")
PROVIDERS = (pairs.CHAT, pairs.MESSAGES, pairs.RESPONSES)
CALLERS = (*PROVIDERS, pairs.COMPLETIONS)
REQUESTS: dict[str, type[Any]] = {
    pairs.CHAT: ChatRequest,
    pairs.MESSAGES: MessagesRequest,
    pairs.RESPONSES: ResponsesRequest,
    pairs.COMPLETIONS: CompletionsRequest,
    pairs.EMBEDDINGS: EmbeddingsRequest,
    pairs.COUNT: CountRequest,
}
BODY = {"model": "acme/fast", "max_tokens": 9, "input": "hi", "messages": [], "prompt": "hi"}
WHOLES = {
    pairs.EMBEDDINGS: b'{"data":[],"usage":{"prompt_tokens":3,"total_tokens":3}}',
    pairs.COUNT: b'{"input_tokens":5}',
}
TYPES: dict[str, type | tuple[type, ...]] = {
    "bool": bool,
    "int": int,
    "str": str,
    "Fields": dict,
    "Usage | None": (Usage, type(None)),
}


def check(thing: object, protocol: type) -> None:
    """``thing`` has every member of ``protocol``: values of their types, methods with their parameters."""
    attributes = protocol.__annotations__
    assert attributes or protocol in (Reader, Writer)
    for name, kind in attributes.items():
        assert isinstance(getattr(thing, name), TYPES[kind]), name
    for name, member in vars(protocol).items():
        if name.startswith("_"):
            continue
        if isinstance(member, property):
            kind = member.fget.__annotations__["return"]
            assert isinstance(getattr(thing, name), TYPES[kind]), name
        elif inspect.isfunction(member):
            asked = list(inspect.signature(member).parameters)[1:]
            has = inspect.signature(getattr(thing, name)).parameters
            assert list(has)[: len(asked)] == asked, name
            assert all(
                each.default is not inspect.Parameter.empty for each in list(has.values())[len(asked) :]
            )
        else:
            pytest.fail(f"{name} of {protocol.__name__} is of a kind that is not checked")


def test_the_check_finds_what_is_missing() -> None:
    class Half:
        usage = None
        finish = ""

        def render(self, telling: Any, usage: Any) -> bytes:
            return b""

    with pytest.raises(AttributeError, match="size"):
        check(Half(), Whole)
    Half.size = "3"  # type: ignore[attr-defined]
    with pytest.raises(AssertionError, match="size"):
        check(Half(), Whole)
    Half.size = 3  # type: ignore[attr-defined]
    with pytest.raises(AssertionError, match="render"):
        check(Half(), Whole)


@pytest.mark.parametrize("caller", REQUESTS)
def test_requests(caller: str) -> None:
    made = REQUESTS[caller](json.dumps(BODY).encode())
    check(made, Asked)
    assert (made.model, made.stream, made.wants_usage, made.wire) == ("acme/fast", False, True, caller)
    assert made.input_bytes > 0
    if caller == pairs.COMPLETIONS:
        return
    before = json.dumps({key: bytes(value).decode() for key, value in made.fields.items()})
    bodies = []
    for _ in range(2):  # for the next attempt
        start, longest = made.upstream_body(raw("up-1"))
        bodies.append(json.loads(start + bytes(longest) + b"}"))
    assert bodies[0] == bodies[1] and bodies[0]["model"] == "up-1"
    assert before == json.dumps({key: bytes(value).decode() for key, value in made.fields.items()})


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("caller", CALLERS)
def test_answers(caller: str, provider: str) -> None:
    pair = pairs.pair(caller, provider)
    whole = pair.whole(scripted_whole(provider, REPLY), MAKER)
    check(whole, Whole)
    assert (whole.finish, whole.usage is not None, whole.size > 0) == ("stop", True, True)
    assert whole.usage is not None
    assert json.loads(whole.render(telling(), whole.usage, 5))
    for stream in (pair.stream(telling(), MAKER), pair.stream(telling(exclude_reasoning=True), MAKER)):
        check(stream, Stream)
        assert (stream.done, stream.error, stream.finish, stream.usage) == (False, "", "", None)
        out = stream.feed(scripted_stream(provider, REPLY))
        check(stream, Stream)
        assert (stream.done, stream.error, stream.finish) == (True, "", "stop")
        assert stream.usage is not None and stream.events > 0 and stream.output_tokens > 0
        assert stream.flush() == b""
        assert b"two" in out


@pytest.mark.parametrize("caller", WHOLES)
def test_answers_that_are_never_streamed(caller: str) -> None:
    whole = pairs.pair(caller, pairs.CHAT).whole(WHOLES[caller], MAKER)
    check(whole, Whole)
    assert whole.usage is not None
    assert json.loads(whole.render(telling(), whole.usage, 0))


@pytest.mark.parametrize("caller", CALLERS)
def test_readers_and_writers(caller: str) -> None:
    writer = pairs.writer(caller, telling())
    check(writer, Writer)
    assert writer.write([]) == b""
    if caller in PROVIDERS:
        reader = pairs.gleaner(caller, MAKER)._reader
        check(reader, Reader)
        assert [*reader.feed(scripted_stream(caller, REPLY))] and [*reader.flush()] == []
