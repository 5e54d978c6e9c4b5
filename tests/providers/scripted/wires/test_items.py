from typing import Any

import pytest

from tokenworks.providers.scripted.reply import Reply, ToolCall
from tokenworks.providers.scripted.request import Ask
from tokenworks.providers.scripted.turn import take
from tokenworks.providers.scripted.wires.items import output_items


def items(reply: Reply) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    turn = take(Ask(1, "openai_responses", "/v1/responses", {}, {"model": "m", "input": "hi"}), reply)
    return [(item.done, list(item.events)) for item in output_items(turn, "completed")]


@pytest.mark.parametrize(
    ("reply", "kinds"),
    [
        (Reply(), ["message"]),
        (Reply(text=""), ["message"]),
        (Reply(text="a", reasoning="b"), ["reasoning", "message"]),
        (Reply(tool_calls=(ToolCall("f"), ToolCall("g"))), ["function_call", "function_call"]),
        (Reply(text="a", refusal="no"), ["message"]),
    ],
)
def test_what_is_said_becomes_items(reply: Reply, kinds: list[str]) -> None:
    assert [done["type"] for done, _ in items(reply)] == kinds


def test_every_item_opens_and_closes_with_itself() -> None:
    for done, events in items(Reply(text="a b", reasoning="c", refusal="no", tool_calls=(ToolCall("f"),))):
        first, *inner, last = events
        assert first["type"] == "response.output_item.added"
        assert last == {"type": "response.output_item.done", "item": done}
        assert first["item"]["id"] == done["id"]
        assert {event["item_id"] for event in inner} == {done["id"]}


def test_two_parts_of_a_message_have_their_own_index() -> None:
    ((done, events),) = items(Reply(text="a b", refusal="no"))
    assert [part["type"] for part in done["content"]] == ["output_text", "refusal"]
    assert [event["content_index"] for event in events[1:-1]] == [0] * 5 + [1] * 4
