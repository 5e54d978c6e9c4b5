from typing import Any

import pytest

from tokenworks.providers.scripted.reply import Reply
from tokenworks.providers.scripted.request import Ask
from tokenworks.providers.scripted.turn import Turn, take
from tokenworks.providers.scripted.wires.reasoning import delta_of_thought, message_of_thought, prelude


def turn(style: Any, reasoning: str = "so be it", signature: str = "c2ln") -> Turn:
    reply = Reply(text="yes", reasoning=reasoning, signature=signature, reasoning_style=style)
    return take(Ask(1, "openai_chat", "/v1/x", {}, {"model": "m"}), reply)


@pytest.mark.parametrize("style", ["reasoning_content", "reasoning", "reasoning_details"])
def test_deltas_add_up_to_the_message(style: Any) -> None:
    said = turn(style)
    field = "reasoning" if style == "reasoning_details" else style
    assert message_of_thought(said)[field] == "so be it"
    assert "".join(delta.get(field, "") for delta in delta_of_thought(said)) == "so be it"
    assert prelude(said) == ""


def test_details_carry_the_signature_once() -> None:
    said = turn("reasoning_details")
    (whole,) = message_of_thought(said)["reasoning_details"]
    assert (whole["text"], whole["signature"]) == ("so be it", "c2ln")
    details = [detail for delta in delta_of_thought(said) for detail in delta["reasoning_details"]]
    assert "".join(detail["text"] for detail in details) == "so be it"
    assert [detail["signature"] for detail in details if "signature" in detail] == ["c2ln"]


def test_inline_reasoning_is_part_of_the_text() -> None:
    said = turn("inline")
    assert message_of_thought(said) == {}
    streamed = "".join(delta["content"] for delta in delta_of_thought(said))
    assert streamed == prelude(said) == "<think>\nso be it\n</think>\n\n"


def test_no_reasoning_leaves_no_trace() -> None:
    for style in ("reasoning_content", "reasoning_details", "inline"):
        said = turn(style, reasoning="")
        assert (message_of_thought(said), list(delta_of_thought(said)), prelude(said)) == ({}, [], "")
