from typing import Any

import pytest

from tokenworks.providers.scripted.reply import Reply, Tokens, ToolCall
from tokenworks.providers.scripted.request import Ask, WireName
from tokenworks.providers.scripted.turn import echo, take
from tokenworks.schema import Usage

HELLO = [{"role": "user", "content": "hello there you"}]


def ask(wire: WireName = "openai_chat", **body: Any) -> Ask:
    return Ask(7, wire, "/v1/x", {}, {"model": "m", "messages": HELLO, **body})


def test_the_echo_can_be_recomputed() -> None:
    turn = take(ask(), Reply())
    assert turn.text == echo("hello there you") == "You said: hello there you"
    assert "".join(turn.pieces) == turn.text
    assert (turn.finish, turn.usage) == ("stop", Usage(uncached_input_tokens=3, output_tokens=5))
    assert turn.id("x-") == take(ask(), Reply()).id("x-")


@pytest.mark.parametrize(
    ("reply", "limit", "output", "finish"),
    [
        (Reply(), 4, 4, "length"),
        (Reply(), 5, 5, "stop"),
        (Reply(tokens=100), 30, 30, "length"),
        (Reply(tokens=100), 500, 100, "stop"),
        (Reply(tokens=100), 0, 0, "length"),
        (Reply(text="one two three"), 1, 3, "stop"),  # written texts are played as they are written
    ],
)
def test_max_tokens_cuts_what_is_made_up(reply: Reply, limit: int, output: int, finish: str) -> None:
    turn = take(ask(max_tokens=limit), reply)
    assert len(turn.text.split()) == turn.usage.output_tokens == output
    assert turn.finish == finish


def test_numbers_of_the_script_win_and_the_rest_is_counted() -> None:
    reply = Reply(
        text="a b",
        reasoning="c d e",
        tool_calls=(ToolCall("f", '{"x": 1}'),),
        usage=Tokens(cache_read_tokens=2, cache_write_tokens=4),
    )
    # input: the cached classes already exceed the 3 words; output: 2 + 3 + name and two words of arguments
    assert take(ask(), reply).usage == Usage(0, 2, 4, 8, 3)
    assert take(ask(), Reply(usage=Tokens(input_tokens=10, cache_read_tokens=4))).usage == Usage(
        6, 4, 0, 5, 0
    )


def test_choices_multiply_on_the_chat_wire_only() -> None:
    assert take(ask(n=3), Reply()).usage.output_tokens == 15
    assert take(ask(n=3), Reply(n=2)).choices == 2
    assert take(ask("anthropic_messages", n=3), Reply()).choices == 1


def test_classes_that_a_dialect_can_not_tell_are_not_claimed() -> None:
    tokens = Tokens(input_tokens=10, cache_read_tokens=4, cache_write_tokens=3)
    for style, write in (("auto", 3), ("anthropic", 3), ("deepseek", 0), ("moonshot", 0)):
        usage = take(ask(), Reply(usage=tokens, usage_style=style)).usage  # type: ignore[arg-type]
        assert (usage.input_tokens, usage.cache_read_tokens, usage.cache_write_tokens) == (10, 4, write)


def test_nothing_is_generated_by_embeddings_and_counts() -> None:
    for wire in ("embeddings", "count_tokens"):
        usage = take(ask(wire), Reply(text="a", usage=Tokens(output_tokens=9))).usage  # type: ignore[arg-type]
        assert usage == Usage(uncached_input_tokens=3)
