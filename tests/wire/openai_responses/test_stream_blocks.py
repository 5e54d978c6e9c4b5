"""Items of a stream become blocks; what is told several times is told once."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from tokenworks.wire.answer import (
    BlockEnd,
    Event,
    ImagePiece,
    RefusalPiece,
    TextPiece,
    ThinkingPiece,
    ToolPiece,
)
from tokenworks.wire.conversation import Image, Text, Thinking, ToolUse
from tokenworks.wire.joined import joined
from tokenworks.wire.openai_responses.output import Item, Part
from tokenworks.wire.openai_responses.stream_blocks import Items
from tokenworks.wire.signature import RESPONSES


def item(**fields: Any) -> Item:
    return msgspec.json.decode(json.dumps(fields), type=Item)


def call(arguments: Any = "", **fields: Any) -> Item:
    return item(**{"type": "function_call", "call_id": "x", "name": "f", "arguments": arguments, **fields})


def reasoning(*texts: str, encrypted: str | None = None, **fields: Any) -> Item:
    summary = [{"type": "summary_text", "text": text} for text in texts]
    return item(type="reasoning", id="rs_1", summary=summary, encrypted_content=encrypted, **fields)


def message(*parts: dict[str, Any]) -> Item:
    return item(type="message", id="m", content=parts)


def text(words: str) -> dict[str, Any]:
    return {"type": "output_text", "text": words}


def test_text_is_told_once() -> None:
    items, out = Items(), list[Event]()
    items.begin(0, message(), out)
    items.part(0, 0, Part("output_text", ""), out)
    items.text(0, 0, "a", out)
    items.text(0, 0, "b", out)
    items.text_so_far(0, 0, "ab", out)
    items.part(0, 0, Part("output_text", "ab"), out)
    items.part_end(0, 0, out)
    items.finish(0, message(text("ab")), out)
    items.end([message(text("ab"))], out)
    assert out == [TextPiece(0, "a"), TextPiece(0, "b"), BlockEnd(0)]


def test_what_the_pieces_left_out_is_added() -> None:
    items, out = Items(), list[Event]()
    items.text(0, 0, "a", out)
    items.text_so_far(0, 0, "abc", out)
    items.text_so_far(0, 1, "only here", out)
    items.refusal_so_far(0, 2, "no", out)
    items.finish(0, message(text("abcd"), text("only here"), {"type": "refusal", "refusal": "no!"}), out)
    made = joined(out)
    assert made.content == (Text("abcd"), Text("only here"))
    assert made.refusal == "no!"
    assert out.count(RefusalPiece(2, "no")) == 1


@pytest.mark.parametrize(
    "told",
    [
        ["added", "delta", "done", "finished"],
        ["added", "delta", "finished"],
        ["added", "delta"],
        ["added", "done"],
        ["added", "finished"],
        ["finished"],
        ["added at once", "done", "finished"],
        ["added at once"],
        ["delta", "finished"],
        ["added", "part", "finished"],
        ["added empty", "delta", "finished"],
        ["output"],
    ],
    ids=" ".join,
)
def test_arguments_however_they_come(told: list[str]) -> None:
    items, out, whole = Items(), list[Event](), '{"a":1}'
    output: list[Item] = []
    for step in told:
        if step == "added":
            items.begin(0, call(), out)
        elif step == "added at once":
            items.begin(0, call(whole), out)
        elif step == "added empty":
            items.begin(0, call("{}"), out)
        elif step == "delta":
            items.arguments(0, '{"a"', out)
            items.arguments(0, ":1}", out)
        elif step == "part":
            items.arguments(0, '{"a"', out)
        elif step == "done":
            items.arguments_so_far(0, whole, out)
        elif step == "output":
            output = [call(whole)]
        else:
            items.finish(0, call(whole), out)
    items.end(output, out)
    assert joined(out).content == (ToolUse("x", "f", whole),)
    assert out[-1] == BlockEnd(0)
    assert items.called


def test_a_call_without_arguments() -> None:
    for empty in ("", "{}", {}):
        items, out = Items(), list[Event]()
        items.begin(0, call(empty), out)
        items.finish(0, call(empty), out)
        items.end([], out)
        assert joined(out).content == (ToolUse("x", "f", "{}"),)


def test_calls_side_by_side() -> None:
    items, out = Items(), list[Event]()
    items.begin(0, call(call_id="a"), out)
    items.begin(1, call(call_id="b"), out)
    items.arguments(1, "{", out)
    items.arguments(0, "[]", out)
    items.arguments(1, "}", out)
    items.end([], out)
    assert joined(out).content == (ToolUse("a", "f", "[]"), ToolUse("b", "f", "{}"))


def test_items_without_an_index() -> None:
    """They are all number 0 then."""
    items, out = Items(), list[Event]()
    for name in ("a", "b"):
        items.begin(0, message(), out)
        items.text(0, 0, name, out)
        items.finish(0, message(text(name)), out)
    items.begin(0, call(call_id="x"), out)
    items.finish(0, call("{}", call_id="x"), out)
    assert joined(out).content == (Text("a"), Text("b"), ToolUse("x", "f", "{}"))


def test_a_summary_of_several_parts() -> None:
    items, out = Items(), list[Event]()
    items.begin(0, reasoning(), out)
    items.thought(0, ("summary", 0), "a", out)
    items.thought_so_far(0, ("summary", 0), "ab", out)
    items.thought(0, ("summary", 1), "c", out)
    items.thought_so_far(0, ("summary", 1), "c", out)
    items.thought_so_far(0, ("summary", 0), "ab", out)
    items.thought_so_far(0, ("summary", 2), "d", out)
    items.finish(0, reasoning("ab", "c", "d", encrypted="e"), out)
    assert out[0] == ThinkingPiece(0, "a", id="rs_1", format=RESPONSES)
    assert joined(out).content == (Thinking("ab\n\nc\n\nd", "e", "", "rs_1", RESPONSES),)


def test_reasoning_and_its_summary() -> None:
    items, out = Items(), list[Event]()
    items.thought(0, ("text", 0), "t", out)
    items.thought(0, ("summary", 0), "s", out)
    items.thought_so_far(0, ("summary", 0), "s", out)
    items.part(0, 0, Part("reasoning_text", "t"), out)
    items.finish(0, reasoning("s", content=[{"type": "reasoning_text", "text": "t"}]), out)
    assert joined(out).content == (Thinking("t", format=RESPONSES),)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (reasoning("a", encrypted="e"), [Thinking("a", "e", "", "rs_1", RESPONSES)]),
        (reasoning(encrypted="e"), [Thinking("", "", "e", "rs_1", RESPONSES)]),
        (reasoning(), []),
    ],
)
def test_reasoning_that_is_told_at_its_end(made: Item, expected: list[Thinking]) -> None:
    items, out = Items(), list[Event]()
    items.begin(0, reasoning(encrypted="half of e"), out)
    items.finish(0, made, out)
    items.finish(0, made, out)
    assert list(joined(out).content) == expected


def test_pictures_and_what_only_this_wire_has() -> None:
    items, out = Items(), list[Event]()
    search = item(type="web_search_call", id="ws")
    picture = item(type="image_generation_call", id="ig", result="aa")
    for index, made in enumerate((search, picture)):
        items.begin(index, made, out)
        items.finish(index, made, out)
    items.arguments(7, "{}", out)
    assert out == [ImagePiece(0, Image(media_type="image/png", data="aa")), BlockEnd(0)]


def test_the_output_is_told_where_nothing_was() -> None:
    items, out = Items(), list[Event]()
    items.end([message(text("a")), call("{}")], out)
    assert joined(out).content == (Text("a"), ToolUse("x", "f", "{}"))
    assert items.called


def test_a_call_that_is_cut_off_is_ended() -> None:
    items, out = Items(), list[Event]()
    items.begin(0, call(), out)
    items.end([], out)
    assert out == [ToolPiece(0, "", "x", "f"), ToolPiece(0, "{}"), BlockEnd(0)]
