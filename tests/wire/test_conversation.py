"""What comes back is what was said: every wire alone, and every pair of them."""

from __future__ import annotations

import itertools
from types import ModuleType

import msgspec
import pytest
from conversations import CHAT, MAKERS, MESSAGES, RESPONSES, WIRES, conversations
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tokenworks.wire.anthropic_messages import request as messages
from tokenworks.wire.conversation import Conversation, Text, named, told
from tokenworks.wire.openai_chat import request as chat
from tokenworks.wire.openai_responses import request as responses
from tokenworks.wire.peek import peek

REQUESTS: dict[str, ModuleType] = {CHAT: chat, MESSAGES: messages, RESPONSES: responses}
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def passed(conversation: Conversation, wire: str) -> Conversation:
    """``conversation`` as a provider on ``wire`` reads what we write for it."""
    request = REQUESTS[wire]
    read = request.read(peek(request.write(conversation, MAKERS[wire])))
    assert isinstance(read, Conversation)
    assert read.wire == wire
    return read


def core(conversation: Conversation) -> Conversation:
    """What must be the same wherever it was said."""
    return msgspec.structs.replace(conversation, wire="", extra={})


@pytest.mark.parametrize("wire", WIRES)
@QUICK
@given(data=st.data())
def test_each_wire_reads_what_it_writes(wire: str, data: st.DataObject) -> None:
    conversation = data.draw(conversations(wire))
    assert core(passed(conversation, wire)) == core(conversation)


@pytest.mark.parametrize(("caller", "provider"), list(itertools.permutations(WIRES, 2)))
@QUICK
@given(data=st.data())
def test_nothing_is_lost_between_two_wires_that_both_can_say(
    caller: str, provider: str, data: st.DataObject
) -> None:
    conversation = data.draw(conversations(caller, provider))
    asked = passed(conversation, caller)
    assert core(passed(asked, provider)) == core(conversation)


def test_an_error_is_told_in_words_where_it_can_only_be_told_so() -> None:
    assert told("no such file", True) == "Error: no such file"
    assert told("Error 5", True) == "Error 5"
    assert told("ERROR", True) == "ERROR"
    assert told("", True) == "Error:"
    assert told("no such file", False) == "no such file"


def test_a_speaker_is_named_in_words_where_it_can_only_be_told_so() -> None:
    image = (
        chat.read(
            peek(
                b'{"messages":[{"role":"user","content":[{"type":"image_url","image_url":"https://e.com"}]}]}'
            )
        )
        .messages[0]
        .content[0]
    )
    assert named([Text("Hi", "1h"), Text("you")], "ann") == [Text("ann: Hi", "1h"), Text("you")]
    assert named([image], "ann") == [Text("ann:"), image]  # type: ignore[list-item]
    assert named([Text("Hi")], "") == [Text("Hi")]
    assert named([], "ann") == []
