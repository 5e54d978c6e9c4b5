"""Events as chunks that every client of chat completions reads."""

from __future__ import annotations

import time
from typing import Any

import pytest
from wire_answers import events_of, telling

from tokenworks.schema import Usage
from tokenworks.wire.answer import (
    BlockEnd,
    Ended,
    Event,
    Failed,
    ImagePiece,
    RefusalPiece,
    Started,
    Stopped,
    TextPiece,
    ThinkingPiece,
    ToolPiece,
    UsageTold,
)
from tokenworks.wire.conversation import Image
from tokenworks.wire.openai_chat.stream_writer import Writer
from tokenworks.wire.peek import raw
from tokenworks.wire.signature import RESPONSES

DONE = b"data: [DONE]\n\n"


def chunks(*events: Event, **fields: Any) -> list[dict[str, Any]]:
    return events_of("openai_chat", Writer(telling(**fields)).write([*events, Ended()]))


def deltas(*events: Event, **fields: Any) -> list[dict[str, Any]]:
    """What stands between the first chunk and the last."""
    made = [chunk["choices"][0] for chunk in chunks(*events, **fields)]
    assert made[0]["delta"] == {"role": "assistant", "content": ""}
    assert all(choice["finish_reason"] is None for choice in made[:-1])
    return [choice["delta"] for choice in made[1:-1]]


def test_a_chunk() -> None:
    made = chunks(Started(), TextPiece(0, 'a"\n'), BlockEnd(0), Stopped("stop"))
    head = {
        "id": "gen-1",
        "object": "chat.completion.chunk",
        "created": 1700,
        "model": "acme/fast",
        "provider": "acme",
    }
    choice = {"index": 0, "finish_reason": None, "native_finish_reason": None, "logprobs": None}
    assert made == [
        {**head, "choices": [{**choice, "delta": {"role": "assistant", "content": ""}}]},
        {**head, "choices": [{**choice, "delta": {"content": 'a"\n'}}]},
        {
            **head,
            "choices": [{**choice, "delta": {}, "finish_reason": "stop", "native_finish_reason": "stop"}],
        },
    ]


def test_the_time_is_that_of_the_answer() -> None:
    (first, *_) = chunks(Started(), created=0)
    assert abs(first["created"] - time.time()) < 5


def test_calls_are_numbered_from_0() -> None:
    made = deltas(
        TextPiece(0, "a"),
        ToolPiece(1, "", "x", "f"),
        ToolPiece(3, "{", "y", "g", "sig"),
        ToolPiece(1, "{}"),
        ToolPiece(3, "}"),
    )
    assert [delta["tool_calls"][0] for delta in made[1:]] == [
        {"index": 0, "id": "x", "type": "function", "function": {"name": "f", "arguments": ""}},
        {
            "index": 1,
            "id": "y",
            "type": "function",
            "function": {"name": "g", "arguments": "{"},
            "extra_content": {"google": {"thought_signature": "sig"}},
        },
        {"index": 0, "type": "function", "function": {"arguments": "{}"}},
        {"index": 1, "type": "function", "function": {"arguments": "}"}},
    ]


def test_reasoning() -> None:
    made = deltas(
        ThinkingPiece(0, "a", id="x", format="f"),
        ThinkingPiece(0, "", "sig", format="f"),
        ThinkingPiece(1, "b", "both"),
        ThinkingPiece(3, redacted="data", format="f"),
        ThinkingPiece(4, "c", format=RESPONSES),
        ThinkingPiece(4, "", "enc", id="rs_1", format=RESPONSES),
    )
    text, summary, encrypted = "reasoning.text", "reasoning.summary", "reasoning.encrypted"
    assert made == [
        {
            "reasoning": "a",
            "reasoning_details": [{"type": text, "text": "a", "id": "x", "format": "f", "index": 0}],
        },
        {"reasoning_details": [{"type": text, "signature": "sig", "format": "f", "index": 0}]},
        {
            "reasoning": "b",
            "reasoning_details": [{"type": text, "text": "b", "signature": "both", "index": 1}],
        },
        {"reasoning_details": [{"type": encrypted, "data": "data", "format": "f", "index": 2}]},
        {
            "reasoning": "c",
            "reasoning_details": [{"type": summary, "summary": "c", "format": RESPONSES, "index": 3}],
        },
        {
            "reasoning_details": [
                {"type": encrypted, "data": "enc", "id": "rs_1", "format": RESPONSES, "index": 3}
            ]
        },
    ]


