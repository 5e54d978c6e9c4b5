"""Content of chat messages: a string where it can be one, parts of every kind otherwise."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tokenworks.errors import BadRequest
from tokenworks.wire.conversation import File, Image, Text, Thinking, ToolUse
from tokenworks.wire.openai_chat.content import (
    Content,
    read_content,
    read_texts,
    split,
    visible,
    write_content,
)

PARTS: list[tuple[dict[str, Any], Text | Image | File]] = [
    ({"type": "text", "text": "Hi"}, Text("Hi")),
    (
        {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        Text("Hi", "1h"),
    ),
    (
        {"type": "image_url", "image_url": {"url": "https://e.com/a.png", "detail": "low"}},
        Image("https://e.com/a.png", detail="low"),
    ),
    (
        {
            "type": "image_url",
            "image_url": {"url": "data:image/png;base64,iVBO"},
            "cache_control": {"type": "ephemeral"},
        },
        Image(media_type="image/png", data="iVBO", cache_ttl="5m"),
    ),
    (
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"}},
        File("a.pdf", media_type="application/pdf", data="JVBE"),
    ),
    ({"type": "file", "file": {"file_data": "https://e.com/a.pdf"}}, File(url="https://e.com/a.pdf")),
]


def decoded(content: Any) -> Content:
    return msgspec.convert(content, Content)


@pytest.mark.parametrize(("part", "block"), PARTS)
def test_parts_both_ways(part: dict[str, Any], block: Text | Image | File) -> None:
    assert read_content(decoded([part])) == (block,)
    written = write_content([block, Image("https://e.com/b.png")], True)
    assert msgspec.to_builtins(written)[0] == part


@pytest.mark.parametrize(
    ("content", "blocks"),
    [
        (None, ()),
        ("", ()),
        ([], ()),
        ("Hi", (Text("Hi"),)),
        ([{"type": "text", "text": ""}, {"type": "text", "text": "Hi"}], (Text("Hi"),)),
        ([{"type": "refusal", "refusal": "No."}], (Text("No."),)),
        (
            [{"type": "image_url", "image_url": "https://e.com/a.png"}],
            (Image("https://e.com/a.png"),),
        ),
        (
            [{"type": "image_url", "image_url": {"url": "https://e.com/a.png", "detail": "auto"}}],
            (Image("https://e.com/a.png"),),
        ),
    ],
)
def test_other_ways_to_say_it(content: Any, blocks: tuple[Any, ...]) -> None:
    assert read_content(decoded(content)) == blocks


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"type": "input_audio", "input_audio": {"data": "x", "format": "wav"}}, "type 'input_audio' can't"),
        ({"type": "video_url"}, "type 'video_url' can't"),
        ({"type": "image_url"}, "type 'image_url' can't"),
        ({"type": "file", "file": {"file_id": "file-1"}}, "a 'file_id' is known to its own provider only"),
        ({"type": "file"}, "a file needs 'file_data'"),
        ({"type": "file", "file": {"file_data": "JVBE"}}, "'file_data' must be a data URL"),
    ],
)
def test_parts_that_other_wires_do_not_have(part: dict[str, Any], words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        read_content(decoded([part]))


def test_system_messages_hold_text_only() -> None:
    assert read_texts(decoded([{"type": "text", "text": "Hi"}])) == (Text("Hi"),)
    with pytest.raises(BadRequest, match="system messages hold text only"):
        read_texts(decoded([PARTS[2][0]]))


def test_texts_become_one_string_unless_a_mark_parts_them() -> None:
    texts = (Text("a"), File("n", text="b"), Text("c", "5m"))
    assert write_content(texts, False) == 'a\n\n<document name="n">\nb\n</document>\n\nc'
    parts = write_content(texts, True)
    assert isinstance(parts, list)
    assert [(part.text, part.cache_control is not None) for part in parts] == [
        ("a", False),
        ('<document name="n">\nb\n</document>', False),
        ("c", True),
    ]
    assert write_content((Text("a", "5m"),), False) == "a"


def test_marks_are_left_out_where_they_are_not_known() -> None:
    parts = write_content((Text("a", "5m"), Image("https://e.com/a.png", cache_ttl="5m")), False)
    assert [part.cache_control for part in parts or () if not isinstance(part, str)] == [None, None]


def test_words_and_the_rest() -> None:
    image, pdf = Image("https://e.com/a.png"), File("a.pdf", data="x", media_type="application/pdf")
    assert split((Text("a"), image, Text("b"), pdf)) == ("a\n\nb", [image, pdf])
    assert split(()) == ("", [])
    assert visible((Thinking("t"), Text("a"), ToolUse("1", "f", "{}"), image)) == [Text("a"), image]
