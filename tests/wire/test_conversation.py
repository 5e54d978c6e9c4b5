"""What comes back is what was said: every wire alone, and every pair of them."""

from __future__ import annotations

import contextlib
import copy
import functools
import itertools
import json
import operator
from types import ModuleType
from typing import Any

import msgspec
import pytest
from client_requests import AGENT_CHAT, AGENT_MESSAGES, AGENT_RESPONSES
from conversations import CHAT, MAKERS, MESSAGES, RESPONSES, WIRES, conversations
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tokenworks.catalog import quirks
from tokenworks.errors import BadRequest
from tokenworks.wire.anthropic_messages import request as messages
from tokenworks.wire.conversation import Conversation, Maker, Text, named, told
from tokenworks.wire.openai_chat import request as chat
from tokenworks.wire.openai_responses import request as responses
from tokenworks.wire.peek import peek

REQUESTS: dict[str, ModuleType] = {CHAT: chat, MESSAGES: messages, RESPONSES: responses}
QUIRKS = st.frozensets(st.sampled_from(sorted(quirks.QUIRKS)), max_size=4)
QUICK = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])


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


AGENTS: dict[str, dict[str, Any]] = {CHAT: AGENT_CHAT, MESSAGES: AGENT_MESSAGES, RESPONSES: AGENT_RESPONSES}
ODD = st.sampled_from(
    [None, True, -1, 0.5, 10**30, "", "x", [], [None], [[]], {}, {"type": "x"}, {"type": "text"}]
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in ``value``."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [place for key, item in inner for place in places(item, (*path, key))]


@pytest.mark.parametrize("wire", WIRES)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_whatever_a_caller_sends_it_is_read_or_refused(wire: str, data: st.DataObject) -> None:
    body = copy.deepcopy(AGENTS[wire])
    *way, last = data.draw(st.sampled_from(places(body)))
    functools.reduce(operator.getitem, way, body)[last] = data.draw(ODD)
    try:
        conversation = REQUESTS[wire].read(peek(json.dumps(body).encode()))
    except BadRequest:
        return
    for request in REQUESTS.values():
        with contextlib.suppress(BadRequest):
            json.loads(request.write(conversation, Maker("up", quirks=data.draw(QUIRKS))))


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
