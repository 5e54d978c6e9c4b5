"""Reasoning that a maker must see again: what is remembered of an answer, and how it is put back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_answers import EXPRESSIBLE, STREAMS, cut, reader_of, scripted_stream, scripted_whole, told

from tokenworks.providers.scripted.reply import Reply, ToolCall
from tokenworks.wire import pairs
from tokenworks.wire.answer import Answer, Event, ToolPiece
from tokenworks.wire.conversation import Conversation, Maker, Message, Text, Thinking, ToolResult, ToolUse
from tokenworks.wire.peek import raw
from tokenworks.wire.replay import (
    QUIRKS,
    Gleaner,
    Recall,
    Remembered,
    messages_with,
    name_of,
    remembered,
    wanting,
    wanting_in,
    with_reasoning,
)

TEXT, SIGNATURES, WHOLE = "echo_reasoning_content", "echo_thought_signatures", "replay_full_assistant"
USE = ToolUse("call_1", "get_weather", '{"city":"Rome"}')
OTHER = ToolUse("call_2", "get_time", "{}")
THOUGHT = Thinking("I should look.", "c2ln", "", "rs_1", "x-v1")

# --- names ----------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4), st.integers(0, 3), st.booleans())
def test_a_call_has_one_name_however_it_is_spelled(value: dict[str, Any], indent: int, ascii: bool) -> None:
    given = ToolUse("id", "f", json.dumps(value))
    turned = dict(reversed(value.items()))
    spelled = json.dumps(turned, indent=indent or None, ensure_ascii=ascii)
    assert name_of(ToolUse("id", "f", f" {spelled}\n", signature="s")) == name_of(given)
    assert name_of(ToolUse("id", "f", json.dumps({**value, "one more key": 1}))) != name_of(given)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ('{"a":1}', '{"a":1.0}', True),
        ('{"a":100}', '{"a":1e2}', True),
        ('{"a":0.5}', '{"a":5e-1}', True),
        ("", "{}", True),
        ('{"a":1,"a":2}', '{"a":2}', True),
        ('{"a":"\\u00e9"}', '{"a":"é"}', True),
        ('{"a":1}', '{"a":"1"}', False),
        ('{"a":1}', '{"a":true}', False),
        ('{"a":0}', '{"a":null}', False),
        ('{"a":[1,2]}', '{"a":[2,1]}', False),
        ("{}", "[]", False),
        ('{"a":', ' {"a":', True),
        ('{"a":', '{"a": ', True),
        ('{"a":', '{"b":', False),
        ("\ud800", "\ud801", False),
    ],
)
def test_spellings(one: str, other: str, same: bool) -> None:
    assert (name_of(ToolUse("i", "f", one)) == name_of(ToolUse("i", "f", other))) == same


@pytest.mark.parametrize(
    ("id", "unique"),
    [
        ("call_00_Zk3bq7wJ5yXn1pR8tUvS2aLm", True),
        ("toolu_01A09q90qw90lq917835lq9", True),
        ("function-call-12340987651234098", True),
        ("chatcmpl-tool-8f14e45fceea167a5a36dedd4bea2543", True),
        ("functions.get_weather:0", False),
        ("get_weather:12", False),
        ("call_1", False),
        ("________________________", False),
        ("", False),
    ],
)
def test_an_id_of_its_own_is_enough(id: str, unique: bool) -> None:
    """Clients mend arguments, and large numbers lose digits in some."""
    one, other = ToolUse(id, "get_weather", '{"n":1}'), ToolUse(id, "get_weather", '{"n":1,"mended":true}')
    assert (name_of(one) == name_of(other)) == unique
    assert name_of(one) != name_of(msgspec.structs.replace(one, id=f"{id}x"))


def test_what_tells_calls_apart() -> None:
    names = [
        name_of(ToolUse(*each))
        for each in (("i", "f", "{}"), ("i", "g", "{}"), ("j", "f", "{}"), ("", "if", "{}"), ("if", "", "{}"))
    ]
    assert len(set(names)) == len(names)
    assert all(len(name) == 40 for name in names)
    assert len(name_of(ToolUse("x" * 10**5, "f", "{}"))) == 40


# --- what is remembered ---------------------------------------------------------------------------


def test_what_is_remembered_of_an_answer() -> None:
    signed = msgspec.structs.replace(OTHER, signature="sig")
    found = remembered(Answer((THOUGHT, Text("Ah."), USE, Thinking("more"), signed), "tool_calls"))
    names = [name_of(USE), name_of(OTHER)]
    assert found == (names, Remembered((THOUGHT, Thinking("more")), {names[1]: "sig"}))
    assert remembered(Answer((USE,), "tool_calls")) == ([names[0]], Remembered()), "that it was nothing"
    assert remembered(Answer((THOUGHT, Text("x")), "stop")) is None


class Told:
    """A reader of what is known already."""

    def __init__(self, events: Sequence[Event], held: Sequence[Event] = ()) -> None:
        self.events, self.held = events, held

    def feed(self, data: bytes) -> Sequence[Event]:
        return self.events

    def flush(self) -> Sequence[Event]:
        return self.held


@pytest.mark.parametrize("wire", STREAMS)
@settings(max_examples=60)
@given(st.data())
def test_a_stream_is_remembered_like_the_whole_answer(wire: str, data: st.DataObject) -> None:
    answer, events = data.draw(told(EXPRESSIBLE[wire]))
    at = data.draw(st.integers(0, len(events)))
    gleaner = Gleaner(Told(events[:at], events[at:]))
    gleaner.feed(b"")
    assert gleaner.remembered() == remembered(answer)


REPLIES = {
    "thought": Reply(
        reasoning="I look.", signature="c2ln", text="Ah.", tool_calls=(ToolCall("f", "{}", "c1"),)
    ),
    "parallel": Reply(
        reasoning="I look.",
        tool_calls=(ToolCall("f", '{"a": "längst"}', "c1", split_at=(1, 5, 9)), ToolCall("g", "{}", "c2")),
    ),
    "thoughtless": Reply(tool_calls=(ToolCall("f", '{"a":1}', "c1"),)),
    "toolless": Reply(reasoning="I look.", text="It rains."),
}


@pytest.mark.parametrize("reply", REPLIES)
@pytest.mark.parametrize("wire", STREAMS)
def test_bytes_of_a_provider(wire: str, reply: str) -> None:
    """Streamed in any pieces or whole: the same is remembered."""
    maker = Maker("m")
    whole = pairs.gleaned(wire, maker, scripted_whole(wire, REPLIES[reply]))
    stream = scripted_stream(wire, REPLIES[reply])
    for size in (1, 7, 100, len(stream)):
        gleaner = pairs.gleaner(wire, maker)
        for piece in cut(stream, range(0, len(stream), size)):
            gleaner.feed(piece)
        assert gleaner.remembered() == whole
    assert (whole is None) == (reply == "toolless")
    if whole is not None:
        texts = [block.text for block in whole[1].thinking]
        assert texts == ([] if reply == "thoughtless" else ["I look."])
        assert len(whole[0]) == len(REPLIES[reply].tool_calls)


def test_what_cannot_be_read_is_said() -> None:
    gleaner = Gleaner(reader_of("openai_chat"))
    with pytest.raises(ValueError, match="can't be read"):
        gleaner.feed(b'data: {"choices": 5}\n\n')


# --- what a request lacks -------------------------------------------------------------------------


def says(*content: Any) -> Message:
    return Message("assistant", content)


SIGNED = msgspec.structs.replace(USE, signature="sig")
BARE = Thinking("I should look.")
SEALED = Thinking("", "", "opaque", USE.id, "x-v1")
LACKING: list[tuple[Message, set[str]]] = [
    (says(USE), {TEXT, SIGNATURES, WHOLE}),
    (says(Text("x"), USE, OTHER), {TEXT, SIGNATURES, WHOLE}),
    (says(BARE, USE), {SIGNATURES, WHOLE}),
    (says(THOUGHT, USE), {SIGNATURES}),
    (says(SIGNED, OTHER), {TEXT, WHOLE}),
    (says(BARE, SIGNED), {WHOLE}),
    (says(SEALED, USE), {TEXT}),
    (says(Thinking("", "c2ln"), USE), {TEXT, SIGNATURES}),
    (says(Text("x")), set()),
    (says(), set()),
    (Message("user", (ToolResult(USE.id, (Text("x"),)),)), set()),
]


@pytest.mark.parametrize("quirk", sorted(QUIRKS))
@pytest.mark.parametrize(("message", "lacks"), LACKING)
def test_who_lacks_what(message: Message, lacks: set[str], quirk: str) -> None:
    names = [name_of(block) for block in message.content if isinstance(block, ToolUse)]
    wanted = wanting(Conversation("m", (message,)), frozenset((quirk, "thinking_by_default")))
    assert wanted == (names if quirk in lacks else [])
    assert wanting(Conversation("m", (message,)), frozenset()) == []


def test_the_oldest_first_and_each_once() -> None:
    conversation = Conversation("m", (says(USE, OTHER), says(Text("x")), says(OTHER), says(BARE, USE)))
    assert wanting(conversation, frozenset((TEXT,))) == [name_of(USE), name_of(OTHER)]


# --- putting it back --------------------------------------------------------------------------------


def recall(*calls: ToolUse, thinking: tuple[Thinking, ...] = (THOUGHT,)) -> Recall:
    signatures = {name_of(call): call.signature for call in calls if call.signature}
    return {name_of(call): Remembered(thinking, signatures) for call in calls}


def restored(message: Message, known: Recall) -> tuple[Any, ...]:
    (found,) = with_reasoning(Conversation("m", (message,)), known).messages
    assert found.role == message.role
    return found.content


def test_reasoning_comes_before_what_it_led_to() -> None:
    known = recall(USE, OTHER)
    assert restored(says(Text("x"), USE, OTHER), known) == (THOUGHT, Text("x"), USE, OTHER)
    assert restored(says(OTHER), known) == (THOUGHT, OTHER), "any of the calls will do"
    assert restored(says(BARE, USE), known) == (THOUGHT, USE), "as its maker said it, not as a client did"
    own = Thinking("mine", "sig")
    assert restored(says(own, USE), known) == (own, USE)
    assert restored(says(Text("x")), known) == (Text("x"),)
    assert restored(says(ToolUse("call_3", "f", "{}")), known) == (ToolUse("call_3", "f", "{}"),)
    assert restored(says(BARE, USE), recall(USE, thinking=())) == (BARE, USE)


def test_each_call_has_its_own_signature() -> None:
    known = recall(SIGNED, OTHER, thinking=())
    assert restored(says(USE, OTHER), known) == (SIGNED, OTHER)
    mine = msgspec.structs.replace(USE, signature="mine")
    assert restored(says(mine), known) == (mine,)


@pytest.mark.parametrize("wire", STREAMS)
@settings(max_examples=60)
@given(st.data())
def test_what_was_dropped_is_back(wire: str, data: st.DataObject) -> None:
    """Whatever a maker said, a client that drops its reasoning and signatures changes nothing."""
    answers = data.draw(st.lists(EXPRESSIBLE[wire], min_size=1, max_size=3))
    known: dict[str, Remembered] = {}
    for answer in answers:
        found = remembered(answer)
        if found is not None:
            known |= dict.fromkeys(found[0], found[1])
    full = [Message("assistant", answer.content) for answer in answers]
    bare = [
        Message(
            "assistant",
            tuple(
                msgspec.structs.replace(block, signature="") if isinstance(block, ToolUse) else block
                for block in message.content
                if not isinstance(block, Thinking)
            ),
        )
        for message in full
    ]
    back = with_reasoning(Conversation("m", tuple(bare)), known).messages
    for answer, was, message, now in zip(answers, full, bare, back, strict=True):
        calls = [block for block in answer.content if isinstance(block, ToolUse)]
        if not calls:
            assert now == message
        elif [known[name_of(call)] for call in calls] == [(remembered(answer) or ([], None))[1]] * len(calls):
            thoughts = [block for block in was.content if isinstance(block, Thinking)]
            rest = [block for block in was.content if not isinstance(block, Thinking)]
            assert list(now.content) == [*thoughts, *rest]


# --- in the messages of a chat request --------------------------------------------------------------


def call(id: str = "call_1", **more: Any) -> dict[str, Any]:
    function = {"name": "get_weather", "arguments": '{ "city": "Rome" }'}
    return {"id": id, "type": "function", "function": function, **more}


def assistant(**more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": [call()], **more}


def mended(message: Any, quirk: str, known: Recall | None = None) -> Any:
    given = raw([{"role": "user", "content": [{"type": "video"}]}, message, 5])
    found = messages_with(
        given, Maker("m", quirks=frozenset((quirk,))), recall(USE) if known is None else known
    )
    first, second, third = json.loads(bytes(found))
    assert (first, third) == ({"role": "user", "content": [{"type": "video"}]}, 5)
    return second


def test_the_text_of_its_reasoning() -> None:
    assert mended(assistant(), TEXT) == assistant(reasoning_content="I should look.")
    for blank in (None, ""):
        assert mended(assistant(reasoning_content=blank), TEXT)["reasoning_content"] == "I should look."
    mine = assistant(reasoning_content="mine", name="n", prefix=True, odd={"a": [1.50]})
    assert mended(mine, TEXT) == mine
    elsewhere = assistant(reasoning="said under another name")
    assert mended(elsewhere, TEXT, {}) == {**elsewhere, "reasoning_content": "said under another name"}
    assert mended(assistant(), TEXT, {}) == assistant(reasoning_content=""), "the field is demanded"


def test_the_details_of_its_reasoning() -> None:
    detail = {
        "type": "reasoning.text",
        "text": "I should look.",
        "signature": "c2ln",
        "id": "rs_1",
        "format": "x-v1",
        "index": 0,
    }
    assert mended(assistant(), WHOLE) == assistant(reasoning_details=[detail])
    assert mended(assistant(reasoning_details=[]), WHOLE) == assistant(reasoning_details=[detail])
    mine = assistant(reasoning_details=[{**detail, "text": "mine"}])
    assert mended(mine, WHOLE) == mine
    assert mended(assistant(), WHOLE, {}) == assistant()


def test_the_signatures_of_calls() -> None:
    known = recall(SIGNED, thinking=())
    extra = {"google": {"thought_signature": "sig"}}
    assert mended(assistant(), SIGNATURES, known) == assistant(tool_calls=[call(extra_content=extra)])
    two = assistant(tool_calls=[call(odd=1), call("call_9")])
    assert mended(two, SIGNATURES, known)["tool_calls"] == [
        call(odd=1, extra_content=extra),
        call("call_9"),
    ]
    beside = assistant(tool_calls=[call(extra_content={"acme": {"x": 1}})])
    assert mended(beside, SIGNATURES, known)["tool_calls"] == [
        call(extra_content={"acme": {"x": 1}, **extra})
    ]
    null = assistant(tool_calls=[call(extra_content=None)])
    assert mended(null, SIGNATURES, known)["tool_calls"] == [call(extra_content=extra)]
    mine = assistant(tool_calls=[call(extra_content={"acme": {"thought_signature": "mine"}})])
    assert mended(mine, SIGNATURES, known) == mine
    unknown = mended(assistant(), SIGNATURES, {})["tool_calls"][0]["extra_content"]
    assert unknown == {"google": {"thought_signature": "skip_thought_signature_validator"}}


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "content": '"tool_calls"'},
        {"role": "user", "content": "x", "tool_calls": [call()]},
        {"role": "assistant", "content": 'says "tool_calls"', "tool_calls": []},
        {"role": "assistant", "tool_calls": None, "content": "x"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "custom", "custom": {}}]},
        {"role": "assistant", "content": None, "tool_calls": [7]},
        {"role": "assistant", "content": None, "tool_calls": "x"},
        {"role": "robot", "tool_calls": [call()]},
        ["tool_calls", {"tool_calls": 1}],
    ],
)
@pytest.mark.parametrize("quirk", sorted(QUIRKS))
def test_what_is_none_of_our_business(message: Any, quirk: str) -> None:
    given = raw([message])
    maker = Maker("m", quirks=frozenset((quirk,)))
    assert messages_with(given, maker, recall(USE)) is given
    assert wanting_in(given, maker.quirks) == []


@pytest.mark.parametrize("given", [b"null", b'"tool_calls"', b'{"tool_calls":1}', b"[]", b"5"])
def test_messages_that_are_no_list(given: bytes) -> None:
    messages = msgspec.Raw(given)
    assert messages_with(messages, Maker("m", quirks=QUIRKS), {}) is messages
    assert wanting_in(messages, QUIRKS) == []


def test_what_messages_lack() -> None:
    messages = raw(
        [
            {"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]},
            assistant(),
            {"role": "tool", "tool_call_id": "call_1", "content": "x"},
            assistant(reasoning="r", tool_calls=[call("call_2")]),
        ]
    )
    assert wanting_in(messages, frozenset((TEXT,))) == [name_of(USE)]
    assert len(wanting_in(messages, frozenset((SIGNATURES,)))) == 2


def test_pieces_without_a_beginning_do_no_harm() -> None:
    """Arguments of a call that was never named are a call all the same; nobody will ask for it."""
    gleaner = Gleaner(Told([ToolPiece(3, '{"a":'), ToolPiece(3, "1}")]))
    gleaner.feed(b"")
    assert gleaner.remembered() == ([name_of(ToolUse("", "", '{"a":1}'))], Remembered())
