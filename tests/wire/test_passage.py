"""Streams of named events: whole events only, few of them looked at."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tokenworks.schema import Price, Usage
from tokenworks.wire.answer import Telling
from tokenworks.wire.passage import MAX_EVENT, Passage, complaint, inner, word
from tokenworks.wire.peek import Fields, peek, raw

TELLING = Telling("gen-1", "acme/fast", "acme", Price("p", 1.0, 2.0))


class Counted(Passage):
    """A wire with one event that ends it, one that is changed and one that fails."""

    __slots__ = ("seen",)

    piece = b"part"
    mark = b'"look'

    def __init__(self) -> None:
        super().__init__(TELLING)
        self.seen: list[str] = []

    def look(self, kind: str, fields: Fields) -> bool:
        self.seen.append(kind)
        self.done = kind == "look_end"
        if kind == "look_fail":
            self.error = "failed"
        fields["changed"] = raw(True)
        return kind == "look_change"


def named(kind: str, name: str = "", **fields: Any) -> bytes:
    data = json.dumps({"type": kind, **fields}).encode()
    return b"event: %b\ndata: %b\n\n" % ((name or kind).encode(), data)


def test_what_has_no_mark_is_not_looked_at() -> None:
    stream = Counted()
    data = (
        named("a_part", text="a look, an error")
        + b": comment\n\n"
        + named("other", text="\\look")
        + named("a_part")
    )
    assert stream.feed(data) == data
    assert (stream.seen, stream.events, stream.last) == ([], 2, data)
    assert stream.feed(named("a_part")) == stream.last == named("a_part")
    assert stream.events == 3


def test_what_looks_alike_costs_a_look_and_nothing_else() -> None:
    stream = Counted()
    data = named("other", text='"look_end"', inner={"type": "look_end"})
    assert stream.feed(data) == data
    assert (stream.seen, stream.done) == (["other"], False)


def test_what_has_one_is() -> None:
    stream = Counted()
    out = stream.feed(named("look_at") + named("look_change", x=1.0) + named("part", "look"))
    assert stream.seen == ["look_at", "look_change"]
    changed = b'event: look_change\ndata: {"type":"look_change","x":1.0,"changed":true}\n\n'
    assert out == named("look_at") + changed + named("part", "look")


@pytest.mark.parametrize(
    "data",
    [
        b"event: a_part\r\ndata: %b\r\n\r\n",
        b"event: a_part\ndata: {\ndata: %b\n\n",
        b"id: 5\nevent: a_part\ndata: %b\n\n",
        b"data: %b\n\n",
    ],
)
def test_a_piece_however_it_is_written(data: bytes) -> None:
    for kind in ("a_part", "look_end"):
        stream = Counted()
        whole = (
            data.replace(b"data: {\ndata: %b", b"data: {\ndata: %b" % b'"type": "%b"}')
            if b"{" in data
            else data
        )
        made = whole % (kind.encode() if b"{" in data else json.dumps({"type": kind}).encode())
        assert stream.feed(made) == made
        assert (stream.events, stream.done) == (kind == "a_part", kind == "look_end")


def test_the_end_is_the_end() -> None:
    stream = Counted()
    assert stream.feed(named("look_end") + named("look_at")) == named("look_end")
    assert stream.done


def test_an_error_is_not_passed_on_and_nothing_behind_it() -> None:
    for event, words in ((named("look_fail"), "failed"), (named("error", message="no"), "no")):
        stream = Counted()
        assert stream.feed(named("a_part") + event + named("a_part")) == named("a_part")
        assert stream.error == words
        assert stream.feed(named("a_part")) == b""
        assert stream.last == named("a_part")


def test_an_event_without_end_is_no_event() -> None:
    stream = Counted()
    stream.feed(b"data: " + b"x" * (MAX_EVENT - 6))
    with pytest.raises(ValueError, match="an event of more than 16 MiB"):
        stream.feed(b"x")


@pytest.mark.parametrize(
    ("tail", "kept"),
    [
        (named("look_end")[:-1], True),
        (named("look_end")[:-2], True),
        (named("look_end")[:-3], False),
        (b"event: look_end\n", False),
        (b": comment", False),
        (b"", False),
    ],
)
def test_a_stream_that_just_ends(tail: bytes, kept: bool) -> None:
    stream = Counted()
    assert stream.feed(named("a_part") + tail) == named("a_part")
    assert stream.flush() == (named("look_end") if kept else b"")
    assert stream.done is kept
    assert stream.flush() == b""


def test_usage_is_raised_to_what_was_delivered_until_it_is_final() -> None:
    stream = Counted()
    stream.feed(named("a_part") * 3)
    assert (stream.usage, stream.output_tokens) == (None, 3)
    stream.usage = Usage(7, output_tokens=1)
    assert (stream.usage, stream.output_tokens) == (Usage(7, output_tokens=3), 3)
    stream.usage = Usage(7, output_tokens=5)
    assert stream.output_tokens == 5
    stream.usage, stream.final = Usage(7, output_tokens=2), True
    assert (stream.usage, stream.output_tokens) == (Usage(7, output_tokens=2), 2)


def test_reading_fields() -> None:
    fields = peek(b'{"a":{"b":1},"c":"x","d":null,"e":[1],"f":"\\ud83d\\ude00"}')
    assert inner(fields, "a") == {"b": raw(1)}
    assert [inner(fields, key) for key in "cdez"] == [None] * 4
    assert [word(fields, key) for key in "acdefz"] == ["", "x", "", "", "😀", ""]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"{}", ""),
        (b'{"error":null,"message":"fine"}', ""),
        (b'{"error":{"message":"a\\n b"}}', "a b"),
        (b'{"error":""}', "an error without a message"),
        (b'{"type":"error","message":"flat"}', "flat"),
        (b'{"type":"error","error":null}', "an error without a message"),
        (b'{"type":"error","error":{"message":"in"},"message":"out"}', "in"),
    ],
)
def test_complaints(data: bytes, words: str) -> None:
    assert complaint(peek(data)) == words
