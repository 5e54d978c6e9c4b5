"""Deltas of providers become numbered blocks; reasoning is told once, wherever it stands."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from tokenworks.wire.answer import Answer, BlockEnd, Event, RefusalPiece, Stopped, TextPiece
from tokenworks.wire.conversation import Image, Text, Thinking, ToolUse
from tokenworks.wire.joined import joined
from tokenworks.wire.openai_chat.blocks import Blocks
from tokenworks.wire.openai_chat.delta import Choice, Delta

decode = msgspec.json.Decoder(Delta).decode


def events(
    *deltas: dict[str, Any], quirks: frozenset[str] = frozenset(), finish: str = "stop"
) -> list[Event]:
    blocks, out = Blocks(quirks), list[Event]()
    for delta in deltas:
        blocks.take(decode(json.dumps(delta).encode()), out)
    if finish:
        blocks.stop(Choice(finish_reason=finish), out)
    blocks.end(out)
    return out


def told(*deltas: dict[str, Any], quirks: frozenset[str] = frozenset()) -> Answer:
    return joined(events(*deltas, quirks=quirks))


def detail(text: str | None = None, index: int | None = 0, **fields: Any) -> dict[str, Any]:
    made = {"type": "reasoning.text", "text": text, "index": index, **fields}
    return {key: value for key, value in made.items() if value is not None}


SAME: dict[str, list[dict[str, Any]]] = {
    "reasoning_content": [{"reasoning_content": "a"}, {"reasoning_content": "b"}],
    "reasoning": [{"reasoning": "a"}, {"content": None, "reasoning": "b"}],
    "two fields": [
        {"reasoning_content": "a", "reasoning": "a"},
        {"reasoning_content": "b", "reasoning": "b", "content": ""},
    ],
    "three fields": [
        {"reasoning_content": t, "reasoning": t, "reasoning_details": [detail(t)]} for t in ("a", "b")
    ],
    "details only": [{"reasoning_details": [detail("a")]}, {"reasoning_details": [detail("b")]}],
    "details without index": [{"reasoning_details": [detail(t, None)]} for t in ("a", "b")],
    "details again at the end": [
        {"reasoning": "a"},
        {"reasoning": "b"},
        {"reasoning_details": [detail("ab")]},
    ],
    "details late": [{"reasoning": "a"}, {"reasoning": "b", "reasoning_details": [detail("b")]}],
    "several in one delta": [{"reasoning_details": [detail("a"), detail("b")]}],
    "parts": [
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "a"}]}]},
        {"content": [{"type": "thinking", "thinking": "b"}]},
    ],
}


@pytest.mark.parametrize("deltas", SAME.values(), ids=SAME)
def test_reasoning_is_told_once(deltas: list[dict[str, Any]]) -> None:
    assert told(*deltas, {"content": "c"}).content == (Thinking("ab"), Text("c"))


def test_signed_reasoning() -> None:
    form = "anthropic-claude-v1"
    made = told(
        {"reasoning": "a", "reasoning_details": [detail("a", format=form)]},
        {"reasoning_details": [detail(signature="s1", format=form)]},
        {"reasoning": "b", "reasoning_details": [detail("b", format=form)]},
        {"reasoning_details": [detail(signature="s2", format=form)]},
        {"reasoning_details": [{"type": "reasoning.encrypted", "data": "d", "format": form, "index": 2}]},
    )
    assert made.content == (
        Thinking("a", "s1", format=form),
        Thinking("b", "s2", format=form),
        Thinking(redacted="d", format=form),
    ), "what is signed is complete"
    made = told({"reasoning": "a"}, {"reasoning_details": [detail(signature="s")]}, {"content": "c"})
    assert made.content == (Thinking("a", "s"), Text("c"))


def test_thoughts_of_several_numbers() -> None:
    made = told(*({"reasoning_details": [detail(t, i)]} for t, i in (("a", 0), ("b", 0), ("c", 1), ("d", 2))))
    assert made.content == (Thinking("ab"), Thinking("c"), Thinking("d"))


def test_a_summary_and_what_it_sums_up() -> None:
    form = "openai-responses-v1"
    summary = {"type": "reasoning.summary", "format": form, "index": 0, "id": "rs_1"}
    encrypted = {"type": "reasoning.encrypted", "format": form, "data": "e", "id": "rs_1"}
    deltas = [
        {"reasoning_details": [{**summary, "summary": "a"}]},
        {"reasoning_details": [{**summary, "summary": "b"}]},
    ]
    signed = Thinking("ab", "e", "", "rs_1", form)
    assert told(*deltas, {"reasoning_details": [{**encrypted, "index": 0}]}).content == (signed,)
    assert told(*deltas, {"reasoning_details": [{**encrypted, "index": 1}]}).content == (signed,)
    other = {**encrypted, "id": "rs_2", "index": 1}
    assert told(*deltas, {"reasoning_details": [other]}).content == (
        Thinking("ab", "", "", "rs_1", form),
        Thinking("", "", "e", "rs_2", form),
    )


def test_blocks_follow_each_other() -> None:
    made = told(
        {"reasoning": "t"},
        {"content": "a"},
        {"content": "b"},
        {"tool_calls": [{"index": 0, "id": "x", "function": {"name": "f", "arguments": "{"}}]},
        {"content": "c"},
        {"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]},
        {"reasoning": "u"},
        {"images": [{"image_url": {"url": "data:image/png;base64,aa"}}, {"image_url": "https://b"}, {}]},
        {"refusal": "n"},
        {"refusal": "o"},
    )
    assert made.content == (
        Thinking("t"),
        Text("ab"),
        ToolUse("x", "f", "{}"),
        Text("c"),
        Thinking("u"),
        Image(media_type="image/png", data="aa"),
        Image(url="https://b"),
    )
    assert made.refusal == "no"
    assert made.stop == "tool_calls"


def test_ends_of_blocks() -> None:
    assert events({"content": "a"}, {"refusal": "r"}, {"content": ""}) == [
        TextPiece(0, "a"),
        BlockEnd(0),
        RefusalPiece(1, "r"),
        BlockEnd(1),
        Stopped("stop"),
    ]


def test_a_finish_reason_counts_once() -> None:
    blocks, out = Blocks(), list[Event]()
    blocks.stop(Choice(finish_reason="length"), out)
    blocks.stop(Choice(finish_reason="stop"), out)
    assert out == [Stopped("length")]


TAGS = frozenset(("inline_think_tags",))


def test_tags_in_the_text() -> None:
    deltas = [{"content": piece} for piece in ("<th", "ink>\na", "b\n</think>\n", "\nc", "<think>")]
    assert told(*deltas, quirks=TAGS).content == (Thinking("ab"), Text("c<think>"))
    assert told(*deltas).content == (Text("<think>\nab\n</think>\n\nc<think>"),)
    assert told({"content": "<thi"}, quirks=TAGS).content == (Text("<thi"),)
    call = {"tool_calls": [{"index": 0, "id": "x", "function": {"name": "f", "arguments": "{}"}}]}
    made = told({"content": "<think>a </think>\n"}, call, quirks=TAGS)
    assert made.content == (Thinking("a"), ToolUse("x", "f", "{}"))
