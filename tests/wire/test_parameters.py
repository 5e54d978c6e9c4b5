"""Parameters are read by type, and those that can't go over are judged by name and value."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tokenworks.errors import BadRequest
from tokenworks.wire.conversation import Conversation, Maker, ToolChoice
from tokenworks.wire.parameters import (
    body,
    chosen,
    drop,
    harmless,
    integer,
    judge,
    needed,
    number,
    rest,
    said,
    sampled,
    schema,
    switch,
    takes_top_k,
)
from tokenworks.wire.peek import peek

LENIENT, STRICT = Maker("m"), Maker("m", strict=True)


class Thing(msgspec.Struct):
    names: list[str]


THING = msgspec.json.Decoder(list[Thing]).decode


def test_absent_and_null_are_the_same() -> None:
    fields = peek(b'{"a":null}')
    for key in ("a", "b"):
        assert integer(fields, key) is number(fields, key) is switch(fields, key) is None


def test_values() -> None:
    fields = peek(b'{"i":7,"f":0.5,"t":true,"o":[{"names":["x"]}]}')
    assert (integer(fields, "i"), number(fields, "i"), number(fields, "f"), switch(fields, "t")) == (
        7,
        7,
        0.5,
        True,
    )
    assert said(fields, "o", THING) == [Thing(["x"])]


BAD: list[tuple[Any, bytes, str]] = [
    (integer, b'"7"', "'x' is malformed: Expected `int | null`, got `str`"),
    (integer, b"-1", "'x' must not be negative"),
    (number, b"true", "'x' is malformed: Expected `float | null`, got `bool`"),
    (number, b"1e400", "'x' is "),
    (switch, b"1", "'x' is malformed"),
    (
        lambda fields, key: said(fields, key, THING),
        b'[{"names":[1]}]',
        r"'x\[0\].names\[0\]' is malformed: Expected",
    ),
    (lambda fields, key: said(fields, key, THING), b"[" * 5000 + b"]" * 5000, "'x.* is malformed"),
]


@pytest.mark.parametrize(("reader", "value", "words"), BAD)
def test_what_is_malformed_is_named(reader: Any, value: bytes, words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        reader({"x": msgspec.Raw(value)}, "x")


def test_the_rest_leaves_out_what_is_known_ours_or_null() -> None:
    fields = peek(b'{"model":"m","provider":{},"plugins":[],"seed":1,"new":{"a":1},"user":null}')
    kept = rest(fields, frozenset(("model",)))
    assert {key: bytes(value) for key, value in kept.items()} == {"seed": b"1", "new": b'{"a":1}'}


def test_schemas() -> None:
    assert schema(msgspec.Raw()) is None
    assert schema(msgspec.Raw(b"null")) is None
    assert schema(msgspec.Raw(b"{}")) == msgspec.Raw(b"{}")


LOSSES = {"seed": harmless(), "penalty": harmless(b"0"), "n": needed(b"1"), "geo": needed()}


@pytest.mark.parametrize(
    ("extra", "lenient", "strict"),
    [
        (b'{"new":{"a":[1]}}', None, None),
        (b'{"seed":1}', None, "seed"),
        (b'{"penalty":0}', None, None),
        (b'{"penalty":0.5}', None, "penalty"),
        (b'{"n": 1 }', None, None),
        (b'{"n":2}', "n", "n"),
        (b'{"geo":"eu"}', "geo", "geo"),
    ],
)
def test_what_may_be_left_out(extra: bytes, lenient: str | None, strict: str | None) -> None:
    for maker, culprit in ((LENIENT, lenient), (STRICT, strict)):
        if culprit is None:
            judge(peek(extra), LOSSES, maker)
        else:
            with pytest.raises(BadRequest, match=f"'{culprit}' can't be said to the provider of this model"):
                judge(peek(extra), LOSSES, maker)


def test_dropping_names_the_callers_own_word() -> None:
    drop("stop", Conversation("m", ()), LENIENT)
    with pytest.raises(BadRequest, match="'stop_sequences' can't"):
        drop("stop", Conversation("m", (), wire="anthropic_messages"), STRICT)
    with pytest.raises(BadRequest, match="'user' can't"):
        drop("user", Conversation("m", (), wire="openai_chat"), STRICT)


def test_sampling_that_is_refused_is_left_out() -> None:
    asked = Conversation("m", (), temperature=0.5, top_p=1.0, top_k=4, wire="openai_chat")
    refusing = frozenset(("sampling_refused",))
    assert sampled(asked, STRICT) == {"temperature": 0.5, "top_p": 1.0}
    assert takes_top_k(asked, STRICT, True)
    assert not takes_top_k(asked, LENIENT, False)
    assert not takes_top_k(Conversation("m", ()), STRICT, True)
    assert sampled(asked, Maker("m", quirks=refusing)) == {}
    assert not takes_top_k(asked, Maker("m", quirks=refusing), True)
    strict = Maker("m", quirks=refusing, strict=True)
    with pytest.raises(BadRequest, match="'temperature' can't"):
        sampled(asked, strict)
    with pytest.raises(BadRequest, match="'top_k' can't"):
        takes_top_k(asked, strict, True)
    assert sampled(Conversation("m", (), temperature=1.0, top_p=1.0), strict) == {}, "the default is no loss"


def test_calls_that_can_not_be_forced_are_the_models_choice() -> None:
    unforced = Maker("m", quirks=frozenset(("no_forced_tools",)))
    for choice in (ToolChoice("required"), ToolChoice("tool", "f")):
        asked = Conversation("m", (), tool_choice=choice)
        assert chosen(asked, STRICT) == choice
        assert chosen(asked, unforced) == chosen(asked, LENIENT, False) == ToolChoice("auto")
        with pytest.raises(BadRequest, match="'tool_choice' can't"):
            chosen(asked, STRICT, False)
    for free in (None, ToolChoice("auto"), ToolChoice("none")):
        assert chosen(Conversation("m", (), tool_choice=free), unforced, False) == free


def test_what_can_not_be_encoded_is_the_callers_fault() -> None:
    with pytest.raises(BadRequest, match="can't be passed on"):
        body({"text": "\ud800"})