def test_reasoning_is_left_out() -> None:
    made = deltas(
        ThinkingPiece(0, "a", "sig"),
        ThinkingPiece(1, redacted="b"),
        TextPiece(2, "c"),
        exclude_reasoning=True,
    )
    assert made == [{"content": "c"}]


def test_refusals_and_pictures() -> None:
    made = deltas(RefusalPiece(0, "no"), ImagePiece(1, Image(media_type="image/png", data="aa")))
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aa"}}
    assert made == [{"refusal": "no"}, {"images": [picture]}]


@pytest.mark.parametrize(
    ("stop", "finish"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("tool_calls", "tool_calls"),
        ("content_filter", "content_filter"),
        ("refusal", "content_filter"),
        ("pause_turn", "stop"),
        ("", "stop"),
    ],
)
def test_why_the_model_stopped(stop: str, finish: str) -> None:
    (last,) = chunks(Started(), Stopped(stop))[-1]["choices"]
    assert (last["finish_reason"], last["native_finish_reason"]) == (finish, stop)


def test_a_stream_that_does_not_say_why_it_ends() -> None:
    assert chunks(TextPiece(0, "a"))[-1]["choices"][0]["finish_reason"] == "stop"
    assert chunks(ToolPiece(0, "{}", "x", "f"))[-1]["choices"][0]["finish_reason"] == "tool_calls"


USAGE = UsageTold(Usage(10, 5, 0, 7, 3))


def test_the_last_usage_comes_last() -> None:
    made = chunks(UsageTold(Usage(1)), TextPiece(0, "a"), Stopped("stop"), USAGE, extra={"x": raw([1])})
    assert [chunk for chunk in made if "usage" in chunk] == [made[-1]]
    assert made[-1]["choices"] == []
    assert made[-1]["x"] == [1]
    assert made[-1]["usage"] == {
        "prompt_tokens": 15,
        "completion_tokens": 7,
        "total_tokens": 22,
        "prompt_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 3},
        "cost": 2.65e-05,
        "is_byok": False,
        "cost_details": {
            "upstream_inference_cost": 2.65e-05,
            "upstream_inference_prompt_cost": 1.25e-05,
            "upstream_inference_completions_cost": 1.4e-05,
        },
    }


def test_usage_nobody_wants_or_nobody_told() -> None:
    for made in (chunks(Started(), USAGE, wants_usage=False), chunks(Started())):
        assert not any("usage" in chunk for chunk in made)


def test_nothing_is_written_before_the_answer_begins() -> None:
    writer = Writer(telling())
    assert writer.write([USAGE, Failed("x")]) == b""
    assert writer.write([]) == b""


def test_ends() -> None:
    writer = Writer(telling())
    out = writer.write([TextPiece(0, "a"), Stopped("length")])
    end = writer.close()
    assert events_of("openai_chat", out + end)[-1]["choices"][0]["finish_reason"] == "length"
    assert end == DONE
    assert writer.close() == writer.write([TextPiece(0, "evil"), Ended()]) == b""


def test_a_failure() -> None:
    writer = Writer(telling())
    out = writer.write([TextPiece(0, "a"), Failed("evil")]) + writer.failure(
        "broken", 504, "upstream_timeout"
    )
    last = events_of("openai_chat", out)[-1]
    assert b"evil" not in out
    assert (last["id"], last["model"]) == ("gen-1", "acme/fast")
    assert last["error"] == {"code": 504, "message": "broken", "type": "upstream_timeout"}
    assert last["choices"] == [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}]
    assert writer.close() == b""
