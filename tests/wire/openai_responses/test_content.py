"""Content of items: a text, or parts of every kind."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tokenworks.errors import BadRequest
from tokenworks.wire.conversation import File, Image, Text
from tokenworks.wire.openai_responses.content import (
    Content,
    read_content,
    read_text,
    write_content,
    write_said,
)


def decoded(content: Any) -> Content:
    return msgspec.convert(content, Content)


@pytest.mark.parametrize(
    ("part", "block"),
    [
        ({"type": "input_text", "text": "Hi"}, Text("Hi")),
        (
            {"type": "input_image", "image_url": "https://e.com/a.png", "detail": "auto"},
            Image("https://e.com/a.png"),
        ),
        (
            {"type": "input_image", "image_url": "data:image/png;base64,iVBO", "detail": "high"},
            Image(media_type="image/png", data="iVBO", detail="high"),
        ),
        (
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"},
            File("a.pdf", media_type="application/pdf", data="JVBE"),
        ),
        ({"type": "input_file", "file_url": "https://e.com/a.pdf"}, File(url="https://e.com/a.pdf")),
    ],
)
def test_parts_both_ways(part: dict[str, Any], block: Any) -> None:
    assert read_content(decoded([part])) == (block,)
    assert msgspec.to_builtins(write_content([block, Text("b")])) == [
        part,
        {"type": "input_text", "text": "b"},
    ]


@pytest.mark.parametrize(
    ("content", "blocks"),
    [
        (None, ()),
        ("", ()),
        ("Hi", (Text("Hi"),)),
        (
            [{"type": "output_text", "text": "a", "annotations": []}, {"type": "input_text", "text": ""}],
            (Text("a"),),
        ),
        ([{"type": "refusal", "refusal": "No."}], (Text("No."),)),
        (
            [{"type": "input_text", "text": "a", "cache_control": {"type": "ephemeral"}}],
            (Text("a", "5m"),),
        ),
    ],
)
def test_other_ways_to_say_it(content: Any, blocks: tuple[Any, ...]) -> None:
    assert read_content(decoded(content)) == blocks


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"type": "input_audio"}, "type 'input_audio' can't"),
        ({"type": "input_image", "file_id": "f"}, "a 'file_id' is known to its own provider only"),
        ({"type": "input_file", "file_id": "f"}, "a 'file_id' is known to its own provider only"),
        ({"type": "input_file", "file_data": "JVBE"}, "'file_data' must be a data URL"),
    ],
)
def test_parts_that_other_wires_do_not_have(part: dict[str, Any], words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        read_content(decoded([part]))


def test_texts() -> None:
    assert (
        read_text(decoded([{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}]))
        == "a\n\nb"
    )
    assert write_content([Text("a")]) == "a"
    assert write_content([]) == []
    assert msgspec.to_builtins(write_content([File("n", text="a"), Text("b")]))[0] == {
        "type": "input_text",
        "text": '<document name="n">\na\n</document>',
    }
    assert write_said(["a"]) == "a"
    assert msgspec.to_builtins(write_said(["a", "b"])) == [
        {"type": "output_text", "text": "a"},
        {"type": "output_text", "text": "b"},
    ]


def test_a_file_without_a_name_gets_one() -> None:
    part = write_content([File(media_type="application/pdf", data="JVBE"), Text("a")])[0]
    assert msgspec.to_builtins(part)["filename"] == "document.pdf"
