"""Items as the events that lead to them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from wire_answers import telling

from tokenworks.wire.answer import RefusalPiece, TextPiece, ThinkingPiece, ToolPiece
from tokenworks.wire.conversation import Image
from tokenworks.wire.openai_responses.stream_items import (
    Called,
    CalledFreely,
    Fragments,
    ItemUnderWay,
    Said,
    Thought,
    picture,
)
from tokenworks.wire.signature import MESSAGES


def values(fragments: Fragments) -> list[dict[str, Any]]:
    made = []
    for number, part in enumerate(fragments):
        name, _, data = (part + b"%d}" % number).partition(b"\ndata: ")
        value = json.loads(data)
        assert name == b"event: " + value["type"].encode()
        assert value.pop("sequence_number") == number
        value["type"] = value["type"].removeprefix("response.")
        made.append(value)
    return made


def played(
    item: ItemUnderWay, out: Fragments, *pieces: Any, status: str = "completed"
) -> list[dict[str, Any]]:
    """The events of an item, whose last one tells the finished item, which is returned as well."""
    for piece in pieces:
        out += item.piece(piece)
    finished = json.loads(item.close(status, out))
    made = values(out)
    assert made[0]["type"] == "output_item.added"
    assert made[0]["item"]["id"] == finished["id"]
    assert made[-1] == {"type": "output_item.done", "output_index": item.index, "item": finished}
    return made


def kinds(made: list[dict[str, Any]]) -> list[str]:
    return [value["type"] for value in made]


@pytest.mark.parametrize("refusal", [False, True])
def test_a_message(refusal: bool) -> None:
    out: Fragments = []
    item = Said(telling(), 4, refusal, out)
    piece = RefusalPiece if refusal else TextPiece
    made = played(item, out, piece(0, 'a"'), piece(0, "b"), status="incomplete")
    name, key = ("refusal", "refusal") if refusal else ("output_text", "text")
    assert kinds(made) == [
        "output_item.added",
        "content_part.added",
        f"{name}.delta",
        f"{name}.delta",
        f"{name}.done",
        "content_part.done",
        "output_item.done",
    ]
    place = {"item_id": "msg_1004", "output_index": 4, "content_index": 0}
    more = {} if refusal else {"logprobs": []}
    assert made[2] == {"type": f"{name}.delta", **place, "delta": 'a"', **more}
    assert made[4] == {"type": f"{name}.done", **place, key: 'a"b', **more}
    assert (made[1]["part"][key], made[5]["part"][key]) == ("", 'a"b')
    assert made[0]["item"]["content"] == []
    assert made[-1]["item"]["content"] == [made[5]["part"]]
    assert (made[0]["item"]["status"], made[-1]["item"]["status"]) == ("in_progress", "incomplete")


def test_reasoning() -> None:
    out: Fragments = []
    pieces = [ThinkingPiece(0, "a", format=MESSAGES), ThinkingPiece(0, "b"), ThinkingPiece(0, "", "sig")]
    made = played(Thought("rs_1", 2, out), out, *pieces)
    summary = "reasoning_summary"
    assert kinds(made) == [
        "output_item.added",
        f"{summary}_part.added",
        f"{summary}_text.delta",
        f"{summary}_text.delta",
        f"{summary}_text.done",
        f"{summary}_part.done",
        "output_item.done",
    ]
    assert made[2] == {
        "type": f"{summary}_text.delta",
        "item_id": "rs_1",
        "output_index": 2,
        "summary_index": 0,
        "delta": "a",
    }
    assert made[-1]["item"]["summary"] == [{"type": "summary_text", "text": "ab"}]
    assert made[-1]["item"]["encrypted_content"] == f"{MESSAGES}:sig"
    out = []
    made = played(Thought("rs_1", 2, out), out, ThinkingPiece(0, redacted="opaque"))
    assert kinds(made) == ["output_item.added", "output_item.done"]
    assert made[-1]["item"]["encrypted_content"] == "opaque"


def test_a_call() -> None:
    out: Fragments = []
    first = ToolPiece(0, "", "x", "f")
    made = played(Called(telling(), 1, first, out), out, first, ToolPiece(0, "{"), ToolPiece(0, '"a":1}'))
    name = "function_call_arguments"
    assert kinds(made) == [
        "output_item.added",
        f"{name}.delta",
        f"{name}.delta",
        f"{name}.done",
        "output_item.done",
    ]
    place = {"item_id": "fc_1001", "output_index": 1}
    assert made[1] == {"type": f"{name}.delta", **place, "delta": "{"}
    assert made[3] == {"type": f"{name}.done", **place, "name": "f", "arguments": '{"a":1}'}
    assert (made[0]["item"]["arguments"], made[0]["item"]["status"]) == ("", "in_progress")
    assert (made[-1]["item"]["arguments"], made[-1]["item"]["call_id"]) == ('{"a":1}', "x")


@pytest.mark.parametrize(
    ("pieces", "text"),
    [(('{"inp', 'ut":"a\\n', 'b"}'), "a\nb"), (('{"input":""}',), ""), (("not json",), "not json")],
)
def test_a_call_of_a_tool_of_free_text(pieces: tuple[str, ...], text: str) -> None:
    out: Fragments = []
    first = ToolPiece(0, "", "x", "patch")
    made = played(
        CalledFreely(telling(), 1, first, out), out, first, *(ToolPiece(0, piece) for piece in pieces)
    )
    name = "custom_tool_call_input"
    deltas = [value["delta"] for value in made if value["type"] == f"{name}.delta"]
    assert deltas == ([text] if text else [])
    assert made[-2] == {"type": f"{name}.done", "item_id": "ctc_1001", "output_index": 1, "input": text}
    assert (made[0]["item"]["type"], made[-1]["item"]["input"]) == ("custom_tool_call", text)


def test_a_picture() -> None:
    out: Fragments = []
    finished = json.loads(picture(telling(), 3, Image(media_type="image/webp", data="aa"), out))
    name = "image_generation_call"
    made = values(out)
    assert kinds(made) == [
        "output_item.added",
        f"{name}.in_progress",
        f"{name}.completed",
        "output_item.done",
    ]
    assert made[-1]["item"] == finished
    assert (finished["id"], finished["result"], finished["output_format"]) == ("ig_1003", "aa", "webp")
    assert made[0]["item"]["result"] is None
