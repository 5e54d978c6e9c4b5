"""Content of messages: blocks of every kind, and the many forms of a document."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest

from tokenworks.errors import BadRequest
from tokenworks.wire.anthropic_messages.content import Block, read_visible, write_visible
from tokenworks.wire.conversation import File, Image, Text

BASE64 = {"type": "base64", "media_type": "image/png", "data": "iVBO"}
PDF = {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}


def read(block: dict[str, Any]) -> tuple[Any, ...]:
    return read_visible(msgspec.convert(block, Block))


@pytest.mark.parametrize(
    ("given", "block"),
    [
        ({"type": "text", "text": "Hi"}, Text("Hi")),
        (
            {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
            Text("Hi", "1h"),
        ),
        ({"type": "image", "source": BASE64}, Image(media_type="image/png", data="iVBO")),
        (
            {
                "type": "image",
                "source": {"type": "url", "url": "https://e.com/a.png"},
                "cache_control": {"type": "ephemeral"},
            },
            Image("https://e.com/a.png", cache_ttl="5m"),
        ),
        (
            {"type": "document", "source": PDF, "title": "a.pdf"},
            File("a.pdf", media_type="application/pdf", data="JVBE"),
        ),
        (
            {"type": "document", "source": {"type": "url", "url": "https://e.com/a.pdf"}},
            File(url="https://e.com/a.pdf"),
        ),
        (
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a"}},
            File(text="a"),
        ),
    ],
)
def test_blocks_both_ways(given: dict[str, Any], block: Any) -> None:
    assert read(given) == (block,)
    assert msgspec.json.decode(msgspec.json.encode(write_visible([block]))) == [given]


def test_content_of_documents_and_what_stands_around_it() -> None:
    inner = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    for content in (inner, "a\n\nb"):
        source = {"type": "content", "content": content}
        assert read({"type": "document", "source": source, "citations": {"enabled": True}}) == (
            File(text="a\n\nb"),
        )
    assert read({"type": "document", "source": PDF, "context": "It is old."}) == (
        Text("It is old."),
        File(media_type="application/pdf", data="JVBE"),
    )


def test_search_results_and_references_are_told_in_words() -> None:
    result = {
        "type": "search_result",
        "title": "Towers",
        "source": "https://e.com",
        "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
        "cache_control": {"type": "ephemeral"},
    }
    assert read(result) == (Text("Towers\nhttps://e.com\na\nb", "5m"),)
    assert read({"type": "tool_reference", "tool_name": "Read"}) == (Text("The tool Read can be called."),)


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (
            {"type": "server_tool_use", "id": "1", "name": "web_search"},
            "type 'server_tool_use' can't",
        ),
        ({"type": "container_upload"}, "type 'container_upload' can't"),
        ({"type": "image"}, "type 'image' can't"),
        ({"type": "image", "source": {"type": "file", "file_id": "f"}}, "type 'file' of an image can't"),
        ({"type": "document", "source": {"type": "file", "file_id": "f"}}, "type 'file' of a document can't"),
        (
            {"type": "document", "source": {"type": "content", "content": [{"type": "image"}]}},
            "type 'content' of a document can't",
        ),
    ],
)
def test_blocks_that_other_wires_do_not_have(block: dict[str, Any], words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        read(block)


def test_texts_of_nothing_are_not_sent() -> None:
    assert read({"type": "text", "text": ""}) == ()
    assert write_visible([Text(""), Text(" \n", "5m")]) == []


def test_marks_are_left_out_where_they_are_not_allowed() -> None:
    (block,) = write_visible([Text("a", "5m")], marks=False)
    assert block.cache_control is None


def test_the_one_name_of_a_jpeg() -> None:
    (block,) = write_visible([Image(media_type="image/jpg", data="/9j/")])
    assert msgspec.to_builtins(block)["source"]["media_type"] == "image/jpeg"


def test_documents_of_text_are_sent_as_text() -> None:
    data = base64.b64encode("é".encode()).decode()
    (block,) = write_visible([File("a.md", media_type="text/markdown", data=data)])
    assert msgspec.json.decode(msgspec.json.encode(block)) == {
        "type": "document",
        "title": "a.md",
        "source": {"type": "text", "media_type": "text/plain", "data": "é"},
    }
    for bad in ("&&&", base64.b64encode(b"\xff").decode()):
        with pytest.raises(BadRequest, match=r"the file 'a.md' is not base64 of UTF-8 text"):
            write_visible([File("a.md", media_type="text/markdown", data=bad)])
