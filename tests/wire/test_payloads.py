"""Events cut out of a body: the same whatever the chunks."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_answers import cut

from tokenworks.wire import payloads
from tokenworks.wire.payloads import Payloads, decoded

PARTS = [
    b"data: a\n\n",
    b"event: x\ndata: b\n\n",
    b": c\n\n",
    b"event: y\n\n",
    b"data: \n\n",
    b"data:d\ndata:e\n\n",
]
VALUES = [b"a", b"b", None, None, None, b"d\ne"]


@given(
    st.lists(st.integers(0, 5), max_size=12),
    st.lists(st.integers(0, 200), max_size=8),
    st.sampled_from("nrb"),
)
@settings(max_examples=300, deadline=None)
def test_any_cut_gives_the_same_payloads(chosen: list[int], cuts: list[int], end: str) -> None:
    data = b"".join([PARTS[at] for at in chosen])
    data = data.replace(b"\n", {"n": b"\n", "r": b"\r", "b": b"\r\n"}[end])
    reader = Payloads()
    found = [payload for piece in cut(data, cuts) for payload in reader.feed(piece)]
    assert found == [value for at in chosen if (value := VALUES[at]) is not None]
    assert reader.flush() == b""


def test_several_lines_in_one_chunk() -> None:
    assert Payloads().feed(b"event: x\nid: 1\ndata: a\n\n") == [b"a"]
    assert Payloads().feed(b"id: 1\ndata: a\n\n") == [b"a"]
    assert Payloads().feed(b"metadata: a\n\n") == []


@pytest.mark.parametrize(
    ("tail", "kept"),
    [
        (b"", b""),
        (b"data: a", b"a"),
        (b"data: a\n", b"a"),
        (b"data: a\r\n", b"a"),
        (b": c", b""),
        (b"da", b""),
    ],
)
def test_what_is_left_at_the_end(tail: bytes, kept: bytes) -> None:
    reader = Payloads()
    assert reader.feed(b"data: x\n\n" + tail) == [b"x"]
    assert reader.flush() == kept
    assert reader.flush() == b""


def test_an_event_without_end_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payloads, "MAX_EVENT", 100_000)
    reader = Payloads()
    with pytest.raises(ValueError, match="an event of more than"):
        for _ in range(20):
            assert reader.feed(b"data: " + b"x" * 10_000) == []


ANY = msgspec.json.Decoder().decode


@pytest.mark.parametrize(
    ("payload", "value"),
    [
        (b'{"a":"\\ud83d\\ude00"}', "😀"),
        (b'{"a":"x\\ud83d"}', "x�"),
        (b'{"a":"\\uDE00x"}', "�x"),
        (b'{"a":"\\ud83d\\u0041"}', "�A"),
        (b'{"a":"\\\\ud83d \\ud83d"}', "\\ud83d �"),
        (b'{"a":"\\ud83d\\ud83d\\ude00"}', "�😀"),
    ],
)
def test_halves_of_characters(payload: bytes, value: str) -> None:
    assert decoded(ANY, payload) == {"a": value}


@pytest.mark.parametrize("payload", [b"", b"{", b"x", b'{"a":"\xff"}', b"[" * 100_000], ids=range(5))
def test_what_can_t_be_read(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r"^what can't be read"):
        decoded(ANY, payload)


@given(st.recursive(st.none() | st.text(), lambda inner: st.lists(inner, max_size=3), max_leaves=6))
def test_what_can_be_read_is_left_alone(value: Any) -> None:
    assert decoded(ANY, json.dumps(value).encode()) == value
