"""Events are the same whatever the line ends and wherever the chunks were cut."""

from __future__ import annotations

import itertools
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenworks.wire import sse

ENDS = [b"\n", b"\r\n", b"\r"]
LINES = st.text(st.characters(blacklist_characters="\r\n", blacklist_categories=["Cs"]), max_size=12)
EVENTS = st.lists(
    st.lists(LINES.map(lambda text: b"data: " + text.encode()), min_size=1, max_size=3), max_size=6
)


def stream(events: list[list[bytes]], end: bytes) -> bytes:
    return b"".join(b"".join(line + end for line in lines) + end for lines in events)


def read(pieces: list[bytes]) -> tuple[list[bytes], bytes]:
    """What a reader gets that only ever sees whole events."""
    found: list[bytes] = []
    tail = b""
    for piece in pieces:
        data = tail + piece
        end = sse.cut(data)
        tail = data[end:]
        found += sse.events(data[:end])
    return found, tail


@given(EVENTS, st.sampled_from(ENDS), st.lists(st.integers(0, 400), max_size=8), st.binary(max_size=10))
@settings(max_examples=300, deadline=None)
def test_any_cut_gives_the_same_events(
    events: list[list[bytes]], end: bytes, cuts: list[int], rest: bytes
) -> None:
    rest = re.sub(rb"[\r\n]", b"", rest)
    data = stream(events, end) + rest
    marks = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    found, tail = read([data[a:b] for a, b in itertools.pairwise(marks)])
    assert b"".join(found) + tail == data
    assert tail == rest
    assert [sse.payload(event) for event in found] == [
        b"\n".join(line[6:] for line in lines) for lines in events
    ]


@pytest.mark.parametrize("end", ENDS)
def test_every_single_cut(end: bytes) -> None:
    data = stream([[b"data: a"], [b": comment", b"data: b", b"id: 3"], [b"event: x", b"data:c"]], end)
    whole = list(sse.events(data))
    assert len(whole) == 3
    for cut in range(len(data) + 1):
        assert read([data[:cut], data[cut:]]) == (whole, b"")
    assert read([data[at : at + 1] for at in range(len(data))]) == (whole, b"")


def test_nothing_is_whole_without_a_blank_line() -> None:
    for data in (b"", b"\n", b"\r", b"\r\n", b"data: a", b"data: a\n", b"data: a\r\n\r", b"data: a\r"):
        assert sse.cut(data) == 0
        assert list(sse.events(data)) == []
    assert sse.cut(b"data: a\n\ndata: b\n") == 9


def test_payload() -> None:
    cases = {
        b"data: x\n\n": b"x",
        b"data:x\n\n": b"x",
        b"data:  x\n\n": b" x",
        b"data:\n\n": b"",
        b"data: x\r\n\r\n": b"x",
        b"data: x\r\r": b"x",
        b"event: e\ndata: x\n\n": b"x",
        b"data: x\nid: 1\n\n": b"x",
        b"data: x\ndata: y\n\n": b"x\ny",
        b"data: x\n\n\n": b"x",
        b": comment\n\n": None,
        b"event: e\n\n": None,
        b"\n\n": None,
        b"metadata: x\n\n": None,
        b"data: \xe2\x80\xa8\x85x\n\n": b"\xe2\x80\xa8\x85x",  # no line ends in bytes
    }
    for event, payload in cases.items():
        assert sse.payload(event) == payload, event


def test_name() -> None:
    assert sse.name(b"event: error\ndata: x\n\n") == b"error"
    assert sse.name(b"event:error\r\ndata: x\r\n\r\n") == b"error"
    assert sse.name(b"data: event: x\n\n") is None


@given(st.sampled_from(ENDS), st.lists(st.sampled_from([b"id: 1", b"event: e", b": c"]), max_size=3))
def test_with_payload_keeps_the_other_lines(end: bytes, lines: list[bytes]) -> None:
    body = json.dumps({"a": "b"}).encode()
    for event in (
        stream([[b"data: old", *lines]], end),
        stream([[*lines, b"data: old"]], end),
        stream([[b"data: o", *lines, b"data: ld"]], end),
    ):
        made = sse.with_payload(event, body)
        assert list(sse.events(made)) == [made]
        assert sse.payload(made) == body
        assert [line for line in made.splitlines() if line in lines] == lines
