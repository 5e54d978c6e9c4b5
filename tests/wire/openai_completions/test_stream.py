"""Events as a stream of legacy completions."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import openai.types
import pytest
from pydantic import TypeAdapter

from tokenworks.schema import Price, Usage
from tokenworks.wire import sse
from tokenworks.wire.answer import (
    Ended,
    Failed,
    RefusalPiece,
    Started,
    Stopped,
    Telling,
    TextPiece,
    ThinkingPiece,
    UsageTold,
)
from tokenworks.wire.openai_completions.stream import Writer
from tokenworks.wire.peek import raw

TELLING = Telling("gen-1", "acme/fast", "acme", Price("p", 1.0, 2.0), created=17)
CHOICE = TypeAdapter(openai.types.CompletionChoice)
COMPLETION = TypeAdapter(openai.types.Completion)
DONE = b"data: [DONE]\n\n"
EVENTS = (
    Started(),
    ThinkingPiece(0, "hm"),
    ThinkingPiece(0, signature="c2ln"),
    TextPiece(1, "Once "),
    TextPiece(1, "é"),
    UsageTold(Usage(10, output_tokens=1)),
    Stopped("length"),
    UsageTold(Usage(10, output_tokens=5)),
    Ended(),
)


def values(out: bytes) -> list[Any]:
    """The chunks of ``out``, each as the official client takes it."""
    payloads = [sse.payload(event) for event in sse.events(out)]
    made = [json.loads(p) for p in payloads if p not in (None, b"[DONE]")]
    for value in made:
        COMPLETION.validate_python({**value, "choices": []})
        for choice in value["choices"]:  # the types have no null here, though every stream has it
            CHOICE.validate_python({**choice, "finish_reason": "stop"})
    return made


@pytest.mark.parametrize("together", [True, False])
def test_a_whole_stream(together: bool) -> None:
    writer = Writer(msgspec.structs.replace(TELLING, extra={"metadata": raw([1])}))
    out = writer.write(EVENTS) if together else b"".join(writer.write([event]) for event in EVENTS)
    assert out.endswith(DONE)
    assert writer.close() == b""
    assert writer.write([TextPiece(1, "late")]) == b""
    *pieces, last = values(out)
    assert [(c["text"], c.get("reasoning"), c["finish_reason"]) for v in pieces for c in v["choices"]] == [
        ("", "hm", None),
        ("Once ", None, None),
        ("é", None, None),
        ("", None, "length"),
    ]
    for value in pieces:
        assert (value["id"], value["object"], value["created"]) == ("gen-1", "text_completion", 17)
        assert (value["model"], value["provider"]) == ("acme/fast", "acme")
    assert (last["choices"], last["metadata"]) == ([], [1])
    assert (last["usage"]["completion_tokens"], last["usage"]["cost"]) == (5, 2e-5)


def test_what_the_caller_does_not_want() -> None:
    writer = Writer(msgspec.structs.replace(TELLING, wants_usage=False, exclude_reasoning=True))
    made = values(writer.write(EVENTS))
    assert [value["choices"][0]["text"] for value in made] == ["Once ", "é", ""]
    assert all("usage" not in value for value in made)


def test_a_stream_without_its_end() -> None:
    writer = Writer(TELLING)
    writer.write([TextPiece(0, "a"), UsageTold(Usage(1))])
    out = writer.close()
    finish, usage = values(out)
    assert finish["choices"][0]["finish_reason"] == "stop"
    assert usage["usage"]["prompt_tokens"] == 1
    assert out.endswith(DONE)
    assert Writer(TELLING).write([Stopped("stop"), Ended()]).count(b'"stop"') == 1


def test_a_refusal_is_text() -> None:
    made = values(Writer(TELLING).write([RefusalPiece(0, "No."), Stopped("refusal")]))
    assert [(v["choices"][0]["text"], v["choices"][0]["finish_reason"]) for v in made] == [
        ("No.", None),
        ("", "content_filter"),
    ]


def test_the_event_of_an_error_ends_the_stream() -> None:
    writer = Writer(TELLING)
    assert writer.write([Failed("hidden")]) == b""
    out = writer.failure("broken", 502, "upstream_error")
    assert out.endswith(DONE)
    (value,) = values(out)
    assert value["choices"][0]["finish_reason"] == "error"
    assert value["error"] == {"code": 502, "message": "broken", "type": "upstream_error"}
    assert writer.close() == b""
